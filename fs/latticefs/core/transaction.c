/* Operations and commits: the edges of the diagram in lattice.h. */
#include "checksum.h"
#include "dataset.h"
#include "lattice.h"
#include "log.h"
#include "pool.h"
#include "space.h"

#pragma clang assume_nonnull begin

enum {
    CHANGE_KILLS = 2 * DEPTH_MAX + 4,
    STASH_FRAMES = 12,
};

void *_Nullable memory_take_raw(struct lattice *fs, size_t size) {
    return size == 0 ? nullptr : fs->environment.allocate(fs->environment.context, size);
}

void *_Nullable memory_take(struct lattice *fs, size_t size) {
    void *_Nullable memory = memory_take_raw(fs, size);
    if (memory != nullptr) {
        bytes_zero(bytes_of(memory, size));
    }
    return memory;
}

void memory_give(struct lattice *fs, void *_Nullable memory, size_t size) {
    if (memory != nullptr) {
        fs->environment.release(fs->environment.context, SOME(memory), size);
    }
}

void lattice_abort(struct lattice *fs, lattice_status_t cause) {
    if (fs->aborted == LATTICE_OK) {
        fs->aborted = cause == LATTICE_OK ? LATTICE_ABORTED : cause;
    }
}

lattice_status_t operation_begin(struct lattice *fs, const struct dataset *_Nullable dataset,
                                 enum space_class space, uint32_t changes, uint32_t log_bytes) {
    CHECK(!fs->in_operation);
    if (fs->aborted != LATTICE_OK) {
        return LATTICE_ABORTED;
    }
    if (fs->read_only) {
        return LATTICE_READ_ONLY;
    }
    TRY(space_ensure(fs, dataset, space, changes));
    fs->cache.stamp++;
    TRY(cache_reserve(fs, STASH_FRAMES));
    for (struct dataset *_Nullable at = fs->datasets; at != nullptr; at = SOME(at)->next) {
        TRY(dataset_reserve_kills(fs, SOME(at), changes * CHANGE_KILLS));
    }
    TRY(segments_reserve_frees(fs, changes * CHANGE_KILLS));
    TRY(log_reserve(fs, log_bytes + (changes + 1) * ((uint32_t)sizeof(struct log_entry) + 8)));
    fs->in_operation = true;
    fs->space = space;
    fs->modified = false;
    return LATTICE_OK;
}

lattice_status_t operation_end(struct lattice *fs, lattice_status_t status) {
    CHECK(fs->in_operation);
    fs->in_operation = false;
    fs->space = SPACE_ORDINARY;
    if (status != LATTICE_OK && fs->modified) {
        lattice_abort(fs, status); /* some of its changes were made, others not */
    }
    if (fs->aborted != LATTICE_OK) {
        return LATTICE_ABORTED;
    }
    if (status == LATTICE_OK) {
        log_end(fs);
        fs->changes += fs->modified;
    }
    return status;
}

/* ---- commit ---- */

lattice_status_t superblock_write(struct lattice *fs) {
    struct superblock *copy = (struct superblock *)fs->scratch_node;
    for (uint32_t disk = 0; disk < fs->super.disk_count; disk++) {
        if (!disk_present(fs, disk)) {
            continue;
        }
        *copy = fs->super;
        copy->disk = (uint8_t)disk;
        for (uint32_t i = 0; i < INDEX_PAGES_MAX; i++) {
            copy->index[i].written = 0;
        }
        copy->checksum = checksum_xxh64(view_sub(VIEW_OF(*copy), 16, BLOCK_SIZE - 16));
        uint64_t slot = fs->super.transaction % RING_SLOTS;
        uint64_t end = fs->super.disks[disk].blocks - RING_SLOTS;
        TRY(disk_write(fs, disk, RING_START + slot, VIEW_OF(*copy)));
        TRY(disk_write(fs, disk, end + slot, VIEW_OF(*copy)));
    }
    return LATTICE_OK;
}

void flight_start(struct lattice *fs, enum flight_stage stage) {
    CHECK(fs->flight.stage == FLIGHT_NONE);
    fs->flight = (struct flight){.stage = stage,
                                 .number = fs->flight.number + 1,
                                 .transaction = fs->super.transaction,
                                 .changes = fs->changes};
}

/* The transaction is as it will be; from here on operations are in the next one. */
static void commit_freeze(struct lattice *fs) {
    log_restart(fs);
    fs->super.transaction = fs->transaction;
    fs->super.time = fs->environment.now_ns(fs->environment.context);
    flight_start(fs, FLIGHT_WRITTEN);
    datasets_committed(fs);
    cache_committed(fs);
    fs->transaction++;
    fs->disk_lost = false;
    fs->statistics.commits++;
    segments_committed(fs);
}

lattice_status_t commit_begin(struct lattice *fs) {
    CHECK(!fs->in_operation);
    TRY(flight_finish(fs));
    if (fs->aborted != LATTICE_OK) {
        return LATTICE_ABORTED;
    }
    if (fs->read_only) {
        return LATTICE_READ_ONLY;
    }
    fs->cache.stamp++;
    TRY(datasets_write(fs));
    TRY(tree_write(fs, &fs->pool_tree));
    fs->super.pool_root = fs->pool_tree.root;
    lattice_status_t status = segments_commit(fs);
    if (status == LATTICE_CORRUPT) {
        lattice_abort(fs, status);
    }
    TRY(status);
    commit_freeze(fs);
    return LATTICE_OK;
}

static void flight_land(struct lattice *fs) {
    fs->durable = fs->flight.changes;
    log_landed(fs);
    fs->flight.stage = FLIGHT_NONE;
}

static lattice_status_t flight_step(struct lattice *fs) {
    switch (fs->flight.stage) {
    case FLIGHT_NONE:
        return LATTICE_OK;
    case FLIGHT_LOGGED:
        if (fs->disk_lost) { /* the group is on fewer disks than the superblock says */
            fs->flight.stage = FLIGHT_NONE;
            return commit_begin(fs);
        }
        fs->statistics.log_groups++;
        flight_land(fs);
        return LATTICE_OK;
    case FLIGHT_WRITTEN:
        fs->flight.stage = FLIGHT_NAMED;
        return superblock_write(fs);
    case FLIGHT_NAMED:
        flight_land(fs);
        return LATTICE_OK;
    }
    return LATTICE_OK;
}

lattice_status_t flight_advance(struct lattice *fs, lattice_status_t flushed) {
    lattice_status_t status = flushed == LATTICE_OK ? flight_step(fs) : flushed;
    if (status != LATTICE_OK) {
        /* What reached the disk is unknown, and a later flush would not tell. */
        lattice_abort(fs, status);
        fs->flight.stage = FLIGHT_NONE;
    }
    return status;
}

lattice_status_t flight_finish(struct lattice *fs) {
    while (fs->flight.stage != FLIGHT_NONE) {
        TRY(flight_advance(fs, pool_flush(fs)));
    }
    return LATTICE_OK;
}

lattice_status_t commit(struct lattice *fs) {
    TRY(commit_begin(fs));
    return flight_finish(fs);
}

#pragma clang assume_nonnull end
