/* Nodes in memory. Invariant: each inserted frame is in one bucket and in exactly one of the two
 * queues. */
#include "cache.h"
#include "lattice.h"

#pragma clang assume_nonnull begin

static uint32_t bucket_of(uint64_t address) {
    return (uint32_t)((address / NODE_BLOCKS * UINT64_C(0x9e3779b97f4a7c15)) >> 54) % CACHE_BUCKETS;
}

static void queue_add(struct frame_queue *queue, struct frame *frame) {
    frame->newer = nullptr;
    frame->older = queue->newest;
    if (queue->newest != nullptr) {
        SOME(queue->newest)->newer = frame;
    } else {
        queue->oldest = frame;
    }
    queue->newest = frame;
    queue->count++;
}

static void queue_remove(struct frame_queue *queue, struct frame *frame) {
    if (frame->newer != nullptr) {
        SOME(frame->newer)->older = frame->older;
    } else {
        queue->newest = frame->older;
    }
    if (frame->older != nullptr) {
        SOME(frame->older)->newer = frame->newer;
    } else {
        queue->oldest = frame->newer;
    }
    queue->count--;
}

static struct frame_queue *queue_of(struct cache *cache, const struct frame *frame) {
    return frame->dirty ? &cache->dirty : &cache->clean;
}

static void bucket_remove(struct cache *cache, struct frame *frame) {
    struct frame *_Nullable *link = &cache->buckets[bucket_of(frame->address)];
    while (*link != frame) {
        link = &SOME(*link)->hash_next;
    }
    *link = frame->hash_next;
    frame->hash_next = nullptr;
}

static void bucket_add(struct cache *cache, struct frame *frame) {
    struct frame *_Nullable *head = &cache->buckets[bucket_of(frame->address)];
    frame->hash_next = *head;
    *head = frame;
}

struct frame *_Nullable cache_find(struct lattice *fs, uint64_t address) {
    struct frame *_Nullable frame = fs->cache.buckets[bucket_of(address)];
    while (frame != nullptr && SOME(frame)->address != address) {
        frame = SOME(frame)->hash_next;
    }
    return frame;
}

void cache_touch(struct lattice *fs, struct frame *frame) {
    frame->stamp = fs->cache.stamp;
    if (!frame->dirty && fs->cache.clean.newest != frame) {
        queue_remove(&fs->cache.clean, frame);
        queue_add(&fs->cache.clean, frame);
    }
}

/* Drops the clean frame that was unused for longest, if the operation in hand does not need it. */
static struct frame *_Nullable cache_evict(struct lattice *fs) {
    struct frame *_Nullable oldest = fs->cache.clean.oldest;
    if (oldest == nullptr || SOME(oldest)->stamp == fs->cache.stamp) {
        return nullptr;
    }
    struct frame *frame = SOME(oldest);
    queue_remove(&fs->cache.clean, frame);
    bucket_remove(&fs->cache, frame);
    fs->cache.generation++;
    return frame;
}

struct frame *_Nullable cache_take(struct lattice *fs) {
    struct cache *cache = &fs->cache;
    struct frame *_Nullable frame = nullptr;
    if (cache->clean.count >= cache->limit) {
        frame = cache_evict(fs);
    }
    if (frame == nullptr && cache->spare_count == 0) {
        frame = memory_take_raw(fs, sizeof(struct frame));
        frame = frame == nullptr ? cache_evict(fs) : frame;
    }
    if (frame == nullptr && cache->spare != nullptr) {
        frame = cache->spare;
        cache->spare = SOME(frame)->hash_next;
        cache->spare_count--;
    }
    if (frame != nullptr) {
        SOME(frame)->address = 0;
        SOME(frame)->stamp = 0;
        SOME(frame)->hash_next = nullptr;
        SOME(frame)->newer = nullptr;
        SOME(frame)->older = nullptr;
        SOME(frame)->dirty = false;
        SOME(frame)->sealed = false;
    }
    return frame;
}

lattice_status_t cache_reserve(struct lattice *fs, uint32_t count) {
    struct cache *cache = &fs->cache;
    while (cache->spare_count < count) {
        struct frame *_Nullable frame = memory_take_raw(fs, sizeof(struct frame));
        if (frame == nullptr) {
            frame = cache_evict(fs);
        }
        if (frame == nullptr) {
            return LATTICE_NO_MEMORY;
        }
        cache_discard(fs, SOME(frame));
    }
    return LATTICE_OK;
}

void cache_discard(struct lattice *fs, struct frame *frame) {
    frame->hash_next = fs->cache.spare;
    fs->cache.spare = frame;
    fs->cache.spare_count++;
}

void cache_insert(struct lattice *fs, struct frame *frame, uint64_t address, bool dirty) {
    struct frame *_Nullable stale = cache_find(fs, address);
    if (stale != nullptr) { /* what the address held before it was freed */
        CHECK(!SOME(stale)->dirty);
        cache_remove(fs, SOME(stale));
    }
    frame->address = address;
    frame->dirty = dirty;
    frame->stamp = fs->cache.stamp;
    bucket_add(&fs->cache, frame);
    queue_add(queue_of(&fs->cache, frame), frame);
}

void cache_remove(struct lattice *fs, struct frame *frame) {
    queue_remove(queue_of(&fs->cache, frame), frame);
    bucket_remove(&fs->cache, frame);
    fs->cache.generation++;
    if (fs->cache.spare_count < 32) {
        cache_discard(fs, frame);
    } else {
        memory_give(fs, frame, sizeof *frame);
    }
}

void cache_move(struct lattice *fs, struct frame *frame, uint64_t address) {
    queue_remove(queue_of(&fs->cache, frame), frame);
    bucket_remove(&fs->cache, frame);
    fs->cache.generation++;
    cache_insert(fs, frame, address, true);
}

void cache_committed(struct lattice *fs) {
    while (fs->cache.dirty.oldest != nullptr) {
        struct frame *frame = SOME(fs->cache.dirty.oldest);
        queue_remove(&fs->cache.dirty, frame);
        frame->dirty = false;
        queue_add(&fs->cache.clean, frame);
    }
    fs->cache.stamp++;
    while (fs->cache.clean.count > fs->cache.limit) {
        struct frame *_Nullable frame = cache_evict(fs);
        if (frame == nullptr) {
            break;
        }
        memory_give(fs, frame, sizeof(struct frame));
    }
}

void cache_forget(struct lattice *fs) {
    while (fs->cache.clean.oldest != nullptr) {
        struct frame *frame = SOME(fs->cache.clean.oldest);
        queue_remove(&fs->cache.clean, frame);
        bucket_remove(&fs->cache, frame);
        bytes_zero(BYTES_OF(frame->node));
        memory_give(fs, frame, sizeof *frame);
    }
    fs->cache.generation++;
}

static void queue_release(struct lattice *fs, struct frame_queue *queue) {
    while (queue->oldest != nullptr) {
        struct frame *frame = SOME(queue->oldest);
        queue_remove(queue, frame);
        memory_give(fs, frame, sizeof *frame);
    }
}

void cache_release(struct lattice *fs) {
    queue_release(fs, &fs->cache.clean);
    queue_release(fs, &fs->cache.dirty);
    while (fs->cache.spare != nullptr) {
        struct frame *frame = SOME(fs->cache.spare);
        fs->cache.spare = frame->hash_next;
        memory_give(fs, frame, sizeof *frame);
    }
    fs->cache = (struct cache){};
}

#pragma clang assume_nonnull end
