/* A shared ring with one producer, one consumer and an event as doorbell, under x86 store buffers.
 *
 * Theory. The producer rings only when the consumer says that it sleeps; the consumer sleeps only after it said so
 * and looked again. Each writes one word and reads the other's, so both need a full fence in
 * between: a store waits in the processor's buffer while a later load is done. The ring itself is written
 * by a stranger: the consumer copies the tail once per turn, rejects what cannot be, copies each
 * item once, and keeps its own head in its vault, never in the ring. It commits the effect of an item with
 * the head, so a kill repeats nothing; and a new instance looks at the ring before it sleeps, since the
 * old one may have taken the doorbell with it; and it publishes its head first, since the old one may have died between
 * the commit and that store, and a producer that sees a full ring sends nothing more.
 *
 * Covers architecture.md (shared rings and events, hostile indices), restart.md rules 10 (head and effect in one commit),
 * 13 (a doorbell is a hint over the ring), 15 (overdue ring requests exist). Memory order is that of x86: stores leave each
 * processor's buffer in order, loads are done at once. The other direction (ring full) is the same with roles exchanged.
 *
 * Shown: every item has its effect once and in order; the consumer never sleeps for good over an item;
 * with a hostile producer (HOSTILE) a turn takes at most SIZE items, stays within the ring, uses what it
 * validated, and another client waits for at most one turn.
 *
 * Bounds: a ring of two, four items (six with --deep), so that the ring wraps twice and is full and empty in
 * every phase; two kills; indices modulo 8, beyond twice the ring, so that every wrong difference occurs.
 *
 * VARIANT hostile -DHOSTILE
 * MUTANT NOFENCEP             the producer reads "sleeps" before its tail is out
 * MUTANT NOFENCEC             the consumer looks again before its "sleeps" is out
 * MUTANT NORECHECK            the consumer does not look again
 * MUTANT CLEARLATE            the consumer clears the doorbell after it looked
 * MUTANT NORESCAN             restart 13: a new instance sleeps first
 * MUTANT NOREPUBLISH          a new instance does not write its head into the ring again
 * MUTANT HEADFIRST            the head is published before the item is copied
 * MUTANT HEADALONE            restart 10: the head is committed ahead of the effect
 * MUTANT HOSTILE+REFETCH      the tail is read again for each item
 * MUTANT HOSTILE+NOVALIDATE   a tail that cannot be is believed
 * MUTANT HOSTILE+TWICEREAD    an item is read once to validate and once more to use
 * MUTANT HOSTILE+NOTURN       the consumer goes on while there is work, others unasked
 * DEEP -DITEMS=6 -DKILLS=3
 */
#define SIZE 2
#ifdef HOSTILE
#define HOSTILE_RUN true
#else
#define HOSTILE_RUN false
#endif
#define MODULUS 8
#ifndef ITEMS
#define ITEMS 4
#endif
#ifndef KILLS
#define KILLS 2
#endif

mtype = { SLOT0, SLOT1, TAIL, HEAD, SLEEPS };                /* places in shared memory */
mtype = { RESTART, SCAN, EARLY, COPY, USE, EFFECT, PUBLISH, TURN, ARM, FENCE, RECHECK, CLEAR, SLEEP, FAULTY };

/* shared memory */
byte slot[SIZE];
byte tail, head;
bool sleeps;
bool event;

chan from_producer = [3] of { mtype, byte }; /* store buffers */
chan from_consumer = [3] of { mtype, byte };

/* consumer */
byte vault_head, effects;
mtype pc = SCAN;
byte seen, item, taken;      /* lost at a kill; taken: in this turn */
byte kills = KILLS;
bool other_waits;
byte turns_waited;

active proctype Buffers() {
    byte v;
end:
    do
    :: d_step { len(from_producer) > 0 ->
                if
                :: from_producer?SLOT0(v) -> slot[0] = v
                :: from_producer?SLOT1(v) -> slot[1] = v
                :: from_producer?TAIL(v) -> tail = v
                fi;
                v = 0 }
    :: d_step { len(from_consumer) > 0 ->
                if
                :: from_consumer?HEAD(v) -> head = v
                :: from_consumer?SLEEPS(v) -> sleeps = v
                fi;
                v = 0 }
    od
}

#ifndef HOSTILE
active proctype Producer() {
    byte n = 0;
    do
    :: n < ITEMS ->
        (n - head) < SIZE; /* room */
        d_step { if :: n % SIZE == 0 -> from_producer!SLOT0(n + 1) :: else -> from_producer!SLOT1(n + 1) fi };
        n++;
        from_producer!TAIL(n);
#ifndef NOFENCEP
        len(from_producer) == 0; /* fence */
#endif
        if
        :: sleeps -> len(from_producer) == 0; event = true /* a system call drains the buffer */
        :: else -> skip
        fi
    :: else -> break
    od;
    vault_head == ITEMS; /* else the consumer sleeps over an item */
    assert(effects == ITEMS)
}
#define HONEST_ITEM assert(item == vault_head + 1)
#else
#define HONEST_ITEM assert(item <= 1)
active proctype Hostile() {
    byte v;
end:
    do
    :: atomic { select(v : 0 .. MODULUS - 1); tail = v; v = 0 }
    :: slot[0] = 1 - slot[0]
    :: slot[1] = 3 - slot[1] /* 3: an item that must be refused */
    :: event = true
    :: sleeps = !sleeps
    :: atomic { select(v : 0 .. MODULUS - 1); head = v; v = 0 }
    od
}
active proctype Other() { /* another client of the same server */
end:
    do
    :: d_step { !other_waits -> other_waits = true; turns_waited = 0 }
    od
}
#endif

#define PENDING(t) (((t) + MODULUS - vault_head) % MODULUS)
#ifdef NOVALIDATE
#define VALID(t) true
#else
#define VALID(t) (PENDING(t) <= SIZE)
#endif
#ifdef REFETCH
#define LAST tail
#else
#define LAST seen
#endif

active proctype Consumer() {
end:
    do
    :: atomic { pc == RESTART -> from_consumer!HEAD(vault_head); pc = SCAN }
    :: d_step { pc == SCAN && !(VALID(tail)) -> pc = FAULTY } /* never here when honest */
    :: d_step { pc == SCAN && VALID(tail) ->
                seen = tail;
                if
                :: PENDING(seen) == 0 -> pc = ARM
                :: else -> pc = COPY
                fi }
#ifdef HEADFIRST
    :: atomic { pc == COPY -> from_consumer!HEAD(vault_head + 1); pc = EARLY }
    :: d_step { pc == EARLY ->
#else
    :: d_step { pc == COPY ->
#endif
                item = slot[vault_head % SIZE];
                if
                :: item > 1 && HOSTILE_RUN -> pc = FAULTY /* never here when honest */
#ifdef TWICEREAD
                :: else -> pc = USE
#elif defined(HEADALONE)
                :: else -> vault_head = (vault_head + 1) % MODULUS; pc = EFFECT
#else
                :: else -> pc = EFFECT
#endif
                fi }
#ifdef TWICEREAD
    :: d_step { pc == USE -> item = slot[vault_head % SIZE]; pc = EFFECT }
#endif
    :: d_step { pc == EFFECT -> /* the commit */
#ifndef HEADALONE
                HONEST_ITEM;
                vault_head = (vault_head + 1) % MODULUS;
#endif
                effects = (HOSTILE_RUN -> 0 : effects + 1);
                taken++; assert(taken <= SIZE); item = 0; pc = PUBLISH }
    :: atomic { pc == PUBLISH -> from_consumer!HEAD(vault_head);
                d_step {
                    if
                    :: PENDING(LAST) != 0 -> pc = COPY
                    :: else -> pc = TURN
                    fi } }
    :: d_step { pc == TURN -> /* back to the waitset: others come first */
                taken = 0; pc = SCAN;
#ifdef NOTURN
                if
                :: other_waits -> turns_waited++; assert(turns_waited <= 1)
                :: else -> skip
                fi
#else
                other_waits = false
#endif
              }
    :: atomic { pc == ARM -> from_consumer!SLEEPS(1); pc = FENCE }
#ifdef NOFENCEC
    :: d_step { pc == FENCE -> pc = RECHECK }
#else
    :: d_step { pc == FENCE && len(from_consumer) == 0 -> pc = RECHECK }
#endif
#ifdef NORECHECK
    :: d_step { pc == RECHECK -> pc = SLEEP }
#elif defined(CLEARLATE)
    :: d_step { pc == RECHECK && tail == vault_head -> pc = CLEAR }
    :: d_step { pc == CLEAR -> event = false; pc = SLEEP }
    :: atomic { pc == RECHECK && tail != vault_head -> from_consumer!SLEEPS(0); pc = SCAN }
#else
    :: d_step { pc == RECHECK && tail == vault_head -> pc = SLEEP }
    :: atomic { pc == RECHECK && tail != vault_head -> from_consumer!SLEEPS(0); pc = SCAN }
#endif
    :: atomic { pc == SLEEP && event && len(from_consumer) == 0 ->
                event = false; other_waits = false; from_consumer!SLEEPS(0); pc = SCAN }
    :: d_step { pc == SLEEP && other_waits -> other_waits = false; pc = SCAN } /* never here when honest */
    :: d_step { kills > 0 && len(from_consumer) == 0 && pc != FAULTY ->
                kills--; seen = 0; item = 0; taken = 0;
#ifdef NORESCAN
                pc = SLEEP
#elif !defined(NOREPUBLISH)
                pc = RESTART
#else
                pc = SCAN
#endif
              }
    od
}
