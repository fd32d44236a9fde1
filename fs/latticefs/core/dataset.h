#pragma once
/* Datasets: heads that change, snapshots that do not. All changes of a head's tree go through
 * dataset_put and dataset_delete, which keep accounts, dispose of replaced records, and tell the
 * log. */
#include "lattice.h"

#pragma clang assume_nonnull begin

/* Finds an open dataset or opens it. Owns: the caller holds one use until dataset_close.
 * Errors: LATTICE_NOT_FOUND, LATTICE_NO_MEMORY, LATTICE_CORRUPT, LATTICE_IO. */
lattice_status_t dataset_open(struct lattice *fs, uint64_t id,
                              struct dataset *_Nullable *_Nonnull out);
void dataset_close(struct lattice *fs, struct dataset *dataset);
/* Lets those go that were closed, and only waited for a commit. */
void datasets_committed(struct lattice *fs);
void datasets_release(struct lattice *fs);
/* The key of an open dataset's record was loaded. */
void dataset_unlock(struct lattice *fs, struct dataset *dataset);

lattice_status_t dataset_put(struct lattice *fs, struct dataset *dataset, struct key key,
                             struct view value);
/* Errors: LATTICE_NOT_FOUND. */
lattice_status_t dataset_delete(struct lattice *fs, struct dataset *dataset, struct key key);

/* Blocks were born into, or dropped from, the tree. */
void dataset_account(struct dataset *_Nullable dataset, uint32_t blocks, bool added);
/* Disposes of what a pointer owned: freed, kept for a snapshot in the deadlist, or left to the
 * origin. */
void dataset_kill(struct lattice *fs, struct dataset *_Nullable dataset,
                  const struct pointer *pointer);
lattice_status_t dataset_reserve_kills(struct lattice *fs, struct dataset *dataset, uint32_t count);

/* Writes the deadlist, tree and record of each changed dataset into the pool tree. */
lattice_status_t datasets_write(struct lattice *fs);

lattice_status_t dataset_record_get(struct lattice *fs, uint64_t id, struct dataset_record *out);
lattice_status_t dataset_record_put(struct lattice *fs, uint64_t id,
                                    const struct dataset_record *record);
/* Reads the births of a head's snapshots again, after one came or went. */
lattice_status_t dataset_load_births(struct lattice *fs, struct dataset *dataset);
uint64_t dataset_newest_birth(const struct dataset *dataset);

#pragma clang assume_nonnull end
