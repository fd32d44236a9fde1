#pragma once
/* Timers of events and of waiting threads, ordered by deadline. */
#include "kernel/lock.h"
#include "lib/base/tree.h"

enum timer_kind : uint32_t { TIMER_EVENT, TIMER_THREAD };
struct timer {
    struct tree_node node;
    enum timer_kind kind;
};

void timer_start(struct timer *_Nonnull timer, uint64_t deadline_ns) LOCKED;
void timer_stop(struct timer *_Nonnull timer) LOCKED;
/* Fires up to `budget` timers that are due. */
void timer_run(uint64_t now_ns, unsigned budget) LOCKED;
/* No timer is due before this; one that was stopped may have been. UINT64_MAX: there is none. */
extern uint64_t timer_next GUARDED;
