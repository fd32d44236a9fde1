/* Terminals under kills: a driver that types lines and collects what is shown, tty as it is
 * shipped, and a client that reads the lines and writes an answer to each. tty is killed at random
 * system calls; the client reads each line exactly once and in order, and what was shown is the
 * exact echo and the exact answers, each in their order: no byte lost or doubled. */
#include "idl/tty.h"
#include "idl/service.h"
#include "idl/stream.h"
#include "idl/uart.h"
#include "lib/rt/server.h"
#include "tests/sim/terminal_world.h"

enum { LINES = 400, LINE_LENGTH = 9, ANSWER_LENGTH = 8, KEY_CLIENT = 1, SHOWN = 65536 };

/* ---- what is typed, echoed and answered: capitals and small letters ---- */

static uint8_t typed_byte(uint64_t position) {
    uint64_t line = position / LINE_LENGTH;
    uint64_t column = position % LINE_LENGTH;
    return column == LINE_LENGTH - 1 ? '\n' : (uint8_t)('A' + (line >> column * 2) % 26);
}
static uint8_t echo_byte(uint64_t position) {
    uint64_t line = position / (LINE_LENGTH + 1);
    uint64_t column = position % (LINE_LENGTH + 1);
    return column == LINE_LENGTH - 1 ? '\r' : typed_byte(line * LINE_LENGTH + MIN(column, 8ull));
}
static uint8_t answer_byte(uint64_t position) {
    return (uint8_t)('a' + (position / ANSWER_LENGTH + position) % 26);
}

/* ---- the driver, which is not killed here ---- */

static struct {
    struct uart_line *_Nullable line;
    handle_t shared, to_driver, to_client;
    uint64_t typed, shown_count;
    uint8_t shown[SHOWN];
} driver;

static void driver_work(void) {
    if (!driver.line) {
        return;
    }
    struct uart_line *line = SOME(driver.line);
    uint64_t burst = 1 + sim_random() % 40;
    bool moved = false;
    while (burst-- > 0 && driver.typed < (uint64_t)LINES * LINE_LENGTH &&
           line->input_put - line->input_taken < UART_LINE_BYTES) {
        line->input[line->input_put++ % UART_LINE_BYTES] = typed_byte(driver.typed++);
        moved = true;
    }
    while (line->output_taken != line->output_put && driver.shown_count < SHOWN) {
        driver.shown[driver.shown_count++] = line->output[line->output_taken++ % UART_LINE_BYTES];
        moved = true;
    }
    if (moved) {
        (void)rt_event_signal(driver.to_client, 1);
    }
}

static status_t driver_attach(void *_Nonnull state, struct rt_request *_Nonnull request,
                              const struct uart_attach_in *_Nonnull in) {
    struct rt_server *server = state;
    uint64_t address = 0;
    (void)request;
    if (driver.line) {
        return STATUS_OK; /* the same line, from another instance */
    }
    CHECK(rt_handle_duplicate(in->shared, RIGHT_ALL, &driver.shared) == STATUS_OK);
    CHECK(rt_handle_duplicate(in->to_driver, RIGHT_ALL, &driver.to_driver) == STATUS_OK);
    CHECK(rt_handle_duplicate(in->to_client, RIGHT_ALL, &driver.to_client) == STATUS_OK);
    CHECK(rt_map(0, 0, 2 * (uint64_t)PAGE_SIZE, driver.shared, 0, PROTECT_READ | PROTECT_WRITE,
                 &address) == STATUS_OK);
    driver.line = (struct uart_line *)(uintptr_t)address;
    return rt_bind(server->waitset, driver.to_driver, UINT32_MAX, KEY_CLIENT, 0);
}

static status_t driver_set(void *_Nonnull state, struct rt_request *_Nonnull request) {
    (void)state;
    (void)request;
    driver_work();
    return STATUS_OK;
}

static void driver_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    static const struct uart_handlers handlers = {.attach = driver_attach, .set = driver_set};
    uart_dispatch(&handlers, server, request);
}

static void driver_packet(struct rt_server *_Nonnull server,
                          const struct rt_packet *_Nonnull packet) {
    (void)server;
    (void)packet;
    driver_work();
}

static void driver_main(uint64_t mode, uint64_t page) {
    struct rt_server server;
    rt_server_begin(&server, mode, page);
    rt_server_run(&server, &(struct rt_service){driver_call, driver_packet});
}

/* ---- the client ---- */

static bool good(bool condition, const char *_Nonnull what, uint64_t number) {
    if (!condition) {
        (void)fprintf(stderr, "client: %s: %lu\n", what, number);
    }
    return condition;
}

static bool answer(handle_t terminal, uint64_t line) {
    uint64_t done = 0;
    while (done < ANSWER_LENGTH) {
        uint8_t text[ANSWER_LENGTH];
        uint64_t written = 0;
        for (uint64_t i = done; i < ANSWER_LENGTH; i++) {
            text[i - done] = answer_byte(line * ANSWER_LENGTH + i);
        }
        struct rt_bytes rest = {.size = (size_t)(ANSWER_LENGTH - done), .data = &text[0]};
        status_t status = stream_write(terminal, STREAM_POSITION_CURRENT, 0, rest, &written);
        if (!good(status == STATUS_OK && written > 0 && written <= ANSWER_LENGTH - done, "write",
                  (uint64_t)status)) {
            return false;
        }
        done += written;
    }
    return true;
}

static bool read_lines(handle_t terminal) {
    for (uint64_t line = 0; line < LINES; line++) {
        uint8_t text[64];
        uint64_t count = 0;
        status_t status =
            stream_read(terminal, STREAM_POSITION_CURRENT, 0, RT_BUFFER_OF(text), &count);
        bool same = good(status == STATUS_OK, "read", (uint64_t)status) &&
                    good(count == LINE_LENGTH, "length of a line", count);
        for (uint64_t i = 0; same && i < count; i++) {
            same = good(text[i] == typed_byte(line * LINE_LENGTH + i), "line", line);
        }
        if (!same || !answer(terminal, line)) {
            return false;
        }
    }
    return tty_drain(terminal, false, false) == STATUS_OK;
}

static bool shown_is_right(void) {
    uint64_t echoed = 0;
    uint64_t answered = 0;
    for (uint64_t i = 0; i < driver.shown_count; i++) {
        uint8_t byte = driver.shown[i];
        bool small = byte >= 'a' && byte <= 'z';
        uint8_t expected = small ? answer_byte(answered++) : echo_byte(echoed++);
        if (!good(byte == expected, "shown", i)) {
            return false;
        }
    }
    return good(echoed == (uint64_t)LINES * (LINE_LENGTH + 1), "echo", echoed) &&
           good(answered == (uint64_t)LINES * ANSWER_LENGTH, "answers", answered);
}

static void client_main(uint64_t mode, uint64_t page) {
    struct rt_server self;
    handle_t terminal = HANDLE_NONE;
    rt_server_begin(&self, mode, page);
    status_t status = tty_open(rt_start_handle(&self, "tty"), 0, true, &terminal);
    bool right = good(status == STATUS_OK, "open", (uint64_t)status) && read_lines(terminal) &&
                 shown_is_right();
    (void)service_power(rt_start_handle(&self, "supervisor"), SERVICE_POWER_OFF, right ? 0 : 1);
    rt_exit(0);
}

int main(int argc, char **argv) {
    static const struct terminal_world terminal = {
        .driver = driver_main,
        .name = "client",
        .program = client_main,
        .needs = "needs tty as tty\n",
        .victim = "tty",
    };
    return terminal_world_run(argc, SOME(argv), &terminal);
}
