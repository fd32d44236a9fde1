#pragma once
/* Keeps: handle tables that belong to a service rather than to an instance of its server. A vault's
 * records name its slots. */
#include "kernel/object/handle.h"

struct keep {
    struct object object;
    struct handle_table table;
    uint32_t slots;
};

status_t keep_create(struct domain *_Nullable domain, uint64_t slots,
                     struct keep *_Nullable *_Nonnull out) LOCKED;
bool keep_destroy_step(struct keep *_Nonnull keep) LOCKED;
/* Fills a slot (object null: clears it), closing what was there. Cannot fail: slots are reserved.
 */
void keep_put(struct keep *_Nonnull keep, uint32_t slot, struct object *_Nullable object,
              uint32_t rights) LOCKED;
