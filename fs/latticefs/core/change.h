#pragma once
/* Changes of the pool tree that are transactions of their own: building blocks of snapshots,
 * properties, keys and receive. */
#include "dataset.h"

#pragma clang assume_nonnull begin

/* Opens a change of at most `changes` items right after a commit, so that no dropped block waits in
 * memory for a bucket of an older chain of snapshots. */
lattice_status_t change_begin(struct lattice *fs, enum space_class space, uint32_t changes);
/* The same without a commit: all trees are written, as they are, in the running transaction, which
 * change_end commits. */
lattice_status_t change_begin_joined(struct lattice *fs, enum space_class space, uint32_t changes);
/* Closes it with a commit of its own. A failure in between aborts: the disk has all or nothing. */
lattice_status_t change_end(struct lattice *fs, lattice_status_t status);

/* A dataset that is open, or null. */
struct dataset *_Nullable dataset_if_open(struct lattice *fs, uint64_t id);
/* The live record of a dataset: the open one's, else the pool tree's. */
lattice_status_t record_load(struct lattice *fs, uint64_t id, struct dataset_record *out);
lattice_status_t record_store(struct lattice *fs, uint64_t id, const struct dataset_record *record);
void record_set_name(struct dataset_record *record, struct view name);
/* The first dataset whose number is above *id. Errors: LATTICE_NOT_FOUND. */
lattice_status_t record_next(struct lattice *fs, uint64_t *id, struct dataset_record *out);

#pragma clang assume_nonnull end
