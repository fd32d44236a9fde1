/* Operations on whole datasets. */
#include "operations.h"
#include <stdio.h>
#include <stdlib.h>

#pragma clang assume_nonnull begin

struct view label_next(struct world *world, struct label *label) {
    int size =
        snprintf(label->text, sizeof label->text, "n%llu", (unsigned long long)world->names++);
    return view_of(label->text, (size_t)size);
}

void do_snapshot(struct world *world) {
    struct head *head = world->head;
    struct label label = {};
    if (!settle_granules(world) || head->kept_count == WORLD_KEPT) {
        return;
    }
    struct kept *kept = &head->kept[head->kept_count];
    kept->id = SOME(world->fs)->super.next_dataset;
    kept->hash = model_hash(&head->model);
    model_copy(&kept->model, &head->model);
    head->kept_count++;
    world_state_add(world);
    uint64_t id = 0;
    lattice_status_t status =
        snapshot_create(SOME(world->fs), SOME(head->dataset), label_next(world, &label), &id);
    if (!settle_change(world, status)) {
        kept_remove(head, head->kept_count - 1);
        unsettle(world);
    }
    crash_if_fatal(world);
}

void do_destroy_snapshot(struct world *world) {
    struct head *head = world->head;
    if (!settle_granules(world) || head->kept_count == 0) {
        return;
    }
    uint32_t index = dice_below(&world->dice, head->kept_count);
    struct kept *saved = calloc(1, sizeof(struct kept));
    *saved = (struct kept){.id = head->kept[index].id, .hash = head->kept[index].hash};
    model_copy(&saved->model, &head->kept[index].model);
    kept_remove(head, index);
    world_state_add(world);
    lattice_status_t status = snapshot_destroy(SOME(world->fs), saved->id);
    if (!settle_change(world, status)) {
        for (uint32_t i = head->kept_count; i > index; i--) {
            head->kept[i] = head->kept[i - 1];
        }
        head->kept[index] = *saved;
        saved->model = (struct model){};
        head->kept_count++;
        unsettle(world);
    }
    model_release(&saved->model);
    free(saved);
    crash_if_fatal(world);
}

void do_clone(struct world *world) {
    struct head *head = world->head;
    struct head *_Nullable fresh = world_head(world, 0);
    struct label label = {};
    if (!settle_granules(world) || head->kept_count == 0 || fresh == nullptr) {
        return;
    }
    const struct kept *from = &head->kept[dice_below(&world->dice, head->kept_count)];
    SOME(fresh)->id = SOME(world->fs)->super.next_dataset;
    model_copy(&SOME(fresh)->model, &from->model);
    world_state_add(world);
    uint64_t id = 0;
    lattice_status_t status =
        clone_create(SOME(world->fs), from->id, label_next(world, &label), &id);
    if (status == LATTICE_OK) {
        status = world_dataset_open(world, id, &SOME(fresh)->dataset);
    }
    if (!settle_change(world, status)) {
        head_release(SOME(fresh));
        unsettle(world);
    }
    crash_if_fatal(world);
}

void do_switch(struct world *world) {
    struct head *head = &world->heads[dice_below(&world->dice, WORLD_HEADS)];
    if (head->id != 0) {
        world->head = head;
    }
}

bool has_open_objects(const struct model *model) {
    for (uint32_t i = 0; i < MODEL_OBJECTS; i++) {
        if (model->objects[i].live && model->objects[i].open) {
            return true;
        }
    }
    return false;
}

void do_rollback(struct world *world) {
    struct head *head = world->head;
    if (!settle_granules(world) || head->kept_count == 0) {
        return;
    }
    if (has_open_objects(&head->model)) {
        return; /* open files would be pulled away */
    }
    struct model *saved = calloc(1, sizeof(struct model));
    *saved = head->model;
    head->model = (struct model){};
    model_copy(&head->model, &head->kept[head->kept_count - 1].model);
    granules_forget_dataset(SOME(world->granules), SOME(head->dataset));
    world_state_add(world);
    lattice_status_t status = dataset_rollback(SOME(world->fs), SOME(head->dataset));
    if (!settle_change(world, status)) {
        model_release(&head->model);
        head->model = *saved;
        *saved = (struct model){};
        unsettle(world);
    }
    model_release(saved);
    free(saved);
    crash_if_fatal(world);
}

void do_destroy_head(struct world *world) {
    struct head *head = &world->heads[dice_below(&world->dice, WORLD_HEADS)];
    if (head->id == 0 || head->kept_count != 0 || !settle_granules(world) || head->id == 0) {
        return;
    }
    uint32_t others = 0;
    for (uint32_t i = 0; i < WORLD_HEADS; i++) {
        others += world->heads[i].id != 0 && &world->heads[i] != head;
    }
    struct outcome outcome = judge(world, granules_commit(SOME(world->granules)));
    if (outcome.fatal) {
        world_crash(world);
        return;
    }
    if (others == 0 || outcome.status != LATTICE_OK || head->kept_count != 0) {
        return;
    }
    world_acknowledge(world);
    uint64_t id = head->id;
    granules_forget_dataset(SOME(world->granules), SOME(head->dataset));
    dataset_close(SOME(world->fs), SOME(head->dataset));
    struct model *saved = calloc(1, sizeof(struct model));
    *saved = head->model;
    *head = (struct head){};
    while (world->head->id == 0) {
        world->head = &world->heads[dice_below(&world->dice, WORLD_HEADS)];
    }
    world_state_add(world);
    if (!settle_change(world, dataset_destroy(SOME(world->fs), id))) {
        head->id = id;
        head->model = *saved;
        *saved = (struct model){};
        lattice_status_t status = LATTICE_NO_MEMORY;
        while (status == LATTICE_NO_MEMORY) {
            status = dataset_open(SOME(world->fs), id, &head->dataset);
        }
        unsettle(world);
    }
    model_release(saved);
    free(saved);
    crash_if_fatal(world);
}

void do_reclaim(struct world *world) {
    bool more = true;
    uint32_t steps = 1 + dice_below(&world->dice, 20);
    for (uint32_t i = 0; more && i < steps; i++) {
        struct outcome outcome = judge(world, reclaim_step(SOME(world->fs), &more));
        if (outcome.fatal) {
            world_crash(world);
            return;
        }
        if (outcome.status != LATTICE_OK) {
            if (!outcome.resource) {
                world_fail(world, "reclaim_step", (uint64_t)outcome.status, 0);
            }
            return;
        }
        if (more) {
            world_acknowledge(world);
        }
    }
}

#pragma clang assume_nonnull end
