#pragma once
/* The one kernel lock. It guards every object and every global of the core; the compiler checks
 * each access (-Wthread-safety). A port takes it on entry, after the registers are saved, and gives
 * it back before it returns to user space. LOCKED marks the functions that run under it. */
#include "lib/base/safe.h"

struct CAPABILITY("kernel lock") kernel_lock {
    uint32_t held; /* atomic */
};
extern struct kernel_lock kernel_lock;

#define LOCKED REQUIRES(kernel_lock)
#define GUARDED GUARDED_BY(kernel_lock)

void kernel_lock_acquire(void) ACQUIRE(kernel_lock);
void kernel_lock_release(void) RELEASE(kernel_lock);
