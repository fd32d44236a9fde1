/* The standard streams of a first program without a terminal: what is written goes to the log,
 * reading is at its end. */
#include "servers/init/init.h"

/* Linux's numbers: S_IFCHR, and the device 5:1. */
enum { MODE_CHARACTER = 0020000, DEVICE_CONSOLE = 0x501 };
enum { COOKIE_OUTPUT = 1, TEXT_CHUNK = 256 };

static status_t stream_to_log(void *_Nonnull state, struct rt_request *_Nonnull request,
                              const struct stream_write_in *_Nonnull in,
                              struct stream_write_out *_Nonnull out) {
    (void)state;
    uint8_t text[TEXT_CHUNK];
    struct rt_buffer buffer = {.size = (size_t)MIN(in->data.size, (uint64_t)sizeof text),
                               .data = &text[0]};
    status_t status = rt_input_read(request, &in->data, 0, buffer);
    if (status == STATUS_OK) {
        rt_log_bytes(text, buffer.size);
        out->written = buffer.size;
    }
    return status;
}

static status_t stream_at_end(void *_Nonnull state, struct rt_request *_Nonnull request,
                              const struct stream_read_in *_Nonnull in,
                              struct stream_read_out *_Nonnull out) {
    (void)state;
    (void)request;
    (void)in;
    (void)out;
    return STATUS_OK;
}

static status_t stream_stat_of(void *_Nonnull state, struct rt_request *_Nonnull request,
                               struct stream_stat_out *_Nonnull out) {
    (void)state;
    (void)request;
    out->info = (struct stream_stat){
        .mode = MODE_CHARACTER | 0620, .links = 1, .node = DEVICE_CONSOLE, .block_size = 4096};
    return STATUS_OK;
}

static status_t stream_facts_of(void *_Nonnull state, struct rt_request *_Nonnull request,
                                struct stream_facts_out *_Nonnull out) {
    (void)state;
    (void)request;
    out->kind = STREAM_KIND_CHARACTER;
    out->facts = STREAM_FACTS_FLAGS_READABLE | STREAM_FACTS_FLAGS_WRITABLE;
    return STATUS_OK;
}

void init_log_stream_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    static const struct stream_handlers handlers = {.write = stream_to_log,
                                                    .read = stream_at_end,
                                                    .stat = stream_stat_of,
                                                    .facts = stream_facts_of};
    stream_dispatch(&handlers, server, request);
}

handle_t init_log_stream(struct rt_server *_Nonnull server) {
    handle_t stream = HANDLE_NONE;
    init_must(server,
              rt_object_create(OBJECT_SESSION, server->endpoint, COOKIE_OUTPUT, 0, 0, 0, &stream),
              "stream");
    return stream;
}
