#include "kernel/sched/timer.h"
#include "kernel/ipc/event.h"
#include "kernel/sched/scheduler.h"

static struct tree timers GUARDED;
uint64_t timer_next GUARDED = UINT64_MAX;

void timer_start(struct timer *_Nonnull timer, uint64_t deadline_ns) {
    timer_stop(timer);
    tree_insert(&timers, &timer->node, deadline_ns);
    timer_next = MIN(timer_next, deadline_ns);
    scheduler_look();
}

void timer_stop(struct timer *_Nonnull timer) {
    if (tree_contains(&timer->node)) {
        tree_remove(&timers, &timer->node);
    }
}

void timer_run(uint64_t now_ns, unsigned budget) {
    for (; budget > 0; budget--) {
        struct tree_node *first = tree_first(&timers);
        timer_next = first == nullptr ? UINT64_MAX : first->key;
        if (first == nullptr || first->key > now_ns) {
            return;
        }
        struct timer *timer = CONTAINER_OF(first, struct timer, node);
        timer_stop(timer);
        if (timer->kind == TIMER_EVENT) {
            event_timer_fired(CONTAINER_OF(timer, struct event, timer), now_ns);
        } else {
            thread_timer_fired(CONTAINER_OF(timer, struct thread, timer));
        }
    }
}
