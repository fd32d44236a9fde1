#pragma once
/* Futexes: waiting on a word of user memory, keyed by the Memory object and offset behind it, so
 * that processes that share the memory meet. Requeue and bit sets as futex(2). */
#include "kernel/memory/user.h"

struct syscall_registers;
status_t futex_wait(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) LOCKED;
status_t futex_wake(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) LOCKED;
/* Writes 0 to a u32 and wakes one waiter: the end of a thread (CLONE_CHILD_CLEARTID). Best effort:
 * an address that is not mapped, or whose page is not there, is left alone. */
void futex_clear(struct thread *_Nonnull thread, uint64_t address) LOCKED;
