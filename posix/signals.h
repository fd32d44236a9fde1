#pragma once
/* Signals as this process sees them: dispositions, masks, what is pending, which one is next, and
 * what becomes of an interrupted call. The order of delivery is Linux's: faults and other
 * synchronous ones first, then by number. */
#include "posix/state.h"

#define SIGNAL_BIT(number) (1ull << ((unsigned)(number) - 1))
/* Cannot be caught, ignored or blocked. */
#define SIGNALS_UNMASKABLE (SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP))
#define SIGNALS_SYNCHRONOUS                                                                        \
    (SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGTRAP) |         \
     SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGSYS))

enum signal_default : uint32_t {
    SIGNAL_ENDS,
    SIGNAL_DUMPS,
    SIGNAL_IGNORED,
    SIGNAL_STOPS,
    SIGNAL_CONTINUES
};
enum signal_default signal_default_of(uint32_t number);
/* Whether a signal with this action does nothing when it comes. */
bool signal_is_ignored(const struct linux_action *_Nonnull action, uint32_t number);
/* The next to deliver among these bits; 0: none. */
uint32_t signal_next(uint64_t bits);

/* What a call's result becomes when the handler of `action` runs (null: no handler runs).
 * True: the call is to be made again; *result is then of no account. */
bool signal_restarts(int64_t *_Nonnull result, const struct linux_action *_Nullable action);
bool result_is_restart(int64_t result);

/* Raises a signal on the calling thread, as the kernel would (value: fault address or sender's
 * value).
 */
void signal_raise(struct posix_thread *_Nonnull self, uint32_t number, int32_t code,
                  uint64_t value);
/* A synchronous one: it ends the process where it is blocked or ignored. */
void signal_force(struct posix_thread *_Nonnull self, uint32_t number, int32_t code,
                  uint64_t value);
/* Delivers what is pending: changes the frame, or ends or stops the process. */
void signals_deliver(struct posix_thread *_Nonnull self);
/* Whether anything would be delivered now. */
bool signals_pending(struct posix_thread *_Nonnull self);
/* Whether the signal would do nothing to the calling thread now: it is ignored or blocked. */
bool signal_would_pass(struct posix_thread *_Nonnull self, uint32_t number);
/* Makes the way back look for signals. */
void signals_look(struct posix_thread *_Nonnull self);
/* Ends the process by a signal's default action. */
[[noreturn]] void signal_end(struct posix_thread *_Nonnull self, uint32_t number);
/* Takes a temporary mask (sigsuspend, ppoll …) until the call's signal was delivered. */
void signal_mask_temporarily(struct posix_thread *_Nonnull self, uint64_t mask);
/* After exec: caught signals are default again. */
void signals_reset_caught(struct posix_process *_Nonnull process);
/* Shares which signals are blocked, without a call: after each change of a mask. */
void signals_share_mask(const struct posix_thread *_Nonnull self);
/* Shares what `process` wants to know of dispositions. */
void signals_publish(struct posix_thread *_Nonnull self);
/* What is pending, blocked or not. */
uint64_t signals_waiting(const struct posix_thread *_Nonnull self);
/* One pending signal of `set`, taken; 0: none. */
int64_t signal_take_any(struct posix_thread *_Nonnull self, uint64_t set,
                        struct linux_siginfo *_Nonnull info);
/* Sleeps until a kick: -ERESTARTNOHAND; or the deadline: -EAGAIN. */
int64_t wait_for_signal(struct posix_thread *_Nonnull self, uint64_t deadline);
/* The siginfo of a pending signal, which then is pending no more. False: another thread took it. */
bool signal_take(struct posix_thread *_Nonnull self, uint32_t number,
                 struct linux_siginfo *_Nonnull out);
