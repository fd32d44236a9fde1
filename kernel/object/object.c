/* See object.h. The reap list is the kernel's only deferred work: destruction of objects and the
 * tear-down of dying processes and spaces, each in steps of bounded length (invariant I2). */
#include "kernel/object/object.h"
#include "kernel/ipc/endpoint.h"
#include "kernel/ipc/event.h"
#include "kernel/ipc/waitset.h"
#include "kernel/memory/memory.h"
#include "kernel/memory/space.h"
#include "kernel/object/device.h"
#include "kernel/object/domain.h"
#include "kernel/object/keep.h"
#include "kernel/object/process.h"
#include "kernel/sched/scheduler.h"

static struct list reap_list GUARDED = {&reap_list, &reap_list};
static struct list unhandled_list GUARDED = {&unhandled_list, &unhandled_list};
static uint64_t last_serial GUARDED;

uint64_t object_next_serial(void) {
    return ++last_serial;
}

status_t object_allocate(enum object_type type, enum slab_type slab,
                         struct domain *_Nullable domain, void *_Nullable *_Nonnull out) {
    struct domain *payer = domain != nullptr ? SOME(domain) : domain_root();
    void *memory = nullptr;
    TRY(slab_allocate(slab, payer, &memory));
    object_begin(SOME(memory), type, slab, payer);
    *out = memory;
    return STATUS_OK;
}

void object_begin(struct object *_Nonnull object, enum object_type type, enum slab_type slab,
                  struct domain *_Nonnull domain) {
    object->type = type;
    object->slab = slab;
    object->references = 1;
    object->serial = object_next_serial();
    object->domain = domain;
    list_init(&object->reap_link);
    list_init(&object->unhandled_link);
    object_reference(&domain->object);
}

/* Threads begin with their registers, all others with the common part. */
static struct thread *_Nonnull thread_of(struct object *_Nonnull object) {
    return CONTAINER_OF(object, struct thread, object);
}

void object_release(struct object *_Nonnull object) {
    CHECK(object->references > 0);
    object->references--;
    if (object->references == 0) {
        object_reap_later(object);
    }
}

void object_reap_later(struct object *_Nonnull object) {
    if (!object->reaping) {
        object->reaping = true;
        list_append(&reap_list, &object->reap_link);
        scheduler_defer();
    }
}

void object_add_handle(struct object *_Nonnull object) {
    object_reference(object);
    object->handles++;
}

/* The last handle is gone: nobody can reach the object by name any more. */
static void object_unhandled(struct object *_Nonnull object) LOCKED {
    if (object->type == OBJECT_SESSION) {
        session_unhandled((struct session *)object);
    } else if (object->type == OBJECT_ENDPOINT) {
        endpoint_close((struct endpoint *)object);
    } else if (object->type == OBJECT_WAITSET) {
        waitset_unhandled((struct waitset *)object);
    } else if (object->type == OBJECT_EVENT) {
        event_unhandled((struct event *)object);
    } else if (object->type == OBJECT_MEMORY) {
        memory_user_gone((struct memory *)object);
    }
}

void object_drop_handle(struct object *_Nonnull object) {
    CHECK(object->handles > 0);
    object->handles--;
    if (object->handles == object->kept && list_empty(&object->unhandled_link)) {
        object_reference(object);
        list_append(&unhandled_list, &object->unhandled_link);
        scheduler_defer();
    }
    object_release(object);
}

void object_run_unhandled(void) {
    for (struct list *first = list_first(&unhandled_list); first != nullptr;
         first = list_first(&unhandled_list)) {
        struct object *object = LIST_ENTRY(first, struct object, unhandled_link);
        list_remove(&object->unhandled_link);
        if (object->handles == object->kept) {
            object_unhandled(object);
        }
        object_release(object);
    }
}

/* One bounded step towards the end of `object`; true when nothing is left of it. */
static bool destroy_step(struct object *_Nonnull object) LOCKED {
    switch (object->type) {
    case OBJECT_DOMAIN:
        return domain_destroy_step((struct domain *)object);
    case OBJECT_PROCESS:
        return process_destroy_step((struct process *)object);
    case OBJECT_SPACE:
        return space_destroy_step((struct space *)object);
    case OBJECT_THREAD:
        return thread_destroy_step(thread_of(object));
    case OBJECT_MEMORY:
        return memory_destroy_step((struct memory *)object);
    case OBJECT_ENDPOINT:
        return endpoint_destroy_step((struct endpoint *)object);
    case OBJECT_SESSION:
        return session_destroy_step((struct session *)object);
    case OBJECT_KEEP:
        return keep_destroy_step((struct keep *)object);
    case OBJECT_EVENT:
        return event_destroy_step((struct event *)object);
    case OBJECT_WAITSET:
        return waitset_destroy_step((struct waitset *)object);
    case OBJECT_IRQ:
    case OBJECT_IOPORTS:
    case OBJECT_DMASPACE:
    case OBJECT_TRACE:
    case OBJECT_SYSTEM:
        return device_destroy_step((struct device *)object);
    case OBJECT_NONE:
        break;
    }
    CHECK(false);
    return true;
}

/* A process that dies is on the list with references left: its step ends the process, and a later
 * release destroys the object. */
static void reap_one(struct object *_Nonnull object) LOCKED {
    bool unreferenced = object->references == 0;
    if (!unreferenced) {
        CHECK(object->type == OBJECT_PROCESS);
        if (!process_end_step((struct process *)object)) {
            list_append(&reap_list, &object->reap_link);
            return;
        }
        object->reaping = false;
        if (object->references == 0) {
            object->reaping = true;
            list_append(&reap_list, &object->reap_link);
        }
        return;
    }
    if (!destroy_step(object)) {
        list_append(&reap_list, &object->reap_link);
        return;
    }
    struct domain *payer = SOME(object->domain);
    void *memory = object->type == OBJECT_THREAD ? (void *)thread_of(object) : (void *)object;
    slab_free(object->slab, payer, SOME(memory));
    if ((void *)payer != (void *)object) {
        object_release(&payer->object);
    }
}

bool object_reap(unsigned budget) {
    while (budget > 0) {
        struct list *first = list_first(&reap_list);
        if (first == nullptr) {
            return false;
        }
        struct object *object = LIST_ENTRY(first, struct object, reap_link);
        list_remove(&object->reap_link);
        reap_one(object);
        budget--;
    }
    return !list_empty(&reap_list);
}
