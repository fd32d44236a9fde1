/* In and out of the kernel.
 *
 *   syscall ─► entry_syscall ─┬─ native ──► entry_from_syscall ─┐
 *                             └─ foreign ─► the upcall          ├─► leave ─► entry_exit ─► sysret,
 * iret exception, interrupt ─► stubs ─► entry_from_trap ───────────┘       └─► idle interrupt while
 * idle ─► entry_from_idle ─► leave
 *
 * Registers go straight into the current thread's frame (struct frame; GS: frame). A native call
 * comes back by SYSRET, unless its registers were replaced (frame.vector says so). Interrupts are
 * on in user space and in `idle` only; the idle loop keeps nothing on its stack, so an interrupt
 * there drops it.
 *
 * The functions without a frame below are the port's assembly: what runs before C can. */
#include "kernel/arch/x86_64/machine.h"
#include "kernel/arch/x86_64/x86.h"
#include "kernel/ipc/fast.h"
#include "kernel/memory/user.h"
#include "kernel/object/process.h"
#include "kernel/sched/scheduler.h"
#include "kernel/syscall/syscall.h"

[[clang::preserve_none]] struct thread *_Nonnull entry_from_syscall(
    struct cpu *_Nonnull cpu) LOCKED;
struct thread *_Nonnull entry_from_trap(struct cpu *_Nonnull cpu);
struct thread *_Nonnull entry_from_idle(struct cpu *_Nonnull cpu, uint64_t vector);
void entry_foreign(void);
void entry_exit(void);
void entry_trap(void);

enum { STUB_SIZE = 32 };

#define FRAME(member) offsetof(struct frame, member)
#define WORD(n) offsetof(struct frame, call.words) + (n) * sizeof(uint64_t)
#define PROGRAM(member) offsetof(struct program_frame, member)
#define PAGE_FRAME offsetof(struct thread_page, frame)

/* Operands that the code below names. */
#define FRAME_OPERANDS                                                                             \
    [rax] "i"(FRAME(call.number)), [rdi] "i"(FRAME(call.a)), [rsi] "i"(FRAME(call.b)),             \
        [rdx] "i"(WORD(0)), [r10] "i"(WORD(1)), [r8] "i"(WORD(2)), [r9] "i"(WORD(3)),              \
        [rbx] "i"(WORD(4)), [r12] "i"(WORD(5)), [r13] "i"(WORD(6)), [r14] "i"(FRAME(call.token)),  \
        [r15] "i"(FRAME(r15)), [rbp] "i"(FRAME(rbp)), [rip] "i"(FRAME(rip)),                       \
        [flags] "i"(FRAME(flags)), [rsp] "i"(FRAME(rsp)), [vector] "i"(FRAME(vector))
#define CPU_OPERANDS                                                                               \
    [scratch] "i"(offsetof(struct arch_cpu, scratch)),                                             \
        [current] "i"(offsetof(struct arch_cpu, loaded)),                                          \
        [stack] "i"(offsetof(struct arch_cpu, stack))
/* SYSCALL: RCX is the program's RIP, R11 its flags. */
[[gnu::naked]] void entry_syscall(void) {
    __asm__ volatile(
        "swapgs\n movq %%rsp, %%gs:%c[scratch]\n movq %%gs:%c[current], %%rsp\n"
        "movq %%rcx, %c[rip](%%rsp)\n movq %%r11, %c[flags](%%rsp)\n"
        "leaq -%c[first](%%rax), %%rcx\n cmpq $%c[count], %%rcx\n jae entry_foreign\n"
        "entry_native:\n movq %%rax, %c[rax](%%rsp)\n movq %%rdi, %c[rdi](%%rsp)\n"
        "movq %%rsi, %c[rsi](%%rsp)\n movq %%rdx, %c[rdx](%%rsp)\n movq %%r10, %c[r10](%%rsp)\n"
        "movq %%r8, %c[r8](%%rsp)\n movq %%r9, %c[r9](%%rsp)\n movq %%rbx, %c[rbx](%%rsp)\n"
        "movq %%r12, %c[r12](%%rsp)\n movq %%r13, %c[r13](%%rsp)\n movq %%r14, %c[r14](%%rsp)\n"
        "movq %%r15, %c[r15](%%rsp)\n movq %%rbp, %c[rbp](%%rsp)\n movq %%gs:%c[scratch], %%rcx\n"
        "movq %%rcx, %c[rsp](%%rsp)\n movq $-1, %c[vector](%%rsp)\n movq %%gs:%c[stack], %%rsp\n"
        "movl $1, %%eax\n xchgl %%eax, kernel_lock(%%rip)\n testl %%eax, %%eax\n jnz 3f\n"
        "2:\n movq %%gs:0, %%r12\n xorl %%ebp, %%ebp\n callq entry_from_syscall\n"
        "movl $0, kernel_lock(%%rip)\n jmp entry_exit\n"
        "3: callq kernel_lock_acquire\n jmp 2b\n"
        :
        : FRAME_OPERANDS, CPU_OPERANDS, [first] "i"(SYSCALL_FIRST), [count] "i"(SYSCALL_COUNT));
}

/* A foreign call: straight to the process's upcall, where it has one. All registers but RCX (the
 * thread page), R11, RSP and the flags stay the program's. */
[[gnu::naked]] void entry_foreign(void) {
    __asm__ volatile(
        "movq %c[process](%%rsp), %%r11\n cmpq $0, %c[upcall](%%r11)\n je entry_native\n"
        "lock incq %c[foreign](%%r11)\n movq %c[page](%%rsp), %%rcx\n addq $%c[area], %%rcx\n"
        "movq %%r8, %c[p_r8](%%rcx)\n movq %%r9, %c[p_r9](%%rcx)\n movq %%r10, %c[p_r10](%%rcx)\n"
        "movq %%r12, %c[p_r12](%%rcx)\n movq %%r13, %c[p_r13](%%rcx)\n"
        "movq %%r14, %c[p_r14](%%rcx)\n movq %%r15, %c[p_r15](%%rcx)\n"
        "movq %%rdi, %c[p_rdi](%%rcx)\n movq %%rsi, %c[p_rsi](%%rcx)\n"
        "movq %%rbp, %c[p_rbp](%%rcx)\n movq %%rbx, %c[p_rbx](%%rcx)\n"
        "movq %%rdx, %c[p_rdx](%%rcx)\n movq %%rax, %c[p_rax](%%rcx)\n"
        "movq %%rax, %c[p_original](%%rcx)\n movq $0, %c[p_kind](%%rcx)\n"
        "movq %c[rip](%%rsp), %%rax\n movq %%rax, %c[p_rip](%%rcx)\n"
        "movq %%rax, %c[p_rcx](%%rcx)\n movq %c[flags](%%rsp), %%rax\n"
        "movq %%rax, %c[p_flags](%%rcx)\n movq %%rax, %c[p_r11](%%rcx)\n"
        "movq %%gs:%c[scratch], %%rax\n movq %%rax, %c[p_rsp](%%rcx)\n"
        "movq %c[upcall_stack] - %c[area](%%rcx), %%rax\n movq %%rax, %c[rsp](%%rsp)\n"
        "movq %c[upcall](%%r11), %%rax\n movq %%rax, %c[rip](%%rsp)\n"
        "movq $%c[user_code], %c[rip] + 8(%%rsp)\n movq $0x202, %c[flags](%%rsp)\n"
        "movq $%c[user_data], %c[rsp] + 8(%%rsp)\n movq %c[p_rax](%%rcx), %%rax\n"
        "movq %c[address](%%rsp), %%rcx\n addq $%c[rip], %%rsp\n swapgs\n iretq\n"
        :
        : FRAME_OPERANDS, CPU_OPERANDS, [process] "i"(offsetof(struct thread, process)),
          [upcall] "i"(offsetof(struct process, upcall)),
          [foreign] "i"(offsetof(struct process, foreign_calls)),
          [page] "i"(offsetof(struct thread, page)),
          [address] "i"(offsetof(struct thread, page_address)), [area] "i"(PAGE_FRAME),
          [upcall_stack] "i"(offsetof(struct thread_page, upcall_stack)), [p_r8] "i"(PROGRAM(r8)),
          [p_r9] "i"(PROGRAM(r9)), [p_r10] "i"(PROGRAM(r10)), [p_r11] "i"(PROGRAM(r11)),
          [p_r12] "i"(PROGRAM(r12)), [p_r13] "i"(PROGRAM(r13)), [p_r14] "i"(PROGRAM(r14)),
          [p_r15] "i"(PROGRAM(r15)), [p_rdi] "i"(PROGRAM(rdi)), [p_rsi] "i"(PROGRAM(rsi)),
          [p_rbp] "i"(PROGRAM(rbp)), [p_rbx] "i"(PROGRAM(rbx)), [p_rdx] "i"(PROGRAM(rdx)),
          [p_rax] "i"(PROGRAM(rax)), [p_rcx] "i"(PROGRAM(rcx)), [p_rsp] "i"(PROGRAM(rsp)),
          [p_rip] "i"(PROGRAM(rip)), [p_flags] "i"(PROGRAM(flags)),
          [p_kind] "i"(PROGRAM(fault_kind)), [p_original] "i"(PROGRAM(original_rax)),
          [user_code] "i"(SELECTOR_USER_CODE), [user_data] "i"(SELECTOR_USER_DATA));
}

/* RAX: the thread whose frame is loaded. The lock is not held. */
[[gnu::naked]] void entry_exit(void) {
    __asm__ volatile("cmpq $-1, %c[vector](%%rax)\n"
                     "movq %%rax, %%rsp\n jne 1f\n movq %c[rdi](%%rsp), %%rdi\n"
                     "movq %c[rsi](%%rsp), %%rsi\n movq %c[rdx](%%rsp), %%rdx\n"
                     "movq %c[r10](%%rsp), %%r10\n movq %c[r8](%%rsp), %%r8\n"
                     "movq %c[r9](%%rsp), %%r9\n movq %c[rbx](%%rsp), %%rbx\n"
                     "movq %c[r12](%%rsp), %%r12\n movq %c[r13](%%rsp), %%r13\n"
                     "movq %c[r14](%%rsp), %%r14\n movq %c[r15](%%rsp), %%r15\n"
                     "movq %c[rbp](%%rsp), %%rbp\n movq %c[rip](%%rsp), %%rcx\n"
                     "movq %c[flags](%%rsp), %%r11\n movq %c[rax](%%rsp), %%rax\n"
                     "movq %c[rsp](%%rsp), %%rsp\n swapgs\n sysretq\n"
                     "1: popq %%rax\n popq %%rdi\n popq %%rsi\n popq %%rdx\n popq %%r10\n"
                     "popq %%r8\n popq %%r9\n popq %%rbx\n popq %%r12\n popq %%r13\n popq %%r14\n"
                     "popq %%r15\n popq %%rbp\n popq %%r11\n popq %%rcx\n addq $16, %%rsp\n"
                     "swapgs\n"
                     "iretq\n"
                     :
                     : FRAME_OPERANDS);
}

/* On the stack: vector, error, RIP, CS, flags, RSP, SS; from user space they lie in the frame. */
[[gnu::naked]] void entry_trap(void) {
    __asm__ volatile("testb $3, 24(%%rsp)\n"
                     "jz 1f\n swapgs\n"
                     "pushq %%rcx\n pushq %%r11\n pushq %%rbp\n pushq %%r15\n pushq %%r14\n"
                     "pushq %%r13\n pushq %%r12\n pushq %%rbx\n pushq %%r9\n pushq %%r8\n"
                     "pushq %%r10\n pushq %%rdx\n pushq %%rsi\n pushq %%rdi\n pushq %%rax\n"
                     "movq %%gs:%c[stack], %%rsp\n movq %%gs:0, %%rdi\n xorl %%ebp, %%ebp\n cld\n"
                     "callq entry_from_trap\n jmp entry_exit\n"
                     /* From the kernel: an interrupt of the idle loop, or a defect. */
                     "1: cmpq $%c[exceptions], (%%rsp)\n jb 2f\n popq %%rsi\n"
                     "movq %%gs:%c[stack], %%rsp\n movq %%gs:0, %%rdi\n xorl %%ebp, %%ebp\n"
                     "callq entry_from_idle\n jmp entry_exit\n"
                     "2: leaq exception_text(%%rip), %%rdi\n movq 16(%%rsp), %%rsi\n"
                     "movq %%rbp, %%rdx\n movq 8(%%rsp), %%rcx\n shlq $8, %%rcx\n"
                     "orq (%%rsp), %%rcx\n andq $-16, %%rsp\n callq console_halt\n"
                     :
                     : CPU_OPERANDS, [exceptions] "i"(VECTOR_EXCEPTIONS));
}
extern const char exception_text[];
const char exception_text[] = "exception in the kernel (error << 8 | vector)";

/* Stubs, 32 bytes each: they push what the processor did not, and the vector. Those that may come
 * at any instruction of the kernel (2, 8, 18) have a stack of their own: an NMI is ignored, the
 * others are the end, and entry_trap may not look at GS for them. */
[[gnu::naked, gnu::used]] static void stubs(void) {
    __asm__ volatile(".globl entry_stub_code\n"
                     ".balign 32\n"
                     "entry_stub_code:\n"
                     ".set vector, 0\n"
                     ".rept %c[count]\n"
                     ".balign 32\n"
                     "endbr64\n"
                     ".if vector == 2\n"
                     "iretq\n"
                     ".else\n"
                     ".if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || "
                     "vector == 21 || vector == 29 || vector == 30)\n pushq $0\n"
                     ".endif\n"
                     "pushq $vector\n"
                     ".if vector == 8 || vector == 18\n"
                     "movq $0x8, 24(%%rsp)\n"
                     ".endif\n"
                     "jmp entry_trap\n"
                     ".endif\n"
                     ".set vector, vector + 1\n"
                     ".endr\n"
                     :
                     : [count] "i"(VECTOR_COUNT));
}

/* ---- C ---- */

[[gnu::always_inline]] static inline void bases_save(struct thread *_Nonnull thread) {
    thread->arch.fs = fs_base_read();
    thread->arch.gs = user_gs_read();
}

[[gnu::always_inline]] static inline void switch_to(struct cpu *_Nonnull cpu,
                                                    struct thread *_Nonnull next) LOCKED {
    struct thread *previous = cpu->arch.loaded;
    if (previous != nullptr) {
        bases_save(SOME(previous));
    }
    floating_switch(cpu, previous, next);
    cpu->arch.loaded = next;
    SOME(cpu->arch.task_state)->entry_stack = (uint64_t)&next->frame + sizeof next->frame;
    struct arch_space *space = &SOME(next->process->space)->arch;
    if (cpu->arch.space != space) {
        space_load(cpu, space);
    }
    fs_base_write(next->arch.fs);
    user_gs_write(next->arch.gs);
    SOME(next->page)->processor = cpu->index;
}

extern const uint8_t entry_stub_code[];
uint64_t entry_stub(uint32_t vector) {
    return (uint64_t)&entry_stub_code + vector * STUB_SIZE;
}

/* Waits for an interrupt, without the lock; entry_from_idle takes over from there. */
[[noreturn]] static void idle_wait(void) {
    for (;;) {
        __asm__ volatile("sti\n hlt\n cli" : : : "memory");
    }
}

[[noreturn]] static void idle_begin(struct cpu *_Nonnull cpu) RELEASE(kernel_lock) {
    struct thread *previous = cpu->arch.loaded;
    if (previous != nullptr) {
        bases_save(SOME(previous));
        floating_switch(cpu, previous, nullptr);
        cpu->arch.loaded = nullptr;
    }
    cpu->idle_since = arch_ticks();
    kernel_lock_release();
    idle_wait();
}

/* The end of every entry: chooses who runs, and makes the processor that thread's. */
[[gnu::always_inline]] static inline struct thread *_Nonnull leave(
    struct cpu *_Nonnull cpu) LOCKED {
    scheduler_exit(cpu);
    struct thread *next = cpu->current;
    if (next == nullptr) {
        idle_begin(cpu);
    }
    if (next != cpu->arch.loaded) {
        switch_to(cpu, SOME(next));
    }
    return SOME(next);
}

[[gnu::noinline, clang::preserve_none, gnu::zero_call_used_regs("skip")]] static struct thread
    *_Nonnull general(struct cpu *_Nonnull cpu) LOCKED {
    syscall_dispatch(cpu);
    return leave(cpu);
}

/* Its registers are neither kept nor cleared: the way out loads all of them. The first argument of
 * this calling convention is in R12. */
[[clang::preserve_none, gnu::zero_call_used_regs("skip")]] struct thread
    *_Nonnull entry_from_syscall(struct cpu *_Nonnull cpu) {
    if (!call_fast(cpu)) {
        return general(cpu);
    }
    struct thread *next = SOME(cpu->current);
    switch_to(cpu, next);
    return next;
}

static void interrupt(struct cpu *_Nonnull cpu, uint64_t vector) LOCKED {
    cpu->interrupts++;
    switch (vector) {
    case VECTOR_TIMER:
        apic_acknowledge();
        scheduler_tick(cpu);
        break;
    case VECTOR_KICK:
        apic_acknowledge();
        break;
    case VECTOR_SPURIOUS:
        break;
    default:
        apic_line_raised((uint32_t)vector);
        break;
    }
}

enum page_fault_error : uint64_t { PAGE_FAULT_WRITE = 2, PAGE_FAULT_FETCH = 16 };

static void page_fault(struct cpu *_Nonnull cpu, struct thread *_Nonnull thread) LOCKED {
    uint64_t error = thread->frame.error;
    uint32_t access = PROTECT_READ;
    cpu->faults++;
    if ((error & PAGE_FAULT_FETCH) != 0) {
        access = PROTECT_EXECUTE;
    } else if ((error & PAGE_FAULT_WRITE) != 0) {
        access = PROTECT_READ | PROTECT_WRITE;
    }
    user_fault(thread, cr2_read(), access, error);
}

static void exception(struct cpu *_Nonnull cpu, struct thread *_Nonnull thread) LOCKED {
    static const uint8_t kinds[VECTOR_EXCEPTIONS] = {
        [0] = FAULT_DIVIDE,    [1] = FAULT_STEP,       [3] = FAULT_BREAKPOINT, [6] = FAULT_ILLEGAL,
        [16] = FAULT_FLOATING, [17] = FAULT_ALIGNMENT, [19] = FAULT_FLOATING};
    enum { DEVICE_NOT_AVAILABLE = 7, PAGE_FAULT = 14 };
    const struct frame *frame = &thread->frame;
    uint64_t vector = frame->vector;
    if (vector == PAGE_FAULT) {
        page_fault(cpu, thread);
        return;
    }
    uint32_t kind = kinds[vector] != 0 ? kinds[vector] : (uint32_t)FAULT_GENERAL;
    if (vector == DEVICE_NOT_AVAILABLE) {
        if (thread->arch.floating != nullptr || floating_allocate(thread) == STATUS_OK) {
            floating_switch(cpu, nullptr, thread);
            return;
        }
        kind = FAULT_NO_MEMORY;
    }
    user_exception(thread, kind, frame->rip, frame->error);
}

/* An exception or interrupt from user space. */
struct thread *_Nonnull entry_from_trap(struct cpu *_Nonnull cpu) {
    struct thread *thread = SOME(cpu->arch.loaded);
    uint64_t vector = thread->frame.vector;
    if (vector == VECTOR_SHOOTDOWN) {
        smp_answer(cpu);
        apic_acknowledge();
        return thread;
    }
    kernel_lock_acquire();
    if (vector < VECTOR_EXCEPTIONS) {
        exception(cpu, thread);
    } else {
        interrupt(cpu, vector);
    }
    struct thread *next = leave(cpu);
    kernel_lock_release();
    return next;
}

/* An interrupt of the idle loop. */
struct thread *_Nonnull entry_from_idle(struct cpu *_Nonnull cpu, uint64_t vector) {
    if (vector == VECTOR_SHOOTDOWN) {
        smp_answer(cpu);
        apic_acknowledge();
        idle_wait();
    }
    kernel_lock_acquire();
    cpu->idle_ticks += arch_ticks() - cpu->idle_since;
    interrupt(cpu, vector);
    struct thread *next = leave(cpu);
    kernel_lock_release();
    return next;
}

[[noreturn]] void entry_begin(struct cpu *_Nonnull cpu) {
    struct thread *next = leave(cpu);
    kernel_lock_release();
    __asm__ volatile("jmp entry_exit" : : "a"(next));
    __builtin_unreachable();
}
