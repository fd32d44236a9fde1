/* The radix tree of a Memory object's pages: slots by page number, 64 to a node. */
#include "kernel/arch/arch.h"
#include "kernel/memory/memory.h"

static struct radix_node *_Nullable node_of(uint64_t slot) {
    return slot == 0 ? nullptr : (struct radix_node *)arch_pointer(slot);
}

/* How many pages a tree with `levels` levels can name. */
static uint64_t span_of(uint32_t levels) {
    return (uint64_t)1 << (RADIX_BITS * levels);
}

static uint32_t slot_index(uint64_t index, uint32_t level) {
    return (uint32_t)(index >> (RADIX_BITS * level)) & (RADIX_SLOTS - 1);
}

uint64_t *_Nullable memory_slot(struct memory *_Nonnull memory, uint64_t index) {
    if (index >= span_of(memory->levels)) {
        return nullptr;
    }
    uint64_t *at = &memory->root;
    for (uint32_t level = memory->levels; level > 0; level--) {
        struct radix_node *node = node_of(*at);
        if (node == nullptr) {
            return nullptr;
        }
        at = &node->slots[slot_index(index, level - 1)];
    }
    return at;
}

static status_t add_node(struct memory *_Nonnull memory, uint64_t *_Nonnull slot) LOCKED {
    void *node = nullptr;
    TRY(slab_allocate(SLAB_NODE, SOME(memory->object.domain), &node));
    *slot = arch_physical(SOME(node));
    return STATUS_OK;
}

status_t memory_slot_create(struct memory *_Nonnull memory, uint64_t index,
                            uint64_t *_Nullable *_Nonnull out) {
    REFUSE(index >= span_of(RADIX_LEVELS), STATUS_OUT_OF_RANGE);
    while (index >= span_of(memory->levels)) {
        uint64_t old = memory->root;
        if (old != 0) {
            uint64_t above = 0;
            TRY(add_node(memory, &above));
            SOME(node_of(above))->slots[0] = old;
            memory->root = above;
        }
        memory->levels++;
    }
    uint64_t *at = &memory->root;
    for (uint32_t level = memory->levels; level > 0; level--) {
        if (*at == 0) {
            TRY(add_node(memory, at));
        }
        at = &SOME(node_of(*at))->slots[slot_index(index, level - 1)];
    }
    *out = at;
    return STATUS_OK;
}

uint64_t *_Nullable memory_next(struct memory *_Nonnull memory, uint64_t *_Nonnull index) {
    uint64_t at = *index;
    while (at < span_of(memory->levels)) {
        uint64_t *slot = &memory->root;
        uint32_t level = memory->levels;
        while (level > 0 && *slot != 0) {
            struct radix_node *node = SOME(node_of(*slot));
            level--;
            uint32_t place = slot_index(at, level);
            for (; place < RADIX_SLOTS - 1 && node->slots[place] == 0; place++) {
                at = (at | (span_of(level) - 1)) + 1;
            }
            slot = &node->slots[place];
        }
        if (*slot != 0) {
            *index = at;
            return slot;
        }
        /* Skip the whole absent subtree. */
        at = (at | (span_of(level) - 1)) + 1;
    }
    return nullptr;
}

/* Frees nodes from the far end, a bounded number a call; true when no node is left. Called when no
 * page is resident. */
bool radix_free_step(struct memory *_Nonnull memory, unsigned budget) {
    struct domain *payer = SOME(memory->object.domain);
    while (memory->levels > 0 && memory->root != 0) {
        if (budget == 0) {
            return false;
        }
        budget--;
        /* Walk down the last used child until a node without children, and free that. */
        uint64_t *at = &memory->root;
        for (uint32_t level = memory->levels; level > 1; level--) {
            struct radix_node *node = SOME(node_of(*at));
            uint32_t child = RADIX_SLOTS;
            while (child > 0 && node->slots[child - 1] == 0) {
                child--;
            }
            if (child == 0) {
                break;
            }
            at = &node->slots[child - 1];
        }
        slab_free(SLAB_NODE, payer, SOME(node_of(*at)));
        *at = 0;
    }
    memory->levels = 0;
    memory->root = 0;
    return true;
}
