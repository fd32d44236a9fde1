#pragma once
/* Physical pages: one struct page each, a free list, no zones. A page is free, reserved (kernel
 * image, firmware), a kernel page (page tables, slabs), or a user page that Memory objects hold.
 * `references` counts the Memory objects that hold a user page; only a page with one reference may
 * be written. */
#include "abi/object.h"
#include "kernel/lock.h"

enum page_kind : uint8_t { PAGE_RESERVED, PAGE_FREE, PAGE_KERNEL, PAGE_SLAB, PAGE_USER };

struct page {
    enum page_kind kind;
    uint8_t slab_type;
    uint16_t slab_used;
    uint16_t slab_free; /* index of the first free object, counted from 1 */
    uint16_t pins;      /* users that need it to stay where it is: evict not */
    uint32_t references;
    uint32_t next, previous; /* free list or list of partly used slabs, by page number; 0: none */
};
static_assert(sizeof(struct page) == 20);

/* Boot: `count` pages exist, their structures lie at `pages`, all reserved. */
void page_init(struct page *_Nonnull pages, size_t count) LOCKED;
/* Boot: makes [first, end) free. */
void page_add_free(uint32_t first, uint32_t end) LOCKED;

/* One page, or null when the machine is out of memory. The caller owns it. Zeroed for user pages
 * and on request. */
struct page *_Nullable page_allocate(enum page_kind kind, bool zero) LOCKED;
/* `count` adjacent pages with physical addresses below `limit`; null where there is no such run. */
struct page *_Nullable page_allocate_run(size_t count, uint64_t limit) LOCKED;
void page_free(struct page *_Nonnull page) LOCKED;

struct page *_Nonnull page_at(uint32_t number) LOCKED;
/* The page of a physical address, or null where it is not memory that the kernel manages. */
struct page *_Nullable page_of_physical(uint64_t physical) LOCKED;
uint32_t page_number(const struct page *_Nonnull page) LOCKED;
uint64_t page_physical(const struct page *_Nonnull page) LOCKED;

/* What is in a page, as bytes or words. */
union page_content {
    uint8_t bytes[PAGE_SIZE];
    uint64_t words[PAGE_SIZE / 8];
};
union page_content *_Nonnull page_content(const struct page *_Nonnull page) LOCKED;

/* Drops one Memory's reference; the last one frees the page. */
void page_release(struct page *_Nonnull page) LOCKED;

size_t page_total(void) LOCKED;
size_t page_free_count(void) LOCKED;
