/* timerfd: a timer of `local`, which is read and polled like its counters. */
#include "idl/local.h"
#include "idl/stream.h"
#include "posix/descriptors.h"
#include "posix/errors.h"
#include "posix/identity.h"
#include "posix/native.h"
#include "posix/sockets.h"
#include "posix/syscalls.h"
#include "posix/timeout.h"
#include "posix/user.h"

enum {
    NS_PER_SECOND = 1000000000,
    CLOCK_REALTIME = 0,
    CLOCK_MONOTONIC = 1,
    CLOCK_BOOTTIME = 7,
    CLOCK_REALTIME_ALARM = 8,
    CLOCK_BOOTTIME_ALARM = 9,
    CAPABILITY_WAKE_ALARM = 35,
    TFD_ABSTIME = 1,
    TFD_CANCEL_ON_SET = 2,
};

LINUX(timerfd_create) {
    handle_t timer = HANDLE_NONE;
    uint32_t clock = (uint32_t)frame->rdi;
    bool alarm = clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM;
    if ((frame->rsi & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK) & UINT32_MAX) != 0 ||
        (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME &&
         !alarm)) {
        return -EINVAL;
    }
    if (alarm && (facts_credentials(self).capabilities >> CAPABILITY_WAKE_ALARM & 1) == 0) {
        return -EPERM;
    }
    status_t status = local_timer(self->process->local, clock, &timer);
    if (status != STATUS_OK) {
        return status == STATUS_OUT_OF_QUOTA ? -ENFILE : error_of_local(status);
    }
    return session_give(self, timer, STREAM_KIND_ANONYMOUS, O_RDWR, frame->rsi);
}

/* -EINVAL: no timer. */
static int64_t set(struct posix_thread *_Nonnull self, uint64_t fd,
                   const struct local_set_timer_in *_Nonnull in, uint64_t old) {
    struct fd_entry entry = {};
    uint64_t left = 0;
    uint64_t every = 0;
    int64_t error = fd_get_open(self, fd, &entry);
    if (error == 0 &&
        ((entry.speaks & STREAM_PROTOCOLS_LOCAL) == 0 || entry.kind != STREAM_KIND_ANONYMOUS)) {
        error = -EINVAL;
    }
    if (error != 0) {
        return error;
    }
    status_t status = local_set_timer(entry.handle, in->change, in->absolute, in->cancels,
                                      in->first_ns, in->every_ns, &left, &every);
    if (status == STATUS_BAD_METHOD || status == STATUS_NOT_SUPPORTED) {
        self->process->unsupported_other += status == STATUS_NOT_SUPPORTED ? 1 : 0;
        return -EINVAL;
    }
    struct linux_itimerspec times = {
        .interval = {(int64_t)(every / NS_PER_SECOND), (int64_t)(every % NS_PER_SECOND)},
        .value = {(int64_t)(left / NS_PER_SECOND), (int64_t)(left % NS_PER_SECOND)}};
    error = error_of_local(status);
    return error != 0 || old == 0 ? error : USER_WRITE(old, times);
}

LINUX(timerfd_settime) {
    struct linux_itimerspec given = {};
    struct local_set_timer_in in = {.change = true,
                                    .absolute = (frame->rsi & TFD_ABSTIME) != 0,
                                    .cancels = (frame->rsi & TFD_CANCEL_ON_SET) != 0};
    int64_t error = USER_READ(given, frame->rdx);
    if (error == 0 && ((uint32_t)frame->rsi & ~(uint32_t)(TFD_ABSTIME | TFD_CANCEL_ON_SET)) != 0) {
        error = -EINVAL;
    }
    error = error != 0 ? error : timeout_ns_of(&given.value, &in.first_ns);
    error = error != 0 ? error : timeout_ns_of(&given.interval, &in.every_ns);
    return error != 0 ? error : set(self, frame->rdi, &in, frame->r10);
}

LINUX(timerfd_gettime) {
    struct local_set_timer_in in = {};
    return set(self, frame->rdi, &in, frame->rsi);
}
