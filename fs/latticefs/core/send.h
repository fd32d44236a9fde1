#pragma once
/* Snapshots as streams of bytes; section 9 of docs/latticefs-format.md. A full stream has a whole
 * snapshot, an incremental one what changed since an older snapshot of the same head. A stream that
 * was cut can be continued: the receiver keeps what it has, and tells how far that is.
 *
 *   (none) ──snapshot_receive──▶ receiving ──stream ends──▶ head with the snapshot, read-only
 *   receiving ──stream is cut, crash──▶ receiving: receive_token, then a stream sent with it
 *   receiving ──receive_abandon──▶ as before the stream began */
#include "keys.h"
#include "snapshot.h"

#pragma clang assume_nonnull begin

struct stream_sink {
    void *context;
    lattice_status_t (*write)(void *context, struct view bytes);
};

struct stream_source {
    void *context;
    /* Fills `to` or fails. */
    lattice_status_t (*read)(void *context, struct bytes to);
};

/* Which stream, and where it goes on. Opaque to users, who print and pass on its bytes. */
struct send_token {
    uint64_t guid;
    uint64_t from_guid;
    struct key cursor; /* all before it was received */
};

struct send_report {
    uint64_t bytes;
    uint64_t items;
    void *_Nullable context;
    void (*_Nullable progress)(void *_Nullable context, const struct send_report *report);
};

/* Writes the stream of a snapshot; `from` is an older snapshot of the same head or of a head that
 * it was cloned from, or 0. Errors: LATTICE_INVALID (no snapshots, or not related),
 * LATTICE_KEY_NEEDED, LATTICE_MISMATCH (the token is of another stream), LATTICE_CORRUPT or
 * LATTICE_IO (something cannot be read: the stream is cut there), or what the sink returned. */
lattice_status_t snapshot_send(struct lattice *fs, uint64_t snapshot, uint64_t from,
                               const struct send_token *_Nullable token,
                               const struct stream_sink *sink, struct send_report *report);

struct receive_options {
    struct view name;                      /* dataset to receive into */
    const struct dataset_options *dataset; /* for a full stream: properties of the new dataset */
    bool discard_changes;                  /* roll back to the newest snapshot first */
};

/* Reads a stream. A full one makes a new dataset; an incremental one needs a dataset whose newest
 * snapshot is the one that it starts from, unchanged since. Errors: LATTICE_EXISTS (a full stream,
 * and the name is taken), LATTICE_MISMATCH (it does not follow from what is here),
 * LATTICE_CORRUPT (the stream is damaged), LATTICE_UNSUPPORTED, or what the source returned; what
 * came before is kept for a continuation. */
lattice_status_t snapshot_receive(struct lattice *fs, const struct receive_options *options,
                                  const struct stream_source *source, struct send_report *report,
                                  uint64_t *out_snapshot);
/* Where an unfinished stream into this dataset goes on. Errors: LATTICE_NOT_FOUND: none is. */
lattice_status_t receive_token(struct lattice *fs, struct view name, struct send_token *out);
/* Gives up an unfinished stream: a dataset that it made is destroyed, another rolled back. */
lattice_status_t receive_abandon(struct lattice *fs, struct view name);

#pragma clang assume_nonnull end
