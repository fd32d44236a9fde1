#pragma once
/* Reading and writing a file's Memory through its session: one kernel call, no server. */
#include "kernel/ipc/endpoint.h"
#include "kernel/memory/user.h"

/* Copies at most 64 KiB, then the system call is executed again with what is left, so that no entry
 * is long. The registers hold the progress. Errors: BAD_ARGUMENT: no Memory attached; as user_page;
 * NO_CREDIT, OUT_OF_QUOTA for writes. */
status_t stream_read(struct thread *_Nonnull self, struct session *_Nonnull session,
                     struct syscall_registers *_Nonnull registers) LOCKED;
status_t stream_write(struct thread *_Nonnull self, struct session *_Nonnull session,
                      struct syscall_registers *_Nonnull registers) LOCKED;
/* whence: 0 set, 1 current, 2 end, as lseek. */
status_t stream_seek(struct session *_Nonnull session, uint64_t offset, uint64_t whence,
                     uint64_t *_Nonnull out) LOCKED;
/* A thread that held the writer's slot of a Memory ended. */
void stream_writer_gone(struct thread *_Nonnull thread) LOCKED;
