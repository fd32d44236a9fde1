#pragma once
/* The operation log: what the trees became since the last commit, as puts and deletes, in order.
 * The newest part is in memory (a server hands it to its vault); a synced part is on disk.
 *
 *   empty ──log_put/log_delete──▶ open operation ──log_end──▶ complete ──log_begin──▶ in flight
 * ──flight_advance──▶ on disk ──commit──▶ empty
 *
 * Invariant: replaying the on-disk groups over the last commit gives the trees as they were after
 * the last complete operation in them. */
#include "lattice.h"

#pragma clang assume_nonnull begin

void log_put(struct lattice *fs, struct dataset *dataset, struct key key, struct view value);
void log_delete(struct lattice *fs, struct dataset *dataset, struct key key);
lattice_status_t log_reserve(struct lattice *fs, uint32_t bytes);
/* The operation in hand is complete (or, with nothing changed, is dropped). */
void log_end(struct lattice *fs);

/* Leaves all complete operations in flight, with one append, where there are some that no flight
 * took along. Falls back to a commit where the area is full or the buffer could not grow. A flight
 * before it is finished first. */
lattice_status_t log_begin(struct lattice *fs);
/* log_begin, then flight_finish: one append and one flush. */
lattice_status_t log_sync(struct lattice *fs);
/* After a commit: the log starts anew. Called before the superblock is written. */
void log_restart(struct lattice *fs);

/* What a server keeps outside itself, for its restart: the entries of complete operations that are
 * not known to be on the disks. First those in flight, then those since. A part names the log and
 * the group that it is, or will be. */
struct log_part {
    uint64_t seed;
    uint64_t number;
    struct view entries;
    bool partial; /* later operations are missing: of encrypted datasets, or for want of memory */
};

struct log_vault {
    struct log_part parts[2];
};

/* The views are valid until the next operation, sync or commit. */
struct log_vault log_vault(const struct lattice *fs);

/* Applies what the disk has beyond the last commit, then what a vault has beyond that. All blocks
 * that either names are taken before anything else is. A part of which a record does not match its
 * checksum is dropped, with what follows it; so is what follows a partial one. Errors:
 * LATTICE_CORRUPT: the entries contradict the trees. */
lattice_status_t log_replay(struct lattice *fs, const struct log_vault *_Nullable vault);
void log_release(struct lattice *fs);

/* The flight is over: what flew is on the disks. */
void log_landed(struct lattice *fs);

/* Bytes that no sync has taken along yet. */
uint32_t log_pending_bytes(const struct lattice *fs);

#pragma clang assume_nonnull end
