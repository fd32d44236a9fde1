/* The reader's side of the line discipline, and its settings. */
#include "lib/base/bytes.h"
#include "servers/tty/discipline.h"

static bool canonical(const struct discipline *_Nonnull line) {
    return (line->attributes.local & LOCAL_ICANON) != 0;
}

static bool ends_at(const struct discipline *_Nonnull line, uint64_t position) {
    return (line->ends[position % TERMINAL_INPUT / 8] >> (position % 8) & 1) != 0;
}

static struct discipline_reading read_line(const struct discipline *_Nonnull line, uint64_t size) {
    struct discipline_reading reading = {.ready = line->input_line_end != line->input_taken};
    for (uint64_t p = line->input_taken; p != line->input_line_end; p++) {
        bool ends = ends_at(line, p);
        bool end_of_file = ends && line->input[p % TERMINAL_INPUT] == 0;
        if (reading.count == size && !end_of_file) {
            break;
        }
        reading.count += end_of_file ? 0 : 1;
        reading.consumed++;
        if (ends) {
            break;
        }
    }
    return reading;
}

struct discipline_reading discipline_read(const struct discipline *_Nonnull line, uint64_t size) {
    if (size == 0) {
        return (struct discipline_reading){.ready = true};
    }
    if (canonical(line)) {
        return read_line(line, size);
    }
    uint64_t there = line->input_put - line->input_taken;
    uint64_t least = line->attributes.characters[CHARACTER_MIN];
    least = discipline_patience_ns(line) > 0 ? MAX(least, 1ull) : least;
    uint64_t count = MIN(there, size);
    return (struct discipline_reading){
        .ready = there >= MIN(least, size), .count = count, .consumed = count};
}

uint64_t discipline_patience_ns(const struct discipline *_Nonnull line) {
    enum { TENTH_OF_A_SECOND_NS = 100000000 };
    return canonical(line)
               ? 0
               : (uint64_t)line->attributes.characters[CHARACTER_TIME] * TENTH_OF_A_SECOND_NS;
}

bool discipline_readable(const struct discipline *_Nonnull line) {
    uint64_t there = line->input_put - line->input_taken;
    uint64_t least = line->attributes.characters[CHARACTER_MIN];
    bool patient = discipline_patience_ns(line) > 0;
    return canonical(line) ? line->input_line_end != line->input_taken
                           : there >= (patient ? 1 : MAX(least, 1ull));
}

uint8_t discipline_byte(const struct discipline *_Nonnull line, uint64_t index) {
    return line->input[(line->input_taken + index) % TERMINAL_INPUT];
}

void discipline_take(struct discipline *_Nonnull line, uint64_t consumed) {
    CHECK(consumed <= line->input_put - line->input_taken);
    line->input_taken += consumed;
    if (line->input_line_end < line->input_taken) {
        line->input_line_end = line->input_taken;
    }
}

uint64_t discipline_available(const struct discipline *_Nonnull line) {
    uint64_t end = canonical(line) ? line->input_line_end : line->input_put;
    uint64_t count = end - line->input_taken;
    for (uint64_t p = line->input_taken; canonical(line) && p != end; p++) {
        count -= ends_at(line, p) && line->input[p % TERMINAL_INPUT] == 0 ? 1 : 0;
    }
    return count;
}

void discipline_flush(struct discipline *_Nonnull line, uint32_t queues) {
    if ((queues & TTY_QUEUES_INPUT) != 0) {
        line->input_taken = line->input_put;
        line->input_line_end = line->input_put;
        line->erasing = 0;
        line->next_is_literal = 0;
    }
    if ((queues & TTY_QUEUES_OUTPUT) != 0) {
        line->output_put = MAX(line->output_sent, line->output_taken);
    }
}

void discipline_begin(struct discipline *_Nonnull line) {
    /* The queues are empty; their bytes stay as they are: the change must fit into one commit. */
    bytes_zero(line, offsetof(struct discipline, ends));
    line->attributes = (struct tty_attributes){
        .input = INPUT_ICRNL | INPUT_IXON,
        .output = OUTPUT_OPOST | OUTPUT_ONLCR,
        .control = 0x1cb2, /* 8 bits, receiver on, no modem, 115200 baud */
        .local = LOCAL_ISIG | LOCAL_ICANON | LOCAL_ECHO | LOCAL_ECHOE | LOCAL_ECHOK |
                 LOCAL_ECHOCTL | LOCAL_ECHOKE | LOCAL_IEXTEN,
        .characters = {3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22},
        .input_speed = 115200,
        .output_speed = 115200,
    };
}

void discipline_set(struct discipline *_Nonnull line,
                    const struct tty_attributes *_Nonnull attributes) {
    uint32_t changed = line->attributes.local ^ attributes->local;
    line->attributes = *attributes;
    if ((changed & LOCAL_ICANON) != 0) {
        bytes_zero(&line->ends, sizeof line->ends);
        line->input_line_end = line->input_taken;
        if (canonical(line) && line->input_put != line->input_taken) {
            uint64_t last = line->input_put - 1;
            line->ends[last % TERMINAL_INPUT / 8] |= (uint8_t)(1u << (last % 8));
            line->input_line_end = line->input_put;
        }
        line->erasing = 0;
        line->next_is_literal = 0;
    }
    if ((attributes->input & INPUT_IXON) == 0) {
        line->stopped = 0;
    }
}
