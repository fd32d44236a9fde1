/* Datasets. Invariants:
 * 1. referenced_blocks = blocks reachable from the root, nodes and records, both addresses counted.
 * 2. A block is freed exactly when no snapshot or origin reaches it: birth above the newest
 * snapshot's. */
#include "dataset.h"
#include "keys.h"
#include "log.h"
#include "space.h"

#pragma clang assume_nonnull begin

lattice_status_t dataset_record_get(struct lattice *fs, uint64_t id, struct dataset_record *out) {
    struct view value = {};
    TRY(tree_get(fs, &fs->pool_tree, key_make(id, KEY_DATASET, 0, 0), &value));
    if (value.size != sizeof *out) {
        return LATTICE_CORRUPT;
    }
    bytes_copy(BYTES_OF(*out), value);
    struct geometry geometry = geometry_of(fs);
    return dataset_record_validate(&geometry, out);
}

lattice_status_t dataset_record_put(struct lattice *fs, uint64_t id,
                                    const struct dataset_record *record) {
    return tree_put(fs, &fs->pool_tree, key_make(id, KEY_DATASET, 0, 0), VIEW_OF(*record));
}

uint64_t dataset_newest_birth(const struct dataset *dataset) {
    const struct birth_list *list = &dataset->snapshots;
    return list->count == 0 ? 0 : list->data[list->count - 1];
}

lattice_status_t dataset_load_births(struct lattice *fs, struct dataset *dataset) {
    struct birth_list *list = &dataset->snapshots;
    list->count = 0;
    uint64_t id = dataset->record.previous;
    uint64_t bound = UINT64_MAX;
    while (id != 0) {
        struct dataset_record record;
        TRY(dataset_record_get(fs, id, &record));
        if (record.birth >= bound) {
            return LATTICE_CORRUPT; /* a loop, or out of order */
        }
        bound = record.birth;
        if (list->count == list->capacity) {
            uint32_t capacity = list->capacity * 2 + 16;
            uint64_t *_Nullable data = memory_take(fs, capacity * sizeof(uint64_t));
            if (data == nullptr) {
                return LATTICE_NO_MEMORY;
            }
            bytes_copy(bytes_of(data, capacity * sizeof(uint64_t)),
                       view_of(list->data, list->count * sizeof(uint64_t)));
            memory_give(fs, list->data, list->capacity * sizeof(uint64_t));
            list->capacity = capacity;
            list->data = data;
        }
        list->data[list->count] = record.birth;
        list->count++;
        id = record.previous;
    }
    for (uint32_t i = 0; i < list->count / 2; i++) {
        uint64_t other = list->data[list->count - 1 - i];
        list->data[list->count - 1 - i] = list->data[i];
        list->data[i] = other;
    }
    return LATTICE_OK;
}

static void dataset_free(struct lattice *fs, struct dataset *dataset) {
    memory_give(fs, dataset->dead.data, dataset->dead.capacity * sizeof(struct dead_entry));
    memory_give(fs, dataset->snapshots.data, dataset->snapshots.capacity * sizeof(uint64_t));
    memory_give(fs, dataset, sizeof *dataset);
}

void dataset_unlock(struct lattice *fs, struct dataset *dataset) {
    const struct dataset_record *record = &dataset->record;
    const struct key_entry *_Nullable key = key_find(fs, record);
    dataset->tree.key = key;
    dataset->writable = record->kind == DATASET_HEAD && !fs->read_only &&
                        (record->flags & DATASET_READ_ONLY) == 0 && dataset_unlocked(fs, record);
    for (unsigned i = 0; i < ARRAY_LENGTH(dataset->name_key); i++) {
        dataset->name_key[i] = record->name_key[i] ^ (key == nullptr ? 0 : SOME(key)->name_pad[i]);
    }
}

lattice_status_t dataset_open(struct lattice *fs, uint64_t id,
                              struct dataset *_Nullable *_Nonnull out) {
    for (struct dataset *_Nullable at = fs->datasets; at != nullptr; at = SOME(at)->next) {
        if (SOME(at)->id == id) {
            SOME(at)->open_count++;
            *out = at;
            return LATTICE_OK;
        }
    }
    struct dataset *_Nullable taken = memory_take(fs, sizeof(struct dataset));
    if (taken == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    struct dataset *dataset = SOME(taken);
    lattice_status_t status = dataset_record_get(fs, id, &dataset->record);
    dataset->id = id;
    if (status == LATTICE_OK && dataset->record.kind == DATASET_HEAD && !fs->read_only) {
        status = dataset_load_births(fs, dataset);
    }
    if (status != LATTICE_OK) {
        dataset_free(fs, dataset);
        return status;
    }
    dataset->tree = (struct tree){dataset->record.root, id, dataset, nullptr};
    dataset_unlock(fs, dataset);
    dataset->open_count = 1;
    fs->closed_reservations -=
        MIN(fs->closed_reservations, reservation_unused(&dataset->record, 0));
    dataset->next = fs->datasets;
    fs->datasets = dataset;
    *out = dataset;
    return LATTICE_OK;
}

void dataset_close(struct lattice *fs, struct dataset *dataset) {
    CHECK(dataset->open_count > 0);
    dataset->open_count--;
    if (dataset->open_count > 0 || dataset->dirty) {
        return;
    }
    struct dataset *_Nullable *link = &fs->datasets;
    while (*link != dataset) {
        link = &SOME(*link)->next;
    }
    *link = dataset->next;
    fs->closed_reservations += reservation_unused(&dataset->record, 0);
    dataset_free(fs, dataset);
}

void datasets_committed(struct lattice *fs) {
    struct dataset *_Nullable *_Nonnull link = &fs->datasets;
    while (*link != nullptr) {
        struct dataset *dataset = SOME(*link);
        dataset->dirty = false;
        dataset->dead_chunks = 0;
        if (dataset->open_count != 0) {
            link = &dataset->next;
            continue;
        }
        *link = dataset->next;
        fs->closed_reservations += reservation_unused(&dataset->record, 0);
        dataset_free(fs, dataset);
    }
}

void datasets_release(struct lattice *fs) {
    while (fs->datasets != nullptr) {
        struct dataset *dataset = SOME(fs->datasets);
        fs->datasets = dataset->next;
        dataset_free(fs, dataset);
    }
}

/* ---- accounts ---- */

void dataset_account(struct dataset *_Nullable dataset, uint32_t blocks, bool added) {
    if (dataset == nullptr) {
        return;
    }
    SOME(dataset)->dirty = true;
    SOME(dataset)->record.referenced_blocks += added ? blocks : UINT64_C(0) - blocks;
}

lattice_status_t dataset_reserve_kills(struct lattice *fs, struct dataset *dataset,
                                       uint32_t count) {
    TRY(segments_reserve_frees(fs, count));
    struct dead_list *list = &dataset->dead;
    if (list->capacity - list->count >= count) {
        return LATTICE_OK;
    }
    uint32_t capacity = MAX(list->capacity * 2, list->count + count + 32);
    struct dead_entry *_Nullable data = memory_take(fs, capacity * sizeof(struct dead_entry));
    if (data == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    bytes_copy(bytes_of(data, capacity * sizeof(struct dead_entry)),
               view_of(list->data, list->count * sizeof(struct dead_entry)));
    memory_give(fs, list->data, list->capacity * sizeof(struct dead_entry));
    list->capacity = capacity;
    list->data = data;
    return LATTICE_OK;
}

static void dead_add(struct lattice *fs, struct dataset *dataset, uint64_t address, uint32_t blocks,
                     uint64_t birth) {
    if (dataset_reserve_kills(fs, dataset, 1) != LATTICE_OK) {
        lattice_abort(fs, LATTICE_NO_MEMORY);
        return;
    }
    struct dead_list *list = &dataset->dead;
    list->data[list->count] = (struct dead_entry){address | (uint64_t)blocks << 48, birth};
    list->count++;
    dataset->record.deadlist_blocks += blocks;
}

void dataset_kill(struct lattice *fs, struct dataset *_Nullable dataset,
                  const struct pointer *pointer) {
    dataset_account(dataset, pointer_owned(pointer), false);
    if (dataset != nullptr && pointer->birth <= SOME(dataset)->record.origin_birth) {
        return;
    }
    bool held = dataset != nullptr && pointer->birth <= dataset_newest_birth(SOME(dataset));
    for (unsigned copy = 0; copy < 2; copy++) {
        uint64_t address = pointer_address(pointer, copy);
        if (address == 0) {
            continue;
        }
        if (held) {
            dead_add(fs, SOME(dataset), address, pointer_stored(pointer), pointer->birth);
        } else {
            segments_free(fs, address, pointer_stored(pointer));
        }
    }
}

/* ---- changes ---- */

/* What an item that is about to go or to be replaced owned. */
static lattice_status_t extent_of(struct lattice *fs, struct dataset *dataset, struct key key,
                                  struct pointer *out) {
    *out = (struct pointer){};
    if (key_type(key) != KEY_EXTENT) {
        return LATTICE_OK;
    }
    struct view value = {};
    lattice_status_t status = tree_get(fs, &dataset->tree, key, &value);
    if (status != LATTICE_OK) {
        return status == LATTICE_NOT_FOUND ? LATTICE_OK : status;
    }
    if (value.size != sizeof *out) {
        return LATTICE_CORRUPT;
    }
    bytes_copy(bytes_of(out, sizeof *out), value);
    struct geometry geometry = geometry_of(fs);
    return pointer_validate(&geometry, out, POINTER_RECORD, 0);
}

lattice_status_t dataset_put(struct lattice *fs, struct dataset *dataset, struct key key,
                             struct view value) {
    struct pointer old = {};
    struct pointer fresh = {};
    TRY(extent_of(fs, dataset, key, &old));
    dataset->tree_written = false;
    TRY(tree_put(fs, &dataset->tree, key, value));
    dataset->dirty = true;
    fs->modified = true;
    if (key_type(key) == KEY_EXTENT) {
        CHECK(value.size == sizeof fresh);
        bytes_copy(BYTES_OF(fresh), value);
        dataset_account(dataset, pointer_owned(&fresh), true);
    }
    if (!pointer_is_null(&old)) {
        dataset_kill(fs, dataset, &old);
    }
    log_put(fs, dataset, key, value);
    return fs->aborted;
}

lattice_status_t dataset_delete(struct lattice *fs, struct dataset *dataset, struct key key) {
    struct pointer old = {};
    TRY(extent_of(fs, dataset, key, &old));
    dataset->tree_written = false;
    TRY(tree_delete(fs, &dataset->tree, key));
    dataset->dirty = true;
    fs->modified = true;
    if (!pointer_is_null(&old)) {
        dataset_kill(fs, dataset, &old);
    }
    log_delete(fs, dataset, key);
    return fs->aborted;
}

/* ---- commit ---- */

static uint64_t bucket_of(const struct dataset *dataset, uint64_t birth) {
    uint64_t bucket = 0;
    for (uint32_t i = 0; i < dataset->snapshots.count; i++) {
        if (dataset->snapshots.data[i] < birth) {
            bucket = dataset->snapshots.data[i];
        }
    }
    return bucket;
}

/* Moves up to a chunk of entries of the last entry's bucket to the pool tree. Chunk numbers are the
 * transaction and a counter, so they never meet others, not even when deadlists are merged. */
static lattice_status_t deadlist_write_chunk(struct lattice *fs, struct dataset *dataset,
                                             uint32_t number) {
    struct dead_list *list = &dataset->dead;
    struct dead_chunk *chunk = &fs->stored_buffer->chunk;
    uint64_t bucket = bucket_of(dataset, list->data[list->count - 1].birth);
    uint32_t taken = 0;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        struct dead_entry entry = list->data[i];
        if (taken < DEADLIST_CHUNK && bucket_of(dataset, entry.birth) == bucket) {
            chunk->entries[taken] = entry;
            taken++;
        }
    }
    struct key key =
        key_make(dataset->record.deadlist, KEY_DEADLIST, bucket, fs->transaction << 20 | number);
    TRY(tree_put(fs, &fs->pool_tree, key,
                 view_sub(VIEW_OF(*chunk), 0, taken * sizeof(struct dead_entry))));
    taken = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        struct dead_entry entry = list->data[i];
        if (taken < DEADLIST_CHUNK && bucket_of(dataset, entry.birth) == bucket) {
            taken++;
        } else {
            list->data[kept] = entry;
            kept++;
        }
    }
    list->count = kept;
    return LATTICE_OK;
}

lattice_status_t datasets_write(struct lattice *fs) {
    for (struct dataset *_Nullable at = fs->datasets; at != nullptr; at = SOME(at)->next) {
        struct dataset *dataset = SOME(at);
        if (!dataset->dirty) {
            continue;
        }
        /* A second attempt at the same commit must not reuse chunk numbers: they go on in tree
         * order. */
        for (uint32_t number = dataset->dead_chunks; dataset->dead.count > 0; number++) {
            TRY(deadlist_write_chunk(fs, dataset, number));
            dataset->dead_chunks = number + 1;
        }
        if (!dataset->tree_written) { /* a snapshot may share what was written */
            TRY(tree_write(fs, &dataset->tree));
        }
        dataset->tree_written = true;
        dataset->record.root = dataset->tree.root;
        TRY(dataset_record_put(fs, dataset->id, &dataset->record));
    }
    return LATTICE_OK;
}

#pragma clang assume_nonnull end
