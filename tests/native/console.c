/* The console on the machine: a client of tty, which drives the serial port through uart. It says
 * each line back until one is "end"; native_test.py types. */
#include "idl/service.h"
#include "idl/stream.h"
#include "idl/tty.h"
#include "lib/base/bytes.h"
#include "lib/rt/server.h"

static bool say(handle_t terminal, struct rt_bytes text) {
    uint64_t done = 0;
    while (done < text.size) {
        uint64_t written = 0;
        struct rt_bytes rest = {.size = text.size - (size_t)done,
                                .data = bytes_at_const(SOME(text.data), (size_t)done)};
        if (stream_write(terminal, STREAM_POSITION_CURRENT, 0, rest, &written) != STATUS_OK) {
            return false;
        }
        done += written;
    }
    return true;
}

static bool converse(handle_t terminal) {
    bool good = say(terminal, RT_STRING("console ready\n"));
    while (good) {
        uint8_t line[256];
        uint64_t size = 0;
        good = stream_read(terminal, STREAM_POSITION_CURRENT, 0, RT_BUFFER_OF(line), &size) ==
                   STATUS_OK &&
               size > 0;
        if (good && size == 4 && bytes_equal(line, "end\n", 4)) {
            return tty_drain(terminal, false, false) == STATUS_OK;
        }
        good = good && say(terminal, RT_STRING("read: ")) &&
               say(terminal, (struct rt_bytes){.size = (size_t)size, .data = &line[0]});
    }
    return false;
}

void server_main(uint64_t mode, uint64_t thread_page) {
    struct rt_server self;
    handle_t terminal = HANDLE_NONE;
    rt_server_begin(&self, mode, thread_page);
    bool good = tty_open(rt_start_handle(&self, "tty"), 0, true, &terminal) == STATUS_OK &&
                converse(terminal);
    (void)service_power(rt_start_handle(&self, "supervisor"), SERVICE_POWER_OFF, good ? 0 : 1);
    rt_exit(0);
}
