/* Delivery of signals, on the way back into the program. */
#include "posix/signals.h"
#include "posix/fork.h"
#include "posix/identity.h"
#include "posix/native.h"
#include "posix/signal_frame.h"
#include "posix/user.h"

void signals_look(struct posix_thread *_Nonnull self) {
    __atomic_store_n((uint32_t *)&self->page->kick_pending, 1, __ATOMIC_RELAXED);
}

static uint64_t process_pending(const struct posix_thread *_Nonnull self) {
    const struct posix_process *process = self->process;
    if (process->signals == nullptr) {
        return 0;
    }
    return __atomic_load_n(&SOME(process->signals)->pending, __ATOMIC_ACQUIRE);
}

bool signals_pending(struct posix_thread *_Nonnull self) {
    return ((self->pending | process_pending(self)) & ~self->mask) != 0;
}

bool signal_would_pass(struct posix_thread *_Nonnull self, uint32_t number) {
    return (self->mask & SIGNAL_BIT(number)) != 0 ||
           signal_is_ignored(&self->process->actions[number - 1], number);
}

void signal_raise(struct posix_thread *_Nonnull self, uint32_t number, int32_t code,
                  uint64_t value) {
    uint32_t index = number - 1;
    self->signal_code[index] = code;
    self->signal_value[index] = value;
    self->signal_pid[index] = 0;
    self->signal_uid[index] = 0;
    (void)__atomic_fetch_or(&self->pending, SIGNAL_BIT(number), __ATOMIC_RELEASE);
    signals_look(self);
}

void signal_force(struct posix_thread *_Nonnull self, uint32_t number, int32_t code,
                  uint64_t value) {
    struct linux_action *action = &self->process->actions[number - 1];
    if ((self->mask & SIGNAL_BIT(number)) != 0 || action->handler == SIG_IGN) {
        action->handler = SIG_DFL;
        self->mask &= ~SIGNAL_BIT(number);
    }
    signal_raise(self, number, code, value);
}

[[noreturn]] void signal_end(struct posix_thread *_Nonnull self, uint32_t number) {
    robust_walk_all(self);
    native_end(number, true);
}

void signal_mask_temporarily(struct posix_thread *_Nonnull self, uint64_t mask) {
    self->saved_mask = self->mask;
    self->mask_saved = 1;
    self->mask = mask & ~SIGNALS_UNMASKABLE;
}

void signals_reset_caught(struct posix_process *_Nonnull process) {
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        bool ignored = process->actions[i].handler == SIG_IGN;
        process->actions[i] = (struct linux_action){.handler = ignored ? SIG_IGN : SIG_DFL};
    }
}

void signals_share_mask(const struct posix_thread *_Nonnull self) {
    const struct posix_process *process = self->process;
    if (process->signals != nullptr) {
        uint64_t mask = self->mask | (self->mask_saved != 0 ? self->saved_mask : 0);
        SOME(process->signals)->blocked = process->thread_count > 1 ? UINT64_MAX : mask;
    }
}

void signals_publish(struct posix_thread *_Nonnull self) {
    struct posix_process *process = self->process;
    facts_load(self);
    if (process->signals == nullptr) {
        return;
    }
    struct process_signal_page *page = SOME(process->signals);
    uint64_t ignored = 0;
    uint64_t caught = 0;
    uint64_t restarts = 0;
    for (uint32_t number = 1; number <= SIGNAL_COUNT; number++) {
        const struct linux_action *action = &process->actions[number - 1];
        /* one that is ignored by default counts all the same while it is blocked */
        ignored |= action->handler == SIG_IGN ? SIGNAL_BIT(number) : 0;
        caught |= action->handler > SIG_IGN ? SIGNAL_BIT(number) : 0;
        restarts |= (action->flags & SA_RESTART) != 0 ? SIGNAL_BIT(number) : 0;
    }
    for (uint32_t i = 0; i < THREAD_LIMIT; i++) {
        const struct thread_slot *slot = &process->threads[i];
        if (slot->tid != 0 && slot->area != 0 && slot->tid != UINT32_MAX) {
            const struct posix_thread *thread = address_pointer(slot->area);
            caught |= thread->waited;
        }
    }
    caught |= process->watched; /* their kicks wake who waits */
    const struct linux_action *child = &process->actions[SIGCHLD - 1];
    page->ignored = ignored;
    signals_share_mask(self);
    page->caught = caught;
    page->restarts = restarts;
    page->no_zombies = child->handler == SIG_IGN || (child->flags & SA_NOCLDWAIT) != 0 ? 1 : 0;
    page->no_stops = (child->flags & SA_NOCLDSTOP) != 0 ? 1 : 0;
}

/* ---- taking one ---- */

/* The siginfo of the signal, which is no longer pending. False: another thread took it. */
bool signal_take(struct posix_thread *_Nonnull self, uint32_t number,
                 struct linux_siginfo *_Nonnull out) {
    uint64_t bit = SIGNAL_BIT(number);
    uint32_t index = number - 1;
    *out = (struct linux_siginfo){.number = (int32_t)number};
    if ((self->pending & bit) != 0) {
        (void)__atomic_fetch_and(&self->pending, ~bit, __ATOMIC_ACQUIRE);
        out->code = self->signal_code[index];
        if ((bit & SIGNALS_SYNCHRONOUS) != 0 && out->code > 0) {
            out->fault.address = self->signal_value[index];
        } else {
            out->sender.pid = (int32_t)self->signal_pid[index];
            out->sender.uid = self->signal_uid[index];
            out->sender.value = self->signal_value[index];
        }
        return true;
    }
    struct process_signal_info info = {};
    status_t status = process_take_signal(self->process->process, bit, &info);
    if (status != STATUS_OK || info.number != number) {
        return false;
    }
    out->code = info.code;
    out->error = info.error;
    if (number == SIGCHLD && info.code > 0) {
        out->child.pid = (int32_t)info.pid;
        out->child.uid = info.uid;
        out->child.status = info.status;
    } else {
        out->sender.pid = (int32_t)info.pid;
        out->sender.uid = info.uid;
        out->sender.value = info.value;
    }
    return true;
}

/* Puts the handler's frame on the program's stack. False: there is no room, SIGSEGV. */
static bool enter_handler(struct posix_thread *_Nonnull self,
                          const struct linux_action *_Nonnull action,
                          const struct linux_siginfo *_Nonnull info) {
    struct program_frame *registers = thread_frame(self);
    struct signal_place place = signal_place_find(
        registers->rsp, &self->alternate, (action->flags & SA_ONSTACK) != 0, floating_size());
    uint64_t mask = self->mask_saved != 0 ? self->saved_mask : self->mask;
    struct linux_stack stack = self->alternate;
    if ((stack.flags & SS_DISABLE) == 0) {
        stack.flags = stack_contains(&self->alternate, registers->rsp) ? SS_ONSTACK : 0;
    }
    struct signal_frame frame = {};
    signal_frame_build(&frame, registers, action, mask, &stack, &place);
    frame.info = *info;
    if (!floating_save(place.floating) || USER_WRITE(place.frame, frame) != 0) {
        return false;
    }
    self->mask_saved = 0;
    self->restart_pending = 0;
    self->mask |= action->mask & ~SIGNALS_UNMASKABLE;
    if ((action->flags & SA_NODEFER) == 0) {
        self->mask |= SIGNAL_BIT(info->number);
    }
    signals_share_mask(self);
    registers->rsp = place.frame;
    registers->rip = action->handler;
    registers->rcx = action->handler; /* so that the way there needs no kernel */
    registers->rdi = (uint64_t)(uint32_t)info->number;
    registers->rsi = place.frame + offsetof(struct signal_frame, info);
    registers->rdx = place.frame + offsetof(struct signal_frame, ucontext);
    registers->rax = 0;
    registers->flags &= ~(FLAG_DIRECTION | FLAG_TRAP);
    registers->original_rax = UINT64_MAX;
    return true;
}

/* The call that the signal found under way: to be made again, or its result. */
static void settle_call(struct program_frame *_Nonnull frame,
                        const struct linux_action *_Nullable action) {
    int64_t result = (int64_t)frame->rax;
    if (frame->original_rax == UINT64_MAX) {
        return;
    }
    if (signal_restarts(&result, action)) {
        frame->rax = frame->original_rax;
        frame->rip -= 2;
        frame->rcx = frame->rip;
    } else {
        frame->rax = (uint64_t)result;
    }
    frame->original_rax = UINT64_MAX;
}

static void by_default(struct posix_thread *_Nonnull self, uint32_t number) {
    switch (signal_default_of(number)) {
    case SIGNAL_ENDS:
    case SIGNAL_DUMPS:
        signal_end(self, number);
    case SIGNAL_STOPS:
        (void)process_stop(self->process->process, number);
        break;
    case SIGNAL_IGNORED:
    case SIGNAL_CONTINUES:
        break;
    }
}

static void deliver_one(struct posix_thread *_Nonnull self, uint32_t number) {
    struct linux_siginfo info = {};
    if (!signal_take(self, number, &info)) {
        return;
    }
    struct linux_action *place = &self->process->actions[number - 1];
    struct linux_action action = *place;
    if (signal_is_ignored(&action, number)) {
        return;
    }
    if (action.handler == SIG_DFL) {
        by_default(self, number);
        return;
    }
    if ((action.flags & SA_RESETHAND) != 0) {
        place->handler = SIG_DFL;
        signals_publish(self);
    }
    settle_call(thread_frame(self), &action);
    if (!enter_handler(self, &action, &info)) {
        if (number == SIGSEGV) {
            signal_end(self, SIGSEGV);
        }
        signal_force(self, SIGSEGV, SI_KERNEL, 0);
    }
}

/* A process's signal that this thread blocks is another's to take. */
static void pass_on(struct posix_thread *_Nonnull self) {
    struct posix_process *process = self->process;
    uint64_t bits = process_pending(self) & self->mask;
    if (bits == 0 || process->thread_count < 2) {
        return;
    }
    for (uint32_t i = 0; i < THREAD_LIMIT; i++) {
        const struct thread_slot *slot = &process->threads[i];
        if (slot->tid == 0 || slot->tid == self->tid || slot->handle == HANDLE_NONE) {
            continue;
        }
        const struct posix_thread *other = address_pointer(slot->area);
        if ((bits & ~other->mask) != 0) {
            (void)NATIVE(SYS_THREAD_CONTROL, slot->handle, THREAD_KICK);
            return;
        }
    }
}

void signals_deliver(struct posix_thread *_Nonnull self) {
    for (unsigned i = 0; i < 2 * SIGNAL_COUNT; i++) {
        uint32_t number = signal_next((self->pending | process_pending(self)) & ~self->mask);
        if (number == 0) {
            break;
        }
        deliver_one(self, number);
    }
    if (signals_pending(self)) {
        signals_look(self);
    }
    pass_on(self);
    settle_call(thread_frame(self), nullptr);
    if (self->mask_saved != 0) {
        self->mask = self->saved_mask;
        self->mask_saved = 0;
        signals_share_mask(self);
        if (signals_pending(self)) {
            signals_look(self);
        }
    }
}
