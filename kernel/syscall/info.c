/* object_info and object_list: what there is, as level state. Nothing is hidden in notifications
 * that cannot be asked for here (invariant I8). */
#include "abi/info.h"
#include "abi/syscall.h"
#include "kernel/ipc/endpoint.h"
#include "kernel/memory/user.h"
#include "kernel/object/domain.h"
#include "kernel/object/keep.h"
#include "kernel/object/process.h"
#include "kernel/syscall/syscall.h"
#include "lib/base/bytes.h"

/* Copies a structure out, as much of it as the caller has room for; words[0]: its full size. */
static status_t put(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r,
                    const void *_Nonnull from, size_t size) LOCKED {
    TRY(user_write(self, r->words[0], from, (size_t)MIN((uint64_t)size, r->words[1])));
    r->words[0] = size;
    return STATUS_OK;
}

static status_t info_domain(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r,
                            const struct domain *_Nonnull domain) LOCKED {
    struct domain_info info = {.quota = domain->quota, .used = domain_used(domain)};
    return put(self, r, &info, sizeof info);
}

static status_t info_process(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r,
                             const struct process *_Nonnull process) LOCKED {
    struct process_info info = {
        .serial = process->object.serial,
        .tag = process->tag,
        .domain_serial = SOME(process->object.domain)->object.serial,
        .threads = process->thread_count,
        .handles = process->table.used,
        .state = process->state,
        .exit_cause = process->cause,
        .exit_code = process->exit_code,
        .principal = process->principal,
        .service = process->service,
        .run_time_ns = arch_ticks_to_ns(process->run_ticks),
        .started_ns = process->started_ns,
        .minor_faults = process->faults,
        .calls_made = process->calls_made,
        .fault_address = process->fault_address,
        .fault_counter = process->fault_counter,
        .fault_kind = process->fault_kind,
        .foreign_calls = (uint32_t)MIN(process->foreign_calls, (uint64_t)UINT32_MAX),
    };
    if (process->space != nullptr) {
        info.space_serial = process->space->object.serial;
        info.mapped_bytes = process->space->mapped_bytes;
        info.resident_pages = process->space->arch.entered;
    }
    bytes_copy(info.name, process->name, sizeof info.name);
    return put(self, r, &info, sizeof info);
}

static status_t info_thread(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r,
                            struct thread *_Nonnull thread) LOCKED {
    struct thread_info info = {
        .serial = thread->object.serial,
        .process_serial = thread->process->object.serial,
        .state = thread->state,
        .priority = thread->priority,
        .processor = thread->cpu,
        .suspended = thread->suspended,
        .run_time_ns = arch_ticks_to_ns(thread->run_ticks),
        .waits_on = thread->waits_on != nullptr ? thread->waits_on->serial : 0,
    };
    TRY(arch_thread_frame(thread, &info.frame, false));
    return put(self, r, &info, sizeof info);
}

static status_t info_memory(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r,
                            const struct memory *_Nonnull memory) LOCKED {
    uint32_t mappings = 0;
    LIST_FOR(mapping, list_of(&memory->mappings), struct mapping, memory_link) {
        mappings++;
    }
    struct memory_info info = {
        .size = memory->page_count << PAGE_SHIFT,
        .content_size = memory->content_size,
        .resident_pages = memory->resident,
        .dirty_granules = memory->dirty,
        .writing_granules = memory->writing,
        .credit = memory->credit,
        .read_time_ns = memory->read_time_ns,
        .write_time_ns = memory->write_time_ns,
        .flags = memory->flags,
        .granule_shift = memory->granule_shift,
        .mappings = mappings,
        .sessions = memory->sessions,
        .physical = memory->physical,
        .tag = memory->tag,
    };
    return put(self, r, &info, sizeof info);
}

/* By each call's own clock, which stands still while its handler is itself in a call. */
static uint64_t busy_ns(const struct request *_Nonnull request) LOCKED {
    uint64_t ticks = request->busy_ticks;
    bool in_call = request->handler != nullptr && request->handler->state == THREAD_CALLING;
    if (request->state == REQUEST_IN_HAND && !request->parked && !in_call &&
        request->busy_since != 0) {
        ticks += arch_ticks() - request->busy_since;
    }
    return arch_ticks_to_ns(ticks);
}

static const struct process *_Nullable receiver_of(const struct endpoint *_Nonnull endpoint) {
    struct list *first = list_first(&endpoint->source.bindings);
    if (first == nullptr) {
        return nullptr;
    }
    const struct waitset *waitset = LIST_ENTRY(first, struct binding, source_link)->waitset;
    struct list *waiter = list_first(&waitset->waiters);
    return waiter == nullptr ? nullptr : LIST_ENTRY(waiter, struct thread, wait_link)->process;
}

static status_t info_endpoint(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r,
                              const struct endpoint *_Nonnull endpoint) LOCKED {
    struct endpoint_info info = {
        .queued = endpoint->queued,
        .in_hand = endpoint->in_hand,
        .sessions = endpoint->session_count,
        .received = endpoint->received,
        .answered = endpoint->answered,
        .redelivered = endpoint->redelivered,
        .poisoned = endpoint->poisoned,
    };
    const struct process *receiver = receiver_of(endpoint);
    info.holder_serial = receiver != nullptr ? receiver->object.serial : 0;
    LIST_FOR(request, list_of(&endpoint->hand), struct request, hand_link) {
        info.parked += request->parked ? 1 : 0;
        info.oldest_busy_ns =
            request->parked ? info.oldest_busy_ns : MAX(info.oldest_busy_ns, busy_ns(request));
        info.holder_serial =
            request->holder != nullptr ? request->holder->object.serial : info.holder_serial;
    }
    return put(self, r, &info, sizeof info);
}

static struct session_info session_entry(const struct session *_Nonnull session) LOCKED {
    return (struct session_info){
        .cookie = session->cookie,
        .serial = session->object.serial,
        .endpoint_serial = session->endpoint->object.serial,
        .ready = session->ready,
        .edges = session->edges,
        .flags = session->flags,
        .handles = session->object.handles,
        .position = session->position,
    };
}

status_t sys_object_info(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    struct object *object = &self->process->object;
    if (r->a != 0) {
        FIND(found, r->a, OBJECT_NONE, r->b == INFO_HANDLE ? 0 : RIGHT_INSPECT);
        object = SOME(found);
    }
    if (r->b == INFO_HANDLE) {
        struct handle_info info = {
            .type = object->type,
            .rights = handle_rights(&self->process->table, (handle_t)r->a),
            .serial = object->serial,
        };
        return put(self, r, &info, sizeof info);
    }
    uint64_t wanted = object->type * 16ull + r->b;
    switch (wanted) {
    case OBJECT_DOMAIN * 16 + INFO_DOMAIN:
        return info_domain(self, r, (struct domain *)object);
    case OBJECT_PROCESS * 16 + INFO_PROCESS:
        return info_process(self, r, (struct process *)object);
    case OBJECT_THREAD * 16 + INFO_THREAD:
        return info_thread(self, r, CONTAINER_OF(object, struct thread, object));
    case OBJECT_MEMORY * 16 + INFO_MEMORY:
        return info_memory(self, r, (struct memory *)object);
    case OBJECT_SESSION * 16 + INFO_MEMORY:
        return ((struct session *)object)->memory == nullptr
                   ? STATUS_NOT_FOUND
                   : info_memory(self, r, SOME(((struct session *)object)->memory));
    case OBJECT_ENDPOINT * 16 + INFO_ENDPOINT:
        return info_endpoint(self, r, (struct endpoint *)object);
    case OBJECT_SESSION * 16 + INFO_SESSION: {
        struct session_info info = session_entry((struct session *)object);
        return put(self, r, &info, sizeof info);
    }
    case OBJECT_SPACE * 16 + INFO_SPACE: {
        const struct space *space = (struct space *)object;
        struct space_info info = {space->arch.entered, space->mapped_bytes, space->mapping_count};
        return put(self, r, &info, sizeof info);
    }
    case OBJECT_KEEP * 16 + INFO_KEEP: {
        const struct keep *keep = (struct keep *)object;
        struct keep_info info = {keep->slots, keep->table.used};
        return put(self, r, &info, sizeof info);
    }
    default:
        return STATUS_BAD_ARGUMENT;
    }
}

/* ---- lists: entries from `cursor` on, as many as fit; cursor counts entries ---- */

struct listing {
    struct thread *_Nonnull self;
    uint64_t address, room;      /* where the next entry goes, bytes left */
    uint64_t skip, count, taken; /* entries to skip, seen, stored */
    status_t status;
};

enum { LIST_ENTRY_LIMIT = 256 };

/* Stores an entry; false when the listing is over. */
static bool list_put(struct listing *_Nonnull listing, const void *_Nonnull entry,
                     size_t size) LOCKED {
    if (listing->count++ < listing->skip) {
        return true;
    }
    if (listing->room < size || listing->taken == LIST_ENTRY_LIMIT) {
        listing->count--;
        return false;
    }
    listing->status = user_write(listing->self, listing->address, entry, size);
    listing->address += size;
    listing->room -= size;
    listing->taken++;
    return listing->status == STATUS_OK;
}

static void list_children(struct listing *_Nonnull listing,
                          const struct domain *_Nonnull domain) LOCKED {
    LIST_FOR(child, list_of(&domain->children), struct domain, sibling_link) {
        struct child_entry entry = {.serial = child->object.serial, .type = OBJECT_DOMAIN};
        if (!list_put(listing, &entry, sizeof entry)) {
            return;
        }
    }
    LIST_FOR(process, list_of(&domain->processes), struct process, domain_link) {
        struct child_entry entry = {
            .serial = process->object.serial,
            .tag = process->tag,
            .type = OBJECT_PROCESS,
            .state = process->state,
            .exit_code = process->exit_code,
            .exit_cause = process->cause,
        };
        if (!list_put(listing, &entry, sizeof entry)) {
            return;
        }
    }
}

static void list_handles(struct listing *_Nonnull listing,
                         const struct handle_table *_Nonnull table, bool slots) LOCKED {
    for (uint32_t index = 1; index < table->chunk_count * HANDLES_PER_CHUNK; index++) {
        const struct handle_entry_slot *slot = SOME(handle_slot(table, index));
        if (slot->object == nullptr) {
            continue;
        }
        struct handle_entry entry = {
            .handle = slots ? index : handle_of_slot(table, index),
            .type = slot->object->type,
            .rights = slot->rights,
            .serial = slot->object->serial,
        };
        if (!list_put(listing, &entry, sizeof entry)) {
            return;
        }
    }
}

static void list_threads(struct listing *_Nonnull listing,
                         const struct process *_Nonnull process) LOCKED {
    LIST_FOR(thread, list_of(&process->threads), struct thread, process_link) {
        struct thread_entry entry = {
            .serial = thread->object.serial,
            .state = thread->state,
            .priority = thread->priority,
            .run_time_ns = arch_ticks_to_ns(thread->run_ticks),
        };
        if (!list_put(listing, &entry, sizeof entry)) {
            return;
        }
    }
}

static void list_mappings(struct listing *_Nonnull listing,
                          const struct space *_Nonnull space) LOCKED {
    for (struct tree_node *node = tree_first(&space->mappings); node != nullptr;
         node = tree_next(SOME(node))) {
        const struct mapping *mapping = CONTAINER_OF(node, struct mapping, node);
        struct mapping_entry entry = {
            .address = mapping->node.key,
            .length = mapping->length,
            .offset = mapping->offset << PAGE_SHIFT,
            .protection = mapping->protection,
            .flags = mapping->flags,
        };
        if (mapping->memory != nullptr) {
            const struct memory *memory =
                mapping->memory->parent != nullptr ? mapping->memory->parent : mapping->memory;
            entry.memory_serial = memory->object.serial;
            entry.memory_tag = memory->tag;
        }
        if (!list_put(listing, &entry, sizeof entry)) {
            return;
        }
    }
}

static void list_sessions(struct listing *_Nonnull listing,
                          const struct endpoint *_Nonnull endpoint) LOCKED {
    LIST_FOR(session, list_of(&endpoint->sessions), struct session, endpoint_link) {
        struct session_info entry = session_entry(session);
        if (!session->forgotten && !list_put(listing, &entry, sizeof entry)) {
            return;
        }
    }
}

static bool list_call(struct listing *_Nonnull listing,
                      const struct request *_Nonnull request) LOCKED {
    struct call_entry entry = {
        .identity = request->identity,
        .client_serial = request->client_serial,
        .busy_ns = busy_ns(request),
        .token = request->token,
        .cookie = request->session != nullptr ? request->session->cookie : 0,
        .label = (uint32_t)request->message,
        .attempts = request->attempts,
        .in_hand = request->state == REQUEST_IN_HAND,
        .parked = request->parked,
        .orphan = request->orphan,
        .cancelled = request->cancelled,
        .principal = request->principal,
    };
    if (request->client != nullptr) {
        for (size_t i = 0; i < CALL_WORDS; i++) {
            entry.words[i] = request->client->frame.call.words[i];
        }
    }
    return list_put(listing, &entry, sizeof entry);
}

static void list_calls(struct listing *_Nonnull listing,
                       const struct endpoint *_Nonnull endpoint) LOCKED {
    LIST_FOR(request, list_of(&endpoint->hand), struct request, hand_link) {
        if (!list_call(listing, request)) {
            return;
        }
    }
    LIST_FOR(request, list_of(&endpoint->queue), struct request, link) {
        if (!list_call(listing, request)) {
            return;
        }
    }
}

/* Registers: a handle, b topic, words: address, length, cursor → entries, next cursor. */
status_t sys_object_list(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    struct object *object = &self->process->object;
    if (r->a != 0) {
        FIND(found, r->a, OBJECT_NONE, RIGHT_INSPECT);
        object = SOME(found);
    }
    struct listing listing = {.self = self, .address = r->words[0], .room = r->words[1]};
    listing.skip = r->words[2];
    switch (object->type * 16ull + r->b) {
    case OBJECT_DOMAIN * 16 + LIST_CHILDREN:
        list_children(&listing, (struct domain *)object);
        break;
    case OBJECT_PROCESS * 16 + LIST_HANDLES:
        list_handles(&listing, &((struct process *)object)->table, false);
        break;
    case OBJECT_KEEP * 16 + LIST_SLOTS:
        list_handles(&listing, &((struct keep *)object)->table, true);
        break;
    case OBJECT_PROCESS * 16 + LIST_THREADS:
        list_threads(&listing, (struct process *)object);
        break;
    case OBJECT_PROCESS * 16 + LIST_MAPPINGS:
        if (((struct process *)object)->space != nullptr) {
            list_mappings(&listing, SOME(((struct process *)object)->space));
        }
        break;
    case OBJECT_SPACE * 16 + LIST_MAPPINGS:
        list_mappings(&listing, (struct space *)object);
        break;
    case OBJECT_ENDPOINT * 16 + LIST_SESSIONS:
        list_sessions(&listing, (struct endpoint *)object);
        break;
    case OBJECT_ENDPOINT * 16 + LIST_CALLS:
        list_calls(&listing, (struct endpoint *)object);
        break;
    default:
        return STATUS_BAD_ARGUMENT;
    }
    if (listing.status == STATUS_OK) {
        r->words[0] = listing.taken;
        r->words[1] = listing.count;
    }
    return listing.status;
}
