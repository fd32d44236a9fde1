#include "kernel/sched/thread.h"
#include "kernel/ipc/call.h"
#include "kernel/ipc/endpoint.h"
#include "kernel/ipc/futex.h"
#include "kernel/ipc/waitset.h"
#include "kernel/memory/space.h"
#include "kernel/memory/stream.h"
#include "kernel/memory/user.h"
#include "kernel/object/domain.h"
#include "kernel/object/process.h"
#include "kernel/sched/scheduler.h"
#include "lib/base/bytes.h"

/* The thread page and, for servers, the staging page behind it. */
static status_t make_page(struct thread *_Nonnull thread, bool staging) LOCKED {
    status_t status = memory_create(thread->object.domain, staging ? 2 * PAGE_SIZE : PAGE_SIZE,
                                    MEMORY_WIRED, 0, &thread->page_memory);
    uint64_t physical = 0;
    if (status == STATUS_OK && memory_peek(SOME(thread->page_memory), 0, &physical)) {
        thread->page = arch_pointer(physical);
        thread->page->thread_serial = thread->object.serial;
        thread->page->process_serial = thread->process->object.serial;
        bool there = staging && memory_peek(SOME(thread->page_memory), 1, &physical);
        thread->staging = there ? arch_pointer(physical) : nullptr;
    }
    return status;
}

status_t thread_create(struct process *_Nonnull process, uint32_t priority, bool staging,
                       struct thread *_Nullable *_Nonnull out) {
    REFUSE(process->state >= PROCESS_DYING, STATUS_DIED);
    struct domain *domain = SOME(process->object.domain);
    TRY(domain_charge(domain, RESOURCE_THREADS, 1));
    void *memory = nullptr;
    status_t status = slab_allocate(SLAB_THREAD, domain, &memory);
    if (status != STATUS_OK) {
        domain_uncharge(domain, RESOURCE_THREADS, 1);
        return status;
    }
    struct thread *thread = SOME(memory);
    object_begin(&thread->object, OBJECT_THREAD, SLAB_THREAD, domain);
    thread->process = process;
    object_reference(&process->object);
    thread->state = THREAD_NEW;
    thread->priority = MIN(priority, process->priority_ceiling);
    thread->weight = SCHEDULER_WEIGHT;
    thread->affinity = UINT32_MAX;
    thread->cpu = cpu_current()->index;
    thread->timer.kind = TIMER_THREAD;
    list_init(&thread->process_link);
    list_init(&thread->run_link);
    list_init(&thread->wait_link);
    list_init(&thread->deferred_link);
    struct request *request = nullptr;
    status = request_create(domain, REQUEST_CALL, &request);
    if (status != STATUS_OK) {
        thread->orphaned_call = true; /* there is none to free */
    } else {
        thread->request = SOME(request);
        status = make_page(thread, staging);
    }
    if (status == STATUS_OK) {
        status = arch_thread_init(thread);
    }
    if (status != STATUS_OK) {
        object_release(&thread->object);
        return status;
    }
    *out = thread;
    return STATUS_OK;
}

status_t thread_map_page(struct thread *_Nonnull thread, uint64_t address) {
    struct space *space = thread->process->space;
    REFUSE(space == nullptr, STATUS_DIED);
    uint64_t at = 0;
    uint64_t length = thread->staging != nullptr ? 2 * PAGE_SIZE : PAGE_SIZE;
    TRY(space_map(SOME(space), address, length, thread->page_memory, 0,
                  PROTECT_READ | PROTECT_WRITE, MAP_NO_REPLACE | MAP_GUARD | MAP_THREAD_PAGE, &at));
    thread->page_address = address;
    SOME(thread->page)->self = address;
    return STATUS_OK;
}

/* Where the space has room. */
static status_t thread_map_page_anywhere(struct thread *_Nonnull thread) LOCKED {
    struct space *space = SOME(thread->process->space);
    uint64_t address = 0;
    TRY(space_find_free(space, thread->staging != nullptr ? 2 * PAGE_SIZE : PAGE_SIZE, &address));
    return thread_map_page(thread, address);
}

status_t thread_start(struct thread *_Nonnull thread, uint64_t entry, uint64_t stack,
                      uint64_t argument, uint64_t page_address) {
    REFUSE(thread->state != THREAD_NEW, STATUS_BUSY);
    REFUSE(thread->process->state >= PROCESS_DYING, STATUS_DIED);
    if (thread->page_address == 0) {
        TRY(page_address == 0 ? thread_map_page_anywhere(thread)
                              : thread_map_page(thread, page_address));
    }
    arch_thread_enter(thread, entry, stack, argument, thread->page_address);
    thread_join_process(thread);
    scheduler_ready(thread);
    return STATUS_OK;
}

void thread_join_process(struct thread *_Nonnull thread) {
    struct process *process = thread->process;
    list_append(&process->threads, &thread->process_link);
    object_reference(&thread->object);
    process->thread_count++;
    process->state = PROCESS_RUNNING;
    thread->started = true;
}

status_t thread_copy_page(struct thread *_Nonnull to, const struct thread *_Nonnull from) {
    struct thread_page *page = SOME(to->page);
    uint64_t serial = page->thread_serial;
    uint64_t process_serial = page->process_serial;
    bytes_copy(page, SOME(from->page), sizeof *page);
    page->thread_serial = serial;
    page->process_serial = process_serial;
    page->kick_pending = 0;
    /* The child of vfork runs in its parent's space, on a page of its own behind its parent's: in
     * the runtime's range, where no image will lie when exec takes the page along. */
    status_t status = STATUS_EXISTS;
    for (uint64_t at = from->page_address; status == STATUS_EXISTS; at += PAGE_SIZE) {
        status = thread_map_page(to, at);
    }
    return status;
}

/* ---- waiting ---- */

void thread_unwait(struct thread *_Nonnull thread) {
    list_remove(&thread->wait_link);
    list_remove(&thread->deferred_link);
    timer_stop(&thread->timer);
    thread->interruptible = false;
    struct object *object = thread->waits_on;
    if (object != nullptr) {
        thread->waits_on = nullptr;
        object_release(SOME(object));
    }
}

void thread_wake(struct thread *_Nonnull thread, status_t status) {
    thread_unwait(thread);
    if (thread->streaming) {
        thread->streaming = false;
        thread->frame.call.words[0] = thread->stream_done;
        CHECK(thread->writes_to == nullptr); /* nobody waits inside the slot */
        if (thread->stream_done > 0) {
            status = STATUS_OK;
        }
    }
    thread->frame.call.number = (uint64_t)(int64_t)(int32_t)status;
    if (thread->handling != nullptr) {
        thread->handling->busy_since = arch_ticks();
    }
    scheduler_ready(thread);
}

void thread_restart(struct thread *_Nonnull thread) {
    thread_unwait(thread);
    if (thread->request->state == REQUEST_QUEUED && thread->request->fault_in) {
        thread_defer(thread); /* it waited for a page of its own lease: the call is still queued */
        return;
    }
    if (!thread->fault_wait) {
        arch_thread_restart(thread);
    }
    thread->fault_wait = false;
    scheduler_ready(thread);
}

static struct list deferred GUARDED = {&deferred, &deferred};

void thread_defer(struct thread *_Nonnull thread) {
    list_append(&deferred, &thread->deferred_link);
    scheduler_defer();
}

static void run_one(struct thread *_Nonnull thread) LOCKED {
    if (thread->fault_failed) {
        thread->fault_failed = false;
        thread->fault_wait = false;
        thread->state = THREAD_STOPPED;
        user_exception(thread, FAULT_IO, thread->fault_address, 0);
        if (!thread->dying) {
            scheduler_ready(thread);
        }
        return;
    }
    struct request *request = thread->request;
    status_t status = lease_fault_in(request);
    if (status == STATUS_OK) {
        thread->state = THREAD_CALLING;
        source_notify(&SOME(request->endpoint)->source, UINT32_MAX);
    } else if (status != STATUS_RESTART) {
        request_answer(request, STATUS_BAD_ADDRESS);
    }
}

void thread_run_deferred(void) {
    for (struct list *first = list_first(&deferred); first != nullptr;
         first = list_first(&deferred)) {
        struct thread *thread = LIST_ENTRY(first, struct thread, deferred_link);
        list_remove(&thread->deferred_link);
        run_one(thread);
    }
}

void thread_timer_fired(struct thread *_Nonnull thread) {
    thread_wake(thread, STATUS_TIMED_OUT);
}

void thread_suspend(struct thread *_Nonnull thread) {
    thread->suspended++;
    if (thread->state == THREAD_READY) {
        scheduler_remove(thread);
        thread->ready_pending = true;
        thread->state = THREAD_STOPPED;
    } else if (thread->state == THREAD_RUNNING) {
        struct cpu *cpu = cpu_at(thread->cpu);
        if (cpu != cpu_current()) {
            arch_cpu_kick(thread->cpu);
        }
    }
}

void thread_continue(struct thread *_Nonnull thread) {
    if (thread->suspended == 0) {
        return;
    }
    thread->suspended--;
    if (thread->suspended == 0 && thread->ready_pending) {
        thread->ready_pending = false;
        scheduler_ready(thread);
    }
}

void thread_kick(struct thread *_Nonnull thread) {
    if (thread->page == nullptr || thread->state == THREAD_DEAD || thread->state == THREAD_NEW) {
        return;
    }
    thread->page->kick_pending = 1;
    switch (thread->state) {
    case THREAD_RUNNING:
        thread->kicked = true;
        if (cpu_at(thread->cpu) != cpu_current()) {
            arch_cpu_kick(thread->cpu);
        }
        break;
    case THREAD_READY:
    case THREAD_STOPPED:
        thread->kicked = true;
        break;
    case THREAD_CALLING:
        if (thread->interruptible) {
            request_cancel(thread->request);
        }
        break;
    case THREAD_WAITING:
    case THREAD_FUTEX:
        if (thread->interruptible) {
            thread_wake(thread, STATUS_CANCELLED);
        }
        break;
    case THREAD_NEW:
    case THREAD_RECEIVING:
    case THREAD_PAGE:
    case THREAD_DEAD:
        break;
    }
}

void thread_deliver_kick(struct thread *_Nonnull thread) {
    thread->kicked = false;
    const struct process *process = thread->process;
    uint64_t counter = arch_thread_counter(thread);
    if (counter - process->sequence_start < process->sequence_length) {
        arch_thread_set_counter(thread, process->sequence_check);
        return;
    }
    if (process->upcall == 0 || counter - process->runtime_start < process->runtime_length) {
        return;
    }
    (void)arch_thread_upcall(thread, FAULT_KICK, 0, 0);
}

/* ---- the end ---- */

void thread_kill(struct thread *_Nonnull thread) {
    if (thread->dying || thread->state == THREAD_DEAD) {
        return;
    }
    thread->dying = true;
    if (thread->state == THREAD_RUNNING) {
        if (cpu_at(thread->cpu)->current == thread && cpu_at(thread->cpu) != cpu_current()) {
            arch_cpu_kick(thread->cpu);
        }
        return;
    }
    if (thread->state == THREAD_READY) {
        scheduler_remove(thread);
    }
    thread_finish(thread);
}

void thread_finish(struct thread *_Nonnull thread) {
    if (thread->state == THREAD_DEAD) {
        return;
    }
    thread_unwait(thread);
    waitset_looked(thread, true);
    stream_writer_gone(thread);
    if (thread->request->state != REQUEST_IDLE) {
        thread->orphaned_call = thread->request->state == REQUEST_IN_HAND;
        request_orphan(thread->request);
    }
    if (thread->handling != nullptr) {
        thread->handling->handler = nullptr;
        thread->handling = nullptr;
    }
    struct process *process = thread->process;
    if (thread->clear_address != 0) {
        futex_clear(thread, thread->clear_address);
    }
    if (thread->receive_slots > 0) {
        handle_unreserve(&process->table, thread->receive_slots);
        thread->receive_slots = 0;
    }
    bool started = thread->started;
    thread->state = THREAD_DEAD;
    if (started) {
        list_remove(&thread->process_link);
        process->thread_count--;
        if (process->space != nullptr && thread->page_address != 0) {
            space_forget_page(SOME(process->space), thread->page_address);
        }
        process_thread_gone(process);
        object_release(&thread->object);
    }
}

bool thread_destroy_step(struct thread *_Nonnull thread) {
    struct domain *domain = SOME(thread->object.domain);
    if (thread->state != THREAD_DEAD && thread->receive_slots > 0) {
        handle_unreserve(&thread->process->table, thread->receive_slots);
    }
    arch_thread_destroy(thread);
    if (!thread->orphaned_call) {
        request_free(thread->request);
    }
    if (thread->poll_waitset != nullptr) {
        object_release(&thread->poll_waitset->object);
    }
    if (thread->page_memory != nullptr) {
        object_release(&thread->page_memory->object);
    }
    object_release(&thread->process->object);
    domain_uncharge(domain, RESOURCE_THREADS, 1);
    return true;
}
