/* The output half of the line discipline: OPOST and what it asks for, and the output queue. */
#include "servers/tty/discipline.h"

uint64_t discipline_output_room(const struct discipline *_Nonnull line) {
    return TERMINAL_OUTPUT - (line->output_put - line->output_taken);
}

bool discipline_put_raw(struct discipline *_Nonnull line, uint8_t byte) {
    if (discipline_output_room(line) == 0) {
        return false;
    }
    line->output[line->output_put % TERMINAL_OUTPUT] = byte;
    line->output_put++;
    return true;
}

bool discipline_continues(const struct discipline *_Nonnull line, uint8_t byte) {
    return (line->attributes.input & INPUT_IUTF8) != 0 && (byte & 0xc0) == 0x80;
}

static uint8_t to_upper(uint8_t byte) {
    bool lower = (byte >= 'a' && byte <= 'z') || (byte >= 0xdf && byte != 0xf7);
    return lower ? (uint8_t)(byte - 32) : byte;
}

static bool put_tab(struct discipline *_Nonnull line) {
    uint32_t spaces = 8 - (line->column & 7);
    if ((line->attributes.output & OUTPUT_TABS) != OUTPUT_TABS) {
        if (!discipline_put_raw(line, '\t')) {
            return false;
        }
        line->column += spaces;
        return true;
    }
    if (discipline_output_room(line) < spaces) {
        return false;
    }
    for (uint32_t i = 0; i < spaces; i++) {
        (void)discipline_put_raw(line, ' ');
    }
    line->column += spaces;
    return true;
}

static bool put_newline(struct discipline *_Nonnull line) {
    uint32_t how = line->attributes.output;
    if ((how & OUTPUT_ONLRET) != 0) {
        line->column = 0;
    }
    if ((how & OUTPUT_ONLCR) != 0) {
        if (discipline_output_room(line) < 2) {
            return false;
        }
        line->column = 0;
        (void)discipline_put_raw(line, '\r');
    }
    line->line_column = line->column;
    return discipline_put_raw(line, '\n');
}

static bool put_return(struct discipline *_Nonnull line) {
    uint32_t how = line->attributes.output;
    if ((how & OUTPUT_ONOCR) != 0 && line->column == 0) {
        return true;
    }
    if ((how & OUTPUT_OCRNL) != 0) {
        if ((how & OUTPUT_ONLRET) != 0) {
            line->column = 0;
            line->line_column = 0;
        }
        return discipline_put_raw(line, '\n');
    }
    line->column = 0;
    line->line_column = 0;
    return discipline_put_raw(line, '\r');
}

bool discipline_put_processed(struct discipline *_Nonnull line, uint8_t byte) {
    if ((line->attributes.output & OUTPUT_OPOST) == 0) {
        return discipline_put_raw(line, byte);
    }
    if (discipline_output_room(line) == 0) {
        return false;
    }
    if (byte == '\n') {
        return put_newline(line);
    }
    if (byte == '\r') {
        return put_return(line);
    }
    if (byte == '\t') {
        return put_tab(line);
    }
    if (byte == '\b') {
        line->column -= line->column > 0 ? 1 : 0;
    } else if (!byte_is_control(byte)) {
        byte = (line->attributes.output & OUTPUT_OLCUC) != 0 ? to_upper(byte) : byte;
        line->column += discipline_continues(line, byte) ? 0 : 1;
    }
    return discipline_put_raw(line, byte);
}

bool discipline_write(struct discipline *_Nonnull line, uint8_t byte) {
    return discipline_put_processed(line, byte);
}
