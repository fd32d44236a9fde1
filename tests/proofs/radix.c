/* kernel/memory/radix.c: two slots in one tree, at any two indices of a tree of two
 * levels (of four slots: scaled down), any allocation failing.
 *
 * PROOF radix_slots --unwind 8 
 * PROOF radix_range --unwind 8
 * SCALE kernel/memory/memory.h | RADIX_BITS = 6, | RADIX_BITS = 2,
 * SCALE kernel/memory/memory.h | RADIX_SLOTS = 64, | RADIX_SLOTS = 4,
 * SCALE kernel/memory/memory.h | static_assert(sizeof(struct radix_node) == 512); |
 * MUTANT radix_slots kernel/memory/radix.c | SOME(node_of(above))->slots[0] = old; | SOME(node_of(above))->slots[1] = old;
 * MUTANT radix_slots kernel/memory/radix.c | index = (index \| (span_of(level) - 1)) + 1; | index = (index \| (span_of(level + 1) - 1)) + 1;
 * MUTANT radix_slots kernel/memory/radix.c |         *at = 0;\n    }\n    memory->levels = 0; |         *at = 0;\n        break;\n    }\n    memory->levels = 0;
 * MUTANT radix_range kernel/memory/radix.c | if (index >= span_of(memory->levels)) {\n        return nullptr; | if (index > span_of(memory->levels)) {\n        return nullptr;
 */
#include "tests/proofs/prove.h"
#include "kernel/memory/radix.c"

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
        PROVE(memory_next_resident(&memory, 0) == UINT64_MAX);
        return;
    }
    *slot = 77;
    uint64_t *second = nullptr;
    if (memory_slot_create(&memory, b, &second) == STATUS_OK) {
        PROVE((*second == 77) == (a == b) && (a == b || *second == 0));
        *second = 88;
        PROVE(memory_slot(&memory, b) == second);
        PROVE(*memory_slot(&memory, a) == (a == b ? 88u : 77u));
        uint64_t low = a < b ? a : b;
        PROVE(memory_next_resident(&memory, 0) == low);
        PROVE(a == b || memory_next_resident(&memory, low + 1) == (a < b ? b : a));
        *second = 0;
    } else {
        PROVE(a != b && *memory_slot(&memory, a) == 77); /* a failure loses nothing */
        PROVE(memory_next_resident(&memory, 0) == a);
    }
    *memory_slot(&memory, a) = 0;
    PROVE(memory_next_resident(&memory, 0) == UINT64_MAX);
    PROVE(radix_free_step(&memory, 5) && in_use == 0 && memory.root == 0 && memory.levels == 0);
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
