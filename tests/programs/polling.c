/* poll, ppoll, select, pselect, epoll and eventfd: what is ready, and what is refused. */
#include "check.h"
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>

static short ready_events(int fd, short events) {
    struct pollfd one = {.fd = fd, .events = events};
    return poll(&one, 1, 0) < 0 ? -1 : one.revents;
}

static void test_poll(void) {
    int ends[2];
    pipe(ends);
    check_equal("empty_pipe", ready_events(ends[0], POLLIN), 0);
    check_equal("write_end", ready_events(ends[1], POLLOUT), POLLOUT);
    write(ends[1], "x", 1);
    check_equal("readable", ready_events(ends[0], POLLIN | POLLRDNORM), POLLIN | POLLRDNORM);
    check_equal("unasked_is_not_told", ready_events(ends[0], 0), 0);
    close(ends[1]);
    check_equal("bytes_and_hang_up", ready_events(ends[0], POLLIN), POLLIN | POLLHUP);
    char byte;
    read(ends[0], &byte, 1);
    check_equal("hang_up", ready_events(ends[0], POLLIN), POLLHUP);
    check_equal("hang_up_unasked", ready_events(ends[0], 0), POLLHUP);
    close(ends[0]);
    check_equal("closed", ready_events(ends[0], POLLIN), POLLNVAL);
    check_equal("negative_is_skipped", ready_events(-1, POLLIN), 0);
    int file = open("f", O_RDWR | O_CREAT, 0644);
    check_equal("file_always", ready_events(file, POLLIN | POLLOUT), POLLIN | POLLOUT);
    close(file);
    pipe(ends);
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    static char block[65536];
    write(ends[1], block, sizeof block);
    check_equal("full_pipe", ready_events(ends[1], POLLOUT), 0);
    read(ends[0], block, 4096);
    check_equal("a_page_free", ready_events(ends[1], POLLOUT), POLLOUT);
    close(ends[0]);
    check_equal("no_reader", ready_events(ends[1], POLLOUT) & POLLERR, POLLERR);
    close(ends[1]);
    pipe(ends);
    struct pollfd three[3] = {{.fd = ends[0], .events = POLLIN},
                              {.fd = ends[1], .events = POLLOUT},
                              {.fd = 999, .events = POLLIN}};
    check_equal("count_of_ready", poll(three, 3, 0), 2);
    check("each",
          three[0].revents == 0 && three[1].revents == POLLOUT && three[2].revents == POLLNVAL);
    check_equal("nothing_times_out", poll(three, 1, 1), 0);
    check_equal("no_descriptors", poll(nullptr, 0, 0), 0);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    check_errno("too_many", poll(three, (nfds_t)limit.rlim_cur + 1, 0), EINVAL);
    struct timespec bad = {.tv_nsec = -1};
    check_errno("ppoll_bad_time", ppoll(three, 1, &bad, nullptr), EINVAL);
    pid_t child = fork();
    if (child == 0) {
        _exit(write(ends[1], "w", 1) == 1 ? 0 : 1);
    }
    check_equal("wakes", poll(three, 1, -1), 1);
    child_status(child);
    close(ends[0]);
    close(ends[1]);
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    check_equal("socket", ready_events(pair[0], POLLIN | POLLOUT), POLLOUT);
    shutdown(pair[1], SHUT_WR);
    check_equal("peer_shut_down", ready_events(pair[0], POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
    close(pair[1]);
    check_equal("peer_closed", ready_events(pair[0], POLLIN) & (POLLIN | POLLHUP),
                POLLIN | POLLHUP);
    close(pair[0]);
}

static void test_select(void) {
    int ends[2];
    pipe(ends);
    fd_set readable;
    fd_set writable;
    fd_set special;
    struct timeval none = {0};
    FD_ZERO(&readable);
    FD_ZERO(&writable);
    FD_ZERO(&special);
    FD_SET(ends[0], &readable);
    FD_SET(ends[1], &writable);
    FD_SET(ends[0], &special);
    check_equal("write_end_only", select(ends[1] + 1, &readable, &writable, &special, &none), 1);
    check("sets", !FD_ISSET(ends[0], &readable) && FD_ISSET(ends[1], &writable) &&
                      !FD_ISSET(ends[0], &special));
    write(ends[1], "x", 1);
    FD_SET(ends[0], &readable);
    check_equal("both", select(ends[1] + 1, &readable, &writable, nullptr, nullptr), 2);
    FD_SET(ends[0], &readable);
    check_equal("below_count_only", select(ends[0], &readable, nullptr, nullptr, &none), 0);
    close(ends[1]);
    char byte;
    read(ends[0], &byte, 1);
    FD_SET(ends[0], &readable);
    check_equal("end_of_file_is_readable",
                select(ends[0] + 1, &readable, nullptr, nullptr, nullptr), 1);
    close(ends[0]);
    FD_ZERO(&readable);
    FD_SET(ends[0], &readable);
    check_errno("closed", select(ends[0] + 1, &readable, nullptr, nullptr, &none), EBADF);
    check_errno("negative", select(-1, nullptr, nullptr, nullptr, &none), EINVAL);
    struct timeval bad = {.tv_sec = -1};
    check_errno("bad_time", select(0, nullptr, nullptr, nullptr, &bad), EINVAL);
    struct timeval soon = {.tv_usec = 1000};
    check_equal("times_out", select(0, nullptr, nullptr, nullptr, &soon), 0);
}

static volatile sig_atomic_t handled;

static void on_signal(int signal_number) {
    (void)signal_number;
    handled = handled + 1;
}

/* A pending blocked signal that the temporary mask lets through ends the wait at once. */
static void test_masks(void) {
    handle(SIGUSR1, on_signal, SA_RESTART);
    sigset_t set;
    sigset_t none;
    sigemptyset(&none);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    raise(SIGUSR1);
    check_errno("ppoll", ppoll(nullptr, 0, nullptr, &none), EINTR);
    check_equal("ppoll_handled", handled, 1);
    raise(SIGUSR1);
    check_errno("pselect", pselect(0, nullptr, nullptr, nullptr, nullptr, &none), EINTR);
    check_equal("pselect_handled", handled, 2);
    raise(SIGUSR1);
    int epoll = epoll_create1(0);
    struct epoll_event event;
    check_errno("epoll_pwait", epoll_pwait(epoll, &event, 1, -1, &none), EINTR);
    check_equal("epoll_handled", handled, 3);
    sigset_t now;
    sigprocmask(SIG_BLOCK, nullptr, &now);
    check_equal("mask_restored", sigismember(&now, SIGUSR1), 1);
    raise(SIGUSR1);
    int ends[2];
    pipe(ends);
    struct pollfd one = {.fd = ends[1], .events = POLLOUT};
    check_equal("ready_wins", ppoll(&one, 1, nullptr, &none), 1);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    check_equal("and_the_signal_comes_too", handled, 4);
    close(ends[0]);
    close(ends[1]);
    close(epoll);
}

static int epoll;

static int control(int operation, int fd, uint32_t events) {
    struct epoll_event event = {.events = events,
                                .data = {.u64 = 0x1122334455667788 + (uint64_t)fd}};
    return epoll_ctl(epoll, operation, fd, &event);
}

static uint32_t ready_now(void) {
    struct epoll_event event = {0};
    int count = epoll_wait(epoll, &event, 1, 0);
    return count == 1 ? event.events : 0;
}

static void test_epoll_control(void) {
    int ends[2];
    pipe(ends);
    epoll = check_fd("create", epoll_create1(EPOLL_CLOEXEC));
    check_equal("cloexec", fcntl(epoll, F_GETFD), FD_CLOEXEC);
    check_errno("create_flags", epoll_create1(1), EINVAL);
    check_errno("create_size", syscall(SYS_epoll_create, 0), EINVAL);
    check_ok("add", control(EPOLL_CTL_ADD, ends[0], EPOLLIN));
    check_errno("twice", control(EPOLL_CTL_ADD, ends[0], EPOLLIN), EEXIST);
    check_errno("modify_absent", control(EPOLL_CTL_MOD, ends[1], EPOLLOUT), ENOENT);
    check_errno("delete_absent", control(EPOLL_CTL_DEL, ends[1], 0), ENOENT);
    check_errno("closed_fd", control(EPOLL_CTL_ADD, 999, EPOLLIN), EBADF);
    check_errno("itself", control(EPOLL_CTL_ADD, epoll, EPOLLIN), EINVAL);
    check_errno("bad_operation", control(99, ends[0], EPOLLIN), EINVAL);
    int file = open("f", O_RDWR | O_CREAT, 0644);
    check_errno("file", control(EPOLL_CTL_ADD, file, EPOLLIN), EPERM);
    close(file);
    struct epoll_event event = {.events = EPOLLIN};
    check_errno("not_an_epoll", epoll_ctl(ends[0], EPOLL_CTL_ADD, ends[1], &event), EINVAL);
    check_errno("wait_not_an_epoll", epoll_wait(ends[0], &event, 1, 0), EINVAL);
    check_errno("wait_bad_fd", epoll_wait(999, &event, 1, 0), EBADF);
    check_errno("no_room", epoll_wait(epoll, &event, 0, 0), EINVAL);
    int second = epoll_create1(0);
    check_ok("nested", control(EPOLL_CTL_ADD, second, EPOLLIN));
    check_errno("circle", epoll_ctl(second, EPOLL_CTL_ADD, epoll, &event), ELOOP);
    check_ok("delete", control(EPOLL_CTL_DEL, second, 0));
    close(second);
    close(ends[0]);
    close(ends[1]);
    close(epoll);
}

static void test_epoll_ready(void) {
    int ends[2];
    pipe(ends);
    epoll = epoll_create1(0);
    control(EPOLL_CTL_ADD, ends[0], EPOLLIN);
    check_equal("empty", ready_now(), 0);
    write(ends[1], "ab", 2);
    struct epoll_event event = {0};
    check_equal("ready", epoll_wait(epoll, &event, 1, -1), 1);
    check("data", event.data.u64 == 0x1122334455667788 + (uint64_t)ends[0]);
    check_equal("level_stays", ready_now(), EPOLLIN);
    char buffer[8];
    read(ends[0], buffer, 8);
    check_equal("level_goes", ready_now(), 0);
    control(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLET);
    write(ends[1], "ab", 2);
    check_equal("edge", ready_now(), EPOLLIN);
    check_equal("edge_once", ready_now(), 0);
    write(ends[1], "c", 1);
    check_equal("edge_again_when_more_comes", ready_now(), EPOLLIN);
    control(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLONESHOT);
    check_equal("oneshot", ready_now(), EPOLLIN);
    check_equal("disarmed", ready_now(), 0);
    control(EPOLL_CTL_MOD, ends[0], EPOLLIN | EPOLLONESHOT);
    check_equal("rearmed", ready_now(), EPOLLIN);
    control(EPOLL_CTL_MOD, ends[0], EPOLLIN);
    control(EPOLL_CTL_ADD, ends[1], EPOLLOUT);
    struct epoll_event many[4];
    check_equal("two_ready", epoll_wait(epoll, many, 4, 0), 2);
    int twin = dup(ends[0]);
    close(ends[0]);
    control(EPOLL_CTL_DEL, ends[1], 0);
    check_equal("open_elsewhere_stays", ready_now(), EPOLLIN);
    close(twin);
    check_equal("last_close_removes", ready_now(), 0);
    close(ends[1]);
    pipe(ends);
    control(EPOLL_CTL_ADD, ends[0], EPOLLIN);
    close(ends[1]);
    check_equal("hang_up", ready_now(), EPOLLHUP);
    close(ends[0]);
    close(epoll);
}

static void test_epoll_shared(void) {
    int ends[2];
    pipe(ends);
    epoll = epoll_create1(0);
    pid_t child = fork();
    if (child == 0) {
        _exit(control(EPOLL_CTL_ADD, ends[0], EPOLLIN) == 0 ? 0 : 1);
    }
    check_exit("child_adds", child_status(child), 0);
    write(ends[1], "x", 1);
    check_equal("parent_sees", ready_now(), EPOLLIN);
    int outer = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    epoll_ctl(outer, EPOLL_CTL_ADD, epoll, &event);
    check_equal("nested_ready", epoll_wait(outer, &event, 1, 0), 1);
    struct pollfd one = {.fd = epoll, .events = POLLIN};
    check_equal("poll_of_epoll", poll(&one, 1, 0), 1);
    char byte;
    read(ends[0], &byte, 1);
    check_equal("nested_idle", epoll_wait(outer, &event, 1, 0), 0);
    child = fork();
    if (child == 0) {
        write(ends[1], "y", 1);
        _exit(0);
    }
    check_equal("blocked_wait_wakes", epoll_wait(outer, &event, 1, -1), 1);
    child_status(child);
    close(outer);
    close(epoll);
    close(ends[0]);
    close(ends[1]);
}

static void test_eventfd(void) {
    int fd = check_fd("create", eventfd(3, EFD_NONBLOCK));
    uint64_t value = 0;
    check_equal("read", read(fd, &value, 8), 8);
    check_equal("initial", value, 3);
    check_errno("empty", read(fd, &value, 8), EAGAIN);
    value = 5;
    write(fd, &value, 8);
    write(fd, &value, 8);
    check_equal("readable", ready_events(fd, POLLIN | POLLOUT), POLLIN | POLLOUT);
    read(fd, &value, 8);
    check_equal("sums", value, 10);
    value = UINT64_MAX;
    check_errno("too_big", write(fd, &value, 8), EINVAL);
    value = UINT64_MAX - 1;
    check_equal("greatest", write(fd, &value, 8), 8);
    value = 1;
    check_errno("full", write(fd, &value, 8), EAGAIN);
    check_errno("short_read", read(fd, &value, 4), EINVAL);
    check_errno("short_write", write(fd, &value, 4), EINVAL);
    close(fd);
    fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
    read(fd, &value, 8);
    check_equal("semaphore", value, 1);
    read(fd, &value, 8);
    check_errno("semaphore_empty", read(fd, &value, 8), EAGAIN);
    check_errno("bad_flag", eventfd(0, 0x10), EINVAL);
    close(fd);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"poll", test_poll},
        {"select", test_select},
        {"masks", test_masks},
        {"epoll_control", test_epoll_control},
        {"epoll_ready", test_epoll_ready},
        {"epoll_shared", test_epoll_shared},
        {"eventfd", test_eventfd},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
