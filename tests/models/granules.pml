/* Granules of the page cache: clean, dirty, writing, with credit, write-back by transactions, and a pager that is killed.
 *
 * Theory. The page cache outlives the file system, so the kernel alone says what is dirty: only `committed` makes clean,
 * and a death turns everything that was being written back into dirty. A write during write-back goes to a
 * copy and takes a credit of its own, since it will need space of its own. Credits are promises of the
 * instance that gave them: they die with it, and its successor counts the dirty granules and promises anew. What the
 * old instance sent to the device must be fenced off before its blocks are used again. A read from disk that was
 * begun before a granule was written must never be supplied after: "supplying a present page does
 * nothing" does not cover a granule that was written, committed and evicted in between.
 *
 * Covers memory.md rules 10 to 14 (granules, credit, states, one writer, eviction of clean granules only), restart.md 13
 * (dirty pages as level state), architecture.md 3 (block fenced). latticefs: copy on write, one transaction at a time.
 *
 * Shown: nothing is evicted or supplied but the latest content; what reaches the disk is what was collected, both granules of
 * one moment (the writer writes 0 before 1, so disk 1 is never newer than disk 0); fsync() is true; there
 * is always a block for what was promised; writer, fsync and truncation end.
 *
 * Bounds: two granules, two rounds of writes to both (whole or in part), three spare blocks, two kills of the file
 * system, two evictions, one fsync, one truncation, one read in flight (three rounds and kills with --deep). Two granules are
 * the least that can be torn; the second kill hits the recovery from the first.
 *
 * MUTANT DEADCLEAN     rule 12: death turns writing into clean
 * MUTANT EARLYCLEAN    rule 12: `committed` comes before the transaction is durable
 * MUTANT LOSTREDIRTY   rule 12: `committed` makes clean what was written since the collection
 * MUTANT INPLACE       rule 12: a write during write-back changes the page that is being sent
 * MUTANT TORN          rule 12: granules are collected one after the other
 * MUTANT REDIRTYFREE   rule 11: a write during write-back takes no credit
 * MUTANT KEEPCREDIT    rule 11: credits outlive the instance that gave them
 * MUTANT NOFENCE       architecture 3: the old instance's writes are still under way in the device
 * MUTANT STALESUPPLY   rule 10: a read begun before the granule was written is supplied
 * MUTANT EVICTDIRTY    rule 15: a dirty granule is evicted
 * MUTANT WAITINSIDE    rule 14: the writer waits for the pager inside the writer slot
 * MUTANT NOLOOKAGAIN   rule 14: credit and presence are not looked at again inside the slot
 * DEEP -DROUNDS=3
 * DEEP -DKILLS=3
 */
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef KILLS
#define KILLS 2
#endif
#define SPARE 3

mtype = { ABSENT, CLEAN, DIRTY, WRITING, REDIRTY };       /* REDIRTY: writing, and the copy is dirty */
mtype = { NONE, COLLECTING, SENDING, WRITTEN, DURABLE };  /* the transaction */
mtype = { QUEUED, INHAND, DONE };
mtype = { FREE, WRITER, TRUNCATION };                     /* who is in the writer slot */

/* kernel: outlives the file system */
mtype state[2] = CLEAN;
byte cache[2];          /* content, as the number of the round that wrote it */
byte collected[2];      /* the page that the transaction holds */
byte checksum[2];       /* of its content, at the collection */
byte credit;
mtype slot = FREE;
bool wants_page[2], wants_credit;

/* device: durable is what the last superblock names; shadow is the block that the next will name */
byte durable[2];
byte shadow[2];
bool sent[2];           /* the write is under way */
byte stray[2];          /* NOFENCE: a write of a dead instance under way: content + 1 */
byte blocks = SPARE;    /* free */

/* file system: lost at a kill */
mtype transaction = NONE;
bool in_transaction[2];
byte promised;          /* blocks promised: credits given and dirty granules */
bool reading[2];
byte read_value[2];
bool joined;            /* an fsync waits for this transaction */
bool waits_for_slot;

byte latest[2];         /* what programs wrote last */
byte target[2];
mtype sync_at = NONE, truncate_at = NONE;
byte kills = KILLS, evictions = 2;
bool written, synced, truncated;

#define READY_TO_WRITE(g, whole) \
    (state[g] == DIRTY || state[g] == REDIRTY || \
     ((state[g] == CLEAN || (state[g] == ABSENT && whole)) && credit > 0) || \
     (state[g] == WRITING && COPY_CREDIT))
#ifdef REDIRTYFREE
#define COPY_CREDIT true
#else
#define COPY_CREDIT (credit > 0)
#endif
#define NEEDS_PAGE(g, whole) (state[g] == ABSENT && !whole)

inline do_write(g, n) {
    assert(state[g] == DIRTY || state[g] == REDIRTY || credit > 0 || (state[g] == WRITING && COPY_CREDIT));
    assert(state[g] != ABSENT || whole);
    if
    :: state[g] == CLEAN || state[g] == ABSENT -> credit--; state[g] = DIRTY
    :: state[g] == WRITING ->
        state[g] = REDIRTY;
#ifndef REDIRTYFREE
        credit--;
#endif
    :: else -> skip
    fi;
#ifdef INPLACE
    if
    :: state[g] == REDIRTY -> collected[g] = n
    :: else -> skip
    fi;
#endif
    cache[g] = n; latest[g] = n;
    wants_credit = false; wants_page[g] = false;
    slot = FREE
}

inline ask(g) { /* a page request: for the page, or for credit */
    if
    :: NEEDS_PAGE(g, whole) -> wants_page[g] = true
    :: else -> wants_credit = true
    fi
}

#ifdef NOLOOKAGAIN
#define LOOK_AGAIN(g, whole) true
#else
#define LOOK_AGAIN(g, whole) READY_TO_WRITE(g, whole)
#endif

inline write(g, n) {
    if
    :: whole = true
    :: whole = false
    fi;
    do
#ifndef WAITINSIDE
    :: d_step { !inside && READY_TO_WRITE(g, whole) -> prepared = true; wants_credit = false; wants_page[g] = false }
    :: d_step { !inside && !prepared && !READY_TO_WRITE(g, whole) && !wants_page[g] && !wants_credit -> ask(g) }
    :: d_step { prepared && !inside && slot == FREE -> slot = WRITER; inside = true }
    :: d_step { inside && LOOK_AGAIN(g, whole) -> do_write(g, n); inside = false; prepared = false }; break
    :: d_step { inside && !LOOK_AGAIN(g, whole) -> slot = FREE; inside = false; prepared = false }
#else
    :: d_step { !inside && slot == FREE -> slot = WRITER; inside = true }
    :: d_step { inside && !READY_TO_WRITE(g, whole) && !wants_page[g] && !wants_credit -> ask(g) }
    :: d_step { inside && READY_TO_WRITE(g, whole) -> do_write(g, n); inside = false }; break
#endif
    od
}

active proctype Writer() {
    byte n = 1;
    bool whole, inside, prepared;
    do
    :: n <= ROUNDS -> write(0, n); write(1, n); n++
    :: else -> break
    od;
    written = true
}

active proctype Fsync() {
    d_step { latest[0] > 0 -> target[0] = latest[0]; target[1] = latest[1]; sync_at = QUEUED };
    d_step { sync_at == DONE -> assert(durable[0] >= target[0] && durable[1] >= target[1]) };
    synced = true
}

active proctype Truncation() {
    truncate_at = QUEUED;
    truncate_at == DONE;
    truncated = true
}

inline evict(g) {
    evictions--; state[g] = ABSENT;
    assert(durable[g] == latest[g]);
    cache[g] = 0
}
#ifdef EVICTDIRTY
#define EVICTABLE(g) (state[g] == CLEAN || state[g] == DIRTY)
#else
#define EVICTABLE(g) (state[g] == CLEAN)
#endif

active proctype Reclaim() {
end:
    do
    :: d_step { evictions > 0 && EVICTABLE(0) -> evict(0) }
    :: d_step { evictions > 0 && EVICTABLE(1) -> evict(1) }
    od
}

active proctype Device() {
end:
    do
    :: d_step { sent[0] -> sent[0] = false; shadow[0] = collected[0] }
    :: d_step { sent[1] -> sent[1] = false; shadow[1] = collected[1] }
#ifdef NOFENCE
    :: d_step { stray[0] > 0 -> shadow[0] = stray[0] - 1; stray[0] = 0 }
    :: d_step { stray[1] > 0 -> shadow[1] = stray[1] - 1; stray[1] = 0 }
#endif
    od
}

#define IS_DIRTY(g) (state[g] == DIRTY)
#define BUSY_WITH(g) (state[g] == WRITING || state[g] == REDIRTY)

inline collect(g) {
    if
    :: IS_DIRTY(g) && !in_transaction[g] ->
        assert(blocks > 0 && promised > 0); /* every dirty granule was promised a block */
        blocks--; promised--;
        state[g] = WRITING; collected[g] = cache[g]; checksum[g] = cache[g];
        in_transaction[g] = true; sent[g] = true
    :: else -> skip
    fi;
#ifndef STALESUPPLY
    if
    :: in_transaction[g] -> reading[g] = false /* a read begun before is void */
    :: else -> skip
    fi
#endif
}

inline make_durable(g) {
    if
    :: in_transaction[g] ->
        assert(shadow[g] == checksum[g]); /* what was checksummed is what is there */
        assert(shadow[g] >= durable[g]);
        durable[g] = shadow[g]; blocks++
    :: else -> skip
    fi
}

inline clean(g) {
    if
    :: in_transaction[g] ->
        if
#ifdef LOSTREDIRTY
        :: state[g] == WRITING || state[g] == REDIRTY -> state[g] = CLEAN
#else
        :: state[g] == WRITING -> state[g] = CLEAN
        :: state[g] == REDIRTY -> state[g] = DIRTY
#endif
        :: else -> skip
        fi
    :: else -> skip
    fi
}

inline end_transaction() {
    in_transaction[0] = false; in_transaction[1] = false; transaction = NONE;
    if
    :: joined -> joined = false; sync_at = DONE
    :: else -> skip
    fi
}

inline supply(g) {
    reading[g] = false; wants_page[g] = false;
    if
    :: state[g] == ABSENT ->
        assert(read_value[g] == latest[g]);
        state[g] = CLEAN; cache[g] = read_value[g]
    :: else -> skip /* it is present */
    fi;
    read_value[g] = 0
}

inline die(g) {
    if
#ifdef DEADCLEAN
    :: BUSY_WITH(g) -> state[g] = CLEAN
#else
    :: BUSY_WITH(g) -> state[g] = DIRTY
#endif
    :: else -> skip
    fi;
    if
    :: in_transaction[g] && transaction != DURABLE -> blocks++ /* the new instance never heard of it */
    :: else -> skip
    fi;
#ifdef NOFENCE
    if
    :: sent[g] -> stray[g] = collected[g] + 1
    :: else -> skip
    fi;
#endif
    sent[g] = false; in_transaction[g] = false; reading[g] = false; read_value[g] = 0;
    wants_page[g] = false /* asked again by the kernel: the writer asks again */
}

#define AWAKE (!waits_for_slot)
#define READ_BEGIN(g) d_step { AWAKE && !reading[g] && state[g] == ABSENT -> /* asked, or ahead */ \
                               reading[g] = true; read_value[g] = durable[g] }
#define SUPPLY(g) d_step { AWAKE && reading[g] -> supply(g) }

active proctype FileSystem() {
end:
    do
    :: READ_BEGIN(0)
    :: READ_BEGIN(1)
    :: SUPPLY(0)
    :: SUPPLY(1)
    :: d_step { AWAKE && wants_credit && credit == 0 && promised < blocks -> credit++; promised++; wants_credit = false }
    :: d_step { AWAKE && sync_at == QUEUED && transaction == NONE -> sync_at = INHAND; joined = true }
    :: d_step { AWAKE && joined && transaction == NONE && !IS_DIRTY(0) && !IS_DIRTY(1) ->
                joined = false; sync_at = DONE }
#ifdef TORN
    :: d_step { AWAKE && transaction == NONE && (IS_DIRTY(0) || IS_DIRTY(1)) -> collect(0); transaction = COLLECTING }
    :: d_step { AWAKE && transaction == COLLECTING -> collect(1); transaction = SENDING }
#else
    :: d_step { AWAKE && transaction == NONE && (IS_DIRTY(0) || IS_DIRTY(1)) -> collect(0); collect(1); transaction = SENDING }
#endif
#ifdef EARLYCLEAN
    :: d_step { AWAKE && transaction == SENDING && !sent[0] && !sent[1] -> clean(0); clean(1); transaction = WRITTEN }
    :: d_step { AWAKE && transaction == WRITTEN -> make_durable(0); make_durable(1); transaction = DURABLE }
    :: d_step { AWAKE && transaction == DURABLE -> end_transaction() }
#else
    :: d_step { AWAKE && transaction == SENDING && !sent[0] && !sent[1] -> transaction = WRITTEN }
    :: d_step { AWAKE && transaction == WRITTEN -> make_durable(0); make_durable(1);
                assert(durable[1] <= durable[0]); transaction = DURABLE }
    :: d_step { AWAKE && transaction == DURABLE -> clean(0); clean(1); end_transaction() }
#endif
    :: d_step { AWAKE && truncate_at == QUEUED -> truncate_at = INHAND; waits_for_slot = true }
    :: d_step { waits_for_slot && slot == FREE -> waits_for_slot = false; truncate_at = DONE }
    :: d_step { kills > 0 ->
           kills--;
           die(0); die(1);
#ifndef KEEPCREDIT
           credit = 0;
#endif
           wants_credit = false;
           promised = (state[0] == DIRTY) + (state[1] == DIRTY);
           transaction = NONE; joined = false; waits_for_slot = false;
           if
           :: sync_at == INHAND -> sync_at = QUEUED
           :: else -> skip
           fi;
           if
           :: truncate_at == INHAND -> truncate_at = QUEUED
           :: else -> skip
           fi }
    od
}

active proctype Check() {
    d_step {
        written && synced && truncated && state[0] != DIRTY && state[1] != DIRTY && transaction == NONE ->
        assert(durable[0] == latest[0] && durable[1] == latest[1])
    }
}
