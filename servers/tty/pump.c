/* What the terminal does by itself: bytes to and from the device's line, answers to parked calls,
 * signals, readiness. Each step commits before it shows. */
#include "idl/process.h"
#include "lib/base/bytes.h"
#include "servers/tty/tty.h"

enum { TYPED_AT_ONCE = 128, SENT_AHEAD = 256 };

static uint64_t load(const uint64_t *_Nonnull count) {
    return __atomic_load_n(count, __ATOMIC_ACQUIRE);
}
static void store(uint64_t *_Nonnull count, uint64_t value) {
    __atomic_store_n(count, value, __ATOMIC_RELEASE);
}

/* Stages and commits what was changed; on failure nothing was. */
static bool commit(struct tty *_Nonnull tty) {
    status_t status = tty_stage(tty);
    status = status == STATUS_OK ? rt_commit(tty->server) : status;
    if (status != STATUS_OK) {
        rt_stage_drop(tty->server);
        tty_revert(tty);
        return false;
    }
    tty->edited = false;
    return true;
}

/* ---- the device ---- */

/* How far the driver came with the output. */
static bool collect_output(struct tty *_Nonnull tty, struct uart_line *_Nonnull device) {
    uint64_t taken = load(&device->output_taken);
    uint64_t sent = load(&device->output_put);
    const struct discipline *line = &tty->now.line;
    if (sent - line->output_taken > line->output_put - line->output_taken) {
        sent = line->output_taken; /* a new line, or a damaged one */
    }
    if (taken - line->output_taken > sent - line->output_taken) {
        taken = line->output_taken;
    }
    if (taken == line->output_taken && sent == line->output_sent) {
        return false;
    }
    struct terminal *terminal = tty_edit(tty);
    terminal->line.output_taken = taken;
    terminal->line.output_sent = sent;
    return commit(tty);
}

static bool send_output(const struct tty *_Nonnull tty, struct uart_line *_Nonnull device) {
    const struct discipline *line = &tty->vault->console.line;
    uint64_t sent = load(&device->output_put);
    uint64_t end = MIN(line->output_put, line->output_taken + SENT_AHEAD);
    if (line->stopped != 0 || end - line->output_taken <= sent - line->output_taken) {
        return false;
    }
    for (uint64_t p = line->output_taken; p != end; p++) {
        device->output[p % UART_LINE_BYTES] = line->output[p % TERMINAL_OUTPUT];
    }
    store(&device->output_put, end);
    return true;
}

static bool take_input(struct tty *_Nonnull tty, struct uart_line *_Nonnull device) {
    uint64_t there = load(&device->input_put) - tty->now.device_taken;
    struct terminal *terminal = tty_edit(tty);
    if (there > UART_LINE_BYTES) {
        there = 0;
    }
    uint64_t count = 0;
    while (count < there && count < TYPED_AT_ONCE && discipline_input_room(&terminal->line) > 0) {
        discipline_type(&terminal->line,
                        device->input[(terminal->device_taken + count) % UART_LINE_BYTES]);
        count++;
    }
    terminal->device_taken += count;
    if (count == 0 || !commit(tty)) {
        tty_revert(tty);
        return false;
    }
    store(&device->input_taken, tty->now.device_taken);
    return true;
}

/* ---- parked calls ---- */

status_t tty_park(struct tty *_Nonnull tty, const struct rt_request *_Nonnull request,
                  const struct parked *_Nonnull what) {
    if ((request->page->received.state & CALL_STATE_CANCELLED) != 0) {
        return STATUS_CANCELLED;
    }
    for (uint32_t i = 0; i < TTY_PARKED; i++) {
        if (tty->parked[i].kind == PARKED_NONE) {
            tty->parked[i] = *what;
            tty->parked[i].token = request->token;
            tty->parked[i].order = ++tty->order;
            return RT_STATUS_PARKED;
        }
    }
    return STATUS_BUSY;
}

/* The read's bytes into its reply, and out of the queue. */
static status_t answer_read(struct tty *_Nonnull tty, const struct parked *_Nonnull parked,
                            struct rt_reply *_Nonnull reply) {
    uint64_t size = MIN(parked->size, (uint64_t)TTY_BUFFER);
    struct discipline_reading reading = discipline_read(&tty->now.line, size);
    for (uint64_t i = 0; i < reading.count; i++) {
        tty->buffer[i] = discipline_byte(&tty->now.line, i);
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
        discipline_take(&tty_edit(tty)->line, reading.consumed);
        status = tty_stage(tty);
    }
    return status;
}

static bool may_be_answered(const struct tty *_Nonnull tty, const struct parked *_Nonnull parked) {
    const struct discipline *line = &tty->now.line;
    switch (parked->kind) {
    case PARKED_READ:
        return discipline_read(line, parked->size).ready || (parked->how & STREAM_HOW_NO_WAIT) != 0;
    case PARKED_WRITE:
        return discipline_output_room(line) >= 8;
    case PARKED_SET:
    case PARKED_DRAIN:
        return line->output_taken == line->output_put;
    case PARKED_NONE:
    default:
        return false;
    }
}

/* A short write, of the bytes that were kept when it was parked. */
static status_t answer_write(struct tty *_Nonnull tty, const struct parked *_Nonnull parked,
                             struct rt_reply *_Nonnull reply) {
    struct terminal *terminal = tty_edit(tty);
    uint64_t done = 0;
    while (done < parked->size && discipline_write(&terminal->line, parked->bytes[done])) {
        done++;
    }
    stream_write_reply(reply, &(struct stream_write_out){.written = done});
    return tty_stage(tty);
}

/* Answers one call that can be. */
static void answer(struct tty *_Nonnull tty, struct parked *_Nonnull parked) {
    struct rt_reply reply = rt_reply_for(tty->server, parked->token);
    status_t status = STATUS_OK;
    if (parked->kind == PARKED_WRITE) {
        status = answer_write(tty, parked, &reply);
    } else if (parked->kind == PARKED_READ) {
        bool ready = discipline_read(&tty->now.line, parked->size).ready;
        status = ready ? answer_read(tty, parked, &reply) : STATUS_WOULD_BLOCK;
    } else if (parked->kind == PARKED_SET) {
        struct terminal *terminal = tty_edit(tty);
        discipline_set(&terminal->line, &parked->values);
        if (parked->how == TTY_WHEN_FLUSHED) {
            discipline_flush(&terminal->line, TTY_QUEUES_INPUT);
        }
        tty_set_attributes_reply(&reply);
        status = tty_stage(tty);
    } else {
        tty_drain_reply(&reply);
    }
    if (status == STATUS_ABSENT) {
        rt_stage_drop(tty->server);
        status = rt_answer(tty->server, &reply); /* the pages come, then the call again */
    } else if (status != STATUS_OK) {
        rt_stage_drop(tty->server);
        status = rt_answer_error(tty->server, parked->token, status);
        tty_revert(tty);
    } else {
        status = rt_answer(tty->server, &reply);
        tty->edited = tty->edited && status != STATUS_OK;
    }
    rt_stage_drop(tty->server);
    tty_revert(tty);
    parked->kind = PARKED_NONE;
}

static bool answer_first(struct tty *_Nonnull tty) {
    struct parked *first = nullptr;
    for (uint32_t i = 0; i < TTY_PARKED; i++) {
        struct parked *parked = &tty->parked[i];
        if (parked->kind != PARKED_NONE && may_be_answered(tty, parked) &&
            (!first || parked->order < first->order)) {
            first = parked;
        }
    }
    if (first) {
        answer(tty, SOME(first));
    }
    return first != nullptr;
}

/* ---- signals, readiness ---- */

/* Under an identity from the vault: repeated after a restart, it is still one signal. */
static bool send_signal(struct tty *_Nonnull tty) {
    uint32_t signals = tty->now.line.signals;
    if (signals == 0) {
        return false;
    }
    uint32_t number = (uint32_t)__builtin_ctz(signals);
    handle_t process = rt_start_handle(tty->server, "process");
    if (process != HANDLE_NONE && tty->now.group != 0) {
        struct rt_context context = {.root = tty->now.signal_root + 1};
        struct process_signal_info info = {.number = number, .code = 0x80};
        status_t status = process_kill_nested(&context, 1, process, PROCESS_TARGET_KIND_GROUP,
                                              tty->now.group, 0, &info);
        if (status != STATUS_OK && status != PROCESS_STATUS_NO_PROCESS) {
            rt_log(tty->server, "signal %u: status %d", number, (int)status);
        }
    }
    struct terminal *terminal = tty_edit(tty);
    terminal->line.signals &= ~(1u << number);
    terminal->signal_root++;
    return commit(tty);
}

static void show_readiness(struct tty *_Nonnull tty) {
    const struct discipline *line = &tty->now.line;
    uint32_t ready =
        discipline_read(line, 1).ready && line->input_put != line->input_taken ? READY_IN : 0;
    ready |= discipline_output_room(line) >= 8 ? READY_OUT : 0;
    for (uint32_t i = 0; i < TTY_SESSIONS && ready != tty->ready; i++) {
        if (tty->sessions[i] != HANDLE_NONE) {
            (void)rt_session_ready(tty->sessions[i], tty->ready & ~ready, ready & ~tty->ready);
        }
    }
    tty->ready = ready;
}

void tty_pump(struct tty *_Nonnull tty) {
    bool more = true;
    tty_revert(tty);
    while (more) {
        more = false;
        if (tty->device) {
            struct uart_line *device = SOME(tty->device);
            bool output = collect_output(tty, device);
            bool input = take_input(tty, device);
            bool sent = send_output(tty, device);
            if (input || sent) {
                (void)rt_event_signal(tty->to_driver, 1);
            }
            more = output || input || sent;
        }
        more = send_signal(tty) || more;
        more = answer_first(tty) || more;
    }
    show_readiness(tty);
}
