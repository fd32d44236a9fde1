/* The driver of the serial port under kills, over a device of the test: it types numbered lines
 * without end and is always ready to send. tty and a client are above. Each kill may lose or repeat
 * one byte, so damage two lines of what is read; all else arrives, in order. */
#include "idl/service.h"
#include "idl/stream.h"
#include "idl/tty.h"
#include "lib/rt/server.h"
#include "tests/sim/terminal_world.h"

enum { LINES = 600, LINE_LENGTH = 6 };
enum { PORT = 0x3f8, DATA = 0, FORMAT = 3, STATUS = 5, DIVISOR_BIT = 0x80, READY = 0x21 };

static struct {
    uint64_t format, typed, sent;
} device;

static uint64_t device_access(uint16_t port, bool write, uint64_t value) {
    uint16_t which = port - PORT;
    if (which == FORMAT && write) {
        device.format = value;
    } else if (which == STATUS) {
        return READY;
    } else if (which == DATA && write && (device.format & DIVISOR_BIT) == 0) {
        device.sent++;
    } else if (which == DATA && !write) {
        uint64_t line = device.typed / LINE_LENGTH;
        uint64_t column = device.typed++ % LINE_LENGTH;
        return column == LINE_LENGTH - 1 ? '\n' : 'a' + (line >> 4 * column) % 16;
    }
    return 0;
}

/* The line's number; UINT64_MAX: it is damaged. */
static uint64_t number_of(const uint8_t (*_Nonnull text)[64], uint64_t size) {
    uint64_t number = 0;
    if (size != LINE_LENGTH) {
        return UINT64_MAX;
    }
    for (unsigned i = 0; i < LINE_LENGTH - 1; i++) {
        number |= (uint64_t)((*text)[i] - 'a') << 4 * i;
    }
    return number;
}

static void client_main(uint64_t mode, uint64_t page) {
    struct rt_server self;
    handle_t terminal = HANDLE_NONE;
    uint64_t next = 0;
    uint64_t damaged = 0;
    rt_server_begin(&self, mode, page);
    bool good = tty_open(rt_start_handle(&self, "tty"), 0, true, &terminal) == STATUS_OK;
    while (good && next < LINES) {
        uint8_t text[64];
        uint64_t size = 0;
        good = stream_read(terminal, STREAM_POSITION_CURRENT, 0, RT_BUFFER_OF(text), &size) ==
               STATUS_OK;
        uint64_t number = number_of(&text, size);
        if (number < next || number > next + 2 * (world.kills_done + 1)) {
            damaged++;
        } else {
            damaged += number - next;
            next = number + 1;
        }
    }
    (void)fprintf(stderr, "client: %lu lines damaged, %lu bytes shown\n", damaged, device.sent);
    good =
        good && damaged <= 2 * world.kills_done && device.sent > (uint64_t)LINES * LINE_LENGTH / 2;
    (void)service_power(rt_start_handle(&self, "supervisor"), SERVICE_POWER_OFF, good ? 0 : 1);
    rt_exit(0);
}

int main(int argc, char **argv) {
    static const struct terminal_world terminal = {
        .name = "client",
        .program = client_main,
        .needs = "needs tty as tty\n",
        .victim = "uart",
    };
    world.port_access = device_access;
    return terminal_world_run(argc, SOME(argv), &terminal);
}
