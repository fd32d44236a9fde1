/* mount.fuse.latticefs: a dataset under FUSE, by the low-level interface. Invariants:
 * 1. Every call of the core is made with mount->lock held.
 * 2. An object without names is deleted when the kernel's last lookup of it is forgotten; `lookups`
 * counts these.
 * 3. A file's granules are pushed before its attributes are set and before a rename or link of it.
 */
#define FUSE_USE_VERSION 314
#include "fs/latticefs/core/granule.h"
#include "fs/latticefs/core/log.h"
#include "fs/latticefs/core/snapshot.h"
#include "fs/latticefs/core/xattr.h"
#include "fs/latticefs/tools/host.h"
#include <errno.h>
#include <fuse_lowlevel.h>
#include <pthread.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

enum { LOOKUP_BUCKETS = 4096, COMMIT_SECONDS = 5 };
static const double CACHE_SECONDS = 3600;

struct lookup {
    struct lookup *_Nullable next;
    uint64_t object;
    uint64_t count;
};

struct mount {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool ending;
    struct lattice *fs;
    struct dataset *dataset;
    struct granule_cache *cache;
    struct lookup *_Nullable lookups[LOOKUP_BUCKETS];
};

static int status_errno(lattice_status_t status) {
    switch (status) {
    case LATTICE_OK:
        return 0;
    case LATTICE_NOT_FOUND:
        return ENOENT;
    case LATTICE_EXISTS:
        return EEXIST;
    case LATTICE_INVALID:
        return EINVAL;
    case LATTICE_NOT_DIRECTORY:
        return ENOTDIR;
    case LATTICE_IS_DIRECTORY:
        return EISDIR;
    case LATTICE_NOT_EMPTY:
        return ENOTEMPTY;
    case LATTICE_NAME_TOO_LONG:
        return ENAMETOOLONG;
    case LATTICE_TOO_LARGE:
        return EFBIG;
    case LATTICE_TOO_MANY:
        return EMLINK;
    case LATTICE_NO_SPACE:
        return ENOSPC;
    case LATTICE_QUOTA:
        return EDQUOT;
    case LATTICE_NO_MEMORY:
        return ENOMEM;
    case LATTICE_READ_ONLY:
        return EROFS;
    case LATTICE_BUSY:
        return EBUSY;
    case LATTICE_UNSUPPORTED:
        return EOPNOTSUPP;
    case LATTICE_KEY_NEEDED:
        return ENOKEY;
    case LATTICE_IO:
    case LATTICE_CORRUPT:
    case LATTICE_ABORTED:
    case LATTICE_MISMATCH:
        return EIO;
    }
    return EIO;
}

static struct mount *enter(fuse_req_t request) {
    struct mount *mount = fuse_req_userdata(request);
    pthread_mutex_lock(&mount->lock);
    return mount;
}

static void leave(struct mount *mount) {
    pthread_mutex_unlock(&mount->lock);
}

static void leave_with(struct mount *mount, fuse_req_t request, lattice_status_t status) {
    leave(mount);
    fuse_reply_err(request, status_errno(status));
}

/* ---- lookups ---- */

static struct lookup *_Nullable *_Nonnull lookup_link(struct mount *mount, uint64_t object) {
    struct lookup *_Nullable *link = &mount->lookups[object % LOOKUP_BUCKETS];
    while (*link != nullptr && SOME(*link)->object != object) {
        link = &SOME(*link)->next;
    }
    return link;
}

static void lookup_add(struct mount *mount, uint64_t object) {
    struct lookup *_Nullable *link = lookup_link(mount, object);
    if (*link == nullptr) {
        *link = calloc(1, sizeof(struct lookup));
        SOME(*link)->object = object;
    }
    SOME(*link)->count++;
}

static void object_unused(struct mount *mount, uint64_t object) {
    struct inode inode = {};
    if (inode_get(mount->fs, mount->dataset, object, &inode) == LATTICE_OK && inode.links == 0) {
        granules_forget(mount->cache, mount->dataset, object);
        /* If it fails the orphan stays, and the next mount deletes it. */
        (void)!object_delete(mount->fs, mount->dataset, object);
    }
}

static void lookup_drop(struct mount *mount, uint64_t object, uint64_t count) {
    struct lookup *_Nullable *link = lookup_link(mount, object);
    if (*link == nullptr) {
        return;
    }
    struct lookup *lookup = SOME(*link);
    lookup->count -= MIN(lookup->count, count);
    if (lookup->count == 0) {
        *link = lookup->next;
        free(lookup);
        object_unused(mount, object);
    }
}

/* ---- attributes ---- */

static struct timespec time_of(int64_t time) {
    int64_t seconds = time / 1000000000 - (time % 1000000000 < 0);
    return (struct timespec){.tv_sec = seconds, .tv_nsec = time - seconds * 1000000000};
}

static int64_t time_from(struct timespec time) {
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static lattice_status_t attributes(struct mount *mount, uint64_t object, struct stat *out) {
    struct inode inode = {};
    TRY(granules_inode(mount->cache, mount->dataset, object, &inode));
    *out = (struct stat){.st_ino = object,
                         .st_mode = inode.mode,
                         .st_nlink = inode.links,
                         .st_uid = inode.user,
                         .st_gid = inode.group,
                         .st_rdev = inode.device,
                         .st_size = (off_t)inode.size,
                         .st_blksize = 65536,
                         .st_blocks = (blkcnt_t)(inode.blocks * 8),
                         .st_atim = time_of(inode.read_time),
                         .st_mtim = time_of(inode.write_time),
                         .st_ctim = time_of(inode.change_time)};
    return LATTICE_OK;
}

static lattice_status_t entry_of(struct mount *mount, uint64_t object,
                                 struct fuse_entry_param *out) {
    *out = (struct fuse_entry_param){.ino = object,
                                     .generation = 1,
                                     .attr_timeout = CACHE_SECONDS,
                                     .entry_timeout = CACHE_SECONDS};
    TRY(attributes(mount, object, &out->attr));
    lookup_add(mount, object);
    return LATTICE_OK;
}

static void reply_entry(struct mount *mount, fuse_req_t request, lattice_status_t status,
                        uint64_t object) {
    struct fuse_entry_param entry = {};
    if (status == LATTICE_OK) {
        status = entry_of(mount, object, &entry);
    }
    leave(mount);
    if (status == LATTICE_OK) {
        fuse_reply_entry(request, &entry);
    } else {
        fuse_reply_err(request, status_errno(status));
    }
}

static void do_lookup(fuse_req_t request, fuse_ino_t parent, const char *name) {
    struct mount *mount = enter(request);
    uint64_t object = 0;
    lattice_status_t status =
        name_lookup(mount->fs, mount->dataset, parent, view_text(name), &object);
    reply_entry(mount, request, status, object);
}

static void do_forget(fuse_req_t request, fuse_ino_t object, uint64_t count) {
    struct mount *mount = enter(request);
    lookup_drop(mount, object, count);
    leave(mount);
    fuse_reply_none(request);
}

static void do_getattr(fuse_req_t request, fuse_ino_t object,
                       struct fuse_file_info *_Nullable file) {
    struct mount *mount = enter(request);
    struct stat facts = {};
    (void)file;
    lattice_status_t status = attributes(mount, object, &facts);
    leave(mount);
    if (status == LATTICE_OK) {
        fuse_reply_attr(request, &facts, CACHE_SECONDS);
    } else {
        fuse_reply_err(request, status_errno(status));
    }
}

static lattice_status_t set_attributes(struct mount *mount, uint64_t object,
                                       const struct stat *wanted, int what) {
    struct inode inode = {};
    if ((what & FUSE_SET_ATTR_SIZE) != 0) {
        TRY(granules_resize(mount->cache, mount->dataset, object, (uint64_t)wanted->st_size));
    }
    TRY(granules_push(mount->cache, mount->dataset, object));
    TRY(inode_get(mount->fs, mount->dataset, object, &inode));
    int64_t time = host_environment()->now_ns(host_environment()->context);
    if ((what & FUSE_SET_ATTR_MODE) != 0) {
        inode.mode = wanted->st_mode;
    }
    if ((what & FUSE_SET_ATTR_UID) != 0) {
        inode.user = wanted->st_uid;
    }
    if ((what & FUSE_SET_ATTR_GID) != 0) {
        inode.group = wanted->st_gid;
    }
    if ((what & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW)) != 0) {
        inode.read_time = (what & FUSE_SET_ATTR_ATIME_NOW) != 0 ? time : time_from(wanted->st_atim);
    }
    if ((what & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW)) != 0) {
        inode.write_time =
            (what & FUSE_SET_ATTR_MTIME_NOW) != 0 ? time : time_from(wanted->st_mtim);
    }
    inode.change_time = (what & FUSE_SET_ATTR_CTIME) != 0 ? time_from(wanted->st_ctim) : time;
    return inode_update(mount->fs, mount->dataset, object, &inode);
}

static void do_setattr(fuse_req_t request, fuse_ino_t object, struct stat *wanted, int what,
                       struct fuse_file_info *_Nullable file) {
    struct mount *mount = enter(request);
    struct stat facts = {};
    (void)file;
    lattice_status_t status = set_attributes(mount, object, wanted, what);
    if (status == LATTICE_OK) {
        status = attributes(mount, object, &facts);
    }
    leave(mount);
    if (status == LATTICE_OK) {
        fuse_reply_attr(request, &facts, CACHE_SECONDS);
    } else {
        fuse_reply_err(request, status_errno(status));
    }
}

/* ---- names ---- */

static lattice_status_t create(struct mount *mount, fuse_req_t request, uint64_t parent,
                               const char *name, mode_t mode, dev_t device, struct view target,
                               uint64_t *out_object) {
    const struct fuse_ctx *context = fuse_req_ctx(request);
    struct inode directory = {};
    TRY(inode_get(mount->fs, mount->dataset, parent, &directory));
    struct create_attributes attributes = {
        .mode = mode, .user = context->uid, .group = context->gid, .device = device};
    if ((directory.mode & S_ISGID) != 0) { /* new entries belong to the directory's group */
        attributes.group = directory.group;
        attributes.mode |= S_ISDIR(mode) ? S_ISGID : 0;
    }
    return name_create(mount->fs, mount->dataset, parent, view_text(name), &attributes, target,
                       out_object);
}

static void do_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                     dev_t device) {
    struct mount *mount = enter(request);
    uint64_t object = 0;
    lattice_status_t status =
        create(mount, request, parent, name, mode, device, (struct view){}, &object);
    reply_entry(mount, request, status, object);
}

static void do_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode) {
    do_mknod(request, parent, name, S_IFDIR | (mode & 07777), 0);
}

static void do_symlink(fuse_req_t request, const char *target, fuse_ino_t parent,
                       const char *name) {
    struct mount *mount = enter(request);
    uint64_t object = 0;
    lattice_status_t status =
        create(mount, request, parent, name, S_IFLNK | 0777, 0, view_text(target), &object);
    reply_entry(mount, request, status, object);
}

static void do_readlink(fuse_req_t request, fuse_ino_t object) {
    struct mount *mount = enter(request);
    struct view target = {};
    char *text = SOME((char *)calloc(1, SYMLINK_MAX + 1));
    lattice_status_t status = symlink_read(mount->fs, mount->dataset, object, &target);
    if (status == LATTICE_OK) {
        bytes_copy(bytes_of(text, SYMLINK_MAX), target);
    }
    leave(mount);
    if (status == LATTICE_OK) {
        fuse_reply_readlink(request, text);
    } else {
        fuse_reply_err(request, status_errno(status));
    }
    free(text);
}

static void do_link(fuse_req_t request, fuse_ino_t object, fuse_ino_t parent, const char *name) {
    struct mount *mount = enter(request);
    lattice_status_t status = granules_push(mount->cache, mount->dataset, object);
    if (status == LATTICE_OK) {
        status = name_link(mount->fs, mount->dataset, object, parent, view_text(name));
    }
    reply_entry(mount, request, status, object);
}

static void orphaned(struct mount *mount, uint64_t object) {
    if (object != 0 && *lookup_link(mount, object) == nullptr) {
        object_unused(mount, object);
    }
}

static void do_remove(fuse_req_t request, fuse_ino_t parent, const char *name, bool directory) {
    struct mount *mount = enter(request);
    uint64_t orphan = 0;
    lattice_status_t status =
        name_remove(mount->fs, mount->dataset, parent, view_text(name), directory, &orphan);
    orphaned(mount, orphan);
    leave_with(mount, request, status);
}

static void do_unlink(fuse_req_t request, fuse_ino_t parent, const char *name) {
    do_remove(request, parent, name, false);
}

static void do_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name) {
    do_remove(request, parent, name, true);
}

static void do_rename(fuse_req_t request, fuse_ino_t from_parent, const char *from,
                      fuse_ino_t to_parent, const char *to, unsigned flags) {
    struct mount *mount = enter(request);
    uint64_t object = 0;
    uint64_t orphan = 0;
    lattice_status_t status =
        name_lookup(mount->fs, mount->dataset, from_parent, view_text(from), &object);
    if (status == LATTICE_OK) {
        status = granules_push(mount->cache, mount->dataset, object);
    }
    if (status == LATTICE_OK) {
        status = name_rename(mount->fs, mount->dataset, from_parent, view_text(from), to_parent,
                             view_text(to), flags, &orphan);
    }
    orphaned(mount, orphan);
    leave_with(mount, request, status);
}

/* ---- files ---- */

static void do_open(fuse_req_t request, fuse_ino_t object, struct fuse_file_info *file) {
    (void)object;
    file->keep_cache = 1;
    fuse_reply_open(request, file);
}

static void do_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
                      struct fuse_file_info *file) {
    struct mount *mount = enter(request);
    struct fuse_entry_param entry = {};
    uint64_t object = 0;
    lattice_status_t status =
        create(mount, request, parent, name, S_IFREG | (mode & 07777), 0, (struct view){}, &object);
    if (status == LATTICE_OK) {
        status = entry_of(mount, object, &entry);
    }
    leave(mount);
    file->keep_cache = 1;
    if (status == LATTICE_OK) {
        fuse_reply_create(request, &entry, file);
    } else {
        fuse_reply_err(request, status_errno(status));
    }
}

static void do_read(fuse_req_t request, fuse_ino_t object, size_t size, off_t offset,
                    struct fuse_file_info *file) {
    struct mount *mount = enter(request);
    char *buffer = SOME((char *)malloc(MAX(size, (size_t)1)));
    size_t got = 0;
    (void)file;
    lattice_status_t status = granules_read(mount->cache, mount->dataset, object, (uint64_t)offset,
                                            bytes_of(buffer, size), &got);
    leave(mount);
    if (status == LATTICE_OK) {
        fuse_reply_buf(request, buffer, got);
    } else {
        fuse_reply_err(request, status_errno(status));
    }
    free(buffer);
}

static void do_write(fuse_req_t request, fuse_ino_t object, const char *buffer, size_t size,
                     off_t offset, struct fuse_file_info *file) {
    struct mount *mount = enter(request);
    size_t written = 0;
    (void)file;
    lattice_status_t status = granules_write(mount->cache, mount->dataset, object, (uint64_t)offset,
                                             view_of(buffer, size), &written);
    leave(mount);
    if (written != 0 || status == LATTICE_OK) {
        fuse_reply_write(request, written);
    } else {
        fuse_reply_err(request, status_errno(status));
    }
}

static void do_fsync(fuse_req_t request, fuse_ino_t object, int data_only,
                     struct fuse_file_info *_Nullable file) {
    struct mount *mount = enter(request);
    (void)data_only;
    (void)file;
    leave_with(mount, request, granules_sync(mount->cache, mount->dataset, object));
}

static void do_fallocate(fuse_req_t request, fuse_ino_t object, int mode, off_t offset,
                         off_t length, struct fuse_file_info *file) {
    enum { KEEP_SIZE = 1, PUNCH_HOLE = 2 };
    struct mount *mount = enter(request);
    (void)file;
    lattice_status_t status = LATTICE_UNSUPPORTED;
    if (mode == (KEEP_SIZE | PUNCH_HOLE)) {
        status = granules_punch(mount->cache, mount->dataset, object, (uint64_t)offset,
                                (uint64_t)length);
    }
    leave_with(mount, request, status);
}

static void do_lseek(fuse_req_t request, fuse_ino_t object, off_t offset, int whence,
                     struct fuse_file_info *file) {
    struct mount *mount = enter(request);
    uint64_t found = 0;
    (void)file;
    lattice_status_t status = granules_push(mount->cache, mount->dataset, object);
    if (status == LATTICE_OK) {
        status = file_seek(mount->fs, mount->dataset, object, (uint64_t)offset, whence == SEEK_DATA,
                           &found);
    }
    leave(mount);
    if (status == LATTICE_OK) {
        fuse_reply_lseek(request, (off_t)found);
    } else {
        fuse_reply_err(request, status == LATTICE_NOT_FOUND ? ENXIO : status_errno(status));
    }
}

/* ---- directories ---- */

/* Adds one entry to a listing; false if it does not fit. */
static bool listing_add(fuse_req_t request, struct bytes listing, size_t *used, const char *name,
                        uint64_t object, uint32_t type, uint64_t cookie) {
    struct stat facts = {.st_ino = object, .st_mode = type << 12};
    struct bytes rest = bytes_sub(listing, *used, listing.size - *used);
    size_t size =
        fuse_add_direntry(request, (char *)rest.data, rest.size, name, &facts, (off_t)cookie);
    if (size > rest.size) {
        return false;
    }
    *used += size;
    return true;
}

/* Cookies 1 and 2 are "." and ".."; those of entries are 32 and above. */
static lattice_status_t list(struct mount *mount, fuse_req_t request, uint64_t directory,
                             uint64_t cookie, struct bytes listing, size_t *used) {
    struct inode inode = {};
    TRY(inode_get(mount->fs, mount->dataset, directory, &inode));
    if ((cookie < 1 && !listing_add(request, listing, used, ".", directory, MODE_DIRECTORY, 1)) ||
        (cookie < 2 &&
         !listing_add(request, listing, used, "..", inode.parent, MODE_DIRECTORY, 2))) {
        return LATTICE_OK;
    }
    for (;;) {
        struct dirent_entry entry = {};
        char name[NAME_MAX_BYTES + 1] = {};
        lattice_status_t status =
            name_next(mount->fs, mount->dataset, directory, MAX(cookie, UINT64_C(2)), &entry);
        if (status == LATTICE_NOT_FOUND) {
            return LATTICE_OK;
        }
        TRY(status);
        bytes_copy(BYTES_OF(name), entry.name);
        cookie = entry.cookie;
        if (!listing_add(request, listing, used, name, entry.object, entry.type, entry.cookie)) {
            return LATTICE_OK;
        }
    }
}

static void do_readdir(fuse_req_t request, fuse_ino_t directory, size_t size, off_t cookie,
                       struct fuse_file_info *file) {
    struct mount *mount = enter(request);
    char *buffer = SOME((char *)malloc(MAX(size, (size_t)1)));
    size_t used = 0;
    (void)file;
    lattice_status_t status =
        list(mount, request, directory, (uint64_t)cookie, bytes_of(buffer, size), &used);
    leave(mount);
    if (status == LATTICE_OK) {
        fuse_reply_buf(request, buffer, used);
    } else {
        fuse_reply_err(request, status_errno(status));
    }
    free(buffer);
}

static void do_statfs(fuse_req_t request, fuse_ino_t object) {
    struct mount *mount = enter(request);
    struct lattice *fs = mount->fs;
    uint64_t reserve = segments_reserve_blocks(fs, 32) + mount->dataset->reserved_blocks;
    uint64_t available =
        fs->segments.free_blocks > reserve ? fs->segments.free_blocks - reserve : 0;
    struct statvfs facts = {.f_bsize = BLOCK_SIZE,
                            .f_frsize = BLOCK_SIZE,
                            .f_blocks = fs->segments.total_blocks,
                            .f_bfree = fs->segments.free_blocks,
                            .f_bavail = available,
                            .f_files = mount->dataset->record.object_count + available,
                            .f_ffree = available,
                            .f_favail = available,
                            .f_namemax = NAME_MAX_BYTES};
    (void)object;
    leave(mount);
    fuse_reply_statfs(request, &facts);
}

/* ---- attributes with names ---- */

static void do_getxattr(fuse_req_t request, fuse_ino_t object, const char *name, size_t size) {
    struct mount *mount = enter(request);
    char *buffer = SOME((char *)malloc(MAX(size, (size_t)1)));
    size_t length = 0;
    lattice_status_t status = xattr_get(mount->fs, mount->dataset, object, view_text(name),
                                        bytes_of(buffer, size), &length);
    leave(mount);
    if (status != LATTICE_OK) {
        fuse_reply_err(request, status == LATTICE_NOT_FOUND ? ENODATA : status_errno(status));
    } else if (size == 0) {
        fuse_reply_xattr(request, length);
    } else if (length > size) {
        fuse_reply_err(request, ERANGE);
    } else {
        fuse_reply_buf(request, buffer, length);
    }
    free(buffer);
}

static void do_setxattr(fuse_req_t request, fuse_ino_t object, const char *name, const char *value,
                        size_t size, int flags) {
    struct mount *mount = enter(request);
    lattice_status_t status = xattr_set(mount->fs, mount->dataset, object, view_text(name),
                                        view_of(value, size), (uint32_t)flags);
    leave(mount);
    fuse_reply_err(request, status == LATTICE_NOT_FOUND ? ENODATA : status_errno(status));
}

static void do_removexattr(fuse_req_t request, fuse_ino_t object, const char *name) {
    struct mount *mount = enter(request);
    lattice_status_t status = xattr_remove(mount->fs, mount->dataset, object, view_text(name));
    leave(mount);
    fuse_reply_err(request, status == LATTICE_NOT_FOUND ? ENODATA : status_errno(status));
}

static void do_listxattr(fuse_req_t request, fuse_ino_t object, size_t size) {
    struct mount *mount = enter(request);
    struct bytes buffer = bytes_of(calloc(1, 65536), 65536);
    size_t used = 0;
    uint64_t cookie = 0;
    struct view name = {};
    while (xattr_next(mount->fs, mount->dataset, object, cookie, &cookie, &name) == LATTICE_OK &&
           used + name.size + 1 <= buffer.size) {
        bytes_copy(bytes_sub(buffer, used, name.size), name);
        used += name.size + 1;
    }
    leave(mount);
    if (size == 0) {
        fuse_reply_xattr(request, used);
    } else if (used > size) {
        fuse_reply_err(request, ERANGE);
    } else {
        fuse_reply_buf(request, (const char *)buffer.data, used);
    }
    free(buffer.data);
}

/* ---- life ---- */

static void do_init(void *userdata, struct fuse_conn_info *connection) {
    (void)userdata;
    connection->want |= connection->capable & (FUSE_CAP_WRITEBACK_CACHE | FUSE_CAP_EXPORT_SUPPORT);
}

static void *_Nullable commit_loop(void *_Nullable argument) {
    struct mount *mount = SOME((struct mount *)argument);
    pthread_mutex_lock(&mount->lock);
    while (!mount->ending) {
        struct timespec until = {};
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += COMMIT_SECONDS;
        (void)pthread_cond_timedwait(&mount->wake, &mount->lock, &until);
        bool more = true;
        if (mount->fs->cache.dirty.count != 0 || mount->cache->dirty != 0) {
            (void)!granules_commit(mount->cache);
        }
        (void)!reclaim_step(mount->fs, &more);
    }
    pthread_mutex_unlock(&mount->lock);
    return nullptr;
}

static const struct fuse_lowlevel_ops operations = {
    .init = do_init,
    .lookup = do_lookup,
    .forget = do_forget,
    .getattr = do_getattr,
    .setattr = do_setattr,
    .readlink = do_readlink,
    .mknod = do_mknod,
    .mkdir = do_mkdir,
    .unlink = do_unlink,
    .rmdir = do_rmdir,
    .symlink = do_symlink,
    .rename = do_rename,
    .link = do_link,
    .open = do_open,
    .create = do_create,
    .read = do_read,
    .write = do_write,
    .fsync = do_fsync,
    .fsyncdir = do_fsync,
    .readdir = do_readdir,
    .statfs = do_statfs,
    .setxattr = do_setxattr,
    .getxattr = do_getxattr,
    .listxattr = do_listxattr,
    .removexattr = do_removexattr,
    .fallocate = do_fallocate,
    .lseek = do_lseek,
};

struct arguments {
    char *_Nullable disks;
    char *_Nullable dataset;
};

static const struct fuse_opt option_table[] = {
    {"dataset=%s", offsetof(struct arguments, dataset), 0}, FUSE_OPT_END};

/* The first word that is no option is the pool; the second is FUSE's mount point. */
static int take_argument(void *data, const char *text, int key, struct fuse_args *rest) {
    struct arguments *arguments = data;
    (void)rest;
    if (key == FUSE_OPT_KEY_NONOPT && arguments->disks == nullptr) {
        arguments->disks = strdup(text);
        return 0;
    }
    return 1;
}

static int serve(struct mount *mount, struct fuse_args *rest,
                 const struct fuse_cmdline_opts *line) {
    pthread_t committer = {};
    struct fuse_session *_Nullable session =
        fuse_session_new(rest, &operations, sizeof operations, mount);
    if (session == nullptr) {
        return 1;
    }
    int result = 1;
    if (fuse_set_signal_handlers(SOME(session)) == 0 &&
        fuse_session_mount(SOME(session), line->mountpoint) == 0) {
        fuse_daemonize(line->foreground);
        pthread_create(&committer, nullptr, commit_loop, mount);
        result = line->singlethread != 0 ? fuse_session_loop(session)
                                         : fuse_session_loop_mt(session, nullptr);
        pthread_mutex_lock(&mount->lock);
        mount->ending = true;
        pthread_cond_signal(&mount->wake);
        pthread_mutex_unlock(&mount->lock);
        pthread_join(committer, nullptr);
        fuse_session_unmount(SOME(session));
    }
    fuse_remove_signal_handlers(SOME(session));
    fuse_session_destroy(session);
    return result;
}

int main(int argc, char **argv) {
    static struct host_devices devices;
    static struct mount mount = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                 .wake = PTHREAD_COND_INITIALIZER};
    struct fuse_args rest = FUSE_ARGS_INIT(argc, argv);
    struct arguments arguments = {};
    struct fuse_cmdline_opts line = {};
    struct dataset *_Nullable dataset = nullptr;
    struct granule_cache *_Nullable cache = nullptr;
    if (sodium_init() < 0 || fuse_opt_parse(&rest, &arguments, option_table, take_argument) != 0 ||
        fuse_parse_cmdline(&rest, &line) != 0 || arguments.disks == nullptr ||
        line.mountpoint == nullptr) {
        fprintf(stderr, "usage: mount.fuse.latticefs DISK[,DISK…] FOLDER [-f] [-o "
                        "dataset=NAME,allow_other,default_permissions]\n");
        return 2;
    }
    mount.fs = host_open_pool(&devices, SOME(arguments.disks), true);
    uint64_t id = 0;
    const char *name = arguments.dataset == nullptr ? "root" : arguments.dataset;
    lattice_status_t status = dataset_find(mount.fs, view_text(name), &id);
    status = status == LATTICE_OK ? dataset_open(mount.fs, id, &dataset) : status;
    status = status == LATTICE_OK ? granules_create(mount.fs, &cache) : status;
    if (status != LATTICE_OK) {
        fprintf(stderr, "%s: %s\n", name, host_status_text(status));
        return 1;
    }
    mount.dataset = SOME(dataset);
    mount.cache = SOME(cache);
    int result = serve(&mount, &rest, &line);
    status = granules_commit(mount.cache);
    if (status != LATTICE_OK) {
        fprintf(stderr, "%s: %s\n", arguments.disks, host_status_text(status));
        result = 1;
    }
    granules_destroy(mount.cache);
    pool_close(mount.fs);
    host_devices_close(&devices);
    return result == 0 ? 0 : 1;
}

#pragma clang assume_nonnull end
