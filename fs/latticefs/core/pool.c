/* The disks of a pool. Invariant: a disk that missed a write is never trusted again before a
 * resilver: it becomes *missing since* the running transaction in the next superblock, and its
 * copies are read only if they verify. */
#include "pool.h"
#include "checksum.h"

#pragma clang assume_nonnull begin

bool disk_present(const struct lattice *fs, uint32_t disk) {
    return disk < DISKS_MAX && fs->disks[disk].device != nullptr;
}

lattice_status_t disk_read(struct lattice *fs, uint32_t disk, uint64_t block, uint32_t blocks,
                           struct bytes to) {
    CHECK(to.size == (size_t)blocks * BLOCK_SIZE && disk < DISKS_MAX);
    struct blkdev *_Nullable device = fs->disks[disk].device;
    if (device == nullptr || block > device->block_count || blocks > device->block_count - block) {
        return LATTICE_IO;
    }
    fs->statistics.reads++;
    lattice_status_t status = device->read(device->context, block, blocks, SOME(to.data));
    if (status != LATTICE_OK) {
        fs->disks[disk].read_errors++;
    }
    return status;
}

/* A failed disk leaves the pool only if every segment has another present copy. */
static bool disk_expendable(struct lattice *fs, uint32_t disk) {
    bool others = false;
    for (uint32_t i = 0; i < fs->super.disk_count; i++) {
        others |= i != disk && disk_present(fs, i) && !fs->disks[i].stale;
    }
    if (!others || segments_need_all(fs) != LATTICE_OK) {
        return false;
    }
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        const struct segment_entry *entry = &fs->segments.data[i].entry;
        bool here = false;
        bool elsewhere = false;
        for (uint32_t copy = 0; copy < entry->copies; copy++) {
            uint32_t other = (uint32_t)(entry->place[copy] >> 48);
            here |= other == disk;
            elsewhere |= other != disk && disk_present(fs, other) && !fs->disks[other].stale;
        }
        if (here && !elsewhere) {
            return false;
        }
    }
    return true;
}

static lattice_status_t disk_failed(struct lattice *fs, uint32_t disk) {
    fs->disks[disk].write_errors++;
    if (!disk_expendable(fs, disk)) {
        return LATTICE_IO;
    }
    fs->disks[disk].device = nullptr;
    fs->disk_lost = true;
    if (fs->super.disks[disk].state == DISK_ONLINE) {
        /* Of a commit in flight it may lack what was written, but not flushed. */
        bool flying = fs->flight.stage != FLIGHT_NONE && fs->flight.stage != FLIGHT_LOGGED;
        fs->super.disks[disk].missing_since = flying ? fs->flight.transaction : fs->transaction;
    }
    fs->super.disks[disk].state = DISK_MISSING;
    return LATTICE_OK;
}

lattice_status_t disk_write(struct lattice *fs, uint32_t disk, uint64_t block, struct view from) {
    CHECK(from.size % BLOCK_SIZE == 0 && disk < DISKS_MAX);
    struct blkdev *_Nullable device = fs->disks[disk].device;
    uint32_t blocks = (uint32_t)(from.size / BLOCK_SIZE);
    if (device == nullptr) {
        return LATTICE_OK;
    }
    if (fs->aborted != LATTICE_OK) {
        return LATTICE_ABORTED;
    }
    if (block > device->block_count || blocks > device->block_count - block) {
        return LATTICE_IO;
    }
    fs->statistics.writes++;
    if (device->write(device->context, block, blocks, SOME(from.data)) != LATTICE_OK) {
        return disk_failed(fs, disk);
    }
    return LATTICE_OK;
}

uint32_t pool_copies(struct lattice *fs, uint64_t address) {
    uint64_t segment = address >> fs->super.segment_shift;
    bool known = segment_need(fs, segment) == LATTICE_OK;
    return known ? fs->segments.data[segment].entry.copies : 0;
}

bool pool_place(struct lattice *fs, uint64_t address, uint32_t copy, uint32_t *out_disk,
                uint64_t *out_block) {
    uint64_t segment = address >> fs->super.segment_shift;
    if (copy >= COPIES_MAX || segment_need(fs, segment) != LATTICE_OK) {
        return false;
    }
    uint64_t place = fs->segments.data[segment].entry.place[copy];
    if (place == PLACE_NONE) {
        return false;
    }
    uint64_t offset = address & ((UINT64_C(1) << fs->super.segment_shift) - 1);
    *out_disk = (uint32_t)(place >> 48);
    *out_block = layout_segment_start(&fs->super, place & ADDRESS_MASK) + offset;
    return true;
}

lattice_status_t pool_read_copy(struct lattice *fs, uint64_t address, uint32_t copy,
                                struct bytes to) {
    uint32_t disk = 0;
    uint64_t block = 0;
    if (!pool_place(fs, address, copy, &disk, &block)) {
        return LATTICE_CORRUPT;
    }
    return disk_read(fs, disk, block, (uint32_t)(to.size / BLOCK_SIZE), to);
}

lattice_status_t pool_write(struct lattice *fs, uint64_t address, struct view from) {
    uint32_t copies = pool_copies(fs, address);
    uint32_t written = 0;
    for (uint32_t copy = 0; copy < copies; copy++) {
        uint32_t disk = 0;
        uint64_t block = 0;
        if (!pool_place(fs, address, copy, &disk, &block)) {
            return LATTICE_CORRUPT;
        }
        TRY(disk_write(fs, disk, block, from));
        written += disk_present(fs, disk) && !fs->disks[disk].stale;
    }
    return written > 0 ? LATTICE_OK : LATTICE_IO;
}

static void pool_heal(struct lattice *fs, uint64_t address, uint32_t copy, struct view good) {
    uint32_t disk = 0;
    uint64_t block = 0;
    if (fs->read_only || fs->aborted != LATTICE_OK ||
        !pool_place(fs, address, copy, &disk, &block) || !disk_present(fs, disk)) {
        return;
    }
    if (disk_write(fs, disk, block, good) == LATTICE_OK && disk_present(fs, disk)) {
        fs->disks[disk].healed++;
    }
}

void pool_heal_copies(struct lattice *fs, uint64_t address, uint32_t wrong, struct view good) {
    for (uint32_t copy = 0; copy < COPIES_MAX; copy++) {
        if ((wrong >> copy & 1) != 0) {
            pool_heal(fs, address, copy, good);
        }
    }
}

/* Copies are numbered through both addresses: 0…3 of the first, 4…7 of the second. */
static lattice_status_t pool_try(struct lattice *fs, const struct pointer *pointer, uint32_t number,
                                 struct bytes to) {
    uint64_t address = pointer_address(pointer, number / COPIES_MAX);
    lattice_status_t status = pool_read_copy(fs, address, number % COPIES_MAX, to);
    if (status == LATTICE_OK && !fs->ignore_checksums &&
        !checksum_matches(pointer, bytes_view(to))) {
        uint32_t disk = 0;
        uint64_t block = 0;
        if (pool_place(fs, address, number % COPIES_MAX, &disk, &block)) {
            fs->disks[disk].checksum_errors++;
        }
        status = LATTICE_CORRUPT;
    }
    return status;
}

static lattice_status_t pool_read_copies(struct lattice *fs, const struct pointer *pointer,
                                         struct bytes to, uint32_t *out_tried, uint32_t *out_good) {
    lattice_status_t worst = LATTICE_IO;
    uint32_t tried = 0;
    for (uint32_t number = 0; number < 2 * COPIES_MAX; number++) {
        uint64_t address = pointer_address(pointer, number / COPIES_MAX);
        if (address == 0 || number % COPIES_MAX >= pool_copies(fs, address)) {
            continue;
        }
        lattice_status_t status = pool_try(fs, pointer, number, to);
        if (status == LATTICE_OK) {
            *out_tried = tried;
            *out_good = number;
            return LATTICE_OK;
        }
        tried |= UINT32_C(1) << number;
        worst = status == LATTICE_CORRUPT ? status : worst;
    }
    return worst;
}

lattice_status_t pool_read(struct lattice *fs, const struct pointer *pointer, struct bytes to) {
    uint32_t bad = 0;
    uint32_t good = 0;
    TRY(pool_read_copies(fs, pointer, to, &bad, &good));
    for (uint32_t number = 0; bad != 0 && number < 2 * COPIES_MAX; number++) {
        if ((bad >> number & 1) != 0) {
            pool_heal(fs, pointer_address(pointer, number / COPIES_MAX), number % COPIES_MAX,
                      bytes_view(to));
        }
    }
    return LATTICE_OK;
}

lattice_status_t pool_scrub(struct lattice *fs, const struct pointer *pointer, struct bytes to,
                            uint64_t *out_bad) {
    uint32_t bad = 0;
    uint32_t good = 0;
    TRY(pool_read_copies(fs, pointer, to, &bad, &good));
    for (uint32_t number = good + 1; number < 2 * COPIES_MAX; number++) {
        uint64_t address = pointer_address(pointer, number / COPIES_MAX);
        uint32_t disk = 0;
        uint64_t block = 0;
        if (address == 0 || number % COPIES_MAX >= pool_copies(fs, address) ||
            !pool_place(fs, address, number % COPIES_MAX, &disk, &block) ||
            !disk_present(fs, disk)) {
            continue;
        }
        if (pool_try(fs, pointer, number, to) != LATTICE_OK) {
            bad |= UINT32_C(1) << number;
        }
    }
    if (bad == 0) {
        return LATTICE_OK;
    }
    *out_bad += (uint64_t)__builtin_popcount(bad);
    TRY(pool_try(fs, pointer, good, to));
    for (uint32_t number = 0; number < 2 * COPIES_MAX; number++) {
        if ((bad >> number & 1) != 0) {
            pool_heal(fs, pointer_address(pointer, number / COPIES_MAX), number % COPIES_MAX,
                      bytes_view(to));
        }
    }
    return LATTICE_OK;
}

void flush_begin(struct lattice *fs, struct flush *out) {
    *out = (struct flush){};
    fs->statistics.flushes++;
    for (uint32_t i = 0; i < fs->super.disk_count; i++) {
        out->devices[i] = fs->disks[i].device;
    }
}

void flush_run(struct flush *flush) {
    for (uint32_t i = 0; i < DISKS_MAX; i++) {
        struct blkdev *_Nullable device = flush->devices[i];
        if (device != nullptr && device->flush(device->context) != LATTICE_OK) {
            flush->failed |= UINT32_C(1) << i;
        }
    }
}

lattice_status_t flush_end(struct lattice *fs, const struct flush *flush) {
    if (fs->aborted != LATTICE_OK) {
        return LATTICE_ABORTED;
    }
    for (uint32_t i = 0; i < fs->super.disk_count; i++) {
        bool same = fs->disks[i].device != nullptr && fs->disks[i].device == flush->devices[i];
        if (same && (flush->failed >> i & 1) != 0) {
            TRY(disk_failed(fs, i));
        }
    }
    return LATTICE_OK;
}

lattice_status_t pool_flush(struct lattice *fs) {
    struct flush flush;
    if (fs->aborted != LATTICE_OK) {
        return LATTICE_ABORTED;
    }
    flush_begin(fs, &flush);
    flush_run(&flush);
    return flush_end(fs, &flush);
}

void pool_prefetch(struct lattice *fs, uint64_t address, uint32_t blocks) {
    for (uint32_t copy = 0; copy < pool_copies(fs, address); copy++) {
        uint32_t disk = 0;
        uint64_t block = 0;
        if (pool_place(fs, address, copy, &disk, &block) && disk_present(fs, disk)) {
            struct blkdev *device = SOME(fs->disks[disk].device);
            if (device->prefetch != nullptr) {
                device->prefetch(device->context, block, blocks);
            }
        }
    }
}

void pool_trim(struct lattice *fs, uint64_t address, uint32_t blocks) {
    for (uint32_t copy = 0; copy < pool_copies(fs, address); copy++) {
        uint32_t disk = 0;
        uint64_t block = 0;
        if (pool_place(fs, address, copy, &disk, &block) && disk_present(fs, disk)) {
            struct blkdev *device = SOME(fs->disks[disk].device);
            device->trim(device->context, block, blocks);
        }
    }
}

#pragma clang assume_nonnull end
