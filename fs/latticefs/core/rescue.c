/* Reading what is left of a damaged pool. Nodes that cannot be read are passed over by the walk;
 * what they covered is told once. */
#include "rescue.h"
#include "change.h"
#include "node.h"
#include "walk.h"

#pragma clang assume_nonnull begin

struct rescue {
    struct walk walk;
    struct node leaf; /* a copy: the visitor may read other nodes */
};

static lattice_status_t leaf_visit(const struct node *leaf, struct key from,
                                   const struct rescue_visitor *visitor) {
    for (uint32_t i = 0; i < leaf->count; i++) {
        if (!key_less(leaf->slots[i].key, from)) {
            TRY(visitor->item(visitor->context, leaf->slots[i].key, leaf_value(leaf, i)));
        }
    }
    return LATTICE_OK;
}

/* The walk has dropped the step that it could not take; it is still where it was. */
static void step_lost(const struct walk *walk, const struct rescue_visitor *visitor) {
    const struct walk_step *step = &walk->steps[walk->depth];
    visitor->lost(visitor->context, step->low, step->high, step->high_bounded);
}

static lattice_status_t tree_visit(struct lattice *fs, struct rescue *rescue, struct tree *tree,
                                   struct key from, const struct rescue_visitor *visitor) {
    struct walk *walk = &rescue->walk;
    walk_begin(walk, tree, 0);
    walk->from = from;
    for (;;) {
        struct pointer pointer = {};
        const struct node *_Nullable node = nullptr;
        lattice_status_t status = walk_next(fs, walk, &pointer, &node);
        if (status == LATTICE_NOT_FOUND) {
            return LATTICE_OK;
        }
        if (status == LATTICE_NO_MEMORY || status == LATTICE_KEY_NEEDED) {
            return status;
        }
        if (status != LATTICE_OK) {
            step_lost(walk, visitor);
        } else if (SOME(node)->level == 0) {
            rescue->leaf = *SOME(node);
            TRY(leaf_visit(&rescue->leaf, from, visitor));
        }
    }
}

static lattice_status_t visit(struct lattice *fs, struct tree *tree, struct key from,
                              const struct rescue_visitor *visitor) {
    struct rescue *_Nullable taken = memory_take(fs, sizeof(struct rescue));
    if (taken == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    lattice_status_t status = tree_visit(fs, SOME(taken), tree, from, visitor);
    memory_give(fs, taken, sizeof(struct rescue));
    return status;
}

lattice_status_t rescue_visit(struct lattice *fs, struct dataset *dataset, struct key from,
                              const struct rescue_visitor *visitor) {
    return visit(fs, &dataset->tree, from, visitor);
}

struct dataset_visit {
    struct lattice *fs;
    const struct rescue_visitor *visitor;
};

static lattice_status_t pool_item(void *context, struct key key, struct view value) {
    const struct dataset_visit *all = context;
    struct geometry geometry = geometry_of(all->fs);
    struct dataset_record *record = &all->fs->stored_buffer->dataset;
    if (key_type(key) != KEY_DATASET || value.size != sizeof *record) {
        return LATTICE_OK;
    }
    bytes_copy(bytes_of(record, sizeof *record), value);
    return dataset_record_validate(&geometry, record) == LATTICE_OK
               ? all->visitor->item(all->visitor->context, key, value)
               : LATTICE_OK;
}

static void pool_lost(void *context, struct key low, struct key high, bool bounded) {
    const struct dataset_visit *all = context;
    all->visitor->lost(all->visitor->context, low, high, bounded);
}

lattice_status_t rescue_datasets(struct lattice *fs, const struct rescue_visitor *visitor) {
    struct dataset_visit all = {fs, visitor};
    struct rescue_visitor inner = {.context = &all, .item = pool_item, .lost = pool_lost};
    return visit(fs, &fs->pool_tree, KEY_MIN, &inner);
}

#pragma clang assume_nonnull end
