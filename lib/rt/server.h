#pragma once
/* The server loop, the vault and the keep: what every server of Isotope is built on.
 *
 * A server's lasting state lies in its vault, which it maps read-only and reads in place. It
 * changes it by staging patches; they are applied by the kernel together with the reply to the call
 * in hand, as one step (docs/restart.md, 10). Between two calls, therefore, the vault is always the
 * state after the last answered call, and a successor goes on from there.
 *
 * Invariants: (R1) a handler that fails leaves the vault as it was: what it staged is dropped;
 * (R2) whatever a server does before its reply is repeatable: it reads, it stages, it makes nested
 * calls under fixed steps; (R3) a record that fails its checksum ends the process with
 * RT_EXIT_CORRUPT, and the supervisor restarts more than this one. */
#include "lib/rt/context.h"
#include "lib/rt/message.h"
#include "lib/rt/native.h"
#include "lib/rt/report.h"
#include "lib/rt/start.h"

enum { RT_EXIT_CORRUPT = 70, RT_EXIT_START = 71 };

/* A reply to a nested call, kept in the vault by the commit that did its effect: when the caller is
 * repeated, it asks again under the same identity and gets the same answer (restart.md, 3). Kept
 * until no call of its root is left. CANCELLED and other errors are never kept: they had no effect.
 */
enum { RT_KEPT_KIND = 0x4b50, RT_KEPT_INLINE = 128 };
struct rt_kept {
    struct rt_record_header header;
    struct call_identity identity;
    uint64_t cookie;
    uint64_t request_hash; /* of label, shape and words: another request under this identity is an
                              error */
    uint64_t words[CALL_WORDS];
    uint32_t shape, reserved;
    uint8_t inline_bytes[RT_KEPT_INLINE];
};

struct rt_server {
    uint64_t mode; /* enum start_mode */
    const struct rt_start *_Nonnull start;
    struct thread_page *_Nonnull page;
    void *_Nullable state; /* the server's own */
    handle_t endpoint, waitset, vault, keep;
    uint64_t endpoint_serial;
    const void *_Nullable vault_data; /* mapped read-only */
    size_t vault_size;
    /* What is staged for the next reply or commit. */
    uint32_t patch_count, staged_bytes, keep_count;
    struct rt_context context;
    uint32_t kept_count;
    const struct rt_kept *_Nullable COUNTED_BY(kept_count) kept; /* in the vault */
    struct rt_recent *_Nonnull recent; /* in the Memory for its report, or in the thread page */
};

/* The entry of every server's program; the loader passes enum start_mode and the thread page. */
void server_main(uint64_t mode, uint64_t thread_page);

/* A packet that is no call: a close, a cancellation, an event, readiness … */
struct rt_packet {
    enum packet_kind kind;
    uint64_t key;   /* the binding's, or for CLOSE and CANCEL the session's cookie */
    uint64_t token; /* CANCEL: of the call; CLOSE: the loop answers it when on_packet returns */
    uint64_t words[CALL_WORDS];
};

struct rt_service {
    /* Answers a call by the dispatchers of the protocols that the server speaks. */
    void (*_Nonnull on_call)(struct rt_server *_Nonnull server,
                             struct rt_request *_Nonnull request);
    /* Everything else. What it stages for a CLOSE is committed with the close; for other packets it
     * calls rt_commit itself. */
    void (*_Nonnull on_packet)(struct rt_server *_Nonnull server,
                               const struct rt_packet *_Nonnull packet);
};

/* Begins: maps start page and vault, makes the waitset, binds the endpoint. Ends the process with
 * RT_EXIT_START where something is missing. */
void rt_server_begin(struct rt_server *_Nonnull server, uint64_t mode, uint64_t thread_page);
/* Zeroed memory for what the server knows in this life, as server->state. Ends the process with
 * RT_EXIT_START where there is none, or where the vault is smaller than `vault_size`. */
void *_Nonnull rt_server_state(struct rt_server *_Nonnull server, size_t size, size_t vault_size);
/* Serves for ever. */
[[noreturn]] void rt_server_run(struct rt_server *_Nonnull server,
                                const struct rt_service *_Nonnull service);

/* Servers that other servers call with effect give a table in their vault for the replies. A nested
 * call that stages something while the table is full is answered BUSY. */
void rt_server_keep_replies(struct rt_server *_Nonnull server, const struct rt_kept *_Nonnull table,
                            uint32_t count);

/* A handle from the start page by its name; HANDLE_NONE where there is none. */
handle_t rt_start_handle(const struct rt_server *_Nonnull server, const char *_Nonnull name);

/* Stages a change: `size` bytes at `target`, a place inside the mapped vault, become `from`.
 * Errors: OUT_OF_RANGE: not in the vault, or more than one commit can carry. */
status_t rt_stage(struct rt_server *_Nonnull server, const void *_Nonnull target,
                  const void *_Nonnull from, size_t size);
/* The same for a whole record, whose checksum is computed. The record is written with it. */
status_t rt_stage_record(struct rt_server *_Nonnull server, const void *_Nonnull target,
                         struct rt_record_header *_Nonnull record);
/* Stages moving a handle of this process into slot `slot` (1 …) of the keep, or clearing the slot
 * (HANDLE_NONE). */
status_t rt_stage_keep(struct rt_server *_Nonnull server, uint32_t slot, handle_t handle);
/* Stages a readiness change of a session that this process may receive for, and the forgetting of a
 * dead process: both are part of the step that they belong to (docs/models.md, 10 and 11). */
status_t rt_stage_ready(struct rt_server *_Nonnull server, handle_t session, uint32_t clear,
                        uint32_t set);
status_t rt_stage_forget(struct rt_server *_Nonnull server, handle_t process);
void rt_stage_drop(struct rt_server *_Nonnull server);
/* Applies what is staged now, without a reply: background work, progress of a long call. */
status_t rt_commit(struct rt_server *_Nonnull server);
/* Copies a kept handle into this process. */
status_t rt_keep_get(const struct rt_server *_Nonnull server, uint32_t slot,
                     handle_t *_Nonnull out);

/* Answers a parked call (and applies what is staged with it). The reply was filled by one of the
 * generated NAME_METHOD_reply functions; its output is the thread page's reply_output.
 * Errors: NOT_FOUND: the call is gone; what was staged is still staged. */
status_t rt_answer(struct rt_server *_Nonnull server, struct rt_reply *_Nonnull reply);
/* Answers a parked call with an error. */
status_t rt_answer_error(struct rt_server *_Nonnull server, uint64_t token, status_t status);
/* An empty reply to `token`, to be filled. */
struct rt_reply rt_reply_for(struct rt_server *_Nonnull server, uint64_t token);

/* For a loop of one's own around SYS_REPLY_RECEIVE: fills in what its registers say of a request
 * (its words are received in place), and a reply as they want it (returns the flags, which go into
 * the upper half of register a; its words are sent in place). */
void rt_request_take(struct rt_request *_Nonnull request, const struct rt_exchange *_Nonnull e);
uint32_t rt_reply_load(struct thread_page *_Nonnull page, struct rt_reply *_Nonnull reply,
                       struct rt_exchange *_Nonnull e);

/* Ends the process because a record of its vault is damaged: `what` goes to the log. */
[[noreturn]] void rt_vault_corrupt(struct rt_server *_Nonnull server, const char *_Nonnull what);
/* A line for the log, prefixed with the service's name. */
[[gnu::format(printf, 2, 3)]] void rt_log(const struct rt_server *_Nonnull server,
                                          const char *_Nonnull text, ...);
