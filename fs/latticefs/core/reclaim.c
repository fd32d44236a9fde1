/* Destruction in bounded pieces. Each piece is one transaction that frees blocks and records how
 * far it got, so a crash repeats nothing and loses nothing.
 *
 * Destroying snapshot S, with P before it and N after it:
 *   entries of N's deadlist born after P ──▶ freed;  S's deadlist ──▶ moves to N's;  then S leaves
 * the chain. */
#include "change.h"
#include "inode.h"
#include "node.h"
#include "pool.h"
#include "snapshot.h"
#include "walk.h"

#pragma clang assume_nonnull begin

enum { STEP_CHUNKS = 6, STEP_LEAVES = 4 };

/* Adds to a dataset's deadlist account, wherever its record lives. */
static lattice_status_t deadlist_account(struct lattice *fs, uint64_t id, uint64_t added,
                                         uint64_t removed) {
    struct dataset *_Nullable open = dataset_if_open(fs, id);
    struct dataset_record *record = &fs->record_buffer->dataset;
    if (open != nullptr) {
        SOME(open)->record.deadlist_blocks += added - removed;
        SOME(open)->dirty = true;
        *record = SOME(open)->record;
    } else {
        TRY(dataset_record_get(fs, id, record));
        record->deadlist_blocks += added - removed;
    }
    fs->modified = true;
    return dataset_record_put(fs, id, record);
}

static lattice_status_t chunk_next(struct lattice *fs, uint64_t deadlist, uint64_t bucket,
                                   struct item *out) {
    return tree_seek(fs, &fs->pool_tree, key_make(deadlist, KEY_DEADLIST, bucket, 0),
                     key_make(deadlist, KEY_JOB, 0, 0), out);
}

static uint64_t entry_blocks(struct view value) {
    uint64_t blocks = 0;
    for (size_t at = 0; at + sizeof(struct dead_entry) <= value.size;
         at += sizeof(struct dead_entry)) {
        struct dead_entry entry = {};
        bytes_copy(BYTES_OF(entry), view_sub(value, at, sizeof entry));
        blocks += entry.place >> 48;
    }
    return blocks;
}

static lattice_status_t chunk_free(struct lattice *fs, struct view value) {
    struct geometry geometry = geometry_of(fs);
    TRY(segments_reserve_frees(fs, DEADLIST_CHUNK));
    for (size_t at = 0; at + sizeof(struct dead_entry) <= value.size;
         at += sizeof(struct dead_entry)) {
        struct dead_entry entry = {};
        bytes_copy(BYTES_OF(entry), view_sub(value, at, sizeof entry));
        uint64_t address = entry.place & ADDRESS_MASK;
        uint32_t blocks = (uint32_t)(entry.place >> 48);
        TRY(run_validate(&geometry, address, blocks));
        segments_free(fs, address, blocks);
    }
    return LATTICE_OK;
}

struct destroying {
    uint64_t id;
    uint64_t next;
    uint64_t previous;
    uint64_t previous_birth;
    uint64_t deadlist;
    uint64_t next_deadlist;
};

/* Frees chunks of the next dataset's deadlist that only the snapshot held. */
static lattice_status_t destroy_free(struct lattice *fs, const struct destroying *what,
                                     bool *out_done) {
    for (uint32_t i = 0; i < STEP_CHUNKS; i++) {
        struct item item = {};
        lattice_status_t status = chunk_next(fs, what->next_deadlist, what->previous_birth, &item);
        *out_done = status == LATTICE_NOT_FOUND;
        if (status != LATTICE_OK) {
            return *out_done ? LATTICE_OK : status;
        }
        uint64_t blocks = entry_blocks(item.value);
        TRY(chunk_free(fs, item.value));
        fs->modified = true;
        TRY(tree_delete(fs, &fs->pool_tree, item.key));
        TRY(deadlist_account(fs, what->next, 0, blocks));
    }
    return LATTICE_OK;
}

/* Moves chunks of the snapshot's deadlist to the next dataset's. */
static lattice_status_t destroy_move(struct lattice *fs, const struct destroying *what,
                                     bool *out_done) {
    for (uint32_t i = 0; i < STEP_CHUNKS; i++) {
        struct item item = {};
        lattice_status_t status = chunk_next(fs, what->deadlist, 0, &item);
        *out_done = status == LATTICE_NOT_FOUND;
        if (status != LATTICE_OK) {
            return *out_done ? LATTICE_OK : status;
        }
        struct dead_chunk *chunk = &fs->stored_buffer->chunk;
        size_t size = MIN(item.value.size, sizeof *chunk);
        uint64_t blocks = entry_blocks(item.value);
        struct key moved = item.key;
        bytes_copy(BYTES_OF(*chunk), view_sub(item.value, 0, size));
        moved.object = what->next_deadlist;
        fs->modified = true;
        TRY(tree_delete(fs, &fs->pool_tree, item.key));
        TRY(tree_put(fs, &fs->pool_tree, moved, view_sub(VIEW_OF(*chunk), 0, size)));
        TRY(deadlist_account(fs, what->id, 0, blocks));
        TRY(deadlist_account(fs, what->next, blocks, 0));
    }
    return LATTICE_OK;
}

/* Takes the snapshot out of the chain. */
static lattice_status_t destroy_unlink(struct lattice *fs, const struct destroying *what) {
    struct dataset_record *record = &fs->record_buffer->dataset;
    struct dataset *_Nullable open = dataset_if_open(fs, what->next);
    fs->modified = true;
    if (what->previous != 0) {
        TRY(dataset_record_get(fs, what->previous, record));
        record->next = what->next;
        TRY(dataset_record_put(fs, what->previous, record));
    }
    if (open != nullptr) {
        *record = SOME(open)->record;
    } else {
        TRY(dataset_record_get(fs, what->next, record));
    }
    record->previous = what->previous;
    record->previous_birth = what->previous_birth;
    TRY(dataset_record_put(fs, what->next, record));
    if (open != nullptr) {
        SOME(open)->record = *record;
        SOME(open)->dirty = true;
    }
    TRY(tree_delete(fs, &fs->pool_tree, key_make(what->id, KEY_DATASET, 0, 0)));
    for (struct dataset *_Nullable at = fs->datasets; at != nullptr; at = SOME(at)->next) {
        if (SOME(at)->record.kind == DATASET_HEAD) {
            TRY(dataset_load_births(fs, SOME(at)));
        }
    }
    return LATTICE_OK;
}

[[gnu::noinline]] static lattice_status_t destroy_step(struct lattice *fs, uint64_t id) {
    struct dataset_record *record = &fs->record_buffer->dataset;
    TRY(dataset_record_get(fs, id, record));
    struct destroying what = {.id = id,
                              .next = record->next,
                              .previous = record->previous,
                              .previous_birth = record->previous_birth,
                              .deadlist = record->deadlist};
    struct dataset *_Nullable open = dataset_if_open(fs, what.next);
    if (open != nullptr) {
        what.next_deadlist = SOME(open)->record.deadlist;
    } else {
        TRY(dataset_record_get(fs, what.next, record));
        what.next_deadlist = record->deadlist;
    }
    bool done = false;
    TRY(destroy_free(fs, &what, &done));
    if (done) {
        TRY(destroy_move(fs, &what, &done));
    }
    return done ? destroy_unlink(fs, &what) : LATTICE_OK;
}

/* ---- jobs ---- */

[[gnu::noinline]] static lattice_status_t job_free(struct lattice *fs,
                                                   const struct pointer *pointer) {
    for (unsigned copy = 0; copy < 2; copy++) {
        if (pointer_address(pointer, copy) != 0) {
            segments_free(fs, pointer_address(pointer, copy), pointer_stored(pointer));
        }
    }
    return fs->aborted;
}

[[gnu::noinline]] static lattice_status_t
leaf_free(struct lattice *fs, const struct job_record *job, const struct node *leaf) {
    struct geometry geometry = geometry_of(fs);
    for (uint32_t i = 0; i < leaf->count; i++) {
        struct pointer record = {};
        struct view value = leaf_value(leaf, i);
        if (key_type(leaf->slots[i].key) != KEY_EXTENT || value.size != sizeof record) {
            continue;
        }
        bytes_copy(BYTES_OF(record), value);
        TRY(pointer_validate(&geometry, &record, POINTER_RECORD, 0));
        if (record.birth > job->floor) {
            TRY(job_free(fs, &record));
        }
    }
    return LATTICE_OK;
}

struct job_step {
    struct pointer pointer;
    struct key high;
    bool high_bounded;
};

struct job_path {
    uint32_t depth;
    struct job_step steps[DEPTH_MAX];
};

/* The nodes from the root to the first one at the cursor that is a leaf, or not born after the
 * floor, or not readable. */
[[gnu::noinline]] static lattice_status_t job_descend(struct lattice *fs,
                                                      const struct job_record *job,
                                                      struct job_path *path,
                                                      const struct node *_Nullable *_Nonnull out) {
    struct tree tree = {.root = job->root};
    struct key low = KEY_MIN;
    path->steps[0] = (struct job_step){.pointer = job->root};
    path->depth = 1;
    *out = nullptr;
    for (;;) {
        struct job_step *top = &path->steps[path->depth - 1];
        struct frame *_Nullable frame = nullptr;
        if (top->pointer.birth <= job->floor) {
            return LATTICE_OK;
        }
        lattice_status_t status =
            tree_node(fs, &tree, &top->pointer, low, top->high, top->high_bounded, &frame);
        if (status != LATTICE_OK) {
            return status == LATTICE_NO_MEMORY ? status : LATTICE_OK;
        }
        const struct node *node = &SOME(frame)->node;
        if (node->level == 0) {
            *out = node;
            return LATTICE_OK;
        }
        uint32_t index = inner_find(node, job->cursor);
        bool last = index + 1u == node->count;
        CHECK(path->depth < DEPTH_MAX);
        low = node->children[index].key;
        path->steps[path->depth] =
            (struct job_step){.pointer = node->children[index].pointer,
                              .high = last ? top->high : node->children[index + 1].key,
                              .high_bounded = last ? top->high_bounded : true};
        path->depth++;
    }
}

/* Frees one leaf and the nodes that end with it. */
[[gnu::noinline]] static lattice_status_t job_tree_leaf(struct lattice *fs, struct job_record *job,
                                                        bool *out_done) {
    struct job_path path = {};
    const struct node *_Nullable leaf = nullptr;
    TRY(job_descend(fs, job, &path, &leaf));
    TRY(segments_reserve_frees(fs, LEAF_SLOTS_MAX + 2 * DEPTH_MAX));
    if (leaf != nullptr) {
        TRY(leaf_free(fs, job, SOME(leaf)));
    }
    struct job_step *end = &path.steps[path.depth - 1];
    for (uint32_t depth = path.depth; depth > 0; depth--) {
        struct job_step *step = &path.steps[depth - 1];
        bool ends = step->high_bounded == end->high_bounded &&
                    (!end->high_bounded || key_equal(step->high, end->high));
        bool readable = depth < path.depth || leaf != nullptr;
        if (ends && readable && step->pointer.birth > job->floor) {
            TRY(job_free(fs, &step->pointer));
        }
    }
    *out_done = !end->high_bounded;
    job->cursor = end->high;
    return LATTICE_OK;
}

static lattice_status_t job_tree(struct lattice *fs, struct job_record *job, bool *out_done) {
    struct geometry geometry = geometry_of(fs);
    TRY(pointer_validate(&geometry, &job->root, POINTER_NODE, job->root.level));
    for (uint32_t i = 0; i < STEP_LEAVES && !*out_done; i++) {
        TRY(job_tree_leaf(fs, job, out_done));
        fs->modified = true;
    }
    return LATTICE_OK;
}

static lattice_status_t job_deadlist(struct lattice *fs, const struct job_record *job,
                                     bool *out_done) {
    for (uint32_t i = 0; i < STEP_CHUNKS; i++) {
        struct item item = {};
        lattice_status_t status = chunk_next(fs, job->deadlist, 0, &item);
        *out_done = status == LATTICE_NOT_FOUND;
        if (status != LATTICE_OK) {
            return *out_done ? LATTICE_OK : status;
        }
        fs->modified = true;
        TRY(tree_delete(fs, &fs->pool_tree, item.key));
    }
    return LATTICE_OK;
}

[[gnu::noinline]] static lattice_status_t job_step(struct lattice *fs, uint64_t id) {
    struct view value = {};
    struct job_record job = {};
    struct key key = key_make(id, KEY_JOB, 0, 0);
    bool done = false;
    TRY(tree_get(fs, &fs->pool_tree, key, &value));
    if (value.size != sizeof job) {
        return LATTICE_CORRUPT;
    }
    bytes_copy(BYTES_OF(job), value);
    if (job.kind == JOB_TREE) {
        TRY(job_tree(fs, &job, &done));
    } else {
        TRY(job_deadlist(fs, &job, &done));
    }
    fs->modified = true;
    return done ? tree_delete(fs, &fs->pool_tree, key)
                : tree_put(fs, &fs->pool_tree, key, VIEW_OF(job));
}

/* ---- choosing ---- */

/* The first thing to do: a job, or a snapshot that is being destroyed. */
static lattice_status_t work_find(struct lattice *fs, uint64_t *out_id, bool *out_job) {
    struct key key = KEY_MIN;
    for (;;) {
        struct item item = {};
        TRY(tree_seek(fs, &fs->pool_tree, key, KEY_MAX, &item));
        uint8_t type = key_type(item.key);
        bool destroying = type == KEY_DATASET && item.value.size == sizeof(struct dataset_record) &&
                          item.value.data[1] == DATASET_DESTROYING;
        if (type == KEY_JOB || destroying) {
            *out_id = item.key.object;
            *out_job = type == KEY_JOB;
            return LATTICE_OK;
        }
        /* Deadlists may be long, and hold no work of their own. */
        key = type == KEY_DEADLIST ? key_make(item.key.object, KEY_JOB, 0, 0) : key_next(item.key);
    }
}

lattice_status_t reclaim_step(struct lattice *fs, bool *out_more) {
    uint64_t id = 0;
    bool job = false;
    *out_more = false;
    lattice_status_t status = work_find(fs, &id, &job);
    if (status != LATTICE_OK) {
        return status == LATTICE_NOT_FOUND ? LATTICE_OK : status;
    }
    TRY(commit(fs));
    TRY(operation_begin(fs, nullptr, SPACE_DESTROY, 4 * STEP_CHUNKS, 0));
    status = operation_end(fs, job ? job_step(fs, id) : destroy_step(fs, id));
    TRY(status);
    status = commit(fs);
    if (status != LATTICE_OK) {
        lattice_abort(fs, status);
    }
    *out_more = true;
    return status;
}

#pragma clang assume_nonnull end
