/* Sleep and wake-up on a waitset, on two processors, with kills, preemption, stealing and live FPU registers.
 *
 * Theory. A wake-up is lost when "nothing is there" and "I sleep" are two moments; when the one
 * who was woken dies before it looked; when a processor halts on an old look at its queue; or when a thread runs
 * where its registers are not. So: looking and sleeping are one step under the kernel lock; a wake hands over
 * no bits (the woken thread takes them itself when it runs), and a woken thread that dies
 * before it took them passes the wake on; a processor looks with interrupts off and halts in the
 * same breath as it enables them; a wake for another processor sends it an interrupt, always.
 *
 * Covers architecture.md (Waitset, event-driven kernel, one lock), restart.md rule 4 (a kill is acknowledged by
 * the processor that runs the thread), memory.md rule 18 (live FPU registers and stealing).
 * Each d_step is one stretch under the kernel lock.
 *
 * Shown: when all is quiet, no bit is pending while a living thread waits, no thread is ready
 * while all processors are halted, every killed thread has stopped; a thread runs only where its FPU
 * registers are or can be loaded; a thread is in one place.
 *
 * Bounds: two processors, two threads in wait on one waitset with one event, three signals (which may merge),
 * one kill, two preemptions (four signals, both threads killed and three preemptions with --deep).
 * Three signals meet a thread before, in and after its sleep; more waiters only lengthen the list that the
 * second waiter stands for. One waitset: nesting is a signal from the inner to the outer.
 *
 * MUTANT CHECKSLEEP   looking and going to sleep are two steps
 * MUTANT HALTRACE     the processor looks with interrupts on, then halts
 * MUTANT NOIPI        no interrupt is sent to the processor of the woken thread
 * MUTANT KILLEATS     a woken thread that is killed does not pass the wake on
 * MUTANT DEADWAITER   a killed thread stays in the waitset's list
 * MUTANT CLEARLATE    the thread takes the bits and clears "queued" in a later step
 * MUTANT STEALFPU     memory 18: a thread is stolen although its FPU registers are live elsewhere
 * MUTANT KILLNOIPI    restart 4: a kill does not interrupt the processor that runs the thread
 * MUTANT DYINGQUEUED  a thread that is to die is preempted and goes back to the queue
 * DEEP -DSIGNALS=4 -DKILLS=2 -DPREEMPTIONS=3
 */
#ifndef SIGNALS
#define SIGNALS 3
#endif
#ifndef KILLS
#define KILLS 1
#endif
#ifndef PREEMPTIONS
#define PREEMPTIONS 2
#endif
#define NOBODY 2 /* no thread */
#define NOWHERE 2 /* no processor */

mtype = { READY, RUNNING, WAITING, DEAD };                  /* thread */
mtype = { USER, LOOKED, RESUME, TOOK };                     /* where it goes on */
mtype = { IDLE, CHECKED, HALTED, BUSY };                    /* processor */

mtype state[2] = READY;
mtype pc[2] = USER;
byte home[2];               /* processor in whose queue it is, or where it runs */
bool dying[2];
mtype cpu[2] = IDLE;
byte current[2] = NOBODY;
bool ipi[2];
byte live[2] = NOWHERE;     /* processor that holds the thread's FPU registers */
byte loaded[2] = NOBODY;    /* thread whose FPU registers the processor holds */

/* the waitset and its one event */
byte bits;
bool queued;                /* the binding is in the waitset's ready list */
chan waiters = [2] of { byte };

byte signals = SIGNALS, kills = KILLS, preemptions = PREEMPTIONS;

#define OTHER(c) (1 - (c))
#define IN_QUEUE(t, c) (state[t] == READY && home[t] == (c))
#ifdef STEALFPU
#define STEALABLE(t) true
#else
#define STEALABLE(t) (live[t] == NOWHERE)
#endif
#define CAN_STEAL(t, c) (IN_QUEUE(t, OTHER(c)) && STEALABLE(t))
#define NOTHING_FOR(c) (!IN_QUEUE(0, c) && !IN_QUEUE(1, c) && !CAN_STEAL(0, c) && !CAN_STEAL(1, c))

/* Makes the first waiter ready, on the processor where it ran last. */
inline wake_one(t) {
    if
    :: len(waiters) > 0 ->
        waiters?t;
        state[t] = READY; pc[t] = RESUME;
#ifndef NOIPI
        ipi[home[t]] = true;
#endif
        t = 0
    :: else -> skip
    fi
}

inline die(t, n) {
    if
    :: live[t] != NOWHERE -> loaded[live[t]] = NOBODY; live[t] = NOWHERE
    :: else -> skip
    fi;
    state[t] = DEAD;
#ifndef KILLEATS
    if
    :: pc[t] == RESUME && queued -> wake_one(n) /* it was woken, and did not look yet */
    :: else -> skip
    fi
#endif
}

active proctype Signaller() { /* a third processor, or an interrupt on any */
    byte t;
end:
    do
    :: d_step { signals > 0 ->
                signals--; bits++;
                if
                :: !queued -> queued = true; wake_one(t)
                :: else -> skip
                fi }
    od
}

active proctype Killer() {
    byte t, n;
end:
    do
    :: atomic { kills > 0 ->
           if
           :: !dying[0] -> t = 0
           :: !dying[1] -> t = 1
           fi;
           d_step {
               kills--; dying[t] = true;
               if
               :: state[t] == WAITING ->
#ifndef DEADWAITER
                   waiters??eval(t);
#endif
                   die(t, n)
               :: state[t] == READY -> die(t, n)
               :: state[t] == RUNNING ->
#ifndef KILLNOIPI
                   ipi[home[t]] = true
#else
                   skip
#endif
               :: else -> skip
               fi;
               t = 0; n = 0
           }
       }
    od
}

inline sleep(c, t) {
    waiters!t; state[t] = WAITING; pc[t] = RESUME;
    current[c] = NOBODY; cpu[c] = IDLE; t = 0
}

inline take(t) {
    bits = 0;
#ifdef CLEARLATE
    pc[t] = TOOK;
#else
    queued = false; pc[t] = USER;
#endif
    t = 0
}

/* The FPU registers of what runs here before are saved only when another user of them comes. */
inline use_fpu(c, t) {
    assert(live[t] == NOWHERE || live[t] == c);
    if
    :: loaded[c] != NOBODY && loaded[c] != t -> live[loaded[c]] = NOWHERE
    :: else -> skip
    fi;
    loaded[c] = t; live[t] = c
}

inline dispatch(c, t) {
    assert(cpu[c] != BUSY && state[t] == READY);
    home[t] = c; state[t] = RUNNING; current[c] = t; cpu[c] = BUSY
}

proctype Cpu(byte c) {
    byte t, n;
end:
    do
    :: atomic { cpu[c] == IDLE && !NOTHING_FOR(c) ->
           if
           :: IN_QUEUE(0, c) -> t = 0
           :: IN_QUEUE(1, c) -> t = 1
           :: CAN_STEAL(0, c) -> t = 0
           :: CAN_STEAL(1, c) -> t = 1
           fi;
           d_step { dispatch(c, t) };
           if
           :: use_fpu(c, t)
           :: skip
           fi;
           t = 0 }
    :: d_step { cpu[c] == IDLE && NOTHING_FOR(c) -> cpu[c] = CHECKED }
    :: d_step { cpu[c] == CHECKED -> cpu[c] = HALTED }
#ifdef HALTRACE
    :: d_step { cpu[c] == CHECKED && ipi[c] -> ipi[c] = false }
#endif
    :: d_step { cpu[c] == HALTED && ipi[c] -> ipi[c] = false; cpu[c] = IDLE }
    :: d_step { cpu[c] == BUSY && ipi[c] -> /* the interrupt: the place to die */
           ipi[c] = false; t = current[c];
           if
           :: dying[t] -> die(t, n); current[c] = NOBODY; cpu[c] = IDLE
           :: else -> skip
           fi;
           t = 0; n = 0 }
    :: d_step { cpu[c] == BUSY && preemptions > 0 ->
           preemptions--; t = current[c]; current[c] = NOBODY; cpu[c] = IDLE;
           if
#ifndef DYINGQUEUED
           :: dying[t] -> die(t, n)
#endif
           :: else -> state[t] = READY
           fi;
           t = 0; n = 0 }
    /* wait(): under one hold of the lock, take what is there or sleep */
    :: d_step { cpu[c] == BUSY && (pc[current[c]] == USER || pc[current[c]] == RESUME) && !dying[current[c]] ->
           t = current[c];
           if
           :: queued -> take(t)
#ifdef CHECKSLEEP
           :: else -> pc[t] = LOOKED; t = 0
#else
           :: else -> sleep(c, t)
#endif
           fi }
#ifdef CHECKSLEEP
    :: d_step { cpu[c] == BUSY && pc[current[c]] == LOOKED -> t = current[c]; sleep(c, t) }
#endif
#ifdef CLEARLATE
    :: d_step { cpu[c] == BUSY && pc[current[c]] == TOOK -> t = current[c]; queued = false; pc[t] = USER; t = 0 }
#endif
    od
}

active proctype Check() {
    d_step {
        signals == 0 && cpu[0] == HALTED && cpu[1] == HALTED && !ipi[0] && !ipi[1] ->
        assert(state[0] != READY && state[1] != READY && state[0] != RUNNING && state[1] != RUNNING);
        assert(!(queued && (state[0] == WAITING || state[1] == WAITING)));
        assert(bits == 0 || queued)
    };
    d_step { kills == 0 && cpu[0] == HALTED && cpu[1] == HALTED && !ipi[0] && !ipi[1] ->
             assert(!dying[0] || state[0] == DEAD); assert(!dying[1] || state[1] == DEAD) }
}

init {
    d_step { home[1] = 1 };
    atomic { run Cpu(0); run Cpu(1) }
}
