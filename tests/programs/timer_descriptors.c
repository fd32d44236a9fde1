/* timerfd: timers that are read, polled, inherited and refused. What is waited for takes
 * milliseconds, and nothing is measured: only that it comes, how often, and not before its time. */
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

enum { MS = 1000000 };

static int make(int clock, int flags) {
    return check_fd("create", timerfd_create(clock, flags));
}

static int set(int fd, int flags, int64_t first_ns, int64_t every_ns) {
    struct itimerspec times = {{every_ns / 1000000000, every_ns % 1000000000},
                               {first_ns / 1000000000, first_ns % 1000000000}};
    return timerfd_settime(fd, flags, &times, nullptr);
}

static int64_t now(clockid_t clock) {
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static uint64_t count_of(int fd) {
    uint64_t count = 0;
    return read(fd, &count, sizeof count) == sizeof count ? count : UINT64_MAX;
}

static short ready_events(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLIN | POLLOUT};
    return poll(&one, 1, 0) < 0 ? -1 : one.revents;
}

static void test_refusals(void) {
    check_errno("no_such_clock", timerfd_create(99, 0), EINVAL);
    check_errno("processor_clock", timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0), EINVAL);
    check_errno("flags", timerfd_create(CLOCK_MONOTONIC, 1), EINVAL);
    int fd = make(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    check_equal("close_on_exec", fcntl(fd, F_GETFD), FD_CLOEXEC);
    check_equal("status_flags", fcntl(fd, F_GETFL), O_RDWR | O_NONBLOCK);
    struct itimerspec times = {.it_value = {.tv_nsec = 1000000000}};
    check_errno("too_many_nanoseconds", timerfd_settime(fd, 0, &times, nullptr), EINVAL);
    times = (struct itimerspec){.it_interval = {.tv_sec = -1}};
    check_errno("negative_interval", timerfd_settime(fd, 0, &times, nullptr), EINVAL);
    check_errno("settime_flags", set(fd, 4, 1, 0), EINVAL);
    check_errno("settime_address", syscall(SYS_timerfd_settime, fd, 0, 8, nullptr), EFAULT);
    check_errno("gettime_address", syscall(SYS_timerfd_gettime, fd, 8), EFAULT);
    check_errno("closed", set(999, 0, 1, 0), EBADF);
    int ends[2];
    pipe(ends);
    check_errno("a_pipe", set(ends[0], 0, 1, 0), EINVAL);
    check_errno("gettime_of_a_pipe", timerfd_gettime(ends[0], &times), EINVAL);
    check_errno("not_set", read(fd, &times, sizeof times), EAGAIN);
    check_errno("short_read", read(fd, &times, 7), EINVAL);
    check_errno("write", write(fd, &times, 8), EINVAL);
    check_equal("seek_leads_nowhere", lseek(fd, 5, SEEK_SET), 0);
    close(ends[0]);
    close(ends[1]);
    close(fd);
}

static void test_once(void) {
    int fd = make(CLOCK_MONOTONIC, 0);
    check_equal("not_ready", ready_events(fd), 0);
    int64_t before = now(CLOCK_MONOTONIC);
    check_ok("set", set(fd, 0, 3 * MS, 0));
    struct itimerspec left;
    check_ok("get", timerfd_gettime(fd, &left));
    check("left", left.it_value.tv_sec == 0 && left.it_value.tv_nsec <= 3 * MS &&
                      left.it_interval.tv_sec == 0 && left.it_interval.tv_nsec == 0);
    check_equal("read_waits", count_of(fd), 1);
    check("not_before_its_time", now(CLOCK_MONOTONIC) - before >= 3 * MS);
    check_equal("read_empties", ready_events(fd), 0);
    timerfd_gettime(fd, &left);
    check("nothing_left", left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0);
    set(fd, 0, 1000LL * 1000 * MS, 5 * MS);
    struct itimerspec old = {0};
    struct itimerspec never = {0};
    check_ok("disarm", timerfd_settime(fd, 0, &never, &old));
    check("old_value", old.it_value.tv_sec >= 900 && old.it_interval.tv_nsec == 5 * MS);
    check_ok("blocking_off", fcntl(fd, F_SETFL, O_NONBLOCK));
    check_equal("disarmed", count_of(fd), UINT64_MAX);
    set(fd, 0, 1, 0);
    struct pollfd one = {.fd = fd, .events = POLLIN};
    check_equal("poll_wakes", poll(&one, 1, -1), 1);
    check_equal("poll_event", one.revents, POLLIN);
    check_ok("setting_again", set(fd, 0, 1000LL * 1000 * MS, 0));
    check_equal("forgets_what_was_due", ready_events(fd), 0);
    close(fd);
}

static void test_interval(void) {
    int fd = make(CLOCK_MONOTONIC, 0);
    int64_t start = now(CLOCK_MONOTONIC);
    set(fd, 0, 1 * MS, 1 * MS);
    uint64_t total = 0;
    while (total < 5) {
        total += count_of(fd);
    }
    check("no_faster_than_time", (int64_t)total <= (now(CLOCK_MONOTONIC) - start) / MS);
    struct timespec pause_time = {.tv_nsec = 5 * MS};
    nanosleep(&pause_time, nullptr);
    check("counts_what_nobody_read", count_of(fd) >= 4);
    struct itimerspec left;
    timerfd_gettime(fd, &left);
    check("next", left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 1 * MS &&
                      left.it_interval.tv_nsec == 1 * MS);
    set(fd, 0, 0, 1 * MS);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    check_equal("interval_alone_disarms", count_of(fd), UINT64_MAX);
    close(fd);
}

static void test_absolute(void) {
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};
    for (size_t i = 0; i < COUNT_OF(clocks); i++) {
        int fd = make(clocks[i], 0);
        int64_t until = now(clocks[i]) + 3 * MS;
        check_ok("set", set(fd, TFD_TIMER_ABSTIME, until, 0));
        check_equal("read", count_of(fd), 1);
        check("not_before", now(clocks[i]) >= until);
        set(fd, TFD_TIMER_ABSTIME, 1, 0);
        check_equal("long_ago_is_due_now", ready_events(fd), POLLIN);
        check_equal("once", count_of(fd), 1);
        int64_t past = now(clocks[i]) - 10 * MS;
        set(fd, TFD_TIMER_ABSTIME, past, 2 * MS);
        check("what_was_missed", count_of(fd) >= 6);
        set(fd, TFD_TIMER_ABSTIME, now(clocks[i]) + 1000LL * 1000 * MS, 0);
        struct itimerspec left;
        timerfd_gettime(fd, &left);
        check("left_is_relative", left.it_value.tv_sec >= 900 && left.it_value.tv_sec <= 1000);
        check_equal("far_away", ready_events(fd), 0);
        close(fd);
    }
    int fd = make(CLOCK_MONOTONIC, 0);
    check_ok("cancel_on_set_means_nothing_here",
             set(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, 1, 0));
    check_equal("and_is_due", count_of(fd), 1);
    close(fd);
}

static void test_shared(void) {
    int fd = make(CLOCK_MONOTONIC, TFD_NONBLOCK);
    pid_t child = fork();
    if (child == 0) {
        _exit(set(fd, 0, 1, 0) == 0 ? 0 : 1);
    }
    check_exit("child_sets", child_status(child), 0);
    struct pollfd one = {.fd = fd, .events = POLLIN};
    check_equal("parent_sees", poll(&one, 1, -1), 1);
    int twin = dup(fd);
    check_equal("twin_reads", count_of(twin), 1);
    check_equal("both_empty", count_of(fd), UINT64_MAX);
    close(twin);
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
    set(fd, 0, 1 * MS, 0);
    check_equal("epoll_edge", epoll_wait(epoll, &event, 1, -1), 1);
    check_equal("epoll_edge_once", epoll_wait(epoll, &event, 1, 0), 0);
    set(fd, 0, 1 * MS, 0);
    check_equal("epoll_next_edge", epoll_wait(epoll, &event, 1, -1), 1);
    close(epoll);
    close(fd);
}

static volatile sig_atomic_t ticks;

static void on_tick(int signal_number) {
    (void)signal_number;
    ticks = ticks + 1;
}

static void test_interrupted(void) {
    int fd = make(CLOCK_MONOTONIC, 0);
    uint64_t count = 0;
    set(fd, 0, 1000LL * 1000 * MS, 0);
    ticks_start(on_tick, 0);
    check_errno("read", read(fd, &count, sizeof count), EINTR);
    ticks_stop();
    ticks_start(on_tick, SA_RESTART);
    set(fd, 0, 20 * MS, 0);
    check_equal("read_restarts", count_of(fd), 1);
    ticks_stop();
    check("there_were_signals", ticks > 0);
    close(fd);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"refusals", test_refusals}, {"once", test_once},     {"interval", test_interval},
        {"absolute", test_absolute}, {"shared", test_shared}, {"interrupted", test_interrupted},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
