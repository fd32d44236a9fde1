#pragma once
/* The kernel has no heap: every object comes from a slab cache of its type, out of pages that hold
 * only that type, and is charged to a domain. A slot of a request is never given to another type,
 * and keeps its generation, so that tokens stay unambiguous for ever. */
#include "abi/object.h"
#include "abi/status.h"
#include "kernel/lock.h"

struct domain;

enum slab_type : uint8_t {
    SLAB_DOMAIN,
    SLAB_PROCESS,
    SLAB_SPACE,
    SLAB_THREAD,
    SLAB_MEMORY,
    SLAB_ENDPOINT,
    SLAB_SESSION,
    SLAB_KEEP,
    SLAB_EVENT,
    SLAB_WAITSET,
    SLAB_DEVICE, /* irq, ioports, dmaspace, trace, system */
    SLAB_REQUEST,
    SLAB_BINDING,
    SLAB_MAPPING,
    SLAB_NODE,  /* 64 words: radix nodes, directories of handle tables */
    SLAB_CHUNK, /* 64 handle entries */
    SLAB_TYPE_COUNT
};

/* A zeroed object, charged to `domain`. Errors: OUT_OF_MEMORY; OUT_OF_QUOTA of kernel pages. */
status_t slab_allocate(enum slab_type type, struct domain *_Nonnull domain,
                       void *_Nullable *_Nonnull out) LOCKED;
void slab_free(enum slab_type type, struct domain *_Nonnull domain, void *_Nonnull object) LOCKED;

/* Requests are named by their place: a number below 2^24 that stays valid as long as the slot is in
 * use. slab_request_at gives null where the number names no slot of a request. */
struct request;
uint32_t slab_request_number(const struct request *_Nonnull request) LOCKED;
struct request *_Nullable slab_request_at(uint32_t number) LOCKED;
enum { SLAB_REQUEST_SIZE = 512 };
