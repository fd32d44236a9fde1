/* What happens to disks. */
#include "fs/latticefs/core/scrub.h"
#include "operations.h"

#pragma clang assume_nonnull begin

/* The bad half of a mirror gets a fault; the other half must make up for all of them. */
void do_fault(struct world *world) {
    if (world->faulty >= world->disk_count) {
        return;
    }
    struct sim_disk *disk = &world->disks[world->faulty];
    switch (dice_below(&world->dice, 6)) {
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

#pragma clang assume_nonnull end
