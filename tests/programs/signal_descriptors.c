/* signalfd: signals that are read from a descriptor, by whom they are pending for. */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

static sigset_t set_of(int first, int second) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, first);
    if (second != 0) {
        sigaddset(&set, second);
    }
    return set;
}

/* Blocks them, and gives a descriptor. */
static int watch(int first, int second, int flags) {
    sigset_t set = set_of(first, second);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    return check_fd("create", signalfd(-1, &set, flags));
}

static void unblock_all(void) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
}

static uint32_t next_of(int fd) {
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof info) == sizeof info ? info.ssi_signo : 0;
}

static short ready_events(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLIN | POLLOUT};
    return poll(&one, 1, 0) < 0 ? -1 : one.revents;
}

static void test_refusals(void) {
    sigset_t set = set_of(SIGUSR1, 0);
    int ends[2];
    pipe(ends);
    check_errno("flags", syscall(SYS_signalfd4, -1, &set, 8, 1), EINVAL);
    check_errno("size_of_set", syscall(SYS_signalfd4, -1, &set, 4, 0), EINVAL);
    check_errno("address", syscall(SYS_signalfd4, -1, 8, 8, 0), EFAULT);
    check_errno("closed", signalfd(999, &set, 0), EBADF);
    check_errno("a_pipe", signalfd(ends[0], &set, 0), EINVAL);
    int fd = watch(SIGUSR1, 0, SFD_NONBLOCK | SFD_CLOEXEC);
    char buffer[127];
    check_errno("short_read", read(fd, buffer, sizeof buffer), EINVAL);
    check_errno("write", write(fd, buffer, sizeof buffer), EINVAL);
    check_errno("nothing", read(fd, buffer, 0), EINVAL);
    check_equal("close_on_exec", fcntl(fd, F_GETFD), FD_CLOEXEC);
    check_equal("status_flags", fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
    struct signalfd_siginfo info;
    check_errno("none_pending", read(fd, &info, sizeof info), EAGAIN);
    raise(SIGUSR1);
    check_errno("bad_address", syscall(SYS_read, fd, 8, sizeof info), EFAULT);
    (void)next_of(fd); /* Linux has lost it by now */
    close(fd);
    close(ends[0]);
    close(ends[1]);
    unblock_all();
}

static void test_reading(void) {
    int fd = watch(SIGUSR1, SIGUSR2, SFD_NONBLOCK);
    check_equal("not_ready", ready_events(fd), 0);
    raise(SIGUSR1);
    check_equal("ready", ready_events(fd), POLLIN);
    struct signalfd_siginfo info[3];
    check_equal("one", read(fd, info, sizeof info), sizeof info[0]);
    check_equal("number", info[0].ssi_signo, SIGUSR1);
    check_equal("sender", info[0].ssi_pid, getpid());
    check_equal("read_empties", ready_events(fd), 0);
    kill(getpid(), SIGUSR2);
    kill(getpid(), SIGUSR1);
    check_equal("two", read(fd, info, sizeof info), 2 * sizeof info[0]);
    check_equal("lowest_first", info[0].ssi_signo, SIGUSR1);
    check_equal("then_the_other", info[1].ssi_signo, SIGUSR2);
    union sigval value = {.sival_int = 77};
    sigset_t set = set_of(SIGRTMIN, 0);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    check_equal("another_set", signalfd(fd, &set, 0), fd);
    raise(SIGUSR1);
    check_equal("not_in_the_set", ready_events(fd), 0);
    sigqueue(getpid(), SIGRTMIN, value);
    value.sival_int = 78;
    sigqueue(getpid(), SIGRTMIN, value);
    check_equal("queued_both", read(fd, info, sizeof info), 2 * sizeof info[0]);
    check_equal("value", info[0].ssi_int, 77);
    check_equal("second_value", info[1].ssi_int, 78);
    check_equal("code", info[0].ssi_code, SI_QUEUE);
    set = set_of(SIGUSR1, 0);
    siginfo_t taken;
    check_equal("left_for_others", sigwaitinfo(&set, &taken), SIGUSR1);
    close(fd);
    unblock_all();
}

static void test_child(void) {
    int fd = watch(SIGCHLD, 0, 0);
    pid_t child = fork();
    if (child == 0) {
        _exit(7);
    }
    struct signalfd_siginfo info;
    check_equal("waits", read(fd, &info, sizeof info), sizeof info);
    check_equal("number", info.ssi_signo, SIGCHLD);
    check_equal("pid", info.ssi_pid, child);
    check_equal("status", info.ssi_status, 7);
    check_equal("code", info.ssi_code, CLD_EXITED);
    child_status(child);
    close(fd);
    unblock_all();
}

static pid_t sender(int signal_number) {
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) {
        _exit(kill(parent, signal_number) == 0 ? 0 : 1);
    }
    return child;
}

static void test_waiting(void) {
    int fd = watch(SIGUSR1, 0, SFD_NONBLOCK);
    struct pollfd one = {.fd = fd, .events = POLLIN};
    pid_t child = sender(SIGUSR1);
    check_equal("poll", poll(&one, 1, -1), 1);
    check_equal("poll_read", next_of(fd), SIGUSR1);
    child_status(child);
    child = sender(SIGUSR1);
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(fd, &readable);
    check_equal("select", select(fd + 1, &readable, nullptr, nullptr, nullptr), 1);
    check_equal("select_read", next_of(fd), SIGUSR1);
    child_status(child);
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = 5}};
    check_ok("add", epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
    check_equal("epoll_none", epoll_wait(epoll, &event, 1, 0), 0);
    child = sender(SIGUSR1);
    check_equal("epoll", epoll_wait(epoll, &event, 1, -1), 1);
    check_equal("epoll_level", epoll_wait(epoll, &event, 1, 0), 1);
    check_equal("epoll_read", next_of(fd), SIGUSR1);
    check_equal("epoll_empty", epoll_wait(epoll, &event, 1, 0), 0);
    child_status(child);
    close(epoll);
    close(fd);
    unblock_all();
}

static volatile sig_atomic_t handled;

static void on_signal(int signal_number) {
    handled = handled + (signal_number == SIGALRM ? 1 : 0);
}

/* A signal that is not blocked goes to its handler, and interrupts. */
static void test_handlers(void) {
    int fd = watch(SIGUSR1, 0, 0);
    struct signalfd_siginfo info;
    ticks_start(on_signal, 0);
    check_errno("read", read(fd, &info, sizeof info), EINTR);
    ticks_stop();
    check("handled", handled > 0);
    sigset_t set = set_of(SIGALRM, SIGUSR1);
    handled = 0;
    handle(SIGALRM, on_signal, 0);
    check_equal("set_with_it", signalfd(fd, &set, 0), fd);
    raise(SIGALRM);
    check_equal("who_does_not_block_handles", handled, 1);
    check_equal("nothing_to_read", ready_events(fd), 0);
    handle(SIGALRM, SIG_DFL, 0);
    close(fd);
    unblock_all();
}

/* Who reads gets what is pending for himself. */
static void test_after_fork(void) {
    int fd = watch(SIGUSR1, 0, SFD_NONBLOCK);
    raise(SIGUSR1);
    pid_t child = fork();
    if (child == 0) {
        int bad = next_of(fd) == 0 ? 0 : 1;
        raise(SIGUSR1);
        bad |= next_of(fd) == SIGUSR1 ? 0 : 2;
        _exit(bad);
    }
    check_exit("childs_own", child_status(child), 0);
    check_equal("parents_own", next_of(fd), SIGUSR1);
    close(fd);
    unblock_all();
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"refusals", test_refusals}, {"reading", test_reading},   {"child", test_child},
        {"waiting", test_waiting},   {"handlers", test_handlers}, {"after_fork", test_after_fork},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
