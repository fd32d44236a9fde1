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

static void replace_child(struct tree *_Nonnull tree, struct tree_node *_Nullable parent,
                          const struct tree_node *_Nonnull old, struct tree_node *_Nullable new) {
    if (parent == nullptr) {
        tree->root = new;
    } else if (parent->left == old) {
        parent->left = new;
    } else {
        parent->right = new;
    }
    if (new != nullptr) {
        new->parent = parent;
    }
}

/* Lifts `child` above its parent. */
static void rotate_up(struct tree *_Nonnull tree, struct tree_node *_Nonnull child) {
    struct tree_node *parent = SOME(child->parent);
    replace_child(tree, parent->parent, parent, child);
    if (parent->left == child) {
        parent->left = child->right;
        if (child->right != nullptr) {
            child->right->parent = parent;
        }
        child->right = parent;
    } else {
        parent->right = child->left;
        if (child->left != nullptr) {
            child->left->parent = parent;
        }
        child->left = parent;
    }
    parent->parent = child;
}

void tree_insert(struct tree *_Nonnull tree, struct tree_node *_Nonnull node, uint64_t key) {
    CHECK(!tree_contains(node));
    node->key = key;
    node->left = nullptr;
    node->right = nullptr;
    node->parent = nullptr;
    node->priority = next_priority(tree);
    struct tree_node *at = tree->root;
    if (at == nullptr) {
        tree->root = node;
        return;
    }
    for (;;) {
        struct tree_node *down = key < at->key ? at->left : at->right;
        if (down == nullptr) {
            break;
        }
        at = down;
    }
    if (key < at->key) {
        at->left = node;
    } else {
        at->right = node;
    }
    node->parent = at;
    while (node->parent != nullptr && node->parent->priority < node->priority) {
        rotate_up(tree, node);
    }
}

void tree_remove(struct tree *_Nonnull tree, struct tree_node *_Nonnull node) {
    CHECK(tree_contains(node));
    while (node->left != nullptr && node->right != nullptr) {
        bool left_wins = node->left->priority > node->right->priority;
        rotate_up(tree, left_wins ? SOME(node->left) : SOME(node->right));
    }
    replace_child(tree, node->parent, node, node->left != nullptr ? node->left : node->right);
    node->priority = 0;
    node->parent = nullptr;
}

struct tree_node *_Nullable tree_first(const struct tree *_Nonnull tree) {
    struct tree_node *at = tree->root;
    while (at != nullptr && at->left != nullptr) {
        at = at->left;
    }
    return at;
}

struct tree_node *_Nullable tree_next(const struct tree_node *_Nonnull node) {
    struct tree_node *at = node->right;
    if (at != nullptr) {
        while (at->left != nullptr) {
            at = at->left;
        }
        return at;
    }
    const struct tree_node *below = node;
    at = node->parent;
    while (at != nullptr && at->right == below) {
        below = at;
        at = at->parent;
    }
    return at;
}

struct tree_node *_Nullable tree_find_at_or_below(const struct tree *_Nonnull tree, uint64_t key) {
    struct tree_node *best = nullptr;
    struct tree_node *at = tree->root;
    while (at != nullptr) {
        if (at->key <= key) {
            best = at;
            at = at->right;
        } else {
            at = at->left;
        }
    }
    return best;
}

struct tree_node *_Nullable tree_find_at_or_above(const struct tree *_Nonnull tree, uint64_t key) {
    struct tree_node *best = nullptr;
    struct tree_node *at = tree->root;
    while (at != nullptr) {
        if (at->key >= key) {
            best = at;
            at = at->left;
        } else {
            at = at->right;
        }
    }
    return best;
}
