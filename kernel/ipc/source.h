#pragma once
/* What can be waited for. Every source embeds a struct source: the list of bindings to waitsets. A
 * notification is a hint over level state (invariant I8): it marks bindings ready, and whoever
 * receives asks the source itself what there is. Delivery allocates nothing and cannot fail. */
#include "kernel/lock.h"
#include "lib/base/list.h"

struct source {
    struct list bindings;
};

static inline void source_init(struct source *_Nonnull source) {
    list_init(&source->bindings);
}

/* Something may be there for bindings whose mask shares a bit with `bits`. */
void source_notify(struct source *_Nonnull source, uint32_t bits) LOCKED;
/* Removes all bindings: the source ends. */
void source_close(struct source *_Nonnull source) LOCKED;
