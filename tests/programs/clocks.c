/* Clocks, sleeps, alarms and timers. That a sleep is never too short is checked; how long it took
 * is not. */
#include "check.h"
#include <sys/auxv.h>
#include <sys/times.h>
#include <time.h>

static int64_t nanoseconds(clockid_t clock) {
    struct timespec now;
    if (clock_gettime(clock, &now) != 0) {
        return -1;
    }
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void test_clocks(void) {
    static const clockid_t clocks[] = {CLOCK_REALTIME,           CLOCK_MONOTONIC,
                                       CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID,
                                       CLOCK_MONOTONIC_RAW,      CLOCK_REALTIME_COARSE,
                                       CLOCK_MONOTONIC_COARSE,   CLOCK_BOOTTIME};
    for (size_t i = 0; i < COUNT_OF(clocks); i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "clock_%d", clocks[i]);
        check(name, nanoseconds(clocks[i]) >= 0);
        struct timespec by_call;
        check_ok("the_system_call_too", syscall(SYS_clock_gettime, clocks[i], &by_call));
    }
    bool forward = true;
    int64_t last = nanoseconds(CLOCK_MONOTONIC);
    for (int i = 0; i < 100000; i++) {
        int64_t now = nanoseconds(CLOCK_MONOTONIC);
        forward = forward && now >= last;
        last = now;
    }
    check("monotonic", forward);
    int64_t fast = nanoseconds(CLOCK_MONOTONIC);
    struct timespec slow;
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &slow);
    check("vdso_and_call_agree", slow.tv_sec * 1000000000LL + slow.tv_nsec >= fast);
    check_errno("bad_clock", syscall(SYS_clock_gettime, 99, &slow), EINVAL);
    check_ok("clock_getres", clock_getres(CLOCK_MONOTONIC, &slow));
    check("resolution", slow.tv_sec == 0 && slow.tv_nsec > 0);
    check_errno("getres_bad_clock", clock_getres(99, &slow), EINVAL);
    struct timeval now;
    check_ok("gettimeofday", gettimeofday(&now, nullptr));
    check("after_2020", now.tv_sec > 1577836800 && now.tv_usec < 1000000);
    time_t seconds = time(nullptr);
    check("time_agrees", seconds >= now.tv_sec - 1 && seconds <= now.tv_sec + 60);
    struct tms usage;
    check("times", times(&usage) != (clock_t)-1);
    int64_t before = nanoseconds(CLOCK_PROCESS_CPUTIME_ID);
    for (volatile int i = 0; i < 3000000; i = i + 1) {
    }
    check("processor_time_grows", nanoseconds(CLOCK_PROCESS_CPUTIME_ID) > before);
}

static void test_vdso(void) {
    const unsigned char *image = (const unsigned char *)getauxval(AT_SYSINFO_EHDR);
    check("present", image != nullptr);
    if (image == nullptr) {
        return;
    }
    check_bytes("is_elf", image, "\177ELF\2\1\1", 7);
    uint16_t type;
    memcpy(&type, image + 16, sizeof type);
    check_equal("shared_object", type, 3);
    char text[20000];
    ssize_t length = read_file("/proc/self/maps", text, sizeof text);
    check("in_maps", length > 0 && strstr(text, "[vdso]") != nullptr);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int signal_number) {
    (void)signal_number;
    alarms = alarms + 1;
}

static void test_sleeps(void) {
    struct timespec bit = {.tv_nsec = 3000000};
    int64_t before = nanoseconds(CLOCK_MONOTONIC);
    check_ok("nanosleep", nanosleep(&bit, nullptr));
    check("not_too_short", nanoseconds(CLOCK_MONOTONIC) - before >= 3000000);
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 2000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    check_equal("absolute", clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &until, nullptr), 0);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    check("until_then", now.tv_sec > until.tv_sec ||
                            (now.tv_sec == until.tv_sec && now.tv_nsec >= until.tv_nsec));
    struct timespec past = {.tv_sec = 1};
    check_equal("past", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &past, nullptr), 0);
    struct timespec bad = {.tv_nsec = 1000000000};
    check_errno("bad_nanoseconds", nanosleep(&bad, nullptr), EINVAL);
    bad = (struct timespec){.tv_sec = -1};
    check_errno("negative", nanosleep(&bad, nullptr), EINVAL);
    check_equal("bad_clock", clock_nanosleep(99, 0, &bit, nullptr), EINVAL);
    check_equal("own_thread_clock", clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &bit, nullptr),
                EINVAL);
    struct timespec none = {0};
    check_ok("zero", nanosleep(&none, nullptr));
}

static void test_alarms(void) {
    handle(SIGALRM, on_alarm, 0);
    check_equal("none_before", alarm(1000), 0);
    unsigned left = alarm(500);
    check("remaining", left > 900 && left <= 1000);
    left = alarm(0);
    check("off_answers_remaining", left > 400 && left <= 500);
    struct itimerval soon = {.it_value = {.tv_usec = 2000}};
    struct itimerval old;
    check_ok("setitimer", setitimer(ITIMER_REAL, &soon, nullptr));
    while (alarms == 0) {
        pause();
    }
    check_equal("once", alarms, 1);
    check_ok("getitimer", getitimer(ITIMER_REAL, &old));
    check("expired", old.it_value.tv_sec == 0 && old.it_value.tv_usec == 0);
    soon.it_interval.tv_usec = 1000;
    setitimer(ITIMER_REAL, &soon, nullptr);
    while (alarms < 5) {
        usleep(500);
    }
    check("repeats", alarms >= 5);
    struct itimerval never = {0};
    check_ok("stop", setitimer(ITIMER_REAL, &never, &old));
    check_equal("old_interval", old.it_interval.tv_usec, 1000);
    struct itimerval bad = {.it_value = {.tv_usec = 1000000}};
    check_errno("bad_microseconds", setitimer(ITIMER_REAL, &bad, nullptr), EINVAL);
    check_errno("bad_kind", setitimer((__typeof__(ITIMER_REAL))9, &never, nullptr), EINVAL);
    alarm(1000);
    pid_t child = fork();
    if (child == 0) {
        _exit(alarm(0) == 0 ? 0 : 1);
    }
    check_exit("not_inherited", child_status(child), 0);
    alarm(0);
    handle(SIGVTALRM, on_alarm, 0);
    alarms = 0;
    setitimer(ITIMER_VIRTUAL, &soon, nullptr);
    while (alarms == 0) {
    }
    check("virtual_timer_counts_own_time", true);
    setitimer(ITIMER_VIRTUAL, &never, nullptr);
}

static siginfo_t seen;

static void on_timer(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number;
    (void)context;
    seen = *info;
    alarms = alarms + 1;
}

static void test_posix_timers(void) {
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = on_timer;
    sigaction(SIGRTMIN, &action, nullptr);
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN};
    event.sigev_value.sival_int = 42;
    timer_t timer;
    alarms = 0;
    check_ok("create", timer_create(CLOCK_MONOTONIC, &event, &timer));
    struct itimerspec soon = {.it_value = {.tv_nsec = 1000000}};
    check_ok("settime", timer_settime(timer, 0, &soon, nullptr));
    while (alarms == 0) {
        usleep(500);
    }
    check_equal("si_code", seen.si_code, SI_TIMER);
    check_equal("value", seen.si_value.sival_int, 42);
    struct itimerspec left;
    check_ok("gettime", timer_gettime(timer, &left));
    check("disarmed", left.it_value.tv_sec == 0 && left.it_value.tv_nsec == 0);
    check_ok("getoverrun", timer_getoverrun(timer));
    soon.it_value.tv_nsec = -1;
    check_errno("bad_time", timer_settime(timer, 0, &soon, nullptr), EINVAL);
    check_ok("delete", timer_delete(timer));
    check_errno("bad_clock", timer_create(99, &event, &timer), EINVAL);
    event.sigev_signo = 99;
    check_errno("bad_signal", timer_create(CLOCK_MONOTONIC, &event, &timer), EINVAL);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"clocks", test_clocks},
        {"vdso", test_vdso},
        {"sleeps", test_sleeps},
        {"alarms", test_alarms},
        {"posix_timers", test_posix_timers},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
