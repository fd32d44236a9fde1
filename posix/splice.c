/* Moving bytes between descriptors: splice, tee, vmsplice, sendfile, copy_file_range, by reading
 * and writing through the scratch area.
 *
 * What waits for somebody (a pipe, a socket) is peeked at first and taken when it was written, so
 * an error of the other side loses nothing; of two that read one pipe at once, both may see the
 * same bytes. Files are read at a position that moves by what was written. */
#include "idl/stream.h"
#include "posix/descriptors.h"
#include "posix/errors.h"
#include "posix/file_io.h"
#include "posix/native.h"
#include "posix/syscalls.h"
#include "posix/user.h"
#include "posix/vectors.h"

enum {
    SPLICE_NONBLOCK = 2,
    SPLICE_ALL = 0xf,
    SEEK_SET = 0,
    SEEK_CUR = 1,
};

/* One side of a copy. */
struct side {
    struct fd_entry entry;
    uint64_t offset;    /* POSITION_CURRENT: the description's own position */
    uint64_t offset_at; /* where the program wants the new offset; 0: nowhere */
};

static bool is_pipe(const struct side *_Nonnull side) {
    return side->entry.kind == STREAM_KIND_FIFO;
}

static bool waits(const struct side *_Nonnull side) {
    return (side->entry.facts & STREAM_FACTS_FLAGS_WAITS) != 0;
}

static bool appends(const struct side *_Nonnull side) {
    uint32_t flags = 0;
    return session_flags(side->entry.handle, &flags) == STATUS_OK && (flags & O_APPEND) != 0;
}

static bool has_offsets(const struct side *_Nonnull side) {
    return (side->entry.facts & (STREAM_FACTS_FLAGS_SEEKABLE | STREAM_FACTS_FLAGS_REWOUND)) != 0;
}

/* -EBADF: closed, or not open for that. */
static int64_t open_side(struct posix_thread *_Nonnull self, uint64_t fd, uint8_t fact,
                         struct side *_Nonnull out) {
    *out = (struct side){.offset = POSITION_CURRENT};
    int64_t error = fd_get_open(self, fd, &out->entry);
    return error == 0 && (out->entry.facts & fact) == 0 ? -EBADF : error;
}

static int64_t read_offset(struct side *_Nonnull side, uint64_t at) {
    side->offset_at = at;
    return at == 0 ? 0 : USER_READ(side->offset, at);
}

static int64_t tell_offset(const struct side *_Nonnull side, uint64_t moved) {
    uint64_t now = side->offset + moved;
    return side->offset_at == 0 ? 0 : USER_WRITE(side->offset_at, now);
}

/* ---- one piece ---- */

/* Up to `size` bytes into the scratch area, left where they are if that side waits. */
static int64_t look(struct posix_thread *_Nonnull self, const struct side *_Nonnull from,
                    uint64_t size, uint64_t done, bool no_wait) {
    uint64_t room = (uintptr_t)&self->scratch[0];
    uint64_t wanted = MIN(size, sizeof self->scratch);
    if (waits(from)) {
        return file_receive(&from->entry, room, wanted, POSITION_CURRENT,
                            STREAM_HOW_PEEK | (no_wait ? STREAM_HOW_NO_WAIT : 0));
    }
    return file_read(self, &from->entry, room, wanted,
                     from->offset == POSITION_CURRENT ? POSITION_CURRENT : from->offset + done);
}

static int64_t put(struct posix_thread *_Nonnull self, const struct side *_Nonnull to,
                   uint64_t size, uint64_t done, bool no_wait) {
    uint64_t bytes = (uintptr_t)&self->scratch[0];
    if (no_wait && waits(to)) {
        return file_send(self, &to->entry, bytes, size, STREAM_HOW_NO_WAIT, true);
    }
    return file_write(self, &to->entry, bytes, size,
                      to->offset == POSITION_CURRENT ? POSITION_CURRENT : to->offset + done);
}

/* Of what was looked at, `used` of `seen` bytes are gone. */
static void take(struct posix_thread *_Nonnull self, const struct side *_Nonnull from,
                 uint64_t seen, uint64_t used) {
    if (waits(from)) {
        (void)file_receive(&from->entry, (uintptr_t)&self->scratch[0], used, POSITION_CURRENT,
                           STREAM_HOW_NO_WAIT);
    } else if (from->offset == POSITION_CURRENT && used < seen &&
               (from->entry.facts & STREAM_FACTS_FLAGS_SEEKABLE) != 0) {
        (void)NATIVE(SYS_STREAM_SEEK, from->entry.handle, used - seen, SEEK_CUR);
    }
}

/* Bytes moved until there are no more, or it would have to wait once more; an error only where none
 * were. */
static int64_t move(struct posix_thread *_Nonnull self, const struct side *_Nonnull from,
                    const struct side *_Nonnull to, uint64_t size, bool no_wait) {
    uint64_t total = 0;
    while (total < size) {
        bool now = no_wait || total > 0;
        int64_t seen = look(self, from, size - total, total, now);
        int64_t used = seen > 0 ? put(self, to, (uint64_t)seen, total, no_wait) : seen;
        if (seen > 0) {
            take(self, from, (uint64_t)seen, (uint64_t)MAX(used, 0L));
        }
        if (used <= 0) {
            return total > 0 ? (int64_t)total : used;
        }
        total += (uint64_t)used;
        if (used < seen) {
            break;
        }
    }
    return (int64_t)total;
}

/* ---- splice and its like ---- */

static uint64_t inode_of(const struct side *_Nonnull side) {
    struct stream_stat info = {};
    return stream_stat(side->entry.handle, &info) == STATUS_OK ? info.inode : 0;
}

static int64_t check_splice(const struct side *_Nonnull in, const struct side *_Nonnull out) {
    if (!is_pipe(in) && !is_pipe(out)) {
        return -EINVAL;
    }
    if (is_pipe(in) && is_pipe(out)) {
        return inode_of(in) == inode_of(out) ? -EINVAL : 0;
    }
    const struct side *other = is_pipe(in) ? out : in;
    bool offset_means_nothing = other->offset_at != 0 && !has_offsets(other);
    bool negative = other->offset_at != 0 && (int64_t)other->offset < 0;
    if (offset_means_nothing || negative || other->entry.kind == STREAM_KIND_DIRECTORY ||
        other->entry.kind == STREAM_KIND_ANONYMOUS || other->entry.kind >= FD_EPOLL ||
        (other == out && appends(out))) {
        return -EINVAL;
    }
    return 0;
}

LINUX(splice) {
    struct side in = {};
    struct side out = {};
    if (frame->r8 == 0) {
        return 0;
    }
    if (((uint32_t)frame->r9 & ~(uint32_t)SPLICE_ALL) != 0) {
        return -EINVAL;
    }
    int64_t in_error = open_side(self, frame->rdi, STREAM_FACTS_FLAGS_READABLE, &in);
    int64_t error = open_side(self, frame->rdx, STREAM_FACTS_FLAGS_WRITABLE, &out);
    error = in_error != 0 ? in_error : error;
    if (error == 0 && ((is_pipe(&in) && frame->rsi != 0) || (is_pipe(&out) && frame->r10 != 0))) {
        error = -ESPIPE;
    }
    error = error != 0 ? error : read_offset(&out, frame->r10);
    error = error != 0 ? error : read_offset(&in, frame->rsi);
    error = error != 0 ? error : check_splice(&in, &out);
    if (error != 0) {
        return error;
    }
    int64_t moved = move(self, &in, &out, MIN(frame->r8, TRANSFER_MAX),
                         ((uint32_t)frame->r9 & SPLICE_NONBLOCK) != 0);
    if (moved > 0) {
        error = tell_offset(&in, (uint64_t)moved);
        error = error != 0 ? error : tell_offset(&out, (uint64_t)moved);
    }
    return error != 0 ? error : moved;
}

LINUX(tee) {
    struct side in = {};
    struct side out = {};
    bool no_wait = ((uint32_t)frame->r10 & SPLICE_NONBLOCK) != 0;
    if (((uint32_t)frame->r10 & ~(uint32_t)SPLICE_ALL) != 0) {
        return -EINVAL;
    }
    if (frame->rdx == 0) {
        return 0;
    }
    int64_t error = open_side(self, frame->rdi, STREAM_FACTS_FLAGS_READABLE, &in);
    error = error != 0 ? error : open_side(self, frame->rsi, STREAM_FACTS_FLAGS_WRITABLE, &out);
    if (error == 0 && (!is_pipe(&in) || !is_pipe(&out) || inode_of(&in) == inode_of(&out))) {
        error = -EINVAL;
    }
    if (error != 0) {
        return error;
    }
    int64_t seen = look(self, &in, frame->rdx, 0, no_wait);
    return seen > 0 ? put(self, &out, (uint64_t)seen, 0, no_wait) : seen;
}

LINUX(vmsplice) {
    struct side side = {};
    uint64_t total = 0;
    bool no_wait = ((uint32_t)frame->r10 & SPLICE_NONBLOCK) != 0;
    if (((uint32_t)frame->r10 & ~(uint32_t)SPLICE_ALL) != 0) {
        return -EINVAL;
    }
    int64_t error = fd_get_open(self, frame->rdi, &side.entry);
    bool writes = (side.entry.facts & STREAM_FACTS_FLAGS_WRITABLE) != 0;
    if (error != 0 || !is_pipe(&side)) {
        return -EBADF;
    }
    if (frame->rdx > VECTOR_LIMIT) {
        return -EINVAL;
    }
    for (uint64_t i = 0; i < frame->rdx; i++) {
        struct linux_iovec vector = {};
        uint32_t how = no_wait || (!writes && total > 0) ? STREAM_HOW_NO_WAIT : 0;
        error = USER_READ(vector, frame->rsi + i * sizeof vector);
        int64_t done =
            error != 0           ? error
            : vector.length == 0 ? 0
            : writes ? file_send(self, &side.entry, vector.base, vector.length, how, true)
                     : file_receive(&side.entry, vector.base, vector.length, POSITION_CURRENT, how);
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

/* ---- from files ---- */

LINUX(sendfile) {
    struct side in = {};
    struct side out = {};
    uint64_t offset = POSITION_CURRENT;
    int64_t error = frame->rdx == 0 ? 0 : USER_READ(offset, frame->rdx);
    error = error != 0 ? error : open_side(self, frame->rsi, STREAM_FACTS_FLAGS_READABLE, &in);
    if (error == 0 && frame->rdx != 0 && !has_offsets(&in)) {
        error = -ESPIPE;
    }
    if (error == 0 && frame->rdx != 0 && (int64_t)offset < 0) {
        error = -EINVAL;
    }
    error = error != 0 ? error : open_side(self, frame->rdi, STREAM_FACTS_FLAGS_WRITABLE, &out);
    if (error == 0 &&
        ((in.entry.facts & STREAM_FACTS_FLAGS_CACHED) == 0 || out.entry.kind >= FD_EPOLL ||
         (out.entry.kind == STREAM_KIND_REGULAR && appends(&out)))) {
        error = -EINVAL;
    }
    if (error != 0) {
        return error;
    }
    in.offset = offset;
    in.offset_at = frame->rdx;
    int64_t moved = move(self, &in, &out, MIN(frame->r10, TRANSFER_MAX), false);
    if (moved > 0) {
        error = tell_offset(&in, (uint64_t)moved);
    }
    return error != 0 ? error : moved;
}

/* The offset that a copy begins at: the program's, or the description's own. */
static int64_t fix_offset(struct side *_Nonnull side, uint64_t at) {
    int64_t error = read_offset(side, at);
    if (error == 0 && at == 0) {
        side->offset = NATIVE(SYS_STREAM_SEEK, side->entry.handle, 0, SEEK_CUR).value;
    }
    return error;
}

static void move_on(const struct side *_Nonnull side, uint64_t moved) {
    if (side->offset_at == 0) {
        (void)NATIVE(SYS_STREAM_SEEK, side->entry.handle, side->offset + moved, SEEK_SET);
    }
}

/* What Linux refuses of two files, in its order; *size becomes what there is. */
static int64_t check_files(const struct side *_Nonnull in, const struct side *_Nonnull out,
                           uint64_t *_Nonnull size) {
    struct stream_stat from = {};
    struct stream_stat to = {};
    uint64_t end = 0;
    if (in->entry.kind == STREAM_KIND_DIRECTORY || out->entry.kind == STREAM_KIND_DIRECTORY) {
        return -EISDIR;
    }
    if (in->entry.kind != STREAM_KIND_REGULAR || out->entry.kind != STREAM_KIND_REGULAR) {
        return -EINVAL;
    }
    if ((in->entry.facts & STREAM_FACTS_FLAGS_READABLE) == 0 ||
        (out->entry.facts & STREAM_FACTS_FLAGS_WRITABLE) == 0 || appends(out)) {
        return -EBADF;
    }
    if ((int64_t)in->offset < 0 || (int64_t)out->offset < 0) {
        return -EINVAL;
    }
    if (ckd_add(&end, in->offset, *size) || ckd_add(&end, out->offset, *size) || end > INT64_MAX) {
        return -EOVERFLOW;
    }
    int64_t error = error_of_stream(stream_stat(in->entry.handle, &from));
    error = error != 0 ? error : error_of_stream(stream_stat(out->entry.handle, &to));
    if (error != 0) {
        return error;
    }
    *size = in->offset < from.size ? MIN(*size, from.size - in->offset) : 0;
    bool same = from.inode == to.inode && from.device == to.device;
    bool overlap = in->offset < out->offset + *size && out->offset < in->offset + *size;
    return same && overlap ? -EINVAL : 0;
}

LINUX(copy_file_range) {
    struct side in = {};
    struct side out = {};
    int64_t error = fd_get_open(self, frame->rdi, &in.entry);
    error = error != 0 ? error : fd_get_open(self, frame->rdx, &out.entry);
    error = error != 0 ? error : fix_offset(&in, frame->rsi);
    error = error != 0 ? error : fix_offset(&out, frame->r10);
    if (error == 0 && (uint32_t)frame->r9 != 0) {
        error = -EINVAL;
    }
    uint64_t size = MIN(frame->r8, TRANSFER_MAX);
    error = error != 0 ? error : check_files(&in, &out, &size);
    if (error != 0) {
        return error;
    }
    int64_t moved = move(self, &in, &out, size, false);
    if (moved > 0) {
        move_on(&in, (uint64_t)moved);
        move_on(&out, (uint64_t)moved);
        error = tell_offset(&in, (uint64_t)moved);
        error = error != 0 ? error : tell_offset(&out, (uint64_t)moved);
    }
    return error != 0 ? error : moved;
}
