#pragma once
/* What the code that idlc generates needs from the runtime: messages as stubs and dispatchers see
 * them, and the prototypes of the transport beneath (the nucleus, the simulator, or a test).
 *
 * Placement, the same for every method, both ways:
 *  - the label is RT_LABEL(protocol number, protocol version, method number): a peer that speaks
 *    another protocol or version is answered STATUS_BAD_METHOD, never misread;
 *  - scalars (integers, bool, enum, flags) take one word each, in order of declaration; those after
 *    the seventh, and all structures and arrays, lie in the inline area at fixed offsets, ordered
 *    by falling alignment, so that there is no padding; strings and bytes that travel inline are
 *    its one variable-length tail, whose length is (inline size - fixed part);
 *  - bytes by lease that are also allowed inline send their first bytes in the tail and name a
 *    lease only for what is longer, so small ones need no lease call;
 *  - handles take one slot each; an optional one that is absent is HANDLE_NONE in its slot.
 * A reply with a status other than OK carries nothing else.
 *
 * Invariants:
 *  M1. A dispatcher calls no handler before all of label, words, inline area, handles and leases
 *      fitted the method's declaration.
 *  M2. A client stub hands out no value of a reply that does not fit; it answers
 *      STATUS_BAD_MESSAGE, and every handle that came is closed.
 *  M3. Nothing beyond the declared bytes is sent: areas are written field by field. */
#include "abi/call.h"
#include "lib/base/bytes.h"
#include "lib/base/safe.h"

/* 12 bits of protocol number (1 …), 8 of protocol version, 12 of method number. */
#define RT_LABEL(protocol, version, method)                                                        \
    (((uint32_t)(protocol) << 20) | ((uint32_t)(version) << 12) | (uint32_t)(method))

#define RT_LABEL_PROTOCOL(label) ((uint32_t)(label) >> 20)

/* No deadline: only for what waits for the outside. */
#define RT_TIMEOUT_NEVER UINT64_MAX

/* Bytes that somebody else owns, for as long as a call lasts. */
struct rt_bytes {
    size_t size;
    const uint8_t *_Nullable COUNTED_BY(size) data;
};
struct rt_buffer {
    size_t size;
    uint8_t *_Nullable COUNTED_BY(size) data;
};
/* A whole array (or string literal, without its terminator) as bytes. */
#define RT_BYTES_OF(array)                                                                         \
    ((struct rt_bytes){.size = sizeof(array), .data = (const uint8_t *)&(array)[0]})
#define RT_BUFFER_OF(array)                                                                        \
    ((struct rt_buffer){.size = sizeof(array), .data = (uint8_t *)&(array)[0]})
#define RT_STRING(literal)                                                                         \
    ((struct rt_bytes){.size = sizeof(literal) - 1, .data = (const uint8_t *)("" literal)})

/* The shape of a message (abi/call.h), in one word so that it is checked at once. */
#define RT_SHAPE(words, handles, inline_bytes)                                                     \
    ((uint32_t)(words) << 20 | (uint32_t)(handles) << 16 | (uint32_t)(inline_bytes))
#define RT_SHAPE_FIELDS                                                                            \
    union {                                                                                        \
        uint32_t shape;                                                                            \
        struct {                                                                                   \
            uint16_t inline_size;     /* 0 … CALL_INLINE_SIZE */                                   \
            uint8_t handle_count : 4; /* 0 … CALL_HANDLES */                                       \
            uint8_t word_count : 4;   /* 0 … CALL_WORDS */                                         \
            uint8_t shape_rest;       /* 0 */                                                      \
        };                                                                                         \
    }

/* For functions that look at nothing but structures of the runtime's own, by constant offsets:
 * run-time checks of such pointers would find nothing, and would be most of what is executed. */
#define RT_PRAGMA(...) _Pragma(#__VA_ARGS__)
#define RT_TRUSTED_BEGIN                                                                           \
    RT_PRAGMA(clang attribute push(                                                                \
        __attribute__((no_sanitize("null", "alignment", "pointer-overflow", "object-size"))),      \
        apply_to = function))
#define RT_TRUSTED_END _Pragma("clang attribute pop")

/* ---- Client ------------------------------------------------------------------------------- */

/* One call. In: all of it. After rt_call: words, handles and shape are those of the reply; words
 * are there only if its word count is not 0. Inline bytes go through the thread page: call_input,
 * call_output. */
struct rt_call {
    uint64_t words[CALL_WORDS];
    uint32_t label;
    RT_SHAPE_FIELDS;
    uint32_t flags;     /* CALL_INTERRUPTIBLE, CALL_WANTS_HANDLES, CALL_FORWARD_PRINCIPAL; the
                           transport adds the others from what is present */
    uint32_t lend_mask; /* bit i: handle i is lent (the caller keeps it); else it moves */
    handle_t handles[CALL_HANDLES];
    struct lease lease_in, lease_out; /* length 0: none */
    uint64_t timeout_ns;              /* from now, or RT_TIMEOUT_NEVER */
};

/* The call in hand (or the root of a piece of background work) that nested calls belong to. */
struct rt_context;

/* Makes a call and waits for its answer.
 * Blocks: until the reply, the timeout or, when CALL_INTERRUPTIBLE, a kick.
 * Owns: handles that are not lent are gone when the call was received; those of the reply are the
 *       caller's.
 * Errors: those of the kernel's call, and what the server replied. */
status_t rt_call(handle_t session, struct rt_call *_Nonnull call);

/* The same, nested: made by a server while it handles `context`, under identity (root of context,
 * path of context + step). A repeated attempt must make the same call with the same step.
 * Units: step 1 … 65535, unique among the nested calls of one call in hand. */
status_t rt_call_nested(struct rt_context *_Nonnull context, uint32_t step, handle_t session,
                        struct rt_call *_Nonnull call);

/* The calling thread's own page. */
struct thread_page *_Nonnull rt_thread_page(void);

/* Closes a handle of this process; HANDLE_NONE is allowed and nothing. */
void rt_handle_close(handle_t handle);

/* Copies between a caller's buffer and the thread page. The two are functions of the runtime,
 * since those of the POSIX runtime survive a bad pointer of the program.
 * Errors: BAD_ADDRESS. */
status_t rt_copy_from_client(void *_Nonnull to, const void *_Nullable from, size_t size);
status_t rt_copy_to_client(void *_Nullable to, const void *_Nonnull from, size_t size);

/* ---- Server ------------------------------------------------------------------------------- */

/* A call that was received. `page` holds the rest (received.*, received_input) and keeps it until
 * the thread's next receive; nested calls use other parts of the page. */
struct rt_request {
    struct thread_page *_Nonnull page;
    struct rt_context *_Nullable context; /* for nested calls; null where there are none */
    struct rt_reply *_Nonnull reply;      /* the answer, filled by the dispatcher */
    uint64_t token;                       /* names the call when it is answered later */
    uint64_t cookie;                      /* of the session it came by */
    uint64_t endpoint_serial;             /* of the endpoint it came by; 0: not asked for */
    uint64_t words[CALL_WORDS]; /* the first word_count of them; the others are anything */
    uint32_t label;
    RT_SHAPE_FIELDS;
};

/* What becomes of a request when its handler returns. */
enum rt_outcome : uint32_t {
    RT_REPLY = 0,    /* answer with status, and on OK with words, handles and inline bytes */
    RT_PARK = 1,     /* waits for the outside; is answered later by its token */
    RT_FAULT_IN = 2, /* end the attempt uncommitted: the kernel makes lease pages present */
};

/* An answer. Before a dispatcher gets it, status, shape and outcome are 0; words and handles are
 * those of an earlier one, so whoever sends any words sets all seven. Inline bytes go to `output`,
 * which is reply_output of the page that sends it. */
struct rt_reply {
    void *_Nonnull output; /* CALL_INLINE_SIZE bytes, aligned to 16 */
    uint64_t token;
    status_t status;
    RT_SHAPE_FIELDS;
    uint32_t outcome;     /* enum rt_outcome */
    uint32_t fault_lease; /* with RT_FAULT_IN: enum lease_kind, offset and length */
    uint64_t fault_offset, fault_length;
    uint64_t words[CALL_WORDS];
    handle_t handles[CALL_HANDLES]; /* move to the client with the reply */
};

/* What handlers return instead of a status to say "later". Never sent. */
#define RT_STATUS_PARKED ((status_t) - 4096)

/* Input bytes of a call: the first ones inline, all of them by lease when they are more. */
struct rt_input {
    uint64_t size;
    struct rt_bytes head; /* in received_input */
};
/* Room for output bytes: what lies below `head_size` goes with the reply, the rest by lease. */
struct rt_output {
    uint64_t size; /* the client's buffer, never above the declared maximum */
    struct rt_buffer head;
};

/* Moves bytes between a lease of call `token` and this process's memory.
 * Errors: ABSENT: nothing was moved, a page of the lease must be made present first; OUT_OF_RANGE;
 * CANCELLED: the lease was revoked. */
status_t rt_lease_read(uint64_t token, uint64_t offset, void *_Nonnull to, size_t size);
status_t rt_lease_write(uint64_t token, uint64_t offset, const void *_Nonnull from, size_t size);

/* Copies to.size bytes from `offset` of the input: from its head, then by lease_copy of
 * request->token.
 * Errors: OUT_OF_RANGE beyond its size; ABSENT: return it from the handler; the reply then says
 * RT_FAULT_IN with what was absent, and the attempt is repeated. */
status_t rt_input_read(struct rt_request *_Nonnull request, const struct rt_input *_Nonnull input,
                       uint64_t offset, struct rt_buffer to);

/* Copies `from` to `offset` of the output: into its head, then by lease_copy of request->token.
 * The count that the handler sets says how much of it is meant. Of the request only token and
 * reply are used, so that a parked call can be answered later.
 * Errors: OUT_OF_RANGE beyond its size; ABSENT: as above. */
status_t rt_output_write(struct rt_request *_Nonnull request,
                         const struct rt_output *_Nonnull output, uint64_t offset,
                         struct rt_bytes from);

/* Whether a handle that came with a call is of the type and has all the rights.
 * Errors: BAD_HANDLE, BAD_TYPE, BAD_RIGHTS. */
status_t rt_handle_require(handle_t handle, enum object_type type, uint32_t rights);

/* The cookie of a session that came as a handle, if it is one of the endpoint that `request` came
 * by (`handle<own_session>`).
 * Errors: BAD_TYPE: not a session; BAD_ARGUMENT: a session of another server. */
status_t rt_handle_own_cookie(const struct rt_request *_Nonnull request, handle_t handle,
                              uint64_t *_Nonnull out_cookie);

/* ---- Helpers of the generated code ---------------------------------------------------------- */

/* What the tables of methods say, for the server loop (kept replies, watchdogs) and for tests. */
enum rt_method_marks : uint32_t {
    RT_METHOD_IDEMPOTENT = 1, /* a repetition does no harm: its replies need not be kept */
    RT_METHOD_BOUNDED = 2,    /* servers may call it; it never parks */
    RT_METHOD_PARKS = 4,      /* may be answered later: waits for a device or the outside */
};
struct rt_method {
    uint32_t label;
    uint32_t marks; /* enum rt_method_marks */
    char name[40];
};

/* Every vault record begins with this; the checksum covers all of the record with this field 0. */
struct rt_record_header {
    uint32_t kind;    /* a hash of the record's name */
    uint32_t version; /* of its format */
    uint32_t size;    /* bytes, header included */
    uint32_t reserved;
    uint64_t checksum;
};
static_assert(sizeof(struct rt_record_header) == 24);

/* The checksum of a whole record as if header.checksum were 0; any change of a single 64-bit word
 * changes it.
 * Units: header.size is a multiple of 8, at least the header's. */
uint64_t rt_record_checksum(const struct rt_record_header *_Nonnull record);

/* Either of the two: nested where there is a context. */
static inline status_t rt_call_any(struct rt_context *_Nullable context, uint32_t step,
                                   handle_t session, struct rt_call *_Nonnull call) {
    if (context) {
        return rt_call_nested((struct rt_context *_Nonnull)context, step, session, call);
    }
    return rt_call(session, call);
}

/* Gives back what a reply brought that failed, or that cannot be used. */
[[gnu::cold, gnu::noinline]] static inline status_t rt_call_drop(struct rt_call *_Nonnull call,
                                                                 status_t status) {
    for (uint32_t i = 0; i < CALL_HANDLES && i < call->handle_count; i++) {
        rt_handle_close(call->handles[i]);
    }
    return status;
}

/* A dispatcher's end for everything but OK: what the handler's status means for the reply. A
 * handler that parks a call which may not be parked is a defect of its server. */
static inline void rt_reply_end(struct rt_reply *_Nonnull reply, status_t status, uint32_t marks) {
    if (status == RT_STATUS_PARKED) {
        CHECK((marks & RT_METHOD_PARKS) != 0);
        reply->outcome = RT_PARK;
    } else if (status == STATUS_ABSENT) {
        CHECK(reply->outcome == RT_FAULT_IN);
    } else {
        reply->outcome = RT_REPLY;
    }
    reply->status = status;
}

/* Whether a word is a sign-extended 32-bit number. */
static inline bool rt_word_is_i32(uint64_t word) {
    return (int64_t)word >= INT32_MIN && (int64_t)word <= INT32_MAX;
}

/* Whether bytes are a string: no NUL among them. */
static inline bool rt_is_text(struct rt_bytes bytes) {
    for (size_t i = 0; i < bytes.size; i++) {
        if (bytes.data[i] == 0) {
            return false;
        }
    }
    return true;
}

/* The check of a structure all of whose values are good. */
static inline bool rt_any_value(const void *_Nonnull value) {
    (void)value;
    return true;
}

static inline void rt_copy(void *_Nonnull to, const void *_Nonnull from, size_t size) {
    bytes_copy(to, from, size);
}
