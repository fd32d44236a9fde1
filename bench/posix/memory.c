/* Rows of memory: mapping and unmapping, first touches, protection. The regions are smaller than a
 * huge page, so that none is used. */
#include "measure.h"

#include <sys/mman.h>

enum { PAGE = 4096, MAPPED_PAGES = 4, FAULT_PAGES = 256 };

static volatile char *_Nullable map(size_t size) {
    void *address = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return address == MAP_FAILED ? nullptr : address;
}

/* One operation maps a page, touches it, and unmaps it. */
static uint64_t mmap_batch(unsigned operations) {
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        volatile char *page = map(PAGE);
        if (page == nullptr) {
            return BATCH_FAILED;
        }
        *page = 1;
        (void)munmap((void *)page, PAGE);
    }
    return instructions() - start;
}

/* One operation is the first touch of one page of a region, with its share of mapping and unmapping
 * the whole: what a page costs from nothing to nothing. */
static uint64_t fault_batch(unsigned operations) {
    uint64_t start = instructions();
    volatile char *region = map((size_t)operations * PAGE);
    if (region == nullptr) {
        return BATCH_FAILED;
    }
    for (unsigned page = 0; page < operations; page++) {
        region[(size_t)page * PAGE] = 1;
    }
    (void)munmap((void *)region, (size_t)operations * PAGE);
    return instructions() - start;
}

/* One operation takes all access from a touched page and gives it back. */
static uint64_t mprotect_batch(unsigned operations) {
    volatile char *region = map(PAGE);
    if (region == nullptr) {
        return BATCH_FAILED;
    }
    *region = 1;
    int wrong = 0;
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        wrong |= mprotect((void *)region, PAGE, PROT_NONE);
        wrong |= mprotect((void *)region, PAGE, PROT_READ | PROT_WRITE);
    }
    uint64_t taken = instructions() - start;
    *region = 2;
    (void)munmap((void *)region, PAGE);
    return wrong == 0 ? taken : BATCH_FAILED;
}

const row_t memory_rows[] = {
    {"mmap_touch_munmap", mmap_batch, 50},
    {"anon_fault", fault_batch, FAULT_PAGES},
    {"mprotect_pair", mprotect_batch, 200},
    {"", mmap_batch, 0},
};
