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
#include "lib/base/bytes.h"

enum { WAITSET_DEPTH_LIMIT = 5, WAIT_PACKET_LIMIT = 64 };

status_t waitset_create(struct domain *_Nullable domain, struct waitset *_Nullable *_Nonnull out) {
    void *memory = nullptr;
    TRY(object_allocate(OBJECT_WAITSET, SLAB_WAITSET, domain, &memory));
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

/* The level of a binding to a session, of what was not told with WAIT_EDGE yet. */
static uint32_t binding_level(const struct binding *_Nonnull binding) LOCKED {
    const struct session *session = (const struct session *)binding->source;
    bool told = (binding->flags & WAIT_EDGE) != 0 && binding->edge_seen == session->edges;
    return told ? 0 : session->ready & (binding->mask | READY_ERROR | READY_HANGUP);
}

/* Whether a waitset, or one that is bound to it, has a packet; sessions that showed something and
 * do so no more leave the ready lists, and waitsets that became empty by that: each of those sends
 * the walk back to the top. */
static bool waitset_is_ready(struct waitset *_Nonnull top) LOCKED {
    struct waitset *at = top;
    struct binding *above = nullptr; /* that of `at` in the waitset that led to it */
    for (;;) {
        struct list *first = list_first(&at->ready);
        struct binding *binding =
            first == nullptr ? above : LIST_ENTRY(SOME(first), struct binding, ready_link);
        if (binding == nullptr) {
            return false;
        }
        if (first != nullptr && binding->source->type == OBJECT_WAITSET) {
            above = binding;
            at = (struct waitset *)binding->source;
            continue;
        }
        if (first != nullptr &&
            (binding->source->type != OBJECT_SESSION || binding_level(SOME(binding)) != 0)) {
            return true;
        }
        unmark_ready(SOME(binding));
        above = nullptr;
        at = top;
    }
}

uint32_t source_level(struct object *_Nonnull source) {
    enum object_type type = source->type;
    if (type == OBJECT_SESSION) {
        return ((const struct session *)source)->ready;
    }
    bool ready =
        (type == OBJECT_EVENT && ((const struct event *)source)->bits != 0) ||
        (type == OBJECT_WAITSET && waitset_is_ready((struct waitset *)source)) ||
        (type == OBJECT_PROCESS && ((const struct process *)source)->state == PROCESS_DEAD) ||
        (type == OBJECT_DOMAIN && !list_empty(&((const struct domain *)source)->exits));
    return ready ? READY_IN : 0;
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
    bool tell = memory->unused_untold && memory->sessions == 0 && list_empty(&memory->mappings) &&
                list_empty(&memory->overlays);
    memory->unused_untold = memory->unused_untold && !tell;
    return tell;
}

/* Readiness of sessions and waitsets: a level, or of a session with WAIT_EDGE each new edge once.
 */
static bool take_level(struct binding *_Nonnull binding, struct packet *_Nonnull out) LOCKED {
    out->kind = PACKET_READY;
    out->words[1] = binding->data;
    out->words[2] = binding->mask;
    if (binding->source->type == OBJECT_WAITSET) {
        out->words[0] = source_level(binding->source) & binding->mask;
    } else {
        out->words[0] = binding_level(binding);
        binding->edge_seen = ((const struct session *)binding->source)->edges;
    }
    if (out->words[0] != 0 && (binding->flags & WAIT_ONE_SHOT) != 0) {
        binding->mask = 0;
    }
    return out->words[0] != 0;
}

static bool take_child_exit(struct domain *_Nonnull domain, struct packet *_Nonnull out) LOCKED {
    struct list *first = list_first(&domain->exits);
    if (first == nullptr) {
        return false;
    }
    struct process *process = LIST_ENTRY(first, struct process, exit_link);
    list_remove(&process->exit_link);
    return take_exit(process, out);
}

/* The packet that a binding has now; false: none. Endpoints are not taken this way. */
static bool binding_take(struct binding *_Nonnull binding, struct packet *_Nonnull out) LOCKED {
    struct object *source = binding->source;
    *out = (struct packet){.key = binding->key};
    if (source->type == OBJECT_EVENT) {
        out->kind = PACKET_EVENT;
        out->words[0] = ((struct event *)source)->bits;
        ((struct event *)source)->bits = 0;
        return out->words[0] != 0;
    }
    if (source->type == OBJECT_SESSION || source->type == OBJECT_WAITSET) {
        return take_level(binding, out);
    }
    if (source->type == OBJECT_PROCESS) {
        struct process *process = (struct process *)source;
        return process->state == PROCESS_DEAD && take_exit(process, out);
    }
    if (source->type == OBJECT_DOMAIN) {
        return take_child_exit((struct domain *)source, out);
    }
    if (source->type == OBJECT_MEMORY) {
        return take_memory((struct memory *)source, out);
    }
    out->kind = PACKET_IRQ;
    out->words[0] = ((struct device *)source)->pending;
    ((struct device *)source)->pending = 0;
    return out->words[0] != 0;
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
        if (binding_stays(binding)) {
            mark_ready(binding);
        }
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

/* Where the source lies in an object of each type; 0: such objects are no source. */
static const uint16_t source_offsets[OBJECT_TYPE_COUNT] = {
    [OBJECT_EVENT] = offsetof(struct event, source),
    [OBJECT_SESSION] = offsetof(struct session, source),
    [OBJECT_WAITSET] = offsetof(struct waitset, source),
    [OBJECT_PROCESS] = offsetof(struct process, source),
    [OBJECT_DOMAIN] = offsetof(struct domain, source),
    [OBJECT_MEMORY] = offsetof(struct memory, source),
    [OBJECT_ENDPOINT] = offsetof(struct endpoint, source),
    [OBJECT_IRQ] = offsetof(struct device, source),
};

static struct source *_Nullable source_of(struct object *_Nonnull object) {
    uint16_t offset = source_offsets[object->type];
    return offset == 0 ? nullptr : (struct source *)bytes_at(object, offset);
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

/* Waitsets lie in each other without circles: each is deeper than those bound to it. One that is
 * bound itself stays as deep as it is, so that those above need no change. */
static status_t check_nesting(struct waitset *_Nonnull waitset,
                              const struct waitset *_Nonnull inner) LOCKED {
    uint32_t depth = MAX(waitset->depth, inner->depth + 1);
    REFUSE(inner == waitset || depth > WAITSET_DEPTH_LIMIT ||
               (depth > waitset->depth && !list_empty(&waitset->source.bindings)),
           STATUS_BUSY);
    waitset->depth = depth;
    return STATUS_OK;
}

status_t waitset_bind(struct waitset *_Nonnull waitset, struct object *_Nonnull object,
                      uint32_t mask, uint64_t key, uint32_t flags, uint64_t data) {
    struct source *maybe = source_of(object);
    REFUSE(maybe == nullptr, STATUS_BAD_TYPE);
    struct source *source = SOME(maybe);
    struct binding *binding = find_binding(waitset, source, key);
    REFUSE(binding == nullptr && (flags & (WAIT_REMOVE | WAIT_CHANGE)) != 0, STATUS_NOT_FOUND);
    REFUSE(binding != nullptr && (flags & WAIT_ADD) != 0, STATUS_EXISTS);
    if ((flags & WAIT_REMOVE) != 0) {
        binding_free(SOME(binding));
        return STATUS_OK;
    }
    /* An endpoint is handed over when its old server has ended, never before (docs/models.md, 16).
     */
    REFUSE(binding == nullptr && object->type == OBJECT_ENDPOINT && !list_empty(&source->bindings),
           STATUS_BUSY);
    if (binding == nullptr) {
        void *memory = nullptr;
        TRY(object->type != OBJECT_WAITSET
                ? STATUS_OK
                : check_nesting(waitset, (const struct waitset *)object));
        TRY(slab_allocate(SLAB_BINDING, SOME(waitset->object.domain), &memory));
        /* One with a single server: whoever binds last is it (the successor of a dead one). */
        if (object->type == OBJECT_ENDPOINT || object->type == OBJECT_MEMORY ||
            object->type == OBJECT_IRQ) {
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
    binding->data = data;
    binding->flags = flags;
    binding->edge_seen = UINT32_MAX;
    /* Whether something is there already is found out by whoever receives. */
    if (mask != 0) {
        source_notify(source, mask);
    }
    return STATUS_OK;
}

/* ---- waiting ---- */

/* The wait's deadline: TIMED_OUT when it has passed, else the timer is running. */
static status_t arm_deadline(struct thread *_Nonnull self, uint64_t deadline) LOCKED {
    if (deadline == DEADLINE_NEVER) {
        return STATUS_OK;
    }
    REFUSE(deadline <= arch_clock_ns(), STATUS_TIMED_OUT);
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
    REFUSE(count == 0 || count > WAIT_PACKET_LIMIT, STATUS_BAD_ARGUMENT);
    /* Make the whole array present before a packet is taken, so that none can be lost. */
    void *probe = nullptr;
    TRY(user_page(self, address, true, &probe));
    TRY(user_page(self, address + count * sizeof(struct packet) - 1, true, &probe));
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
        if (binding_stays(binding)) {
            list_append(&again, &binding->ready_link);
        }
        status_t status = user_write(self, address + taken * sizeof packet, &packet, sizeof packet);
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
    REFUSE((flags & WAIT_NO_WAIT) != 0, STATUS_WOULD_BLOCK);
    REFUSE(kick_refuses(self, flags), STATUS_CANCELLED);
    TRY(arm_deadline(self, deadline));
    self->interruptible = (flags & WAIT_INTERRUPTIBLE) != 0;
    self->state = THREAD_WAITING;
    waitset_sleep(waitset, self);
    return STATUS_RESTART;
}

/* One look at every item, counting those that are ready; with a waitset, binds each instead. */
static status_t visit_items(struct thread *_Nonnull self, struct waitset *_Nullable bind_to,
                            uint64_t address, uint64_t count, uint64_t *_Nonnull out_ready) LOCKED {
    for (uint64_t i = 0; i < count; i++) {
        struct wait_item item = {};
        struct object *object = nullptr;
        uint64_t at = address + i * sizeof item;
        TRY(user_read(self, at, &item, sizeof item));
        uint32_t mask = item.mask | READY_ERROR | READY_HANGUP;
        if (item.source != HANDLE_NONE) {
            TRY(handle_find(&self->process->table, item.source, OBJECT_NONE, RIGHT_WAIT, &object));
        }
        if (bind_to != nullptr) {
            TRY(object == nullptr ? STATUS_OK
                                  : waitset_bind(SOME(bind_to), SOME(object), mask, i, 0, 0));
            continue;
        }
        item.ready = object == nullptr ? 0 : source_level(SOME(object)) & mask;
        *out_ready += item.ready != 0 ? 1 : 0;
        TRY(user_write(self, at, &item, sizeof item));
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
    REFUSE(count > 1024, STATUS_BAD_ARGUMENT);
    if (self->poll_waitset != nullptr) {
        unbind_all(SOME(self->poll_waitset));
    }
    uint64_t ready = 0;
    status_t status = visit_items(self, nullptr, address, count, &ready);
    *out_count = ready;
    if (status != STATUS_OK || ready > 0) {
        return status;
    }
    REFUSE((flags & WAIT_NO_WAIT) != 0, STATUS_WOULD_BLOCK);
    REFUSE(kick_refuses(self, flags), STATUS_CANCELLED);
    if (self->poll_waitset == nullptr) {
        TRY(waitset_create(self->process->object.domain, &self->poll_waitset));
    }
    struct waitset *waitset = SOME(self->poll_waitset);
    status = visit_items(self, waitset, address, count, &ready);
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
