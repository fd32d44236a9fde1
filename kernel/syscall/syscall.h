#pragma once
/* The system calls: one function each, found by number. A function reads its arguments from the
 * caller's registers (abi/syscall.h says which) and writes its values there; its status is written
 * by syscall_dispatch. STATUS_RESTART: the thread executes the call again, at once or, where it
 * waits now, when it is woken. A function that made its thread wait otherwise returns OK, and
 * whoever ends the wait sets the registers. */
#include "kernel/sched/scheduler.h"

struct syscall_registers;

/* Runs the system call in the registers of cpu->current. */
void syscall_dispatch(struct cpu *_Nonnull cpu) LOCKED;

#define SYSCALL(name)                                                                              \
    status_t name(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) LOCKED

SYSCALL(sys_handle_close);
SYSCALL(sys_handle_duplicate);
SYSCALL(sys_handle_move);
SYSCALL(sys_object_create);
SYSCALL(sys_object_info);
SYSCALL(sys_object_list);
SYSCALL(sys_object_set);
SYSCALL(sys_kill);
SYSCALL(sys_process_clone);
SYSCALL(sys_process_replace);
SYSCALL(sys_thread_start);
SYSCALL(sys_thread_exit);
SYSCALL(sys_thread_control);
SYSCALL(sys_thread_resume);
SYSCALL(sys_map);
SYSCALL(sys_unmap);
SYSCALL(sys_protect);
SYSCALL(sys_memory_clone);
SYSCALL(sys_memory_resize);
SYSCALL(sys_memory_copy);
SYSCALL(sys_memory_supply);
SYSCALL(sys_memory_scan);
SYSCALL(sys_stream_read);
SYSCALL(sys_stream_write);
SYSCALL(sys_stream_seek);
SYSCALL(sys_commit);
SYSCALL(sys_session_ready);
SYSCALL(sys_event_signal);
SYSCALL(sys_timer_set);
SYSCALL(sys_waitset_bind);
SYSCALL(sys_wait);
SYSCALL(sys_irq_ack);
SYSCALL(sys_device_map);
SYSCALL(sys_system);

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
