/* See endpoint.h. */
#include "kernel/ipc/deliver.h"
#include "kernel/memory/memory.h"
#include "kernel/object/domain.h"
#include "kernel/object/process.h"
#include "kernel/sched/scheduler.h"
#include "lib/base/bytes.h"

enum { POISON_ATTEMPTS = 3 };

status_t endpoint_create(struct domain *_Nullable domain,
                         struct endpoint *_Nullable *_Nonnull out) {
    void *memory = nullptr;
    TRY(object_allocate(OBJECT_ENDPOINT, SLAB_ENDPOINT, domain, &memory));
    struct endpoint *endpoint = SOME(memory);
    source_init(&endpoint->source);
    list_init(&endpoint->queue);
    list_init(&endpoint->hand);
    list_init(&endpoint->notices);
    list_init(&endpoint->sessions);
    *out = endpoint;
    return STATUS_OK;
}

void endpoint_close(struct endpoint *_Nonnull endpoint) {
    endpoint->closed = true;
    LIST_FOR(request, &endpoint->queue, struct request, link) {
        if (request->kind == REQUEST_CALL) {
            request_answer(request, STATUS_CLOSED);
        } else {
            struct session *session = SOME(request->session);
            session->forgotten = true;
            request_end(request);
        }
    }
    LIST_FOR(session, &endpoint->sessions, struct session, endpoint_link) {
        session_set_ready(session, 0, READY_HANGUP | READY_ERROR);
    }
}

bool endpoint_destroy_step(struct endpoint *_Nonnull endpoint) {
    CHECK(list_empty(&endpoint->queue) && list_empty(&endpoint->sessions));
    source_close(&endpoint->source);
    return true;
}

/* ---- sessions ---- */

status_t session_create(struct endpoint *_Nonnull endpoint, uint64_t cookie, uint32_t flags,
                        struct memory *_Nullable memory, struct session *_Nullable *_Nonnull out) {
    REFUSE(endpoint->closed, STATUS_CLOSED);
    struct domain *domain = SOME(endpoint->object.domain);
    void *pointer = nullptr;
    TRY(object_allocate(OBJECT_SESSION, SLAB_SESSION, domain, &pointer));
    struct session *session = SOME(pointer);
    source_init(&session->source);
    session->cookie = cookie;
    session->flags = flags & (SESSION_APPEND | SESSION_NONBLOCK);
    session->live = (flags & SESSION_LIVE) != 0;
    list_init(&session->endpoint_link);
    struct request *close = nullptr;
    status_t status = request_create(domain, REQUEST_CLOSE, &close);
    if (status != STATUS_OK) {
        session->half_made = true;
        object_release(&session->object);
        return status;
    }
    session->close = SOME(close);
    session->endpoint = endpoint;
    object_reference(&endpoint->object);
    list_append(&endpoint->sessions, &session->endpoint_link);
    endpoint->session_count++;
    if (memory != nullptr) {
        session->memory = memory;
        object_reference(&memory->object);
        memory->sessions++;
    }
    *out = session;
    return STATUS_OK;
}

void session_unhandled(struct session *_Nonnull session) {
    source_close(&session->source);
    if (session->calls > 0 || !session->live || session->forgotten || session->endpoint->closed ||
        session->close->state != REQUEST_IDLE) {
        return;
    }
    struct request *close = session->close;
    close->session = session;
    object_reference(&session->object);
    endpoint_submit(session->endpoint, close);
}

bool session_destroy_step(struct session *_Nonnull session) {
    if (session->half_made) {
        return true;
    }
    source_close(&session->source);
    list_remove(&session->endpoint_link);
    session->endpoint->session_count--;
    request_free(session->close);
    struct memory *memory = session->memory;
    if (memory != nullptr) {
        memory->sessions--;
        memory_user_gone(SOME(memory));
        object_release(&memory->object);
    }
    object_release(&session->endpoint->object);
    return true;
}

void session_set_ready(struct session *_Nonnull session, uint32_t clear, uint32_t set) {
    session->ready = (session->ready & ~clear) | set;
    if (set != 0) {
        session->edges++;
        if (!list_empty(&session->source.bindings)) {
            source_notify(&session->source, set);
        }
    }
}

/* ---- requests: queue and delivery ---- */

void endpoint_submit(struct endpoint *_Nonnull endpoint, struct request *_Nonnull request) {
    request->endpoint = endpoint;
    request->state = REQUEST_QUEUED;
    endpoint->queued++;
    list_append(&endpoint->queue, &request->link);
    source_notify(&endpoint->source, UINT32_MAX);
}

/* A call may not be delivered while an orphan with its identity is in hand (restart.md, 3). */
static bool held_by_orphan(const struct endpoint *_Nonnull endpoint,
                           const struct request *_Nonnull request,
                           const struct process *_Nonnull holder) LOCKED {
    if (endpoint->orphan_count == 0 || request->kind != REQUEST_CALL) {
        return false;
    }
    LIST_FOR(held, list_of(&holder->held), struct request, link) {
        if (held->orphan && held->endpoint == endpoint &&
            held->identity.root == request->identity.root &&
            held->identity.path == request->identity.path) {
            return true;
        }
    }
    return false;
}

/* The first request that may be delivered now, or null. */
static struct request *_Nullable next_request(const struct endpoint *_Nonnull endpoint,
                                              const struct process *_Nonnull holder) LOCKED {
    LIST_FOR(request, list_of(&endpoint->queue), struct request, link) {
        if (!request->fault_in && !held_by_orphan(endpoint, request, holder)) {
            return request;
        }
    }
    return nullptr;
}

bool endpoint_has_work(const struct endpoint *_Nonnull endpoint,
                       const struct process *_Nonnull holder) {
    return !list_empty(&endpoint->notices) || next_request(endpoint, holder) != nullptr;
}

/* Puts the receiver's duplicates of carried handles into its table. Its slots were reserved. */
static uint32_t give_duplicates(struct request *_Nonnull request,
                                struct thread *_Nonnull server) LOCKED {
    struct thread_page *page = SOME(server->page);
    for (uint32_t i = 0; i < request->handle_count; i++) {
        struct carried_handle *carried = &request->handles[i];
        page->received.handles[i] = HANDLE_NONE;
        if (carried->object == nullptr) {
            continue; /* an optional one that is absent */
        }
        server->receive_slots--;
        carried->duplicate =
            handle_insert_reserved(&server->process->table, SOME(carried->object), carried->rights);
        page->received.handles[i] = carried->duplicate;
    }
    return request->handle_count;
}

/* The one place where a server gets a request that was queued. */
static void deliver(struct request *_Nonnull request, struct thread *_Nonnull server) LOCKED {
    list_remove(&request->link);
    SOME(request->endpoint)->queued--;
    uint32_t handles = request->handle_count == 0 ? 0 : give_duplicates(request, server);
    take_in_hand(request, SOME(request->endpoint), server, arch_ticks());
    enum packet_kind kind = request->kind == REQUEST_CALL ? PACKET_CALL : PACKET_CLOSE;
    fill_registers(request, SOME(request->session), request->client, server, kind, handles);
    fill_page(request, request->client, server);
}

static void deliver_notice(struct request *_Nonnull request,
                           struct thread *_Nonnull server) LOCKED {
    struct syscall_registers *registers = &server->frame.call;
    registers->number = STATUS_OK;
    registers->a = request->session != nullptr ? request->session->cookie : 0;
    registers->b = (uint64_t)PACKET_CANCEL << 56;
    registers->token = request->token;
}

bool endpoint_deliver(struct endpoint *_Nonnull endpoint, struct thread *_Nonnull server) {
    struct list *notice = list_first(&endpoint->notices);
    if (notice != nullptr) {
        struct request *request = LIST_ENTRY(notice, struct request, notice_link);
        list_remove(&request->notice_link);
        deliver_notice(request, server);
        return true;
    }
    struct request *request = next_request(endpoint, server->process);
    if (request != nullptr) {
        deliver(SOME(request), server);
    }
    return request != nullptr;
}

/* ---- death, repetition, cancellation ---- */

static void leave_hand(struct request *_Nonnull request) LOCKED {
    struct process *holder = SOME(request->holder);
    for (uint32_t i = 0; i < request->handle_count; i++) {
        if (request->handles[i].duplicate != HANDLE_NONE) {
            (void)handle_close(&holder->table, request->handles[i].duplicate);
            request->handles[i].duplicate = HANDLE_NONE;
        }
    }
    if (request->handler != nullptr) {
        request->handler->handling = nullptr;
        request->handler = nullptr;
    }
    SOME(request->endpoint)->in_hand--;
    list_remove(&request->link);
    list_remove(&request->hand_link);
    list_remove(&request->notice_link);
    request->holder = nullptr;
    request->busy_ticks = 0;
}

/* At the queue's head, but behind repeated calls that were received earlier. */
static void queue_in_order(struct request *_Nonnull request) LOCKED {
    struct endpoint *endpoint = SOME(request->endpoint);
    struct list *before = endpoint->queue.next;
    while (before != &endpoint->queue) {
        const struct request *there = LIST_ENTRY(before, struct request, link);
        if (there->order == 0 || there->order > request->order) {
            break;
        }
        before = before->next;
    }
    list_insert(before, &request->link);
    request->state = REQUEST_QUEUED;
    endpoint->queued++;
    endpoint->redelivered++;
}

void endpoint_requeue(struct request *_Nonnull request, bool counts) {
    if (request->orphan) {
        request_end(request);
        return;
    }
    bool worked_on = !request->parked;
    leave_hand(request);
    request->repeated = true;
    request->parked = false;
    if (counts && worked_on) {
        request->attempts++;
    }
    queue_in_order(request);
    if (request->attempts >= POISON_ATTEMPTS && request->kind == REQUEST_CALL) {
        SOME(request->endpoint)->poisoned++;
        request_answer(request, STATUS_POISONED);
        return;
    }
    source_notify(&SOME(request->endpoint)->source, UINT32_MAX);
}

void endpoint_redeliver(struct request *_Nonnull request) {
    leave_hand(request);
    request->parked = false;
    request->fault_in = true;
    queue_in_order(request);
}

void request_answer(struct request *_Nonnull request, status_t status) {
    struct thread *client = request->client;
    if (client == nullptr) {
        request_end(request);
        return;
    }
    /* Handles that were never received go back to where they came from. */
    bool back = request->order == 0;
    for (uint32_t i = 0; back && i < request->handle_count; i++) {
        struct carried_handle *carried = &request->handles[i];
        SOME(client->page)->call.handles[i] = HANDLE_NONE;
        if (carried->object != nullptr && client->process->table.reserved > 0 &&
            request->reserved_slots > 0) {
            request->reserved_slots--;
            SOME(client->page)->call.handles[i] = handle_insert_reserved(
                &client->process->table, SOME(carried->object), carried->rights);
        }
    }
    uint32_t returned = back ? request->handle_count : 0;
    SOME(request->endpoint)->answered++;
    request_end(request);
    client->frame.call.a = 0;
    client->frame.call.b = (uint64_t)returned << 48;
    thread_wake(client, status);
}

void request_cancel(struct request *_Nonnull request) {
    if (request->cancelled || request->state == REQUEST_IDLE) {
        return;
    }
    request->cancelled = true;
    /* "Never received" is not "surely new": a nested call that is sent again may have had its
     * effect (docs/models.md, 1). */
    if (request->state == REQUEST_QUEUED && request->order == 0 && !request->repeated) {
        request_answer(request, STATUS_CANCELLED);
    } else if (request->state == REQUEST_IN_HAND) {
        struct endpoint *endpoint = SOME(request->endpoint);
        list_append(&endpoint->notices, &request->notice_link);
        source_notify(&endpoint->source, UINT32_MAX);
    }
}

void request_orphan(struct request *_Nonnull request) {
    struct endpoint *endpoint = SOME(request->endpoint);
    if (request->state != REQUEST_IN_HAND) {
        request_end(request);
        return;
    }
    if (request->reserved_slots > 0) {
        handle_unreserve(&SOME(request->client)->process->table, request->reserved_slots);
        request->reserved_slots = 0;
    }
    request_unpin(request);
    request->client = nullptr;
    request->orphan = true;
    endpoint->orphan_count++;
    request->lease_in = (struct lease){};
    request->lease_out = (struct lease){};
    request->message = (uint32_t)request->message;
    request_cancel(request);
}
