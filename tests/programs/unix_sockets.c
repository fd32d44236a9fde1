/* Unix-domain sockets: streams, datagrams, packets; names; options; descriptors passed along. */
#include "check.h"
#include <poll.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_un name_of(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    return address;
}

static int bind_to(int fd, const char *path) {
    struct sockaddr_un address = name_of(path);
    return bind(fd, (struct sockaddr *)&address, sizeof address);
}

static int connect_to(int fd, const char *path) {
    struct sockaddr_un address = name_of(path);
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

static void test_pair(void) {
    int pair[2];
    char buffer[64] = {0};
    check_ok("socketpair", socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    check_equal("write", write(pair[0], "hello", 5), 5);
    check_equal("read", read(pair[1], buffer, sizeof buffer), 5);
    check_equal("other_way", send(pair[1], "back", 4, 0), 4);
    check_equal("peek", recv(pair[0], buffer, 2, MSG_PEEK), 2);
    check_equal("still_all", recv(pair[0], buffer, sizeof buffer, 0), 4);
    check_errno("dontwait", recv(pair[0], buffer, 1, MSG_DONTWAIT), EAGAIN);
    write(pair[0], "a", 1);
    write(pair[0], "b", 1);
    check_equal("stream_joins", read(pair[1], buffer, sizeof buffer), 2);
    int waiting = 0;
    write(pair[0], "abc", 3);
    ioctl(pair[1], FIONREAD, &waiting);
    check_equal("fionread", waiting, 3);
    check_equal("waitall", recv(pair[1], buffer, 3, MSG_WAITALL), 3);
    struct stat facts;
    fstat(pair[0], &facts);
    check("is_socket", S_ISSOCK(facts.st_mode));
    check_errno("lseek", lseek(pair[0], 0, SEEK_SET), ESPIPE);
    check_ok("shutdown_write", shutdown(pair[0], SHUT_WR));
    check_equal("end_of_file", read(pair[1], buffer, 1), 0);
    check_errno("write_after", send(pair[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    check_equal("other_way_open", write(pair[1], "y", 1), 1);
    check_equal("and_read", read(pair[0], buffer, 1), 1);
    check_errno("shutdown_how", shutdown(pair[0], 9), EINVAL);
    close(pair[1]);
    handle(SIGPIPE, SIG_IGN, 0);
    check_errno("peer_gone", write(pair[0], "x", 1), EPIPE);
    handle(SIGPIPE, SIG_DFL, 0);
    close(pair[0]);
    check_errno("inet_pair", socketpair(AF_INET, SOCK_STREAM, 0, pair), EOPNOTSUPP);
    check_errno("bad_type", socketpair(AF_UNIX, 99, 0, pair), EINVAL);
    check_errno("bad_protocol", socketpair(AF_UNIX, SOCK_STREAM, 99, pair), EPROTONOSUPPORT);
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    write(pair[0], "unread", 6);
    close(pair[1]);
    check_errno("unread_bytes_reset", read(pair[0], buffer, 1), ECONNRESET);
    close(pair[0]);
    check_ok("flags", socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair));
    check_equal("cloexec", fcntl(pair[0], F_GETFD), FD_CLOEXEC);
    check_errno("nonblock", read(pair[0], buffer, 1), EAGAIN);
    static char block[1 << 20];
    ssize_t sent = write(pair[0], block, sizeof block);
    check("fills", sent > 4096 && sent < (ssize_t)sizeof block);
    check_errno("full", write(pair[0], block, 100000), EAGAIN);
    close(pair[0]);
    close(pair[1]);
}

static void test_stream(void) {
    int listener = check_fd("socket", socket(AF_UNIX, SOCK_STREAM, 0));
    check_errno("listen_unbound", listen(listener, 1), EINVAL);
    check_ok("bind", bind_to(listener, "s"));
    struct stat facts;
    stat("s", &facts);
    check_equal("node", facts.st_mode, S_IFSOCK | 0755);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    check_errno("nobody_listens", connect_to(client, "s"), ECONNREFUSED);
    check_errno("missing", connect_to(client, "none"), ENOENT);
    write_file("file", "", 0, 0644);
    check_errno("not_a_socket", connect_to(client, "file"), ECONNREFUSED);
    check_errno("open", open("s", O_RDWR), ENXIO);
    check_errno("accept_before_listen", accept(listener, nullptr, nullptr), EINVAL);
    check_ok("listen", listen(listener, 2));
    int second = socket(AF_UNIX, SOCK_STREAM, 0);
    check_errno("in_use", bind_to(second, "s"), EADDRINUSE);
    check_errno("bind_twice", bind_to(listener, "t"), EINVAL);
    check_errno("not_connected", send(client, "x", 1, MSG_NOSIGNAL), ENOTCONN);
    check_errno("recv_not_connected", recv(client, &facts, 1, 0), EINVAL);
    struct sockaddr_un address;
    socklen_t length = sizeof address;
    check_errno("no_peer", getpeername(client, (struct sockaddr *)&address, &length), ENOTCONN);
    check_ok("connect", connect_to(client, "s"));
    check_errno("connect_again", connect_to(client, "s"), EISCONN);
    struct pollfd ready = {.fd = listener, .events = POLLIN};
    check_equal("pending_connection", poll(&ready, 1, 0), 1);
    check_equal("write_before_accept", write(client, "early", 5), 5);
    length = sizeof address;
    int server = check_fd("accept", accept(listener, (struct sockaddr *)&address, &length));
    check_equal("client_is_unnamed", length, sizeof(sa_family_t));
    char buffer[16];
    check_equal("early_bytes", read(server, buffer, 16), 5);
    length = sizeof address;
    check_ok("getsockname", getsockname(server, (struct sockaddr *)&address, &length));
    check_text("name", address.sun_path, "s");
    length = sizeof address;
    check_ok("getpeername", getpeername(client, (struct sockaddr *)&address, &length));
    check_text("peer_name", address.sun_path, "s");
    fcntl(listener, F_SETFL, O_NONBLOCK);
    check_errno("accept_none", accept(listener, nullptr, nullptr), EAGAIN);
    int third = (int)syscall(SYS_accept4, listener, nullptr, nullptr, 99);
    check_errno("accept4_flags", third, EINVAL);
    fcntl(second, F_SETFL, O_NONBLOCK);
    int count = 0;
    int others[8];
    for (; count < 8; count++) {
        others[count] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect_to(others[count], "s") != 0) {
            break;
        }
    }
    check_equal("backlog_plus_one", count, 3);
    check_equal("then_eagain", errno, EAGAIN);
    third = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    check_equal("accept4", fcntl(third, F_GETFD), FD_CLOEXEC);
    check_equal("accept4_nonblock", fcntl(third, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    close(listener);
    check_equal("unaccepted_is_reset", read(others[1], buffer, 1), -1);
    check_equal("unaccepted_errno", errno, ECONNRESET);
    check_errno("listener_gone", connect_to(second, "s"), ECONNREFUSED);
    check_equal("accepted_goes_on", write(client, "x", 1), 1);
    for (int i = 0; i <= count && i < 8; i++) {
        close(others[i]);
    }
    close(third);
    close(second);
    close(client);
    close(server);
}

static void test_names(void) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, "\0isotope-check", 14);
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + 14;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);
    check_ok("abstract", bind(listener, (struct sockaddr *)&address, length));
    listen(listener, 1);
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    check_ok("connect", connect(client, (struct sockaddr *)&address, length));
    check_errno("another_length_is_another_name",
                connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&address, length - 1),
                ECONNREFUSED);
    close(client);
    close(listener);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    check_ok("free_after_close", bind(listener, (struct sockaddr *)&address, length));
    close(listener);
    listener = socket(AF_UNIX, SOCK_DGRAM, 0);
    check_ok("autobind", bind(listener, (struct sockaddr *)&address, sizeof(sa_family_t)));
    length = sizeof address;
    getsockname(listener, (struct sockaddr *)&address, &length);
    check_equal("autobind_length", length, sizeof(sa_family_t) + 6);
    close(listener);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    address.sun_family = AF_INET;
    check_errno("family", bind(listener, (struct sockaddr *)&address, sizeof address), EINVAL);
    address.sun_family = AF_UNIX;
    check_errno("too_long", bind(listener, (struct sockaddr *)&address, sizeof address + 1),
                EINVAL);
    check_errno("missing_folder", bind_to(listener, "none/s"), ENOENT);
    char path[109];
    memset(path, 'p', 108);
    memcpy(address.sun_path, path, 108);
    check_ok("108_bytes", bind(listener, (struct sockaddr *)&address, sizeof address));
    path[108] = '\0';
    struct stat facts;
    check_ok("full_name", stat(path, &facts));
    close(listener);
    check_ok("unlink", unlink(path));
    check_errno("no_such_family", socket(250, SOCK_STREAM, 0), EAFNOSUPPORT);
    check_errno("no_such_type", socket(AF_UNIX, 99, 0), EINVAL);
    int file = open("f", O_RDWR | O_CREAT, 0644);
    check_errno("bind_file", bind_to(file, "x"), ENOTSOCK);
    check_errno("send_file", send(file, "x", 1, 0), ENOTSOCK);
    check_errno("send_closed", send(999, "x", 1, 0), EBADF);
    close(file);
}

static void test_datagrams(void) {
    int server = socket(AF_UNIX, SOCK_DGRAM, 0);
    int client = socket(AF_UNIX, SOCK_DGRAM, 0);
    bind_to(server, "server");
    bind_to(client, "client");
    struct sockaddr_un address = name_of("server");
    check_equal("sendto", sendto(client, "one", 3, 0, (struct sockaddr *)&address, sizeof address),
                3);
    sendto(client, "second", 6, 0, (struct sockaddr *)&address, sizeof address);
    sendto(client, "", 0, 0, (struct sockaddr *)&address, sizeof address);
    char buffer[16] = {0};
    struct sockaddr_un from;
    socklen_t length = sizeof from;
    check_equal("recvfrom", recvfrom(server, buffer, 16, 0, (struct sockaddr *)&from, &length), 3);
    check_text("sender", from.sun_path, "client");
    check_equal("cut", recv(server, buffer, 2, 0), 2);
    check_equal("empty_message", recv(server, buffer, 16, MSG_DONTWAIT), 0);
    check_errno("rest_was_dropped", recv(server, buffer, 16, MSG_DONTWAIT), EAGAIN);
    check_errno("no_destination", send(client, "x", 1, 0), ENOTCONN);
    check_ok("connect", connect_to(client, "server"));
    check_equal("send", send(client, "abc", 3, 0), 3);
    check_equal("trunc_tells_length", recv(server, buffer, 1, MSG_TRUNC), 3);
    check_errno("listen", listen(server, 1), EOPNOTSUPP);
    int stranger = socket(AF_UNIX, SOCK_DGRAM, 0);
    address = name_of("client");
    check_errno("connected_elsewhere",
                sendto(stranger, "x", 1, 0, (struct sockaddr *)&address, sizeof address), EPERM);
    int stream = socket(AF_UNIX, SOCK_STREAM, 0);
    check_errno("wrong_type", connect_to(stream, "server"), EPROTOTYPE);
    close(stream);
    close(stranger);
    close(server);
    check_errno("receiver_gone", send(client, "x", 1, 0), ECONNREFUSED);
    close(client);
    int pair[2];
    check_ok("seqpacket", socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair));
    write(pair[0], "one", 3);
    write(pair[0], "two2", 4);
    check_equal("boundary", read(pair[1], buffer, 16), 3);
    check_equal("next", read(pair[1], buffer, 16), 4);
    close(pair[0]);
    check_equal("end_of_file", read(pair[1], buffer, 16), 0);
    close(pair[1]);
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    static char block[300000];
    check_errno("too_big", send(pair[0], block, sizeof block, 0), EMSGSIZE);
    close(pair[0]);
    close(pair[1]);
}

static void test_options(void) {
    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    int value = -1;
    socklen_t length = sizeof value;
    check_ok("so_type", getsockopt(pair[0], SOL_SOCKET, SO_TYPE, &value, &length));
    check_equal("type", value, SOCK_STREAM);
    getsockopt(pair[0], SOL_SOCKET, SO_DOMAIN, &value, &length);
    check_equal("domain", value, AF_UNIX);
    getsockopt(pair[0], SOL_SOCKET, SO_ERROR, &value, &length);
    check_equal("no_error", value, 0);
    getsockopt(pair[0], SOL_SOCKET, SO_ACCEPTCONN, &value, &length);
    check_equal("not_listening", value, 0);
    value = 1;
    check_ok("reuseaddr", setsockopt(pair[0], SOL_SOCKET, SO_REUSEADDR, &value, sizeof value));
    value = 65536;
    check_ok("sndbuf", setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &value, sizeof value));
    getsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &value, &length);
    check_equal("doubled", value, 131072);
    check_errno("unknown", getsockopt(pair[0], SOL_SOCKET, 9999, &value, &length), ENOPROTOOPT);
    check_errno("level", getsockopt(pair[0], 9999, 1, &value, &length), EOPNOTSUPP);
    check_errno("short_value", setsockopt(pair[0], SOL_SOCKET, SO_REUSEADDR, &value, 1), EINVAL);
    struct ucred peer = {0};
    length = sizeof peer;
    check_ok("peercred", getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &length));
    check("peer_is_self", peer.pid == getpid() && peer.uid == geteuid() && peer.gid == getegid());
    close(pair[0]);
    close(pair[1]);
}

typedef union control {
    struct cmsghdr header;
    char space[CMSG_SPACE(8 * sizeof(int))];
} control_t;

static ssize_t send_fds(int socket_fd, const int *fds, size_t count) {
    char byte = 'f';
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    control_t control = {0};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = (socklen_t)CMSG_SPACE(count * sizeof(int))};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = (socklen_t)CMSG_LEN(count * sizeof(int));
    memcpy(CMSG_DATA(&control.header), fds, count * sizeof(int));
    return sendmsg(socket_fd, &message, 0);
}

/* The count of descriptors received, -1 without a message. */
static int receive_fds(int socket_fd, int *out_fds, size_t room, int flags, int *out_flags) {
    char byte = 0;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    control_t control = {0};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen =
                                 room == 0 ? 0 : (socklen_t)CMSG_LEN(room * sizeof(int))};
    if (recvmsg(socket_fd, &message, flags) < 0) {
        return -1;
    }
    *out_flags = message.msg_flags;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS) {
        return 0;
    }
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(out_fds, CMSG_DATA(header), count * sizeof(int));
    return (int)count;
}

static void test_passing(void) {
    int pair[2];
    int got[8] = {0};
    int flags = 0;
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    int file = open("f", O_RDWR | O_CREAT, 0644);
    write(file, "shared", 6);
    check_equal("send", send_fds(pair[0], &file, 1), 1);
    lseek(file, 2, SEEK_SET);
    close(file);
    check_equal("receive", receive_fds(pair[1], got, 1, 0, &flags), 1);
    check_equal("same_description", lseek(got[0], 0, SEEK_CUR), 2);
    check_equal("not_cloexec", fcntl(got[0], F_GETFD), 0);
    send_fds(pair[0], got, 1);
    int again[8];
    receive_fds(pair[1], again, 1, MSG_CMSG_CLOEXEC, &flags);
    check_equal("cloexec_on_request", fcntl(again[0], F_GETFD), FD_CLOEXEC);
    close(again[0]);
    close(got[0]);
    int ends[2];
    pipe(ends);
    send_fds(pair[0], &ends[1], 1);
    close(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    char byte;
    check_errno("in_flight_keeps_open", read(ends[0], &byte, 1), EAGAIN);
    check_equal("no_room_for_it", receive_fds(pair[1], got, 0, 0, &flags), 0);
    check_equal("ctrunc", flags & MSG_CTRUNC, MSG_CTRUNC);
    check_equal("closed_for_want_of_room", read(ends[0], &byte, 1), 0);
    close(ends[0]);
    int three[3] = {0, 1, 2};
    check_equal("three", send_fds(pair[0], three, 3), 1);
    check_equal("room_for_two", receive_fds(pair[1], got, 2, 0, &flags), 2);
    check_equal("third_cut", flags & MSG_CTRUNC, MSG_CTRUNC);
    close(got[0]);
    close(got[1]);
    int bad = 999;
    check_errno("bad_fd", send_fds(pair[0], &bad, 1), EBADF);
    send_fds(pair[0], three, 1);
    write(pair[0], "more", 4);
    char buffer[16];
    check_equal("plain_read_drops_them", read(pair[1], buffer, 1), 1);
    check_equal("then_the_rest", read(pair[1], buffer, 16), 4);
    pid_t child = fork();
    if (child == 0) {
        if (receive_fds(pair[1], got, 1, 0, &flags) != 1) {
            _exit(1);
        }
        _exit(write(got[0], "from child", 10) == 10 ? 0 : 2);
    }
    pipe(ends);
    send_fds(pair[0], &ends[1], 1);
    close(ends[1]);
    check_exit("to_another_process", child_status(child), 0);
    check_equal("it_wrote", read(ends[0], buffer, 16), 10);
    send_fds(pair[0], &pair[1], 1);
    close(pair[0]);
    close(pair[1]);
    close(ends[0]);
    check("a_socket_inside_itself_can_be_closed", true);
}

static void test_credentials(void) {
    int pair[2];
    int on = 1;
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    check_ok("passcred", setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on));
    write(pair[0], "x", 1);
    char byte;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    control_t control = {0};
    struct msghdr message = {.msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    check_equal("recvmsg", recvmsg(pair[1], &message, 0), 1);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    check("has_credentials", header != nullptr && header->cmsg_type == SCM_CREDENTIALS);
    if (header != nullptr) {
        struct ucred sender;
        memcpy(&sender, CMSG_DATA(header), sizeof sender);
        check("of_sender", sender.pid == getpid() && sender.uid == getuid());
    }
    close(pair[0]);
    close(pair[1]);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"pair", test_pair},
        {"stream", test_stream},
        {"names", test_names},
        {"datagrams", test_datagrams},
        {"options", test_options},
        {"passing", test_passing},
        {"credentials", test_credentials},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
