/* Reading and changing the tree. Invariants:
 * 1. In memory a pointer to a dirty node has the right address and birth; its checksum is filled by
 * tree_write.
 * 2. The first child's key equals its node's lower bound, so no search falls left of it.
 * 3. A change is made only when all that it needs (frames, blocks) was obtained: each function
 * either did all or nothing of what the tree means, though it may have copied nodes. */
#include "tree.h"
#include "checksum.h"
#include "dataset.h"
#include "lattice.h"
#include "node.h"
#include "pool.h"
#include "seal.h"

#pragma clang assume_nonnull begin

/* ---- nodes ---- */

/* Whether a node that is in memory belongs where a pointer to it was found: a hostile tree may
 * point to it twice. */
static bool node_in_range(const struct node *node, struct key low, struct key high,
                          bool high_bounded) {
    if (node->count == 0) {
        return true;
    }
    bool leaf = node->level == 0;
    struct key first = leaf ? node->slots[0].key : node->children[0].key;
    struct key last = leaf ? node->slots[node->count - 1].key : node->children[node->count - 1].key;
    return (leaf ? !key_less(first, low) : key_equal(first, low)) &&
           (!high_bounded || key_less(last, high));
}

/* Whether this tree may look at the node at all. A pointer without a cipher in an encrypted tree is
 * a forgery. */
static lattice_status_t node_admit(const struct tree *tree, const struct pointer *pointer) {
    if (tree->key != nullptr) {
        return pointer->cipher == SOME(tree->key)->cipher ? LATTICE_OK : LATTICE_CORRUPT;
    }
    bool locked = pointer->cipher != CIPHER_NONE && tree->dataset != nullptr;
    return locked ? LATTICE_KEY_NEEDED : LATTICE_OK;
}

/* The frame of a node that is in memory, in the form that this tree needs. */
static lattice_status_t node_cached(struct lattice *fs, const struct tree *tree,
                                    const struct pointer *pointer,
                                    struct frame *_Nullable *_Nonnull out_frame) {
    struct frame *_Nullable found = cache_find(fs, pointer_address(pointer, 0));
    *out_frame = nullptr;
    if (found == nullptr) {
        return LATTICE_OK;
    }
    struct frame *frame = SOME(found);
    bool same = frame->node.level == pointer->level && frame->node.birth == pointer->birth;
    if (same && !(frame->sealed && tree->key != nullptr)) {
        cache_touch(fs, frame);
        *out_frame = frame;
        return LATTICE_OK;
    }
    if (frame->dirty) {
        return LATTICE_CORRUPT;
    }
    cache_remove(fs, frame); /* what the address held before it was freed, or ciphertext */
    return LATTICE_OK;
}

static lattice_status_t node_load(struct lattice *fs, const struct tree *tree,
                                  const struct pointer *pointer, struct key low, struct key high,
                                  bool high_bounded, struct frame *frame) {
    struct geometry geometry = geometry_of(fs);
    TRY(pool_read(fs, pointer, BYTES_OF(frame->node)));
    TRY(node_validate(&geometry, &frame->node, pointer, low, high, high_bounded));
    frame->sealed = pointer->cipher != CIPHER_NONE && tree->key == nullptr;
    return tree->key == nullptr ? LATTICE_OK
                                : node_unseal(fs, SOME(tree->key), pointer, &frame->node);
}

lattice_status_t tree_node(struct lattice *fs, struct tree *tree, const struct pointer *pointer,
                           struct key low, struct key high, bool high_bounded,
                           struct frame *_Nullable *_Nonnull out_frame) {
    struct frame *_Nullable found = nullptr;
    TRY(node_admit(tree, pointer));
    TRY(node_cached(fs, tree, pointer, &found));
    if (found != nullptr) {
        *out_frame = found;
        return node_in_range(&SOME(found)->node, low, high, high_bounded) ? LATTICE_OK
                                                                          : LATTICE_CORRUPT;
    }
    struct frame *_Nullable taken = cache_take(fs);
    if (taken == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    struct frame *frame = SOME(taken);
    lattice_status_t status = node_load(fs, tree, pointer, low, high, high_bounded, frame);
    if (status != LATTICE_OK) {
        cache_discard(fs, frame);
        return status;
    }
    cache_insert(fs, frame, pointer_address(pointer, 0), false);
    *out_frame = frame;
    return LATTICE_OK;
}

static lattice_status_t addresses_take(struct lattice *fs, uint64_t (*_Nonnull out)[2]) {
    (*out)[1] = 0;
    TRY(segments_take_quad(fs, &(*out)[0]));
    if (fs->super.node_copies > 1) {
        lattice_status_t status = segments_take_quad(fs, &(*out)[1]);
        if (status != LATTICE_OK) {
            segments_free(fs, (*out)[0], NODE_BLOCKS);
            return status;
        }
    }
    return LATTICE_OK;
}

static struct pointer node_pointer(const struct lattice *fs, const struct tree *tree, uint8_t level,
                                   const uint64_t (*_Nonnull addresses)[2]) {
    struct pointer pointer =
        pointer_make(POINTER_NODE, level, (*addresses)[0], (*addresses)[1], fs->transaction);
    pointer_set_sizes(&pointer, NODE_BLOCKS, NODE_BLOCKS, COMPRESSION_NONE);
    enum checksum_kind kind =
        tree->dataset == nullptr ? CHECKSUM_XXH64 : SOME(tree->dataset)->record.checksum_kind;
    pointer_set_kind(&pointer, kind);
    pointer.cipher = tree->key == nullptr ? CIPHER_NONE : SOME(tree->key)->cipher;
    return pointer;
}

static void node_own(struct lattice *fs, const struct tree *tree, struct node *node,
                     const struct pointer *pointer) {
    node->magic = NODE_MAGIC;
    node->level = pointer->level;
    node->owner = tree->owner;
    node->birth = fs->transaction;
    node->address = pointer_address(pointer, 0);
}

/* A new, empty, dirty node. */
static lattice_status_t node_create(struct lattice *fs, struct tree *tree, uint8_t level,
                                    struct pointer *out_pointer,
                                    struct frame *_Nullable *_Nonnull out_frame) {
    struct frame *_Nullable taken = cache_take(fs);
    if (taken == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    struct frame *frame = SOME(taken);
    uint64_t addresses[2] = {};
    lattice_status_t status = addresses_take(fs, &addresses);
    if (status != LATTICE_OK) {
        cache_discard(fs, frame);
        return status;
    }
    bytes_zero(BYTES_OF(frame->node));
    *out_pointer = node_pointer(fs, tree, level, &addresses);
    node_own(fs, tree, &frame->node, out_pointer);
    cache_insert(fs, frame, addresses[0], true);
    dataset_account(tree->dataset, pointer_owned(out_pointer), true);
    *out_frame = frame;
    return LATTICE_OK;
}

static void node_drop(struct lattice *fs, struct tree *tree, const struct pointer *pointer,
                      struct frame *frame) {
    dataset_kill(fs, tree->dataset, pointer);
    cache_remove(fs, frame);
}

/* Gives a clean node a new address in this transaction. `pointer` is the parent's, or the root's.
 */
static lattice_status_t node_make_dirty(struct lattice *fs, struct tree *tree,
                                        struct pointer *pointer, struct frame *frame) {
    if (frame->dirty) {
        return LATTICE_OK;
    }
    uint64_t addresses[2] = {};
    TRY(addresses_take(fs, &addresses));
    struct pointer fresh = node_pointer(fs, tree, pointer->level, &addresses);
    dataset_account(tree->dataset, pointer_owned(&fresh), true);
    dataset_kill(fs, tree->dataset, pointer);
    *pointer = fresh;
    node_own(fs, tree, &frame->node, pointer);
    cache_move(fs, frame, addresses[0]);
    return LATTICE_OK;
}

lattice_status_t tree_create(struct lattice *fs, struct tree *tree) {
    struct frame *_Nullable frame = nullptr;
    return node_create(fs, tree, 0, &tree->root, &frame);
}

/* ---- reading ---- */

struct descent {
    struct frame *leaf;
    struct key high;
    bool high_bounded;
};

static lattice_status_t tree_descend(struct lattice *fs, struct tree *tree, struct key key,
                                     struct descent *out) {
    struct pointer pointer = tree->root;
    struct key low = KEY_MIN;
    out->high = KEY_MAX;
    out->high_bounded = false;
    for (uint32_t depth = 0; depth < DEPTH_MAX; depth++) {
        struct frame *_Nullable frame = nullptr;
        TRY(tree_node(fs, tree, &pointer, low, out->high, out->high_bounded, &frame));
        const struct node *node = &SOME(frame)->node;
        if (node->level == 0) {
            out->leaf = SOME(frame);
            return LATTICE_OK;
        }
        uint32_t index = inner_find(node, key);
        low = node->children[index].key;
        pointer = node->children[index].pointer;
        if (index + 1u < node->count) {
            out->high = node->children[index + 1].key;
            out->high_bounded = true;
        }
    }
    return LATTICE_CORRUPT;
}

lattice_status_t tree_get(struct lattice *fs, struct tree *tree, struct key key,
                          struct view *out_value) {
    if (!fs->in_operation) {
        fs->cache.stamp++;
    }
    struct descent descent = {};
    TRY(tree_descend(fs, tree, key, &descent));
    const struct node *node = &descent.leaf->node;
    uint32_t index = leaf_find(node, key);
    if (index >= node->count || !key_equal(node->slots[index].key, key)) {
        return LATTICE_NOT_FOUND;
    }
    *out_value = leaf_value(node, index);
    return LATTICE_OK;
}

lattice_status_t tree_seek(struct lattice *fs, struct tree *tree, struct key from, struct key to,
                           struct item *out_item) {
    if (!fs->in_operation) {
        fs->cache.stamp++;
    }
    struct key key = from;
    while (key_less(key, to)) {
        struct descent descent = {};
        TRY(tree_descend(fs, tree, key, &descent));
        const struct node *node = &descent.leaf->node;
        uint32_t index = leaf_find(node, key);
        if (index < node->count) {
            if (!key_less(node->slots[index].key, to)) {
                return LATTICE_NOT_FOUND;
            }
            *out_item = (struct item){node->slots[index].key, leaf_value(node, index)};
            return LATTICE_OK;
        }
        if (!descent.high_bounded) {
            return LATTICE_NOT_FOUND;
        }
        if (!key_less(key, descent.high)) {
            return LATTICE_CORRUPT;
        }
        key = descent.high;
    }
    return LATTICE_NOT_FOUND;
}

/* ---- changing ---- */

/* A node on the way down, with where the pointer to it lives. */
struct step {
    struct frame *frame;
    struct pointer *pointer;
    uint32_t index; /* child taken */
    struct key low;
    struct key high;
    bool high_bounded;
};

struct path {
    uint32_t depth;
    struct step steps[DEPTH_MAX];
};

/* Puts a new root above the old one. */
static lattice_status_t root_grow(struct lattice *fs, struct tree *tree) {
    if (tree->root.level >= LEVEL_MAX) {
        return LATTICE_TOO_LARGE;
    }
    struct frame *_Nullable frame = nullptr;
    struct pointer pointer = {};
    TRY(node_create(fs, tree, (uint8_t)(tree->root.level + 1), &pointer, &frame));
    inner_insert(&SOME(frame)->node, 0, KEY_MIN, tree->root);
    tree->root = pointer;
    return LATTICE_OK;
}

/* Splits the dirty child at `index` of a dirty parent that has room. */
static lattice_status_t child_split(struct lattice *fs, struct tree *tree, struct frame *parent,
                                    uint32_t index, struct frame *child, uint32_t at) {
    struct frame *_Nullable created = nullptr;
    struct pointer pointer = {};
    TRY(node_create(fs, tree, child->node.level, &pointer, &created));
    struct node *right = &SOME(created)->node;
    struct key separator = {};
    if (child->node.level == 0) {
        leaf_move_tail(&child->node, at, right, SOME(fs->scratch_node));
        separator = right->slots[0].key;
    } else {
        inner_move_tail(&child->node, at, right);
        separator = right->children[0].key;
    }
    inner_insert(&parent->node, index + 1, separator, pointer);
    return LATTICE_OK;
}

static bool inner_is_full(const struct lattice *fs, const struct frame *frame) {
    return frame->node.count >= fs->inner_limit;
}

/* A leaf with one item has room for any other, so a limit below that does not split it. */
static bool leaf_is_full(const struct lattice *fs, const struct node *node, size_t length) {
    return !leaf_fits(node, length) ||
           (node->count >= 2 && leaf_used(node) + length > fs->leaf_limit);
}

static lattice_status_t path_enter(struct lattice *fs, struct tree *tree, struct path *path,
                                   struct pointer *pointer, struct key low, struct key high,
                                   bool high_bounded) {
    CHECK(path->depth < DEPTH_MAX);
    struct frame *_Nullable frame = nullptr;
    TRY(tree_node(fs, tree, pointer, low, high, high_bounded, &frame));
    TRY(node_make_dirty(fs, tree, pointer, SOME(frame)));
    path->steps[path->depth] = (struct step){SOME(frame), pointer, 0, low, high, high_bounded};
    path->depth++;
    return LATTICE_OK;
}

static lattice_status_t path_enter_child(struct lattice *fs, struct tree *tree, struct path *path,
                                         struct key key) {
    struct step *top = &path->steps[path->depth - 1];
    struct node *node = &top->frame->node;
    uint32_t index = inner_find(node, key);
    top->index = index;
    bool last = index + 1u == node->count;
    return path_enter(fs, tree, path, &node->children[index].pointer, node->children[index].key,
                      last ? top->high : node->children[index + 1].key,
                      last ? top->high_bounded : true);
}

/* Copies the path to the key's leaf. With `split`, no inner node on it is full afterwards. */
static lattice_status_t path_make(struct lattice *fs, struct tree *tree, struct key key, bool split,
                                  struct path *path) {
    path->depth = 0;
    TRY(path_enter(fs, tree, path, &tree->root, KEY_MIN, KEY_MAX, false));
    if (split && tree->root.level > 0 && inner_is_full(fs, path->steps[0].frame)) {
        struct frame *old = path->steps[0].frame;
        TRY(root_grow(fs, tree));
        path->depth = 0;
        TRY(path_enter(fs, tree, path, &tree->root, KEY_MIN, KEY_MAX, false));
        TRY(child_split(fs, tree, path->steps[0].frame, 0, old, old->node.count / 2u));
    }
    while (path->steps[path->depth - 1].frame->node.level > 0) {
        TRY(path_enter_child(fs, tree, path, key));
        struct step *child = &path->steps[path->depth - 1];
        if (split && child->frame->node.level > 0 && inner_is_full(fs, child->frame)) {
            struct step *parent = &path->steps[path->depth - 2];
            TRY(child_split(fs, tree, parent->frame, parent->index, child->frame,
                            child->frame->node.count / 2u));
            path->depth--;
            TRY(path_enter_child(fs, tree, path, key));
        }
    }
    return LATTICE_OK;
}

static lattice_status_t leaf_put_split(struct lattice *fs, struct tree *tree, struct path *path,
                                       struct key key, struct view value) {
    if (path->depth == 1) {
        TRY(root_grow(fs, tree));
        TRY(path_make(fs, tree, key, true, path));
    }
    struct step *leaf = &path->steps[path->depth - 1];
    struct step *parent = &path->steps[path->depth - 2];
    struct node *node = &leaf->frame->node;
    uint32_t index = leaf_find(node, key);
    uint32_t at = leaf_split_index(node, index, value.size);
    if (at == node->count) {
        /* Only the new item goes right: it must not carry a separator below existing keys. */
        struct frame *_Nullable created = nullptr;
        struct pointer pointer = {};
        TRY(node_create(fs, tree, 0, &pointer, &created));
        leaf_insert(&SOME(created)->node, SOME(fs->scratch_node), 0, key, value);
        inner_insert(&parent->frame->node, parent->index + 1, key, pointer);
        return LATTICE_OK;
    }
    TRY(child_split(fs, tree, parent->frame, parent->index, leaf->frame, at));
    path->depth--;
    TRY(path_enter_child(fs, tree, path, key));
    node = &path->steps[path->depth - 1].frame->node;
    leaf_insert(node, SOME(fs->scratch_node), leaf_find(node, key), key, value);
    return LATTICE_OK;
}

lattice_status_t tree_put(struct lattice *fs, struct tree *tree, struct key key,
                          struct view value) {
    CHECK(value.size <= VALUE_MAX);
    struct path path = {};
    TRY(path_make(fs, tree, key, true, &path));
    struct node *node = &path.steps[path.depth - 1].frame->node;
    uint32_t index = leaf_find(node, key);
    fs->cache.generation++;
    if (index < node->count && key_equal(node->slots[index].key, key)) {
        if (node->slots[index].length == value.size) {
            bytes_copy(leaf_value_writable(node, index), value);
            return LATTICE_OK;
        }
        uint32_t used = leaf_used(node) - node->slots[index].length;
        if (used + value.size <= NODE_BODY_SIZE) {
            leaf_remove(node, index);
            leaf_insert(node, SOME(fs->scratch_node), index, key, value);
            return LATTICE_OK;
        }
        /* The longer value needs a split: make it with the old one removed, after the blocks are
         * sure. */
        TRY(tree_delete(fs, tree, key));
        lattice_status_t status = tree_put(fs, tree, key, value);
        if (status != LATTICE_OK) {
            lattice_abort(fs, status);
        }
        return status;
    }
    if (!leaf_is_full(fs, node, value.size)) {
        leaf_insert(node, SOME(fs->scratch_node), index, key, value);
        return LATTICE_OK;
    }
    return leaf_put_split(fs, tree, &path, key, value);
}

/* Whether two neighbours may become one without being split again soon. */
static bool nodes_mergeable(const struct lattice *fs, const struct node *left,
                            const struct node *right) {
    if (left->level == 0) {
        return leaf_used(left) + leaf_used(right) <= fs->leaf_limit * 3 / 4;
    }
    return left->count + right->count <= fs->inner_limit * 3 / 4;
}

static bool node_is_small(const struct lattice *fs, const struct node *node) {
    return node->level == 0 ? leaf_used(node) < fs->leaf_limit / 4
                            : node->count <= fs->inner_limit / 4;
}

static lattice_status_t children_merge(struct lattice *fs, struct tree *tree, struct step *parent,
                                       uint32_t left_index) {
    struct node *node = &parent->frame->node;
    struct child *left = &node->children[left_index];
    struct child *right = &node->children[left_index + 1];
    bool last = left_index + 2u == node->count;
    struct key high = last ? parent->high : node->children[left_index + 2].key;
    struct frame *_Nullable left_frame = nullptr;
    struct frame *_Nullable right_frame = nullptr;
    TRY(tree_node(fs, tree, &left->pointer, left->key, right->key, true, &left_frame));
    TRY(tree_node(fs, tree, &right->pointer, right->key, high, last ? parent->high_bounded : true,
                  &right_frame));
    if (!nodes_mergeable(fs, &SOME(left_frame)->node, &SOME(right_frame)->node)) {
        return LATTICE_OK;
    }
    TRY(node_make_dirty(fs, tree, &left->pointer, SOME(left_frame)));
    if (SOME(left_frame)->node.level == 0) {
        /* The right node is about to go: its content is copied out, whether it is clean or dirty.
         */
        struct node *source = &SOME(right_frame)->node;
        for (uint32_t i = 0; i < source->count; i++) {
            leaf_insert(&SOME(left_frame)->node, SOME(fs->scratch_node),
                        SOME(left_frame)->node.count, source->slots[i].key, leaf_value(source, i));
        }
    } else {
        struct node *target = &SOME(left_frame)->node;
        for (uint32_t i = 0; i < SOME(right_frame)->node.count; i++) {
            inner_insert(target, target->count, SOME(right_frame)->node.children[i].key,
                         SOME(right_frame)->node.children[i].pointer);
        }
    }
    struct pointer dead = right->pointer;
    inner_remove(node, left_index + 1);
    node_drop(fs, tree, &dead, SOME(right_frame));
    return LATTICE_OK;
}

static void root_shrink(struct lattice *fs, struct tree *tree) {
    for (uint32_t i = 0; i < LEVEL_MAX && tree->root.level > 0; i++) {
        struct frame *_Nullable frame = cache_find(fs, pointer_address(&tree->root, 0));
        if (frame == nullptr || SOME(frame)->node.count != 1) {
            return;
        }
        struct pointer only = SOME(frame)->node.children[0].pointer;
        struct pointer dead = tree->root;
        tree->root = only;
        node_drop(fs, tree, &dead, SOME(frame));
    }
}

/* Merges small nodes on the path with a neighbour, from the leaf up. A neighbour that cannot be
 * read is left alone. */
static void path_shrink(struct lattice *fs, struct tree *tree, struct path *path) {
    for (uint32_t depth = path->depth - 1; depth > 0; depth--) {
        struct step *parent = &path->steps[depth - 1];
        if (!node_is_small(fs, &path->steps[depth].frame->node) || parent->frame->node.count < 2) {
            break;
        }
        uint32_t count = parent->frame->node.count;
        lattice_status_t status = LATTICE_OK;
        if (parent->index + 1 < count) {
            status = children_merge(fs, tree, parent, parent->index);
        }
        if (status == LATTICE_OK && parent->frame->node.count == count && parent->index > 0) {
            status = children_merge(fs, tree, parent, parent->index - 1);
        }
        if (status != LATTICE_OK || parent->frame->node.count == count) {
            break;
        }
    }
    root_shrink(fs, tree);
}

lattice_status_t tree_delete(struct lattice *fs, struct tree *tree, struct key key) {
    struct view value = {};
    TRY(tree_get(fs, tree, key, &value));
    struct path path = {};
    TRY(path_make(fs, tree, key, false, &path));
    struct node *node = &path.steps[path.depth - 1].frame->node;
    uint32_t index = leaf_find(node, key);
    CHECK(index < node->count && key_equal(node->slots[index].key, key));
    leaf_remove(node, index);
    fs->cache.generation++;
    path_shrink(fs, tree, &path);
    return LATTICE_OK;
}

/* ---- writing ---- */

static lattice_status_t node_write(struct lattice *fs, const struct tree *tree, struct frame *frame,
                                   struct pointer *pointer) {
    node_pack(&frame->node, SOME(fs->scratch_node));
    const struct node *image = &frame->node;
    if (tree->key != nullptr) {
        node_seal(fs, SOME(tree->key), &frame->node, fs->sealed_node, pointer);
        image = fs->sealed_node;
    }
    checksum_fill(pointer, VIEW_OF(*image));
    TRY(pool_write(fs, pointer_address(pointer, 0), VIEW_OF(*image)));
    if (pointer_address(pointer, 1) != 0) {
        TRY(pool_write(fs, pointer_address(pointer, 1), VIEW_OF(*image)));
    }
    return LATTICE_OK;
}

lattice_status_t tree_write(struct lattice *fs, struct tree *tree) {
    if (tree->root.birth != fs->transaction) {
        return LATTICE_OK;
    }
    struct path path = {};
    path.steps[0] = (struct step){.frame = SOME(cache_find(fs, pointer_address(&tree->root, 0))),
                                  .pointer = &tree->root};
    path.depth = 1;
    while (path.depth > 0) {
        struct step *top = &path.steps[path.depth - 1];
        struct node *node = &top->frame->node;
        if (node->level == 0 || top->index >= node->count) {
            TRY(node_write(fs, tree, top->frame, top->pointer));
            path.depth--;
            continue;
        }
        struct pointer *child = &node->children[top->index].pointer;
        top->index++;
        if (child->birth == fs->transaction) {
            CHECK(path.depth < DEPTH_MAX);
            path.steps[path.depth] = (struct step){
                .frame = SOME(cache_find(fs, pointer_address(child, 0))), .pointer = child};
            path.depth++;
        }
    }
    return LATTICE_OK;
}

#pragma clang assume_nonnull end
