/* Descriptor tables, control registers and floating-point state of each processor.
 *
 * Floating-point registers are a thread's only after its first use of them (exception 7 allocates
 * the save area): until then CR0.TS is set. They are saved when the thread leaves the processor. */
#include "kernel/arch/x86_64/machine.h"
#include "kernel/arch/x86_64/x86.h"
#include "kernel/object/domain.h"
#include "kernel/sched/scheduler.h"

struct gate {
    uint16_t offset_low, selector;
    uint8_t stack, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};
struct [[gnu::packed]] table_pointer {
    uint16_t limit;
    uint64_t address;
};
enum { GDT_ENTRIES = 8, GATE_INTERRUPT = 0x8e, GATE_USER = 0xee, EXCEPTION_STACK = 1 };
enum { CR0_MONITOR = 2, CR0_EMULATE = 4, CR0_TASK_SWITCHED = 8, CR0_WRITE_PROTECT = 1 << 16 };
enum {
    CR4_GLOBAL = 1 << 7,
    CR4_FXSAVE = 1 << 9,
    CR4_SIMD_EXCEPTIONS = 1 << 10,
    CR4_UMIP = 1 << 11,
    CR4_FSGSBASE = 1 << 16,
    CR4_XSAVE = 1 << 18,
    CR4_SMEP = 1 << 20,
    CR4_SMAP = 1 << 21
};
enum {
    FLOATING_WANTED = 0xe7, /* x87, SSE, AVX, AVX-512 */
    X87_CONTROL_DEFAULT = 0x37f,
    MXCSR_DEFAULT = 0x1f80
};

struct processor_features features;
static struct task_state task_states[CPU_LIMIT];
static uint64_t gdts[CPU_LIMIT][GDT_ENTRIES];
static struct gate gates[256];
/* A stack's first page and the one below the exceptions' stack are never mapped (paging.c). */
alignas(PAGE_SIZE) uint8_t processor_stacks[CPU_LIMIT][STACK_SLOT_PAGES][PAGE_SIZE];

uint64_t processor_stack(uint32_t index) {
    CHECK(index < CPU_LIMIT);
    return (uint64_t)&processor_stacks[index][1 + STACK_PAGES];
}

void processor_detect(void) {
    struct cpuid one = cpuid(1, 0);
    struct cpuid seven = cpuid(7, 0);
    features = (struct processor_features){
        .fsgsbase = (seven.b & 1u) != 0,
        .smep = (seven.b & 1u << 7) != 0,
        .smap = (seven.b & 1u << 20) != 0,
        .umip = (seven.c & 1u << 2) != 0,
        .xsave = (one.c & 1u << 26) != 0,
        .rdrand = (one.c & 1u << 30) != 0,
    };
    if (!features.fsgsbase || !features.xsave) {
        console_halt("the processor lacks FSGSBASE or XSAVE", 0, 0, 0);
    }
    features.floating_mask = cpuid(0xd, 0).a & FLOATING_WANTED;
}

static void set_gate(uint32_t vector, uint64_t handler, uint8_t type, uint8_t stack) {
    gates[vector] = (struct gate){
        .offset_low = (uint16_t)(handler & 0xffff),
        .selector = SELECTOR_KERNEL_CODE,
        .stack = stack,
        .type = type,
        .offset_middle = (uint16_t)(handler >> 16 & 0xffff),
        .offset_high = (uint32_t)(handler >> 32),
    };
}

static void set_gates(void) {
    for (uint32_t vector = 0; vector < VECTOR_COUNT; vector++) {
        bool own_stack = vector == 2 || vector == 8 || vector == 18; /* NMI, double fault, MC */
        set_gate(vector, entry_stub(vector), vector == 3 ? GATE_USER : GATE_INTERRUPT,
                 own_stack ? EXCEPTION_STACK : 0);
    }
}

static void load_tables(struct cpu *_Nonnull cpu, uint32_t index) {
    struct task_state *task = &task_states[index];
    uint64_t address = (uint64_t)task;
    task->exception_stacks[EXCEPTION_STACK - 1] =
        (uint64_t)&processor_stacks[index] + STACK_SLOT_PAGES * PAGE_SIZE;
    task->ports = sizeof *task; /* no port is open to programs */
    cpu->arch.task_state = task;
    uint64_t (*gdt)[GDT_ENTRIES] = &gdts[index];
    (*gdt)[1] = 0x00af9b000000ffff;
    (*gdt)[2] = 0x00cf93000000ffff;
    (*gdt)[4] = 0x00cff3000000ffff;
    (*gdt)[5] = 0x00affb000000ffff;
    (*gdt)[6] = (sizeof *task - 1) | (address & 0xffffff) << 16 | 0x89ull << 40 |
                (address >> 24 & 0xff) << 56;
    (*gdt)[7] = address >> 32;
    struct table_pointer gdt_pointer = {sizeof gdts[0] - 1, (uint64_t)gdt};
    struct table_pointer idt_pointer = {sizeof gates - 1, (uint64_t)&gates[0]};
    __asm__ volatile("lgdt %0\n lidt %1\n ltr %w2\n mov %w3, %%ds\n mov %w3, %%es\n"
                     "mov %w3, %%ss\n mov %w3, %%fs\n mov %w3, %%gs"
                     :
                     : "m"(gdt_pointer), "m"(idt_pointer), "r"(SELECTOR_TASK), "r"(0)
                     : "memory");
}

void processor_init(struct cpu *_Nonnull cpu, uint32_t index) {
    CHECK(index < CPU_LIMIT);
    if (index == 0) {
        set_gates();
    }
    load_tables(cpu, index);
    cr0_write((cr0_read() & ~(uint64_t)CR0_EMULATE) | CR0_MONITOR | CR0_TASK_SWITCHED |
              CR0_WRITE_PROTECT);
    cr4_write(cr4_read() | CR4_GLOBAL | CR4_FXSAVE | CR4_SIMD_EXCEPTIONS | CR4_XSAVE |
              CR4_FSGSBASE | (features.umip ? CR4_UMIP : 0) | (features.smep ? CR4_SMEP : 0) |
              (features.smap ? CR4_SMAP : 0));
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)features.floating_mask), "d"(0));
    msr_write(MSR_EFER, msr_read(MSR_EFER) | 1); /* SYSCALL */
    msr_write(MSR_STAR, (uint64_t)SELECTOR_USER_BASE << 48 | (uint64_t)SELECTOR_KERNEL_CODE << 32);
    msr_write(MSR_LSTAR, (uint64_t)&entry_syscall);
    msr_write(MSR_SYSCALL_MASK, 0x47700); /* AC, NT, IOPL, DF, IF, TF */
    cpu->arch.self = cpu;
    cpu->arch.stack = processor_stack(index);
    msr_write(MSR_GS_BASE, (uint64_t)&cpu->arch);
    msr_write(MSR_USER_GS_BASE, 0);
}

/* ---- floating point ---- */

status_t floating_allocate(struct thread *_Nonnull thread) {
    struct domain *domain = SOME(thread->object.domain);
    TRY(domain_charge(domain, RESOURCE_KERNEL_BYTES, PAGE_SIZE));
    struct page *page = page_allocate(PAGE_KERNEL, true);
    if (page == nullptr) {
        domain_uncharge(domain, RESOURCE_KERNEL_BYTES, PAGE_SIZE);
        return STATUS_OUT_OF_MEMORY;
    }
    thread->arch.floating = page_content(SOME(page));
    thread->arch.floating->words[0] = X87_CONTROL_DEFAULT;
    thread->arch.floating->words[3] = MXCSR_DEFAULT;
    return STATUS_OK;
}

void floating_end(struct thread *_Nonnull thread) {
    if (thread->arch.floating != nullptr) {
        page_free(SOME(page_of_physical(arch_physical(SOME(thread->arch.floating)))));
        domain_uncharge(SOME(thread->object.domain), RESOURCE_KERNEL_BYTES, PAGE_SIZE);
        thread->arch.floating = nullptr;
    }
}
