/* Messages in several pieces and of many bytes, flags of sending and receiving, options that are
 * set and read back, descriptors of every kind passed along. */
#include "check.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>

enum { BIG = 30000, PIECES = 3 };

static char sent[BIG];
static char got[BIG + 100];

static void fill(void) {
    for (size_t i = 0; i < BIG; i++) {
        sent[i] = (char)(i * 13 + i / 251);
    }
    memset(got, 0, sizeof got);
}

/* `size` bytes of `from` as three pieces. */
static struct msghdr pieces_of(struct iovec (*pieces)[PIECES], char *from, size_t size) {
    size_t first = size / 7;
    size_t second = size / 2 - first;
    (*pieces)[0] = (struct iovec){from, first};
    (*pieces)[1] = (struct iovec){from + first, second};
    (*pieces)[2] = (struct iovec){from + first + second, size - first - second};
    return (struct msghdr){.msg_iov = *pieces, .msg_iovlen = PIECES};
}

static void test_pieces(void) {
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET};
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        int pair[2];
        struct iovec pieces[PIECES];
        struct msghdr message;
        socketpair(AF_UNIX, types[i], 0, pair);
        fill();
        message = pieces_of(&pieces, sent, BIG);
        check_equal("sendmsg", sendmsg(pair[0], &message, 0), BIG);
        message = pieces_of(&pieces, got, sizeof got);
        check_equal("recvmsg", recvmsg(pair[1], &message, 0), BIG);
        check_equal("not_cut", message.msg_flags & MSG_TRUNC, 0);
        check_bytes("bytes", got, sent, BIG);
        fill();
        message = pieces_of(&pieces, sent, BIG);
        check_equal("writev", writev(pair[0], pieces, PIECES), BIG);
        message = pieces_of(&pieces, got, sizeof got);
        check_equal("readv", readv(pair[1], pieces, PIECES), BIG);
        check_bytes("bytes_again", got, sent, BIG);
        write(pair[0], "abcd", 4);
        pieces[0] = (struct iovec){got, 2};
        pieces[1] = (struct iovec){got + 50, 2};
        pieces[2] = (struct iovec){got + 90, 2};
        check_equal("readv_does_not_wait_for_more", readv(pair[1], pieces, PIECES), 4);
        check("scattered", memcmp(got, "ab", 2) == 0 && memcmp(got + 50, "cd", 2) == 0);
        close(pair[0]);
        close(pair[1]);
    }
}

/* More than the other side has room for: a blocking sender waits until all of it went. */
static void test_all_of_it(void) {
    enum { ALL = 400000 };
    static char bytes[ALL];
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    for (size_t i = 0; i < ALL; i++) {
        bytes[i] = (char)(i * 31 + i / 253);
    }
    pid_t child = fork();
    if (child == 0) {
        static char arrived[ALL];
        close(pair[0]);
        if (recv(pair[1], arrived, ALL, MSG_WAITALL) != ALL) {
            _exit(1);
        }
        _exit(memcmp(arrived, bytes, ALL) == 0 ? 0 : 2);
    }
    struct iovec pieces[PIECES];
    struct msghdr message = pieces_of(&pieces, bytes, ALL);
    check_equal("sendmsg", sendmsg(pair[0], &message, 0), ALL);
    check_exit("arrived", child_status(child), 0);
    close(pair[0]);
    close(pair[1]);
}

static void test_flags(void) {
    int pair[2];
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    fill();
    send(pair[0], "hello", 5, 0);
    check_equal("peek", recv(pair[1], got, 3, MSG_PEEK), 3);
    check_equal("peek_trunc", recv(pair[1], got, 3, MSG_PEEK | MSG_TRUNC), 5);
    check_equal("still_there", recv(pair[1], got, 10, 0), 5);
    send(pair[0], "hello", 5, 0);
    struct iovec one = {got, 3};
    struct msghdr message = {.msg_iov = &one, .msg_iovlen = 1};
    check_equal("recvmsg_cut", recvmsg(pair[1], &message, 0), 3);
    check_equal("says_so", message.msg_flags & MSG_TRUNC, MSG_TRUNC);
    check_errno("rest_is_gone", recv(pair[1], got, 10, MSG_DONTWAIT), EAGAIN);
    send(pair[0], "hello", 5, MSG_EOR | MSG_NOSIGNAL);
    check_equal("waitall_is_one_message", recv(pair[1], got, 10, MSG_WAITALL), 5);
    check_equal("empty", send(pair[0], "", 0, 0), 0);
    check_equal("empty_arrives", recv(pair[1], got, 10, 0), 0);
    check_errno("out_of_band", send(pair[0], "x", 1, MSG_OOB), EOPNOTSUPP);
    close(pair[0]);
    close(pair[1]);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    send(pair[0], "ab", 2, 0);
    pid_t child = fork();
    if (child == 0) {
        _exit(send(pair[0], "cdef", 4, 0) == 4 ? 0 : 1);
    }
    check_equal("waitall", recv(pair[1], got, 6, MSG_WAITALL), 6);
    check_bytes("in_order", got, "abcdef", 6);
    child_status(child);
    send(pair[0], "xy", 2, 0);
    close(pair[0]);
    check_equal("waitall_at_the_end", recv(pair[1], got, 6, MSG_WAITALL), 2);
    check_equal("end", recv(pair[1], got, 6, MSG_WAITALL), 0);
    check_errno("nosignal", send(pair[1], "x", 1, MSG_NOSIGNAL), EPIPE);
    close(pair[1]);
}

static void test_several_messages(void) {
    int pair[2];
    char texts[3][8] = {"one", "three", ""};
    struct iovec pieces[3] = {{texts[0], 3}, {texts[1], 5}, {texts[2], 0}};
    struct mmsghdr messages[3] = {};
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    for (int i = 0; i < 3; i++) {
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
    }
    /* musl would make it of sendmsg */
    check_equal("sendmmsg", syscall(SYS_sendmmsg, pair[0], messages, 3, 0), 3);
    check_equal("length", messages[1].msg_len, 5);
    char rooms[4][8] = {};
    struct iovec into[4];
    struct mmsghdr arrived[4] = {};
    for (int i = 0; i < 4; i++) {
        into[i] = (struct iovec){rooms[i], sizeof rooms[i]};
        arrived[i].msg_hdr = (struct msghdr){.msg_iov = &into[i], .msg_iovlen = 1};
    }
    check_equal("recvmmsg", recvmmsg(pair[1], arrived, 4, MSG_DONTWAIT, nullptr), 3);
    check("lengths", arrived[0].msg_len == 3 && arrived[1].msg_len == 5 && arrived[2].msg_len == 0);
    check_text("second", rooms[1], "three");
    check_errno("none_left", recvmmsg(pair[1], arrived, 4, MSG_DONTWAIT, nullptr), EAGAIN);
    send(pair[0], "x", 1, 0);
    check_equal("wait_for_one", recvmmsg(pair[1], arrived, 4, MSG_WAITFORONE, nullptr), 1);
    check_errno("sendmmsg_closed", syscall(SYS_sendmmsg, 999, messages, 1, 0), EBADF);
    close(pair[0]);
    close(pair[1]);
}

static int option_of(int fd, int name) {
    int value = -1;
    socklen_t size = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -2;
}

static void test_options(void) {
    static const struct {
        const char *text;
        int name;
    } switches[] = {{"reuseaddr", SO_REUSEADDR},
                    {"keepalive", SO_KEEPALIVE},
                    {"broadcast", SO_BROADCAST},
                    {"dontroute", SO_DONTROUTE}};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int on = 1;
    int off = 0;
    for (size_t i = 0; i < COUNT_OF(switches); i++) {
        check_equal(switches[i].text, option_of(fd, switches[i].name), 0);
        setsockopt(fd, SOL_SOCKET, switches[i].name, &on, sizeof on);
        check_equal(switches[i].text, option_of(fd, switches[i].name), 1);
        setsockopt(fd, SOL_SOCKET, switches[i].name, &off, sizeof off);
        check_equal(switches[i].text, option_of(fd, switches[i].name), 0);
    }
    struct linger linger = {1, 5};
    check_ok("linger", setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
    linger = (struct linger){0};
    socklen_t size = sizeof linger;
    getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size);
    check("linger_is_kept", linger.l_onoff == 1 && linger.l_linger == 5 && size == sizeof linger);
    struct timeval limit = {.tv_sec = 3, .tv_usec = 250000};
    check_ok("limit", setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit));
    limit = (struct timeval){0};
    size = sizeof limit;
    getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, &size);
    check("limit_is_kept", limit.tv_sec == 3 && limit.tv_usec > 0 && limit.tv_usec <= 252000);
    size = sizeof limit;
    getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, &size);
    check("no_limit_of_the_other", limit.tv_sec == 0 && limit.tv_usec == 0);
    limit = (struct timeval){.tv_usec = 1000000};
    check_errno("no_such_time", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit),
                EDOM);
    check_errno("short_time", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, 8), EINVAL);
    check_equal("protocol", option_of(fd, SO_PROTOCOL), 0);
    check_equal("domain", option_of(fd, SO_DOMAIN), AF_UNIX);
    check_equal("low_water", option_of(fd, SO_RCVLOWAT), 1);
    check_errno("type_is_read_only", setsockopt(fd, SOL_SOCKET, SO_TYPE, &on, sizeof on),
                ENOPROTOOPT);
    check_errno("accepting_is_read_only", setsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, sizeof on),
                ENOPROTOOPT);
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    limit = (struct timeval){.tv_usec = 2000};
    setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    static char block[65536];
    ssize_t count = 0;
    while ((count = send(pair[0], block, sizeof block, 0)) > 0) {
    }
    check("send_ends", count == -1 && errno == EAGAIN);
    setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    check_errno("recv_ends", recv(pair[0], block, 1, 0), EAGAIN);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "s"};
    bind(fd, (struct sockaddr *)&address, sizeof address);
    listen(fd, 1);
    check_errno("accept_ends", accept(fd, nullptr, nullptr), EAGAIN);
    close(pair[0]);
    close(pair[1]);
    close(fd);
}

static void pass(int through, int fd) {
    char byte = 'x';
    union {
        char bytes[CMSG_SPACE(sizeof fd)];
        struct cmsghdr header;
    } control = {};
    struct iovec one = {&byte, 1};
    struct msghdr message = {.msg_iov = &one,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    control.header = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    check_equal("pass", sendmsg(through, &message, 0), 1);
}

static int take(int through) {
    char byte = 0;
    int fd = -1;
    union {
        char bytes[CMSG_SPACE(sizeof fd)];
        struct cmsghdr header;
    } control = {};
    struct iovec one = {&byte, 1};
    struct msghdr message = {.msg_iov = &one,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    if (recvmsg(through, &message, 0) == 1 && message.msg_controllen > 0) {
        memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
    }
    return fd;
}

static void test_passing(void) {
    int pair[2];
    int ends[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    pipe(ends);
    int epoll = epoll_create1(0);
    pass(pair[0], epoll);
    int second = check_fd("epoll", take(pair[1]));
    struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = 9}};
    check_ok("add_by_one", epoll_ctl(second, EPOLL_CTL_ADD, ends[0], &event));
    write(ends[1], "x", 1);
    event.data.u64 = 0;
    check_equal("seen_by_the_other", epoll_wait(epoll, &event, 1, 0), 1);
    check_equal("data", event.data.u64, 9);
    check_errno("one_list", epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event), EEXIST);
    close(epoll);
    check_equal("goes_on", epoll_wait(second, &event, 1, 0), 1);
    close(second);
    int counter = eventfd(0, EFD_NONBLOCK);
    pass(pair[0], counter);
    second = check_fd("counter", take(pair[1]));
    uint64_t value = 4;
    write(second, &value, sizeof value);
    check_equal("read", read(counter, &value, sizeof value), sizeof value);
    check_equal("same_counter", value, 4);
    close(counter);
    close(second);
    int timer = timerfd_create(CLOCK_MONOTONIC, 0);
    pass(pair[0], timer);
    second = check_fd("timer", take(pair[1]));
    struct itimerspec soon = {.it_value = {.tv_nsec = 1}};
    check_ok("set_by_one", timerfd_settime(second, 0, &soon, nullptr));
    check_equal("read_by_the_other", read(timer, &value, sizeof value), sizeof value);
    close(timer);
    close(second);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    int signals = signalfd(-1, &set, SFD_NONBLOCK);
    pass(pair[0], signals);
    close(signals);
    second = check_fd("signals", take(pair[1]));
    struct signalfd_siginfo info;
    raise(SIGUSR1);
    check_equal("read_where_it_went", read(second, &info, sizeof info), sizeof info);
    check_equal("number", info.ssi_signo, SIGUSR1);
    close(second);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    for (int i = 0; i < 2; i++) {
        close(pair[i]);
        close(ends[i]);
    }
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"pieces", test_pieces},   {"all_of_it", test_all_of_it},
        {"flags", test_flags},     {"several_messages", test_several_messages},
        {"options", test_options}, {"passing", test_passing},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
