/* See sample_server.h. */
#include "host/idlc/tests/sample_server.h"

struct sample_server sample_server;

static status_t note(void) {
    sample_server.handled++;
    return sample_server.status;
}

static status_t on_nothing(void *_Nonnull server, struct rt_request *_Nonnull request) {
    CHECK(server == &sample_server && request->token == LOOPBACK_TOKEN);
    return note();
}

static status_t on_numbers(void *_Nonnull server, struct rt_request *_Nonnull request,
                           const struct sample_numbers_in *_Nonnull in,
                           struct sample_numbers_out *_Nonnull out) {
    (void)server;
    (void)request;
    sample_server.got.numbers = *in;
    *out = sample_server.answer.numbers;
    return note();
}

static status_t on_many(void *_Nonnull server, struct rt_request *_Nonnull request,
                        const struct sample_many_in *_Nonnull in,
                        struct sample_many_out *_Nonnull out) {
    (void)server;
    (void)request;
    sample_server.got.many = *in;
    *out = sample_server.answer.many;
    return note();
}

static status_t on_open(void *_Nonnull server, struct rt_request *_Nonnull request,
                        const struct sample_open_in *_Nonnull in,
                        struct sample_open_out *_Nonnull out) {
    (void)server;
    sample_server.got.open = *in;
    struct rt_buffer to = {.size = in->path.size, .data = sample_server.path};
    status_t status = rt_input_read(request, &in->path, 0, to);
    if (status != STATUS_OK) {
        return status;
    }
    *out = sample_server.answer.open;
    return note();
}

static status_t on_describe(void *_Nonnull server, struct rt_request *_Nonnull request,
                            const struct sample_describe_in *_Nonnull in,
                            struct sample_describe_out *_Nonnull out) {
    (void)server;
    (void)request;
    sample_server.got.describe = *in;
    if (in->name.size > 0) {
        rt_copy(sample_server.name, SOME(in->name.data), in->name.size);
    }
    *out = sample_server.answer.describe;
    return note();
}

static status_t write_bytes(struct rt_request *_Nonnull request,
                            const struct rt_output *_Nonnull room, uint64_t size) {
    struct rt_bytes from = {.size = (size_t)MIN(size, room->size), .data = sample_server.bytes};
    return rt_output_write(request, room, 0, from);
}

static status_t on_read(void *_Nonnull server, struct rt_request *_Nonnull request,
                        const struct sample_read_in *_Nonnull in,
                        struct sample_read_out *_Nonnull out) {
    (void)server;
    sample_server.got.read = *in;
    *out = sample_server.answer.read;
    status_t status = write_bytes(request, &in->data, out->data_size);
    return status != STATUS_OK ? status : note();
}

static status_t on_write(void *_Nonnull server, struct rt_request *_Nonnull request,
                         const struct sample_write_in *_Nonnull in,
                         struct sample_write_out *_Nonnull out) {
    (void)server;
    sample_server.got.write = *in;
    if (in->tag.size > 0) {
        rt_copy(sample_server.tag, SOME(in->tag.data), in->tag.size);
    }
    struct rt_buffer to = {.size = in->data.size, .data = sample_server.data};
    status_t status = rt_input_read(request, &in->data, 0, to);
    if (status != STATUS_OK) {
        return status;
    }
    *out = sample_server.answer.write;
    return note();
}

static status_t on_scan(void *_Nonnull server, struct rt_request *_Nonnull request,
                        const struct sample_scan_in *_Nonnull in,
                        struct sample_scan_out *_Nonnull out) {
    (void)server;
    sample_server.got.scan = *in;
    *out = sample_server.answer.scan;
    status_t status = write_bytes(request, &in->found, out->found_size);
    return status != STATUS_OK ? status : note();
}

static const struct sample_handlers handlers = {.nothing = on_nothing,
                                                .numbers = on_numbers,
                                                .many = on_many,
                                                .open = on_open,
                                                .describe = on_describe,
                                                .read = on_read,
                                                .write = on_write,
                                                .scan = on_scan};
static const struct sample_handlers no_handlers;

static void serve(struct rt_request *_Nonnull request) {
    sample_dispatch(&handlers, &sample_server, request);
}

void sample_serve_without_handlers(struct rt_request *_Nonnull request) {
    sample_dispatch(&no_handlers, &sample_server, request);
}

void sample_start(void) {
    loopback_start(serve);
    sample_server = (struct sample_server){};
    sample_server.answer.many.n = SAMPLE_MATERIAL_WOOD;
    sample_server.answer.open.sample = HANDLE_OWN_SESSION;
    sample_server.answer.open.info.kind = SAMPLE_MATERIAL_IRON;
    sample_server.answer.describe.kinds[0] = SAMPLE_MATERIAL_GLASS;
    sample_server.answer.describe.kinds[1] = SAMPLE_MATERIAL_WOOD;
}
