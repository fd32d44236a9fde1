/* Listings of folders. Cookies 1 and 2 are "." and "..", 3 is `.snapshots` in the root; those of
 * entries are 32 and above, in the dataset as in the list of snapshots. */
#include "fs/latticefs/core/registry.h"
#include "mount.h"
#include <errno.h>
#include <stdlib.h>

#pragma clang assume_nonnull begin

enum : uint64_t { COOKIE_SELF = 1, COOKIE_PARENT = 2, COOKIE_SNAPSHOTS = 3 };

struct listing {
    struct mount *mount;
    fuse_req_t request;
    struct bytes buffer;
    size_t used;
    bool plus; /* with attributes, as if each entry had been looked up */
};

/* Adds one entry; false if it does not fit. `node` 0 = not to be looked up by this. */
static bool listing_add(struct listing *listing, const char *name, uint64_t node, uint64_t number,
                        uint32_t type, uint64_t cookie) {
    struct bytes rest =
        bytes_sub(listing->buffer, listing->used, listing->buffer.size - listing->used);
    struct fuse_entry_param entry = {.attr = {.st_ino = number, .st_mode = type << 12}};
    size_t size = 0;
    if (listing->plus) {
        size_t needed =
            fuse_add_direntry_plus(listing->request, nullptr, 0, name, &entry, (off_t)cookie);
        if (needed <= rest.size && node != 0 &&
            entry_of(listing->mount, node, &entry) != LATTICE_OK) {
            entry.ino = 0; /* damaged: a lookup will tell */
        }
        size = fuse_add_direntry_plus(listing->request, (char *)rest.data, rest.size, name, &entry,
                                      (off_t)cookie);
    } else {
        size = fuse_add_direntry(listing->request, (char *)rest.data, rest.size, name, &entry.attr,
                                 (off_t)cookie);
    }
    if (size > rest.size) {
        return false;
    }
    listing->used += size;
    return true;
}

static lattice_status_t list_snapshots(struct listing *listing, uint64_t cookie) {
    struct mount *mount = listing->mount;
    if ((cookie < COOKIE_SELF &&
         !listing_add(listing, ".", 0, list_node(), MODE_DIRECTORY, COOKIE_SELF)) ||
        (cookie < COOKIE_PARENT &&
         !listing_add(listing, "..", 0, ROOT_OBJECT, MODE_DIRECTORY, COOKIE_PARENT))) {
        return LATTICE_OK;
    }
    cookie = MAX(cookie, COOKIE_SNAPSHOTS);
    for (;;) {
        struct registry_entry entry = {};
        char name[NAME_MAX_BYTES + 1] = {};
        lattice_status_t status = registry_next(mount->fs, mount->dataset->id, cookie, &entry);
        if (status != LATTICE_OK) {
            return status == LATTICE_NOT_FOUND ? LATTICE_OK : status;
        }
        bytes_copy(BYTES_OF(name), entry.name);
        cookie = entry.cookie;
        /* Not yet a view: its number is known when it is looked up. */
        if (!listing_add(listing, name, 0, node_of(VIEW_LIST, entry.id), MODE_DIRECTORY, cookie)) {
            return LATTICE_OK;
        }
    }
}

static bool list_dots(struct listing *listing, const struct target *target, uint64_t parent,
                      uint64_t cookie) {
    struct mount *mount = listing->mount;
    uint64_t above = node_of(target->view, parent);
    if (target->view != VIEW_HEAD && target->object == ROOT_OBJECT) {
        above = list_node();
    }
    bool snapshots = target->view == VIEW_HEAD && !mount->hide_snapshots &&
                     is_snapshot_folder(mount, target->object, SNAPSHOT_FOLDER);
    return (cookie >= COOKIE_SELF ||
            listing_add(listing, ".", 0, node_of(target->view, target->object), MODE_DIRECTORY,
                        COOKIE_SELF)) &&
           (cookie >= COOKIE_PARENT ||
            listing_add(listing, "..", 0, above, MODE_DIRECTORY, COOKIE_PARENT)) &&
           (cookie >= COOKIE_SNAPSHOTS || !snapshots ||
            listing_add(listing, SNAPSHOT_FOLDER, list_node(), list_node(), MODE_DIRECTORY,
                        COOKIE_SNAPSHOTS));
}

static lattice_status_t list(struct listing *listing, uint64_t node, uint64_t cookie) {
    struct mount *mount = listing->mount;
    struct inode inode = {};
    struct target target = {};
    if (node_is_list(node)) {
        return list_snapshots(listing, cookie);
    }
    TRY(target_of(mount, node, &target));
    TRY(inode_get(mount->fs, target.dataset, target.object, &inode));
    if (!list_dots(listing, &target, inode.parent, cookie)) {
        return LATTICE_OK;
    }
    cookie = MAX(cookie, COOKIE_SNAPSHOTS);
    for (;;) {
        struct dirent_entry entry = {};
        char name[NAME_MAX_BYTES + 1] = {};
        lattice_status_t status =
            name_next(mount->fs, target.dataset, target.object, cookie, &entry);
        if (status != LATTICE_OK) {
            return status == LATTICE_NOT_FOUND ? LATTICE_OK : status;
        }
        bytes_copy(BYTES_OF(name), entry.name);
        cookie = entry.cookie;
        if (target.view == VIEW_HEAD && is_snapshot_folder(mount, target.object, name)) {
            continue; /* hidden by the folder of snapshots */
        }
        uint64_t found = node_of(target.view, entry.object);
        if (!listing_add(listing, name, found, found, entry.type, cookie)) {
            return LATTICE_OK;
        }
    }
}

static void answer(fuse_req_t request, uint64_t node, size_t size, uint64_t cookie, bool plus) {
    char *_Nullable buffer = malloc(MAX(size, (size_t)1));
    if (buffer == nullptr) {
        fuse_reply_err(request, ENOMEM);
        return;
    }
    struct mount *mount = enter(request);
    struct listing listing = {mount, request, bytes_of(buffer, size), 0, plus};
    lattice_status_t status = list(&listing, node, cookie);
    leave(mount);
    if (status == LATTICE_OK || listing.used != 0) {
        fuse_reply_buf(request, buffer, listing.used);
    } else {
        fuse_reply_err(request, status_errno(status));
    }
    free(buffer);
}

/* Nothing is kept for an open folder. */
void do_opendir(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file) {
    (void)node;
    file->keep_cache = 1;
    file->cache_readdir = 1;
    fuse_reply_open(request, file);
}

void do_readdir(fuse_req_t request, fuse_ino_t node, size_t size, off_t cookie,
                struct fuse_file_info *file) {
    (void)file;
    answer(request, node, size, (uint64_t)cookie, false);
}

void do_readdirplus(fuse_req_t request, fuse_ino_t node, size_t size, off_t cookie,
                    struct fuse_file_info *file) {
    (void)file;
    answer(request, node, size, (uint64_t)cookie, true);
}

#pragma clang assume_nonnull end
