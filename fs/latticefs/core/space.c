/* Who may take how much. Invariant: fs->closed_reservations is the sum over all heads that are not
 * open; those of open ones are looked at where they are, as they change with every block. */
#include "space.h"
#include "change.h"
#include "properties.h"

#pragma clang assume_nonnull begin

enum {
    COMMIT_RETRIES = 3,      /* commits that free what was dropped before, when space is short */
    DELETE_CHANGES_MAX = 10, /* of a step of removing, resizing or deleting a file */
};

static unsigned space_divisor(enum space_class space) {
    switch (space) {
    case SPACE_ORDINARY:
        return 32;
    case SPACE_DELETE:
        return 64;
    case SPACE_DESTROY:
        return 128;
    }
    return 1;
}

/* What changes take at most if each copies and splits a path, and one writes a record. */
static uint64_t changes_worst_blocks(const struct lattice *fs, uint32_t changes) {
    return (uint64_t)changes * NODE_BLOCKS * fs->super.node_copies * 4 + RECORD_BLOCKS_MAX;
}

/* A fraction alone is less than one deletion takes where the pool is small, so ordinary changes
 * leave that much on top. */
uint64_t space_reserve_blocks(const struct lattice *fs, enum space_class space) {
    uint64_t deletion = space == SPACE_ORDINARY ? changes_worst_blocks(fs, DELETE_CHANGES_MAX) : 0;
    return segments_reserve_blocks(fs, space_divisor(space)) + deletion;
}

/* ---- reservations ---- */

uint64_t reservation_unused(const struct dataset_record *record, uint64_t promised) {
    uint64_t used = record->referenced_blocks + promised;
    bool counts = record->kind == DATASET_HEAD && record->reservation_blocks > used;
    return counts ? record->reservation_blocks - used : 0;
}

/* Promised to dirty granules, and kept for reservations of all heads but one. */
static uint64_t space_spoken_for(const struct lattice *fs, const struct dataset *_Nullable except) {
    uint64_t sum = fs->closed_reservations;
    for (struct dataset *_Nullable at = fs->datasets; at != nullptr; at = SOME(at)->next) {
        sum += SOME(at)->reserved_blocks;
        if (at != except) {
            sum += reservation_unused(&SOME(at)->record, SOME(at)->reserved_blocks);
        }
    }
    return sum;
}

lattice_status_t reservations_count(struct lattice *fs) {
    struct dataset_record record = {};
    uint64_t id = 0;
    uint64_t sum = 0;
    for (;;) {
        uint64_t before = id;
        lattice_status_t status = record_next(fs, &id, &record);
        if (status == LATTICE_NOT_FOUND) {
            fs->closed_reservations = sum;
            return LATTICE_OK;
        }
        if (status == LATTICE_NO_MEMORY) {
            return status;
        }
        if (status == LATTICE_OK && dataset_if_open(fs, id) == nullptr) {
            sum += reservation_unused(&record, 0);
        } else if (status != LATTICE_OK && (status != LATTICE_CORRUPT || id == before)) {
            return LATTICE_OK; /* a damaged tree: nothing more can be known */
        }
    }
}

bool reservation_fits(const struct lattice *fs, uint64_t id, const struct dataset_record *record) {
    const struct dataset *_Nullable open = fs->datasets;
    while (open != nullptr && SOME(open)->id != id) {
        open = SOME(open)->next;
    }
    uint64_t promised = open == nullptr ? 0 : SOME(open)->reserved_blocks;
    uint64_t needed = space_reserve_blocks(fs, SPACE_ORDINARY) + space_spoken_for(fs, open) +
                      reservation_unused(record, promised);
    return fs->segments.free_blocks >= needed;
}

/* ---- before an operation ---- */

static bool space_suffices(const struct lattice *fs, const struct dataset *_Nullable dataset,
                           enum space_class space, uint32_t changes) {
    uint64_t worst = changes_worst_blocks(fs, changes);
    uint64_t reserve = space_reserve_blocks(fs, space);
    uint64_t others = space == SPACE_ORDINARY ? space_spoken_for(fs, dataset) : 0;
    return fs->segments.free_quads * NODE_BLOCKS >= reserve + worst &&
           fs->segments.free_blocks >= reserve + worst + others;
}

static bool frees_pending(const struct lattice *fs) {
    bool pending = false;
    for (uint32_t i = 0; i < FREE_LISTS; i++) {
        pending |= fs->segments.freed[i].count != 0;
    }
    return pending;
}

/* Whether so many blocks more are within the dataset's quota. */
static bool quota_allows(const struct dataset *dataset, uint64_t blocks) {
    uint64_t quota = dataset->record.quota_blocks;
    return quota == 0 ||
           dataset->record.referenced_blocks + dataset->reserved_blocks + blocks <= quota;
}

lattice_status_t space_ensure(struct lattice *fs, const struct dataset *_Nullable dataset,
                              enum space_class space, uint32_t changes) {
    if (space == SPACE_ORDINARY && dataset != nullptr && !quota_allows(SOME(dataset), 1)) {
        return LATTICE_QUOTA;
    }
    for (uint32_t attempt = 0; attempt <= COMMIT_RETRIES; attempt++) {
        if (space_suffices(fs, dataset, space, changes)) {
            return LATTICE_OK;
        }
        if (!frees_pending(fs) || attempt == COMMIT_RETRIES) {
            break;
        }
        TRY(commit(fs));
    }
    return LATTICE_NO_SPACE;
}

/* ---- promises ---- */

lattice_status_t space_promise(struct lattice *fs, struct dataset *dataset, uint32_t blocks,
                               uint32_t *out_promised) {
    if (fs->aborted != LATTICE_OK) {
        return LATTICE_ABORTED;
    }
    if (!dataset->writable) {
        return LATTICE_READ_ONLY;
    }
    /* Each dirty granule may also need two leaves' worth of extents. */
    uint32_t all = blocks + 2u * NODE_BLOCKS * fs->super.node_copies;
    if (!quota_allows(dataset, all)) {
        return LATTICE_QUOTA;
    }
    for (uint32_t attempt = 0; attempt <= COMMIT_RETRIES; attempt++) {
        uint64_t needed =
            space_reserve_blocks(fs, SPACE_ORDINARY) + space_spoken_for(fs, dataset) + all;
        if (fs->segments.free_blocks >= needed) {
            dataset->reserved_blocks += all;
            *out_promised = all;
            return LATTICE_OK;
        }
        if (!frees_pending(fs) || attempt == COMMIT_RETRIES) {
            break;
        }
        TRY(commit(fs));
    }
    return LATTICE_NO_SPACE;
}

void space_release(struct dataset *dataset, uint32_t blocks) {
    CHECK(dataset->reserved_blocks >= blocks);
    dataset->reserved_blocks -= blocks;
}

/* ---- what a user sees ---- */

lattice_status_t dataset_space(struct lattice *fs, uint64_t id, struct dataset_space *out) {
    struct dataset_record record = {};
    TRY(record_load(fs, id, &record));
    const struct dataset *_Nullable open = dataset_if_open(fs, id);
    uint64_t promised = open == nullptr ? 0 : SOME(open)->reserved_blocks;
    uint64_t gone = space_reserve_blocks(fs, SPACE_ORDINARY) + space_spoken_for(fs, open);
    gone -= open == nullptr ? reservation_unused(&record, 0) : 0;
    out->used = record.referenced_blocks + promised;
    out->available = fs->segments.free_blocks > gone ? fs->segments.free_blocks - gone : 0;
    if (record.quota_blocks != 0) {
        uint64_t left = record.quota_blocks > out->used ? record.quota_blocks - out->used : 0;
        out->available = MIN(out->available, left);
    }
    return LATTICE_OK;
}

#pragma clang assume_nonnull end
