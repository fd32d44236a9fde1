/* Changes of the pool tree. */
#include "change.h"

#pragma clang assume_nonnull begin

lattice_status_t change_begin(struct lattice *fs, enum space_class space, uint32_t changes) {
    TRY(commit(fs));
    return operation_begin(fs, nullptr, space, changes, 0);
}

lattice_status_t change_begin_joined(struct lattice *fs, enum space_class space, uint32_t changes) {
    TRY(flight_finish(fs)); /* its superblock is not to tell what comes now */
    if (fs->aborted != LATTICE_OK) {
        return LATTICE_ABORTED;
    }
    if (fs->read_only) {
        return LATTICE_READ_ONLY;
    }
    fs->cache.stamp++;
    TRY(datasets_write(fs));
    return operation_begin(fs, nullptr, space, changes, 0);
}

lattice_status_t change_end(struct lattice *fs, lattice_status_t status) {
    TRY(operation_end(fs, status));
    status = commit(fs);
    if (status != LATTICE_OK) {
        lattice_abort(fs, status);
    }
    return status;
}

struct dataset *_Nullable dataset_if_open(struct lattice *fs, uint64_t id) {
    struct dataset *_Nullable at = fs->datasets;
    while (at != nullptr && SOME(at)->id != id) {
        at = SOME(at)->next;
    }
    return at;
}

lattice_status_t record_load(struct lattice *fs, uint64_t id, struct dataset_record *out) {
    struct dataset *_Nullable open = dataset_if_open(fs, id);
    if (open != nullptr) {
        *out = SOME(open)->record;
        return LATTICE_OK;
    }
    return dataset_record_get(fs, id, out);
}

lattice_status_t record_store(struct lattice *fs, uint64_t id,
                              const struct dataset_record *record) {
    struct dataset *_Nullable open = dataset_if_open(fs, id);
    fs->modified = true;
    if (open != nullptr) {
        SOME(open)->record = *record;
        SOME(open)->dirty = true;
    }
    return dataset_record_put(fs, id, record);
}

void record_set_name(struct dataset_record *record, struct view name) {
    bytes_zero(BYTES_OF(record->name));
    bytes_copy(BYTES_OF(record->name), name);
    record->name_length = (uint16_t)name.size;
}

lattice_status_t record_next(struct lattice *fs, uint64_t *id, struct dataset_record *out) {
    while (*id < UINT64_MAX) { /* on a damaged disk that is a number like others */
        struct item item = {};
        TRY(tree_seek(fs, &fs->pool_tree, key_make(*id + 1, KEY_DATASET, 0, 0), KEY_MAX, &item));
        *id = item.key.object;
        if (key_type(item.key) == KEY_DATASET) {
            return record_load(fs, *id, out);
        }
    }
    return LATTICE_NOT_FOUND;
}

#pragma clang assume_nonnull end
