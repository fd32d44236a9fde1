#pragma once
/* What a service leaves behind for the report of its end: a Memory that the supervisor gave it (the
 * start page names it "report"), and that outlives the process.
 *
 *   each call received   rt_server_run notes its label in `recent`
 *   a fault, on nucleus  the upcall (lib/rt/nucleus/fault.c) fills in `fault`, lets the process
 * have no upcall any more, and executes the instruction again: the kernel then ends the process as
 * if there had been no upcall
 *
 * Invariant: its writer may have been mad. Whoever reads it copies it first, bounds its counts, and
 * believes none of its values. */
#include "abi/call.h"

enum { RT_REPORT_RECENT = 16, RT_REPORT_TRACE = 24, RT_REPORT_INLINE = 64 };

/* The last calls received; number n (from 0) is at n % RT_REPORT_RECENT. */
struct rt_recent {
    uint64_t count;
    uint32_t labels[RT_REPORT_RECENT];
};
struct rt_fault {
    uint64_t present; /* 1: the rest was filled in */
    struct program_frame frame;
    /* Return addresses, innermost first. */
    uint64_t trace_count;
    uint64_t trace[RT_REPORT_TRACE];
    /* Of the call received last. */
    struct call_identity identity;
    uint32_t attempt, state;
    uint8_t received[RT_REPORT_INLINE]; /* the first of its inline bytes */
};
struct rt_report {
    struct rt_recent recent;
    struct rt_fault fault;
};
static_assert(sizeof(struct rt_report) % 8 == 0 && sizeof(struct rt_report) <= 4096);

/* lib/rt/nucleus/fault.c, lib/rt/sim/fault.c: faults of this process are reported there from now
 * on. In the simulator they are not: its programs have no registers of their own. */
void rt_fault_arm(struct rt_report *_Nonnull report);
