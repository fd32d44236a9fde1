#pragma once
/* Time as the kernel's objects see it, in nanoseconds, and the page from which programs read it
 * without a system call: two copies and an index (restart.md, 14). */
#include "kernel/arch/arch.h"

struct memory;

uint64_t clock_realtime_ns(void) LOCKED;
void clock_set_realtime_ns(uint64_t now_ns) LOCKED;
/* The clock page, made at the first call. Errors: allocation. */
status_t clock_page(struct memory *_Nullable *_Nonnull out) LOCKED;
