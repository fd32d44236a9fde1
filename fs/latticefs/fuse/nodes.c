/* What the kernel knows of the mount: nodes it has looked up, and views of snapshots. */
#include "mount.h"
#include <errno.h>
#include <stdlib.h>

#pragma clang assume_nonnull begin

int status_errno(lattice_status_t status) {
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

struct mount *enter(fuse_req_t request) {
    struct mount *mount = fuse_req_userdata(request);
    pthread_mutex_lock(&mount->lock);
    return mount;
}

void leave(struct mount *mount) {
    pthread_mutex_unlock(&mount->lock);
}

void leave_with(struct mount *mount, fuse_req_t request, lattice_status_t status) {
    leave(mount);
    fuse_reply_err(request, status_errno(status));
}

lattice_status_t target_of(struct mount *mount, uint64_t node, struct target *out) {
    uint32_t view = (uint32_t)(node >> VIEW_SHIFT);
    uint64_t object = node & ((UINT64_C(1) << VIEW_SHIFT) - 1);
    if (view == VIEW_HEAD) {
        *out = (struct target){mount->dataset, object, view};
        return LATTICE_OK;
    }
    if (view >= VIEWS_MAX) {
        return LATTICE_INVALID;
    }
    struct dataset *_Nullable dataset = mount->views[view].dataset;
    if (dataset == nullptr) {
        return LATTICE_NOT_FOUND;
    }
    *out = (struct target){SOME(dataset), object, view};
    return LATTICE_OK;
}

lattice_status_t target_for_change(struct mount *mount, uint64_t node, struct target *out) {
    lattice_status_t status = target_of(mount, node, out);
    if (status == LATTICE_INVALID || (status == LATTICE_OK && !out->dataset->writable)) {
        return LATTICE_READ_ONLY;
    }
    return status;
}

/* ---- lookups ---- */

static struct lookup *_Nullable *_Nonnull lookup_link(struct mount *mount, uint64_t node) {
    struct lookup *_Nullable *link = &mount->lookups[(node ^ node >> VIEW_SHIFT) % LOOKUP_BUCKETS];
    while (*link != nullptr && SOME(*link)->node != node) {
        link = &SOME(*link)->next;
    }
    return link;
}

struct lookup *_Nullable lookup_find(struct mount *mount, uint64_t node) {
    return *lookup_link(mount, node);
}

bool has_writers(struct mount *mount, uint64_t node) {
    const struct lookup *_Nullable lookup = lookup_find(mount, node);
    return lookup != nullptr && SOME(lookup)->writers != 0;
}

void lookup_add(struct mount *mount, uint64_t node) {
    struct lookup *_Nullable *link = lookup_link(mount, node);
    if (*link == nullptr) {
        *link = calloc(1, sizeof(struct lookup));
        SOME(*link)->node = node;
        uint32_t view = (uint32_t)(node >> VIEW_SHIFT);
        if (view != VIEW_HEAD && view < VIEWS_MAX) {
            mount->views[view].nodes++;
        }
    }
    SOME(*link)->count++;
}

static void object_unused(struct mount *mount, uint64_t object) {
    struct inode inode = {};
    if (mount->dataset->writable &&
        inode_get(mount->fs, mount->dataset, object, &inode) == LATTICE_OK && inode.links == 0) {
        granules_forget(mount->cache, mount->dataset, object);
        /* If it fails the orphan stays, and the next mount deletes it. */
        (void)!object_delete(mount->fs, mount->dataset, object);
    }
}

void object_orphaned(struct mount *mount, uint64_t object) {
    if (object != 0 && lookup_find(mount, object) == nullptr) {
        object_unused(mount, object);
    }
}

static void view_drop_node(struct mount *mount, uint32_t view) {
    struct view_slot *slot = &mount->views[view];
    slot->nodes--;
    if (slot->nodes == 0 && slot->dataset != nullptr) {
        granules_forget_dataset(mount->cache, SOME(slot->dataset));
        dataset_close(mount->fs, SOME(slot->dataset));
        *slot = (struct view_slot){};
    }
}

void lookup_drop(struct mount *mount, uint64_t node, uint64_t count) {
    struct lookup *_Nullable *link = lookup_link(mount, node);
    if (*link == nullptr) {
        return;
    }
    struct lookup *lookup = SOME(*link);
    lookup->count -= MIN(lookup->count, count);
    if (lookup->count > 0) {
        return;
    }
    uint32_t view = (uint32_t)(node >> VIEW_SHIFT);
    *link = lookup->next;
    free(lookup);
    if (view == VIEW_HEAD) {
        object_unused(mount, node);
    } else if (view < VIEWS_MAX) {
        view_drop_node(mount, view);
    }
}

void do_forget(fuse_req_t request, fuse_ino_t node, uint64_t count) {
    struct mount *mount = enter(request);
    lookup_drop(mount, node, count);
    leave(mount);
    fuse_reply_none(request);
}

UNSAFE_BEGIN /* libfuse hands over a bare array */

void do_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets) {
    struct mount *mount = enter(request);
    for (size_t i = 0; i < count; i++) {
        lookup_drop(mount, forgets[i].ino, forgets[i].nlookup);
    }
    leave(mount);
    fuse_reply_none(request);
}

UNSAFE_END

/* ---- views ---- */

lattice_status_t view_open(struct mount *mount, uint64_t id, uint32_t *out_view) {
    uint32_t unused = 0;
    for (uint32_t view = 1; view < VIEWS_MAX; view++) {
        struct view_slot *slot = &mount->views[view];
        if (slot->dataset != nullptr && slot->id == id) {
            *out_view = view;
            return LATTICE_OK;
        }
        if (unused == 0 && slot->dataset == nullptr && slot->nodes == 0) {
            unused = view;
        }
    }
    if (unused == 0) {
        return LATTICE_TOO_MANY;
    }
    TRY(dataset_open(mount->fs, id, &mount->views[unused].dataset));
    mount->views[unused].id = id;
    *out_view = unused;
    return LATTICE_OK;
}

void view_close(struct mount *mount, uint64_t id) {
    for (uint32_t view = 1; view < VIEWS_MAX; view++) {
        struct view_slot *slot = &mount->views[view];
        if (slot->dataset != nullptr && slot->id == id) {
            granules_forget_dataset(mount->cache, SOME(slot->dataset));
            dataset_close(mount->fs, SOME(slot->dataset));
            slot->dataset = nullptr;
        }
    }
}

void view_reopen(struct mount *mount, uint64_t id) {
    for (uint32_t view = 1; view < VIEWS_MAX; view++) {
        struct view_slot *slot = &mount->views[view];
        if (slot->dataset == nullptr && slot->id == id && slot->nodes != 0) {
            /* If it fails its nodes stay stale until the kernel forgets them. */
            (void)!dataset_open(mount->fs, id, &slot->dataset);
        }
    }
}

#pragma clang assume_nonnull end
