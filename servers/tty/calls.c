/* What sessions ask: reading, writing, and the terminal's settings. */
#include "lib/base/bytes.h"
#include "servers/tty/tty.h"

enum { MODE_CHARACTER = 0020620 };

static status_t do_read(void *_Nonnull state, struct rt_request *_Nonnull request,
                        const struct stream_read_in *_Nonnull in,
                        struct stream_read_out *_Nonnull out) {
    struct tty *tty = state;
    const struct station *station = tty_station_of(tty, request);
    struct parked what = {.kind = PARKED_READ, .how = in->how, .size = in->data.size};
    out->data_size = 0;
    if (in->data.size == 0 || tty_hung(tty, (uint32_t)request->cookie)) {
        return STATUS_OK;
    }
    if ((tty_session_of(tty, request)->flags & SESSION_MASTER) != 0) {
        return master_read(tty, request, in);
    }
    bool passes = (in->how & STREAM_HOW_PASSES) != 0;
    status_t status = tty_pass_foreground(tty, request, station, SIGNAL_TTIN, passes);
    if (status != STATUS_OK) {
        return status;
    }
    /* All reads take the same way: they are answered by tty_pump, in their order. */
    what.how |= tty_waits(tty, request, in->how) ? 0 : STREAM_HOW_NO_WAIT;
    return tty_park(tty, request, &what);
}

uint64_t tty_room(const struct station *_Nonnull station) {
    const struct discipline *line = &station->now.line;
    return station->index != 0 && line->stopped != 0 ? 0 : discipline_output_room(line);
}

static status_t do_write(void *_Nonnull state, struct rt_request *_Nonnull request,
                         const struct stream_write_in *_Nonnull in,
                         struct stream_write_out *_Nonnull out) {
    struct tty *tty = state;
    struct station *station = tty_station_of(tty, request);
    struct parked what = {.kind = PARKED_WRITE};
    if ((tty_session_of(tty, request)->flags & SESSION_MASTER) != 0) {
        return master_write(tty, request, in, out);
    }
    status_t status = STATUS_OK;
    if (tty_hung(tty, (uint32_t)request->cookie)) {
        status = STREAM_STATUS_FAILED;
    } else if ((station->now.line.attributes.local & LOCAL_TOSTOP) != 0) {
        bool passes = (in->how & STREAM_HOW_PASSES) != 0;
        status = tty_pass_foreground(tty, request, station, SIGNAL_TTOU, passes);
    }
    size_t size = (size_t)MIN(in->data.size, (uint64_t)TTY_WRITTEN);
    struct rt_buffer to = {.size = size, .data = &tty->buffer[0]};
    status = status == STATUS_OK ? rt_input_read(request, &in->data, 0, to) : status;
    if (status != STATUS_OK) {
        return status;
    }
    struct terminal *terminal = tty_edit(station);
    size_t done = 0;
    while (done < size && tty_room(station) > 0 &&
           discipline_write(&terminal->line, tty->buffer[done])) {
        done++;
    }
    if (done == 0 && size > 0) {
        tty_revert(tty, station);
        what.size = MIN(size, sizeof what.bytes);
        bytes_copy(what.bytes, tty->buffer, (size_t)what.size);
        return tty_waits(tty, request, in->how) ? tty_park(tty, request, &what)
                                                : STATUS_WOULD_BLOCK;
    }
    out->written = done;
    return tty_stage(tty, station);
}

static status_t do_stat(void *_Nonnull state, struct rt_request *_Nonnull request,
                        struct stream_stat_out *_Nonnull out) {
    struct tty *tty = state;
    enum { GROUP_TTY = 5 };
    const struct station *station = tty_station_of(tty, request);
    uint32_t flags = tty_session_of(tty, request)->flags;
    uint32_t node = (flags & SESSION_CONSOLE) != 0  ? DEVICE_CONSOLE
                    : (flags & SESSION_MASTER) != 0 ? DEVICE_MASTER
                                                    : tty_device_of(station);
    out->info = (struct stream_stat){.device = TTY_FILE_DEVICE,
                                     .inode = TTY_NODE_FIRST + node,
                                     .mode = MODE_CHARACTER,
                                     .links = 1,
                                     .uid = station->now.owner,
                                     .gid = GROUP_TTY,
                                     .node = node,
                                     .block_size = 1024};
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
    const struct terminal *terminal = &tty_station_of(tty, request)->now;
    bool master = (tty_session_of(tty, request)->flags & SESSION_MASTER) != 0;
    uint64_t typed = discipline_available(&terminal->line);
    uint64_t shown = terminal->line.output_put - terminal->line.output_taken;
    out->readable = master ? master_available(terminal) : typed;
    out->unsent = master ? 0 : shown;
    return STATUS_OK;
}

/* ---- the terminal's settings ---- */

static status_t do_get_attributes(void *_Nonnull state, struct rt_request *_Nonnull request,
                                  struct tty_get_attributes_out *_Nonnull out) {
    out->values = tty_station_of(state, request)->now.line.attributes;
    return STATUS_OK;
}

static status_t do_set_attributes(void *_Nonnull state, struct rt_request *_Nonnull request,
                                  const struct tty_set_attributes_in *_Nonnull in) {
    struct tty *tty = state;
    struct station *station = tty_station_of(tty, request);
    struct parked what = {.kind = PARKED_SET, .how = in->at, .values = in->values};
    status_t status = tty_pass_foreground(tty, request, station, SIGNAL_TTOU, in->passes);
    if (status != STATUS_OK || in->at != TTY_WHEN_NOW) {
        return status != STATUS_OK ? status : tty_park(tty, request, &what);
    }
    discipline_set(&tty_edit(station)->line, &in->values);
    return tty_stage(tty, station);
}

static status_t do_drain(void *_Nonnull state, struct rt_request *_Nonnull request,
                         const struct tty_drain_in *_Nonnull in) {
    struct tty *tty = state;
    struct parked what = {.kind = PARKED_DRAIN};
    const struct station *station = tty_station_of(tty, request);
    status_t status = tty_pass_foreground(tty, request, station, SIGNAL_TTOU, in->passes);
    if (status != STATUS_OK) {
        return status;
    }
    /* A pseudo-terminal has no wire to break. */
    return in->send_break && station->index == 0 ? STATUS_NOT_SUPPORTED
                                                 : tty_park(tty, request, &what);
}

static status_t do_get_size(void *_Nonnull state, struct rt_request *_Nonnull request,
                            struct tty_get_size_out *_Nonnull out) {
    out->value = tty_station_of(state, request)->now.size;
    return STATUS_OK;
}

static status_t do_set_size(void *_Nonnull state, struct rt_request *_Nonnull request,
                            const struct tty_set_size_in *_Nonnull in) {
    struct tty *tty = state;
    struct station *station = tty_station_of(tty, request);
    struct terminal *terminal = tty_edit(station);
    if (!bytes_equal(&terminal->size, &in->value, sizeof in->value)) {
        terminal->size = in->value;
        terminal->line.signals |= 1u << SIGNAL_WINCH;
    }
    return tty_stage(tty, station);
}

static status_t do_flush(void *_Nonnull state, struct rt_request *_Nonnull request,
                         const struct tty_flush_in *_Nonnull in) {
    struct tty *tty = state;
    struct station *station = tty_station_of(tty, request);
    status_t status = tty_pass_foreground(tty, request, station, SIGNAL_TTOU, in->passes);
    if (status != STATUS_OK) {
        return status;
    }
    discipline_flush(&tty_edit(station)->line, in->which);
    return tty_stage(tty, station);
}

static status_t do_flow_control(void *_Nonnull state, struct rt_request *_Nonnull request,
                                const struct tty_flow_control_in *_Nonnull in) {
    struct tty *tty = state;
    struct station *station = tty_station_of(tty, request);
    status_t status = tty_pass_foreground(tty, request, station, SIGNAL_TTOU, in->passes);
    if (status != STATUS_OK) {
        return status;
    }
    struct discipline *line = &tty_edit(station)->line;
    if (in->action == TTY_FLOW_SUSPEND_OUTPUT || in->action == TTY_FLOW_RESUME_OUTPUT) {
        line->stopped = in->action == TTY_FLOW_SUSPEND_OUTPUT;
    } else {
        bool stop = in->action == TTY_FLOW_SEND_STOP;
        uint8_t byte = line->attributes.characters[stop ? CHARACTER_STOP : CHARACTER_START];
        (void)discipline_put_raw(line, byte);
    }
    return tty_stage(tty, station);
}

/* ---- dispatch ---- */

/* Methods of the control session; all others are of a terminal's. */
static bool is_control(uint32_t label) {
    return label == TTY_METHOD_OPEN || label == TTY_METHOD_OPEN_MASTER ||
           label == TTY_METHOD_OPEN_PEER || label == TTY_METHOD_LIST ||
           label == TTY_METHOD_OPEN_OWN || label == TTY_METHOD_FOREGROUND_GROUP;
}

static const struct stream_handlers stream_calls = {.read = do_read,
                                                    .write = do_write,
                                                    .stat = do_stat,
                                                    .facts = do_facts,
                                                    .available = do_available};
static const struct tty_handlers tty_calls = {.open = serve_open,
                                              .open_master = serve_open_master,
                                              .open_peer = serve_open_peer,
                                              .list = serve_list,
                                              .master = serve_master,
                                              .get_attributes = do_get_attributes,
                                              .set_attributes = do_set_attributes,
                                              .get_size = do_get_size,
                                              .set_size = do_set_size,
                                              .get_group = serve_get_group,
                                              .set_group = serve_set_group,
                                              .take = serve_take,
                                              .drop = serve_drop,
                                              .flush = do_flush,
                                              .flow_control = do_flow_control,
                                              .drain = do_drain,
                                              .hang_up = serve_hang_up,
                                              .open_own = serve_open_own,
                                              .foreground_group = serve_foreground_group};

void tty_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    struct tty *tty = (struct tty *)SOME(server->state);
    tty_pump(tty);
    /* What this call changes shows after its commit. */
    (void)rt_event_signal(tty->to_tty, 1);
    bool control = (request->cookie & RT_COOKIE_SERVICE) != 0;
    bool is_tty = tty_speaks(request->label);
    bool known = control || (uint32_t)request->cookie < TTY_SESSIONS;
    if (!known || control != (is_tty && is_control(request->label))) {
        request->reply->status = STATUS_BAD_METHOD;
    } else if (is_tty && !control && tty_hung(tty, (uint32_t)request->cookie)) {
        request->reply->status = STREAM_STATUS_FAILED;
    } else if (is_tty) {
        tty_dispatch(&tty_calls, tty, request);
    } else if (stream_speaks(request->label)) {
        stream_dispatch(&stream_calls, tty, request);
    } else {
        request->reply->status = STATUS_BAD_METHOD;
    }
}
