#pragma once
/* Operations inside one node. In memory the values of a leaf may lie in any order with gaps;
 * `node_pack` gives the form of the disk. `heap` counts the bytes of live values, so free space is
 * known without packing. */
#include "format.h"

#pragma clang assume_nonnull begin

/* Index of the first slot whose key is not below `key`. */
uint32_t leaf_find(const struct node *node, struct key key);
/* Index of the child under which `key` belongs. */
uint32_t inner_find(const struct node *node, struct key key);
struct view leaf_value(const struct node *node, uint32_t index);
struct bytes leaf_value_writable(struct node *node, uint32_t index);
bool leaf_fits(const struct node *node, size_t length);
/* Bytes in use, for balancing. */
uint32_t leaf_used(const struct node *node);
/* Inserts at a free index; leaf_fits must hold. `scratch` is another node's worth of memory. */
void leaf_insert(struct node *node, struct node *scratch, uint32_t index, struct key key,
                 struct view value);
void leaf_remove(struct node *node, uint32_t index);
/* Moves the slots from `index` on to the end of another leaf. */
void leaf_move_tail(struct node *from, uint32_t index, struct node *to, struct node *scratch);
/* Where to split so that an item of `length` at `index` fits on its side. */
uint32_t leaf_split_index(const struct node *node, uint32_t index, size_t length);
void node_pack(struct node *node, struct node *scratch);
void inner_insert(struct node *node, uint32_t index, struct key key, struct pointer pointer);
void inner_remove(struct node *node, uint32_t index);
void inner_move_tail(struct node *from, uint32_t index, struct node *to);

#pragma clang assume_nonnull end
