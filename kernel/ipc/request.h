#pragma once
/* Requests: what a server has in hand. A call is one (each thread has exactly one request, reserved
 * when the thread is made, so a call allocates nothing); a session's last close is another.
 *
 *            endpoint_submit           receive                 reply
 *   IDLE ────────────────────► QUEUED ────────► IN_HAND ──────────────────► IDLE
 *                                 ▲                │ server dies: endpoint_requeue
 *                                 └────────────────┘ (head of the queue, in order; attempts + 1 if
 *                                                     it was being worked on at a fault or hang)
 * A killed client's queued call vanishes; one in hand becomes an orphan: `client` is null, leases
 * are revoked, the reply is discarded, and it ends when it is answered or its server dies.
 *
 * The message stays with the client: words in its saved registers, inline bytes in its thread page.
 * A token is slot number | generation << 24; the generation grows with every call, and slots are
 * never reused for anything else, so a token names one call for ever. An outermost call's root is
 * its token. */
#include "abi/call.h"
#include "kernel/ipc/source.h"
#include "kernel/object/object.h"

struct thread;
struct process;
struct session;
struct endpoint;

#define TOKEN_NUMBER_MASK 0xffffffull
#define TOKEN_SERVER_ROOT (1ull << 63) /* in roots that a server drew, never in a token */

enum request_state : uint8_t { REQUEST_IDLE, REQUEST_QUEUED, REQUEST_IN_HAND };
enum request_kind : uint8_t { REQUEST_CALL, REQUEST_CLOSE };

struct carried_handle {
    struct object *_Nullable object; /* counted as a handle */
    uint32_t rights;
    handle_t duplicate; /* in the receiver's table */
};

struct request {
    uint64_t slab_reserved;  /* the slab's free list */
    uint64_t token;          /* its generation is kept through reuse of the slot */
    struct list link;        /* endpoint's queue, or holder's list */
    struct list hand_link;   /* endpoint's list of what is in hand */
    struct list notice_link; /* endpoint's list of cancel notices */
    uint32_t number;         /* of the slot */
    enum request_kind kind;
    enum request_state state;
    union {
        struct { /* the first three as enum call_state has them */
            bool repeated : 1, cancelled : 1, orphan : 1, parked : 1, fault_in : 1, timed_out : 1;
        };
        uint8_t marks;
    };
    struct domain *_Nullable domain; /* charged for the slot */
    struct thread *_Nullable client;
    struct session *_Nullable session;   /* referenced while not idle */
    struct endpoint *_Nullable endpoint; /* of the session */
    struct process *_Nullable holder;    /* whose list it is on while in hand */
    struct thread *_Nullable handler;    /* working on it now */
    struct call_identity identity;
    uint64_t order; /* first receipt, for redelivery in order */
    uint64_t busy_ticks, busy_since;
    uint64_t sweeps;           /* that the call's deadline is away */
    struct list deadline_link; /* until a sweep finds that it has none any more */
    struct list nested_link;   /* all nested calls: their roots are live (docs/models.md, 5) */
    uint64_t client_serial;    /* process serial stamped when made */
    uint32_t principal;
    uint32_t attempts;
    uint64_t message; /* label and shape, as the receiver gets them, handles apart */
    uint32_t handle_count;
    uint32_t reserved_slots; /* in the client's table, for the reply */
    struct lease lease_in, lease_out;
    struct carried_handle handles[CALL_HANDLES];
    uint32_t pin_count;
    uint32_t fault_in_lease;
    uint64_t fault_in_offset, fault_in_length;
    uint32_t pins[CALL_LEASE_PAGES]; /* page numbers */
};

status_t request_create(struct domain *_Nonnull domain, enum request_kind kind,
                        struct request *_Nullable *_Nonnull out) LOCKED;
void request_free(struct request *_Nonnull request) LOCKED;
/* Another token for the same slot: the old one names nothing any more. */
static inline void request_renew(struct request *_Nonnull request) LOCKED {
    request->token = (request->token + TOKEN_NUMBER_MASK + 1) & ~TOKEN_SERVER_ROOT;
}
/* The request in hand of `holder` that a token names. Errors: NOT_FOUND. */
status_t request_find(uint64_t token, const struct process *_Nonnull holder,
                      struct request *_Nullable *_Nonnull out) LOCKED;
/* Registers a call whose root is another call's. */
void request_set_nested(struct request *_Nonnull request) LOCKED;
/* Is any call or orphan of this root left, at any depth? Roots of background work are live until
 * their server says otherwise, so they always are here. */
bool request_root_live(uint64_t root) LOCKED;
/* Drops what a call holds and makes its request idle again, token invalid. */
void request_end(struct request *_Nonnull request) LOCKED;
void request_unpin(struct request *_Nonnull request) LOCKED;
