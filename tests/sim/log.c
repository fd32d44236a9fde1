/* log under kills: writers say lines by calls, and through the kernel's ring as services do, while
 * log and the supervisor are killed at random system calls. Each line said is there once, in the
 * order of its writer; a reader by position sees the same text as one that starts over; what was
 * cleared is told. */
#include "idl/log.h"
#include "idl/service.h"
#include "idl/stream.h"
#include "lib/base/format.h"
#include "lib/rt/server.h"
#include "tests/sim/world.h"

void log_main(uint64_t mode, uint64_t page);

enum { WRITERS = 2, LINES = 150, TEXT_SIZE = 1 << 19 };

static unsigned finished, failed;

static void complain(const char *_Nonnull what, int64_t value) {
    (void)fprintf(stderr, "%s: %ld\n", what, value);
    failed++;
}

static void must(status_t status, const char *_Nonnull what) {
    if (status != STATUS_OK) {
        complain(what, status);
    }
}

/* ---- writers: each line has a number; even ones by calls, odd ones through the kernel ---- */

static size_t line_make(char (*_Nonnull text)[400], const char *_Nonnull who, unsigned number) {
    size_t size = format_text(*text, sizeof *text, "%s call %u;", who, number);
    while (number % 32 == 0 && size < 390) {
        (*text)[size] = (char)('a' + size % 23);
        size++;
    }
    (*text)[size] = '\0';
    return size;
}

static void writer_main(uint64_t mode, uint64_t page) {
    struct rt_server self;
    rt_server_begin(&self, mode, page);
    handle_t log = rt_start_handle(&self, "log");
    handle_t file = HANDLE_NONE;
    uint64_t written = 0;
    char text[400];
    must(log_open(log, LOG_FILE_WRITES, 0x1010b, &file), "open");
    for (unsigned i = 0; i < LINES; i++) {
        /* A long one now and then, of several entries. */
        size_t size = line_make(&text, self.start->service, i);
        struct rt_bytes line = {.size = size, .data = (const uint8_t *)text};
        if (i % 2 == 0) {
            must(log_write(log, LOG_LEVEL_WARNING, line), "write");
        } else {
            must(stream_write(file, STREAM_POSITION_CURRENT, 0, line, &written), "write to file");
        }
        rt_log(&self, "ring %u;", i);
    }
    finished++;
    rt_exit(0);
}

/* ---- the reader ---- */

static char whole[TEXT_SIZE], again[TEXT_SIZE];

static size_t read_all(handle_t log, char (*_Nonnull text)[TEXT_SIZE], size_t piece) {
    uint64_t at = 0;
    size_t size = 0;
    uint64_t got = 1;
    while (got > 0 && size + piece < TEXT_SIZE) {
        struct rt_buffer room = {.size = piece, .data = (uint8_t *)&(*text)[size]};
        must(log_read(log, at, &at, room, &got), "read");
        size += (size_t)got;
    }
    (*text)[size] = '\0';
    return size;
}

/* All lines of one writer and kind are there, once, in order. */
static void check_lines(const char *_Nonnull start) {
    const char *at = whole;
    for (unsigned i = 0; i < LINES; i++) {
        char wanted[64];
        (void)snprintf(wanted, sizeof wanted, "%s %u;", start, i);
        const char *found = strstr(at, wanted);
        if (!found) {
            complain(wanted, 0);
            return;
        }
        at = SOME(found) + 1;
        if (strstr(at, wanted)) {
            complain("twice: ", i);
        }
    }
}

/* Long lines are whole, in entries one behind the other. */
static void check_long_lines(const char *_Nonnull who) {
    static char flat[TEXT_SIZE];
    size_t size = 0;
    for (const char *at = whole; *at != '\0';) {
        const char *text = strstr(at, "] ");
        const char *end = strchr(at, '\n');
        if (!text || !end) {
            break;
        }
        for (text = &SOME(text)[2]; text < SOME(end); text = &SOME(text)[1]) {
            flat[size++] = *text;
        }
        at = &SOME(end)[1];
    }
    flat[size] = '\0';
    for (unsigned i = 0; i < LINES; i += 32) {
        char wanted[400];
        (void)line_make(&wanted, who, i);
        if (!strstr(flat, wanted)) {
            complain("a long line is not whole", i);
        }
    }
}

static void check_shape(void) {
    unsigned entries = 0;
    for (const char *at = whole; *at != '\0'; at = SOME(strchr(at, '\n')) + 1) {
        unsigned level = 9;
        entries++;
        if (sscanf(at, "<%u>[ %*u.%*u] ", &level) != 1 || level > 7 || !strchr(at, '\n')) {
            complain("no entry", entries);
            return;
        }
    }
}

/* A file tells the same by positions, in pieces of any size. */
static void check_file(handle_t log, size_t size) {
    handle_t file = HANDLE_NONE;
    uint64_t got = 0;
    struct stream_stat info = {};
    must(log_open(log, LOG_FILE_READS, 7, &file), "open to read");
    for (size_t at = 0; at < size; at += (size_t)got) {
        struct rt_buffer room = {.size = 333, .data = (uint8_t *)&again[at]};
        must(stream_read(file, at, 0, room, &got), "read file");
        if (got == 0) {
            complain("the file ends early", (int64_t)at);
            return;
        }
    }
    if (memcmp(whole, again, size) != 0) {
        complain("the file tells something else", 0);
    }
    must(stream_stat(file, &info), "stat");
    if (info.inode != 7 || stream_write(file, 0, 0, RT_STRING("x"), &got) == STATUS_OK) {
        complain("a file to read", (int64_t)info.inode);
    }
    rt_handle_close(file);
}

static void check_clear(handle_t log) {
    uint64_t end = 0;
    uint64_t held = 0;
    uint64_t room = 0;
    uint64_t cleared = 0;
    must(log_control(log, true, &end, &held, &room, &cleared), "clear");
    uint64_t cleared_at = end;
    must(log_write(log, LOG_LEVEL_INFO, RT_STRING("behind")), "write");
    must(log_control(log, false, &end, &held, &room, &cleared), "control");
    if (cleared < cleared_at || end <= cleared || held > room) {
        complain("what is cleared", (int64_t)cleared);
    }
}

static void reader_main(uint64_t mode, uint64_t page) {
    struct rt_server self;
    rt_server_begin(&self, mode, page);
    handle_t log = rt_start_handle(&self, "log");
    for (uint64_t i = 0; finished < WRITERS && i < 1000000; i++) {
        (void)read_all(log, &again, 4096);
    }
    size_t size = read_all(log, &whole, 65536);
    check_shape();
    check_lines("writer-a: ring");
    check_lines("writer-b: ring");
    check_lines("writer-a call");
    check_lines("writer-b call");
    check_long_lines("writer-a");
    check_long_lines("writer-b");
    check_file(log, size);
    check_clear(log);
    (void)service_power(rt_start_handle(&self, "supervisor"), SERVICE_POWER_OFF,
                        failed + (finished < WRITERS ? 1 : 0));
}

static void before_call(uint64_t serial, uint64_t number) {
    (void)serial;
    (void)number;
    if (world.kills_done >= world.kills_wanted || sim_calls() < 300) {
        return;
    }
    if (sim_random() % 40 == 0) {
        world.kills_done += sim_kill("log", EXIT_KILLED);
    } else if (sim_random() % 4000 == 0) {
        world.kills_done += sim_kill("supervisor", EXIT_KILLED);
    }
}

int main(int argc, char **argv) {
    uint64_t seed = world_arguments(argc, argv, 100);
    static const struct sim_program_entry programs[] = {
        {"log", log_main}, {"writer", writer_main}, {"reader", reader_main}};
    world_add(BOOT_PROGRAM, "log", "x");
    world_add(BOOT_PROGRAM, "writer", "x");
    world_add(BOOT_PROGRAM, "reader", "x");
    world_add_manifest("log");
    world_add(BOOT_MANIFEST, "writer-a",
              "service writer-a\nprogram writer\nrestart never\npriority 1\nneeds log as log\n");
    world_add(BOOT_MANIFEST, "writer-b",
              "service writer-b\nprogram writer\nrestart never\npriority 1\nneeds log as log\n");
    world_add(BOOT_MANIFEST, "reader",
              "service reader\nprogram reader\nrestart never\npriority 1\n"
              "needs log as log\nneeds supervisor as supervisor\n");
    int code = world_simulate(seed, programs, ARRAY_LENGTH(programs), before_call);
    printf("seed %lu: exit %d, %lu kills\n", seed, code, world.kills_done);
    return code == 0 && world.kills_done >= world.kills_wanted ? 0 : 1;
}
