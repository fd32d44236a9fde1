/* A small cache of granules; the diagram is in granule.h. */
#include "granule.h"
#include "directory.h"
#include "log.h"

#pragma clang assume_nonnull begin

static uint32_t file_bucket(const struct dataset *dataset, uint64_t object) {
    return (uint32_t)(((object + dataset->id * 31) * UINT64_C(0x9e3779b97f4a7c15)) >> 40) %
           GRANULE_BUCKETS;
}

static uint32_t granule_bucket(const struct open_file *file, uint64_t number) {
    return (uint32_t)(((file->object * 1021 + number) * UINT64_C(0x9e3779b97f4a7c15)) >> 40) %
           GRANULE_BUCKETS;
}

lattice_status_t granules_create(struct lattice *fs,
                                 struct granule_cache *_Nullable *_Nonnull out) {
    struct granule_cache *_Nullable cache = memory_take(fs, sizeof(struct granule_cache));
    if (cache == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    SOME(cache)->fs = fs;
    SOME(cache)->limit = 512;
    SOME(cache)->dirty_limit = 256;
    *out = cache;
    return LATTICE_OK;
}

/* ---- files ---- */

static struct open_file *_Nullable file_find(struct granule_cache *cache,
                                             const struct dataset *dataset, uint64_t object) {
    struct open_file *_Nullable file = cache->files[file_bucket(dataset, object)];
    while (file != nullptr && (SOME(file)->object != object || SOME(file)->dataset != dataset)) {
        file = SOME(file)->next;
    }
    return file;
}

static void file_drop(struct granule_cache *cache, struct open_file *file) {
    struct open_file *_Nullable *link = &cache->files[file_bucket(file->dataset, file->object)];
    while (*link != file) {
        link = &SOME(*link)->next;
    }
    *link = file->next;
    memory_give(cache->fs, file, sizeof *file);
}

static lattice_status_t cached_file(struct granule_cache *cache, struct dataset *dataset,
                                    uint64_t object, struct open_file *_Nullable *_Nonnull out) {
    *out = file_find(cache, dataset, object);
    if (*out != nullptr) {
        return LATTICE_OK;
    }
    struct inode inode = {};
    TRY(inode_get(cache->fs, dataset, object, &inode));
    if (inode_type(&inode) != MODE_FILE) {
        return inode_type(&inode) == MODE_DIRECTORY ? LATTICE_IS_DIRECTORY : LATTICE_INVALID;
    }
    struct open_file *_Nullable taken = memory_take(cache->fs, sizeof(struct open_file));
    if (taken == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    struct open_file *file = SOME(taken);
    *file = (struct open_file){.dataset = dataset,
                               .object = object,
                               .size = inode.size,
                               .write_time = inode.write_time,
                               .record_shift = inode.record_shift,
                               .next = cache->files[file_bucket(dataset, object)]};
    cache->files[file_bucket(dataset, object)] = file;
    *out = file;
    return LATTICE_OK;
}

/* ---- granules ---- */

static void queue_add(struct granule_cache *cache, struct granule *granule) {
    granule->newer = nullptr;
    granule->older = cache->queue.newest;
    if (cache->queue.newest != nullptr) {
        SOME(cache->queue.newest)->newer = granule;
    } else {
        cache->queue.oldest = granule;
    }
    cache->queue.newest = granule;
}

static void queue_remove(struct granule_cache *cache, struct granule *granule) {
    if (granule->newer != nullptr) {
        SOME(granule->newer)->older = granule->older;
    } else {
        cache->queue.newest = granule->older;
    }
    if (granule->older != nullptr) {
        SOME(granule->older)->newer = granule->newer;
    } else {
        cache->queue.oldest = granule->newer;
    }
}

static void file_add(struct open_file *file, struct granule *granule) {
    granule->file_previous = nullptr;
    granule->file_next = file->first;
    if (file->first != nullptr) {
        SOME(file->first)->file_previous = granule;
    }
    file->first = granule;
    file->granules++;
}

static void file_remove(struct open_file *file, struct granule *granule) {
    if (granule->file_previous != nullptr) {
        SOME(granule->file_previous)->file_next = granule->file_next;
    } else {
        file->first = granule->file_next;
    }
    if (granule->file_next != nullptr) {
        SOME(granule->file_next)->file_previous = granule->file_previous;
    }
    file->granules--;
}

static struct bytes granule_bytes(const struct granule *granule) {
    return bytes_of(granule->buffer, granule->size);
}

static void granule_set_clean(struct granule_cache *cache, struct granule *granule) {
    if (granule->dirty) {
        granule->dirty = false;
        granule->file->dirty--;
        cache->dirty--;
        space_release(granule->file->dataset, granule->promised);
        granule->promised = 0;
    }
}

static void granule_drop(struct granule_cache *cache, struct granule *granule) {
    struct open_file *file = granule->file;
    struct granule *_Nullable *link = &cache->buckets[granule_bucket(file, granule->number)];
    granule_set_clean(cache, granule);
    while (*link != granule) {
        link = &SOME(*link)->hash_next;
    }
    *link = granule->hash_next;
    queue_remove(cache, granule);
    file_remove(file, granule);
    cache->count--;
    memory_give(cache->fs, granule->buffer, granule->size);
    memory_give(cache->fs, granule, sizeof *granule);
}

static struct granule *_Nullable granule_find(struct granule_cache *cache,
                                              const struct open_file *file, uint64_t number) {
    struct granule *_Nullable granule = cache->buckets[granule_bucket(file, number)];
    while (granule != nullptr && (SOME(granule)->file != file || SOME(granule)->number != number)) {
        granule = SOME(granule)->hash_next;
    }
    return granule;
}

/* Drops clean granules, and files whose last one that was, but not the file in hand. */
static void cache_shrink(struct granule_cache *cache, const struct open_file *in_hand) {
    struct granule *_Nullable at = cache->queue.oldest;
    while (cache->count > cache->limit && at != nullptr) {
        struct granule *granule = SOME(at);
        at = granule->newer;
        if (!granule->dirty) {
            struct open_file *file = granule->file;
            granule_drop(cache, granule);
            if (file->granules == 0 && file != in_hand) {
                file_drop(cache, file);
            }
        }
    }
}

/* A granule that is in no list yet, its content unset. */
static struct granule *_Nullable granule_take(struct granule_cache *cache, struct open_file *file,
                                              uint64_t number) {
    struct lattice *fs = cache->fs;
    cache_shrink(cache, file);
    uint32_t size = UINT32_C(1) << file->record_shift;
    struct granule *_Nullable granule = memory_take(fs, sizeof(struct granule));
    struct work_buffer *_Nullable buffer = memory_take_raw(fs, size);
    if (granule == nullptr || buffer == nullptr) {
        memory_give(fs, granule, sizeof(struct granule));
        memory_give(fs, buffer, size);
        return nullptr;
    }
    *SOME(granule) =
        (struct granule){.file = file, .number = number, .buffer = SOME(buffer), .size = size};
    return granule;
}

static void granule_insert(struct granule_cache *cache, struct granule *granule) {
    uint32_t bucket = granule_bucket(granule->file, granule->number);
    granule->hash_next = cache->buckets[bucket];
    cache->buckets[bucket] = granule;
    queue_add(cache, granule);
    file_add(granule->file, granule);
    cache->count++;
}

static lattice_status_t granule_load(struct granule_cache *cache, struct open_file *file,
                                     uint64_t number, struct granule *_Nullable *_Nonnull out) {
    struct lattice *fs = cache->fs;
    struct inode inode = {};
    *out = granule_find(cache, file, number);
    if (*out != nullptr) {
        queue_remove(cache, SOME(*out));
        queue_add(cache, SOME(*out));
        return LATTICE_OK;
    }
    struct granule *_Nullable taken = granule_take(cache, file, number);
    if (taken == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    struct granule *granule = SOME(taken);
    lattice_status_t status = inode_get(fs, file->dataset, file->object, &inode);
    if (status == LATTICE_OK) {
        status =
            granule_read(fs, file->dataset, file->object, &inode, number, granule_bytes(granule));
    }
    if (status != LATTICE_OK) {
        memory_give(fs, granule->buffer, granule->size);
        memory_give(fs, granule, sizeof *granule);
        return status;
    }
    granule_insert(cache, granule);
    *out = granule;
    return LATTICE_OK;
}

static lattice_status_t granule_push(struct granule_cache *cache, struct granule *granule) {
    struct open_file *file = granule->file;
    struct inode inode = {};
    TRY(inode_get(cache->fs, file->dataset, file->object, &inode));
    uint64_t end = (granule->number + 1) << file->record_shift;
    uint64_t size = MAX(inode.size, MIN(file->size, end));
    TRY(granule_store(cache->fs, file->dataset, file->object, granule->number,
                      bytes_view(granule_bytes(granule)), size, file->write_time));
    granule_set_clean(cache, granule);
    if (cache->pushed != nullptr) {
        cache->pushed(cache->observer, file->dataset, file->object, granule->number, size);
    }
    return LATTICE_OK;
}

/* The file's dirty granule with the lowest number at or above `from`. */
static struct granule *_Nullable dirty_next(const struct open_file *file, uint64_t from) {
    struct granule *_Nullable best = nullptr;
    for (struct granule *_Nullable at = file->first; at != nullptr; at = SOME(at)->file_next) {
        if (SOME(at)->dirty && SOME(at)->number >= from &&
            (best == nullptr || SOME(at)->number < SOME(best)->number)) {
            best = at;
        }
    }
    return best;
}

/* Pushes the file's dirty granules below `end`, the lowest first: a file that is longer in the tree
 * than before has no hole where its data is still here. */
static lattice_status_t file_push_below(struct granule_cache *cache, struct open_file *file,
                                        uint64_t end) {
    uint64_t from = 0;
    while (file->dirty > 0) {
        struct granule *_Nullable granule = dirty_next(file, from);
        if (granule == nullptr || SOME(granule)->number >= end) {
            break;
        }
        TRY(granule_push(cache, SOME(granule)));
        from = SOME(granule)->number + 1;
    }
    return LATTICE_OK;
}

static lattice_status_t file_push(struct granule_cache *cache, struct open_file *file) {
    return file_push_below(cache, file, UINT64_MAX);
}

lattice_status_t granules_push(struct granule_cache *cache, struct dataset *dataset,
                               uint64_t object) {
    struct open_file *_Nullable file = file_find(cache, dataset, object);
    return file == nullptr ? LATTICE_OK : file_push(cache, SOME(file));
}

lattice_status_t granules_push_all(struct granule_cache *cache) {
    struct granule *_Nullable at = cache->queue.oldest;
    for (; cache->dirty > 0 && at != nullptr; at = SOME(at)->newer) {
        TRY(file_push(cache, SOME(at)->file));
    }
    return LATTICE_OK;
}

lattice_status_t granules_sync(struct granule_cache *cache, struct dataset *dataset,
                               uint64_t object) {
    TRY(granules_push(cache, dataset, object));
    return log_sync(cache->fs);
}

lattice_status_t granules_commit(struct granule_cache *cache) {
    TRY(granules_push_all(cache));
    return commit(cache->fs);
}

/* ---- reading and writing ---- */

/* After a call that may have left a file without granules. */
static lattice_status_t file_settle(struct granule_cache *cache, struct open_file *file,
                                    lattice_status_t status) {
    if (file->granules == 0) {
        file_drop(cache, file);
    }
    return status;
}

static lattice_status_t file_read(struct granule_cache *cache, struct open_file *file,
                                  uint64_t offset, struct bytes to, size_t *out_read) {
    uint64_t left = offset < file->size ? file->size - offset : 0;
    size_t size = (size_t)MIN((uint64_t)to.size, left);
    uint64_t mask = (UINT64_C(1) << file->record_shift) - 1;
    while (*out_read < size) {
        struct granule *_Nullable granule = nullptr;
        uint64_t at = offset + *out_read;
        size_t start = at & mask;
        TRY(granule_load(cache, file, at >> file->record_shift, &granule));
        size_t part = MIN(size - *out_read, SOME(granule)->size - start);
        bytes_copy(bytes_sub(to, *out_read, part),
                   bytes_view(bytes_sub(granule_bytes(SOME(granule)), start, part)));
        *out_read += part;
    }
    return LATTICE_OK;
}

lattice_status_t granules_read(struct granule_cache *cache, struct dataset *dataset,
                               uint64_t object, uint64_t offset, struct bytes to,
                               size_t *out_read) {
    struct open_file *_Nullable file = nullptr;
    *out_read = 0;
    TRY(cached_file(cache, dataset, object, &file));
    return file_settle(cache, SOME(file), file_read(cache, SOME(file), offset, to, out_read));
}

static lattice_status_t granule_make_dirty(struct granule_cache *cache, struct granule *granule) {
    if (granule->dirty) {
        return LATTICE_OK;
    }
    TRY(space_promise(cache->fs, granule->file->dataset, granule->size / BLOCK_SIZE,
                      &granule->promised));
    cache->generation++;
    granule->dirty = true;
    granule->file->dirty++;
    cache->dirty++;
    return LATTICE_OK;
}

static lattice_status_t file_write(struct granule_cache *cache, struct open_file *file,
                                   uint64_t offset, struct view from, size_t *out_written) {
    uint64_t mask = (UINT64_C(1) << file->record_shift) - 1;
    while (*out_written < from.size) {
        struct granule *_Nullable granule = nullptr;
        uint64_t at = offset + *out_written;
        size_t start = at & mask;
        TRY(granule_load(cache, file, at >> file->record_shift, &granule));
        TRY(granule_make_dirty(cache, SOME(granule)));
        size_t part = MIN(from.size - *out_written, SOME(granule)->size - start);
        bytes_copy(bytes_sub(granule_bytes(SOME(granule)), start, part),
                   view_sub(from, *out_written, part));
        *out_written += part;
        file->size = MAX(file->size, at + part);
        file->write_time = now(cache->fs);
    }
    return LATTICE_OK;
}

lattice_status_t granules_write(struct granule_cache *cache, struct dataset *dataset,
                                uint64_t object, uint64_t offset, struct view from,
                                size_t *out_written) {
    struct open_file *_Nullable found = nullptr;
    *out_written = 0;
    TRY(dataset->writable ? LATTICE_OK : LATTICE_READ_ONLY);
    if (offset > FILE_SIZE_MAX || from.size > FILE_SIZE_MAX - offset) {
        return LATTICE_TOO_LARGE;
    }
    if (cache->dirty >= cache->dirty_limit) {
        TRY(granules_push_all(cache));
    }
    TRY(cached_file(cache, dataset, object, &found));
    return file_settle(cache, SOME(found),
                       file_write(cache, SOME(found), offset, from, out_written));
}

/* Puts what was stored past the cache in the place of what the cache has. */
static void file_stored(struct granule_cache *cache, struct open_file *file, uint64_t granule,
                        uint64_t end, int64_t time) {
    struct granule *_Nullable old = granule_find(cache, file, granule);
    file->size = MAX(file->size, end);
    file->write_time = time;
    if (old != nullptr) {
        granule_drop(cache, SOME(old));
    }
    cache->generation++;
}

static lattice_status_t file_store(struct granule_cache *cache, struct open_file *file,
                                   uint64_t granule, struct view content, uint32_t length,
                                   const struct packed *_Nullable packed) {
    struct lattice *fs = cache->fs;
    uint64_t end = (granule << file->record_shift) + length;
    int64_t time = now(fs);
    struct inode inode = {};
    uint32_t promised = 0;
    TRY(file_push_below(cache, file, granule));
    TRY(inode_get(fs, file->dataset, file->object, &inode));
    uint64_t size = MAX(inode.size, end);
    const struct granule *_Nullable lowest = dirty_next(file, 0);
    CHECK(size == inode.size || lowest == nullptr || SOME(lowest)->number >= granule);
    TRY(space_promise(fs, file->dataset, (uint32_t)(content.size / BLOCK_SIZE), &promised));
    lattice_status_t status =
        granule_store_packed(fs, file->dataset, file->object, granule, content, packed, size, time);
    space_release(file->dataset, promised);
    TRY(status);
    file_stored(cache, file, granule, end, time);
    if (cache->pushed != nullptr) {
        cache->pushed(cache->observer, file->dataset, file->object, granule, size);
    }
    return LATTICE_OK;
}

lattice_status_t granules_store(struct granule_cache *cache, struct dataset *dataset,
                                uint64_t object, uint64_t granule, struct view content,
                                uint32_t length, const struct packed *_Nullable packed) {
    struct open_file *_Nullable file = nullptr;
    TRY(dataset->writable ? LATTICE_OK : LATTICE_READ_ONLY);
    TRY(cached_file(cache, dataset, object, &file));
    uint8_t shift = SOME(file)->record_shift;
    lattice_status_t status = LATTICE_OK;
    if (content.size % BLOCK_SIZE != 0 || content.size > UINT64_C(1) << shift ||
        length > content.size || length + BLOCK_SIZE <= content.size) {
        status = LATTICE_INVALID;
    } else if (granule >= FILE_SIZE_MAX >> shift) {
        status = LATTICE_TOO_LARGE;
    } else if (length != UINT64_C(1) << shift && (granule << shift) + length < SOME(file)->size) {
        status = LATTICE_UNSUPPORTED;
    } else {
        status = file_store(cache, SOME(file), granule, content, length, packed);
    }
    return file_settle(cache, SOME(file), status);
}

lattice_status_t granules_size(struct granule_cache *cache, struct dataset *dataset,
                               uint64_t object, uint32_t *out_size) {
    struct inode inode = {};
    TRY(inode_get(cache->fs, dataset, object, &inode));
    *out_size = granule_size(&inode);
    return LATTICE_OK;
}

lattice_status_t granules_locate(struct granule_cache *cache, struct dataset *dataset,
                                 uint64_t object, uint64_t granule, struct record_source *out,
                                 uint64_t *out_generation) {
    struct open_file *_Nullable file = file_find(cache, dataset, object);
    struct inode inode = {};
    TRY(inode_get(cache->fs, dataset, object, &inode));
    *out_generation = cache->generation;
    if (inode_type(&inode) != MODE_FILE || (inode.flags != 0) ||
        (file != nullptr && granule_find(cache, SOME(file), granule) != nullptr)) {
        return LATTICE_UNSUPPORTED;
    }
    uint32_t size = granule_size(&inode);
    uint64_t seen = file == nullptr ? inode.size : SOME(file)->size;
    TRY(record_locate(cache->fs, dataset, object, granule * size, inode.size, size, out));
    return seen >= inode.size ? LATTICE_OK : LATTICE_UNSUPPORTED;
}

void granules_keep(struct granule_cache *cache, struct dataset *dataset, uint64_t object,
                   uint64_t granule, struct view content, uint64_t generation) {
    struct open_file *_Nullable file = nullptr;
    if (generation != cache->generation ||
        cached_file(cache, dataset, object, &file) != LATTICE_OK) {
        return; /* it is only a cache */
    }
    struct granule *_Nullable taken = nullptr;
    if (granule_find(cache, SOME(file), granule) == nullptr &&
        content.size == UINT64_C(1) << SOME(file)->record_shift) {
        taken = granule_take(cache, SOME(file), granule);
    }
    if (taken != nullptr) {
        bytes_copy(granule_bytes(SOME(taken)), content);
        granule_insert(cache, SOME(taken));
    }
    (void)!file_settle(cache, SOME(file), LATTICE_OK);
}

static void file_zero_beyond(struct granule_cache *cache, struct open_file *file, uint64_t size) {
    struct granule *_Nullable at = file->first;
    while (at != nullptr) {
        struct granule *granule = SOME(at);
        at = granule->file_next;
        uint64_t start = granule->number << file->record_shift;
        if (start >= size) {
            granule_drop(cache, granule);
        } else if (size - start < granule->size) {
            size_t kept = (size_t)(size - start);
            bytes_zero(bytes_sub(granule_bytes(granule), kept, granule->size - kept));
        }
    }
}

static lattice_status_t file_cut(struct granule_cache *cache, struct open_file *file,
                                 uint64_t size) {
    /* The size that the tree knows must be the visible one, so that a shrink and a growth mean the
     * same to both. */
    TRY(file_push(cache, file));
    cache->generation++;
    TRY(file_resize(cache->fs, file->dataset, file->object, size));
    file_zero_beyond(cache, file, size);
    file->size = size;
    file->write_time = now(cache->fs);
    return LATTICE_OK;
}

lattice_status_t granules_resize(struct granule_cache *cache, struct dataset *dataset,
                                 uint64_t object, uint64_t size) {
    struct open_file *_Nullable file = nullptr;
    TRY(cached_file(cache, dataset, object, &file));
    return file_settle(cache, SOME(file), file_cut(cache, SOME(file), size));
}

static lattice_status_t file_punch(struct granule_cache *cache, struct open_file *file,
                                   uint64_t offset, uint64_t length) {
    if (offset >= file->size) {
        return LATTICE_OK;
    }
    uint64_t end = length > file->size - offset ? file->size : offset + length;
    uint64_t mask = (UINT64_C(1) << file->record_shift) - 1;
    while (offset < end) {
        uint64_t next = 0;
        lattice_status_t status = LATTICE_OK;
        if (granule_find(cache, file, offset >> file->record_shift) == nullptr) {
            /* A hole needs nothing: go on at the next data. */
            status = file_seek(cache->fs, file->dataset, file->object, offset, true, &next);
            if (status != LATTICE_OK && status != LATTICE_NOT_FOUND) {
                return status;
            }
            next =
                status == LATTICE_NOT_FOUND ? (offset | mask) + 1 : MIN(next, (offset | mask) + 1);
            if (next == (offset | mask) + 1) {
                offset = next;
                continue;
            }
        }
        struct granule *_Nullable granule = nullptr;
        size_t start = offset & mask;
        TRY(granule_load(cache, file, offset >> file->record_shift, &granule));
        TRY(granule_make_dirty(cache, SOME(granule)));
        size_t part = (size_t)MIN(end - offset, (uint64_t)SOME(granule)->size - start);
        bytes_zero(bytes_sub(granule_bytes(SOME(granule)), start, part));
        file->write_time = now(cache->fs);
        offset += part;
    }
    return LATTICE_OK;
}

lattice_status_t granules_punch(struct granule_cache *cache, struct dataset *dataset,
                                uint64_t object, uint64_t offset, uint64_t length) {
    struct open_file *_Nullable file = nullptr;
    TRY(dataset->writable ? LATTICE_OK : LATTICE_READ_ONLY);
    TRY(cached_file(cache, dataset, object, &file));
    return file_settle(cache, SOME(file), file_punch(cache, SOME(file), offset, length));
}

lattice_status_t granules_inode(struct granule_cache *cache, struct dataset *dataset,
                                uint64_t object, struct inode *out) {
    TRY(inode_get(cache->fs, dataset, object, out));
    struct open_file *_Nullable file = file_find(cache, dataset, object);
    if (file != nullptr && SOME(file)->dirty > 0) {
        out->size = SOME(file)->size;
        out->write_time = SOME(file)->write_time;
        out->change_time = MAX(out->change_time, out->write_time);
    }
    return LATTICE_OK;
}

/* ---- forgetting ---- */

static void file_forget(struct granule_cache *cache, struct open_file *file) {
    while (file->first != nullptr) {
        granule_drop(cache, SOME(file->first));
    }
    file_drop(cache, file);
}

void granules_forget(struct granule_cache *cache, const struct dataset *dataset, uint64_t object) {
    struct open_file *_Nullable file = file_find(cache, dataset, object);
    cache->generation++;
    if (file != nullptr) {
        file_forget(cache, SOME(file));
    }
}

void granules_forget_dataset(struct granule_cache *cache, const struct dataset *dataset) {
    cache->generation++;
    for (uint32_t i = 0; i < GRANULE_BUCKETS; i++) {
        struct open_file *_Nullable at = cache->files[i];
        while (at != nullptr) {
            struct open_file *file = SOME(at);
            at = file->next;
            if (file->dataset == dataset) {
                file_forget(cache, file);
            }
        }
    }
}

void granules_destroy(struct granule_cache *cache) {
    for (uint32_t i = 0; i < GRANULE_BUCKETS; i++) {
        while (cache->files[i] != nullptr) {
            file_forget(cache, SOME(cache->files[i]));
        }
    }
    memory_give(cache->fs, cache, sizeof *cache);
}

#pragma clang assume_nonnull end
