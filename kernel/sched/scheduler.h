#pragma once
/* Who runs. Each processor has queues by priority; the band PRIORITY_FAIR is ordered by weighted
 * run time. A processor that has nothing to do takes a ready thread from the one that has most. */
#include "kernel/object/process.h"
#include "kernel/sched/thread.h"

enum { SCHEDULER_WEIGHT = 1024 };

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
    uint32_t index, mask;             /* mask: 1 << index */
    bool online : 1, resched : 1, idle : 1;
    bool slice_armed : 1; /* the timer comes within a slice */
    bool look : 1;        /* the end of this entry may find something to do: see scheduler_look */
    struct run_queue run;
    struct arch_cpu arch;
    uint64_t timer_armed_ns;
    uint64_t idle_ticks, idle_since;
    uint64_t switches, calls, interrupts, faults;
};

uint32_t scheduler_cpu_count(void) LOCKED;
/* When the next sweep of calls with a timeout is due; UINT64_MAX: none, there are no such calls. */
extern uint64_t scheduler_sweep_ns GUARDED;
void scheduler_expect_sweep(void) LOCKED;
struct cpu *_Nonnull cpu_at(uint32_t index) LOCKED;
void scheduler_init(uint32_t cpu_count) LOCKED;
/* Makes a thread runnable; kicks an idle processor or one that runs something less urgent. */
void scheduler_ready(struct thread *_Nonnull thread) LOCKED;
void scheduler_remove(struct thread *_Nonnull thread) LOCKED;
/* The thread switches at the end of this entry. */
void scheduler_yield(struct cpu *_Nonnull cpu) LOCKED;
/* Asks that `thread`, ready or about to be, run next on this processor: direct switch of a call. */
void scheduler_hand_over(struct cpu *_Nonnull cpu, struct thread *_Nonnull thread) LOCKED;
/* What the end of an entry does has to be looked for: a queue, a timer or deferred work changed. */
static inline void scheduler_look(void) LOCKED {
    cpu_current()->look = true;
}
/* The same, for work that nobody waits for: the lists of object.c and thread.c. */
extern bool scheduler_deferred GUARDED;
static inline void scheduler_defer(void) LOCKED {
    scheduler_deferred = true;
    scheduler_look();
}
/* Settles the time that `thread` ran until now. */
[[gnu::always_inline]] static inline void scheduler_account(struct thread *_Nonnull thread,
                                                            uint64_t now_ticks) LOCKED {
    uint64_t ran = now_ticks - thread->started_ticks;
    thread->started_ticks = now_ticks;
    thread->run_ticks += ran;
    thread->process->run_ticks += ran;
    if (thread->priority == PRIORITY_FAIR) {
        thread->fair_time += ran * SCHEDULER_WEIGHT / thread->weight;
    }
}

/* `next` runs from now on, another than before. */
[[gnu::always_inline]] static inline void
scheduler_run(struct cpu *_Nonnull cpu, struct thread *_Nonnull next, uint64_t now) LOCKED {
    next->state = THREAD_RUNNING;
    next->started_ticks = now;
    next->cpu = cpu->index;
    cpu->switches++;
    cpu->current = next;
}
/* Lets `next` run in the place of `current`, at once and without a look at the queues. Returns the
 * time in ticks. */
[[gnu::always_inline]] static inline uint64_t
scheduler_switch(struct cpu *_Nonnull cpu, struct thread *_Nonnull current,
                 struct thread *_Nonnull next) LOCKED {
    uint64_t now = arch_ticks();
    scheduler_account(current, now);
    scheduler_run(cpu, next, now);
    return now;
}
/* At the end of every entry: finishes deferred work and chooses what runs. The current thread is
 * cpu->current afterwards; null: idle. */
void scheduler_exit(struct cpu *_Nonnull cpu) LOCKED;
/* The timer interrupt: fires timers, ends the slice. */
void scheduler_tick(struct cpu *_Nonnull cpu) LOCKED;
