/* What terminals do by themselves: bytes to and from the device's line, answers to parked calls,
 * signals, readiness. Each step commits before it shows. */
#include "servers/tty/tty.h"

enum { TYPED_AT_ONCE = 128, SENT_AHEAD = 256 };

static uint64_t load(const uint64_t *_Nonnull count) {
    return __atomic_load_n(count, __ATOMIC_ACQUIRE);
}
static void store(uint64_t *_Nonnull count, uint64_t value) {
    __atomic_store_n(count, value, __ATOMIC_RELEASE);
}

/* ---- the device ---- */

/* How far the driver came with the output. */
static bool collect_output(struct tty *_Nonnull tty, struct uart_line *_Nonnull device) {
    uint64_t taken = load(&device->output_taken);
    uint64_t sent = load(&device->output_put);
    const struct discipline *line = &tty->stations[0].now.line;
    if (sent - line->output_taken > line->output_put - line->output_taken) {
        sent = line->output_taken; /* a new line, or a damaged one */
    }
    if (taken - line->output_taken > sent - line->output_taken) {
        taken = line->output_taken;
    }
    if (taken == line->output_taken && sent == line->output_sent) {
        return false;
    }
    struct terminal *terminal = tty_edit(&tty->stations[0]);
    terminal->line.output_taken = taken;
    terminal->line.output_sent = sent;
    return tty_commit(tty, &tty->stations[0]);
}

static bool send_output(const struct tty *_Nonnull tty, struct uart_line *_Nonnull device) {
    const struct discipline *line = &tty->vault->terminals[0].line;
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
    uint64_t there = load(&device->input_put) - tty->stations[0].now.device_taken;
    if (there == 0 || there > UART_LINE_BYTES) {
        return false; /* nothing, or a damaged line */
    }
    struct terminal *terminal = tty_edit(&tty->stations[0]);
    uint64_t count = 0;
    while (count < there && count < TYPED_AT_ONCE && discipline_input_room(&terminal->line) > 0) {
        discipline_type(&terminal->line,
                        device->input[(terminal->device_taken + count) % UART_LINE_BYTES]);
        count++;
    }
    terminal->device_taken += count;
    if (count == 0 || !tty_commit(tty, &tty->stations[0])) {
        tty_revert(tty, &tty->stations[0]);
        return false;
    }
    store(&device->input_taken, tty->stations[0].now.device_taken);
    return true;
}

void tty_pump(struct tty *_Nonnull tty) {
    bool more = true;
    for (uint32_t i = 0; i < TTY_TERMINALS; i++) {
        tty_revert(tty, &tty->stations[i]);
    }
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
        for (uint32_t i = 0; i < TTY_TERMINALS; i++) {
            more = tty_signals(tty, &tty->stations[i]) || more;
        }
        more = tty_answer_first(tty) || more;
    }
    tty_show_readiness(tty);
}
