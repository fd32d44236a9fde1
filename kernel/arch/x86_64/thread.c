/* Registers of threads, upcalls, kicks.
 *
 * A thread that is not in user space has its registers in thread->frame; they are complete where
 * frame.vector is not FRAME_SYSCALL, else RCX and R11 are lost, as the processor does it.
 * Invariants: (1) frame.rip lies in user space, and frame.flags has none but the program's own
 * bits: both ways back to user space rely on that; (2) `loaded` of a processor is the thread whose
 * FS and GS bases and floating-point registers are in that processor, or null. */
#include "kernel/arch/x86_64/machine.h"
#include "kernel/arch/x86_64/x86.h"
#include "kernel/object/process.h"
#include "kernel/sched/scheduler.h"
#include "lib/base/bytes.h"

enum {
    FLAGS_FIXED = 0x2,
    FLAGS_INTERRUPTS = 0x200,
    FLAGS_TRAP = 0x100,
    /* CF PF AF ZF SF TF DF OF RF AC ID: what a program may change */
    FLAGS_PROGRAM = 0xcd5 | FLAGS_TRAP | 0x250000,
    RED_ZONE = 128,
    SYSCALL_LENGTH = 2
};

status_t arch_thread_init(struct thread *_Nonnull thread) {
    (void)thread;
    return STATUS_OK;
}

/* Nothing of the thread is in a processor any more; what was there is given up. */
static void unload(struct thread *_Nonnull thread) LOCKED {
    struct cpu *cpu = cpu_at(thread->cpu);
    if (cpu->arch.loaded == thread) {
        CHECK(cpu == cpu_current());
        floating_switch(cpu, nullptr, nullptr);
        cpu->arch.loaded = nullptr;
    }
}

void arch_thread_destroy(struct thread *_Nonnull thread) {
    unload(thread);
    floating_end(thread);
}

static void set_whole(struct frame *_Nonnull frame) {
    if (frame->vector == FRAME_SYSCALL) {
        frame->rcx = frame->rip;
        frame->r11 = frame->flags;
        frame->vector = 0;
    }
    frame->cs = SELECTOR_USER_CODE;
    frame->ss = SELECTOR_USER_DATA;
}

void arch_thread_enter(struct thread *_Nonnull thread, uint64_t entry, uint64_t stack,
                       uint64_t argument, uint64_t argument2) {
    if (thread->started) { /* not a new one: exec */
        unload(thread);
        floating_end(thread);
        thread->arch.fs = 0;
    }
    thread->arch.gs = thread->page_address;
    /* The first address that is no program's: a bad entry faults there, in user space. */
    uint64_t rip = entry < USER_SPACE_END ? entry : USER_SPACE_END;
    thread->frame = (struct frame){.call = {.a = argument, .b = argument2},
                                   .rip = rip,
                                   .cs = SELECTOR_USER_CODE,
                                   .flags = FLAGS_FIXED | FLAGS_INTERRUPTS,
                                   .rsp = stack,
                                   .ss = SELECTOR_USER_DATA};
}

status_t arch_thread_clone(struct thread *_Nonnull to, struct thread *_Nonnull from) {
    struct cpu *cpu = cpu_at(from->cpu);
    bool loaded = cpu->arch.loaded == from;
    CHECK(!loaded || cpu == cpu_current());
    to->frame = from->frame;
    to->arch.fs = loaded ? fs_base_read() : from->arch.fs;
    to->arch.gs = loaded ? user_gs_read() : from->arch.gs;
    if (from->arch.floating == nullptr) {
        return STATUS_OK;
    }
    if (loaded) {
        floating_switch(cpu, from, from); /* saves, and goes on */
    }
    status_t status = floating_allocate(to);
    if (status == STATUS_OK) {
        bytes_copy(SOME(to->arch.floating), SOME(from->arch.floating), PAGE_SIZE);
    }
    return status;
}

void arch_thread_restart(struct thread *_Nonnull thread) {
    if (thread->frame.vector == FRAME_SYSCALL) {
        thread->frame.rip -= SYSCALL_LENGTH;
    }
}

/* ---- program frames ---- */

static void save_registers(const struct frame *_Nonnull from, struct program_frame *_Nonnull to) {
    bool whole = from->vector != FRAME_SYSCALL;
    *to = (struct program_frame){
        .r8 = from->call.words[2],
        .r9 = from->call.words[3],
        .r10 = from->call.words[1],
        .r11 = whole ? from->r11 : from->flags,
        .r12 = from->call.words[5],
        .r13 = from->call.words[6],
        .r14 = from->call.token,
        .r15 = from->r15,
        .rdi = from->call.a,
        .rsi = from->call.b,
        .rbp = from->rbp,
        .rbx = from->call.words[4],
        .rdx = from->call.words[0],
        .rax = from->call.number,
        .rcx = whole ? from->rcx : from->rip,
        .rsp = from->rsp,
        .rip = from->rip,
        .flags = from->flags,
        .original_rax = from->call.number,
    };
}

static void load_registers(struct frame *_Nonnull to, const struct program_frame *_Nonnull from) {
    *to = (struct frame){
        .call = {.number = from->rax,
                 .a = from->rdi,
                 .b = from->rsi,
                 .words = {from->rdx, from->r10, from->r8, from->r9, from->rbx, from->r12,
                           from->r13},
                 .token = from->r14},
        .r15 = from->r15,
        .rbp = from->rbp,
        .r11 = from->r11,
        .rcx = from->rcx,
        .rip = from->rip,
        .cs = SELECTOR_USER_CODE,
        .flags = (from->flags & FLAGS_PROGRAM) | FLAGS_FIXED | FLAGS_INTERRUPTS,
        .rsp = from->rsp,
        .ss = SELECTOR_USER_DATA,
    };
}

status_t arch_thread_frame(struct thread *_Nonnull thread, struct program_frame *_Nonnull frame,
                           bool set) {
    if (!set) {
        save_registers(&thread->frame, frame);
        return STATUS_OK;
    }
    REFUSE(frame->rip >= USER_SPACE_END, STATUS_BAD_ARGUMENT);
    load_registers(&thread->frame, frame);
    return STATUS_OK;
}

/* Save area 0 is for a thread that was outside the runtime, area 1 for a fault inside it, which
 * goes on below the runtime's own stack pointer. Area 1 is in use while its fault_kind is not zero.
 */
bool arch_thread_upcall(struct thread *_Nonnull thread, uint32_t fault_kind, uint64_t address,
                        uint64_t error) {
    const struct process *process = thread->process;
    struct frame *frame = &thread->frame;
    if (thread->page == nullptr || process->upcall == 0 || process->upcall >= USER_SPACE_END) {
        return false;
    }
    struct thread_page *page = SOME(thread->page);
    bool inside = frame->rip - process->runtime_start < process->runtime_length;
    struct program_frame *area = &page->frame[inside ? 1 : 0];
    if (inside && area->fault_kind != FAULT_NONE) {
        return false;
    }
    uint64_t stack = inside ? (frame->rsp - RED_ZONE) & ~(uint64_t)15 : page->upcall_stack;
    save_registers(frame, area);
    area->fault_kind = fault_kind;
    area->fault_address = address;
    area->fault_error = error;
    set_whole(frame);
    frame->rip = process->upcall;
    frame->rsp = stack;
    frame->rcx = thread->page_address;
    frame->flags = FLAGS_FIXED | FLAGS_INTERRUPTS;
    return true;
}

uint64_t arch_thread_counter(const struct thread *_Nonnull thread) {
    return thread->frame.rip;
}

void arch_thread_set_counter(struct thread *_Nonnull thread, uint64_t counter) {
    CHECK(counter < USER_SPACE_END);
    thread->frame.rip = counter;
}

void arch_thread_set_fs(struct thread *_Nonnull thread, uint64_t base) {
    /* A base that is no program's is as good as none. */
    thread->arch.fs = base < USER_SPACE_END ? base : 0;
}
