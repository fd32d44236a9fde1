/* The line discipline against Linux's: the same random bytes and settings go to a pseudo-terminal
 * of the build machine and to ours; echo and what a reader gets must be the same. STOP (whose
 * moment Linux leaves open) and flushing by signals (which races with the reader of a
 * pseudo-terminal) are tested alone. */
#include "lib/base/bytes.h"
#include "lib/base/test.h"
#include "servers/tty/discipline.h"
#include <asm/termbits.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

int ioctl(int file, unsigned long request, ...);

enum {
    ROUNDS = 1500,
    BATCH = 40,
    PATIENCE_MS = 5000,
    GET_NUMBER = 0x80045430,
    UNLOCK = 0x40045431,
    GET_SETTINGS = 0x802c542a,
    SET_SETTINGS = 0x402c542b
};

struct both {
    int master, device;
    uint64_t random;
    struct discipline line;
};

static uint64_t next(struct both *_Nonnull both) {
    both->random ^= both->random << 13;
    both->random ^= both->random >> 7;
    both->random ^= both->random << 17;
    return both->random;
}

static bool open_pair(struct both *_Nonnull both) {
    int unlocked = 0;
    unsigned number = 0;
    char path[32];
    both->master = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (both->master < 0 || ioctl(both->master, UNLOCK, &unlocked) != 0 ||
        ioctl(both->master, GET_NUMBER, &number) != 0) {
        return false;
    }
    (void)snprintf(path, sizeof path, "/dev/pts/%u", number);
    both->device = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    return both->device >= 0;
}

static const uint32_t inputs[] = {INPUT_ICRNL, INPUT_INLCR, INPUT_IGNCR,  INPUT_ISTRIP,
                                  INPUT_IUTF8, INPUT_IUCLC, INPUT_PARMRK, INPUT_IXON};
static const uint32_t outputs[] = {OUTPUT_OPOST, OUTPUT_OPOST,  OUTPUT_ONLCR, OUTPUT_OCRNL,
                                   OUTPUT_ONOCR, OUTPUT_ONLRET, OUTPUT_TABS,  OUTPUT_OLCUC};
static const uint32_t locals[] = {LOCAL_ICANON, LOCAL_ICANON, LOCAL_ECHO,    LOCAL_ECHO,
                                  LOCAL_ECHOE,  LOCAL_ECHOK,  LOCAL_ECHOKE,  LOCAL_ECHOCTL,
                                  LOCAL_ECHONL, LOCAL_IEXTEN, LOCAL_ECHOPRT, LOCAL_ISIG};

struct choice {
    size_t count;
    const uint32_t *_Nonnull COUNTED_BY(count) bits;
};

static uint32_t some(struct both *_Nonnull both, struct choice of) {
    uint32_t result = 0;
    for (size_t i = 0; i < of.count; i++) {
        result |= next(both) % 2 == 0 ? of.bits[i] : 0;
    }
    return result;
}

static void settings(struct both *_Nonnull both) {
    struct tty_attributes to = both->line.attributes;
    struct termios2 linux_to = {};
    to.input = some(both, (struct choice){ARRAY_LENGTH(inputs), &inputs[0]});
    to.output = some(both, (struct choice){ARRAY_LENGTH(outputs), &outputs[0]});
    to.local = some(both, (struct choice){ARRAY_LENGTH(locals), &locals[0]}) | LOCAL_NOFLSH;
    if ((to.local & LOCAL_ECHO) == 0) {
        to.input &=
            ~(uint32_t)INPUT_INLCR; /* lines that do not end would show nothing to wait for */
    }
    to.characters[CHARACTER_EOL] = next(both) % 2 == 0 ? 'q' : 0;
    to.characters[CHARACTER_MIN] = 1;
    EXPECT_EQUAL(ioctl(both->device, GET_SETTINGS, &linux_to), 0);
    linux_to.c_iflag = to.input;
    linux_to.c_oflag = to.output;
    linux_to.c_lflag = to.local;
    for (unsigned i = 0; i < 19; i++) {
        linux_to.c_cc[i] = to.characters[i];
    }
    EXPECT_EQUAL(ioctl(both->device, SET_SETTINGS, &linux_to), 0);
    discipline_set(&both->line, &to);
}

static uint8_t typed(struct both *_Nonnull both) {
    static const uint8_t special[] = {3,  4,  8,   9,   10,  13,  18,   21,   22,   23,
                                      28, 26, 127, 127, ' ', '_', 0xc3, 0xa9, 0xff, 'q'};
    uint64_t draw = next(both) % 100;
    return draw < 55   ? (uint8_t)('a' + next(both) % 20)
           : draw < 92 ? special[next(both) % ARRAY_LENGTH(special)]
           : draw < 96 ? 127
                       : (uint8_t)('A' + next(both) % 20);
}

/* Takes what `file` has until `count` bytes came; one more tells of too many. */
static size_t receive(int file, uint8_t (*_Nonnull into)[8192], size_t count) {
    size_t have = 0;
    while (have < count) {
        struct pollfd wait = {.fd = file, .events = POLLIN};
        if (poll(&wait, 1, PATIENCE_MS) <= 0) {
            return have;
        }
        ssize_t got = read(file, bytes_at(into, have), sizeof *into - have);
        if (got < 0) {
            return have;
        }
        have += (size_t)got;
    }
    ssize_t more = read(file, bytes_at(into, have), sizeof *into - have);
    return have + (more > 0 ? (size_t)more : 0);
}

static bool compare_output(struct both *_Nonnull both, uint64_t round) {
    uint8_t got[8192];
    size_t expected = (size_t)(both->line.output_put - both->line.output_taken);
    size_t count = receive(both->master, &got, expected);
    bool same = count == expected;
    for (size_t i = 0; i < expected && same; i++) {
        same = got[i] == both->line.output[(both->line.output_taken + i) % TERMINAL_OUTPUT];
    }
    if (!same) {
        (void)fprintf(stderr, "round %lu: %zu bytes of output, expected %zu; i %x o %x l %x\n",
                      round, count, expected, both->line.attributes.input,
                      both->line.attributes.output, both->line.attributes.local);
    }
    for (size_t i = 0; i < count && !same; i++) {
        (void)fprintf(stderr, "%02x/%02x ", got[i],
                      both->line.output[(both->line.output_taken + i) % TERMINAL_OUTPUT]);
    }
    both->line.output_taken = both->line.output_put;
    return same;
}

/* Reads lines, in pieces of any size, while ours says that there is something. */
static bool compare_input(struct both *_Nonnull both, uint64_t round) {
    for (;;) {
        uint8_t got[64];
        size_t size = 1 + next(both) % sizeof got;
        struct discipline_reading reading = discipline_read(&both->line, size);
        if (!reading.ready) {
            return true;
        }
        bool raw = (both->line.attributes.local & LOCAL_ICANON) == 0;
        ssize_t count = 0;
        do { /* a raw read may come before all that was typed */
            struct pollfd wait = {.fd = both->device, .events = POLLIN};
            (void)poll(&wait, 1, PATIENCE_MS);
            ssize_t more = read(both->device, bytes_at(&got, (size_t)count), size - (size_t)count);
            raw = raw && more > 0;
            count += more;
        } while (raw && count < (ssize_t)reading.count);
        bool same = count == (ssize_t)reading.count;
        for (size_t i = 0; same && i < reading.count; i++) {
            same = got[i] == discipline_byte(&both->line, i);
        }
        if (!same) {
            (void)fprintf(stderr, "round %lu: read %zd of %zu, expected %lu; i %x l %x\n", round,
                          count, size, reading.count, both->line.attributes.input,
                          both->line.attributes.local);
            return false;
        }
        discipline_take(&both->line, reading.consumed);
    }
}

TEST(same_as_linux) {
    struct both both = {.random = 88172645463325252ull};
    EXPECT(open_pair(&both));
    discipline_begin(&both.line);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint8_t bytes[BATCH];
        size_t count = 1 + next(&both) % BATCH;
        if (round % 8 == 0) {
            settings(&both);
        }
        for (size_t i = 0; i < count; i++) {
            bytes[i] = i + 2 < count ? typed(&both) : '\n';
            discipline_type(&both.line, bytes[i]);
        }
        EXPECT_EQUAL(write(both.master, &bytes, count), (ssize_t)count);
        bool same = compare_output(&both, round) && compare_input(&both, round);
        EXPECT(same);
        if (!same) {
            break;
        }
        for (size_t i = 0; i < count; i++) {
            bytes[i] = typed(&both);
            EXPECT(discipline_write(&both.line, bytes[i]));
        }
        EXPECT_EQUAL(write(both.device, &bytes, count), (ssize_t)count);
        same = compare_output(&both, round);
        EXPECT(same);
        if (!same) {
            break;
        }
    }
    (void)close(both.device);
    (void)close(both.master);
}

TEST(a_signal_flushes_and_restarts) {
    struct discipline line;
    discipline_begin(&line);
    discipline_type(&line, 'x');
    discipline_type(&line, 19);
    EXPECT_EQUAL(line.stopped, 1);
    discipline_type(&line, 3);
    EXPECT_EQUAL(line.stopped, 0);
    EXPECT_EQUAL(line.signals, 1u << SIGNAL_INT);
    EXPECT_EQUAL(line.input_put - line.input_taken, 0);
    EXPECT_EQUAL(line.output_put - line.output_taken, 2); /* ^C */
}

TEST(a_line_without_end_keeps_room_for_its_end) {
    struct discipline line;
    discipline_begin(&line);
    for (unsigned i = 0; i < 3 * TERMINAL_INPUT; i++) {
        EXPECT(discipline_input_room(&line) > 0);
        discipline_type(&line, 'a');
        line.output_taken = line.output_put;
    }
    discipline_type(&line, '\n');
    struct discipline_reading reading = discipline_read(&line, 8192);
    EXPECT(reading.ready);
    EXPECT_EQUAL(reading.count, TERMINAL_INPUT);
    EXPECT_EQUAL(discipline_byte(&line, reading.count - 1), '\n');
}
