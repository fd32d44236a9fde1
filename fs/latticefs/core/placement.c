/* Which physical segments a new virtual segment gets. Invariant: the segments of a disk are taken
 * in ascending order and given back only with the whole disk, so that those above the highest in
 * use are free. */
#include "placement.h"

#pragma clang assume_nonnull begin

struct placement placement_of(const struct lattice *fs) {
    struct placement placement = {};
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        const struct segment_entry *entry = &fs->segments.data[i].entry;
        for (uint32_t copy = 0; copy < entry->copies; copy++) {
            uint32_t disk = (uint32_t)(entry->place[copy] >> 48);
            uint32_t after = (uint32_t)(entry->place[copy] & ADDRESS_MASK) + 1;
            if (disk < DISKS_MAX) {
                placement.next[disk] = MAX(placement.next[disk], after);
            }
        }
    }
    for (uint32_t disk = 0; disk < DISKS_MAX; disk++) {
        const struct disk_record *record = &fs->super.disks[disk];
        if (record->state != DISK_ONLINE) {
            placement.next[disk] = record->segments;
        }
    }
    return placement;
}

/* The disk with the most free segments that is not yet among the first `count` places. */
static bool disk_choose(const struct lattice *fs, const struct placement *placement,
                        const struct segment_entry *entry, uint32_t count, uint32_t *out_disk) {
    uint32_t best = 0;
    for (uint32_t disk = 0; disk < fs->super.disk_count; disk++) {
        uint32_t segments = fs->super.disks[disk].segments;
        uint32_t left = segments - MIN(segments, placement->next[disk]);
        bool used = false;
        for (uint32_t i = 0; i < count; i++) {
            used |= entry->place[i] >> 48 == disk;
        }
        if (!used && left > best) {
            best = left;
            *out_disk = disk;
        }
    }
    return best > 0;
}

bool placement_take(const struct lattice *fs, struct placement *placement,
                    struct segment_entry *out) {
    uint32_t size = UINT32_C(1) << fs->super.segment_shift;
    *out = (struct segment_entry){.state = SEGMENT_UNWRITTEN,
                                  .copies = fs->super.copies,
                                  .free_blocks = size - SEGMENT_HEAD_BLOCKS,
                                  .free_quads = size / NODE_BLOCKS - 1};
    for (uint32_t i = 0; i < COPIES_MAX; i++) {
        uint32_t disk = 0;
        if (i >= out->copies) {
            out->place[i] = PLACE_NONE;
        } else if (disk_choose(fs, placement, out, i, &disk)) {
            out->place[i] = (uint64_t)disk << 48 | placement->next[disk];
            placement->next[disk]++;
        } else {
            return false;
        }
    }
    return true;
}

#pragma clang assume_nonnull end
