/* Checks a whole pool. Each block is marked once, in the first tree (oldest snapshot first, by
 * birth) that has it: a block that would be marked twice has two owners. Then bitmaps must equal
 * the marks. */
#include "check.h"
#include "check_objects.h"
#include "dataset.h"
#include "keys.h"
#include "pool.h"
#include "walk.h"

#pragma clang assume_nonnull begin

struct check_maps {
    uint32_t count;
    struct bitmap *_Nullable *_Nullable data COUNTED_BY(count);
};

struct check {
    struct lattice *fs;
    struct check_report *report;
    uint32_t flags;
    struct check_maps maps;
    struct walk walk;
    struct object_check objects;
    struct dataset_record record;
    uint64_t marked;     /* blocks of the tree in hand */
    uint64_t held_birth; /* birth of the snapshot that the deadlist in hand is about */
    uint64_t steps;      /* nodes so far, for progress */
};

static lattice_status_t map_of(struct check *check, uint64_t address,
                               struct bitmap *_Nullable *_Nonnull out) {
    uint64_t index = address >> check->fs->super.segment_shift;
    CHECK(index < check->maps.count);
    if (check->maps.data[index] == nullptr) {
        struct bitmap *_Nullable map = memory_take(check->fs, sizeof(struct bitmap));
        if (map == nullptr) {
            return LATTICE_NO_MEMORY;
        }
        SOME(map)->words[0] = 0xf;
        check->maps.data[index] = map;
    }
    *out = SOME(check->maps.data[index]);
    return LATTICE_OK;
}

/* Marks a run; false if a part of it was marked before. */
static lattice_status_t mark_run(struct check *check, uint64_t address, uint32_t blocks,
                                 bool *out_fresh) {
    struct bitmap *_Nullable map = nullptr;
    TRY(map_of(check, address, &map));
    uint32_t first = address & ((UINT32_C(1) << check->fs->super.segment_shift) - 1);
    for (uint32_t bit = first; bit < first + blocks; bit++) {
        uint64_t mask = UINT64_C(1) << (bit % 64);
        if ((SOME(map)->words[bit / 64] & mask) != 0) {
            *out_fresh = false;
        }
        SOME(map)->words[bit / 64] |= mask;
    }
    check->report->blocks += blocks;
    return LATTICE_OK;
}

static lattice_status_t mark_pointer(struct check *check, const struct pointer *pointer) {
    bool fresh = true;
    for (unsigned copy = 0; copy < 2; copy++) {
        if (pointer_address(pointer, copy) != 0) {
            TRY(mark_run(check, pointer_address(pointer, copy), pointer_stored(pointer), &fresh));
        }
    }
    check->marked += pointer_owned(pointer);
    if (!fresh) {
        check_problem(check->report, "block with two owners", pointer_address(pointer, 0),
                      pointer->birth);
    }
    return LATTICE_OK;
}

static bool record_parse(const struct lattice *fs, const struct node *node, uint32_t index,
                         struct pointer *out) {
    struct geometry geometry = geometry_of(fs);
    struct view value =
        view_sub(VIEW_OF(*node), node->slots[index].offset, node->slots[index].length);
    if (key_type(node->slots[index].key) != KEY_EXTENT || value.size != sizeof *out) {
        return false;
    }
    bytes_copy(bytes_of(out, sizeof *out), value);
    return pointer_validate(&geometry, out, POINTER_RECORD, 0) == LATTICE_OK;
}

static void verify_record(struct check *check, const struct pointer *pointer, struct key key) {
    struct bytes to =
        bytes_sub(BYTES_OF(*check->fs->record_buffer), 0, pointer_stored(pointer) * BLOCK_SIZE);
    if (pool_read(check->fs, pointer, to) != LATTICE_OK) {
        check_problem(check->report, "record cannot be read", key.object, key.offset);
    }
}

enum { PROGRESS_NODES = 64 }; /* between two reports */

/* After each node. */
static void progress(struct check *check, const char *what, uint64_t done, uint64_t all) {
    const struct check_report *report = check->report;
    check->steps++;
    if (report->progress != nullptr && check->steps % PROGRESS_NODES == 0) {
        report->progress(report->context, what, done, all);
    }
}

/* Marks all blocks of a tree that were born after the floor. `from`: items below are gone already
 * (a reclaim job). */
static lattice_status_t mark_tree(struct check *check, struct tree *tree, uint64_t floor, bool data,
                                  struct key from) {
    check->marked = 0;
    walk_begin(&check->walk, tree, floor);
    check->walk.from = from;
    for (;;) {
        struct pointer pointer = {};
        const struct node *_Nullable node = nullptr;
        lattice_status_t status = walk_next(check->fs, &check->walk, &pointer, &node);
        if (status == LATTICE_NOT_FOUND) {
            return LATTICE_OK;
        }
        if (status == LATTICE_NO_MEMORY) {
            return status;
        }
        check->report->nodes++;
        TRY(mark_pointer(check, &pointer));
        progress(check, "check, blocks", check->report->blocks, check->fs->super.used_blocks);
        if (status != LATTICE_OK) {
            check->report->unreadable++;
            check_problem(check->report, "node cannot be read", pointer_address(&pointer, 0),
                          (uint64_t)status);
            continue;
        }
        for (uint32_t i = 0; data && SOME(node)->level == 0 && i < SOME(node)->count; i++) {
            struct pointer record = {};
            struct key key = SOME(node)->slots[i].key;
            if (record_parse(check->fs, SOME(node), i, &record) && record.birth > floor &&
                !key_less(key, from)) {
                TRY(mark_pointer(check, &record));
                check->report->records++;
                if ((check->flags & CHECK_DATA) != 0) {
                    verify_record(check, &record, key);
                }
            }
        }
    }
}

static bool is_marked(struct check *check, const struct pointer *pointer) {
    uint64_t address = pointer_address(pointer, 0);
    const struct bitmap *_Nullable map =
        check->maps.data[address >> check->fs->super.segment_shift];
    uint32_t bit = address & ((UINT32_C(1) << check->fs->super.segment_shift) - 1);
    return map != nullptr && (SOME(map)->words[bit / 64] >> (bit % 64) & 1) != 0;
}

/* Whether what the items mean can be looked at: not without the key, nor half received. */
static bool objects_complete(const struct check *check) {
    return dataset_unlocked(check->fs, &check->record) && check->record.state != DATASET_RECEIVING;
}

/* Adds a node's blocks up, and those of the records in it; all must have been marked. */
static void check_owned(struct check *check, const struct pointer *pointer,
                        const struct node *_Nullable leaf) {
    struct pointer record = {};
    check->objects.referenced += pointer_owned(pointer);
    if (!is_marked(check, pointer)) {
        check_problem(check->report, "node without owner", pointer_address(pointer, 0),
                      pointer->birth);
    }
    for (uint32_t i = 0; leaf != nullptr && i < SOME(leaf)->count; i++) {
        if (record_parse(check->fs, SOME(leaf), i, &record)) {
            check->objects.referenced += pointer_owned(&record);
            if (!is_marked(check, &record)) {
                check_problem(check->report, "record without owner", pointer_address(&record, 0),
                              record.birth);
            }
        }
    }
}

/* One walk through a head: what its items mean, and that all its blocks have an owner. */
static lattice_status_t check_items(struct check *check, struct tree *tree, bool *out_more) {
    struct object_check *objects = &check->objects;
    bool locked = !objects_complete(check);
    walk_begin(&check->walk, tree, 0);
    for (;;) {
        struct pointer pointer = {};
        const struct node *_Nullable node = nullptr;
        lattice_status_t status = walk_next(check->fs, &check->walk, &pointer, &node);
        if (status == LATTICE_NOT_FOUND) {
            object_check_finish(objects, out_more);
            return LATTICE_OK;
        }
        if (status == LATTICE_NO_MEMORY) {
            return status;
        }
        const struct node *_Nullable leaf =
            status == LATTICE_OK && SOME(node)->level == 0 ? node : nullptr;
        if (!objects->again) {
            check_owned(check, &pointer, leaf);
        }
        progress(check, "check, names", objects->again ? check->report->facts : objects->objects,
                 check->record.object_count);
        for (uint32_t i = 0; !locked && leaf != nullptr && i < SOME(leaf)->count; i++) {
            const struct leaf_slot *slot = &SOME(leaf)->slots[i];
            TRY(object_check_item(objects, slot->key,
                                  view_sub(VIEW_OF(*SOME(leaf)), slot->offset, slot->length)));
        }
    }
}

static lattice_status_t check_head(struct check *check, uint64_t id) {
    struct tree tree = {
        .root = check->record.root, .owner = id, .key = key_find(check->fs, &check->record)};
    check->objects = (struct object_check){
        .fs = check->fs, .report = check->report, .next_object = check->record.next_object};
    lattice_status_t status = LATTICE_OK;
    for (bool more = true; more && status == LATTICE_OK;) {
        status = check_items(check, &tree, &more);
    }
    if (check->objects.referenced != check->record.referenced_blocks) {
        check_problem(check->report, "referenced blocks are wrong", id, check->objects.referenced);
    }
    if (check->objects.objects != check->record.object_count && objects_complete(check)) {
        check_problem(check->report, "object count is wrong", id, check->objects.objects);
    }
    check->report->objects += check->objects.objects;
    object_check_release(&check->objects);
    return status;
}

/* Sum of a deadlist's entries; each must be a marked block of the right bucket. With `mark`:
 * entries that only a snapshot under destruction still held are marked as their own. */
static lattice_status_t check_deadlist(struct check *check, uint64_t id, bool mark) {
    struct key key = key_make(check->record.deadlist, KEY_DEADLIST, 0, 0);
    struct key end = key_make(check->record.deadlist, KEY_JOB, 0, 0);
    uint64_t blocks = 0;
    for (;;) {
        struct item item = {};
        lattice_status_t status = tree_seek(check->fs, &check->fs->pool_tree, key, end, &item);
        if (status == LATTICE_NOT_FOUND) {
            break;
        }
        TRY(status);
        key = key_next(item.key);
        for (size_t at = 0; at + sizeof(struct dead_entry) <= item.value.size;
             at += sizeof(struct dead_entry)) {
            struct dead_entry entry = {};
            bytes_copy(BYTES_OF(entry), view_sub(item.value, at, sizeof entry));
            blocks += entry.place >> 48;
            struct pointer pointer =
                pointer_make(POINTER_RECORD, 0, entry.place & ADDRESS_MASK, 0, entry.birth);
            struct geometry geometry = geometry_of(check->fs);
            bool valid = run_validate(&geometry, entry.place & ADDRESS_MASK,
                                      (uint32_t)(entry.place >> 48)) == LATTICE_OK;
            if (mark) {
                bool fresh = true;
                if (valid && key_sub(item.key) >= check->record.previous_birth) {
                    TRY(mark_run(check, entry.place & ADDRESS_MASK, (uint32_t)(entry.place >> 48),
                                 &fresh));
                }
                if (!fresh) {
                    check_problem(check->report, "dead block with two owners", id,
                                  entry.place & ADDRESS_MASK);
                }
                continue;
            }
            if (!valid || !is_marked(check, &pointer) || entry.birth <= key_sub(item.key) ||
                entry.birth > check->held_birth) {
                check_problem(check->report, "deadlist entry of no snapshot's block", id,
                              entry.place & ADDRESS_MASK);
            }
        }
    }
    if (!mark && blocks != check->record.deadlist_blocks) {
        check_problem(check->report, "deadlist blocks are wrong", id, blocks);
    }
    return LATTICE_OK;
}

enum check_pass { PASS_MARK, PASS_MEANING };

/* R(X) = R(previous) − dead(X) + born since: ties the deadlist to the trees, block for block. */
static lattice_status_t check_identity(struct check *check, uint64_t id, uint64_t born) {
    struct dataset_record *record = &check->record;
    uint64_t previous = record->previous;
    if (previous == 0 || record->origin != 0) {
        return LATTICE_OK; /* what a clone drops of its origin is listed nowhere */
    }
    struct dataset_record *other = &check->fs->stored_buffer->dataset;
    struct view value = {};
    lattice_status_t status =
        tree_get(check->fs, &check->fs->pool_tree, key_make(previous, KEY_DATASET, 0, 0), &value);
    if (status != LATTICE_OK || value.size != sizeof *other) {
        check->report->unreadable++;
        check_problem(check->report, "previous snapshot is missing", id, previous);
        return LATTICE_OK;
    }
    bytes_copy(BYTES_OF(*other), value);
    if (record->referenced_blocks != other->referenced_blocks - record->deadlist_blocks + born) {
        check_problem(check->report, "deadlist does not explain the difference", id, born);
    }
    return LATTICE_OK;
}

/* A snapshot that is being destroyed counts no more: what came before it is the next one's
 * previous. */
static lattice_status_t effective_previous(struct check *check, struct dataset_record *record,
                                           bool *out_skipped) {
    *out_skipped = false;
    struct dataset_record *other = &check->fs->stored_buffer->dataset;
    uint64_t bound = UINT64_MAX;
    while (record->previous != 0) {
        TRY(dataset_record_get(check->fs, record->previous, other));
        if (other->state != DATASET_DESTROYING || other->birth >= bound) {
            return LATTICE_OK;
        }
        bound = other->birth;
        record->previous = other->previous;
        record->previous_birth = other->previous_birth;
        *out_skipped = true;
    }
    return LATTICE_OK;
}

static lattice_status_t check_dataset(struct check *check, uint64_t id, enum check_pass pass) {
    struct dataset_record *record = &check->record;
    struct tree tree = {.root = record->root, .owner = id, .key = key_find(check->fs, record)};
    bool skipped = false;
    check->held_birth = record->previous_birth;
    if (effective_previous(check, record, &skipped) != LATTICE_OK) {
        check->report->unreadable++;
        check_problem(check->report, "previous snapshot is missing", id, record->previous);
    }
    uint64_t floor = MAX(record->previous_birth, record->origin_birth);
    if (pass == PASS_MARK && record->state != DATASET_DESTROYING) {
        TRY(mark_tree(check, &tree, floor, true, KEY_MIN));
        if (!skipped) {
            TRY(check_identity(check, id, check->marked));
        }
    }
    if (pass == PASS_MARK) {
        return skipped ? check_deadlist(check, id, true) : LATTICE_OK;
    }
    TRY(check_deadlist(check, id, false));
    return record->kind == DATASET_HEAD ? check_head(check, id) : LATTICE_OK;
}

static lattice_status_t check_job(struct check *check, struct view value) {
    struct job_record job = {};
    if (value.size != sizeof job) {
        check->report->unreadable++;
        check_problem(check->report, "job of a wrong size", value.size, 0);
        return LATTICE_OK;
    }
    bytes_copy(BYTES_OF(job), value);
    if (job.kind != JOB_TREE) {
        return LATTICE_OK;
    }
    struct geometry geometry = geometry_of(check->fs);
    if (pointer_validate(&geometry, &job.root, POINTER_NODE, job.root.level) != LATTICE_OK) {
        check->report->unreadable++;
        check_problem(check->report, "job with an invalid root", job.dataset, 0);
        return LATTICE_OK;
    }
    struct tree tree = {.root = job.root};
    return mark_tree(check, &tree, job.floor, true, job.cursor);
}

static lattice_status_t check_pool_items(struct check *check, enum check_pass pass) {
    struct key key = KEY_MIN;
    for (;;) {
        struct item item = {};
        lattice_status_t status = tree_seek(check->fs, &check->fs->pool_tree, key, KEY_MAX, &item);
        if (status == LATTICE_NOT_FOUND) {
            return LATTICE_OK;
        }
        TRY(status);
        key = item.key;
        if (key_type(key) == KEY_DATASET) {
            struct geometry geometry = geometry_of(check->fs);
            if (item.value.size != sizeof check->record) {
                check->report->unreadable++;
                check_problem(check->report, "dataset record of a wrong size", key.object, 0);
            } else {
                bytes_copy(BYTES_OF(check->record), item.value);
                if (dataset_record_validate(&geometry, &check->record) != LATTICE_OK) {
                    check->report->unreadable++;
                    check_problem(check->report, "invalid dataset record", key.object, 0);
                } else {
                    TRY(check_dataset(check, key.object, pass));
                }
            }
        } else if (key_type(key) == KEY_JOB && pass == PASS_MARK) {
            TRY(check_job(check, item.value));
        }
        key = key_next(key);
    }
}

/* Counts the differences of one bitmap; false if it cannot be read. */
static lattice_status_t check_bitmap(struct check *check, uint32_t index,
                                     const struct bitmap *reached, bool *out_differs) {
    struct lattice *fs = check->fs;
    struct segment_maps *_Nullable maps = nullptr;
    lattice_status_t status = segments_maps(fs, index, &maps);
    if (status == LATTICE_NO_MEMORY) {
        return status;
    }
    *out_differs = status != LATTICE_OK;
    if (status != LATTICE_OK) {
        check_problem(check->report, "bitmap cannot be read", index, 0);
        return LATTICE_OK;
    }
    uint32_t words = (UINT32_C(1) << fs->super.segment_shift) / 64;
    for (uint32_t word = 0; word < words; word++) {
        uint64_t used = SOME(maps)->used.words[word];
        check->report->leaked += (uint64_t)__builtin_popcountll(used & ~reached->words[word]);
        check->report->lost += (uint64_t)__builtin_popcountll(reached->words[word] & ~used);
        *out_differs |= used != reached->words[word];
    }
    return LATTICE_OK;
}

static lattice_status_t check_bitmaps(struct check *check) {
    struct lattice *fs = check->fs;
    bool repair = (check->flags & CHECK_REPAIR) != 0 && check->report->unreadable == 0;
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        struct bitmap *_Nullable reached = nullptr;
        bool differs = false;
        TRY(map_of(check, (uint64_t)i << fs->super.segment_shift, &reached));
        TRY(check_bitmap(check, i, SOME(reached), &differs));
        if (differs && repair) {
            TRY(segments_rebuild(fs, i, SOME(reached)));
            check->report->repaired++;
        }
    }
    if (check->report->leaked != 0) {
        check_problem(check->report, "blocks used and reached by nothing", check->report->leaked,
                      0);
    }
    if (check->report->lost != 0) {
        check_problem(check->report, "blocks reached and free", check->report->lost, 0);
    }
    return check->report->repaired != 0 ? commit(fs) : LATTICE_OK;
}

/* What the superblock says of the whole table, which is not counted when a pool is opened. */
static void check_totals(struct check *check) {
    struct lattice *fs = check->fs;
    uint64_t used = 0;
    uint64_t quads = 0;
    uint64_t free_blocks = 0;
    uint64_t free_quads = 0;
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        const struct segment *segment = &fs->segments.data[i];
        used += (UINT64_C(1) << fs->super.segment_shift) - segment->entry.free_blocks;
        quads += segment->entry.free_quads;
        free_blocks += segment->bad ? 0 : segment->free_blocks;
        free_quads += segment->bad ? 0 : segment->free_quads;
    }
    if (used != fs->super.used_blocks ||
        (quads != fs->super.free_quads && fs->super.free_quads != 0)) {
        check_problem(check->report, "the superblock's count of blocks", used,
                      fs->super.used_blocks);
    }
    if (free_blocks != fs->segments.free_blocks || free_quads != fs->segments.free_quads) {
        check_problem(check->report, "the allocator's count of blocks", free_blocks,
                      fs->segments.free_blocks);
    }
}

static lattice_status_t check_run(struct check *check) {
    struct lattice *fs = check->fs;
    bool fresh = true;
    if (!fs->rescue) {
        check_totals(check);
    }
    TRY(mark_run(check, fs->super.log_address, fs->super.log_blocks, &fresh));
    TRY(mark_tree(check, &fs->pool_tree, 0, false, KEY_MIN));
    TRY(check_pool_items(check, PASS_MARK));
    TRY(check_pool_items(check, PASS_MEANING));
    return check_bitmaps(check);
}

lattice_status_t pool_check(struct lattice *fs, uint32_t flags, struct check_report *report) {
    if (fs->cache.dirty.count != 0) {
        return LATTICE_BUSY;
    }
    TRY(segments_need_all(fs));
    struct check *_Nullable taken = memory_take(fs, sizeof(struct check));
    if (taken == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    struct check *check = SOME(taken);
    size_t size = fs->segments.count * sizeof(struct bitmap *);
    *check = (struct check){.fs = fs, .report = report, .flags = flags, .objects.fs = fs};
    struct bitmap *_Nullable *_Nullable maps = memory_take(fs, size);
    lattice_status_t status = LATTICE_NO_MEMORY;
    if (maps != nullptr) {
        check->maps.count = fs->segments.count;
        check->maps.data = maps;
        status = check_run(check);
    }
    for (uint32_t i = 0; i < check->maps.count; i++) {
        memory_give(fs, check->maps.data[i], sizeof(struct bitmap));
    }
    memory_give(fs, maps, size);
    object_check_release(&check->objects);
    memory_give(fs, check, sizeof *check);
    return status;
}

#pragma clang assume_nonnull end
