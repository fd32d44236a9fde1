/* Linked into a mount whose power is cut (`--wrap=host_device_open`): its disks keep what was not
 * flushed in this process's memory, and lose it when the process is killed.
 *
 *   LATTICEFS_DROP_SEED   the dice
 *   LATTICEFS_DROP_AT     kills this process instead of the Nth write or flush; 0 = never
 *
 * Some blocks reach the file early, whole or only some of their sectors: the order in which a real
 * disk's cache empties is not known either. A flush writes in an order of its own, and may be cut
 * in the middle. Calls come from several threads; while a flush is under way others write, and what
 * they write may go with it or not. */
#include "fs/latticefs/sim/dice.h"
#include "fs/latticefs/tools/host_disk.h"
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#pragma clang assume_nonnull begin

enum { SECTOR = 512, BUCKETS = 4096, EARLY_ONE_IN = 4, TORN_ONE_IN = 8 };

struct content {
    uint8_t data[BLOCK_SIZE];
};

struct pending {
    struct pending *_Nullable next;
    uint64_t block;
    struct content content;
};

struct dropping {
    struct blkdev device;
    struct blkdev below;
    struct pending *_Nullable buckets[BUCKETS];
};

/* What all disks of the process share: they lose power together. */
struct power {
    pthread_mutex_t lock; /* of this, and of all that is pending; a flush gives way now and then */
    struct dice dice;
    uint64_t operations;
    uint64_t last;
};

static struct power power = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t number_of(const char *name) {
    const char *_Nullable text = getenv(name);
    return text == nullptr ? 0 : strtoull(SOME(text), nullptr, 10);
}

static void count_operation(void) {
    power.operations++;
    if (power.operations == power.last) {
        (void)raise(SIGKILL);
    }
}

static struct pending *_Nullable *_Nonnull pending_link(struct dropping *disk, uint64_t block) {
    struct pending *_Nullable *link = &disk->buckets[block % BUCKETS];
    while (*link != nullptr && SOME(*link)->block != block) {
        link = &SOME(*link)->next;
    }
    return link;
}

static struct bytes block_at(void *buffer, uint32_t count, uint32_t index) {
    return bytes_sub(bytes_of(buffer, (size_t)count * BLOCK_SIZE), (size_t)index * BLOCK_SIZE,
                     BLOCK_SIZE);
}

static lattice_status_t drop_read(void *context, uint64_t block, uint32_t count, void *buffer) {
    struct dropping *disk = context;
    (void)pthread_mutex_lock(&power.lock);
    lattice_status_t status = disk->below.read(disk->below.context, block, count, buffer);
    for (uint32_t i = 0; status == LATTICE_OK && i < count; i++) {
        const struct pending *_Nullable found = *pending_link(disk, block + i);
        if (found != nullptr) {
            bytes_copy(block_at(buffer, count, i), VIEW_OF(SOME(found)->content));
        }
    }
    (void)pthread_mutex_unlock(&power.lock);
    return status;
}

/* Some sectors of the block, or all, reach the file now. */
static lattice_status_t write_early(struct dropping *disk, const struct pending *pending) {
    struct content content = pending->content;
    if (dice_once_in(&power.dice, TORN_ONE_IN)) {
        struct content old;
        TRY(disk->below.read(disk->below.context, pending->block, 1, &old));
        for (size_t at = 0; at < BLOCK_SIZE; at += SECTOR) {
            if (dice_once_in(&power.dice, 2)) {
                bytes_copy(bytes_sub(BYTES_OF(content), at, SECTOR),
                           view_sub(VIEW_OF(old), at, SECTOR));
            }
        }
    }
    return disk->below.write(disk->below.context, pending->block, 1, &content);
}

static lattice_status_t write_pending(struct dropping *disk, uint64_t block, uint32_t count,
                                      const void *buffer) {
    for (uint32_t i = 0; i < count; i++) {
        struct pending *_Nullable *link = pending_link(disk, block + i);
        if (*link == nullptr) {
            *link = calloc(1, sizeof(struct pending));
            SOME(*link)->block = block + i;
        }
        bytes_copy(BYTES_OF(SOME(*link)->content),
                   view_sub(view_of(buffer, (size_t)count * BLOCK_SIZE), (size_t)i * BLOCK_SIZE,
                            BLOCK_SIZE));
        if (dice_once_in(&power.dice, EARLY_ONE_IN)) {
            TRY(write_early(disk, SOME(*link)));
        }
    }
    return LATTICE_OK;
}

static lattice_status_t drop_write(void *context, uint64_t block, uint32_t count,
                                   const void *buffer) {
    (void)pthread_mutex_lock(&power.lock);
    count_operation();
    lattice_status_t status = write_pending(context, block, count, buffer);
    (void)pthread_mutex_unlock(&power.lock);
    return status;
}

static lattice_status_t bucket_flush(struct dropping *disk, uint32_t index) {
    struct pending *_Nullable *link = &disk->buckets[index % BUCKETS];
    if (*link != nullptr && dice_once_in(&power.dice, 32)) {
        count_operation(); /* the power may go in the middle, too */
    }
    while (*link != nullptr) {
        struct pending *first = SOME(*link);
        TRY(disk->below.write(disk->below.context, first->block, 1, &first->content));
        *link = first->next;
        free(first);
    }
    return LATTICE_OK;
}

static lattice_status_t drop_flush(void *context) {
    lattice_status_t status = LATTICE_OK;
    (void)pthread_mutex_lock(&power.lock);
    uint32_t start = dice_below(&power.dice, BUCKETS);
    count_operation();
    for (uint32_t i = 0; status == LATTICE_OK && i < BUCKETS; i++) {
        status = bucket_flush(context, start + i);
        if (i % 64 == 63) { /* here others write */
            (void)pthread_mutex_unlock(&power.lock);
            (void)pthread_mutex_lock(&power.lock);
        }
    }
    (void)pthread_mutex_unlock(&power.lock);
    return status;
}

static void drop_trim(void *context, uint64_t block, uint64_t count) {
    struct dropping *disk = context;
    (void)pthread_mutex_lock(&power.lock);
    for (uint64_t i = 0; i < count; i++) {
        struct pending *_Nullable *link = pending_link(disk, block + i);
        struct pending *_Nullable found = *link;
        if (found != nullptr) {
            *link = SOME(found)->next;
            free(found);
        }
    }
    (void)pthread_mutex_unlock(&power.lock);
    disk->below.trim(disk->below.context, block, count);
}

bool __real_host_device_open(struct host_devices *devices, const char *path, bool writable,
                             uint64_t size);
bool __wrap_host_device_open(struct host_devices *devices, const char *path, bool writable,
                             uint64_t size);

bool __wrap_host_device_open(struct host_devices *devices, const char *path, bool writable,
                             uint64_t size) {
    static struct dropping disks[DISKS_MAX];
    if (!__real_host_device_open(devices, path, writable, size)) {
        return false;
    }
    if (power.dice.state == 0) {
        power.dice.state = number_of("LATTICEFS_DROP_SEED") + 1;
        power.last = number_of("LATTICEFS_DROP_AT");
    }
    struct host_device *opened = &devices->data[devices->count - 1];
    struct dropping *disk = &disks[devices->count - 1];
    disk->below = opened->device;
    opened->device = (struct blkdev){.context = disk,
                                     .block_count = disk->below.block_count,
                                     .read = drop_read,
                                     .write = drop_write,
                                     .flush = drop_flush,
                                     .trim = drop_trim};
    return true;
}

#pragma clang assume_nonnull end
