#pragma once
/* A small cache of granules for front ends without a page cache of their own (FUSE, tools,
 * simulator): reads, writes at any offset, truncation, sync. A server has the kernel's Memories
 * instead and calls file.h itself.
 *
 * A whole granule may go to the tree at once, past the cache (granules_store).
 *
 *   absent ──read──▶ clean ──write (space promised)──▶ dirty ──push (granule_store)──▶ clean ──▶
 * absent
 *
 * Invariant: what the cache holds of a file beyond its visible size is zero. */
#include "fetch.h"
#include "file.h"

#pragma clang assume_nonnull begin

struct granule {
    struct granule *_Nullable hash_next;
    struct granule *_Nullable newer;
    struct granule *_Nullable older;
    struct granule *_Nullable file_next; /* of the same file, in no order */
    struct granule *_Nullable file_previous;
    struct open_file *file;
    uint64_t number;
    uint32_t promised;
    bool dirty;
    struct work_buffer *buffer; /* granule_size bytes of it are allocated */
    uint32_t size;
};

/* A file that has granules here: its visible size and time run ahead of the inode's. It goes with
 * the last of them. */
struct open_file {
    struct open_file *_Nullable next;
    struct granule *_Nullable first;
    struct dataset *dataset;
    uint64_t object;
    uint64_t size;
    int64_t write_time;
    uint8_t record_shift;
    uint32_t granules;
    uint32_t dirty;
};

enum { GRANULE_BUCKETS = 1024 };

struct granule_queue {
    struct granule *_Nullable newest;
    struct granule *_Nullable oldest;
};

struct granule_cache {
    struct lattice *fs;
    struct open_file *_Nullable files[GRANULE_BUCKETS];
    struct granule *_Nullable buckets[GRANULE_BUCKETS];
    struct granule_queue queue;
    uint32_t count;
    uint32_t dirty;
    uint64_t generation;  /* grows with every change of what a file holds, here or in the tree */
    uint32_t limit;       /* granules kept */
    uint32_t dirty_limit; /* then all are pushed */
    void *_Nullable observer;
    /* A granule's content is in the tree now, with the file's size. For the simulator's model. */
    void (*_Nullable pushed)(void *_Nullable observer, struct dataset *dataset, uint64_t object,
                             uint64_t granule, uint64_t size);
};

lattice_status_t granules_create(struct lattice *fs, struct granule_cache *_Nullable *_Nonnull out);
/* Drops everything, dirty or not. */
void granules_destroy(struct granule_cache *cache);

lattice_status_t granules_read(struct granule_cache *cache, struct dataset *dataset,
                               uint64_t object, uint64_t offset, struct bytes to, size_t *out_read);
/* Errors: LATTICE_NO_SPACE, LATTICE_QUOTA, LATTICE_TOO_LARGE; *out_written tells how much went in
 * before. */
lattice_status_t granules_write(struct granule_cache *cache, struct dataset *dataset,
                                uint64_t object, uint64_t offset, struct view from,
                                size_t *out_written);
/* Writes one granule from its start, `length` bytes, which go to the tree at once: all of it, or up
 * to the file's end or beyond. `content` is padded with zeros to whole blocks. Errors: as
 * granules_write, and LATTICE_UNSUPPORTED: the file goes on behind what is written; nothing was
 * changed. */
lattice_status_t granules_store(struct granule_cache *cache, struct dataset *dataset,
                                uint64_t object, uint64_t granule, struct view content,
                                uint32_t length, const struct packed *_Nullable packed);
/* The size of a file's granules. */
lattice_status_t granules_size(struct granule_cache *cache, struct dataset *dataset,
                               uint64_t object, uint32_t *out_size);
lattice_status_t granules_resize(struct granule_cache *cache, struct dataset *dataset,
                                 uint64_t object, uint64_t size);
/* Makes a range read as zeros, within the size. */
lattice_status_t granules_punch(struct granule_cache *cache, struct dataset *dataset,
                                uint64_t object, uint64_t offset, uint64_t length);
/* Tells where a granule lies, for a read that needs no lock (record_fetch); *out_generation tells,
 * by comparison with the cache's, whether something changed since. Errors: LATTICE_UNSUPPORTED: it
 * is here, or not in the form that record_fetch takes: granules_read. */
lattice_status_t granules_locate(struct granule_cache *cache, struct dataset *dataset,
                                 uint64_t object, uint64_t granule, struct record_source *out,
                                 uint64_t *out_generation);
/* Keeps what was fetched, if nothing changed since. */
void granules_keep(struct granule_cache *cache, struct dataset *dataset, uint64_t object,
                   uint64_t granule, struct view content, uint64_t generation);
/* The inode as a user sees it now. */
lattice_status_t granules_inode(struct granule_cache *cache, struct dataset *dataset,
                                uint64_t object, struct inode *out);
/* Stores a file's dirty granules in the tree: before a rename, a link, a sync. */
lattice_status_t granules_push(struct granule_cache *cache, struct dataset *dataset,
                               uint64_t object);
lattice_status_t granules_push_all(struct granule_cache *cache);
/* fsync: push, then the log. */
lattice_status_t granules_sync(struct granule_cache *cache, struct dataset *dataset,
                               uint64_t object);
/* Push all, then commit. */
lattice_status_t granules_commit(struct granule_cache *cache);
/* The object is gone, or its dataset was rolled back: forget what is here. */
void granules_forget(struct granule_cache *cache, const struct dataset *dataset, uint64_t object);
void granules_forget_dataset(struct granule_cache *cache, const struct dataset *dataset);

#pragma clang assume_nonnull end
