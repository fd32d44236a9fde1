#pragma once
/* Making, opening and closing a pool. */
#include "keys.h"
#include "lattice.h"
#include "log.h"

#pragma clang assume_nonnull begin

struct make_options {
    uint8_t segment_shift; /* 0 = by size */
    uint8_t copies;        /* mirror width, at most the number of disks */
    uint8_t node_copies;   /* 1 or 2 */
    uint8_t record_shift;
    uint8_t compression;
    uint8_t checksum_kind;
    uint32_t log_blocks; /* 0 = by size */
    uint32_t growth;     /* how many times its size the pool may grow; 0 = 16 */
    uint32_t root_user;
    uint32_t root_group;
    uint8_t cipher;                            /* of the first dataset; 0 = none */
    const struct key_secret *_Nullable secret; /* with a cipher */
};

enum {
    MOUNT_READ_ONLY = 1,
    MOUNT_IGNORE_CHECKSUMS = 2,
    MOUNT_RESCUE = 4, /* read-only; lost table pages hide only what they describe */
};

struct device_list {
    uint32_t count;
    struct blkdev *_Nullable devices[DISKS_MAX]; /* in any order; null = not there */
};

/* Makes a pool with one empty dataset. Errors: LATTICE_INVALID, LATTICE_NO_SPACE (too small),
 * LATTICE_IO, LATTICE_NO_MEMORY. */
lattice_status_t pool_make(const struct environment *environment, const struct device_list *devices,
                           const struct make_options *options);

/* Opens a pool: newest superblock, the log's replay, the orphans. The devices must stay until
 * pool_close. Owns: *out, until pool_close. Errors: LATTICE_CORRUPT (no superblock, or its trees
 * are damaged), LATTICE_UNSUPPORTED, LATTICE_IO, LATTICE_NO_MEMORY. */
lattice_status_t pool_open(const struct environment *environment, const struct device_list *devices,
                           uint32_t flags, struct lattice *_Nullable *_Nonnull out);

/* As pool_open, at the newest superblock of this transaction or before it: an explicit rewind. With
 * MOUNT_READ_ONLY nothing is lost by trying; for writing, all that came later is. */
lattice_status_t pool_open_at(const struct environment *environment,
                              const struct device_list *devices, uint32_t flags,
                              uint64_t transaction, struct lattice *_Nullable *_Nonnull out);

/* As pool_open for writing, after the program failed and the disks did not: with what its log had
 * in memory. Nothing that was done is missing then, unless the vault is partial. */
lattice_status_t pool_open_vault(const struct environment *environment,
                                 const struct device_list *devices, const struct log_vault *vault,
                                 struct lattice *_Nullable *_Nonnull out);

/* Frees everything without writing. For a clean end, commit first. */
void pool_close(struct lattice *fs);

#pragma clang assume_nonnull end
