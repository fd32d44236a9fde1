#include "kernel/object/process.h"
#include "kernel/ipc/endpoint.h"
#include "kernel/memory/space.h"
#include "kernel/object/domain.h"
#include "kernel/object/supervisor.h"
#include "kernel/sched/scheduler.h"
#include "lib/base/bytes.h"

struct process *_Nullable process_find_tag(struct domain *_Nonnull domain, uint64_t tag) {
    LIST_FOR(process, &domain->processes, struct process, domain_link) {
        if (process->tag == tag) {
            return process;
        }
    }
    return nullptr;
}

status_t process_create(struct domain *_Nonnull domain, struct space *_Nullable space, uint64_t tag,
                        struct process *_Nullable *_Nonnull out) {
    if (tag != 0) {
        struct process *there = process_find_tag(domain, tag);
        if (there != nullptr) {
            object_reference(&there->object);
            *out = there;
            return STATUS_OK;
        }
    }
    void *memory = nullptr;
    TRY(object_allocate(OBJECT_PROCESS, SLAB_PROCESS, domain, &memory));
    struct process *process = SOME(memory);
    handle_table_init(&process->table, domain);
    list_init(&process->threads);
    list_init(&process->held);
    list_init(&process->domain_link);
    list_init(&process->exit_link);
    source_init(&process->source);
    process->tag = tag;
    process->priority_ceiling = PRIORITY_COUNT - 1;
    process->started_ns = arch_clock_ns();
    if (space != nullptr) {
        object_reference(&space->object);
        process->space = space;
    } else {
        status_t status = space_create(domain, &process->space);
        if (status != STATUS_OK) {
            object_release(&process->object);
            return status;
        }
    }
    list_append(&domain->processes, &process->domain_link);
    object_reference(&process->object); /* the domain's, until it is forgotten */
    *out = process;
    return STATUS_OK;
}

void process_kill(struct process *_Nonnull process, int64_t code, enum exit_cause cause) {
    if (process->state >= PROCESS_DYING) {
        return;
    }
    process->state = PROCESS_DYING;
    process->exit_code = code;
    process->cause = cause;
    LIST_FOR(thread, &process->threads, struct thread, process_link) {
        thread_kill(thread);
    }
    if (process->thread_count == 0) {
        object_reap_later(&process->object);
    }
}

void process_thread_gone(struct process *_Nonnull process) {
    if (process->thread_count > 0) {
        return;
    }
    if (process->state < PROCESS_DYING) {
        process->state = PROCESS_DYING;
        process->cause = EXIT_NORMAL;
    }
    object_reap_later(&process->object);
}

enum { END_HELD, END_HANDLES, END_SPACE, END_ANNOUNCE };

bool process_end_step(struct process *_Nonnull process) {
    switch (process->end_stage) {
    case END_HELD: {
        bool counts = process->cause == EXIT_FAULT || process->cause == EXIT_HANG;
        unsigned budget = 16;
        LIST_FOR(request, &process->held, struct request, link) {
            if (budget-- == 0) {
                return false;
            }
            endpoint_requeue(request, counts);
        }
        process->end_stage = END_HANDLES;
        return false;
    }
    case END_HANDLES:
        if (handle_table_clear_step(&process->table, 32)) {
            process->end_stage = END_SPACE;
        }
        return false;
    case END_SPACE: {
        struct space *space = process->space;
        process->space = nullptr;
        if (space != nullptr) {
            object_release(&space->object);
        }
        process->end_stage = END_ANNOUNCE;
        return false;
    }
    default:
        break;
    }
    process->state = PROCESS_DEAD;
    struct domain *domain = SOME(process->object.domain);
    if (!list_empty(&process->domain_link)) {
        list_append(&domain->exits, &process->exit_link);
        source_notify(&domain->source, UINT32_MAX);
    }
    source_notify(&process->source, UINT32_MAX);
    if (supervisor_is(process)) {
        supervisor_ended(process);
    }
    return true;
}

void process_forget(struct process *_Nonnull process) {
    if (process->state == PROCESS_DEAD && !list_empty(&process->domain_link)) {
        list_remove(&process->domain_link);
        list_remove(&process->exit_link);
        object_release(&process->object);
    }
}

bool process_destroy_step(struct process *_Nonnull process) {
    source_close(&process->source);
    if (!handle_table_clear_step(&process->table, 32)) {
        return false;
    }
    list_remove(&process->domain_link);
    list_remove(&process->exit_link);
    if (process->space != nullptr) {
        object_release(&process->space->object);
        process->space = nullptr;
    }
    return true;
}

/* ---- fork and exec ---- */

static status_t clone_parts(struct process *_Nonnull source, struct thread *_Nonnull caller,
                            struct process *_Nonnull child) LOCKED {
    TRY(handle_table_clone(&child->table, &source->table));
    struct thread *made = nullptr;
    TRY(thread_create(child, caller->priority, caller->staging != nullptr, &made));
    struct thread *thread = SOME(made);
    status_t status = thread_copy_page(thread, caller);
    if (status == STATUS_OK) {
        status = arch_thread_clone(thread, caller);
    }
    if (status == STATUS_OK) {
        /* The answer to its fork: one word, 0. */
        thread->frame.call =
            (struct syscall_registers){.b = MESSAGE_HAS_WORDS(1),
                                       .words = {0, thread->page_address, child->tag},
                                       .token = thread->frame.call.token};
        thread_join_process(thread);
    }
    object_release(&thread->object);
    return status;
}

status_t process_clone(struct process *_Nonnull source, struct thread *_Nonnull caller,
                       struct domain *_Nonnull domain, uint64_t tag, uint32_t flags,
                       struct process *_Nullable *_Nonnull out) {
    REFUSE(source->space == nullptr || source->state != PROCESS_RUNNING, STATUS_DIED);
    if (tag != 0) {
        struct process *there = process_find_tag(domain, tag);
        if (there != nullptr) {
            object_reference(&there->object);
            *out = there;
            return STATUS_OK;
        }
    }
    struct space *space = nullptr;
    status_t status = STATUS_OK;
    if ((flags & CLONE_SHARE_SPACE) != 0) {
        space = source->space;
        object_reference(&SOME(space)->object);
    } else {
        status = space_clone(SOME(source->space), domain, &space);
    }
    TRY(status);
    struct process *child = nullptr;
    status = process_create(domain, space, 0, &child);
    object_release(&SOME(space)->object);
    TRY(status);
    struct process *made = SOME(child);
    made->tag = tag;
    made->principal = source->principal;
    made->service = source->service;
    made->priority_ceiling = source->priority_ceiling;
    made->upcall = source->upcall;
    made->runtime_start = source->runtime_start;
    made->runtime_length = source->runtime_length;
    made->sequence_start = source->sequence_start;
    made->sequence_length = source->sequence_length;
    made->sequence_check = source->sequence_check;
    bytes_copy(made->name, source->name, sizeof made->name);
    status = clone_parts(source, caller, made);
    if (status != STATUS_OK) {
        made->state = PROCESS_DEAD;
        process_forget(made);
        object_release(&made->object);
        return status;
    }
    struct thread *first =
        LIST_ENTRY(SOME(list_first(&made->threads)), struct thread, process_link);
    if ((flags & CLONE_SUSPENDED) != 0) {
        first->suspended = 1;
    }
    scheduler_ready(first);
    *out = made;
    return STATUS_OK;
}

status_t process_replace(struct process *_Nonnull process, struct space *_Nonnull space,
                         struct thread *_Nonnull survivor, uint64_t entry, uint64_t stack,
                         uint64_t argument) {
    REFUSE(process->state != PROCESS_RUNNING || survivor->process != process ||
               survivor->page_memory == nullptr,
           STATUS_DIED);
    /* The survivor's thread page must find its place in the new space first: the last step that can
     * fail. */
    uint64_t at = 0;
    uint64_t length = survivor->staging != nullptr ? 2 * PAGE_SIZE : PAGE_SIZE;
    TRY(space_map(space, survivor->page_address, length, survivor->page_memory, 0,
                  PROTECT_READ | PROTECT_WRITE, MAP_NO_REPLACE | MAP_GUARD | MAP_THREAD_PAGE, &at));
    LIST_FOR(thread, &process->threads, struct thread, process_link) {
        if (thread != survivor) {
            thread_kill(thread);
        }
    }
    struct space *old = SOME(process->space);
    space_forget_page(old, survivor->page_address);
    object_reference(&space->object);
    process->space = space;
    object_release(&old->object);
    survivor->clear_address = 0;
    arch_thread_enter(survivor, entry, stack, argument, survivor->page_address);
    return STATUS_OK;
}
