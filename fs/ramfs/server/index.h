#pragma once
/* What is derived from the vault's tables: see store.h. */
#include "fs/ramfs/server/store.h"

/* Makes the index say of one slot what the vault says of it now. */
void index_slot(struct ramfs *_Nonnull fs, enum store_table table, uint32_t slot);
/* Takes a free slot; UINT32_MAX: there is none. Slot 0 of inodes and sessions is never given. */
uint32_t index_take(struct ramfs *_Nonnull fs, enum store_table table);
/* The entries of a directory by cookie: the first whose cookie is above `cookie`; UINT32_MAX: none.
 */
uint32_t index_behind(const struct ramfs *_Nonnull fs, uint32_t directory, uint64_t cookie);
/* The one that follows in its directory; UINT32_MAX: none. */
uint32_t index_following(const struct ramfs *_Nonnull fs, uint32_t entry);

/* The checksum of a record whose first word it is, never 0. Units: size a multiple of 8. */
uint64_t store_sum(const uint64_t *_Nonnull record, size_t size);
