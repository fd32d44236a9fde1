/* The operations that a seed chooses from, each done to the file system and to the model. */
#include "operations.h"
#include "fs/latticefs/core/checksum.h"
#include "fs/latticefs/core/log.h"
#include "fs/latticefs/core/pool.h"
#include "fs/latticefs/core/xattr.h"
#include <stdio.h>
#include <stdlib.h>

#pragma clang assume_nonnull begin

struct outcome judge(struct world *world, lattice_status_t status) {
    struct outcome outcome = {.status = status};
    struct lattice *fs = SOME(world->fs);
    outcome.fatal = !world->power || status == LATTICE_ABORTED || fs->aborted != LATTICE_OK;
    if (outcome.fatal) {
        if (world->power && world->fail_one_in == 0) {
            world_fail(world, "aborted without a cause", (uint64_t)status, (uint64_t)fs->aborted);
        }
        return outcome;
    }
    outcome.resource = status == LATTICE_NO_SPACE || status == LATTICE_TOO_MANY ||
                       (status == LATTICE_QUOTA && verify_quota_is_why(world)) ||
                       (status == LATTICE_NO_MEMORY && world->fail_one_in != 0);
    world->refused += outcome.resource;
    if (fs->statistics.commits != world->commits_seen) {
        /* A commit for want of space made at least the state before this operation durable. */
        world->commits_seen = fs->statistics.commits;
        world->acknowledged = MAX(world->acknowledged, world->before);
    }
    return outcome;
}

/* Compares with what the model said; the model has made the change. */
void settle(struct world *world, struct outcome outcome, lattice_status_t expected) {
    if (!outcome.fatal && outcome.status != expected) {
        world_fail(world, "outcome differs", (uint64_t)outcome.status, (uint64_t)expected);
    }
    if (expected == LATTICE_OK) {
        world_state_add(world);
    }
    if (outcome.fatal) {
        world_crash(world);
    }
}

/* Everything dirty goes to the tree, so that a snapshot means what the user sees. */
bool settle_granules(struct world *world) {
    struct outcome outcome = judge(world, granules_push_all(SOME(world->granules)));
    if (outcome.fatal) {
        world_crash(world);
    }
    return outcome.status == LATTICE_OK;
}

/* A change of the pool commits on its own: its result is made in the model first, as a state that a
 * crash may show. Returns whether it happened; else the caller takes it back. */
bool settle_change(struct world *world, lattice_status_t status) {
    struct lattice *fs = SOME(world->fs);
    if (status == LATTICE_OK) {
        world->commits_seen = fs->statistics.commits;
        world_acknowledge(world);
        return true;
    }
    bool fatal = !world->power || fs->aborted != LATTICE_OK;
    bool excused = status == LATTICE_NO_SPACE || status == LATTICE_BUSY ||
                   status == LATTICE_QUOTA || status == LATTICE_TOO_MANY ||
                   (status == LATTICE_IO && world->faulty < world->disk_count) ||
                   status == LATTICE_NOT_EMPTY || /* snapshots that are still being destroyed */
                   (status == LATTICE_NO_MEMORY && world->fail_one_in != 0) ||
                   (fatal && (!world->power || world->fail_one_in != 0));
    if (!excused) {
        world_fail(world, "change of the pool", (uint64_t)status, (uint64_t)fs->aborted);
    }
    world->refused += !fatal;
    return fatal;
}

/* After a change that did not happen: the states end with what really is. */
void unsettle(struct world *world) {
    world_state_add(world);
    if (SOME(world->fs)->statistics.commits != world->commits_seen) {
        world->commits_seen = SOME(world->fs)->statistics.commits;
        world_acknowledge(world);
    }
}

void crash_if_fatal(struct world *world) {
    if (!world->power || SOME(world->fs)->aborted != LATTICE_OK) {
        world_crash(world);
    }
}

/* ---- choosing ---- */

static struct model_object *pick(struct world *world, uint32_t mode_type) {
    uint32_t start = dice_below(&world->dice, MODEL_OBJECTS);
    for (uint32_t i = 0; i < MODEL_OBJECTS; i++) {
        struct model_object *object = &world->head->model.objects[(start + i) % MODEL_OBJECTS];
        if (object->live && (mode_type == 0 || object->mode >> 12 == mode_type)) {
            return object;
        }
    }
    return &world->head->model.objects[0];
}

static uint32_t pick_name(struct world *world, const struct model_object *directory) {
    if (directory->entry_count > 0 && !dice_once_in(&world->dice, 4)) {
        return directory->entries[dice_below(&world->dice, directory->entry_count)].name;
    }
    return dice_below(&world->dice, MODEL_NAMES);
}

static uint64_t pick_offset(struct world *world) {
    uint32_t slot = dice_once_in(&world->dice, 6)
                        ? MODEL_PAGES_NEAR + dice_below(&world->dice, MODEL_PAGES_FAR)
                        : dice_below(&world->dice, MODEL_PAGES_NEAR);
    uint32_t within = dice_once_in(&world->dice, 2) ? 0 : dice_below(&world->dice, 4096);
    return model_page_offset(dice_once_in(&world->dice, 3) ? 0 : slot) + within;
}

/* ---- operations ---- */

/* A full pool can always delete. */
static void must_not_be_full(const struct world *world, struct outcome outcome) {
    if (!outcome.fatal && outcome.status == LATTICE_NO_SPACE) {
        world_fail(world, "no space to delete", SOME(world->fs)->segments.free_blocks,
                   SOME(world->fs)->segments.free_quads);
    }
}

static void drop_orphan(struct world *world, uint64_t orphan) {
    struct model_object *_Nullable object =
        orphan == 0 ? nullptr : model_find(&world->head->model, orphan);
    if (object == nullptr || SOME(object)->open || world->fs == nullptr) {
        return;
    }
    granules_forget(SOME(world->granules), SOME(world->head->dataset), orphan);
    struct outcome outcome =
        judge(world, object_delete(SOME(world->fs), SOME(world->head->dataset), orphan));
    must_not_be_full(world, outcome);
    if (outcome.resource) { /* no memory: some of its extents may be gone, so go on at once */
        uint32_t fail = world->fail_one_in;
        world->fail_one_in = 0;
        outcome = judge(world, object_delete(SOME(world->fs), SOME(world->head->dataset), orphan));
        world->fail_one_in = fail;
    }
    model_delete(SOME(object));
    settle(world, outcome, LATTICE_OK);
}

static void do_create(struct world *world) {
    static const uint32_t types[8] = {MODE_FILE,      MODE_FILE,      MODE_FILE,    MODE_FILE,
                                      MODE_DIRECTORY, MODE_DIRECTORY, MODE_SYMLINK, MODE_FIFO};
    struct model_object *parent = pick(world, dice_once_in(&world->dice, 20) ? 0 : MODE_DIRECTORY);
    uint32_t name = pick_name(world, parent);
    uint32_t type = types[dice_below(&world->dice, 8)];
    struct create_attributes attributes = {.mode = type << 12 |
                                                   (dice_below(&world->dice, 0x1000) & 07777),
                                           .user = dice_below(&world->dice, 3)};
    struct view target = {};
    if (type == MODE_SYMLINK) {
        uint32_t size = 1 + dice_below(&world->dice, dice_once_in(&world->dice, 3) ? 4095 : 40);
        struct bytes text = bytes_sub(BYTES_OF(world->io), 0, size);
        for (uint32_t i = 0; i < size; i++) {
            text.data[i] = (uint8_t)('a' + dice_below(&world->dice, 26));
        }
        target = bytes_view(text);
    }
    if (model_vacant(&world->head->model) == nullptr || parent->entry_count == MODEL_ENTRIES) {
        return;
    }
    uint64_t object = 0;
    uint64_t target_hash = type == MODE_SYMLINK ? checksum_xxh64(target) : 0;
    uint64_t target_size = target.size;
    struct outcome outcome =
        judge(world, name_create(SOME(world->fs), SOME(world->head->dataset), parent->number,
                                 model_name(name), &attributes, target, &object));
    if (outcome.resource) {
        return;
    }
    object = object == 0 ? UINT64_MAX : object;
    settle(world, outcome,
           model_create(&world->head->model, parent->number, name, object, attributes.mode,
                        attributes.user, target_hash, target_size));
    struct model_object *_Nullable made = model_find(&world->head->model, object);
    if (made != nullptr && !outcome.fatal) {
        SOME(made)->record_shift = SOME(world->head->dataset)->record.record_shift;
    }
}

static void do_link(struct world *world) {
    struct model_object *parent = pick(world, MODE_DIRECTORY);
    struct model_object *object = pick(world, dice_once_in(&world->dice, 8) ? 0 : MODE_FILE);
    uint32_t name = dice_below(&world->dice, MODEL_NAMES);
    if (parent->entry_count == MODEL_ENTRIES) {
        return;
    }
    struct outcome pushed = judge(
        world, granules_push(SOME(world->granules), SOME(world->head->dataset), object->number));
    if (pushed.status != LATTICE_OK) {
        if (pushed.fatal) {
            world_crash(world);
        }
        return;
    }
    struct outcome outcome =
        judge(world, name_link(SOME(world->fs), SOME(world->head->dataset), object->number,
                               parent->number, model_name(name)));
    if (!outcome.resource) {
        settle(world, outcome,
               model_link(&world->head->model, object->number, parent->number, name));
    }
}

static void do_remove(struct world *world) {
    struct model_object *parent = pick(world, MODE_DIRECTORY);
    uint32_t name = pick_name(world, parent);
    bool want_directory = dice_once_in(&world->dice, 3);
    uint64_t orphan = 0;
    uint64_t expected_orphan = 0;
    struct model_entry *_Nullable entry = model_entry(parent, name);
    if (entry != nullptr && dice_once_in(&world->dice, 4)) {
        SOME(model_find(&world->head->model, SOME(entry)->object))->open = true;
    }
    struct outcome outcome =
        judge(world, name_remove(SOME(world->fs), SOME(world->head->dataset), parent->number,
                                 model_name(name), want_directory, &orphan));
    must_not_be_full(world, outcome);
    if (outcome.resource) {
        return;
    }
    settle(
        world, outcome,
        model_remove(&world->head->model, parent->number, name, want_directory, &expected_orphan));
    if (!outcome.fatal) {
        if (orphan != expected_orphan) {
            world_fail(world, "orphan differs", orphan, expected_orphan);
        }
        drop_orphan(world, orphan);
    }
}

static void do_rename(struct world *world) {
    struct model_object *from_parent = pick(world, MODE_DIRECTORY);
    struct model_object *to_parent =
        dice_once_in(&world->dice, 2) ? from_parent : pick(world, MODE_DIRECTORY);
    uint32_t from = pick_name(world, from_parent);
    uint32_t to = pick_name(world, to_parent);
    uint32_t flags = dice_once_in(&world->dice, 3) ? 1 + dice_below(&world->dice, 2) : 0;
    uint64_t orphan = 0;
    uint64_t expected_orphan = 0;
    struct model_entry *_Nullable entry = model_entry(from_parent, from);
    if (to_parent->entry_count == MODEL_ENTRIES) {
        return;
    }
    if (entry != nullptr) {
        struct outcome pushed =
            judge(world, granules_push(SOME(world->granules), SOME(world->head->dataset),
                                       SOME(entry)->object));
        if (pushed.status != LATTICE_OK) {
            if (pushed.fatal) {
                world_crash(world);
            }
            return;
        }
    }
    struct outcome outcome = judge(
        world, name_rename(SOME(world->fs), SOME(world->head->dataset), from_parent->number,
                           model_name(from), to_parent->number, model_name(to), flags, &orphan));
    if (outcome.resource) {
        return;
    }
    settle(world, outcome,
           model_rename(&world->head->model, from_parent->number, from, to_parent->number, to,
                        flags, &expected_orphan));
    if (!outcome.fatal) {
        if (orphan != expected_orphan) {
            world_fail(world, "orphan differs", orphan, expected_orphan);
        }
        drop_orphan(world, orphan);
    }
}

static void do_write(struct world *world) {
    struct model_object *file = pick(world, MODE_FILE);
    uint64_t offset = pick_offset(world);
    uint32_t size = 1 + dice_below(&world->dice, dice_once_in(&world->dice, 2) ? 300 : 20000);
    if (file->mode >> 12 != MODE_FILE) {
        return;
    }
    uint64_t limit = model_page_slot(offset) < MODEL_PAGES_NEAR
                         ? MODEL_PAGES_NEAR * UINT64_C(4096)
                         : (MODEL_FAR_PAGE + MODEL_PAGES_FAR) * UINT64_C(4096);
    size = (uint32_t)MIN((uint64_t)size, limit - offset);
    struct bytes content = bytes_sub(BYTES_OF(world->io2), 0, size);
    uint32_t sort = dice_below(&world->dice, 3);
    uint64_t pattern = dice_roll(&world->dice);
    for (uint32_t i = 0; i < size; i++) { /* noise, text-like, or nearly all zero */
        content.data[i] = sort == 0   ? (uint8_t)dice_roll(&world->dice)
                          : sort == 1 ? (uint8_t)(pattern >> (i % 7) * 8)
                                      : (uint8_t)(i % 997 == 5);
    }
    if (sort == 1 && size > sizeof WORLD_MARKER) {
        bytes_copy(content, view_text(WORLD_MARKER));
    }
    size_t written = 0;
    lattice_status_t status = granules_write(SOME(world->granules), SOME(world->head->dataset),
                                             file->number, offset, bytes_view(content), &written);
    struct outcome outcome = judge(world, status);
    if (written != 0) {
        model_write(file, offset, view_sub(bytes_view(content), 0, written));
    }
    verify_reservation(world, outcome.fatal ? LATTICE_OK : outcome.status);
    if (outcome.fatal) {
        world_crash(world);
    } else if (!outcome.resource && (outcome.status != LATTICE_OK || written != size)) {
        world_fail(world, "granules_write", (uint64_t)outcome.status, written);
    }
}

/* A granule's content for do_store, as long as said, padded with zeros. */
static struct view store_content(struct world *world, uint32_t length) {
    uint32_t size = (length + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE;
    struct bytes content = bytes_sub(BYTES_OF(world->io2.data), 0, size);
    uint64_t pattern = dice_roll(&world->dice);
    bool noise = dice_once_in(&world->dice, 3);
    bytes_zero(content);
    for (uint32_t i = 0; i < length; i++) {
        content.data[i] =
            noise ? (uint8_t)dice_roll(&world->dice) : (uint8_t)(pattern >> (i % 7) * 8);
    }
    return bytes_view(content);
}

/* A granule at once, whole or the last of its file, compressed ahead or not, or for another
 * algorithm than the dataset's. */
static void do_store(struct world *world) {
    struct model_object *file = pick(world, MODE_FILE);
    uint64_t granules = (MODEL_PAGES_NEAR * UINT64_C(4096)) >> file->record_shift;
    if (file->mode >> 12 != MODE_FILE || granules == 0) {
        return;
    }
    uint32_t length = UINT32_C(1) << file->record_shift;
    uint64_t granule = dice_below(&world->dice, (uint32_t)granules);
    uint64_t start = granule << file->record_shift;
    if (dice_once_in(&world->dice, 2)) {
        length = 1 + dice_below(&world->dice, dice_once_in(&world->dice, 2) ? 2500 : length);
    }
    bool behind = length != UINT32_C(1) << file->record_shift && start + length < file->size;
    struct view content = store_content(world, length);
    uint32_t roll = dice_below(&world->dice, 3);
    enum compression kind = (enum compression)roll;
    struct packed packed = compress_ahead(kind, content, BYTES_OF(world->io.data));
    world->storing = view_sub(content, 0, length);
    world->storing_granule = granule;
    struct outcome outcome =
        judge(world, granules_store(SOME(world->granules), SOME(world->head->dataset), file->number,
                                    granule, content, length, roll == 0 ? nullptr : &packed));
    world->storing = (struct view){};
    verify_reservation(world, outcome.fatal ? LATTICE_OK : outcome.status);
    lattice_status_t expected = behind ? LATTICE_UNSUPPORTED : LATTICE_OK;
    if (outcome.fatal) {
        world_crash(world);
    } else if (!outcome.resource && outcome.status != expected) {
        world_fail(world, "granules_store", (uint64_t)outcome.status, granule);
    }
}

/* A read beside the lock, first half: finds out where a granule lies. */
static void do_locate(struct world *world) {
    struct model_object *file = pick(world, MODE_FILE);
    struct fetching *fetching = &world->fetching;
    *fetching = (struct fetching){.head = world->head->id, .object = file->number};
    if (file->mode >> 12 != MODE_FILE) {
        return;
    }
    fetching->size = UINT32_C(1) << file->record_shift;
    fetching->granule = pick_offset(world) >> file->record_shift;
    struct outcome outcome = judge(
        world, granules_locate(SOME(world->granules), SOME(world->head->dataset), file->number,
                               fetching->granule, &fetching->source, &fetching->generation));
    fetching->wanted = outcome.status == LATTICE_OK && fetching->source.size != 0;
    if (outcome.fatal) {
        world_crash(world);
    }
}

/* Second half, after other operations: what is read is what was there then, or is found to be gone;
 * it is kept if nothing changed. */
static void do_fetch(struct world *world) {
    struct fetching *fetching = &world->fetching;
    const struct head *_Nullable head = world_head(world, fetching->head);
    if (!fetching->wanted || head == nullptr || SOME(head)->dataset == nullptr) {
        do_locate(world);
        return;
    }
    fetching->wanted = false;
    if (fetching->source.device != nullptr && dice_once_in(&world->dice, 3)) {
        fetching->source.block ^= 1; /* as if others had these blocks by now */
    }
    struct bytes to = bytes_sub(BYTES_OF(world->io2.data), 0, fetching->size);
    if (record_fetch(&fetching->source, BYTES_OF(world->io.data), to) == LATTICE_OK) {
        granules_keep(SOME(world->granules), SOME(SOME(head)->dataset), fetching->object,
                      fetching->granule, bytes_view(to), fetching->generation);
    }
}

/* Noise in all near pages of a file: what fills a small pool. */
void do_fill(struct world *world) {
    struct model_object *file = pick(world, MODE_FILE);
    uint64_t offset = 0;
    while (file->mode >> 12 == MODE_FILE && offset < MODEL_PAGES_NEAR * UINT64_C(4096)) {
        struct bytes content = bytes_sub(BYTES_OF(world->io2), 0, MODEL_PAGES_NEAR * 4096 / 3);
        for (uint32_t i = 0; i + 8 <= content.size; i += 8) {
            uint64_t noise = dice_roll(&world->dice);
            bytes_copy(bytes_sub(content, i, 8), VIEW_OF(noise));
        }
        size_t written = 0;
        lattice_status_t status =
            granules_write(SOME(world->granules), SOME(world->head->dataset), file->number, offset,
                           bytes_view(content), &written);
        struct outcome outcome = judge(world, status);
        if (written != 0) {
            model_write(file, offset, view_sub(bytes_view(content), 0, written));
        }
        offset += content.size;
        if (outcome.status == LATTICE_OK) {
            verify_kept_free(world);
        }
        verify_reservation(world, outcome.fatal ? LATTICE_OK : outcome.status);
        if (outcome.fatal) {
            world_crash(world);
            return;
        }
        if (outcome.resource) {
            return;
        }
        if (outcome.status != LATTICE_OK) {
            world_fail(world, "fill", (uint64_t)outcome.status, written);
        }
    }
}

static void do_resize(struct world *world) {
    struct model_object *file = pick(world, MODE_FILE);
    uint64_t size = dice_once_in(&world->dice, 4) ? 0 : pick_offset(world);
    if (file->mode >> 12 != MODE_FILE) {
        return;
    }
    /* Its later steps may be preceded by a commit of the first. */
    world->no_probe = true;
    struct outcome outcome =
        judge(world, granules_resize(SOME(world->granules), SOME(world->head->dataset),
                                     file->number, size));
    world->no_probe = false;
    if (size < file->size) {
        must_not_be_full(world, outcome);
    }
    if (outcome.resource) {
        return;
    }
    model_resize(file, size);
    settle(world, outcome, LATTICE_OK);
}

static void do_punch(struct world *world) {
    struct model_object *file = pick(world, MODE_FILE);
    uint64_t offset = pick_offset(world);
    uint64_t length = 1 + dice_below(&world->dice, 30000);
    if (file->mode >> 12 != MODE_FILE) {
        return;
    }
    struct outcome outcome =
        judge(world, granules_punch(SOME(world->granules), SOME(world->head->dataset), file->number,
                                    offset, length));
    if (outcome.fatal) {
        world_crash(world);
    } else if (outcome.status == LATTICE_OK) {
        model_punch(file, offset, length);
    } else if (!outcome.resource) {
        world_fail(world, "granules_punch", (uint64_t)outcome.status, 0);
    } else { /* it stopped somewhere: take it back by a full punch without failures */
        uint32_t fail = world->fail_one_in;
        world->fail_one_in = 0;
        lattice_status_t status = granules_punch(SOME(world->granules), SOME(world->head->dataset),
                                                 file->number, offset, length);
        world->fail_one_in = fail;
        model_punch(file, offset, length);
        if (status != LATTICE_OK) {
            world_crash(world);
        }
    }
}

static void do_attributes(struct world *world) {
    struct model_object *object = pick(world, 0);
    struct inode inode = {};
    struct outcome outcome = judge(
        world, inode_get(SOME(world->fs), SOME(world->head->dataset), object->number, &inode));
    if (outcome.status != LATTICE_OK) {
        if (!outcome.resource) {
            settle(world, outcome, LATTICE_OK);
        }
        return;
    }
    inode.mode = (inode.mode & 0xf000) | (dice_below(&world->dice, 0x1000) & 07777);
    inode.user = dice_below(&world->dice, 5);
    inode.group = dice_below(&world->dice, 5);
    outcome = judge(
        world, inode_update(SOME(world->fs), SOME(world->head->dataset), object->number, &inode));
    if (outcome.resource) {
        return;
    }
    object->mode = inode.mode;
    object->user = inode.user;
    object->group = inode.group;
    settle(world, outcome, LATTICE_OK);
}

static void durable(struct world *world, lattice_status_t status) {
    struct outcome outcome = judge(world, status);
    if (outcome.fatal) {
        world_crash(world);
    } else if (outcome.status == LATTICE_OK) {
        world_acknowledge(world);
    } else if (!outcome.resource) {
        world_fail(world, "sync or commit", (uint64_t)status, 0);
    }
}

static void do_sync(struct world *world) {
    struct model_object *object = pick(world, 0);
    durable(world,
            granules_sync(SOME(world->granules), SOME(world->head->dataset), object->number));
}

static void do_commit(struct world *world) {
    durable(world, granules_commit(SOME(world->granules)));
}

/* Begins a commit or a sync and leaves it in flight: others operations go on, until steps have
 * finished it, or one of them needs it to be over. */
static void flight_leave(struct world *world, lattice_status_t status) {
    struct lattice *fs = SOME(world->fs);
    struct outcome outcome = judge(world, status);
    if (outcome.fatal) {
        world_crash(world);
    } else if (outcome.status == LATTICE_OK && fs->flight.stage == FLIGHT_NONE) {
        world_acknowledge(world); /* nothing was left to do */
    } else if (outcome.status == LATTICE_OK) {
        world->flight_state = world->state_count - 1;
        world->flight_number = fs->flight.number;
    } else if (!outcome.resource) {
        world_fail(world, "begin of a sync or commit", (uint64_t)status, 0);
    }
}

static void do_commit_begin(struct world *world) {
    struct lattice *fs = SOME(world->fs);
    lattice_status_t status = granules_push_all(SOME(world->granules));
    status = status == LATTICE_OK ? commit_begin(fs) : status;
    if (status == LATTICE_OK) {
        world->commits_seen = fs->statistics.commits; /* begun, but not acknowledged */
    }
    flight_leave(world, status);
}

static void do_log_begin(struct world *world) {
    struct lattice *fs = SOME(world->fs);
    struct model_object *object = pick(world, 0);
    lattice_status_t status =
        granules_push(SOME(world->granules), SOME(world->head->dataset), object->number);
    uint64_t commits = fs->statistics.commits;
    status = status == LATTICE_OK ? log_begin(fs) : status;
    if (status == LATTICE_OK && fs->statistics.commits != commits) {
        world->commits_seen = fs->statistics.commits;
    }
    flight_leave(world, status);
}

static void do_flight_step(struct world *world) {
    struct lattice *fs = SOME(world->fs);
    if (fs->flight.stage == FLIGHT_NONE) {
        return;
    }
    uint64_t number = fs->flight.number;
    uint64_t commits = fs->statistics.commits;
    lattice_status_t status = flight_advance(fs, pool_flush(fs));
    bool landed = fs->flight.stage == FLIGHT_NONE;
    if (fs->statistics.commits != commits) { /* a commit in the place of a group of the log */
        world->commits_seen = fs->statistics.commits;
        number = 0;
    }
    struct outcome outcome = judge(world, status);
    if (outcome.fatal) {
        world_crash(world);
    } else if (outcome.status != LATTICE_OK && !outcome.resource) {
        world_fail(world, "step of a flight", (uint64_t)status, 0);
    } else if (landed && number == world->flight_number) {
        world->acknowledged = MAX(world->acknowledged, world->flight_state);
    }
}

static void do_close_orphan(struct world *world) {
    for (uint32_t i = 0; i < MODEL_OBJECTS; i++) {
        struct model_object *object = &world->head->model.objects[i];
        if (object->live && object->open) {
            object->open = false;
            if (object->links == 0) {
                drop_orphan(world, object->number);
                return;
            }
        }
    }
}

static void do_crash(struct world *world) {
    world_crash(world);
}

/* With the power about to go, what a restart writes may be lost, and with it what the vault had. */
static void do_restart(struct world *world) {
    if (world->power && world->disks[0].dies_at == 0) {
        world_restart(world);
    }
}

static void do_power_later(struct world *world) {
    world->disks[0].dies_at = world->disks[0].writes + 1 + dice_below(&world->disk_dice, 60);
}

static void do_remount(struct world *world) {
    uint32_t fail = world->fail_one_in;
    world->fail_one_in = 0;
    struct outcome outcome = judge(world, granules_commit(SOME(world->granules)));
    if (outcome.status == LATTICE_OK) {
        world_acknowledge(world);
    }
    world->fail_one_in = fail;
    world_crash(world);
}

static void do_verify(struct world *world) {
    verify_seen(world);
}

static void do_xattr(struct world *world) {
    struct model_object *object = pick(world, 0);
    uint32_t index = dice_below(&world->dice, MODEL_XATTRS);
    uint32_t flags = dice_below(&world->dice, 3);
    uint32_t size = dice_below(&world->dice, dice_once_in(&world->dice, 5) ? 12000 : 200);
    struct bytes value = bytes_sub(BYTES_OF(world->io2.data), 0, size);
    for (uint32_t i = 0; i < size; i++) {
        value.data[i] = (uint8_t)dice_roll(&world->dice);
    }
    bool remove = dice_once_in(&world->dice, 3);
    bool exists = object->xattrs[index] != 0;
    lattice_status_t expected = remove || flags == XATTR_REPLACE_FLAG
                                    ? (exists ? LATTICE_OK : LATTICE_NOT_FOUND)
                                : flags == XATTR_CREATE_FLAG && exists ? LATTICE_EXISTS
                                                                       : LATTICE_OK;
    struct lattice *fs = SOME(world->fs);
    struct dataset *dataset = SOME(world->head->dataset);
    struct view name = model_xattr_name(index);
    struct outcome outcome = judge(
        world, remove ? xattr_remove(fs, dataset, object->number, name)
                      : xattr_set(fs, dataset, object->number, name, bytes_view(value), flags));
    if (outcome.resource) {
        return;
    }
    if (expected == LATTICE_OK) {
        object->xattrs[index] = remove ? 0 : checksum_xxh64(bytes_view(value));
    }
    settle(world, outcome, expected);
}

struct choice {
    uint32_t weight;
    const char *name;
    void (*run)(struct world *world);
};

enum { CHOICE_FILL = 9 }; /* its place in the table */

static const struct choice choices[] = {
    {18, "create", do_create},
    {6, "link", do_link},
    {12, "remove", do_remove},
    {14, "rename", do_rename},
    {26, "write", do_write},
    {8, "store", do_store},
    {12, "fetch", do_fetch},
    {10, "resize", do_resize},
    {5, "punch", do_punch},
    {12, "fill", do_fill},
    {5, "attributes", do_attributes},
    {12, "sync", do_sync},
    {5, "commit", do_commit},
    {4, "begin of a commit", do_commit_begin},
    {5, "begin of a sync", do_log_begin},
    {24, "step of a flight", do_flight_step},
    {5, "close", do_close_orphan},
    {1, "crash", do_crash},
    {3, "restart", do_restart},
    {2, "power", do_power_later},
    {1, "remount", do_remount},
    {1, "verify", do_verify},
    {4, "snapshot", do_snapshot},
    {3, "destroy snapshot", do_destroy_snapshot},
    {2, "clone", do_clone},
    {4, "switch", do_switch},
    {2, "rollback", do_rollback},
    {2, "destroy head", do_destroy_head},
    {6, "reclaim", do_reclaim},
    {6, "xattr", do_xattr},
    {1, "create head", do_create_head},
    {1, "change key", do_change_key},
    {1, "lock", do_lock},
    {2, "properties", do_properties},
    {1, "attach", do_attach},
    {1, "add", do_add},
    {1, "grow", do_grow},
    {1, "detach", do_detach},
    {1, "replace", do_replace},
    {4, "swap", do_swap},
    {1, "reservation trap", do_reservation_trap},
    {1, "trim", do_trim},
    {2, "loud trap", do_loud_trap},
    {3, "send", do_send},
    {4, "send changes", do_send_changes},
    {3, "fault", do_fault},
    {1, "resilver", do_resilver},
};

/* What the file system calls durable is: no crash may take back what was done before the mark. */
static void mark(struct world *world) {
    const struct lattice *fs = SOME(world->fs);
    if (world->marked && fs->aborted == LATTICE_OK && fs->durable >= world->mark_changes) {
        world->acknowledged = MAX(world->acknowledged, world->mark_state);
        world->marked = false;
    }
    if (!world->marked) {
        world->marked = true;
        world->mark_changes = fs->changes;
        world->mark_state = world->state_count - 1;
    }
}

void world_operate(struct world *world) {
    uint32_t total = 0;
    for (uint32_t i = 0; i < ARRAY_LENGTH(choices); i++) {
        total += choices[i].weight;
    }
    uint32_t at = dice_below(&world->dice, total);
    uint32_t chosen = 0;
    while (at >= choices[chosen].weight) {
        at -= choices[chosen].weight;
        chosen++;
    }
    if (world->tight && world->operation > 30 && dice_once_in(&world->dice, 3)) {
        chosen = CHOICE_FILL;
    }
    world->doing = choices[chosen].name;
    if (world->options.verbose) {
        printf("%u %s\n", world->operation, world->doing);
    }
    world->before = world->state_count - 1;
    ensure_writable(world);
    if ((SOME(world->head->dataset)->record.flags & DATASET_READ_ONLY) != 0) {
        return;
    }
    choices[chosen].run(world);
    mark(world);
    verify_quotas(world);
}

#pragma clang assume_nonnull end
