/* open(2) and its like. */
#include "posix/file_open.h"
#include "idl/local.h"
#include "idl/tty.h"
#include "idl/vfs.h"
#include "posix/descriptors.h"
#include "posix/errors.h"
#include "posix/native.h"
#include "posix/syscalls.h"

int64_t open_flags_of(uint64_t flags, uint32_t *_Nonnull out_how, uint32_t *_Nonnull out_walk) {
    static const uint32_t by_access[4] = {FILESYSTEM_OPEN_FLAGS_READ, FILESYSTEM_OPEN_FLAGS_WRITE,
                                          FILESYSTEM_OPEN_FLAGS_READ | FILESYSTEM_OPEN_FLAGS_WRITE,
                                          FILESYSTEM_OPEN_FLAGS_READ | FILESYSTEM_OPEN_FLAGS_WRITE};
    uint32_t how = by_access[flags & O_ACCMODE];
    uint32_t walk = (flags & O_NOFOLLOW) != 0 ? FILESYSTEM_WALK_FLAGS_NO_FOLLOW : 0;
    walk |= (flags & O_DIRECTORY) != 0 ? FILESYSTEM_WALK_FLAGS_DIRECTORY : 0;
    if ((flags & O_PATH) != 0) {
        *out_how = FILESYSTEM_OPEN_FLAGS_PATH;
        *out_walk = walk;
        return 0;
    }
    bool unnamed = (flags & O_TMPFILE_BIT) != 0;
    if (unnamed && ((flags & O_DIRECTORY) == 0 || (flags & O_ACCMODE) == O_RDONLY)) {
        return -EINVAL;
    }
    if ((flags & O_CREAT) != 0 && (flags & O_DIRECTORY) != 0 && !unnamed) {
        return -EINVAL;
    }
    how |= (flags & O_CREAT) != 0 ? FILESYSTEM_OPEN_FLAGS_CREATE : 0;
    how |= (flags & O_EXCL) != 0 ? FILESYSTEM_OPEN_FLAGS_EXCLUSIVE : 0;
    how |= (flags & O_TRUNC) != 0 ? FILESYSTEM_OPEN_FLAGS_TRUNCATE : 0;
    how |= (flags & O_APPEND) != 0 ? FILESYSTEM_OPEN_FLAGS_APPEND : 0;
    how |= (flags & O_NOATIME) != 0 ? FILESYSTEM_OPEN_FLAGS_NO_ACCESS_TIME : 0;
    how |= (flags & O_DSYNC) != 0 ? FILESYSTEM_OPEN_FLAGS_DATA_SYNC : 0;
    how |= (flags & O_SYNC) == O_SYNC ? FILESYSTEM_OPEN_FLAGS_SYNC : 0;
    how |= unnamed ? FILESYSTEM_OPEN_FLAGS_UNNAMED : 0;
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
        walk |= FILESYSTEM_WALK_FLAGS_NO_FOLLOW;
    }
    *out_how = how;
    *out_walk = walk;
    return 0;
}

int64_t file_open(struct posix_thread *_Nonnull self, struct place *_Nonnull place, uint32_t how,
                  uint32_t walk_flags, uint32_t mode, handle_t *_Nonnull out_file,
                  uint32_t *_Nonnull out_facts, struct stream_stat *_Nonnull out_info) {
    int64_t error = 0;
    *out_file = HANDLE_NONE;
    for (;;) {
        struct filesystem_walk ended = {};
        uint64_t text = 0;
        status_t status =
            filesystem_open(place->directory, walk_flags, place->links, how, mode, place->rest,
                            out_file, out_facts, &ended, out_info, path_room(self), &text);
        if (status == STATUS_BAD_METHOD && place->owned && place->rest.size == 0) {
            /* An object that is no file (/proc/self/fd/N of a pipe): another session of it. */
            *out_file = place->directory;
            place->owned = false;
            return error_of_stream(stream_stat(*out_file, out_info));
        }
        if (status != STATUS_OK) {
            error = error_of_filesystem(status);
            break;
        }
        if (path_step(self, place, &ended, text, walk_flags, &error)) {
            break;
        }
        handle_close(*out_file);
        *out_file = HANDLE_NONE;
    }
    path_end(place);
    if (error == 0 && *out_file == HANDLE_NONE) {
        error = -EIO;
    }
    return error;
}

struct fd_entry file_entry(handle_t session, uint32_t facts,
                           const struct stream_stat *_Nonnull info, uint64_t flags) {
    struct fd_entry entry = {
        .handle = session,
        .close_on_exec = (flags & O_CLOEXEC) != 0 ? 1 : 0,
        .kind = (uint8_t)((info->mode >> 12) & 15),
        .flags = (uint32_t)(flags & (O_ACCMODE | O_PATH | O_DIRECTORY | O_NOFOLLOW | O_DIRECT |
                                     O_NOATIME | O_SYNC | O_TMPFILE_BIT)) |
                 ((flags & O_PATH) == 0 ? O_LARGEFILE : 0),
    };
    uint32_t access = (uint32_t)(flags & O_ACCMODE);
    entry.facts = (access != O_WRONLY ? STREAM_FACTS_FLAGS_READABLE : 0) |
                  (access != O_RDONLY ? STREAM_FACTS_FLAGS_WRITABLE : 0);
    if (entry.kind == STREAM_KIND_REGULAR) {
        /* Files of /proc are regular and have no Memory. */
        entry.facts |= STREAM_FACTS_FLAGS_SEEKABLE;
        entry.facts |= (uint8_t)(facts & STREAM_FACTS_FLAGS_CACHED);
        entry.speaks = STREAM_PROTOCOLS_FILESYSTEM;
        return entry;
    }
    if (entry.kind == STREAM_KIND_DIRECTORY) {
        entry.facts |= STREAM_FACTS_FLAGS_SEEKABLE;
        entry.speaks = STREAM_PROTOCOLS_FILESYSTEM;
        return entry;
    }
    enum stream_kind kind = STREAM_KIND_ANONYMOUS;
    uint32_t speaks = 0;
    if ((flags & O_PATH) == 0 && stream_facts(session, &kind, &speaks, &facts) == STATUS_OK) {
        entry.speaks = (uint8_t)speaks;
        entry.facts |= (uint8_t)(facts & (STREAM_FACTS_FLAGS_SEEKABLE | STREAM_FACTS_FLAGS_CACHED |
                                          STREAM_FACTS_FLAGS_WAITS | STREAM_FACTS_FLAGS_REWOUND));
    }
    return entry;
}

/* A fifo's inode in a file system: what stands behind it is `local`'s. */
static int64_t open_fifo(struct posix_thread *_Nonnull self, handle_t *_Nonnull file,
                         uint64_t flags) {
    handle_t offer = HANDLE_NONE;
    handle_t node = HANDLE_NONE;
    handle_t end = HANDLE_NONE;
    status_t status = filesystem_node(*file, HANDLE_NONE, &node);
    if (status == STATUS_NOT_FOUND) {
        status = local_fifo(self->process->local, &offer);
        if (status == STATUS_OK) {
            status = filesystem_node(*file, offer, &node);
        }
    }
    if (status != STATUS_OK) {
        return error_of_filesystem(status);
    }
    uint32_t access = (uint32_t)(flags & O_ACCMODE);
    status = local_open_fifo(node, access != O_WRONLY, access != O_RDONLY,
                             (flags & O_NONBLOCK) != 0, &end);
    handle_close(node);
    if (status != STATUS_OK) {
        return status == LOCAL_STATUS_REFUSED ? -ENXIO : error_of_local(status);
    }
    handle_close(*file);
    *file = end;
    return 0;
}

/* Linux's numbers of terminals. */
enum {
    DEVICE_SERIAL = 4 << 8 | 64,
    DEVICE_TTY = 5 << 8,
    DEVICE_CONSOLE = 5 << 8 | 1,
    DEVICE_MASTER = 5 << 8 | 2,
    DEVICE_PTS = 136 << 8
};

static bool is_terminal(const struct stream_stat *_Nonnull info) {
    uint64_t node = info->node;
    return (info->mode & S_IFMT) == S_IFCHR &&
           (node == DEVICE_SERIAL || (node >= DEVICE_TTY && node <= DEVICE_MASTER) ||
            (node & ~0xffull) == DEVICE_PTS);
}

/* A terminal's inode: what stands behind it is `tty`'s, which must see who opens it. */
static int64_t open_terminal(struct posix_thread *_Nonnull self, handle_t *_Nonnull file,
                             uint64_t node, uint64_t flags) {
    handle_t tty = self->process->tty;
    handle_t terminal = HANDLE_NONE;
    uint32_t number = 0;
    bool keeps = (flags & O_NOCTTY) != 0;
    status_t status = node == DEVICE_TTY       ? tty_open_own(tty, &terminal)
                      : node == DEVICE_CONSOLE ? tty_open(tty, 0, keeps, &terminal)
                      : node == DEVICE_MASTER  ? tty_open_master(tty, &terminal, &number)
                      : node == DEVICE_SERIAL
                          ? tty_open(tty, 1, keeps, &terminal)
                          : tty_open_peer(tty, (uint32_t)(node - DEVICE_PTS), keeps, &terminal);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND      ? -ENXIO
               : status == STATUS_NOT_ALLOWED  ? -EACCES
               : status == STATUS_OUT_OF_QUOTA ? -ENOSPC
                                               : error_of_tty(status);
    }
    handle_close(*file);
    *file = terminal;
    return 0;
}

/* A device's inode outside of /dev: vfs knows who serves the number. A session of the device
 * itself says so by its facts. */
static int64_t open_device(struct posix_thread *_Nonnull self, handle_t *_Nonnull file,
                           const struct stream_stat *_Nonnull info) {
    enum stream_kind kind = STREAM_KIND_ANONYMOUS;
    uint32_t speaks = 0;
    uint32_t facts = 0;
    handle_t device = HANDLE_NONE;
    status_t status = stream_facts(*file, &kind, &speaks, &facts);
    if (status == STATUS_OK && kind != STREAM_KIND_ANONYMOUS &&
        (speaks != STREAM_PROTOCOLS_FILESYSTEM || (facts & STREAM_FACTS_FLAGS_REWOUND) != 0)) {
        return 0;
    }
    status = vfs_device(self->process->vfs, info->node, (info->mode & S_IFMT) == S_IFBLK, &device);
    if (status != STATUS_OK) {
        return status == STATUS_NOT_FOUND ? -ENXIO : error_of_filesystem(status);
    }
    handle_close(*file);
    *file = device;
    return 0;
}

static int64_t open_special(struct posix_thread *_Nonnull self, handle_t *_Nonnull file,
                            const struct stream_stat *_Nonnull info, uint64_t flags) {
    if ((flags & O_PATH) != 0) {
        return 0;
    }
    enum stream_kind kind = STREAM_KIND_ANONYMOUS;
    uint32_t speaks = 0;
    uint32_t facts = 0;
    switch (info->mode & S_IFMT) {
    case S_IFIFO:
        if (stream_facts(*file, &kind, &speaks, &facts) == STATUS_OK &&
            (speaks & STREAM_PROTOCOLS_LOCAL) != 0) {
            return 0; /* a pipe's end itself, by a link to it (/proc/self/fd/N) */
        }
        return open_fifo(self, file, flags);
    case S_IFCHR:
    case S_IFBLK:
        return is_terminal(info) ? open_terminal(self, file, info->node, flags)
                                 : open_device(self, file, info);
    case S_IFSOCK:
        return -ENXIO;
    case S_IFLNK:
        return -ELOOP;
    default:
        return 0;
    }
}

static int64_t open_at(struct posix_thread *_Nonnull self, int32_t directory, uint64_t path,
                       uint64_t flags, uint64_t mode) {
    struct place place = {};
    struct stream_stat info = {};
    handle_t file = HANDLE_NONE;
    uint32_t how = 0;
    uint32_t walk = 0;
    uint32_t facts = 0;
    int64_t error = open_flags_of(flags, &how, &walk);
    error = error != 0 ? error : path_begin(self, directory, path, self->path, false, &place);
    if (error != 0) {
        return error;
    }
    uint32_t permissions = (uint32_t)mode & 07777 & ~self->process->umask;
    error = file_open(self, &place, how, walk, permissions, &file, &facts, &info);
    if (error == 0) {
        error = open_special(self, &file, &info, flags);
    }
    if (error == 0 && (flags & (O_NONBLOCK | O_APPEND)) != 0 && (flags & O_PATH) == 0) {
        (void)NATIVE(SYS_OBJECT_SET, file, SET_SESSION_FLAGS, 0, flags & (O_NONBLOCK | O_APPEND));
    }
    if (error != 0) {
        handle_close(file);
        return error;
    }
    return fd_give(self, file_entry(file, facts, &info, flags));
}

LINUX(open) {
    return open_at(self, AT_FDCWD, frame->rdi, frame->rsi, frame->rdx);
}

LINUX(openat) {
    return open_at(self, (int32_t)frame->rdi, frame->rsi, frame->rdx, frame->r10);
}

LINUX(creat) {
    return open_at(self, AT_FDCWD, frame->rdi, O_CREAT | O_WRONLY | O_TRUNC, frame->rsi);
}
