/* From the program into the runtime and back: system calls, faults, kicks. Called by
 * nucleus/entry.S, on the thread's own stack. */
#include "posix/identity.h"
#include "posix/native.h"
#include "posix/nucleus/entry.h"
#include "posix/signal_frame.h"
#include "posix/signals.h"
#include "posix/syscalls.h"

/* The signal that Linux makes of a fault, with its code. */
static uint32_t signal_of_fault(const struct program_frame *_Nonnull frame,
                                int32_t *_Nonnull out_code) {
    switch (frame->fault_kind) {
    case FAULT_UNMAPPED:
        *out_code = SEGV_MAPERR;
        return SIGSEGV;
    case FAULT_PROTECTION:
        *out_code = SEGV_ACCERR;
        return SIGSEGV;
    case FAULT_BEYOND_END:
    case FAULT_IO:
    case FAULT_NO_MEMORY:
        *out_code = BUS_ADRERR;
        return SIGBUS;
    case FAULT_ILLEGAL:
        *out_code = ILL_ILLOPN;
        return SIGILL;
    case FAULT_DIVIDE:
        *out_code = FPE_INTDIV;
        return SIGFPE;
    case FAULT_FLOATING:
        *out_code = FPE_FLTINV;
        return SIGFPE;
    case FAULT_BREAKPOINT:
        *out_code = SI_KERNEL;
        return SIGTRAP;
    case FAULT_STEP:
        *out_code = TRAP_TRACE;
        return SIGTRAP;
    case FAULT_ALIGNMENT:
        *out_code = BUS_ADRALN;
        return SIGBUS;
    default:
        *out_code = SI_KERNEL;
        return SIGSEGV;
    }
}

static void take_fault(struct posix_thread *_Nonnull self) {
    struct program_frame *frame = thread_frame(self);
    uint64_t kind = frame->fault_kind;
    frame->fault_kind = FAULT_NONE;
    frame->original_rax = UINT64_MAX;
    if (frame->rip == (uintptr_t)&runtime_tail[0]) {
        frame->rip = frame->rcx; /* entry.S: the last instruction of the way back */
    }
    if (kind == FAULT_KICK) {
        signals_look(self);
        return;
    }
    struct program_frame fault = *frame;
    fault.fault_kind = kind;
    int32_t code = 0;
    uint32_t number = signal_of_fault(&fault, &code);
    uint64_t address = number == SIGFPE || number == SIGILL ? frame->rip : frame->fault_address;
    signal_force(self, number, code, number == SIGTRAP ? frame->rip : address);
}

void runtime_upcall(struct thread_page *_Nonnull page) {
    struct posix_thread *self = thread_self();
    struct program_frame *frame = &page->frame[0];
    if (frame->fault_kind != FAULT_NONE) {
        take_fault(self);
        return;
    }
    frame->rcx = frame->rip;
    frame->r11 = frame->flags;
    frame->original_rax &= UINT32_MAX;
    int64_t result = runtime_dispatch(self, frame->original_rax, frame);
    frame->rax = (uint64_t)result;
    if (result_is_restart(result)) {
        signals_look(self);
    } else {
        self->restart_pending = 0;
        frame->original_rax = UINT64_MAX;
    }
}

/* The way back found a kick: signals, calls to be made again. */
void runtime_pending(struct thread_page *_Nonnull page) {
    struct posix_thread *self = thread_self();
    struct posix_process *process = self->process;
    __atomic_store_n((uint32_t *)&page->kick_pending, 0, __ATOMIC_SEQ_CST);
    if (process->facts_known == 0) {
        facts_load(self);
    }
    signals_deliver(self);
}
