#pragma once
/* The part of check that looks at the meaning of one dataset tree: objects, names, extents.
 *
 * Names and inodes of an object lie far apart, so a fact about each object is kept until the end.
 * When there are too many, the walk in hand goes on with half of the objects (by a hash), and
 * another walk does the other half, which may be halved again:
 *
 *     bits 0: all ──too many──▶ bits 1: xx0 ──too many──▶ bits 2: x00 ──end──▶ x10 ──end──▶ xx1 …
 *
 * (slice_narrow, slice_next). A slice lies within the one that it was cut from, so what was
 * gathered of its objects is complete. */
#include "check.h"

#pragma clang assume_nonnull begin

struct object_fact {
    uint64_t object;       /* 0 = empty */
    uint64_t entry_parent; /* directory of the last entry that names it */
    uint64_t inode_parent;
    uint32_t names;
    uint32_t links;
    uint8_t entry_type;
    uint8_t inode_type;
    bool inode;
    bool orphan;
    bool cut;
};

/* The objects whose hash ends in these bits. */
struct object_slice {
    uint32_t bits;
    uint64_t value;
};

struct object_table {
    uint32_t capacity; /* a power of two */
    uint32_t count;
    struct object_fact *_Nullable data COUNTED_BY(capacity);
};

/* What is being added up of the object in hand. */
struct object_sum {
    uint64_t object;
    struct inode inode;
    bool has_inode;
    bool has_inline;
    bool has_extent;
    uint64_t entries;
    uint64_t subdirectories;
    uint64_t xattrs;
    uint64_t blocks;
    uint64_t extent_end;
};

struct object_check {
    struct lattice *fs;
    struct check_report *report;
    struct object_table table;
    struct object_slice slice;
    bool again; /* not the first walk: only facts are gathered */
    struct object_sum sum;
    uint64_t objects;
    uint64_t referenced;
    uint64_t next_object;
};

void check_problem(struct check_report *report, const char *what, uint64_t first, uint64_t second);
lattice_status_t object_check_item(struct object_check *check, struct key key, struct view value);
/* At the end of a walk: judges the facts; *out_more: another walk is needed. */
void object_check_finish(struct object_check *check, bool *out_more);
void object_check_release(struct object_check *check);

#pragma clang assume_nonnull end
