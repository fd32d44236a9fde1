#pragma once
/* Waitsets: the one wait primitive for many sources.
 *
 * Invariants: (1) a binding is on its waitset's ready list exactly if `ready`; (2) threads wait in
 * a waitset only while its ready list holds nothing for them; (3) a binding belongs to its waitset
 * and to its source, and is freed when either ends. */
#include "abi/info.h"
#include "abi/syscall.h"
#include "kernel/ipc/source.h"
#include "kernel/sched/thread.h"

struct waitset {
    struct object object;
    struct list ready;    /* bindings, by ready_link, first come first served */
    struct list bindings; /* all, by waitset_link */
    struct list waiters;  /* threads, by wait_link */
    struct source source; /* a waitset may be bound to another */
    uint32_t depth;       /* 1, or 1 + the deepest waitset bound to it; at most 5 */
};

struct binding {
    struct list source_link, waitset_link, ready_link;
    struct waitset *_Nonnull waitset;
    struct object *_Nonnull source;
    uint64_t key, data; /* `data` goes with each packet */
    uint32_t mask, flags;
    uint32_t edge_seen;
    bool ready;
};

status_t waitset_create(struct domain *_Nullable domain,
                        struct waitset *_Nullable *_Nonnull out) LOCKED;
bool waitset_destroy_step(struct waitset *_Nonnull waitset) LOCKED;
void waitset_unhandled(struct waitset *_Nonnull waitset) LOCKED;

/* Binds, changes (same source and key) or removes. Errors: BAD_TYPE: the object is no source;
 * BUSY: a pager's or endpoint's source has its waitset already, or waitsets would lie in a circle
 * or too deep; NOT_FOUND, EXISTS: as the flags demand; allocation. */
status_t waitset_bind(struct waitset *_Nonnull waitset, struct object *_Nonnull source,
                      uint32_t mask, uint64_t key, uint32_t flags, uint64_t data) LOCKED;

/* Delivers the next packet to the registers of `thread`, which is in reply_receive; false: none. */
bool waitset_deliver(struct waitset *_Nonnull waitset, struct thread *_Nonnull thread) LOCKED;
/* A thread that was woken to look has looked, or died before it did: then the wake goes to another
 * (docs/models.md, 12). */
void waitset_looked(struct thread *_Nonnull thread, bool died) LOCKED;
/* Puts `thread` to sleep in the waitset. */
static inline void waitset_sleep(struct waitset *_Nonnull waitset,
                                 struct thread *_Nonnull thread) LOCKED {
    thread->waits_on = &waitset->object;
    object_reference(&waitset->object);
    list_append(&waitset->waiters, &thread->wait_link);
}

/* `wait`: writes what is ready to the caller's memory. */
status_t waitset_wait(struct thread *_Nonnull self, struct waitset *_Nonnull waitset,
                      uint64_t address, uint64_t count, uint64_t deadline, uint64_t flags,
                      uint64_t *_Nonnull out_count) LOCKED;
/* `wait` with WAIT_LIST: one wait on the sources that an array in user memory names. */
status_t waitset_wait_list(struct thread *_Nonnull self, uint64_t address, uint64_t count,
                           uint64_t deadline, uint64_t flags, uint64_t *_Nonnull out_count) LOCKED;

/* The waitset became ready: marks the bindings of the waitsets that it is bound to. */
void source_notify_waitset(struct waitset *_Nonnull waitset) LOCKED;

/* The readiness bits of a source that has them as a level (session, event, waitset). */
uint32_t source_level(struct object *_Nonnull source) LOCKED;
