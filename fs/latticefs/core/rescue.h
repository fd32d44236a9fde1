#pragma once
/* Reading what is left of a damaged pool. Open it with MOUNT_READ_ONLY | MOUNT_RESCUE, if need be
 * at an older superblock (pool_open_at): parts of the tables that are lost make only what lies
 * there unreadable. A damaged node hides its keys; the walk goes on behind it. */
#include "lattice.h"

#pragma clang assume_nonnull begin

struct rescue_visitor {
    void *context;
    /* An item that could be read, in ascending order of keys. The value is valid until it returns;
     * it may read other parts of the same dataset only after copying it. */
    lattice_status_t (*item)(void *context, struct key key, struct view value);
    /* The keys from `low` up to below `high` (to the end, if not bounded) cannot be read. */
    void (*lost)(void *context, struct key low, struct key high, bool bounded);
};

/* Visits all readable items of a dataset from `from` on. Errors: what item() returned;
 * LATTICE_NO_MEMORY. */
lattice_status_t rescue_visit(struct lattice *fs, struct dataset *dataset, struct key from,
                              const struct rescue_visitor *visitor);
/* Visits the records of all readable datasets, snapshots too. */
lattice_status_t rescue_datasets(struct lattice *fs, const struct rescue_visitor *visitor);

#pragma clang assume_nonnull end
