/* clock_settime(2), settimeofday(2): by the server of the clock. */
#include "idl/time.h"
#include "posix/errors.h"
#include "posix/syscalls.h"
#include "posix/user.h"

enum { CLOCK_IS_REALTIME = 0, NS_PER_SECOND = 1000000000, NS_PER_MICROSECOND = 1000 };

static int64_t set_clock(struct posix_thread *_Nonnull self, int64_t seconds, int64_t ns) {
    int64_t now = 0;
    if (seconds < 0 || ns < 0 || ns >= NS_PER_SECOND || ckd_mul(&now, seconds, NS_PER_SECOND) ||
        ckd_add(&now, now, ns)) {
        return -EINVAL;
    }
    return self->process->time == HANDLE_NONE ? -EPERM
                                              : error_of(time_set(self->process->time, now));
}

LINUX(clock_settime) {
    struct linux_timespec time = {};
    if ((uint32_t)frame->rdi != CLOCK_IS_REALTIME) {
        return -EINVAL;
    }
    int64_t error = USER_READ(time, frame->rsi);
    return error != 0 ? error : set_clock(self, time.seconds, time.nanoseconds);
}

/* A zone alone changes nothing: the kernel keeps none. */
LINUX(settimeofday) {
    int64_t time[2] = {};
    if (frame->rdi == 0) {
        return 0;
    }
    int64_t error = USER_READ(time, frame->rdi);
    if (error == 0 && (time[1] < 0 || time[1] >= NS_PER_SECOND / NS_PER_MICROSECOND)) {
        error = -EINVAL;
    }
    return error != 0 ? error : set_clock(self, time[0], time[1] * NS_PER_MICROSECOND);
}
