#pragma once
/* A disk that keeps writes in a volatile cache until a flush. A power cut keeps any subset of them,
 * in any order, torn at sectors. On request it rots, loses, misdirects, refuses, vanishes. Blocks
 * are shared between copies of a disk, so that a crash can be tried on a copy after every single
 * write. */
#include "dice.h"
#include "fs/latticefs/core/bytes.h"
#include "fs/latticefs/core/environment.h"

#pragma clang assume_nonnull begin

enum { SIM_BLOCK = 4096, SIM_SECTOR = 512 };

struct sim_block {
    uint32_t references;
    uint8_t data[SIM_BLOCK];
};

enum { CHUNK_BLOCKS = 64 };

/* Blocks side by side, shared by tables until one changes. */
struct block_chunk {
    uint32_t references;
    struct sim_block *_Nullable blocks[CHUNK_BLOCKS];
};

struct block_table {
    uint32_t count; /* of blocks */
    uint32_t chunk_count;
    struct block_chunk *_Nonnull *_Nullable chunks COUNTED_BY(chunk_count);
};

struct pending_write {
    uint32_t block;
    struct sim_block *_Nullable content;
};

struct pending_list {
    uint32_t capacity;
    uint32_t count;
    struct pending_write *_Nullable data COUNTED_BY(capacity);
};

struct sim_disk {
    struct blkdev device;
    struct block_table current; /* what reads see */
    struct block_table durable;
    struct pending_list pending;
    struct dice *dice;
    uint64_t writes;
    uint64_t flushes;
    uint64_t trims;        /* blocks */
    uint64_t dies_at;      /* power fails at this write; 0 = never */
    bool dead;             /* refuses everything */
    bool *_Nullable power; /* shared by all disks: off = all are dead */
    uint32_t lose_one_in;  /* faults of writes; 0 = never */
    uint32_t misdirect_one_in;
    uint32_t read_error_one_in;
    uint64_t faults; /* that happened */
    void *_Nullable observer;
    void (*_Nullable written)(void *_Nullable observer, struct sim_disk *disk);
};

struct sim_block *_Nullable block_at(const struct block_table *table, uint64_t index);
void sim_disk_create(struct sim_disk *disk, uint32_t blocks, struct dice *dice);
void sim_disk_destroy(struct sim_disk *disk);
/* A second disk in the same state, pending writes included. */
void sim_disk_copy(struct sim_disk *to, const struct sim_disk *from, struct dice *dice);
void sim_disk_grow(struct sim_disk *disk, uint32_t blocks);
/* The power goes: of the unflushed writes any may be there, whole or torn. */
void sim_disk_crash(struct sim_disk *disk);
/* Puts content on the medium, past all caches. */
void sim_disk_set(struct sim_disk *disk, uint32_t index, struct view content);
/* Flips one bit of a block that was ever written. */
bool sim_disk_rot(struct sim_disk *disk);
/* Flips one bit of this block; false if it was never written. */
bool sim_disk_rot_block(struct sim_disk *disk, uint32_t index);

#pragma clang assume_nonnull end
