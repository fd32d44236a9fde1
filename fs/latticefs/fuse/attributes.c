/* Attributes of nodes and of the file system. */
#include "fs/latticefs/tools/host.h"
#include "mount.h"
#include <sys/statvfs.h>

#pragma clang assume_nonnull begin

static lattice_status_t object_attributes(struct mount *mount, const struct target *target,
                                          struct stat *out) {
    struct inode inode = {};
    TRY(granules_inode(mount->cache, target->dataset, target->object, &inode));
    *out = (struct stat){.st_ino = node_of(target->view, target->object),
                         .st_mode = inode.mode,
                         .st_nlink = inode.links,
                         .st_uid = inode.user,
                         .st_gid = inode.group,
                         .st_rdev = inode.device,
                         .st_size = (off_t)inode.size,
                         .st_blksize = 65536,
                         .st_blocks = (blkcnt_t)(inode.blocks * 8),
                         .st_atim = host_time_split(inode.read_time),
                         .st_mtim = host_time_split(inode.write_time),
                         .st_ctim = host_time_split(inode.change_time)};
    return LATTICE_OK;
}

void snapshot_folder_attributes(struct mount *mount, struct stat *out) {
    struct target root = {mount->dataset, ROOT_OBJECT, VIEW_HEAD};
    *out = (struct stat){};
    (void)!object_attributes(mount, &root, out); /* its owner */
    out->st_ino = list_node();
    out->st_mode = S_IFDIR | 0755;
    out->st_nlink = 2;
    out->st_size = 0;
    out->st_mtim = host_time_split(mount->snapshots_changed);
    out->st_ctim = out->st_mtim;
}

lattice_status_t attributes_of(struct mount *mount, uint64_t node, struct stat *out) {
    struct target target = {};
    if (node_is_list(node)) {
        snapshot_folder_attributes(mount, out);
        return LATTICE_OK;
    }
    TRY(target_of(mount, node, &target));
    return object_attributes(mount, &target, out);
}

lattice_status_t entry_of(struct mount *mount, uint64_t node, struct fuse_entry_param *out) {
    uint32_t view = (uint32_t)(node >> VIEW_SHIFT);
    *out = (struct fuse_entry_param){.ino = node,
                                     .generation = 1,
                                     .attr_timeout = CACHE_SECONDS,
                                     .entry_timeout = CACHE_SECONDS};
    if (view != VIEW_HEAD && view < VIEWS_MAX) { /* the number of a view is used again */
        out->generation = mount->views[view].id;
    }
    TRY(attributes_of(mount, node, &out->attr));
    lookup_add(mount, node);
    return LATTICE_OK;
}

void leave_with_entry(struct mount *mount, fuse_req_t request, lattice_status_t status,
                      uint64_t node) {
    struct fuse_entry_param entry = {};
    if (status == LATTICE_OK) {
        status = entry_of(mount, node, &entry);
    }
    leave(mount);
    if (status == LATTICE_OK) {
        fuse_reply_entry(request, &entry);
    } else {
        fuse_reply_err(request, status_errno(status));
    }
}

static void leave_with_attributes(struct mount *mount, fuse_req_t request, lattice_status_t status,
                                  uint64_t node) {
    struct stat facts = {};
    if (status == LATTICE_OK) {
        status = attributes_of(mount, node, &facts);
    }
    leave(mount);
    if (status == LATTICE_OK) {
        fuse_reply_attr(request, &facts, CACHE_SECONDS);
    } else {
        fuse_reply_err(request, status_errno(status));
    }
}

void do_getattr(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *_Nullable file) {
    struct mount *mount = enter(request);
    (void)file;
    leave_with_attributes(mount, request, LATTICE_OK, node);
}

static void merge(struct inode *inode, const struct stat *wanted, int what) {
    int64_t time = host_environment()->now_ns(host_environment()->context);
    if ((what & FUSE_SET_ATTR_MODE) != 0) {
        inode->mode = wanted->st_mode;
    }
    if ((what & FUSE_SET_ATTR_UID) != 0) {
        inode->user = wanted->st_uid;
    }
    if ((what & FUSE_SET_ATTR_GID) != 0) {
        inode->group = wanted->st_gid;
    }
    if ((what & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW)) != 0) {
        inode->read_time =
            (what & FUSE_SET_ATTR_ATIME_NOW) != 0 ? time : host_time_join(wanted->st_atim);
    }
    if ((what & (FUSE_SET_ATTR_MTIME | FUSE_SET_ATTR_MTIME_NOW)) != 0) {
        inode->write_time =
            (what & FUSE_SET_ATTR_MTIME_NOW) != 0 ? time : host_time_join(wanted->st_mtim);
    }
    inode->change_time = (what & FUSE_SET_ATTR_CTIME) != 0 ? host_time_join(wanted->st_ctim) : time;
}

static lattice_status_t set_attributes(struct mount *mount, uint64_t node,
                                       const struct stat *wanted, int what) {
    struct target target = {};
    struct inode inode = {};
    TRY(target_for_change(mount, node, &target));
    if ((what & FUSE_SET_ATTR_SIZE) != 0) {
        TRY(granules_resize(mount->cache, target.dataset, target.object,
                            (uint64_t)wanted->st_size));
    }
    TRY(granules_push(mount->cache, target.dataset, target.object));
    TRY(inode_get(mount->fs, target.dataset, target.object, &inode));
    merge(&inode, wanted, what);
    return inode_update(mount->fs, target.dataset, target.object, &inode);
}

void do_setattr(fuse_req_t request, fuse_ino_t node, struct stat *wanted, int what,
                struct fuse_file_info *_Nullable file) {
    struct mount *mount = enter(request);
    (void)file;
    lattice_status_t status = set_attributes(mount, node, wanted, what);
    commit_if_due(mount);
    leave_with_attributes(mount, request, status, node);
}

/* What a quota leaves counts as much as what the pool leaves. */
static struct statvfs space_of(const struct mount *mount) {
    const struct lattice *fs = mount->fs;
    const struct dataset *dataset = mount->dataset;
    uint64_t reserve = space_reserve_blocks(fs, SPACE_ORDINARY) + dataset->reserved_blocks;
    uint64_t available =
        fs->segments.free_blocks > reserve ? fs->segments.free_blocks - reserve : 0;
    uint64_t total = fs->segments.total_blocks;
    uint64_t unused = fs->segments.free_blocks;
    uint64_t quota = dataset->record.quota_blocks;
    if (quota != 0) {
        uint64_t taken = dataset->record.referenced_blocks + dataset->reserved_blocks;
        uint64_t left = quota > taken ? quota - taken : 0;
        total = MIN(total, quota);
        unused = MIN(unused, left);
        available = MIN(available, left);
    }
    return (struct statvfs){.f_bsize = BLOCK_SIZE,
                            .f_frsize = BLOCK_SIZE,
                            .f_blocks = total,
                            .f_bfree = unused,
                            .f_bavail = available,
                            .f_files = dataset->record.object_count + available,
                            .f_ffree = available,
                            .f_favail = available,
                            .f_namemax = NAME_MAX_BYTES};
}

void do_statfs(fuse_req_t request, fuse_ino_t node) {
    struct mount *mount = enter(request);
    (void)node;
    struct statvfs facts = space_of(mount);
    leave(mount);
    fuse_reply_statfs(request, &facts);
}

#pragma clang assume_nonnull end
