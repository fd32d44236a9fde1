/* read(2), write(2) and their like. Files with an attached Memory are the kernel's affair; all else
 * is a call to the session's server. */
#include "posix/file_io.h"
#include "idl/local.h"
#include "idl/stream.h"
#include "posix/descriptors.h"
#include "posix/errors.h"
#include "posix/identity.h"
#include "posix/native.h"
#include "posix/signalfd.h"
#include "posix/signals.h"
#include "posix/sockets.h"
#include "posix/syscalls.h"
#include "posix/user.h"
#include "posix/vectors.h"

static int64_t result_of(struct native_result result) {
    if (result.status == STATUS_OK) {
        return (int64_t)result.value;
    }
    return error_of(result.status);
}

/* What a terminal must know of its caller: whether the signal to who is in the background passes.
 */
static uint32_t how_of(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry,
                       uint32_t signal) {
    bool terminal = (entry->speaks & STREAM_PROTOCOLS_TTY) != 0;
    return terminal && signal_would_pass(self, signal) ? STREAM_HOW_PASSES : 0;
}

/* A file without a Memory that has a position (those of /proc): the session keeps it, and it moves
 * by what was done. */
static bool keeps_position(const struct fd_entry *_Nonnull entry, uint64_t offset) {
    return offset == POSITION_CURRENT && entry->kind == STREAM_KIND_REGULAR &&
           (entry->facts & STREAM_FACTS_FLAGS_SEEKABLE) != 0;
}

int64_t file_receive(const struct fd_entry *_Nonnull entry, uint64_t address, uint64_t length,
                     uint64_t offset, uint32_t how) {
    uint64_t done = 0;
    uint64_t size = MIN(length, STREAM_TRANSFER_MAX);
    if (user_probe(address, MIN(size, (uint64_t)CALL_INLINE_SIZE)) != 0) {
        return -EFAULT;
    }
    status_t status = stream_read(entry->handle, offset, how, user_buffer(address, size), &done);
    return status == STATUS_OK ? (int64_t)done : error_of_stream(status);
}

int64_t file_read(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry,
                  uint64_t address, uint64_t length, uint64_t offset) {
    uint64_t wanted = MIN(length, TRANSFER_MAX);
    if ((entry->facts & STREAM_FACTS_FLAGS_CACHED) != 0) {
        return result_of(NATIVE(SYS_STREAM_READ, entry->handle, address, wanted, offset, 0));
    }
    if (entry->kind == STREAM_KIND_DIRECTORY) {
        return -EISDIR;
    }
    if (entry->kind == FD_SIGNALS) {
        return signalfd_read(self, entry, address, wanted);
    }
    bool moves = keeps_position(entry, offset);
    uint64_t at = moves ? NATIVE(SYS_STREAM_SEEK, entry->handle, 0, 1).value : offset;
    int64_t done = file_receive(entry, address, wanted, at, how_of(self, entry, SIGTTIN));
    if (moves && done > 0) {
        (void)NATIVE(SYS_STREAM_SEEK, entry->handle, at + (uint64_t)done, 0);
    }
    return done;
}

/* Whether that many bytes may go in several pieces: a message may not. */
static int64_t check_pieces(const struct fd_entry *_Nonnull entry, uint64_t length) {
    uint64_t type = LOCAL_SOCKET_TYPE_STREAM;
    status_t status = STATUS_OK;
    if (entry->kind == STREAM_KIND_SOCKET && length > STREAM_TRANSFER_MAX) {
        status = local_option(entry->handle, LOCAL_OPTION_TYPE, false, 0, &type);
    }
    return status != STATUS_OK                ? error_of_local(status)
           : type != LOCAL_SOCKET_TYPE_STREAM ? -EMSGSIZE
                                              : 0;
}

/* Pieces of at most STREAM_TRANSFER_MAX until all is written: a server takes what it has room for,
 * and waits with the next piece, or says that it will not. */
static int64_t write_stream(const struct fd_entry *_Nonnull entry, uint64_t address,
                            uint64_t length, uint64_t offset, uint32_t how,
                            int64_t *_Nonnull out_error) {
    uint64_t total = 0;
    if (keeps_position(entry, offset)) {
        offset = NATIVE(SYS_STREAM_SEEK, entry->handle, 0, 1).value;
    }
    while (total < length || length == 0) {
        uint64_t piece = MIN(length - total, STREAM_TRANSFER_MAX);
        uint64_t at = offset == POSITION_CURRENT ? offset : offset + total;
        uint64_t done = 0;
        status_t status =
            stream_write(entry->handle, at, how, user_bytes(address + total, piece), &done);
        if (status != STATUS_OK) {
            *out_error = error_of_stream(status);
            return total > 0 ? (int64_t)total : *out_error;
        }
        total += done;
        if (done == 0 || entry->kind == STREAM_KIND_ANONYMOUS) {
            break; /* a counter takes its number, however long the buffer */
        }
    }
    return (int64_t)total;
}

int64_t file_send(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry,
                  uint64_t address, uint64_t length, uint32_t how, bool signals) {
    uint64_t wanted = MIN(length, TRANSFER_MAX);
    int64_t error = check_pieces(entry, wanted);
    if (error != 0) {
        return error;
    }
    int64_t result = write_stream(entry, address, wanted, POSITION_CURRENT, how, &error);
    if (error == -EPIPE && signals) {
        signal_raise(self, SIGPIPE, SI_USER, 0);
    }
    return result;
}

int64_t file_size_check(struct posix_thread *_Nonnull self, uint64_t size) {
    if (size > limit_soft(self, LIMIT_FILE_SIZE)) {
        signal_raise(self, SIGXFSZ, SI_USER, 0);
        return -EFBIG;
    }
    return 0;
}

/* What RLIMIT_FSIZE leaves of a write; -EFBIG, with SIGXFSZ: nothing. */
static int64_t limited_room(struct posix_thread *_Nonnull self,
                            const struct fd_entry *_Nonnull entry, uint64_t wanted,
                            uint64_t offset) {
    struct session_info session = {};
    struct memory_info memory = {};
    uint64_t at = offset;
    uint64_t limit = limit_soft(self, LIMIT_FILE_SIZE);
    (void)NATIVE(SYS_OBJECT_INFO, entry->handle, INFO_SESSION, (uintptr_t)&session, sizeof session);
    if (offset == POSITION_CURRENT) {
        at = session.position;
    }
    if ((session.flags & O_APPEND) != 0) {
        (void)NATIVE(SYS_OBJECT_INFO, entry->handle, INFO_MEMORY, (uintptr_t)&memory,
                     sizeof memory);
        at = memory.content_size;
    }
    int64_t error = wanted == 0 ? 0 : file_size_check(self, at < limit ? at : limit + 1);
    return error != 0 ? error : (int64_t)MIN(wanted, limit - MIN(at, limit));
}

int64_t file_write(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry,
                   uint64_t address, uint64_t length, uint64_t offset) {
    uint64_t wanted = MIN(length, TRANSFER_MAX);
    if ((entry->facts & STREAM_FACTS_FLAGS_CACHED) != 0) {
        if (limit_soft(self, LIMIT_FILE_SIZE) != UINT64_MAX) {
            int64_t room = limited_room(self, entry, wanted, offset);
            if (room < 0) {
                return room;
            }
            wanted = (uint64_t)room;
        }
        return result_of(NATIVE(SYS_STREAM_WRITE, entry->handle, address, wanted, offset, 0));
    }
    if (entry->kind == STREAM_KIND_DIRECTORY) {
        return -EISDIR;
    }
    if (offset == POSITION_CURRENT) {
        return file_send(self, entry, address, length, how_of(self, entry, SIGTTOU), true);
    }
    int64_t error = 0;
    return write_stream(entry, address, wanted, offset, 0, &error);
}

/* The entry of a descriptor that can be read, or written. */
static int64_t get(struct posix_thread *_Nonnull self, uint64_t fd, uint8_t fact,
                   struct fd_entry *_Nonnull out) {
    int64_t error = fd_get_open(self, fd, out);
    if (error != 0) {
        return error;
    }
    if (out->kind == FD_EPOLL) {
        return -EINVAL;
    }
    if ((out->facts & fact) == 0) {
        return out->kind == STREAM_KIND_DIRECTORY && fact == STREAM_FACTS_FLAGS_READABLE ? -EISDIR
                                                                                         : -EBADF;
    }
    return 0;
}

/* The same with an offset, which must mean something. */
static int64_t get_at(struct posix_thread *_Nonnull self, uint64_t fd, uint8_t fact,
                      uint64_t offset, struct fd_entry *_Nonnull out) {
    int64_t error = get(self, fd, fact, out);
    if (error == 0 && (int64_t)offset < 0) {
        return -EINVAL;
    }
    if (error == 0 &&
        (out->facts & (STREAM_FACTS_FLAGS_SEEKABLE | STREAM_FACTS_FLAGS_REWOUND)) == 0) {
        return -ESPIPE;
    }
    return error;
}

LINUX(read) {
    struct fd_entry entry = {};
    int64_t error = get(self, frame->rdi, STREAM_FACTS_FLAGS_READABLE, &entry);
    return error != 0 ? error : file_read(self, &entry, frame->rsi, frame->rdx, POSITION_CURRENT);
}

LINUX(write) {
    struct fd_entry entry = {};
    int64_t error = get(self, frame->rdi, STREAM_FACTS_FLAGS_WRITABLE, &entry);
    return error != 0 ? error : file_write(self, &entry, frame->rsi, frame->rdx, POSITION_CURRENT);
}

LINUX(pread64) {
    struct fd_entry entry = {};
    int64_t error = get_at(self, frame->rdi, STREAM_FACTS_FLAGS_READABLE, frame->r10, &entry);
    return error != 0 ? error : file_read(self, &entry, frame->rsi, frame->rdx, frame->r10);
}

LINUX(pwrite64) {
    struct fd_entry entry = {};
    int64_t error = get_at(self, frame->rdi, STREAM_FACTS_FLAGS_WRITABLE, frame->r10, &entry);
    return error != 0 ? error : file_write(self, &entry, frame->rsi, frame->rdx, frame->r10);
}

/* One call for each vector, until one is short. A pipe's or terminal's atomicity across vectors is
 * kept for what fits into the scratch area: that is gathered first. */
static int64_t vectors(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry,
                       const struct program_frame *_Nonnull frame, uint64_t offset, bool write) {
    uint64_t count = frame->rdx;
    uint64_t total = 0;
    if (count > VECTOR_LIMIT) {
        return -EINVAL;
    }
    for (uint64_t i = 0; i < count; i++) {
        struct linux_iovec vector = {};
        int64_t error = USER_READ(vector, frame->rsi + i * sizeof vector);
        if (error == 0 && (int64_t)vector.length < 0) {
            error = -EINVAL;
        }
        if (error != 0) {
            return total > 0 ? (int64_t)total : error;
        }
        if (vector.length == 0) {
            continue;
        }
        uint64_t at = offset == POSITION_CURRENT ? offset : offset + total;
        int64_t done = write ? file_write(self, entry, vector.base, vector.length, at)
                             : file_read(self, entry, vector.base, vector.length, at);
        if (done < 0) {
            return total > 0 ? (int64_t)total : done;
        }
        total += (uint64_t)done;
        if ((uint64_t)done < vector.length) {
            break;
        }
    }
    return (int64_t)total;
}

/* Vectors of few bytes as one write: what a terminal, pipe or append must not see in pieces. -1:
 * too many bytes. */
static int64_t write_gathered(struct posix_thread *_Nonnull self,
                              const struct fd_entry *_Nonnull entry,
                              const struct program_frame *_Nonnull frame) {
    uint64_t total = 0;
    for (uint64_t i = 0; i < MIN(frame->rdx, (uint64_t)VECTOR_LIMIT); i++) {
        struct linux_iovec vector = {};
        int64_t error = USER_READ(vector, frame->rsi + i * sizeof vector);
        if (error != 0 || vector.length > sizeof self->scratch - total) {
            return -1;
        }
        if (vector.length > 0 &&
            user_read(&self->scratch[total], vector.base, (size_t)vector.length) != 0) {
            return -1;
        }
        total += vector.length;
        if (total == sizeof self->scratch) {
            return -1;
        }
    }
    return total == 0
               ? -1
               : file_write(self, entry, (uintptr_t)&self->scratch[0], total, POSITION_CURRENT);
}

/* Into several vectors by one read of what may wait: a second one would wait for more, or take
 * another message. */
static int64_t read_scattered(struct posix_thread *_Nonnull self,
                              const struct fd_entry *_Nonnull entry,
                              const struct program_frame *_Nonnull frame) {
    uint64_t room = 0;
    struct bounce bounce = {};
    int64_t error = vectors_total(frame->rsi, frame->rdx, &room);
    room = MIN(room, (uint64_t)STREAM_TRANSFER_MAX);
    error = error != 0 ? error : vectors_probe(frame->rsi, frame->rdx, room);
    error = error != 0 ? error : bounce_begin(self, room, &bounce);
    if (error != 0) {
        return error;
    }
    int64_t got = file_read(self, entry, bounce.address, room, POSITION_CURRENT);
    if (got > 0) {
        error = vectors_scatter(frame->rsi, frame->rdx, bounce.address, (uint64_t)got);
    }
    bounce_end(&bounce);
    return error != 0 ? error : got;
}

LINUX(readv) {
    struct fd_entry entry = {};
    int64_t error = get(self, frame->rdi, STREAM_FACTS_FLAGS_READABLE, &entry);
    if (error == 0 && (entry.facts & STREAM_FACTS_FLAGS_WAITS) != 0 && frame->rdx > 1 &&
        frame->rdx <= VECTOR_LIMIT) {
        return read_scattered(self, &entry, frame);
    }
    return error != 0 ? error : vectors(self, &entry, frame, POSITION_CURRENT, false);
}

LINUX(writev) {
    struct fd_entry entry = {};
    int64_t error = get(self, frame->rdi, STREAM_FACTS_FLAGS_WRITABLE, &entry);
    if (error != 0) {
        return error;
    }
    if (entry.kind == STREAM_KIND_SOCKET && frame->rdx <= VECTOR_LIMIT) {
        return socket_send_vectors(self, &entry, frame->rsi, frame->rdx);
    }
    int64_t done = frame->rdx <= VECTOR_LIMIT ? write_gathered(self, &entry, frame) : -1;
    return done != -1 ? done : vectors(self, &entry, frame, POSITION_CURRENT, true);
}

LINUX(preadv) {
    struct fd_entry entry = {};
    int64_t error = get_at(self, frame->rdi, STREAM_FACTS_FLAGS_READABLE, frame->r10, &entry);
    return error != 0 ? error : vectors(self, &entry, frame, frame->r10, false);
}

LINUX(pwritev) {
    struct fd_entry entry = {};
    int64_t error = get_at(self, frame->rdi, STREAM_FACTS_FLAGS_WRITABLE, frame->r10, &entry);
    return error != 0 ? error : vectors(self, &entry, frame, frame->r10, true);
}

/* Holes are not told apart from data: all is data up to the end. */
static int64_t seek_data(const struct fd_entry *_Nonnull entry, uint64_t offset, uint64_t whence) {
    enum { SEEK_DATA = 3, SEEK_HOLE = 4 };
    struct stream_stat info = {};
    if (whence > SEEK_HOLE || entry->kind != STREAM_KIND_REGULAR) {
        return -EINVAL;
    }
    int64_t error = error_of_stream(stream_stat(entry->handle, &info));
    if (error == 0 && ((int64_t)offset < 0 || offset >= info.size)) {
        error = -ENXIO;
    }
    uint64_t found = whence == SEEK_DATA ? offset : info.size;
    return error != 0 ? error : result_of(NATIVE(SYS_STREAM_SEEK, entry->handle, found, 0));
}

LINUX(lseek) {
    struct fd_entry entry = {};
    int64_t error = fd_get_open(self, frame->rdi, &entry);
    if (error != 0) {
        return error;
    }
    if ((entry.facts & STREAM_FACTS_FLAGS_REWOUND) != 0 || entry.kind == STREAM_KIND_ANONYMOUS ||
        entry.kind >= FD_EPOLL) {
        return 0;
    }
    if ((entry.facts & STREAM_FACTS_FLAGS_SEEKABLE) == 0) {
        return -ESPIPE;
    }
    if (frame->rdx > 2) {
        return seek_data(&entry, frame->rsi, frame->rdx);
    }
    return result_of(NATIVE(SYS_STREAM_SEEK, entry.handle, frame->rsi, frame->rdx));
}
