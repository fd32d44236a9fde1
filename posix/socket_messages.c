/* send and receive on sockets, with descriptors (SCM_RIGHTS) as a bundle: a keep whose slots are
 * the sessions. */
#include "idl/local.h"
#include "idl/stream.h"
#include "lib/base/bytes.h"
#include "posix/descriptors.h"
#include "posix/epoll.h"
#include "posix/errors.h"
#include "posix/file_io.h"
#include "posix/file_open.h"
#include "posix/native.h"
#include "posix/signals.h"
#include "posix/sockets.h"
#include "posix/syscalls.h"
#include "posix/user.h"

enum {
    MSG_PEEK = 2,
    MSG_CTRUNC = 8,
    MSG_TRUNC = 0x20,
    MSG_DONTWAIT = 0x40,
    MSG_WAITALL = 0x100,
    MSG_NOSIGNAL = 0x4000,
    MSG_CMSG_CLOEXEC = 0x40000000,
    SOL_SOCKET = 1,
    SCM_RIGHTS = 1,
    SCM_CREDENTIALS = 2,
    CONTROL_LIMIT = 16,
    RIGHTS_LIMIT = 253,
};

/* What sendmsg sends beside its bytes. */
struct extras {
    handle_t to, rights;
    uint32_t name_bytes; /* of an abstract name, before the message's bytes */
    bool claims;
    struct local_credentials claimed;
};

static int64_t send_bytes(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry,
                          uint64_t flags, struct rt_bytes texts,
                          const struct extras *_Nonnull extras) {
    uint64_t sent = 0;
    uint32_t how = ((flags & MSG_DONTWAIT) != 0 ? LOCAL_MESSAGE_FLAGS_NO_WAIT : 0) |
                   (extras->claims ? LOCAL_MESSAGE_FLAGS_WITH_CREDENTIALS : 0);
    status_t status = local_send(entry->handle, how, extras->name_bytes, extras->to, extras->rights,
                                 &extras->claimed, texts, &sent);
    if (status == LOCAL_STATUS_RESET) {
        if ((flags & MSG_NOSIGNAL) == 0) {
            signal_raise(self, SIGPIPE, SI_USER, 0);
        }
        return -EPIPE;
    }
    return status == STATUS_OK ? (int64_t)sent : error_of_local(status);
}

/* Where a message goes: the node of a path, or an abstract name at the beginning of scratch. */
static int64_t find_target(struct posix_thread *_Nonnull self, uint64_t address, uint64_t length,
                           struct extras *_Nonnull extras) {
    struct address target = {};
    int64_t error = address_read(address, length, &target);
    if (error != 0) {
        return error;
    }
    if (target.path) {
        return address_find(self, &target, &extras->to);
    }
    extras->name_bytes = (uint32_t)target.size;
    bytes_copy(self->scratch, target.name, target.size);
    return target.size > 0 ? 0 : -EINVAL;
}

/* The bytes of a message behind the name in scratch. */
static int64_t behind_name(struct posix_thread *_Nonnull self, const struct extras *_Nonnull extras,
                           uint64_t address, uint64_t size, struct rt_bytes *_Nonnull out) {
    uint64_t room = sizeof self->scratch - extras->name_bytes;
    if (size > room) {
        self->process->unsupported_other++;
        return -EMSGSIZE;
    }
    *out = (struct rt_bytes){.size = (size_t)(extras->name_bytes + size), .data = self->scratch};
    return user_read(&self->scratch[extras->name_bytes], address, (size_t)size);
}

LINUX(sendto) {
    struct fd_entry entry = {};
    struct extras extras = {};
    int64_t error = socket_get(self, frame->rdi, &entry);
    uint32_t flags = (uint32_t)frame->r10;
    if (error != 0) {
        return error;
    }
    if (frame->r8 == 0) {
        return file_send(self, &entry, frame->rsi, frame->rdx,
                         (flags & MSG_DONTWAIT) != 0 ? STREAM_HOW_NO_WAIT : 0,
                         (flags & MSG_NOSIGNAL) == 0);
    }
    struct rt_bytes bytes = user_bytes(frame->rsi, MIN(frame->rdx, 65536ull));
    error = find_target(self, frame->r8, frame->r9, &extras);
    if (error == 0 && extras.name_bytes > 0) {
        error = behind_name(self, &extras, frame->rsi, frame->rdx, &bytes);
    }
    if (error == 0) {
        error = send_bytes(self, &entry, flags, bytes, &extras);
    }
    handle_close(extras.to);
    return error;
}

static int64_t receive_bytes(const struct fd_entry *_Nonnull entry, uint64_t flags,
                             struct rt_buffer data, handle_t *_Nonnull rights,
                             uint32_t *_Nonnull said, uint64_t *_Nonnull length,
                             uint8_t (*_Nonnull name)[LOCAL_NAME_MAX],
                             uint32_t *_Nonnull name_bytes,
                             struct local_credentials *_Nonnull from) {
    uint64_t size = 0;
    uint32_t how = ((flags & MSG_DONTWAIT) != 0 ? LOCAL_MESSAGE_FLAGS_NO_WAIT : 0) |
                   ((flags & MSG_PEEK) != 0 ? LOCAL_MESSAGE_FLAGS_PEEK : 0) |
                   ((flags & MSG_WAITALL) != 0 ? LOCAL_MESSAGE_FLAGS_WAIT_ALL : 0);
    status_t status = local_receive(entry->handle, how, rights, said, length, name_bytes, from,
                                    name, data, &size);
    if (status != STATUS_OK) {
        return error_of_local(status);
    }
    bool cut = (*said & LOCAL_MESSAGE_FLAGS_CUT) != 0 && (flags & MSG_TRUNC) != 0;
    return (int64_t)(cut ? *length : size);
}

LINUX(recvfrom) {
    struct fd_entry entry = {};
    uint8_t name[LOCAL_NAME_MAX] = {};
    uint32_t name_bytes = 0;
    uint32_t said = 0;
    uint64_t length = 0;
    handle_t rights = HANDLE_NONE;
    struct local_credentials from = {};
    int64_t result = socket_get(self, frame->rdi, &entry);
    if (result != 0) {
        return result;
    }
    if (frame->r8 == 0 && (frame->r10 & ~(uint64_t)(MSG_PEEK | MSG_DONTWAIT)) == 0) {
        uint32_t how = ((frame->r10 & MSG_DONTWAIT) != 0 ? STREAM_HOW_NO_WAIT : 0) |
                       ((frame->r10 & MSG_PEEK) != 0 ? STREAM_HOW_PEEK : 0);
        return file_receive(&entry, frame->rsi, frame->rdx, STREAM_POSITION_CURRENT, how);
    }
    uint64_t room = MIN(frame->rdx, 65536ull);
    if (user_probe(frame->rsi, MIN(room, (uint64_t)CALL_INLINE_SIZE)) != 0) {
        return -EFAULT;
    }
    result = receive_bytes(&entry, frame->r10, user_buffer(frame->rsi, room), &rights, &said,
                           &length, &name, &name_bytes, &from);
    handle_close(rights);
    if (result >= 0 && frame->r8 != 0) {
        int64_t error = address_write(frame->r8, frame->r9, name, name_bytes);
        result = error != 0 ? error : result;
    }
    return result;
}

struct control_header {
    uint64_t length;
    int32_t level, type;
};

/* Descriptors as a bundle, a keep whose slots 1 … are the sessions. */
static int64_t make_bundle(struct posix_thread *_Nonnull self, uint64_t at, uint64_t count,
                           handle_t *_Nonnull out) {
    if (count > RIGHTS_LIMIT || *out != HANDLE_NONE) {
        return -EINVAL;
    }
    struct native_result made = NATIVE(SYS_OBJECT_CREATE, OBJECT_KEEP, 0, count, 0, 0, 0);
    if (made.status != STATUS_OK) {
        return -ENOMEM;
    }
    int64_t error = 0;
    *out = (handle_t)made.value;
    for (uint64_t i = 0; i < count && error == 0; i++) {
        struct fd_entry entry = {};
        uint32_t fd = 0;
        error = USER_READ(fd, at + i * sizeof fd);
        error = error != 0 ? error : fd_get(self, fd, &entry);
        if (error == 0) {
            error = error_of(
                NATIVE(SYS_HANDLE_MOVE, 0, entry.handle, *out, i + 1, RIGHT_ALL, HANDLE_MOVE_COPY)
                    .status);
        }
    }
    return error;
}

/* One control message at `at`; its length, or an error. */
static int64_t read_control(struct posix_thread *_Nonnull self, uint64_t at, uint64_t left,
                            struct extras *_Nonnull extras) {
    struct control_header header = {};
    int64_t error = USER_READ(header, at);
    if (error != 0) {
        return error;
    }
    if (header.length < sizeof header || header.length > left) {
        return -EINVAL;
    }
    uint64_t size = header.length - sizeof header;
    if (header.level == SOL_SOCKET && header.type == SCM_RIGHTS) {
        error = make_bundle(self, at + sizeof header, size / sizeof(int32_t), &extras->rights);
    } else if (header.level == SOL_SOCKET && header.type == SCM_CREDENTIALS) {
        uint32_t words[3] = {};
        error = size < sizeof words ? -EINVAL : USER_READ(words, at + sizeof header);
        extras->claims = true;
        extras->claimed =
            (struct local_credentials){.pid = words[0], .uid = words[1], .gid = words[2]};
    } else if (header.level == SOL_SOCKET) {
        error = -EINVAL;
    }
    return error != 0 ? error : (int64_t)((header.length + 7) & ~7ull);
}

static int64_t read_controls(struct posix_thread *_Nonnull self,
                             const struct linux_message *_Nonnull message,
                             struct extras *_Nonnull extras) {
    uint64_t at = 0;
    for (uint32_t i = 0; i < CONTROL_LIMIT && message->control != 0 &&
                         at + sizeof(struct control_header) <= message->control_length;
         i++) {
        int64_t used =
            read_control(self, message->control + at, message->control_length - at, extras);
        if (used < 0) {
            return used;
        }
        at += (uint64_t)used;
    }
    return 0;
}

/* Gathers the vectors of a message into scratch, behind a name, where they are more than one. */
static int64_t gather(struct posix_thread *_Nonnull self,
                      const struct linux_message *_Nonnull message, uint32_t name_bytes,
                      struct rt_bytes *_Nonnull out) {
    struct linux_iovec vector = {};
    size_t total = name_bytes;
    *out = (struct rt_bytes){};
    if (message->vector_count > 1024) {
        return -EMSGSIZE;
    }
    for (uint64_t i = 0; i < message->vector_count; i++) {
        int64_t error = USER_READ(vector, message->vectors + i * sizeof vector);
        if (error != 0) {
            return error;
        }
        if (message->vector_count == 1 && name_bytes == 0) {
            *out = user_bytes(vector.base, MIN(vector.length, 65536ull));
            return 0;
        }
        size_t room = sizeof self->scratch - total;
        size_t piece = (size_t)MIN(vector.length, (uint64_t)room);
        if (piece > 0 && user_read(&self->scratch[total], vector.base, piece) != 0) {
            return -EFAULT;
        }
        total += piece;
        if (total == sizeof self->scratch) {
            break; /* a stream takes what fits */
        }
    }
    *out = (struct rt_bytes){.size = total, .data = self->scratch};
    return 0;
}

LINUX(sendmsg) {
    struct fd_entry entry = {};
    struct linux_message message = {};
    struct rt_bytes bytes = {};
    struct extras extras = {};
    int64_t result = socket_get(self, frame->rdi, &entry);
    result = result != 0 ? result : USER_READ(message, frame->rsi);
    if (result == 0 && message.name != 0) {
        result = find_target(self, message.name, message.name_length, &extras);
    }
    result = result != 0 ? result : gather(self, &message, extras.name_bytes, &bytes);
    result = result != 0 ? result : read_controls(self, &message, &extras);
    if (result == 0) {
        result = send_bytes(self, &entry, frame->rdx, bytes, &extras);
    } else {
        handle_close(extras.rights);
    }
    handle_close(extras.to);
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

LINUX(recvmsg) {
    struct fd_entry entry = {};
    struct linux_message message = {};
    struct linux_iovec vector = {};
    uint8_t name[LOCAL_NAME_MAX] = {};
    uint32_t name_bytes = 0;
    uint32_t said = 0;
    uint64_t length = 0;
    handle_t rights = HANDLE_NONE;
    struct local_credentials from = {};
    uint64_t used = 0;
    uint64_t room = 0;
    int64_t result = socket_get(self, frame->rdi, &entry);
    result = result != 0 ? result : USER_READ(message, frame->rsi);
    if (result == 0 && message.vector_count > VECTOR_LIMIT) {
        result = -EMSGSIZE;
    }
    result = result != 0 ? result : vectors_room(message.vectors, message.vector_count, &room);
    if (result == 0 && message.vector_count == 1) {
        result = USER_READ(vector, message.vectors);
    }
    if (result != 0) {
        return result;
    }
    bool direct = message.vector_count == 1;
    room = direct ? vector.length : MIN(room, sizeof self->scratch);
    struct rt_buffer data = direct ? user_buffer(vector.base, MIN(room, 65536ull))
                                   : (struct rt_buffer){.size = room, .data = self->scratch};
    result =
        receive_bytes(&entry, frame->rdx, data, &rights, &said, &length, &name, &name_bytes, &from);
    if (result < 0) {
        return result;
    }
    uint32_t flags = (said & LOCAL_MESSAGE_FLAGS_CUT) != 0 ? MSG_TRUNC : 0;
    flags |= (said & LOCAL_MESSAGE_FLAGS_RIGHTS_LOST) != 0 ? MSG_CTRUNC : 0;
    int64_t error = direct ? 0
                           : vectors_fill(self, message.vectors, message.vector_count,
                                          MIN((uint64_t)result, room));
    if (error == 0 && (said & LOCAL_MESSAGE_FLAGS_WITH_CREDENTIALS) != 0) {
        error = tell_credentials(&message, &from, &used, &flags);
    }
    if (rights != HANDLE_NONE) {
        bool close_on_exec = (frame->rdx & MSG_CMSG_CLOEXEC) != 0;
        int64_t taken = take_bundle(self, rights, &message, close_on_exec, &used, &flags);
        error = error != 0 ? error : taken;
    }
    message.control_length = used;
    if (error == 0 && message.name != 0) {
        uint64_t length_at = frame->rsi + offsetof(struct linux_message, name_length);
        error = address_write(message.name, length_at, name, name_bytes);
    }
    int32_t shown = (int32_t)flags;
    uint64_t base = frame->rsi;
    error = error != 0 ? error : USER_WRITE(base + offsetof(struct linux_message, flags), shown);
    error = error != 0 ? error
                       : USER_WRITE(base + offsetof(struct linux_message, control_length),
                                    message.control_length);
    return error != 0 ? error : result;
}
