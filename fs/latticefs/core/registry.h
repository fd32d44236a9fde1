#pragma once
/* Names of datasets and of their snapshots, in the pool tree. */
#include "lattice.h"

#pragma clang assume_nonnull begin

struct registry_entry {
    uint64_t cookie;
    uint64_t id;
    struct view name; /* valid until the next call */
};

/* `scope`: 0 for datasets (KEY_DATASET_NAME), a head's number for its snapshots
 * (KEY_SNAPSHOT_NAME). Errors: LATTICE_NOT_FOUND, with a free cookie in *out (0: none). */
lattice_status_t registry_find(struct lattice *fs, uint64_t scope, struct view name,
                               struct registry_entry *out);
/* A place for a name that must not exist yet. Errors: LATTICE_EXISTS, LATTICE_TOO_MANY. */
lattice_status_t registry_vacant(struct lattice *fs, uint64_t scope, struct view name,
                                 struct registry_entry *out);
/* The entry after `cookie`. Errors: LATTICE_NOT_FOUND at the end. */
lattice_status_t registry_next(struct lattice *fs, uint64_t scope, uint64_t cookie,
                               struct registry_entry *out);
lattice_status_t registry_put(struct lattice *fs, uint64_t scope, uint64_t cookie, struct view name,
                              uint64_t id);
lattice_status_t registry_delete(struct lattice *fs, uint64_t scope, uint64_t cookie);

#pragma clang assume_nonnull end
