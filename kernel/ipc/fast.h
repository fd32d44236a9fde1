#pragma once
/* The fast way of a call and of its answer, inlined into the port's entry: a client calls while the
 * server waits, or a server gives a plain answer with nothing else to receive. Both switch straight
 * to the other side, on this processor, and leave it the rest of the time slice. What is left out
 * here is left out because it would find nothing: the checks, which come first, say so. */
#include "kernel/ipc/deliver.h"
#include "kernel/ipc/waitset.h"

/* May `to` take over from the running thread without a look at the queues? */
[[gnu::always_inline]] static inline bool may_switch(const struct cpu *_Nonnull cpu,
                                                     const struct thread *_Nonnull to) LOCKED {
    return to->suspended == 0 && !to->kicked && (to->affinity & cpu->mask) != 0 &&
           (cpu->next == nullptr || cpu->next->priority <= to->priority) &&
           (cpu->run.bitmap == 0 || cpu->run.bitmap >> to->priority <= 1);
}

/* The thread that waits for the next request of `endpoint`, if that is all it has to look at. */
[[gnu::always_inline]] static inline struct thread *_Nullable waiting_server(
    struct endpoint *_Nonnull endpoint) LOCKED {
    struct list *link = endpoint->source.bindings.next;
    if (endpoint->closed || !list_empty(&endpoint->queue) || !list_empty(&endpoint->notices) ||
        endpoint->orphan_count != 0 || link == &endpoint->source.bindings) {
        return nullptr;
    }
    const struct binding *binding = LIST_ENTRY(link, struct binding, source_link);
    struct waitset *waitset = binding->waitset;
    if (binding->mask == 0 || !list_empty(&waitset->ready) || list_empty(&waitset->waiters) ||
        waitset->object.references < 2) {
        return nullptr;
    }
    struct thread *server = LIST_ENTRY(waitset->waiters.next, struct thread, wait_link);
    bool plain = server->state == THREAD_RECEIVING && !tree_contains(&server->timer.node);
    return plain ? server : nullptr;
}

[[gnu::always_inline]] static inline bool fast_call(struct cpu *_Nonnull cpu,
                                                    struct thread *_Nonnull self) LOCKED {
    const struct syscall_registers *registers = &self->frame.call;
    struct request *request = self->request;
    uint32_t flags = (uint32_t)(registers->a >> 32);
    struct object *object = nullptr;
    bool interruptible = (flags & CALL_INTERRUPTIBLE) != 0;
    bool timed = (flags & CALL_HAS_DEADLINE) != 0;
    if ((flags & ~(uint32_t)(CALL_INTERRUPTIBLE | CALL_HAS_DEADLINE | CALL_HAS_LEASES)) != 0 ||
        MESSAGE_INLINE(registers->b) > CALL_INLINE_SIZE || self->page == nullptr || self->dying ||
        (interruptible && self->page->kick_pending != 0) ||
        (timed && scheduler_sweep_ns == UINT64_MAX) ||
        handle_look(&self->process->table, (uint32_t)registers->a, OBJECT_SESSION, RIGHT_CALL,
                    &object) != STATUS_OK) {
        return false;
    }
    struct session *session = (struct session *)SOME(object);
    struct endpoint *endpoint = session->endpoint;
    struct thread *server = waiting_server(endpoint);
    if (server == nullptr || !may_switch(cpu, server)) {
        return false;
    }
    uint64_t now = scheduler_switch(cpu, self, server);
    self->state = THREAD_CALLING;
    self->interruptible = interruptible;
    self->process->calls_made++;
    if (self->handling != nullptr) {
        self->handling->busy_ticks += now - self->handling->busy_since;
        self->handling->busy_since = 0;
    }
    request->lease_in.length = 0;
    request->lease_out.length = 0;
    if ((flags & CALL_HAS_LEASES) != 0) {
        request->lease_in = self->page->call.lease_in;
        request->lease_out = self->page->call.lease_out;
    }
    if (timed) {
        call_expect_timeout(request, self->page->call.timeout_ns);
    }
    call_identify(self, request);
    call_fill(self, request, session);
    list_remove(&server->wait_link);
    server->waits_on->references--;
    server->waits_on = nullptr;
    request->endpoint = endpoint;
    take_in_hand(request, endpoint, server, now);
    fill_registers(request, session, self, server, PACKET_CALL, 0);
    fill_page(request, self, server);
    return true;
}

/* Does the end of `request` give back nothing but itself? */
[[gnu::always_inline]] static inline bool plain(const struct request *_Nonnull request) LOCKED {
    const struct object *session = &SOME(request->session)->object;
    return request->kind == REQUEST_CALL && request->client != nullptr && !request->cancelled &&
           request->handle_count == 0 && request->reserved_slots == 0 && request->pin_count == 0 &&
           session->handles > session->kept && session->references > 1;
}

[[gnu::always_inline]] static inline bool fast_reply(struct cpu *_Nonnull cpu,
                                                     struct thread *_Nonnull self) LOCKED {
    struct syscall_registers *registers = &self->frame.call;
    struct request *request = self->handling;
    struct object *object = nullptr;
    if (registers->a >> 32 != RECEIVE_REPLY || request == nullptr || self->dying ||
        request->token != registers->token || !plain(request) ||
        (int32_t)registers->b == STATUS_FAULT_IN || self->receive_slots != CALL_HANDLES ||
        !may_switch(cpu, SOME(request->client)) ||
        handle_look(&self->process->table, (uint32_t)registers->a, OBJECT_WAITSET, RIGHT_WAIT,
                    &object) != STATUS_OK) {
        return false;
    }
    struct waitset *waitset = (struct waitset *)SOME(object);
    struct thread *client = SOME(request->client);
    if (!list_empty(&waitset->ready)) {
        return false;
    }
    uint64_t now = scheduler_switch(cpu, self, client);
    request_answer_words(self, client, registers, 0);
    struct session *session = SOME(request->session);
    session->calls--;
    session->object.references--;
    session->endpoint->answered++;
    session->endpoint->in_hand--;
    request_rest(request);
    if (client->handling != nullptr) {
        client->handling->busy_since = now;
    }
    self->state = THREAD_RECEIVING;
    waitset_sleep(waitset, self);
    return true;
}

/* False: nothing was done, the general way is to be taken. True: the other thread is cpu->current,
 * and the end of the entry (scheduler_exit) has nothing to do. */
[[gnu::always_inline]] static inline bool call_fast(struct cpu *_Nonnull cpu) LOCKED {
    struct thread *self = SOME(cpu->current);
    uint64_t number = self->frame.call.number;
    bool done = number == SYS_CALL ? fast_call(cpu, self)
                                   : number == SYS_REPLY_RECEIVE && fast_reply(cpu, self);
    cpu->calls += done ? 1 : 0;
    return done;
}
