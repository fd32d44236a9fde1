/* Visits a tree's nodes. The steps hold pointers and indices only: nodes are looked up again
 * through the cache. */
#include "walk.h"

#pragma clang assume_nonnull begin

void walk_begin(struct walk *walk, struct tree *tree, uint64_t floor) {
    walk->tree = tree;
    walk->floor = floor;
    walk->from = KEY_MIN;
    walk->depth = 0;
    if (tree->root.birth > floor) {
        walk->steps[0] = (struct walk_step){.pointer = tree->root, .high = KEY_MAX};
        walk->depth = 1;
        walk->steps[0].index = UINT32_MAX; /* not visited yet */
    }
}

static lattice_status_t walk_node(struct lattice *fs, struct walk *walk,
                                  const struct walk_step *step,
                                  const struct node *_Nullable *_Nonnull out_node) {
    struct frame *_Nullable frame = nullptr;
    if (!fs->in_operation) {
        fs->cache.stamp++;
    }
    TRY(tree_node(fs, walk->tree, &step->pointer, step->low, step->high, step->high_bounded,
                  &frame));
    *out_node = &SOME(frame)->node;
    return LATTICE_OK;
}

/* Pushes the next child born after the floor; false if there is none left. */
static bool walk_descend(struct walk *walk, struct walk_step *step, const struct node *node) {
    while (step->index < node->count && walk->depth < DEPTH_MAX) {
        const struct child *child = &node->children[step->index];
        step->index++;
        bool last = step->index == node->count;
        bool bounded = last ? step->high_bounded : true;
        struct key high = last ? step->high : node->children[step->index].key;
        if (child->pointer.birth <= walk->floor || (bounded && !key_less(walk->from, high))) {
            continue;
        }
        walk->steps[walk->depth] = (struct walk_step){.pointer = child->pointer,
                                                      .index = UINT32_MAX,
                                                      .low = child->key,
                                                      .high = high,
                                                      .high_bounded = bounded};
        walk->depth++;
        return true;
    }
    return false;
}

lattice_status_t walk_next(struct lattice *fs, struct walk *walk, struct pointer *out_pointer,
                           const struct node *_Nullable *_Nonnull out_node) {
    while (walk->depth > 0) {
        struct walk_step *step = &walk->steps[walk->depth - 1];
        const struct node *_Nullable node = nullptr;
        lattice_status_t status = walk_node(fs, walk, step, &node);
        *out_pointer = step->pointer;
        if (status != LATTICE_OK) {
            walk->depth--;
            return status;
        }
        if (step->index == UINT32_MAX) {
            step->index = 0;
            *out_node = node;
            return LATTICE_OK;
        }
        if (SOME(node)->level == 0 || !walk_descend(walk, step, SOME(node))) {
            walk->depth--;
        }
    }
    return LATTICE_NOT_FOUND;
}

#pragma clang assume_nonnull end
