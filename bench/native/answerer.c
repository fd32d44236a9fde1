/* The other side of the measured calls: a server like every other, with the loop of lib/rt and the
 * generated dispatcher. */
#include "idl/bench.h"
#include "lib/base/bytes.h"
#include "lib/rt/server.h"

enum { KEY_EVENT = 1, KEY_IRQ = 2, BYTES_LIMIT = 800, MEMORY_TAG = 7 };

struct answerer {
    struct rt_server server;
    handle_t pong, irq, memory;
    uint64_t ticks, count;
    uint8_t bytes[BYTES_LIMIT];
};

static uint64_t ticks(void) {
    uint32_t low = 0;
    uint32_t high = 0;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static status_t do_nothing(void *_Nonnull state, struct rt_request *_Nonnull request) {
    (void)state;
    (void)request;
    return STATUS_OK;
}

static status_t do_seven(void *_Nonnull state, struct rt_request *_Nonnull request,
                         const struct bench_seven_in *_Nonnull in,
                         struct bench_seven_out *_Nonnull out) {
    (void)state;
    (void)request;
    *out = (struct bench_seven_out){.h = in->a + 1,
                                    .i = in->b + 1,
                                    .j = in->c + 1,
                                    .k = in->d + 1,
                                    .l = in->e + 1,
                                    .m = in->f + 1,
                                    .n = in->g + 1};
    return STATUS_OK;
}

static status_t do_bytes(void *_Nonnull state, struct rt_request *_Nonnull request,
                         const struct bench_bytes_in *_Nonnull in,
                         struct bench_bytes_out *_Nonnull out) {
    struct answerer *self = state;
    size_t size = (size_t)MIN(in->data.size, (uint64_t)BYTES_LIMIT);
    struct rt_buffer buffer = {.size = size, .data = &self->bytes[0]};
    status_t status = rt_input_read(request, &in->data, 0, buffer);
    if (status == STATUS_OK) {
        out->answer_size = size;
        status = rt_output_write(request, &in->answer, 0,
                                 (struct rt_bytes){.size = size, .data = &self->bytes[0]});
    }
    return status;
}

static status_t do_paged(void *_Nonnull state, struct rt_request *_Nonnull request,
                         const struct bench_paged_in *_Nonnull in,
                         struct bench_paged_out *_Nonnull out) {
    struct answerer *self = state;
    (void)request;
    status_t status = rt_object_create(OBJECT_MEMORY, 0, in->size, MEMORY_PAGER, MEMORY_TAG,
                                       self->server.waitset, &self->memory);
    return status == STATUS_OK ? rt_handle_duplicate(self->memory, RIGHT_ALL, &out->memory)
                               : status;
}

static status_t do_events(void *_Nonnull state, struct rt_request *_Nonnull request,
                          const struct bench_events_in *_Nonnull in) {
    struct answerer *self = state;
    (void)request;
    handle_t ping = HANDLE_NONE;
    status_t status = rt_handle_duplicate(in->ping, RIGHT_ALL, &ping); /* the call's own are lent */
    status = status == STATUS_OK ? rt_handle_duplicate(in->pong, RIGHT_ALL, &self->pong) : status;
    return status == STATUS_OK ? rt_bind(self->server.waitset, ping, UINT32_MAX, KEY_EVENT, 0)
                               : status;
}

static status_t do_interrupted(void *_Nonnull state, struct rt_request *_Nonnull request,
                               struct bench_interrupted_out *_Nonnull out) {
    struct answerer *self = state;
    (void)request;
    out->ticks = self->ticks;
    out->count = self->count;
    return STATUS_OK;
}

static void on_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    static const struct bench_handlers handlers = {.nothing = do_nothing,
                                                   .seven = do_seven,
                                                   .bytes = do_bytes,
                                                   .paged = do_paged,
                                                   .events = do_events,
                                                   .interrupted = do_interrupted};
    bench_dispatch(&handlers, SOME(server->state), request);
}

static void on_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    struct answerer *self = SOME(server->state);
    if (packet->kind == PACKET_EVENT) {
        (void)rt_event_signal(self->pong, 1);
    } else if (packet->kind == PACKET_PAGE) {
        (void)rt_memory_supply(self->memory, SUPPLY_ZERO, packet->words[1], packet->words[2], 0, 0);
    } else if (packet->kind == PACKET_IRQ) {
        (void)rt_irq_ack(self->irq);
        self->ticks = ticks();
        self->count++;
    }
}

void server_main(uint64_t mode, uint64_t thread_page) {
    struct answerer self = {};
    rt_server_begin(&self.server, mode, thread_page);
    self.server.state = &self;
    self.irq = rt_start_handle(&self.server, "irq");
    if (rt_bind(self.server.waitset, self.irq, UINT32_MAX, KEY_IRQ, 0) != STATUS_OK) {
        rt_exit(RT_EXIT_START);
    }
    rt_server_run(&self.server, &(struct rt_service){on_call, on_packet});
}
