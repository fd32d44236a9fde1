#pragma once
/* Domains: who pays. A tree; each bounds pages, kernel memory, handles and threads of everything
 * that is charged to it. Quotas are not nested sums: a child's quota is granted by whoever made it,
 * and kill goes down the tree. Dead processes stay listed until they are forgotten, so that their
 * exits are level state (restart.md, 13). */
#include "abi/info.h"
#include "abi/syscall.h"
#include "kernel/ipc/source.h"
#include "kernel/object/object.h"

enum resource {
    RESOURCE_PAGES,
    RESOURCE_KERNEL_BYTES,
    RESOURCE_HANDLES,
    RESOURCE_THREADS,
    RESOURCE_COUNT
};

struct domain {
    struct object object;
    struct domain *_Nullable parent; /* referenced */
    struct list children;            /* domains, by sibling_link */
    struct list sibling_link;
    struct list processes; /* by domain_link; living and dead */
    struct list exits;     /* dead processes not yet reported, by exit_link */
    struct source source;  /* exits of its processes */
    struct domain_quota quota;
    uint64_t used[RESOURCE_COUNT], limit[RESOURCE_COUNT];
    uint64_t run_ticks;
};

/* The first domain, which pays for itself and has no limit but the machine's. */
struct domain *_Nonnull domain_root(void) LOCKED;
status_t domain_init_root(void) LOCKED;
status_t domain_create(struct domain *_Nonnull parent, const struct domain_quota *_Nonnull quota,
                       struct domain *_Nullable *_Nonnull out) LOCKED;
/* The next domain in a walk of the whole tree from the root; null at the end. */
struct domain *_Nullable domain_next(struct domain *_Nonnull domain) LOCKED;
bool domain_destroy_step(struct domain *_Nonnull domain) LOCKED;
/* Kills every process below. Cause and code as for process_kill. */
void domain_kill(struct domain *_Nonnull domain, int64_t code, enum exit_cause cause) LOCKED;
/* Is `inner` the domain `outer` or below it? */
bool domain_contains(const struct domain *_Nonnull outer,
                     const struct domain *_Nonnull inner) LOCKED;

/* Counts `amount` as used. Errors: OUT_OF_QUOTA. */
status_t domain_charge(struct domain *_Nonnull domain, enum resource resource,
                       uint64_t amount) LOCKED;
void domain_uncharge(struct domain *_Nonnull domain, enum resource resource,
                     uint64_t amount) LOCKED;
void domain_set_quota(struct domain *_Nonnull domain,
                      const struct domain_quota *_Nonnull quota) LOCKED;
struct domain_quota domain_used(const struct domain *_Nonnull domain) LOCKED;
