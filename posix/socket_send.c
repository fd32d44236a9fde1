/* Sending on sockets: names, descriptors (SCM_RIGHTS) as a bundle, a keep whose slots are the
 * sessions, and bytes in pieces. */
#include "idl/local.h"
#include "idl/stream.h"
#include "lib/base/bytes.h"
#include "posix/descriptors.h"
#include "posix/errors.h"
#include "posix/file_io.h"
#include "posix/native.h"
#include "posix/signals.h"
#include "posix/sockets.h"
#include "posix/syscalls.h"
#include "posix/user.h"
#include "posix/vectors.h"

enum { CONTROL_LIMIT = 16 };

/* What sendmsg sends beside its bytes. */
struct extras {
    handle_t to, rights;
    uint32_t name_bytes; /* of an abstract name, before the message's bytes */
    uint8_t name[LOCAL_NAME_MAX];
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

/* Where a message goes: the node of a path, or an abstract name. */
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
    bytes_copy(extras->name, target.name, target.size);
    return target.size > 0 ? 0 : -EINVAL;
}

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

bool socket_is_stream(const struct fd_entry *_Nonnull entry) {
    uint64_t type = 0;
    return local_option(entry->handle, LOCAL_OPTION_TYPE, false, 0, &type) == STATUS_OK &&
           type == LOCAL_SOCKET_TYPE_STREAM;
}

/* Up to MESSAGE_MAX bytes of the vectors from `skip` on, behind the name. */
static int64_t send_piece(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry,
                          uint64_t flags, const struct linux_message *_Nonnull message,
                          uint64_t skip, uint64_t size, const struct extras *_Nonnull extras) {
    struct bounce bounce = {};
    uint64_t all = extras->name_bytes + size;
    if (message->vector_count == 1 && extras->name_bytes == 0) {
        struct linux_iovec vector = {};
        int64_t error = USER_READ(vector, message->vectors);
        return error != 0
                   ? error
                   : send_bytes(self, entry, flags, user_bytes(vector.base + skip, size), extras);
    }
    int64_t result = bounce_begin(self, all, &bounce);
    if (result != 0) {
        return result;
    }
    result = user_write(bounce.address, extras->name, extras->name_bytes);
    if (result == 0) {
        result = vectors_gather(message->vectors, message->vector_count, skip,
                                bounce.address + extras->name_bytes, size);
    }
    if (result == 0) {
        result = send_bytes(self, entry, flags, user_bytes(bounce.address, all), extras);
    }
    bounce_end(&bounce);
    return result;
}

/* All of a message: of a stream in as many calls as that takes. The rights go with the first. */
static int64_t send_all(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry,
                        uint64_t flags, const struct linux_message *_Nonnull message,
                        struct extras *_Nonnull extras) {
    uint64_t total = 0;
    uint64_t done = 0;
    uint64_t room = MESSAGE_MAX - extras->name_bytes;
    int64_t error = vectors_total(message->vectors, message->vector_count, &total);
    if (error == 0 && total > room && !socket_is_stream(entry)) {
        error = -EMSGSIZE;
    }
    if (error != 0) {
        return error;
    }
    total = MIN(total, TRANSFER_MAX);
    do {
        int64_t sent =
            send_piece(self, entry, flags, message, done, MIN(total - done, room), extras);
        if (sent < 0) {
            return done > 0 ? (int64_t)done : sent;
        }
        done += (uint64_t)sent;
        if (sent == 0) {
            break;
        }
        extras->rights = HANDLE_NONE;
    } while (done < total);
    return (int64_t)done;
}

int64_t socket_send_vectors(struct posix_thread *_Nonnull self,
                            const struct fd_entry *_Nonnull entry, uint64_t vectors,
                            uint64_t count) {
    struct extras extras = {};
    struct linux_message message = {.vectors = vectors, .vector_count = count};
    return send_all(self, entry, 0, &message, &extras);
}

LINUX(sendto) {
    struct fd_entry entry = {};
    struct extras extras = {};
    struct bounce bounce = {};
    int64_t error = socket_get(self, frame->rdi, &entry);
    uint32_t flags = (uint32_t)frame->r10;
    if (error == 0 && (flags & MSG_OOB) != 0) {
        error = -EOPNOTSUPP;
    }
    if (error != 0) {
        return error;
    }
    if (frame->r8 == 0) {
        return file_send(self, &entry, frame->rsi, frame->rdx,
                         (flags & MSG_DONTWAIT) != 0 ? STREAM_HOW_NO_WAIT : 0,
                         (flags & MSG_NOSIGNAL) == 0);
    }
    error = find_target(self, frame->r8, frame->r9, &extras);
    uint64_t all = 0;
    if (error == 0 &&
        (ckd_add(&all, frame->rdx, (uint64_t)extras.name_bytes) || all > MESSAGE_MAX)) {
        error = -EMSGSIZE;
    }
    if (error == 0 && extras.name_bytes == 0) {
        error = send_bytes(self, &entry, flags, user_bytes(frame->rsi, all), &extras);
    } else if (error == 0) {
        error = bounce_begin(self, all, &bounce);
        error = error != 0 ? error : user_write(bounce.address, extras.name, extras.name_bytes);
        error = error != 0 ? error
                           : user_read(address_pointer(bounce.address + extras.name_bytes),
                                       frame->rsi, (size_t)frame->rdx);
        error = error != 0
                    ? error
                    : send_bytes(self, &entry, flags, user_bytes(bounce.address, all), &extras);
        bounce_end(&bounce);
    }
    handle_close(extras.to);
    return error;
}

/* sendmsg(2) of the message at `at`. */
static int64_t send_message(struct posix_thread *_Nonnull self,
                            const struct fd_entry *_Nonnull entry, uint64_t at, uint64_t flags) {
    struct linux_message message = {};
    struct extras extras = {};
    int64_t result = USER_READ(message, at);
    if (result == 0 && (flags & MSG_OOB) != 0) {
        result = -EOPNOTSUPP;
    }
    if (result == 0 && message.vector_count > VECTOR_LIMIT) {
        result = -EMSGSIZE;
    }
    if (result == 0 && message.name != 0) {
        result = find_target(self, message.name, message.name_length, &extras);
    }
    result = result != 0 ? result : read_controls(self, &message, &extras);
    result = result != 0 ? result : send_all(self, entry, flags, &message, &extras);
    if (result < 0) {
        handle_close(extras.rights);
    }
    handle_close(extras.to);
    return result;
}

LINUX(sendmsg) {
    struct fd_entry entry = {};
    int64_t error = socket_get(self, frame->rdi, &entry);
    return error != 0 ? error : send_message(self, &entry, frame->rsi, (uint32_t)frame->rdx);
}

LINUX(sendmmsg) {
    struct fd_entry entry = {};
    uint64_t done = 0;
    int64_t error = socket_get(self, frame->rdi, &entry);
    uint64_t count = MIN((uint32_t)frame->rdx, (uint32_t)VECTOR_LIMIT);
    for (; error == 0 && done < count; done++) {
        uint64_t at = frame->rsi + done * sizeof(struct linux_many_message);
        int64_t sent = send_message(self, &entry, at, (uint32_t)frame->r10);
        uint32_t length = (uint32_t)sent;
        error =
            sent < 0 ? sent : USER_WRITE(at + offsetof(struct linux_many_message, length), length);
        if (error != 0) {
            break;
        }
    }
    return done > 0 ? (int64_t)done : error;
}
