/* The input half of the line discipline: echo, editing, signals, flow control. */
#include "servers/tty/discipline.h"

static bool local(const struct discipline *_Nonnull line, uint32_t bits) {
    return (line->attributes.local & bits) == bits;
}
static bool input(const struct discipline *_Nonnull line, uint32_t bits) {
    return (line->attributes.input & bits) == bits;
}
/* Whether `byte` is special character `which`; 0 disables one. */
static bool is_special(const struct discipline *_Nonnull line, unsigned which, uint8_t byte) {
    return byte != 0 && line->attributes.characters[which] == byte;
}
static uint8_t at(const struct discipline *_Nonnull line, uint64_t position) {
    return line->input[position % TERMINAL_INPUT];
}

static void mark(struct discipline *_Nonnull line, uint64_t position, bool ends) {
    uint8_t *_Nonnull cell = &line->ends[position % TERMINAL_INPUT / 8];
    uint8_t bit = (uint8_t)(1u << (position % 8));
    *cell = (uint8_t)(ends ? *cell | bit : *cell & ~bit);
}

static void put(struct discipline *_Nonnull line, uint8_t byte, bool ends) {
    mark(line, line->input_put, ends);
    line->input[line->input_put % TERMINAL_INPUT] = byte;
    line->input_put++;
}

/* ---- echo ---- */

static void echo_raw(struct discipline *_Nonnull line, uint8_t byte) {
    if (byte == 0xff) { /* Linux's echo does not process this one */
        line->column += discipline_put_raw(line, byte) ? 1 : 0;
    } else {
        (void)discipline_put_processed(line, byte);
    }
}

static void echo(struct discipline *_Nonnull line, uint8_t byte) {
    if (!local(line, LOCAL_ECHOCTL) || !byte_is_control(byte) || byte == '\t') {
        echo_raw(line, byte);
    } else if (discipline_output_room(line) >= 2) {
        (void)discipline_put_raw(line, '^');
        (void)discipline_put_raw(line, byte ^ 0x40);
        line->column += 2;
    }
}

static void finish_erasing(struct discipline *_Nonnull line) {
    if (line->erasing != 0) {
        echo_raw(line, '/');
        line->erasing = 0;
    }
}

static void echo_typed(struct discipline *_Nonnull line, uint8_t byte) {
    if (line->input_line_end == line->input_put) {
        line->line_column = line->column;
    }
    echo(line, byte);
}

/* ---- erasing ---- */

static bool is_word(uint8_t byte) {
    return (byte >= '0' && byte <= '9') || (byte >= 'A' && byte <= 'Z') || byte == '_' ||
           (byte >= 'a' && byte <= 'z') || (byte >= 0xc0 && byte != 0xd7 && byte != 0xf7);
}

static void wipe_cell(struct discipline *_Nonnull line) {
    echo_raw(line, '\b');
    echo_raw(line, ' ');
    echo_raw(line, '\b');
}

/* Goes back over a tab: to where the text before it on the line ended. */
static void wipe_tab(struct discipline *_Nonnull line) {
    uint32_t columns = 0;
    bool after_tab = false;
    for (uint64_t p = line->input_put; p != line->input_line_end && !after_tab; p--) {
        uint8_t byte = at(line, p - 1);
        if (byte == '\t') {
            after_tab = true;
        } else if (byte_is_control(byte)) {
            columns += local(line, LOCAL_ECHOCTL) ? 2 : 0;
        } else {
            columns += discipline_continues(line, byte) ? 0 : 1;
        }
    }
    columns += after_tab ? 0 : line->line_column;
    for (uint32_t i = 8 - (columns & 7); i > 0; i--) {
        if (discipline_put_raw(line, '\b')) {
            line->column -= line->column > 0 ? 1 : 0;
        }
    }
}

/* Shows that the `count` bytes from input_put on are gone. */
static void show_erased(struct discipline *_Nonnull line, uint64_t count, bool one) {
    uint8_t byte = at(line, line->input_put);
    if (!local(line, LOCAL_ECHO)) {
        return;
    }
    if (local(line, LOCAL_ECHOPRT)) {
        if (line->erasing == 0) {
            echo_raw(line, '\\');
            line->erasing = 1;
        }
        echo(line, byte);
        for (uint64_t i = 1; i < count; i++) {
            echo_raw(line, at(line, line->input_put + i));
            line->column -= line->column > 0 ? 1 : 0;
        }
    } else if (one && !local(line, LOCAL_ECHOE)) {
        echo(line, line->attributes.characters[CHARACTER_ERASE]);
    } else if (byte == '\t') {
        wipe_tab(line);
    } else {
        if (byte_is_control(byte) && local(line, LOCAL_ECHOCTL)) {
            wipe_cell(line);
        }
        if (!byte_is_control(byte) || local(line, LOCAL_ECHOCTL)) {
            wipe_cell(line);
        }
    }
}

static bool kill_at_once(struct discipline *_Nonnull line) {
    if (local(line, LOCAL_ECHO | LOCAL_ECHOK | LOCAL_ECHOKE | LOCAL_ECHOE)) {
        return false;
    }
    line->input_put = line->input_line_end;
    if (local(line, LOCAL_ECHO)) {
        finish_erasing(line);
        echo(line, line->attributes.characters[CHARACTER_KILL]);
        if (local(line, LOCAL_ECHOK)) {
            echo_raw(line, '\n');
        }
    }
    return true;
}

static void erase(struct discipline *_Nonnull line, uint8_t typed) {
    bool one = is_special(line, CHARACTER_ERASE, typed);
    bool word = !one && is_special(line, CHARACTER_WERASE, typed);
    if (line->input_put == line->input_line_end || (!one && !word && kill_at_once(line))) {
        return;
    }
    bool in_word = false;
    while (line->input_put != line->input_line_end) {
        uint64_t start = line->input_put;
        do {
            start--;
        } while (discipline_continues(line, at(line, start)) && start != line->input_line_end);
        uint8_t byte = at(line, start);
        if (discipline_continues(line, byte) || (word && in_word && !is_word(byte))) {
            break;
        }
        in_word = in_word || is_word(byte);
        uint64_t count = line->input_put - start;
        line->input_put = start;
        show_erased(line, count, one);
        if (one) {
            break;
        }
    }
    if (line->input_put == line->input_line_end && local(line, LOCAL_ECHO)) {
        finish_erasing(line);
    }
}

/* ---- typing ---- */

uint64_t discipline_input_room(const struct discipline *_Nonnull line) {
    uint64_t room = TERMINAL_INPUT - 1 - (line->input_put - line->input_taken);
    if (room == 0 && local(line, LOCAL_ICANON) && line->input_line_end == line->input_taken) {
        return 1; /* a line without end: its last byte is typed over */
    }
    return room;
}

static void raise(struct discipline *_Nonnull line, uint32_t signal, uint8_t byte) {
    line->signals |= 1u << signal;
    if (!local(line, LOCAL_NOFLSH)) {
        discipline_flush(line, TTY_QUEUES_ALL);
    }
    if (input(line, INPUT_IXON)) {
        line->stopped = 0;
    }
    if (local(line, LOCAL_ECHO)) {
        echo(line, byte);
    }
}

static bool flow_or_signal(struct discipline *_Nonnull line, uint8_t byte) {
    if (input(line, INPUT_IXON) && is_special(line, CHARACTER_START, byte)) {
        line->stopped = 0;
        return true;
    }
    if (input(line, INPUT_IXON) && is_special(line, CHARACTER_STOP, byte)) {
        line->stopped = 1;
        return true;
    }
    if (!local(line, LOCAL_ISIG)) {
        return false;
    }
    uint32_t signal = is_special(line, CHARACTER_INTR, byte)   ? SIGNAL_INT
                      : is_special(line, CHARACTER_QUIT, byte) ? SIGNAL_QUIT
                      : is_special(line, CHARACTER_SUSP, byte) ? SIGNAL_TSTP
                                                               : 0;
    if (signal != 0) {
        raise(line, signal, byte);
    }
    return signal != 0;
}

static void end_line(struct discipline *_Nonnull line, uint8_t byte) {
    put(line, byte, true);
    line->input_line_end = line->input_put;
}

static void reprint(struct discipline *_Nonnull line, uint8_t byte) {
    finish_erasing(line);
    echo(line, byte);
    echo_raw(line, '\n');
    for (uint64_t p = line->input_line_end; p != line->input_put; p++) {
        echo(line, at(line, p));
    }
}

/* Line editing. Returns false where the byte is just one of the line. */
static bool edit(struct discipline *_Nonnull line, uint8_t byte) {
    bool extended = local(line, LOCAL_IEXTEN);
    if (is_special(line, CHARACTER_ERASE, byte) || is_special(line, CHARACTER_KILL, byte) ||
        (extended && is_special(line, CHARACTER_WERASE, byte))) {
        erase(line, byte);
    } else if (extended && is_special(line, CHARACTER_LNEXT, byte)) {
        line->next_is_literal = 1;
        if (local(line, LOCAL_ECHO)) {
            finish_erasing(line);
            if (local(line, LOCAL_ECHOCTL)) {
                echo_raw(line, '^');
                echo_raw(line, '\b');
            }
        }
    } else if (extended && local(line, LOCAL_ECHO) && is_special(line, CHARACTER_REPRINT, byte)) {
        reprint(line, byte);
    } else if (byte == '\n') {
        if (local(line, LOCAL_ECHO) || local(line, LOCAL_ECHONL)) {
            echo_raw(line, '\n');
        }
        end_line(line, '\n');
    } else if (is_special(line, CHARACTER_EOF, byte)) {
        end_line(line, 0);
    } else if (is_special(line, CHARACTER_EOL, byte) ||
               (extended && is_special(line, CHARACTER_EOL2, byte))) {
        if (local(line, LOCAL_ECHO)) {
            echo_typed(line, byte);
        }
        end_line(line, byte);
    } else {
        return false;
    }
    return true;
}

/* `converted`: a return that became a newline; as on Linux, only that one is not shown as ^J. */
static void plain(struct discipline *_Nonnull line, uint8_t byte, bool converted) {
    if (local(line, LOCAL_ECHO)) {
        finish_erasing(line);
        if (byte == '\n' && converted) {
            echo_raw(line, '\n');
        } else {
            echo_typed(line, byte);
        }
    }
    if (byte == 0xff && input(line, INPUT_PARMRK) &&
        line->input_put - line->input_taken < TERMINAL_INPUT - 1) {
        put(line, byte, false);
    }
    put(line, byte, false);
}

void discipline_type(struct discipline *_Nonnull line, uint8_t byte) {
    if (line->input_put - line->input_taken >= TERMINAL_INPUT) {
        CHECK(local(line, LOCAL_ICANON));
        line->input_put--; /* overlong: only the end of the line still gets in */
    }
    if (input(line, INPUT_ISTRIP)) {
        byte &= 0x7f;
    }
    if (input(line, INPUT_IUCLC) && local(line, LOCAL_IEXTEN)) {
        bool upper = (byte >= 'A' && byte <= 'Z') || (byte >= 0xc0 && byte < 0xdf && byte != 0xd7);
        byte = upper ? byte + 32 : byte;
    }
    if (line->next_is_literal != 0) {
        line->next_is_literal = 0;
        plain(line, byte, false);
        return;
    }
    if (line->stopped != 0 && input(line, INPUT_IXON | INPUT_IXANY) &&
        !is_special(line, CHARACTER_STOP, byte)) {
        line->stopped = 0;
    }
    if (flow_or_signal(line, byte)) {
        return;
    }
    bool converted = byte == '\r' && input(line, INPUT_ICRNL);
    if (byte == '\r') {
        if (input(line, INPUT_IGNCR)) {
            return;
        }
        byte = input(line, INPUT_ICRNL) ? '\n' : '\r';
    } else if (byte == '\n' && input(line, INPUT_INLCR)) {
        byte = '\r';
    }
    if (!local(line, LOCAL_ICANON) || !edit(line, byte)) {
        plain(line, byte, converted);
    }
}
