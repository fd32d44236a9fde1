/* See slab.h. A slab is one page; free objects in it form a list by index (kept in their first two
 * bytes), the page structure holds the head and the count. Pages with a free object are listed by
 * type; a page that falls empty goes back to the page allocator, except pages of requests. */
#include "kernel/object/slab.h"
#include "kernel/arch/arch.h"
#include "kernel/ipc/endpoint.h"
#include "kernel/ipc/event.h"
#include "kernel/ipc/waitset.h"
#include "kernel/memory/page.h"
#include "kernel/memory/space.h"
#include "kernel/object/device.h"
#include "kernel/object/domain.h"
#include "kernel/object/keep.h"
#include "kernel/object/process.h"
#include "kernel/sched/thread.h"
#include "lib/base/bytes.h"

static uint32_t partial[SLAB_TYPE_COUNT] GUARDED;

/* Sizes are rounded so that a thread's frame stays aligned to 16. */
static const uint16_t sizes[SLAB_TYPE_COUNT] = {
    [SLAB_DOMAIN] = sizeof(struct domain),
    [SLAB_PROCESS] = sizeof(struct process),
    [SLAB_SPACE] = sizeof(struct space),
    [SLAB_THREAD] = sizeof(struct thread),
    [SLAB_MEMORY] = sizeof(struct memory),
    [SLAB_ENDPOINT] = sizeof(struct endpoint),
    [SLAB_SESSION] = sizeof(struct session),
    [SLAB_KEEP] = sizeof(struct keep),
    [SLAB_EVENT] = sizeof(struct event),
    [SLAB_WAITSET] = sizeof(struct waitset),
    [SLAB_DEVICE] = sizeof(struct device),
    [SLAB_REQUEST] = SLAB_REQUEST_SIZE,
    [SLAB_BINDING] = sizeof(struct binding),
    [SLAB_MAPPING] = sizeof(struct mapping),
    [SLAB_NODE] = 512,
    [SLAB_CHUNK] = 1024,
};
static_assert(sizeof(struct request) <= SLAB_REQUEST_SIZE);
static_assert(sizeof(struct thread) <= 2048);

static size_t slot_size(enum slab_type type) {
    CHECK(type < SLAB_TYPE_COUNT);
    return ((size_t)sizes[type] + 15) & ~(size_t)15;
}

UNSAFE_BEGIN
static void *_Nonnull slot_pointer(const struct page *_Nonnull page, enum slab_type type,
                                   size_t index) LOCKED {
    CHECK(index < PAGE_SIZE / slot_size(type));
    return (void *)(page_content(page)->bytes + index * slot_size(type));
}
UNSAFE_END

static void list_partial(struct page *_Nonnull page, enum slab_type type) LOCKED {
    uint32_t number = page_number(page);
    page->next = partial[type];
    page->previous = 0;
    if (partial[type] != 0) {
        page_at(partial[type])->previous = number;
    }
    partial[type] = number;
}

static void unlist_partial(struct page *_Nonnull page, enum slab_type type) LOCKED {
    if (page->next != 0) {
        page_at(page->next)->previous = page->previous;
    }
    if (page->previous != 0) {
        page_at(page->previous)->next = page->next;
    } else {
        partial[type] = page->next;
    }
    page->next = 0;
    page->previous = 0;
}

/* A free slot begins with the number of the next one, counted from 1. Requests keep what lies
 * behind the first eight bytes. */
struct free_slot {
    uint64_t next;
};

static status_t slab_grow(enum slab_type type) LOCKED {
    struct page *page = page_allocate(PAGE_SLAB, type == SLAB_REQUEST);
    REFUSE(page == nullptr, STATUS_OUT_OF_MEMORY);
    size_t count = PAGE_SIZE / slot_size(type);
    for (size_t i = 0; i < count; i++) {
        struct free_slot *slot = slot_pointer(page, type, i);
        slot->next = i + 1 < count ? i + 2 : 0;
    }
    page->slab_type = (uint8_t)type;
    page->slab_free = 1;
    page->slab_used = 0;
    list_partial(page, type);
    return STATUS_OK;
}

status_t slab_allocate(enum slab_type type, struct domain *_Nonnull domain,
                       void *_Nullable *_Nonnull out) {
    if (partial[type] == 0) {
        TRY(slab_grow(type));
    }
    TRY(domain_charge(domain, RESOURCE_KERNEL_BYTES, slot_size(type)));
    struct page *page = page_at(partial[type]);
    struct free_slot *slot = slot_pointer(page, type, page->slab_free - 1u);
    page->slab_free = (uint16_t)slot->next;
    page->slab_used++;
    if (page->slab_free == 0) {
        unlist_partial(page, type);
    }
    if (type == SLAB_REQUEST) {
        slot->next = 0;
    } else {
        bytes_zero(slot, slot_size(type));
    }
    *out = slot;
    return STATUS_OK;
}

void slab_free(enum slab_type type, struct domain *_Nonnull domain, void *_Nonnull object) {
    struct page *page = SOME(page_of_physical(arch_physical(object)));
    CHECK(page->kind == PAGE_SLAB && page->slab_type == type && page->slab_used > 0);
    size_t index = (arch_physical(object) & (PAGE_SIZE - 1)) / slot_size(type);
    struct free_slot *slot = slot_pointer(page, type, index);
    CHECK((void *)slot == object);
    domain_uncharge(domain, RESOURCE_KERNEL_BYTES, slot_size(type));
    if (page->slab_free == 0) {
        list_partial(page, type);
    }
    slot->next = page->slab_free;
    page->slab_free = (uint16_t)(index + 1);
    page->slab_used--;
    if (page->slab_used == 0 && type != SLAB_REQUEST) {
        unlist_partial(page, type);
        page_free(page);
    }
}

enum { REQUESTS_PER_PAGE = PAGE_SIZE / SLAB_REQUEST_SIZE };

uint32_t slab_request_number(const struct request *_Nonnull request) {
    return (uint32_t)(arch_physical(request) / SLAB_REQUEST_SIZE);
}

struct request *_Nullable slab_request_at(uint32_t number) {
    uint64_t physical = (uint64_t)number * SLAB_REQUEST_SIZE;
    struct page *page = page_of_physical(physical);
    if (page == nullptr || page->kind != PAGE_SLAB || page->slab_type != SLAB_REQUEST) {
        return nullptr;
    }
    return slot_pointer(page, SLAB_REQUEST, number % REQUESTS_PER_PAGE);
}
