/* Commit: patches, handle moves, a minted session and the reply as one step; stop before redelivery.
 *
 * Theory. A call's effect on the vault and its reply happen together or not at all, so a call that
 * comes again was not done. Handles are conserved: a handle in a call belongs to the call until its
 * reply; the server works on duplicates, which die with it or with the reply. A killed server goes on for a while on
 * another processor, in user code or in a kernel copy outside the lock: nothing of it may happen after
 * its successor has the call, the vault and the keep, or after the client has left.
 *
 * Covers restart.md rules 4 (stop, drained copies), 5 (cancel, killed client), 10 (commit), 11 (keep,
 * handles in a call, progress, unreferenced slots), 16/I6 (poison at three faults, outside kills count for nothing).
 * Each d_step is one step of the kernel under its lock, or one stretch of user code; an instance's "pc" is lost at its stop.
 *
 * Where the rules are silent this model chooses, and docs/models.md says so: progress of a call whose
 * root has ended is swept by the next start; a killed client's call that was received once stays queued, as an
 * orphan; a session minted for a client that is gone is live for a moment, so that its last close is told.
 *
 * Shown: OK = one effect, one minted session, the handle in the keep if taken, else closed; any other
 * answer = no effect, no progress, the handle back if nobody had received the call, else closed; a killed client's = one or the other, never
 * half; no duplicate, keep slot or bulk page is left over; no copy touches a client that left; nothing is stuck (every
 * step lowers a bound, so a run without a deadlock ends).
 *
 * Bounds: two calls, three faults and one outside kill (two with --deep), one cancel, one kill of the
 * client, two instances at a time (the dying one and its successor), one copy in flight per instance. Three
 * faults reach poison; a further instance could only meet what the second met.
 *
 * MUTANT SPLIT         rule 10: the reply is a step after the patches
 * MUTANT NOSTOP        rule 4: redelivered at the kill, before the old threads have stopped
 * MUTANT NOSTOP+NOCHECK  the same, where commit does not look who holds the call either
 * MUTANT NODRAIN       rule 4: the stop is acknowledged, and the client let go, while a copy runs
 * MUTANT LEAVEEARLY    rule 4: the client leaves while a copy touches its lease
 * MUTANT MOVEATRECEIPT rule 11: handles move to the server when it receives the call
 * MUTANT KEEPDUPS      rule 11: the reply leaves the unmoved duplicates open
 * MUTANT NOSWEEP       rule 10: a restart leaves unreferenced keep slots
 * MUTANT NOPROGRESS    rules 3, 10: progress of a call that ended otherwise is never swept
 * MUTANT NOTICELESS    rules 10, 13: a session minted for an orphan vanishes without a last close
 * MUTANT CANCELREPEAT  rules 5, 11: the kernel answers a call CANCELLED that was received before
 * MUTANT COUNTKILLS    rule 16: kills from outside count towards poison
 * MUTANT DOUBLEKEEP    rule 11: progress and reply both move the handle to the keep
 * DEEP -DOUTSIDE=2 -DCALLS=3
 */
#ifndef CALLS
#define CALLS 2
#endif
#ifndef OUTSIDE
#define OUTSIDE 1
#endif
#define FAULTS 3
#define POISON 3
#define ROOTS (CALLS + 1)
#define NOBODY 2

mtype = { NONE, QUEUED, INHAND, DONE };
mtype = { OK, CANCELLED, POISONED };
mtype = { STOPPED, STARTING, READY, WORKING, REPLYING }; /* pc of an instance */

typedef Call {
    mtype at = NONE;
    byte root;
    byte holder = NOBODY; /* instance that has it in hand */
    bool received;        /* ever */
    bool cancel;
    bool orphan;
    bool handle;          /* the call's own handle is in it */
    byte faults;
    byte copies;          /* kernel copies that touch its leases */
    mtype answer = NONE;
};
Call call_;
bool client_in;           /* the client's thread is in `call`: its leases are there */

/* vault and keep of the service */
byte effect[ROOTS];
bool progress[ROOTS];     /* a record: the handle was moved to the keep ahead of the reply */
byte keep[ROOTS];         /* keep slots that hold the call's handle */
byte bulk;                /* keep slots with transferred bulk that no record names yet */
byte blobs[ROOTS];        /* bulk that a record names */

/* handles and sessions outside */
bool client_has[ROOTS];
byte minted[ROOTS];       /* sessions in the client's table */
byte notices[ROOTS];      /* minted, but closed at once: a last-close notice for the server */
byte duplicates[2];       /* in the instances' own tables */

mtype pc[2] = STOPPED;
bool dying[2];
bool took[2];             /* what the instance decided about the handle */
byte copying[2];          /* 0 no, 1 started (pages pinned), 2 bytes written */

byte faults_left = FAULTS, outside_left = OUTSIDE, cancels = 1, kills_client = 1;
mtype outcome[ROOTS] = NONE;
bool delivered[ROOTS];    /* it was received once */
bool taken[ROOTS];

#ifdef CANCELREPEAT
#define NEVER_RECEIVED true
#else
#define NEVER_RECEIVED (!call_.received)
#endif
#ifdef NOSTOP
#define MAY_START(i) (pc[1 - (i)] == STOPPED || dying[1 - (i)])
#else
#define MAY_START(i) (pc[1 - (i)] == STOPPED)
#endif
#ifdef NODRAIN
#define DRAINED(i) true
#else
#define DRAINED(i) (copying[i] == 0)
#endif
#if defined(LEAVEEARLY) || defined(NODRAIN)
#define MAY_LEAVE true
#else
#define MAY_LEAVE (call_.copies == 0)
#endif
#ifdef NOCHECK
#define MAY_COMMIT(i) (call_.at == QUEUED || call_.at == INHAND)
#else
#define MAY_COMMIT(i) MINE(i)
#endif
#define MINE(i) (call_.at == INHAND && call_.holder == (i))

inline clear_call() {
    call_.at = NONE; call_.root = 0; call_.holder = NOBODY; call_.received = false;
    call_.cancel = false; call_.orphan = false; call_.handle = false; call_.faults = 0;
    call_.answer = NONE
}

/* The call ends. Its handle goes back only if nobody ever received the call. */
inline end_call(what) {
    if
    :: call_.orphan -> clear_call()
    :: else ->
        client_has[call_.root] = (what != OK && call_.handle && !call_.received);
        call_.handle = false; call_.answer = what; call_.holder = NOBODY; call_.at = DONE
    fi
}

inline verdict(n) {
    if
    :: outcome[n] == OK ->
        assert(effect[n] == 1 && minted[n] == 1 && notices[n] == 0 && blobs[n] == 1);
        assert(!client_has[n] && keep[n] == taken[n])
    :: outcome[n] == CANCELLED || outcome[n] == POISONED ->
        assert(effect[n] == 0 && minted[n] == 0 && notices[n] == 0 && blobs[n] == 0);
        assert(client_has[n] == !delivered[n] && keep[n] == 0)
    :: else -> /* killed: all or nothing, and nobody has the handle or the session */
        assert(effect[n] <= 1 && notices[n] == effect[n] && blobs[n] == effect[n]);
        assert(minted[n] == 0 && !client_has[n] && keep[n] == (effect[n] && taken[n]))
    fi
}

proctype Client() {
    byte n = 1;
    do
    :: n <= CALLS ->
        d_step { clear_call(); call_.root = n; call_.handle = true; call_.at = QUEUED; client_in = true };
        do
        :: d_step { call_.at == DONE && MAY_LEAVE ->
                    outcome[n] = call_.answer; delivered[n] = call_.received;
                    assert(call_.answer != POISONED || call_.faults == POISON);
                    assert(call_.answer != POISONED || faults_left == 0);
                    client_in = false; clear_call() };
           break
        :: d_step { cancels > 0 && (call_.at == QUEUED || call_.at == INHAND) ->
                    cancels--; call_.cancel = true }
        :: d_step { call_.at == QUEUED && call_.cancel && NEVER_RECEIVED -> end_call(CANCELLED) }
        :: d_step { kills_client > 0 && (call_.at == QUEUED || call_.at == INHAND) ->
                    kills_client--;
                    if
                    :: call_.at == QUEUED && !call_.received -> clear_call()
                    :: else -> call_.orphan = true; call_.cancel = true /* leases revoked */
                    fi };
           d_step { MAY_LEAVE -> client_in = false };
           call_.at == NONE; /* the next client's call comes after the orphan: one slot here */
           break
        od;
        n++
    :: else -> break
    od;
    skip; /* (a d_step is not jumped into) */
    d_step { /* quiet: an instance waits for calls, none is dying */
        copying[0] == 0 && copying[1] == 0 &&
            ((pc[0] == READY && !dying[0] && pc[1] == STOPPED) ||
             (pc[1] == READY && !dying[1] && pc[0] == STOPPED)) ->
        n = 1;
        do
        :: n <= CALLS -> verdict(n); assert(!progress[n]); n++
        :: else -> break
        od;
        assert(duplicates[0] == 0 && duplicates[1] == 0 && bulk == 0);
        n = 0
    }
}

/* Last part of a commit with a reply: what became of the handle, the session, the duplicates. */
inline commit_reply(i) {
    if
#ifdef NOTICELESS
    :: call_.orphan -> skip
#else
    :: call_.orphan -> notices[call_.root]++
#endif
    :: else -> minted[call_.root]++
    fi;
    end_call(OK);
    close_duplicates(i)
}

inline close_duplicates(i) {
#ifndef KEEPDUPS
    duplicates[i] = 0;
#endif
    pc[i] = READY
}

inline move_to_keep(i, n) {
    if
    :: duplicates[i] > 0 -> duplicates[i]--; keep[n]++
    :: else -> skip
    fi
}

inline commit_patches(i) {
    effect[call_.root]++;
    taken[call_.root] = took[i];
#ifdef DOUBLEKEEP
    if
    :: took[i] -> keep[call_.root]++
    :: else -> keep[call_.root] = 0
    fi;
#else
    if
    :: took[i] && !progress[call_.root] -> move_to_keep(i, call_.root)
    :: took[i] && progress[call_.root] -> skip /* it is there */
    :: else -> keep[call_.root] = 0
    fi;
#endif
    progress[call_.root] = false;
    blobs[call_.root] = blobs[call_.root] + bulk; bulk = 0
}

proctype Instance(byte i) {
    byte n;
end:
    do
    :: d_step { pc[i] == STOPPED && MAY_START(i) && pc[1 - i] != READY -> pc[i] = STARTING }
    :: d_step { /* rebuild: free what no record names, drop progress of roots that have ended */
           pc[i] == STARTING && !dying[i] ->
#ifndef NOSWEEP
           bulk = 0;
#endif
           n = 1;
           do
           :: n <= CALLS ->
#ifndef NOPROGRESS
               if
               :: progress[n] && !(call_.root == n && call_.at != DONE) ->
                   progress[n] = false; keep[n] = 0
               :: else -> skip
               fi;
#endif
               n++
           :: else -> break
           od;
           n = 0; pc[i] = READY }
    :: d_step { pc[i] == READY && !dying[i] && call_.at == QUEUED ->
           call_.at = INHAND; call_.holder = i; call_.received = true;
#ifdef MOVEATRECEIPT
           duplicates[i] = call_.handle; call_.handle = false;
#else
           duplicates[i] = call_.handle;
#endif
           pc[i] = WORKING }
    :: atomic { pc[i] == WORKING && MINE(i) && bulk == 0 -> bulk = 1 } /* lease_transfer */
    :: atomic { pc[i] == WORKING && MINE(i) && !progress[call_.root] && duplicates[i] > 0 ->
                progress[call_.root] = true; duplicates[i]--; keep[call_.root]++ }
    :: atomic { pc[i] == WORKING && MAY_COMMIT(i) && bulk == 1 -> /* an instance that is dying may get here too */
                if
                :: took[i] = true
                :: took[i] = false
                fi;
                d_step {
                    commit_patches(i);
#ifdef SPLIT
                    pc[i] = REPLYING
#else
                    commit_reply(i)
#endif
                } }
#ifdef NOSTOP
    :: d_step { pc[i] == WORKING && !MAY_COMMIT(i) -> pc[i] = READY }
#endif
#ifdef SPLIT
    :: d_step { pc[i] == REPLYING && MINE(i) -> commit_reply(i) }
#endif
    :: d_step { pc[i] == WORKING && MINE(i) && call_.cancel ->
                keep[call_.root] = 0; progress[call_.root] = false; bulk = 0;
                end_call(CANCELLED); close_duplicates(i) }
    od
}

/* A second thread of the instance, in lease_copy for the call in hand. */
proctype Copier(byte i) {
end:
    do
    :: d_step { copying[i] == 0 && !dying[i] && pc[i] == WORKING && MINE(i) && !call_.orphan ->
                copying[i] = 1; call_.copies++ }
    :: d_step { copying[i] == 1 ->
                assert(client_in && call_.holder != 1 - i); /* nobody else has the call */
                copying[i] = 2 } /* outside the lock */
    :: d_step { copying[i] == 2 -> copying[i] = 0; call_.copies-- }
    od
}

inline redeliver(i) {
    if
    :: MINE(i) && call_.faults == POISON -> end_call(POISONED)
    :: MINE(i) && call_.faults < POISON -> call_.at = QUEUED; call_.holder = NOBODY
    :: else -> skip
    fi
}

inline count_fault(i) {
    if
    :: MINE(i) -> call_.faults++
    :: else -> skip
    fi
}

proctype Killer(byte i) {
end:
    do
    :: d_step { faults_left > 0 && pc[i] != STOPPED && !dying[i] && (MINE(i) || pc[i] == STARTING) ->
                faults_left--; dying[i] = true; count_fault(i);
#ifdef NOSTOP
                redeliver(i)
#endif
              }
    :: d_step { outside_left > 0 && pc[i] != STOPPED && !dying[i] ->
                outside_left--; dying[i] = true;
#ifdef COUNTKILLS
                count_fault(i);
#endif
#ifdef NOSTOP
                redeliver(i)
#endif
              }
    :: d_step { /* every thread has acknowledged, every copy has drained */
           dying[i] && DRAINED(i) ->
           dying[i] = false; pc[i] = STOPPED; duplicates[i] = 0; took[i] = false;
           redeliver(i) }
    od
}

init {
    atomic {
        run Instance(0); run Instance(1); run Copier(0); run Copier(1);
        run Killer(0); run Killer(1); run Client()
    }
}
