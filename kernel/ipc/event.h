#pragma once
/* Events: a word of notification bits, and the timers that signal them or wake threads. */
#include "kernel/ipc/source.h"
#include "kernel/object/object.h"
#include "kernel/sched/timer.h"

struct event {
    struct object object;
    struct source source;
    uint64_t bits;
    struct timer timer;
    uint64_t timer_bits, timer_period_ns;
};

status_t event_create(struct domain *_Nullable domain,
                      struct event *_Nullable *_Nonnull out) LOCKED;
void event_signal(struct event *_Nonnull event, uint64_t bits) LOCKED;
/* Arms or (deadline 0) disarms the event's timer. */
void event_set_timer(struct event *_Nonnull event, uint64_t deadline_ns, uint64_t bits,
                     uint64_t period_ns) LOCKED;
void event_timer_fired(struct event *_Nonnull event, uint64_t now_ns) LOCKED;
void event_unhandled(struct event *_Nonnull event) LOCKED;
bool event_destroy_step(struct event *_Nonnull event) LOCKED;
