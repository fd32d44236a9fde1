/* What happens to disks. */
#include "fs/latticefs/core/scrub.h"
#include "fs/latticefs/core/topology.h"
#include "operations.h"

#pragma clang assume_nonnull begin

/* The bad half of a mirror gets a fault; the other half must make up for all of them. */
void do_fault(struct world *world) {
    if (world->faulty >= world->disk_count) {
        return;
    }
    struct sim_disk *disk = &world->disks[world->faulty];
    uint32_t sort = dice_below(&world->dice, 6);
    if (world->loud && sort != 2) { /* it may fail, but does not lie */
        sort = 3;
    }
    switch (sort) {
    case 0:
        disk->lose_one_in = dice_once_in(&world->dice, 2) ? 0 : 3 + dice_below(&world->dice, 40);
        return;
    case 1:
        disk->misdirect_one_in =
            dice_once_in(&world->dice, 2) ? 0 : 10 + dice_below(&world->dice, 40);
        return;
    case 2:
        disk->read_error_one_in =
            dice_once_in(&world->dice, 2) ? 0 : 3 + dice_below(&world->dice, 40);
        return;
    case 3:
        disk->dead = dice_once_in(&world->dice, 3);
        return;
    default:
        for (uint32_t i = 0; i < 5; i++) {
            (void)sim_disk_rot(disk);
        }
        return;
    }
}

void do_resilver(struct world *world) {
    struct scrub_report report = {};
    bool fine = world->faulty >= world->disk_count;
    uint32_t fail = world->fail_one_in;
    if (!fine) { /* the disk was mended */
        struct sim_disk *disk = &world->disks[world->faulty];
        disk->lose_one_in = 0;
        disk->misdirect_one_in = 0;
        disk->read_error_one_in = 0;
        disk->dead = false;
    }
    world->fail_one_in = 0;
    uint64_t since = fine ? 0 : SOME(world->fs)->super.disks[world->faulty].missing_since;
    struct outcome outcome = judge(world, pool_resilver(SOME(world->fs), &report));
    struct scrub_report again = {};
    if (outcome.status == LATTICE_OK && since != 0 &&
        SOME(world->fs)->super.disks[world->faulty].state == DISK_ONLINE &&
        pool_scrub_all(SOME(world->fs), since - 1, &again) == LATTICE_OK &&
        again.bad_copies + again.lost != 0) {
        world_fail(world, "a resilvered disk lacks blocks", again.bad_copies, again.lost);
    }
    world->fail_one_in = fail;
    if (outcome.fatal) {
        world_crash(world);
    } else if (outcome.status != LATTICE_OK || report.lost != 0) {
        world_fail(world, "pool_resilver", (uint64_t)outcome.status, report.lost);
    }
}

/* ---- the pool's disks come and go ---- */

/* The pool's number of a simulated disk, or DISKS_MAX. */
static uint32_t disk_number(const struct world *world, uint32_t index) {
    uint32_t number = 0;
    while (number < DISKS_MAX &&
           SOME(world->fs)->disks[number].device != &world->disks[index].device) {
        number++;
    }
    return number;
}

/* A disk more, or null if there are enough. */
static struct sim_disk *_Nullable disk_fresh(struct world *world, uint32_t blocks) {
    if (world->disk_count == WORLD_DISKS) {
        return nullptr;
    }
    struct sim_disk *disk = &world->disks[world->disk_count];
    sim_disk_create(disk, blocks, &world->disk_dice);
    world_disk_watch(world, disk);
    world->disk_count++;
    return disk;
}

/* It was refused: the disk was never a part of the pool, or a crash will tell. */
static bool topology_settle(struct world *world, lattice_status_t status) {
    if (!settle_change(world, status)) {
        unsettle(world);
    }
    crash_if_fatal(world);
    return status == LATTICE_OK && world->fs != nullptr;
}

static bool has_faulty(const struct world *world) {
    return world->faulty < world->disk_count;
}

void do_attach(struct world *world) {
    uint32_t number = 0;
    if (!settle_granules(world) || world->attached >= 2) {
        return;
    }
    uint32_t blocks = world->disks[0].current.count + dice_below(&world->dice, 200) - 60;
    struct sim_disk *_Nullable disk = disk_fresh(world, blocks);
    if (disk == nullptr) {
        return;
    }
    world->attached++;
    (void)topology_settle(world, pool_attach(SOME(world->fs), &SOME(disk)->device, &number));
}

void do_add(struct world *world) {
    uint32_t number = 0;
    if (!settle_granules(world)) {
        return;
    }
    struct sim_disk *_Nullable disk = disk_fresh(world, 600 + dice_below(&world->dice, 1500));
    if (disk == nullptr) {
        return;
    }
    (void)topology_settle(world, pool_add(SOME(world->fs), &SOME(disk)->device, &number));
}

void do_grow(struct world *world) {
    uint32_t index = dice_below(&world->dice, world->disk_count);
    if (!settle_granules(world) || world->disks[index].current.count > 6000) {
        return;
    }
    uint32_t number = disk_number(world, index);
    if (number < DISKS_MAX) {
        sim_disk_grow(&world->disks[index], 100 + dice_below(&world->dice, 900));
        (void)topology_settle(world, pool_grow(SOME(world->fs), number));
    }
}

/* The number of a disk that is not there, or DISKS_MAX. */
static uint32_t missing_number(const struct world *world) {
    const struct superblock *super = &SOME(world->fs)->super;
    for (uint32_t i = 0; i < super->disk_count; i++) {
        if (super->disks[i].state == DISK_MISSING && SOME(world->fs)->disks[i].device == nullptr) {
            return i;
        }
    }
    return DISKS_MAX;
}

/* The one that misbehaves leaves, or any if none does. One that is away does not hear of it, and
 * comes back. */
void do_detach(struct world *world) {
    uint32_t index =
        has_faulty(world) ? world->faulty : dice_below(&world->dice, world->disk_count);
    if (!settle_granules(world)) {
        return;
    }
    struct lattice *fs = SOME(world->fs);
    uint32_t number = disk_number(world, index);
    number = number == DISKS_MAX && has_faulty(world) ? missing_number(world) : number;
    if (number == DISKS_MAX || SOME(world->fs)->super.disks[number].state == DISK_NONE) {
        return;
    }
    struct disk_status before = {};
    (void)!pool_disk(fs, number, &before);
    lattice_status_t status = pool_detach(fs, number);
    if (status == LATTICE_OK && pool_disk(fs, number, &before) != LATTICE_NOT_FOUND) {
        world_fail(world, "a detached disk is still there", number, 0);
    }
    if (status == LATTICE_OK && index == world->faulty) {
        world->faulty = WORLD_DISKS;
        world->absent = false;
    }
    (void)topology_settle(world, status);
}

/* Another takes the place of a disk, which then leaves. */
void do_replace(struct world *world) {
    uint32_t index =
        has_faulty(world) ? world->faulty : dice_below(&world->dice, world->disk_count);
    if (!settle_granules(world)) {
        return;
    }
    uint32_t number = disk_number(world, index);
    uint32_t other = 0;
    struct sim_disk *_Nullable disk =
        number == DISKS_MAX
            ? nullptr
            : disk_fresh(world, world->disks[index].current.count + dice_below(&world->dice, 100));
    if (disk == nullptr || !topology_settle(world, pool_replace(SOME(world->fs), number,
                                                                &SOME(disk)->device, &other))) {
        return;
    }
    do_resilver(world);
}

/* After a scrub both sides of a mirror have the same bitmaps. */
static void verify_bitmaps(const struct world *world) {
    struct lattice *fs = SOME(world->fs);
    if (segments_need_all(fs) != LATTICE_OK) {
        return;
    }
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        const struct segment_entry *entry = &fs->segments.data[i].entry;
        const struct sim_block *_Nullable blocks[2] = {};
        for (uint32_t copy = 0; copy < 2 && entry->copies == 2; copy++) {
            uint64_t start = layout_segment_start(&fs->super, entry->place[copy] & ADDRESS_MASK);
            uint32_t number = (uint32_t)(entry->place[copy] >> 48);
            for (uint32_t j = 0; j < world->disk_count; j++) {
                if (disk_number(world, j) == number) {
                    blocks[copy] = block_at(&world->disks[j].current, start + entry->slot);
                }
            }
        }
        bool both = entry->state == SEGMENT_WRITTEN && blocks[0] != nullptr && blocks[1] != nullptr;
        if (both && !view_equal(VIEW_OF(SOME(blocks[0])->data), VIEW_OF(SOME(blocks[1])->data))) {
            world_fail(world, "a scrub left a bad bitmap", i, entry->slot);
        }
    }
}

/* Rot where it is rare by chance: in the bitmap in use of some segment, on the side that lies. */
static void rot_bitmap(struct world *world, struct sim_disk *disk, uint32_t number) {
    const struct lattice *fs = SOME(world->fs);
    uint32_t first = dice_below(&world->dice, fs->segments.count);
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        const struct segment_entry *entry =
            &fs->segments.data[(first + i) % fs->segments.count].entry;
        for (uint32_t copy = 0; entry->state == SEGMENT_WRITTEN && copy < entry->copies; copy++) {
            uint64_t start = layout_segment_start(&fs->super, entry->place[copy] & ADDRESS_MASK);
            if (entry->copies == 2 && entry->place[copy] >> 48 == number) {
                (void)sim_disk_rot_block(disk, (uint32_t)start + entry->slot);
                return;
            }
        }
    }
}

/* Both sides of a mirror are trusted: so the good one may be lost as well as the other. */
void do_swap(struct world *world) {
    struct lattice *fs = SOME(world->fs);
    struct scrub_report report = {};
    uint32_t fail = world->fail_one_in;
    if (!has_faulty(world) || fs->super.copies < 2 || world->disk_count != 2) {
        return;
    }
    struct sim_disk *disk = &world->disks[world->faulty];
    struct disk_status status = {};
    uint32_t number = disk_number(world, world->faulty);
    if (disk->dead || number == DISKS_MAX || pool_disk(fs, number, &status) != LATTICE_OK ||
        status.state != DISK_ONLINE || status.stale || !status.present) {
        return;
    }
    disk->lose_one_in = 0;
    disk->misdirect_one_in = 0;
    disk->read_error_one_in = 0;
    world->fail_one_in = 0;
    struct outcome outcome = judge(world, granules_commit(SOME(world->granules)));
    if (!world->loud) {
        rot_bitmap(world, disk, number);
    }
    for (uint32_t i = 0; !world->loud && i < 2 && outcome.status == LATTICE_OK; i++) {
        report = (struct scrub_report){};
        outcome = judge(world, pool_scrub_all(fs, 0, &report));
    }
    if (!world->loud && outcome.status == LATTICE_OK) {
        verify_bitmaps(world);
    }
    /* The rings are not scrubbed: they are written anew with every commit. */
    outcome = outcome.status == LATTICE_OK ? judge(world, commit(fs)) : outcome;
    world->fail_one_in = fail;
    bool sound = outcome.status == LATTICE_OK && report.bad_copies + report.lost == 0;
    if (sound && pool_disk(fs, number, &status) == LATTICE_OK && status.state == DISK_ONLINE) {
        world_acknowledge(world);
        world->faulty = 1 - world->faulty;
        world->disks[world->faulty].dead = dice_once_in(&world->dice, 2);
        world->swaps++;
    }
    crash_if_fatal(world);
}

/* One side fails while a sync is under way, the power goes, both come back, and the good side is
 * lost: what was synced must be on the other, or the pool must know that it is not. */
void do_loud_trap(struct world *world) {
    if (!has_faulty(world) || !world->loud || world->disk_count != 2) {
        return;
    }
    struct model_object *file = &world->head->model.objects[0];
    for (uint32_t i = 0; i < MODEL_OBJECTS && file->mode >> 12 != MODE_FILE; i++) {
        file = &world->head->model.objects[i];
    }
    if (!file->live || file->mode >> 12 != MODE_FILE || !settle_granules(world)) {
        return;
    }
    uint8_t byte = (uint8_t)dice_roll(&world->dice);
    size_t written = 0;
    struct outcome outcome =
        judge(world, granules_write(SOME(world->granules), SOME(world->head->dataset), file->number,
                                    5000, VIEW_OF(byte), &written));
    if (written != 0) {
        model_write(file, 5000, VIEW_OF(byte));
    }
    if (outcome.status == LATTICE_OK) {
        world->disks[world->faulty].dead = true;
        outcome = judge(
            world, granules_sync(SOME(world->granules), SOME(world->head->dataset), file->number));
    }
    if (outcome.status == LATTICE_OK) {
        world_acknowledge(world);
        world->steady = true; /* both come back */
        world_crash(world);
        world->steady = false;
        do_swap(world);
    }
    crash_if_fatal(world);
}

void do_trim(struct world *world) {
    uint64_t blocks = 0;
    uint32_t fail = world->fail_one_in;
    world->fail_one_in = 0;
    uint64_t trims = world->disks[0].trims; /* these do not count as trims of what was freed */
    struct outcome outcome = judge(world, pool_trim_free(SOME(world->fs), &blocks));
    world->disks[0].trims = trims;
    world->fail_one_in = fail;
    for (uint32_t i = 0; outcome.status == LATTICE_OK && i < world->disk_count; i++) {
        verify_trimmed(world, i);
    }
    crash_if_fatal(world);
}

/* What is free on a sound disk was let go. */
void verify_trimmed(const struct world *world, uint32_t index) {
    const struct lattice *fs = SOME(world->fs);
    const struct block_table *blocks = &world->disks[index].current;
    uint32_t number = disk_number(world, index);
    if (number == DISKS_MAX || index == world->faulty) {
        return;
    }
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        const struct segment *segment = &fs->segments.data[i];
        uint64_t place = segment->entry.place[0];
        if (segment->maps == nullptr || place >> 48 != number) {
            continue;
        }
        uint64_t start = layout_segment_start(&fs->super, place & ADDRESS_MASK);
        for (uint32_t bit = 0; bit < UINT32_C(1) << fs->super.segment_shift; bit++) {
            bool busy = (SOME(segment->maps)->busy.words[bit / 64] >> (bit % 64) & 1) != 0;
            if (!busy && block_at(blocks, start + bit) != nullptr) {
                world_fail(world, "a free block was not trimmed", i, bit);
            }
        }
    }
}

#pragma clang assume_nonnull end
