#pragma once
/* Checks a whole pool: every tree, every block's owner, every link count, all accounts. The pool
 * must have no uncommitted changes. Memory: 4 KiB per segment, and at most 48 MiB of what is known
 * of objects: a dataset that has more of them is gone through several times. */
#include "inode.h"

#pragma clang assume_nonnull begin

enum {
    CHECK_DATA = 1, /* read and verify all records too */
    CHECK_REPAIR =
        2 /* rebuild bitmaps that contradict the trees, if all trees could be read; commits */
};

struct check_report {
    uint64_t problems;
    uint64_t nodes;
    uint64_t records;
    uint64_t blocks;
    uint64_t objects;
    uint64_t facts;      /* objects whose names were compared with their links */
    uint64_t leaked;     /* used in a bitmap, reached by nothing */
    uint64_t lost;       /* reached, but free in the bitmap */
    uint64_t unreadable; /* nodes and dataset records: what they lead to is not known */
    uint64_t repaired;   /* segments whose bitmap was rebuilt */
    void *_Nullable context;
    /* What is wrong, with the numbers that say where. */
    void (*_Nullable problem)(void *_Nullable context, const char *what, uint64_t first,
                              uint64_t second);
    /* Called now and then; `all` 0 = not known. */
    void (*_Nullable progress)(void *_Nullable context, const char *what, uint64_t done,
                               uint64_t all);
    uint32_t facts_max; /* objects to keep facts of at a time; 0 = the usual number */
};

/* Errors: LATTICE_NO_MEMORY, LATTICE_BUSY (uncommitted changes); damage is no error, it is counted.
 */
lattice_status_t pool_check(struct lattice *fs, uint32_t flags, struct check_report *report);

#pragma clang assume_nonnull end
