#pragma once
/* An intrusive ordered tree (treap): mappings by address, timers by deadline. Keys may repeat;
 * equal keys keep their order of insertion. Expected depth 2 log n whatever the keys are, since
 * priorities come from the tree's own generator. No recursion, no allocation. */
#include "lib/base/safe.h"

struct tree_node {
    struct tree_node *_Nullable child[2]; /* less than this node; the rest */
    struct tree_node *_Nullable parent;
    uint64_t key;
    uint32_t priority; /* 0: in no tree */
};

struct tree {
    struct tree_node *_Nullable root;
    uint32_t seed;
};

void tree_insert(struct tree *_Nonnull tree, struct tree_node *_Nonnull node, uint64_t key);
void tree_remove(struct tree *_Nonnull tree, struct tree_node *_Nonnull node);
struct tree_node *_Nullable tree_first(const struct tree *_Nonnull tree);
struct tree_node *_Nullable tree_next(const struct tree_node *_Nonnull node);

/* The node with the greatest key <= `key`, or null. */
struct tree_node *_Nullable tree_find_at_or_below(const struct tree *_Nonnull tree, uint64_t key);
/* The node with the least key >= `key`, or null. */
struct tree_node *_Nullable tree_find_at_or_above(const struct tree *_Nonnull tree, uint64_t key);

static inline bool tree_contains(const struct tree_node *_Nonnull node) {
    return node->priority != 0;
}
