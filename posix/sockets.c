/* Pipes, socketpairs, Unix-domain sockets and event counters, served by `local`. */
#include "posix/sockets.h"
#include "idl/local.h"
#include "idl/stream.h"
#include "lib/base/bytes.h"
#include "posix/descriptors.h"
#include "posix/errors.h"
#include "posix/file_open.h"
#include "posix/native.h"
#include "posix/signals.h"
#include "posix/syscalls.h"
#include "posix/timeout.h"
#include "posix/user.h"

enum {
    AF_UNIX = 1,
    AF_INET = 2,
    SOCK_TYPE_MASK = 0xf,
    SOCK_NONBLOCK = O_NONBLOCK,
    SOCK_CLOEXEC = O_CLOEXEC,
    EFD_SEMAPHORE = 1,
};
static_assert(LOCAL_NAME_MAX == 108);

int64_t session_give(struct posix_thread *_Nonnull self, handle_t session, uint8_t kind,
                     uint32_t access, uint64_t flags) {
    if ((flags & O_NONBLOCK) != 0) {
        (void)NATIVE(SYS_OBJECT_SET, session, SET_SESSION_FLAGS, 0, O_NONBLOCK);
    }
    struct fd_entry entry = {
        .handle = session,
        .close_on_exec = (flags & O_CLOEXEC) != 0 ? 1 : 0,
        .kind = kind,
        .speaks = STREAM_PROTOCOLS_LOCAL,
        .facts = (uint8_t)(STREAM_FACTS_FLAGS_WAITS |
                           (access != O_WRONLY ? STREAM_FACTS_FLAGS_READABLE : 0) |
                           (access != O_RDONLY ? STREAM_FACTS_FLAGS_WRITABLE : 0)),
        .flags = access,
    };
    return fd_give(self, entry);
}

/* Two descriptors, or none. */
static int64_t give_two(struct posix_thread *_Nonnull self, const handle_t (*_Nonnull sessions)[2],
                        uint8_t kind, const uint32_t (*_Nonnull access)[2], uint64_t flags,
                        uint64_t to) {
    int32_t fds[2] = {};
    struct fd_entry entry = {};
    int64_t first = session_give(self, (*sessions)[0], kind, (*access)[0], flags);
    if (first < 0) {
        handle_close((*sessions)[1]);
        return first;
    }
    int64_t second = session_give(self, (*sessions)[1], kind, (*access)[1], flags);
    int64_t error = second < 0 ? second : 0;
    if (error == 0) {
        fds[0] = (int32_t)first;
        fds[1] = (int32_t)second;
        error = USER_WRITE(to, fds);
    }
    if (error != 0) {
        if (fd_take(self, (uint64_t)first, &entry) == 0) {
            handle_close(entry.handle);
        }
        if (second >= 0 && fd_take(self, (uint64_t)second, &entry) == 0) {
            handle_close(entry.handle);
        }
    }
    return error;
}

static int64_t make_pipe(struct posix_thread *_Nonnull self, uint64_t to, uint64_t flags) {
    handle_t ends[2] = {};
    static const uint32_t access[2] = {O_RDONLY, O_WRONLY};
    if ((flags & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK) & UINT32_MAX) != 0) {
        return -EINVAL; /* O_DIRECT: packets */
    }
    status_t status = local_pipe(self->process->local, &ends[0], &ends[1]);
    if (status != STATUS_OK) {
        return status == STATUS_OUT_OF_QUOTA ? -ENFILE : error_of_local(status);
    }
    return give_two(self, &ends, STREAM_KIND_FIFO, &access, flags, to);
}

LINUX(pipe) {
    return make_pipe(self, frame->rdi, 0);
}

LINUX(pipe2) {
    return make_pipe(self, frame->rdi, frame->rsi);
}

int64_t fcntl_pipe_size(const struct fd_entry *_Nonnull entry, bool change, uint64_t size) {
    uint64_t old = 0;
    if (entry->kind != STREAM_KIND_FIFO) {
        return -EBADF;
    }
    status_t status = local_option(entry->handle, LOCAL_OPTION_PIPE_SIZE, change, size, &old);
    if (status == STATUS_OK && change) {
        status = local_option(entry->handle, LOCAL_OPTION_PIPE_SIZE, false, 0, &old);
    }
    return status == STATUS_OK ? (int64_t)old : error_of_local(status);
}

static int64_t make_counter(struct posix_thread *_Nonnull self, uint64_t initial, uint64_t flags) {
    handle_t counter = HANDLE_NONE;
    if ((flags & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK | EFD_SEMAPHORE) & UINT32_MAX) != 0) {
        return -EINVAL;
    }
    status_t status = local_counter(self->process->local, (uint32_t)initial,
                                    (flags & EFD_SEMAPHORE) != 0, &counter);
    if (status != STATUS_OK) {
        return error_of_local(status);
    }
    return session_give(self, counter, STREAM_KIND_ANONYMOUS, O_RDWR, flags);
}

LINUX(eventfd) {
    return make_counter(self, frame->rdi, 0);
}

LINUX(eventfd2) {
    return make_counter(self, frame->rdi, frame->rsi);
}

/* ---- sockets ---- */

/* Checked arguments of socket and socketpair. */
static int64_t type_of(const struct program_frame *_Nonnull frame,
                       enum local_socket_type *_Nonnull out) {
    uint32_t type = (uint32_t)frame->rsi & SOCK_TYPE_MASK;
    if (((uint32_t)frame->rsi & ~(uint32_t)(SOCK_TYPE_MASK | SOCK_CLOEXEC | SOCK_NONBLOCK)) != 0) {
        return -EINVAL;
    }
    if ((uint32_t)frame->rdi != AF_UNIX) {
        return -EAFNOSUPPORT;
    }
    if (!local_socket_type_valid(type)) {
        return -ESOCKTNOSUPPORT;
    }
    if ((uint32_t)frame->rdx > 1) {
        return -EPROTONOSUPPORT;
    }
    *out = (enum local_socket_type)type;
    return 0;
}

LINUX(socket) {
    enum local_socket_type type = LOCAL_SOCKET_TYPE_STREAM;
    handle_t socket = HANDLE_NONE;
    handle_t other = HANDLE_NONE;
    int64_t error = type_of(frame, &type);
    if (error != 0) {
        return error;
    }
    status_t status = local_socket(self->process->local, type, false, &socket, &other);
    if (status != STATUS_OK) {
        return error_of_local(status);
    }
    return session_give(self, socket, STREAM_KIND_SOCKET, O_RDWR, frame->rsi);
}

LINUX(socketpair) {
    enum local_socket_type type = LOCAL_SOCKET_TYPE_STREAM;
    handle_t ends[2] = {};
    static const uint32_t access[2] = {O_RDWR, O_RDWR};
    int64_t error = type_of(frame, &type);
    if (error != 0) {
        return error == -EAFNOSUPPORT && (uint32_t)frame->rdi == AF_INET ? -EOPNOTSUPP : error;
    }
    status_t status = local_socket(self->process->local, type, true, &ends[0], &ends[1]);
    if (status != STATUS_OK) {
        return error_of_local(status);
    }
    return give_two(self, &ends, STREAM_KIND_SOCKET, &access, frame->rsi, frame->r10);
}

int64_t socket_get(struct posix_thread *_Nonnull self, uint64_t fd, struct fd_entry *_Nonnull out) {
    int64_t error = fd_get_open(self, fd, out);
    return error == 0 && out->kind != STREAM_KIND_SOCKET ? -ENOTSOCK : error;
}

int64_t address_read(uint64_t address, uint64_t length, struct address *_Nonnull out) {
    uint16_t family = 0;
    *out = (struct address){};
    if ((uint32_t)length < sizeof family || (uint32_t)length > sizeof family + sizeof out->name) {
        return -EINVAL;
    }
    int64_t error = USER_READ(family, address);
    size_t size = (uint32_t)length - sizeof family;
    error = error != 0 ? error : user_read(out->name, address + sizeof family, size);
    if (error != 0) {
        return error;
    }
    if (family != AF_UNIX) {
        return -EINVAL;
    }
    out->path = size > 0 && out->name[0] != 0;
    out->size = out->path ? text_length((const char *)&out->name[0], size) : size;
    return 0;
}

int64_t address_write(uint64_t to, uint64_t length_at, const uint8_t *_Nonnull name,
                      uint64_t size) {
    struct {
        uint16_t family;
        uint8_t name[LOCAL_NAME_MAX + 1];
    } full = {.family = AF_UNIX};
    uint32_t room = 0;
    if (to == 0) {
        return 0;
    }
    int64_t error = USER_READ(room, length_at);
    if (error != 0) {
        return error;
    }
    if ((int32_t)room < 0) {
        return -EINVAL;
    }
    uint64_t used = MIN(size, (uint64_t)LOCAL_NAME_MAX);
    bytes_copy(full.name, name, (size_t)used);
    uint32_t all = (uint32_t)(sizeof full.family + used);
    all += used > 0 && full.name[0] != 0 ? 1 : 0; /* a path's NUL counts */
    error = user_write(to, &full, MIN(room, all));
    return error != 0 ? error : USER_WRITE(length_at, all);
}

/* A bound path's address: what stands behind the socket's inode. */
int64_t address_find(struct posix_thread *_Nonnull self, const struct address *_Nonnull address,
                     handle_t *_Nonnull out) {
    struct place place = {};
    struct stream_stat info = {};
    handle_t file = HANDLE_NONE;
    uint32_t facts = 0;
    path_begin_text(self, (struct rt_bytes){.size = address->size, .data = address->name}, &place);
    int64_t error =
        file_open(self, &place, FILESYSTEM_OPEN_FLAGS_WRITE, 0, 0, &file, &facts, &info);
    if (error == 0 && (info.mode & S_IFMT) != S_IFSOCK) {
        error = -ECONNREFUSED;
    }
    if (error == 0) {
        status_t status = filesystem_node(file, HANDLE_NONE, out);
        error = status == STATUS_OK ? 0 : -ECONNREFUSED;
    }
    handle_close(file);
    return error;
}

LINUX(bind) {
    struct fd_entry entry = {};
    struct address address = {};
    handle_t node = HANDLE_NONE;
    struct place place = {};
    int64_t error = socket_get(self, frame->rdi, &entry);
    error = error != 0 ? error : address_read(frame->rsi, frame->rdx, &address);
    if (error != 0) {
        return error;
    }
    struct rt_bytes name = {.size = address.size, .data = address.name};
    status_t status = local_bind(entry.handle, name, &node);
    if (status != STATUS_OK || !address.path) {
        handle_close(node);
        return status == LOCAL_STATUS_CONNECTED ? -EINVAL : error_of_local(status);
    }
    uint32_t mode = S_IFSOCK | (0777 & ~self->process->umask);
    path_begin_text(self, name, &place);
    for (;;) {
        struct filesystem_walk ended = {};
        uint64_t text = 0;
        handle_t offer = HANDLE_NONE;
        status = handle_duplicate(node, &offer);
        if (status == STATUS_OK) {
            status = filesystem_make_node(place.directory, place.links, mode, 0, offer, place.rest,
                                          &ended, path_room(self), &text);
        }
        error = status == STATUS_EXISTS ? -EADDRINUSE : error_of_filesystem(status);
        if (status != STATUS_OK || path_step(self, &place, &ended, text, 0, &error)) {
            break;
        }
    }
    path_end(&place);
    handle_close(node);
    return error;
}

LINUX(listen) {
    struct fd_entry entry = {};
    int64_t error = socket_get(self, frame->rdi, &entry);
    if (error != 0) {
        return error;
    }
    status_t status = local_listen(entry.handle, (uint32_t)frame->rsi);
    return status == LOCAL_STATUS_NOT_CONNECTED ? -EINVAL
           : status == LOCAL_STATUS_WRONG_TYPE  ? -EOPNOTSUPP
                                                : error_of_local(status);
}

bool socket_nonblocking(const struct fd_entry *_Nonnull entry) {
    uint32_t flags = 0;
    return session_flags(entry->handle, &flags) == STATUS_OK && (flags & O_NONBLOCK) != 0;
}

LINUX(connect) {
    struct fd_entry entry = {};
    struct address address = {};
    handle_t node = HANDLE_NONE;
    int64_t error = socket_get(self, frame->rdi, &entry);
    error = error != 0 ? error : address_read(frame->rsi, frame->rdx, &address);
    if (error == 0 && address.path) {
        error = address_find(self, &address, &node);
    }
    if (error != 0) {
        return error;
    }
    struct rt_bytes name = {.size = address.path ? 0 : address.size, .data = address.name};
    status_t status = local_connect(entry.handle, node, socket_nonblocking(&entry), name);
    handle_close(node);
    return error_of_local(status);
}

static int64_t accept_with(struct posix_thread *_Nonnull self,
                           const struct program_frame *_Nonnull frame, uint64_t flags) {
    struct fd_entry entry = {};
    handle_t socket = HANDLE_NONE;
    uint8_t peer[LOCAL_NAME_MAX] = {};
    uint64_t size = 0;
    if ((flags & ~(uint64_t)(SOCK_CLOEXEC | SOCK_NONBLOCK) & UINT32_MAX) != 0) {
        return -EINVAL;
    }
    int64_t error = socket_get(self, frame->rdi, &entry);
    if (error != 0) {
        return error;
    }
    status_t status =
        local_accept(entry.handle, socket_nonblocking(&entry), &socket, RT_BUFFER_OF(peer), &size);
    if (status != STATUS_OK) {
        return error_of_local(status);
    }
    error = address_write(frame->rsi, frame->rdx, peer, size);
    if (error != 0) {
        handle_close(socket);
        return error;
    }
    return session_give(self, socket, STREAM_KIND_SOCKET, O_RDWR, flags);
}

LINUX(accept) {
    return accept_with(self, frame, 0);
}

LINUX(accept4) {
    return accept_with(self, frame, frame->r10);
}

LINUX(shutdown) {
    struct fd_entry entry = {};
    int64_t error = socket_get(self, frame->rdi, &entry);
    if (error == 0 && (uint32_t)frame->rsi > 2) {
        error = -EINVAL;
    }
    return error != 0 ? error
                      : error_of_local(local_shut_down(entry.handle, (uint32_t)frame->rsi != 1,
                                                       (uint32_t)frame->rsi != 0));
}

static int64_t give_name(struct posix_thread *_Nonnull self,
                         const struct program_frame *_Nonnull frame, bool of_peer) {
    struct fd_entry entry = {};
    enum local_socket_type type = LOCAL_SOCKET_TYPE_STREAM;
    uint8_t name[LOCAL_NAME_MAX] = {};
    uint64_t size = 0;
    int64_t error = socket_get(self, frame->rdi, &entry);
    if (error == 0) {
        error = error_of_local(local_name(entry.handle, of_peer, &type, RT_BUFFER_OF(name), &size));
    }
    return error != 0 ? error : address_write(frame->rsi, frame->rdx, name, size);
}

LINUX(getsockname) {
    return give_name(self, frame, false);
}

LINUX(getpeername) {
    return give_name(self, frame, true);
}

/* ---- options ---- */

enum {
    SO_REUSEADDR = 2,
    SO_TYPE = 3,
    SO_ERROR = 4,
    SO_DONTROUTE = 5,
    SO_BROADCAST = 6,
    SO_SNDBUF = 7,
    SO_RCVBUF = 8,
    SO_KEEPALIVE = 9,
    SO_LINGER = 13,
    SO_REUSEPORT = 15,
    SO_PASSCRED = 16,
    SO_PEERCRED = 17,
    SO_RCVLOWAT = 18,
    SO_RCVTIMEO = 20,
    SO_SNDTIMEO = 21,
    SO_ACCEPTCONN = 30,
    SO_PROTOCOL = 38,
    SO_DOMAIN = 39,
    SO_RCVTIMEO_NEW = 66,
    SO_SNDTIMEO_NEW = 67,
};

/* What makes no difference between processes of one machine: its bit; 0: it is another option. */
static uint32_t switch_of(uint32_t name) {
    bool idle = name == SO_REUSEADDR || name == SO_BROADCAST || name == SO_KEEPALIVE ||
                name == SO_REUSEPORT || name == SO_DONTROUTE;
    return idle ? 1u << name : 0;
}

static bool option_of(uint32_t name, enum local_option *_Nonnull out) {
    switch (name) {
    case SO_TYPE:
        *out = LOCAL_OPTION_TYPE;
        return true;
    case SO_ERROR:
        *out = LOCAL_OPTION_ERROR;
        return true;
    case SO_SNDBUF:
        *out = LOCAL_OPTION_SEND_SIZE;
        return true;
    case SO_RCVBUF:
        *out = LOCAL_OPTION_RECEIVE_SIZE;
        return true;
    case SO_PASSCRED:
        *out = LOCAL_OPTION_PASS_CREDENTIALS;
        return true;
    case SO_ACCEPTCONN:
        *out = LOCAL_OPTION_LISTENS;
        return true;
    default:
        return false;
    }
}

/* SO_RCVTIMEO, SO_SNDTIMEO: a time, where the others are numbers. */
static bool option_is_time(uint32_t name, enum local_option *_Nonnull out) {
    *out = name == SO_RCVTIMEO || name == SO_RCVTIMEO_NEW ? LOCAL_OPTION_RECEIVE_TIMEOUT_NS
                                                          : LOCAL_OPTION_SEND_TIMEOUT_NS;
    return name == SO_RCVTIMEO || name == SO_SNDTIMEO || name == SO_RCVTIMEO_NEW ||
           name == SO_SNDTIMEO_NEW;
}

enum { NS_PER_SECOND = 1000000000, NS_PER_US = 1000, US_PER_SECOND = 1000000 };

static int64_t set_time(const struct fd_entry *_Nonnull entry, enum local_option option,
                        const struct program_frame *_Nonnull frame) {
    struct linux_timeval time = {};
    struct linux_timespec exact = {};
    uint64_t ns = 0;
    uint64_t old = 0;
    int64_t error = (uint32_t)frame->r8 < sizeof time ? -EINVAL : USER_READ(time, frame->r10);
    if (error == 0 && (time.microseconds < 0 || time.microseconds >= US_PER_SECOND)) {
        error = -EDOM;
    }
    if (error != 0) {
        return error;
    }
    exact = (struct linux_timespec){time.seconds, time.microseconds * NS_PER_US};
    if (timeout_ns_of(&exact, &ns) != 0) {
        ns = 1; /* negative: at once */
    }
    return error_of_local(local_option(entry->handle, option, true, ns, &old));
}

static int64_t tell_time(const struct fd_entry *_Nonnull entry, enum local_option option,
                         const struct program_frame *_Nonnull frame, uint32_t room) {
    uint64_t ns = 0;
    int64_t error = error_of_local(local_option(entry->handle, option, false, 0, &ns));
    struct linux_timeval time = {(int64_t)(ns / NS_PER_SECOND),
                                 (int64_t)(ns % NS_PER_SECOND / NS_PER_US)};
    uint32_t size = MIN(room, (uint32_t)sizeof time);
    error = error != 0 ? error : user_write(frame->r10, &time, size);
    return error != 0 ? error : USER_WRITE(frame->r8, size);
}

LINUX(getsockopt) {
    struct fd_entry entry = {};
    struct local_credentials peer = {};
    enum local_option option = LOCAL_OPTION_TYPE;
    uint64_t value = 0;
    uint32_t room = 0;
    uint32_t name = (uint32_t)frame->rdx;
    int64_t error = socket_get(self, frame->rdi, &entry);
    error = error != 0 ? error : USER_READ(room, frame->r8);
    if (error != 0) {
        return error;
    }
    if ((uint32_t)frame->rsi != SOL_SOCKET) {
        return -EOPNOTSUPP;
    }
    if (option_is_time(name, &option)) {
        return tell_time(&entry, option, frame, room);
    }
    uint32_t words[3] = {};
    uint32_t size = sizeof words[0];
    if (name == SO_PEERCRED) {
        error = error_of_local(local_peer(entry.handle, &peer));
        words[0] = peer.pid;
        words[1] = peer.uid;
        words[2] = peer.gid;
        size = sizeof words;
    } else if (name == SO_DOMAIN || name == SO_PROTOCOL) {
        words[0] = name == SO_DOMAIN ? AF_UNIX : 0;
    } else if (option_of(name, &option)) {
        error = error_of_local(local_option(entry.handle, option, false, 0, &value));
        words[0] = name == SO_ERROR && value != 0 ? ECONNRESET : (uint32_t)value;
    } else if (switch_of(name) != 0) {
        error = error_of_local(local_option(entry.handle, LOCAL_OPTION_SWITCHES, false, 0, &value));
        words[0] = (value & switch_of(name)) != 0 ? 1 : 0;
    } else if (name == SO_LINGER) {
        error = error_of_local(local_option(entry.handle, LOCAL_OPTION_LINGER, false, 0, &value));
        words[0] = (uint32_t)(value >> 32);
        words[1] = (uint32_t)value;
        size = 2 * sizeof words[0];
    } else if (name == SO_RCVLOWAT) {
        words[0] = 1;
    } else {
        self->process->unsupported_other++;
        return -ENOPROTOOPT;
    }
    size = MIN(size, room);
    error = error != 0 ? error : user_write(frame->r10, words, size);
    return error != 0 ? error : USER_WRITE(frame->r8, size);
}

static int64_t set_switch(const struct fd_entry *_Nonnull entry, uint32_t bit, bool on) {
    uint64_t old = 0;
    status_t status = local_option(entry->handle, LOCAL_OPTION_SWITCHES, false, 0, &old);
    if (status == STATUS_OK) {
        uint64_t now = (old & ~(uint64_t)bit) | (on ? bit : 0);
        status = local_option(entry->handle, LOCAL_OPTION_SWITCHES, true, now, &old);
    }
    return error_of_local(status);
}

static int64_t set_linger(const struct fd_entry *_Nonnull entry,
                          const struct program_frame *_Nonnull frame) {
    uint32_t words[2] = {};
    uint64_t old = 0;
    int64_t error = (uint32_t)frame->r8 < sizeof words ? -EINVAL : USER_READ(words, frame->r10);
    uint64_t value = (words[0] != 0 ? 1ull << 32 : 0) | words[1];
    return error != 0 ? error
                      : error_of_local(
                            local_option(entry->handle, LOCAL_OPTION_LINGER, true, value, &old));
}

LINUX(setsockopt) {
    struct fd_entry entry = {};
    enum local_option option = LOCAL_OPTION_TYPE;
    uint32_t value = 0;
    uint64_t old = 0;
    int64_t error = socket_get(self, frame->rdi, &entry);
    if (error == 0 && (uint32_t)frame->rsi != SOL_SOCKET) {
        error = -EOPNOTSUPP;
    }
    if (error == 0 && option_is_time((uint32_t)frame->rdx, &option)) {
        return set_time(&entry, option, frame);
    }
    if (error == 0 && (uint32_t)frame->r8 < sizeof value) {
        error = -EINVAL;
    }
    error = error != 0 ? error : USER_READ(value, frame->r10);
    if (error != 0) {
        return error;
    }
    uint32_t name = (uint32_t)frame->rdx;
    if (switch_of(name) != 0) {
        return set_switch(&entry, switch_of(name), value != 0);
    }
    if (name == SO_LINGER) {
        return set_linger(&entry, frame);
    }
    if (!option_of(name, &option) || name == SO_TYPE || name == SO_ERROR || name == SO_ACCEPTCONN) {
        self->process->unsupported_other++;
        return -ENOPROTOOPT;
    }
    return error_of_local(local_option(entry.handle, option, true, value, &old));
}
