/* What sessions ask, by the kind of their end. */
#include "servers/local/local.h"

enum {
    MODE_FIFO = 0010600,
    MODE_SOCKET = 0140777,
    MODE_ANONYMOUS = 0600,
    DEVICE_PIPES = 13,
    DEVICE_COUNTERS = 14,
    DEVICE_SOCKETS = 8,
};

/* The end that a call came by. Errors: BAD_METHOD: the control session. */
static status_t end_of(const struct local *_Nonnull local,
                       const struct rt_request *_Nonnull request,
                       const struct local_end *_Nullable *_Nonnull out) {
    *out = end_find(local, request->cookie);
    return *out ? STATUS_OK : STATUS_BAD_METHOD;
}

/* ---- stream ---- */

static status_t do_read(void *_Nonnull state, struct rt_request *_Nonnull request,
                        const struct stream_read_in *_Nonnull in,
                        struct stream_read_out *_Nonnull out) {
    struct local *local = state;
    const struct local_end *end = nullptr;
    TRY(end_of(local, request, &end));
    REFUSE(in->offset != STREAM_POSITION_CURRENT, STREAM_STATUS_NOT_FOR_THIS);
    REFUSE((SOME(end)->access & END_READS) == 0, STATUS_BAD_RIGHTS);
    switch (SOME(end)->kind) {
    case END_PIPE:
        return pipe_read(local, request, SOME(end), in, out);
    case END_COUNTER:
        return counter_read(local, request, SOME(end), in, out);
    case END_SOCKET:
        return socket_read(local, request, SOME(end), in, out);
    case END_TIMER:
        return timer_read(local, request, SOME(end), in, out);
    case END_SIGNALS: /* the one who knows what is pending does not ask here */
        return STATUS_BAD_ARGUMENT;
    case END_FIFO:
    case END_ADDRESS:
    case END_NONE:
    default:
        return STATUS_BAD_METHOD;
    }
}

static status_t do_write(void *_Nonnull state, struct rt_request *_Nonnull request,
                         const struct stream_write_in *_Nonnull in,
                         struct stream_write_out *_Nonnull out) {
    struct local *local = state;
    const struct local_end *end = nullptr;
    TRY(end_of(local, request, &end));
    REFUSE(in->offset != STREAM_POSITION_CURRENT, STREAM_STATUS_NOT_FOR_THIS);
    REFUSE((SOME(end)->access & END_WRITES) == 0, STATUS_BAD_RIGHTS);
    switch (SOME(end)->kind) {
    case END_PIPE:
        return pipe_write(local, request, SOME(end), in, out);
    case END_COUNTER:
        return counter_write(local, request, SOME(end), in, out);
    case END_SOCKET:
        return socket_write(local, request, SOME(end), in, out);
    case END_TIMER:
    case END_SIGNALS:
        return STATUS_BAD_ARGUMENT;
    case END_FIFO:
    case END_ADDRESS:
    case END_NONE:
    default:
        return STATUS_BAD_METHOD;
    }
}

static status_t do_stat(void *_Nonnull state, struct rt_request *_Nonnull request,
                        struct stream_stat_out *_Nonnull out) {
    const struct local *local = state;
    const struct local_end *end = nullptr;
    TRY(end_of(local, request, &end));
    out->info = (struct stream_stat){.links = 1, .block_size = PAGE_SIZE};
    switch (SOME(end)->kind) {
    case END_COUNTER:
    case END_TIMER:
    case END_SIGNALS:
        out->info.device = DEVICE_COUNTERS;
        out->info.inode = 1;
        out->info.mode = MODE_ANONYMOUS;
        break;
    case END_SOCKET:
        out->info.device = DEVICE_SOCKETS;
        out->info.inode = socket_at(local, SOME(end)->object - LOCAL_FIRST_SOCKET)->serial;
        out->info.mode = MODE_SOCKET;
        break;
    case END_PIPE:
    case END_FIFO:
        out->info.device = DEVICE_PIPES;
        out->info.inode = local->vault->queues[SOME(end)->object].serial;
        out->info.mode = MODE_FIFO;
        break;
    case END_ADDRESS:
    case END_NONE:
    default:
        return STATUS_BAD_METHOD;
    }
    return STATUS_OK;
}

static status_t do_facts(void *_Nonnull state, struct rt_request *_Nonnull request,
                         struct stream_facts_out *_Nonnull out) {
    const struct local *local = state;
    const struct local_end *end = nullptr;
    TRY(end_of(local, request, &end));
    uint32_t access = SOME(end)->access;
    bool anonymous = SOME(end)->kind == END_COUNTER || SOME(end)->kind == END_TIMER ||
                     SOME(end)->kind == END_SIGNALS;
    out->kind = anonymous                       ? STREAM_KIND_ANONYMOUS
                : SOME(end)->kind == END_SOCKET ? STREAM_KIND_SOCKET
                                                : STREAM_KIND_FIFO;
    out->speaks = STREAM_PROTOCOLS_LOCAL;
    out->facts = STREAM_FACTS_FLAGS_WAITS |
                 ((access & END_READS) != 0 ? STREAM_FACTS_FLAGS_READABLE : 0) |
                 ((access & END_WRITES) != 0 ? STREAM_FACTS_FLAGS_WRITABLE : 0);
    return STATUS_OK;
}

static status_t do_available(void *_Nonnull state, struct rt_request *_Nonnull request,
                             struct stream_available_out *_Nonnull out) {
    const struct local *local = state;
    const struct local_end *end = nullptr;
    TRY(end_of(local, request, &end));
    REFUSE(SOME(end)->kind == END_COUNTER || SOME(end)->kind == END_ADDRESS ||
               SOME(end)->kind == END_TIMER || SOME(end)->kind == END_SIGNALS,
           STREAM_STATUS_NOT_FOR_THIS);
    out->readable = SOME(end)->kind == END_SOCKET
                        ? socket_waiting_bytes(local, SOME(end)->object - LOCAL_FIRST_SOCKET)
                        : queue_filled(&local->vault->queues[SOME(end)->object]);
    out->unsent = 0;
    return STATUS_OK;
}

/* ---- local ---- */

static status_t do_pipe(void *_Nonnull state, struct rt_request *_Nonnull request,
                        struct local_pipe_out *_Nonnull out) {
    REFUSE((request->cookie & RT_COOKIE_SERVICE) == 0, STATUS_BAD_METHOD);
    return pipe_make(state, &out->reader, &out->writer);
}

static status_t do_fifo(void *_Nonnull state, struct rt_request *_Nonnull request,
                        struct local_fifo_out *_Nonnull out) {
    REFUSE((request->cookie & RT_COOKIE_SERVICE) == 0, STATUS_BAD_METHOD);
    return fifo_make(state, &out->fifo);
}

static status_t do_open_fifo(void *_Nonnull state, struct rt_request *_Nonnull request,
                             const struct local_open_fifo_in *_Nonnull in,
                             struct local_open_fifo_out *_Nonnull out) {
    const struct local_end *end = nullptr;
    TRY(end_of(state, request, &end));
    REFUSE(SOME(end)->kind != END_FIFO, STATUS_BAD_METHOD);
    return fifo_open(state, request, SOME(end), in, &out->end);
}

static status_t do_counter(void *_Nonnull state, struct rt_request *_Nonnull request,
                           const struct local_counter_in *_Nonnull in,
                           struct local_counter_out *_Nonnull out) {
    REFUSE((request->cookie & RT_COOKIE_SERVICE) == 0, STATUS_BAD_METHOD);
    return counter_make(state, in, &out->counter);
}

static status_t do_timer(void *_Nonnull state, struct rt_request *_Nonnull request,
                         const struct local_timer_in *_Nonnull in,
                         struct local_timer_out *_Nonnull out) {
    REFUSE((request->cookie & RT_COOKIE_SERVICE) == 0, STATUS_BAD_METHOD);
    return timer_make(state, in, &out->timer);
}

static status_t do_set_timer(void *_Nonnull state, struct rt_request *_Nonnull request,
                             const struct local_set_timer_in *_Nonnull in,
                             struct local_set_timer_out *_Nonnull out) {
    const struct local_end *end = nullptr;
    TRY(end_of(state, request, &end));
    REFUSE(SOME(end)->kind != END_TIMER, STATUS_BAD_METHOD);
    return timer_set(state, SOME(end), in, out);
}

static status_t do_signals(void *_Nonnull state, struct rt_request *_Nonnull request,
                           const struct local_signals_in *_Nonnull in,
                           struct local_signals_out *_Nonnull out) {
    REFUSE((request->cookie & RT_COOKIE_SERVICE) == 0, STATUS_BAD_METHOD);
    return signals_make(state, in->set, &out->signals);
}

static status_t do_set_signals(void *_Nonnull state, struct rt_request *_Nonnull request,
                               const struct local_set_signals_in *_Nonnull in,
                               struct local_set_signals_out *_Nonnull out) {
    const struct local_end *end = nullptr;
    TRY(end_of(state, request, &end));
    REFUSE(SOME(end)->kind != END_SIGNALS, STATUS_BAD_METHOD);
    return signals_change(state, SOME(end), in, &out->now);
}

static status_t do_option(void *_Nonnull state, struct rt_request *_Nonnull request,
                          const struct local_option_in *_Nonnull in,
                          struct local_option_out *_Nonnull out) {
    struct local *local = state;
    const struct local_end *end = nullptr;
    TRY(end_of(local, request, &end));
    if (SOME(end)->kind == END_PIPE && in->which == LOCAL_OPTION_PIPE_SIZE) {
        return pipe_size(local, SOME(end), in->change, in->value, &out->old);
    }
    return SOME(end)->kind == END_SOCKET ? socket_option(local, SOME(end), in, &out->old)
                                         : STATUS_BAD_ARGUMENT;
}

/* ---- sockets ---- */

/* Errors: BAD_METHOD: no socket. */
static status_t socket_of(const struct local *_Nonnull local,
                          const struct rt_request *_Nonnull request,
                          const struct local_end *_Nullable *_Nonnull out) {
    TRY(end_of(local, request, out));
    return SOME(*out)->kind == END_SOCKET ? STATUS_OK : STATUS_BAD_METHOD;
}

static status_t do_socket(void *_Nonnull state, struct rt_request *_Nonnull request,
                          const struct local_socket_in *_Nonnull in,
                          struct local_socket_out *_Nonnull out) {
    REFUSE((request->cookie & RT_COOKIE_SERVICE) == 0, STATUS_BAD_METHOD);
    return socket_make(state, request, in, out);
}

static status_t do_bind(void *_Nonnull state, struct rt_request *_Nonnull request,
                        const struct local_bind_in *_Nonnull in,
                        struct local_bind_out *_Nonnull out) {
    const struct local_end *end = nullptr;
    TRY(socket_of(state, request, &end));
    return socket_bind(state, SOME(end), in, out);
}

static status_t do_listen(void *_Nonnull state, struct rt_request *_Nonnull request,
                          const struct local_listen_in *_Nonnull in) {
    const struct local_end *end = nullptr;
    TRY(socket_of(state, request, &end));
    return socket_listen(state, request, SOME(end), in->backlog);
}

static status_t do_connect(void *_Nonnull state, struct rt_request *_Nonnull request,
                           const struct local_connect_in *_Nonnull in) {
    const struct local_end *end = nullptr;
    TRY(socket_of(state, request, &end));
    return socket_connect(state, request, SOME(end), in);
}

static status_t do_accept(void *_Nonnull state, struct rt_request *_Nonnull request,
                          const struct local_accept_in *_Nonnull in,
                          struct local_accept_out *_Nonnull out) {
    const struct local_end *end = nullptr;
    TRY(socket_of(state, request, &end));
    return socket_accept(state, request, SOME(end), in, out);
}

static status_t do_send(void *_Nonnull state, struct rt_request *_Nonnull request,
                        const struct local_send_in *_Nonnull in,
                        struct local_send_out *_Nonnull out) {
    const struct local_end *end = nullptr;
    TRY(socket_of(state, request, &end));
    return socket_send(state, request, SOME(end), in, out);
}

static status_t do_receive(void *_Nonnull state, struct rt_request *_Nonnull request,
                           const struct local_receive_in *_Nonnull in,
                           struct local_receive_out *_Nonnull out) {
    const struct local_end *end = nullptr;
    TRY(socket_of(state, request, &end));
    return socket_receive(state, request, SOME(end), in, out);
}

static status_t do_shut_down(void *_Nonnull state, struct rt_request *_Nonnull request,
                             const struct local_shut_down_in *_Nonnull in) {
    const struct local_end *end = nullptr;
    TRY(socket_of(state, request, &end));
    return socket_shut(state, SOME(end), in);
}

static status_t do_name(void *_Nonnull state, struct rt_request *_Nonnull request,
                        const struct local_name_in *_Nonnull in,
                        struct local_name_out *_Nonnull out) {
    const struct local_end *end = nullptr;
    TRY(socket_of(state, request, &end));
    return socket_name(state, SOME(end), in, out);
}

static status_t do_peer(void *_Nonnull state, struct rt_request *_Nonnull request,
                        struct local_peer_out *_Nonnull out) {
    const struct local_end *end = nullptr;
    TRY(socket_of(state, request, &end));
    return socket_who(state, SOME(end), &out->who);
}

void local_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    static const struct stream_handlers stream = {.read = do_read,
                                                  .write = do_write,
                                                  .stat = do_stat,
                                                  .facts = do_facts,
                                                  .available = do_available};
    static const struct local_handlers handlers = {.pipe = do_pipe,
                                                   .fifo = do_fifo,
                                                   .open_fifo = do_open_fifo,
                                                   .socket = do_socket,
                                                   .counter = do_counter,
                                                   .bind = do_bind,
                                                   .listen = do_listen,
                                                   .connect = do_connect,
                                                   .accept = do_accept,
                                                   .send = do_send,
                                                   .receive = do_receive,
                                                   .shut_down = do_shut_down,
                                                   .name = do_name,
                                                   .option = do_option,
                                                   .peer = do_peer,
                                                   .timer = do_timer,
                                                   .set_timer = do_set_timer,
                                                   .signals = do_signals,
                                                   .set_signals = do_set_signals};
    struct local *local = (struct local *)SOME(server->state);
    struct rt_reply *reply = request->reply;
    local_begin(local);
    if (stream_speaks(request->label)) {
        stream_dispatch(&stream, local, request);
    } else if (local_speaks(request->label)) {
        local_dispatch(&handlers, local, request);
    } else {
        reply->status = STATUS_BAD_METHOD;
    }
    if (local->tells_error) {
        local_answer(local, reply); /* the loop would not commit with an error; it finds no call */
    } else if (reply->outcome == RT_REPLY && reply->status == STATUS_OK) {
        local_serve(local, reply);
    }
}
