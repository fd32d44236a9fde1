#include "kernel/sched/scheduler.h"
#include "kernel/ipc/call.h"
#include "kernel/object/domain.h"
#include "kernel/object/process.h"
#include "kernel/sched/clock.h"

enum { REAP_BUDGET = 4, TIMER_BUDGET = 16 };
#define SLICE_NS 10000000ull
#define REAP_NS 200000ull /* deferred work goes on this soon */

static struct cpu cpus[CPU_LIMIT] GUARDED;
static uint32_t cpu_count GUARDED;
bool scheduler_deferred GUARDED;
uint64_t scheduler_sweep_ns GUARDED = UINT64_MAX;

struct cpu *_Nonnull cpu_at(uint32_t index) {
    CHECK(index < CPU_LIMIT);
    return &cpus[index];
}

void scheduler_init(uint32_t count) {
    cpu_count = count;
    for (uint32_t i = 0; i < CPU_LIMIT; i++) {
        cpus[i].index = i;
        cpus[i].mask = 1u << i;
        cpus[i].timer_armed_ns = UINT64_MAX;
        for (uint32_t p = 0; p < PRIORITY_COUNT; p++) {
            list_init(&cpus[i].run.queues[p]);
        }
    }
}

uint32_t scheduler_cpu_count(void) {
    return cpu_count;
}

/* ---- queues ---- */

static void enqueue(struct cpu *_Nonnull cpu, struct thread *_Nonnull thread, bool front) LOCKED {
    struct run_queue *run = &cpu->run;
    uint32_t priority = thread->priority;
    CHECK(priority < PRIORITY_COUNT);
    if (priority == PRIORITY_FAIR) {
        thread->fair_time = MAX(thread->fair_time, run->fair_floor);
        tree_insert(&run->fair, &thread->fair_node, thread->fair_time);
    } else if (front) {
        list_prepend(&run->queues[priority], &thread->run_link);
    } else {
        list_append(&run->queues[priority], &thread->run_link);
    }
    run->bitmap |= 1u << priority;
    run->count++;
    cpu->look = true;
    thread->cpu = cpu->index;
    thread->queued = true;
}

static void dequeue(struct cpu *_Nonnull cpu, struct thread *_Nonnull thread) LOCKED {
    struct run_queue *run = &cpu->run;
    uint32_t priority = thread->priority;
    bool empty = false;
    if (priority == PRIORITY_FAIR) {
        tree_remove(&run->fair, &thread->fair_node);
        empty = run->fair.root == nullptr;
    } else {
        list_remove(&thread->run_link);
        empty = list_empty(&run->queues[priority]);
    }
    if (empty) {
        run->bitmap &= ~(1u << priority);
    }
    run->count--;
    thread->queued = false;
}

static uint32_t top_priority(const struct cpu *_Nonnull cpu) LOCKED {
    return cpu->run.bitmap == 0 ? 0 : 31u - (uint32_t)__builtin_clz(cpu->run.bitmap);
}

/* Takes the most urgent queued thread, or null. */
static struct thread *_Nullable take_top(struct cpu *_Nonnull cpu) LOCKED {
    if (cpu->run.bitmap == 0) {
        return nullptr;
    }
    uint32_t priority = top_priority(cpu);
    struct thread *thread = nullptr;
    if (priority == PRIORITY_FAIR) {
        thread = CONTAINER_OF(SOME(tree_first(&cpu->run.fair)), struct thread, fair_node);
        cpu->run.fair_floor = thread->fair_time;
    } else {
        thread = LIST_ENTRY(SOME(list_first(&cpu->run.queues[priority])), struct thread, run_link);
    }
    dequeue(cpu, thread);
    return thread;
}

/* An idle processor takes from the one that has most ready. */
static struct thread *_Nullable steal(struct cpu *_Nonnull cpu) LOCKED {
    struct cpu *busiest = nullptr;
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (i != cpu->index && (busiest == nullptr || cpus[i].run.count > busiest->run.count)) {
            busiest = &cpus[i];
        }
    }
    if (busiest == nullptr || busiest->run.count == 0) {
        return nullptr;
    }
    struct thread *thread = take_top(SOME(busiest));
    if (thread != nullptr && (thread->affinity & 1u << cpu->index) == 0) {
        enqueue(SOME(busiest), SOME(thread), true);
        return nullptr;
    }
    return thread;
}

static struct cpu *_Nonnull choose_cpu(const struct thread *_Nonnull thread) LOCKED {
    struct cpu *here = cpu_current();
    if (cpu_count == 1) {
        return here;
    }
    struct cpu *last = &cpus[thread->cpu];
    bool last_allowed = (thread->affinity & 1u << thread->cpu) != 0 && last->online;
    if (last_allowed && last->idle) {
        return last;
    }
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (cpus[i].online && cpus[i].idle && (thread->affinity & 1u << i) != 0) {
            return &cpus[i];
        }
    }
    if ((thread->affinity & 1u << here->index) != 0) {
        return here;
    }
    for (uint32_t i = 0; i < cpu_count && !last_allowed; i++) {
        if (cpus[i].online && (thread->affinity & 1u << i) != 0) {
            return &cpus[i]; /* busy, but no other is allowed */
        }
    }
    return last_allowed ? last : here;
}

void scheduler_ready(struct thread *_Nonnull thread) {
    if (thread->suspended > 0) {
        thread->ready_pending = true;
        thread->state = THREAD_STOPPED;
        return;
    }
    thread->state = THREAD_READY;
    struct cpu *cpu = choose_cpu(thread);
    struct cpu *here = cpu_current();
    if (cpu == here && cpu->next == nullptr && thread->priority > top_priority(cpu)) {
        cpu->next = thread;
        thread->cpu = cpu->index;
        return;
    }
    enqueue(cpu, thread, false);
    if (cpu != here &&
        (cpu->idle || cpu->current == nullptr || cpu->current->priority < thread->priority ||
         cpu->run.count == 1)) { /* its slice timer runs only while somebody waits */
        cpu->idle = false;
        arch_cpu_kick(cpu->index);
    }
}

void scheduler_hand_over(struct cpu *_Nonnull cpu, struct thread *_Nonnull thread) {
    if (thread->suspended > 0 || cpu->next != nullptr ||
        (thread->affinity & 1u << cpu->index) == 0) {
        scheduler_ready(thread);
        return;
    }
    thread->state = THREAD_READY;
    thread->cpu = cpu->index;
    cpu->next = thread;
}

void scheduler_remove(struct thread *_Nonnull thread) {
    struct cpu *cpu = &cpus[thread->cpu];
    if (cpu->next == thread) {
        cpu->next = nullptr;
    } else if (thread->queued) {
        dequeue(cpu, thread);
    }
}

void scheduler_yield(struct cpu *_Nonnull cpu) {
    cpu->resched = true;
}

/* ---- switching ---- */

/* The more urgent of `next` and the queues; what is not chosen stays queued. */
static struct thread *_Nullable choose(struct cpu *_Nonnull cpu) LOCKED {
    struct thread *next = cpu->next;
    cpu->next = nullptr;
    if (next != nullptr && next->priority >= top_priority(cpu)) {
        return next;
    }
    if (next != nullptr) {
        enqueue(cpu, SOME(next), true);
    }
    struct thread *top = take_top(cpu);
    return top != nullptr || cpu_count == 1 ? top : steal(cpu);
}

/* Does the running thread go on? It yields to a more urgent one, and to its equals at a slice's
 * end. */
static bool goes_on(const struct cpu *_Nonnull cpu, const struct thread *_Nonnull current) LOCKED {
    if (current->state != THREAD_RUNNING) {
        return false;
    }
    uint32_t best = top_priority(cpu);
    if (cpu->next != nullptr) {
        best = MAX(best, cpu->next->priority);
    }
    bool other = cpu->run.count > 0 || cpu->next != nullptr;
    return !(best > current->priority || (cpu->resched && other && best >= current->priority));
}

/* The timer is only ever armed for an earlier time: a tick that comes for nothing costs less than
 * setting the timer at each switch. */
static void arm_timer(struct cpu *_Nonnull cpu) LOCKED {
    /* Every processor is armed for the timers of all: whoever starts one may be the last awake. */
    uint64_t deadline = MIN(timer_next, scheduler_sweep_ns);
    if (cpu->run.count > 0 && cpu->current != nullptr && !cpu->slice_armed) {
        cpu->slice_armed = true;
        deadline = MIN(deadline, arch_clock_ns() + SLICE_NS);
    }
    if (scheduler_deferred) { /* who has nothing else to do goes on at once: one may wait for it */
        deadline = MIN(deadline, arch_clock_ns() + (cpu->current != nullptr ? REAP_NS : 0));
    }
    if (deadline < cpu->timer_armed_ns) {
        cpu->timer_armed_ns = deadline;
        arch_timer_arm(deadline);
    }
}

/* What other entries left to be done without a caller. */
static void run_deferred(void) LOCKED {
    scheduler_deferred = false;
    bool left = object_reap(REAP_BUDGET);
    object_run_unhandled();
    thread_run_deferred();
    scheduler_deferred = scheduler_deferred || left;
}

void scheduler_exit(struct cpu *_Nonnull cpu) {
    struct thread *current = cpu->current;
    if (!cpu->look && cpu->next == nullptr && !cpu->resched && current != nullptr &&
        current->state == THREAD_RUNNING && !current->dying && !current->kicked &&
        cpu->run.bitmap >> current->priority <= 1) {
        return; /* it goes on, and nothing else changed */
    }
    if (current != nullptr && current->dying) {
        scheduler_account(SOME(current), arch_ticks());
        cpu->current = nullptr;
        thread_finish(SOME(current)); /* its memory may be gone after the next line */
        current = nullptr;
    }
    if (scheduler_deferred) {
        run_deferred();
    }
    cpu->look = scheduler_deferred;
    if (current == nullptr || !goes_on(cpu, SOME(current))) {
        uint64_t now = arch_ticks();
        if (current != nullptr) {
            scheduler_account(SOME(current), now);
            if (current->state == THREAD_RUNNING) {
                current->state = THREAD_READY;
                enqueue(cpu, SOME(current), false);
            }
        }
        struct thread *next = choose(cpu);
        cpu->current = nullptr;
        cpu->idle = next == nullptr;
        if (next != nullptr) {
            scheduler_run(cpu, SOME(next), now);
        }
    } else if (cpu->next != nullptr &&
               (cpu_count > 1 || cpu->next->priority >= current->priority)) {
        struct thread *next = SOME(cpu->next);
        cpu->next = nullptr;
        enqueue(cpu, next, true);
    }
    cpu->resched = false;
    if (cpu->current != nullptr && cpu->current->kicked) {
        thread_deliver_kick(SOME(cpu->current));
    }
    arm_timer(cpu);
}

void scheduler_expect_sweep(void) {
    if (scheduler_sweep_ns == UINT64_MAX) {
        scheduler_sweep_ns = arch_clock_ns() + CALL_SWEEP_NS;
        scheduler_look();
    }
}

void scheduler_tick(struct cpu *_Nonnull cpu) {
    uint64_t now = arch_clock_ns();
    const struct thread *current = cpu->current;
    cpu->timer_armed_ns = UINT64_MAX;
    cpu->slice_armed = false;
    cpu->look = true;
    timer_run(now, TIMER_BUDGET);
    if (now >= scheduler_sweep_ns) {
        scheduler_sweep_ns = call_sweep_deadlines() ? now + CALL_SWEEP_NS : UINT64_MAX;
    }
    if (current != nullptr &&
        arch_ticks_to_ns(arch_ticks() - current->started_ticks) >= SLICE_NS / 2) {
        cpu->resched = true;
    }
}
