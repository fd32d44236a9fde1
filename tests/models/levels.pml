/* Notifications are hints over level state: last close, exit and readiness, with both servers killed.
 *
 * Theory. A hint can be lost with the server that took it, be stale, or come twice; the state that it hints
 * at stays in the kernel until the server acknowledges it in the commit that acts on it. So a
 * server acts on state only, and a new instance reads all of it before its first reply. What programs may rely
 * on besides is cause and effect: close() or wait() has returned, so a following open() finds the thing
 * closed; write() has returned, so a following poll() finds it readable.
 *
 * The scene. L keeps an exclusive resource and a buffer; P watches exits. A parent opens the resource
 * and hands it to a child, which exits; the parent waits for the exit through P, opens again,
 * closes, and opens a third time: never "busy". A writer fills the buffer; a consumer reads one item
 * per edge; at last one thread of it reads while another closes the session.
 *
 * Covers restart.md rule 13 (level state, reading again first, readiness set and counted), rule 10 (the
 * acknowledgement is part of the commit), memory.md rule 4 (close and exit are causal), I8. A call holds its session, so
 * that a last close follows every reply: the rules need that and do not say it.
 * Readiness is changed *in* the commit here; READYAFTER shows why the rule should say so.
 *
 * Bounds: L killed three times, P twice (four and three with --deep), two session slots for the
 * resource, so cookies are reused while stale hints are queued. A kill can lose one hint and one step; the third kill
 * falls into the rebuild that the second caused.
 *
 * MUTANT ACKFIRST    rule 13: the kernel forgets a close when the server takes the notice
 * MUTANT LATEREAD    rule 13: a new instance reads the closes after its first reply
 * MUTANT TRUSTHINT   I8: the server acts on the notice, not on the session's state
 * MUTANT CLOSELATE   memory 4: the notice is queued after close() has returned
 * MUTANT EXITFIRST   memory 4: the exit is announced before the handles are closed
 * MUTANT NOEXITREAD  rule 13: a new instance of P does not read the exits
 * MUTANT NOBUMP      rule 13: setting what is set does not count an edge
 * MUTANT READYAFTER  rule 10, 13: readiness is set by a step after the reply
 * MUTANT NOREF       a call does not hold its session
 * MUTANT EXITACK     rule 13: P acknowledges the exit in a step before its reply
 * DEEP -DKILLS_L=4 -DKILLS_P=3
 */
#ifndef KILLS_L
#define KILLS_L 3
#endif
#ifndef KILLS_P
#define KILLS_P 2
#endif
#define SLOTS 3
#define CONSUMER 2 /* the consumer's session; 0 and 1 are for the resource */
#define FREE 3

mtype = { NONE, QUEUED, INHAND, DONE };
mtype = { OPEN, WRITE, READ, CLOSE0, CLOSE1, CLOSE2 }; /* what is in L's queue and hand */
mtype = { REBUILD, SERVE };

typedef Session {
    bool used;
    byte handles;
    byte calls;  /* calls that hold it */
    bool closed; /* last close, not yet acknowledged: level state */
};
Session session[SLOTS];

chan queue = [8] of { mtype };

/* L: vault, then what a kill loses */
byte owner = FREE;        /* session that has the resource */
bool in_vault[SLOTS];
byte buffer;
mtype hand = NONE;
mtype pc_l = SERVE;
bool set_ready;           /* READYAFTER: still to do */

/* kernel: readiness of the consumer's session */
bool ready;
byte edges;

mtype open_at = NONE, write_at = NONE, read_at = NONE, wait_at = NONE;
byte opened, wrote, got;  /* results: session, items */
bool busy;

/* the child, and P */
bool child_running, exited; /* exited: level state until acknowledged */
bool exit_hint, knows_exit;
byte kills_l = KILLS_L, kills_p = KILLS_P;
bool done_parent, done_writer, done_consumer;

#define NOTICE(s) (s == 0 -> CLOSE0 : (s == 1 -> CLOSE1 : CLOSE2))

inline last_close(s) {
    if
    :: session[s].used && session[s].handles == 0 && session[s].calls == 0 && !session[s].closed ->
        session[s].closed = true; queue!NOTICE(s)
    :: else -> skip
    fi
}

/* close(): one kernel step, notice included. */
#ifdef CLOSELATE
#define CLOSE(s) d_step { session[s].handles--; late[s]++ }
byte late[SLOTS];
active proctype Late() {
    byte s;
end:
    do
    :: d_step { late[0] > 0 -> late[0]--; s = 0; last_close(s) }
    :: d_step { late[1] > 0 -> late[1]--; s = 1; last_close(s); s = 0 }
    :: d_step { late[2] > 0 -> late[2]--; s = 2; last_close(s); s = 0 }
    od
}
#else
#define CLOSE(s) d_step { session[s].handles--; last_close(s) }
#endif

/* ---- L ---- */

/* The commit that acts on a last close: vault, and the kernel's session, in one step. */
inline acknowledge(s) {
    in_vault[s] = false;
    if
    :: owner == s -> owner = FREE
    :: else -> skip
    fi;
    session[s].used = false; session[s].closed = false
}

inline take_notice(s) {
    if
#ifdef TRUSTHINT
    :: true -> assert(session[s].closed); acknowledge(s)
#elif defined(ACKFIRST)
    :: in_vault[s] && !session[s].used -> acknowledge(s)
#else
    :: session[s].closed -> acknowledge(s)
#endif
    :: else -> skip /* stale: done by a rebuild */
    fi;
    hand = NONE
}

inline commit_open() {
    if
    :: owner != FREE -> busy = true
    :: else ->
        if
        :: !session[0].used -> opened = 0
        :: else -> assert(!session[1].used); opened = 1
        fi;
        owner = opened; in_vault[opened] = true;
        session[opened].used = true; session[opened].handles = 1 /* minted with the reply */
    fi;
    open_at = DONE; hand = NONE
}

inline set_readiness() {
#ifdef NOBUMP
    if
    :: !ready -> edges++
    :: else -> skip
    fi;
#else
    edges++;
#endif
    ready = true
}

inline commit_write() {
    buffer = buffer + wrote;
#ifdef READYAFTER
    set_ready = true;
#else
    set_readiness();
#endif
    write_at = DONE; hand = NONE
}

inline commit_read() {
    assert(in_vault[CONSUMER] && session[CONSUMER].used);
    got = (buffer > 0 -> 1 : 0);
    buffer = buffer - got;
    ready = (buffer > 0);
    read_at = DONE; hand = NONE;
#ifndef NOREF
    session[CONSUMER].calls--;
    last_close(CONSUMER)
#endif
}

#ifdef LATEREAD
bool late_read;
#define LATE true
#else
#define LATE false
#endif

active proctype L() {
end:
    do
    :: atomic { pc_l == SERVE && hand == NONE && !set_ready && nempty(queue) -> queue?hand;
#ifdef ACKFIRST
                if
                :: hand == CLOSE0 -> session[0].used = false; session[0].closed = false
                :: hand == CLOSE1 -> session[1].used = false; session[1].closed = false
                :: hand == CLOSE2 -> session[2].used = false; session[2].closed = false
                :: else -> skip
                fi
#endif
              }
    :: d_step { pc_l == SERVE && hand == OPEN -> commit_open() }
    :: d_step { pc_l == SERVE && hand == WRITE -> commit_write() }
    :: d_step { pc_l == SERVE && hand == READ -> commit_read() }
    :: d_step { pc_l == SERVE && hand == CLOSE0 -> take_notice(0) }
    :: d_step { pc_l == SERVE && hand == CLOSE1 -> take_notice(1) }
    :: d_step { pc_l == SERVE && hand == CLOSE2 -> take_notice(2) }
#ifdef READYAFTER
    :: d_step { set_ready -> set_ready = false; set_readiness() }
#endif
#ifndef LATEREAD
    :: d_step { pc_l == REBUILD && session[0].closed -> acknowledge(0) }
    :: d_step { pc_l == REBUILD && session[1].closed -> acknowledge(1) }
    :: d_step { pc_l == REBUILD && session[2].closed -> acknowledge(2) }
#endif
    :: d_step { pc_l == REBUILD && (LATE || !(session[0].closed || session[1].closed || session[2].closed)) ->
#ifdef READYAFTER
                if :: buffer > 0 -> set_readiness() :: else -> ready = false fi;
#endif
                pc_l = SERVE }
#ifdef LATEREAD
    :: d_step { late_read && pc_l == SERVE && hand == NONE ->
                late_read = false;
                if :: session[0].closed -> acknowledge(0) :: else -> skip fi;
                if :: session[1].closed -> acknowledge(1) :: else -> skip fi;
                if :: session[2].closed -> acknowledge(2) :: else -> skip fi }
#endif
    :: d_step { /* a call goes back; a notice that was taken is lost */
           kills_l > 0 && (hand != NONE || pc_l == REBUILD || set_ready) ->
           kills_l--; pc_l = REBUILD; set_ready = false;
#ifdef LATEREAD
           late_read = true;
#endif
           if
           :: hand == CLOSE0 || hand == CLOSE1 || hand == CLOSE2 -> hand = NONE
           :: else -> skip
           fi }
    od
}

/* ---- P ---- */

active proctype P() {
end:
    do
    :: d_step { wait_at == QUEUED -> wait_at = INHAND } /* in hand or parked */
    :: d_step { exit_hint -> exit_hint = false; knows_exit = exited }
#ifdef EXITACK
    :: d_step { wait_at == INHAND && knows_exit && exited -> exited = false }
    :: d_step { wait_at == INHAND && knows_exit && !exited -> wait_at = DONE }
#else
    :: d_step { wait_at == INHAND && knows_exit -> exited = false; wait_at = DONE }
#endif
    :: d_step { kills_p > 0 && (wait_at == INHAND || knows_exit) ->
                kills_p--;
                if
                :: wait_at == INHAND -> wait_at = QUEUED
                :: else -> skip
                fi;
#ifdef NOEXITREAD
                knows_exit = false
#else
                knows_exit = exited
#endif
              }
    od
}

/* ---- programs ---- */

#define CALL_OPEN d_step { open_at = QUEUED; queue!OPEN }; \
    d_step { open_at == DONE -> open_at = NONE; assert(!busy) }

active proctype Parent() {
    CALL_OPEN;
    d_step { session[opened].handles++; child_running = true }; /* fork */
    CLOSE(opened);
    wait_at = QUEUED;
    d_step { wait_at == DONE -> wait_at = NONE };
    CALL_OPEN;
    CLOSE(opened);
    CALL_OPEN;
    CLOSE(opened);
    done_parent = true
}

active proctype Child() {
    child_running;
#ifdef EXITFIRST
    d_step { exited = true; exit_hint = true };
    CLOSE(opened)
#else
    CLOSE(opened);
    d_step { exited = true; exit_hint = true }
#endif
}

inline call_write(items) {
    d_step { wrote = items; write_at = QUEUED; queue!WRITE };
    d_step { write_at == DONE -> write_at = NONE }
}

byte items_read;
bool last_read;

active proctype Writer() {
    call_write(2);
    assert(ready || items_read > 0); /* poll() after write() */
    items_read > 0;
    call_write(1);
    done_writer = true
}

inline call_read(last) {
    d_step {
        read_at = QUEUED; last_read = last;
#ifndef NOREF
        session[CONSUMER].calls++;
#endif
        queue!READ
    };
    d_step { read_at == DONE -> read_at = NONE; items_read = items_read + got }
}

active proctype Consumer() { /* edge-triggered: one read for each edge that it saw */
    byte seen;
    d_step { session[CONSUMER].used = true; session[CONSUMER].handles = 1; in_vault[CONSUMER] = true };
    d_step { edges != seen -> seen = edges };
    call_read(false);
    assert(items_read == 1);
    d_step { edges != seen -> seen = edges };
    call_read(true);
    done_consumer = true
}

active proctype Closer() { /* the consumer's other thread */
    last_read;
    CLOSE(CONSUMER)
}

active proctype Check() {
    d_step {
        done_parent && done_writer && done_consumer && session[CONSUMER].handles == 0 && hand == NONE && empty(queue) &&
            pc_l == SERVE ->
        assert(items_read == 2 && buffer == 1);
        assert(owner == FREE && !in_vault[0] && !in_vault[1] && !in_vault[CONSUMER]);
        assert(!session[0].used && !session[1].used && !session[CONSUMER].used)
    }
}
