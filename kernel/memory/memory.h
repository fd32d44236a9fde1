#pragma once
/* Memory objects: pages by number in a 64-way radix tree.
 *
 *   anonymous  pages appear zeroed when touched; a clone copies page references
 *   file       (MEMORY_FILE) a file's pages: dirty states, times, streams; a clone is an overlay
 *   overlay    empty clone of a file over one parent: shows the parent's pages read-only without
 *              holding them, and copies on write; cloning an overlay copies references, same parent
 *   physical   device memory
 *
 * Invariants: (1) a page may be written through this object only while page.references == 1;
 * (2) a translation that allows writing exists only for such a page, and in a file only for a dirty
 * one; (3) resident counts the slots in use, and each is charged to the domain, shared or not, so
 * breaking a share never needs quota; (4) an overlay's parent is never an overlay.
 *
 * File granules: clean ──write, takes a credit──► dirty ──collect──► writing ──committed──► clean;
 * written again while writing: both; pager's death: writing → dirty. */
#include "abi/info.h"
#include "abi/syscall.h"
#include "kernel/ipc/source.h"
#include "kernel/memory/page.h"
#include "kernel/object/object.h"

struct space;
struct thread;
struct waitset;

enum { RADIX_BITS = 6, RADIX_SLOTS = 64, RADIX_LEVELS = 6 };
struct radix_node {
    uint64_t slots[RADIX_SLOTS];
};
static_assert(sizeof(struct radix_node) == 512);

/* A leaf slot: page number << 8 | flags. */
enum page_flags : uint64_t { SLOT_DIRTY = 1, SLOT_WRITING = 2 };

struct memory {
    struct object object;
    uint64_t page_count;    /* most that it can hold */
    uint64_t content_size;  /* bytes; pages wholly beyond it do not exist */
    uint32_t flags;         /* enum memory_flags */
    uint32_t granule_shift; /* log2 of pages */
    uint32_t levels;
    uint64_t root; /* levels 0: the leaf slot itself; else the address of a node */
    uint64_t resident;
    uint64_t physical;               /* contiguous, physical */
    struct memory *_Nullable parent; /* referenced */
    struct list overlays, overlay_link;
    struct list mappings; /* by memory_link */
    struct list waiters;  /* threads that wait for a page, credit or the writer's slot */
    struct source source; /* the pager's binding */
    struct thread *_Nullable writer;
    uint64_t credit, dirty, writing;
    uint64_t read_time_ns, write_time_ns;
    uint64_t tag;
    bool unused_untold; /* the last user went, and the pager was not told */
    uint32_t sessions;
    uint64_t destroy_cursor;
    struct memory *_Nullable clone; /* during a space clone: this one's copy */
};

/* Errors: BAD_ARGUMENT, allocation, quota. Wired and contiguous memory has all its pages at once.
 */
status_t memory_create(struct domain *_Nullable domain, uint64_t size, uint32_t flags,
                       uint64_t physical, struct memory *_Nullable *_Nonnull out) LOCKED;
bool memory_destroy_step(struct memory *_Nonnull memory) LOCKED;
/* A handle, mapping, session or overlay went: tells the pager when it was the last user. */
void memory_user_gone(struct memory *_Nonnull memory) LOCKED;

/* The physical page at `index`. `write`: it may be written (a share is broken, a file page is
 * dirty). *out_writable: translations may allow writing. Errors: OUT_OF_RANGE beyond the content;
 * WOULD_BLOCK: the pager must supply it (*out_request says what it must do, *out_memory which
 * object's pager); OUT_OF_MEMORY, OUT_OF_QUOTA. */
struct memory_page {
    uint64_t physical;
    bool writable;
    struct memory *_Nullable waits_for;
    enum page_request request;
};
status_t memory_page(struct memory *_Nonnull memory, uint64_t index, bool write,
                     struct memory_page *_Nonnull out) LOCKED;
/* The same without side effect: false where no page is there. */
bool memory_peek(struct memory *_Nonnull memory, uint64_t index,
                 uint64_t *_Nonnull out_physical) LOCKED;

/* Sets `self` waiting for page `index` (the pager is told), to execute its call again afterwards.
 * Returns STATUS_RESTART. */
status_t memory_wait_page(struct thread *_Nonnull self, const struct memory_page *_Nonnull wanted,
                          uint64_t index) LOCKED;
void memory_wake_waiters(struct memory *_Nonnull memory, uint64_t first, uint64_t count,
                         status_t status) LOCKED;

/* Clones pages [first, first + count): see the file's head. `except`: a space whose translations
 * the caller protects. Errors: allocation, quota. */
status_t memory_clone(struct memory *_Nonnull source, struct domain *_Nonnull domain,
                      uint64_t first, uint64_t count, const struct space *_Nullable except,
                      struct memory *_Nullable *_Nonnull out) LOCKED;
/* Errors: BAD_ARGUMENT: larger than page_count of wired memory; NOT_SUPPORTED for physical. */
status_t memory_resize(struct memory *_Nonnull memory, uint64_t content_size) LOCKED;
/* Drops translations of pages [first, first + count) from every mapping, overlays' too. */
void memory_drop_translations(struct memory *_Nonnull memory, uint64_t first,
                              uint64_t count) LOCKED;
/* Drops pages of a range: clean ones only, or all. Returns how many. */
uint64_t memory_evict(struct memory *_Nonnull memory, uint64_t first, uint64_t count,
                      bool all) LOCKED;

/* Kernel-side access to wired memory (vaults, boot image): never waits. Range must be inside. */
status_t memory_read_wired(struct memory *_Nonnull memory, uint64_t offset, void *_Nonnull to,
                           size_t size) LOCKED;
status_t memory_write_wired(struct memory *_Nonnull memory, uint64_t offset,
                            const void *_Nonnull from, size_t size) LOCKED;

/* Radix access. */
uint64_t *_Nullable memory_slot(struct memory *_Nonnull memory, uint64_t index) LOCKED;
status_t memory_slot_create(struct memory *_Nonnull memory, uint64_t index,
                            uint64_t *_Nullable *_Nonnull out) LOCKED;
/* Moves *index to the first slot in use from there on; null: there is none. */
uint64_t *_Nullable memory_next(struct memory *_Nonnull memory, uint64_t *_Nonnull index) LOCKED;
/* Runs over the slots in use of a range. */
#define MEMORY_FOR(memory, index, slot, first, count)                                              \
    for (uint64_t index = (first), *_Nullable slot = memory_next(memory, &index);                  \
         slot != nullptr && index - (first) < (count);                                             \
         index++, slot = memory_next(memory, &index))
/* Puts `page` (a reference passes to the object) at an absent index. Errors: allocation, quota. */
status_t memory_insert_page(struct memory *_Nonnull memory, uint64_t index,
                            struct page *_Nonnull page, uint64_t flags) LOCKED;
/* The same of a new page, zeroed or a copy. */
status_t memory_add_page(struct memory *_Nonnull memory, uint64_t index,
                         const struct page *_Nullable copy_of,
                         struct memory_page *_Nonnull out) LOCKED;
bool radix_free_step(struct memory *_Nonnull memory, unsigned budget) LOCKED;
static inline uint32_t slot_page(uint64_t slot) {
    return (uint32_t)(slot >> 8);
}
