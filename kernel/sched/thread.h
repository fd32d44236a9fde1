#pragma once
/* Threads. A thread that waits is a state in this structure: the kernel has no other stack for it.
 * Whoever ends the wait sets the registers with which its system call returns, or makes it execute
 * the call again (thread_restart), and makes it ready. */
#include "abi/call.h"
#include "abi/info.h"
#include "kernel/arch/arch.h"
#include "kernel/object/object.h"
#include "kernel/sched/timer.h"

struct process;
struct request;
struct waitset;
struct memory;

struct thread {
    struct frame frame; /* first: the port's entry code saves registers here */
    struct object object;
    struct arch_thread arch;
    struct process *_Nonnull process; /* referenced */
    struct list process_link;
    enum thread_state state;
    uint32_t suspended; /* count; a suspended thread is not made ready */
    /* Single bits: what is asked together is asked at once. */
    bool dying : 1;         /* stops at its next entry into the kernel */
    bool ready_pending : 1; /* became ready while suspended */
    bool started : 1;
    bool registers_replaced : 1; /* the call under way loaded all registers: keep them */
    bool kicked : 1;             /* to be sent to its upcall before it runs in user space again */
    bool orphaned_call : 1;      /* its request went on as an orphan: not ours to free */
    uint32_t priority, weight;
    uint32_t cpu;      /* where it runs or ran last */
    uint32_t affinity; /* bit mask */
    bool queued;
    bool interruptible; /* its wait ends CANCELLED at a kick */
    struct list run_link;
    struct tree_node fair_node;
    uint64_t fair_time;
    struct list wait_link;
    struct list
        deferred_link;     /* woken with work that the kernel does for it: thread_run_deferred */
    bool fault_failed : 1; /* the page that it waits for cannot come */
    struct timer timer;
    struct object *_Nullable waits_on;
    /* What it waits for: futex: key; page: index and enum page_request. */
    uint64_t wait_key[2];
    uint32_t wait_bits;
    bool wait_reported : 1; /* the pager was told */
    bool fault_wait : 1;    /* it waits because of a fault, not in a system call */
    uint64_t fault_address;
    bool streaming : 1; /* a stream call is under way that has copied stream_done bytes */
    uint64_t stream_done;
    struct memory *_Nullable writes_to; /* holds its writer slot; referenced */
    struct request *_Nonnull request;   /* of the calls it makes */
    struct request
        *_Nullable handling; /* the call it received last and has not answered or parked */
    struct thread_page *_Nullable page;
    struct memory *_Nullable page_memory; /* thread page and staging page; wired; referenced */
    uint64_t page_address;
    const union page_content *_Nullable staging; /* the staging page: servers have one */
    uint32_t reply_handles; /* how many handles the commit under way gave to the client */
    uint32_t receive_slots; /* reserved in its process's table for the next call's handles */
    bool reply_only : 1;    /* this reply is not followed by a receive */
    uint64_t run_ticks, started_ticks;
    uint64_t clear_address;
    struct waitset *_Nullable woken_by;     /* woken to look again, and has not yet; referenced */
    struct waitset *_Nullable poll_waitset; /* of wait with WAIT_LIST; referenced */
};

/* A new, not yet started thread of `process`. Errors: DIED, allocation, quota. */
status_t thread_create(struct process *_Nonnull process, uint32_t priority, bool staging,
                       struct thread *_Nullable *_Nonnull out) LOCKED;
status_t thread_start(struct thread *_Nonnull thread, uint64_t entry, uint64_t stack,
                      uint64_t argument, uint64_t page_address) LOCKED;
/* Maps the thread page (and staging page) at `address` of its process's space. */
status_t thread_map_page(struct thread *_Nonnull thread, uint64_t address) LOCKED;
/* Adds it to its process's threads; it counts from now on. */
void thread_join_process(struct thread *_Nonnull thread) LOCKED;
/* Fork: maps the new thread's page where `from` has its own, with the same content. */
status_t thread_copy_page(struct thread *_Nonnull to, const struct thread *_Nonnull from) LOCKED;
/* Ends the thread; one that runs on another processor ends when that one enters the kernel. */
void thread_kill(struct thread *_Nonnull thread) LOCKED;
bool thread_destroy_step(struct thread *_Nonnull thread) LOCKED;
/* Called on the thread's own processor when it enters the kernel with `dying` set. */
void thread_finish(struct thread *_Nonnull thread) LOCKED;

/* Takes the thread out of whatever it waits in. */
void thread_unwait(struct thread *_Nonnull thread) LOCKED;
/* Ends a wait: the system call returns `status`. */
void thread_wake(struct thread *_Nonnull thread, status_t status) LOCKED;
/* Ends a wait: the system call is executed again. */
void thread_restart(struct thread *_Nonnull thread) LOCKED;
void thread_suspend(struct thread *_Nonnull thread) LOCKED;
void thread_continue(struct thread *_Nonnull thread) LOCKED;
/* A kick: kick_pending, and an interruptible wait or call ends or is asked to end. */
void thread_kick(struct thread *_Nonnull thread) LOCKED;
/* Does what woken threads left for the end of the entry: lease pages of their calls, faults that
 * cannot be resolved. Deferred, so that no wake-up leads to another one. */
void thread_run_deferred(void) LOCKED;
void thread_defer(struct thread *_Nonnull thread) LOCKED;
/* Before a kicked thread runs: upcall, or the restartable sequence's check. */
void thread_deliver_kick(struct thread *_Nonnull thread) LOCKED;
void thread_timer_fired(struct thread *_Nonnull thread) LOCKED;
