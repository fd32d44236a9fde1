#include "kernel/sched/clock.h"

static uint64_t realtime_offset_ns GUARDED;
static bool offset_known GUARDED;

uint64_t clock_realtime_ns(void) {
    if (!offset_known) {
        realtime_offset_ns = arch_realtime_at_boot_ns();
        offset_known = true;
    }
    return arch_clock_ns() + realtime_offset_ns;
}

void clock_set_realtime_ns(uint64_t now_ns) {
    realtime_offset_ns = now_ns - arch_clock_ns();
    offset_known = true;
}
