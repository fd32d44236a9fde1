/* Futex wait, wake and requeue, cut into bounded steps, with time-outs and kills.
 *
 * Theory. The kernel may not walk a long list in one step (memory.md 17), so a requeue takes the list
 * off its queue at once and moves it a few waiters at a time. In between, others wait, wake, time out
 * and die. What user space relies on is that requeue looks like one step: the thread that it wakes acts at once
 * (it takes the mutex, releases it, and wakes the next on the second queue), and must
 * find there all that were moved. So **a requeue decides first whom it wakes, and lets it run last**,
 * after all are moved; the work belongs to the kernel, not to the thread that asked for it; time-out and kill
 * take a waiter off wherever it is at that time; a thread that a wake was counted for can no longer time out.
 *
 * The scene is a condition variable: waiters sleep on word 0 (a sequence number) until it reached ROUNDS; a
 * broadcaster counts it up and requeues, waking one, the rest to word 1 (the mutex); each woken waiter passes the
 * baton by wake(1, 1). A woken waiter that is killed passes it too (the robust list).
 *
 * Covers memory.md rule 17 (futex wake and requeue as a state machine, unlinked first), I2, posix-runtime (futex).
 * Shown: every waiter ends; wakes that were counted and waiters that woke are equal in number;
 * only waiters from before the call are moved; no ended thread is on a queue. Every waiter sleeps at most once
 * for each value of the word, so a run without a deadlock ends.
 *
 * Bounds: three waiters (one woken, two moved: the smallest list whose move can be seen half done), two
 * rounds (the second meets leftovers of the first), one waiter per step, one time-out, one kill of a
 * waiter, one of the broadcaster in mid-requeue (two time-outs and two kills, and four
 * waiters without either, with --deep).
 *
 * MUTANT COMPARELATE   comparing and queueing are two steps
 * MUTANT WAKEFIRST     the requeue wakes before it has moved the others
 * MUTANT LIVEQUEUE     memory 17: the requeue works on the live queue, not on an unlinked list
 * MUTANT ABANDON       the requeue ends with the thread that asked for it
 * MUTANT OLDQUEUE      a time-out looks for the waiter in the queue where it began
 * MUTANT TIMEOUTWINS   a time-out turns a wake that was counted into ETIMEDOUT
 * MUTANT LIMBODEAD     a kill leaves the waiter on the unlinked list
 * MUTANT DEADWAKE      a killed waiter is woken in a live one's stead
 * DEEP -DTIMEOUTS=2 -DKILLS=2
 * DEEP -DWAITERS=4 -DTIMEOUTS=0 -DKILLS=0
 */
#ifndef WAITERS
#define WAITERS 3
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 1
#endif
#ifndef KILLS
#define KILLS 1
#endif
#define ROUNDS 2

mtype = { USER, COMPARED, ASLEEP, DECIDED, WOKEN, TIMEDOUT, ENDED };
mtype = { OFF, FIRST, SECOND, LIMBO };

mtype at[WAITERS] = USER;
mtype on[WAITERS] = OFF;
bool killed[WAITERS];
byte value;                  /* word 0 */
byte saw[WAITERS];
bool late[WAITERS];          /* it was queued while a requeue was under way */

chan first = [WAITERS] of { byte };  /* waiters on word 0 */
chan second = [WAITERS] of { byte }; /* waiters on word 1 */
chan limbo = [WAITERS] of { byte };  /* unlinked by a requeue, not moved yet */

bool working;                /* a requeue is under way in the kernel */
bool must_wake;
byte chosen;                 /* the waiter that the requeue woke and will let run; WAITERS: none */
byte ended;
byte counted, woke;          /* wakes that calls returned; waits that returned woken */
byte timeouts = TIMEOUTS, kills = KILLS, requeue_kills = 1;

inline wake(t) { at[t] = WOKEN; on[t] = OFF; counted++ }

inline take_off(t) {
    if
    :: on[t] == FIRST -> first??eval(t)
    :: on[t] == SECOND -> second??eval(t)
    :: on[t] == LIMBO -> limbo??eval(t)
    :: else -> skip
    fi;
    on[t] = OFF
}

/* wake(1, 1) */
inline wake_second(t) {
    if
    :: len(second) > 0 -> second?t; wake(t); t = 0
    :: else -> skip
    fi
}

proctype Waiter(byte me) {
    byte t;
    do
    :: d_step { at[me] == USER && value < ROUNDS && !killed[me] -> saw[me] = value; at[me] = COMPARED }
    :: d_step { at[me] == USER && (value >= ROUNDS || killed[me]) -> at[me] = ENDED }; break
#ifdef COMPARELATE
    :: d_step { at[me] == COMPARED -> first!me; on[me] = FIRST; late[me] = working; at[me] = ASLEEP }
#else
    :: d_step { at[me] == COMPARED && value == saw[me] ->
                first!me; on[me] = FIRST; late[me] = working; at[me] = ASLEEP }
    :: d_step { at[me] == COMPARED && value != saw[me] -> at[me] = USER } /* EAGAIN */
#endif
    :: d_step { at[me] == WOKEN -> woke++; at[me] = USER; wake_second(t) }
    :: d_step { at[me] == TIMEDOUT -> at[me] = ENDED }; break
    :: at[me] == ENDED -> break
    od;
    assert(on[me] == OFF);
    ended++
}

proctype Broadcaster() {
    byte t, n;
    do
    :: value < ROUNDS ->
        value++;
        d_step { /* take one to wake, and the rest off the queue, in constant time */
            do
            :: t < WAITERS -> late[t] = false; t++
            :: else -> break
            od;
            t = 0;
            working = true; must_wake = true;
            if
            :: len(first) > 0 ->
                first?t; chosen = t; at[t] = DECIDED; on[t] = OFF; counted++
            :: else -> skip
            fi;
#ifndef LIVEQUEUE
            do
            :: len(first) > 0 -> first?t; on[t] = LIMBO; limbo!t
            :: else -> break
            od;
#endif
            t = 0
        };
        !working /* the system call returns, or its thread was killed: the next round is another's */
    :: else -> break
    od
}

inline wake_chosen() {
    must_wake = false;
    if
    :: chosen != WAITERS -> at[chosen] = WOKEN; chosen = WAITERS
    :: else -> skip
    fi
}

#ifdef WAKEFIRST
#define MAY_WAKE true
#define MAY_MOVE (!must_wake)
#else
#define MAY_WAKE (LEFT == 0)
#define MAY_MOVE true
#endif
#ifdef LIVEQUEUE
#define LEFT len(first)
#else
#define LEFT len(limbo)
#endif

active proctype Kernel() {
    byte t;
end:
    do
    :: d_step { working && must_wake && MAY_WAKE -> wake_chosen() }
    :: d_step { working && LEFT > 0 && MAY_MOVE ->
#ifdef LIVEQUEUE
                first?t;
#else
                limbo?t;
#endif
                assert(at[t] == ASLEEP && !late[t]); /* it was there before the call */
                second!t; on[t] = SECOND; t = 0 }
    :: d_step { working && LEFT == 0 && !must_wake -> working = false }
    :: d_step { working && requeue_kills > 0 -> /* of the thread that asked */
                requeue_kills--;
#ifdef ABANDON
                working = false; wake_chosen()
#endif
              }
    od
}

#ifdef TIMEOUTWINS
#define MAY_TIME_OUT(t) (at[t] == ASLEEP || at[t] == WOKEN)
#else
#define MAY_TIME_OUT(t) (at[t] == ASLEEP)
#endif

inline time_out(t) {
    timeouts--;
#ifdef OLDQUEUE
    if
    :: on[t] == FIRST -> take_off(t)
    :: else -> on[t] = OFF
    fi;
#else
    take_off(t);
#endif
    at[t] = TIMEDOUT
}

inline kill(t) {
    kills--; killed[t] = true;
    if
    :: at[t] == ASLEEP ->
#ifdef LIMBODEAD
        if
        :: on[t] != LIMBO -> take_off(t)
        :: else -> on[t] = OFF
        fi;
#elif !defined(DEADWAKE)
        take_off(t);
#endif
        at[t] = ENDED
    :: else -> skip /* it ends by itself; woken, it passes the baton before */
    fi
}

active proctype Outside() {
end:
    do
    :: d_step { timeouts > 0 && MAY_TIME_OUT(0) -> time_out(0) }
    :: d_step { timeouts > 0 && MAY_TIME_OUT(1) -> time_out(1) }
    :: d_step { timeouts > 0 && MAY_TIME_OUT(2) -> time_out(2) }
    :: d_step { kills > 0 && at[0] != ENDED && !killed[0] -> kill(0) }
    :: d_step { kills > 0 && at[1] != ENDED && !killed[1] -> kill(1) }
    :: d_step { kills > 0 && at[2] != ENDED && !killed[2] -> kill(2) }
    od
}

active proctype Check() {
    d_step {
        value == ROUNDS && !working && ended == WAITERS ->
        assert(counted == woke);
        assert(len(first) == 0 && len(second) == 0 && len(limbo) == 0)
    }
}

init {
    byte t;
    atomic {
        chosen = WAITERS;
        do
        :: t < WAITERS -> run Waiter(t); t++
        :: else -> break
        od;
        run Broadcaster()
    }
}
