/* Treap: a binary search tree by key that is at the same time a heap by random priority. */
#include "lib/base/tree.h"

static uint32_t next_priority(struct tree *_Nonnull tree) {
    uint32_t x = tree->seed != 0 ? tree->seed : 0x9e3779b9u;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    tree->seed = x;
    return x | 1u;
}

/* On which side of its parent a child hangs. */
static bool side_of(const struct tree_node *_Nonnull parent,
                    const struct tree_node *_Nonnull child) {
    return parent->child[1] == child;
}

static void replace_child(struct tree *_Nonnull tree, struct tree_node *_Nullable parent,
                          const struct tree_node *_Nonnull old, struct tree_node *_Nullable new) {
    if (parent == nullptr) {
        tree->root = new;
    } else {
        parent->child[side_of(SOME(parent), old)] = new;
    }
    if (new != nullptr) {
        new->parent = parent;
    }
}

/* Lifts `child` above its parent. */
static void rotate_up(struct tree *_Nonnull tree, struct tree_node *_Nonnull child) {
    struct tree_node *parent = SOME(child->parent);
    bool side = side_of(parent, child);
    replace_child(tree, parent->parent, parent, child);
    struct tree_node *between = child->child[!side];
    parent->child[side] = between;
    if (between != nullptr) {
        between->parent = parent;
    }
    child->child[!side] = parent;
    parent->parent = child;
}

void tree_insert(struct tree *_Nonnull tree, struct tree_node *_Nonnull node, uint64_t key) {
    CHECK(!tree_contains(node));
    *node = (struct tree_node){.key = key, .priority = next_priority(tree)};
    struct tree_node *at = tree->root;
    if (at == nullptr) {
        tree->root = node;
        return;
    }
    while (at->child[key >= at->key] != nullptr) {
        at = at->child[key >= at->key];
    }
    at->child[key >= at->key] = node;
    node->parent = at;
    while (node->parent != nullptr && node->parent->priority < node->priority) {
        rotate_up(tree, node);
    }
}

void tree_remove(struct tree *_Nonnull tree, struct tree_node *_Nonnull node) {
    CHECK(tree_contains(node));
    while (node->child[0] != nullptr && node->child[1] != nullptr) {
        bool right_wins = node->child[1]->priority >= node->child[0]->priority;
        rotate_up(tree, SOME(node->child[right_wins]));
    }
    replace_child(tree, node->parent, node, node->child[node->child[0] == nullptr]);
    node->priority = 0;
    node->parent = nullptr;
}

static struct tree_node *_Nullable leftmost(struct tree_node *_Nullable at) {
    while (at != nullptr && at->child[0] != nullptr) {
        at = at->child[0];
    }
    return at;
}

struct tree_node *_Nullable tree_first(const struct tree *_Nonnull tree) {
    return leftmost(tree->root);
}

struct tree_node *_Nullable tree_next(const struct tree_node *_Nonnull node) {
    if (node->child[1] != nullptr) {
        return leftmost(node->child[1]);
    }
    const struct tree_node *below = node;
    struct tree_node *at = node->parent;
    while (at != nullptr && side_of(SOME(at), below)) {
        below = at;
        at = at->parent;
    }
    return at;
}

/* The nearest node at `key`, or beyond it: above, or below. */
[[gnu::always_inline]] static inline struct tree_node *_Nullable find(
    const struct tree *_Nonnull tree, uint64_t key, bool above) {
    struct tree_node *best = nullptr;
    struct tree_node *at = tree->root;
    while (at != nullptr) {
        bool fits = above ? at->key >= key : at->key <= key;
        best = fits ? at : best;
        at = at->child[fits != above];
    }
    return best;
}

struct tree_node *_Nullable tree_find_at_or_below(const struct tree *_Nonnull tree, uint64_t key) {
    return find(tree, key, false);
}

struct tree_node *_Nullable tree_find_at_or_above(const struct tree *_Nonnull tree, uint64_t key) {
    return find(tree, key, true);
}
