#pragma once
/* local: pipes, fifos, Unix-domain sockets, event counters, timers. Its lasting state is a record
 * for each session (an end), each queue of bytes, each counter and timer; the bytes lie in one
 * Memory for each queue, in the keep, and count from the commit on that moves the queue's
 * positions.
 *
 * Invariants: (L1) a record changes only together with the reply that it belongs to, so no byte is
 * lost or doubled; (L2) parked calls are only in this instance's memory, since the kernel gives
 * them to a successor again; (L3) what else is not in the vault (readiness shown, which ends an
 * object has) is derived from it at the start. */
#include "idl/local.h"
#include "idl/stream.h"
#include "lib/access/access.h"
#include "lib/rt/server.h"
#include "servers/local/queue.h"
#include "servers/local/socket.h"

enum {
    LOCAL_ENDS = 2048,
    LOCAL_QUEUES = 1024,
    LOCAL_COUNTERS = 256,
    LOCAL_SOCKETS = 512,
    LOCAL_TIMERS = 128,
    LOCAL_SIGNALS = 64,
    LOCAL_RIGHTS = 256,
    /* Objects are numbered in one row: queues, counters, sockets, timers,
     * sets of signals. */
    LOCAL_FIRST_COUNTER = LOCAL_QUEUES,
    LOCAL_FIRST_SOCKET = LOCAL_FIRST_COUNTER + LOCAL_COUNTERS,
    LOCAL_FIRST_TIMER = LOCAL_FIRST_SOCKET + LOCAL_SOCKETS,
    LOCAL_FIRST_SIGNALS = LOCAL_FIRST_TIMER + LOCAL_TIMERS,
    LOCAL_OBJECTS = LOCAL_FIRST_SIGNALS + LOCAL_SIGNALS,
    LOCAL_PARKED = 1024,
    LOCAL_KEEP_ENDS = 1,
    LOCAL_KEEP_BUFFERS = LOCAL_KEEP_ENDS + LOCAL_ENDS,
    LOCAL_KEEP_RIGHTS = LOCAL_KEEP_BUFFERS + LOCAL_QUEUES,
    LOCAL_KEEP_SLOTS = LOCAL_KEEP_RIGHTS + LOCAL_RIGHTS - 1,
    LOCAL_RECORD_QUEUE = 0x6c71,
    LOCAL_RECORD_END = 0x6c65,
    LOCAL_RECORD_COUNTER = 0x6c63,
    LOCAL_RECORD_SOCKET = 0x6c73,
    LOCAL_RECORD_TIMER = 0x6c74,
    LOCAL_RECORD_SIGNALS = 0x6c67,
    LOCAL_KEY_CLOCK = 1,
    LOCAL_CLOCK_REALTIME_ALARM = 8,
    LOCAL_NONE = UINT32_MAX,
};

/* What a session is. */
enum end_kind : uint32_t {
    END_NONE,
    END_PIPE,
    END_FIFO,
    END_COUNTER,
    END_SOCKET,
    END_ADDRESS,
    END_TIMER,
    END_SIGNALS
};
enum end_access : uint32_t { END_READS = 1, END_WRITES = 2 };
struct local_end {
    struct rt_record_header header;
    uint32_t generation;
    enum end_kind kind;
    uint32_t object;
    uint32_t access; /* enum end_access */
    uint64_t serial; /* of an address: which socket was meant */
};
static_assert(sizeof(struct local_end) == 48);

struct local_counter {
    struct rt_record_header header;
    uint64_t value;
    uint32_t used, semaphore;
};
static_assert(sizeof(struct local_counter) == 40);

/* When a timer is due: `next_ns` and each `every_ns` later, none of them read yet. */
struct local_timer {
    struct rt_record_header header;
    uint64_t next_ns, every_ns; /* 0: it is not set, only once */
    uint32_t clock;             /* as Linux numbers them */
    uint32_t wall;              /* next_ns is a time of the wall clock, not since boot */
    uint32_t used, reserved;
};
static_assert(sizeof(struct local_timer) == 56);

struct local_signals {
    struct rt_record_header header;
    uint64_t set;
    uint32_t used, reserved;
};
static_assert(sizeof(struct local_signals) == 40);

/* Bytes that went from a writer straight to the reader that waited for them. The reader's answer
 * commits this, and then the writer is answered; should the writer's call come again, it had its
 * effect. */
struct local_handover {
    uint64_t root; /* identity of the writer's call */
    uint64_t size;
    uint64_t check;
};

struct local_vault {
    struct local_end ends[LOCAL_ENDS];
    struct local_queue queues[LOCAL_QUEUES];
    struct local_counter counters[LOCAL_COUNTERS];
    struct local_socket sockets[LOCAL_SOCKETS];
    struct local_handover handovers[LOCAL_QUEUES];
    struct local_timer timers[LOCAL_TIMERS];
    struct local_signals signals[LOCAL_SIGNALS];
};

/* A call that waits, in the list of its object's readers or writers. */
struct parked {
    uint32_t next; /* LOCAL_NONE: the last */
    uint32_t list, end, how;
    bool whole;                   /* `head` has all bytes of a write: there is no lease */
    uint32_t method;              /* the call's label */
    uint32_t name_bytes;          /* of a send: before the message */
    handle_t rights;              /* of a send */
    struct local_credentials who; /* of a send, a connect */
    uint64_t token, size;
    uint64_t deadline_ns;           /* WOULD_BLOCK then; 0: never */
    uint8_t head[CALL_INLINE_SIZE]; /* of a write: all of its bytes, where there is no lease */
};
struct waiting {
    uint32_t first, last; /* of the parked calls */
};
/* Four lists an object: those who want to read, to write (a socket: into its queue), and to open a
 * fifo for reading, for writing (a socket that listens: to accept, to connect). */
enum list_kind : uint32_t { LIST_READ, LIST_WRITE, LIST_OPEN_READ, LIST_OPEN_WRITE, LIST_KINDS };
static inline uint32_t list_of(uint32_t object, enum list_kind kind) {
    return LIST_KINDS * object + kind;
}

/* What the sides of an object show, and which of it counts as an edge though it was shown before:
 * more bytes. Units: enum readiness. */
struct local_shown {
    uint32_t reading, writing, edges;
};

/* The Memory of a queue. Its pages are made one after the other when they are first needed. */
struct buffer {
    handle_t memory;
    uint32_t page_count;
    void *_Nullable data; /* QUEUE_BYTES, mapped */
};

/* An end in the list of its object's ends. */
struct end_link {
    handle_t session; /* with the right to set readiness */
    uint32_t shown;   /* readiness */
    uint32_t object;  /* in whose list it is */
    uint32_t next, before;
};

struct local {
    struct rt_server *_Nonnull server;
    const struct local_vault *_Nonnull vault;
    uint32_t lowest_end, lowest_queue; /* no free place is below */
    uint32_t parked_free;
    uint32_t touched;             /* the object that the call in hand changes; LOCAL_NONE */
    struct local_queue queue;     /* what it becomes with the reply, if it is a queue, */
    struct local_counter counter; /* or a counter, */
    struct local_timer timer;     /* or a timer */
    handle_t clock;               /* the event of the next moment to look, */
    uint64_t armed_ns;            /* which is this */
    uint32_t told[LOCAL_TIMERS];  /* whether a timer's ends show that it was due */
    struct end_link ends[LOCAL_ENDS];
    uint32_t first_end[LOCAL_OBJECTS];
    uint32_t waiting_count[LOCAL_OBJECTS];
    struct buffer buffers[LOCAL_QUEUES];
    struct waiting waiting[LIST_KINDS * LOCAL_OBJECTS];
    struct socket_edits edits;
    bool tells_error; /* the answer is an error, and what is staged goes with it */
    bool rights_used[LOCAL_RIGHTS];
    uint64_t last_serial; /* of sockets */
    struct access_table principals;
    struct access_processes processes;
    struct parked parked[LOCAL_PARKED];
};

/* ---- main.c ---- */

/* A new call or notice: nothing is changed yet. */
void local_begin(struct local *_Nonnull local);
/* Answers now, with what is staged. */
void local_answer(struct local *_Nonnull local, struct rt_reply *_Nonnull reply);

/* ---- ends.c ---- */

/* The end of a cookie; null: none any more, or the control session. */
const struct local_end *_Nullable end_find(const struct local *_Nonnull local, uint64_t cookie);
/* Makes an end and its session and stages both. `after`: at a place above (0 to begin with).
 * Owns: *out_session is the caller's, to be given with the reply.
 * Errors: OUT_OF_QUOTA. */
status_t end_make(struct local *_Nonnull local, uint32_t after,
                  const struct local_end *_Nonnull end, uint32_t ready,
                  uint32_t *_Nonnull out_index, handle_t *_Nonnull out_session);
/* Stages the end of a session. */
void end_forget(struct local *_Nonnull local, uint32_t index);
/* Stages what the ends of an object show, where it changed. */
void ends_show(struct local *_Nonnull local, uint32_t object, struct local_shown shown);
void end_show(struct local *_Nonnull local, uint32_t index, uint32_t ready, uint32_t edges);
void end_link_to(struct local *_Nonnull local, uint32_t index, uint32_t object);
/* Whether a call on that end may wait: neither it nor its session says otherwise. */
bool end_waits(const struct rt_request *_Nonnull request, uint32_t how);

/* ---- buffer.c ---- */

/* The buffer of a queue that is made or found, with its Memory staged where it is new.
 * Errors: OUT_OF_QUOTA, OUT_OF_MEMORY. */
status_t buffer_open(struct local *_Nonnull local, uint32_t queue);
/* Stages giving the Memory back where it holds more than few pages. */
void buffer_release(struct local *_Nonnull local, uint32_t queue);
/* Bytes of a write, from `offset` of it on, into the buffer at `position`. `size` is at most
 * QUEUE_BYTES.
 * Errors: ABSENT; OUT_OF_QUOTA, OUT_OF_MEMORY. */
status_t buffer_write(struct local *_Nonnull local, uint32_t queue, uint64_t position,
                      struct rt_request *_Nonnull request, const struct rt_input *_Nonnull input,
                      uint64_t offset, uint64_t size);
/* Bytes of the buffer to `offset` of an answer. Errors: ABSENT. */
status_t buffer_read(const struct local *_Nonnull local, uint32_t queue, uint64_t position,
                     struct rt_request *_Nonnull request, const struct rt_output *_Nonnull output,
                     uint64_t offset, uint64_t size);
/* The same for bytes of this process. */
status_t buffer_put(struct local *_Nonnull local, uint32_t queue, uint64_t position,
                    const void *_Nonnull bytes, size_t size);
void buffer_get(const struct local *_Nonnull local, uint32_t queue, uint64_t position,
                void *_Nonnull bytes, size_t size);

/* ---- parked.c ---- */

void parked_begin(struct local *_Nonnull local);
/* Parks the call in hand at the end of a list. `input`: of a write.
 * Errors: CANCELLED; BUSY: too many wait. */
status_t parked_add(struct local *_Nonnull local, uint32_t list,
                    const struct rt_request *_Nonnull request, uint32_t how, uint64_t size,
                    const struct rt_input *_Nullable input);
/* The first of a list, or null. */
/* What was added last. */
struct parked *_Nonnull parked_last(struct local *_Nonnull local, uint32_t list);
const struct parked *_Nullable parked_first(const struct local *_Nonnull local, uint32_t list);
void parked_drop_first(struct local *_Nonnull local, uint32_t list);
/* Takes a call out of its list; false: it does not wait. */
bool parked_remove(struct local *_Nonnull local, uint64_t token);
/* The same of a call that is cancelled; *out_status: how it ends. */
bool parked_cancel(struct local *_Nonnull local, uint64_t token, status_t *_Nonnull out_status);

/* ---- handover.c ---- */

bool handover_sound(const struct local_handover *_Nonnull handover);
/* Whether this very call gave its bytes away before it came again: *out_size of them. */
bool handover_was(const struct local *_Nonnull local, const struct rt_request *_Nonnull request,
                  uint32_t queue, uint64_t *_Nonnull out_size);
/* Gives all bytes of a write to the first call of `list`, a read at this queue, which is empty.
 * False: there is none that takes them all, and nothing was done. */
bool handover_try(struct local *_Nonnull local, const struct rt_request *_Nonnull request,
                  uint32_t queue, uint32_t list, const struct rt_input *_Nonnull input);

/* ---- pipe.c ---- */

/* A free queue's record to be filled, with its buffer; at a place above `after`. Errors:
 * OUT_OF_QUOTA. */
status_t pipe_begin(struct local *_Nonnull local, uint32_t after,
                    struct local_queue *_Nonnull queue, uint32_t *_Nonnull out_index);
status_t pipe_make(struct local *_Nonnull local, handle_t *_Nonnull out_reader,
                   handle_t *_Nonnull out_writer);
status_t pipe_read(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                   const struct local_end *_Nonnull end, const struct stream_read_in *_Nonnull in,
                   struct stream_read_out *_Nonnull out);
status_t pipe_write(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                    const struct local_end *_Nonnull end, const struct stream_write_in *_Nonnull in,
                    struct stream_write_out *_Nonnull out);
/* Stages that an end of a pipe is gone. */
void pipe_close(struct local *_Nonnull local, uint32_t index);
/* The list of a queue whose first call can be answered as local->queue is; LOCAL_NONE. */
uint32_t pipe_servable(const struct local *_Nonnull local, uint32_t queue);
/* Fills the answer of a parked call of a queue, and stages what comes with it. */
void pipe_answer(struct local *_Nonnull local, uint32_t queue, const struct parked *_Nonnull parked,
                 struct rt_reply *_Nonnull reply);
status_t pipe_size(struct local *_Nonnull local, const struct local_end *_Nonnull end, bool change,
                   uint64_t size, uint64_t *_Nonnull out_old);
/* Stages the queue's new state, and what its ends show of it. */
status_t queue_stage(struct local *_Nonnull local, uint32_t index,
                     const struct local_queue *_Nonnull now,
                     const struct local_queue *_Nonnull shown, uint32_t edges);

/* ---- fifo.c ---- */

status_t fifo_make(struct local *_Nonnull local, handle_t *_Nonnull out);
status_t fifo_open(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                   const struct local_end *_Nonnull end,
                   const struct local_open_fifo_in *_Nonnull in, handle_t *_Nonnull out);
/* Makes an end for a call that waited. */
status_t fifo_enter(struct local *_Nonnull local, uint32_t queue, uint32_t access,
                    handle_t *_Nonnull out);

/* ---- counter.c ---- */

status_t counter_make(struct local *_Nonnull local, const struct local_counter_in *_Nonnull in,
                      handle_t *_Nonnull out);
status_t counter_read(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                      const struct local_end *_Nonnull end,
                      const struct stream_read_in *_Nonnull in,
                      struct stream_read_out *_Nonnull out);
status_t counter_write(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                       const struct local_end *_Nonnull end,
                       const struct stream_write_in *_Nonnull in,
                       struct stream_write_out *_Nonnull out);
void counter_close(struct local *_Nonnull local, uint32_t index);
struct local_shown counter_shown(const struct local_counter *_Nonnull counter);
uint32_t counter_servable(const struct local *_Nonnull local, uint32_t object);
void counter_answer(struct local *_Nonnull local, uint32_t object,
                    const struct parked *_Nonnull parked, struct rt_reply *_Nonnull reply);

/* ---- timers.c ---- */

/* The end of a call that may wait in `list` for so long only (0: for ever): `status` as parked_add
 * told it. */
status_t parked_limit(struct local *_Nonnull local, uint32_t list, uint64_t limit_ns,
                      status_t status);
/* A moment to look has come. */
void local_clock(struct local *_Nonnull local);
bool timer_sound(const struct local_timer *_Nonnull timer);
status_t timer_make(struct local *_Nonnull local, const struct local_timer_in *_Nonnull in,
                    handle_t *_Nonnull out);
status_t timer_set(struct local *_Nonnull local, const struct local_end *_Nonnull end,
                   const struct local_set_timer_in *_Nonnull in,
                   struct local_set_timer_out *_Nonnull out);
status_t timer_read(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                    const struct local_end *_Nonnull end, const struct stream_read_in *_Nonnull in,
                    struct stream_read_out *_Nonnull out);
void timer_close(struct local *_Nonnull local, uint32_t index);
uint32_t timer_servable(const struct local *_Nonnull local, uint32_t object);
void timer_answer(struct local *_Nonnull local, uint32_t object,
                  const struct parked *_Nonnull parked, struct rt_reply *_Nonnull reply);

/* ---- signals.c ---- */

status_t signals_make(struct local *_Nonnull local, uint64_t set, handle_t *_Nonnull out);
status_t signals_change(struct local *_Nonnull local, const struct local_end *_Nonnull end,
                        const struct local_set_signals_in *_Nonnull in, uint64_t *_Nonnull out_set);
void signals_close(struct local *_Nonnull local, uint32_t index);
bool signals_sound(const struct local_signals *_Nonnull signals);

/* ---- serve.c ---- */

/* Whether some call waits for what the objects touched become. */
bool local_servable(const struct local *_Nonnull local);
/* Answers the calls that wait for what the object `touched` becomes. `reply`: an answer that is
 * ready to go, or null; the last answer takes its place, so that it goes with the next receive. */
void local_serve(struct local *_Nonnull local, struct rt_reply *_Nullable reply);
/* The answer of a parked call that failed, or whose attempt ends because a page of the caller's is
 * absent. */
void local_fail(struct local *_Nonnull local, struct rt_reply *_Nonnull reply, status_t status);

/* ---- calls.c ---- */

void local_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request);
