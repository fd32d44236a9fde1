#pragma once
/* The frame that Linux puts on a program's stack for a signal handler, and reads again at
 * rt_sigreturn. Source: Linux's arch/x86 ucontext and sigframe layouts.
 *
 * The floating-point state lies above it, 64-byte aligned, written by the XSAVE instruction (or
 * FXSAVE) of the calling thread itself: the runtime uses no such register, so they still are the
 * program's. */
#include "posix/state.h"

struct signal_context {
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip;
    uint64_t flags;
    uint16_t cs, gs, fs, ss;
    uint64_t error, trap, old_mask, address, floating;
    uint64_t reserved[8];
};
static_assert(sizeof(struct signal_context) == 256);
struct signal_ucontext {
    uint64_t flags, link;
    struct linux_stack stack;
    struct signal_context context;
    uint64_t mask;
};
struct signal_frame {
    uint64_t restorer;
    struct signal_ucontext ucontext;
    struct linux_siginfo info;
};
static_assert(sizeof(struct signal_frame) == 8 + 304 + 128);

#define UCONTEXT_HAS_XSTATE 1ull
#define UCONTEXT_STRICT_SS 6ull
#define FLAG_TRAP 0x100ull
#define FLAG_DIRECTION 0x400ull
/* What a program may set in its flags: status, trap, direction, nested, alignment, id. */
#define FLAGS_OF_PROGRAM 0x50dd5ull

/* Where a frame goes. `floating_size` 0: none is saved. */
struct signal_place {
    uint64_t frame, floating;
    bool on_alternate;
};
/* `stack`: the alternate stack, disabled or not; `wanted`: SA_ONSTACK. */
struct signal_place signal_place_find(uint64_t rsp, const struct linux_stack *_Nonnull stack,
                                      bool wanted, uint64_t floating_size);
bool stack_contains(const struct linux_stack *_Nonnull stack, uint64_t rsp);

void signal_frame_build(struct signal_frame *_Nonnull out,
                        const struct program_frame *_Nonnull registers,
                        const struct linux_action *_Nonnull action, uint64_t mask,
                        const struct linux_stack *_Nonnull stack,
                        const struct signal_place *_Nonnull place);
/* Registers from a frame that a program may have changed: flags are made harmless. */
void signal_frame_take(struct program_frame *_Nonnull registers,
                       const struct signal_context *_Nonnull context);

/* Of this processor, 0 where it has none: bytes of floating state with its software words. */
uint32_t floating_size(void);
/* Saves and loads; false: the memory is not the program's to write or read. */
bool floating_save(uint64_t address);
bool floating_load(uint64_t address);
