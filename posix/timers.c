/* timer_create(2) and its like: `process` keeps the timers and sends their signals. */
#include "idl/process.h"
#include "posix/errors.h"
#include "posix/native.h"
#include "posix/signals.h"
#include "posix/syscalls.h"
#include "posix/timeout.h"
#include "posix/user.h"

enum {
    NS_PER_SECOND = 1000000000,
    CLOCK_REALTIME = 0,
    CLOCK_LAST_PROCESSOR = 3,
    CLOCK_BOOTTIME = 7,
    CLOCK_REALTIME_ALARM = 8,
    CLOCK_BOOTTIME_ALARM = 9,
    TIMER_ABSTIME = 1,
    NOTIFY_SIGNAL = 0,
    NOTIFY_NONE = 1,
    NOTIFY_THREAD = 2,
    NOTIFY_THREAD_ID = 4,
};

struct linux_sigevent {
    uint64_t value;
    int32_t signal, notify;
    int32_t thread;
    uint8_t rest[44];
};
static_assert(sizeof(struct linux_sigevent) == 64);

static status_t call(struct posix_thread *_Nonnull self, const struct process_timer_in *_Nonnull in,
                     struct process_timer_out *_Nonnull out) {
    return process_timer(self->process->process, in->operation, in->number, in->clock, in->signal,
                         in->value, in->first_ns, in->every_ns, in->absolute, in->thread,
                         &out->timer, &out->left_ns, &out->old_every_ns, &out->overruns);
}

/* -EINVAL: such an event tells nothing. `thread`: only one of the same process may be named; the
 * signal goes to the process, where the others block it. */
static int64_t check_event(struct posix_thread *_Nonnull self,
                           const struct linux_sigevent *_Nonnull event) {
    if (event->notify == NOTIFY_NONE) {
        return 0;
    }
    if (event->signal <= 0 || event->signal > SIGNAL_COUNT) {
        return -EINVAL;
    }
    if (event->notify == NOTIFY_THREAD_ID) {
        return thread_find(self->process, (uint32_t)event->thread) != nullptr ? 0 : -EINVAL;
    }
    return event->notify == NOTIFY_SIGNAL || event->notify == NOTIFY_THREAD ? 0 : -EINVAL;
}

LINUX(timer_create) {
    struct linux_sigevent event = {.signal = SIGALRM};
    struct process_timer_in in = {.operation = PROCESS_TIMER_OPERATION_CREATE,
                                  .clock = (uint32_t)frame->rdi};
    struct process_timer_out out = {};
    bool known = in.clock <= CLOCK_LAST_PROCESSOR ||
                 (in.clock >= CLOCK_BOOTTIME && in.clock <= CLOCK_BOOTTIME_ALARM);
    if (!known) {
        return -EINVAL;
    }
    int64_t error = frame->rsi == 0 ? 0 : USER_READ(event, frame->rsi);
    error = error != 0 ? error : check_event(self, &event);
    if (error != 0) {
        return error;
    }
    in.signal = event.notify == NOTIFY_NONE ? 0 : (uint32_t)event.signal;
    in.value = event.value;
    status_t status = call(self, &in, &out);
    if (status != STATUS_OK) {
        return status == STATUS_OUT_OF_QUOTA ? -EAGAIN : error_of_process(status);
    }
    return USER_WRITE(frame->rdx, out.timer);
}

static int64_t give_times(uint64_t address, const struct process_timer_out *_Nonnull out) {
    struct linux_itimerspec times = {.interval = {(int64_t)(out->old_every_ns / NS_PER_SECOND),
                                                  (int64_t)(out->old_every_ns % NS_PER_SECOND)},
                                     .value = {(int64_t)(out->left_ns / NS_PER_SECOND),
                                               (int64_t)(out->left_ns % NS_PER_SECOND)}};
    return address == 0 ? 0 : USER_WRITE(address, times);
}

LINUX(timer_settime) {
    struct linux_itimerspec given = {};
    struct process_timer_in in = {.operation = PROCESS_TIMER_OPERATION_SET,
                                  .number = (uint32_t)frame->rdi,
                                  .absolute = (frame->rsi & TIMER_ABSTIME) != 0};
    struct process_timer_out out = {};
    int64_t error = frame->rdx == 0 ? -EINVAL : USER_READ(given, frame->rdx);
    error = error != 0 ? error : timeout_ns_of(&given.value, &in.first_ns);
    error = error != 0 ? error : timeout_ns_of(&given.interval, &in.every_ns);
    if (error != 0) {
        return error;
    }
    bool armed = given.value.seconds != 0 || given.value.nanoseconds != 0;
    in.value = clock_realtime_ns() - clock_monotonic_ns();
    in.first_ns = armed ? MAX(in.first_ns, 1ull) : 0;
    status_t status = call(self, &in, &out);
    return status == STATUS_OK ? give_times(frame->r10, &out) : error_of_process(status);
}

LINUX(timer_gettime) {
    struct process_timer_in in = {.operation = PROCESS_TIMER_OPERATION_GET,
                                  .number = (uint32_t)frame->rdi};
    struct process_timer_out out = {};
    status_t status = call(self, &in, &out);
    return status == STATUS_OK ? give_times(frame->rsi, &out) : error_of_process(status);
}

LINUX(timer_getoverrun) {
    struct process_timer_in in = {.operation = PROCESS_TIMER_OPERATION_OVERRUN,
                                  .number = (uint32_t)frame->rdi};
    struct process_timer_out out = {};
    status_t status = call(self, &in, &out);
    return status == STATUS_OK ? (int64_t)out.overruns : error_of_process(status);
}

LINUX(timer_delete) {
    struct process_timer_in in = {.operation = PROCESS_TIMER_OPERATION_DELETE,
                                  .number = (uint32_t)frame->rdi};
    struct process_timer_out out = {};
    return error_of_process(call(self, &in, &out));
}
