/* stat(2), statx(2), access(2), statfs(2), getdents(2): what files are. */
#include "posix/file_stat.h"
#include "posix/descriptors.h"
#include "posix/errors.h"
#include "posix/native.h"
#include "posix/path.h"
#include "posix/syscalls.h"
#include "posix/user.h"

enum {
    NS_PER_SECOND = 1000000000,
    STATX_BASIC = 0x7ff,
    STATX_BTIME = 0x800,
    STATX_MNT_ID = 0x1000,
};

static struct linux_timespec time_of(int64_t ns) {
    struct linux_timespec time = {ns / NS_PER_SECOND, ns % NS_PER_SECOND};
    if (time.nanoseconds < 0) {
        time.seconds -= 1;
        time.nanoseconds += NS_PER_SECOND;
    }
    return time;
}

void stat_fill(struct linux_stat *_Nonnull out, const struct stream_stat *_Nonnull info) {
    *out = (struct linux_stat){
        .device = info->device,
        .inode = info->inode,
        .links = info->links,
        .mode = info->mode,
        .uid = info->uid,
        .gid = info->gid,
        .node = info->node,
        .size = (int64_t)info->size,
        .block_size = info->block_size == 0 ? 4096 : info->block_size,
        .blocks = (int64_t)info->blocks,
        .accessed = time_of(info->access_ns),
        .modified = time_of(info->modify_ns),
        .changed = time_of(info->change_ns),
    };
}

static struct linux_statx_time statx_time_of(int64_t ns) {
    struct linux_timespec time = time_of(ns);
    return (struct linux_statx_time){time.seconds, (uint32_t)time.nanoseconds, 0};
}

uint32_t device_major(uint64_t device) {
    return (uint32_t)((device >> 8 & 0xfff) | (device >> 32 & 0xfffff000));
}

uint32_t device_minor(uint64_t device) {
    return (uint32_t)((device & 0xff) | (device >> 12 & 0xffffff00));
}

void statx_fill(struct linux_statx *_Nonnull out, const struct stream_stat *_Nonnull info) {
    *out = (struct linux_statx){
        .mask = STATX_BASIC | STATX_BTIME | STATX_MNT_ID,
        .block_size = info->block_size == 0 ? 4096 : info->block_size,
        .attributes = info->attributes,
        .links = info->links,
        .uid = info->uid,
        .gid = info->gid,
        .mode = (uint16_t)(info->mode & 0xffff),
        .inode = info->inode,
        .size = info->size,
        .blocks = info->blocks,
        .accessed = statx_time_of(info->access_ns),
        .born = statx_time_of(info->birth_ns),
        .changed = statx_time_of(info->change_ns),
        .modified = statx_time_of(info->modify_ns),
        .node_major = device_major(info->node),
        .node_minor = device_minor(info->node),
        .device_major = device_major(info->device),
        .device_minor = device_minor(info->device),
        .mount = info->mount,
    };
}

/* What the path names; an empty one with AT_EMPTY_PATH is the descriptor itself. */
static int64_t stat_path(struct posix_thread *_Nonnull self, int32_t directory, uint64_t path,
                         uint64_t flags, struct stream_stat *_Nonnull out) {
    struct place place = {};
    uint32_t walk = (flags & AT_SYMLINK_NOFOLLOW) != 0 ? FILESYSTEM_WALK_FLAGS_NO_FOLLOW : 0;
    int64_t error =
        path_begin(self, directory, path, self->path, (flags & AT_EMPTY_PATH) != 0, &place);
    if (error != 0) {
        return error;
    }
    if (self->path[0] == '\0' && directory != AT_FDCWD) {
        return error_of_stream(stream_stat(place.directory, out));
    }
    for (;;) {
        struct filesystem_walk ended = {};
        uint64_t text = 0;
        status_t status = filesystem_stat(place.directory, walk, place.links, place.rest, &ended,
                                          out, path_room(self), &text);
        if (status == STATUS_BAD_METHOD && place.owned && place.rest.size == 0) {
            error = error_of_stream(stream_stat(place.directory, out));
            break;
        }
        if (status != STATUS_OK) {
            error = error_of_filesystem(status);
            break;
        }
        if (path_step(self, &place, &ended, text, walk, &error)) {
            break;
        }
    }
    path_end(&place);
    return error;
}

static int64_t give_stat(struct posix_thread *_Nonnull self, int32_t directory, uint64_t path,
                         uint64_t flags, uint64_t out) {
    struct stream_stat info = {};
    struct linux_stat result = {};
    int64_t error = stat_path(self, directory, path, flags, &info);
    if (error != 0) {
        return error;
    }
    stat_fill(&result, &info);
    return USER_WRITE(out, result);
}

LINUX(stat) {
    return give_stat(self, AT_FDCWD, frame->rdi, 0, frame->rsi);
}

LINUX(lstat) {
    return give_stat(self, AT_FDCWD, frame->rdi, AT_SYMLINK_NOFOLLOW, frame->rsi);
}

LINUX(newfstatat) {
    uint64_t allowed = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH;
    if ((frame->r10 & ~allowed & UINT32_MAX) != 0) {
        return -EINVAL;
    }
    return give_stat(self, (int32_t)frame->rdi, frame->rsi, frame->r10, frame->rdx);
}

static int64_t stat_fd(struct posix_thread *_Nonnull self, uint64_t fd,
                       struct stream_stat *_Nonnull out) {
    struct fd_entry entry = {};
    int64_t error = fd_get(self, fd, &entry);
    if (error != 0) {
        return error;
    }
    if (entry.kind == FD_EPOLL) {
        *out = (struct stream_stat){.mode = 0600, .links = 1};
        return 0;
    }
    return error_of_stream(stream_stat(entry.handle, out));
}

LINUX(fstat) {
    struct stream_stat info = {};
    struct linux_stat result = {};
    int64_t error = stat_fd(self, frame->rdi, &info);
    if (error != 0) {
        return error;
    }
    stat_fill(&result, &info);
    return USER_WRITE(frame->rsi, result);
}

LINUX(statx) {
    struct stream_stat info = {};
    struct linux_statx result = {};
    enum { STATX_SYNC = 0x6000 };
    uint64_t allowed = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | STATX_SYNC;
    if ((frame->rdx & ~allowed & UINT32_MAX) != 0 || (frame->r10 & 0x80000000) != 0 ||
        (frame->rdx & STATX_SYNC) == STATX_SYNC) {
        return -EINVAL;
    }
    int64_t error = stat_path(self, (int32_t)frame->rdi, frame->rsi, frame->rdx, &info);
    if (error != 0) {
        return error;
    }
    statx_fill(&result, &info);
    return USER_WRITE(frame->r8, result);
}

static int64_t access_at(struct posix_thread *_Nonnull self, int32_t directory, uint64_t path,
                         uint64_t mode, uint64_t flags) {
    struct place place = {};
    uint32_t walk = ((flags & AT_SYMLINK_NOFOLLOW) != 0 ? FILESYSTEM_WALK_FLAGS_NO_FOLLOW : 0) |
                    ((flags & AT_EACCESS) == 0 ? FILESYSTEM_WALK_FLAGS_REAL_IDS : 0);
    if ((mode & ~7ull & UINT32_MAX) != 0) {
        return -EINVAL;
    }
    int64_t error =
        path_begin(self, directory, path, self->path, (flags & AT_EMPTY_PATH) != 0, &place);
    if (error != 0) {
        return error;
    }
    for (;;) {
        struct filesystem_walk ended = {};
        uint64_t text = 0;
        status_t status = filesystem_access(place.directory, walk, place.links, (uint32_t)mode & 7,
                                            place.rest, &ended, path_room(self), &text);
        if (status != STATUS_OK) {
            error = error_of_filesystem(status);
            break;
        }
        if (path_step(self, &place, &ended, text, walk, &error)) {
            break;
        }
    }
    path_end(&place);
    return error;
}

LINUX(access) {
    return access_at(self, AT_FDCWD, frame->rdi, frame->rsi, 0);
}

LINUX(faccessat) {
    return access_at(self, (int32_t)frame->rdi, frame->rsi, frame->rdx, 0);
}

LINUX(faccessat2) {
    uint64_t allowed = AT_SYMLINK_NOFOLLOW | AT_EACCESS | AT_EMPTY_PATH;
    if ((frame->r10 & ~allowed & UINT32_MAX) != 0) {
        return -EINVAL;
    }
    return access_at(self, (int32_t)frame->rdi, frame->rsi, frame->rdx, frame->r10);
}

static int64_t give_space(uint64_t out, const struct filesystem_space *_Nonnull info) {
    struct linux_statfs result = {
        .type = (int64_t)info->type,
        .block_size = (int64_t)info->block_size,
        .blocks = info->blocks,
        .free = info->blocks_free,
        .available = info->blocks_available,
        .files = info->files,
        .files_free = info->files_free,
        .id = {(int32_t)(uint32_t)(info->id & UINT32_MAX), (int32_t)(uint32_t)(info->id >> 32)},
        .name_length = info->name_max,
        .fragment_size = (int64_t)info->block_size,
        .flags = info->mount_flags,
    };
    return USER_WRITE(out, result);
}

LINUX(statfs) {
    struct place place = {};
    struct filesystem_space info = {};
    int64_t error = path_begin(self, AT_FDCWD, frame->rdi, self->path, false, &place);
    while (error == 0) {
        struct filesystem_walk ended = {};
        uint64_t text = 0;
        status_t status = filesystem_space(place.directory, 0, place.links, place.rest, &ended,
                                           &info, path_room(self), &text);
        error = error_of_filesystem(status);
        if (status != STATUS_OK || path_step(self, &place, &ended, text, 0, &error)) {
            break;
        }
    }
    path_end(&place);
    return error != 0 ? error : give_space(frame->rsi, &info);
}

LINUX(fstatfs) {
    struct fd_entry entry = {};
    struct filesystem_space info = {};
    struct filesystem_walk ended = {};
    uint64_t text = 0;
    int64_t error = fd_get(self, frame->rdi, &entry);
    if (error == 0) {
        status_t status = filesystem_space(entry.handle, 0, 0, (struct rt_bytes){}, &ended, &info,
                                           path_room(self), &text);
        if (status == STATUS_BAD_METHOD) {
            enum { PIPEFS_MAGIC = 0x50495045 };
            info = (struct filesystem_space){
                .type = PIPEFS_MAGIC, .block_size = 4096, .name_max = 255};
        } else {
            error = error_of_filesystem(status);
        }
    }
    return error != 0 ? error : give_space(frame->rsi, &info);
}

/* ---- directories ---- */

struct linux_directory_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t kind;
};

/* One entry of the server's answer at `at` of the scratch area; false: none is left there. */
static bool next_entry(const struct posix_thread *_Nonnull self, size_t size, size_t *_Nonnull at,
                       struct filesystem_entry *_Nonnull out, size_t *_Nonnull out_name) {
    if (*at + sizeof *out > size) {
        return false;
    }
    rt_copy(out, &self->scratch[*at], sizeof *out);
    *out_name = *at + sizeof *out;
    if (out->name_size == 0 || out->name_size > 255 || *out_name + out->name_size > size) {
        return false;
    }
    *at = (*out_name + out->name_size + 7) & ~(size_t)7;
    return true;
}

/* Writes entries as Linux has them; the bytes used. `*cookie` is that of the last one written.
 * `old`: as getdents(2) has them, the kind in the last byte. */
static int64_t give_entries(struct posix_thread *_Nonnull self, size_t size, uint64_t to,
                            uint64_t room, bool old, uint64_t *_Nonnull cookie,
                            bool *_Nonnull full) {
    uint64_t used = 0;
    size_t at = 0;
    size_t name = 0;
    struct filesystem_entry entry = {};
    while (next_entry(self, size, &at, &entry, &name)) {
        const size_t name_offset = old ? 18 : 19;
        uint64_t length = (name_offset + entry.name_size + (old ? 2u : 1u) + 7) & ~7ull;
        if (length > room - used) {
            *full = true;
            break;
        }
        struct linux_directory_entry head = {
            .inode = entry.inode,
            .offset = (int64_t)entry.cookie,
            .length = (uint16_t)length,
            .kind = (uint8_t)(entry.kind & 15),
        };
        uint64_t text = to + used + name_offset;
        int64_t error = user_write(to + used, &head, name_offset);
        error = error != 0 ? error : user_write(text, &self->scratch[name], entry.name_size);
        error = error != 0 ? error
                           : user_zero(text + entry.name_size,
                                       (size_t)(length - name_offset - entry.name_size));
        if (error == 0 && old) {
            error = USER_WRITE(to + used + length - 1, head.kind);
        }
        if (error != 0) {
            return error;
        }
        used += length;
        *cookie = entry.cookie;
    }
    return (int64_t)used;
}

static int64_t get_entries(struct posix_thread *_Nonnull self,
                           const struct program_frame *_Nonnull frame, bool old) {
    struct fd_entry entry = {};
    int64_t error = fd_get_open(self, frame->rdi, &entry);
    uint64_t room = (uint32_t)frame->rdx;
    if (error == 0 && entry.kind != STREAM_KIND_DIRECTORY) {
        error = -ENOTDIR;
    }
    if (error != 0) {
        return error;
    }
    /* the position of a directory is the cookie of the entry before */
    struct native_result where = NATIVE(SYS_STREAM_SEEK, entry.handle, 0, 1);
    uint64_t cookie = where.status == STATUS_OK ? where.value : 0;
    uint64_t used = 0;
    bool full = false;
    while (!full) {
        uint64_t size = 0;
        struct rt_buffer buffer = {.size = sizeof self->scratch, .data = self->scratch};
        status_t status = filesystem_read_directory(entry.handle, cookie, buffer, &size);
        if (status != STATUS_OK) {
            return used > 0 ? (int64_t)used : error_of_filesystem(status);
        }
        int64_t done =
            give_entries(self, (size_t)size, frame->rsi + used, room - used, old, &cookie, &full);
        if (done < 0) {
            return done;
        }
        used += (uint64_t)done;
        if (size == 0 || done == 0) {
            break;
        }
    }
    if (used == 0 && full) {
        return -EINVAL;
    }
    (void)NATIVE(SYS_STREAM_SEEK, entry.handle, cookie, 0);
    return (int64_t)used;
}

LINUX(getdents) {
    return get_entries(self, frame, true);
}

LINUX(getdents64) {
    return get_entries(self, frame, false);
}
