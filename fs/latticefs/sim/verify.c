/* Judging a file system: against the model, against the states that a crash may leave, against
 * itself. */
#include "damage.h"
#include "fs/latticefs/core/check.h"
#include "fs/latticefs/core/checksum.h"
#include "fs/latticefs/core/registry.h"
#include "fs/latticefs/core/scrub.h"
#include "fs/latticefs/core/snapshot.h"
#include "fs/latticefs/core/xattr.h"
#include "world.h"
#include <stdio.h>
#include <stdlib.h>

#pragma clang assume_nonnull begin

static void must(const struct world *world, lattice_status_t status, const char *what,
                 uint64_t number) {
    if (status != LATTICE_OK) {
        world_fail(world, what, (uint64_t)status, number);
    }
}

/* ---- hashing what is there ---- */

struct hashing {
    struct world *world;
    struct lattice *fs;
    struct dataset *dataset;
    struct model *_Nullable reload;
    uint64_t sum;
};

static void reload_page(struct hashing *hashing, uint64_t object, uint64_t offset,
                        struct view content) {
    struct model_object *_Nullable file =
        hashing->reload == nullptr ? nullptr : model_find(SOME(hashing->reload), object);
    if (file == nullptr) {
        return;
    }
    if (model_page_slot(offset) == MODEL_PAGES) {
        world_fail(hashing->world, "data where none was written", object, offset);
    }
    uint64_t size = SOME(file)->size;
    model_write(SOME(file), offset, content);
    SOME(file)->size = size;
}

/* Hashes the pages of one granule that hold anything. */
static void hash_granule(struct hashing *hashing, uint64_t object, const struct inode *inode,
                         uint64_t granule) {
    struct bytes to = bytes_sub(BYTES_OF(hashing->world->io), 0, granule_size(inode));
    must(hashing->world, granule_read(hashing->fs, hashing->dataset, object, inode, granule, to),
         "granule_read", object);
    for (uint32_t at = 0; at < to.size; at += SIM_BLOCK) {
        struct view page = view_sub(bytes_view(to), at, SIM_BLOCK);
        uint64_t offset = (granule << inode->record_shift) + at;
        if (!view_is_zero(page)) {
            hashing->sum += model_page_hash(object, offset, checksum_xxh64(page));
            reload_page(hashing, object, offset, page);
        }
    }
}

static void hash_content(struct hashing *hashing, uint64_t object, const struct inode *inode) {
    uint64_t offset = 0;
    while (offset < inode->size) {
        lattice_status_t status =
            file_seek(hashing->fs, hashing->dataset, object, offset, true, &offset);
        if (status == LATTICE_NOT_FOUND) {
            return;
        }
        must(hashing->world, status, "file_seek", object);
        hash_granule(hashing, object, inode, offset >> inode->record_shift);
        offset = ((offset >> inode->record_shift) + 1) << inode->record_shift;
    }
}

static void hash_xattrs(struct hashing *hashing, uint64_t object) {
    uint64_t cookie = 0;
    for (;;) {
        struct view name = {};
        size_t size = 0;
        lattice_status_t status =
            xattr_next(hashing->fs, hashing->dataset, object, cookie, &cookie, &name);
        if (status == LATTICE_NOT_FOUND) {
            return;
        }
        must(hashing->world, status, "xattr_next", object);
        uint32_t index = 0;
        while (index < MODEL_XATTRS && !view_equal(model_xattr_name(index), name)) {
            index++;
        }
        if (index == MODEL_XATTRS) {
            world_fail(hashing->world, "attribute of an unknown name", object, cookie);
        }
        struct bytes to = BYTES_OF(hashing->world->io.data);
        must(hashing->world,
             xattr_get(hashing->fs, hashing->dataset, object, model_xattr_name(index), to, &size),
             "xattr_get", object);
        uint64_t content = checksum_xxh64(view_sub(bytes_view(to), 0, size));
        hashing->sum += model_xattr_hash(object, model_xattr_name(index), content);
        if (hashing->reload != nullptr) {
            SOME(model_find(SOME(hashing->reload), object))->xattrs[index] = content;
        }
    }
}

static void hash_object(struct hashing *hashing, uint64_t object) {
    struct inode inode = {};
    struct view target = {};
    uint64_t target_hash = 0;
    must(hashing->world, inode_get(hashing->fs, hashing->dataset, object, &inode), "inode_get",
         object);
    if (inode_type(&inode) == MODE_SYMLINK) {
        must(hashing->world, symlink_read(hashing->fs, hashing->dataset, object, &target),
             "symlink_read", object);
        target_hash = checksum_xxh64(target);
    }
    hashing->sum += model_object_hash(object, &inode, target_hash);
    if (hashing->reload != nullptr) {
        struct model_object *_Nullable made = model_vacant(SOME(hashing->reload));
        *SOME(made) = (struct model_object){.live = true,
                                            .number = object,
                                            .record_shift = inode.record_shift,
                                            .mode = inode.mode,
                                            .user = inode.user,
                                            .group = inode.group,
                                            .links = inode.links,
                                            .device = inode.device,
                                            .parent = inode.parent,
                                            .target = target_hash,
                                            .size = inode.size,
                                            .pushed_size = inode.size};
    }
    hash_xattrs(hashing, object);
    if (inode_type(&inode) == MODE_FILE) {
        hash_content(hashing, object, &inode);
    }
    if (hashing->reload != nullptr) {
        struct model_object *file = SOME(model_find(SOME(hashing->reload), object));
        model_push(file, 0, UINT64_MAX, file->size);
    }
}

struct found_objects {
    uint32_t count;
    uint64_t data[MODEL_OBJECTS];
};

static bool found_add(struct found_objects *found, uint64_t object) {
    for (uint32_t i = 0; i < found->count; i++) {
        if (found->data[i] == object) {
            return false;
        }
    }
    if (found->count < MODEL_OBJECTS) {
        found->data[found->count] = object;
        found->count++;
    }
    return true;
}

static void hash_directory(struct hashing *hashing, uint64_t directory,
                           struct found_objects *found) {
    uint64_t cookie = 0;
    for (;;) {
        struct dirent_entry entry = {};
        lattice_status_t status =
            name_next(hashing->fs, hashing->dataset, directory, cookie, &entry);
        if (status == LATTICE_NOT_FOUND) {
            return;
        }
        must(hashing->world, status, "name_next", directory);
        cookie = entry.cookie;
        hashing->sum += model_entry_hash(directory, entry.name, entry.object);
        if (hashing->reload != nullptr) {
            struct model_object *parent = SOME(model_find(SOME(hashing->reload), directory));
            CHECK(parent->entry_count < MODEL_ENTRIES);
            parent->entries[parent->entry_count] =
                (struct model_entry){model_name_number(entry.name), entry.object};
            parent->entry_count++;
        }
        (void)found_add(found, entry.object);
    }
}

uint64_t verify_hash(struct world *world, struct lattice *fs, struct dataset *dataset,
                     struct model *_Nullable reload, uint64_t *out_objects) {
    struct hashing hashing = {world, fs, dataset, reload, 0};
    struct found_objects found = {};
    (void)found_add(&found, ROOT_OBJECT);
    for (uint32_t i = 0; i < found.count; i++) {
        struct inode inode = {};
        hash_object(&hashing, found.data[i]);
        must(world, inode_get(fs, dataset, found.data[i], &inode), "inode_get", found.data[i]);
        if (inode_type(&inode) == MODE_DIRECTORY) {
            hash_directory(&hashing, found.data[i], &found);
        }
    }
    *out_objects = found.count;
    return hashing.sum;
}

/* ---- judging ---- */

static void print_problem(void *_Nullable context, const char *what, uint64_t first,
                          uint64_t second) {
    (void)context;
    printf("check: %s (%llu, %llu)\n", what, (unsigned long long)first, (unsigned long long)second);
}

uint64_t verify_check(struct world *world, struct lattice *fs) {
    /* So few facts at a time that most datasets are gone through several times. */
    struct check_report report = {.problem = print_problem,
                                  .facts_max = (uint32_t)(world->seed % 8 + 1)};
    if (fs->cache.dirty.count != 0) { /* orphans that the opening deleted */
        must(world, commit(fs), "commit", 0);
    }
    must(world, pool_check(fs, CHECK_DATA, &report), "pool_check", 0);
    if (report.problems != 0) {
        world_fail(world, "check found problems", report.problems, report.leaked);
    }
    if (report.facts != report.objects) {
        world_fail(world, "check missed objects, or saw some twice", report.facts, report.objects);
    }
    return report.objects;
}

struct recovered {
    uint64_t sum;
    uint64_t named; /* objects of heads */
    bool read_only; /* a head is: its orphans stay */
};

static void reload_kept(struct world *world, struct head *head, uint64_t id, uint64_t hash,
                        struct model *content) {
    if (head->kept_count == WORLD_KEPT) {
        world_fail(world, "more snapshots than were made", head->id, id);
    }
    struct kept *kept = &head->kept[head->kept_count];
    kept->id = id;
    kept->hash = hash;
    kept->model = *content;
    head->kept_count++;
}

/* Snapshots of a head, oldest first as their numbers ascend. */
static void recovered_snapshots(struct world *world, struct lattice *fs, uint64_t head_id,
                                struct head *_Nullable head, struct recovered *recovered) {
    uint64_t last = 0;
    for (;;) {
        struct registry_entry entry = {};
        uint64_t cookie = 0;
        uint64_t best = UINT64_MAX;
        while (registry_next(fs, head_id, cookie, &entry) == LATTICE_OK) {
            cookie = entry.cookie;
            best = entry.id > last ? MIN(best, entry.id) : best;
        }
        if (best == UINT64_MAX) {
            return;
        }
        last = best;
        struct dataset *_Nullable dataset = nullptr;
        struct model *content = calloc(1, sizeof(struct model));
        uint64_t objects = 0;
        must(world, dataset_open(fs, best, &dataset), "dataset_open", best);
        uint64_t hash = verify_hash(world, fs, SOME(dataset), content, &objects);
        dataset_close(fs, SOME(dataset));
        recovered->sum += model_page_hash(best, 2, hash);
        if (head != nullptr) {
            reload_kept(world, SOME(head), best, hash, content);
        } else {
            model_release(content);
        }
        free(content);
    }
}

/* A head that a stream is being received into counts for nothing but its snapshots. */
static bool being_received(struct world *world, struct lattice *fs, uint64_t id) {
    struct dataset_record record = {};
    must(world, dataset_record_get(fs, id, &record), "dataset_record_get", id);
    return record.state == DATASET_RECEIVING;
}

static void recovered_head(struct world *world, struct lattice *fs, uint64_t id,
                           struct head *_Nullable head, struct recovered *recovered) {
    struct dataset *_Nullable dataset = nullptr;
    uint64_t objects = 0;
    must(world, dataset_open(fs, id, &dataset), "dataset_open", id);
    uint64_t hash = verify_hash(world, fs, SOME(dataset),
                                head == nullptr ? nullptr : &SOME(head)->model, &objects);
    recovered->sum += model_page_hash(id, 1, hash);
    recovered->named += objects;
    recovered->read_only |= !SOME(dataset)->writable;
    if (head != nullptr) {
        SOME(head)->id = id;
        SOME(head)->dataset = dataset;
    } else {
        dataset_close(fs, SOME(dataset));
    }
    recovered_snapshots(world, fs, id, head, recovered);
}

static void recovered_all(struct world *world, struct lattice *fs, bool reload,
                          struct recovered *recovered) {
    struct registry_entry entry = {};
    uint64_t cookie = 0;
    uint64_t current = world->head->id;
    uint32_t count = 0;
    for (uint32_t i = 0; reload && i < WORLD_HEADS; i++) {
        if (world->heads[i].dataset != nullptr) {
            dataset_close(fs, SOME(world->heads[i].dataset));
        }
        head_release(&world->heads[i]);
    }
    while (registry_next(fs, 0, cookie, &entry) == LATTICE_OK) {
        cookie = entry.cookie;
        if (being_received(world, fs, entry.id)) {
            recovered->read_only = true;
            recovered_snapshots(world, fs, entry.id, nullptr, recovered);
            continue;
        }
        if (count == WORLD_HEADS) {
            world_fail(world, "more datasets than were made", count, entry.id);
        }
        recovered_head(world, fs, entry.id, reload ? &world->heads[count] : nullptr, recovered);
        count++;
    }
    if (reload) {
        struct head *_Nullable same = world_head(world, current);
        world->head = same == nullptr ? &world->heads[0] : SOME(same);
    }
}

void verify_recovered(struct world *world, struct lattice *fs, bool reload) {
    struct recovered recovered = {};
    uint64_t objects = verify_check(world, fs);
    recovered_all(world, fs, reload, &recovered);
    if (objects != recovered.named && !recovered.read_only) {
        world_fail(world, "orphans survived the opening", objects, recovered.named);
    }
    if (reload && world->adopt) {
        return;
    }
    for (uint32_t i = world->acknowledged; i < world->state_count; i++) {
        if (world->states[i] == recovered.sum) {
            return;
        }
    }
    for (uint32_t i = 0; i < world->acknowledged; i++) {
        if (world->states[i] == recovered.sum) {
            world_fail(world, "an acknowledged state is lost", i, world->acknowledged);
        }
    }
    world_fail(world, "the recovered state never was", world->acknowledged, world->state_count);
}

/* Before keys are there, check finds the pool as sound as later. */
static lattice_status_t probe_locked(struct world *world, struct lattice *fs, const bool *power) {
    struct check_report report = {};
    struct check_report again = {.problem = print_problem};
    TRY(fs->cache.dirty.count != 0 ? commit(fs) : LATTICE_OK);
    TRY(pool_check(fs, CHECK_DATA, &report));
    if (*power && report.problems != 0) {
        (void)!pool_check(fs, CHECK_DATA, &again);
        world_fail(world, "check without keys found problems", report.problems, report.leaked);
    }
    return LATTICE_OK;
}

/* Opens copies after a crash; the opening itself may be cut, too. */
static void probe_open(struct world *world, struct sim_disk *disks, bool *power,
                       struct lattice *_Nullable *_Nonnull out) {
    struct device_list devices = {.count = world->disk_count};
    bool cut = dice_once_in(&world->disk_dice, 4);
    for (uint32_t attempt = 0;; attempt++) {
        for (uint32_t i = 0; i < world->disk_count; i++) {
            bool there = i != world->faulty || !world->absent;
            devices.devices[i] = there ? &disks[i].device : nullptr;
            sim_disk_crash(&disks[i]);
        }
        *power = true;
        if (cut && attempt == 0) {
            disks[0].dies_at = disks[0].writes + 1 + dice_below(&world->disk_dice, 25);
        }
        lattice_status_t status = pool_open(&world->environment, &devices, 0, out);
        bool opened = status == LATTICE_OK;
        if (opened && dice_once_in(&world->disk_dice, 4)) {
            status = probe_locked(world, SOME(*out), power);
        }
        status = status == LATTICE_OK ? world_unlock(world, SOME(*out)) : status;
        if (status == LATTICE_OK && *power) {
            disks[0].dies_at = 0;
            return;
        }
        if (opened) {
            pool_close(SOME(*out));
        }
        if (status == LATTICE_OK) {
            continue;
        } else if (*power) {
            world_fail(world, "pool_open of a copy", (uint64_t)status, attempt);
        }
    }
}

struct probe {
    struct sim_disk disks[WORLD_DISKS];
    bool power;
};

/* Looks at a block of a disk: returns the transaction of the superblock there, or 0, and destroys
 * it if that is `newest`. *out_end becomes what it says of the disk's size. */
static uint64_t rewind_block(struct world *world, struct sim_disk *disk, uint64_t block,
                             uint64_t newest, uint64_t *out_end) {
    struct superblock *super = &world->io.super;
    if (block >= disk->current.count || disk->device.read(disk, block, 1, super) != LATTICE_OK ||
        superblock_validate(super, disk->current.count) != LATTICE_OK) {
        return 0;
    }
    *out_end = super->disks[super->disk].blocks;
    if (newest > 1 && super->transaction == newest) {
        super->checksum++;
        must(world, disk->device.write(disk, block, 1, super), "write", block);
    }
    return super->transaction;
}

/* Both rings; a disk may have grown since the pool last looked. */
static uint64_t rewind_disk(struct world *world, struct sim_disk *disk, uint64_t newest) {
    uint64_t end = disk->current.count;
    uint64_t found = 0;
    for (uint32_t slot = 0; slot < RING_SLOTS; slot++) {
        uint64_t seen = rewind_block(world, disk, RING_START + slot, newest, &end);
        found = MAX(found, seen);
    }
    uint64_t told = end;
    for (uint32_t slot = 1; slot <= RING_SLOTS; slot++) {
        uint64_t seen = rewind_block(world, disk, told - slot, newest, &end);
        found = MAX(found, seen);
        seen = rewind_block(world, disk, disk->current.count - slot, newest, &end);
        found = MAX(found, seen);
    }
    return found;
}

/* Destroys the newest superblock of the copies: the one before must be as good as ever. */
static void probe_rewind(struct world *world, struct sim_disk *disks) {
    uint64_t newest = 0;
    for (uint32_t i = 0; i < world->disk_count; i++) {
        uint64_t seen = rewind_disk(world, &disks[i], 0);
        newest = MAX(newest, seen);
    }
    for (uint32_t i = 0; i < world->disk_count; i++) {
        (void)rewind_disk(world, &disks[i], newest);
        (void)!disks[i].device.flush(&disks[i]); /* a dead one has nothing to flush */
    }
}

void verify_probe(struct world *world) {
    struct probe probe = {.power = true};
    uint64_t outstanding = world->outstanding;
    /* The write that led here may be the healing of a block that is being read into this buffer. */
    struct io_buffer *saved = malloc(sizeof(struct io_buffer));
    *saved = world->io;
    world->probing = true;
    world->probes++;
    for (uint32_t i = 0; i < world->disk_count; i++) {
        sim_disk_copy(&probe.disks[i], &world->disks[i], &world->disk_dice);
        probe.disks[i].power = &probe.power;
    }
    struct lattice *_Nullable fs = nullptr;
    bool rewind = dice_once_in(&world->disk_dice, 5);
    for (uint32_t i = 0; rewind && i < world->disk_count; i++) {
        sim_disk_crash(&probe.disks[i]);
    }
    if (rewind) {
        probe_rewind(world, &probe.disks[0]);
    }
    probe_open(world, &probe.disks[0], &probe.power, &fs);
    world_tune(world, SOME(fs));
    if (rewind) {
        (void)verify_check(world, SOME(fs));
    } else {
        verify_recovered(world, SOME(fs), false);
    }
    pool_close(SOME(fs));
    for (uint32_t i = 0; i < world->disk_count; i++) {
        sim_disk_destroy(&probe.disks[i]);
    }
    if (world->outstanding != outstanding) {
        world_fail(world, "a probe kept memory", world->outstanding, outstanding);
    }
    world->probing = false;
    world->io = *saved;
    free(saved);
}

static void ignore_problem(void *_Nullable context, const char *what, uint64_t first,
                           uint64_t second) {
    (void)what;
    *(uint64_t *)SOME(context) += first ^ second;
}

/* Uses a damaged pool as far as it goes. */
static void use_damaged(struct world *world, struct lattice *fs) {
    uint64_t sink = 0;
    struct check_report report = {
        .context = &sink, .problem = ignore_problem, .facts_max = (uint32_t)(world->seed % 8 + 1)};
    struct scrub_report scrub = {};
    struct dataset *_Nullable dataset = nullptr;
    bool more = true;
    world_tune(world, fs);
    (void)!world_unlock(world, fs);
    bool repair = dice_once_in(&world->disk_dice, 2);
    (void)!pool_check(fs, repair ? CHECK_DATA | CHECK_REPAIR : CHECK_DATA, &report);
    if (report.repaired != 0 && fs->aborted == LATTICE_OK) { /* what was repaired stays so */
        struct check_report again = {};
        if (pool_check(fs, 0, &again) == LATTICE_OK && again.unreadable == 0 &&
            again.leaked + again.lost != 0) {
            world_fail(world, "a repaired pool is still wrong", again.leaked, again.lost);
        }
    }
    (void)!pool_scrub_all(fs, 0, &scrub);
    for (uint32_t i = 0; i < 20 && more; i++) {
        (void)!reclaim_step(fs, &more);
    }
    if (dataset_open(fs, 1, &dataset) != LATTICE_OK) {
        return;
    }
    for (uint64_t object = 1; object < 60; object++) {
        struct inode inode = {};
        struct dirent_entry entry = {};
        uint64_t cookie = 0;
        if (inode_get(fs, SOME(dataset), object, &inode) != LATTICE_OK) {
            continue;
        }
        if (granule_size(&inode) <= sizeof world->io.data) {
            struct bytes to = bytes_sub(BYTES_OF(world->io.data), 0, granule_size(&inode));
            (void)!granule_read(fs, SOME(dataset), object, &inode, 0, to);
        }
        for (uint32_t i = 0;
             i < 100 && name_next(fs, SOME(dataset), object, cookie, &entry) == LATTICE_OK; i++) {
            cookie = entry.cookie;
        }
        (void)!file_resize(fs, SOME(dataset), object, 100);
        uint64_t orphan = 0;
        (void)!name_remove(fs, SOME(dataset), 1, model_name((uint32_t)object % MODEL_NAMES),
                           inode_type(&inode) == MODE_DIRECTORY, &orphan);
    }
    (void)!commit(fs);
}

/* Copies of the disks with some bits flipped on each. */
static struct device_list damaged_disks(struct world *world, struct probe *probe, uint32_t flips,
                                        bool structures) {
    struct device_list devices = {.count = world->disk_count};
    probe->power = true;
    for (uint32_t i = 0; i < world->disk_count; i++) {
        sim_disk_copy(&probe->disks[i], &world->disks[i], &world->disk_dice);
        probe->disks[i].power = &probe->power;
        devices.devices[i] = &probe->disks[i].device;
        for (uint32_t j = 0; j < flips; j++) {
            if (structures) {
                damage_structure(&probe->disks[i], &world->disk_dice);
            } else {
                (void)sim_disk_rot(&probe->disks[i]);
            }
        }
    }
    return devices;
}

static void disks_release(struct world *world, struct probe *probe) {
    for (uint32_t i = 0; i < world->disk_count; i++) {
        sim_disk_destroy(&probe->disks[i]);
    }
    free(probe);
    world->damaged++;
}

[[gnu::noinline]] static void damaged_round(struct world *world) {
    struct probe *probe = calloc(1, sizeof(struct probe));
    struct lattice *_Nullable fs = nullptr;
    uint32_t flags = dice_once_in(&world->disk_dice, 4) ? 0 : MOUNT_IGNORE_CHECKSUMS;
    uint32_t flips = 1 + dice_below(&world->disk_dice, 12);
    bool structures = dice_once_in(&world->disk_dice, 2);
    struct device_list devices = damaged_disks(world, probe, flips, structures);
    if (pool_open(&world->environment, &devices, flags, &fs) == LATTICE_OK) {
        use_damaged(world, SOME(fs));
        pool_close(SOME(fs));
    }
    disks_release(world, probe);
}

[[gnu::noinline]] static void rescue_round(struct world *world) {
    struct probe *probe = calloc(1, sizeof(struct probe));
    struct lattice *_Nullable fs = nullptr;
    uint32_t flips = dice_once_in(&world->disk_dice, 4) ? 0 : 1 + dice_below(&world->disk_dice, 40);
    struct device_list devices = damaged_disks(world, probe, flips, false);
    uint32_t number = dice_below(&world->disk_dice, world->disk_count);
    if (flips != 0 && dice_once_in(&world->disk_dice, 3)) { /* an image cut short */
        devices.devices[number] = &probe->disks[number].device;
        probe->disks[number].device.block_count -=
            dice_below(&world->disk_dice, probe->disks[number].current.count - 100);
    }
    lattice_status_t status = pool_open(&world->environment, &devices, MOUNT_RESCUE, &fs);
    if (status == LATTICE_OK) {
        verify_rescue(world, SOME(fs), flips);
        pool_close(SOME(fs));
    } else if (flips == 0 && world->faulty == WORLD_DISKS) {
        world_fail(world, "a whole pool cannot be opened for a rescue", (uint64_t)status, 0);
    }
    disks_release(world, probe);
}

void verify_damaged(struct world *world) {
    uint64_t outstanding = world->outstanding;
    world->probing = true;
    world->doing = "damage";
    for (uint32_t round = 0; round < world->options.images; round++) {
        damaged_round(world);
    }
    rescue_round(world);
    if (world->outstanding != outstanding) {
        world_fail(world, "a damaged pool kept memory", world->outstanding, outstanding);
    }
    world->probing = false;
}

/* ---- what a user sees ---- */

static void seen_content(struct world *world, struct model_object *file) {
    for (uint32_t i = 0; i < MODEL_PAGES; i++) {
        size_t got = 0;
        uint64_t offset = model_page_offset(i);
        struct bytes to = bytes_sub(BYTES_OF(world->io), 0, SIM_BLOCK);
        if (offset >= file->size) {
            continue;
        }
        bytes_zero(to);
        must(world,
             granules_read(SOME(world->granules), SOME(world->head->dataset), file->number, offset,
                           to, &got),
             "granules_read", file->number);
        bool same = file->seen[i] == nullptr
                        ? view_is_zero(bytes_view(to))
                        : view_equal(bytes_view(to), VIEW_OF(SOME(file->seen[i])->data));
        if (!same || got != MIN(file->size - offset, (uint64_t)SIM_BLOCK)) {
            world_fail(world, "content differs", file->number, offset);
        }
    }
}

static void seen_entries(struct world *world, struct model_object *directory) {
    uint64_t cookie = 0;
    uint32_t count = 0;
    for (;;) {
        struct dirent_entry entry = {};
        lattice_status_t status = name_next(SOME(world->fs), SOME(world->head->dataset),
                                            directory->number, cookie, &entry);
        if (status == LATTICE_NOT_FOUND) {
            break;
        }
        must(world, status, "name_next", directory->number);
        struct model_entry *_Nullable expected =
            model_entry(directory, model_name_number(entry.name));
        if (expected == nullptr || SOME(expected)->object != entry.object ||
            entry.cookie <= cookie) {
            world_fail(world, "entry differs", directory->number, entry.object);
        }
        cookie = entry.cookie;
        count++;
    }
    if (count != directory->entry_count) {
        world_fail(world, "number of entries differs", count, directory->entry_count);
    }
}

void verify_seen(struct world *world) {
    uint32_t fail = world->fail_one_in;
    world->fail_one_in = 0;
    for (uint32_t i = 0; i < MODEL_OBJECTS; i++) {
        struct model_object *object = &world->head->model.objects[i];
        struct inode inode = {};
        if (!object->live) {
            continue;
        }
        must(world,
             granules_inode(SOME(world->granules), SOME(world->head->dataset), object->number,
                            &inode),
             "granules_inode", object->number);
        bool directory = object->mode >> 12 == MODE_DIRECTORY;
        if (inode.mode != object->mode || inode.links != object->links ||
            inode.user != object->user ||
            inode.size != (directory ? object->entry_count : object->size)) {
            world_fail(world, "attributes differ", object->number, inode.size);
        }
        if (directory) {
            seen_entries(world, object);
        } else if (object->mode >> 12 == MODE_FILE) {
            seen_content(world, object);
        }
    }
    world->fail_one_in = fail;
}

#pragma clang assume_nonnull end
