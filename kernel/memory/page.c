/* See page.h. The free list is doubly linked by page number, so that a run of adjacent pages can be
 * taken out of its middle. */
#include "kernel/memory/page.h"
#include "kernel/arch/arch.h"
#include "lib/base/bytes.h"

struct page_array {
    size_t count;
    struct page *_Nullable data COUNTED_BY(count);
};
static struct page_array pages GUARDED;
static uint32_t free_head GUARDED; /* 0: none; page 0 is always reserved */
static size_t free_count GUARDED;
static size_t total GUARDED;

void page_init(struct page *_Nonnull array, size_t count) {
    pages = (struct page_array){.count = count, .data = array};
    bytes_zero(array, count * sizeof(struct page));
}

struct page *_Nonnull page_at(uint32_t number) {
    CHECK(number < pages.count);
    return SOME(&pages.data[number]);
}

struct page *_Nullable page_of_physical(uint64_t physical) {
    uint64_t number = physical >> PAGE_SHIFT;
    return number < pages.count ? &pages.data[number] : nullptr;
}

uint32_t page_number(const struct page *_Nonnull page) {
    return (uint32_t)(((uintptr_t)page - (uintptr_t)pages.data) / sizeof(struct page));
}

uint64_t page_physical(const struct page *_Nonnull page) {
    return (uint64_t)page_number(page) << PAGE_SHIFT;
}

union page_content *_Nonnull page_content(const struct page *_Nonnull page) {
    return arch_pointer(page_physical(page));
}

static void push_free(uint32_t number) LOCKED {
    struct page *page = page_at(number);
    *page = (struct page){.kind = PAGE_FREE, .next = free_head};
    if (free_head != 0) {
        page_at(free_head)->previous = number;
    }
    free_head = number;
    free_count++;
}

static void take_free(uint32_t number) LOCKED {
    struct page *page = page_at(number);
    CHECK(page->kind == PAGE_FREE);
    if (page->next != 0) {
        page_at(page->next)->previous = page->previous;
    }
    if (page->previous != 0) {
        page_at(page->previous)->next = page->next;
    } else {
        free_head = page->next;
    }
    page->next = 0;
    page->previous = 0;
    free_count--;
}

void page_add_free(uint32_t first, uint32_t end) {
    for (uint32_t number = end; number > first; number--) {
        if (number > 1) {
            push_free(number - 1);
            total++;
        }
    }
}

static void page_begin(struct page *_Nonnull page, enum page_kind kind, bool zero) LOCKED {
    page->kind = kind;
    page->references = 1;
    if (zero) {
        bytes_zero(page_content(page), PAGE_SIZE);
    }
}

struct page *_Nullable page_allocate(enum page_kind kind, bool zero) {
    if (free_head == 0) {
        return nullptr;
    }
    struct page *page = page_at(free_head);
    take_free(free_head);
    page_begin(page, kind, zero);
    return page;
}

struct page *_Nullable page_allocate_run(size_t count, uint64_t limit) {
    size_t end = MIN(pages.count, (size_t)(limit >> PAGE_SHIFT));
    size_t run = 0;
    for (size_t number = 1; number < end && run < count; number++) {
        run = page_at((uint32_t)number)->kind == PAGE_FREE ? run + 1 : 0;
        if (run == count) {
            uint32_t first = (uint32_t)(number + 1 - count);
            for (uint32_t at = first; at <= number; at++) {
                take_free(at);
                page_begin(page_at(at), PAGE_USER, true);
            }
            return page_at(first);
        }
    }
    return nullptr;
}

void page_free(struct page *_Nonnull page) {
    CHECK(page->kind != PAGE_FREE && page->kind != PAGE_RESERVED);
    push_free(page_number(page));
}

void page_release(struct page *_Nonnull page) {
    CHECK(page->kind == PAGE_USER && page->references > 0);
    page->references--;
    if (page->references == 0) {
        page_free(page);
    }
}

size_t page_total(void) {
    return total;
}

size_t page_free_count(void) {
    return free_count;
}
