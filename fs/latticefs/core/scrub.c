/* Scrub and resilver: a walk over all trees that reads all copies. Bitmaps and tables have no
 * pointer; a resilver marks every segment as changed, so that its commit writes them to all disks.
 */
#include "scrub.h"
#include "change.h"
#include "dataset.h"
#include "node.h"
#include "pool.h"
#include "walk.h"

#pragma clang assume_nonnull begin

enum { PROGRESS_POINTERS = 256 }; /* between two reports */

static void scrub_pointer(struct lattice *fs, const struct pointer *pointer,
                          struct scrub_report *report) {
    struct bytes to =
        bytes_sub(BYTES_OF(*fs->record_buffer), 0, pointer_stored(pointer) * BLOCK_SIZE);
    report->pointers++;
    report->done += pointer_owned(pointer);
    if (report->progress != nullptr && report->pointers % PROGRESS_POINTERS == 0) {
        report->progress(report->context, report);
    }
    if (pool_scrub(fs, pointer, to, &report->bad_copies) != LATTICE_OK) {
        report->lost++;
    }
}

/* A run of blocks that will be read. */
struct ahead {
    uint64_t address;
    uint32_t blocks;
};

enum { AHEAD_BLOCKS_MAX = 1024 };

static void ahead_add(struct lattice *fs, struct ahead *ahead, uint64_t address, uint32_t blocks) {
    bool follows = ahead->blocks != 0 && ahead->address + ahead->blocks == address &&
                   ahead->blocks < AHEAD_BLOCKS_MAX &&
                   (address & ((UINT64_C(1) << fs->super.segment_shift) - 1)) != 0;
    if (!follows) {
        if (ahead->blocks != 0) {
            pool_prefetch(fs, ahead->address, ahead->blocks);
        }
        *ahead = (struct ahead){.address = address};
    }
    ahead->blocks += blocks;
}

/* Tells the disks of all records that a leaf's scrub will read: it reads them one by one. */
static void scrub_leaf_ahead(struct lattice *fs, const struct node *leaf, uint64_t floor) {
    struct geometry geometry = geometry_of(fs);
    struct ahead ahead = {};
    for (uint32_t i = 0; i < leaf->count; i++) {
        struct pointer record = {};
        struct view value = leaf_value(leaf, i);
        if (key_type(leaf->slots[i].key) != KEY_EXTENT || value.size != sizeof record) {
            continue;
        }
        bytes_copy(BYTES_OF(record), value);
        if (record.birth > floor &&
            pointer_validate(&geometry, &record, POINTER_RECORD, 0) == LATTICE_OK) {
            ahead_add(fs, &ahead, pointer_address(&record, 0), pointer_stored(&record));
        }
    }
    if (ahead.blocks != 0) {
        pool_prefetch(fs, ahead.address, ahead.blocks);
    }
}

static void scrub_leaf(struct lattice *fs, const struct node *leaf, uint64_t floor,
                       struct scrub_report *report) {
    struct geometry geometry = geometry_of(fs);
    for (uint32_t i = 0; i < leaf->count; i++) {
        struct pointer record = {};
        struct view value = leaf_value(leaf, i);
        if (key_type(leaf->slots[i].key) != KEY_EXTENT || value.size != sizeof record) {
            continue;
        }
        bytes_copy(BYTES_OF(record), value);
        if (record.birth > floor &&
            pointer_validate(&geometry, &record, POINTER_RECORD, 0) == LATTICE_OK) {
            scrub_pointer(fs, &record, report);
        }
    }
}

/* `from`: items below are gone already (a reclaim job). */
static lattice_status_t scrub_tree(struct lattice *fs, struct tree *tree, uint64_t floor,
                                   struct key from, struct scrub_report *report) {
    struct walk *_Nullable taken = memory_take(fs, sizeof(struct walk));
    if (taken == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    struct walk *walk = SOME(taken);
    lattice_status_t status = LATTICE_OK;
    walk_begin(walk, tree, floor);
    walk->from = from;
    while (status != LATTICE_NOT_FOUND && status != LATTICE_NO_MEMORY) {
        struct pointer pointer = {};
        const struct node *_Nullable node = nullptr;
        status = walk_next(fs, walk, &pointer, &node);
        if (status == LATTICE_OK) {
            scrub_pointer(fs, &pointer, report);
        } else if (status != LATTICE_NOT_FOUND) {
            report->lost++;
        }
        if (status == LATTICE_OK && SOME(node)->level == 0) {
            scrub_leaf_ahead(fs, SOME(node), floor);
            scrub_leaf(fs, SOME(node), floor, report);
        }
    }
    memory_give(fs, walk, sizeof *walk);
    return status == LATTICE_NOT_FOUND ? LATTICE_OK : status;
}

static lattice_status_t scrub_dataset(struct lattice *fs, uint64_t id, uint64_t floor,
                                      struct scrub_report *report) {
    struct dataset_record *record = &fs->stored_buffer->dataset;
    if (dataset_record_get(fs, id, record) != LATTICE_OK) {
        report->lost++;
        return LATTICE_OK;
    }
    if (record->state == DATASET_DESTROYING) {
        return LATTICE_OK; /* some of it is free already; what others need they reach themselves */
    }
    struct tree tree = {.root = record->root, .owner = id};
    return scrub_tree(fs, &tree, floor, KEY_MIN, report);
}

/* A reclaim job reads what is left of its tree's nodes; records are freed unread. */
static lattice_status_t scrub_job(struct lattice *fs, struct view value, uint64_t floor,
                                  struct scrub_report *report) {
    struct job_record job = {};
    struct geometry geometry = geometry_of(fs);
    if (value.size != sizeof job || value.data[0] != JOB_TREE) {
        return LATTICE_OK;
    }
    bytes_copy(BYTES_OF(job), value);
    if (pointer_validate(&geometry, &job.root, POINTER_NODE, job.root.level) != LATTICE_OK) {
        report->lost++;
        return LATTICE_OK;
    }
    struct tree tree = {.root = job.root};
    return scrub_tree(fs, &tree, MAX(floor, job.floor), job.cursor, report);
}

/* What a scrub will read of the datasets: all that they refer to, shared or not. */
static uint64_t blocks_ahead(struct lattice *fs) {
    struct dataset_record record = {};
    uint64_t blocks = 0;
    for (uint64_t id = 0; record_next(fs, &id, &record) == LATTICE_OK;) {
        blocks += record.state == DATASET_DESTROYING ? 0 : record.referenced_blocks;
    }
    return blocks;
}

lattice_status_t pool_scrub_all(struct lattice *fs, uint64_t floor, struct scrub_report *report) {
    if (fs->cache.dirty.count != 0) {
        return LATTICE_BUSY;
    }
    report->all = floor == 0 ? blocks_ahead(fs) : 0;
    TRY(segments_need_all(fs));
    TRY(scrub_tree(fs, &fs->pool_tree, floor, KEY_MIN, report));
    segments_scrub(fs, &report->bad_copies, &report->lost);
    struct key key = KEY_MIN;
    for (;;) {
        struct item item = {};
        lattice_status_t status = tree_seek(fs, &fs->pool_tree, key, KEY_MAX, &item);
        if (status == LATTICE_NOT_FOUND) {
            return LATTICE_OK;
        }
        TRY(status);
        uint8_t type = key_type(item.key);
        uint64_t id = item.key.object;
        key = type == KEY_DEADLIST ? key_make(id, KEY_JOB, 0, 0) : key_next(item.key);
        if (type == KEY_DATASET) {
            /* A block may be reached from a later snapshot only, so no tree is pruned by its
             * predecessor. */
            TRY(scrub_dataset(fs, id, floor, report));
        } else if (type == KEY_JOB) {
            TRY(scrub_job(fs, item.value, floor, report));
        }
    }
}

lattice_status_t pool_resilver(struct lattice *fs, struct scrub_report *report) {
    uint64_t since = UINT64_MAX;
    for (uint32_t i = 0; i < fs->super.disk_count; i++) {
        if (fs->disks[i].stale && disk_present(fs, i)) {
            since = MIN(since, fs->super.disks[i].missing_since);
        }
    }
    if (since == UINT64_MAX) {
        return LATTICE_OK;
    }
    TRY(segments_need_all(fs));
    TRY(commit(fs));
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        struct segment_maps *_Nullable maps = nullptr;
        lattice_status_t status = segments_maps(fs, i, &maps);
        if (status != LATTICE_CORRUPT) {
            TRY(status);
            fs->segments.data[i].dirty = true;
        }
    }
    TRY(pool_scrub_all(fs, since == 0 ? 0 : since - 1, report));
    if (report->lost != 0) {
        return LATTICE_CORRUPT;
    }
    TRY(pool_flush(fs));
    for (uint32_t i = 0; i < fs->super.disk_count; i++) {
        if (fs->disks[i].stale && disk_present(fs, i)) {
            fs->disks[i].stale = false;
            fs->super.disks[i].state = DISK_ONLINE;
            fs->super.disks[i].missing_since = 0;
        }
    }
    return commit(fs);
}

#pragma clang assume_nonnull end
