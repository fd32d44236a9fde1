/* See signal_frame.h. */
#include "posix/signal_frame.h"
#include "lib/base/bytes.h"
#include "posix/signals.h"

enum { RED_ZONE = 128 };

bool stack_contains(const struct linux_stack *_Nonnull stack, uint64_t rsp) {
    return (stack->flags & SS_DISABLE) == 0 && rsp > stack->sp && rsp - stack->sp <= stack->size;
}

struct signal_place signal_place_find(uint64_t rsp, const struct linux_stack *_Nonnull stack,
                                      bool wanted, uint64_t floating_size) {
    struct signal_place place = {};
    uint64_t top = rsp - RED_ZONE;
    if (wanted && (stack->flags & SS_DISABLE) == 0 && !stack_contains(stack, rsp)) {
        top = stack->sp + stack->size;
        place.on_alternate = true;
    }
    place.floating = (top - floating_size) & ~63ull;
    place.frame = ((place.floating - sizeof(struct signal_frame)) & ~15ull) - 8;
    return place;
}

void signal_frame_build(struct signal_frame *_Nonnull out,
                        const struct program_frame *_Nonnull registers,
                        const struct linux_action *_Nonnull action, uint64_t mask,
                        const struct linux_stack *_Nonnull stack,
                        const struct signal_place *_Nonnull place) {
    struct signal_context *to = &out->ucontext.context;
    out->restorer = action->restorer;
    out->ucontext.flags = UCONTEXT_HAS_XSTATE | UCONTEXT_STRICT_SS;
    out->ucontext.link = 0;
    out->ucontext.stack = *stack;
    out->ucontext.mask = mask;
    *to = (struct signal_context){
        .r8 = registers->r8,
        .r9 = registers->r9,
        .r10 = registers->r10,
        .r11 = registers->r11,
        .r12 = registers->r12,
        .r13 = registers->r13,
        .r14 = registers->r14,
        .r15 = registers->r15,
        .rdi = registers->rdi,
        .rsi = registers->rsi,
        .rbp = registers->rbp,
        .rbx = registers->rbx,
        .rdx = registers->rdx,
        .rax = registers->rax,
        .rcx = registers->rcx,
        .rsp = registers->rsp,
        .rip = registers->rip,
        .flags = registers->flags,
        .cs = 0x33,
        .ss = 0x2b,
        .error = registers->fault_error,
        .old_mask = mask,
        .address = registers->fault_address,
        .floating = place->floating,
    };
}

void signal_frame_take(struct program_frame *_Nonnull registers,
                       const struct signal_context *_Nonnull from) {
    registers->r8 = from->r8;
    registers->r9 = from->r9;
    registers->r10 = from->r10;
    registers->r11 = from->r11;
    registers->r12 = from->r12;
    registers->r13 = from->r13;
    registers->r14 = from->r14;
    registers->r15 = from->r15;
    registers->rdi = from->rdi;
    registers->rsi = from->rsi;
    registers->rbp = from->rbp;
    registers->rbx = from->rbx;
    registers->rdx = from->rdx;
    registers->rax = from->rax;
    registers->rcx = from->rcx;
    registers->rsp = from->rsp;
    registers->rip = from->rip;
    registers->flags = (from->flags & FLAGS_OF_PROGRAM) | 0x202;
}
