#pragma once
/* Snapshots, clones, rollback, destruction. Each call commits before and after: granules must have
 * been pushed by the caller, and nothing of it is in the log.
 *
 *   head ──snapshot_create──▶ snapshot ──snapshot_destroy──▶ destroying ──reclaim_step…──▶ gone
 *   snapshot ──clone_create──▶ head with origin         head ──dataset_rollback──▶ head + reclaim
 * jobs head ──dataset_destroy──▶ reclaim job ──reclaim_step…──▶ gone */
#include "dataset.h"
#include "keys.h"

#pragma clang assume_nonnull begin

struct dataset_options {
    uint8_t record_shift; /* 0 = 16 */
    uint8_t compression;
    uint8_t checksum_kind; /* 0 = XXH64 */
    uint32_t root_user;
    uint32_t root_group;
    uint8_t cipher;                            /* 0 = not encrypted */
    const struct key_secret *_Nullable secret; /* with a cipher */
};

/* Finds "name" or "name@snapshot". Errors: LATTICE_NOT_FOUND. */
lattice_status_t dataset_find(struct lattice *fs, struct view name, uint64_t *out_id);
/* A new, empty head. Errors: LATTICE_EXISTS. */
lattice_status_t dataset_create(struct lattice *fs, struct view name,
                                const struct dataset_options *options, uint64_t *out_id);
/* For receive, inside a change: a head that is being received, with these name keys; a snapshot
 * that has its identity from elsewhere. */
lattice_status_t dataset_create_received(struct lattice *fs, struct view name,
                                         const struct dataset_options *options,
                                         const uint64_t (*_Nonnull name_key)[2], uint64_t *out_id);
lattice_status_t snapshot_create_received(struct lattice *fs, struct dataset *head,
                                          struct view name, uint64_t guid, int64_t time,
                                          uint64_t *out_id);
lattice_status_t snapshot_create(struct lattice *fs, struct dataset *head, struct view name,
                                 uint64_t *out_id);
/* Marks it; reclaim_step does the work. Errors: LATTICE_BUSY (open, or has clones), LATTICE_INVALID
 * (no snapshot). */
lattice_status_t snapshot_destroy(struct lattice *fs, uint64_t id);
lattice_status_t clone_create(struct lattice *fs, uint64_t snapshot, struct view name,
                              uint64_t *out_id);
/* Makes the head what its newest snapshot is. Errors: LATTICE_NOT_FOUND (no snapshot), LATTICE_BUSY
 * (it is being destroyed). */
lattice_status_t dataset_rollback(struct lattice *fs, struct dataset *head);
/* Errors: LATTICE_BUSY (open), LATTICE_NOT_EMPTY (has snapshots). */
lattice_status_t dataset_destroy(struct lattice *fs, uint64_t id);
/* Does a bounded piece of pending destruction, in transactions of its own; *out_more tells whether
 * to go on. */
lattice_status_t reclaim_step(struct lattice *fs, bool *out_more);

#pragma clang assume_nonnull end
