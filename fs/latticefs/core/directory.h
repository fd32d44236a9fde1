#pragma once
/* Entries of one directory: building blocks of the operations in inode.h. All but lookups run
 * inside an operation. */
#include "inode.h"

#pragma clang assume_nonnull begin

struct entry {
    uint64_t cookie;
    uint64_t object;
    uint8_t type;
};

lattice_status_t name_check(struct view name);
/* Errors: LATTICE_NOT_FOUND; then out->cookie is a free one, or 0 if all collisions are taken. */
lattice_status_t entry_find(struct lattice *fs, struct dataset *dataset, uint64_t directory,
                            struct view name, struct entry *out);
lattice_status_t entry_put(struct lattice *fs, struct dataset *dataset, uint64_t directory,
                           uint64_t cookie, struct view name, uint64_t object, uint8_t type);
lattice_status_t entry_delete(struct lattice *fs, struct dataset *dataset, uint64_t directory,
                              uint64_t cookie);
/* Reads an inode that must be a directory that still has a name. */
lattice_status_t directory_get(struct lattice *fs, struct dataset *dataset, uint64_t directory,
                               struct inode *out);
lattice_status_t directory_is_empty(struct lattice *fs, struct dataset *dataset,
                                    uint64_t directory);
int64_t now(struct lattice *fs);

#pragma clang assume_nonnull end
