/* System call numbers to functions. */
#include "abi/syscall.h"
#include "kernel/ipc/call.h"
#include "kernel/ipc/futex.h"
#include "kernel/syscall/syscall.h"

typedef status_t (*syscall_function_t)(struct thread *_Nonnull self,
                                       struct syscall_registers *_Nonnull registers);

#define ENTRY(number, function) [number - SYSCALL_FIRST] = function
static const syscall_function_t table[SYSCALL_COUNT] = {
    ENTRY(SYS_HANDLE_CLOSE, sys_handle_close),
    ENTRY(SYS_HANDLE_DUPLICATE, sys_handle_duplicate),
    ENTRY(SYS_HANDLE_MOVE, sys_handle_move),
    ENTRY(SYS_OBJECT_CREATE, sys_object_create),
    ENTRY(SYS_OBJECT_INFO, sys_object_info),
    ENTRY(SYS_OBJECT_LIST, sys_object_list),
    ENTRY(SYS_OBJECT_SET, sys_object_set),
    ENTRY(SYS_KILL, sys_kill),
    ENTRY(SYS_PROCESS_CLONE, sys_process_clone),
    ENTRY(SYS_PROCESS_REPLACE, sys_process_replace),
    ENTRY(SYS_THREAD_START, sys_thread_start),
    ENTRY(SYS_THREAD_EXIT, sys_thread_exit),
    ENTRY(SYS_THREAD_CONTROL, sys_thread_control),
    ENTRY(SYS_THREAD_RESUME, sys_thread_resume),
    ENTRY(SYS_MAP, sys_map),
    ENTRY(SYS_UNMAP, sys_unmap),
    ENTRY(SYS_PROTECT, sys_protect),
    ENTRY(SYS_MEMORY_CLONE, sys_memory_clone),
    ENTRY(SYS_MEMORY_RESIZE, sys_memory_resize),
    ENTRY(SYS_MEMORY_COPY, sys_memory_copy),
    ENTRY(SYS_MEMORY_SUPPLY, sys_memory_supply),
    ENTRY(SYS_MEMORY_SCAN, sys_memory_scan),
    ENTRY(SYS_STREAM_READ, sys_stream_read),
    ENTRY(SYS_STREAM_WRITE, sys_stream_write),
    ENTRY(SYS_STREAM_SEEK, sys_stream_seek),
    ENTRY(SYS_CALL, call_begin),
    ENTRY(SYS_REPLY_RECEIVE, call_reply_receive),
    ENTRY(SYS_COMMIT, sys_commit),
    ENTRY(SYS_LEASE_COPY, lease_copy),
    ENTRY(SYS_LEASE_TRANSFER, lease_transfer),
    ENTRY(SYS_SESSION_READY, sys_session_ready),
    ENTRY(SYS_EVENT_SIGNAL, sys_event_signal),
    ENTRY(SYS_TIMER_SET, sys_timer_set),
    ENTRY(SYS_WAITSET_BIND, sys_waitset_bind),
    ENTRY(SYS_WAIT, sys_wait),
    ENTRY(SYS_FUTEX_WAIT, futex_wait),
    ENTRY(SYS_FUTEX_WAKE, futex_wake),
    ENTRY(SYS_IRQ_ACK, sys_irq_ack),
    ENTRY(SYS_DEVICE_MAP, sys_device_map),
    ENTRY(SYS_SYSTEM, sys_system),
};

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
