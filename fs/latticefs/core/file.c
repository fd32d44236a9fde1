/* The data of files. Invariants (checked by check.c):
 * 1. A file has INLINE or EXTENT items, never both; INLINE only if its size is at most INLINE_MAX.
 * 2. Stored bytes beyond the size are zero, and no extent begins at or beyond it.
 * 3. inode.blocks = stored blocks of its extents. */
#include "file.h"
#include "checksum.h"
#include "compress.h"
#include "directory.h"
#include "pool.h"
#include "seal.h"

#pragma clang assume_nonnull begin

uint32_t granule_blocks(const struct inode *inode) {
    return granule_size(inode) / BLOCK_SIZE;
}

/* ---- reading ---- */

/* Reads what a pointer stores, and decrypts it. */
static lattice_status_t stored_read(struct lattice *fs, const struct dataset *dataset,
                                    uint64_t object, uint64_t offset, const struct pointer *pointer,
                                    struct bytes to) {
    const struct key_entry *_Nullable key = dataset->tree.key;
    if (pointer->cipher != dataset->record.cipher) {
        return LATTICE_CORRUPT;
    }
    TRY(pool_read(fs, pointer, to));
    return key == nullptr ? LATTICE_OK : record_unseal(SOME(key), object, offset, pointer, to);
}

/* Reads what an extent holds into `to`, which has its logical size. */
static lattice_status_t extent_read(struct lattice *fs, const struct dataset *dataset,
                                    uint64_t object, uint64_t offset, const struct pointer *pointer,
                                    struct bytes to) {
    uint32_t stored = pointer_stored(pointer) * BLOCK_SIZE;
    if (pointer_compression(pointer) == COMPRESSION_NONE) {
        if (stored != to.size) {
            return LATTICE_CORRUPT;
        }
        return stored_read(fs, dataset, object, offset, pointer, to);
    }
    struct bytes packed = bytes_sub(BYTES_OF(*fs->stored_buffer), 0, stored);
    TRY(stored_read(fs, dataset, object, offset, pointer, packed));
    return decompress_record(pointer_compression(pointer), bytes_view(packed), to);
}

static lattice_status_t extent_parse(const struct lattice *fs, struct view value,
                                     struct pointer *out) {
    if (value.size != sizeof *out) {
        return LATTICE_CORRUPT;
    }
    bytes_copy(bytes_of(out, sizeof *out), value);
    struct geometry geometry = geometry_of(fs);
    return pointer_validate(&geometry, out, POINTER_RECORD, 0);
}

static lattice_status_t extents_read(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                     uint64_t start, struct bytes to) {
    struct key key = key_make(object, KEY_EXTENT, 0, start);
    struct key end = key_make(object, KEY_EXTENT, 0, start + to.size);
    for (;;) {
        struct item item = {};
        lattice_status_t status = tree_seek(fs, &dataset->tree, key, end, &item);
        if (status == LATTICE_NOT_FOUND) {
            return LATTICE_OK;
        }
        TRY(status);
        struct pointer pointer = {};
        TRY(extent_parse(fs, item.value, &pointer));
        uint64_t at = item.key.offset - start;
        uint64_t size = (uint64_t)pointer_logical(&pointer) * BLOCK_SIZE;
        if (at % BLOCK_SIZE != 0 || size > to.size - at) {
            return LATTICE_CORRUPT;
        }
        key = key_next(item.key);
        TRY(extent_read(fs, dataset, object, item.key.offset, &pointer, bytes_sub(to, at, size)));
    }
}

lattice_status_t granule_read(struct lattice *fs, struct dataset *dataset, uint64_t object,
                              const struct inode *inode, uint64_t granule, struct bytes to) {
    CHECK(to.size == granule_size(inode));
    bytes_zero(to);
    uint64_t start = granule << inode->record_shift;
    if (granule == 0 && inode->size <= INLINE_MAX) {
        struct view value = {};
        lattice_status_t status =
            tree_get(fs, &dataset->tree, key_make(object, KEY_INLINE, 0, 0), &value);
        if (status == LATTICE_OK) {
            bytes_copy(to, view_sub(value, 0, MIN(value.size, inode->size)));
            return LATTICE_OK;
        }
        if (status != LATTICE_NOT_FOUND) {
            return status;
        }
    }
    if (start >= inode->size) {
        return LATTICE_OK;
    }
    TRY(extents_read(fs, dataset, object, start, to));
    if (inode->size - start < to.size) {
        bytes_zero(bytes_sub(to, inode->size - start, to.size - (inode->size - start)));
    }
    return LATTICE_OK;
}

/* ---- storing ---- */

/* The compressed form of a content: what was made ahead, if it is of that, else made here. None: it
 * is not worth it. */
static struct view content_packed(struct lattice *fs, const struct dataset *dataset,
                                  struct view content) {
    enum compression kind = dataset->record.compression;
    const struct packed *_Nullable ahead = fs->packed;
    if (ahead != nullptr && SOME(ahead)->kind == kind &&
        (size_t)SOME(ahead)->logical_blocks * BLOCK_SIZE == content.size) {
        return SOME(ahead)->stored;
    }
    uint32_t stored = compress_record(kind, content, BYTES_OF(*fs->stored_buffer));
    return view_sub(VIEW_OF(*fs->stored_buffer), 0, stored * BLOCK_SIZE);
}

/* Takes blocks for a piece of at most content.size: all of its compressed form in *packed, or as
 * much of the content as finds a place. Fills address and sizes of *out. */
static lattice_status_t piece_place(struct lattice *fs, struct dataset *dataset,
                                    struct view content, struct view *packed, struct pointer *out) {
    uint32_t logical = (uint32_t)(content.size / BLOCK_SIZE);
    enum compression kind = dataset->record.compression;
    uint64_t address = 0;
    uint32_t got = 0;
    *packed = content_packed(fs, dataset, content);
    uint32_t stored = (uint32_t)(packed->size / BLOCK_SIZE);
    if (stored != 0) {
        TRY(segments_take_run(fs, stored, &address, &got));
        if (got < stored) {
            segments_free(fs, address, got);
            stored = 0;
        }
    }
    if (stored == 0) {
        TRY(segments_take_run(fs, logical, &address, &got));
        logical = got;
        *packed = view_sub(content, 0, got * BLOCK_SIZE);
        kind = COMPRESSION_NONE;
        stored = got;
    }
    *out = pointer_make(POINTER_RECORD, 0, address, 0, fs->transaction);
    pointer_set_sizes(out, stored, logical, kind);
    pointer_set_kind(out, dataset->record.checksum_kind);
    return LATTICE_OK;
}

/* Writes one piece, shorter than the content where free space is in pieces. */
static lattice_status_t piece_write(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                    uint64_t offset, struct view content, struct pointer *out) {
    struct view packed = {};
    TRY(piece_place(fs, dataset, content, &packed, out));
    if (dataset->tree.key != nullptr) {
        struct bytes image = bytes_sub(BYTES_OF(*fs->stored_buffer), 0, packed.size);
        bytes_move(image, packed);
        record_seal(fs, SOME(dataset->tree.key), object, offset, image, out);
        packed = bytes_view(image);
    }
    checksum_fill(out, packed);
    lattice_status_t status = pool_write(fs, pointer_address(out, 0), packed);
    if (status != LATTICE_OK) {
        segments_free(fs, pointer_address(out, 0), pointer_stored(out));
    }
    return status;
}

/* Removes the granule's extents at or after `from`; *blocks shrinks by what they stored. */
static lattice_status_t extents_delete(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                       uint64_t from, uint64_t to, uint64_t *blocks, uint32_t limit,
                                       bool *out_done) {
    struct key end = key_make(object, KEY_EXTENT, 0, to);
    for (uint32_t i = 0; i < limit; i++) {
        struct item item = {};
        lattice_status_t status =
            tree_seek(fs, &dataset->tree, key_make(object, KEY_EXTENT, 0, from), end, &item);
        if (status == LATTICE_NOT_FOUND) {
            *out_done = true;
            return LATTICE_OK;
        }
        TRY(status);
        struct pointer pointer = {};
        TRY(extent_parse(fs, item.value, &pointer));
        from = item.key.offset;
        *blocks -= MIN(*blocks, pointer_stored(&pointer));
        TRY(dataset_delete(fs, dataset, item.key));
    }
    *out_done = false;
    return LATTICE_OK;
}

static lattice_status_t content_put_inline(struct lattice *fs, struct dataset *dataset,
                                           uint64_t object, struct view content) {
    struct key key = key_make(object, KEY_INLINE, 0, 0);
    if (content.size != 0) {
        return dataset_put(fs, dataset, key, content);
    }
    lattice_status_t status = dataset_delete(fs, dataset, key);
    return status == LATTICE_NOT_FOUND ? LATTICE_OK : status;
}

static void pieces_free(struct lattice *fs) {
    for (uint32_t i = 0; i < fs->pieces.count; i++) {
        const struct pointer *pointer = &fs->pieces.data[i];
        segments_free(fs, pointer_address(pointer, 0), pointer_stored(pointer));
    }
    fs->pieces.count = 0;
}

/* Writes a granule's content to new places; nothing refers to it yet. */
static lattice_status_t pieces_write(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                     uint64_t start, struct view content) {
    uint64_t at = 0;
    fs->pieces.count = 0;
    while (at < content.size) {
        struct pointer *pointer = &fs->pieces.data[fs->pieces.count];
        lattice_status_t status = piece_write(fs, dataset, object, start + at,
                                              view_sub(content, at, content.size - at), pointer);
        if (status != LATTICE_OK) {
            pieces_free(fs);
            return status;
        }
        fs->pieces.count++;
        at += (uint64_t)pointer_logical(pointer) * BLOCK_SIZE;
    }
    return LATTICE_OK;
}

static lattice_status_t pieces_put(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                   uint64_t start, struct inode *inode) {
    for (uint32_t i = 0; i < fs->pieces.count; i++) {
        struct pointer pointer = fs->pieces.data[i];
        TRY(dataset_put(fs, dataset, key_make(object, KEY_EXTENT, 0, start), VIEW_OF(pointer)));
        inode->blocks += pointer_stored(&pointer);
        start += (uint64_t)pointer_logical(&pointer) * BLOCK_SIZE;
    }
    return LATTICE_OK;
}

static lattice_status_t store_in_operation(struct lattice *fs, struct dataset *dataset,
                                           uint64_t object, uint64_t granule, struct view content,
                                           uint64_t size, bool may_inline, struct inode *inode) {
    uint64_t start = granule << inode->record_shift;
    uint64_t used = start < size ? MIN(size - start, (uint64_t)content.size) : 0;
    uint64_t rounded = (used + BLOCK_SIZE - 1) & ~(uint64_t)(BLOCK_SIZE - 1);
    bool inlined = may_inline && granule == 0 && size <= INLINE_MAX;
    bool zero = view_is_zero(view_sub(content, 0, used));
    bool done = false;
    TRY(pieces_write(fs, dataset, object, start,
                     view_sub(content, 0, inlined || zero ? 0 : rounded)));
    TRY(extents_delete(fs, dataset, object, start, start + granule_size(inode), &inode->blocks,
                       RECORD_BLOCKS_MAX + 1, &done));
    if (granule == 0) {
        TRY(content_put_inline(fs, dataset, object,
                               view_sub(content, 0, inlined && !zero ? used : 0)));
    }
    TRY(pieces_put(fs, dataset, object, start, inode));
    inode->size = size;
    return inode_put(fs, dataset, object, inode);
}

static lattice_status_t file_get(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                 struct inode *inode) {
    TRY(dataset->writable ? LATTICE_OK : LATTICE_READ_ONLY);
    TRY(inode_get(fs, dataset, object, inode));
    if (inode_type(inode) == MODE_DIRECTORY) {
        return LATTICE_IS_DIRECTORY;
    }
    return inode_type(inode) == MODE_FILE ? LATTICE_OK : LATTICE_INVALID;
}

/* ---- resizing ----
 *
 *   whole ──shrink: size and edge in one operation──▶ cut (INODE_CUT, ORPHAN item)
 * ──resize_step…──▶ whole
 *
 * While a file is cut, extents may lie beyond its size; they are removed before anything else
 * happens to it. */

enum { RESIZE_STEP = 24, INODE_CUT = 1 };

static lattice_status_t resize_step(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                    struct inode *inode, bool *out_done) {
    uint64_t granule = granule_size(inode);
    uint64_t rounded = (inode->size + granule - 1) & ~(granule - 1);
    TRY(extents_delete(fs, dataset, object, rounded, UINT64_MAX, &inode->blocks, RESIZE_STEP,
                       out_done));
    struct key orphan = key_make(0, KEY_ORPHAN, 0, object);
    if (*out_done && (inode->flags & INODE_CUT) != 0 && inode->links != 0) {
        TRY(dataset_delete(fs, dataset, orphan));
    } else if (!*out_done && (inode->flags & INODE_CUT) == 0 && inode->links != 0) {
        TRY(dataset_put(fs, dataset, orphan, (struct view){}));
    }
    inode->flags = (uint8_t)((inode->flags & ~INODE_CUT) | (*out_done ? 0 : INODE_CUT));
    return inode_put(fs, dataset, object, inode);
}

lattice_status_t file_finish_cut(struct lattice *fs, struct dataset *dataset, uint64_t object) {
    struct inode inode = {};
    TRY(inode_get(fs, dataset, object, &inode));
    bool done = (inode.flags & INODE_CUT) == 0;
    while (!done) {
        TRY(operation_begin(fs, dataset, SPACE_DELETE, 8, 64 * RESIZE_STEP));
        lattice_status_t status = dataset_reserve_kills(fs, dataset, RESIZE_STEP * 8);
        if (status == LATTICE_OK) {
            status = resize_step(fs, dataset, object, &inode, &done);
        }
        TRY(operation_end(fs, status));
    }
    return LATTICE_OK;
}

/* Stores an inline content as a record, before the file grows beyond INLINE_MAX through another
 * granule. */
static lattice_status_t inline_spill(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                     struct inode *inode) {
    struct view value = {};
    lattice_status_t status =
        tree_get(fs, &dataset->tree, key_make(object, KEY_INLINE, 0, 0), &value);
    if (status != LATTICE_OK) {
        return status == LATTICE_NOT_FOUND ? LATTICE_OK : status;
    }
    struct bytes content = bytes_sub(BYTES_OF(*fs->record_buffer), 0, granule_size(inode));
    TRY(granule_read(fs, dataset, object, inode, 0, content));
    TRY(operation_begin(fs, dataset, SPACE_DELETE, 8, INLINE_MAX + 4 * RECORD_BLOCKS_MAX * 128));
    return operation_end(fs, store_in_operation(fs, dataset, object, 0, bytes_view(content),
                                                inode->size, false, inode));
}

lattice_status_t granule_store(struct lattice *fs, struct dataset *dataset, uint64_t object,
                               uint64_t granule, struct view content, uint64_t size,
                               int64_t write_time) {
    struct inode inode = {};
    if (size > FILE_SIZE_MAX) {
        return LATTICE_TOO_LARGE;
    }
    TRY(file_get(fs, dataset, object, &inode));
    uint64_t end = (granule << inode.record_shift) + content.size;
    bool whole = content.size == granule_size(&inode);
    bool ends =
        content.size % BLOCK_SIZE == 0 && content.size < granule_size(&inode) && end >= size;
    if ((!whole && !ends) || size < inode.size) {
        return LATTICE_INVALID;
    }
    if ((inode.flags & INODE_CUT) != 0) {
        TRY(file_finish_cut(fs, dataset, object));
        TRY(inode_get(fs, dataset, object, &inode));
    }
    if (granule != 0 && inode.size <= INLINE_MAX && size > INLINE_MAX) {
        TRY(inline_spill(fs, dataset, object, &inode));
    }
    TRY(operation_begin(fs, dataset, SPACE_DELETE, 8, INLINE_MAX + 4 * RECORD_BLOCKS_MAX * 128));
    inode.write_time = write_time;
    inode.change_time = write_time;
    return operation_end(
        fs, store_in_operation(fs, dataset, object, granule, content, size, true, &inode));
}

lattice_status_t granule_store_packed(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                      uint64_t granule, struct view content,
                                      const struct packed *_Nullable packed, uint64_t size,
                                      int64_t write_time) {
    fs->packed = packed;
    lattice_status_t status =
        granule_store(fs, dataset, object, granule, content, size, write_time);
    fs->packed = nullptr;
    return status;
}

static lattice_status_t receive_in_operation(struct lattice *fs, struct dataset *dataset,
                                             uint64_t object, uint64_t offset, struct view content,
                                             struct inode *inode) {
    bool done = false;
    bool zero = view_is_zero(content);
    TRY(dataset_reserve_kills(fs, dataset, RECORD_BLOCKS_MAX * 4));
    TRY(pieces_write(fs, dataset, object, offset, view_sub(content, 0, zero ? 0 : content.size)));
    TRY(extents_delete(fs, dataset, object, offset, offset + granule_size(inode), &inode->blocks,
                       RECORD_BLOCKS_MAX + 1, &done));
    TRY(pieces_put(fs, dataset, object, offset, inode));
    return inode_put(fs, dataset, object, inode);
}

lattice_status_t granule_receive(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                 uint64_t offset, uint32_t size, struct view content) {
    struct inode inode = {};
    lattice_status_t status = file_get(fs, dataset, object, &inode);
    if (status == LATTICE_NOT_FOUND || status == LATTICE_IS_DIRECTORY ||
        status == LATTICE_INVALID) {
        return LATTICE_CORRUPT;
    }
    TRY(status);
    if (size != granule_size(&inode) || offset % size != 0 || offset > FILE_SIZE_MAX - size ||
        content.size > size) {
        return LATTICE_CORRUPT;
    }
    TRY(operation_begin(fs, dataset, SPACE_ORDINARY, 12, 0));
    return operation_end(fs, receive_in_operation(fs, dataset, object, offset, content, &inode));
}

static lattice_status_t resize_in_operation(struct lattice *fs, struct dataset *dataset,
                                            uint64_t object, uint64_t size, struct inode *inode) {
    bool shrink = size < inode->size;
    uint64_t edge = MIN(size, inode->size) >> inode->record_shift;
    struct bytes content = bytes_sub(BYTES_OF(*fs->record_buffer), 0, granule_size(inode));
    bool cuts = shrink && (size & (granule_size(inode) - 1)) != 0;
    bool spills = !shrink && inode->size <= INLINE_MAX && size > INLINE_MAX;
    inode->write_time = now(fs);
    inode->change_time = inode->write_time;
    if (cuts || spills || (shrink && size == 0)) {
        TRY(granule_read(fs, dataset, object, inode, edge, content));
        uint64_t start = edge << inode->record_shift;
        if (size - start < content.size) {
            bytes_zero(bytes_sub(content, size - start, content.size - (size - start)));
        }
        TRY(store_in_operation(fs, dataset, object, edge, bytes_view(content), size, true, inode));
    }
    inode->size = size;
    bool done = true;
    return shrink ? resize_step(fs, dataset, object, inode, &done)
                  : inode_put(fs, dataset, object, inode);
}

lattice_status_t file_resize(struct lattice *fs, struct dataset *dataset, uint64_t object,
                             uint64_t size) {
    struct inode inode = {};
    if (size > FILE_SIZE_MAX) {
        return LATTICE_TOO_LARGE;
    }
    TRY(file_get(fs, dataset, object, &inode));
    TRY(file_finish_cut(fs, dataset, object));
    TRY(operation_begin(fs, dataset, SPACE_DELETE, 10, INLINE_MAX + 4 * RECORD_BLOCKS_MAX * 128));
    lattice_status_t status = dataset_reserve_kills(fs, dataset, RESIZE_STEP * 8);
    if (status == LATTICE_OK) {
        status = inode_get(fs, dataset, object, &inode);
    }
    if (status == LATTICE_OK) {
        status = resize_in_operation(fs, dataset, object, size, &inode);
    }
    TRY(operation_end(fs, status));
    return file_finish_cut(fs, dataset, object);
}

lattice_status_t file_seek(struct lattice *fs, struct dataset *dataset, uint64_t object,
                           uint64_t offset, bool data, uint64_t *out_offset) {
    struct inode inode = {};
    TRY(inode_get(fs, dataset, object, &inode));
    if (offset >= inode.size) {
        return LATTICE_NOT_FOUND;
    }
    struct view value = {};
    uint64_t granule_start = offset & ~(uint64_t)(granule_size(&inode) - 1);
    lattice_status_t status =
        tree_get(fs, &dataset->tree, key_make(object, KEY_INLINE, 0, 0), &value);
    if (status == LATTICE_OK) {
        *out_offset = data ? offset : inode.size;
        return LATTICE_OK;
    }
    uint64_t at = granule_start;
    for (;;) {
        struct item item = {};
        status = tree_seek(fs, &dataset->tree, key_make(object, KEY_EXTENT, 0, at),
                           key_make(object, KEY_EXTENT, 0, UINT64_MAX), &item);
        if (status == LATTICE_NOT_FOUND) {
            *out_offset = offset;
            return data ? LATTICE_NOT_FOUND : LATTICE_OK;
        }
        TRY(status);
        struct pointer pointer = {};
        TRY(extent_parse(fs, item.value, &pointer));
        uint64_t end = item.key.offset + (uint64_t)pointer_logical(&pointer) * BLOCK_SIZE;
        at = item.key.offset + 1;
        if (end <= offset) {
            continue;
        }
        if (data) {
            *out_offset = MAX(offset, item.key.offset);
            return LATTICE_OK;
        }
        if (item.key.offset > offset) {
            *out_offset = offset;
            return LATTICE_OK;
        }
        offset = MIN(end, inode.size);
        if (offset == inode.size) {
            *out_offset = offset;
            return LATTICE_OK;
        }
    }
}

#pragma clang assume_nonnull end
