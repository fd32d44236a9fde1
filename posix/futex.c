/* futex(2): the kernel waits and wakes; here are Linux's operations and timeouts. */
#include "posix/errors.h"
#include "posix/native.h"
#include "posix/syscalls.h"
#include "posix/timeout.h"
#include "posix/user.h"

enum {
    OPERATION_WAIT = 0,
    OPERATION_WAKE = 1,
    OPERATION_REQUEUE = 3,
    OPERATION_CMP_REQUEUE = 4,
    OPERATION_WAIT_BITSET = 9,
    OPERATION_WAKE_BITSET = 10,
    OPERATION_MASK = 0x7f,
    FLAG_PRIVATE = 0x80,
    FLAG_REALTIME = 0x100,
};

static int64_t futex_wait(struct posix_thread *_Nonnull self,
                          const struct program_frame *_Nonnull frame, bool absolute,
                          uint32_t bits) {
    struct linux_timespec time = {};
    uint64_t deadline = DEADLINE_NEVER;
    uint64_t ns = 0;
    bool realtime = (frame->rsi & FLAG_REALTIME) != 0;
    if (bits == 0) {
        return -EINVAL;
    }
    if (frame->r10 != 0) {
        int64_t error = USER_READ(time, frame->r10);
        error = error != 0 ? error : timeout_ns_of(&time, &ns);
        if (error != 0) {
            return error;
        }
        deadline = absolute ? ns : timeout_deadline(self, ns);
    }
    uint64_t flags = FUTEX_INTERRUPTIBLE | (absolute && realtime ? FUTEX_REALTIME : 0);
    status_t status =
        NATIVE(SYS_FUTEX_WAIT, frame->rdi, (uint32_t)frame->rdx, deadline, bits, flags).status;
    /* With a relative timeout a call that is made again would be woken too late: Linux has it end
     * with EINTR only where a handler ran. */
    int64_t again = frame->r10 != 0 ? -ERESTARTNOHAND : -ERESTARTSYS;
    return status == STATUS_CANCELLED ? again : error_of(status);
}

static int64_t futex_wake(uint64_t address, uint64_t count, uint64_t requeue, uint64_t target,
                          uint32_t bits, uint64_t expected, bool private) {
    struct native_result result =
        NATIVE(SYS_FUTEX_WAKE, address, count, requeue, target, bits, expected);
    if (result.status == STATUS_BAD_ADDRESS && private) {
        return 0; /* nobody waits where nothing is */
    }
    return result.status == STATUS_OK ? (int64_t)result.value : error_of(result.status);
}

LINUX(futex) {
    uint64_t operation = frame->rsi & OPERATION_MASK;
    if ((frame->rdi & 3) != 0) {
        return -EINVAL;
    }
    if (frame->rdi >= PROGRAM_END) {
        return -EFAULT;
    }
    switch (operation) {
    case OPERATION_WAIT:
        return futex_wait(self, frame, false, UINT32_MAX);
    case OPERATION_WAIT_BITSET:
        return futex_wait(self, frame, true, (uint32_t)frame->r9);
    case OPERATION_WAKE:
        return futex_wake(frame->rdi, (uint32_t)frame->rdx, 0, 0, UINT32_MAX, UINT64_MAX,
                          (frame->rsi & FLAG_PRIVATE) != 0);
    case OPERATION_WAKE_BITSET:
        return (uint32_t)frame->r9 == 0 ? -EINVAL
                                        : futex_wake(frame->rdi, (uint32_t)frame->rdx, 0, 0,
                                                     (uint32_t)frame->r9, UINT64_MAX, false);
    case OPERATION_REQUEUE:
    case OPERATION_CMP_REQUEUE: {
        if ((int32_t)frame->rdx < 0 || (int32_t)frame->r10 < 0 || (frame->r8 & 3) != 0) {
            return -EINVAL;
        }
        uint64_t expected = operation == OPERATION_CMP_REQUEUE ? (uint32_t)frame->r9 : UINT64_MAX;
        return futex_wake(frame->rdi, (uint32_t)frame->rdx, (uint32_t)frame->r10, frame->r8,
                          UINT32_MAX, expected, false);
    }
    default:
        self->process->unsupported_other++;
        return -ENOSYS;
    }
}
