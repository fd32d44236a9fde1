/* Operations on open files. */
#include "mount.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

static bool for_writing(const struct fuse_file_info *file) {
    return (file->flags & O_ACCMODE) != O_RDONLY;
}

/* What a read or a write needs beside the lock. */
struct buffers {
    struct work_buffer packed; /* a record as it is stored */
    struct work_buffer plain;  /* a granule of which only a part is wanted, or the end of a file */
};

void do_open(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file) {
    struct mount *mount = enter(request);
    struct target target = {};
    lattice_status_t status = for_writing(file) ? target_for_change(mount, node, &target)
                                                : target_of(mount, node, &target);
    struct lookup *_Nullable lookup = lookup_find(mount, node);
    if (status == LATTICE_OK && lookup != nullptr && for_writing(file)) {
        SOME(lookup)->writers++;
    }
    bool first = !mount->reads_ahead;
    mount->reads_ahead = true;
    leave(mount);
    if (first && mount->folder != nullptr) {
        readahead_set(SOME(mount->folder));
    }
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

/* ---- reading ---- */

/* A read in hand, and what it needs beside the lock. */
struct reading {
    struct mount *mount;
    struct target target;
    uint64_t granule_bytes;
    struct buffers *buffers;
};

/* Reads a part of one granule: by way of the cache if it is there, else beside the lock. `lock` is
 * held, and released meanwhile, when the view of a snapshot may go. */
static lattice_status_t read_part(struct reading *reading, uint64_t node, uint64_t offset,
                                  struct bytes to) {
    struct mount *mount = reading->mount;
    struct target *target = &reading->target;
    TRY(target_of(mount, node, target));
    struct record_source source = {};
    uint64_t generation = 0;
    uint64_t granule = offset / reading->granule_bytes;
    uint64_t start = offset % reading->granule_bytes;
    bool whole = to.size == reading->granule_bytes;
    lattice_status_t status = granules_locate(mount->cache, target->dataset, target->object,
                                              granule, &source, &generation);
    if (status == LATTICE_OK) {
        struct bytes content =
            bytes_sub(BYTES_OF(reading->buffers->plain), 0, reading->granule_bytes);
        pthread_mutex_unlock(&mount->lock);
        status = record_fetch(&source, BYTES_OF(reading->buffers->packed), whole ? to : content);
        pthread_mutex_lock(&mount->lock);
        if (status == LATTICE_OK && !whole) {
            bytes_copy(to, view_sub(bytes_view(content), start, to.size));
            if (target->view == VIEW_HEAD) {
                granules_keep(mount->cache, target->dataset, target->object, granule,
                              bytes_view(content), generation);
            }
        }
        if (status == LATTICE_OK) {
            return LATTICE_OK;
        }
        TRY(target_of(mount, node, target));
    }
    size_t got = 0;
    TRY(granules_read(mount->cache, target->dataset, target->object, offset, to, &got));
    bytes_zero(bytes_sub(to, got, to.size - got)); /* it was cut meanwhile */
    return LATTICE_OK;
}

static lattice_status_t read_parts(struct reading *reading, uint64_t node, uint64_t offset,
                                   struct bytes to, size_t *out_got) {
    struct mount *mount = reading->mount;
    struct inode inode = {};
    TRY(target_of(mount, node, &reading->target));
    TRY(granules_inode(mount->cache, reading->target.dataset, reading->target.object, &inode));
    if (inode_type(&inode) != MODE_FILE) {
        return inode_type(&inode) == MODE_DIRECTORY ? LATTICE_IS_DIRECTORY : LATTICE_INVALID;
    }
    reading->granule_bytes = granule_size(&inode);
    size_t size = offset < inode.size ? (size_t)MIN((uint64_t)to.size, inode.size - offset) : 0;
    for (size_t done = 0; done < size;) {
        uint64_t at = offset + done;
        uint64_t left = reading->granule_bytes - at % reading->granule_bytes;
        size_t part = (size_t)MIN((uint64_t)(size - done), left);
        TRY(read_part(reading, node, at, bytes_sub(to, done, part)));
        done += part;
    }
    *out_got = size;
    return LATTICE_OK;
}

void do_read(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
             struct fuse_file_info *file) {
    char *_Nullable buffer = malloc(MAX(size, (size_t)1));
    struct buffers *_Nullable buffers = malloc(sizeof(struct buffers));
    size_t got = 0;
    (void)file;
    lattice_status_t status =
        buffer == nullptr || buffers == nullptr ? LATTICE_NO_MEMORY : LATTICE_OK;
    if (status == LATTICE_OK) {
        struct mount *mount = enter(request);
        struct reading reading = {.mount = mount, .buffers = SOME(buffers)};
        status = read_parts(&reading, node, (uint64_t)offset, bytes_of(buffer, size), &got);
        leave(mount);
    }
    if (status == LATTICE_OK) {
        fuse_reply_buf(request, buffer, got);
    } else {
        fuse_reply_err(request, status_errno(status));
    }
    free(buffer);
    free(buffers);
}

/* ---- writing ---- */

/* A write in hand, and what it needs beside the lock. */
struct writing {
    struct mount *mount;
    uint64_t node;
    struct buffers *buffers;
};

/* Stores one granule, or the last of a file, compressed beside the lock; `lock` is held, and
 * released meanwhile. `content` is zero behind `length`. Errors: LATTICE_UNSUPPORTED: the file goes
 * on behind it. */
static lattice_status_t write_granule(struct writing *writing, uint64_t granule,
                                      struct view content, uint32_t length) {
    struct mount *mount = writing->mount;
    struct target target = {};
    TRY(target_for_change(mount, writing->node, &target));
    if (content.size < 2 * (size_t)BLOCK_SIZE) { /* nothing to compress */
        return granules_store(mount->cache, target.dataset, target.object, granule, content, length,
                              nullptr);
    }
    enum compression kind = target.dataset->record.compression;
    pthread_mutex_unlock(&mount->lock);
    struct packed packed = compress_ahead(kind, content, BYTES_OF(writing->buffers->packed));
    pthread_mutex_lock(&mount->lock);
    TRY(target_for_change(mount, writing->node, &target));
    return granules_store(mount->cache, target.dataset, target.object, granule, content, length,
                          &packed);
}

/* The last granule of a file, as far as it goes. */
static lattice_status_t write_tail(struct writing *writing, uint64_t granule, struct view from) {
    size_t size = (from.size + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE;
    struct bytes padded = bytes_sub(BYTES_OF(writing->buffers->plain), 0, size);
    bytes_copy(padded, from);
    bytes_zero(bytes_sub(padded, from.size, size - from.size));
    return write_granule(writing, granule, bytes_view(padded), (uint32_t)from.size);
}

static lattice_status_t write_part(struct writing *writing, uint64_t offset, uint32_t granule,
                                   struct view from) {
    struct mount *mount = writing->mount;
    struct target target = {};
    struct inode inode = {};
    size_t done = 0;
    if (from.size == granule) {
        return write_granule(writing, offset / granule, from, granule);
    }
    TRY(target_for_change(mount, writing->node, &target));
    TRY(granules_inode(mount->cache, target.dataset, target.object, &inode));
    if (offset % granule == 0 && offset + from.size >= inode.size) {
        lattice_status_t status = write_tail(writing, offset / granule, from);
        if (status != LATTICE_UNSUPPORTED) {
            return status;
        }
        TRY(target_for_change(mount, writing->node, &target));
    }
    return granules_write(mount->cache, target.dataset, target.object, offset, from, &done);
}

static lattice_status_t write_parts(struct writing *writing, uint64_t offset, struct view from,
                                    size_t *out_written) {
    struct target target = {};
    uint32_t granule = 0;
    TRY(target_for_change(writing->mount, writing->node, &target));
    TRY(granules_size(writing->mount->cache, target.dataset, target.object, &granule));
    while (*out_written < from.size) {
        uint64_t at = offset + *out_written;
        size_t left = granule - (size_t)(at % granule);
        size_t part = MIN(from.size - *out_written, left);
        TRY(write_part(writing, at, granule, view_sub(from, *out_written, part)));
        *out_written += part;
    }
    return LATTICE_OK;
}

void do_write(fuse_req_t request, fuse_ino_t node, const char *buffer, size_t size, off_t offset,
              struct fuse_file_info *file) {
    struct buffers *_Nullable buffers = malloc(sizeof(struct buffers));
    size_t written = 0;
    (void)file;
    lattice_status_t status = buffers == nullptr ? LATTICE_NO_MEMORY : LATTICE_OK;
    if (status == LATTICE_OK) {
        struct mount *mount = enter(request);
        struct writing writing = {.mount = mount, .node = node, .buffers = SOME(buffers)};
        status = write_parts(&writing, (uint64_t)offset, view_of(buffer, size), &written);
        commit_if_due(mount);
        leave(mount);
    }
    free(buffers);
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
            status = granules_push(mount->cache, target.dataset, target.object);
            status = status == LATTICE_OK ? make_durable(mount) : status;
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
