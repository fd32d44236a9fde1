/* Clocks, sleeping, interval timers. */
#include "idl/process.h"
#include "posix/errors.h"
#include "posix/native.h"
#include "posix/signals.h"
#include "posix/syscalls.h"
#include "posix/timeout.h"
#include "posix/user.h"

enum {
    NS_PER_SECOND = 1000000000,
    NS_PER_US = 1000,
    CLOCK_REALTIME = 0,
    CLOCK_MONOTONIC = 1,
    CLOCK_PROCESS = 2,
    CLOCK_THREAD = 3,
    CLOCK_MONOTONIC_RAW = 4,
    CLOCK_REALTIME_COARSE = 5,
    CLOCK_MONOTONIC_COARSE = 6,
    CLOCK_BOOTTIME = 7,
    TIMER_ABSTIME = 1,
};

int64_t timeout_ns_of(const struct linux_timespec *_Nonnull time, uint64_t *_Nonnull out) {
    uint64_t ns = 0;
    *out = 0;
    if (time->seconds < 0 || time->nanoseconds < 0 || time->nanoseconds >= NS_PER_SECOND) {
        return -EINVAL;
    }
    if (ckd_mul(&ns, (uint64_t)time->seconds, (uint64_t)NS_PER_SECOND) ||
        ckd_add(&ns, ns, (uint64_t)time->nanoseconds) || ns > INT64_MAX) {
        ns = INT64_MAX;
    }
    *out = ns;
    return 0;
}

uint64_t timeout_deadline(struct posix_thread *_Nonnull self, uint64_t ns) {
    if (self->restart_pending == 0) {
        uint64_t deadline = 0;
        self->restart_deadline =
            ckd_add(&deadline, clock_monotonic_ns(), ns) ? DEADLINE_NEVER : deadline;
        self->restart_pending = 1; /* until the call has a result */
    }
    return self->restart_deadline;
}

/* The value of a clock. -EINVAL: there is none such. */
static int64_t clock_value(struct posix_thread *_Nonnull self, uint64_t clock,
                           uint64_t *_Nonnull out) {
    switch ((int32_t)clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        *out = clock_realtime_ns();
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        *out = clock_monotonic_ns();
        return 0;
    case CLOCK_PROCESS:
    case CLOCK_THREAD: {
        struct process_usage used = {};
        status_t status = process_usage_of(
            self->process->process,
            (int32_t)clock == CLOCK_THREAD ? PROCESS_USAGE_KIND_THREAD : PROCESS_USAGE_KIND_SELF,
            &used);
        *out = used.user_ns + used.system_ns;
        return error_of_process(status);
    }
    default:
        return -EINVAL;
    }
}

static struct linux_timespec timespec_of(uint64_t ns) {
    return (struct linux_timespec){(int64_t)(ns / NS_PER_SECOND), (int64_t)(ns % NS_PER_SECOND)};
}

LINUX(clock_gettime) {
    uint64_t ns = 0;
    int64_t error = clock_value(self, frame->rdi, &ns);
    struct linux_timespec time = timespec_of(ns);
    return error != 0 ? error : USER_WRITE(frame->rsi, time);
}

LINUX(clock_getres) {
    uint64_t ns = 0;
    struct linux_timespec resolution = {0, 1};
    int64_t error = clock_value(self, frame->rdi, &ns);
    return error != 0 || frame->rsi == 0 ? error : USER_WRITE(frame->rsi, resolution);
}

LINUX(gettimeofday) {
    struct linux_timespec now = timespec_of(clock_realtime_ns());
    struct linux_timeval time = {now.seconds, now.nanoseconds / NS_PER_US};
    uint64_t zone = 0;
    (void)self;
    int64_t error = frame->rdi == 0 ? 0 : USER_WRITE(frame->rdi, time);
    return error != 0 || frame->rsi == 0 ? error : USER_WRITE(frame->rsi, zone);
}

LINUX(time) {
    int64_t now = (int64_t)(clock_realtime_ns() / NS_PER_SECOND);
    (void)self;
    int64_t error = frame->rdi == 0 ? 0 : USER_WRITE(frame->rdi, now);
    return error != 0 ? error : now;
}

/* ---- sleeping ---- */

static int64_t sleep_until(uint64_t deadline) {
    struct wait_item none = {};
    status_t status =
        NATIVE(SYS_WAIT, 0, (uintptr_t)&none, 1, deadline, WAIT_LIST | WAIT_INTERRUPTIBLE).status;
    return status == STATUS_TIMED_OUT   ? 0
           : status == STATUS_CANCELLED ? -ERESTARTNOHAND
                                        : error_of(status);
}

/* A relative sleep: what is left goes to `left` where a signal ends it. */
static int64_t sleep_for(struct posix_thread *_Nonnull self, uint64_t ns, uint64_t left) {
    uint64_t deadline = timeout_deadline(self, ns);
    int64_t result = sleep_until(deadline);
    if (result == -ERESTARTNOHAND && left != 0) {
        uint64_t now = clock_monotonic_ns();
        struct linux_timespec rest = timespec_of(deadline > now ? deadline - now : 0);
        if (USER_WRITE(left, rest) != 0) {
            return -EFAULT;
        }
    }
    return result;
}

LINUX(nanosleep) {
    struct linux_timespec time = {};
    uint64_t ns = 0;
    int64_t error = USER_READ(time, frame->rdi);
    error = error != 0 ? error : timeout_ns_of(&time, &ns);
    return error != 0 ? error : sleep_for(self, ns, frame->rsi);
}

LINUX(clock_nanosleep) {
    struct linux_timespec time = {};
    uint64_t ns = 0;
    uint64_t now = 0;
    int32_t clock = (int32_t)frame->rdi;
    int64_t error = USER_READ(time, frame->rdx);
    error = error != 0 ? error : timeout_ns_of(&time, &ns);
    if (error != 0) {
        return error;
    }
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME) {
        return clock == CLOCK_THREAD || clock < 0 || clock > 11 ? -EINVAL : -EOPNOTSUPP;
    }
    if ((frame->rsi & TIMER_ABSTIME) == 0) {
        return sleep_for(self, ns, frame->r10);
    }
    (void)clock_value(self, frame->rdi, &now);
    if (clock == CLOCK_REALTIME) {
        uint64_t offset = now - clock_monotonic_ns();
        ns = ns > offset ? ns - offset : 0;
    }
    return sleep_until(ns);
}

/* ---- interval timers ---- */

static int64_t us_to_ns(const struct linux_timeval *_Nonnull time, uint64_t *_Nonnull out) {
    struct linux_timespec exact = {time->seconds, time->microseconds * NS_PER_US};
    if (time->microseconds < 0 || time->microseconds >= 1000000) {
        return -EINVAL;
    }
    return timeout_ns_of(&exact, out);
}

static struct linux_timeval timeval_of(uint64_t ns) {
    return (struct linux_timeval){(int64_t)(ns / NS_PER_SECOND),
                                  (int64_t)(ns % NS_PER_SECOND / NS_PER_US)};
}

static int64_t interval(struct posix_thread *_Nonnull self, uint64_t kind, bool change,
                        uint64_t first, uint64_t every, uint64_t old) {
    uint64_t left = 0;
    uint64_t old_every = 0;
    if ((uint32_t)kind > 2) {
        return -EINVAL;
    }
    status_t status = process_interval(self->process->process, (enum process_timer_kind)kind,
                                       change, first, every, &left, &old_every);
    if (status != STATUS_OK) {
        return error_of_process(status);
    }
    struct linux_itimerval value = {timeval_of(old_every), timeval_of(left)};
    return old == 0 ? 0 : USER_WRITE(old, value);
}

LINUX(getitimer) {
    return interval(self, (uint32_t)frame->rdi, false, 0, 0, frame->rsi);
}

LINUX(setitimer) {
    struct linux_itimerval given = {};
    uint64_t first = 0;
    uint64_t every = 0;
    int64_t error = frame->rsi == 0 ? 0 : USER_READ(given, frame->rsi);
    error = error != 0 ? error : us_to_ns(&given.value, &first);
    error = error != 0 ? error : us_to_ns(&given.interval, &every);
    return error != 0 ? error
                      : interval(self, (uint32_t)frame->rdi, true, first, every, frame->rdx);
}

LINUX(alarm) {
    uint64_t left = 0;
    uint64_t every = 0;
    status_t status =
        process_interval(self->process->process, PROCESS_TIMER_KIND_REAL, true,
                         (uint64_t)(uint32_t)frame->rdi * NS_PER_SECOND, 0, &left, &every);
    if (status != STATUS_OK) {
        return 0; /* alarm(2) cannot fail */
    }
    return (int64_t)((left + NS_PER_SECOND - 1) / NS_PER_SECOND);
}
