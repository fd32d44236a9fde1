#pragma once
/* What crosses between a client and a server: in one direction with delivery, in the other with the
 * reply. The general way and the fast way share it (endpoint.c, call.c, fast.h); both ends are
 * pinned pages and saved registers, so it neither faults nor fails. */
#include "kernel/ipc/call.h"
#include "kernel/object/process.h"
#include "lib/base/bytes.h"

/* Who calls, before the caller names another identity. */
[[gnu::always_inline]] static inline void call_identify(const struct thread *_Nonnull client,
                                                        struct request *_Nonnull request) LOCKED {
    request->identity = (struct call_identity){request->token, 0};
    request->principal = client->process->principal;
}
/* The call by `session`, whose registers are the client's. */
[[gnu::always_inline]] static inline void call_fill(struct thread *_Nonnull client,
                                                    struct request *_Nonnull request,
                                                    struct session *_Nonnull session) LOCKED {
    request->client = client;
    request->client_serial = client->process->object.serial;
    request->message = client->frame.call.b & MESSAGE_SENT;
    request->session = session;
    session->calls++;
    session->object.references++; /* as many as threads at most: no overflow */
}

/* All seven or none: whoever sends fewer words than that has cleared the rest. */
[[gnu::always_inline]] static inline void words_pass(const struct syscall_registers *_Nonnull from,
                                                     struct syscall_registers *_Nonnull to,
                                                     uint64_t message) LOCKED {
    if (MESSAGE_WORDS(message) != 0) {
        for (size_t i = 0; i < CALL_WORDS; i++) {
            to->words[i] = from->words[i];
        }
    }
}

[[gnu::always_inline]] static inline void
fill_registers(const struct request *_Nonnull request, const struct session *_Nonnull session,
               const struct thread *_Nullable client, struct thread *_Nonnull server,
               enum packet_kind kind, uint32_t handle_count) LOCKED {
    struct syscall_registers *registers = &server->frame.call;
    registers->number = STATUS_OK;
    registers->a = session->cookie;
    registers->b = (uint64_t)kind << 56 | (uint64_t)handle_count << 48 | request->message;
    registers->token = request->token;
    if (client != nullptr) {
        words_pass(&client->frame.call, registers, request->message);
    }
}

[[gnu::always_inline]] static inline void fill_page(const struct request *_Nonnull request,
                                                    const struct thread *_Nullable client,
                                                    struct thread *_Nonnull server) LOCKED {
    struct thread_page *page = SOME(server->page);
    page->received.identity = request->identity;
    page->received.attempt = request->attempts;
    page->received.state =
        (request->marks & CALL_STATE_ALL) | (SOME(request->session)->flags & SESSION_NONBLOCK);
    page->received.principal = request->principal;
    page->received.process_serial = request->client_serial;
    page->received.lease_in_length = request->lease_in.length;
    page->received.lease_out_length = request->lease_out.length;
    uint32_t inline_length = MESSAGE_INLINE(request->message);
    if (inline_length != 0 && client != nullptr) {
        bytes_copy(page->received_input, SOME(client->page)->call_input, inline_length);
    }
}

[[gnu::always_inline]] static inline void take_in_hand(struct request *_Nonnull request,
                                                       struct endpoint *_Nonnull endpoint,
                                                       struct thread *_Nonnull server,
                                                       uint64_t now) LOCKED {
    endpoint->in_hand++;
    endpoint->received++;
    if (request->order == 0) {
        request->order = ++endpoint->order;
    }
    request->state = REQUEST_IN_HAND;
    request->holder = server->process;
    request->handler = server;
    request->parked = false;
    request->fault_in = false;
    request->busy_since = now;
    list_append(&server->process->held, &request->link);
    list_append(&endpoint->hand, &request->hand_link);
    server->handling = request;
}

/* Off all lists, idle, its token invalid; what it held is given back already. */
[[gnu::always_inline]] static inline void request_rest(struct request *_Nonnull request) LOCKED {
    list_remove(&request->link);
    list_remove(&request->hand_link);
    request->sweeps = 0;
    if (request->identity.path != 0) {
        list_remove(&request->nested_link);
    }
    if (request->handler != nullptr) {
        request->handler->handling = nullptr;
        request->handler = nullptr;
    }
    request->state = REQUEST_IDLE;
    request->marks = 0;
    request_renew(request);
    request->holder = nullptr;
    request->endpoint = nullptr;
    request->session = nullptr;
    request->attempts = 0;
    request->order = 0;
    request->busy_ticks = 0;
}

/* The words and inline bytes of a reply, into the registers and page of the client. */
[[gnu::always_inline]] static inline void
request_answer_words(struct thread *_Nonnull server, struct thread *_Nonnull client,
                     const struct syscall_registers *_Nonnull reply, uint32_t handles) LOCKED {
    struct syscall_registers *to = &client->frame.call;
    uint64_t message = reply->b & MESSAGE_SENT;
    words_pass(reply, to, message);
    uint32_t inline_length = MESSAGE_INLINE(message);
    if (inline_length != 0) {
        inline_length = MIN(inline_length, (uint32_t)CALL_INLINE_SIZE);
        message = (message & ~(0xffffull << 32)) | (uint64_t)inline_length << 32;
        bytes_copy(SOME(client->page)->call_output, SOME(server->page)->reply_output,
                   inline_length);
    }
    to->number = (uint64_t)(int64_t)(int32_t)reply->b;
    to->a = 0;
    to->b = (uint64_t)handles << 48 | (message & ~(uint64_t)UINT32_MAX);
}
