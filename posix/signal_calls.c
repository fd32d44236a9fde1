/* rt_sigaction and its like. */
#include "posix/errors.h"
#include "posix/identity.h"
#include "posix/native.h"
#include "posix/signal_frame.h"
#include "posix/signals.h"
#include "posix/syscalls.h"
#include "posix/user.h"

/* What is pending of a signal that is ignored from now on is gone. */
static void discard(struct posix_thread *_Nonnull self, uint32_t number) {
    struct posix_process *process = self->process;
    uint64_t bit = SIGNAL_BIT(number);
    for (uint32_t i = 0; i < THREAD_LIMIT; i++) {
        const struct thread_slot *slot = &process->threads[i];
        if (slot->area != 0 && (slot->tid != 0 || i == self->slot)) {
            struct posix_thread *thread = address_pointer(slot->area);
            (void)__atomic_fetch_and(&thread->pending, ~bit, __ATOMIC_ACQ_REL);
        }
    }
    struct process_signal_info info = {.number = number};
    while (info.number != 0 && process->signals != nullptr &&
           (__atomic_load_n(&SOME(process->signals)->pending, __ATOMIC_ACQUIRE) & bit) != 0 &&
           process_take_signal(process->process, bit, &info) == STATUS_OK) {
    }
}

LINUX(rt_sigaction) {
    struct linux_action action = {};
    uint32_t number = (uint32_t)frame->rdi;
    if (frame->r10 != sizeof(uint64_t) || number == 0 || number > SIGNAL_COUNT ||
        (frame->rsi != 0 && (SIGNAL_BIT(number) & SIGNALS_UNMASKABLE) != 0)) {
        return -EINVAL;
    }
    struct linux_action *place = &self->process->actions[number - 1];
    struct linux_action old = *place;
    int64_t error = frame->rsi == 0 ? 0 : USER_READ(action, frame->rsi);
    if (error == 0 && frame->rsi != 0) {
        action.mask &= ~SIGNALS_UNMASKABLE;
        /* what came while it was ignored by default is no news for a handler */
        if (signal_is_ignored(&action, number) ||
            (signal_is_ignored(&old, number) && (self->mask & SIGNAL_BIT(number)) == 0)) {
            discard(self, number);
        }
        *place = action;
        signals_publish(self);
    }
    if (error == 0 && frame->rdx != 0) {
        error = USER_WRITE(frame->rdx, old);
    }
    return error;
}

LINUX(rt_sigprocmask) {
    uint64_t set = 0;
    uint64_t old = self->mask;
    if (frame->r10 != sizeof set) {
        return -EINVAL;
    }
    int64_t error = frame->rsi == 0 ? 0 : USER_READ(set, frame->rsi);
    if (error != 0) {
        return error;
    }
    if (frame->rsi != 0) {
        switch ((uint32_t)frame->rdi) {
        case SIG_BLOCK:
            self->mask |= set;
            break;
        case SIG_UNBLOCK:
            self->mask &= ~set;
            break;
        case SIG_SETMASK:
            self->mask = set;
            break;
        default:
            return -EINVAL;
        }
        self->mask &= ~SIGNALS_UNMASKABLE;
        signals_share_mask(self);
        if (signals_pending(self)) {
            signals_look(self);
        }
    }
    return frame->rdx == 0 ? 0 : USER_WRITE(frame->rdx, old);
}

LINUX(rt_sigreturn) {
    struct signal_frame saved = {};
    struct program_frame *registers = thread_frame(self);
    uint64_t at = frame->rsp - sizeof saved.restorer;
    if (USER_READ(saved, at) != 0 ||
        (saved.ucontext.context.floating != 0 && !floating_load(saved.ucontext.context.floating))) {
        signal_force(self, SIGSEGV, SI_KERNEL, 0);
        return 0;
    }
    signal_frame_take(registers, &saved.ucontext.context);
    self->mask = saved.ucontext.mask & ~SIGNALS_UNMASKABLE;
    signals_share_mask(self);
    if ((saved.ucontext.stack.flags & ~(SS_ONSTACK | SS_DISABLE)) == 0 &&
        !stack_contains(&self->alternate, registers->rsp)) {
        struct linux_stack stack = saved.ucontext.stack;
        stack.flags &= SS_DISABLE;
        self->alternate = stack;
    }
    registers->original_rax = UINT64_MAX;
    if (signals_pending(self)) {
        signals_look(self);
    }
    return (int64_t)registers->rax;
}

LINUX(rt_sigpending) {
    uint64_t pending = self->pending;
    if (frame->rsi > sizeof pending) {
        return -EINVAL;
    }
    facts_load(self);
    if (self->process->signals != nullptr) {
        pending |= SOME(self->process->signals)->pending;
    }
    pending &= self->mask;
    return user_write(frame->rdi, &pending, (size_t)frame->rsi);
}

int64_t wait_for_signal(struct posix_thread *_Nonnull self, uint64_t deadline) {
    struct wait_item none = {};
    facts_load(self);
    status_t status =
        NATIVE(SYS_WAIT, 0, (uintptr_t)&none, 1, deadline, WAIT_LIST | WAIT_INTERRUPTIBLE).status;
    return status == STATUS_TIMED_OUT ? -EAGAIN : -ERESTARTNOHAND;
}

LINUX(pause) {
    (void)frame;
    return wait_for_signal(self, DEADLINE_NEVER);
}

LINUX(rt_sigsuspend) {
    uint64_t mask = 0;
    if (frame->rsi != sizeof mask) {
        return -EINVAL;
    }
    int64_t error = USER_READ(mask, frame->rdi);
    if (error != 0) {
        return error;
    }
    signal_mask_temporarily(self, mask);
    if (signals_pending(self)) {
        signals_look(self);
        return -ERESTARTNOHAND;
    }
    return wait_for_signal(self, DEADLINE_NEVER);
}

uint64_t signals_waiting(const struct posix_thread *_Nonnull self) {
    const struct posix_process *process = self->process;
    uint64_t bits = self->pending;
    if (process->signals != nullptr) {
        bits |= __atomic_load_n(&SOME(process->signals)->pending, __ATOMIC_ACQUIRE);
    }
    return bits;
}

int64_t signal_take_any(struct posix_thread *_Nonnull self, uint64_t set,
                        struct linux_siginfo *_Nonnull info) {
    uint32_t number = signal_next(signals_waiting(self) & set);
    return number != 0 && signal_take(self, number, info) ? (int64_t)number : 0;
}

LINUX(rt_sigtimedwait) {
    enum { NS_PER_SECOND = 1000000000 };
    uint64_t set = 0;
    struct linux_siginfo info = {};
    struct linux_timespec timeout = {};
    uint64_t deadline = DEADLINE_NEVER;
    if (frame->r10 != sizeof set) {
        return -EINVAL;
    }
    int64_t error = USER_READ(set, frame->rdi);
    if (error == 0 && frame->rdx != 0) {
        error = USER_READ(timeout, frame->rdx);
        if (error == 0 && (timeout.nanoseconds < 0 || timeout.nanoseconds >= NS_PER_SECOND ||
                           timeout.seconds < 0)) {
            error = -EINVAL;
        }
        deadline = clock_monotonic_ns() +
                   (uint64_t)MIN(timeout.seconds, 1000000000L) * NS_PER_SECOND +
                   (uint64_t)timeout.nanoseconds;
    }
    facts_load(self);
    set &= ~SIGNALS_UNMASKABLE;
    while (error == 0) {
        int64_t number = signal_take_any(self, set, &info);
        if (number != 0) {
            error = frame->rsi == 0 ? 0 : USER_WRITE(frame->rsi, info);
            error = error != 0 ? error : number;
            break;
        }
        if (self->waited == 0 && deadline > 0) { /* from now on they kick */
            self->waited = set;
            signals_publish(self);
            continue;
        }
        if (signals_pending(self)) {
            signals_look(self);
            error = -EINTR;
            break;
        }
        /* A signal of the set is blocked, but its kick ends the wait. */
        uint64_t mask = self->mask;
        self->mask &= ~set;
        error = wait_for_signal(self, deadline);
        self->mask = mask;
        if (error == -ERESTARTNOHAND) {
            __atomic_store_n((uint32_t *)&self->page->kick_pending, 0, __ATOMIC_SEQ_CST);
            error = 0;
        }
    }
    if (self->waited != 0) {
        self->waited = 0;
        signals_publish(self);
    }
    return error;
}

LINUX(sigaltstack) {
    struct linux_stack given = {};
    struct linux_stack old = self->alternate;
    bool on_it = stack_contains(&self->alternate, frame->rsp);
    old.flags = (old.flags & SS_DISABLE) != 0 ? SS_DISABLE : on_it ? SS_ONSTACK : 0;
    if (frame->rdi != 0) {
        int64_t error = USER_READ(given, frame->rdi);
        if (error != 0) {
            return error;
        }
        if (on_it) {
            return -EPERM;
        }
        if ((given.flags & ~(SS_DISABLE | SS_ONSTACK)) != 0) {
            return -EINVAL;
        }
        if ((given.flags & SS_DISABLE) == 0 && given.size < MINSIGSTKSZ) {
            return -ENOMEM;
        }
        bool disabled = (given.flags & SS_DISABLE) != 0;
        self->alternate = disabled ? (struct linux_stack){.flags = SS_DISABLE}
                                   : (struct linux_stack){.sp = given.sp, .size = given.size};
    }
    return frame->rsi == 0 ? 0 : USER_WRITE(frame->rsi, old);
}
