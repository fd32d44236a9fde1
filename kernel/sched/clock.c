#include "kernel/sched/clock.h"
#include "abi/info.h"
#include "kernel/memory/memory.h"

static uint64_t realtime_offset_ns GUARDED;
static bool offset_known GUARDED;
static struct memory *_Nullable page_memory GUARDED;

uint64_t clock_realtime_ns(void) {
    if (!offset_known) {
        realtime_offset_ns = arch_realtime_at_boot_ns();
        offset_known = true;
    }
    return arch_clock_ns() + realtime_offset_ns;
}

/* Fills the copy that is not shown, then shows it. */
static void publish(void) LOCKED {
    uint64_t physical = 0;
    if (page_memory == nullptr || !memory_peek(SOME(page_memory), 0, &physical)) {
        return;
    }
    struct clock_page *page = arch_pointer(physical);
    uint32_t next = 1 - page->index % 2;
    arch_clock_copy(&page->copy[next]);
    page->copy[next].realtime_offset_ns = clock_realtime_ns() - arch_clock_ns();
    page->version++;
    page->index = next;
}

void clock_set_realtime_ns(uint64_t now_ns) {
    realtime_offset_ns = now_ns - arch_clock_ns();
    offset_known = true;
    publish();
}

status_t clock_page(struct memory *_Nullable *_Nonnull out) {
    if (page_memory == nullptr) {
        TRY(memory_create(nullptr, PAGE_SIZE, MEMORY_WIRED, 0, &page_memory));
        publish();
    }
    *out = page_memory;
    return STATUS_OK;
}
