#pragma once
/* The line discipline: what a terminal does with the bytes typed and the bytes written, as Linux's
 * does (n_tty). Pure: it works on one structure, makes no call and knows no time, so that the same
 * bytes give the same result on the host, in the simulator and after a restart.
 *
 * Invariants: taken <= line_end <= put and put - taken <= TERMINAL_INPUT, for input; likewise
 * output_taken <= output_sent <= output_put within TERMINAL_OUTPUT. Byte n of a queue lies at n
 * modulo its size. Echo that finds no room is dropped; written bytes that find none wait. */
#include "idl/tty.h"
#include "lib/base/safe.h"

enum { TERMINAL_INPUT = 4096, TERMINAL_OUTPUT = 2048 };

/* The bits of termios, with Linux's values. */
enum : uint32_t {
    INPUT_ISTRIP = 0x20,
    INPUT_INLCR = 0x40,
    INPUT_IGNCR = 0x80,
    INPUT_ICRNL = 0x100,
    INPUT_IUCLC = 0x200,
    INPUT_IXON = 0x400,
    INPUT_IXANY = 0x800,
    INPUT_IUTF8 = 0x4000,
    INPUT_PARMRK = 0x8,
    OUTPUT_OPOST = 0x1,
    OUTPUT_OLCUC = 0x2,
    OUTPUT_ONLCR = 0x4,
    OUTPUT_OCRNL = 0x8,
    OUTPUT_ONOCR = 0x10,
    OUTPUT_ONLRET = 0x20,
    OUTPUT_TABS = 0x1800,
    LOCAL_ISIG = 0x1,
    LOCAL_ICANON = 0x2,
    LOCAL_ECHO = 0x8,
    LOCAL_ECHOE = 0x10,
    LOCAL_ECHOK = 0x20,
    LOCAL_ECHONL = 0x40,
    LOCAL_NOFLSH = 0x80,
    LOCAL_TOSTOP = 0x100,
    LOCAL_ECHOCTL = 0x200,
    LOCAL_ECHOPRT = 0x400,
    LOCAL_ECHOKE = 0x800,
    LOCAL_IEXTEN = 0x8000,
};
/* Places in attributes.characters. */
enum {
    CHARACTER_INTR = 0,
    CHARACTER_QUIT = 1,
    CHARACTER_ERASE = 2,
    CHARACTER_KILL = 3,
    CHARACTER_EOF = 4,
    CHARACTER_TIME = 5,
    CHARACTER_MIN = 6,
    CHARACTER_START = 8,
    CHARACTER_STOP = 9,
    CHARACTER_SUSP = 10,
    CHARACTER_EOL = 11,
    CHARACTER_REPRINT = 12,
    CHARACTER_WERASE = 14,
    CHARACTER_LNEXT = 15,
    CHARACTER_EOL2 = 16
};
enum : uint32_t {
    SIGNAL_HUP = 1,
    SIGNAL_INT = 2,
    SIGNAL_QUIT = 3,
    SIGNAL_CONT = 18,
    SIGNAL_TSTP = 20,
    SIGNAL_TTIN = 21,
    SIGNAL_TTOU = 22,
    SIGNAL_WINCH = 28
};

struct discipline {
    struct tty_attributes attributes;
    uint32_t column, line_column; /* of the output; where the line typed began */
    uint8_t next_is_literal, erasing;
    uint8_t stopped; /* output, by STOP or by a program */
    uint8_t reserved;
    uint32_t signals; /* bit n: signal n is to go to the foreground group */
    uint64_t input_put, input_line_end, input_taken;
    uint64_t output_put, output_sent, output_taken; /* sent: the device may have it already */
    uint8_t ends[TERMINAL_INPUT / 8];               /* a bit for each input byte that ends a line */
    uint8_t input[TERMINAL_INPUT];
    uint8_t output[TERMINAL_OUTPUT];
};

/* As a terminal is when it is new: canonical, with echo and Linux's characters. */
void discipline_begin(struct discipline *_Nonnull line);
void discipline_set(struct discipline *_Nonnull line,
                    const struct tty_attributes *_Nonnull attributes);

/* Bytes that may be typed now; 0: the device must keep them. */
uint64_t discipline_input_room(const struct discipline *_Nonnull line);
/* One byte was typed. */
void discipline_type(struct discipline *_Nonnull line, uint8_t byte);
/* One byte is written. Returns false where there is no room for what it becomes. */
bool discipline_write(struct discipline *_Nonnull line, uint8_t byte);
/* Bytes free in the output queue. */
uint64_t discipline_output_room(const struct discipline *_Nonnull line);

/* What a read of `size` bytes would get now: whether it may return at all, how many bytes, and how
 * many the queue loses (one more, where an end of file is swallowed). */
struct discipline_reading {
    bool ready;
    uint64_t count, consumed;
};
struct discipline_reading discipline_read(const struct discipline *_Nonnull line, uint64_t size);
/* VTIME, where it counts; 0: reads wait for ever. */
uint64_t discipline_patience_ns(const struct discipline *_Nonnull line);
/* Whether poll(2) says that it can be read. */
bool discipline_readable(const struct discipline *_Nonnull line);
/* Byte number `index` of the reading. */
uint8_t discipline_byte(const struct discipline *_Nonnull line, uint64_t index);
/* The reading was delivered. */
void discipline_take(struct discipline *_Nonnull line, uint64_t consumed);
/* Bytes that FIONREAD tells. */
uint64_t discipline_available(const struct discipline *_Nonnull line);
void discipline_flush(struct discipline *_Nonnull line, uint32_t queues);

/* Between the halves of the discipline: output of a byte, after processing or as it is. */
bool discipline_put_processed(struct discipline *_Nonnull line, uint8_t byte);
bool discipline_put_raw(struct discipline *_Nonnull line, uint8_t byte);
bool discipline_continues(const struct discipline *_Nonnull line, uint8_t byte);
static inline bool byte_is_control(uint8_t byte) {
    return byte < 32 || byte == 127;
}
