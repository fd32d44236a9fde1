#pragma once
/* The system calls: one function each, found by number. A function reads its arguments from the
 * caller's registers (abi/syscall.h says which) and writes its values there; its status is written
 * by syscall_dispatch. STATUS_RESTART: the thread executes the call again, at once or, where it
 * waits now, when it is woken. A function that made its thread wait otherwise returns OK, and
 * whoever ends the wait sets the registers. */
#include "abi/syscall.h"
#include "kernel/sched/scheduler.h"

/* Every system call and its function. */
// clang-format off
#define SYSCALLS(X) \
    X(HANDLE_CLOSE, sys_handle_close)  X(HANDLE_DUPLICATE, sys_handle_duplicate)  X(HANDLE_MOVE, sys_handle_move) \
    X(OBJECT_CREATE, sys_object_create)  X(OBJECT_INFO, sys_object_info)  X(OBJECT_LIST, sys_object_list) \
    X(OBJECT_SET, sys_object_set)  X(KILL, sys_kill)  X(PROCESS_CLONE, sys_process_clone) \
    X(PROCESS_REPLACE, sys_process_replace)  X(THREAD_START, sys_thread_start)  X(THREAD_EXIT, sys_thread_exit) \
    X(THREAD_CONTROL, sys_thread_control)  X(THREAD_RESUME, sys_thread_resume)  X(MAP, sys_map) \
    X(UNMAP, sys_unmap)  X(PROTECT, sys_protect)  X(MEMORY_CLONE, sys_memory_clone) \
    X(MEMORY_RESIZE, sys_memory_resize)  X(MEMORY_COPY, sys_memory_copy)  X(MEMORY_SUPPLY, sys_memory_supply) \
    X(MEMORY_SCAN, sys_memory_scan)  X(STREAM_READ, sys_stream_read)  X(STREAM_WRITE, sys_stream_write) \
    X(STREAM_SEEK, sys_stream_seek)  X(CALL, call_begin)  X(REPLY_RECEIVE, call_reply_receive) \
    X(COMMIT, sys_commit)  X(LEASE_COPY, lease_copy)  X(LEASE_TRANSFER, lease_transfer) \
    X(SESSION_READY, sys_session_ready)  X(EVENT_SIGNAL, sys_event_signal)  X(TIMER_SET, sys_timer_set) \
    X(WAITSET_BIND, sys_waitset_bind)  X(WAIT, sys_wait)  X(FUTEX_WAIT, futex_wait) \
    X(FUTEX_WAKE, futex_wake)  X(IRQ_ACK, sys_irq_ack)  X(DEVICE_MAP, sys_device_map) \
    X(SYSTEM, sys_system)
// clang-format on
#define SYSCALL_PROTOTYPE(name, function)                                                          \
    status_t function(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) LOCKED;
SYSCALLS(SYSCALL_PROTOTYPE)
typedef status_t (*_Nonnull syscall_function_t)(struct thread *_Nonnull self,
                                                struct syscall_registers *_Nonnull registers);
extern const syscall_function_t syscall_table[SYSCALL_COUNT];

/* Runs the system call in the registers of cpu->current. */
static inline void syscall_dispatch(struct cpu *_Nonnull cpu) LOCKED {
    struct thread *self = SOME(cpu->current);
    struct syscall_registers *registers = &self->frame.call;
    uint64_t index = registers->number - SYSCALL_FIRST;
    cpu->calls++;
    if (index >= SYSCALL_COUNT) {
        registers->number = (uint64_t)(int64_t)STATUS_NO_SYSCALL;
        return;
    }
    status_t status = syscall_table[index](self, registers);
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

/* Finds the object of a handle argument in the caller's table, typed. */
#define FIND(variable, handle, TYPE, rights)                                                       \
    struct object *variable = nullptr;                                                             \
    do {                                                                                           \
        status_t find_ =                                                                           \
            handle_find(&self->process->table, (handle), (TYPE), (rights), &variable);             \
        if (find_ != STATUS_OK) {                                                                  \
            return find_;                                                                          \
        }                                                                                          \
    } while (0)
