/* See waitset.h. A waiter in reply_receive gets its packet straight into its registers; one in
 * `wait` executes its system call again and collects what is ready then. */
#include "kernel/ipc/waitset.h"
#include "kernel/ipc/endpoint.h"
#include "kernel/ipc/event.h"
#include "kernel/memory/pager.h"
#include "kernel/object/device.h"
#include "kernel/object/domain.h"
#include "kernel/object/process.h"
#include "kernel/sched/scheduler.h"

enum { WAITSET_DEPTH_LIMIT = 5, WAIT_PACKET_LIMIT = 64 };

status_t waitset_create(struct domain *_Nullable domain, struct waitset *_Nullable *_Nonnull out) {
    void *memory = nullptr;
    status_t status = object_allocate(OBJECT_WAITSET, SLAB_WAITSET, domain, &memory);
    if (status != STATUS_OK) {
        return status;
    }
    struct waitset *waitset = SOME(memory);
    list_init(&waitset->ready);
    list_init(&waitset->bindings);
    list_init(&waitset->waiters);
    source_init(&waitset->source);
    waitset->depth = 1;
    *out = waitset;
    return STATUS_OK;
}

static void binding_free(struct binding *_Nonnull binding) LOCKED {
    struct waitset *waitset = binding->waitset;
    list_remove(&binding->source_link);
    list_remove(&binding->waitset_link);
    list_remove(&binding->ready_link);
    slab_free(SLAB_BINDING, SOME(waitset->object.domain), binding);
}

void waitset_unhandled(struct waitset *_Nonnull waitset) {
    LIST_FOR(binding, &waitset->bindings, struct binding, waitset_link) {
        if (binding->source->type == OBJECT_MEMORY) {
            pager_died((struct memory *)binding->source);
        }
        binding_free(binding);
    }
    LIST_FOR(thread, &waitset->waiters, struct thread, wait_link) {
        thread_wake(thread, STATUS_CLOSED);
    }
}

bool waitset_destroy_step(struct waitset *_Nonnull waitset) {
    unsigned budget = 64;
    LIST_FOR(binding, &waitset->bindings, struct binding, waitset_link) {
        if (budget-- == 0) {
            return false;
        }
        binding_free(binding);
    }
    source_close(&waitset->source);
    return true;
}

void source_close(struct source *_Nonnull source) {
    LIST_FOR(binding, &source->bindings, struct binding, source_link) {
        binding_free(binding);
    }
}

/* ---- what there is ---- */

uint32_t source_level(const struct object *_Nonnull source) {
    switch (source->type) {
    case OBJECT_SESSION:
        return ((const struct session *)source)->ready;
    case OBJECT_EVENT:
        return ((const struct event *)source)->bits != 0 ? READY_IN : 0;
    case OBJECT_WAITSET:
        return list_empty(&((const struct waitset *)source)->ready) ? 0 : READY_IN;
    case OBJECT_PROCESS:
        return ((const struct process *)source)->state == PROCESS_DEAD ? READY_IN : 0;
    case OBJECT_DOMAIN:
        return list_empty(&((const struct domain *)source)->exits) ? 0 : READY_IN;
    case OBJECT_NONE:
    case OBJECT_SPACE:
    case OBJECT_THREAD:
    case OBJECT_MEMORY:
    case OBJECT_ENDPOINT:
    case OBJECT_KEEP:
    case OBJECT_IRQ:
    case OBJECT_IOPORTS:
    case OBJECT_DMASPACE:
    case OBJECT_TRACE:
    case OBJECT_SYSTEM:
        break;
    }
    return 0;
}

static bool take_exit(struct process *_Nonnull process, struct packet *_Nonnull out) LOCKED {
    out->kind = PACKET_EXIT;
    out->words[0] = (uint64_t)process->exit_code;
    out->words[1] = process->cause;
    out->words[2] = process->tag;
    out->words[3] = process->object.serial;
    return true;
}

static bool take_memory(struct memory *_Nonnull memory, struct packet *_Nonnull out) LOCKED {
    uint64_t request = 0;
    uint64_t offset = 0;
    uint64_t length = 0;
    out->words[3] = memory->tag;
    if (pager_take_request(memory, &request, &offset, &length)) {
        out->kind = PACKET_PAGE;
        out->words[0] = request;
        out->words[1] = offset;
        out->words[2] = length;
        return true;
    }
    out->kind = PACKET_UNUSED;
    return memory->sessions == 0 && list_empty(&memory->mappings) &&
           list_empty(&memory->overlays) && memory->unused_untold;
}

/* Readiness of sessions and waitsets: a level, or with WAIT_EDGE each new edge once. */
static bool take_level(struct binding *_Nonnull binding, struct packet *_Nonnull out) LOCKED {
    uint32_t edges =
        binding->source->type == OBJECT_SESSION ? ((struct session *)binding->source)->edges : 0;
    uint32_t level = source_level(binding->source) & (binding->mask | READY_ERROR | READY_HANGUP);
    bool edge = (binding->flags & WAIT_EDGE) != 0;
    if (level == 0 || (edge && binding->edge_seen == edges)) {
        return false;
    }
    binding->edge_seen = edges;
    out->kind = PACKET_READY;
    out->words[0] = level;
    out->words[1] = edges;
    return true;
}

/* The packet that a binding has now; false: none. Endpoints are not taken this way. */
static bool binding_take(struct binding *_Nonnull binding, struct packet *_Nonnull out) LOCKED {
    *out = (struct packet){.key = binding->key};
    switch (binding->source->type) {
    case OBJECT_EVENT: {
        struct event *event = (struct event *)binding->source;
        out->kind = PACKET_EVENT;
        out->words[0] = event->bits;
        event->bits = 0;
        return out->words[0] != 0;
    }
    case OBJECT_SESSION:
    case OBJECT_WAITSET:
        return take_level(binding, out);
    case OBJECT_PROCESS: {
        struct process *process = (struct process *)binding->source;
        return process->state == PROCESS_DEAD && take_exit(process, out);
    }
    case OBJECT_DOMAIN: {
        struct domain *domain = (struct domain *)binding->source;
        struct list *first = list_first(&domain->exits);
        if (first == nullptr) {
            return false;
        }
        struct process *process = LIST_ENTRY(first, struct process, exit_link);
        list_remove(&process->exit_link);
        return take_exit(process, out);
    }
    case OBJECT_MEMORY:
        if (!take_memory((struct memory *)binding->source, out)) {
            return false;
        }
        if (out->kind == PACKET_UNUSED) {
            ((struct memory *)binding->source)->unused_untold = false;
        }
        return true;
    case OBJECT_IRQ: {
        struct device *device = (struct device *)binding->source;
        out->kind = PACKET_IRQ;
        out->words[0] = device->pending;
        device->pending = 0;
        return out->words[0] != 0;
    }
    case OBJECT_NONE:
    case OBJECT_SPACE:
    case OBJECT_THREAD:
    case OBJECT_ENDPOINT:
    case OBJECT_KEEP:
    case OBJECT_IOPORTS:
    case OBJECT_DMASPACE:
    case OBJECT_TRACE:
    case OBJECT_SYSTEM:
        break;
    }
    return false;
}

/* May the binding have more after a packet was taken? Then it stays on the ready list, at its end.
 */
static bool binding_stays(const struct binding *_Nonnull binding) LOCKED {
    if ((binding->flags & (WAIT_EDGE | WAIT_ONE_SHOT)) != 0) {
        return false;
    }
    if (binding->source->type == OBJECT_MEMORY) {
        return pager_has_request((const struct memory *)binding->source);
    }
    return binding->source->type == OBJECT_SESSION || binding->source->type == OBJECT_WAITSET ||
           binding->source->type == OBJECT_DOMAIN;
}

static void mark_ready(struct binding *_Nonnull binding) LOCKED {
    if (!binding->ready) {
        binding->ready = true;
        list_append(&binding->waitset->ready, &binding->ready_link);
    }
}

static void unmark_ready(struct binding *_Nonnull binding) LOCKED {
    binding->ready = false;
    list_remove(&binding->ready_link);
}

static void after_take(struct binding *_Nonnull binding) LOCKED {
    if ((binding->flags & WAIT_ONE_SHOT) != 0) {
        binding->mask = 0;
    }
    if (binding_stays(binding)) {
        mark_ready(binding);
    }
}

bool waitset_deliver(struct waitset *_Nonnull waitset, struct thread *_Nonnull thread) {
    for (;;) {
        struct list *first = list_first(&waitset->ready);
        if (first == nullptr) {
            return false;
        }
        struct binding *binding = LIST_ENTRY(first, struct binding, ready_link);
        unmark_ready(binding);
        if (binding->source->type == OBJECT_ENDPOINT) {
            struct endpoint *endpoint = (struct endpoint *)binding->source;
            bool delivered = endpoint_deliver(endpoint, thread);
            if (endpoint_has_work(endpoint, thread->process)) {
                mark_ready(binding);
            }
            if (delivered) {
                return true;
            }
            continue;
        }
        struct packet packet = {};
        if (!binding_take(binding, &packet)) {
            continue;
        }
        after_take(binding);
        struct syscall_registers *registers = &thread->frame.call;
        registers->number = STATUS_OK;
        registers->a = packet.key;
        registers->b = (uint64_t)packet.kind << 56;
        registers->token = 0;
        for (size_t i = 0; i < ARRAY_LENGTH(packet.words); i++) {
            registers->words[i] = packet.words[i];
        }
        return true;
    }
}

/* Wakes one thread that can use what is ready. */
static void waitset_wake(struct waitset *_Nonnull waitset) LOCKED {
    LIST_FOR(thread, &waitset->waiters, struct thread, wait_link) {
        if (thread->state != THREAD_RECEIVING) {
            thread->woken_by = waitset;
            object_reference(&waitset->object);
            thread_restart(thread);
            return;
        }
        if (waitset_deliver(waitset, thread)) {
            thread_unwait(thread);
            scheduler_ready(thread);
            return;
        }
    }
}

void waitset_looked(struct thread *_Nonnull thread, bool died) {
    struct waitset *waitset = thread->woken_by;
    if (waitset == nullptr) {
        return;
    }
    thread->woken_by = nullptr;
    if (died && !list_empty(&waitset->ready)) {
        waitset_wake(SOME(waitset));
    }
    object_release(&waitset->object);
}

void source_notify(struct source *_Nonnull source, uint32_t bits) {
    LIST_FOR(binding, &source->bindings, struct binding, source_link) {
        if ((binding->mask & bits) == 0 || binding->ready) {
            continue;
        }
        mark_ready(binding);
        struct waitset *waitset = binding->waitset;
        if (!list_empty(&waitset->waiters)) {
            waitset_wake(waitset);
        }
        if (!list_empty(&waitset->source.bindings)) {
            source_notify_waitset(waitset);
        }
    }
}

/* A waitset in waitsets became ready: at most five deep, so the walk is a loop over levels. */
void source_notify_waitset(struct waitset *_Nonnull waitset) {
    struct waitset *at = waitset;
    for (unsigned level = 0; level < WAITSET_DEPTH_LIMIT && at != nullptr; level++) {
        struct waitset *above = nullptr;
        LIST_FOR(binding, &at->source.bindings, struct binding, source_link) {
            if (!binding->ready) {
                mark_ready(binding);
                above = binding->waitset;
                if (!list_empty(&above->waiters)) {
                    waitset_wake(above);
                }
            }
        }
        at = above;
    }
}

/* ---- binding ---- */

static struct source *_Nullable source_of(struct object *_Nonnull object) {
    switch (object->type) {
    case OBJECT_EVENT:
        return &((struct event *)object)->source;
    case OBJECT_SESSION:
        return &((struct session *)object)->source;
    case OBJECT_WAITSET:
        return &((struct waitset *)object)->source;
    case OBJECT_PROCESS:
        return &((struct process *)object)->source;
    case OBJECT_DOMAIN:
        return &((struct domain *)object)->source;
    case OBJECT_MEMORY:
        return &((struct memory *)object)->source;
    case OBJECT_ENDPOINT:
        return &((struct endpoint *)object)->source;
    case OBJECT_IRQ:
        return &((struct device *)object)->source;
    case OBJECT_NONE:
    case OBJECT_SPACE:
    case OBJECT_THREAD:
    case OBJECT_KEEP:
    case OBJECT_IOPORTS:
    case OBJECT_DMASPACE:
    case OBJECT_TRACE:
    case OBJECT_SYSTEM:
        break;
    }
    return nullptr;
}

static struct binding *_Nullable find_binding(const struct waitset *_Nonnull waitset,
                                              struct source *_Nonnull source, uint64_t key) LOCKED {
    LIST_FOR(binding, &source->bindings, struct binding, source_link) {
        if (binding->waitset == waitset && binding->key == key) {
            return binding;
        }
    }
    return nullptr;
}

/* A source with a single server: whoever binds last is its server (the successor of a dead one). */
static bool single_server(enum object_type type) {
    return type == OBJECT_ENDPOINT || type == OBJECT_MEMORY || type == OBJECT_IRQ;
}

static status_t check_nesting(struct waitset *_Nonnull waitset,
                              const struct object *_Nonnull object) LOCKED {
    if (object->type != OBJECT_WAITSET) {
        return STATUS_OK;
    }
    const struct waitset *inner = (const struct waitset *)object;
    if (inner == waitset || inner->depth + 1 > WAITSET_DEPTH_LIMIT || waitset->depth > 1) {
        return STATUS_BAD_ARGUMENT;
    }
    waitset->depth = inner->depth + 1;
    return STATUS_OK;
}

status_t waitset_bind(struct waitset *_Nonnull waitset, struct object *_Nonnull object,
                      uint32_t mask, uint64_t key, uint32_t flags) {
    struct source *maybe = source_of(object);
    if (maybe == nullptr) {
        return STATUS_BAD_TYPE;
    }
    struct source *source = SOME(maybe);
    struct binding *binding = find_binding(waitset, source, key);
    if ((flags & WAIT_REMOVE) != 0) {
        if (binding == nullptr) {
            return STATUS_NOT_FOUND;
        }
        binding_free(SOME(binding));
        return STATUS_OK;
    }
    if (binding == nullptr) {
        status_t status = check_nesting(waitset, object);
        void *memory = nullptr;
        if (status == STATUS_OK) {
            status = slab_allocate(SLAB_BINDING, SOME(waitset->object.domain), &memory);
        }
        if (status != STATUS_OK) {
            return status;
        }
        if (single_server(object->type)) {
            source_close(source);
        }
        binding = SOME(memory);
        binding->waitset = waitset;
        binding->source = object;
        list_append(&source->bindings, &binding->source_link);
        list_append(&waitset->bindings, &binding->waitset_link);
        list_init(&binding->ready_link);
    }
    binding->mask = mask;
    binding->key = key;
    binding->flags = flags;
    binding->edge_seen = UINT32_MAX;
    /* Whether something is there already is found out by whoever receives. */
    if (mask != 0) {
        source_notify(source, mask);
    }
    return STATUS_OK;
}

/* ---- waiting ---- */

void waitset_sleep(struct waitset *_Nonnull waitset, struct thread *_Nonnull thread) {
    thread->waits_on = &waitset->object;
    object_reference(&waitset->object);
    list_append(&waitset->waiters, &thread->wait_link);
}

/* The wait's deadline: TIMED_OUT when it has passed, else the timer is running. */
static status_t arm_deadline(struct thread *_Nonnull self, uint64_t deadline) LOCKED {
    if (deadline == DEADLINE_NEVER) {
        return STATUS_OK;
    }
    if (deadline <= arch_clock_ns()) {
        return STATUS_TIMED_OUT;
    }
    timer_start(&self->timer, deadline);
    return STATUS_OK;
}

static bool kick_refuses(const struct thread *_Nonnull self, uint64_t flags) LOCKED {
    return (flags & WAIT_INTERRUPTIBLE) != 0 && self->page != nullptr &&
           SOME(self->page)->kick_pending != 0;
}

status_t waitset_wait(struct thread *_Nonnull self, struct waitset *_Nonnull waitset,
                      uint64_t address, uint64_t count, uint64_t deadline, uint64_t flags,
                      uint64_t *_Nonnull out_count) {
    if (count == 0 || count > WAIT_PACKET_LIMIT) {
        return STATUS_BAD_ARGUMENT;
    }
    /* Make the whole array present before a packet is taken, so that none can be lost. */
    void *probe = nullptr;
    status_t status = user_page(self, address, true, &probe);
    if (status == STATUS_OK) {
        status = user_page(self, address + count * sizeof(struct packet) - 1, true, &probe);
    }
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t taken = 0;
    struct list again = {&again, &again};
    while (taken < count && !list_empty(&waitset->ready)) {
        struct binding *binding =
            LIST_ENTRY(SOME(list_first(&waitset->ready)), struct binding, ready_link);
        unmark_ready(binding);
        struct packet packet = {};
        if (binding->source->type == OBJECT_ENDPOINT || !binding_take(binding, &packet)) {
            continue;
        }
        if ((binding->flags & WAIT_ONE_SHOT) != 0) {
            binding->mask = 0;
        }
        if (binding_stays(binding)) {
            list_append(&again, &binding->ready_link);
        }
        status = user_write(self, address + taken * sizeof packet, &packet, sizeof packet);
        CHECK(status == STATUS_OK);
        taken++;
    }
    LIST_FOR(binding, &again, struct binding, ready_link) {
        list_remove(&binding->ready_link);
        mark_ready(binding);
    }
    *out_count = taken;
    if (taken > 0) {
        return STATUS_OK;
    }
    if ((flags & WAIT_NO_WAIT) != 0) {
        return STATUS_WOULD_BLOCK;
    }
    if (kick_refuses(self, flags)) {
        return STATUS_CANCELLED;
    }
    status = arm_deadline(self, deadline);
    if (status != STATUS_OK) {
        return status;
    }
    self->interruptible = (flags & WAIT_INTERRUPTIBLE) != 0;
    self->state = THREAD_WAITING;
    waitset_sleep(waitset, self);
    return STATUS_RESTART;
}

/* One look at every item; true where one is ready. */
static status_t check_items(struct thread *_Nonnull self, uint64_t address, uint64_t count,
                            uint64_t *_Nonnull out_ready) LOCKED {
    for (uint64_t i = 0; i < count; i++) {
        struct wait_item item = {};
        uint64_t at = address + i * sizeof item;
        status_t status = user_read(self, at, &item, sizeof item);
        if (status != STATUS_OK) {
            return status;
        }
        item.ready = 0;
        struct object *object = nullptr;
        if (item.source != HANDLE_NONE) {
            status =
                handle_find(&self->process->table, item.source, OBJECT_NONE, RIGHT_WAIT, &object);
            if (status != STATUS_OK) {
                return status;
            }
            item.ready = source_level(SOME(object)) & (item.mask | READY_ERROR | READY_HANGUP);
        }
        *out_ready += item.ready != 0 ? 1 : 0;
        status = user_write(self, at, &item, sizeof item);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* Binds every item to the thread's own waitset, which is emptied at the next look. */
static status_t bind_items(struct thread *_Nonnull self, struct waitset *_Nonnull waitset,
                           uint64_t address, uint64_t count) LOCKED {
    for (uint64_t i = 0; i < count; i++) {
        struct wait_item item = {};
        status_t status = user_read(self, address + i * sizeof item, &item, sizeof item);
        struct object *object = nullptr;
        if (status == STATUS_OK && item.source != HANDLE_NONE) {
            status =
                handle_find(&self->process->table, item.source, OBJECT_NONE, RIGHT_WAIT, &object);
        }
        if (status == STATUS_OK && object != nullptr) {
            status =
                waitset_bind(waitset, SOME(object), item.mask | READY_ERROR | READY_HANGUP, i, 0);
        }
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

static void unbind_all(struct waitset *_Nonnull waitset) LOCKED {
    LIST_FOR(binding, &waitset->bindings, struct binding, waitset_link) {
        binding_free(binding);
    }
}

status_t waitset_wait_list(struct thread *_Nonnull self, uint64_t address, uint64_t count,
                           uint64_t deadline, uint64_t flags, uint64_t *_Nonnull out_count) {
    if (count > 1024) {
        return STATUS_BAD_ARGUMENT;
    }
    if (self->poll_waitset != nullptr) {
        unbind_all(SOME(self->poll_waitset));
    }
    uint64_t ready = 0;
    status_t status = check_items(self, address, count, &ready);
    *out_count = ready;
    if (status != STATUS_OK || ready > 0) {
        return status;
    }
    if ((flags & WAIT_NO_WAIT) != 0) {
        return STATUS_WOULD_BLOCK;
    }
    if (kick_refuses(self, flags)) {
        return STATUS_CANCELLED;
    }
    if (self->poll_waitset == nullptr) {
        status = waitset_create(self->process->object.domain, &self->poll_waitset);
        if (status != STATUS_OK) {
            return status;
        }
    }
    struct waitset *waitset = SOME(self->poll_waitset);
    status = bind_items(self, waitset, address, count);
    if (status == STATUS_OK) {
        /* Binding marks what is already ready; nothing is, so the marks are stale. */
        LIST_FOR(binding, &waitset->ready, struct binding, ready_link) {
            unmark_ready(binding);
        }
        status = arm_deadline(self, deadline);
    }
    if (status != STATUS_OK) {
        unbind_all(waitset);
        return status;
    }
    self->interruptible = (flags & WAIT_INTERRUPTIBLE) != 0;
    self->state = THREAD_WAITING;
    waitset_sleep(waitset, self);
    return STATUS_RESTART;
}
