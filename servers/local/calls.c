/* What sessions ask, by the kind of their end. */
#include "servers/local/local.h"

enum { MODE_FIFO = 0010600, MODE_ANONYMOUS = 0600, DEVICE_PIPES = 13, DEVICE_COUNTERS = 14 };

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
    const struct local_end *end = end_find(local, request->cookie);
    if (!end) {
        return STATUS_BAD_METHOD;
    }
    REFUSE(in->offset != STREAM_POSITION_CURRENT, STREAM_STATUS_NOT_FOR_THIS);
    REFUSE((end->access & END_READS) == 0, STATUS_BAD_RIGHTS);
    return end->kind == END_COUNTER ? counter_read(local, request, SOME(end), in, out)
                                    : pipe_read(local, request, SOME(end), in, out);
}

static status_t do_write(void *_Nonnull state, struct rt_request *_Nonnull request,
                         const struct stream_write_in *_Nonnull in,
                         struct stream_write_out *_Nonnull out) {
    struct local *local = state;
    const struct local_end *end = end_find(local, request->cookie);
    if (!end) {
        return STATUS_BAD_METHOD;
    }
    REFUSE(in->offset != STREAM_POSITION_CURRENT, STREAM_STATUS_NOT_FOR_THIS);
    REFUSE((end->access & END_WRITES) == 0, STATUS_BAD_RIGHTS);
    return end->kind == END_COUNTER ? counter_write(local, request, SOME(end), in, out)
                                    : pipe_write(local, request, SOME(end), in, out);
}

static status_t do_stat(void *_Nonnull state, struct rt_request *_Nonnull request,
                        struct stream_stat_out *_Nonnull out) {
    const struct local *local = state;
    const struct local_end *end = nullptr;
    TRY(end_of(local, request, &end));
    bool counter = SOME(end)->kind == END_COUNTER;
    out->info = (struct stream_stat){
        .device = counter ? DEVICE_COUNTERS : DEVICE_PIPES,
        .inode = counter ? 1 : local->vault->queues[SOME(end)->object].serial,
        .mode = counter ? MODE_ANONYMOUS : MODE_FIFO,
        .links = 1,
        .block_size = PAGE_SIZE,
    };
    return STATUS_OK;
}

static status_t do_facts(void *_Nonnull state, struct rt_request *_Nonnull request,
                         struct stream_facts_out *_Nonnull out) {
    const struct local *local = state;
    const struct local_end *end = nullptr;
    TRY(end_of(local, request, &end));
    uint32_t access = SOME(end)->access;
    out->kind = SOME(end)->kind == END_COUNTER ? STREAM_KIND_ANONYMOUS : STREAM_KIND_FIFO;
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
    REFUSE(SOME(end)->kind == END_COUNTER, STREAM_STATUS_NOT_FOR_THIS);
    out->readable = queue_filled(&local->vault->queues[SOME(end)->object]);
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

static status_t do_option(void *_Nonnull state, struct rt_request *_Nonnull request,
                          const struct local_option_in *_Nonnull in,
                          struct local_option_out *_Nonnull out) {
    struct local *local = state;
    const struct local_end *end = nullptr;
    TRY(end_of(local, request, &end));
    if (SOME(end)->kind == END_PIPE && in->which == LOCAL_OPTION_PIPE_SIZE) {
        return pipe_size(local, SOME(end), in->change, in->value, &out->old);
    }
    return STATUS_BAD_ARGUMENT;
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
                                                   .counter = do_counter,
                                                   .option = do_option};
    struct local *local = (struct local *)SOME(server->state);
    struct rt_reply *reply = request->reply;
    local->touched = LOCAL_NONE;
    if (stream_speaks(request->label)) {
        stream_dispatch(&stream, local, request);
    } else if (local_speaks(request->label)) {
        local_dispatch(&handlers, local, request);
    } else {
        reply->status = STATUS_BAD_METHOD;
    }
    if (local->touched != LOCAL_NONE && reply->outcome == RT_REPLY && reply->status == STATUS_OK) {
        local_serve(local, reply);
    }
}
