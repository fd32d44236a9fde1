#pragma once
/* Sockets: what the vault keeps of each, and the changes of the call in hand.
 *
 *   FRESH ── listen ──► LISTENING            FRESH ── connect, socketpair ──► CONNECTED
 *   CONNECTED ── the peer is closed ──► GONE      (datagram sockets stay FRESH: a peer is a
 * default)
 *
 * What is sent to a socket lies in its own queue, as messages: a head, the sender's name (of
 * datagrams), the bytes. A connection that nobody accepted yet is a socket without an end; it
 * belongs to the one that listens.
 *
 * Invariants: (S1) two connected sockets name each other, and each other's serial; (S2) a serial
 * is never used twice, so a name of a socket that is gone finds nothing; (S3) all that one call
 * changes goes into `socket_edits` and is staged at once. */
#include "idl/local.h"
#include "servers/local/queue.h"

enum socket_state : uint32_t { SOCKET_FRESH, SOCKET_LISTENING, SOCKET_CONNECTED, SOCKET_GONE };
enum socket_flags : uint32_t {
    SOCKET_SHUT_READ = 1,
    SOCKET_SHUT_WRITE = 2,
    SOCKET_NAMED = 4,             /* others find it by its name */
    SOCKET_NAME_FREE = 8,         /* its path is gone: it may be bound again */
    SOCKET_PASS_CREDENTIALS = 16, /* SO_PASSCRED */
    SOCKET_RESET = 32,            /* the peer went without reading all: told once */
};

struct local_socket {
    struct rt_record_header header;
    uint64_t serial, peer_serial;
    uint32_t used;
    enum local_socket_type type;
    enum socket_state state;
    uint32_t flags;
    uint32_t queue, peer, listener, end; /* numbers; LOCAL_NONE: none */
    uint32_t pending, backlog;
    uint32_t send_size, receive_size; /* as they were set: only shown */
    uint64_t linger;
    uint64_t send_timeout_ns, receive_timeout_ns; /* 0: none */
    struct local_credentials own, other;          /* who listens or connected; the peer */
    uint32_t switches, reserved;
    uint32_t name_size;
    uint8_t name[LOCAL_NAME_MAX];
};
static_assert(sizeof(struct local_socket) == 24 + 16 + 48 + 24 + 32 + 120);

/* Before each message in a queue. */
struct message_head {
    uint32_t size; /* of the bytes */
    uint32_t name_size;
    uint32_t rights; /* its place in the keep's part for them + 1; 0: none */
    uint32_t reserved;
    struct local_credentials from;
};
static_assert(sizeof(struct message_head) == 32);

enum { SOCKET_EDITS = 4, SOCKET_TOUCHED = 8 };
struct socket_edits {
    uint32_t socket_count, queue_count;
    uint32_t socket_index[SOCKET_EDITS], queue_index[SOCKET_EDITS];
    struct local_socket sockets[SOCKET_EDITS];
    struct local_queue queues[SOCKET_EDITS];
    /* Sockets whose waiting calls may be answered; more than the edits of the last commit. */
    uint32_t touched_count;
    uint32_t touched[SOCKET_TOUCHED];
    uint32_t more_bytes; /* the socket that got some; LOCAL_NONE */
    uint32_t hidden;     /* one whose bytes go to a waiting reader at once; LOCAL_NONE */
};

/* What a read found. */
struct fetched {
    uint64_t size, length;
    uint32_t said;   /* enum local_message_flags */
    uint32_t rights; /* as in the head */
    uint32_t name_size;
    struct local_credentials from;
    uint8_t name[LOCAL_NAME_MAX];
};

struct local;
struct local_end;
struct parked;
struct rt_request;
struct rt_reply;

/* ---- socket_state.c ---- */

void edits_begin(struct local *_Nonnull local);
const struct local_socket *_Nonnull socket_at(const struct local *_Nonnull local, uint32_t index);
struct local_socket *_Nonnull socket_edit(struct local *_Nonnull local, uint32_t index);
const struct local_queue *_Nonnull socket_queue(const struct local *_Nonnull local, uint32_t index);
struct local_queue *_Nonnull queue_edit(struct local *_Nonnull local, uint32_t index);
void socket_touch(struct local *_Nonnull local, uint32_t index);
/* Stages all edits and what the ends show of them. */
status_t edits_stage(struct local *_Nonnull local);
/* The other side, or LOCAL_NONE where it is gone (or there was none). */
uint32_t socket_peer(const struct local *_Nonnull local, uint32_t index);
/* What a socket's end shows. Units: enum readiness. */
uint32_t socket_ready(const struct local *_Nonnull local, uint32_t index);
/* Reading is at its end: nothing more will come. */
bool socket_ends(const struct local *_Nonnull local, uint32_t index);
/* A new socket at a free place from `after` on, among the edits.
 * Errors: OUT_OF_QUOTA. */
status_t socket_begin(struct local *_Nonnull local, uint32_t after, enum local_socket_type type,
                      uint32_t *_Nonnull out_index);
/* Gives a socket a queue, if it has none. Errors: OUT_OF_QUOTA, OUT_OF_MEMORY. */
status_t socket_give_queue(struct local *_Nonnull local, uint32_t index);
struct local_credentials socket_caller(const struct local *_Nonnull local,
                                       const struct rt_request *_Nonnull request);
/* Whether the caller may claim to be somebody else. */
bool socket_may_claim(const struct local *_Nonnull local, const struct rt_request *_Nonnull request,
                      const struct local_credentials *_Nonnull claimed);

/* ---- sockets.c ---- */

status_t socket_make(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                     const struct local_socket_in *_Nonnull in,
                     struct local_socket_out *_Nonnull out);
status_t socket_bind(struct local *_Nonnull local, const struct local_end *_Nonnull end,
                     const struct local_bind_in *_Nonnull in, struct local_bind_out *_Nonnull out);
status_t socket_listen(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                       const struct local_end *_Nonnull end, uint32_t backlog);
status_t socket_shut(struct local *_Nonnull local, const struct local_end *_Nonnull end,
                     const struct local_shut_down_in *_Nonnull in);
status_t socket_name(const struct local *_Nonnull local, const struct local_end *_Nonnull end,
                     const struct local_name_in *_Nonnull in, struct local_name_out *_Nonnull out);
status_t socket_option(struct local *_Nonnull local, const struct local_end *_Nonnull end,
                       const struct local_option_in *_Nonnull in, uint64_t *_Nonnull out_old);
status_t socket_who(const struct local *_Nonnull local, const struct local_end *_Nonnull end,
                    struct local_credentials *_Nonnull out);
/* Stages that a socket's end is gone; what does not fit one step is committed before. */
void socket_close(struct local *_Nonnull local, uint32_t end);
/* Stages that an address is gone from its file system. */
void socket_address_close(struct local *_Nonnull local, uint32_t end);

/* ---- connect.c ---- */

/* The socket that an address (the cookie of a session) or an abstract name means; LOCAL_NONE. */
uint32_t socket_find(const struct local *_Nonnull local, uint64_t cookie, bool has_cookie,
                     struct rt_bytes name);
status_t socket_connect(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                        const struct local_end *_Nonnull end,
                        const struct local_connect_in *_Nonnull in);
status_t socket_accept(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                       const struct local_end *_Nonnull end,
                       const struct local_accept_in *_Nonnull in,
                       struct local_accept_out *_Nonnull out);
/* Whether that connection can be, now or later. Errors: those of connect. */
status_t connect_check(const struct local *_Nonnull local, uint32_t client, uint32_t listener);
/* Connects, accepts: there is room, somebody to be accepted. */
status_t connect_now(struct local *_Nonnull local, uint32_t client, uint32_t listener,
                     const struct local_credentials *_Nonnull who);
status_t accept_now(struct local *_Nonnull local, uint32_t listener,
                    struct local_accept_out *_Nonnull out);

/* ---- messages.c ---- */

status_t socket_read(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                     const struct local_end *_Nonnull end, const struct stream_read_in *_Nonnull in,
                     struct stream_read_out *_Nonnull out);
status_t socket_write(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                      const struct local_end *_Nonnull end,
                      const struct stream_write_in *_Nonnull in,
                      struct stream_write_out *_Nonnull out);
status_t socket_send(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                     const struct local_end *_Nonnull end, const struct local_send_in *_Nonnull in,
                     struct local_send_out *_Nonnull out);
status_t socket_receive(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                        const struct local_end *_Nonnull end,
                        const struct local_receive_in *_Nonnull in,
                        struct local_receive_out *_Nonnull out);
/* Bytes that wait to be read (FIONREAD). */
uint64_t socket_waiting_bytes(const struct local *_Nonnull local, uint32_t index);
/* Whether a call that waits to write to `to`, to read from `index`, can be answered now. */
bool message_may_go(const struct local *_Nonnull local, uint32_t to,
                    const struct parked *_Nonnull parked);
bool message_may_come(const struct local *_Nonnull local, uint32_t index,
                      const struct parked *_Nonnull parked);
/* Answers it: the reply is filled where it went well. */
status_t message_answer(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                        uint32_t to, const struct parked *_Nonnull parked);
/* Marks the places of handles under way in a socket's queue. Errors: CORRUPT: the heads do not fit
 * the queue. */
status_t messages_mark(struct local *_Nonnull local, uint32_t queue);

/* ---- socket_serve.c ---- */

uint32_t socket_servable(const struct local *_Nonnull local);
void socket_answer(struct local *_Nonnull local, const struct parked *_Nonnull parked,
                   struct rt_reply *_Nonnull reply);
