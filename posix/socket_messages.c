/* Receiving on sockets: bytes into pieces, who sent them, descriptors out of a bundle. */
#include "idl/local.h"
#include "idl/stream.h"
#include "posix/descriptors.h"
#include "posix/epoll.h"
#include "posix/errors.h"
#include "posix/file_io.h"
#include "posix/file_open.h"
#include "posix/native.h"
#include "posix/sockets.h"
#include "posix/syscalls.h"
#include "posix/timeout.h"
#include "posix/user.h"
#include "posix/vectors.h"

/* What came beside the bytes. */
struct received {
    handle_t rights;
    uint32_t said; /* enum local_message_flags */
    uint32_t name_bytes;
    uint64_t length; /* of the whole message */
    struct local_credentials from;
    uint8_t name[LOCAL_NAME_MAX];
};

/* The bytes' number, or with MSG_TRUNC that of the whole message. */
static int64_t receive_bytes(const struct fd_entry *_Nonnull entry, uint64_t flags,
                             struct rt_buffer data, struct received *_Nonnull out) {
    uint64_t size = 0;
    uint32_t how = ((flags & MSG_DONTWAIT) != 0 ? LOCAL_MESSAGE_FLAGS_NO_WAIT : 0) |
                   ((flags & MSG_PEEK) != 0 ? LOCAL_MESSAGE_FLAGS_PEEK : 0) |
                   ((flags & MSG_WAITALL) != 0 ? LOCAL_MESSAGE_FLAGS_WAIT_ALL : 0);
    *out = (struct received){};
    status_t status = local_receive(entry->handle, how, &out->rights, &out->said, &out->length,
                                    &out->name_bytes, &out->from, &out->name, data, &size);
    if (status != STATUS_OK) {
        return error_of_local(status);
    }
    bool cut = (out->said & LOCAL_MESSAGE_FLAGS_CUT) != 0 && (flags & MSG_TRUNC) != 0;
    return (int64_t)(cut ? out->length : size);
}

/* MSG_WAITALL of more than one call brings: the rest, as far as it comes. */
static int64_t receive_rest(const struct fd_entry *_Nonnull entry, uint64_t flags, uint64_t address,
                            uint64_t length, int64_t got) {
    uint64_t total = (uint64_t)got;
    if ((flags & MSG_WAITALL) == 0 || (flags & MSG_PEEK) != 0 || total < MESSAGE_MAX / 2 ||
        total >= length || !socket_is_stream(entry)) {
        return got;
    }
    while (total < length) {
        struct received more = {};
        uint64_t room = MIN(length - total, (uint64_t)MESSAGE_MAX);
        int64_t result =
            user_probe(address + total, MIN(room, (uint64_t)CALL_INLINE_SIZE)) != 0
                ? -EFAULT
                : receive_bytes(entry, flags, user_buffer(address + total, room), &more);
        handle_close(more.rights);
        if (result <= 0) {
            break;
        }
        total += (uint64_t)result;
    }
    return (int64_t)total;
}

LINUX(recvfrom) {
    struct fd_entry entry = {};
    struct received received = {};
    int64_t result = socket_get(self, frame->rdi, &entry);
    if (result == 0 && (frame->r10 & MSG_OOB) != 0) {
        result = -EOPNOTSUPP;
    }
    if (result != 0) {
        return result;
    }
    if (frame->r8 == 0 && (frame->r10 & ~(uint64_t)(MSG_PEEK | MSG_DONTWAIT)) == 0) {
        uint32_t how = ((frame->r10 & MSG_DONTWAIT) != 0 ? STREAM_HOW_NO_WAIT : 0) |
                       ((frame->r10 & MSG_PEEK) != 0 ? STREAM_HOW_PEEK : 0);
        return file_receive(&entry, frame->rsi, frame->rdx, STREAM_POSITION_CURRENT, how);
    }
    uint64_t room = MIN(frame->rdx, (uint64_t)MESSAGE_MAX);
    if (user_probe(frame->rsi, MIN(room, (uint64_t)CALL_INLINE_SIZE)) != 0) {
        return -EFAULT;
    }
    result = receive_bytes(&entry, frame->r10, user_buffer(frame->rsi, room), &received);
    handle_close(received.rights);
    if (result > 0) {
        result = receive_rest(&entry, (uint32_t)frame->r10, frame->rsi, frame->rdx, result);
    }
    if (result >= 0 && frame->r8 != 0) {
        int64_t error = address_write(frame->r8, frame->r9, received.name, received.name_bytes);
        result = error != 0 ? error : result;
    }
    return result;
}

/* Credentials as a control message, where there is room; *used goes on. */
static int64_t tell_credentials(const struct linux_message *_Nonnull message,
                                const struct local_credentials *_Nonnull from,
                                uint64_t *_Nonnull used, uint32_t *_Nonnull flags) {
    struct {
        struct control_header header;
        uint32_t words[3], pad;
    } control = {.header = {.level = SOL_SOCKET, .type = SCM_CREDENTIALS},
                 .words = {from->pid, from->uid, from->gid}};
    control.header.length = sizeof control.header + sizeof control.words;
    if (message->control == 0 || message->control_length < control.header.length) {
        *flags |= MSG_CTRUNC;
        return 0;
    }
    *used = MIN(sizeof control, message->control_length);
    return user_write(message->control, &control, (size_t)*used);
}

/* What came from elsewhere, as a descriptor. */
static struct fd_entry entry_of_session(handle_t session, bool close_on_exec) {
    struct handle_info handle = {};
    struct stream_stat stat = {};
    enum stream_kind kind = STREAM_KIND_ANONYMOUS;
    uint32_t speaks = 0;
    uint32_t facts = 0;
    uint64_t set = 0;
    (void)NATIVE(SYS_OBJECT_INFO, session, INFO_HANDLE, (uintptr_t)&handle, sizeof handle);
    if (handle.type == OBJECT_WAITSET) {
        return epoll_entry(session, close_on_exec);
    }
    (void)stream_facts(session, &kind, &speaks, &facts);
    stat.mode = (uint32_t)kind << 12;
    bool readable = (facts & STREAM_FACTS_FLAGS_READABLE) != 0;
    bool writable = (facts & STREAM_FACTS_FLAGS_WRITABLE) != 0;
    uint64_t access = readable ? (writable ? O_RDWR : O_RDONLY) : O_WRONLY;
    struct fd_entry entry =
        file_entry(session, facts, &stat, access | (close_on_exec ? O_CLOEXEC : 0));
    entry.speaks = (uint8_t)speaks;
    if (kind == STREAM_KIND_ANONYMOUS && (speaks & STREAM_PROTOCOLS_LOCAL) != 0 &&
        local_set_signals(session, false, 0, false, false, &set) == STATUS_OK) {
        entry.kind = FD_SIGNALS;
    }
    return entry;
}

/* The sessions of a bundle as descriptors of this process; *used goes on. */
static int64_t take_bundle(struct posix_thread *_Nonnull self, handle_t bundle,
                           const struct linux_message *_Nonnull message, bool close_on_exec,
                           uint64_t *_Nonnull used, uint32_t *_Nonnull flags) {
    struct control_header header = {.level = SOL_SOCKET, .type = SCM_RIGHTS};
    uint64_t at = message->control + *used;
    uint64_t left = message->control == 0 ? 0 : message->control_length - *used;
    uint64_t room = left < sizeof header ? 0 : (left - sizeof header) / sizeof(int32_t);
    struct keep_info info = {};
    struct native_result got =
        NATIVE(SYS_OBJECT_INFO, bundle, INFO_KEEP, (uintptr_t)&info, sizeof info);
    uint64_t count = got.status == STATUS_OK ? MIN(info.slots, (uint32_t)RIGHTS_LIMIT) : 0;
    uint64_t done = 0;
    for (; done < count && done < room; done++) {
        struct native_result moved = NATIVE(SYS_HANDLE_MOVE, bundle, done + 1, 0, HANDLE_MOVE_ANY,
                                            RIGHT_ALL, HANDLE_MOVE_COPY);
        if (moved.status != STATUS_OK) {
            break;
        }
        int64_t fd = fd_give(self, entry_of_session((handle_t)moved.value, close_on_exec));
        int32_t number = (int32_t)fd;
        if (fd < 0 || USER_WRITE(at + sizeof header + done * sizeof number, number) != 0) {
            break;
        }
    }
    *flags |= done < count ? MSG_CTRUNC : 0;
    header.length = sizeof header + done * sizeof(int32_t);
    *used += done == 0 ? 0 : MIN((header.length + 7) & ~7ull, left);
    handle_close(bundle);
    return done == 0 ? 0 : USER_WRITE(at, header);
}

/* Into the vectors: straight where there is one, else through a place of our own. */
static int64_t receive_pieces(struct posix_thread *_Nonnull self,
                              const struct fd_entry *_Nonnull entry, uint64_t flags,
                              const struct linux_message *_Nonnull message,
                              struct received *_Nonnull out) {
    struct linux_iovec vector = {};
    struct bounce bounce = {};
    uint64_t room = 0;
    int64_t error = vectors_total(message->vectors, message->vector_count, &room);
    room = MIN(room, (uint64_t)MESSAGE_MAX);
    bool direct = message->vector_count == 1;
    error = error != 0 ? error
                       : vectors_probe(message->vectors, message->vector_count,
                                       direct ? MIN(room, (uint64_t)CALL_INLINE_SIZE) : room);
    if (error == 0 && direct) {
        error = USER_READ(vector, message->vectors);
        return error != 0 ? error
                          : receive_bytes(entry, flags, user_buffer(vector.base, room), out);
    }
    error = error != 0 ? error : bounce_begin(self, room, &bounce);
    if (error != 0) {
        return error;
    }
    int64_t result = receive_bytes(entry, flags, user_buffer(bounce.address, room), out);
    if (result > 0) {
        error = vectors_scatter(message->vectors, message->vector_count, bounce.address,
                                MIN((uint64_t)result, room));
    }
    bounce_end(&bounce);
    return error != 0 ? error : result;
}

/* What is told beside the bytes of the message at `at`. */
static int64_t tell(struct posix_thread *_Nonnull self, uint64_t at, uint64_t how,
                    struct linux_message *_Nonnull message,
                    const struct received *_Nonnull received) {
    uint64_t used = 0;
    uint32_t flags = (received->said & LOCAL_MESSAGE_FLAGS_CUT) != 0 ? MSG_TRUNC : 0;
    int64_t error = 0;
    flags |= (received->said & LOCAL_MESSAGE_FLAGS_RIGHTS_LOST) != 0 ? MSG_CTRUNC : 0;
    if ((received->said & LOCAL_MESSAGE_FLAGS_WITH_CREDENTIALS) != 0) {
        error = tell_credentials(message, &received->from, &used, &flags);
    }
    if (received->rights != HANDLE_NONE) {
        bool close_on_exec = (how & MSG_CMSG_CLOEXEC) != 0;
        int64_t taken = take_bundle(self, received->rights, message, close_on_exec, &used, &flags);
        error = error != 0 ? error : taken;
    }
    message->control_length = used;
    if (error == 0 && message->name != 0) {
        uint64_t length_at = at + offsetof(struct linux_message, name_length);
        error = address_write(message->name, length_at, received->name, received->name_bytes);
    }
    int32_t shown = (int32_t)flags;
    error = error != 0 ? error : USER_WRITE(at + offsetof(struct linux_message, flags), shown);
    return error != 0 ? error
                      : USER_WRITE(at + offsetof(struct linux_message, control_length),
                                   message->control_length);
}

/* recvmsg(2) of the message at `at`. */
static int64_t receive_message(struct posix_thread *_Nonnull self,
                               const struct fd_entry *_Nonnull entry, uint64_t at, uint64_t flags) {
    struct linux_message message = {};
    struct received received = {};
    int64_t result = USER_READ(message, at);
    if (result == 0 && (flags & MSG_OOB) != 0) {
        result = -EOPNOTSUPP;
    }
    if (result == 0 && message.vector_count > VECTOR_LIMIT) {
        result = -EMSGSIZE;
    }
    result = result != 0 ? result : receive_pieces(self, entry, flags, &message, &received);
    if (result < 0) {
        handle_close(received.rights);
        return result;
    }
    int64_t error = tell(self, at, flags, &message, &received);
    return error != 0 ? error : result;
}

LINUX(recvmsg) {
    struct fd_entry entry = {};
    int64_t error = socket_get(self, frame->rdi, &entry);
    return error != 0 ? error : receive_message(self, &entry, frame->rsi, (uint32_t)frame->rdx);
}

/* The time is looked at after each message, as Linux does. */
LINUX(recvmmsg) {
    struct fd_entry entry = {};
    struct linux_timespec time = {};
    uint64_t limit = UINT64_MAX;
    uint64_t done = 0;
    uint64_t flags = (uint32_t)frame->r10;
    int64_t error = socket_get(self, frame->rdi, &entry);
    if (error == 0 && frame->r8 != 0) {
        error = USER_READ(time, frame->r8);
        error = error != 0 ? error : timeout_ns_of(&time, &limit);
    }
    uint64_t begun = clock_monotonic_ns();
    uint64_t count = MIN((uint32_t)frame->rdx, (uint32_t)VECTOR_LIMIT);
    while (error == 0 && done < count && (done == 0 || clock_monotonic_ns() - begun < limit)) {
        uint64_t at = frame->rsi + done * sizeof(struct linux_many_message);
        bool now = done > 0 && (flags & MSG_WAITFORONE) != 0;
        int64_t got = receive_message(self, &entry, at, flags | (now ? MSG_DONTWAIT : 0));
        uint32_t length = (uint32_t)got;
        error =
            got < 0 ? got : USER_WRITE(at + offsetof(struct linux_many_message, length), length);
        done += error == 0 ? 1 : 0;
    }
    return done > 0 ? (int64_t)done : error;
}
