/* The simulator's backend: a system call is a function call into the kernel's core. */
#include "kernel/arch/sim/sim.h"
#include "lib/rt/message.h"
#include "lib/rt/native.h"

void rt_invoke(struct syscall_registers *_Nonnull registers) {
    sim_syscall(registers);
}

void rt_exchange(struct rt_exchange *_Nonnull e, const uint64_t (*_Nonnull in)[CALL_WORDS],
                 uint64_t (*_Nonnull out)[CALL_WORDS]) {
    struct syscall_registers r = {.number = e->number, .a = e->a, .b = e->b, .token = e->token};
    for (size_t i = 0; i < CALL_WORDS; i++) {
        r.words[i] = (*in)[i];
    }
    sim_syscall(&r);
    for (size_t i = 0; i < CALL_WORDS; i++) {
        (*out)[i] = r.words[i];
    }
    *e = (struct rt_exchange){r.number, r.a, r.b, r.token};
}

struct thread_page *_Nonnull rt_thread_page(void) {
    return (struct thread_page *)(uintptr_t)sim_thread_page();
}

status_t rt_copy_from_client(void *_Nonnull to, const void *_Nullable from, size_t size) {
    if (size > 0) {
        rt_copy(to, SOME(from), size);
    }
    return STATUS_OK;
}

status_t rt_copy_to_client(void *_Nullable to, const void *_Nonnull from, size_t size) {
    if (size > 0) {
        rt_copy(SOME(to), from, size);
    }
    return STATUS_OK;
}
