#pragma once
/* Address spaces: mappings ordered by address; page tables below are a cache of them. Mappings
 * never overlap. A private mapping's Memory belongs to this space alone (or to mappings split from
 * it). */
#include "kernel/arch/arch.h"
#include "kernel/memory/memory.h"
#include "lib/base/tree.h"

struct space {
    struct object object;
    struct arch_space arch;
    struct tree mappings; /* key: first address */
    uint64_t mapping_count, mapped_bytes;
    uint32_t users;      /* processes that refer to it */
    uint64_t hint;       /* where the search for a free range begins */
    uint64_t first, end; /* user addresses of this space */
};

struct mapping {
    struct tree_node node; /* key: first address */
    struct list memory_link;
    struct space *_Nonnull space;
    struct memory *_Nullable memory; /* referenced; null: reserved range */
    uint64_t length;                 /* bytes */
    uint64_t offset;                 /* pages */
    uint32_t protection, flags;      /* enum protection: access bits; MAP_* */
};

static inline struct mapping *_Nullable mapping_of(struct tree_node *_Nullable node) {
    return node == nullptr ? nullptr : CONTAINER_OF(node, struct mapping, node);
}

status_t space_create(struct domain *_Nullable domain,
                      struct space *_Nullable *_Nonnull out) LOCKED;
bool space_destroy_step(struct space *_Nonnull space) LOCKED;

/* Maps; `address` 0 without MAP_FIXED: anywhere. The mapping takes its own reference to `memory`.
 * Errors: BAD_ARGUMENT: unaligned or outside; EXISTS; OUT_OF_RANGE: no room; BUSY: a guard range is
 * in the way; allocation. */
status_t space_map(struct space *_Nonnull space, uint64_t address, uint64_t length,
                   struct memory *_Nullable memory, uint64_t offset, uint32_t protection,
                   uint32_t flags, uint64_t *_Nonnull out_address) LOCKED;
/* Errors: BAD_ARGUMENT, BUSY (a guard), allocation for a split. Unmapped holes are no error. */
status_t space_unmap(struct space *_Nonnull space, uint64_t address, uint64_t length) LOCKED;
/* Errors: also BAD_ADDRESS where part of the range is not mapped. */
status_t space_protect(struct space *_Nonnull space, uint64_t address, uint64_t length,
                       uint32_t protection) LOCKED;
struct mapping *_Nullable space_find(const struct space *_Nonnull space, uint64_t address) LOCKED;
/* An address where `length` bytes are free. Errors: OUT_OF_RANGE. */
status_t space_find_free(struct space *_Nonnull space, uint64_t length,
                         uint64_t *_Nonnull out) LOCKED;
/* Unmaps a thread page although it is a guard. */
void space_forget_page(struct space *_Nonnull space, uint64_t address) LOCKED;
void space_drop(struct space *_Nonnull space, uint64_t address, uint64_t length) LOCKED;

/* Resolves an access at `address`. Errors: BAD_ADDRESS: nothing mapped; BAD_RIGHTS: protection;
 * and as memory_page (WOULD_BLOCK with *out_wait filled, *out_index the page). */
struct space_fault {
    struct memory_page wait;
    uint64_t index;
};
status_t space_resolve(struct space *_Nonnull space, uint64_t address, uint32_t access,
                       uint64_t *_Nonnull out_physical, struct space_fault *_Nonnull out) LOCKED;

/* Copies every mapping copy-on-write. Errors: allocation, quota. */
status_t space_clone(struct space *_Nonnull source, struct domain *_Nonnull domain,
                     struct space *_Nullable *_Nonnull out) LOCKED;
