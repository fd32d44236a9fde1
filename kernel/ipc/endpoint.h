#pragma once
/* Endpoints and sessions. An endpoint is where a server receives; it belongs to whoever made it
 * (the supervisor), so it outlives each instance of the server. A session is a client's connection
 * to it and, with a Memory attached, an open file description.
 *
 * One FIFO holds calls and close notices, so that a close is never overtaken by a later call
 * (memory.md, 4); priority never overtakes within an endpoint. */
#include "kernel/ipc/request.h"
#include "kernel/ipc/waitset.h"

struct memory;

struct endpoint {
    struct object object;
    struct source source; /* the one binding to its server's waitset */
    struct list queue;    /* requests, QUEUED */
    struct list notices;  /* requests in hand that were cancelled and not yet told */
    struct list hand;     /* requests in hand, by hand_link */
    struct list sessions; /* by endpoint_link */
    uint32_t queued, in_hand, orphan_count, session_count;
    bool closed : 1;
    uint64_t order;
    uint64_t received, answered, redelivered, poisoned;
};

struct session {
    struct object object;
    struct endpoint *_Nonnull endpoint; /* referenced */
    struct list endpoint_link;
    struct source source; /* readiness */
    uint64_t cookie;
    uint32_t calls; /* under way through it: the close follows the last one's reply */
    uint32_t ready, edges;
    uint32_t flags;                  /* status flags with Linux's values */
    bool live : 1;                   /* was given to a client: its last close is told */
    bool half_made : 1;              /* its creation failed: nothing but memory to give back */
    bool forgotten : 1;              /* the server has acknowledged the close */
    struct request *_Nonnull close;  /* the close notice, reserved */
    struct memory *_Nullable memory; /* referenced; the stream's data */
    uint64_t position;
};

status_t endpoint_create(struct domain *_Nullable domain,
                         struct endpoint *_Nullable *_Nonnull out) LOCKED;
/* No more calls: queued ones are answered CLOSED, sessions refuse. */
void endpoint_close(struct endpoint *_Nonnull endpoint) LOCKED;
bool endpoint_destroy_step(struct endpoint *_Nonnull endpoint) LOCKED;

status_t session_create(struct endpoint *_Nonnull endpoint, uint64_t cookie, uint32_t flags,
                        struct memory *_Nullable memory,
                        struct session *_Nullable *_Nonnull out) LOCKED;
void session_unhandled(struct session *_Nonnull session) LOCKED;
bool session_destroy_step(struct session *_Nonnull session) LOCKED;
void session_set_ready(struct session *_Nonnull session, uint32_t clear, uint32_t set) LOCKED;

/* Queues a request and hands it to a waiting server at once where there is one. */
void endpoint_submit(struct endpoint *_Nonnull endpoint, struct request *_Nonnull request) LOCKED;
/* Gives `server` the next notice or request; false: nothing deliverable. */
bool endpoint_deliver(struct endpoint *_Nonnull endpoint, struct thread *_Nonnull server) LOCKED;
/* Is something deliverable to `holder`? */
bool endpoint_has_work(const struct endpoint *_Nonnull endpoint,
                       const struct process *_Nonnull holder) LOCKED;
/* The holder died: back to the queue's head in the order of first receipt. `counts`: the end was a
 * fault or hang, so unparked calls count an attempt, and the third ends the call POISONED. */
void endpoint_requeue(struct request *_Nonnull request, bool counts) LOCKED;
/* Delivers a request in hand again after FAULT_IN. */
void endpoint_redeliver(struct request *_Nonnull request) LOCKED;
/* Asks for the call to be cancelled: answered at once when still queued and never received, else
 * flagged and, in hand, told to its server. */
void request_cancel(struct request *_Nonnull request) LOCKED;
/* The client is gone. */
void request_orphan(struct request *_Nonnull request) LOCKED;
/* Ends a client's call with a status and no words. */
void request_answer(struct request *_Nonnull request, status_t status) LOCKED;
