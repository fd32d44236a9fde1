#pragma once
/* Which physical segments of which disks a new virtual segment gets. */
#include "lattice.h"

#pragma clang assume_nonnull begin

/* Physical segments from these on are free, by disk. */
struct placement {
    uint32_t next[DISKS_MAX];
};

/* What is free on the pool's online disks. */
struct placement placement_of(const struct lattice *fs);
/* Makes an entry with so many copies on different disks, the emptiest first; false if there is no
 * room. */
bool placement_take(const struct lattice *fs, struct placement *placement,
                    struct segment_entry *out);

#pragma clang assume_nonnull end
