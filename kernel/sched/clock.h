#pragma once
/* Time as the kernel's objects see it, in nanoseconds. */
#include "kernel/arch/arch.h"

uint64_t clock_realtime_ns(void) LOCKED;
void clock_set_realtime_ns(uint64_t now_ns) LOCKED;
