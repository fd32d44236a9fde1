/* The core alone, over a disk in memory, in executed instructions per operation
 * (bench/posix/measure.h says how they are counted, and what is refused). As the first process of a
 * Linux guest it powers off at its end. The pool has one disk, records of 4 KiB, no compression and
 * XXH64: what is measured is the file system, not its libraries. */
#include "bench/posix/measure.h"
#include "fs/latticefs/core/granule.h"
#include "fs/latticefs/core/mount.h"
#include "fs/latticefs/core/snapshot.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

enum { DISK_BLOCKS = 56 * 1024, FILES = 10000, BATCH_NAMES = 100, DATA_BLOCKS = 1024 };

struct block {
    uint8_t data[4096];
};

struct pool {
    struct {
        struct block blocks[DISK_BLOCKS];
    } *disk;
    struct blkdev device;
    struct lattice *fs;
    struct dataset *dataset;
    struct granule_cache *cache;
    uint64_t data_object;
    uint64_t next_name;
    uint64_t dice;
};

static struct pool pool;

/* ---- the environment ---- */

static uint64_t roll(void) {
    pool.dice = pool.dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return pool.dice >> 33;
}

static lattice_status_t disk_read_blocks(void *context, uint64_t block, uint32_t count, void *to) {
    (void)context;
    bytes_copy(bytes_of(to, (size_t)count * sizeof(struct block)),
               view_of(&pool.disk->blocks[block], (size_t)count * sizeof(struct block)));
    return LATTICE_OK;
}

static lattice_status_t disk_write_blocks(void *context, uint64_t block, uint32_t count,
                                          const void *from) {
    (void)context;
    bytes_copy(bytes_of(&pool.disk->blocks[block], (size_t)count * sizeof(struct block)),
               view_of(from, (size_t)count * sizeof(struct block)));
    return LATTICE_OK;
}

static lattice_status_t disk_flush(void *context) {
    (void)context;
    return LATTICE_OK;
}

static void disk_trim(void *context, uint64_t block, uint64_t count) {
    (void)context;
    (void)block;
    (void)count;
}

static int64_t now_ns(void *context) {
    (void)context;
    return 1000000000;
}

static void random_bytes(void *context, void *buffer, size_t size) {
    (void)context;
    for (size_t at = 0; at < size; at += 1) {
        uint8_t byte = (uint8_t)roll();
        bytes_copy(bytes_sub(bytes_of(buffer, size), at, 1), VIEW_OF(byte));
    }
}

static void *_Nullable allocate(void *context, size_t size) {
    (void)context;
    return malloc(size);
}

static void release(void *context, void *memory, size_t size) {
    (void)context;
    (void)size;
    free(memory);
}

/* ---- rows; a failure fails the row ---- */

struct name {
    char text[32];
};

static struct name name_of(const char *kind, uint64_t number) {
    struct name name = {};
    snprintf(name.text, sizeof name.text, "%s%llu", kind, (unsigned long long)number);
    return name;
}

static bool create(const char *kind, uint64_t number, uint64_t *out) {
    struct create_attributes attributes = {.mode = MODE_FILE << 12 | 0644};
    const struct name name = name_of(kind, number);
    return name_create(pool.fs, pool.dataset, ROOT_OBJECT, view_text(name.text), &attributes,
                       (struct view){}, out) == LATTICE_OK;
}

static uint64_t batch_create(unsigned operations) {
    uint64_t object = 0;
    bool done = true;
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        done &= create("new", pool.next_name, &object);
        pool.next_name++;
    }
    uint64_t taken = instructions() - start;
    return done && commit(pool.fs) == LATTICE_OK ? taken : BATCH_FAILED;
}

static uint64_t batch_lookup(unsigned operations) {
    uint64_t object = 0;
    bool done = true;
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        const struct name name = name_of("file", roll() % FILES);
        done &= name_lookup(pool.fs, pool.dataset, ROOT_OBJECT, view_text(name.text), &object) ==
                LATTICE_OK;
    }
    uint64_t taken = instructions() - start;
    return done ? taken : BATCH_FAILED;
}

/* Overwrites 4 KiB and stores them in the tree and on the disk. */
static uint64_t batch_write(unsigned operations) {
    static struct block content;
    size_t written = 0;
    bool done = true;
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        content.data[0] ^= 1;
        done &= granules_write(pool.cache, pool.dataset, pool.data_object,
                               roll() % DATA_BLOCKS * sizeof content, VIEW_OF(content),
                               &written) == LATTICE_OK &&
                granules_push(pool.cache, pool.dataset, pool.data_object) == LATTICE_OK;
    }
    uint64_t taken = instructions() - start;
    return done && commit(pool.fs) == LATTICE_OK ? taken : BATCH_FAILED;
}

/* Reads 4 KiB from the disk, not from the cache of granules. */
static uint64_t batch_read(unsigned operations) {
    static struct block content;
    struct inode inode = {};
    bool done = inode_get(pool.fs, pool.dataset, pool.data_object, &inode) == LATTICE_OK;
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        done &= granule_read(pool.fs, pool.dataset, pool.data_object, &inode, roll() % DATA_BLOCKS,
                             BYTES_OF(content)) == LATTICE_OK;
    }
    uint64_t taken = instructions() - start;
    return done ? taken : BATCH_FAILED;
}

static bool change(unsigned count) {
    bool done = true;
    for (unsigned i = 0; i < count; i++) {
        struct inode inode = {};
        uint64_t object = 2 + (count == 1 ? roll() % FILES : i);
        done &= inode_get(pool.fs, pool.dataset, object, &inode) == LATTICE_OK;
        inode.write_time++;
        done &= inode_update(pool.fs, pool.dataset, object, &inode) == LATTICE_OK;
    }
    return done;
}

static uint64_t timed_commit(unsigned changes) {
    bool done = change(changes);
    uint64_t start = instructions();
    done &= commit(pool.fs) == LATTICE_OK;
    uint64_t taken = instructions() - start;
    return done ? taken : BATCH_FAILED;
}

static uint64_t batch_commit_one(unsigned operations) {
    (void)operations;
    return timed_commit(1);
}

static uint64_t batch_commit_many(unsigned operations) {
    (void)operations;
    return timed_commit(FILES);
}

static uint64_t batch_snapshot(unsigned operations) {
    (void)operations;
    uint64_t id = 0;
    bool done = change(1);
    const struct name name = name_of("snapshot", pool.next_name);
    pool.next_name++;
    uint64_t start = instructions();
    done &= snapshot_create(pool.fs, pool.dataset, view_text(name.text), &id) == LATTICE_OK;
    uint64_t taken = instructions() - start;
    bool more = snapshot_destroy(pool.fs, id) == LATTICE_OK; /* every batch starts alike */
    while (more) {
        done &= reclaim_step(pool.fs, &more) == LATTICE_OK;
    }
    return done ? taken : BATCH_FAILED;
}

static const row_t rows[] = {
    {"core_create", batch_create, BATCH_NAMES},  {"core_lookup", batch_lookup, BATCH_NAMES},
    {"core_write_4k", batch_write, BATCH_NAMES}, {"core_read_4k", batch_read, BATCH_NAMES},
    {"core_commit_1", batch_commit_one, 1},      {"core_commit_10000", batch_commit_many, 1},
    {"core_snapshot", batch_snapshot, 1}};

char own_path[256]; /* measure.h's other programs need it */

/* ---- the pool ---- */

static bool fill(void) {
    uint64_t object = 0;
    for (unsigned i = 0; i < FILES; i++) {
        if (!create("file", i, &object)) {
            return false;
        }
    }
    if (!create("data", 0, &pool.data_object)) {
        return false;
    }
    static struct block content;
    size_t written = 0;
    for (uint64_t i = 0; i < DATA_BLOCKS; i++) {
        content.data[0] = (uint8_t)i;
        if (granules_write(pool.cache, pool.dataset, pool.data_object, i * sizeof content,
                           VIEW_OF(content), &written) != LATTICE_OK) {
            return false;
        }
    }
    return granules_commit(pool.cache) == LATTICE_OK;
}

static lattice_status_t make_pool(void) {
    static char nothing;
    const struct environment environment = {.context = &nothing,
                                            .now_ns = now_ns,
                                            .random = random_bytes,
                                            .allocate = allocate,
                                            .release = release};
    struct lattice *_Nullable fs = nullptr;
    struct dataset *_Nullable dataset = nullptr;
    struct granule_cache *_Nullable cache = nullptr;
    struct make_options options = {.record_shift = 12};
    pool.disk = SOME(calloc(1, sizeof *pool.disk));
    pool.device = (struct blkdev){.context = &nothing,
                                  .block_count = DISK_BLOCKS,
                                  .read = disk_read_blocks,
                                  .write = disk_write_blocks,
                                  .flush = disk_flush,
                                  .trim = disk_trim};
    struct device_list list = {.count = 1, .devices = {&pool.device}};
    TRY(pool_make(&environment, &list, &options));
    TRY(pool_open(&environment, &list, 0, &fs));
    pool.fs = SOME(fs);
    TRY(dataset_open(pool.fs, 1, &dataset));
    TRY(granules_create(pool.fs, &cache));
    pool.dataset = SOME(dataset);
    pool.cache = SOME(cache);
    return LATTICE_OK;
}

int main(void) {
    bool guest = getpid() == 1;
    setvbuf(stdout, nullptr, _IONBF, 0);
    printf("\nbench begins\n");
    if (make_pool() != LATTICE_OK || !fill()) {
        printf("pool\tfailed\tit could not be made and filled\n");
    } else {
        for (unsigned i = 0; i < ARRAY_LENGTH(rows); i++) {
            measure(&rows[i]);
        }
    }
    printf("bench ends\n");
    if (guest) {
        (void)reboot(RB_POWER_OFF);
    }
    return 0;
}

#pragma clang assume_nonnull end
