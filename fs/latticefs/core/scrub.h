#pragma once
/* Reads every copy of every block that is in use, and heals those that differ from their checksums.
 * With a floor of births it is the resilver of a disk that was missing since. */
#include "lattice.h"

#pragma clang assume_nonnull begin

struct scrub_report {
    uint64_t pointers;
    uint64_t bad_copies; /* found and rewritten from another */
    uint64_t lost;       /* no copy was good */
    uint64_t done;       /* blocks read, of `all`; 0 = not known */
    uint64_t all;
    void *_Nullable context;
    void (*_Nullable progress)(void *_Nullable context, const struct scrub_report *report);
};

/* The pool must have no uncommitted changes. Errors: LATTICE_BUSY, LATTICE_NO_MEMORY. */
lattice_status_t pool_scrub_all(struct lattice *fs, uint64_t floor, struct scrub_report *report);
/* Brings stale disks up to date and takes them back into the pool, with a commit.
 * Errors: LATTICE_CORRUPT if something had no good copy: the disks stay untrusted. */
lattice_status_t pool_resilver(struct lattice *fs, struct scrub_report *report);

#pragma clang assume_nonnull end
