/* Snapshots and mounts take constant time, shown by counting what they do to a disk: snapshots of 1
 * and of 100,000 files, mounts of them, mounts of 1 GiB and of 1 TiB.
 *
 * A snapshot must do the same whatever the tree holds. A mount goes down each tree once, so it may
 * read as many nodes more as the tree is deeper, and nothing else. */
#include "fs/latticefs/core/inode.h"
#include "fs/latticefs/core/mount.h"
#include "fs/latticefs/core/snapshot.h"
#include "fs/latticefs/core/tree.h"
#include "fs/latticefs/tools/host.h"
#include <stdio.h>
#include <stdlib.h>

#pragma clang assume_nonnull begin

enum { CHUNK_BLOCKS = 64, MANY_FILES = 100000 };

struct chunk {
    uint8_t data[CHUNK_BLOCKS * BLOCK_SIZE];
};

struct chunk_table {
    uint64_t count;
    struct chunk *_Nullable *_Nullable data COUNTED_BY(count);
};

struct counts {
    uint64_t reads;
    uint64_t blocks_read;
    uint64_t writes;
    uint64_t blocks_written;
    uint64_t flushes;
};

/* A sparse disk in memory that counts. */
struct counting_disk {
    struct blkdev device;
    struct chunk_table chunks;
    struct counts counts;
};

static void fail(const char *what, uint64_t first, uint64_t second) {
    printf("constant_time: %s: %llu, %llu\n", what, (unsigned long long)first,
           (unsigned long long)second);
    exit(1);
}

static void must(lattice_status_t status, const char *what) {
    if (status != LATTICE_OK) {
        fail(what, (uint64_t)status, 0);
    }
}

static struct bytes block_bytes(struct counting_disk *disk, uint64_t block, bool make) {
    struct chunk *_Nullable *_Nonnull chunk = &disk->chunks.data[block / CHUNK_BLOCKS];
    if (*chunk == nullptr && make) {
        *chunk = calloc(1, sizeof(struct chunk));
    }
    return *chunk == nullptr ? (struct bytes){}
                             : bytes_sub(BYTES_OF(SOME(*chunk)->data),
                                         block % CHUNK_BLOCKS * BLOCK_SIZE, BLOCK_SIZE);
}

static lattice_status_t disk_read_counted(void *context, uint64_t block, uint32_t count,
                                          void *buffer) {
    struct counting_disk *disk = context;
    struct bytes to = bytes_of(buffer, (size_t)count * BLOCK_SIZE);
    disk->counts.reads++;
    disk->counts.blocks_read += count;
    for (uint32_t i = 0; i < count; i++) {
        struct bytes part = bytes_sub(to, (size_t)i * BLOCK_SIZE, BLOCK_SIZE);
        struct bytes from = block_bytes(disk, block + i, false);
        if (from.size == 0) {
            bytes_zero(part);
        } else {
            bytes_copy(part, bytes_view(from));
        }
    }
    return LATTICE_OK;
}

static lattice_status_t disk_write_counted(void *context, uint64_t block, uint32_t count,
                                           const void *buffer) {
    struct counting_disk *disk = context;
    struct view from = view_of(buffer, (size_t)count * BLOCK_SIZE);
    disk->counts.writes++;
    disk->counts.blocks_written += count;
    for (uint32_t i = 0; i < count; i++) {
        bytes_copy(block_bytes(disk, block + i, true),
                   view_sub(from, (size_t)i * BLOCK_SIZE, BLOCK_SIZE));
    }
    return LATTICE_OK;
}

static lattice_status_t disk_flush_counted(void *context) {
    struct counting_disk *disk = context;
    disk->counts.flushes++;
    return LATTICE_OK;
}

static void disk_trim_ignored(void *context, uint64_t block, uint64_t count) {
    (void)context;
    (void)block;
    (void)count;
}

static struct counting_disk *disk_make(uint64_t bytes) {
    struct counting_disk *disk =
        SOME((struct counting_disk *)calloc(1, sizeof(struct counting_disk)));
    uint64_t chunks = bytes / sizeof(struct chunk);
    struct chunk *_Nullable *_Nullable data = calloc(chunks, sizeof(struct chunk *));
    disk->chunks.count = chunks;
    disk->chunks.data = data;
    disk->device = (struct blkdev){.context = disk,
                                   .block_count = bytes / BLOCK_SIZE,
                                   .read = disk_read_counted,
                                   .write = disk_write_counted,
                                   .flush = disk_flush_counted,
                                   .trim = disk_trim_ignored};
    return disk;
}

static void disk_free(struct counting_disk *disk) {
    for (uint64_t i = 0; i < disk->chunks.count; i++) {
        free(disk->chunks.data[i]);
    }
    free(disk->chunks.data);
    free(disk);
}

static struct lattice *open_counted(struct counting_disk *disk, struct counts *out) {
    struct device_list devices = {.count = 1, .devices = {&disk->device}};
    struct lattice *_Nullable fs = nullptr;
    disk->counts = (struct counts){};
    must(pool_open(host_environment(), &devices, 0, &fs), "pool_open");
    *out = disk->counts;
    return SOME(fs);
}

static void print(const char *what, const struct counts *counts) {
    printf("%-28s %6llu reads %6llu blocks %6llu writes %6llu blocks %3llu flushes\n", what,
           (unsigned long long)counts->reads, (unsigned long long)counts->blocks_read,
           (unsigned long long)counts->writes, (unsigned long long)counts->blocks_written,
           (unsigned long long)counts->flushes);
}

struct measured {
    struct counts snapshot;
    struct counts mount;
    uint32_t level; /* of the dataset's root */
};

/* A new pool, with so many files if any are wanted, a snapshot of them, a mount after it. */
static struct measured measure(uint64_t disk_bytes, uint32_t files, const char *name) {
    struct counting_disk *disk = disk_make(disk_bytes);
    struct device_list devices = {.count = 1, .devices = {&disk->device}};
    struct make_options options = {};
    struct measured measured = {};
    struct dataset *_Nullable dataset = nullptr;
    uint64_t id = 0;
    must(pool_make(host_environment(), &devices, &options), "pool_make");
    struct lattice *fs = open_counted(disk, &measured.mount);
    must(dataset_open(fs, 1, &dataset), "dataset_open");
    for (uint32_t i = 0; i < files; i++) {
        char text[24];
        struct create_attributes attributes = {.mode = MODE_FILE << 12 | 0644};
        snprintf(text, sizeof text, "file%u", i);
        must(name_create(fs, SOME(dataset), ROOT_OBJECT, view_text(text), &attributes,
                         (struct view){}, &id),
             "name_create");
    }
    must(commit(fs), "commit");
    disk->counts = (struct counts){};
    must(snapshot_create(fs, SOME(dataset), view_text("snapshot"), &id), "snapshot_create");
    measured.snapshot = disk->counts;
    measured.level = SOME(dataset)->tree.root.level;
    dataset_close(fs, SOME(dataset));
    pool_close(fs);
    fs = open_counted(disk, &measured.mount);
    pool_close(fs);
    disk_free(disk);
    printf("%s\n", name);
    print("  snapshot", &measured.snapshot);
    print("  mount", &measured.mount);
    return measured;
}

static void same(const char *what, const struct counts *first, const struct counts *second,
                 uint32_t nodes) {
    if (second->reads > first->reads + nodes ||
        second->blocks_read > first->blocks_read + (uint64_t)nodes * NODE_BLOCKS) {
        fail(what, first->reads, second->reads);
    }
    if (second->writes != first->writes || second->blocks_written != first->blocks_written ||
        second->flushes != first->flushes) {
        fail(what, first->writes, second->writes);
    }
}

int main(void) {
    const uint64_t gibibyte = UINT64_C(1) << 30;
    struct measured one = measure(gibibyte, 1, "1 GiB, 1 file");
    struct measured many = measure(gibibyte, MANY_FILES, "1 GiB, 100,000 files");
    struct measured large = measure(gibibyte << 10, 1, "1 TiB, 1 file");
    same("a snapshot of more files does more", &one.snapshot, &many.snapshot, 0);
    same("a snapshot on a larger disk does more", &one.snapshot, &large.snapshot, 0);
    same("a mount of more files does more", &one.mount, &many.mount, many.level - one.level);
    same("a mount of a larger disk does more", &one.mount, &large.mount, 0);
    if (one.snapshot.flushes != 2) {
        fail("a snapshot is one commit", one.snapshot.flushes, 2);
    }
    printf("4 passed, 0 failed\n");
    return 0;
}

#pragma clang assume_nonnull end
