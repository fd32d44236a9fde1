/* See call.h and docs/restart.md. The message stays in the client's registers and thread page until
 * it is answered; delivery and reply copy between two pinned pages and two register frames, so
 * neither can fault or fail. */
#include "kernel/ipc/deliver.h"

struct list call_deadlines GUARDED = {&call_deadlines, &call_deadlines};

/* Rules for the identity: an outermost call's root is its own token. A nested one extends the path
 * of the call in hand by its step; background work brings a root of its own, marked with the
 * service. */
static status_t set_identity(struct thread *_Nonnull self, struct request *_Nonnull request,
                             uint32_t flags) LOCKED {
    const struct thread_page *page = SOME(self->page);
    uint32_t step = page->call.step;
    REFUSE(step == 0 || step > UINT16_MAX, STATUS_BAD_ARGUMENT);
    if ((flags & CALL_BACKGROUND) != 0) {
        uint64_t service = self->process->service;
        request->identity.root =
            (uint64_t)1 << 63 | (service & 0x7fff) << 48 | (page->call.root & 0xffffffffffffull);
        request->identity.path = step;
        request->repeated = true; /* background work may always be a repetition (models.md, 4) */
        return STATUS_OK;
    }
    struct request *parent = nullptr;
    TRY(request_find(page->call.parent, self->process, &parent));
    /* deeper than four levels */
    REFUSE(SOME(parent)->identity.path >> 48 != 0, STATUS_OUT_OF_RANGE);
    request->identity.root = SOME(parent)->identity.root;
    request->identity.path = SOME(parent)->identity.path << 16 | step;
    request->repeated = SOME(parent)->repeated;
    if ((flags & CALL_FORWARD_PRINCIPAL) != 0) {
        request->principal = SOME(parent)->principal;
    }
    return STATUS_OK;
}

/* Moves the handles named in the thread page into the call. */
static status_t take_handles(struct thread *_Nonnull self,
                             struct request *_Nonnull request) LOCKED {
    struct thread_page *page = SOME(self->page);
    uint32_t count = page->call.handle_count;
    REFUSE(count > CALL_HANDLES, STATUS_BAD_ARGUMENT);
    handle_t handles[CALL_HANDLES] = {};
    for (uint32_t i = 0; i < count; i++) {
        handles[i] = page->call.handles[i];
        struct object *object = nullptr;
        if (handles[i] == HANDLE_NONE) {
            continue; /* an optional one that is absent */
        }
        status_t status =
            handle_find(&self->process->table, handles[i], OBJECT_NONE, RIGHT_TRANSFER, &object);
        for (uint32_t j = 0; j < i && status == STATUS_OK; j++) {
            status = handles[j] == handles[i] ? STATUS_BAD_HANDLE : STATUS_OK;
        }
        TRY(status);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct carried_handle *carried = &request->handles[i];
        carried->duplicate = HANDLE_NONE;
        carried->object = nullptr;
        if (handles[i] == HANDLE_NONE) {
            continue;
        }
        status_t status = handle_take(&self->process->table, handles[i], RIGHT_TRANSFER,
                                      &carried->object, &carried->rights);
        CHECK(status == STATUS_OK);
    }
    request->handle_count = count;
    return STATUS_OK;
}

/* Everything beyond label and words. On an error the request holds nothing. */
static status_t prepare_extras(struct thread *_Nonnull self, struct request *_Nonnull request,
                               uint32_t flags) LOCKED {
    const struct thread_page *page = SOME(self->page);
    status_t status = STATUS_OK;
    REFUSE((flags & CALL_INTERRUPTIBLE) != 0 && page->kick_pending != 0, STATUS_CANCELLED);
    if ((flags & (CALL_NESTED | CALL_BACKGROUND)) != 0) {
        status = set_identity(self, request, flags);
    }
    if (status == STATUS_OK && (flags & (CALL_WANTS_HANDLES | CALL_HAS_HANDLES)) != 0) {
        status = handle_reserve(&self->process->table, CALL_HANDLES);
        request->reserved_slots = status == STATUS_OK ? CALL_HANDLES : 0;
    }
    if (status == STATUS_OK && (flags & CALL_HAS_HANDLES) != 0) {
        status = take_handles(self, request);
    }
    if (status != STATUS_OK) {
        request->repeated = false;
        if (request->reserved_slots > 0) {
            handle_unreserve(&self->process->table, request->reserved_slots);
            request->reserved_slots = 0;
        }
        return status;
    }
    if ((flags & (CALL_NESTED | CALL_BACKGROUND)) != 0) {
        request_set_nested(request);
    }
    if ((flags & CALL_HAS_LEASES) != 0) {
        request->lease_in = page->call.lease_in;
        request->lease_out = page->call.lease_out;
    }
    if ((flags & CALL_HAS_DEADLINE) != 0) {
        call_expect_timeout(request, page->call.timeout_ns);
        scheduler_expect_sweep();
    }
    self->interruptible = (flags & CALL_INTERRUPTIBLE) != 0;
    return STATUS_OK;
}

enum {
    CALL_SLOW_FLAGS = CALL_HAS_HANDLES | CALL_HAS_LEASES | CALL_HAS_DEADLINE | CALL_INTERRUPTIBLE |
                      CALL_NESTED | CALL_BACKGROUND | CALL_WANTS_HANDLES
};

status_t call_begin(struct thread *_Nonnull self, struct syscall_registers *_Nonnull registers) {
    struct object *object = nullptr;
    TRY(handle_find(&self->process->table, (uint32_t)registers->a, OBJECT_SESSION, RIGHT_CALL,
                    &object));
    struct session *session = (struct session *)SOME(object);
    struct endpoint *endpoint = session->endpoint;
    struct request *request = self->request;
    uint32_t flags = (uint32_t)(registers->a >> 32);
    REFUSE(endpoint->closed, STATUS_CLOSED);
    REFUSE(MESSAGE_INLINE(registers->b) > CALL_INLINE_SIZE || self->page == nullptr,
           STATUS_BAD_ARGUMENT);
    call_identify(self, request);
    request->lease_in.length = 0;
    request->lease_out.length = 0;
    self->interruptible = false;
    if ((flags & CALL_SLOW_FLAGS) != 0) {
        TRY(prepare_extras(self, request, flags));
    }
    call_fill(self, request, session);
    self->process->calls_made++;
    if (self->handling != nullptr) {
        self->handling->busy_ticks += arch_ticks() - self->handling->busy_since;
        self->handling->busy_since = 0;
    }
    self->state = THREAD_CALLING;
    endpoint_submit(endpoint, request);
    return STATUS_OK;
}

/* ---- reply ---- */

/* Moves words, inline bytes and handles to the client; everything was validated before. */
static void complete(struct thread *_Nonnull self, struct request *_Nonnull request,
                     const struct syscall_registers *_Nonnull reply) LOCKED {
    struct thread *client = request->client;
    SOME(request->endpoint)->answered++;
    if (request->kind == REQUEST_CLOSE) {
        SOME(request->session)->forgotten = true;
    }
    if (client == nullptr) {
        request_end(request);
        return;
    }
    request_answer_words(self, SOME(client), reply, self->reply_handles);
    self->reply_handles = 0;
    request_end(request);
    if (client->handling != nullptr) {
        client->handling->busy_since = arch_ticks();
    }
    client->state = THREAD_READY;
    if (self->reply_only) {
        scheduler_ready(client);
    } else {
        scheduler_hand_over(cpu_current(), client);
    }
}

/* A reply FAULT_IN: the client's own pages are made present, then the call is queued again. */
static status_t begin_fault_in(struct request *_Nonnull request,
                               const struct syscall_registers *_Nonnull reply) LOCKED {
    request->fault_in_lease = reply->words[0] != 0 ? LEASE_OUT : LEASE_IN;
    request->fault_in_offset = reply->words[1];
    request->fault_in_length = reply->words[2];
    if (request->client == nullptr) {
        request_end(request);
        return STATUS_OK;
    }
    request_unpin(request);
    endpoint_redeliver(request);
    status_t status = lease_fault_in(request);
    if (status == STATUS_RESTART) {
        return STATUS_OK; /* the client waits for its pager; see lease_fault_in */
    }
    if (status != STATUS_OK) {
        request_answer(request, STATUS_BAD_ADDRESS);
        return STATUS_OK;
    }
    source_notify(&SOME(request->endpoint)->source, UINT32_MAX);
    return STATUS_OK;
}

static status_t reply(struct thread *_Nonnull self, struct syscall_registers *_Nonnull registers,
                      uint32_t flags) LOCKED {
    struct request *found = nullptr;
    TRY(request_find(registers->token, self->process, &found));
    struct request *request = SOME(found);
    if ((flags & RECEIVE_PARK) != 0) {
        if ((flags & RECEIVE_HAS_PATCHES) != 0) {
            TRY(commit_apply(self, nullptr, flags));
        }
        request->parked = true;
        request_unpin(request);
        if (request->handler != nullptr) {
            request->handler->handling = nullptr;
            request->handler = nullptr;
        }
        return STATUS_OK;
    }
    if ((int32_t)registers->b == STATUS_FAULT_IN) {
        return begin_fault_in(request, registers);
    }
    if ((flags & (RECEIVE_HAS_PATCHES | RECEIVE_HAS_HANDLES)) != 0) {
        TRY(commit_apply(self, request, flags));
    }
    self->reply_only = (flags & RECEIVE_ONLY_REPLY) != 0;
    complete(self, request, registers);
    return STATUS_OK;
}

/* A server's table always has room for the handles of one call before it receives. */
static status_t reserve_for_receive(struct thread *_Nonnull self) LOCKED {
    if (self->receive_slots == CALL_HANDLES) {
        return STATUS_OK;
    }
    TRY(handle_reserve(&self->process->table, CALL_HANDLES - self->receive_slots));
    self->receive_slots = CALL_HANDLES;
    return STATUS_OK;
}

status_t call_reply_receive(struct thread *_Nonnull self,
                            struct syscall_registers *_Nonnull registers) {
    uint32_t flags = (uint32_t)(registers->a >> 32);
    status_t status = STATUS_OK;
    REFUSE(self->page == nullptr, STATUS_BAD_ARGUMENT);
    if ((flags & (RECEIVE_REPLY | RECEIVE_PARK)) != 0) {
        status = reply(self, registers, flags);
        if (status != STATUS_OK || (flags & RECEIVE_ONLY_REPLY) != 0) {
            return status;
        }
        /* Should the receive be executed again, it must not reply again. */
        registers->a &= ~((uint64_t)(RECEIVE_REPLY | RECEIVE_PARK) << 32);
    }
    struct object *object = nullptr;
    TRY(handle_find(&self->process->table, (uint32_t)registers->a, OBJECT_WAITSET, RIGHT_WAIT,
                    &object));
    TRY(reserve_for_receive(self));
    struct waitset *waitset = (struct waitset *)SOME(object);
    if (waitset_deliver(waitset, self)) {
        return STATUS_OK;
    }
    REFUSE((flags & RECEIVE_NO_WAIT) != 0, STATUS_WOULD_BLOCK);
    if ((flags & RECEIVE_HAS_DEADLINE) != 0) {
        uint64_t deadline = SOME(self->page)->reply.receive_deadline;
        REFUSE(deadline <= arch_clock_ns(), STATUS_TIMED_OUT);
        if (deadline != DEADLINE_NEVER) {
            timer_start(&self->timer, deadline);
        }
    }
    self->state = THREAD_RECEIVING;
    waitset_sleep(waitset, self);
    return STATUS_OK;
}

bool call_sweep_deadlines(void) {
    LIST_FOR(request, &call_deadlines, struct request, deadline_link) {
        if (request->sweeps == 0) {
            list_remove(&request->deadline_link); /* answered since */
        } else if (--request->sweeps == 0) {
            request->timed_out = true;
            request_cancel(request);
        }
    }
    return !list_empty(&call_deadlines);
}
