/* Pseudo-terminals: the master types what it writes, and reads what the terminal shows. */
#include "lib/base/bytes.h"
#include "servers/tty/tty.h"

status_t serve_open_master(void *_Nonnull state, struct rt_request *_Nonnull request,
                           struct tty_open_master_out *_Nonnull out) {
    struct tty *tty = state;
    uint32_t index = 1;
    while (index < TTY_TERMINALS && (tty->stations[index].now.flags & TERMINAL_USED) != 0) {
        index++;
    }
    if (index == TTY_TERMINALS) {
        return STATUS_OUT_OF_QUOTA;
    }
    struct station *station = &tty->stations[index];
    struct terminal *terminal = tty_edit(station);
    terminal->flags = TERMINAL_USED | TERMINAL_LOCKED;
    terminal->owner = access_caller(&tty->people.principals, request, false).uid;
    terminal->session = terminal->group = 0;
    terminal->leader = 0;
    terminal->hang = terminal->hang_leader = terminal->hang_group = 0;
    terminal->size = (struct tty_size){};
    discipline_begin(&terminal->line);
    out->number = index - 1;
    status_t status = tty_stage(tty, station);
    return status == STATUS_OK ? tty_session_make(tty, station, SESSION_MASTER, &out->master)
                               : status;
}

status_t serve_list(void *_Nonnull state, struct rt_request *_Nonnull request,
                    const struct tty_list_in *_Nonnull in, struct tty_list_out *_Nonnull out) {
    struct tty *tty = state;
    for (uint32_t i = 1; i < TTY_TERMINALS; i++) {
        uint32_t number = i - 1;
        uint32_t flags = tty->stations[i].now.flags;
        if ((flags & TERMINAL_USED) == 0 || (flags & TERMINAL_MASTER_GONE) != 0 ||
            in->numbers.size - out->numbers_size < sizeof number) {
            continue;
        }
        struct rt_bytes bytes = {.size = sizeof number, .data = (const uint8_t *)&number};
        status_t status = rt_output_write(request, &in->numbers, out->numbers_size, bytes);
        if (status != STATUS_OK) {
            return status;
        }
        out->numbers_size += sizeof number;
    }
    return STATUS_OK;
}

status_t serve_master(void *_Nonnull state, struct rt_request *_Nonnull request,
                      const struct tty_master_in *_Nonnull in,
                      struct tty_master_out *_Nonnull out) {
    struct tty *tty = state;
    struct station *station = tty_station_of(tty, request);
    if ((tty_session_of(tty, request)->flags & SESSION_MASTER) == 0) {
        return TTY_STATUS_NOT_TERMINAL;
    }
    if (in->change) {
        struct terminal *terminal = tty_edit(station);
        terminal->flags &= ~(uint32_t)TERMINAL_LOCKED;
        terminal->flags |= in->lock ? TERMINAL_LOCKED : 0;
    }
    out->number = station->index - 1;
    out->locked = (station->now.flags & TERMINAL_LOCKED) != 0;
    return in->change ? tty_stage(tty, station) : STATUS_OK;
}

uint64_t master_available(const struct terminal *_Nonnull terminal) {
    return terminal->line.stopped != 0 ? 0
                                       : terminal->line.output_put - terminal->line.output_taken;
}

status_t master_read(struct tty *_Nonnull tty, struct rt_request *_Nonnull request,
                     const struct stream_read_in *_Nonnull in) {
    const struct terminal *terminal = &tty_station_of(tty, request)->now;
    struct parked what = {.kind = PARKED_MASTER_READ, .how = in->how, .size = in->data.size};
    if (master_available(terminal) == 0 && (terminal->flags & TERMINAL_PEER_CLOSED) != 0) {
        return STREAM_STATUS_FAILED;
    }
    if (master_available(terminal) == 0 && !tty_waits(tty, request, in->how)) {
        return STATUS_WOULD_BLOCK;
    }
    return tty_park(tty, request, &what);
}

status_t master_answer_read(struct tty *_Nonnull tty, struct station *_Nonnull station,
                            const struct parked *_Nonnull parked, struct rt_reply *_Nonnull reply) {
    uint64_t size = MIN(parked->size, (uint64_t)TTY_BUFFER);
    size = MIN(size, master_available(&station->now));
    if (size == 0) {
        return STREAM_STATUS_FAILED;
    }
    const struct discipline *line = &station->now.line;
    for (uint64_t i = 0; i < size; i++) {
        tty->buffer[i] = line->output[(line->output_taken + i) % TERMINAL_OUTPUT];
    }
    struct rt_request request = {.page = tty->server->page, .reply = reply, .token = parked->token};
    struct rt_output room = stream_read_data(reply, parked->size);
    struct rt_bytes from = {.size = (size_t)size, .data = &tty->buffer[0]};
    status_t status = rt_output_write(&request, &room, 0, from);
    if (status != STATUS_OK) {
        return status;
    }
    stream_read_reply(reply, &(struct stream_read_out){.data_size = size});
    struct terminal *terminal = tty_edit(station);
    terminal->line.output_taken += size;
    terminal->line.output_sent = terminal->line.output_taken;
    return tty_stage(tty, station);
}

status_t master_write(struct tty *_Nonnull tty, struct rt_request *_Nonnull request,
                      const struct stream_write_in *_Nonnull in,
                      struct stream_write_out *_Nonnull out) {
    struct station *station = tty_station_of(tty, request);
    size_t size = (size_t)MIN(in->data.size, (uint64_t)TTY_WRITTEN);
    struct rt_buffer to = {.size = size, .data = &tty->buffer[0]};
    status_t status = rt_input_read(request, &in->data, 0, to);
    if (status != STATUS_OK) {
        return status;
    }
    struct terminal *terminal = tty_edit(station);
    size_t done = 0;
    while (done < size && discipline_input_room(&terminal->line) > 0) {
        discipline_type(&terminal->line, tty->buffer[done++]);
    }
    if (done == 0 && size > 0) {
        struct parked what = {.kind = PARKED_MASTER_WRITE};
        what.size = MIN(size, sizeof what.bytes);
        bytes_copy(what.bytes, tty->buffer, (size_t)what.size);
        tty_revert(tty, station);
        return tty_waits(tty, request, in->how) ? tty_park(tty, request, &what)
                                                : STATUS_WOULD_BLOCK;
    }
    out->written = done;
    return tty_stage(tty, station);
}

void pseudo_closed(struct tty *_Nonnull tty, struct station *_Nonnull station, bool master,
                   uint32_t left) {
    struct terminal *terminal = tty_edit(station);
    (void)tty;
    if (master) {
        terminal->flags |= TERMINAL_MASTER_GONE;
        tty_hang(station, HANG_LEADER | HANG_GROUP | HANG_CONTINUES);
    } else if ((terminal->flags & TERMINAL_MASTER_GONE) == 0 && left <= 1) {
        terminal->flags |= TERMINAL_PEER_CLOSED;
    }
    if ((terminal->flags & TERMINAL_MASTER_GONE) != 0 && left == 0) {
        terminal->flags = 0;
    }
}
