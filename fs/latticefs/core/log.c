/* The operation log; its format is section 7 of docs/latticefs-format.md. */
#include "log.h"
#include "checksum.h"
#include "dataset.h"
#include "pool.h"

#pragma clang assume_nonnull begin

/* ---- collecting ---- */

lattice_status_t log_reserve(struct lattice *fs, uint32_t bytes) {
    struct byte_list *list = &fs->log.buffer;
    if (list->capacity - list->count >= bytes) {
        return LATTICE_OK;
    }
    uint32_t capacity = MAX(list->capacity * 2, list->count + bytes + BLOCK_SIZE);
    uint8_t *_Nullable data = memory_take_raw(fs, capacity);
    if (data == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    bytes_copy(bytes_of(data, capacity), view_of(list->data, list->count));
    memory_give(fs, list->data, list->capacity);
    list->capacity = capacity;
    list->data = data;
    return LATTICE_OK;
}

static uint32_t padded(size_t size) {
    return ((uint32_t)size + 7) & ~7u;
}

static void log_append(struct lattice *fs, struct log_entry entry, struct view value) {
    struct byte_list *list = &fs->log.buffer;
    uint32_t size = (uint32_t)sizeof entry + padded(value.size);
    if (fs->log.replaying || fs->log.overflow) {
        return;
    }
    if (log_reserve(fs, size) != LATTICE_OK) {
        fs->log.overflow = true; /* the next sync commits instead */
        return;
    }
    struct bytes to = bytes_sub(bytes_of(list->data, list->capacity), list->count, size);
    entry.length = (uint16_t)value.size;
    bytes_zero(to);
    bytes_copy(to, VIEW_OF(entry));
    bytes_copy(bytes_sub(to, sizeof entry, value.size), value);
    list->count += size;
}

/* The log is not encrypted, and is replayed before keys are there: a change of an encrypted dataset
 * makes the next sync a commit. */
static bool log_takes(struct lattice *fs, const struct dataset *dataset) {
    if ((dataset->record.cipher == CIPHER_NONE && !dataset->unlogged) || fs->log.replaying) {
        return true;
    }
    fs->log.overflow = true;
    return false;
}

void log_put(struct lattice *fs, struct dataset *dataset, struct key key, struct view value) {
    if (!log_takes(fs, dataset)) {
        return;
    }
    log_append(fs, (struct log_entry){.kind = LOG_PUT, .dataset = dataset->id, .key = key}, value);
}

void log_delete(struct lattice *fs, struct dataset *dataset, struct key key) {
    if (!log_takes(fs, dataset)) {
        return;
    }
    log_append(fs, (struct log_entry){.kind = LOG_DELETE, .dataset = dataset->id, .key = key},
               (struct view){});
}

void log_end(struct lattice *fs) {
    if (fs->log.overflow) { /* what is missing must not be missing in the middle */
        fs->log.buffer.count = fs->log.start_count;
    }
    if (fs->log.buffer.count == fs->log.start_count) {
        return;
    }
    log_append(fs, (struct log_entry){.kind = LOG_END}, (struct view){});
    fs->log.operations++;
    fs->log.start_count = fs->log.buffer.count;
}

uint32_t log_pending_bytes(const struct lattice *fs) {
    return fs->log.buffer.count;
}

struct log_vault log_vault(const struct lattice *fs) {
    const struct log_state *log = &fs->log;
    return (struct log_vault){.parts = {{.seed = log->flying_seed,
                                         .number = log->flying_number,
                                         .entries = view_of(log->flying.data, log->flying.count),
                                         .partial = log->flying_partial},
                                        {.seed = fs->super.log_seed,
                                         .number = log->number,
                                         .entries = view_of(log->buffer.data, log->start_count),
                                         .partial = log->overflow}}};
}

void log_landed(struct lattice *fs) {
    fs->log.flying.count = 0;
    fs->log.flying_seed = 0;
}

/* What was collected flies: it is kept until the flight is over. */
static void log_fly(struct lattice *fs, uint64_t seed) {
    struct log_state *log = &fs->log;
    struct byte_list landed = log->flying;
    /* A group that never landed and became a commit is not kept beside it. */
    log->flying_partial = log->overflow || landed.count != 0;
    log->flying = log->buffer;
    log->flying.count = log->start_count;
    log->flying_seed = seed;
    log->flying_number = log->number;
    log->buffer = landed;
    log->buffer.count = 0;
    log->start_count = 0;
    log->operations = 0;
}

/* ---- writing ---- */

void log_restart(struct lattice *fs) {
    struct log_state *log = &fs->log;
    log_fly(fs, fs->super.log_seed);
    fs->super.log_position = log->position % fs->super.log_blocks;
    fs->environment.random(fs->environment.context, &fs->super.log_seed, sizeof fs->super.log_seed);
    log->position = fs->super.log_position;
    log->written_blocks = 0;
    log->number = 0;
    log->previous = fs->super.log_seed;
    log->overflow = false;
}

void log_release(struct lattice *fs) {
    memory_give(fs, fs->log.buffer.data, fs->log.buffer.capacity);
    memory_give(fs, fs->log.flying.data, fs->log.flying.capacity);
    fs->log = (struct log_state){};
}

static uint32_t group_blocks(uint32_t bytes) {
    return (bytes + (uint32_t)sizeof(struct log_group) + BLOCK_SIZE - 1) / BLOCK_SIZE;
}

static uint64_t group_checksum(struct log_group *group, struct view stored) {
    uint64_t saved = group->checksum;
    group->checksum = 0;
    uint64_t checksum = checksum_xxh64(stored);
    group->checksum = saved;
    return checksum;
}

/* Whether a group of so many blocks fits behind what this log has; moves to the area's start if it
 * must. */
static bool log_fits(struct lattice *fs, uint32_t blocks) {
    struct log_state *log = &fs->log;
    uint32_t skipped = 0;
    if (blocks > WORK_SIZE / BLOCK_SIZE || blocks > fs->super.log_blocks) {
        return false;
    }
    if (blocks > fs->super.log_blocks - log->position) {
        skipped = fs->super.log_blocks - log->position;
    }
    if (log->written_blocks + skipped + blocks > fs->super.log_blocks) {
        return false;
    }
    log->written_blocks += skipped + blocks;
    log->position = skipped != 0 ? 0 : log->position;
    return true;
}

static lattice_status_t group_write(struct lattice *fs, uint32_t blocks) {
    struct log_state *log = &fs->log;
    struct bytes to = bytes_sub(BYTES_OF(*fs->record_buffer), 0, blocks * BLOCK_SIZE);
    struct log_group *group = &fs->record_buffer->group;
    bytes_zero(to);
    *group = (struct log_group){.magic = LOG_MAGIC,
                                .bytes = log->buffer.count,
                                .number = log->number,
                                .seed = fs->super.log_seed,
                                .previous = log->previous,
                                .operations = log->operations};
    bytes_copy(bytes_sub(to, sizeof *group, log->buffer.count),
               view_of(log->buffer.data, log->buffer.count));
    group->checksum = group_checksum(group, bytes_view(to));
    TRY(pool_write(fs, fs->super.log_address + log->position, bytes_view(to)));
    log_fly(fs, fs->super.log_seed);
    log->previous = group->checksum;
    log->number++;
    log->position = (log->position + blocks) % fs->super.log_blocks;
    return LATTICE_OK;
}

lattice_status_t log_begin(struct lattice *fs) {
    TRY(flight_finish(fs)); /* what follows a commit or a group waits until that is durable */
    if (fs->aborted != LATTICE_OK) {
        return LATTICE_ABORTED;
    }
    if (fs->log.operations == 0 && !fs->log.overflow) {
        return LATTICE_OK;
    }
    uint32_t blocks = group_blocks(fs->log.buffer.count);
    if (fs->log.overflow || fs->disk_lost || !log_fits(fs, blocks)) {
        return commit_begin(fs);
    }
    lattice_status_t status = group_write(fs, blocks);
    if (status != LATTICE_OK || fs->disk_lost) {
        /* What reached the disk is unknown, or is on fewer disks than the superblock says; a commit
         * that succeeds makes it irrelevant. */
        return commit_begin(fs);
    }
    flight_start(fs, FLIGHT_LOGGED);
    return LATTICE_OK;
}

lattice_status_t log_sync(struct lattice *fs) {
    TRY(log_begin(fs));
    return flight_finish(fs);
}

/* ---- replay ---- */

struct replay {
    uint32_t position;
    uint32_t walked;
    uint64_t number;
    uint64_t previous;
    bool last_intact;
};

static lattice_status_t group_read_copy(struct lattice *fs, const struct replay *replay,
                                        uint32_t position, uint32_t copy) {
    struct log_group *group = &fs->record_buffer->group;
    uint64_t address = fs->super.log_address + position;
    TRY(pool_read_copy(fs, address, copy, bytes_sub(BYTES_OF(*fs->record_buffer), 0, BLOCK_SIZE)));
    if (group->magic != LOG_MAGIC || group->seed != fs->super.log_seed ||
        group->number != replay->number || group->previous != replay->previous ||
        group->bytes > WORK_SIZE - sizeof *group || group->bytes % 8 != 0) {
        return LATTICE_NOT_FOUND;
    }
    uint32_t blocks = group_blocks(group->bytes);
    if (blocks > fs->super.log_blocks - position) {
        return LATTICE_NOT_FOUND;
    }
    struct bytes whole = bytes_sub(BYTES_OF(*fs->record_buffer), 0, blocks * BLOCK_SIZE);
    TRY(pool_read_copy(fs, address, copy, whole));
    bool good =
        group->bytes <= WORK_SIZE - sizeof *group && group_blocks(group->bytes) == blocks &&
        group->number == replay->number && group->previous == replay->previous &&
        (fs->ignore_checksums || group_checksum(group, bytes_view(whole)) == group->checksum);
    return good ? LATTICE_OK : LATTICE_NOT_FOUND;
}

/* Reads the next group into the record buffer, from any copy, here or at the start of the area. */
static bool group_read(struct lattice *fs, struct replay *replay) {
    const struct log_group *group = &fs->record_buffer->group;
    for (uint32_t attempt = 0; attempt < 2; attempt++) {
        uint32_t position = attempt == 0 ? replay->position : 0;
        for (uint32_t copy = 0; copy < pool_copies(fs, fs->super.log_address); copy++) {
            if (group_read_copy(fs, replay, position, copy) == LATTICE_OK) {
                uint32_t blocks = group_blocks(group->bytes);
                replay->walked += blocks;
                if (replay->walked > fs->super.log_blocks) {
                    return false;
                }
                replay->number++;
                replay->previous = group->checksum;
                replay->position = (position + blocks) % fs->super.log_blocks;
                return true;
            }
        }
    }
    return false;
}

struct entry_cursor {
    struct view all;
    size_t at;
    struct log_entry entry;
    struct view value;
};

static bool entry_next(struct entry_cursor *cursor) {
    if (cursor->all.size - cursor->at < sizeof cursor->entry) {
        return false;
    }
    bytes_copy(BYTES_OF(cursor->entry), view_sub(cursor->all, cursor->at, sizeof cursor->entry));
    cursor->at += sizeof cursor->entry;
    uint32_t size = padded(cursor->entry.length);
    if (cursor->entry.length > VALUE_MAX || size > cursor->all.size - cursor->at) {
        return false;
    }
    cursor->value = view_sub(cursor->all, cursor->at, cursor->entry.length);
    cursor->at += size;
    return true;
}

/* Of the group in the record buffer. */
static struct view group_entries(struct lattice *fs) {
    const struct log_group *group = &fs->record_buffer->group;
    return view_sub(VIEW_OF(*fs->record_buffer), sizeof *group, group->bytes);
}

static bool entry_pointer(struct lattice *fs, const struct entry_cursor *cursor,
                          struct pointer *out) {
    if (cursor->entry.kind != LOG_PUT || key_type(cursor->entry.key) != KEY_EXTENT ||
        cursor->value.size != sizeof *out) {
        return false;
    }
    bytes_copy(bytes_of(out, sizeof *out), cursor->value);
    struct geometry geometry = geometry_of(fs);
    return pointer_validate(&geometry, out, POINTER_RECORD, 0) == LATTICE_OK;
}

/* Whether all records that these entries name are there. What was not flushed may have reached some
 * disks and not others: from here on all are trusted to have it, so all get it. */
static bool entries_intact(struct lattice *fs, struct view entries) {
    struct entry_cursor cursor = {.all = entries};
    while (entry_next(&cursor)) {
        struct pointer pointer = {};
        if (entry_pointer(fs, &cursor, &pointer)) {
            struct bytes to =
                bytes_sub(BYTES_OF(*fs->stored_buffer), 0, pointer_stored(&pointer) * BLOCK_SIZE);
            uint64_t healed = 0;
            if (pool_scrub(fs, &pointer, to, &healed) != LATTICE_OK) {
                return false;
            }
        }
    }
    return true;
}

/* Pins, or gives back, the blocks of the records that these entries name. */
static lattice_status_t entries_pin(struct lattice *fs, struct view entries, bool pin) {
    struct entry_cursor cursor = {.all = entries};
    while (entry_next(&cursor)) {
        struct pointer pointer = {};
        if (!entry_pointer(fs, &cursor, &pointer)) {
            continue;
        }
        if (pin) {
            TRY(segments_pin(fs, pointer_address(&pointer, 0), pointer_stored(&pointer)));
        } else {
            segments_unpin(fs, pointer_address(&pointer, 0), pointer_stored(&pointer));
        }
    }
    return LATTICE_OK;
}

/* First walk: finds how far the log is whole, and pins the blocks of its records. Only the last
 * group may lack records: those of earlier ones were flushed before the next was written. */
static lattice_status_t log_survey(struct lattice *fs, struct replay *replay) {
    bool intact = true;
    while (group_read(fs, replay)) {
        TRY(entries_pin(fs, group_entries(fs), true));
        intact = entries_intact(fs, group_entries(fs));
    }
    replay->last_intact = intact;
    return LATTICE_OK;
}

static lattice_status_t entry_apply(struct lattice *fs, struct dataset *dataset,
                                    const struct entry_cursor *cursor) {
    struct key key = cursor->entry.key;
    uint8_t type = key_type(key);
    if (type < KEY_INODE || type > KEY_ORPHAN || key.object == UINT64_MAX) {
        return LATTICE_CORRUPT;
    }
    if (type == KEY_INODE && key.object >= dataset->record.next_object) {
        dataset->record.next_object = key.object + 1;
    }
    if (type == KEY_INODE) {
        struct view value = {};
        lattice_status_t status = tree_get(fs, &dataset->tree, key, &value);
        if (status != LATTICE_OK && status != LATTICE_NOT_FOUND) {
            return status;
        }
        dataset->record.object_count += status == LATTICE_NOT_FOUND;
        dataset->record.object_count -= cursor->entry.kind == LOG_DELETE;
    }
    if (cursor->entry.kind == LOG_DELETE) {
        lattice_status_t status = dataset_delete(fs, dataset, key);
        return status == LATTICE_NOT_FOUND ? LATTICE_CORRUPT : status;
    }
    struct pointer pointer = {};
    if (type == KEY_EXTENT && !entry_pointer(fs, cursor, &pointer)) {
        return LATTICE_CORRUPT;
    }
    return dataset_put(fs, dataset, key, cursor->value);
}

static lattice_status_t entry_apply_to(struct lattice *fs, const struct entry_cursor *cursor) {
    if (cursor->entry.kind != LOG_PUT && cursor->entry.kind != LOG_DELETE) {
        return LATTICE_CORRUPT;
    }
    struct dataset *_Nullable dataset = nullptr;
    TRY(dataset_open(fs, cursor->entry.dataset, &dataset));
    lattice_status_t status = SOME(dataset)->writable ? LATTICE_OK : LATTICE_CORRUPT;
    if (status == LATTICE_OK) {
        fs->cache.stamp++;
        status = dataset_reserve_kills(fs, SOME(dataset), 64);
    }
    if (status == LATTICE_OK) {
        status = entry_apply(fs, SOME(dataset), cursor);
    }
    dataset_close(fs, SOME(dataset));
    return status;
}

static lattice_status_t entries_apply(struct lattice *fs, struct view entries) {
    struct entry_cursor cursor = {.all = entries};
    while (entry_next(&cursor)) {
        if (cursor.entry.kind != LOG_END) {
            TRY(entry_apply_to(fs, &cursor));
        }
    }
    return LATTICE_OK;
}

static struct replay replay_start(const struct lattice *fs) {
    return (struct replay){.position = fs->super.log_position, .previous = fs->super.log_seed};
}

/* Which parts of a vault follow what the disk has: the first whose group comes next, and all behind
 * it. Pins their blocks. */
static lattice_status_t vault_survey(struct lattice *fs, const struct log_vault *vault,
                                     uint64_t next, uint32_t *out_first, uint32_t *out_end) {
    uint32_t count = (uint32_t)ARRAY_LENGTH(vault->parts);
    uint32_t first = 0;
    while (first < count &&
           (vault->parts[first].seed != fs->super.log_seed || vault->parts[first].number != next)) {
        first++;
    }
    *out_first = first;
    *out_end = first;
    bool whole = true;
    while (whole && *out_end < count && entries_intact(fs, vault->parts[*out_end].entries)) {
        TRY(entries_pin(fs, vault->parts[*out_end].entries, true));
        whole = !vault->parts[*out_end].partial;
        *out_end += 1;
    }
    return LATTICE_OK;
}

static lattice_status_t groups_apply(struct lattice *fs, const struct replay *survey) {
    struct replay replay = replay_start(fs);
    while (replay.number < survey->number) {
        if (!group_read(fs, &replay)) {
            return LATTICE_IO;
        }
        bool drop = replay.number == survey->number && !survey->last_intact;
        TRY(drop ? entries_pin(fs, group_entries(fs), false)
                 : entries_apply(fs, group_entries(fs)));
    }
    fs->log.position = replay.position;
    return LATTICE_OK;
}

lattice_status_t log_replay(struct lattice *fs, const struct log_vault *_Nullable vault) {
    struct replay survey = replay_start(fs);
    uint32_t first = 0;
    uint32_t end = 0;
    TRY(log_survey(fs, &survey));
    if (vault != nullptr && survey.last_intact) {
        TRY(vault_survey(fs, SOME(vault), survey.number, &first, &end));
    }
    fs->log.replaying = true;
    lattice_status_t status = groups_apply(fs, &survey);
    for (uint32_t i = first; i < end && status == LATTICE_OK; i++) {
        status = entries_apply(fs, SOME(vault)->parts[i].entries);
    }
    fs->log.replaying = false;
    return status;
}

#pragma clang assume_nonnull end
