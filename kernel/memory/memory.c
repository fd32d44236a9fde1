/* See memory.h. */
#include "kernel/memory/memory.h"
#include "kernel/arch/arch.h"
#include "kernel/ipc/waitset.h"
#include "kernel/memory/space.h"
#include "kernel/object/domain.h"
#include "kernel/sched/clock.h"
#include "kernel/sched/thread.h"
#include "lib/base/bytes.h"

static uint64_t pages_of(uint64_t bytes) {
    return (bytes >> PAGE_SHIFT) + ((bytes & (PAGE_SIZE - 1)) != 0 ? 1 : 0);
}

enum { WIRED_PAGE_LIMIT = 16384 };

static status_t fill_wired(struct memory *_Nonnull memory) LOCKED {
    struct page *run = nullptr;
    if ((memory->flags & MEMORY_CONTIGUOUS) != 0) {
        run = page_allocate_run(memory->page_count, UINT32_MAX);
        REFUSE(run == nullptr, STATUS_OUT_OF_MEMORY);
        memory->physical = page_physical(SOME(run));
    }
    uint32_t first = run != nullptr ? page_number(SOME(run)) : 0;
    status_t status = STATUS_OK;
    for (uint64_t i = 0; i < memory->page_count; i++) {
        struct page *page =
            run != nullptr ? page_at(first + (uint32_t)i) : page_allocate(PAGE_USER, true);
        if (page == nullptr) {
            status = STATUS_OUT_OF_MEMORY;
        } else if (status == STATUS_OK) {
            status = memory_insert_page(memory, i, SOME(page), 0);
        }
        if (status != STATUS_OK && page != nullptr) {
            page_release(SOME(page));
        }
        if (status != STATUS_OK && run == nullptr) {
            break;
        }
    }
    return status;
}

status_t memory_create(struct domain *_Nullable domain, uint64_t size, uint32_t flags,
                       uint64_t physical, struct memory *_Nullable *_Nonnull out) {
    bool wired = (flags & (MEMORY_WIRED | MEMORY_CONTIGUOUS)) != 0;
    uint64_t count = pages_of(size);
    REFUSE(count >= (uint64_t)1 << (RADIX_BITS * RADIX_LEVELS) ||
               (wired && (count == 0 || count > WIRED_PAGE_LIMIT)) ||
               (physical & (PAGE_SIZE - 1)) != 0,
           STATUS_BAD_ARGUMENT);
    void *pointer = nullptr;
    TRY(object_allocate(OBJECT_MEMORY, SLAB_MEMORY, domain, &pointer));
    struct memory *memory = SOME(pointer);
    memory->flags = flags;
    memory->page_count = (flags & MEMORY_FILE) != 0 ? UINT64_MAX >> PAGE_SHIFT : count;
    memory->content_size = (flags & MEMORY_FILE) != 0 ? size : count << PAGE_SHIFT;
    memory->physical = physical;
    list_init(&memory->overlays);
    list_init(&memory->overlay_link);
    list_init(&memory->mappings);
    list_init(&memory->waiters);
    source_init(&memory->source);
    if (wired) {
        status_t status = fill_wired(memory);
        if (status != STATUS_OK) {
            object_release(&memory->object);
            return status;
        }
    }
    *out = memory;
    return STATUS_OK;
}

status_t memory_insert_page(struct memory *_Nonnull memory, uint64_t index,
                            struct page *_Nonnull page, uint64_t flags) {
    uint64_t *slot = nullptr;
    TRY(memory_slot_create(memory, index, &slot));
    CHECK(*SOME(slot) == 0);
    TRY(domain_charge(SOME(memory->object.domain), RESOURCE_PAGES, 1));
    *SOME(slot) = (uint64_t)page_number(page) << 8 | flags;
    memory->resident++;
    return STATUS_OK;
}

/* Empties the slot and lets its page go; translations must be gone already. */
static void drop_slot(struct memory *_Nonnull memory, uint64_t *_Nonnull slot) LOCKED {
    struct page *page = page_at(slot_page(*slot));
    memory->dirty -= (*slot & SLOT_DIRTY) != 0 ? 1 : 0;
    memory->writing -= (*slot & SLOT_WRITING) != 0 ? 1 : 0;
    *slot = 0;
    memory->resident--;
    domain_uncharge(SOME(memory->object.domain), RESOURCE_PAGES, 1);
    page_release(page);
}

bool memory_destroy_step(struct memory *_Nonnull memory) {
    for (unsigned budget = 64; memory->resident > 0; budget--) {
        if (budget == 0) {
            return false;
        }
        drop_slot(memory, SOME(memory_next(memory, &memory->destroy_cursor)));
    }
    if (!radix_free_step(memory, 32)) {
        return false;
    }
    source_close(&memory->source);
    if (memory->parent != nullptr) {
        list_remove(&memory->overlay_link);
        struct memory *parent = SOME(memory->parent);
        memory->parent = nullptr;
        memory_user_gone(parent);
        object_release(&parent->object);
    }
    return true;
}

void memory_user_gone(struct memory *_Nonnull memory) {
    if ((memory->flags & MEMORY_PAGER) != 0 && memory->sessions == 0 &&
        list_empty(&memory->mappings) && list_empty(&memory->overlays)) {
        memory->unused_untold = true;
        source_notify(&memory->source, UINT32_MAX);
    }
}

/* ---- pages ---- */

status_t memory_add_page(struct memory *_Nonnull memory, uint64_t index,
                         const struct page *_Nullable copy_of, struct memory_page *_Nonnull out) {
    struct page *page = page_allocate(PAGE_USER, copy_of == nullptr);
    REFUSE(page == nullptr, STATUS_OUT_OF_MEMORY);
    if (copy_of != nullptr) {
        bytes_copy(page_content(SOME(page)), page_content(SOME(copy_of)), PAGE_SIZE);
    }
    status_t status = memory_insert_page(memory, index, SOME(page), 0);
    if (status != STATUS_OK) {
        page_release(SOME(page));
        return status;
    }
    out->physical = page_physical(SOME(page));
    out->writable = true;
    return STATUS_OK;
}

/* Gives this object a page of its own in place of a shared one. */
static status_t break_share(struct memory *_Nonnull memory, uint64_t index,
                            uint64_t *_Nonnull slot) LOCKED {
    struct page *old = page_at(slot_page(*slot));
    struct page *page = page_allocate(PAGE_USER, false);
    REFUSE(page == nullptr, STATUS_OUT_OF_MEMORY);
    bytes_copy(page_content(SOME(page)), page_content(old), PAGE_SIZE);
    memory_drop_translations(memory, index, 1);
    *slot = (uint64_t)page_number(SOME(page)) << 8 | (*slot & 0xff);
    page_release(old);
    return STATUS_OK;
}

static uint64_t granule_first(const struct memory *_Nonnull memory, uint64_t index) {
    return index >> memory->granule_shift << memory->granule_shift;
}

/* A clean page of a file is about to be written: takes a credit for its granule where one is
 * needed, and marks the granule's pages that are there. */
static status_t make_dirty(struct memory *_Nonnull memory, uint64_t index,
                           struct memory_page *_Nonnull out) LOCKED {
    uint64_t first = granule_first(memory, index);
    uint64_t end = first + ((uint64_t)1 << memory->granule_shift);
    bool already = false;
    for (uint64_t at = first; at < end && !already; at++) {
        const uint64_t *slot = memory_slot(memory, at);
        already = slot != nullptr && (*slot & SLOT_DIRTY) != 0;
    }
    if (!already && (memory->flags & MEMORY_PAGER) != 0) {
        if (memory->credit == 0) {
            out->waits_for = memory;
            out->request = PAGE_NEED_CREDIT;
            return STATUS_WOULD_BLOCK;
        }
        memory->credit--;
    }
    uint64_t *slot = SOME(memory_slot(memory, index));
    *slot |= SLOT_DIRTY;
    memory->dirty++;
    return STATUS_OK;
}

static status_t present_page(struct memory *_Nonnull memory, uint64_t index,
                             uint64_t *_Nonnull slot, bool write,
                             struct memory_page *_Nonnull out) LOCKED {
    bool file = (memory->flags & MEMORY_FILE) != 0;
    if (write && page_at(slot_page(*slot))->references > 1) {
        TRY(break_share(memory, index, slot));
    }
    if (write && file && (*slot & SLOT_DIRTY) == 0) {
        TRY(make_dirty(memory, index, out));
        memory->write_time_ns = clock_realtime_ns();
    }
    const struct page *page = page_at(slot_page(*slot));
    out->physical = page_physical(page);
    out->writable = page->references == 1 && (!file || (*slot & SLOT_DIRTY) != 0);
    return STATUS_OK;
}

/* The page of an object that is no overlay, or one that the overlay has of its own. */
static status_t own_page(struct memory *_Nonnull memory, uint64_t index, bool write,
                         struct memory_page *_Nonnull out) LOCKED {
    *out = (struct memory_page){};
    REFUSE(index >= pages_of(memory->content_size), STATUS_OUT_OF_RANGE);
    if ((memory->flags & MEMORY_PHYSICAL) != 0) {
        out->physical = memory->physical + (index << PAGE_SHIFT);
        out->writable = true;
        return STATUS_OK;
    }
    uint64_t *slot = memory_slot(memory, index);
    if (slot != nullptr && *slot != 0) {
        return present_page(memory, index, SOME(slot), write, out);
    }
    if ((memory->flags & MEMORY_PAGER) != 0) {
        out->waits_for = memory;
        out->request = PAGE_ABSENT;
        return STATUS_WOULD_BLOCK;
    }
    TRY(memory_add_page(memory, index, nullptr, out));
    return (memory->flags & MEMORY_FILE) == 0
               ? STATUS_OK
               : present_page(memory, index, SOME(memory_slot(memory, index)), write, out);
}

status_t memory_page(struct memory *_Nonnull memory, uint64_t index, bool write,
                     struct memory_page *_Nonnull out) {
    const uint64_t *slot = memory_slot(memory, index);
    if (memory->parent == nullptr || (slot != nullptr && *slot != 0)) {
        return own_page(memory, index, write, out);
    }
    status_t status = own_page(SOME(memory->parent), index, false, out);
    out->writable = false;
    if (status != STATUS_OK || !write) {
        return status;
    }
    memory_drop_translations(memory, index, 1);
    return memory_add_page(memory, index, page_of_physical(out->physical), out);
}

bool memory_peek(struct memory *_Nonnull memory, uint64_t index, uint64_t *_Nonnull out_physical) {
    struct memory *at = memory;
    for (; at != nullptr && index < pages_of(at->content_size); at = at->parent) {
        const uint64_t *slot = memory_slot(SOME(at), index);
        if (slot != nullptr && *slot != 0) {
            *out_physical = page_physical(page_at(slot_page(*slot)));
            return true;
        }
    }
    return false;
}

/* ---- translations ---- */

static void drop_from(struct list *_Nonnull mappings, uint64_t first, uint64_t count) LOCKED {
    LIST_FOR(mapping, mappings, struct mapping, memory_link) {
        uint64_t pages = mapping->length >> PAGE_SHIFT;
        uint64_t start = MAX(first, mapping->offset);
        uint64_t end = MIN(first + count, mapping->offset + pages);
        if (start < end) {
            space_drop(mapping->space,
                       mapping->node.key + ((start - mapping->offset) << PAGE_SHIFT),
                       (end - start) << PAGE_SHIFT);
        }
    }
}

void memory_drop_translations(struct memory *_Nonnull memory, uint64_t first, uint64_t count) {
    drop_from(&memory->mappings, first, count);
    LIST_FOR(overlay, &memory->overlays, struct memory, overlay_link) {
        drop_from(&overlay->mappings, first, count);
    }
}

uint64_t memory_evict(struct memory *_Nonnull memory, uint64_t first, uint64_t count, bool all) {
    uint64_t dropped = 0;
    MEMORY_FOR(memory, index, slot, first, count) {
        bool clean = (*slot & (SLOT_DIRTY | SLOT_WRITING)) == 0;
        if (all || (clean && page_at(slot_page(*slot))->pins == 0)) {
            memory_drop_translations(memory, index, 1);
            drop_slot(memory, SOME(slot));
            dropped++;
        }
    }
    return dropped;
}

static void zero_tail(struct memory *_Nonnull memory, uint64_t size) LOCKED {
    uint64_t within = size & (PAGE_SIZE - 1);
    const uint64_t *slot = memory_slot(memory, size >> PAGE_SHIFT);
    if (within == 0 || slot == nullptr || *slot == 0) {
        return;
    }
    union page_content *content = page_content(page_at(slot_page(*slot)));
    bytes_zero(&content->bytes[within], PAGE_SIZE - within);
}

status_t memory_resize(struct memory *_Nonnull memory, uint64_t content_size) {
    REFUSE((memory->flags & (MEMORY_PHYSICAL | MEMORY_WIRED | MEMORY_CONTIGUOUS)) != 0,
           STATUS_NOT_SUPPORTED);
    if (pages_of(content_size) > memory->page_count) {
        REFUSE(pages_of(content_size) >= (uint64_t)1 << (RADIX_BITS * RADIX_LEVELS),
               STATUS_BAD_ARGUMENT);
        memory->page_count = pages_of(content_size);
    }
    uint64_t old = memory->content_size;
    memory->content_size = content_size;
    if (content_size < old) {
        uint64_t first = pages_of(content_size);
        LIST_FOR(overlay, &memory->overlays, struct memory, overlay_link) {
            (void)memory_evict(overlay, first, UINT64_MAX, true);
        }
        memory_drop_translations(memory, first, pages_of(old) - first);
        (void)memory_evict(memory, first, UINT64_MAX, true);
        zero_tail(memory, content_size);
    } else {
        zero_tail(memory, old);
    }
    return STATUS_OK;
}

/* ---- wired access ---- */

static status_t access_wired(struct memory *_Nonnull memory, uint64_t offset, void *_Nullable to,
                             const void *_Nullable from, size_t size) LOCKED {
    uint64_t end = 0;
    REFUSE(ckd_add(&end, offset, size) || end > memory->content_size, STATUS_OUT_OF_RANGE);
    size_t done = 0;
    while (done < size) {
        uint64_t physical = 0;
        REFUSE(!memory_peek(memory, (offset + done) >> PAGE_SHIFT, &physical), STATUS_ABSENT);
        size_t within = (size_t)((offset + done) & (PAGE_SIZE - 1));
        size_t chunk = MIN(size - done, PAGE_SIZE - within);
        if (to != nullptr) {
            bytes_copy(bytes_at(SOME(to), done), bytes_at(arch_pointer(physical), within), chunk);
        } else {
            bytes_copy(bytes_at(arch_pointer(physical), within), bytes_at_const(SOME(from), done),
                       chunk);
        }
        done += chunk;
    }
    return STATUS_OK;
}

status_t memory_read_wired(struct memory *_Nonnull memory, uint64_t offset, void *_Nonnull to,
                           size_t size) {
    return access_wired(memory, offset, to, nullptr, size);
}

status_t memory_write_wired(struct memory *_Nonnull memory, uint64_t offset,
                            const void *_Nonnull from, size_t size) {
    return access_wired(memory, offset, nullptr, from, size);
}
