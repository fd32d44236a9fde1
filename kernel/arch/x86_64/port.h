#pragma once
/* What the core sees of x86-64: registers of a thread, a user address space, a processor. GS points
 * to the processor's struct arch_cpu while the kernel runs, and to the thread page in user space.
 */
#include "abi/boot.h"
#include "abi/syscall.h"
#include "lib/base/safe.h"

struct cpu;
struct thread;
struct arch_space;
struct task_state;

/* Registers of a thread that is not in user space. Its end is where the processor pushes on an
 * exception or interrupt from user space (TSS.rsp0), hence the order and the alignment. */
struct frame {
    struct syscall_registers call;
    uint64_t r15, rbp;
    uint64_t r11, rcx;                /* not kept by a system call */
    uint64_t vector;                  /* of the exception or interrupt; FRAME_SYSCALL */
    uint64_t error;                   /* of an exception */
    uint64_t rip, cs, flags, rsp, ss; /* cs, ss: not set by a system call */
};
#define FRAME_SYSCALL UINT64_MAX
static_assert(sizeof(struct frame) == 176 && sizeof(struct syscall_registers) == 88);

struct arch_thread {
    uint64_t fs, gs;                        /* bases while it is not loaded on a processor */
    union page_content *_Nullable floating; /* XSAVE area; null: it never used the registers */
};

struct arch_space {
    uint64_t first, end, map_base;
    uint64_t entered; /* translations */
    uint64_t root;    /* physical address of the top table */
    uint32_t tables;  /* number of the newest table page; they are chained by page.next */
    uint32_t active;  /* processors that have it loaded */
};

struct arch_cpu {
    struct cpu *_Nullable self;      /* first: cpu_current */
    uint64_t scratch;                /* the program's stack pointer during entry */
    struct thread *_Nullable loaded; /* whose FS, GS and space are loaded, and whose registers the
                                        next entry saves; null: nobody's */
    uint64_t stack;                  /* top of this processor's kernel stack */
    struct arch_space *_Nullable space;
    struct task_state *_Nullable task_state;
    uint32_t apic;      /* identifier of its local APIC */
    uint32_t shootdown; /* atomic: an invalidation waits for it */
    uint32_t mask;      /* 1 << index */
    uint32_t floating;  /* 1: the floating-point registers are those of `loaded` */
};

static inline struct cpu *_Nonnull cpu_current(void) {
    struct cpu *_Nonnull cpu;
    __asm__("movq %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

/* All memory is mapped from here on, never executable, the kernel image left out. Set at boot. */
extern uint64_t direct_base;
UNSAFE_BEGIN
static inline void *_Nonnull arch_pointer(uint64_t physical) {
    return (void *)(direct_base + physical);
}
UNSAFE_END
static inline uint64_t arch_physical(const void *_Nonnull pointer) {
    return (uint64_t)pointer - direct_base;
}
static inline void *_Nullable arch_host_memory(uint64_t address) {
    (void)address;
    return nullptr;
}
static inline uint64_t arch_ticks(void) {
    uint32_t low = 0;
    uint32_t high = 0;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

#define USER_SPACE_LIMIT USER_SPACE_END
