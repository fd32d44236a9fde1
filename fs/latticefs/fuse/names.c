/* Operations on names. */
#include "mount.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#pragma clang assume_nonnull begin

static lattice_status_t find(struct mount *mount, uint64_t parent, const char *name,
                             uint64_t *out_node) {
    struct target target = {};
    uint64_t object = 0;
    if (strcmp(name, ".") == 0) { /* asked for by servers of network file systems */
        *out_node = parent;
        return LATTICE_OK;
    }
    if (node_is_list(parent)) {
        return snapshot_lookup(mount, name, out_node);
    }
    if (is_snapshot_folder(mount, parent, name)) {
        *out_node = list_node();
        return LATTICE_OK;
    }
    TRY(target_of(mount, parent, &target));
    if (strcmp(name, "..") == 0) {
        struct inode inode = {};
        TRY(inode_get(mount->fs, target.dataset, target.object, &inode));
        object = inode.parent;
    } else {
        TRY(name_lookup(mount->fs, target.dataset, target.object, view_text(name), &object));
    }
    *out_node = node_of(target.view, object);
    return LATTICE_OK;
}

void do_lookup(fuse_req_t request, fuse_ino_t parent, const char *name) {
    struct mount *mount = enter(request);
    uint64_t node = 0;
    lattice_status_t status = find(mount, parent, name, &node);
    if (status == LATTICE_NOT_FOUND) { /* the kernel remembers that, too */
        struct fuse_entry_param absent = {.entry_timeout = CACHE_SECONDS};
        leave(mount);
        fuse_reply_entry(request, &absent);
        return;
    }
    leave_with_entry(mount, request, status, node);
}

static lattice_status_t create(struct mount *mount, fuse_req_t request, uint64_t parent,
                               const char *name, mode_t mode, dev_t device, struct view link,
                               uint64_t *out_node) {
    const struct fuse_ctx *context = fuse_req_ctx(request);
    struct inode directory = {};
    struct target target = {};
    if (is_snapshot_folder(mount, parent, name)) {
        return LATTICE_EXISTS;
    }
    TRY(target_for_change(mount, parent, &target));
    TRY(inode_get(mount->fs, target.dataset, target.object, &directory));
    struct create_attributes attributes = {
        .mode = mode, .user = context->uid, .group = context->gid, .device = device};
    if ((directory.mode & S_ISGID) != 0) { /* new entries belong to the directory's group */
        attributes.group = directory.group;
        attributes.mode |= S_ISDIR(mode) ? S_ISGID : 0;
    }
    lattice_status_t status = name_create(mount->fs, target.dataset, target.object, view_text(name),
                                          &attributes, link, out_node);
    commit_if_due(mount);
    return status;
}

void do_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device) {
    struct mount *mount = enter(request);
    uint64_t node = 0;
    lattice_status_t status =
        create(mount, request, parent, name, mode, device, (struct view){}, &node);
    leave_with_entry(mount, request, status, node);
}

void do_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode) {
    if (node_is_list(parent)) {
        struct mount *mount = enter(request);
        snapshot_make(mount, request, name);
        return;
    }
    do_mknod(request, parent, name, S_IFDIR | (mode & 07777), 0);
}

void do_symlink(fuse_req_t request, const char *text, fuse_ino_t parent, const char *name) {
    struct mount *mount = enter(request);
    uint64_t node = 0;
    lattice_status_t status =
        create(mount, request, parent, name, S_IFLNK | 0777, 0, view_text(text), &node);
    leave_with_entry(mount, request, status, node);
}

void do_readlink(fuse_req_t request, fuse_ino_t node) {
    struct mount *mount = enter(request);
    struct target target = {};
    struct view text = {};
    struct {
        char data[SYMLINK_MAX + 1];
    } *copy = SOME(calloc(1, sizeof *copy));
    lattice_status_t status = target_of(mount, node, &target);
    if (status == LATTICE_OK) {
        status = symlink_read(mount->fs, target.dataset, target.object, &text);
    }
    if (status == LATTICE_OK) {
        bytes_copy(bytes_of(copy->data, SYMLINK_MAX), text);
    }
    leave(mount);
    if (status == LATTICE_OK) {
        fuse_reply_readlink(request, copy->data);
    } else {
        fuse_reply_err(request, status_errno(status));
    }
    free(copy);
}

void do_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
               struct fuse_file_info *file) {
    struct mount *mount = enter(request);
    struct fuse_entry_param entry = {};
    uint64_t node = 0;
    lattice_status_t status =
        create(mount, request, parent, name, S_IFREG | (mode & 07777), 0, (struct view){}, &node);
    if (status == LATTICE_OK) {
        status = entry_of(mount, node, &entry);
    }
    if (status == LATTICE_OK && (file->flags & O_ACCMODE) != O_RDONLY) {
        SOME(lookup_find(mount, node))->writers++;
    }
    leave(mount);
    file->keep_cache = 1;
    if (status == LATTICE_OK) {
        fuse_reply_create(request, &entry, file);
    } else {
        fuse_reply_err(request, status_errno(status));
    }
}

/* ---- removing ---- */

static lattice_status_t remove_name(struct mount *mount, uint64_t parent, const char *name,
                                    bool directory) {
    struct target target = {};
    uint64_t orphan = 0;
    TRY(target_for_change(mount, parent, &target));
    TRY(name_remove(mount->fs, target.dataset, target.object, view_text(name), directory, &orphan));
    object_orphaned(mount, orphan);
    commit_if_due(mount);
    return LATTICE_OK;
}

void do_unlink(fuse_req_t request, fuse_ino_t parent, const char *name) {
    struct mount *mount = enter(request);
    leave_with(mount, request, remove_name(mount, parent, name, false));
}

void do_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name) {
    struct mount *mount = enter(request);
    if (is_snapshot_folder(mount, parent, name)) {
        leave(mount);
        fuse_reply_err(request, EPERM);
        return;
    }
    leave_with(mount, request,
               node_is_list(parent) ? snapshot_remove(mount, name)
                                    : remove_name(mount, parent, name, true));
}

/* ---- renaming and linking: what the kernel still holds of the file goes first ---- */

static lattice_status_t rename_now(struct mount *mount, uint64_t from_parent, const char *from,
                                   uint64_t to_parent, const char *to, unsigned flags) {
    struct target source = {};
    struct target goal = {};
    uint64_t object = 0;
    uint64_t orphan = 0;
    TRY(target_for_change(mount, from_parent, &source));
    TRY(target_for_change(mount, to_parent, &goal));
    TRY(name_lookup(mount->fs, source.dataset, source.object, view_text(from), &object));
    TRY(granules_push(mount->cache, source.dataset, object));
    TRY(name_rename(mount->fs, source.dataset, source.object, view_text(from), goal.object,
                    view_text(to), flags, &orphan));
    object_orphaned(mount, orphan);
    commit_if_due(mount);
    return LATTICE_OK;
}

void rename_finish(struct mount *mount, fuse_req_t request, uint64_t from_parent, const char *from,
                   uint64_t to_parent, const char *to, unsigned flags) {
    leave_with(mount, request, rename_now(mount, from_parent, from, to_parent, to, flags));
}

void do_rename(fuse_req_t request, fuse_ino_t from_parent, const char *from, fuse_ino_t to_parent,
               const char *to, unsigned flags) {
    struct mount *mount = enter(request);
    uint64_t node = 0;
    if (is_snapshot_folder(mount, from_parent, from) || is_snapshot_folder(mount, to_parent, to)) {
        leave(mount);
        fuse_reply_err(request, EPERM);
        return;
    }
    if (find(mount, from_parent, from, &node) == LATTICE_OK && has_writers(mount, node)) {
        bool deferred =
            defer(mount, request, DEFERRED_RENAME, node, from_parent, from, to_parent, to, flags);
        leave(mount);
        if (!deferred) {
            fuse_reply_err(request, ENOMEM);
        }
        return;
    }
    rename_finish(mount, request, from_parent, from, to_parent, to, flags);
}

void link_finish(struct mount *mount, fuse_req_t request, uint64_t node, uint64_t to_parent,
                 const char *to) {
    struct target target = {};
    struct target directory = {};
    lattice_status_t status = target_for_change(mount, to_parent, &directory);
    status = status == LATTICE_OK ? target_for_change(mount, node, &target) : status;
    if (status == LATTICE_OK && is_snapshot_folder(mount, to_parent, to)) {
        status = LATTICE_EXISTS;
    }
    if (status == LATTICE_OK) {
        status = granules_push(mount->cache, target.dataset, target.object);
    }
    if (status == LATTICE_OK) {
        status =
            name_link(mount->fs, target.dataset, target.object, directory.object, view_text(to));
    }
    commit_if_due(mount);
    leave_with_entry(mount, request, status, node);
}

void do_link(fuse_req_t request, fuse_ino_t node, fuse_ino_t parent, const char *name) {
    struct mount *mount = enter(request);
    if (has_writers(mount, node)) {
        bool deferred = defer(mount, request, DEFERRED_LINK, node, 0, "", parent, name, 0);
        leave(mount);
        if (!deferred) {
            fuse_reply_err(request, ENOMEM);
        }
        return;
    }
    link_finish(mount, request, node, parent, name);
}

#pragma clang assume_nonnull end
