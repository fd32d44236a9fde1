/* kernel/memory/radix.c: two slots in one tree, at any two indices of a tree of two
 * levels (of four slots: scaled down), any allocation failing. */
#include "kernel/memory/radix.c"
#include "tests/proofs/prove.h"

enum { NODES = 4, LIMIT = 16 };

static struct radix_node nodes[NODES];
static struct domain *payer = (struct domain *)&nodes;
static unsigned given;
static unsigned in_use;

void *arch_pointer(uint64_t physical) {
    PROVE(physical > 0 && physical <= NODES);
    return &nodes[physical - 1];
}
uint64_t arch_physical(const void *pointer) {
    for (unsigned i = 0; i < NODES; i++) {
        if (pointer == &nodes[i]) {
            return i + 1;
        }
    }
    PROVE(false);
    return 0;
}
status_t slab_allocate(enum slab_type type, struct domain *domain, void **out) {
    PROVE(type == SLAB_NODE && domain == payer);
    if (any_bool()) {
        return STATUS_OUT_OF_MEMORY;
    }
    ASSUME(given < NODES);
    *out = &nodes[given++];
    in_use++;
    return STATUS_OK;
}
void slab_free(enum slab_type type, struct domain *domain, void *object) {
    (void)object;
    PROVE(type == SLAB_NODE && domain == payer && in_use > 0);
    in_use--;
}

static struct memory memory;

void radix_slots(void) {
    memory.object.domain = payer;
    uint64_t a = any_below(LIMIT);
    uint64_t b = any_below(LIMIT);
    uint64_t *slot = nullptr;
    if (memory_slot_create(&memory, a, &slot) != STATUS_OK) {
        return;
    }
    *slot = 77;
    uint64_t *second = nullptr;
    if (memory_slot_create(&memory, b, &second) == STATUS_OK) {
        PROVE((*second == 77) == (a == b) && (a == b || *second == 0));
        *second = 88;
        PROVE(memory_slot(&memory, b) == second);
    } else {
        PROVE(a != b);
    }
    PROVE(*memory_slot(&memory, a) == (a == b ? 88u : 77u)); /* a failure loses nothing */
}

/* Two levels, and two leaves at any two places of them. */
static void plant(void) {
    memory.object.domain = payer;
    memory.levels = 2;
    memory.root = 1;
    nodes[0].slots[any_below(RADIX_SLOTS)] = 2;
    nodes[1].slots[any_below(RADIX_SLOTS)] = 77;
    if (any_bool()) {
        uint32_t other = any_below(RADIX_SLOTS);
        ASSUME(nodes[0].slots[other] == 0);
        nodes[0].slots[other] = 3;
        nodes[2].slots[any_below(RADIX_SLOTS)] = 88;
    }
}

/* The next slot in use is in use, is not before `from`, and none between is. */
void radix_walk(void) {
    plant();
    uint64_t from = any_below(LIMIT + 1);
    uint64_t found = from;
    const uint64_t *next = memory_next(&memory, &found);
    PROVE(next == nullptr || (found >= from && next == memory_slot(&memory, found) && *next != 0));
    found = next == nullptr ? UINT64_MAX : found;
    uint64_t between = any_below(LIMIT);
    ASSUME(between >= from && between < found);
    const uint64_t *slot = memory_slot(&memory, between);
    PROVE(slot == nullptr || *slot == 0);
}

/* With no page left, every node is freed, once, within the budget. */
void radix_freeing(void) {
    plant();
    for (unsigned i = 0; i < RADIX_SLOTS; i++) {
        nodes[1].slots[i] = 0;
        nodes[2].slots[i] = 0;
    }
    in_use = 2;
    for (unsigned i = 0; i < RADIX_SLOTS; i++) {
        in_use += nodes[0].slots[i] == 3;
    }
    unsigned needed = in_use;
    unsigned budget = any_below(5);
    bool done = radix_free_step(&memory, budget);
    PROVE(done == (budget >= needed));
    PROVE(in_use == (done ? 0 : needed - budget));
    PROVE(!done || (memory.root == 0 && memory.levels == 0));
}

/* An index that the tree does not reach has no slot, and none is made beyond six levels. */
void radix_range(void) {
    memory.object.domain = payer;
    memory.levels = any_bool() ? 1 : 0;
    memory.root = memory.levels == 0 ? any_u64() : 1;
    uint64_t index = any_u64();
    const uint64_t *slot = memory_slot(&memory, index);
    PROVE((slot != nullptr) == (index < (memory.levels == 0 ? 1u : RADIX_SLOTS)));
    PROVE(slot == nullptr || memory.levels == 0 || slot == &nodes[0].slots[index]);
    uint64_t *made = nullptr;
    ASSUME(index >= (uint64_t)1 << (RADIX_BITS * RADIX_LEVELS));
    PROVE(memory_slot_create(&memory, index, &made) == STATUS_OUT_OF_RANGE);
}
