#pragma once
/* The simulator's port: the kernel core as a library in one host process. A "processor" is a token
 * that one host thread holds at a time, a kernel thread is a host thread that waits for it,
 * physical memory is one memfd, an address space is a window of host addresses. See sim.h. */
#include "abi/syscall.h"
#include "lib/base/safe.h"

struct sim_thread;
struct cpu;

struct frame {
    struct syscall_registers call;
    bool restart; /* execute the system call again */
    uint64_t entry, argument, argument2, counter;
};

struct arch_thread {
    struct sim_thread *_Nullable host;
    uint64_t fs;
};

struct arch_space {
    uint64_t first, end, map_base;
    uint64_t entered; /* translations */
    uint32_t window;
};

struct arch_cpu {
    uint64_t timer_ns;
};

/* The processor that the calling host thread holds. */
struct cpu *_Nonnull cpu_current(void);

#define USER_SPACE_LIMIT 0x7ffffffff000ull
