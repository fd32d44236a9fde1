#pragma once
/* Who runs. Each processor has queues by priority; the band PRIORITY_FAIR is ordered by weighted
 * run time. A processor that has nothing to do takes a ready thread from the one that has most. */
#include "kernel/sched/thread.h"

struct run_queue {
    uint32_t bitmap; /* priorities with a ready thread */
    struct list queues[PRIORITY_COUNT];
    struct tree fair;
    uint64_t fair_floor;
    uint32_t count;
};

struct cpu {
    struct thread *_Nullable current; /* null: idle */
    struct thread *_Nullable next;    /* ready, most urgent: runs without passing a queue */
    uint32_t index;
    bool online, resched, idle;
    struct run_queue run;
    struct arch_cpu arch;
    uint64_t slice_end_ns, timer_armed_ns;
    uint64_t idle_ticks, idle_since;
    uint64_t switches, calls, interrupts, faults;
};

uint32_t scheduler_cpu_count(void) LOCKED;
/* A call with this deadline began: the sweep must not come much later. */
void scheduler_expect_deadline(uint64_t deadline_ns) LOCKED;
struct cpu *_Nonnull cpu_at(uint32_t index) LOCKED;
void scheduler_init(uint32_t cpu_count) LOCKED;
/* Makes a thread runnable; kicks an idle processor or one that runs something less urgent. */
void scheduler_ready(struct thread *_Nonnull thread) LOCKED;
void scheduler_remove(struct thread *_Nonnull thread) LOCKED;
/* The thread switches at the end of this entry. */
void scheduler_yield(struct cpu *_Nonnull cpu) LOCKED;
/* Asks that `thread`, ready or about to be, run next on this processor: direct switch of a call. */
void scheduler_hand_over(struct cpu *_Nonnull cpu, struct thread *_Nonnull thread) LOCKED;
/* At the end of every entry: finishes deferred work and chooses what runs. The current thread is
 * cpu->current afterwards; null: idle. */
void scheduler_exit(struct cpu *_Nonnull cpu) LOCKED;
/* The timer interrupt: fires timers, ends the slice. */
void scheduler_tick(struct cpu *_Nonnull cpu) LOCKED;
