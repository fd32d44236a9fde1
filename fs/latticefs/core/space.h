#pragma once
/* Who may take how much: reserves of the pool that let a full one delete, promises to dirty
 * granules, quotas and reservations of datasets. All numbers are blocks. */
#include "lattice.h"

#pragma clang assume_nonnull begin

/* The free blocks that operations of this class leave alone. */
uint64_t space_reserve_blocks(const struct lattice *fs, enum space_class space);
/* Makes sure that an operation of so many changes leaves the class's reserve whole, and, if it is
 * an ordinary one, what others were promised; commits where freed blocks wait. Errors:
 * LATTICE_NO_SPACE, LATTICE_QUOTA. */
lattice_status_t space_ensure(struct lattice *fs, const struct dataset *_Nullable dataset,
                              enum space_class space, uint32_t changes);
/* Promises space for a dirty granule; *out_promised is what to release. Errors: LATTICE_NO_SPACE,
 * LATTICE_QUOTA. */
lattice_status_t space_promise(struct lattice *fs, struct dataset *dataset, uint32_t blocks,
                               uint32_t *out_promised);
void space_release(struct dataset *dataset, uint32_t blocks);

/* What a dataset's reservation still keeps free. */
uint64_t reservation_unused(const struct dataset_record *record, uint64_t promised);
/* Adds up the reservations of heads that are not open. */
lattice_status_t reservations_count(struct lattice *fs);
/* Whether the pool has room for a reservation of a head. */
bool reservation_fits(const struct lattice *fs, uint64_t id, const struct dataset_record *record);

#pragma clang assume_nonnull end
