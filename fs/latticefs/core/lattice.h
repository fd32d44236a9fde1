#pragma once
/* The state of one mounted pool, shared by the modules of the core. Front ends see it as an opaque
 * structure (api.h). There are no globals: a process may hold many.
 *
 * Transaction states and the functions of their edges:
 *
 *   running ──operation_begin/operation_end──▶ running: changes live in dirty frames and lists
 *   running ──commit_begin──▶ in flight; the next one is running
 *   any ──operation_end after a partial failure, a failed flush or superblock──▶ aborted (mount
 *         again)
 *
 * One thing at most is in flight, a commit or a group of the log:
 *
 *   none ──log_begin──▶ logged ──flight_advance after a flush──▶ none
 *   none ──commit_begin──▶ written ──flight_advance after a flush: superblock──▶ named
 *   named ──flight_advance after a flush──▶ none
 *
 * The flushes need no lock of the front end (pool.h, struct flush): operations join the next
 * transaction meanwhile. Whoever needs the flight to be over may end it with flight_finish.
 *
 * Invariants:
 * 1. Nothing that the last two superblocks reach is overwritten (segments.c keeps freed blocks
 * busy).
 * 2. A frame is dirty exactly if its node was born in the running transaction.
 * 3. After LATTICE_ABORTED no byte is written any more; the disk holds the last commit and the log.
 * 4. While a commit is in flight its two predecessors are whole, and neither a second commit nor a
 * group of the log that follows it is begun.
 */
#include "cache.h"
#include "environment.h"
#include "format.h"
#include "segments.h"
#include "tree.h"

#pragma clang assume_nonnull begin

struct dead_list {
    uint32_t capacity;
    uint32_t count;
    struct dead_entry *_Nullable data COUNTED_BY(capacity);
};

struct birth_list {
    uint32_t capacity;
    uint32_t count;
    uint64_t *_Nullable data COUNTED_BY(capacity);
};

struct byte_list {
    uint32_t capacity;
    uint32_t count;
    uint8_t *_Nullable data COUNTED_BY(capacity);
};

/* An open dataset. */
struct dataset {
    struct dataset *_Nullable next;
    uint64_t id;
    struct dataset_record record;
    struct tree tree;
    uint64_t name_key[2];        /* of the cookies of names */
    struct dead_list dead;       /* dropped in the running transaction, not yet in the deadlist */
    struct birth_list snapshots; /* ascending births of this head's snapshots */
    uint32_t dead_chunks;        /* written to the pool tree in the running transaction */
    uint64_t reserved_blocks;    /* dirty granules of the front end, worst case */
    bool dirty;                  /* the record differs from the pool tree's */
    bool tree_written;           /* all of its nodes are, as they are now */
    bool writable;
    bool unlogged; /* a stream is being received: its changes are not for the log */
    uint32_t open_count;
};

struct disk {
    struct blkdev *_Nullable device; /* null = missing */
    bool stale;                      /* present, but lacks transactions: written, not trusted */
    uint64_t read_errors;
    uint64_t write_errors;
    uint64_t checksum_errors;
    uint64_t healed;
};

struct log_state {
    struct byte_list buffer; /* entries of complete operations, not yet on disk */
    struct byte_list flying; /* the same, of the flight, until it is over */
    uint64_t flying_seed;    /* the group that they are, or would be: of this log */
    uint64_t flying_number;
    bool flying_partial;     /* operations between these and the buffer's are missing */
    uint32_t operations;     /* in the buffer */
    uint32_t position;       /* next block in the area */
    uint32_t written_blocks; /* since the last commit */
    uint64_t number;
    uint64_t previous;
    uint32_t start_count; /* buffer length after the last complete operation */
    bool replaying;
    bool overflow; /* the buffer could not grow: the next sync must commit */
};

enum flight_stage { FLIGHT_NONE, FLIGHT_LOGGED, FLIGHT_WRITTEN, FLIGHT_NAMED };

/* What was written, and waits for a flush. */
struct flight {
    enum flight_stage stage;
    uint64_t number;      /* of this flight since the mount */
    uint64_t transaction; /* of a commit */
    uint64_t changes;     /* fs->changes when it began: durable when it is over */
};

struct statistics {
    uint64_t commits; /* begun */
    uint64_t log_groups;
    uint64_t reads;
    uint64_t writes;
    uint64_t flushes;
};

enum { WORK_SIZE = RECORD_BLOCKS_MAX * BLOCK_SIZE };

struct dead_chunk {
    struct dead_entry entries[DEADLIST_CHUNK];
};

struct work_buffer {
    union {
        uint8_t data[WORK_SIZE];
        struct log_group group;
        struct dead_chunk chunk;
        struct superblock super;
        struct dataset_record dataset;
    };
};
static_assert(sizeof(struct work_buffer) == WORK_SIZE);

struct table_buffer {
    union {
        struct index_page index;
        struct table_page table;
    };
};

struct secret_buffer {
    uint8_t data[NODE_BODY_SIZE];
};

struct piece_list {
    uint32_t count;
    struct pointer data[RECORD_BLOCKS_MAX];
};

/* How far into the free space an operation may go. */
enum space_class { SPACE_ORDINARY, SPACE_DELETE, SPACE_DESTROY };

struct key_entry;
struct packed;

struct lattice {
    struct environment environment;
    struct disk disks[DISKS_MAX];
    struct superblock super; /* of the last commit, in flight or done; the running one's fields are
                              * filled at commit */
    uint64_t transaction;    /* running */
    lattice_status_t aborted;
    bool read_only;
    bool rescue;           /* what cannot be read is left out */
    bool ignore_checksums; /* rescue, and tests of hostile images: structure is still validated */
    bool in_operation;
    enum space_class space;                /* of the operation in hand */
    struct piece_list pieces;              /* records of a granule that is being stored */
    const struct packed *_Nullable packed; /* its content, compressed ahead */
    bool modified;                         /* the operation in hand has changed a tree */
    bool disk_lost;                        /* a disk failed since the last commit began */
    struct flight flight;
    uint64_t changes;    /* operations that changed something since the mount */
    uint64_t durable;    /* so many of them are on the disks */
    uint64_t hash_mask;  /* for tests of collisions: all ones */
    uint32_t leaf_limit; /* nodes split when fuller: for tests of deep trees */
    uint32_t inner_limit;
    uint32_t scant_blocks; /* free in a segment: with less, more of the table is read first */
    uint64_t nonce_salt;
    uint32_t nonce_counter;
    struct segments segments;
    struct cache cache;
    struct tree pool_tree;
    struct dataset *_Nullable datasets;
    struct key_entry *_Nullable keys;
    uint64_t closed_reservations; /* unused blocks of heads that are not open */
    struct log_state log;
    struct statistics statistics;
    struct node *scratch_node;
    struct table_buffer *table_buffer;   /* a page of the segment table that is being read */
    struct work_buffer *record_buffer;   /* logical content of a record */
    struct work_buffer *stored_buffer;   /* compressed or encrypted content */
    struct node *sealed_node;            /* image of a node that is being written */
    struct secret_buffer *secret_buffer; /* values of a node that are being encrypted */
};

/* Opens an operation that makes at most `changes` tree changes and emits at most `log_bytes` of
 * values. After this, and after looking up every key that it will change, the operation cannot fail
 * for want of memory or space. Errors: LATTICE_ABORTED, LATTICE_READ_ONLY, LATTICE_NO_SPACE,
 * LATTICE_NO_MEMORY: nothing was changed. */
lattice_status_t operation_begin(struct lattice *fs, const struct dataset *_Nullable dataset,
                                 enum space_class space, uint32_t changes, uint32_t log_bytes);
/* Closes it. A failure after the first change aborts the transaction. Returns `status`, or
 * LATTICE_ABORTED. */
lattice_status_t operation_end(struct lattice *fs, lattice_status_t status);
/* The running transaction cannot be trusted any more. */
void lattice_abort(struct lattice *fs, lattice_status_t cause);

/* Writes everything of the running transaction, starts the next, and leaves the commit in flight. A
 * flight before it is finished first.
 * Errors: LATTICE_NO_MEMORY, LATTICE_IO: may be tried again; else aborted. */
lattice_status_t commit_begin(struct lattice *fs);
/* commit_begin, then flight_finish. */
lattice_status_t commit(struct lattice *fs);
/* The next step of what is in flight, after a flush of all disks that ended with `flushed`.
 * Errors: those of that flush or of a write, with which the transaction is aborted. */
lattice_status_t flight_advance(struct lattice *fs, lattice_status_t flushed);
/* Flushes until nothing is in flight. Blocks: on the disks. Errors: as flight_advance. */
lattice_status_t flight_finish(struct lattice *fs);
/* For log.c: something was written that waits for a flush. */
void flight_start(struct lattice *fs, enum flight_stage stage);
lattice_status_t superblock_write(struct lattice *fs);

static inline struct geometry geometry_of(const struct lattice *fs) {
    return (struct geometry){fs->super.segment_shift, fs->super.segment_count, fs->transaction};
}

/* Zeroed memory, or null. */
void *_Nullable memory_take(struct lattice *fs, size_t size);
/* Memory of any content, for what is written before it is read. */
void *_Nullable memory_take_raw(struct lattice *fs, size_t size);
void memory_give(struct lattice *fs, void *_Nullable memory, size_t size);

#pragma clang assume_nonnull end
