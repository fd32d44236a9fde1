/* Snapshots, clones, rollback, and marking what is to be destroyed. Invariant: at the entry of
 * every change to the chain of snapshots a commit was just made, or (a snapshot alone) all trees
 * were written, so that no dropped block waits in memory for a bucket of the old chain. A snapshot
 * that is taken in a transaction ends it: no block that is born later has its birth. */
#include "snapshot.h"
#include "change.h"
#include "directory.h"
#include "registry.h"
#include "space.h"

#pragma clang assume_nonnull begin

enum { CHANGES = 12 }; /* items that a change touches at most */

/* ---- finding and making ---- */

lattice_status_t dataset_find(struct lattice *fs, struct view name, uint64_t *out_id) {
    size_t at = 0;
    while (at < name.size && name.data[at] != '@') {
        at++;
    }
    struct registry_entry entry = {};
    TRY(registry_find(fs, 0, view_sub(name, 0, at), &entry));
    if (at < name.size) {
        TRY(registry_find(fs, entry.id, view_sub(name, at + 1, name.size - at - 1), &entry));
    }
    *out_id = entry.id;
    return LATTICE_OK;
}

static void fresh_identity(struct lattice *fs, struct dataset_record *record) {
    fs->environment.random(fs->environment.context, &record->guid, sizeof record->guid);
    record->time = now(fs);
    record->received_guid = 0;
}

/* With name keys: of a dataset that is being received. */
static lattice_status_t create_in_change(struct lattice *fs, struct view name,
                                         const struct dataset_options *options,
                                         const uint64_t (*_Nullable name_key)[2],
                                         uint64_t *out_id) {
    struct registry_entry entry = {};
    TRY(registry_vacant(fs, 0, name, &entry));
    uint64_t id = fs->super.next_dataset;
    struct dataset_record *record = &fs->stored_buffer->dataset;
    *record = (struct dataset_record){
        .kind = DATASET_HEAD,
        .record_shift = options->record_shift == 0 ? 16 : options->record_shift,
        .compression = options->compression,
        .checksum_kind = options->checksum_kind == 0 ? CHECKSUM_XXH64 : options->checksum_kind,
        .head = id,
        .birth = fs->transaction,
        .next_object = 2,
        .deadlist = id};
    record_set_name(record, name);
    fresh_identity(fs, record);
    fs->environment.random(fs->environment.context, record->name_key, sizeof record->name_key);
    if (options->cipher != CIPHER_NONE) {
        TRY(options->secret == nullptr
                ? LATTICE_INVALID
                : key_create(fs, record, options->cipher, SOME(options->secret)));
    }
    if (name_key != nullptr) {
        const struct key_entry *_Nullable key = key_find(fs, record);
        for (unsigned i = 0; i < 2; i++) {
            uint64_t pad = key == nullptr ? 0 : SOME(key)->name_pad[i];
            record->name_key[i] = (*SOME(name_key))[i] ^ pad;
        }
        record->state = DATASET_RECEIVING;
        record->flags = DATASET_READ_ONLY;
    }
    fs->modified = true;
    fs->super.next_dataset++;
    TRY(dataset_make(fs, id, record, options->root_user, options->root_group));
    *out_id = id;
    return registry_put(fs, 0, entry.cookie, name, id);
}

lattice_status_t dataset_create(struct lattice *fs, struct view name,
                                const struct dataset_options *options, uint64_t *out_id) {
    if (options->record_shift != 0 &&
        (options->record_shift < RECORD_SHIFT_MIN || options->record_shift > RECORD_SHIFT_MAX)) {
        return LATTICE_INVALID;
    }
    TRY(change_begin(fs, SPACE_ORDINARY, CHANGES));
    return change_end(fs, create_in_change(fs, name, options, nullptr, out_id));
}

lattice_status_t dataset_create_received(struct lattice *fs, struct view name,
                                         const struct dataset_options *options,
                                         const uint64_t (*_Nonnull name_key)[2], uint64_t *out_id) {
    return create_in_change(fs, name, options, name_key, out_id);
}

/* ---- snapshot ---- */

static lattice_status_t snapshot_in_change(struct lattice *fs, struct dataset *head,
                                           struct view name, uint64_t birth, uint64_t *out_id) {
    struct registry_entry entry = {};
    TRY(registry_vacant(fs, head->id, name, &entry));
    uint64_t id = fs->super.next_dataset;
    struct dataset_record *record = &fs->stored_buffer->dataset;
    if (head->record.previous != 0) {
        TRY(record_load(fs, head->record.previous, record));
        record->next = id;
        TRY(record_store(fs, head->record.previous, record));
    }
    *record = head->record;
    record->kind = DATASET_SNAPSHOT;
    record->birth = birth;
    record->next = head->id;
    record->root = head->tree.root;
    record->quota_blocks = 0;
    record->reservation_blocks = 0;
    record_set_name(record, name);
    fresh_identity(fs, record);
    fs->modified = true;
    TRY(dataset_record_put(fs, id, record));
    TRY(registry_put(fs, head->id, entry.cookie, name, id));
    head->record.previous = id;
    head->record.previous_birth = record->birth;
    head->record.deadlist = id; /* numbers of deadlists are those of datasets that came with them */
    head->record.deadlist_blocks = 0;
    head->dirty = true;
    fs->super.next_dataset++;
    *out_id = id;
    return dataset_load_births(fs, head);
}

lattice_status_t snapshot_create_received(struct lattice *fs, struct dataset *head,
                                          struct view name, uint64_t guid, int64_t time,
                                          uint64_t *out_id) {
    struct dataset_record *record = &fs->stored_buffer->dataset;
    /* of the commit that change_begin made */
    TRY(snapshot_in_change(fs, head, name, fs->transaction - 1, out_id));
    TRY(dataset_record_get(fs, *out_id, record));
    record->guid = guid;
    record->received_guid = guid;
    record->time = time;
    return dataset_record_put(fs, *out_id, record);
}

lattice_status_t snapshot_create(struct lattice *fs, struct dataset *head, struct view name,
                                 uint64_t *out_id) {
    if (head->record.kind != DATASET_HEAD || !head->writable) {
        return LATTICE_READ_ONLY;
    }
    TRY(change_begin_joined(fs, SPACE_ORDINARY, CHANGES));
    return change_end(fs, snapshot_in_change(fs, head, name, fs->transaction, out_id));
}

static lattice_status_t destroy_in_change(struct lattice *fs, uint64_t id) {
    struct dataset_record *record = &fs->stored_buffer->dataset;
    struct registry_entry entry = {};
    TRY(dataset_record_get(fs, id, record));
    if (record->kind != DATASET_SNAPSHOT || record->state == DATASET_DESTROYING) {
        return LATTICE_INVALID;
    }
    if (record->clone_count != 0 || dataset_if_open(fs, id) != nullptr) {
        return LATTICE_BUSY;
    }
    TRY(registry_find(fs, record->head, view_sub(VIEW_OF(record->name), 0, record->name_length),
                      &entry));
    record->state = DATASET_DESTROYING;
    TRY(record_store(fs, id, record));
    return registry_delete(fs, record->head, entry.cookie);
}

lattice_status_t snapshot_destroy(struct lattice *fs, uint64_t id) {
    TRY(change_begin(fs, SPACE_DESTROY, CHANGES));
    return change_end(fs, destroy_in_change(fs, id));
}

/* ---- clone ---- */

static lattice_status_t clone_in_change(struct lattice *fs, uint64_t snapshot, struct view name,
                                        uint64_t *out_id) {
    struct registry_entry entry = {};
    struct dataset_record *record = &fs->stored_buffer->dataset;
    TRY(registry_vacant(fs, 0, name, &entry));
    TRY(record_load(fs, snapshot, record));
    if (record->kind != DATASET_SNAPSHOT || record->state != DATASET_WHOLE) {
        return LATTICE_INVALID;
    }
    uint64_t id = fs->super.next_dataset;
    record->clone_count++;
    TRY(record_store(fs, snapshot, record));
    record->kind = DATASET_HEAD;
    record->head = id;
    record->origin = snapshot;
    record->origin_birth = record->birth;
    record->birth = fs->transaction;
    record->previous = 0;
    record->previous_birth = 0;
    record->next = 0;
    record->clone_count = 0;
    record->deadlist = id;
    record->deadlist_blocks = 0;
    record_set_name(record, name);
    fresh_identity(fs, record);
    fs->super.next_dataset++;
    TRY(dataset_record_put(fs, id, record));
    *out_id = id;
    return registry_put(fs, 0, entry.cookie, name, id);
}

lattice_status_t clone_create(struct lattice *fs, uint64_t snapshot, struct view name,
                              uint64_t *out_id) {
    TRY(change_begin(fs, SPACE_ORDINARY, CHANGES));
    return change_end(fs, clone_in_change(fs, snapshot, name, out_id));
}

/* ---- rollback, destroy ---- */

static lattice_status_t job_put(struct lattice *fs, const struct job_record *job) {
    uint64_t id = fs->super.next_dataset;
    fs->super.next_dataset++;
    fs->modified = true;
    return tree_put(fs, &fs->pool_tree, key_make(id, KEY_JOB, 0, 0), VIEW_OF(*job));
}

/* A stream into the dataset that did not end is given up. */
static lattice_status_t receive_forget(struct lattice *fs, uint64_t id) {
    lattice_status_t status = tree_delete(fs, &fs->pool_tree, key_make(id, KEY_RECEIVE, 0, 0));
    return status == LATTICE_NOT_FOUND ? LATTICE_OK : status;
}

static lattice_status_t rollback_in_change(struct lattice *fs, struct dataset *head) {
    struct dataset_record *snapshot = &fs->stored_buffer->dataset;
    TRY(record_load(fs, head->record.previous, snapshot));
    if (snapshot->state != DATASET_WHOLE) {
        return LATTICE_BUSY;
    }
    struct job_record job = {
        .kind = JOB_TREE, .root = head->tree.root, .floor = snapshot->birth, .dataset = head->id};
    TRY(job_put(fs, &job));
    job = (struct job_record){.kind = JOB_DEADLIST,
                              .root = head->tree.root,
                              .deadlist = head->record.deadlist,
                              .dataset = head->id};
    TRY(job_put(fs, &job));
    head->record.deadlist = fs->super.next_dataset;
    fs->super.next_dataset++;
    head->record.deadlist_blocks = 0;
    head->record.referenced_blocks = snapshot->referenced_blocks;
    head->record.object_count = snapshot->object_count;
    head->tree.root = snapshot->root;
    head->record.state = DATASET_WHOLE;
    head->dirty = true;
    TRY(receive_forget(fs, head->id));
    fs->cache.generation++;
    return LATTICE_OK;
}

lattice_status_t dataset_rollback(struct lattice *fs, struct dataset *head) {
    if (head->record.kind != DATASET_HEAD || !head->writable) {
        return LATTICE_READ_ONLY;
    }
    if (head->record.previous == 0) {
        return LATTICE_NOT_FOUND;
    }
    if (head->reserved_blocks != 0) {
        return LATTICE_BUSY;
    }
    TRY(change_begin(fs, SPACE_DESTROY, CHANGES));
    return change_end(fs, rollback_in_change(fs, head));
}

static lattice_status_t dataset_destroy_in_change(struct lattice *fs, uint64_t id,
                                                  uint64_t *out_unused) {
    struct dataset_record *record = &fs->stored_buffer->dataset;
    struct registry_entry entry = {};
    TRY(dataset_record_get(fs, id, record));
    if (record->kind != DATASET_HEAD) {
        return LATTICE_INVALID;
    }
    if (dataset_if_open(fs, id) != nullptr) {
        return LATTICE_BUSY;
    }
    if (record->previous != 0) {
        return LATTICE_NOT_EMPTY;
    }
    TRY(registry_find(fs, 0, view_sub(VIEW_OF(record->name), 0, record->name_length), &entry));
    struct job_record job = {
        .kind = JOB_TREE, .root = record->root, .floor = record->origin_birth, .dataset = id};
    *out_unused = reservation_unused(record, 0);
    uint64_t origin = record->origin;
    TRY(job_put(fs, &job));
    TRY(receive_forget(fs, id));
    TRY(registry_delete(fs, 0, entry.cookie));
    TRY(tree_delete(fs, &fs->pool_tree, key_make(id, KEY_DATASET, 0, 0)));
    if (origin != 0) {
        TRY(record_load(fs, origin, record));
        record->clone_count -= record->clone_count > 0;
        TRY(record_store(fs, origin, record));
    }
    return LATTICE_OK;
}

lattice_status_t dataset_destroy(struct lattice *fs, uint64_t id) {
    TRY(change_begin(fs, SPACE_DESTROY, CHANGES));
    uint64_t unused = 0;
    TRY(change_end(fs, dataset_destroy_in_change(fs, id, &unused)));
    fs->closed_reservations -= MIN(fs->closed_reservations, unused);
    return LATTICE_OK;
}

#pragma clang assume_nonnull end
