/* Supervisor: restart, update with probation, roll-back, while the supervisor itself is killed.
 *
 * Theory. The supervisor keeps no truth of its own but its vault (which program, which phase); what runs, what exited
 * and why, and who has the endpoint is level state of the kernel. So it is a loop that looks, decides, and does one
 * thing, and it may die between any two. Safe are: creating by tag, so that looking twice makes no second (the tag stays
 * taken until the exit is reaped, or a successor could run, and fail, before its predecessor's failure is judged);
 * reaping an exit in the commit that records what follows from it; an endpoint that the kernel hands, with the
 * vault, to one instance only, after the one before has stopped; a new version that reads the vault only
 * then, and writes the old format until the supervisor's commit has made a way back impossible.
 *
 * Covers restart.md rules 4 (hand-over after the stop), 12 (create-or-get), 13 (exits as level state), 16 (poison,
 * outside kills count for nothing), 17 (update), 18 (supervisor restarted).
 * Each d_step is one system call, or one commit, of the supervisor or a service.
 *
 * Shown: never two instances with a call in hand; the old program never meets the new format; no instance acts on a state
 * that is not the vault's; every call is answered once, none is poisoned by the update; a bad new version
 * (crashes at its start, or at each call) ends with the old program running, a good one that did not crash with the
 * new, whatever was killed from outside; at the end one instance lives. Nothing is stuck.
 *
 * Bounds: three calls, one update, two outside kills, two crashes of the supervisor, one crash of a good
 * program (four calls, three and three with --deep). A third kill would meet a phase that two already met.
 *
 * MUTANT RESUME       rule 17: the old instance is suspended, and resumed at a roll-back
 * MUTANT SNAPSHOT     rule 17: a roll-back restores the vault of the update's beginning
 * MUTANT NEWFORMAT    rule 17: the new version writes its own format in probation
 * MUTANT PERMITEARLY  rule 17: the new format is permitted before the commit that ends the probation
 * MUTANT EARLYLOAD    rules 4, 17: the new version reads the vault while the old one still serves
 * MUTANT NOGUARD      rule 4: the endpoint is handed over before the old instance has stopped
 * MUTANT CREATETWICE  rule 12: creating is not by tag
 * MUTANT EAGER+OUTSIDE=0+SUPERVISOR=0     rule 12: the tag is free at the exit, not when the exit is reaped
 * MUTANT REAPFIRST    rule 13: an exit is reaped in a step before the commit
 * MUTANT COUNTOUTSIDE rule 16: a kill from outside counts as a failure of the update
 * MUTANT PATIENT      rules 16, 17: the roll-back waits for three crashes
 * DEEP -DCALLS=4 -DOUTSIDE=3 -DSUPERVISOR=3
 */
#ifndef CALLS
#define CALLS 3
#endif
#ifndef OUTSIDE
#define OUTSIDE 2
#endif
#ifndef SUPERVISOR
#define SUPERVISOR 2
#endif
#define POISON 3
#define NOBODY 3

mtype = { ABSENT, CREATED, SERVING, STOPPING, SUSPENDED, EXITED }; /* an instance */
mtype = { OLD, NEW };
mtype = { STEADY, UPDATING, PROBATION };
mtype = { GOOD, BADSTART, BADCALL };
mtype = { NOTHING, CREATE, ATTACH, KILL, REAP };           /* what the supervisor is about to do */
mtype = { FAULT, KILLED };

/* kernel: instances, the endpoint and its one call */
mtype at[3] = ABSENT;
mtype program[3];
mtype cause[3];
bool hand[3];
bool loaded[3];
byte cache[3];           /* what the instance derived from the vault */
byte attached = NOBODY;
bool queued, answered;
byte faults;             /* of the call */

/* the service's vault */
byte effects;
mtype format = OLD;
byte saved;              /* SNAPSHOT */

/* the supervisor: vault, table read by services, and what a crash loses */
mtype phase = STEADY, current = OLD;
bool update_wanted = true;
bool permit;
mtype act = NOTHING;
mtype what;              /* program to create */
byte whom;
bool rolling_back;       /* REAPFIRST: still to be committed */
byte crashes;

mtype quality;
bool proved;             /* level state: the new version has answered a call in its probation */
bool faulted;            /* a good new version crashed in its probation */
byte outside = OUTSIDE, supervisor_kills = SUPERVISOR, good_faults = 1;
bool settled;

#define IS(i, p) (at[i] != ABSENT && at[i] != EXITED && program[i] == (p))
#ifdef EAGER
#define TAGGED(i, p) IS(i, p)
#else
#define TAGGED(i, p) (at[i] != ABSENT && program[i] == (p)) /* until its exit is reaped */
#endif
#define SOME_OF(p) (IS(0, p) || IS(1, p) || IS(2, p))
#ifdef CREATETWICE
#define EXISTS(p) false
#else
#define EXISTS(p) (TAGGED(0, p) || TAGGED(1, p) || TAGGED(2, p))
#endif
#define WANTED (phase == STEADY -> current : NEW)

/* ---- a service instance ---- */

inline exit_(i, why) {
    cause[i] = why; at[i] = EXITED; loaded[i] = false; cache[i] = 0;
    if
    :: hand[i] && !answered -> queued = true
    :: else -> skip
    fi;
    if
    :: hand[i] && why == FAULT -> faults++; assert(faults < POISON)
    :: else -> skip
    fi;
    hand[i] = false;
    if
    :: attached == i -> attached = NOBODY
    :: else -> skip
    fi
}

inline load(i) {
    loaded[i] = true; cache[i] = effects;
    assert(program[i] == NEW || format == OLD)
}

inline crash(i) {
    if
    :: program[i] == NEW && phase != STEADY -> faulted = true
    :: else -> skip
    fi;
    exit_(i, FAULT)
}

proctype Instance(byte i) {
end:
    do
#ifdef EARLYLOAD
    :: d_step { at[i] == CREATED && !loaded[i] -> load(i) }
#endif
    :: d_step { at[i] == SERVING && !loaded[i] && !(program[i] == NEW && quality == BADSTART) -> load(i) }
    :: d_step { at[i] == SERVING && !loaded[i] && program[i] == NEW && quality == BADSTART -> crash(i) }
    :: d_step { at[i] == SERVING && loaded[i] && attached == i && queued && !hand[i] ->
                queued = false; hand[i] = true; assert(!(hand[0] && hand[1]) && !(hand[0] && hand[2]) && !(hand[1] && hand[2])) }
    :: d_step { at[i] == SERVING && hand[i] && program[i] == NEW && quality == BADCALL -> crash(i) }
    :: d_step { (at[i] == SERVING || at[i] == STOPPING) && hand[i] && !(program[i] == NEW && quality == BADCALL) ->
                assert(cache[i] == effects);
                effects++; cache[i] = effects; hand[i] = false; answered = true;
#ifdef NEWFORMAT
                if
                :: program[i] == NEW -> format = NEW
                :: else -> skip
                fi;
#endif
                if
                :: program[i] == NEW && phase == PROBATION -> proved = true
                :: else -> skip
                fi }
    :: d_step { at[i] == SERVING && loaded[i] && program[i] == NEW && permit && format == OLD -> format = NEW }
    :: d_step { at[i] == STOPPING -> /* every processor has acknowledged */
#ifdef RESUME
                if
                :: phase == UPDATING && program[i] == OLD && !hand[i] ->
                    at[i] = SUSPENDED;
                    if
                    :: attached == i -> attached = NOBODY
                    :: else -> skip
                    fi
                :: else -> exit_(i, KILLED)
                fi
#else
                exit_(i, KILLED)
#endif
              }
    :: d_step { good_faults > 0 && at[i] == SERVING && (program[i] == OLD || quality == GOOD) -> good_faults--; crash(i) }
    :: d_step { outside > 0 && (at[i] == SERVING || at[i] == CREATED) -> outside--; at[i] = STOPPING }
    od
}

/* ---- the supervisor ---- */

/* The commit that follows from an exit: reaping is part of it. */
inline judge(i) {
    if
#ifdef COUNTOUTSIDE
    :: program[i] == NEW && phase != STEADY ->
#elif defined(PATIENT)
    :: program[i] == NEW && phase != STEADY && cause[i] == FAULT && crashes < 2 -> crashes++
    :: program[i] == NEW && phase != STEADY && cause[i] == FAULT && crashes == 2 ->
#else
    :: program[i] == NEW && phase != STEADY && cause[i] == FAULT ->
#endif
        roll_back()
    :: else -> skip
    fi
}

inline roll_back() {
#ifdef REAPFIRST
    rolling_back = true;
#else
    phase = STEADY; current = OLD; update_wanted = false;
#ifdef SNAPSHOT
    effects = saved;
#endif
#endif
}

inline reap(i) {
    judge(i);
    at[i] = ABSENT; cause[i] = 0; program[i] = 0
}

inline create(p, i) {
    if
    :: EXISTS(p) -> skip /* by tag: it is there */
    :: !EXISTS(p) && at[0] == ABSENT -> at[0] = CREATED; program[0] = p
    :: !EXISTS(p) && at[0] != ABSENT && at[1] == ABSENT -> at[1] = CREATED; program[1] = p
    :: !EXISTS(p) && at[0] != ABSENT && at[1] != ABSENT && at[2] == ABSENT -> at[2] = CREATED; program[2] = p
    :: else -> skip
    fi
}

/* attach: the kernel refuses while another instance has the endpoint */
inline attach(i) {
    if
#ifdef NOGUARD
    :: (at[i] == CREATED) && (attached == NOBODY || at[attached] == STOPPING) -> at[i] = SERVING; attached = i
#else
    :: at[i] == CREATED && attached == NOBODY -> at[i] = SERVING; attached = i
#endif
    :: else -> skip
    fi
}

#ifdef NOGUARD
#define ENDPOINT_FREE (attached == NOBODY || at[attached] == STOPPING)
#else
#define ENDPOINT_FREE (attached == NOBODY)
#endif
#ifdef CREATETWICE
#define NEEDED(p) !known
bool known;
#else
#define NEEDED(p) !EXISTS(p)
#endif
#define ALL_USED (at[0] != ABSENT && at[1] != ABSENT && at[2] != ABSENT)
#define LIVES(i) (at[i] == CREATED || at[i] == SERVING)

#define DECIDE(i) \
    :: d_step { act == NOTHING && at[i] == EXITED -> act = REAP; whom = i } \
    :: d_step { act == NOTHING && at[i] == CREATED && program[i] == WANTED && ENDPOINT_FREE -> act = ATTACH; whom = i } \
    :: d_step { act == NOTHING && LIVES(i) && phase == STEADY && program[i] != current -> act = KILL; whom = i } \
    :: d_step { act == NOTHING && at[i] == SERVING && phase == UPDATING && program[i] == OLD && SOME_OF(NEW) -> act = KILL; whom = i } \
    :: d_step { act == NOTHING && at[i] == CREATED && phase != STEADY && program[i] == OLD -> act = KILL; whom = i } \
    :: d_step { act == NOTHING && at[i] == SERVING && phase == UPDATING && program[i] == NEW -> phase = PROBATION }

#define RESUME_OLD(i) \
    :: d_step { phase == STEADY && current == OLD && attached == NOBODY && at[i] == SUSPENDED -> \
                at[i] = SERVING; attached = i } \
    :: d_step { phase == STEADY && current == NEW && at[i] == SUSPENDED -> at[i] = EXITED }

active proctype Supervisor() {
    byte i;
end:
    do
    DECIDE(0)
    DECIDE(1)
    DECIDE(2)
#ifdef RESUME
    RESUME_OLD(0)
    RESUME_OLD(1)
    RESUME_OLD(2)
#endif
    :: d_step { act == NOTHING && NEEDED(WANTED) && !ALL_USED -> act = CREATE; what = WANTED }
    :: d_step { act == NOTHING && phase == STEADY && current == OLD && update_wanted && attached != NOBODY ->
                phase = UPDATING; saved = effects;
#ifdef CREATETWICE
                known = false
#endif
              }
    /* The end of the probation, then the permission. */
#ifdef PERMITEARLY
    :: d_step { act == NOTHING && phase == PROBATION && proved && !permit -> permit = true }
    :: d_step { act == NOTHING && phase == PROBATION && proved && permit ->
                phase = STEADY; current = NEW; update_wanted = false }
#else
    :: d_step { act == NOTHING && phase == PROBATION && proved -> phase = STEADY; current = NEW; update_wanted = false }
    :: d_step { act == NOTHING && phase == STEADY && current == NEW && !permit -> permit = true }
#endif
    /* Doing what was decided: much may have changed since. */
    :: d_step { act == CREATE -> create(what, i);
#ifdef CREATETWICE
                known = true;
#endif
                act = NOTHING }
    :: d_step { act == ATTACH -> attach(whom); act = NOTHING }
    :: d_step { act == KILL ->
                if
                :: LIVES(whom) -> at[whom] = STOPPING
                :: else -> skip
                fi;
                act = NOTHING }
    :: d_step { act == REAP -> reap(whom);
#ifdef CREATETWICE
                known = false;
#endif
                act = NOTHING }
#ifdef REAPFIRST
    :: d_step { rolling_back -> rolling_back = false; phase = STEADY; current = OLD; update_wanted = false }
#endif
    :: d_step { supervisor_kills > 0 && (act != NOTHING || rolling_back) ->
                supervisor_kills--; act = NOTHING; whom = 0; what = 0; rolling_back = false;
#ifdef CREATETWICE
                known = false
#endif
              }
    od
}

active proctype Client() {
    byte n;
    if
    :: quality = GOOD
    :: quality = BADSTART
    :: quality = BADCALL
    fi;
    atomic { run Instance(0); run Instance(1); run Instance(2) };
    do
    :: n < CALLS ->
        d_step { queued = true; answered = false; faults = 0 };
        d_step { answered -> n++; assert(effects == n) }
    :: else -> break
    od;
    settled = true
}

#define AWAY(i) (at[i] == ABSENT || at[i] == SUSPENDED)
#define ALONE(i) (at[i] == SERVING && loaded[i] && attached == (i) && \
                  AWAY(((i) + 1) % 3) && AWAY(((i) + 2) % 3))

#define update_pending (phase == STEADY && current == OLD && update_wanted)
active proctype Check() { /* at rest */
    d_step {
        settled && act == NOTHING && !rolling_back && (ALONE(0) || ALONE(1) || ALONE(2)) && phase != UPDATING &&
            !update_pending && program[attached] == WANTED ->
        assert(phase == PROBATION || quality == GOOD || current == OLD);
        assert(faulted || quality != GOOD || phase == PROBATION || current == NEW)
    }
}

