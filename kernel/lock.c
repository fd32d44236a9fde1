#include "kernel/lock.h"
#include "kernel/arch/arch.h"

struct kernel_lock kernel_lock;

/* NO_TSA: this is what the analysis takes on trust. */
void kernel_lock_acquire(void) NO_TSA {
    while (__atomic_exchange_n(&kernel_lock.held, 1u, __ATOMIC_ACQUIRE) != 0) {
        arch_lock_spin();
    }
}

void kernel_lock_release(void) NO_TSA {
    __atomic_store_n(&kernel_lock.held, 0u, __ATOMIC_RELEASE);
}
