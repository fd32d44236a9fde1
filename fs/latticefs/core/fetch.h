#pragma once
/* Reading a record without the file system: where it lies is found out first, under the front end's
 * lock; the disk is read, and the content verified and unpacked, without it.
 *
 * The blocks may be freed meanwhile, and taken for something else; then the checksum does not
 * match, and the caller reads again under its lock. What was read is what the record held when it
 * was located. */
#include "environment.h"
#include "format.h"

#pragma clang assume_nonnull begin

struct lattice;
struct dataset;

struct record_source {
    struct blkdev *_Nullable device; /* null: a hole */
    uint64_t block;
    uint64_t size; /* bytes of the granule that the file has, the rest is zero */
    struct pointer pointer;
};

/* The granule of `granule_bytes` bytes at `offset` of a file of this size. Errors:
 * LATTICE_UNSUPPORTED: it is inline, in pieces, encrypted, or on a disk that is not trusted. */
lattice_status_t record_locate(struct lattice *fs, struct dataset *dataset, uint64_t object,
                               uint64_t offset, uint64_t file_size, uint32_t granule_bytes,
                               struct record_source *out);
/* Reads it. `scratch` has room for a record as it is stored. Blocks: on the disk. Locks: none
 * needed. Errors: LATTICE_IO, LATTICE_CORRUPT: read again by way of the file system, which knows of
 * other copies. */
lattice_status_t record_fetch(const struct record_source *source, struct bytes scratch,
                              struct bytes to);

#pragma clang assume_nonnull end
