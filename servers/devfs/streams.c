/* Reading and writing the devices that are served here. */
#include "servers/devfs/devfs.h"

static void fill_zero(struct view *_Nonnull view, size_t size) {
    for (size_t i = 0; i < size; i++) {
        view->output[i] = 0;
    }
}

static status_t serve_read(void *_Nonnull state, struct rt_request *_Nonnull request,
                           const struct stream_read_in *_Nonnull in,
                           struct stream_read_out *_Nonnull out) {
    struct view *view = state;
    struct view_session session = {};
    size_t size = (size_t)MIN(in->data.size, sizeof view->output);
    TRY(view_opened(request, MAY_READ, &session));
    switch (session.node) {
    case NODE_NULL:
        return STATUS_OK;
    case NODE_ZERO:
    case NODE_FULL:
        fill_zero(view, size);
        break;
    default:
        return STREAM_STATUS_NOT_FOR_THIS;
    }
    out->data_size = size;
    return rt_output_write(request, &in->data, 0,
                           (struct rt_bytes){.size = size, .data = &view->output[0]});
}

/* What is written goes nowhere; nothing of it is read. */
static status_t serve_write(void *_Nonnull state, struct rt_request *_Nonnull request,
                            const struct stream_write_in *_Nonnull in,
                            struct stream_write_out *_Nonnull out) {
    struct view_session session = {};
    (void)state;
    TRY(view_opened(request, MAY_WRITE, &session));
    REFUSE(session.node == NODE_FULL, STREAM_STATUS_FULL);
    out->written = in->data.size;
    return STATUS_OK;
}

void devfs_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    static const struct stream_handlers handlers = {
        .read = serve_read, .write = serve_write, .stat = view_stat, .facts = view_facts};
    struct view *view = SOME(server->state);
    if (stream_speaks(request->label)) {
        stream_dispatch(&handlers, view, request);
    } else {
        view_call(view, request);
    }
}
