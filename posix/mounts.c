/* mount(2), umount2(2): the runtime finds the places, vfs does the rest. */
#include "idl/vfs.h"
#include "lib/base/bytes.h"
#include "posix/errors.h"
#include "posix/file_open.h"
#include "posix/native.h"
#include "posix/object_name.h"
#include "posix/syscalls.h"
#include "posix/user.h"

enum { KIND_MAX = 16, SOURCE_MAX = 256 };
enum : uint64_t {
    MS_RDONLY = 1,
    MS_NOSUID = 2,
    MS_NODEV = 4,
    MS_NOEXEC = 8,
    MS_REMOUNT = 32,
    MS_NOATIME = 1024,
    MS_NODIRATIME = 2048,
    MS_BIND = 4096,
    MS_MOVE = 8192,
    MS_RELATIME = 1 << 21,
    MNT_DETACH = 2,
    UMOUNT_NOFOLLOW = 8
};

static int64_t error_of_vfs(status_t status) {
    return status == VFS_STATUS_NO_KIND ? -ENODEV : error_of_filesystem(status);
}

static uint32_t how_of(uint64_t flags) {
    static const struct {
        uint64_t flag;
        uint32_t how;
    } pairs[] = {{MS_RDONLY, FILESYSTEM_MOUNT_FLAGS_READ_ONLY},
                 {MS_NOSUID, FILESYSTEM_MOUNT_FLAGS_NO_SET_ID},
                 {MS_NODEV, FILESYSTEM_MOUNT_FLAGS_NO_DEVICES},
                 {MS_NOEXEC, FILESYSTEM_MOUNT_FLAGS_NO_EXECUTE},
                 {MS_NOATIME, FILESYSTEM_MOUNT_FLAGS_NO_ACCESS_TIME},
                 {MS_NODIRATIME, FILESYSTEM_MOUNT_FLAGS_NO_DIRECTORY_ACCESS_TIME},
                 {MS_RELATIME, FILESYSTEM_MOUNT_FLAGS_RELATIVE_ACCESS_TIME}};
    uint32_t how = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(pairs); i++) {
        how |= (flags & pairs[i].flag) != 0 ? pairs[i].how : 0;
    }
    return how;
}

/* A session at a directory, and the number of the mount that it is seen in. */
static int64_t open_place(struct posix_thread *_Nonnull self, uint64_t path, uint32_t walk,
                          handle_t *_Nonnull out, uint64_t *_Nonnull mount) {
    struct place place = {};
    struct stream_stat info = {};
    uint32_t facts = 0;
    *out = HANDLE_NONE;
    int64_t error = path_begin(self, AT_FDCWD, path, self->path, false, &place);
    error = error != 0 ? error
                       : file_open(self, &place, FILESYSTEM_OPEN_FLAGS_PATH,
                                   walk | FILESYSTEM_WALK_FLAGS_DIRECTORY, 0, out, &facts, &info);
    *mount = info.mount;
    return error;
}

/* Kind, source and the place's own path, one after the other in path2. */
static int64_t gather_texts(struct posix_thread *_Nonnull self,
                            const struct program_frame *_Nonnull frame, handle_t place,
                            size_t *_Nonnull kind, size_t *_Nonnull source, size_t *_Nonnull all) {
    struct place there = {.directory = place};
    size_t at = 0;
    bool bind = (frame->r10 & MS_BIND) != 0;
    int64_t got = 4;
    if (bind) {
        bytes_copy(self->path2, "bind", 4);
    } else {
        got = user_text(self->path2, KIND_MAX, frame->rdx);
    }
    if (got < 0) {
        return got == -ENAMETOOLONG ? -ENODEV : got;
    }
    *kind = (size_t)got;
    got = frame->rdi == 0 ? 0 : user_text(&self->path2[*kind], SOURCE_MAX, frame->rdi);
    if (got < 0) {
        return got == -ENAMETOOLONG ? -EINVAL : got;
    }
    *source = (size_t)got;
    int64_t error = object_path(self, &there, &at);
    size_t length = PATH_MAX - 1 - at;
    if (error != 0 || *kind + *source + length > sizeof self->path2) {
        return error != 0 ? error : -ENAMETOOLONG;
    }
    bytes_copy(&self->path2[*kind + *source], &self->path[at], length);
    *all = *kind + *source + length;
    return 0;
}

LINUX(mount) {
    handle_t place = HANDLE_NONE;
    handle_t source = HANDLE_NONE;
    uint64_t above = 0;
    uint64_t unused = 0;
    uint64_t mount = 0;
    size_t kind_size = 0;
    size_t source_size = 0;
    size_t size = 0;
    uint64_t flags = frame->r10;
    if ((flags & MS_MOVE) != 0) {
        return -EINVAL;
    }
    int64_t error = open_place(self, frame->rsi, 0, &place, &above);
    if (error == 0 && (flags & MS_REMOUNT) != 0) {
        error = error_of_vfs(vfs_change(self->process->vfs, above, how_of(flags)));
        handle_close(place);
        return error;
    }
    if (error == 0 && (flags & MS_BIND) != 0) {
        error = open_place(self, frame->rdi, 0, &source, &unused);
    }
    error = error != 0 ? error : gather_texts(self, frame, place, &kind_size, &source_size, &size);
    if (error == 0) {
        struct rt_bytes texts = {.size = size, .data = (const uint8_t *)&self->path2[0]};
        error =
            error_of_vfs(vfs_mount(self->process->vfs, how_of(flags), above, (uint32_t)kind_size,
                                   (uint32_t)source_size, place, source, texts, &mount));
    }
    handle_close(place);
    handle_close(source);
    return error;
}

LINUX(umount2) {
    handle_t place = HANDLE_NONE;
    uint64_t mount = 0;
    if ((frame->rsi & ~(uint64_t)(MNT_DETACH | UMOUNT_NOFOLLOW | 1)) != 0) {
        return -EINVAL;
    }
    uint32_t walk = (frame->rsi & UMOUNT_NOFOLLOW) != 0 ? FILESYSTEM_WALK_FLAGS_NO_FOLLOW : 0;
    int64_t error = open_place(self, frame->rdi, walk, &place, &mount);
    handle_close(place);
    if (error == 0) {
        status_t status = vfs_unmount(self->process->vfs, mount, (frame->rsi & MNT_DETACH) != 0);
        error = status == STATUS_NOT_FOUND ? -EINVAL : error_of_vfs(status);
    }
    return error;
}
