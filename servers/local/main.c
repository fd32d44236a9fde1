/* local: pipes, fifos, sockets, counters. See local.h. */
#include "servers/local/local.h"

static void must(const struct rt_server *_Nonnull server, status_t status,
                 const char *_Nonnull what) {
    if (status != STATUS_OK) {
        rt_log(server, "%s: status %d", what, (int)status);
        rt_exit(RT_EXIT_START);
    }
}

static struct local *_Nonnull make_state(struct rt_server *_Nonnull server) {
    struct local *local = rt_server_state(server, sizeof *local, sizeof(struct local_vault));
    local->server = server;
    local->vault = (const struct local_vault *)SOME(server->vault_data);
    return local;
}

static bool sound(const struct rt_record_header *_Nonnull header, uint32_t kind, size_t size) {
    return header->kind == 0 ||
           (header->kind == kind && header->version == 1 && header->size == size &&
            rt_record_checksum(header) == header->checksum);
}

static bool in_use(const struct local_vault *_Nonnull vault, const struct local_end *_Nonnull end) {
    uint32_t object = end->object;
    if (object < LOCAL_FIRST_COUNTER) {
        return vault->queues[object].used != 0;
    }
    if (object < LOCAL_FIRST_SOCKET) {
        return vault->counters[object - LOCAL_FIRST_COUNTER].used != 0;
    }
    if (object >= LOCAL_FIRST_SIGNALS) {
        return object < LOCAL_OBJECTS && vault->signals[object - LOCAL_FIRST_SIGNALS].used != 0;
    }
    if (object >= LOCAL_FIRST_TIMER) {
        return vault->timers[object - LOCAL_FIRST_TIMER].used != 0;
    }
    return (end->kind == END_ADDRESS || vault->sockets[object - LOCAL_FIRST_SOCKET].used != 0);
}

static bool socket_sound(const struct local_vault *_Nonnull vault,
                         const struct local_socket *_Nonnull socket) {
    return sound(&socket->header, LOCAL_RECORD_SOCKET, sizeof *socket) &&
           (socket->used == 0 ||
            ((socket->queue == LOCAL_NONE ||
              (socket->queue < LOCAL_QUEUES && vault->queues[socket->queue].used != 0)) &&
             (socket->peer == LOCAL_NONE || socket->peer < LOCAL_SOCKETS) &&
             (socket->end == LOCAL_NONE || socket->end < LOCAL_ENDS) &&
             socket->name_size <= LOCAL_NAME_MAX));
}

/* Every record is whole, what is in use can be, and what ends name is in use. */
static bool validate(const struct local *_Nonnull local) {
    const struct local_vault *vault = local->vault;
    bool whole = true;
    for (uint32_t i = 0; i < LOCAL_QUEUES; i++) {
        const struct local_queue *queue = &vault->queues[i];
        whole =
            whole && sound(&queue->header, LOCAL_RECORD_QUEUE, sizeof *queue) && queue_sound(queue);
    }
    for (uint32_t i = 0; i < LOCAL_ENDS; i++) {
        const struct local_end *end = &vault->ends[i];
        whole = whole && sound(&end->header, LOCAL_RECORD_END, sizeof *end) &&
                (end->kind == END_NONE || in_use(vault, end));
    }
    for (uint32_t i = 0; i < LOCAL_COUNTERS; i++) {
        const struct local_counter *counter = &vault->counters[i];
        whole = whole && sound(&counter->header, LOCAL_RECORD_COUNTER, sizeof *counter);
    }
    for (uint32_t i = 0; i < LOCAL_QUEUES; i++) {
        whole = whole && handover_sound(&vault->handovers[i]);
    }
    for (uint32_t i = 0; i < LOCAL_TIMERS; i++) {
        const struct local_timer *timer = &vault->timers[i];
        whole =
            whole && sound(&timer->header, LOCAL_RECORD_TIMER, sizeof *timer) && timer_sound(timer);
    }
    for (uint32_t i = 0; i < LOCAL_SIGNALS; i++) {
        const struct local_signals *signals = &vault->signals[i];
        whole = whole && sound(&signals->header, LOCAL_RECORD_SIGNALS, sizeof *signals) &&
                signals_sound(signals);
    }
    for (uint32_t i = 0; i < LOCAL_SOCKETS; i++) {
        whole = whole && socket_sound(vault, &vault->sockets[i]);
    }
    return whole;
}

static void derive_sockets(struct local *_Nonnull local) {
    local_begin(local);
    for (uint32_t i = 0; i < LOCAL_SOCKETS; i++) {
        const struct local_socket *socket = &local->vault->sockets[i];
        local->last_serial = MAX(local->last_serial, socket->serial);
        if (socket->used == 0) {
            continue;
        }
        if (socket->queue != LOCAL_NONE && messages_mark(local, socket->queue) != STATUS_OK) {
            rt_vault_corrupt(local->server, "messages");
        }
        if (socket->end != LOCAL_NONE) {
            end_show(local, socket->end, socket_ready(local, i), UINT32_MAX);
            must(local->server, rt_commit(local->server), "readiness");
        }
    }
}

/* The tables by which callers are known; without a process server nobody is. */
static void read_tables(struct local *_Nonnull local) {
    handle_t process = rt_start_handle(local->server, "process");
    if (process != HANDLE_NONE) {
        must(local->server, access_attach(process, &local->principals), "principals");
        must(local->server, access_processes_attach(process, &local->processes), "processes");
    }
}

/* What is not in the vault. */
static void derive(struct local *_Nonnull local) {
    parked_begin(local);
    for (uint32_t i = 0; i < LOCAL_OBJECTS; i++) {
        local->first_end[i] = LOCAL_NONE;
    }
    for (uint32_t i = 0; i < LOCAL_ENDS; i++) {
        struct end_link *link = &local->ends[i];
        const struct local_end *end = &local->vault->ends[i];
        link->object = LOCAL_NONE;
        if (end->kind == END_NONE) {
            continue;
        }
        must(local->server, rt_keep_get(local->server, LOCAL_KEEP_ENDS + i, &link->session),
             "session");
        link->shown = UINT32_MAX; /* not known: what is wrong is cleared, what is right set */
        end_link_to(local, i, end->object);
    }
    for (uint32_t i = 0; i < LOCAL_QUEUES; i++) {
        const struct local_queue *queue = &local->vault->queues[i];
        if (queue->used != 0) {
            must(local->server, buffer_open(local, i), "buffer");
            ends_show(local, i,
                      (struct local_shown){queue_ready_to_read(queue), queue_ready_to_write(queue),
                                           UINT32_MAX});
            must(local->server, rt_commit(local->server), "readiness");
        }
    }
    for (uint32_t i = 0; i < LOCAL_COUNTERS; i++) {
        const struct local_counter *counter = &local->vault->counters[i];
        if (counter->used != 0) {
            struct local_shown shown = counter_shown(counter);
            shown.edges = UINT32_MAX;
            ends_show(local, LOCAL_FIRST_COUNTER + i, shown);
            must(local->server, rt_commit(local->server), "readiness");
        }
    }
    derive_sockets(local);
    for (uint32_t i = 0; i < LOCAL_TIMERS; i++) {
        local->told[i] = UINT32_MAX; /* not known: shown again */
    }
    local_clock(local);
    for (uint32_t i = 0; i < LOCAL_SIGNALS; i++) {
        if (local->vault->signals[i].used != 0) {
            ends_show(local, LOCAL_FIRST_SIGNALS + i, (struct local_shown){});
            must(local->server, rt_commit(local->server), "readiness");
        }
    }
}

/* An answer that is refused is a defect of this server: a successor finds all calls again. */
void local_answer(struct local *_Nonnull local, struct rt_reply *_Nonnull reply) {
    must(local->server, rt_answer(local->server, reply), "answer");
}

void local_begin(struct local *_Nonnull local) {
    local->touched = LOCAL_NONE;
    local->tells_error = false;
    local->edits.touched_count = 0;
    edits_begin(local);
}

static void close_end(struct local *_Nonnull local, uint32_t index) {
    switch (local->vault->ends[index].kind) {
    case END_PIPE:
    case END_FIFO:
        pipe_close(local, index);
        break;
    case END_COUNTER:
        counter_close(local, index);
        break;
    case END_SOCKET:
        socket_close(local, index);
        break;
    case END_ADDRESS:
        socket_address_close(local, index);
        break;
    case END_TIMER:
        timer_close(local, index);
        break;
    case END_SIGNALS:
        signals_close(local, index);
        break;
    case END_NONE:
    default:
        break;
    }
}

static void on_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    struct local *local = (struct local *)SOME(server->state);
    local_begin(local);
    status_t status = STATUS_CANCELLED;
    if (packet->kind == PACKET_CANCEL && parked_cancel(local, packet->token, &status)) {
        (void)rt_answer_error(server, packet->token, status);
    }
    if (packet->kind == PACKET_EVENT) {
        local_clock(local);
    }
    if (packet->kind != PACKET_CLOSE || !end_find(local, packet->key)) {
        return;
    }
    close_end(local, (uint32_t)packet->key);
    if (local_servable(local)) {
        /* They see the close before it is answered: should it come again, its end is gone. */
        must(server, rt_commit(server), "close");
        local_serve(local, nullptr);
    }
}

void server_main(uint64_t mode, uint64_t thread_page) {
    struct rt_server server;
    rt_server_begin(&server, mode, thread_page);
    struct local *local = make_state(&server);
    if (!validate(local)) {
        rt_vault_corrupt(&server, "local");
    }
    read_tables(local);
    must(&server, rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &local->clock), "clock");
    must(&server, rt_bind(server.waitset, local->clock, UINT32_MAX, LOCAL_KEY_CLOCK, 0), "clock");
    derive(local);
    rt_server_run(&server, &(struct rt_service){local_call, on_packet});
}
