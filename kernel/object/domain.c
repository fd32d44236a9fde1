#include "kernel/object/domain.h"
#include "kernel/object/process.h"

static struct domain root GUARDED;

struct domain *_Nonnull domain_root(void) {
    return &root;
}

static void domain_begin(struct domain *_Nonnull domain,
                         const struct domain_quota *_Nonnull quota) LOCKED {
    domain_set_quota(domain, quota);
    list_init(&domain->children);
    list_init(&domain->sibling_link);
    list_init(&domain->processes);
    list_init(&domain->exits);
    source_init(&domain->source);
}

status_t domain_init_root(void) {
    root.object = (struct object){.type = OBJECT_DOMAIN, .slab = SLAB_DOMAIN, .references = 1};
    root.object.serial = object_next_serial();
    root.object.domain = &root;
    list_init(&root.object.reap_link);
    list_init(&root.object.unhandled_link);
    domain_begin(&root, &(struct domain_quota){.pages = UINT64_MAX,
                                               .kernel_pages = UINT64_MAX / PAGE_SIZE,
                                               .handles = UINT64_MAX,
                                               .threads = UINT64_MAX});
    return STATUS_OK;
}

status_t domain_create(struct domain *_Nonnull parent, const struct domain_quota *_Nonnull quota,
                       struct domain *_Nullable *_Nonnull out) {
    void *memory = nullptr;
    TRY(object_allocate(OBJECT_DOMAIN, SLAB_DOMAIN, parent, &memory));
    struct domain *domain = SOME(memory);
    domain_begin(domain, quota);
    domain->parent = parent;
    object_reference(&parent->object);
    list_append(&parent->children, &domain->sibling_link);
    *out = domain;
    return STATUS_OK;
}

bool domain_destroy_step(struct domain *_Nonnull domain) {
    source_close(&domain->source);
    list_remove(&domain->sibling_link);
    if (domain->parent != nullptr) {
        object_release(&domain->parent->object);
        domain->parent = nullptr;
    }
    return true;
}

bool domain_contains(const struct domain *_Nonnull outer, const struct domain *_Nonnull inner) {
    const struct domain *at = inner;
    while (at != nullptr && at != outer) {
        at = at->parent;
    }
    return at == outer;
}

/* The domain after `at` in a walk of the tree below `top`, parents first; null at the end. */
static struct domain *_Nullable domain_after(struct domain *_Nonnull top,
                                             struct domain *_Nonnull at) LOCKED {
    struct list *child = list_first(&at->children);
    if (child != nullptr) {
        return LIST_ENTRY(child, struct domain, sibling_link);
    }
    struct domain *up = at;
    while (up != top) {
        struct domain *parent = SOME(up->parent);
        struct list *next = list_after(&parent->children, &up->sibling_link);
        if (next != nullptr) {
            return LIST_ENTRY(next, struct domain, sibling_link);
        }
        up = parent;
    }
    return nullptr;
}

struct domain *_Nullable domain_next(struct domain *_Nonnull domain) {
    return domain_after(&root, domain);
}

void domain_kill(struct domain *_Nonnull domain, int64_t code, enum exit_cause cause) {
    for (struct domain *at = domain; at != nullptr; at = domain_after(domain, SOME(at))) {
        LIST_FOR(process, &at->processes, struct process, domain_link) {
            process_kill(process, code, cause);
        }
    }
}

status_t domain_charge(struct domain *_Nonnull domain, enum resource resource, uint64_t amount) {
    uint64_t sum = 0;
    REFUSE(ckd_add(&sum, domain->used[resource], amount) || sum > domain->limit[resource],
           STATUS_OUT_OF_QUOTA);
    domain->used[resource] = sum;
    return STATUS_OK;
}

void domain_uncharge(struct domain *_Nonnull domain, enum resource resource, uint64_t amount) {
    CHECK(domain->used[resource] >= amount);
    domain->used[resource] -= amount;
}

void domain_set_quota(struct domain *_Nonnull domain, const struct domain_quota *_Nonnull quota) {
    domain->quota = *quota;
    domain->limit[RESOURCE_PAGES] = quota->pages;
    domain->limit[RESOURCE_KERNEL_BYTES] = quota->kernel_pages * PAGE_SIZE;
    domain->limit[RESOURCE_HANDLES] = quota->handles;
    domain->limit[RESOURCE_THREADS] = quota->threads;
}

struct domain_quota domain_used(const struct domain *_Nonnull domain) {
    return (struct domain_quota){.pages = domain->used[RESOURCE_PAGES],
                                 .kernel_pages = domain->used[RESOURCE_KERNEL_BYTES] / PAGE_SIZE,
                                 .handles = domain->used[RESOURCE_HANDLES],
                                 .threads = domain->used[RESOURCE_THREADS]};
}
