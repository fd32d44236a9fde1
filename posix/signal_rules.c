/* The rules of signals that need no system call. */
#include "lib/base/safe.h"
#include "posix/signals.h"

enum signal_default signal_default_of(uint32_t number) {
    switch (number) {
    case SIGQUIT:
    case SIGILL:
    case SIGTRAP:
    case SIGABRT:
    case SIGBUS:
    case SIGFPE:
    case SIGSEGV:
    case SIGXCPU:
    case SIGXFSZ:
    case SIGSYS:
        return SIGNAL_DUMPS;
    case SIGCHLD:
    case SIGURG:
    case SIGWINCH:
        return SIGNAL_IGNORED;
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
        return SIGNAL_STOPS;
    case SIGCONT:
        return SIGNAL_CONTINUES;
    default:
        return SIGNAL_ENDS;
    }
}

bool signal_is_ignored(const struct linux_action *_Nonnull action, uint32_t number) {
    if (action->handler == SIG_IGN) {
        return true;
    }
    enum signal_default by_default = signal_default_of(number);
    return action->handler == SIG_DFL &&
           (by_default == SIGNAL_IGNORED || by_default == SIGNAL_CONTINUES);
}

uint32_t signal_next(uint64_t bits) {
    uint64_t first = (bits & SIGNALS_SYNCHRONOUS) != 0 ? bits & SIGNALS_SYNCHRONOUS : bits;
    return first == 0 ? 0 : (uint32_t)__builtin_ctzll(first) + 1;
}

bool result_is_restart(int64_t result) {
    return result == -ERESTARTSYS || result == -ERESTARTNOINTR || result == -ERESTARTNOHAND;
}

bool signal_restarts(int64_t *_Nonnull result, const struct linux_action *_Nullable action) {
    if (!result_is_restart(*result)) {
        return false;
    }
    bool again = action == nullptr || *result == -ERESTARTNOINTR ||
                 (*result == -ERESTARTSYS && (SOME(action)->flags & SA_RESTART) != 0);
    if (!again) {
        *result = -EINTR;
    }
    return again;
}
