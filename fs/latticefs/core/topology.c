/* The disks of a pool come, grow and go. Invariants:
 * 1. What changes in memory before the commit is only what the commit writes; if that fails the
 * transaction is aborted.
 * 2. A disk that was added as a copy is stale until a resilver found everything on it. */
#include "topology.h"
#include "placement.h"
#include "pool.h"

#pragma clang assume_nonnull begin

static bool disk_exists(const struct lattice *fs, uint32_t disk) {
    return disk < fs->super.disk_count && fs->super.disks[disk].state != DISK_NONE;
}

static bool has_place_on(const struct segment_entry *entry, uint32_t disk) {
    bool found = false;
    for (uint32_t copy = 0; copy < entry->copies; copy++) {
        found |= entry->place[copy] >> 48 == disk;
    }
    return found;
}

static uint32_t segments_on(const struct lattice *fs, uint32_t disk) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        count += has_place_on(&fs->segments.data[i].entry, disk);
    }
    return count;
}

lattice_status_t pool_disk(const struct lattice *fs, uint32_t disk, struct disk_status *out) {
    if (!disk_exists(fs, disk)) {
        return LATTICE_NOT_FOUND;
    }
    const struct disk_record *record = &fs->super.disks[disk];
    const struct disk *live = &fs->disks[disk];
    *out = (struct disk_status){.state = record->state,
                                .present = live->device != nullptr,
                                .stale = live->stale,
                                .blocks = record->blocks,
                                .device_blocks =
                                    live->device == nullptr ? 0 : SOME(live->device)->block_count,
                                .missing_since = record->missing_since,
                                .segments = record->segments,
                                .segments_used = segments_on(fs, disk),
                                .read_errors = live->read_errors,
                                .write_errors = live->write_errors,
                                .checksum_errors = live->checksum_errors,
                                .healed = live->healed};
    return LATTICE_OK;
}

/* ---- preparing ---- */

/* All segments will be written by the next commit: their bitmaps must be in memory for that. A lost
 * bitmap stays lost. */
static lattice_status_t all_dirty(struct lattice *fs) {
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        struct segment_maps *_Nullable maps = nullptr;
        bool written = fs->segments.data[i].entry.state == SEGMENT_WRITTEN;
        lattice_status_t status = written ? segments_maps(fs, i, &maps) : LATTICE_OK;
        if (status != LATTICE_CORRUPT) {
            TRY(status);
        }
    }
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        fs->segments.data[i].dirty = true;
    }
    return LATTICE_OK;
}

static lattice_status_t ring_clear(struct lattice *fs, struct blkdev *device, uint64_t block) {
    struct bytes zeros = bytes_sub(BYTES_OF(*fs->record_buffer), 0, RING_SLOTS * BLOCK_SIZE);
    bytes_zero(zeros);
    return device->write(device->context, block, RING_SLOTS, SOME(zeros.data));
}

/* No superblock of another life may be on the device. */
static lattice_status_t device_clear(struct lattice *fs, struct blkdev *device) {
    TRY(ring_clear(fs, device, RING_START));
    TRY(ring_clear(fs, device, device->block_count - RING_SLOTS));
    return device->flush(device->context);
}

static lattice_status_t change_start(struct lattice *fs) {
    if (fs->read_only) {
        return LATTICE_READ_ONLY;
    }
    TRY(segments_need_all(fs));
    return commit(fs);
}

static lattice_status_t change_finish(struct lattice *fs) {
    lattice_status_t status = commit(fs);
    if (status != LATTICE_OK) {
        lattice_abort(fs, status);
    }
    return status;
}

/* A free number for a new disk. */
static lattice_status_t number_choose(const struct lattice *fs, const struct blkdev *device,
                                      uint32_t *out) {
    *out = fs->super.disk_count;
    for (uint32_t i = 0; i < fs->super.disk_count; i++) {
        if (fs->disks[i].device == device) {
            return LATTICE_EXISTS;
        }
        if (fs->super.disks[i].state == DISK_NONE && *out == fs->super.disk_count) {
            *out = i;
        }
    }
    uint64_t least = layout_segment_start(&fs->super, 1) + RING_SLOTS;
    if (device->block_count < least || device->block_count > ADDRESS_MASK) {
        return LATTICE_NO_SPACE;
    }
    return *out < DISKS_MAX ? LATTICE_OK : LATTICE_TOO_MANY;
}

static void disk_enter(struct lattice *fs, uint32_t number, struct blkdev *device,
                       enum disk_state state) {
    struct disk_record *record = &fs->super.disks[number];
    uint64_t segments = layout_segments(&fs->super, device->block_count);
    *record = (struct disk_record){.blocks = device->block_count,
                                   .segments = (uint32_t)MIN(segments, (uint64_t)UINT32_MAX),
                                   .state = state};
    fs->environment.random(fs->environment.context, record->identity, sizeof record->identity);
    fs->super.disk_count = MAX(fs->super.disk_count, number + 1);
    fs->disks[number] = (struct disk){.device = device, .stale = state != DISK_ONLINE};
}

/* ---- a copy more ---- */

static bool gets_copy(const struct segment_entry *entry, uint32_t beside) {
    return beside == DISKS_MAX || has_place_on(entry, beside);
}

/* Whether the device takes a copy of each segment that has one on `beside` (DISKS_MAX: of all). */
static lattice_status_t copies_fit(const struct lattice *fs, const struct blkdev *device,
                                   uint32_t beside) {
    uint64_t needed = 0;
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        const struct segment_entry *entry = &fs->segments.data[i].entry;
        if (gets_copy(entry, beside) && entry->copies >= COPIES_MAX) {
            return LATTICE_TOO_MANY;
        }
        needed += gets_copy(entry, beside);
    }
    return needed <= layout_segments(&fs->super, device->block_count) ? LATTICE_OK
                                                                      : LATTICE_NO_SPACE;
}

static lattice_status_t copy_attach(struct lattice *fs, struct blkdev *device, uint32_t beside,
                                    uint32_t *out_disk) {
    TRY(change_start(fs));
    TRY(number_choose(fs, device, out_disk));
    TRY(copies_fit(fs, device, beside));
    TRY(all_dirty(fs));
    TRY(device_clear(fs, device));
    disk_enter(fs, *out_disk, device, DISK_RESILVERING);
    uint32_t next = 0;
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        struct segment_entry *entry = &fs->segments.data[i].entry;
        if (gets_copy(entry, beside)) {
            entry->place[entry->copies] = (uint64_t)*out_disk << 48 | next;
            entry->copies++;
            next++;
        }
    }
    fs->super.copies += beside == DISKS_MAX;
    return change_finish(fs);
}

lattice_status_t pool_attach(struct lattice *fs, struct blkdev *device, uint32_t *out_disk) {
    return fs->super.copies >= COPIES_MAX ? LATTICE_TOO_MANY
                                          : copy_attach(fs, device, DISKS_MAX, out_disk);
}

lattice_status_t pool_replace(struct lattice *fs, uint32_t disk, struct blkdev *device,
                              uint32_t *out_disk) {
    return disk_exists(fs, disk) ? copy_attach(fs, device, disk, out_disk) : LATTICE_NOT_FOUND;
}

/* ---- more space ---- */

/* How many segments the free room makes. */
static uint32_t segments_possible(const struct lattice *fs) {
    struct placement placement = placement_of(fs);
    struct segment_entry entry = {};
    uint32_t capacity = fs->super.table_pages * SEGMENTS_PER_PAGE;
    uint32_t count = 0;
    while (fs->segments.count + count < capacity && placement_take(fs, &placement, &entry)) {
        count++;
    }
    return count;
}

/* Adds so many segments to the table in memory. */
static lattice_status_t segments_extend(struct lattice *fs, uint32_t count) {
    struct segments *segments = &fs->segments;
    uint32_t total = segments->count + count;
    struct segment *_Nullable taken = memory_take(fs, total * sizeof(struct segment));
    if (taken == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    struct placement placement = placement_of(fs); /* before the old table is forgotten */
    struct bytes to = bytes_of(taken, total * sizeof(struct segment));
    bytes_copy(to, view_of(segments->data, segments->count * sizeof(struct segment)));
    memory_give(fs, segments->data, segments->count * sizeof(struct segment));
    uint32_t old = segments->count;
    segments->count = total;
    segments->data = taken;
    for (uint32_t i = old; i < total; i++) {
        struct segment *segment = &segments->data[i];
        bool placed = placement_take(fs, &placement, &segment->entry);
        CHECK(placed);
        segment->free_blocks = segment->entry.free_blocks;
        segment->free_quads = segment->entry.free_quads;
        segment->run_limit = UINT32_MAX;
        segments->free_blocks += segment->free_blocks;
        segments->free_quads += segment->free_quads;
        segments->total_blocks += segment->free_blocks;
    }
    fs->super.segment_count = total;
    return LATTICE_OK;
}

static lattice_status_t space_extend(struct lattice *fs) {
    uint32_t count = segments_possible(fs);
    if (count == 0) {
        return LATTICE_NO_SPACE;
    }
    TRY(segments_extend(fs, count));
    return all_dirty(fs);
}

static void disk_leave(struct lattice *fs, uint32_t number, uint32_t disk_count) {
    fs->super.disks[number] = (struct disk_record){};
    fs->super.disk_count = disk_count;
    fs->disks[number] = (struct disk){};
}

/* The disk becomes known to the pool, with nothing on it: were its first superblock also the first
 * that gives it segments, a power cut could leave those on a disk that nobody recognises. */
static lattice_status_t disk_introduce(struct lattice *fs, struct blkdev *device,
                                       uint32_t *out_disk) {
    uint32_t disk_count = fs->super.disk_count;
    TRY(number_choose(fs, device, out_disk));
    disk_enter(fs, *out_disk, device, DISK_ONLINE);
    lattice_status_t status = segments_possible(fs) == 0 ? LATTICE_NO_SPACE : all_dirty(fs);
    status = status == LATTICE_OK ? device_clear(fs, device) : status;
    if (status != LATTICE_OK) {
        disk_leave(fs, *out_disk, disk_count);
        return status;
    }
    fs->super.disks[*out_disk].state = DISK_RESILVERING;
    fs->disks[*out_disk].stale = true;
    return change_finish(fs);
}

lattice_status_t pool_add(struct lattice *fs, struct blkdev *device, uint32_t *out_disk) {
    TRY(change_start(fs));
    TRY(disk_introduce(fs, device, out_disk));
    if (!disk_present(fs, *out_disk)) {
        return LATTICE_IO;
    }
    fs->super.disks[*out_disk].state = DISK_ONLINE;
    fs->disks[*out_disk].stale = false;
    lattice_status_t status = space_extend(fs);
    if (status != LATTICE_OK) { /* it stays, empty, until it is resilvered or detached */
        fs->super.disks[*out_disk].state = DISK_RESILVERING;
        fs->disks[*out_disk].stale = true;
        return status;
    }
    return change_finish(fs);
}

lattice_status_t pool_grow(struct lattice *fs, uint32_t disk) {
    if (!disk_exists(fs, disk)) {
        return LATTICE_NOT_FOUND;
    }
    struct disk_record *record = &fs->super.disks[disk];
    if (fs->disks[disk].device == nullptr) {
        return LATTICE_IO;
    }
    uint64_t blocks = MIN(SOME(fs->disks[disk].device)->block_count, ADDRESS_MASK);
    if (blocks <= record->blocks) {
        return LATTICE_NO_SPACE;
    }
    TRY(change_start(fs));
    if (fs->disks[disk].device == nullptr) { /* the commit has lost it */
        return LATTICE_IO;
    }
    TRY(all_dirty(fs));
    TRY(ring_clear(fs, SOME(fs->disks[disk].device), blocks - RING_SLOTS));
    struct disk_record old = *record;
    uint64_t segments = layout_segments(&fs->super, blocks);
    record->blocks = blocks;
    record->segments = (uint32_t)MIN(segments, (uint64_t)UINT32_MAX);
    lattice_status_t status = space_extend(fs);
    /* A mirror side that grew alone makes no segment yet; it is remembered all the same. */
    if (status != LATTICE_OK && (status != LATTICE_NO_SPACE || fs->super.copies < 2)) {
        *record = old;
        return status;
    }
    TRY(change_finish(fs));
    return status;
}

/* ---- out ---- */

/* Whether all that has a copy on the disk has another that can be trusted. */
static bool can_leave(const struct lattice *fs, uint32_t disk) {
    bool other_disk = false;
    for (uint32_t i = 0; i < fs->super.disk_count; i++) {
        other_disk |= i != disk && disk_present(fs, i) && !fs->disks[i].stale;
    }
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        const struct segment_entry *entry = &fs->segments.data[i].entry;
        bool elsewhere = !has_place_on(entry, disk);
        for (uint32_t copy = 0; copy < entry->copies; copy++) {
            uint32_t other = (uint32_t)(entry->place[copy] >> 48);
            elsewhere |= other != disk && disk_present(fs, other) && !fs->disks[other].stale;
        }
        if (!elsewhere) {
            return false;
        }
    }
    return other_disk;
}

static void place_remove(struct segment_entry *entry, uint32_t disk) {
    uint32_t kept = 0;
    for (uint32_t copy = 0; copy < entry->copies; copy++) {
        if (entry->place[copy] >> 48 != disk) {
            entry->place[kept] = entry->place[copy];
            kept++;
        }
    }
    for (uint32_t copy = kept; copy < COPIES_MAX; copy++) {
        entry->place[copy] = PLACE_NONE;
    }
    entry->copies = (uint8_t)kept;
}

lattice_status_t pool_detach(struct lattice *fs, uint32_t disk) {
    if (!disk_exists(fs, disk)) {
        return LATTICE_NOT_FOUND;
    }
    TRY(change_start(fs));
    if (!can_leave(fs, disk)) {
        return LATTICE_BUSY;
    }
    TRY(all_dirty(fs));
    struct blkdev *_Nullable device = fs->disks[disk].device;
    uint64_t end = fs->super.disks[disk].blocks - RING_SLOTS;
    uint32_t copies = COPIES_MAX;
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        place_remove(&fs->segments.data[i].entry, disk);
        copies = MIN(copies, (uint32_t)fs->segments.data[i].entry.copies);
    }
    fs->super.copies = (uint8_t)copies;
    fs->super.disks[disk] = (struct disk_record){};
    fs->disks[disk] = (struct disk){};
    TRY(change_finish(fs));
    if (device != nullptr) { /* should this fail, its age and identity tell that it left */
        (void)!ring_clear(fs, SOME(device), RING_START);
        (void)!ring_clear(fs, SOME(device), end);
        (void)!SOME(device)->flush(SOME(device)->context);
    }
    return LATTICE_OK;
}

/* ---- trim ---- */

static void trim_segment(struct lattice *fs, uint32_t index, const struct bitmap *busy,
                         uint64_t *blocks) {
    uint32_t size = UINT32_C(1) << fs->super.segment_shift;
    uint64_t start = (uint64_t)index << fs->super.segment_shift;
    uint32_t run = 0;
    for (uint32_t bit = 0; bit <= size; bit++) {
        bool is_free = bit < size && (busy->words[bit / 64] >> (bit % 64) & 1) == 0;
        if (!is_free && run > 0) {
            pool_trim(fs, start + bit - run, run);
            *blocks += run;
        }
        run = is_free ? run + 1 : 0;
    }
}

lattice_status_t pool_trim_free(struct lattice *fs, uint64_t *out_blocks) {
    *out_blocks = 0;
    TRY(change_start(fs));
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        struct segment_maps *_Nullable maps = nullptr;
        lattice_status_t status = segments_maps(fs, i, &maps);
        if (status == LATTICE_OK) {
            trim_segment(fs, i, &SOME(maps)->busy, out_blocks);
        } else if (status == LATTICE_NO_MEMORY) {
            return status;
        }
    }
    return LATTICE_OK;
}

#pragma clang assume_nonnull end
