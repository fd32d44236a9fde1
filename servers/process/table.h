#pragma once
/* The table of processes: lookups, edits, and the two shared tables that follow it.
 *
 * As in ramfs: handlers read the vault, take edits, and table_finish stages them. The shared table
 * of processes is written with the staging, a moment before the commit: a successor writes all of
 * it again from the vault, so a commit that never came leaves no trace.
 *
 * Invariants: (T1) what a server restart must know is in the vault or is asked of the kernel; (T2)
 * at most TABLE_EDITS edits a commit. */
#include "lib/rt/server.h"
#include "servers/process/format.h"

enum {
    TABLE_EDITS = 6,
    HINTS = 2048,
    WAITERS = 512,
    NO_SLOT = UINT32_MAX,
    KEY_EXITS = 1,
    KEY_TIMER = 2
};

/* A call that waits: for a child's change, for SIGCONT, or (vfork) for the child's own image. */
struct waiter {
    uint64_t token; /* 0: free */
    uint32_t slot;  /* of the caller; with `fork`: of the child */
    bool stop, fork;
    struct process_wait_in wait;
};

struct slot_cache {
    handle_t process; /* copy of the keep's */
    uint64_t serial;  /* for which it and the page are */
    struct process_signal_page *_Nullable signals;
    uint64_t used_seen, look_ns; /* timers.c */
};

struct table_edit {
    uint32_t slot;
    struct slot_record record;
};

struct processes {
    struct rt_server *_Nonnull server;
    const struct process_vault *_Nonnull vault;
    struct process_table_slot (*_Nonnull shared)[PROCESS_COUNT];
    struct process_principal_entry (*_Nonnull principals)[PRINCIPAL_COUNT];
    handle_t domain, timer;
    uint32_t slot_limit;              /* no slot in use from here on */
    uint32_t info_limit, timer_limit; /* nor a siginfo, nor a timer */
    uint32_t edit_count;
    struct table_edit edits[TABLE_EDITS];
    struct process_super super; /* staged where super_edited */
    bool super_edited;
    struct unsupported_record unsupported; /* room for the next one */
    uint16_t by_serial[HINTS], by_pid[HINTS];
    struct slot_cache cache[PROCESS_COUNT];
    struct waiter waiters[WAITERS];
    uint32_t waiter_limit;  /* no waiter from here on */
    uint32_t numbers[1024]; /* room for answers */
};

void table_begin(struct processes *_Nonnull ps);
status_t table_finish(struct processes *_Nonnull ps);
/* Drops edits that were staged and not committed, and what the shared table says of them. */
void table_abandon(struct processes *_Nonnull ps);
/* Stages and applies now. A refused commit is a defect: the process ends. */
void table_commit(struct processes *_Nonnull ps);
/* The edit of a slot; null: there is none. */
const struct slot_record *_Nullable slot_edited(const struct processes *_Nonnull ps, uint32_t slot);
/* The record as it will be. */
static inline const struct slot_record *_Nonnull slot_at(const struct processes *_Nonnull ps,
                                                         uint32_t slot) {
    const struct slot_record *there = ps->edit_count == 0 ? nullptr : slot_edited(ps, slot);
    return there != nullptr ? there : &ps->vault->slots[slot];
}
struct slot_record *_Nonnull slot_edit(struct processes *_Nonnull ps, uint32_t slot);
struct process_super *_Nonnull super_edit(struct processes *_Nonnull ps);

/* Nobody outside of the group, but in its session, is a parent of a member. */
bool group_orphaned(struct processes *_Nonnull ps, uint32_t group, uint32_t session);

/* NO_SLOT: none. */
uint32_t slot_by_pid(struct processes *_Nonnull ps, uint32_t pid);
uint32_t slot_by_serial(struct processes *_Nonnull ps, uint64_t serial);
uint32_t slot_free(const struct processes *_Nonnull ps);
/* The caller's own. Errors: no_process: the caller is no program. */
status_t slot_of_caller(struct processes *_Nonnull ps, const struct rt_request *_Nonnull request,
                        uint32_t *_Nonnull out);
/* The next pid to be given; stages the counter. */
uint32_t pid_take(struct processes *_Nonnull ps);
/* This process's handle of a slot's Process. Stays the cache's. */
status_t slot_process(struct processes *_Nonnull ps, uint32_t slot, handle_t *_Nonnull out);
struct process_signal_page *_Nullable slot_signals(struct processes *_Nonnull ps, uint32_t slot);
/* A handle of what the keep has, with `rights`. */
status_t keep_share(const struct processes *_Nonnull ps, uint32_t slot, uint32_t rights,
                    handle_t *_Nonnull out);

/* The number of a principal with these ids, made if there is none yet: staged with the rest.
 * Errors: OUT_OF_QUOTA. */
status_t principal_make(struct processes *_Nonnull ps,
                        const struct process_principal_entry *_Nonnull wanted,
                        uint32_t *_Nonnull out);
const struct process_principal_entry *_Nonnull principal_at(const struct processes *_Nonnull ps,
                                                            uint32_t number);
uint64_t record_sum(const uint64_t *_Nonnull record, size_t size);
/* Reads everything again after a start. */
void table_rebuild(struct processes *_Nonnull ps);
/* Makes the shared tables where the keep has none, and maps them. */
void table_share(struct processes *_Nonnull ps);
