#pragma once
/* The two system calls of every client and every server. */
#include "kernel/ipc/endpoint.h"
#include "kernel/sched/scheduler.h"

#define CALL_SWEEP_NS 50000000ull

/* SYS_CALL. Returns OK when the thread waits now (its registers will be set), or an error. */
status_t call_begin(struct thread *_Nonnull self,
                    struct syscall_registers *_Nonnull registers) LOCKED;
/* SYS_REPLY_RECEIVE: reply, then the next packet, or wait for one. */
status_t call_reply_receive(struct thread *_Nonnull self,
                            struct syscall_registers *_Nonnull registers) LOCKED;
/* Calls with a timeout. Reading the clock at each call would cost more than the rest of it, so a
 * timeout is counted in sweeps; a call ends at most two of them late. */
extern struct list call_deadlines GUARDED;
static inline void call_expect_timeout(struct request *_Nonnull request,
                                       uint64_t timeout_ns) LOCKED {
    request->sweeps = timeout_ns / CALL_SWEEP_NS + 2;
    if (list_empty(&request->deadline_link)) {
        list_append(&call_deadlines, &request->deadline_link);
    }
}
/* One sweep: asks calls whose time has passed to cancel. Returns whether any are left. */
bool call_sweep_deadlines(void) LOCKED;

/* commit.c: validates what the thread page says, then applies it. The handles of the reply to
 * `request` are part of it; the caller completes the reply before anything else runs. Errors leave
 * everything as it was. */
status_t commit_apply(struct thread *_Nonnull self, struct request *_Nullable request,
                      uint32_t flags) LOCKED;
/* lease.c */
status_t lease_copy(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) LOCKED;
status_t lease_transfer(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) LOCKED;
/* Makes the lease pages that a FAULT_IN reply named present, on the client's account. Returns OK
 * when all are pinned, RESTART when the client waits for its pager, or why they cannot be had. */
status_t lease_fault_in(struct request *_Nonnull request) LOCKED;
