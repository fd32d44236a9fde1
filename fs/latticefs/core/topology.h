#pragma once
/* The disks of a pool come, grow and go while it is open. Each call commits before and after; a
 * crash leaves the pool as before it or after it. Devices must stay until pool_close, or until
 * they are detached.
 *
 *   (new) ──pool_attach, pool_replace──▶ resilvering ──pool_resilver──▶ online ──pool_detach──▶
 * gone (new) ──pool_add──▶ online         online ──write fails, vanished──▶ missing ──came back,
 * pool_resilver──▶ online */
#include "lattice.h"

#pragma clang assume_nonnull begin

struct disk_status {
    uint32_t state; /* enum disk_state */
    bool present;
    bool stale; /* present, and not trusted before a resilver */
    uint64_t blocks;
    uint64_t device_blocks; /* greater than blocks: pool_grow would use it */
    uint64_t missing_since;
    uint32_t segments;
    uint32_t segments_used; /* that a virtual segment has a copy in */
    uint64_t read_errors;
    uint64_t write_errors;
    uint64_t checksum_errors;
    uint64_t healed;
};

/* Errors: LATTICE_NOT_FOUND: no disk has that number. */
lattice_status_t pool_disk(const struct lattice *fs, uint32_t disk, struct disk_status *out);
/* Every segment gets one more copy, on this device: a mirror side more. The copy is used after a
 * pool_resilver. Errors: LATTICE_TOO_MANY (disks or copies), LATTICE_NO_SPACE (the device is too
 * small for all), LATTICE_EXISTS (the device is one of this pool's). */
lattice_status_t pool_attach(struct lattice *fs, struct blkdev *device, uint32_t *out_disk);
/* The segments that have a copy on `disk` get one more, on this device; after pool_resilver the old
 * one can be detached. `disk` may be missing. Errors: as pool_attach. */
lattice_status_t pool_replace(struct lattice *fs, uint32_t disk, struct blkdev *device,
                              uint32_t *out_disk);
/* More space: new segments on the free room of all disks, these included. Errors: as pool_attach;
 * LATTICE_NO_SPACE if they make no segment. */
lattice_status_t pool_add(struct lattice *fs, struct blkdev *device, uint32_t *out_disk);
/* The device of a disk has become larger: new segments. Errors: LATTICE_NO_SPACE if they make
 * none. */
lattice_status_t pool_grow(struct lattice *fs, uint32_t disk);
/* Takes a disk out. Errors: LATTICE_BUSY: something has no other trusted copy. */
lattice_status_t pool_detach(struct lattice *fs, uint32_t disk);
/* Tells all disks which blocks are free, as after a mass deletion or on new media. */
lattice_status_t pool_trim_free(struct lattice *fs, uint64_t *out_blocks);

#pragma clang assume_nonnull end
