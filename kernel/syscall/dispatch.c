/* System call numbers to functions. */
#include "abi/syscall.h"
#include "kernel/syscall/syscall.h"

typedef status_t (*syscall_function_t)(struct thread *_Nonnull self,
                                       struct syscall_registers *_Nonnull registers);

#define ENTRY(name, function) [SYS_##name - SYSCALL_FIRST] = function,
static const syscall_function_t table[SYSCALL_COUNT] = {SYSCALLS(ENTRY)};

void syscall_dispatch(struct cpu *_Nonnull cpu) {
    struct thread *self = SOME(cpu->current);
    struct syscall_registers *registers = &self->frame.call;
    uint64_t index = registers->number - SYSCALL_FIRST;
    cpu->calls++;
    if (index >= SYSCALL_COUNT) {
        registers->number = (uint64_t)(int64_t)STATUS_NO_SYSCALL;
        return;
    }
    status_t status = table[index](self, registers);
    if (self->state != THREAD_RUNNING) {
        return; /* it waits, or is ready after all: its registers are somebody's business */
    }
    if (status == STATUS_RESTART) {
        arch_thread_restart(self);
        cpu->resched = true;
        return;
    }
    if (!self->registers_replaced) {
        registers->number = (uint64_t)(int64_t)(int32_t)status;
    }
    self->registers_replaced = false;
}
