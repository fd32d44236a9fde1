#pragma once
/* Nodes in memory, found by address. A frame is clean (equal to the disk, may be dropped) or dirty
 * (born in the running transaction, and only here). Frames used in the operation in hand are never
 * dropped. */
#include "format.h"

#pragma clang assume_nonnull begin

struct lattice;

struct frame {
    struct node node;
    uint64_t address;
    uint64_t stamp; /* last operation that used it */
    struct frame *_Nullable hash_next;
    struct frame *_Nullable newer; /* recency list of clean frames; list of dirty ones */
    struct frame *_Nullable older;
    bool dirty;
    bool sealed; /* its secret values are as on disk: no key was there */
};

enum { CACHE_BUCKETS = 1024 };

struct frame_queue {
    struct frame *_Nullable newest;
    struct frame *_Nullable oldest;
    uint32_t count;
};

struct cache {
    struct frame *_Nullable buckets[CACHE_BUCKETS];
    struct frame_queue clean;
    struct frame_queue dirty;
    struct frame *_Nullable spare; /* through hash_next */
    uint32_t spare_count;
    uint32_t limit; /* clean frames kept */
    uint64_t stamp;
    uint64_t generation; /* grows whenever a node may have moved or changed: cursors look again */
};

struct frame *_Nullable cache_find(struct lattice *fs, uint64_t address);
/* A frame that is not yet in the cache, or null; its node is of any content. */
struct frame *_Nullable cache_take(struct lattice *fs);
/* Makes sure that `count` calls of cache_take succeed. */
lattice_status_t cache_reserve(struct lattice *fs, uint32_t count);
void cache_insert(struct lattice *fs, struct frame *frame, uint64_t address, bool dirty);
void cache_remove(struct lattice *fs, struct frame *frame);  /* and frees it */
void cache_discard(struct lattice *fs, struct frame *frame); /* a taken one, never inserted */
/* The node got a new address and is now dirty. */
void cache_move(struct lattice *fs, struct frame *frame, uint64_t address);
void cache_touch(struct lattice *fs, struct frame *frame);
/* All dirty frames were committed. */
void cache_committed(struct lattice *fs);
/* Forgets all clean frames, and what they hold. */
void cache_forget(struct lattice *fs);
void cache_release(struct lattice *fs);

#pragma clang assume_nonnull end
