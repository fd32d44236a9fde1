#pragma once
/* The frames of a stream: section 9 of docs/latticefs-format.md. */
#include "format.h"
#include "send.h"

#pragma clang assume_nonnull begin

#define STREAM_MAGIC UINT32_C(0x5453544c)
enum { STREAM_VERSION = 1, STREAM_PAYLOAD_MAX = 24 + RECORD_BLOCKS_MAX * BLOCK_SIZE };

enum stream_kind : uint8_t {
    STREAM_BEGIN = 1,
    STREAM_ITEM = 2,
    STREAM_DELETE = 3,
    STREAM_DELETE_OBJECT = 4,
    STREAM_GRANULE = 5,
    STREAM_END = 6,
};

struct stream_header {
    uint32_t magic;
    uint8_t kind;
    uint8_t reserved[3];
    uint32_t bytes; /* of the payload */
    uint32_t reserved1;
    uint64_t number;
    uint64_t checksum; /* XXH64 of header and payload, with the checksum of the frame before here */
};
static_assert(sizeof(struct stream_header) == 32);

struct stream_begin {
    uint32_t version;
    uint32_t flags;
    uint64_t guid;
    uint64_t from_guid;
    struct key cursor;
    int64_t time;
    uint64_t next_object;
    uint64_t name_key[2];
    uint8_t record_shift;
    uint8_t compression;
    uint8_t checksum_kind;
    uint8_t reserved[3];
    uint16_t name_length;
    uint8_t name[256];
};
static_assert(sizeof(struct stream_begin) == 344);

struct stream_granule {
    uint64_t object;
    uint64_t offset;
    uint32_t size; /* of the granule; the content may be shorter */
    uint32_t reserved;
};
static_assert(sizeof(struct stream_granule) == 24);

struct stream_frame {
    struct stream_header header;
    union {
        uint8_t payload[STREAM_PAYLOAD_MAX];
        struct stream_begin begin;
        struct key key; /* of an item, its value behind it */
        uint64_t object;
        struct stream_granule granule;
    };
};
static_assert(offsetof(struct stream_frame, payload) == 32);

#pragma clang assume_nonnull end
