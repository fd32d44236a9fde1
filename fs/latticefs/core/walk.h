#pragma once
/* Visits a tree's nodes in key order, without recursion, with bounded memory; subtrees that were
 * not born after a floor are passed over. Used by check, scrub, reclaim and send. */
#include "lattice.h"

#pragma clang assume_nonnull begin

struct walk_step {
    struct pointer pointer;
    uint32_t index;
    struct key low;
    struct key high;
    bool high_bounded;
};

struct walk {
    struct tree *tree;
    uint64_t floor;  /* only nodes with a greater birth */
    struct key from; /* nodes that end at or before it are passed over; set after walk_begin */
    uint32_t depth;
    struct walk_step steps[DEPTH_MAX];
};

void walk_begin(struct walk *walk, struct tree *tree, uint64_t floor);
/* Steps to the next node, parents before children. The node is valid until the next call on the
 * file system. A node that cannot be read is reported with its status, and passed over by the next
 * call. Errors: LATTICE_NOT_FOUND at the end. */
lattice_status_t walk_next(struct lattice *fs, struct walk *walk, struct pointer *out_pointer,
                           const struct node *_Nullable *_Nonnull out_node);

#pragma clang assume_nonnull end
