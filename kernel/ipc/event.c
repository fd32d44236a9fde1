#include "kernel/ipc/event.h"

status_t event_create(struct domain *_Nullable domain, struct event *_Nullable *_Nonnull out) {
    void *memory = nullptr;
    TRY(object_allocate(OBJECT_EVENT, SLAB_EVENT, domain, &memory));
    struct event *event = SOME(memory);
    source_init(&event->source);
    event->timer.kind = TIMER_EVENT;
    *out = event;
    return STATUS_OK;
}

void event_signal(struct event *_Nonnull event, uint64_t bits) {
    event->bits |= bits;
    if (event->bits != 0) {
        source_notify(&event->source, UINT32_MAX);
    }
}

void event_set_timer(struct event *_Nonnull event, uint64_t deadline_ns, uint64_t bits,
                     uint64_t period_ns) {
    timer_stop(&event->timer);
    event->timer_bits = bits;
    event->timer_period_ns = period_ns;
    if (deadline_ns != 0 && deadline_ns != DEADLINE_NEVER) {
        timer_start(&event->timer, deadline_ns);
    }
}

void event_timer_fired(struct event *_Nonnull event, uint64_t now_ns) {
    if (event->timer_period_ns != 0) {
        uint64_t next = 0;
        if (!ckd_add(&next, now_ns, event->timer_period_ns)) {
            timer_start(&event->timer, next);
        }
    }
    event_signal(event, event->timer_bits);
}

void event_unhandled(struct event *_Nonnull event) {
    timer_stop(&event->timer);
}

bool event_destroy_step(struct event *_Nonnull event) {
    timer_stop(&event->timer);
    source_close(&event->source);
    return true;
}
