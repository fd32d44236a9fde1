#pragma once
/* The on-disk structures of docs/latticefs-format.md, and what tells a valid one from a hostile
 * one. The structures are read and written as they lie in memory, so every host must be
 * little-endian. */
#include "bytes.h"
#include "status.h"

#pragma clang assume_nonnull begin

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "structures lie on disk as in memory");

enum {
    BLOCK_SIZE = 4096,
    BLOCK_SHIFT = 12,
    SECTOR_SIZE = 512,
    NODE_BLOCKS = 4,
    NODE_SIZE = NODE_BLOCKS * BLOCK_SIZE,
    NODE_HEADER_SIZE = 64,
    NODE_BODY_SIZE = NODE_SIZE - NODE_HEADER_SIZE,
    LEVEL_MAX = 7,
    DEPTH_MAX = LEVEL_MAX + 1,
    VALUE_MAX = 4096,
    RECORD_BLOCKS_MAX = 64,
    RECORD_SHIFT_MIN = 12,
    RECORD_SHIFT_MAX = 18,
    INLINE_MAX = 2048,
    NAME_MAX_BYTES = 255,
    SYMLINK_MAX = 4095,
    XATTR_INLINE_MAX = 3600,
    XATTR_CHUNK = 4000,
    XATTR_VALUE_MAX = 65536,
    LINKS_MAX = 65000,
    SEGMENT_SHIFT_MIN = 8,
    SEGMENT_SHIFT_MAX = 15,
    SEGMENT_HEAD_BLOCKS = 4, /* three bitmap slots, one reserved */
    SLOTS = 3,
    RING_SLOTS = 32,
    RING_START = 16,
    TABLE_START = RING_START + RING_SLOTS,
    DISKS_MAX = 16,
    COPIES_MAX = 4,
    INDEX_PAGES_MAX = 128,
    REFERENCES_PER_PAGE = 252,
    SEGMENTS_PER_PAGE = 63,
    DEADLIST_CHUNK = 128,
    LATTICE_VERSION = 1,
};

#define SUPERBLOCK_MAGIC UINT64_C(0x314543495454414c)
#define INDEX_MAGIC UINT32_C(0x5849544c)
#define TABLE_MAGIC UINT32_C(0x4254544c)
#define NODE_MAGIC UINT32_C(0x444e544c)
#define LOG_MAGIC UINT32_C(0x474c544c)
#define PLACE_NONE UINT64_MAX
#define ADDRESS_MASK ((UINT64_C(1) << 48) - 1)
#define FILE_SIZE_MAX ((uint64_t)INT64_MAX)

enum key_type : uint8_t {
    KEY_DATASET = 1,
    KEY_DATASET_NAME = 2,
    KEY_SNAPSHOT_NAME = 3,
    KEY_DEADLIST = 4,
    KEY_JOB = 5,
    KEY_RECEIVE = 6,
    KEY_INODE = 16,
    KEY_DIRENT = 17,
    KEY_XATTR = 18,
    KEY_XATTR_DATA = 19,
    KEY_INLINE = 20,
    KEY_EXTENT = 21,
    KEY_ORPHAN = 22,
};

enum compression : uint8_t { COMPRESSION_NONE = 0, COMPRESSION_LZ4 = 1, COMPRESSION_ZSTD = 2 };
enum checksum_kind : uint8_t { CHECKSUM_XXH64 = 1, CHECKSUM_BLAKE2B = 2 };
enum pointer_type : uint8_t { POINTER_NODE = 1, POINTER_RECORD = 2 };
enum cipher : uint8_t { CIPHER_NONE = 0, CIPHER_XCHACHA = 1, CIPHER_AES_GCM = 2 };
enum dataset_flags : uint16_t { DATASET_READ_ONLY = 1 };
enum dataset_kind : uint8_t { DATASET_HEAD = 1, DATASET_SNAPSHOT = 2 };
enum dataset_state : uint8_t { DATASET_WHOLE = 0, DATASET_DESTROYING = 1, DATASET_RECEIVING = 2 };
enum segment_state : uint8_t { SEGMENT_ABSENT = 0, SEGMENT_UNWRITTEN = 1, SEGMENT_WRITTEN = 2 };
enum segment_class : uint8_t { CLASS_FREE = 0, CLASS_METADATA = 1, CLASS_DATA = 2 };
enum disk_state : uint32_t {
    DISK_NONE = 0,
    DISK_ONLINE = 1,
    DISK_MISSING = 2,
    DISK_RESILVERING = 3
};
enum job_kind : uint8_t { JOB_TREE = 1, JOB_DEADLIST = 2 };

struct key {
    uint64_t object;
    uint64_t kind; /* type << 56 | sub */
    uint64_t offset;
};
static_assert(sizeof(struct key) == 24);

struct pointer {
    uint64_t place0; /* address 48, stored blocks 8, logical blocks 8 */
    uint64_t place1; /* address 48, compression 8, checksum kind 8 */
    uint64_t birth;
    uint8_t type;
    uint8_t level;
    uint8_t cipher;
    uint8_t flags;
    uint32_t nonce_counter;
    uint64_t nonce_salt;
    uint8_t tag[16];
    uint64_t checksum;
};
static_assert(sizeof(struct pointer) == 64 && offsetof(struct pointer, tag) == 40);

struct page_reference {
    uint64_t checksum;
    uint8_t slot;
    uint8_t written; /* in memory only, zero on a disk: in the running transaction */
    uint8_t missing; /* the same: the page was not read yet */
    uint8_t reserved[5];
};
static_assert(sizeof(struct page_reference) == 16);

struct disk_record {
    uint8_t identity[16];
    uint64_t blocks;
    uint64_t missing_since;
    uint32_t segments;
    uint32_t state;
    uint8_t reserved[24];
};
static_assert(sizeof(struct disk_record) == 64);

struct superblock {
    uint64_t magic;
    uint64_t checksum;
    uint32_t version;
    uint8_t segment_shift;
    uint8_t copies;
    uint8_t node_copies;
    uint8_t disk;
    uint64_t feature_compatible;
    uint64_t feature_read_only;
    uint64_t feature_incompatible;
    uint8_t pool[16];
    uint64_t transaction;
    int64_t time;
    uint32_t disk_count;
    uint32_t segment_count;
    uint32_t table_pages;
    uint32_t index_pages;
    uint64_t next_dataset;
    uint64_t log_address;
    uint32_t log_blocks;
    uint32_t log_position;
    uint64_t log_seed;
    struct pointer pool_root;
    uint64_t used_blocks;
    uint64_t next_guid;
    uint64_t free_quads; /* in all bitmaps; 0: not known */
    uint8_t reserved0[40];
    struct disk_record disks[DISKS_MAX];
    struct page_reference index[INDEX_PAGES_MAX];
    uint8_t reserved1[768];
};
static_assert(sizeof(struct superblock) == BLOCK_SIZE);
static_assert(offsetof(struct superblock, pool_root) == 128);
static_assert(offsetof(struct superblock, disks) == 256);
static_assert(offsetof(struct superblock, index) == 1280);

struct index_page {
    uint32_t magic;
    uint32_t number;
    uint64_t transaction;
    uint8_t reserved[48];
    struct page_reference entries[REFERENCES_PER_PAGE];
};
static_assert(sizeof(struct index_page) == BLOCK_SIZE);

struct segment_entry {
    uint8_t state;
    uint8_t class;
    uint8_t slot;
    uint8_t copies;
    uint32_t free_blocks;
    uint32_t free_quads;
    uint32_t reserved;
    uint64_t version;
    uint64_t checksum;
    uint64_t place[COPIES_MAX];
};
static_assert(sizeof(struct segment_entry) == 64);

struct table_page {
    uint32_t magic;
    uint32_t number;
    uint64_t transaction;
    uint8_t reserved[48];
    struct segment_entry entries[SEGMENTS_PER_PAGE];
};
static_assert(sizeof(struct table_page) == BLOCK_SIZE);

struct bitmap {
    uint64_t words[BLOCK_SIZE / sizeof(uint64_t)];
};
static_assert(sizeof(struct bitmap) == BLOCK_SIZE);

struct leaf_slot {
    struct key key;
    uint16_t offset;
    uint16_t length;
    uint32_t reserved;
};
static_assert(sizeof(struct leaf_slot) == 32);

struct child {
    struct key key;
    struct pointer pointer;
};
static_assert(sizeof(struct child) == 88);

enum {
    LEAF_SLOTS_MAX = NODE_BODY_SIZE / sizeof(struct leaf_slot),
    CHILDREN_MAX = NODE_BODY_SIZE / sizeof(struct child),
};
static_assert(CHILDREN_MAX == 185);

struct node {
    uint32_t magic;
    uint8_t level;
    uint8_t reserved0;
    uint16_t count;
    uint64_t owner;
    uint64_t birth;
    uint64_t address;
    uint16_t heap; /* on disk, and in memory: bytes of live values */
    uint8_t reserved1[30];
    union {
        struct leaf_slot slots[LEAF_SLOTS_MAX];
        struct child children[CHILDREN_MAX];
        uint8_t body[NODE_BODY_SIZE];
    };
};
static_assert(sizeof(struct node) == NODE_SIZE && offsetof(struct node, body) == NODE_HEADER_SIZE);

struct dataset_record {
    uint8_t kind;
    uint8_t state;
    uint8_t record_shift;
    uint8_t compression;
    uint8_t checksum_kind;
    uint8_t cipher;
    uint16_t flags;
    uint64_t head;
    struct pointer root;
    uint64_t birth;
    int64_t time;
    uint64_t origin;
    uint64_t origin_birth;
    uint64_t previous;
    uint64_t previous_birth;
    uint64_t next;
    uint64_t next_object;
    uint64_t name_key[2];
    uint64_t referenced_blocks;
    uint64_t object_count;
    uint64_t quota_blocks;
    uint64_t reservation_blocks;
    uint64_t deadlist;
    uint64_t deadlist_blocks;
    uint32_t clone_count;
    uint32_t reserved0;
    uint64_t guid;
    uint64_t received_guid;
    uint64_t kdf_operations;
    uint64_t kdf_memory;
    uint8_t kdf_salt[16];
    uint8_t wrapped_key[48];
    uint8_t wrap_nonce[24];
    uint8_t nonce_fixed[12];
    uint8_t reserved1[20];
    uint16_t name_length;
    uint8_t name[255];
    uint8_t reserved2[143];
};
static_assert(sizeof(struct dataset_record) == 768);
static_assert(offsetof(struct dataset_record, name_key) == 144);
static_assert(offsetof(struct dataset_record, kdf_operations) == 232);
static_assert(offsetof(struct dataset_record, name) == 370);

struct dead_entry {
    uint64_t place; /* address 48, blocks 16 */
    uint64_t birth;
};
static_assert(sizeof(struct dead_entry) == 16);

struct job_record {
    uint8_t kind;
    uint8_t reserved0[7];
    struct pointer root;
    uint64_t floor;
    struct key cursor;
    uint64_t deadlist;
    uint64_t dataset;
    uint8_t reserved1[72];
};
static_assert(sizeof(struct job_record) == 192);

/* How far an unfinished stream into a dataset came. */
struct receive_record {
    uint64_t guid;
    uint64_t from_guid;
    struct key cursor;
    uint8_t reserved[24];
};
static_assert(sizeof(struct receive_record) == 64);

struct inode {
    uint32_t mode;
    uint32_t links;
    uint32_t user;
    uint32_t group;
    uint64_t size;
    uint64_t device;
    uint64_t generation;
    uint64_t parent;
    int64_t read_time;
    int64_t write_time;
    int64_t change_time;
    int64_t birth_time;
    uint8_t record_shift;
    uint8_t flags;
    uint16_t reserved0;
    uint32_t xattr_count;
    uint64_t blocks;
    uint8_t reserved1[64];
};
static_assert(sizeof(struct inode) == 160);

struct dirent_head {
    uint64_t object;
    uint8_t type;
    uint8_t name_length;
    uint8_t name[];
};

enum { DIRENT_HEAD_SIZE = 10 };
static_assert(offsetof(struct dirent_head, name) == DIRENT_HEAD_SIZE);

struct log_group {
    uint32_t magic;
    uint32_t bytes;
    uint64_t number;
    uint64_t seed;
    uint64_t previous;
    uint64_t checksum;
    uint32_t operations;
    uint8_t reserved[20];
};
static_assert(sizeof(struct log_group) == 64);

enum log_kind : uint8_t { LOG_PUT = 1, LOG_DELETE = 2, LOG_DELETE_RANGE = 3, LOG_END = 4 };

struct log_entry {
    uint8_t kind;
    uint8_t reserved[5];
    uint16_t length;
    uint64_t dataset;
    struct key key;
};
static_assert(sizeof(struct log_entry) == 40);

/* ---- accessors ---- */

static inline struct key key_make(uint64_t object, enum key_type type, uint64_t sub,
                                  uint64_t offset) {
    return (struct key){object, (uint64_t)type << 56 | sub, offset};
}
static inline uint8_t key_type(struct key key) {
    return (uint8_t)(key.kind >> 56);
}
static inline uint64_t key_sub(struct key key) {
    return key.kind & (UINT64_MAX >> 8);
}
static inline int key_compare(struct key a, struct key b) {
    if (a.object != b.object) {
        return a.object < b.object ? -1 : 1;
    }
    if (a.kind != b.kind) {
        return a.kind < b.kind ? -1 : 1;
    }
    return a.offset < b.offset ? -1 : a.offset > b.offset;
}
static inline bool key_less(struct key a, struct key b) {
    return key_compare(a, b) < 0;
}
static inline bool key_equal(struct key a, struct key b) {
    return key_compare(a, b) == 0;
}
/* The key right after; the greatest key stays. */
struct key key_next(struct key key);
#define KEY_MIN ((struct key){0, 0, 0})
#define KEY_MAX ((struct key){UINT64_MAX, UINT64_MAX, UINT64_MAX})

static inline uint64_t pointer_address(const struct pointer *pointer, unsigned copy) {
    return (copy == 0 ? pointer->place0 : pointer->place1) & ADDRESS_MASK;
}
static inline uint32_t pointer_stored(const struct pointer *pointer) {
    return (pointer->place0 >> 48) & 0xff;
}
static inline uint32_t pointer_logical(const struct pointer *pointer) {
    return (uint32_t)(pointer->place0 >> 56);
}
static inline uint8_t pointer_compression(const struct pointer *pointer) {
    return (pointer->place1 >> 48) & 0xff;
}
static inline uint8_t pointer_checksum_kind(const struct pointer *pointer) {
    return (uint8_t)(pointer->place1 >> 56);
}
static inline bool pointer_is_null(const struct pointer *pointer) {
    return pointer->type == 0;
}
/* Blocks that a pointer owns, both copies counted. */
static inline uint32_t pointer_owned(const struct pointer *pointer) {
    return pointer_stored(pointer) * (pointer_address(pointer, 1) != 0 ? 2 : 1);
}
struct pointer pointer_make(enum pointer_type type, uint8_t level, uint64_t address0,
                            uint64_t address1, uint64_t birth);
void pointer_set_sizes(struct pointer *pointer, uint32_t stored, uint32_t logical,
                       enum compression compression);
void pointer_set_kind(struct pointer *pointer, enum checksum_kind kind);

/* ---- validation ---- */

/* The limits against which addresses are judged. */
struct geometry {
    uint8_t segment_shift;
    uint32_t segment_count;
    uint64_t transaction; /* no birth is above it */
};

lattice_status_t superblock_validate(const struct superblock *superblock, uint64_t disk_blocks);
lattice_status_t run_validate(const struct geometry *geometry, uint64_t address, uint32_t blocks);
lattice_status_t pointer_validate(const struct geometry *geometry, const struct pointer *pointer,
                                  enum pointer_type type, uint8_t level);
/* The whole of the node, against the pointer to it and the half-open range of keys allowed in it.
 */
lattice_status_t node_validate(const struct geometry *geometry, const struct node *node,
                               const struct pointer *pointer, struct key low, struct key high,
                               bool high_bounded);
lattice_status_t dataset_record_validate(const struct geometry *geometry,
                                         const struct dataset_record *record);
lattice_status_t inode_validate(const struct inode *inode);
lattice_status_t segment_entry_validate(const struct superblock *superblock,
                                        const struct segment_entry *entry);

/* First physical block of a physical segment. */
uint64_t layout_segment_start(const struct superblock *superblock, uint64_t segment);
/* Physical segments that a disk of so many blocks has. */
uint64_t layout_segments(const struct superblock *superblock, uint64_t disk_blocks);

#pragma clang assume_nonnull end
