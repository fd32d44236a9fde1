#pragma once
/* What all kernel objects share. `references` counts everything that points to the object;
 * `handles` counts the handles among them. When the last handle goes (of a session: the last but
 * those by which its server sets readiness), object_unhandled() tells the object's type (a session
 * then announces its last close); when the last reference goes, the object joins the reap list and
 * is destroyed in bounded steps, never recursively. */
#include "abi/object.h"
#include "abi/status.h"
#include "kernel/lock.h"
#include "kernel/object/slab.h"
#include "lib/base/list.h"

struct domain;

struct object {
    enum object_type type;
    enum slab_type slab;
    bool reaping;
    uint32_t references;
    uint32_t handles;
    uint32_t kept;                   /* those of a session with RIGHT_RECEIVE: its server's */
    uint64_t serial;                 /* never reused */
    struct domain *_Nullable domain; /* charged; referenced */
    struct list reap_link, unhandled_link;
};

/* Allocates and initialises the common part: one reference, no handle.
 * Errors: as slab_allocate. */
status_t object_allocate(enum object_type type, enum slab_type slab,
                         struct domain *_Nullable domain, void *_Nullable *_Nonnull out) LOCKED;
/* The common part of an object whose header is not its first member (a thread). */
void object_begin(struct object *_Nonnull object, enum object_type type, enum slab_type slab,
                  struct domain *_Nonnull domain) LOCKED;
static inline void object_reference(struct object *_Nonnull object) LOCKED {
    CHECK(object->references < UINT32_MAX);
    object->references++;
}
void object_release(struct object *_Nonnull object) LOCKED;
/* A handle is a reference that is also counted as a handle. */
void object_add_handle(struct object *_Nonnull object) LOCKED;
void object_drop_handle(struct object *_Nonnull object) LOCKED;
/* Tells the types of objects whose last handle went during this entry. */
void object_run_unhandled(void) LOCKED;

/* Puts an object on the reap list before its last reference is gone: long tear-downs (a process
 * that dies) are steps of the same list. The list holds a reference. */
void object_reap_later(struct object *_Nonnull object) LOCKED;
/* Does up to `budget` bounded steps of destruction; true where work is left. */
bool object_reap(unsigned budget) LOCKED;

uint64_t object_next_serial(void) LOCKED;
