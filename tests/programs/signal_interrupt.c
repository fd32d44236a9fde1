/* Which blocked calls a signal ends with EINTR, and which begin again with SA_RESTART.
 *
 * SIGALRM comes every two milliseconds; a call that may be interrupted is so sooner or later, and a
 * call that restarts is released by the handler at its fifth tick. So nothing depends on time. */
#include "check.h"
#include "linux_extra.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

static volatile sig_atomic_t ticks;
static volatile int release_fd = -1;

static void on_tick(int signal_number) {
    (void)signal_number;
    ticks = ticks + 1;
}

static void on_releasing_tick(int signal_number) {
    (void)signal_number;
    int saved = errno;
    ticks = ticks + 1;
    if (ticks == 5) {
        (void)write(release_fd, "r", 1);
    }
    errno = saved;
}

static void test_pipe(void) {
    int ends[2];
    pipe(ends);
    char byte;
    ticks_start(on_tick, 0);
    check_errno("read", read(ends[0], &byte, 1), EINTR);
    ticks_stop();
    check("handler_ran", ticks > 0);
    ticks = 0;
    release_fd = ends[1];
    ticks_start(on_releasing_tick, SA_RESTART);
    check_equal("read_restarts", read(ends[0], &byte, 1), 1);
    ticks_stop();
    check("released_by_handler", ticks >= 5);
    static char block[70000];
    ticks_start(on_tick, 0);
    check_equal("partial_write", write(ends[1], block, sizeof block), 65536);
    check_errno("write_when_full", write(ends[1], block, 1), EINTR);
    ticks_stop();
    close(ends[0]);
    close(ends[1]);
    mkfifo("p", 0600);
    ticks_start(on_tick, 0);
    check_errno("open_fifo", open("p", O_RDONLY), EINTR);
    ticks_stop();
}

static void test_ignored_signals_do_not_interrupt(void) {
    int ends[2];
    pipe(ends);
    pid_t parent = getpid();
    handle(SIGUSR2, SIG_IGN, 0);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 20; i++) {
            kill(parent, SIGUSR2);
            kill(parent, SIGWINCH);
            kill(parent, SIGURG);
            kill(parent, SIGCONT);
            usleep(500);
        }
        _exit(write(ends[1], "x", 1) == 1 ? 0 : 1);
    }
    char byte;
    check_equal("read", read(ends[0], &byte, 1), 1);
    child_status(child);
    handle(SIGUSR2, SIG_DFL, 0);
    close(ends[0]);
    close(ends[1]);
}

static void test_sleeps(void) {
    struct timespec long_time = {.tv_sec = 1000};
    struct timespec left = {0};
    ticks_start(on_tick, SA_RESTART);
    check_errno("nanosleep", nanosleep(&long_time, &left), EINTR);
    check("remaining", left.tv_sec >= 900 && left.tv_sec <= 1000);
    check_equal("clock_nanosleep", clock_nanosleep(CLOCK_MONOTONIC, 0, &long_time, &left), EINTR);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += 1000;
    check_equal("absolute", clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr),
                EINTR);
    check_errno("pause", pause(), EINTR);
    sigset_t none;
    sigemptyset(&none);
    check_errno("sigsuspend", sigsuspend(&none), EINTR);
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR1);
    siginfo_t info;
    check_errno("sigtimedwait", syscall(SYS_rt_sigtimedwait, &wanted, &info, &long_time, 8), EINTR);
    ticks_stop();
}

static void test_polls(void) {
    int ends[2];
    pipe(ends);
    struct pollfd one = {.fd = ends[0], .events = POLLIN};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event);
    ticks_start(on_tick, SA_RESTART);
    check_errno("poll", poll(&one, 1, -1), EINTR);
    check_errno("ppoll", ppoll(&one, 1, nullptr, nullptr), EINTR);
    check_errno("select", select(ends[0] + 1, &set, nullptr, nullptr, nullptr), EINTR);
    check_errno("epoll_wait", epoll_wait(epoll, &event, 1, -1), EINTR);
    ticks_stop();
    close(epoll);
    close(ends[0]);
    close(ends[1]);
}

static void test_waits(void) {
    int ends[2];
    pipe(ends);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(ends[1]);
        _exit((int)read(ends[0], &byte, 1));
    }
    ticks_start(on_tick, 0);
    int status = 0;
    check_errno("waitpid", waitpid(child, &status, 0), EINTR);
    siginfo_t info;
    check_errno("waitid", waitid(P_PID, (id_t)child, &info, WEXITED), EINTR);
    ticks_stop();
    ticks = 0;
    release_fd = ends[1];
    ticks_start(on_releasing_tick, SA_RESTART);
    check_equal("waitpid_restarts", waitpid(child, &status, 0), child);
    ticks_stop();
    check_exit("status", status, 1);
    close(ends[0]);
    close(ends[1]);
}

static void test_futex(void) {
    static int word = 1;
    ticks_start(on_tick, 0);
    check_errno("futex", syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, nullptr, nullptr, 0),
                EINTR);
    sem_t semaphore;
    sem_init(&semaphore, 0, 0);
    check_errno("sem_wait", sem_wait(&semaphore), EINTR);
    ticks_stop();
    struct timespec long_time = {.tv_sec = 1000};
    ticks_start(on_tick, SA_RESTART);
    check_errno("futex_with_timeout",
                syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 1, &long_time, nullptr, 0), EINTR);
    ticks_stop();
}

static void test_locks(void) {
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    int ends[2];
    int ready[2];
    pipe(ends);
    pipe(ready);
    pid_t child = fork();
    if (child == 0) {
        int own = open("f", O_RDWR);
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        fcntl(own, F_SETLK, &lock);
        flock(own, LOCK_EX);
        write(ready[1], "x", 1);
        char byte;
        close(ends[1]);
        _exit((int)read(ends[0], &byte, 1));
    }
    char byte;
    read(ready[0], &byte, 1);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    ticks_start(on_tick, 0);
    check_errno("setlkw", fcntl(fd, F_SETLKW, &lock), EINTR);
    check_errno("flock", flock(fd, LOCK_EX), EINTR);
    ticks_stop();
    ticks = 0;
    release_fd = ends[1];
    ticks_start(on_releasing_tick, SA_RESTART);
    check_ok("flock_restarts", flock(fd, LOCK_EX));
    check_ok("setlkw_restarts", fcntl(fd, F_SETLKW, &lock));
    ticks_stop();
    child_status(child);
    for (size_t i = 0; i < 2; i++) {
        close(ends[i]);
        close(ready[i]);
    }
    close(fd);
}

static void test_sockets(void) {
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    char byte;
    ticks_start(on_tick, 0);
    check_errno("recv", recv(pair[0], &byte, 1, 0), EINTR);
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "s"};
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    bind(listener, (struct sockaddr *)&address, sizeof address);
    listen(listener, 4);
    check_errno("accept", accept(listener, nullptr, nullptr), EINTR);
    ticks_stop();
    ticks = 0;
    release_fd = pair[1];
    ticks_start(on_releasing_tick, SA_RESTART);
    check_equal("recv_restarts", recv(pair[0], &byte, 1, 0), 1);
    ticks_stop();
    struct timeval bound = {.tv_sec = 1000};
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
    ticks_start(on_tick, SA_RESTART);
    check_errno("recv_with_timeout_does_not_restart", recv(pair[0], &byte, 1, 0), EINTR);
    ticks_stop();
    bound = (struct timeval){.tv_usec = 1000};
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
    check_errno("recv_timeout", recv(pair[0], &byte, 1, 0), EAGAIN);
    close(listener);
    close(pair[0]);
    close(pair[1]);
}

/* A stream interrupted many times loses and doubles nothing. */
static void test_no_byte_lost(void) {
    enum { TOTAL = 100000 };
    int ends[2];
    pipe(ends);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        for (int i = 0; i < TOTAL; i++) {
            char byte = (char)(i % 127);
            if (write(ends[1], &byte, 1) != 1) {
                _exit(1);
            }
        }
        _exit(0);
    }
    close(ends[1]);
    ticks_start(on_tick, 0);
    int total = 0;
    bool right = true;
    for (;;) {
        char buffer[100];
        ssize_t got = read(ends[0], buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        for (ssize_t i = 0; i < got; i++) {
            right = right && buffer[i] == (char)((total + i) % 127);
        }
        total += (int)got;
    }
    ticks_stop();
    check_equal("all", total, TOTAL);
    check("in_order", right);
    check_exit("writer", child_status(child), 0);
    close(ends[0]);
}

static int wait_fd;

static int blocked_read(void) {
    char byte;
    return read(wait_fd, &byte, 1) == 1 ? 0 : 1;
}

static int blocked_poll(void) {
    struct pollfd one = {.fd = wait_fd, .events = POLLIN};
    return poll(&one, 1, -1) == 1 ? 0 : 1;
}

static int blocked_select(void) {
    fd_set set;
    FD_ZERO(&set);
    FD_SET(wait_fd, &set);
    return select(wait_fd + 1, &set, nullptr, nullptr, nullptr) == 1 ? 0 : 1;
}

static int blocked_sleep(void) {
    struct timespec time = {.tv_nsec = 30000000};
    struct timespec before;
    struct timespec after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    int answer = nanosleep(&time, nullptr);
    clock_gettime(CLOCK_MONOTONIC, &after);
    int64_t slept = (after.tv_sec - before.tv_sec) * 1000000000LL + after.tv_nsec - before.tv_nsec;
    return answer == 0 && slept >= 30000000 ? 0 : 1;
}

static int blocked_timed_poll(void) {
    return poll(nullptr, 0, 30) == 0 ? 0 : 1;
}

static int blocked_wait(void) {
    pid_t child = fork();
    if (child == 0) {
        char byte;
        read(wait_fd, &byte, 1);
        _exit(0);
    }
    int status = 0;
    return waitpid(child, &status, 0) == child ? 0 : 1;
}

/* Being stopped and continued, without a handler, is not seen by a call that was blocked. */
static void test_stop_continue(void) {
    static const struct {
        const char *name;
        int (*body)(void);
    } calls[] = {{"read", blocked_read},
                 {"poll", blocked_poll},
                 {"select", blocked_select},
                 {"nanosleep", blocked_sleep},
                 {"timed_poll", blocked_timed_poll},
                 {"waitpid", blocked_wait}};
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        int ends[2];
        pipe(ends);
        wait_fd = ends[0];
        pid_t child = fork();
        if (child == 0) {
            close(ends[1]);
            _exit(calls[i].body());
        }
        int status = 0;
        for (int round = 0; round < 30; round++) {
            kill(child, SIGSTOP);
            if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status)) {
                break;
            }
            kill(child, SIGCONT);
            sched_yield();
        }
        if (WIFSTOPPED(status)) {
            write(ends[1], "x", 1);
            status = child_status(child);
        }
        check_exit(calls[i].name, status, 0);
        close(ends[0]);
        close(ends[1]);
    }
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"pipe", test_pipe},
        {"ignored_do_not_interrupt", test_ignored_signals_do_not_interrupt},
        {"sleeps", test_sleeps},
        {"polls", test_polls},
        {"waits", test_waits},
        {"futex", test_futex},
        {"locks", test_locks},
        {"sockets", test_sockets},
        {"no_byte_lost", test_no_byte_lost},
        {"stop_continue", test_stop_continue},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
