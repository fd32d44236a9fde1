#pragma once
/* Properties of datasets, and what space they have. */
#include "lattice.h"

#pragma clang assume_nonnull begin

enum property_mask {
    PROPERTY_RECORD_SHIFT = 1, /* of files made from now on */
    PROPERTY_COMPRESSION = 2,  /* of records written from now on */
    PROPERTY_CHECKSUM = 4,
    PROPERTY_READ_ONLY = 8,
    PROPERTY_QUOTA = 16,
    PROPERTY_RESERVATION = 32,
};

struct dataset_properties {
    uint8_t record_shift;
    uint8_t compression;
    uint8_t checksum_kind;
    bool read_only;
    uint64_t quota_blocks;       /* on referenced blocks; 0 = none */
    uint64_t reservation_blocks; /* referenced blocks that the pool keeps room for */
};

/* Space as a user of one dataset sees it, in blocks. */
struct dataset_space {
    uint64_t used;      /* referenced by the dataset and promised to its dirty granules */
    uint64_t available; /* what ordinary operations may still take, by quota and by pool */
};

/* The record as it is now, that of an open dataset included. */
lattice_status_t dataset_get(struct lattice *fs, uint64_t id, struct dataset_record *out);
/* Changes those properties of a head that the mask names, with a commit. Errors: LATTICE_INVALID
 * (no head, value out of range), LATTICE_NO_SPACE (the pool has no room for the reservation),
 * LATTICE_BUSY (read-only: granules are dirty). */
lattice_status_t dataset_set(struct lattice *fs, uint64_t id, uint32_t mask,
                             const struct dataset_properties *properties);
/* Gives a head another name. Errors: LATTICE_EXISTS, LATTICE_INVALID. */
lattice_status_t dataset_rename(struct lattice *fs, uint64_t id, struct view name);
lattice_status_t dataset_space(struct lattice *fs, uint64_t id, struct dataset_space *out);

#pragma clang assume_nonnull end
