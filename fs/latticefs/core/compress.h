#pragma once
/* Compression of records. The one place that knows liblz4 and libzstd. */
#include "format.h"

#pragma clang assume_nonnull begin

/* A record's content, compressed ahead of time and without the file system, or found not worth it
 * (no stored bytes). */
struct packed {
    enum compression kind;
    uint32_t logical_blocks;
    struct view stored; /* whole blocks */
};

/* Compresses `from` into `to` in the form of a stored record. Returns the stored blocks, or 0 if
 * that saves none. */
uint32_t compress_record(enum compression kind, struct view from, struct bytes to);
/* The same as a value, in `to`, that granule_store_packed takes. */
struct packed compress_ahead(enum compression kind, struct view from, struct bytes to);
/* Restores a record of exactly `to.size` bytes. Errors: LATTICE_CORRUPT. */
lattice_status_t decompress_record(uint8_t kind, struct view from, struct bytes to);

#pragma clang assume_nonnull end
