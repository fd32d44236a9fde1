/* Making, opening and closing a pool.
 *
 * Opening for writing: newest superblock N → N again as N+1 and N+2 (so that nothing freed in N−1
 * or N is overwritten while N is among the last two) → replay of the log in N+3 → commit. */
#include "mount.h"
#include "checksum.h"
#include "dataset.h"
#include "inode.h"
#include "keys.h"
#include "log.h"
#include "placement.h"
#include "pool.h"
#include "registry.h"
#include "space.h"

#pragma clang assume_nonnull begin

static struct lattice *_Nullable lattice_create(const struct environment *environment) {
    struct lattice *_Nullable taken =
        environment->allocate(environment->context, sizeof(struct lattice));
    if (taken == nullptr) {
        return nullptr;
    }
    struct lattice *fs = SOME(taken);
    bytes_zero(bytes_of(fs, sizeof *fs));
    fs->environment = *environment;
    fs->hash_mask = UINT64_MAX;
    fs->leaf_limit = NODE_BODY_SIZE;
    fs->inner_limit = CHILDREN_MAX;
    fs->cache.limit = 1024;
    struct node *_Nullable scratch = memory_take_raw(fs, sizeof(struct node));
    struct work_buffer *_Nullable record = memory_take_raw(fs, sizeof(struct work_buffer));
    struct work_buffer *_Nullable stored = memory_take_raw(fs, sizeof(struct work_buffer));
    struct node *_Nullable sealed = memory_take_raw(fs, sizeof(struct node));
    struct secret_buffer *_Nullable secret = memory_take_raw(fs, sizeof(struct secret_buffer));
    struct table_buffer *_Nullable table = memory_take_raw(fs, sizeof(struct table_buffer));
    if (scratch == nullptr || record == nullptr || stored == nullptr || sealed == nullptr ||
        secret == nullptr || table == nullptr) {
        memory_give(fs, table, sizeof(struct table_buffer));
        memory_give(fs, sealed, sizeof(struct node));
        memory_give(fs, secret, sizeof(struct secret_buffer));
        memory_give(fs, scratch, sizeof(struct node));
        memory_give(fs, record, sizeof(struct work_buffer));
        memory_give(fs, stored, sizeof(struct work_buffer));
        memory_give(fs, fs, sizeof *fs);
        return nullptr;
    }
    fs->scratch_node = SOME(scratch);
    fs->record_buffer = SOME(record);
    fs->stored_buffer = SOME(stored);
    fs->sealed_node = SOME(sealed);
    fs->secret_buffer = SOME(secret);
    fs->table_buffer = SOME(table);
    return fs;
}

void pool_close(struct lattice *fs) {
    datasets_release(fs);
    cache_release(fs);
    segments_release(fs);
    log_release(fs);
    keys_release(fs);
    memory_give(fs, fs->table_buffer, sizeof(struct table_buffer));
    memory_give(fs, fs->sealed_node, sizeof(struct node));
    memory_give(fs, fs->secret_buffer, sizeof(struct secret_buffer));
    memory_give(fs, fs->scratch_node, sizeof(struct node));
    memory_give(fs, fs->record_buffer, sizeof(struct work_buffer));
    memory_give(fs, fs->stored_buffer, sizeof(struct work_buffer));
    memory_give(fs, fs, sizeof *fs);
}

/* ---- making ---- */

static uint8_t shift_for(uint64_t blocks) {
    uint8_t shift = SEGMENT_SHIFT_MIN;
    while (shift < SEGMENT_SHIFT_MAX && blocks >> shift > 128) {
        shift++;
    }
    return shift;
}

static lattice_status_t make_geometry(struct lattice *fs, const struct device_list *devices,
                                      const struct make_options *options) {
    struct superblock *super = &fs->super;
    uint64_t smallest = UINT64_MAX;
    for (uint32_t i = 0; i < devices->count; i++) {
        if (devices->devices[i] == nullptr) {
            return LATTICE_INVALID;
        }
        smallest = MIN(smallest, SOME(devices->devices[i])->block_count);
    }
    super->magic = SUPERBLOCK_MAGIC;
    super->version = LATTICE_VERSION;
    super->segment_shift =
        options->segment_shift != 0 ? options->segment_shift : shift_for(smallest);
    super->copies = options->copies == 0 ? 1 : options->copies;
    super->node_copies = options->node_copies == 0 ? 1 : options->node_copies;
    super->disk_count = devices->count;
    super->next_dataset = 2;
    if (super->segment_shift < SEGMENT_SHIFT_MIN || super->segment_shift > SEGMENT_SHIFT_MAX ||
        super->copies > COPIES_MAX || super->copies > devices->count || super->node_copies > 2 ||
        devices->count == 0 || devices->count > DISKS_MAX) {
        return LATTICE_INVALID;
    }
    uint64_t most = 0;
    for (uint32_t i = 0; i < devices->count; i++) {
        most += SOME(devices->devices[i])->block_count >> super->segment_shift;
    }
    uint64_t capacity = (most / super->copies + 1) * (options->growth == 0 ? 16 : options->growth);
    uint64_t pages = (capacity + SEGMENTS_PER_PAGE - 1) / SEGMENTS_PER_PAGE;
    pages = MIN(pages, (uint64_t)INDEX_PAGES_MAX * REFERENCES_PER_PAGE);
    super->table_pages = (uint32_t)pages;
    super->index_pages = (uint32_t)((pages + REFERENCES_PER_PAGE - 1) / REFERENCES_PER_PAGE);
    fs->environment.random(fs->environment.context, super->pool, sizeof super->pool);
    for (uint32_t i = 0; i < devices->count; i++) {
        struct disk_record *disk = &super->disks[i];
        fs->disks[i].device = devices->devices[i];
        fs->environment.random(fs->environment.context, disk->identity, sizeof disk->identity);
        disk->blocks = SOME(devices->devices[i])->block_count;
        disk->state = DISK_ONLINE;
        disk->segments = (uint32_t)MIN(layout_segments(super, disk->blocks), UINT32_MAX);
    }
    return LATTICE_OK;
}

/* Maps virtual segments to places until the disks are used up. Counts only if the table is not
 * allocated. */
static uint32_t make_segments(struct lattice *fs) {
    struct placement placement = {};
    struct segment_entry entry = {};
    uint32_t count = 0;
    while (count < fs->super.table_pages * SEGMENTS_PER_PAGE &&
           placement_take(fs, &placement, &entry)) {
        if (count < fs->segments.count) {
            struct segment *segment = &fs->segments.data[count];
            segment->entry = entry;
            segment->free_blocks = entry.free_blocks;
            segment->free_quads = entry.free_quads;
            segment->run_limit = UINT32_MAX;
            segment->dirty = true;
            fs->segments.free_blocks += entry.free_blocks;
            fs->segments.free_quads += entry.free_quads;
            fs->segments.total_blocks += entry.free_blocks;
        }
        count++;
    }
    return count;
}

static lattice_status_t make_log(struct lattice *fs, const struct make_options *options) {
    uint32_t size = (UINT32_C(1) << fs->super.segment_shift) - SEGMENT_HEAD_BLOCKS;
    uint32_t blocks = options->log_blocks != 0 ? options->log_blocks : MIN(size / 2, 4096u);
    if (blocks < 4 || blocks > size) {
        return LATTICE_INVALID;
    }
    fs->super.log_blocks = blocks;
    fs->super.log_address = SEGMENT_HEAD_BLOCKS;
    return segments_pin(fs, fs->super.log_address, blocks);
}

static lattice_status_t make_rings(struct lattice *fs) {
    struct bytes zeros = BYTES_OF(*fs->record_buffer);
    bytes_zero(zeros);
    for (uint32_t disk = 0; disk < fs->super.disk_count; disk++) {
        struct view ring = view_sub(bytes_view(zeros), 0, RING_SLOTS * BLOCK_SIZE);
        TRY(disk_write(fs, disk, RING_START, ring));
        TRY(disk_write(fs, disk, fs->super.disks[disk].blocks - RING_SLOTS, ring));
    }
    return pool_flush(fs);
}

static lattice_status_t make_dataset(struct lattice *fs, const struct make_options *options) {
    struct dataset_record record = {.kind = DATASET_HEAD,
                                    .record_shift = options->record_shift,
                                    .compression = options->compression,
                                    .checksum_kind = options->checksum_kind,
                                    .head = 1,
                                    .birth = 1,
                                    .next_object = 2,
                                    .deadlist = 1,
                                    .name_length = 4};
    record.record_shift = record.record_shift == 0 ? 16 : record.record_shift;
    record.checksum_kind = record.checksum_kind == 0 ? CHECKSUM_XXH64 : record.checksum_kind;
    record.time = fs->environment.now_ns(fs->environment.context);
    fs->environment.random(fs->environment.context, record.name_key, sizeof record.name_key);
    fs->environment.random(fs->environment.context, &record.guid, sizeof record.guid);
    bytes_copy(BYTES_OF(record.name), view_text("root"));
    if (options->cipher != CIPHER_NONE) {
        TRY(options->secret == nullptr
                ? LATTICE_INVALID
                : key_create(fs, &record, options->cipher, SOME(options->secret)));
    }
    struct registry_entry entry = {};
    lattice_status_t status = registry_find(fs, 0, view_text("root"), &entry);
    if (status != LATTICE_NOT_FOUND) {
        return status;
    }
    TRY(registry_put(fs, 0, entry.cookie, view_text("root"), 1));
    return dataset_make(fs, 1, &record, options->root_user, options->root_group);
}

lattice_status_t pool_make(const struct environment *environment, const struct device_list *devices,
                           const struct make_options *options) {
    struct lattice *_Nullable created = lattice_create(environment);
    if (created == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    struct lattice *fs = SOME(created);
    fs->transaction = 1;
    environment->random(environment->context, &fs->nonce_salt, sizeof fs->nonce_salt);
    lattice_status_t status = make_geometry(fs, devices, options);
    uint32_t count = status == LATTICE_OK ? make_segments(fs) : 0;
    if (status == LATTICE_OK && count < 4) {
        status = LATTICE_NO_SPACE;
    }
    fs->super.segment_count = count;
    status = status == LATTICE_OK ? segments_allocate_table(fs, count) : status;
    if (status == LATTICE_OK) {
        (void)make_segments(fs);
        status = make_rings(fs);
    }
    status = status == LATTICE_OK ? make_log(fs, options) : status;
    status = status == LATTICE_OK ? tree_create(fs, &fs->pool_tree) : status;
    status = status == LATTICE_OK ? make_dataset(fs, options) : status;
    status = status == LATTICE_OK ? commit(fs) : status;
    pool_close(fs);
    return status;
}

/* ---- opening ---- */

/* What one device says that it is. */
struct found_device {
    struct blkdev *device;
    uint64_t newest;
    uint32_t number;
    uint8_t identity[16];
};

struct found {
    struct superblock super; /* the newest */
    uint32_t count;
    struct found_device devices[DISKS_MAX];
    uint64_t limit; /* later superblocks do not count */
    lattice_status_t worst;
    bool any;
};

enum { NEWER_SLOTS = 4 };

/* Takes the superblock in a slot if it is good and newer. */
static void slot_read(struct lattice *fs, struct blkdev *device, uint64_t start, uint32_t slot,
                      struct found *found, struct superblock *out_best, bool *out_any) {
    struct superblock *super = (struct superblock *)fs->scratch_node;
    if (start + slot >= device->block_count ||
        device->read(device->context, start + slot, 1, super) != LATTICE_OK) {
        return;
    }
    if (*out_any && super->magic == SUPERBLOCK_MAGIC &&
        super->transaction <= out_best->transaction) {
        return; /* whether it is whole does not matter */
    }
    /* Of a disk that was cut short a rescue reads what is left. */
    uint64_t blocks = fs->rescue ? ADDRESS_MASK : device->block_count;
    lattice_status_t status = superblock_validate(super, blocks);
    if (status == LATTICE_UNSUPPORTED) {
        found->worst = status;
    }
    if (status == LATTICE_OK && super->transaction % RING_SLOTS == slot &&
        super->transaction <= found->limit) {
        *out_best = *super;
        *out_any = true;
    }
}

/* Where another ring gave a superblock already, only the slots after that can have a newer one. */
static void ring_read(struct lattice *fs, struct blkdev *device, uint64_t start,
                      struct found *found, struct superblock *out_best, bool *out_any) {
    bool all = !*out_any;
    uint64_t from = all ? 0 : out_best->transaction + 1;
    uint64_t end = from + (all ? RING_SLOTS : NEWER_SLOTS);
    for (uint64_t at = from; at < end; at++) {
        slot_read(fs, device, start, (uint32_t)(at % RING_SLOTS), found, out_best, out_any);
        if (!all && out_best->transaction == at) {
            end = at + 1 + NEWER_SLOTS;
        }
    }
}

/* The newest superblock of one device, from its ring A, ring B at its end, and ring B where A says.
 */
static void device_read(struct lattice *fs, struct blkdev *device, struct found *found) {
    struct superblock *best = &fs->record_buffer->super;
    bool any = false;
    ring_read(fs, device, RING_START, found, best, &any);
    if (device->block_count > RING_SLOTS) {
        ring_read(fs, device, device->block_count - RING_SLOTS, found, best, &any);
    }
    if (any && best->disks[best->disk].blocks < device->block_count) {
        ring_read(fs, device, best->disks[best->disk].blocks - RING_SLOTS, found, best, &any);
    }
    bool same = any && (!found->any || view_equal(VIEW_OF(best->pool), VIEW_OF(found->super.pool)));
    if (!same || found->count == DISKS_MAX) {
        return;
    }
    struct found_device *entry = &found->devices[found->count];
    found->count++;
    *entry =
        (struct found_device){.device = device, .newest = best->transaction, .number = best->disk};
    bytes_copy(BYTES_OF(entry->identity), VIEW_OF(best->disks[best->disk].identity));
    if (!found->any || best->transaction > found->super.transaction) {
        found->super = *best;
        found->any = true;
    }
}

/* The device that is this disk of the pool: by identity, as numbers are given anew. */
static const struct found_device *_Nullable found_disk(const struct found *found, uint32_t disk) {
    const struct disk_record *record = &found->super.disks[disk];
    for (uint32_t i = 0; i < found->count; i++) {
        if (found->devices[i].number == disk &&
            view_equal(VIEW_OF(found->devices[i].identity), VIEW_OF(record->identity))) {
            return &found->devices[i];
        }
    }
    return nullptr;
}

/* Tells the disks that have all from those that miss some transactions. A disk that lacks only the
 * newest superblock has all that this names: a commit flushes every disk first, and would have
 * called it missing had that failed. */
static void open_disks(struct lattice *fs, const struct found *found) {
    for (uint32_t i = 0; i < fs->super.disk_count; i++) {
        struct disk_record *disk = &fs->super.disks[i];
        const struct found_device *_Nullable device = found_disk(found, i);
        if (disk->state == DISK_NONE) {
            continue;
        }
        if (device == nullptr) {
            if (disk->state == DISK_ONLINE) {
                disk->missing_since = fs->super.transaction + 1;
            }
            disk->state = DISK_MISSING;
            continue;
        }
        fs->disks[i].device = SOME(device)->device;
        if (SOME(device)->newest + 1 < fs->super.transaction && disk->state == DISK_ONLINE) {
            disk->missing_since = SOME(device)->newest + 1;
            disk->state = DISK_MISSING;
        }
        fs->disks[i].stale = disk->state != DISK_ONLINE;
    }
}

static lattice_status_t open_superblock(struct lattice *fs, const struct device_list *devices,
                                        uint64_t limit) {
    struct found *_Nullable taken = memory_take(fs, sizeof(struct found));
    if (taken == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    struct found *found = SOME(taken);
    found->limit = limit;
    found->worst = LATTICE_CORRUPT;
    for (uint32_t i = 0; i < devices->count; i++) {
        if (devices->devices[i] != nullptr) {
            device_read(fs, SOME(devices->devices[i]), found);
        }
    }
    lattice_status_t status = found->any ? LATTICE_OK : found->worst;
    if (status == LATTICE_OK) {
        fs->super = found->super;
        for (uint32_t i = 0; i < INDEX_PAGES_MAX; i++) {
            fs->super.index[i].written = 0;
        }
        open_disks(fs, found);
    }
    memory_give(fs, found, sizeof *found);
    return status;
}

/* The newest superblock again, for disks that lack it (two crashes in a row must not make one lag
 * by two), then twice more under new numbers, so that its two predecessors may go. */
static lattice_status_t open_settle(struct lattice *fs) {
    TRY(superblock_write(fs));
    TRY(pool_flush(fs));
    for (uint32_t i = 0; i < 2; i++) {
        fs->super.transaction++;
        TRY(superblock_write(fs));
        TRY(pool_flush(fs));
    }
    fs->transaction = fs->super.transaction + 1;
    return LATTICE_OK;
}

static lattice_status_t open_recover(struct lattice *fs, const struct log_vault *_Nullable vault) {
    TRY(open_settle(fs));
    TRY(log_replay(fs, vault));
    TRY(commit(fs));
    TRY(datasets_recover(fs, nullptr));
    return reservations_count(fs);
}

/* How to open. */
struct opening {
    uint32_t flags;
    uint64_t limit; /* the newest transaction that counts */
    const struct log_vault *_Nullable vault;
};

static lattice_status_t open_pool(struct lattice *fs, const struct device_list *devices,
                                  const struct opening *opening) {
    uint32_t flags = opening->flags;
    fs->rescue = (flags & MOUNT_RESCUE) != 0;
    TRY(open_superblock(fs, devices, opening->limit));
    fs->ignore_checksums = (flags & MOUNT_IGNORE_CHECKSUMS) != 0;
    fs->read_only =
        (flags & (MOUNT_READ_ONLY | MOUNT_RESCUE)) != 0 || fs->super.feature_read_only != 0;
    fs->transaction = fs->super.transaction + 1;
    fs->log.position = fs->super.log_position;
    fs->pool_tree = (struct tree){.root = fs->super.pool_root};
    fs->environment.random(fs->environment.context, &fs->nonce_salt, sizeof fs->nonce_salt);
    TRY(segments_load(fs));
    return fs->read_only ? LATTICE_OK : open_recover(fs, opening->vault);
}

static lattice_status_t pool_open_as(const struct environment *environment,
                                     const struct device_list *devices,
                                     const struct opening *opening,
                                     struct lattice *_Nullable *_Nonnull out) {
    struct lattice *_Nullable created = lattice_create(environment);
    if (created == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    lattice_status_t status = open_pool(SOME(created), devices, opening);
    if (status != LATTICE_OK) {
        pool_close(SOME(created));
        return status;
    }
    *out = created;
    return LATTICE_OK;
}

lattice_status_t pool_open_at(const struct environment *environment,
                              const struct device_list *devices, uint32_t flags,
                              uint64_t transaction, struct lattice *_Nullable *_Nonnull out) {
    struct opening opening = {.flags = flags, .limit = transaction};
    return pool_open_as(environment, devices, &opening, out);
}

lattice_status_t pool_open_vault(const struct environment *environment,
                                 const struct device_list *devices, const struct log_vault *vault,
                                 struct lattice *_Nullable *_Nonnull out) {
    struct opening opening = {.limit = UINT64_MAX, .vault = vault};
    return pool_open_as(environment, devices, &opening, out);
}

lattice_status_t pool_open(const struct environment *environment, const struct device_list *devices,
                           uint32_t flags, struct lattice *_Nullable *_Nonnull out) {
    return pool_open_at(environment, devices, flags, UINT64_MAX, out);
}

#pragma clang assume_nonnull end
