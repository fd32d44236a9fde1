/* kernel/memory/page.c: five pages, any free range, then any three operations. The free list holds
 * exactly the free pages, both ways; nobody gets a page twice; a run is adjacent and below its
 * limit. */
#include "kernel/memory/page.c"
#include "tests/proofs/prove.h"

enum { PAGES = 5, STEPS = 3 };

static struct page array[PAGES];
static union page_content content[PAGES];

void *arch_pointer(uint64_t physical) {
    PROVE(physical >> PAGE_SHIFT < PAGES);
    return &content[physical >> PAGE_SHIFT];
}

/* Zeroing is not what is proven here. */
void bytes_zero(void *to, size_t size) {
    if (size == sizeof array) {
        for (unsigned i = 0; i < PAGES; i++) {
            array[i] = (struct page){};
        }
    }
}

static void check_list(void) {
    uint32_t at = free_head;
    uint32_t previous = 0;
    unsigned count = 0;
    unsigned marked = 0;
    for (unsigned i = 0; i < PAGES; i++) {
        marked += array[i].kind == PAGE_FREE;
        if (at != 0) {
            PROVE(at < PAGES && array[at].kind == PAGE_FREE && array[at].previous == previous);
            previous = at;
            at = array[at].next;
            count++;
        }
    }
    PROVE(at == 0 && count == marked && count == free_count && array[0].kind == PAGE_RESERVED);
}

void page_operations(void) {
    bool mine[PAGES] = {};
    page_init(array, PAGES);
    uint32_t end = any_below(PAGES + 1);
    page_add_free(any_below(PAGES), end);
    PROVE(page_total() == free_count);
    check_list();
    for (unsigned step = 0; step < STEPS; step++) {
        if (any_bool()) {
            size_t had = free_count;
            struct page *page = page_allocate(PAGE_USER, true);
            PROVE((page == nullptr) == (had == 0));
            if (page != nullptr) {
                PROVE(!mine[page_number(page)]);
                mine[page_number(page)] = true;
            }
        } else if (any_bool()) {
            uint64_t limit = (uint64_t)any_below(PAGES + 1) << PAGE_SHIFT;
            struct page *page = page_allocate_run(2, limit);
            if (page != nullptr) {
                uint32_t first = page_number(page);
                PROVE(first + 1 < PAGES && page_physical(page) + 2 * PAGE_SIZE <= limit);
                PROVE(!mine[first] && !mine[first + 1]);
                mine[first] = mine[first + 1] = true;
            }
        } else {
            uint32_t number = any_below(PAGES);
            if (mine[number]) {
                bool shared = any_bool();
                array[number].references = shared ? 2 : 1;
                page_release(page_at(number));
                mine[number] = shared;
            }
        }
        check_list();
        for (unsigned i = 0; i < PAGES; i++) {
            PROVE(!mine[i] || array[i].kind == PAGE_USER);
        }
    }
}
