#pragma once
/* What a pager does with its Memory objects; see pager.c. */
#include "kernel/memory/memory.h"
#include "kernel/memory/user.h"

/* The next request that its pager was not told of: enum page_request, byte offset and length of the
 * granule. False: none. */
bool pager_take_request(struct memory *_Nonnull memory, uint64_t *_Nonnull out_request,
                        uint64_t *_Nonnull out_offset, uint64_t *_Nonnull out_length) LOCKED;
bool pager_has_request(const struct memory *_Nonnull memory) LOCKED;
/* The pager is gone: requests are told again to its successor, writing is dirty again. */
void pager_died(struct memory *_Nonnull memory) LOCKED;
/* The two system calls; offsets and lengths in bytes, enum supply_operation, enum scan_operation.
 */
status_t memory_supply(struct memory *_Nonnull memory, uint32_t operation, uint64_t offset,
                       uint64_t length, struct memory *_Nullable source, uint64_t argument) LOCKED;
status_t memory_scan(struct memory *_Nonnull memory, uint32_t operation, uint64_t offset,
                     uint64_t length, uint64_t argument, struct memory *_Nullable target,
                     uint64_t *_Nonnull out) LOCKED;
