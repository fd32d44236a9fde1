#pragma once
/* What the vault of ramfs holds: five tables of fixed records, each checksummed alone.
 *
 *   super      what holds for the whole file system
 *   inodes     files of every kind; number 0 is never used, ROOT_INODE is the root directory
 *   entries    names: (directory, name) -> inode. A directory is the entries that name it as parent
 *   texts      what of a long name does not fit into its entry
 *   sessions   open files and directories; a session's cookie is slot | generation << 32
 *   contexts   how a mount of this file system was entered: number, flags, where `..` leads
 *   marks      directories that another file system is mounted on
 *   locks      record locks
 *
 * Bulk bytes are not here: the keep holds, in slot KEEP_INODE + number, a regular file's Memory, a
 * long link's target in a Memory, or what stands behind a fifo or socket.
 *
 * Invariants: (F1) a record of zeros is free and needs no checksum; (F2) an inode's links is the
 * number of entries that name it, plus 1 for a directory and 1 for each directory in it; (F3) an
 * inode with links 0 is there only as long as a session has it open; (F4) generations of inodes
 * and sessions only grow while their slot is reused. */
#include "lib/rt/message.h"

enum {
    INODE_COUNT = 16384,
    ENTRY_COUNT = 20480,
    TEXT_COUNT = 1024,
    SESSION_COUNT = 4096,
    CONTEXT_COUNT = 128,
    MARK_COUNT = 64,
    LOCK_COUNT = 512,

    ROOT_INODE = 1,
    NAME_LIMIT = 255,
    ENTRY_NAME = 32,
    TEXT_BYTES = 240,
    INLINE_TARGET = 32,

    KEEP_INODE = 1, /* + number of the inode */
    KEEP_CONTEXT = KEEP_INODE + INODE_COUNT,
    KEEP_MARK = KEEP_CONTEXT + CONTEXT_COUNT,
    KEEP_SLOTS = KEEP_MARK + MARK_COUNT,

    RAMFS_VERSION = 1,
    RAMFS_DEVICE = 2 /* st_dev */
};

struct super_record {
    struct rt_record_header header;
    uint64_t filled; /* the boot archive was unpacked whole */
    uint64_t device;
    uint64_t reserved;
};

struct inode_record {
    uint64_t checksum;
    uint32_t generation;
    uint32_t mode; /* 0: free */
    uint32_t uid, gid;
    uint32_t links;
    uint32_t parent; /* of a directory; the root's is itself, a removed one's is 0 */
    uint64_t node;   /* number of a device */
    /* Explicit times. A Memory's own stamp counts where it is younger than its *_set time. */
    int64_t access_ns, modify_ns, change_ns, birth_ns;
    int64_t access_set_ns, modify_set_ns;
    uint32_t offered; /* the keep has something behind this fifo or socket */
    uint32_t target_length;
    uint8_t target[INLINE_TARGET];
};
static_assert(sizeof(struct inode_record) == 128);

struct entry_record {
    uint64_t checksum;
    uint64_t cookie; /* grows within the table: the order of read_directory */
    uint32_t parent;
    uint32_t inode; /* 0: free */
    uint32_t name_length;
    uint32_t text; /* 0, or the slot + 1 of the name's rest */
    uint8_t name[ENTRY_NAME];
};
static_assert(sizeof(struct entry_record) == 64);

struct text_record {
    uint64_t checksum;
    uint32_t entry; /* slot + 1; 0: free */
    uint32_t reserved;
    uint8_t bytes[TEXT_BYTES];
};
static_assert(sizeof(struct text_record) == 256);

enum session_kind : uint32_t {
    SESSION_FREE = 0,
    SESSION_FILE = 1, /* anything that is open: regular, directory, fifo, device */
    SESSION_PATH = 2, /* a place only (O_PATH) */
    SESSION_GATE = 3, /* leads to `inode` for mount `mount`; enter() makes a context of it */
    SESSION_OWNER = 4 /* of record locks; no inode */
};
/* Opened for writing by somebody whose writes take set-id bits away (no CAP_FSETID). */
enum : uint32_t { SESSION_PLAIN = 1u << 31 };
struct session_record {
    uint64_t checksum;
    uint32_t generation;
    uint32_t kind; /* enum session_kind */
    uint32_t inode;
    uint32_t context;
    uint32_t floor; /* `..` stops at this inode; 0: at the context's root */
    uint32_t open;  /* FILESYSTEM_OPEN_FLAGS, SESSION_PLAIN */
    uint32_t how;   /* mount flags in force */
    uint32_t flock; /* enum filesystem_lock_kind */
    uint64_t mount; /* of a gate */
    uint64_t owner_serial;
};
static_assert(sizeof(struct session_record) == 56);

struct context_record {
    uint64_t checksum;
    uint64_t mount; /* 0: free */
    uint32_t root;  /* inode */
    uint32_t how;
};
static_assert(sizeof(struct context_record) == 24);

struct mark_record {
    uint64_t checksum;
    uint64_t mount; /* 0: free */
    uint32_t inode;
    uint32_t reserved;
};
static_assert(sizeof(struct mark_record) == 24);

struct lock_record {
    uint64_t checksum;
    uint64_t start, end; /* end: one behind the last byte; UINT64_MAX: no end */
    uint32_t inode;      /* 0: free */
    uint32_t owner;      /* session slot */
    uint32_t kind;       /* enum filesystem_lock_kind */
    uint32_t pid;
};
static_assert(sizeof(struct lock_record) == 40);

struct ramfs_vault {
    union {
        struct super_record super;
        uint8_t page[4096];
    };
    struct inode_record inodes[INODE_COUNT];
    struct entry_record entries[ENTRY_COUNT];
    struct text_record texts[TEXT_COUNT];
    struct session_record sessions[SESSION_COUNT];
    struct context_record contexts[CONTEXT_COUNT];
    struct mark_record marks[MARK_COUNT];
    struct lock_record locks[LOCK_COUNT];
};

enum {
    MODE_KIND = 0170000,
    MODE_FIFO = 0010000,
    MODE_CHARACTER = 0020000,
    MODE_DIRECTORY = 0040000,
    MODE_BLOCK = 0060000,
    MODE_REGULAR = 0100000,
    MODE_LINK = 0120000,
    MODE_SOCKET = 0140000,
    MODE_SET_UID = 04000,
    MODE_SET_GID = 02000,
    MODE_STICKY = 01000
};
