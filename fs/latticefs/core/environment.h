#pragma once
/* What the core needs from outside: disks, a clock, random bytes, memory. The core calls nothing
 * else. */
#include "status.h"
#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/* A disk of 4,096-byte blocks. A write may be lost, torn or reordered until a later flush returned.
 * All functions return LATTICE_OK or LATTICE_IO. */
struct blkdev {
    void *context;
    uint64_t block_count;
    lattice_status_t (*read)(void *context, uint64_t block, uint32_t count, void *buffer);
    lattice_status_t (*write)(void *context, uint64_t block, uint32_t count, const void *buffer);
    lattice_status_t (*flush)(void *context);
    /* The content of these blocks is not needed any more: a hint. */
    void (*trim)(void *context, uint64_t block, uint64_t count);
    /* These blocks will be read soon: a hint. */
    void (*_Nullable prefetch)(void *context, uint64_t block, uint64_t count);
};

struct environment {
    void *context;
    /* Nanoseconds since 1970, never the same to order anything by: only for times of files. */
    int64_t (*now_ns)(void *context);
    void (*random)(void *context, void *buffer, size_t size);
    /* Memory aligned to 16 bytes, of any content, or null. */
    void *_Nullable (*_Nonnull allocate)(void *context, size_t size);
    void (*release)(void *context, void *memory, size_t size);
};

#pragma clang assume_nonnull end
