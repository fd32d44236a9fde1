/* Compression over the libraries of the host. */
#include "compress.h"
#include <lz4.h>
#include <zstd.h>

#pragma clang assume_nonnull begin

enum { ZSTD_LEVEL = 3, PREFIX = 4 };

static size_t compress_bytes(enum compression kind, struct view from, struct bytes to) {
    if (kind == COMPRESSION_LZ4) {
        int size = LZ4_compress_default((const char *)SOME(from.data), (char *)SOME(to.data),
                                        (int)from.size, (int)to.size);
        return size > 0 ? (size_t)size : 0;
    }
    size_t size = ZSTD_compress(SOME(to.data), to.size, SOME(from.data), from.size, ZSTD_LEVEL);
    return ZSTD_isError(size) != 0 ? 0 : size;
}

uint32_t compress_record(enum compression kind, struct view from, struct bytes to) {
    if (kind == COMPRESSION_NONE || from.size < 2 * (size_t)BLOCK_SIZE) {
        return 0;
    }
    /* Room for one block less: what does not fit is not worth it, and the library stops early. */
    struct bytes room = bytes_sub(to, PREFIX, from.size - BLOCK_SIZE - PREFIX);
    uint32_t size = (uint32_t)compress_bytes(kind, from, room);
    if (size == 0) {
        return 0;
    }
    uint32_t blocks = (size + PREFIX + BLOCK_SIZE - 1) / BLOCK_SIZE;
    bytes_copy(to, VIEW_OF(size));
    bytes_zero(bytes_sub(to, PREFIX + size, blocks * BLOCK_SIZE - PREFIX - size));
    return blocks;
}

struct packed compress_ahead(enum compression kind, struct view from, struct bytes to) {
    uint32_t stored = compress_record(kind, from, to);
    return (struct packed){.kind = kind,
                           .logical_blocks = (uint32_t)(from.size / BLOCK_SIZE),
                           .stored = view_sub(bytes_view(to), 0, stored * BLOCK_SIZE)};
}

lattice_status_t decompress_record(uint8_t kind, struct view from, struct bytes to) {
    uint32_t size = 0;
    if (from.size < PREFIX) {
        return LATTICE_CORRUPT;
    }
    bytes_copy(BYTES_OF(size), view_sub(from, 0, PREFIX));
    if (size == 0 || size > from.size - PREFIX) {
        return LATTICE_CORRUPT;
    }
    struct view packed = view_sub(from, PREFIX, size);
    if (kind == COMPRESSION_LZ4) {
        int got = LZ4_decompress_safe((const char *)SOME(packed.data), (char *)SOME(to.data),
                                      (int)packed.size, (int)to.size);
        return got >= 0 && (size_t)got == to.size ? LATTICE_OK : LATTICE_CORRUPT;
    }
    size_t got = ZSTD_decompress(SOME(to.data), to.size, SOME(packed.data), packed.size);
    return ZSTD_isError(got) == 0 && got == to.size ? LATTICE_OK : LATTICE_CORRUPT;
}

#pragma clang assume_nonnull end
