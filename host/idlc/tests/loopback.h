#pragma once
/* A transport for tests and fuzzers: the client and the server of a protocol in one thread, each
 * with a thread page of its own, and between them only what the kernel would carry.
 *
 * Invariants:
 *  1. A server sees of a call only struct rt_request and its page, both made anew for each attempt.
 *  2. What a test counts (handles closed, attempts) is reset by loopback_start. */
#include "lib/rt/message.h"

enum { LOOPBACK_TOKEN = 77, LOOPBACK_OWN_COOKIE = 0x1234 };

/* Handles of tests: their number says what they are. */
enum loopback_handle : uint32_t {
    HANDLE_OWN_SESSION = 0x10001,     /* all rights */
    HANDLE_FOREIGN_SESSION = 0x10002, /* all rights, of another endpoint */
    HANDLE_WEAK_SESSION = 0x10003,    /* its own endpoint's, but no right to call */
    HANDLE_EVENT = 0x10004,           /* all rights */
    HANDLE_WEAK_EVENT = 0x10005,      /* may only be waited for */
    HANDLE_MEMORY = 0x10006,          /* all rights */
};

struct loopback {
    /* Who answers a call: a dispatcher with its handlers. */
    void (*_Nullable serve)(struct rt_request *_Nonnull request);
    /* Changes a reply on its way to the client, as a hostile server would have sent it. */
    void (*_Nullable spoil)(struct rt_call *_Nonnull call, struct thread_page *_Nonnull client);
    /* Changes a request on its way to the server, as a hostile client would have sent it. */
    void (*_Nullable forge)(struct rt_request *_Nonnull request);
    /* The number of lease operations that find their page absent first. */
    uint32_t absent;
    uint32_t attempts; /* of the last call */
    uint32_t closed;   /* handles closed so far */
    uint32_t brought;  /* handles that the last reply brought to the client */
    uint32_t last_flags, last_step;
    uint64_t last_timeout_ns;
    uint32_t last_lend_mask;
    struct lease lease_in, lease_out;
    struct rt_reply last_reply;
};
extern struct loopback loopback;

void loopback_start(void (*_Nullable serve)(struct rt_request *_Nonnull request));
struct thread_page *_Nonnull loopback_server_page(void);
/* A context for nested calls: only its address counts. */
struct rt_context *_Nonnull loopback_context(void);
