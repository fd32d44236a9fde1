/* Operations on open files. */
#include "mount.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

static bool for_writing(const struct fuse_file_info *file) {
    return (file->flags & O_ACCMODE) != O_RDONLY;
}

void do_open(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file) {
    struct mount *mount = enter(request);
    struct target target = {};
    lattice_status_t status = for_writing(file) ? target_for_change(mount, node, &target)
                                                : target_of(mount, node, &target);
    struct lookup *_Nullable lookup = lookup_find(mount, node);
    if (status == LATTICE_OK && lookup != nullptr && for_writing(file)) {
        SOME(lookup)->writers++;
    }
    leave(mount);
    if (status != LATTICE_OK) {
        fuse_reply_err(request, status_errno(status));
        return;
    }
    file->keep_cache = 1;
    fuse_reply_open(request, file);
}

void do_release(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file) {
    struct mount *mount = enter(request);
    struct lookup *_Nullable lookup = lookup_find(mount, node);
    if (lookup != nullptr && for_writing(file) && SOME(lookup)->writers != 0) {
        SOME(lookup)->writers--;
    }
    leave_with(mount, request, LATTICE_OK);
}

void do_read(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
             struct fuse_file_info *file) {
    char *_Nullable buffer = malloc(MAX(size, (size_t)1));
    struct mount *mount = enter(request);
    struct target target = {};
    size_t got = 0;
    (void)file;
    lattice_status_t status = buffer == nullptr ? LATTICE_NO_MEMORY : LATTICE_OK;
    status = status == LATTICE_OK ? target_of(mount, node, &target) : status;
    if (status == LATTICE_OK) {
        status = granules_read(mount->cache, target.dataset, target.object, (uint64_t)offset,
                               bytes_of(buffer, size), &got);
    }
    leave(mount);
    if (status == LATTICE_OK) {
        fuse_reply_buf(request, buffer, got);
    } else {
        fuse_reply_err(request, status_errno(status));
    }
    free(buffer);
}

void do_write(fuse_req_t request, fuse_ino_t node, const char *buffer, size_t size, off_t offset,
              struct fuse_file_info *file) {
    struct mount *mount = enter(request);
    struct target target = {};
    size_t written = 0;
    (void)file;
    lattice_status_t status = target_for_change(mount, node, &target);
    if (status == LATTICE_OK) {
        status = granules_write(mount->cache, target.dataset, target.object, (uint64_t)offset,
                                view_of(buffer, size), &written);
    }
    commit_if_due(mount);
    leave(mount);
    if (written != 0 || status == LATTICE_OK) {
        fuse_reply_write(request, written);
    } else {
        fuse_reply_err(request, status_errno(status));
    }
}

void do_fsync(fuse_req_t request, fuse_ino_t node, int data_only,
              struct fuse_file_info *_Nullable file) {
    struct mount *mount = enter(request);
    struct target target = {};
    (void)data_only;
    (void)file;
    lattice_status_t status = LATTICE_OK;
    if (mount->dataset->writable && !node_is_list(node)) {
        status = target_of(mount, node, &target);
        if (status == LATTICE_OK && target.dataset->writable) {
            status = granules_sync(mount->cache, target.dataset, target.object);
        }
    }
    leave_with(mount, request, status);
}

/* Punching a hole, and zeroing a range, which is the same to a reader. Reserving space without
 * writing is not supported. */
static lattice_status_t allocate(struct mount *mount, uint64_t node, int mode, uint64_t offset,
                                 uint64_t length) {
    enum { KEEP_SIZE = 1, PUNCH_HOLE = 2, ZERO_RANGE = 16 };
    struct target target = {};
    struct inode inode = {};
    TRY(target_for_change(mount, node, &target));
    if (mode != (KEEP_SIZE | PUNCH_HOLE) && (mode & ~KEEP_SIZE) != ZERO_RANGE) {
        return LATTICE_UNSUPPORTED;
    }
    TRY(granules_punch(mount->cache, target.dataset, target.object, offset, length));
    TRY(granules_inode(mount->cache, target.dataset, target.object, &inode));
    if (mode == ZERO_RANGE && offset + length > inode.size) {
        return granules_resize(mount->cache, target.dataset, target.object, offset + length);
    }
    return LATTICE_OK;
}

static bool in_group(fuse_req_t request, gid_t group) {
    enum { GROUPS = 256 };
    gid_t groups[GROUPS] = {};
    if (fuse_req_ctx(request)->gid == group) {
        return true;
    }
    int count = MIN(fuse_req_getgroups(request, GROUPS, groups), GROUPS);
    for (int i = 0; i < count; i++) {
        if (groups[i] == group) {
            return true;
        }
    }
    return false;
}

/* A change of content by anybody but root takes the set-user-ID bit away, and the set-group-ID bit
 * of what the group may execute, or of another's group. The kernel does this for a mount, but not
 * the last of it; it has to forget the mode that it knows. */
static lattice_status_t set_id_drop(struct mount *mount, fuse_req_t request, uint64_t node) {
    struct target target = {};
    struct inode inode = {};
    TRY(target_for_change(mount, node, &target));
    TRY(granules_inode(mount->cache, target.dataset, target.object, &inode));
    uint32_t drop = inode.mode & S_ISUID;
    if ((inode.mode & S_ISGID) != 0 &&
        ((inode.mode & S_IXGRP) != 0 || !in_group(request, inode.group))) {
        drop |= S_ISGID;
    }
    if (drop == 0 || fuse_req_ctx(request)->uid == 0) {
        return LATTICE_OK;
    }
    TRY(granules_push(mount->cache, target.dataset, target.object));
    TRY(inode_get(mount->fs, target.dataset, target.object, &inode));
    inode.mode &= ~drop;
    TRY(inode_update(mount->fs, target.dataset, target.object, &inode));
    if (mount->session != nullptr) {
        (void)fuse_lowlevel_notify_inval_inode(SOME(mount->session), node, -1, 0);
    }
    return LATTICE_OK;
}

void do_fallocate(fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t length,
                  struct fuse_file_info *file) {
    struct mount *mount = enter(request);
    (void)file;
    lattice_status_t status = allocate(mount, node, mode, (uint64_t)offset, (uint64_t)length);
    if (status == LATTICE_OK) {
        status = set_id_drop(mount, request, node);
    }
    commit_if_due(mount);
    leave_with(mount, request, status);
}

void seek_finish(struct mount *mount, fuse_req_t request, uint64_t node, uint64_t offset,
                 unsigned whence) {
    struct target target = {};
    uint64_t found = 0;
    lattice_status_t status = target_of(mount, node, &target);
    if (status == LATTICE_OK) {
        status = granules_push(mount->cache, target.dataset, target.object);
    }
    if (status == LATTICE_OK) {
        status = file_seek(mount->fs, target.dataset, target.object, offset, whence == SEEK_DATA,
                           &found);
    }
    leave(mount);
    if (status == LATTICE_OK) {
        fuse_reply_lseek(request, (off_t)found);
    } else {
        fuse_reply_err(request, status == LATTICE_NOT_FOUND ? ENXIO : status_errno(status));
    }
}

/* Pages that the kernel did not send yet are holes here, so they are asked for first. */
void do_lseek(fuse_req_t request, fuse_ino_t node, off_t offset, int whence,
              struct fuse_file_info *file) {
    struct mount *mount = enter(request);
    (void)file;
    if (!has_writers(mount, node)) {
        seek_finish(mount, request, node, (uint64_t)offset, (unsigned)whence);
        return;
    }
    bool deferred =
        mount->helper_socket >= 0 &&
        defer(mount, request, DEFERRED_SEEK, node, (uint64_t)offset, "", 0, "", (unsigned)whence);
    leave(mount);
    if (!deferred) {
        fuse_reply_err(request, EINVAL); /* callers then take all for data */
    }
}

#pragma clang assume_nonnull end
