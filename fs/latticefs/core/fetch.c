/* Reading a record without the file system. */
#include "fetch.h"
#include "checksum.h"
#include "compress.h"
#include "dataset.h"
#include "pool.h"

#pragma clang assume_nonnull begin

lattice_status_t record_locate(struct lattice *fs, struct dataset *dataset, uint64_t object,
                               uint64_t offset, uint64_t file_size, uint32_t granule_bytes,
                               struct record_source *out) {
    struct item item = {};
    uint32_t disk = 0;
    *out = (struct record_source){.size = offset < file_size ? file_size - offset : 0};
    if (file_size <= INLINE_MAX || dataset->tree.key != nullptr || fs->ignore_checksums) {
        return LATTICE_UNSUPPORTED;
    }
    lattice_status_t status =
        tree_seek(fs, &dataset->tree, key_make(object, KEY_EXTENT, 0, offset),
                  key_make(object, KEY_EXTENT, 0, offset + granule_bytes), &item);
    if (status == LATTICE_NOT_FOUND) {
        return LATTICE_OK;
    }
    TRY(status);
    TRY(item.value.size == sizeof out->pointer ? LATTICE_OK : LATTICE_CORRUPT);
    bytes_copy(BYTES_OF(out->pointer), item.value);
    struct geometry geometry = geometry_of(fs);
    TRY(pointer_validate(&geometry, &out->pointer, POINTER_RECORD, 0));
    uint64_t here = MIN(out->size, (uint64_t)granule_bytes);
    if (item.key.offset != offset || out->pointer.cipher != CIPHER_NONE ||
        (uint64_t)pointer_logical(&out->pointer) * BLOCK_SIZE < here ||
        pointer_logical(&out->pointer) * BLOCK_SIZE > granule_bytes ||
        !pool_place(fs, pointer_address(&out->pointer, 0), 0, &disk, &out->block) ||
        !disk_present(fs, disk) || fs->disks[disk].stale) {
        return LATTICE_UNSUPPORTED;
    }
    out->device = fs->disks[disk].device;
    fs->statistics.reads++;
    return LATTICE_OK;
}

static lattice_status_t record_unpack(const struct record_source *source, struct bytes scratch,
                                      struct bytes to) {
    const struct pointer *pointer = &source->pointer;
    struct blkdev *device = SOME(source->device);
    uint32_t blocks = pointer_stored(pointer);
    bool plain = pointer_compression(pointer) == COMPRESSION_NONE;
    struct bytes stored = bytes_sub(plain ? to : scratch, 0, (size_t)blocks * BLOCK_SIZE);
    struct bytes content = bytes_sub(to, 0, (size_t)pointer_logical(pointer) * BLOCK_SIZE);
    if (source->block > device->block_count || blocks > device->block_count - source->block) {
        return LATTICE_IO;
    }
    TRY(device->read(device->context, source->block, blocks, SOME(stored.data)));
    if (!checksum_matches(pointer, bytes_view(stored))) {
        return LATTICE_CORRUPT;
    }
    if (plain) {
        return stored.size == content.size ? LATTICE_OK : LATTICE_CORRUPT;
    }
    return decompress_record(pointer_compression(pointer), bytes_view(stored), content);
}

lattice_status_t record_fetch(const struct record_source *source, struct bytes scratch,
                              struct bytes to) {
    size_t filled = 0;
    if (source->device != nullptr) {
        TRY(record_unpack(source, scratch, to));
        filled = MIN((size_t)pointer_logical(&source->pointer) * BLOCK_SIZE, source->size);
    }
    bytes_zero(bytes_sub(to, filled, to.size - filled));
    return LATTICE_OK;
}

#pragma clang assume_nonnull end
