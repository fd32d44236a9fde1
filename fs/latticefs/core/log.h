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
/* Applies what the disk has beyond the last commit. */
lattice_status_t log_replay(struct lattice *fs);
void log_release(struct lattice *fs);

/* The newest part, for a vault: entries of complete operations since the last sync or commit. */
struct view log_pending(const struct lattice *fs);

#pragma clang assume_nonnull end
