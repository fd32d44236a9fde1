#pragma once
/* The copy-on-write B+tree. Every change copies the path to a leaf once per transaction;
 * `tree_write` then writes what was changed, children first, and leaves the checksums in the
 * parents.
 *
 * Views and cursors point into the cache: they are valid until the next call on the same file
 * system that may read or change a node. */
#include "format.h"

#pragma clang assume_nonnull begin

struct lattice;
struct dataset;
struct frame;
struct key_entry;

struct tree {
    struct pointer root;
    uint64_t owner;
    struct dataset
        *_Nullable dataset; /* whose rules decide on freed blocks; null = the pool tree, a walk */
    const struct key_entry *_Nullable key; /* of an encrypted tree; null: a walk sees ciphertext */
};

struct item {
    struct key key;
    struct view value;
};

/* A new tree with one empty leaf. */
lattice_status_t tree_create(struct lattice *fs, struct tree *tree);
/* Errors: LATTICE_NOT_FOUND; LATTICE_IO, LATTICE_CORRUPT, LATTICE_NO_MEMORY for all of these. */
lattice_status_t tree_get(struct lattice *fs, struct tree *tree, struct key key,
                          struct view *out_value);
/* The first item whose key is at or after `from` and before `to`. Errors: LATTICE_NOT_FOUND if
 * none. */
lattice_status_t tree_seek(struct lattice *fs, struct tree *tree, struct key from, struct key to,
                           struct item *out_item);
/* Inserts or replaces. A failure has no effect. `value` must not lie in the cache. */
lattice_status_t tree_put(struct lattice *fs, struct tree *tree, struct key key, struct view value);
/* Errors: LATTICE_NOT_FOUND. */
lattice_status_t tree_delete(struct lattice *fs, struct tree *tree, struct key key);
/* Writes the nodes born in the running transaction; tree->root is then the pointer to record. */
lattice_status_t tree_write(struct lattice *fs, struct tree *tree);
/* Reads a node through the cache; for walkers. */
lattice_status_t tree_node(struct lattice *fs, struct tree *tree, const struct pointer *pointer,
                           struct key low, struct key high, bool high_bounded,
                           struct frame *_Nullable *_Nonnull out_frame);

#pragma clang assume_nonnull end
