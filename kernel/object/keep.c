#include "kernel/object/keep.h"
#include "kernel/object/domain.h"

enum { KEEP_SLOT_LIMIT = 32768 };

status_t keep_create(struct domain *_Nullable domain, uint64_t slots,
                     struct keep *_Nullable *_Nonnull out) {
    REFUSE(slots == 0 || slots >= KEEP_SLOT_LIMIT, STATUS_BAD_ARGUMENT);
    void *memory = nullptr;
    TRY(object_allocate(OBJECT_KEEP, SLAB_KEEP, domain, &memory));
    struct keep *keep = SOME(memory);
    keep->slots = (uint32_t)slots;
    handle_table_init(&keep->table, SOME(keep->object.domain));
    /* All slots now: a commit puts handles here and may not fail. */
    status_t status = handle_reserve(&keep->table, keep->slots);
    if (status != STATUS_OK) {
        object_release(&keep->object);
        return status;
    }
    *out = keep;
    return STATUS_OK;
}

bool keep_destroy_step(struct keep *_Nonnull keep) {
    return handle_table_clear_step(&keep->table, 32);
}

void keep_put(struct keep *_Nonnull keep, uint32_t slot, struct object *_Nullable object,
              uint32_t rights) {
    CHECK(slot > 0 && slot <= keep->slots);
    if (handle_of_slot(&keep->table, slot) != HANDLE_NONE) {
        status_t status = handle_close(&keep->table, handle_of_slot(&keep->table, slot));
        CHECK(status == STATUS_OK);
        status = handle_reserve(&keep->table, 1);
        CHECK(status == STATUS_OK);
    }
    if (object != nullptr) {
        handle_fill_reserved(&keep->table, slot, SOME(object), rights);
    }
}
