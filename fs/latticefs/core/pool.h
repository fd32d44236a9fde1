#pragma once
/* The disks of a pool: virtual addresses to places, mirrored writes, reads that try every copy,
 * verify and heal. */
#include "lattice.h"

#pragma clang assume_nonnull begin

/* Reads `blocks` at a physical block of one disk. Errors: LATTICE_IO (missing, or refused). */
lattice_status_t disk_read(struct lattice *fs, uint32_t disk, uint64_t block, uint32_t blocks,
                           struct bytes to);
/* Writes to one disk. A failure takes the disk out of the pool if `others` can go on without it. */
lattice_status_t disk_write(struct lattice *fs, uint32_t disk, uint64_t block, struct view from);
bool disk_present(const struct lattice *fs, uint32_t disk);

/* Number of places of an address's segment; place of copy i as disk and physical block. */
uint32_t pool_copies(struct lattice *fs, uint64_t address);
bool pool_place(struct lattice *fs, uint64_t address, uint32_t copy, uint32_t *out_disk,
                uint64_t *out_block);

/* Reads one copy, unverified. */
lattice_status_t pool_read_copy(struct lattice *fs, uint64_t address, uint32_t copy,
                                struct bytes to);
/* Writes to all present copies. Errors: LATTICE_IO if none took it. */
lattice_status_t pool_write(struct lattice *fs, uint64_t address, struct view from);
/* Reads what a validated pointer stores: tries all addresses and copies, and rewrites those found
 * bad. Errors: LATTICE_CORRUPT or LATTICE_IO if no copy is good. */
lattice_status_t pool_read(struct lattice *fs, const struct pointer *pointer, struct bytes to);
/* As pool_read, but reads every copy of every address, healing the bad ones, counted in *out_bad.
 */
lattice_status_t pool_scrub(struct lattice *fs, const struct pointer *pointer, struct bytes to,
                            uint64_t *out_bad);
/* Rewrites the copies of a run whose bits are set in `wrong`. */
void pool_heal_copies(struct lattice *fs, uint64_t address, uint32_t wrong, struct view good);
/* Makes all finished writes durable. A disk whose flush fails is taken out if others hold all it
 * had. */
lattice_status_t pool_flush(struct lattice *fs);

/* The same in three steps: the second looks at nothing but the disks, so that a front end with
 * threads can let others into the core meanwhile. */
struct flush {
    struct blkdev *_Nullable devices[DISKS_MAX];
    uint32_t failed; /* a bit for each disk */
};
void flush_begin(struct lattice *fs, struct flush *out);
/* Blocks: on the disks. Locks: none needed. */
void flush_run(struct flush *flush);
/* What pool_flush would have returned. */
lattice_status_t flush_end(struct lattice *fs, const struct flush *flush);
/* Tells the disks that these blocks will be read soon. */
void pool_prefetch(struct lattice *fs, uint64_t address, uint32_t blocks);
void pool_trim(struct lattice *fs, uint64_t address, uint32_t blocks);

#pragma clang assume_nonnull end
