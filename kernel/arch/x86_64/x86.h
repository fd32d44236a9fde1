#pragma once
/* Between the files of this port. */
#include "kernel/arch/arch.h"
#include "kernel/arch/x86_64/machine.h"
#include "kernel/memory/page.h"

#include "kernel/sched/scheduler.h"

/* The processor's own structure: all that is used is where it finds stacks. */
struct [[gnu::packed]] task_state {
    uint32_t reserved0;
    uint64_t entry_stack;
    uint64_t stacks[2];
    uint64_t reserved1;
    uint64_t exception_stacks[7];
    uint64_t reserved2;
    uint16_t reserved3, ports;
};
static_assert(sizeof(struct task_state) == 104);

enum {
    SELECTOR_KERNEL_CODE = 0x08,
    SELECTOR_KERNEL_DATA = 0x10,
    SELECTOR_USER_BASE = 0x18, /* where SYSRET counts from */
    SELECTOR_USER_DATA = 0x20 | 3,
    SELECTOR_USER_CODE = 0x28 | 3,
    SELECTOR_TASK = 0x30
};
enum vector : uint32_t {
    VECTOR_EXCEPTIONS = 32,
    VECTOR_LINES = 32, /* first of the I/O APIC's */
    VECTOR_LINE_COUNT = 64,
    VECTOR_TIMER = 0x60,
    VECTOR_KICK = 0x61,
    VECTOR_SHOOTDOWN = 0x62,
    VECTOR_SPURIOUS = 0x6f,
    VECTOR_COUNT = 0x70
};
enum page_entry : uint64_t {
    ENTRY_PRESENT = 1,
    ENTRY_WRITABLE = 2,
    ENTRY_USER = 4,
    ENTRY_UNCACHED = 0x18, /* PWT, PCD */
    ENTRY_LARGE = 0x80,
    ENTRY_GLOBAL = 0x100,
};
#define ENTRY_NO_EXECUTE (1ull << 63)
#define ENTRY_ADDRESS 0x000ffffffffff000ull
#define KERNEL_OFFSET 0xffffffff80000000ull
#define DEVICE_WINDOW 0xffffffffc0000000ull /* the last GiB */

/* What hvm_start_info said, copied. */
struct memory_range {
    uint64_t start, end;
};
enum { RANGE_LIMIT = 32, ARGUMENTS_SIZE = 1024 };
struct boot_facts {
    struct memory_range ram[RANGE_LIMIT];
    uint32_t ram_count;
    struct memory_range image; /* the boot image */
    uint64_t rsdp;
    char arguments[ARGUMENTS_SIZE];
};

/* paging.c: the final tables of the kernel, loaded; then pages.c of the core is set up. */
void paging_init(const struct boot_facts *_Nonnull facts) LOCKED;
extern uint64_t kernel_root; /* set once at boot */
/* Device memory as a pointer, uncached. Boot only. */
void *_Nonnull paging_map_device(uint64_t physical, size_t size) LOCKED;

/* Makes another space the processor's; null: none, the kernel's own tables. */
static inline void space_load(struct cpu *_Nonnull cpu, struct arch_space *_Nullable space) LOCKED;
static inline void space_load(struct cpu *_Nonnull cpu, struct arch_space *_Nullable space) {
    struct arch_space *old = cpu->arch.space;
    if (old != nullptr) {
        old->active &= ~cpu->mask;
    }
    if (space != nullptr) {
        space->active |= cpu->mask;
    }
    cpu->arch.space = space;
    cr3_write(space != nullptr ? space->root : kernel_root);
}

/* processor.c */
enum {
    STACK_PAGES = 4,
    STACK_SLOT_PAGES = STACK_PAGES + 3
}; /* guard, stack, guard, exceptions' stack */
struct processor_features {
    bool fsgsbase, smep, smap, umip, xsave, rdrand;
    uint64_t floating_mask;
};
extern struct processor_features features;
void processor_detect(void);
uint64_t processor_stack(uint32_t index);
extern uint8_t processor_stacks[CPU_LIMIT][STACK_SLOT_PAGES][PAGE_SIZE];
/* Descriptor tables, control registers and model-specific registers of the calling processor. */
void processor_init(struct cpu *_Nonnull cpu, uint32_t index);
static inline void floating_set_available(struct cpu *_Nonnull cpu, uint32_t available) LOCKED {
    cpu->arch.floating = available;
    if (available != 0) {
        __asm__ volatile("clts");
    } else {
        cr0_write(cr0_read() | 8); /* TS */
    }
}
/* Saves the floating-point registers to `from` where they are its, and loads those of `to`. */
static inline void floating_switch(struct cpu *_Nonnull cpu, struct thread *_Nullable from,
                                   const struct thread *_Nullable to) LOCKED;
static inline void floating_switch(struct cpu *_Nonnull cpu, struct thread *_Nullable from,
                                   const struct thread *_Nullable to) {
    if (cpu->arch.floating == 0 && (to == nullptr || to->arch.floating == nullptr)) {
        return; /* neither uses them */
    }
    uint32_t mask = (uint32_t)features.floating_mask;
    if (from != nullptr && cpu->arch.floating != 0) {
        __asm__ volatile("xsave64 (%0)" : : "r"(from->arch.floating), "a"(mask), "d"(0) : "memory");
    }
    uint32_t wanted = to != nullptr && to->arch.floating != nullptr ? 1 : 0;
    if (wanted != cpu->arch.floating) {
        floating_set_available(cpu, wanted);
    }
    if (wanted != 0) {
        __asm__ volatile("xrstor64 (%0)" : : "r"(to->arch.floating), "a"(mask), "d"(0) : "memory");
    }
}
/* A save area in its initial state. Errors: OUT_OF_MEMORY, OUT_OF_QUOTA. */
status_t floating_allocate(struct thread *_Nonnull thread) LOCKED;
void floating_end(struct thread *_Nonnull thread) LOCKED;

/* entry.c */
void entry_syscall(void);
/* The address of a vector's first instruction. */
uint64_t entry_stub(uint32_t vector);
/* Leaves the kernel for the first time on this processor; the lock is held. */
[[noreturn]] void entry_begin(struct cpu *_Nonnull cpu) RELEASE(kernel_lock);

/* acpi.c */
enum { OVERRIDE_LIMIT = 16 };
struct machine_facts {
    uint32_t apics[CPU_LIMIT];
    uint32_t apic_count;
    uint64_t local_apic, io_apic;
    uint32_t io_apic_base;
    struct {
        uint32_t line;
        bool low, level;
    } overrides[OVERRIDE_LIMIT]; /* of the ISA interrupts, by number */
};
void acpi_read(uint64_t rsdp, struct machine_facts *_Nonnull out) LOCKED;

/* apic.c */
void apic_init(const struct machine_facts *_Nonnull facts) LOCKED;
void apic_init_local(void);
uint32_t apic_identifier(void);
void apic_acknowledge(void);
void apic_send(uint32_t apic, uint32_t command);
void apic_timer_set(uint32_t count);
uint32_t apic_timer_left(void);
void apic_line_raised(uint32_t vector) LOCKED;

/* clock.c */
void clock_init(void);

/* smp.c */
void smp_start(const struct machine_facts *_Nonnull facts) LOCKED;
void smp_answer(struct cpu *_Nonnull cpu);
/* Every processor in `mask` forgets the range (UINT64_MAX bytes: the space) before it returns. */
void smp_shootdown(uint32_t mask, uint64_t address, uint64_t length) LOCKED;

/* console.c */
extern uint64_t __stack_chk_guard;
void console_init(void);
void console_taken(void); /* user space drives the first UART now */
[[noreturn]] void console_halt(const char *_Nonnull what, uint64_t rip, uint64_t frame,
                               uint64_t error);
