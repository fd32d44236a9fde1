/* What sessions ask: reading, writing, and the terminal's settings. */
#include "lib/base/bytes.h"
#include "servers/tty/tty.h"

enum { MODE_CHARACTER = 0020620 };
enum { CONSOLE_DEVICE = 5 << 8 | 1 };

/* Whether the call may wait: neither it nor its session says otherwise. */
static bool waits(const struct tty *_Nonnull tty, const struct rt_request *_Nonnull request,
                  uint32_t how) {
    uint32_t slot = (uint32_t)request->cookie;
    struct session_info info = {};
    if ((how & STREAM_HOW_NO_WAIT) != 0) {
        return false;
    }
    return slot >= TTY_SESSIONS ||
           rt_object_info(tty->sessions[slot], INFO_SESSION, &info, sizeof info) != STATUS_OK ||
           (info.flags & SESSION_NONBLOCK) == 0;
}

static status_t do_read(void *_Nonnull state, struct rt_request *_Nonnull request,
                        const struct stream_read_in *_Nonnull in,
                        struct stream_read_out *_Nonnull out) {
    struct tty *tty = state;
    struct parked what = {.kind = PARKED_READ, .how = in->how, .size = in->data.size};
    struct discipline_reading reading = discipline_read(&tty->now.line, in->data.size);
    if (in->data.size == 0) {
        out->data_size = 0;
        return STATUS_OK;
    }
    if (!reading.ready && !waits(tty, request, in->how)) {
        return STATUS_WOULD_BLOCK;
    }
    /* All reads take the same way: they are answered by tty_pump, in their order. */
    return tty_park(tty, request, &what);
}

static status_t do_write(void *_Nonnull state, struct rt_request *_Nonnull request,
                         const struct stream_write_in *_Nonnull in,
                         struct stream_write_out *_Nonnull out) {
    struct tty *tty = state;
    struct parked what = {.kind = PARKED_WRITE};
    size_t size = (size_t)MIN(in->data.size, (uint64_t)TTY_BUFFER);
    status_t status = rt_input_read(request, &in->data, 0,
                                    (struct rt_buffer){.size = size, .data = &tty->buffer[0]});
    if (status != STATUS_OK) {
        return status;
    }
    struct terminal *terminal = tty_edit(tty);
    size_t done = 0;
    while (done < size && discipline_write(&terminal->line, tty->buffer[done])) {
        done++;
    }
    if (done == 0 && size > 0) {
        tty_revert(tty);
        what.size = MIN(size, sizeof what.bytes);
        bytes_copy(what.bytes, tty->buffer, (size_t)what.size);
        return waits(tty, request, in->how) ? tty_park(tty, request, &what) : STATUS_WOULD_BLOCK;
    }
    out->written = done;
    return tty_stage(tty);
}

static status_t do_stat(void *_Nonnull state, struct rt_request *_Nonnull request,
                        struct stream_stat_out *_Nonnull out) {
    (void)state;
    (void)request;
    out->info = (struct stream_stat){
        .mode = MODE_CHARACTER, .links = 1, .node = CONSOLE_DEVICE, .block_size = 1024};
    return STATUS_OK;
}

static status_t do_facts(void *_Nonnull state, struct rt_request *_Nonnull request,
                         struct stream_facts_out *_Nonnull out) {
    (void)state;
    (void)request;
    out->kind = STREAM_KIND_CHARACTER;
    out->speaks = STREAM_PROTOCOLS_TTY;
    out->facts =
        STREAM_FACTS_FLAGS_WAITS | STREAM_FACTS_FLAGS_READABLE | STREAM_FACTS_FLAGS_WRITABLE;
    return STATUS_OK;
}

static status_t do_available(void *_Nonnull state, struct rt_request *_Nonnull request,
                             struct stream_available_out *_Nonnull out) {
    struct tty *tty = state;
    (void)request;
    out->readable = discipline_available(&tty->now.line);
    out->unsent = tty->now.line.output_put - tty->now.line.output_taken;
    return STATUS_OK;
}

/* ---- tty ---- */

static status_t do_open(void *_Nonnull state, struct rt_request *_Nonnull request,
                        const struct tty_open_in *_Nonnull in, struct tty_open_out *_Nonnull out) {
    struct tty *tty = state;
    uint32_t slot = 0;
    if ((request->cookie & RT_COOKIE_SERVICE) == 0 || in->number != 0) {
        return STATUS_NOT_FOUND;
    }
    while (slot < TTY_SESSIONS && tty->vault->sessions[slot].used != 0) {
        slot++;
    }
    if (slot == TTY_SESSIONS) {
        return STATUS_OUT_OF_QUOTA;
    }
    struct tty_session session = tty->vault->sessions[slot];
    session.header =
        (struct rt_record_header){.kind = TTY_RECORD_SESSION, .version = 1, .size = sizeof session};
    session.used = 1;
    session.generation = (session.generation + 1) & 0x7fffffff;
    handle_t whole = HANDLE_NONE;
    handle_t kept = HANDLE_NONE;
    uint64_t cookie = (uint64_t)session.generation << 32 | slot;
    status_t status =
        rt_object_create(OBJECT_SESSION, tty->server->endpoint, cookie, 0, 0, 0, &whole);
    status = status == STATUS_OK ? rt_handle_duplicate(whole, RIGHT_ALL, &kept) : status;
    status = status == STATUS_OK
                 ? rt_handle_duplicate(whole,
                                       RIGHT_CALL | RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_WAIT |
                                           RIGHT_INSPECT,
                                       &out->terminal)
                 : status;
    status = status == STATUS_OK ? rt_session_ready(whole, 0, tty->ready) : status;
    status =
        status == STATUS_OK ? rt_stage_keep(tty->server, TTY_KEEP_SESSIONS + slot, kept) : status;
    status = status == STATUS_OK
                 ? rt_stage_record(tty->server, &tty->vault->sessions[slot], &session.header)
                 : status;
    rt_handle_close(tty->sessions[slot]);
    tty->sessions[slot] = whole;
    return status;
}

static status_t do_get_attributes(void *_Nonnull state, struct rt_request *_Nonnull request,
                                  struct tty_get_attributes_out *_Nonnull out) {
    struct tty *tty = state;
    (void)request;
    out->values = tty->now.line.attributes;
    return STATUS_OK;
}

static status_t do_set_attributes(void *_Nonnull state, struct rt_request *_Nonnull request,
                                  const struct tty_set_attributes_in *_Nonnull in) {
    struct tty *tty = state;
    struct parked what = {.kind = PARKED_SET, .how = in->at, .values = in->values};
    if (in->at != TTY_WHEN_NOW) {
        return tty_park(tty, request, &what);
    }
    discipline_set(&tty_edit(tty)->line, &in->values);
    return tty_stage(tty);
}

static status_t do_drain(void *_Nonnull state, struct rt_request *_Nonnull request,
                         const struct tty_drain_in *_Nonnull in) {
    struct parked what = {.kind = PARKED_DRAIN};
    return in->send_break ? STATUS_NOT_SUPPORTED : tty_park(state, request, &what);
}

static status_t do_get_size(void *_Nonnull state, struct rt_request *_Nonnull request,
                            struct tty_get_size_out *_Nonnull out) {
    struct tty *tty = state;
    (void)request;
    out->value = tty->now.size;
    return STATUS_OK;
}

static status_t do_set_size(void *_Nonnull state, struct rt_request *_Nonnull request,
                            const struct tty_set_size_in *_Nonnull in) {
    struct tty *tty = state;
    (void)request;
    struct terminal *terminal = tty_edit(tty);
    if (!bytes_equal(&terminal->size, &in->value, sizeof in->value)) {
        terminal->size = in->value;
        terminal->line.signals |= 1u << SIGNAL_WINCH;
    }
    return tty_stage(tty);
}

static status_t do_get_group(void *_Nonnull state, struct rt_request *_Nonnull request,
                             struct tty_get_group_out *_Nonnull out) {
    struct tty *tty = state;
    (void)request;
    out->group = tty->now.group;
    return tty->now.group != 0 ? STATUS_OK : TTY_STATUS_NOT_TERMINAL;
}

static status_t do_set_group(void *_Nonnull state, struct rt_request *_Nonnull request,
                             const struct tty_set_group_in *_Nonnull in) {
    struct tty *tty = state;
    (void)request;
    tty_edit(tty)->group = in->group;
    return tty_stage(tty);
}

static status_t do_flush(void *_Nonnull state, struct rt_request *_Nonnull request,
                         const struct tty_flush_in *_Nonnull in) {
    struct tty *tty = state;
    (void)request;
    discipline_flush(&tty_edit(tty)->line, in->which);
    return tty_stage(tty);
}

static status_t do_flow_control(void *_Nonnull state, struct rt_request *_Nonnull request,
                                const struct tty_flow_control_in *_Nonnull in) {
    struct tty *tty = state;
    (void)request;
    struct discipline *line = &tty_edit(tty)->line;
    if (in->action == TTY_FLOW_SUSPEND_OUTPUT || in->action == TTY_FLOW_RESUME_OUTPUT) {
        line->stopped = in->action == TTY_FLOW_SUSPEND_OUTPUT;
    } else {
        bool stop = in->action == TTY_FLOW_SEND_STOP;
        uint8_t byte = line->attributes.characters[stop ? CHARACTER_STOP : CHARACTER_START];
        (void)discipline_put_raw(line, byte);
    }
    return tty_stage(tty);
}

void tty_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    static const struct stream_handlers stream = {.read = do_read,
                                                  .write = do_write,
                                                  .stat = do_stat,
                                                  .facts = do_facts,
                                                  .available = do_available};
    static const struct tty_handlers handlers = {.open = do_open,
                                                 .get_attributes = do_get_attributes,
                                                 .set_attributes = do_set_attributes,
                                                 .get_size = do_get_size,
                                                 .set_size = do_set_size,
                                                 .get_group = do_get_group,
                                                 .set_group = do_set_group,
                                                 .flush = do_flush,
                                                 .flow_control = do_flow_control,
                                                 .drain = do_drain};
    struct tty *tty = (struct tty *)SOME(server->state);
    tty_pump(tty);
    /* What this call changes shows after its commit. */
    (void)rt_event_signal(tty->to_tty, 1);
    bool control = (request->cookie & RT_COOKIE_SERVICE) != 0;
    if (tty_speaks(request->label) && control == (request->label == TTY_METHOD_OPEN)) {
        tty_dispatch(&handlers, tty, request);
    } else if (stream_speaks(request->label) && !control) {
        stream_dispatch(&stream, tty, request);
    } else {
        request->reply->status = STATUS_BAD_METHOD;
    }
}
