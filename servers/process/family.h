#pragma once
/* Birth, change and end of processes, and what the parts of this server tell each other. */
#include "servers/process/table.h"

#define HANDLER(name)                                                                              \
    status_t serve_##name(void *_Nonnull server, struct rt_request *_Nonnull request,              \
                          const struct process_##name##_in *_Nonnull in,                           \
                          struct process_##name##_out *_Nonnull out)
#define HANDLER_IN(name)                                                                           \
    status_t serve_##name(void *_Nonnull server, struct rt_request *_Nonnull request,              \
                          const struct process_##name##_in *_Nonnull in)
#define HANDLER_OUT(name)                                                                          \
    status_t serve_##name(void *_Nonnull server, struct rt_request *_Nonnull request,              \
                          struct process_##name##_out *_Nonnull out)

HANDLER(fork);
HANDLER_IN(exec);
HANDLER_OUT(tables);
HANDLER(wait);
HANDLER_IN(kill);
HANDLER(take_signal);
HANDLER_IN(stop);
HANDLER_IN(set_group);
HANDLER_OUT(new_session);
HANDLER(set_ids);
HANDLER(limit);
HANDLER(interval);
HANDLER(timer);
HANDLER(attribute);
HANDLER(add_thread);
HANDLER(usage_of);
HANDLER(nice);
HANDLER(describe);
HANDLER(list);
HANDLER(open_process);
HANDLER(host_name);
HANDLER(limits_of);
HANDLER_IN(unsupported);
HANDLER(lacks);
HANDLER_IN(signal_group);
HANDLER_IN(set_terminal);
HANDLER_IN(watch_sessions);
HANDLER(grant_ticket);
HANDLER_OUT(registry);
HANDLER(begin);
HANDLER_IN(power);

enum {
    SIGNAL_HANGUP = 1,
    SIGNAL_KILL = 9,
    SIGNAL_ALARM = 14,
    SIGNAL_CHILD = 17,
    SIGNAL_CONTINUE = 18,
    SIGNAL_STOP = 19,
    SIGNAL_LIMIT = 64
};

/* The process of a slot has ended: its record, its children, its parent. Commits. */
void family_ended(struct processes *_Nonnull ps, uint32_t slot, int64_t code, uint64_t cause);
/* Frees the slot of a zombie. Stages. */
status_t family_reap(struct processes *_Nonnull ps, uint32_t slot);
/* After a restart: exits that nobody accounted for, processes that nobody knows. */
void family_reconcile(struct processes *_Nonnull ps);
/* Sends a signal, with what it does at once to the process. Never fails: an ended process takes
 * none. May commit. */
void signal_send(struct processes *_Nonnull ps, uint32_t slot,
                 const struct process_signal_info *_Nonnull info);
/* The same in two steps, for a signal that comes of a change of the table: what belongs to it is
 * staged with that change (false: there is none to be shown), and shown after the commit. */
bool signal_keep(struct processes *_Nonnull ps, uint32_t slot,
                 const struct process_signal_info *_Nonnull info);
void signal_show(struct processes *_Nonnull ps, uint32_t slot, uint32_t number);
/* After a restart: what was kept and perhaps not shown. */
void signals_show_again(struct processes *_Nonnull ps);
static inline void signal_number(struct processes *_Nonnull ps, uint32_t slot, uint32_t number) {
    struct process_signal_info info = {.number = number, .code = 128 /* SI_KERNEL */};
    signal_send(ps, slot, &info);
}
/* A child of `parent` changed: SIGCHLD, and waiters look again. Commits. */
void parent_tell(struct processes *_Nonnull ps, uint32_t child);
/* Answers waiting calls that can be answered now. Commits. */
void waiters_look(struct processes *_Nonnull ps, uint32_t parent_slot);
status_t waiter_add(struct processes *_Nonnull ps, const struct waiter *_Nonnull waiter);
/* If `parent` waits for this child, whose end is staged: answers it, and frees the child in the
 * same step, which applies all that is staged. False: nobody waits; or who did is gone, then
 * nothing is staged and no record edited any more. */
bool waiter_reaps(struct processes *_Nonnull ps, uint32_t parent, uint32_t child);
void waiter_free(struct processes *_Nonnull ps, uint32_t place);
void waiters_cancel(struct processes *_Nonnull ps, uint64_t token);
/* Answers the parked fork of a vfork child that has its own image, or has ended. */
void fork_release(struct processes *_Nonnull ps, uint32_t child);
void stop_release(struct processes *_Nonnull ps, uint32_t slot);
/* Arms the timer for the earliest alarm; posts those that are due. */
void alarms_look(struct processes *_Nonnull ps);
/* A timer's signal was taken: how many expirations it stands for beside the first. Stages. */
uint32_t timer_taken(struct processes *_Nonnull ps, uint64_t serial, uint32_t number);
/* The process runs another image, or has ended. May commit. */
void timers_end(struct processes *_Nonnull ps, uint64_t serial);
/* The same for what was sent and not taken. */
void infos_end(struct processes *_Nonnull ps, uint64_t serial);
/* What a live or ended process used. */
struct process_usage usage_now(struct processes *_Nonnull ps, uint32_t slot);
void usage_add(struct process_usage *_Nonnull sum, const struct process_usage *_Nonnull more);
bool may_manage(const struct processes *_Nonnull ps, uint32_t actor, uint32_t target);
bool is_privileged(const struct processes *_Nonnull ps, uint32_t slot);
/* Applies a slot's principal to the kernel's process. */
status_t principal_apply(struct processes *_Nonnull ps, uint32_t slot, uint32_t principal);

void process_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request);
void process_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet);
struct processes *_Nonnull process_start(struct rt_server *_Nonnull server);
