/* Who waits on whom: threads on calls, pages and futexes; endpoints and their servers. */
#include "kernel/debug/shell.h"
#include "kernel/memory/memory.h"
#include "kernel/object/keep.h"
#include "kernel/sched/thread.h"

enum { ENDPOINT_LIMIT = 256, SOURCE_LIMIT = 8 };
enum : uint64_t { MILLISECOND_NS = 1000000 };

/* A process whose table holds `object`: of a waitset, the one that waits in it. */
static const struct process *_Nullable holder_of(const struct object *_Nonnull object) LOCKED {
    for (const struct process *at = shell_next(nullptr); at != nullptr; at = shell_next(at)) {
        for (uint32_t i = 1; i < at->table.chunk_count * HANDLES_PER_CHUNK; i++) {
            if (SOME(handle_slot(&at->table, i))->object == object) {
                return at;
            }
        }
    }
    return nullptr;
}

/* Who receives what is sent to this source: the process that has the waitset that it is bound to.
 */
static const struct process *_Nullable server_of(const struct source *_Nonnull source) LOCKED {
    struct list *first = list_first(&source->bindings);
    return first == nullptr
               ? nullptr
               : holder_of(&LIST_ENTRY(first, struct binding, source_link)->waitset->object);
}

static void print_server(const struct shell_out *_Nonnull out,
                         const struct source *_Nonnull source) LOCKED {
    const struct process *server = server_of(source);
    if (server == nullptr) {
        shell_print(out, "nobody");
    } else {
        shell_print(out, "%s (process %lu)", server->name, server->object.serial);
    }
}

static const char *_Nonnull state_of(const struct request *_Nonnull request) {
    if (request->state == REQUEST_QUEUED) {
        return "queued";
    }
    return request->parked ? "parked" : "in hand";
}

/* How long it was worked on, by its own clock (not while its handler is itself in a call). */
static uint64_t busy_ms(const struct request *_Nonnull request) LOCKED {
    uint64_t ticks = request->busy_ticks;
    bool in_call = request->handler != nullptr && request->handler->state == THREAD_CALLING;
    if (request->state == REQUEST_IN_HAND && !request->parked && !in_call &&
        request->busy_since != 0) {
        ticks += arch_ticks() - request->busy_since;
    }
    return arch_ticks_to_ns(ticks) / MILLISECOND_NS;
}

static void print_request(const struct shell_out *_Nonnull out,
                          const struct request *_Nonnull request) LOCKED {
    shell_print(out, "%s", state_of(request));
    if (request->handler != nullptr) {
        shell_print(out, " by thread %lu", request->handler->object.serial);
    }
    if (request->kind == REQUEST_CLOSE) {
        shell_print(out, ", close");
    } else {
        shell_print(out, ", label %x", (uint32_t)request->message);
    }
    shell_print(out, ", busy %lu ms", busy_ms(request));
    if (request->attempts > 0) {
        shell_print(out, ", attempts %u", request->attempts);
    }
    shell_print(out, "%s%s%s", request->repeated ? ", repeated" : "",
                request->cancelled ? ", cancelled" : "", request->orphan ? ", orphan" : "");
}

/* What a waitset waits for: sessions by who is to make them ready, others by their kind. */
static void print_sources(const struct shell_out *_Nonnull out,
                          const struct waitset *_Nonnull waitset) LOCKED {
    uint32_t shown = 0;
    LIST_FOR(binding, list_of(&waitset->bindings), struct binding, waitset_link) {
        if (shown++ == SOURCE_LIMIT) {
            shell_print(out, ", and others");
            return;
        }
        shell_print(out, "%s %s %lu", shown == 1 ? ":" : ",", shell_types[binding->source->type],
                    binding->source->serial);
        if (binding->source->type == OBJECT_SESSION) {
            const struct endpoint *endpoint = ((const struct session *)binding->source)->endpoint;
            shell_print(out, " at endpoint %lu of ", endpoint->object.serial);
            print_server(out, &endpoint->source);
        }
    }
}

void shell_print_wait(const struct shell_out *_Nonnull out, const struct thread *_Nonnull thread) {
    const struct request *request = thread->request;
    if (thread->state == THREAD_CALLING && request->endpoint != nullptr) {
        const struct endpoint *endpoint = SOME(request->endpoint);
        shell_print(out, " endpoint %lu of ", endpoint->object.serial);
        print_server(out, &endpoint->source);
        shell_print(out, ": ");
        print_request(out, request);
    } else if (thread->state == THREAD_FUTEX) {
        shell_print(out, " at memory %lu, offset %lx", thread->wait_key[0], thread->wait_key[1]);
    } else if (thread->state == THREAD_PAGE && thread->waits_on != nullptr &&
               thread->waits_on->type == OBJECT_MEMORY) {
        const struct memory *memory = (const struct memory *)SOME(thread->waits_on);
        shell_print(out, " %lu of memory %lu, pager ", thread->wait_key[0], memory->object.serial);
        print_server(out, &memory->source);
    } else if (thread->waits_on != nullptr && thread->waits_on->type == OBJECT_WAITSET) {
        shell_print(out, " at waitset %lu", thread->waits_on->serial);
        print_sources(out, (const struct waitset *)SOME(thread->waits_on));
    }
}

void shell_waits(const struct shell_out *_Nonnull out, const struct shell_word *_Nonnull word) {
    (void)word;
    uint32_t count = 0;
    for (const struct process *at = shell_next(nullptr); at != nullptr; at = shell_next(at)) {
        LIST_FOR(thread, list_of(&at->threads), struct thread, process_link) {
            if (thread->state != THREAD_CALLING && thread->state != THREAD_PAGE &&
                thread->state != THREAD_WAITING) {
                continue; /* a server that receives waits for anybody */
            }
            shell_print(out, "%s (process %lu), thread %lu: %s", at->name, at->object.serial,
                        thread->object.serial, shell_thread_states[thread->state]);
            shell_print_wait(out, thread);
            shell_print(out, "\n");
            count++;
        }
    }
    shell_print(out, "%u threads wait\n", count);
}

/* Endpoints that were shown: they have no list of their own and are found through handles. */
struct shown {
    uint32_t count, left_out;
    const struct endpoint *_Nullable at[ENDPOINT_LIMIT];
};

static void print_endpoint(const struct shell_out *_Nonnull out,
                           const struct endpoint *_Nonnull endpoint) LOCKED {
    shell_print(out, "endpoint %lu of ", endpoint->object.serial);
    print_server(out, &endpoint->source);
    shell_print(out, ": queued %u, in hand %u, sessions %u, received %lu, answered %lu",
                endpoint->queued, endpoint->in_hand, endpoint->session_count, endpoint->received,
                endpoint->answered);
    shell_print(out, ", redelivered %lu, poisoned %lu%s\n", endpoint->redelivered,
                endpoint->poisoned, endpoint->closed ? ", closed" : "");
    const struct list *lists[] = {&endpoint->hand, &endpoint->queue};
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        for (struct list *at = list_first(lists[i]); at != nullptr;
             at = list_after(lists[i], SOME(at))) {
            const struct request *request = i == 0 ? LIST_ENTRY(at, struct request, hand_link)
                                                   : LIST_ENTRY(at, struct request, link);
            shell_print(out, "  from process %lu: ", request->client_serial);
            print_request(out, request);
            shell_print(out, "\n");
        }
    }
}

static void show_endpoint(const struct shell_out *_Nonnull out, struct shown *_Nonnull shown,
                          const struct endpoint *_Nonnull endpoint) LOCKED {
    for (uint32_t i = 0; i < shown->count; i++) {
        if (shown->at[i] == endpoint) {
            return;
        }
    }
    if (shown->count == ENDPOINT_LIMIT) {
        shown->left_out++;
        return;
    }
    shown->at[shown->count++] = endpoint;
    print_endpoint(out, endpoint);
}

/* The endpoints that a table names, as themselves or through sessions. */
static void show_table(const struct shell_out *_Nonnull out, struct shown *_Nonnull shown,
                       const struct handle_table *_Nonnull table) LOCKED {
    for (uint32_t i = 1; i < table->chunk_count * HANDLES_PER_CHUNK; i++) {
        const struct object *object = SOME(handle_slot(table, i))->object;
        if (object != nullptr && object->type == OBJECT_ENDPOINT) {
            show_endpoint(out, shown, (const struct endpoint *)object);
        } else if (object != nullptr && object->type == OBJECT_SESSION) {
            show_endpoint(out, shown, ((const struct session *)object)->endpoint);
        }
    }
}

void shell_endpoints(const struct shell_out *_Nonnull out, const struct shell_word *_Nonnull word) {
    static struct shown shown GUARDED;
    (void)word;
    shown = (struct shown){};
    for (const struct process *at = shell_next(nullptr); at != nullptr; at = shell_next(at)) {
        show_table(out, &shown, &at->table);
        for (uint32_t i = 1; i < at->table.chunk_count * HANDLES_PER_CHUNK; i++) {
            const struct object *object = SOME(handle_slot(&at->table, i))->object;
            if (object != nullptr && object->type == OBJECT_KEEP) {
                show_table(out, &shown, &((const struct keep *)object)->table);
            }
        }
    }
    shell_print(out, "%u endpoints\n", shown.count);
    if (shown.left_out > 0) {
        shell_print(out, "at most %u are shown; %u mentions of others were left out\n",
                    ENDPOINT_LIMIT, shown.left_out);
    }
}
