/* One seed's world: its making, opening, crashing. */
#include "world.h"
#include "campaign.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

void world_fail(const struct world *world, const char *what, uint64_t first, uint64_t second) {
    printf("seed %llu failed: operation %u (%s)%s: %s (%llu, %llu)\n"
           "run again: build/host/bin/%s --seed %llu --operations %u --verbose\n",
           (unsigned long long)world->seed, world->operation, world->doing,
           world->probing ? " in a probe" : "", what, (unsigned long long)first,
           (unsigned long long)second, campaign_program, (unsigned long long)world->seed,
           world->options.operations);
    fflush(stdout);
    _exit(1);
}

/* ---- environment ---- */

static int64_t world_now(void *context) {
    struct world *world = context;
    return world->clock += 1000;
}

static void world_random(void *context, void *buffer, size_t size) {
    struct world *world = context;
    struct bytes to = bytes_of(buffer, size);
    for (size_t i = 0; i < to.size; i++) {
        to.data[i] = (uint8_t)dice_roll(&world->random);
    }
}

static void *_Nullable world_allocate(void *context, size_t size) {
    struct world *world = context;
    if (world->fail_one_in != 0 && !world->probing &&
        dice_once_in(&world->disk_dice, world->fail_one_in)) {
        return nullptr;
    }
    world->outstanding += size;
    return malloc(size);
}

static void world_free(void *context, void *memory, size_t size) {
    struct world *world = context;
    world->outstanding -= size;
    free(memory);
}

/* ---- datasets ---- */

struct head *_Nullable world_head(struct world *world, uint64_t id) {
    for (uint32_t i = 0; i < WORLD_HEADS; i++) {
        if (world->heads[i].id == id) {
            return &world->heads[i];
        }
    }
    return nullptr;
}

void kept_remove(struct head *head, uint32_t index) {
    model_release(&head->kept[index].model);
    for (uint32_t i = index; i + 1 < head->kept_count; i++) {
        head->kept[i] = head->kept[i + 1];
    }
    head->kept_count--;
    head->kept[head->kept_count] = (struct kept){};
}

void head_release(struct head *head) {
    while (head->kept_count > 0) {
        kept_remove(head, head->kept_count - 1);
    }
    model_release(&head->model);
    *head = (struct head){};
}

uint64_t world_hash(const struct world *world) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < WORLD_HEADS; i++) {
        const struct head *head = &world->heads[i];
        if (head->id == 0) {
            continue;
        }
        sum += model_page_hash(head->id, 1, model_hash(&head->model));
        for (uint32_t j = 0; j < head->kept_count; j++) {
            sum += model_page_hash(head->kept[j].id, 2, head->kept[j].hash);
        }
    }
    return sum;
}

/* ---- states ---- */

void world_state_add(struct world *world) {
    uint64_t hash = world_hash(world);
    if (world->state_count > 0 && world->states[world->state_count - 1] == hash) {
        return;
    }
    if (world->state_count == WORLD_STATES) {
        uint32_t kept = world->state_count - world->acknowledged;
        if (kept == WORLD_STATES) {
            world_fail(world, "too many states without a sync", 0, 0);
        }
        memmove(&world->states[0], &world->states[world->acknowledged], kept * sizeof(uint64_t));
        world->state_count = kept;
        world->before -= MIN(world->before, world->acknowledged);
        world->flight_state -= MIN(world->flight_state, world->acknowledged);
        world->mark_state -= MIN(world->mark_state, world->acknowledged);
        world->acknowledged = 0;
    }
    world->states[world->state_count] = hash;
    world->state_count++;
}

void world_acknowledge(struct world *world) {
    world->acknowledged = world->state_count - 1;
}

static void granule_pushed(void *_Nullable observer, struct dataset *dataset, uint64_t object,
                           uint64_t granule, uint64_t size) {
    struct world *world = SOME((struct world *)observer);
    struct head *head = SOME(world_head(world, dataset->id));
    struct model_object *file = SOME(model_find(&head->model, object));
    uint64_t length = UINT64_C(1) << file->record_shift;
    /* Granules below it go first. */
    if (world->storing.size != 0 && granule == world->storing_granule) {
        model_write(file, granule * length, world->storing);
    }
    model_push(file, granule * length, length, size);
    world_state_add(world);
}

static void disk_written(void *_Nullable observer, struct sim_disk *disk) {
    struct world *world = SOME((struct world *)observer);
    (void)disk;
    uint32_t one_in = world->operation < world->dense ? 1 : world->probe_one_in;
    if (!world->probing && !world->no_probe && dice_once_in(&world->disk_dice, one_in)) {
        verify_probe(world);
    }
}

/* ---- making ---- */

struct device_list world_devices(struct world *world) {
    struct device_list list = {.count = world->disk_count};
    for (uint32_t i = 0; i < world->disk_count; i++) {
        bool there = i != world->faulty || !world->absent;
        list.devices[i] = there ? &world->disks[i].device : nullptr;
    }
    return list;
}

static void world_choose(struct world *world) {
    struct dice *dice = &world->dice;
    world->make = (struct make_options){.segment_shift = 8,
                                        .copies = 1,
                                        .node_copies = (uint8_t)(1 + dice_once_in(dice, 3)),
                                        .record_shift = (uint8_t)(12 + dice_below(dice, 4)),
                                        .compression = (uint8_t)dice_below(dice, 3),
                                        .checksum_kind = (uint8_t)(1 + dice_once_in(dice, 4)),
                                        .log_blocks = 8 + dice_below(dice, 100),
                                        .growth = 1 + dice_below(dice, 3)};
    world->disk_count = 1;
    world->faulty = WORLD_DISKS;
    world->hash_mask = dice_once_in(dice, 3) ? UINT64_C(0x3c0) : UINT64_MAX;
    world->fail_one_in = dice_once_in(dice, 4) ? 20 + dice_below(dice, 400) : 0;
    world->probe_one_in = 20 + dice_below(dice, 100);
    world->dense = dice_once_in(dice, 8) ? DENSE_OPERATIONS : 0;
    if (world->options.probe_one_in != 0) {
        world->probe_one_in = world->options.probe_one_in;
    }
    bool deep = !dice_once_in(dice, 3);
    world->leaf_limit = deep ? 700 + dice_below(dice, 2000) : NODE_BODY_SIZE;
    world->inner_limit = deep ? 4 + dice_below(dice, 8) : CHILDREN_MAX;
    if (dice_once_in(dice, 4)) {
        world->disk_count = 2;
        world->make.copies = 2;
        world->faulty = dice_once_in(dice, 3) ? WORLD_DISKS : dice_below(dice, 2);
        world->loud = dice_once_in(dice, 2);
    }
}

void world_disk_watch(struct world *world, struct sim_disk *disk) {
    disk->power = &world->power;
    disk->observer = world;
    disk->written = disk_written;
}

void world_root(struct model *model) {
    model->objects[0] = (struct model_object){.live = true,
                                              .number = ROOT_OBJECT,
                                              .mode = MODE_DIRECTORY << 12 | 0755,
                                              .links = 2,
                                              .parent = ROOT_OBJECT};
}

lattice_status_t world_dataset_open(struct world *world, uint64_t id,
                                    struct dataset *_Nullable *_Nonnull out) {
    lattice_status_t status = LATTICE_NO_MEMORY;
    while (status == LATTICE_NO_MEMORY) {
        status = dataset_open(SOME(world->fs), id, out);
    }
    return status;
}

/* AES only where the machine has it: a seed is then another world, but the same dice. */
enum cipher world_cipher(struct world *world) {
    uint32_t roll = dice_below(&world->dice, 3);
    enum cipher cipher = (enum cipher)roll;
    if (world->make.cipher == CIPHER_NONE) {
        return CIPHER_NONE;
    }
    return cipher == CIPHER_AES_GCM && !crypto_available(cipher) ? CIPHER_XCHACHA : cipher;
}

void world_create(struct world *world, uint64_t seed, const struct world_options *options) {
    *world = (struct world){.seed = seed, .options = *options, .power = true, .doing = "making"};
    world->dice.state = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
    world->disk_dice.state = dice_roll(&world->dice);
    world->random.state = dice_roll(&world->dice);
    world->environment = (struct environment){.context = world,
                                              .now_ns = world_now,
                                              .random = world_random,
                                              .allocate = world_allocate,
                                              .release = world_free};
    world_choose(world);
    world->kdf_operations = dice_below(&world->dice, 2);
    world->make.cipher = dice_once_in(&world->dice, 3) ? CIPHER_XCHACHA : CIPHER_NONE;
    struct io_buffer *text = &world->io;
    struct key_secret secret = world_secret(world, BYTES_OF(text->data));
    world->make.secret = &secret;
    world->tight = dice_once_in(&world->dice, 8);
    uint32_t blocks = world->tight || dice_once_in(&world->dice, 3)
                          ? 1340 + dice_below(&world->dice, 300)
                          : 1450 + dice_below(&world->dice, 3000);
    if (!world->tight && dice_once_in(&world->dice, 16)) { /* the table has several pages */
        blocks += 18000 + dice_below(&world->dice, 18000);
    }
    for (uint32_t i = 0; i < world->disk_count; i++) {
        sim_disk_create(&world->disks[i], blocks, &world->disk_dice);
        world->disks[i].power = &world->power;
    }
    struct device_list devices = world_devices(world);
    uint32_t fail = world->fail_one_in;
    world->fail_one_in = 0;
    lattice_status_t status = pool_make(&world->environment, &devices, &world->make);
    world->fail_one_in = fail;
    world->make.secret = nullptr;
    if (status != LATTICE_OK) {
        world_fail(world, "pool_make", (uint64_t)status, blocks);
    }
    for (uint32_t i = 0; i < world->disk_count; i++) {
        world_disk_watch(world, &world->disks[i]);
    }
    world->head = &world->heads[0];
    world->head->id = 1;
    world_root(&world->head->model);
    world_state_add(world);
    world_acknowledge(world);
    while (!world_open(world)) {
    }
}

void world_tune(const struct world *world, struct lattice *fs) {
    fs->hash_mask = world->hash_mask;
    fs->cache.limit = 16;
    fs->scant_blocks = world->seed % 2 == 0 ? UINT32_MAX : fs->scant_blocks;
    fs->leaf_limit = world->leaf_limit;
    fs->inner_limit = world->inner_limit;
}

bool world_open(struct world *world) {
    struct device_list devices = world_devices(world);
    struct lattice *_Nullable fs = nullptr;
    lattice_status_t status =
        world->vault == nullptr
            ? pool_open(&world->environment, &devices, 0, &fs)
            : pool_open_vault(&world->environment, &devices, SOME(world->vault), &fs);
    if (status != LATTICE_OK) {
        if (world->outstanding != 0) {
            world_fail(world, "a failed open kept memory", world->outstanding, 0);
        }
        bool excused = (status == LATTICE_NO_MEMORY && world->fail_one_in != 0) || !world->power ||
                       (status == LATTICE_ABORTED && world->fail_one_in != 0);
        if (!excused) {
            world_fail(world, "pool_open", (uint64_t)status, 0);
        }
        return false;
    }
    world->fs = fs;
    world_tune(world, SOME(fs));
    status = world_unlock(world, SOME(fs));
    for (uint32_t i = 0; i < WORLD_HEADS && world->doing[0] == 'm' && status == LATTICE_OK; i++) {
        if (world->heads[i].id != 0) { /* at a recovery the heads are found by verify_recovered */
            status = dataset_open(SOME(fs), world->heads[i].id, &world->heads[i].dataset);
        }
    }
    if (status == LATTICE_OK) {
        status = granules_create(SOME(fs), &world->granules);
    }
    if (status != LATTICE_OK) {
        world_close(world);
        return false;
    }
    SOME(world->granules)->observer = world;
    SOME(world->granules)->pushed = granule_pushed;
    SOME(world->granules)->limit = 24;
    SOME(world->granules)->dirty_limit = 12;
    world->commits_seen = SOME(fs)->statistics.commits;
    return true;
}

void world_close(struct world *world) {
    if (world->granules != nullptr) {
        granules_destroy(SOME(world->granules));
    }
    if (world->fs != nullptr) {
        pool_close(SOME(world->fs));
    }
    world->granules = nullptr;
    for (uint32_t i = 0; i < WORLD_HEADS; i++) {
        world->heads[i].dataset = nullptr;
    }
    world->fs = nullptr;
    if (world->outstanding != 0) {
        world_fail(world, "memory was not given back", world->outstanding, 0);
    }
}

/* Compares with what may be there, and takes over what is. */
static void world_recovered(struct world *world) {
    uint32_t fail = world->fail_one_in;
    world->fail_one_in = 0;
    verify_recovered(world, SOME(world->fs), true);
    if (world->adopt) {
        receive_leftovers(world);
        verify_recovered(world, SOME(world->fs), true);
        world->no_probe = false;
    }
    world->fail_one_in = fail;
    world->state_count = 0;
    world->before = 0;
    world->flight_number = 0;
    world->marked = false;
    world->fetching.wanted = false;
    world_state_add(world);
    world_acknowledge(world);
}

void world_crash(struct world *world) {
    world->crashes++;
    world->doing = "recovering";
    world_close(world);
    bool opened = false;
    uint32_t attempts = 0;
    world->no_probe = world->adopt;
    while (!opened) {
        for (uint32_t i = 0; i < world->disk_count; i++) {
            sim_disk_crash(&world->disks[i]);
        }
        world->power = true;
        if (world->faulty < world->disk_count) { /* it comes and goes, and may come back to life */
            world->absent = !world->steady && dice_once_in(&world->disk_dice, 4);
            world->disks[world->faulty].dead = false;
        }
        if (attempts < 3 && dice_once_in(&world->disk_dice, 3)) {
            world->disks[0].dies_at =
                world->disks[0].writes + 1 + dice_below(&world->disk_dice, 30);
        }
        if (++attempts > 50) {
            world->fail_one_in = 0;
        }
        opened = world_open(world);
        if (opened && !world->power) { /* it died when nothing more had to be written */
            world_close(world);
            opened = false;
        }
    }
    world->disks[0].dies_at = 0;
    world_recovered(world);
}

/* A copy of what a server would have kept outside itself. */
static struct log_part part_copy(const struct log_part *part) {
    struct log_part copy = *part;
    copy.entries = (struct view){};
    if (part->entries.size != 0) {
        struct bytes to = bytes_of(malloc(part->entries.size), part->entries.size);
        bytes_copy(to, part->entries);
        copy.entries = bytes_view(to);
    }
    return copy;
}

void world_restart(struct world *world) {
    struct lattice *fs = SOME(world->fs);
    struct log_vault vault = log_vault(fs);
    bool whole = !vault.parts[0].partial && !vault.parts[1].partial && fs->aborted == LATTICE_OK;
    for (unsigned i = 0; i < ARRAY_LENGTH(vault.parts); i++) {
        vault.parts[i] = part_copy(&vault.parts[i]);
    }
    world->restarts++;
    world->doing = "restarting";
    world_close(world);
    world->vault = &vault;
    for (uint32_t attempts = 0; !world_open(world); attempts++) {
        if (attempts > 50) {
            world->fail_one_in = 0;
        }
    }
    world->vault = nullptr;
    if (whole) { /* not an operation less */
        world_acknowledge(world);
    }
    world_recovered(world);
    for (unsigned i = 0; i < ARRAY_LENGTH(vault.parts); i++) {
        free((void *)(uintptr_t)vault.parts[i].entries.data);
    }
}

void world_destroy(struct world *world) {
    world_close(world);
    for (uint32_t i = 0; i < WORLD_HEADS; i++) {
        head_release(&world->heads[i]);
    }
    for (uint32_t i = 0; i < world->disk_count; i++) {
        sim_disk_destroy(&world->disks[i]);
    }
}

#pragma clang assume_nonnull end
