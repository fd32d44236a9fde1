#pragma once
/* Extended attributes. Each call that changes is one operation. */
#include "inode.h"

#pragma clang assume_nonnull begin

enum { XATTR_CREATE_FLAG = 1, XATTR_REPLACE_FLAG = 2 };

/* Copies the value to `to` as far as it fits; *out_size is its whole length. Errors:
 * LATTICE_NOT_FOUND. */
lattice_status_t xattr_get(struct lattice *fs, struct dataset *dataset, uint64_t object,
                           struct view name, struct bytes to, size_t *out_size);
/* Errors: LATTICE_EXISTS, LATTICE_NOT_FOUND (by flags), LATTICE_TOO_LARGE, LATTICE_NO_SPACE. */
lattice_status_t xattr_set(struct lattice *fs, struct dataset *dataset, uint64_t object,
                           struct view name, struct view value, uint32_t flags);
lattice_status_t xattr_remove(struct lattice *fs, struct dataset *dataset, uint64_t object,
                              struct view name);
/* The attribute after `cookie`; the name is valid until the next call. Errors: LATTICE_NOT_FOUND at
 * the end. */
lattice_status_t xattr_next(struct lattice *fs, struct dataset *dataset, uint64_t object,
                            uint64_t cookie, uint64_t *out_cookie, struct view *out_name);

#pragma clang assume_nonnull end
