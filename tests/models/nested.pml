/* Nested calls under kills: client -> A -> B, and background work of A -> B.
 *
 * Theory. A server that dies repeats the call it had in hand, and so its nested calls. The callee
 * may at that time (a) still have the earlier nested call in hand, as an orphan; (b) have answered
 * it and lost interest; (c) never have seen it. Only an identity that stays the same, a gate that
 * holds a call while its orphan exists, and replies kept as long as anybody may ask again, make
 * the three cases look alike. Cancel is the hard part: a repeated call that is cancelled may have
 * taken effect below already, so nobody may answer "cancelled" for it without asking below.
 *
 * Covers restart.md rules 1 (identity, inherited "maybe repeated"), 2 (same request), 3 (orphans,
 * kept replies, live roots), 5 (cancel, killed client). Written as steps of the kernel under its lock:
 * each d_step is one system call or one kernel action; a server's "pc" is lost at its kill.
 *
 * Shown: an answered OK has one effect on A and one on B; an answered CANCELLED has none on either and was
 * asked for; a killed client's call has both effects or neither (under WEAK, where
 * its call may vanish with its server: A's effect implies B's); background work has exactly one
 * of each; nothing changes when orphans drain later; nothing is stuck (every step lowers a
 * bound, so a run without a deadlock ends: no fairness is needed).
 *
 * Bounds: two client calls and one background job, three nested-call slots, B holds two calls at once, A
 * and B are killed twice each (three times with --deep), one cancel, one kill of the client. Two kills of A
 * give an orphan of a repetition; two of B a redelivered nested call and a redelivered orphan, each
 * killed again; more only repeat these, as A and B keep nothing else over a kill.
 *
 * MUTANT NEWID          rule 1: the repeated nested call has a fresh identity
 * MUTANT NOGATE         rule 3: an identity is delivered while its orphan exists
 * MUTANT SHORTKEEP      rule 3: the reply is forgotten once delivered
 * MUTANT UNPINNED       rules 1, 3: nothing keeps the root of background work alive
 * MUTANT KEEPCANCEL     rules 3, 5: the callee keeps the CANCELLED that it gave an orphan
 * MUTANT CANCELSHORT+KILLS_CLIENT=0    rule 5: a repeated call is answered CANCELLED without asking below
 * MUTANT CANCELQUEUED+KILLS_CLIENT=0   rule 11: the kernel answers a queued call CANCELLED although it may be a repetition
 * MUTANT NOINHERIT+KILLS_CLIENT=0      rule 1: "maybe repeated" is not inherited by the nested call
 * MUTANT DROPROOT       rule 3: a killed client's call vanishes with the server that has it in hand
 * MUTANT ROOTONLY+DROPROOT+WEAK  rule 3: a root counts as ended although an orphan of it is in hand below
 * MUTANT DONESTAYS      rule 3: a dead caller's nested call, answered but not collected, keeps its slot
 * VARIANT dropped -DDROPROOT -DWEAK
 * DEEP -DKILLS_A=3 -DKILLS_B=3
 */
#ifndef CALLS
#define CALLS 2
#endif
#ifndef KILLS_A
#define KILLS_A 2
#endif
#ifndef KILLS_B
#define KILLS_B 2
#endif
#ifndef KILLS_CLIENT
#define KILLS_CLIENT 1
#endif
#define BACKGROUND (CALLS + 1) /* the root of A's background work */
#define ROOTS (CALLS + 2)
#define SLOTS 3
#define NOSLOT SLOTS

mtype = { NONE, QUEUED, INHAND, DONE };    /* where a call is */
mtype = { OK, CANCELLED };                 /* how it was answered */
mtype = { IDLE, DECIDE, WAIT, COMMIT };    /* what A does with the call in hand */
mtype = { LOOKUP, ACT };                   /* what B does with one */

typedef Call {
    mtype at = NONE;
    byte root;
    byte identity;
    bool cancel;   /* sticky */
    bool orphan;   /* its caller is dead: the reply is discarded */
    bool repeated; /* maybe: this attempt, or one of its caller's, was not the first */
    mtype answer = NONE;
};

Call outer;           /* client -> A */
Call nested[SLOTS];   /* A -> B */

/* A: the vault holds what is done; pc, work, slot and heard are lost at a kill */
byte effect_a[ROOTS];
bool background_done;
mtype pc_a = IDLE;
byte work = 0;        /* root in hand */
byte slot_a = NOSLOT; /* nested call that A waits for */
mtype heard = NONE;
bool killed_a;        /* A was restarted: its background work is maybe repeated */

/* B: the vault holds effects and kept replies; the hands are lost at a kill */
#ifdef NEWID
#define IDENTITIES (ROOTS + 4)
byte fresh = ROOTS;
#else
#define IDENTITIES ROOTS
#endif
byte effect_b[ROOTS];
mtype kept[IDENTITIES] = NONE;
byte hand[2] = NOSLOT;
mtype pc_b[2] = LOOKUP;

byte kills_a = KILLS_A, kills_b = KILLS_B, cancels = 1, kills_client = KILLS_CLIENT;
mtype outcome[ROOTS] = NONE; /* what each client heard; NONE: it was killed */
bool asked[ROOTS];

#ifdef NOGATE
#define GATE(s) true
#else
#define TWIN(s, o) (nested[o].at != NONE && nested[o].orphan && \
                    nested[o].identity == nested[s].identity && (o) != (s))
#define GATE(s) (!TWIN(s, 0) && !TWIN(s, 1) && !TWIN(s, 2))
#endif

#ifdef CANCELSHORT
#define NOTHING_BELOW true
#else
#define NOTHING_BELOW (!outer.repeated)
#endif
#ifdef CANCELQUEUED
#define SURELY_NEW(s) true
#else
#define SURELY_NEW(s) (!nested[s].repeated)
#endif
#define FREE_SLOT (nested[0].at == NONE || nested[1].at == NONE || nested[2].at == NONE)

#ifdef WEAK
#define DROPPED (outcome[r] == NONE)
#else
#define DROPPED false
#endif

#define ALIVE(s, r) (nested[s].at != NONE && nested[s].root == (r))
#define NESTED_ALIVE(r) (ALIVE(0, r) || ALIVE(1, r) || ALIVE(2, r))
#ifdef UNPINNED
#define PINNED(r) false
#else
#define PINNED(r) ((r) == BACKGROUND && !background_done)
#endif
#ifdef SHORTKEEP
#define LIVE(r) NESTED_ALIVE(r)
#elif defined(ROOTONLY)
#define LIVE(r) (PINNED(r) || (outer.root == (r) && (outer.at == QUEUED || outer.at == INHAND)))
#else
#define LIVE(r) \
    (NESTED_ALIVE(r) || PINNED(r) || (outer.root == (r) && (outer.at == QUEUED || outer.at == INHAND)))
#endif

inline clear(c) {
    c.at = NONE; c.root = 0; c.identity = 0; c.cancel = false; c.orphan = false;
    c.repeated = false; c.answer = NONE
}

inline verdict(r) {
    assert(effect_a[r] <= 1 && effect_b[r] <= 1);
    if
    :: outcome[r] == OK -> assert(effect_a[r] == 1 && effect_b[r] == 1)
    :: outcome[r] == CANCELLED -> assert(asked[r] && effect_a[r] == 0 && effect_b[r] == 0)
    :: else -> skip
    fi
}

proctype Client() {
    byte r = 1;
    do
    :: r <= CALLS ->
        d_step { outer.root = r; outer.answer = NONE; outer.at = QUEUED };
        do
        :: d_step { outer.at == DONE -> outcome[r] = outer.answer; clear(outer); verdict(r) }; break
        :: d_step { cancels > 0 && outer.at != DONE -> cancels--; outer.cancel = true; asked[r] = true }
        :: d_step { /* killed: before any receipt the call vanishes, later it is an orphan */
               kills_client > 0 && outer.at != DONE ->
               kills_client--;
               if
#ifdef DROPROOT
               :: outer.at == QUEUED -> clear(outer)
#else
               :: outer.at == QUEUED && !outer.repeated -> clear(outer)
#endif
               :: else -> outer.orphan = true; outer.cancel = true
               fi
           };
           outer.at == NONE; /* the next client's call comes after the orphan: one slot here */
           break
        od;
        r++
    :: else -> break
    od;
    /* all orphans drained, background work over: look again */
    background_done;
    d_step {
        background_done && pc_a == IDLE && outer.at == NONE && nested[0].at == NONE && nested[1].at == NONE &&
            nested[2].at == NONE ->
        r = 1;
        do
        :: r <= CALLS -> verdict(r); assert(effect_a[r] == effect_b[r] || (DROPPED && effect_b[r])); r++
        :: else -> break
        od;
        assert(effect_a[BACKGROUND] == 1 && effect_b[BACKGROUND] == 1);
        r = 0
    }
}

/* The nested request: a pure function of the root. */
inline send_nested(again) {
    if
    :: nested[0].at == NONE -> slot_a = 0
    :: nested[0].at != NONE && nested[1].at == NONE -> slot_a = 1
    :: else -> slot_a = 2
    fi;
    nested[slot_a].root = work;
#ifdef NEWID
    nested[slot_a].identity = fresh; fresh++;
#else
    nested[slot_a].identity = work;
#endif
#ifndef NOINHERIT
    nested[slot_a].repeated = again;
#endif
    nested[slot_a].cancel = (work != BACKGROUND && outer.cancel);
    nested[slot_a].at = QUEUED;
    pc_a = WAIT
}

inline answer_outer(what) {
    if
    :: outer.orphan -> clear(outer)
    :: else -> outer.at = DONE; outer.answer = what
    fi
}

inline die_nested(s) {
    if
    :: nested[s].at == QUEUED && !nested[s].orphan -> clear(nested[s])
    :: nested[s].at == DONE ->
#ifndef DONESTAYS
        clear(nested[s])
#else
        skip
#endif
    :: nested[s].at == INHAND -> nested[s].orphan = true; nested[s].cancel = true
    :: else -> skip
    fi
}

active proctype A() {
end:
    do
    :: d_step { pc_a == IDLE && outer.at == QUEUED ->
                outer.at = INHAND; work = outer.root; pc_a = DECIDE }
    :: d_step { pc_a == IDLE && !background_done -> work = BACKGROUND; pc_a = DECIDE }
    :: d_step { /* cancelled, and surely nothing was done below */
           pc_a == DECIDE && work != BACKGROUND && outer.cancel && NOTHING_BELOW -> heard = CANCELLED; pc_a = COMMIT }
    :: d_step { pc_a == DECIDE && work != BACKGROUND && FREE_SLOT ->
                send_nested(outer.repeated) }
    :: d_step { pc_a == DECIDE && work == BACKGROUND && FREE_SLOT ->
                send_nested(killed_a) }
    :: d_step { /* cancel travels down a chain of waiting calls */
           pc_a == WAIT && work != BACKGROUND && outer.cancel && !nested[slot_a].cancel ->
           nested[slot_a].cancel = true }
    :: d_step { pc_a == WAIT && nested[slot_a].at == DONE ->
                heard = nested[slot_a].answer; clear(nested[slot_a]); slot_a = NOSLOT; pc_a = COMMIT }
    :: d_step { /* effect and reply are one step (commit.pml shows that one) */
           pc_a == COMMIT ->
           if
           :: heard == OK -> effect_a[work]++
           :: else -> skip
           fi;
           if
           :: work == BACKGROUND -> assert(heard == OK); background_done = true
           :: else -> answer_outer(heard)
           fi;
           heard = NONE; work = 0; pc_a = IDLE }
    :: d_step { kills_a > 0 && pc_a != IDLE -> /* at IDLE nothing is lost */
           kills_a--; killed_a = true;
           if
           :: work != BACKGROUND ->
#ifdef DROPROOT
               if
               :: outer.orphan -> clear(outer)
               :: else -> outer.at = QUEUED; outer.repeated = true
               fi
#else
               outer.at = QUEUED; outer.repeated = true
#endif
           :: else -> skip
           fi;
           die_nested(0); die_nested(1); die_nested(2);
           work = 0; heard = NONE; slot_a = NOSLOT; pc_a = IDLE }
    od
}

inline receive(h, s) {
    hand[h] = s; nested[s].at = INHAND; pc_b[h] = LOOKUP
}

/* B's commit: effect, kept reply and reply are one step. */
inline act(h, s, cancelling) {
    if
    :: cancelling ->
        nested[s].answer = CANCELLED;
#ifdef KEEPCANCEL
        kept[nested[s].identity] = CANCELLED
#endif
    :: else ->
        effect_b[nested[s].root]++;
        kept[nested[s].identity] = OK;
        nested[s].answer = OK
    fi;
    finish(h, s)
}

inline finish(h, s) {
    if
    :: nested[s].orphan -> clear(nested[s])
    :: else -> nested[s].at = DONE
    fi;
    hand[h] = NOSLOT; pc_b[h] = LOOKUP
}

proctype B(byte h) { /* one hand each; they die together */
    byte s;
end:
    do
    :: d_step { hand[h] == NOSLOT && nested[0].at == QUEUED && GATE(0) -> receive(h, 0) }
    :: d_step { hand[h] == NOSLOT && nested[1].at == QUEUED && GATE(1) -> receive(h, 1) }
    :: d_step { hand[h] == NOSLOT && nested[2].at == QUEUED && GATE(2) -> receive(h, 2) }
    :: d_step { hand[h] != NOSLOT && pc_b[h] == LOOKUP ->
           s = hand[h];
           if
           :: kept[nested[s].identity] != NONE ->
               nested[s].answer = kept[nested[s].identity]; finish(h, s)
           :: else -> pc_b[h] = ACT
           fi;
           s = 0 }
    :: d_step { hand[h] != NOSLOT && pc_b[h] == ACT -> s = hand[h]; act(h, s, false); s = 0 }
    :: d_step { hand[h] != NOSLOT && pc_b[h] == ACT && nested[hand[h]].cancel ->
                s = hand[h]; act(h, s, true); s = 0 }
    od
}

inline redeliver(h) {
    if
    :: hand[h] != NOSLOT -> nested[hand[h]].at = QUEUED; nested[hand[h]].repeated = true
    :: else -> skip
    fi;
    hand[h] = NOSLOT; pc_b[h] = LOOKUP
}

inline redeliver_or_drop(h) { /* a server's orphan may vanish: its root's call comes again */
    if
    :: hand[h] != NOSLOT && nested[hand[h]].orphan -> clear(nested[hand[h]])
    :: hand[h] != NOSLOT && !nested[hand[h]].orphan ->
        nested[hand[h]].at = QUEUED; nested[hand[h]].repeated = true
    :: else -> skip
    fi;
    hand[h] = NOSLOT; pc_b[h] = LOOKUP
}

/* A call that was cancelled before any receipt: the kernel answers. */
#define CANCEL_QUEUED(s) d_step { nested[s].at == QUEUED && nested[s].cancel && !nested[s].orphan && \
        SURELY_NEW(s) -> nested[s].at = DONE; nested[s].answer = CANCELLED }
#define RELEASE(r) d_step { kept[r] != NONE && !LIVE(r) -> kept[r] = NONE }

/* What the kernel does to B's calls, and B's release of kept replies. */
active proctype Kernel() {
end:
    do
    :: d_step { kills_b > 0 && (hand[0] != NOSLOT || hand[1] != NOSLOT) ->
                kills_b--; redeliver(0); redeliver(1) }
    :: d_step { kills_b > 0 && (hand[0] != NOSLOT || hand[1] != NOSLOT) ->
                kills_b--; redeliver_or_drop(0); redeliver_or_drop(1) }
    :: CANCEL_QUEUED(0)
    :: CANCEL_QUEUED(1)
    :: CANCEL_QUEUED(2)
    :: RELEASE(1)
    :: RELEASE(2)
#if CALLS > 1
    :: RELEASE(3)
#endif
    od
}

init {
    atomic { run B(0); run B(1); run Client() }
}
