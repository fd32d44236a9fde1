/* Calls that wait: for something to be read, for room, for the output to be sent. */
#include "servers/tty/tty.h"

status_t tty_park(struct tty *_Nonnull tty, const struct rt_request *_Nonnull request,
                  const struct parked *_Nonnull what) {
    if ((request->page->received.state & CALL_STATE_CANCELLED) != 0) {
        return STATUS_CANCELLED;
    }
    for (uint32_t i = 0; i < TTY_PARKED; i++) {
        if (tty->parked[i].kind == PARKED_NONE) {
            tty->parked[i] = *what;
            tty->parked[i].token = request->token;
            tty->parked[i].session = (uint32_t)request->cookie % TTY_SESSIONS;
            tty->parked[i].order = ++tty->order;
            return RT_STATUS_PARKED;
        }
    }
    return STATUS_BUSY;
}

void tty_unpark(struct tty *_Nonnull tty, uint64_t token) {
    for (uint32_t i = 0; i < TTY_PARKED; i++) {
        struct parked *parked = &tty->parked[i];
        if (parked->kind != PARKED_NONE && parked->token == token) {
            parked->kind = PARKED_NONE;
            (void)rt_answer_error(tty->server, token, STATUS_CANCELLED);
        }
    }
}

static struct station *_Nonnull station_of(struct tty *_Nonnull tty,
                                           const struct parked *_Nonnull parked) {
    return &tty->stations[tty->vault->sessions[parked->session].terminal];
}

/* ---- what may be answered ---- */

/* VTIME: has the time of this read run out? The clock runs from the call where VMIN is 0, else from
 * the last byte that came. */
static bool expired(struct tty *_Nonnull tty, struct parked *_Nonnull parked,
                    const struct discipline *_Nonnull line) {
    uint64_t patience = discipline_patience_ns(line);
    if (patience == 0) {
        return false;
    }
    bool from_call = line->attributes.characters[CHARACTER_MIN] == 0;
    if (!from_call && line->input_put == line->input_taken) {
        parked->deadline_ns = 0;
        return false;
    }
    uint64_t now = rt_clock_ns();
    if (parked->deadline_ns == 0 || (!from_call && parked->seen != line->input_put)) {
        parked->deadline_ns = now + patience;
        parked->seen = line->input_put;
        status_t status = rt_timer_set(tty->timer, parked->deadline_ns, 1, 0);
        CHECK(status == STATUS_OK);
    }
    return now >= parked->deadline_ns;
}

static bool may_be_answered(struct tty *_Nonnull tty, struct parked *_Nonnull parked) {
    const struct terminal *terminal = &station_of(tty, parked)->now;
    const struct discipline *line = &terminal->line;
    if (tty_hung(tty, parked->session)) {
        return true;
    }
    switch (parked->kind) {
    case PARKED_READ:
        return discipline_read(line, parked->size).ready ||
               (parked->how & STREAM_HOW_NO_WAIT) != 0 || expired(tty, parked, line);
    case PARKED_WRITE:
        return tty_room(station_of(tty, parked)) >= 8;
    case PARKED_SET:
    case PARKED_DRAIN:
        /* What a pseudo-terminal shows is sent when its master could read it. */
        return station_of(tty, parked)->index != 0 || line->output_taken == line->output_put;
    case PARKED_MASTER_READ:
        return master_available(terminal) > 0 || (terminal->flags & TERMINAL_PEER_CLOSED) != 0;
    case PARKED_MASTER_WRITE:
        return discipline_input_room(line) > 0;
    case PARKED_NONE:
    default:
        return false;
    }
}

/* ---- answers ---- */

/* The read's bytes into its reply, and out of the queue. */
static status_t answer_read(struct tty *_Nonnull tty, struct station *_Nonnull station,
                            const struct parked *_Nonnull parked, struct rt_reply *_Nonnull reply) {
    uint64_t size = MIN(parked->size, (uint64_t)TTY_BUFFER);
    struct discipline_reading reading = discipline_read(&station->now.line, size);
    if (reading.count == 0 && !reading.ready && (parked->how & STREAM_HOW_NO_WAIT) != 0) {
        return STATUS_WOULD_BLOCK;
    }
    for (uint64_t i = 0; i < reading.count; i++) {
        tty->buffer[i] = discipline_byte(&station->now.line, i);
    }
    struct rt_request request = {.page = tty->server->page, .reply = reply, .token = parked->token};
    struct rt_output room = stream_read_data(reply, parked->size);
    struct rt_bytes from = {.size = (size_t)reading.count, .data = &tty->buffer[0]};
    status_t status = rt_output_write(&request, &room, 0, from);
    if (status != STATUS_OK) {
        return status;
    }
    stream_read_reply(reply, &(struct stream_read_out){.data_size = reading.count});
    if ((parked->how & STREAM_HOW_PEEK) == 0) {
        discipline_take(&tty_edit(station)->line, reading.consumed);
        status = tty_stage(tty, station);
    }
    return status;
}

/* A short write, of the bytes that were kept when it was parked. */
static status_t answer_write(struct tty *_Nonnull tty, struct station *_Nonnull station,
                             const struct parked *_Nonnull parked,
                             struct rt_reply *_Nonnull reply) {
    struct terminal *terminal = tty_edit(station);
    bool master = parked->kind == PARKED_MASTER_WRITE;
    uint64_t done = 0;
    while (done < parked->size) {
        if (master && discipline_input_room(&terminal->line) > 0) {
            discipline_type(&terminal->line, parked->bytes[done]);
        } else if (master || !discipline_write(&terminal->line, parked->bytes[done])) {
            break;
        }
        done++;
    }
    stream_write_reply(reply, &(struct stream_write_out){.written = done});
    return tty_stage(tty, station);
}

static status_t answer_set(struct tty *_Nonnull tty, struct station *_Nonnull station,
                           const struct parked *_Nonnull parked, struct rt_reply *_Nonnull reply) {
    struct terminal *terminal = tty_edit(station);
    discipline_set(&terminal->line, &parked->values);
    if (parked->how == TTY_WHEN_FLUSHED) {
        discipline_flush(&terminal->line, TTY_QUEUES_INPUT);
    }
    tty_set_attributes_reply(reply);
    return tty_stage(tty, station);
}

static status_t fill(struct tty *_Nonnull tty, struct station *_Nonnull station,
                     const struct parked *_Nonnull parked, struct rt_reply *_Nonnull reply) {
    if (tty_hung(tty, parked->session)) {
        if (parked->kind == PARKED_READ) {
            stream_read_reply(reply, &(struct stream_read_out){});
            return STATUS_OK;
        }
        return STREAM_STATUS_FAILED;
    }
    switch (parked->kind) {
    case PARKED_READ:
        return answer_read(tty, station, parked, reply);
    case PARKED_MASTER_READ:
        return master_answer_read(tty, station, parked, reply);
    case PARKED_WRITE:
    case PARKED_MASTER_WRITE:
        return answer_write(tty, station, parked, reply);
    case PARKED_SET:
        return answer_set(tty, station, parked, reply);
    case PARKED_DRAIN:
    case PARKED_NONE:
    default:
        tty_drain_reply(reply);
        return STATUS_OK;
    }
}

static void answer(struct tty *_Nonnull tty, struct parked *_Nonnull parked) {
    struct rt_reply reply = rt_reply_for(tty->server, parked->token);
    struct station *station = station_of(tty, parked);
    status_t status = fill(tty, station, parked, &reply);
    if (status == STATUS_ABSENT) {
        rt_stage_drop(tty->server);
        (void)rt_answer(tty->server, &reply); /* the pages come, then the call again */
    } else if (status != STATUS_OK) {
        rt_stage_drop(tty->server);
        (void)rt_answer_error(tty->server, parked->token, status);
        tty_revert(tty, station);
    } else {
        status = rt_answer(tty->server, &reply);
        station->edited = station->edited && status != STATUS_OK;
    }
    rt_stage_drop(tty->server);
    tty_revert(tty, station);
    parked->kind = PARKED_NONE;
}

bool tty_answer_first(struct tty *_Nonnull tty) {
    struct parked *first = nullptr;
    for (uint32_t i = 0; i < TTY_PARKED; i++) {
        struct parked *parked = &tty->parked[i];
        if (parked->kind != PARKED_NONE && (!first || parked->order < first->order) &&
            may_be_answered(tty, parked)) {
            first = parked;
        }
    }
    if (first) {
        answer(tty, SOME(first));
    }
    return first != nullptr;
}
