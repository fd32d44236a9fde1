/* The tree against a plain array: the same operations on both, compared after each. */
#include "lib/base/test.h"
#include "lib/base/tree.h"

enum {
    NODES = 200,
    KEYS = 64, /* fewer than nodes, so that keys repeat */
    STEPS = 20000
};

struct item {
    struct tree_node node;
    uint64_t born; /* order of insertion */
};

static struct {
    struct tree tree;
    struct item items[NODES];
    uint64_t births;
    uint64_t random;
} world;

static uint64_t next_random(void) {
    world.random = world.random * 6364136223846793005u + 1442695040888963407u;
    return world.random >> 33;
}

static void start(uint64_t seed) {
    memset(&world, 0, sizeof world);
    world.tree.seed = 1;
    world.random = seed;
}

static struct item *_Nonnull item_of(struct tree_node *_Nonnull node) {
    return CONTAINER_OF(node, struct item, node);
}

/* In order, equal keys as they came, as many as there should be; parents and heaps are right. */
static void check_order(unsigned expected) {
    unsigned count = 0;
    const struct item *before = nullptr;
    for (struct tree_node *at = tree_first(&world.tree); at; at = tree_next(SOME(at))) {
        const struct item *item = item_of(SOME(at));
        REQUIRE(!before || before->node.key < at->key ||
                (before->node.key == at->key && before->born < item->born));
        REQUIRE(at->parent ? at->parent->child[0] == at || at->parent->child[1] == at
                           : world.tree.root == at);
        REQUIRE(tree_contains(SOME(at)));
        REQUIRE(!at->parent || at->parent->priority >= at->priority);
        before = item;
        count++;
    }
    REQUIRE(count == expected);
}

static void check_finding(uint64_t key) {
    bool any_below = false;
    bool any_above = false;
    uint64_t below = 0;
    uint64_t above = UINT64_MAX;
    for (unsigned i = 0; i < NODES; i++) {
        const struct tree_node *node = &world.items[i].node;
        if (tree_contains(node) && node->key <= key) {
            below = any_below ? MAX(below, node->key) : node->key;
            any_below = true;
        }
        if (tree_contains(node) && node->key >= key) {
            above = MIN(above, node->key);
            any_above = true;
        }
    }
    const struct tree_node *found = tree_find_at_or_below(&world.tree, key);
    REQUIRE(any_below ? found && found->key == below : !found);
    found = tree_find_at_or_above(&world.tree, key);
    REQUIRE(any_above ? found && found->key == above : !found);
}

TEST(it_behaves_as_a_sorted_array_does) {
    for (uint64_t seed = 1; seed <= 3; seed++) {
        start(seed);
        unsigned count = 0;
        for (unsigned step = 0; step < STEPS; step++) {
            struct item *item = &world.items[next_random() % NODES];
            if (tree_contains(&item->node)) {
                tree_remove(&world.tree, &item->node);
                count--;
            } else {
                item->born = ++world.births;
                tree_insert(&world.tree, &item->node, next_random() % KEYS);
                count++;
            }
            check_finding(next_random() % (KEYS + 2));
            if (step % 50 == 0) {
                check_order(count);
            }
        }
    }
}

TEST(sorted_keys_do_not_make_it_deep) {
    start(1);
    for (unsigned i = 0; i < NODES; i++) {
        world.items[i].born = i;
        tree_insert(&world.tree, &world.items[i].node, i);
    }
    unsigned deepest = 0;
    for (unsigned i = 0; i < NODES; i++) {
        unsigned depth = 0;
        for (const struct tree_node *at = &world.items[i].node; at->parent; at = at->parent) {
            depth++;
        }
        deepest = MAX(deepest, depth);
    }
    EXPECT(deepest <= 30); /* 2 log2 200 is 15 */
    check_order(NODES);
}

TEST(the_greatest_and_least_keys) {
    start(1);
    tree_insert(&world.tree, &world.items[0].node, UINT64_MAX);
    tree_insert(&world.tree, &world.items[1].node, 0);
    EXPECT(tree_find_at_or_above(&world.tree, UINT64_MAX) == &world.items[0].node);
    EXPECT(tree_find_at_or_below(&world.tree, UINT64_MAX - 1) == &world.items[1].node);
    EXPECT(tree_find_at_or_below(&world.tree, 0) == &world.items[1].node);
    EXPECT(tree_next(&world.items[0].node) == nullptr);
}
