/* lib/base/tree.c: three nodes with any keys and any seed (so any shape of the treap), one removed.
 */
#include "lib/base/tree.c"
#include "tests/proofs/prove.h"

static struct tree tree;
static struct tree_node x, y, z;

static void fill(void) {
    tree.seed = any_u32();
    tree_insert(&tree, &x, any_u64());
    tree_insert(&tree, &y, any_u64());
    tree_insert(&tree, &z, any_u64());
}

/* Order of insertion, for equal keys. */
static unsigned rank(const struct tree_node *node) {
    return node == &x ? 0 : node == &y ? 1 : 2;
}

static unsigned walk(void) {
    unsigned count = 0;
    const struct tree_node *previous = nullptr;
    for (const struct tree_node *at = tree_first(&tree); at != nullptr; at = tree_next(at)) {
        PROVE(previous == nullptr || previous->key < at->key ||
              (previous->key == at->key && rank(previous) < rank(at)));
        PROVE(at->parent == nullptr ? tree.root == at
                                    : at->parent->child[0] == at || at->parent->child[1] == at);
        PROVE(at->parent == nullptr || at->parent->priority >= at->priority);
        PROVE(tree_contains(at));
        previous = at;
        count++;
    }
    return count;
}

void tree_order(void) {
    fill();
    PROVE(walk() == 3);
    struct tree_node *gone = any_bool() ? &x : any_bool() ? &y : &z;
    tree_remove(&tree, gone);
    PROVE(!tree_contains(gone));
    PROVE(walk() == 2);
}

static const struct tree_node *better(const struct tree_node *best, const struct tree_node *node,
                                      uint64_t key, bool below) {
    if (below ? node->key > key : node->key < key) {
        return best;
    }
    if (best == nullptr || (below ? node->key >= best->key : node->key < best->key)) {
        return node;
    }
    return best;
}

/* Equal keys: below gives the last inserted, above the first. */
void tree_search(void) {
    fill();
    uint64_t key = any_u64();
    const struct tree_node *below =
        better(better(better(nullptr, &x, key, true), &y, key, true), &z, key, true);
    const struct tree_node *above =
        better(better(better(nullptr, &x, key, false), &y, key, false), &z, key, false);
    PROVE(tree_find_at_or_below(&tree, key) == below);
    PROVE(tree_find_at_or_above(&tree, key) == above);
}
