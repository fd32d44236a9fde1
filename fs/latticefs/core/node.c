/* Operations inside one node. Invariant: in memory, reserved of slot 0's gap is not tracked; the
 * lowest value offset is found by a scan, and packing makes room when the gap between slots and
 * values is too small. */
#include "node.h"

#pragma clang assume_nonnull begin

uint32_t leaf_find(const struct node *node, struct key key) {
    uint32_t low = 0;
    uint32_t high = node->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (key_less(node->slots[middle].key, key)) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

uint32_t inner_find(const struct node *node, struct key key) {
    uint32_t low = 0;
    uint32_t high = node->count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (key_less(key, node->children[middle].key)) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return low;
}

struct view leaf_value(const struct node *node, uint32_t index) {
    CHECK(index < node->count);
    const struct leaf_slot *slot = &node->slots[index];
    return view_sub(VIEW_OF(*node), slot->offset, slot->length);
}

struct bytes leaf_value_writable(struct node *node, uint32_t index) {
    CHECK(index < node->count);
    const struct leaf_slot *slot = &node->slots[index];
    return bytes_sub(BYTES_OF(*node), slot->offset, slot->length);
}

uint32_t leaf_used(const struct node *node) {
    return node->count * (uint32_t)sizeof(struct leaf_slot) + node->heap;
}

bool leaf_fits(const struct node *node, size_t length) {
    return leaf_used(node) + sizeof(struct leaf_slot) + length <= NODE_BODY_SIZE;
}

static uint32_t leaf_lowest(const struct node *node) {
    uint32_t lowest = NODE_SIZE;
    for (uint32_t i = 0; i < node->count; i++) {
        lowest = MIN(lowest, node->slots[i].offset);
    }
    return lowest;
}

void node_pack(struct node *node, struct node *scratch) {
    if (node->level > 0) {
        return;
    }
    *scratch = *node;
    bytes_zero(BYTES_OF(node->body));
    uint32_t end = NODE_SIZE;
    for (uint32_t i = 0; i < node->count; i++) {
        struct leaf_slot slot = scratch->slots[i];
        end -= slot.length;
        bytes_copy(bytes_sub(BYTES_OF(*node), end, slot.length), leaf_value(scratch, i));
        slot.offset = (uint16_t)end;
        node->slots[i] = slot;
    }
    CHECK(node->heap == NODE_SIZE - end);
}

static struct bytes slot_bytes(struct node *node, uint32_t first, uint32_t count) {
    return bytes_sub(BYTES_OF(node->body), first * sizeof(struct leaf_slot),
                     count * sizeof(struct leaf_slot));
}

void leaf_insert(struct node *node, struct node *scratch, uint32_t index, struct key key,
                 struct view value) {
    CHECK(leaf_fits(node, value.size) && index <= node->count);
    uint32_t slots_end = NODE_HEADER_SIZE + (node->count + 1u) * (uint32_t)sizeof(struct leaf_slot);
    uint32_t lowest = leaf_lowest(node);
    if (lowest < slots_end + value.size) {
        node_pack(node, scratch);
        lowest = leaf_lowest(node);
    }
    uint32_t offset = lowest - (uint32_t)value.size;
    bytes_copy(bytes_sub(BYTES_OF(*node), offset, value.size), value);
    uint32_t tail = node->count - index;
    bytes_move(slot_bytes(node, index + 1, tail), bytes_view(slot_bytes(node, index, tail)));
    node->slots[index] =
        (struct leaf_slot){.key = key, .offset = (uint16_t)offset, .length = (uint16_t)value.size};
    node->count++;
    node->heap = (uint16_t)(node->heap + value.size);
}

void leaf_remove(struct node *node, uint32_t index) {
    CHECK(index < node->count);
    node->heap = (uint16_t)(node->heap - node->slots[index].length);
    uint32_t tail = node->count - index - 1u;
    bytes_move(slot_bytes(node, index, tail), bytes_view(slot_bytes(node, index + 1, tail)));
    node->count--;
}

void leaf_move_tail(struct node *from, uint32_t index, struct node *to, struct node *scratch) {
    uint32_t end = from->count;
    for (uint32_t i = index; i < end; i++) {
        leaf_insert(to, scratch, to->count, from->slots[i].key, leaf_value(from, i));
    }
    while (from->count > index) {
        leaf_remove(from, from->count - 1u);
    }
}

uint32_t leaf_split_index(const struct node *node, uint32_t index, size_t length) {
    uint32_t item = (uint32_t)(length + sizeof(struct leaf_slot));
    uint32_t total = leaf_used(node) + item;
    uint32_t best = 1;
    uint32_t best_distance = UINT32_MAX;
    uint32_t slots = 0;
    if (index == node->count) {
        return index; /* ascending insertion: leave the full node as it is */
    }
    /* Split at i: slots below i stay left, and the new item too if its place is not above i. Steps
     * of at most two items around the middle always leave both sides room: 2 · capacity − total > 2
     * · the greatest item. */
    for (uint32_t i = 1; i < node->count; i++) {
        slots += node->slots[i - 1].length + (uint32_t)sizeof(struct leaf_slot);
        uint32_t left = slots + (index <= i ? item : 0);
        uint32_t distance = 2 * left > total ? 2 * left - total : total - 2 * left;
        if (distance < best_distance) {
            best_distance = distance;
            best = i;
        }
    }
    return best;
}

void inner_insert(struct node *node, uint32_t index, struct key key, struct pointer pointer) {
    CHECK(node->count < CHILDREN_MAX && index <= node->count);
    uint32_t tail = node->count - index;
    struct bytes body = BYTES_OF(node->body);
    bytes_move(
        bytes_sub(body, (index + 1) * sizeof(struct child), tail * sizeof(struct child)),
        bytes_view(bytes_sub(body, index * sizeof(struct child), tail * sizeof(struct child))));
    node->children[index] = (struct child){key, pointer};
    node->count++;
}

void inner_remove(struct node *node, uint32_t index) {
    CHECK(index < node->count);
    uint32_t tail = node->count - index - 1u;
    struct bytes body = BYTES_OF(node->body);
    bytes_move(bytes_sub(body, index * sizeof(struct child), tail * sizeof(struct child)),
               bytes_view(bytes_sub(body, (index + 1) * sizeof(struct child),
                                    tail * sizeof(struct child))));
    node->count--;
}

void inner_move_tail(struct node *from, uint32_t index, struct node *to) {
    CHECK(index <= from->count && to->count + (from->count - index) <= CHILDREN_MAX);
    for (uint32_t i = index; i < from->count; i++) {
        to->children[to->count] = from->children[i];
        to->count++;
    }
    from->count = (uint16_t)index;
}

#pragma clang assume_nonnull end
