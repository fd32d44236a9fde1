/* Judging a rescue: of a damaged pool what can be read is what was written, and without damage that
 * is all. */
#include "fs/latticefs/core/rescue.h"
#include "world.h"
#include <stdlib.h>

#pragma clang assume_nonnull begin

struct rescued {
    struct world *world;
    struct lattice *fs;
    struct head *_Nullable head;
    struct dataset *_Nullable dataset;
    uint64_t objects;
    uint64_t lost;
    bool damaged;
};

static void lost_note(void *context, struct key low, struct key high, bool bounded) {
    struct rescued *rescued = context;
    rescued->lost++;
    if (bounded && !key_less(low, high)) {
        world_fail(rescued->world, "a lost range is empty", low.object, high.object);
    }
}

static void content_judge(struct rescued *rescued, const struct model_object *object,
                          const struct inode *inode) {
    struct bytes to = bytes_sub(BYTES_OF(rescued->world->io), 0, granule_size(inode));
    for (uint32_t i = 0; i < MODEL_PAGES; i++) {
        uint64_t offset = model_page_offset(i);
        if (offset >= inode->size) {
            continue;
        }
        uint64_t granule = offset >> inode->record_shift;
        lattice_status_t status =
            granule_read(rescued->fs, SOME(rescued->dataset), object->number, inode, granule, to);
        if (status != LATTICE_OK) {
            rescued->lost++;
            continue;
        }
        struct view page =
            view_sub(bytes_view(to), offset - (granule << inode->record_shift), SIM_BLOCK);
        bool same = object->pushed[i] == nullptr
                        ? view_is_zero(page)
                        : view_equal(page, VIEW_OF(SOME(object->pushed[i])->data));
        if (!same) {
            world_fail(rescued->world, "a rescued page differs", object->number, offset);
        }
    }
}

static lattice_status_t item_judge(void *context, struct key key, struct view value) {
    struct rescued *rescued = context;
    struct inode inode = {};
    if (key_type(key) != KEY_INODE || value.size != sizeof inode) {
        return LATTICE_OK;
    }
    bytes_copy(BYTES_OF(inode), value);
    const struct model_object *_Nullable object =
        model_find(&SOME(rescued->head)->model, key.object);
    if (object == nullptr) {
        if (inode.links != 0) {
            world_fail(rescued->world, "a rescued object never was", key.object, inode.mode);
        }
        return LATTICE_OK;
    }
    rescued->objects++;
    if (inode.mode != SOME(object)->mode || inode.links != SOME(object)->links) {
        world_fail(rescued->world, "a rescued inode differs", key.object, inode.mode);
    }
    if (inode_type(&inode) == MODE_FILE) {
        content_judge(rescued, SOME(object), &inode);
    }
    return LATTICE_OK;
}

static uint64_t named_objects(const struct model *model) {
    uint64_t count = 0;
    for (uint32_t i = 0; i < MODEL_OBJECTS; i++) {
        count += model->objects[i].live && model->objects[i].links != 0;
    }
    return count;
}

static lattice_status_t dataset_judge(void *context, struct key key, struct view value) {
    struct rescued *rescued = context;
    (void)value;
    struct head *_Nullable head = world_head(rescued->world, key.object);
    if (head == nullptr || dataset_open(rescued->fs, key.object, &rescued->dataset) != LATTICE_OK) {
        rescued->lost += head != nullptr;
        return LATTICE_OK;
    }
    struct rescue_visitor visitor = {.context = rescued, .item = item_judge, .lost = lost_note};
    rescued->head = head;
    rescued->objects = 0;
    uint64_t lost = rescued->lost;
    lattice_status_t status = rescue_visit(rescued->fs, SOME(rescued->dataset), KEY_MIN, &visitor);
    dataset_close(rescued->fs, SOME(rescued->dataset));
    rescued->dataset = nullptr;
    if (status == LATTICE_OK && rescued->lost == lost &&
        rescued->objects != named_objects(&SOME(head)->model)) {
        world_fail(rescued->world, "an object was lost without a word", rescued->objects,
                   named_objects(&SOME(head)->model));
    }
    return LATTICE_OK;
}

void verify_rescue(struct world *world, struct lattice *fs, uint32_t flips) {
    struct rescued rescued = {.world = world, .fs = fs, .damaged = flips != 0};
    struct rescue_visitor visitor = {.context = &rescued, .item = dataset_judge, .lost = lost_note};
    /* Where all copies of the newest superblock are gone, the pool is an older one. */
    if (fs->super.transaction != SOME(world->fs)->super.transaction ||
        world_unlock(world, fs) != LATTICE_OK) {
        return;
    }
    lattice_status_t status = rescue_datasets(fs, &visitor);
    if (flips == 0 && (status != LATTICE_OK || rescued.lost != 0)) {
        world_fail(world, "a whole pool is not rescued whole", (uint64_t)status, rescued.lost);
    }
}

#pragma clang assume_nonnull end
