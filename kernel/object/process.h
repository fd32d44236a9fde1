#pragma once
/* Processes: a handle table that refers to a space, with threads. A process ends when it is killed,
 * when a fault has nowhere to go, or when its last thread exits:
 *
 *   NEW ── first thread starts ──► RUNNING ── process_kill ──► DYING ── process_end_step ──► DEAD
 *
 * DYING: threads stop on every processor; then (restart.md, 4) the calls it held are queued again,
 * its handles are closed, its space is released; only then is the exit announced (memory.md, 4). A
 * dead process stays listed in its domain until SET_FORGET. */
#include "abi/info.h"
#include "abi/syscall.h"
#include "kernel/ipc/source.h"
#include "kernel/object/handle.h"

struct space;
struct thread;
struct request;
struct event;

struct process {
    struct object object;
    struct handle_table table;
    struct space *_Nullable space; /* referenced; null when dead */
    struct list threads;           /* by process_link */
    uint32_t thread_count;
    struct list held;        /* requests in hand, by link */
    struct list domain_link; /* in its domain's processes */
    struct list exit_link;   /* in its domain's exits, until reported */
    struct source source;    /* its exit */
    enum process_state state;
    enum exit_cause cause;
    int64_t exit_code;
    uint64_t tag;
    uint32_t principal, service, priority_ceiling;
    uint64_t upcall; /* 0: foreign calls are refused */
    uint64_t runtime_start, runtime_length;
    uint64_t sequence_start, sequence_length, sequence_check; /* restartable sequence */
    uint64_t run_ticks, started_ns, calls_made, faults, foreign_calls;
    uint64_t fault_address, fault_counter;
    uint32_t fault_kind;
    uint32_t end_stage;
    char name[32];
};

/* Create-or-get by (domain, tag) where tag != 0. `space` null: a new one.
 * Errors: allocation, quota. */
status_t process_create(struct domain *_Nonnull domain, struct space *_Nullable space, uint64_t tag,
                        struct process *_Nullable *_Nonnull out) LOCKED;
struct process *_Nullable process_find_tag(struct domain *_Nonnull domain, uint64_t tag) LOCKED;
void process_kill(struct process *_Nonnull process, int64_t code, enum exit_cause cause) LOCKED;
/* A bounded step of dying; true when the process is DEAD. */
bool process_end_step(struct process *_Nonnull process) LOCKED;
bool process_destroy_step(struct process *_Nonnull process) LOCKED;
void process_forget(struct process *_Nonnull process) LOCKED;
/* A thread has left. */
void process_thread_gone(struct process *_Nonnull process) LOCKED;
status_t process_clone(struct process *_Nonnull source, struct thread *_Nonnull caller,
                       struct domain *_Nonnull domain, uint64_t tag, uint32_t flags,
                       struct process *_Nullable *_Nonnull out) LOCKED;
status_t process_replace(struct process *_Nonnull process, struct space *_Nonnull space,
                         struct thread *_Nonnull survivor, uint64_t entry, uint64_t stack,
                         uint64_t argument) LOCKED;
