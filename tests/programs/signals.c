/* Signals: dispositions, masks, pending sets, queues, flags, waits, targets, alternate stacks. */
#include "check.h"
#include <setjmp.h>

static volatile sig_atomic_t count;
static volatile sig_atomic_t last;
static volatile sig_atomic_t order[64];

static void on_signal(int signal_number) {
    order[count % 64] = signal_number;
    count = count + 1;
    last = signal_number;
}

static siginfo_t seen;

static void on_info(int signal_number, siginfo_t *info, void *context) {
    (void)context;
    last = signal_number;
    count = count + 1;
    seen = *info;
}

static void handle_info(int signal_number, int flags) {
    struct sigaction action = {.sa_flags = SA_SIGINFO | flags};
    action.sa_sigaction = on_info;
    sigaction(signal_number, &action, nullptr);
}

static sigset_t set_of(int signal_number) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    return set;
}

static void test_dispositions(void) {
    struct sigaction old;
    handle(SIGUSR1, on_signal, SA_RESTART);
    check_ok("query", sigaction(SIGUSR1, nullptr, &old));
    check("same_handler", old.sa_handler == on_signal);
    check_equal("same_flags", old.sa_flags & (SA_RESTART | SA_NODEFER), SA_RESTART);
    count = 0;
    check_ok("raise", raise(SIGUSR1));
    check_equal("delivered_before_return", count, 1);
    check_ok("kill_self", kill(getpid(), SIGUSR1));
    check_equal("delivered_again", count, 2);
    handle(SIGUSR1, SIG_IGN, 0);
    kill(getpid(), SIGUSR1);
    check_equal("ignored", count, 2);
    handle(SIGUSR1, on_signal, (int)SA_RESETHAND);
    kill(getpid(), SIGUSR1);
    sigaction(SIGUSR1, nullptr, &old);
    check("resethand", old.sa_handler == SIG_DFL && count == 3);
    struct sigaction action = {0};
    action.sa_handler = on_signal;
    check_errno("sigkill", sigaction(SIGKILL, &action, nullptr), EINVAL);
    check_errno("sigstop", sigaction(SIGSTOP, &action, nullptr), EINVAL);
    check_errno("sig_0", syscall(SYS_rt_sigaction, 0, nullptr, nullptr, 8), EINVAL);
    check_errno("sig_65", syscall(SYS_rt_sigaction, 65, nullptr, nullptr, 8), EINVAL);
    check_errno("set_size", syscall(SYS_rt_sigaction, SIGUSR1, nullptr, nullptr, 4), EINVAL);
    check_ok("query_sigkill", sigaction(SIGKILL, nullptr, &old));
}

static void test_mask(void) {
    handle(SIGUSR1, on_signal, 0);
    count = 0;
    sigset_t set = set_of(SIGUSR1);
    sigset_t old;
    sigset_t pending;
    check_ok("block", sigprocmask(SIG_BLOCK, &set, &old));
    check("was_not_blocked", !sigismember(&old, SIGUSR1));
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR1);
    check_equal("held", count, 0);
    sigpending(&pending);
    check("pending", sigismember(&pending, SIGUSR1));
    check_ok("unblock", sigprocmask(SIG_UNBLOCK, &set, nullptr));
    check_equal("delivered_once_before_return", count, 1);
    sigpending(&pending);
    check("no_longer_pending", !sigismember(&pending, SIGUSR1));
    sigset_t all;
    sigfillset(&all);
    check_ok("setmask", sigprocmask(SIG_SETMASK, &all, nullptr));
    sigprocmask(SIG_BLOCK, nullptr, &old);
    check("kill_cannot_be_blocked", !sigismember(&old, SIGKILL) && !sigismember(&old, SIGSTOP));
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    check_errno("bad_how", sigprocmask(99, &set, nullptr), EINVAL);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    kill(getpid(), SIGUSR1);
    handle(SIGUSR1, SIG_IGN, 0);
    sigpending(&pending);
    check("ignoring_discards_pending", !sigismember(&pending, SIGUSR1));
    handle(SIGUSR1, on_signal, 0);
    count = 0;
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    check_equal("discarded", count, 0);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    kill(getpid(), SIGUSR1);
    pid_t child = fork();
    if (child == 0) {
        sigpending(&pending);
        sigprocmask(SIG_BLOCK, nullptr, &old);
        _exit((sigismember(&pending, SIGUSR1) ? 1 : 0) | (sigismember(&old, SIGUSR1) ? 0 : 2));
    }
    check_exit("child_inherits_mask_not_pending", child_status(child), 0);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

static volatile sig_atomic_t depth;
static volatile sig_atomic_t deepest;

static void on_nested(int signal_number) {
    depth = depth + 1;
    deepest = depth > deepest ? depth : deepest;
    if (count == 0) {
        count = 1;
        raise(signal_number);
    }
    depth = depth - 1;
}

static void on_masking(int signal_number) {
    (void)signal_number;
    order[count % 64] = 1;
    count = count + 1;
    raise(SIGUSR2);
    order[count % 64] = 2;
    count = count + 1;
}

static void on_second(int signal_number) {
    (void)signal_number;
    order[count % 64] = 3;
    count = count + 1;
}

static void test_handler_mask(void) {
    count = deepest = depth = 0;
    handle(SIGUSR1, on_nested, 0);
    raise(SIGUSR1);
    check_equal("own_signal_is_masked", deepest, 1);
    count = deepest = depth = 0;
    handle(SIGUSR1, on_nested, SA_NODEFER);
    raise(SIGUSR1);
    check_equal("nodefer_nests", deepest, 2);
    count = 0;
    struct sigaction action = {0};
    action.sa_handler = on_masking;
    sigaddset(&action.sa_mask, SIGUSR2);
    sigaction(SIGUSR1, &action, nullptr);
    handle(SIGUSR2, on_second, 0);
    raise(SIGUSR1);
    check("sa_mask_defers", count == 3 && order[0] == 1 && order[1] == 2 && order[2] == 3);
    sigset_t now;
    sigprocmask(SIG_BLOCK, nullptr, &now);
    check("mask_restored", !sigismember(&now, SIGUSR1) && !sigismember(&now, SIGUSR2));
}

static void test_queue(void) {
    handle_info(SIGRTMIN, 0);
    handle_info(SIGUSR1, 0);
    sigset_t set = set_of(SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    count = 0;
    for (int i = 0; i < 5; i++) {
        check_ok("sigqueue", sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = i}));
    }
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    check_equal("realtime_queues", count, 5);
    check_equal("in_order", seen.si_value.sival_int, 4);
    check_equal("si_code_queue", seen.si_code, SI_QUEUE);
    check_equal("si_pid", seen.si_pid, getpid());
    check_equal("si_uid", seen.si_uid, getuid());
    kill(getpid(), SIGUSR1);
    check_equal("si_code_user", seen.si_code, SI_USER);
    check_equal("si_signo", seen.si_signo, SIGUSR1);
    syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGUSR1);
    check_equal("si_code_tkill", seen.si_code, SI_TKILL);
    for (int i = 0; i < 4; i++) {
        handle(SIGRTMIN + i, on_signal, 0);
    }
    handle(SIGUSR1, on_signal, 0);
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    for (int i = 3; i >= 0; i--) {
        kill(getpid(), SIGRTMIN + i);
    }
    kill(getpid(), SIGUSR1);
    struct sigaction action = {.sa_flags = 0};
    action.sa_handler = on_signal;
    sigfillset(&action.sa_mask);
    for (int i = 0; i < 4; i++) {
        sigaction(SIGRTMIN + i, &action, nullptr);
    }
    sigaction(SIGUSR1, &action, nullptr);
    count = 0;
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    check_equal("all_delivered", count, 5);
    check_equal("standard_before_realtime", order[0], SIGUSR1);
    check("lowest_number_first", order[1] == SIGRTMIN && order[4] == SIGRTMIN + 3);
    check_errno("queue_bad_signal", sigqueue(getpid(), 65, (union sigval){0}), EINVAL);
}

static void test_waits(void) {
    sigset_t set = set_of(SIGUSR1);
    sigaddset(&set, SIGRTMIN);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    struct timespec none = {0};
    siginfo_t info;
    check_errno("nothing", sigtimedwait(&set, &info, &none), EAGAIN);
    kill(getpid(), SIGUSR1);
    check_equal("sigtimedwait", sigtimedwait(&set, &info, &none), SIGUSR1);
    check_equal("info", info.si_code, SI_USER);
    sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 77});
    check_equal("sigwaitinfo", sigwaitinfo(&set, &info), SIGRTMIN);
    check_equal("value", info.si_value.sival_int, 77);
    int got = 0;
    kill(getpid(), SIGUSR1);
    check_equal("sigwait", sigwait(&set, &got), 0);
    check_equal("sigwait_signal", got, SIGUSR1);
    struct timespec bad = {.tv_nsec = -1};
    check_errno("bad_time", sigtimedwait(&set, &info, &bad), EINVAL);
    handle(SIGUSR1, on_signal, 0);
    count = 0;
    kill(getpid(), SIGUSR1);
    sigset_t none_blocked;
    sigemptyset(&none_blocked);
    check_errno("sigsuspend", sigsuspend(&none_blocked), EINTR);
    check_equal("handler_ran", count, 1);
    sigset_t child_set = set_of(SIGCHLD);
    sigprocmask(SIG_BLOCK, &child_set, nullptr);
    pid_t child = check_fork();
    if (child == 0) {
        usleep(1000);
        _exit(5);
    }
    check_equal("blocked_it_can_be_waited_for_though_ignored", sigwaitinfo(&child_set, &info),
                SIGCHLD);
    check_equal("of_the_child", info.si_pid, child);
    child_status(child);
    child = check_fork();
    if (child == 0) {
        _exit(5);
    }
    child_status(child);
    sigprocmask(SIG_UNBLOCK, &child_set, nullptr);
    count = 0;
    handle(SIGCHLD, on_signal, 0);
    check_equal("unblocked_it_is_gone", count, 0);
    handle(SIGCHLD, SIG_DFL, 0);
    sigset_t now;
    sigprocmask(SIG_BLOCK, nullptr, &now);
    check("mask_back", sigismember(&now, SIGUSR1) == 1);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
}

static void test_targets(void) {
    check_ok("signal_0", kill(getpid(), 0));
    check_errno("bad_signal", kill(getpid(), 65), EINVAL);
    check_errno("no_process", kill(0x3ffffffe, 0), ESRCH);
    check_errno("no_group", kill(-0x3ffffffe, 0), ESRCH);
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    siginfo_t info;
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    check_ok("zombie", kill(child, SIGTERM));
    child_status(child);
    check_errno("reaped", kill(child, 0), ESRCH);
    check_errno("tgkill_wrong_group", syscall(SYS_tgkill, 1, (pid_t)syscall(SYS_gettid), 0), ESRCH);
    check_errno("tgkill_bad", syscall(SYS_tgkill, -1, 1, 0), EINVAL);
    check_ok("tkill", syscall(SYS_tkill, (pid_t)syscall(SYS_gettid), 0));
    int ends[2];
    pipe(ends);
    child = fork();
    if (child == 0) {
        setpgid(0, 0);
        handle(SIGUSR1, on_signal, 0);
        count = 0;
        if (fork() == 0) {
            write(ends[1], "x", 1);
            while (count == 0) {
                pause();
            }
            _exit(0);
        }
        write(ends[1], "x", 1);
        while (count == 0) {
            pause();
        }
        int status = 0;
        wait(&status);
        _exit(status == 0 ? 7 : 8);
    }
    char byte;
    read(ends[0], &byte, 1);
    read(ends[0], &byte, 1);
    /* A signal may come between the test and the pause: so it is sent until it was seen. */
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        kill(-child, SIGUSR1);
        usleep(1000);
    }
    check_exit("whole_group", status, 7);
    close(ends[0]);
    close(ends[1]);
}

static int die_of_term(void) {
    raise(SIGTERM);
    return 0;
}

static int die_of_abort(void) {
    abort();
}

static int unharmed(void) {
    raise(SIGCHLD);
    raise(SIGURG);
    raise(SIGWINCH);
    raise(SIGCONT);
    return 3;
}

static int die_of_blocked_fault(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, nullptr);
    handle(SIGSEGV, on_signal, 0);
    *(volatile int *)8 = 1;
    return 0;
}

static void test_default_actions(void) {
    check_killed("term", in_child(die_of_term), SIGTERM);
    check_killed("abort", in_child(die_of_abort), SIGABRT);
    check_exit("ignored_by_default", in_child(unharmed), 3);
    check_killed("blocked_fault_kills", in_child(die_of_blocked_fault), SIGSEGV);
    static const int fatal[] = {SIGHUP,  SIGINT,    SIGQUIT, SIGILL,  SIGTRAP, SIGBUS,  SIGFPE,
                                SIGUSR1, SIGSEGV,   SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGXCPU,
                                SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO,   SIGPWR,  SIGSYS,  SIGKILL};
    for (size_t i = 0; i < COUNT_OF(fatal); i++) {
        pid_t child = fork();
        if (child == 0) {
            signal(fatal[i], SIG_DFL);
            raise(fatal[i]);
            _exit(0);
        }
        char name[32];
        (void)snprintf(name, sizeof name, "fatal_%d", fatal[i]);
        check_killed(name, child_status(child), fatal[i]);
    }
    pid_t child = fork();
    if (child == 0) {
        signal(SIGRTMIN + 5, SIG_DFL);
        raise(SIGRTMIN + 5);
        _exit(0);
    }
    check_killed("fatal_realtime", child_status(child), SIGRTMIN + 5);
}

static char *stack_place;

static void on_alternate(int signal_number) {
    char here;
    stack_place = &here;
    stack_t now;
    sigaltstack(nullptr, &now);
    last = now.ss_flags;
    (void)signal_number;
    count = count + 1;
    stack_t off = {.ss_flags = SS_DISABLE};
    errno = 0;
    order[0] = sigaltstack(&off, nullptr) == -1 ? errno : 0;
}

static void test_alternate_stack(void) {
    static char area[65536];
    stack_t stack = {.ss_sp = area, .ss_size = sizeof area};
    stack_t old;
    check_ok("set", sigaltstack(&stack, &old));
    check_equal("was_disabled", old.ss_flags, SS_DISABLE);
    handle(SIGUSR1, on_alternate, SA_ONSTACK);
    count = 0;
    raise(SIGUSR1);
    check("runs_there", count == 1 && stack_place >= area && stack_place < area + sizeof area);
    check_equal("says_so", last, SS_ONSTACK);
    check_equal("cannot_change_in_use", order[0], EPERM);
    handle(SIGUSR1, on_alternate, 0);
    raise(SIGUSR1);
    check("only_with_the_flag", stack_place < area || stack_place >= area + sizeof area);
    pid_t child = fork();
    if (child == 0) {
        sigaltstack(nullptr, &old);
        _exit(old.ss_sp == area ? 0 : 1);
    }
    check_exit("inherited_by_fork", child_status(child), 0);
    stack.ss_size = 100;
    check_errno("too_small", syscall(SYS_sigaltstack, &stack, nullptr), ENOMEM);
    stack.ss_flags = 0x4000;
    check_errno("bad_flags", syscall(SYS_sigaltstack, &stack, nullptr), EINVAL);
    stack.ss_flags = SS_DISABLE;
    check_ok("disable", sigaltstack(&stack, nullptr));
}

static sigjmp_buf place;

static void on_jump(int signal_number) {
    (void)signal_number;
    siglongjmp(place, 5);
}

static void test_jump(void) {
    handle(SIGUSR1, on_jump, 0);
    int jumped = sigsetjmp(place, 1);
    if (jumped == 0) {
        raise(SIGUSR1);
        check("not_reached", false);
    }
    check_equal("jumped", jumped, 5);
    sigset_t now;
    sigprocmask(SIG_BLOCK, nullptr, &now);
    check("mask_restored", !sigismember(&now, SIGUSR1));
    volatile int rounds = 0;
    while (rounds < 1000) {
        if (sigsetjmp(place, 1) == 0) {
            rounds = rounds + 1;
            raise(SIGUSR1);
        }
    }
    check_equal("thousand_jumps", rounds, 1000);
    handle(SIGUSR1, SIG_DFL, 0);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"dispositions", test_dispositions},
        {"mask", test_mask},
        {"handler_mask", test_handler_mask},
        {"queue", test_queue},
        {"waits", test_waits},
        {"targets", test_targets},
        {"default_actions", test_default_actions},
        {"alternate_stack", test_alternate_stack},
        {"jump", test_jump},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
