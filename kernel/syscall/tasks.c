/* process_clone, process_replace, thread_start, thread_exit, thread_control, thread_resume. */
#include "abi/info.h"
#include "abi/syscall.h"
#include "kernel/ipc/endpoint.h"
#include "kernel/ipc/futex.h"
#include "kernel/memory/user.h"
#include "kernel/object/domain.h"
#include "kernel/object/process.h"
#include "kernel/syscall/syscall.h"

/* The thread whose call `token` the caller has in hand. */
static status_t client_of(struct thread *_Nonnull self, uint64_t token,
                          struct thread *_Nullable *_Nonnull out) LOCKED {
    struct request *request = nullptr;
    TRY(request_find(token, self->process, &request));
    *out = SOME(request)->client;
    return *out != nullptr ? STATUS_OK : STATUS_CLOSED;
}

status_t sys_process_clone(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    FIND(object, r->a, OBJECT_PROCESS, RIGHT_MANAGE);
    struct process *source = (struct process *)SOME(object);
    struct domain *domain = source->object.domain;
    struct thread *caller = nullptr;
    status_t status = client_of(self, r->b, &caller);
    if (status == STATUS_OK && SOME(caller)->process != source) {
        status = STATUS_BAD_ARGUMENT;
    }
    if (status == STATUS_OK && r->words[2] != 0) {
        FIND(target, r->words[2], OBJECT_DOMAIN, RIGHT_MANAGE);
        domain = (struct domain *)SOME(target);
    }
    TRY(status);
    struct process *child = nullptr;
    TRY(process_clone(source, SOME(caller), SOME(domain), r->words[0], (uint32_t)r->words[1],
                      &child));
    handle_t handle = HANDLE_NONE;
    status = handle_insert(&self->process->table, &SOME(child)->object, RIGHT_ALL, &handle);
    r->words[0] = handle;
    object_release(&SOME(child)->object);
    return status;
}

status_t sys_process_replace(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    struct process *process = self->process;
    struct thread *survivor = self;
    struct request *request = nullptr;
    if (r->a != 0) {
        FIND(object, r->a, OBJECT_PROCESS, RIGHT_MANAGE);
        process = (struct process *)SOME(object);
    }
    FIND(space, r->b, OBJECT_SPACE, RIGHT_MANAGE);
    if (r->words[3] != 0) {
        TRY(request_find(r->words[3], self->process, &request));
        REFUSE(SOME(request)->client == nullptr, STATUS_CLOSED);
        survivor = SOME(SOME(request)->client);
    }
    TRY(process_replace(process, (struct space *)SOME(space), survivor, r->words[0], r->words[1],
                        r->words[2]));
    if (request != nullptr) {
        /* The call is answered by being replaced: the new image's registers stand. */
        struct frame frame = survivor->frame;
        request_answer(SOME(request), STATUS_OK);
        survivor->frame = frame;
    } else {
        self->registers_replaced = true;
    }
    return STATUS_OK;
}

status_t sys_thread_start(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    FIND(object, r->a, OBJECT_THREAD, RIGHT_MANAGE);
    struct thread *thread = CONTAINER_OF(SOME(object), struct thread, object);
    arch_thread_set_fs(thread, r->words[3]);
    return thread_start(thread, r->b, r->words[0], r->words[1], r->words[2]);
}

status_t sys_thread_exit(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    if (r->a != 0) {
        self->clear_address = r->a;
    }
    if ((r->b & THREAD_EXIT_PROCESS) != 0) {
        process_kill(self->process, (int64_t)r->words[0],
                     (r->words[1] & 1) != 0 ? EXIT_SIGNAL : EXIT_NORMAL);
    } else {
        thread_kill(self);
    }
    return STATUS_OK;
}

/* Registers of a thread that is stopped, or of the caller's own frame. */
static status_t thread_registers(struct thread *_Nonnull self, struct thread *_Nonnull thread,
                                 uint64_t address, bool set) LOCKED {
    struct program_frame frame = {};
    status_t status = STATUS_OK;
    REFUSE(thread == self || thread->suspended == 0 || thread->state == THREAD_RUNNING,
           STATUS_BUSY);
    if (set) {
        status = user_read(self, address, &frame, sizeof frame);
    }
    if (status == STATUS_OK) {
        status = arch_thread_frame(thread, &frame, set);
    }
    if (status == STATUS_OK && !set) {
        status = user_write(self, address, &frame, sizeof frame);
    }
    return status;
}

static status_t control_other(struct thread *_Nonnull self, struct thread *_Nonnull thread,
                              struct syscall_registers *_Nonnull r) LOCKED {
    switch (r->b) {
    case THREAD_SUSPEND:
        thread_suspend(thread);
        if (thread == self) {
            scheduler_yield(cpu_current());
        }
        return STATUS_OK;
    case THREAD_CONTINUE:
        thread_continue(thread);
        return STATUS_OK;
    case THREAD_KICK:
        thread_kick(thread);
        return STATUS_OK;
    case THREAD_GET_REGISTERS:
    case THREAD_SET_REGISTERS:
        return thread_registers(self, thread, r->words[0], r->b == THREAD_SET_REGISTERS);
    case THREAD_SET_PRIORITY:
        REFUSE(r->words[0] > thread->process->priority_ceiling || thread != self,
               STATUS_BAD_ARGUMENT);
        thread->priority = (uint32_t)r->words[0];
        return STATUS_OK;
    case THREAD_SET_AFFINITY:
        REFUSE((uint32_t)r->words[0] == 0, STATUS_BAD_ARGUMENT);
        thread->affinity = (uint32_t)r->words[0];
        return STATUS_OK;
    case THREAD_SET_CLEAR:
        thread->clear_address = r->words[0];
        return STATUS_OK;
    default:
        return STATUS_BAD_ARGUMENT;
    }
}

/* All threads of a process at once: what `process` needs to stop, continue and signal one. */
static status_t control_process(struct process *_Nonnull process, uint64_t operation) LOCKED {
    REFUSE(operation != THREAD_SUSPEND && operation != THREAD_CONTINUE && operation != THREAD_KICK,
           STATUS_BAD_ARGUMENT);
    LIST_FOR(thread, &process->threads, struct thread, process_link) {
        if (operation == THREAD_SUSPEND && thread->suspended == 0) {
            thread_suspend(thread); /* once, so that a repetition changes nothing */
        } else if (operation == THREAD_CONTINUE) {
            thread_continue(thread);
        } else if (operation == THREAD_KICK) {
            thread_kick(thread);
        }
    }
    return STATUS_OK;
}

status_t sys_thread_control(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    struct thread *thread = self;
    if (r->a != 0) {
        FIND(any, r->a, OBJECT_NONE, RIGHT_MANAGE);
        if (SOME(any)->type == OBJECT_PROCESS && any != &self->process->object) {
            return control_process((struct process *)SOME(any), r->b);
        }
        FIND(object, r->a, OBJECT_THREAD, RIGHT_MANAGE);
        thread = CONTAINER_OF(SOME(object), struct thread, object);
    }
    switch (r->b) {
    case THREAD_YIELD:
        scheduler_yield(cpu_current());
        return STATUS_OK;
    default:
        return control_other(self, thread, r);
    }
}

status_t sys_thread_resume(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    struct thread_page *page = self->page;
    REFUSE(page == nullptr || r->a > 1, STATUS_BAD_ARGUMENT);
    struct program_frame frame = SOME(page)->frame[r->a];
    status_t status = arch_thread_frame(self, &frame, true);
    self->registers_replaced = status == STATUS_OK;
    return status;
}
