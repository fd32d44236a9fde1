/* Properties of datasets: quotas, reservations, read-only. */
#include "fs/latticefs/core/properties.h"
#include "fs/latticefs/core/space.h"
#include "operations.h"
#include <stdio.h>

#pragma clang assume_nonnull begin

enum { QUOTA_SLACK = 200, RESERVATION_SLACK = 200 };

static uint64_t used_by(const struct dataset *dataset) {
    return dataset->record.referenced_blocks + dataset->reserved_blocks;
}

void verify_quotas(const struct world *world) {
    for (uint32_t i = 0; i < WORLD_HEADS; i++) {
        const struct head *head = &world->heads[i];
        if (head->id == 0 || head->dataset == nullptr) {
            continue;
        }
        uint64_t quota = SOME(head->dataset)->record.quota_blocks;
        if (quota != 0 && used_by(SOME(head->dataset)) > quota + head->quota_excess + QUOTA_SLACK) {
            world_fail(world, "over its quota", used_by(SOME(head->dataset)), quota);
        }
    }
}

bool verify_quota_is_why(const struct world *world) {
    const struct dataset *dataset = SOME(world->head->dataset);
    return dataset->record.quota_blocks != 0 &&
           used_by(dataset) + QUOTA_SLACK > dataset->record.quota_blocks;
}

void verify_reservation(const struct world *world, lattice_status_t status) {
    const struct dataset *dataset = SOME(world->head->dataset);
    uint64_t unused = reservation_unused(&dataset->record, dataset->reserved_blocks);
    if (status == LATTICE_NO_SPACE && unused > RESERVATION_SLACK) {
        world_fail(world, "no space within a reservation", unused,
                   SOME(world->fs)->segments.free_blocks);
    }
}

/* What is set survives a crash: the record of an open dataset is what the pool tree has. */
static void verify_record(struct world *world, uint64_t id, uint32_t mask,
                          const struct dataset_properties *properties) {
    struct dataset_record record = {};
    struct dataset_space space = {};
    lattice_status_t status = LATTICE_NO_MEMORY;
    while (status == LATTICE_NO_MEMORY) {
        status = dataset_record_get(SOME(world->fs), id, &record);
    }
    while (status == LATTICE_OK &&
           dataset_space(SOME(world->fs), id, &space) == LATTICE_NO_MEMORY) {
    }
    bool same =
        status == LATTICE_OK &&
        ((mask & PROPERTY_QUOTA) == 0 || record.quota_blocks == properties->quota_blocks) &&
        ((mask & PROPERTY_RESERVATION) == 0 ||
         record.reservation_blocks == properties->reservation_blocks) &&
        ((mask & PROPERTY_COMPRESSION) == 0 || record.compression == properties->compression) &&
        ((mask & PROPERTY_RECORD_SHIFT) == 0 || record.record_shift == properties->record_shift);
    bool fits = record.quota_blocks == 0 || space.available + space.used <= record.quota_blocks ||
                space.available == 0;
    if (!same || !fits) {
        world_fail(world, "a property is not what was set", mask, space.available);
    }
}

static bool has_orphans(const struct model *model) {
    for (uint32_t i = 0; i < MODEL_OBJECTS; i++) {
        if (model->objects[i].live && model->objects[i].links == 0) {
            return true;
        }
    }
    return false;
}

/* A crash may have left a head read-only. */
void ensure_writable(struct world *world) {
    struct dataset_properties properties = {};
    struct head *head = world->head;
    if ((SOME(head->dataset)->record.flags & DATASET_READ_ONLY) != 0) {
        (void)settle_change(
            world, dataset_set(SOME(world->fs), head->id, PROPERTY_READ_ONLY, &properties));
        crash_if_fatal(world);
    }
}

/* A read-only dataset refuses changes, until it is writable again. */
static void try_read_only(struct world *world) {
    struct head *head = world->head;
    struct dataset_properties properties = {.read_only = true};
    uint64_t orphan = 0;
    if (has_orphans(&head->model)) {
        return; /* they would stay as long as it is read-only */
    }
    lattice_status_t status =
        dataset_set(SOME(world->fs), head->id, PROPERTY_READ_ONLY, &properties);
    bool set = settle_change(world, status);
    if (set && status == LATTICE_OK) {
        status = name_remove(SOME(world->fs), SOME(head->dataset), ROOT_OBJECT, model_name(0),
                             false, &orphan);
        if (status != LATTICE_READ_ONLY) {
            world_fail(world, "a read-only dataset was changed", (uint64_t)status, 0);
        }
        uint32_t fail = world->fail_one_in;
        world->fail_one_in = 0;
        properties.read_only = false;
        (void)settle_change(
            world, dataset_set(SOME(world->fs), head->id, PROPERTY_READ_ONLY, &properties));
        world->fail_one_in = fail;
    }
    crash_if_fatal(world);
}

static void try_rename(struct world *world) {
    struct label label = {};
    struct view name = label_next(world, &label);
    uint64_t id = world->head->id;
    uint64_t found = 0;
    lattice_status_t status = dataset_rename(SOME(world->fs), id, name);
    if (settle_change(world, status) && status == LATTICE_OK) {
        while (status == LATTICE_OK || status == LATTICE_NO_MEMORY) {
            status = dataset_find(SOME(world->fs), name, &found);
            if (status == LATTICE_OK && found == id) {
                break;
            }
            if (status != LATTICE_NO_MEMORY) {
                world_fail(world, "a renamed dataset is not found", id, found);
            }
        }
    }
    crash_if_fatal(world);
}

/* Over its quota, a head takes nothing that makes it larger. */
static void verify_refused(struct world *world) {
    struct lattice *fs = SOME(world->fs);
    struct dataset *dataset = SOME(world->head->dataset);
    struct create_attributes attributes = {.mode = MODE_FIFO << 12 | 0600};
    uint64_t object = 0;
    if (used_by(dataset) < dataset->record.quota_blocks) {
        return;
    }
    lattice_status_t status = name_create(fs, dataset, ROOT_OBJECT, view_text("over quota"),
                                          &attributes, (struct view){}, &object);
    if (status == LATTICE_OK || status == LATTICE_EXISTS) {
        world_fail(world, "a name was made over the quota", used_by(dataset),
                   dataset->record.quota_blocks);
    }
}

/* Another head fills the pool; the one with a reservation can still write. */
void do_reservation_trap(struct world *world) {
    struct head *reserved = world->head;
    uint64_t id = reserved->id;
    struct head *_Nullable other = nullptr;
    for (uint32_t i = 0; i < WORLD_HEADS; i++) {
        struct head *head = &world->heads[i];
        bool writable = head->id != 0 && head != reserved && head->dataset != nullptr &&
                        SOME(head->dataset)->writable;
        other = writable ? head : other;
    }
    struct dataset_properties properties = {.reservation_blocks = used_by(SOME(reserved->dataset)) +
                                                                  RESERVATION_SLACK + 100};
    if (other == nullptr || !settle_granules(world) || world->head->id != id) {
        return;
    }
    lattice_status_t status =
        dataset_set(SOME(world->fs), id, PROPERTY_RESERVATION | PROPERTY_QUOTA, &properties);
    if (!settle_change(world, status) || status != LATTICE_OK) {
        crash_if_fatal(world);
        return;
    }
    world->head = SOME(other);
    for (uint32_t i = 0; i < 30 && world->head->id == SOME(other)->id; i++) {
        do_fill(world);
    }
    if (world_head(world, id) != nullptr) {
        world->head = SOME(world_head(world, id));
        do_fill(world);
        do_fill(world);
    }
    if (world_head(world, id) != nullptr) {
        world->head = SOME(world_head(world, id));
        properties.reservation_blocks = 0;
        (void)settle_change(world,
                            dataset_set(SOME(world->fs), id, PROPERTY_RESERVATION, &properties));
        crash_if_fatal(world);
    }
}

void do_properties(struct world *world) {
    uint32_t sort = dice_below(&world->dice, 8);
    struct dataset_properties properties = {
        .record_shift = (uint8_t)(12 + dice_below(&world->dice, 4)),
        .compression = (uint8_t)dice_below(&world->dice, 3),
        .quota_blocks = dice_once_in(&world->dice, 3) ? 0 : 1 + dice_below(&world->dice, 400),
        .reservation_blocks = dice_once_in(&world->dice, 3) ? 0 : dice_below(&world->dice, 400)};
    uint32_t mask = 1u << dice_below(&world->dice, 6);
    if (!settle_granules(world)) {
        return;
    }
    if (sort == 0) {
        try_read_only(world);
        return;
    }
    if (sort == 1) {
        try_rename(world);
        return;
    }
    mask &= PROPERTY_RECORD_SHIFT | PROPERTY_COMPRESSION | PROPERTY_QUOTA | PROPERTY_RESERVATION;
    uint64_t used = used_by(SOME(world->head->dataset));
    properties.quota_blocks += properties.quota_blocks == 0 ? 0 : used / 2;
    properties.reservation_blocks += properties.reservation_blocks == 0 ? 0 : used;
    lattice_status_t status = dataset_set(SOME(world->fs), world->head->id, mask, &properties);
    if (settle_change(world, status) && status == LATTICE_OK) {
        verify_record(world, world->head->id, mask, &properties);
        if (properties.quota_blocks != 0 && (mask & PROPERTY_QUOTA) != 0) {
            verify_refused(world);
        }
        if ((mask & PROPERTY_QUOTA) != 0) {
            world->head->quota_excess =
                used > properties.quota_blocks ? used - properties.quota_blocks : 0;
        }
    }
    crash_if_fatal(world);
}

#pragma clang assume_nonnull end
