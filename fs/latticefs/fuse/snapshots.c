/* The folder `.snapshots` of a mounted dataset: each snapshot is a folder in it that shows its
 * tree, read-only; making a folder takes a snapshot, removing one destroys it. It is no entry of
 * the dataset: an entry of that name is hidden by it. */
#include "fs/latticefs/core/registry.h"
#include "fs/latticefs/core/snapshot.h"
#include "fs/latticefs/tools/host.h"
#include "mount.h"
#include <errno.h>
#include <string.h>

#pragma clang assume_nonnull begin

bool is_snapshot_folder(const struct mount *mount, uint64_t parent, const char *name) {
    return parent == ROOT_OBJECT && mount->dataset->record.kind == DATASET_HEAD &&
           strcmp(name, SNAPSHOT_FOLDER) == 0;
}

lattice_status_t snapshot_lookup(struct mount *mount, const char *name, uint64_t *out_node) {
    struct registry_entry entry = {};
    uint32_t view = 0;
    if (strcmp(name, "..") == 0) {
        *out_node = ROOT_OBJECT;
        return LATTICE_OK;
    }
    TRY(registry_find(mount->fs, mount->dataset->id, view_text(name), &entry));
    TRY(view_open(mount, entry.id, &view));
    *out_node = node_of(view, ROOT_OBJECT);
    return LATTICE_OK;
}

static void changed(struct mount *mount) {
    mount->snapshots_changed = host_environment()->now_ns(host_environment()->context);
}

void snapshot_make(struct mount *mount, fuse_req_t request, const char *name) {
    bool deferred =
        mount->dataset->writable && defer(mount, request, DEFERRED_SNAPSHOT, 0, 0, "", 0, name, 0);
    bool writable = mount->dataset->writable;
    leave(mount);
    if (!deferred) {
        fuse_reply_err(request, writable ? ENOMEM : EROFS);
    }
}

void snapshot_make_finish(struct mount *mount, fuse_req_t request, const char *name) {
    uint64_t id = 0;
    uint64_t node = 0;
    lattice_status_t status = granules_push_all(mount->cache);
    if (status == LATTICE_OK) {
        status = snapshot_create(mount->fs, mount->dataset, view_text(name), &id);
    }
    if (status == LATTICE_OK) {
        changed(mount);
        status = snapshot_lookup(mount, name, &node);
    }
    leave_with_entry(mount, request, status, node);
}

lattice_status_t snapshot_remove(struct mount *mount, const char *name) {
    struct registry_entry entry = {};
    TRY(mount->dataset->writable ? LATTICE_OK : LATTICE_READ_ONLY);
    TRY(registry_find(mount->fs, mount->dataset->id, view_text(name), &entry));
    uint64_t id = entry.id;
    TRY(granules_push_all(mount->cache));
    view_close(mount, id);
    lattice_status_t status = snapshot_destroy(mount->fs, id);
    if (status != LATTICE_OK) {
        view_reopen(mount, id);
        return status;
    }
    changed(mount);
    pthread_cond_signal(&mount->wake); /* the committer reclaims */
    return LATTICE_OK;
}

#pragma clang assume_nonnull end
