/* uart: the driver of a 16550 serial port. It moves bytes between the port and the line that it
 * shares with its client; everything that outlives it lies in that line, in its keep.
 *
 * Invariants: (U1) a count of the line goes up just after its byte went through the port, so a kill
 * between the two repeats or loses that one byte and no other; (U2) counts of the client are
 * checked each time: they never make this driver touch anything but the line's arrays. */
#include "drivers/char/uart/registers.h"
#include "idl/uart.h"
#include "lib/rt/server.h"

enum { KEEP_LINE = 1, KEEP_TO_DRIVER = 2, KEEP_TO_CLIENT = 3, KEY_CLIENT = 1, KEY_IRQ = 2 };
enum { LINE_SIZE = (sizeof(struct uart_line) + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1) };
enum { CLOCK = 115200, FIFO = 16, BURST = 256 };

struct uart {
    struct rt_server *_Nonnull server;
    struct uart_line *_Nullable line; /* shared with the client: hostile */
    handle_t ports, irq, to_driver, to_client;
    struct uart_counters counters;
};

static uint8_t in(const struct uart *_Nonnull uart, uint16_t which) {
    uint32_t value = 0;
    if (rt_port_read(uart->ports, which, 1, &value) != STATUS_OK) {
        rt_exit(RT_EXIT_START);
    }
    return (uint8_t)value;
}

static void out(const struct uart *_Nonnull uart, uint16_t which, uint8_t value) {
    if (rt_port_write(uart->ports, which, 1, value) != STATUS_OK) {
        rt_exit(RT_EXIT_START);
    }
}

/* ---- bytes ---- */

static void count_flaws(struct uart *_Nonnull uart, uint8_t status) {
    uart->counters.overruns += (status & STATUS_OVERRUN) != 0 ? 1 : 0;
    uart->counters.parity_errors += (status & STATUS_PARITY) != 0 ? 1 : 0;
    uart->counters.framing_errors += (status & STATUS_FRAMING) != 0 ? 1 : 0;
}

/* Bytes that find the line full stay in the port; the client's next wake tries again. */
static uint64_t receive(struct uart *_Nonnull uart, struct uart_line *_Nonnull line) {
    uint64_t put = line->input_put;
    uint64_t taken = __atomic_load_n(&line->input_taken, __ATOMIC_ACQUIRE);
    uint64_t count = 0;
    while (count < BURST && put - taken < UART_LINE_BYTES) {
        uint8_t status = in(uart, REGISTER_LINE_STATUS);
        count_flaws(uart, status);
        if ((status & STATUS_RECEIVED) == 0) {
            break;
        }
        line->input[put % UART_LINE_BYTES] = in(uart, REGISTER_DATA);
        put++;
        __atomic_store_n(&line->input_put, put, __ATOMIC_RELEASE);
        count++;
    }
    uart->counters.received += count;
    return count;
}

static uint64_t transmit(struct uart *_Nonnull uart, struct uart_line *_Nonnull line) {
    uint64_t taken = line->output_taken;
    uint64_t there = __atomic_load_n(&line->output_put, __ATOMIC_ACQUIRE) - taken;
    uint64_t count = 0;
    if (there > UART_LINE_BYTES || (in(uart, REGISTER_LINE_STATUS) & STATUS_EMPTY) == 0) {
        return 0;
    }
    while (count < FIFO && count < there) {
        out(uart, REGISTER_DATA, line->output[taken % UART_LINE_BYTES]);
        taken++;
        __atomic_store_n(&line->output_taken, taken, __ATOMIC_RELEASE);
        count++;
    }
    uart->counters.sent += count;
    return count;
}

/* Moves what can be moved; the transmitter's interrupt is on while bytes wait for it. */
static void work(struct uart *_Nonnull uart) {
    if (!uart->line) {
        return;
    }
    struct uart_line *line = SOME(uart->line);
    uint64_t moved = 0;
    for (uint64_t now = 1; now != 0 && moved < BURST; moved += now) {
        now = receive(uart, line) + transmit(uart, line);
    }
    uint64_t there = __atomic_load_n(&line->output_put, __ATOMIC_ACQUIRE) - line->output_taken;
    bool full =
        line->input_put - __atomic_load_n(&line->input_taken, __ATOMIC_ACQUIRE) >= UART_LINE_BYTES;
    bool waits = there != 0 && there <= UART_LINE_BYTES;
    out(uart, REGISTER_INTERRUPTS,
        (uint8_t)((full ? 0 : INTERRUPT_RECEIVED) | (waits ? INTERRUPT_EMPTY : 0)));
    if (moved > 0) {
        (void)rt_event_signal(uart->to_client, 1);
    }
}

/* ---- setting up ---- */

static status_t set_up(struct uart *_Nonnull uart) {
    struct uart_setting values = {.speed = CLOCK, .data_bits = 8, .stop_bits = 1};
    if (uart->line && uart->line->values.speed != 0) {
        values = uart->line->values;
    }
    if (values.speed == 0 || values.speed > CLOCK || CLOCK % values.speed != 0 ||
        values.data_bits < 5 || values.data_bits > 8 || values.stop_bits < 1 ||
        values.stop_bits > 2 || values.parity > UART_PARITY_EVEN || values.hardware_flow != 0) {
        return STATUS_BAD_ARGUMENT;
    }
    uint32_t divisor = CLOCK / values.speed;
    uint8_t format = (uint8_t)((values.data_bits - 5) | (values.stop_bits == 2 ? 4 : 0) |
                               (values.parity == UART_PARITY_ODD    ? 0x08
                                : values.parity == UART_PARITY_EVEN ? 0x18
                                                                    : 0));
    if (divisor > UINT16_MAX) {
        return STATUS_BAD_ARGUMENT;
    }
    out(uart, REGISTER_INTERRUPTS, 0);
    out(uart, REGISTER_FORMAT, FORMAT_DIVISOR);
    out(uart, REGISTER_DATA, (uint8_t)divisor);
    out(uart, REGISTER_INTERRUPTS, (uint8_t)(divisor >> 8));
    out(uart, REGISTER_FORMAT, format);
    out(uart, REGISTER_QUEUES, QUEUES_ON); /* nothing that they hold is dropped */
    out(uart, REGISTER_MODEM, MODEM_ON);
    return STATUS_OK;
}

static void close_line(struct uart *_Nonnull uart) {
    if (uart->line) {
        (void)rt_bind(uart->server->waitset, uart->to_driver, 0, KEY_CLIENT, WAIT_REMOVE);
        (void)rt_unmap(0, rt_address(uart->line), LINE_SIZE);
        rt_handle_close(uart->to_driver);
        rt_handle_close(uart->to_client);
        uart->line = nullptr;
    }
}

/* Takes the line out of the keep, where this instance or one before it put it. */
static status_t open_line(struct uart *_Nonnull uart) {
    handle_t memory = HANDLE_NONE;
    uint64_t address = 0;
    status_t status = rt_keep_get(uart->server, KEEP_LINE, &memory);
    status =
        status == STATUS_OK ? rt_keep_get(uart->server, KEEP_TO_DRIVER, &uart->to_driver) : status;
    status =
        status == STATUS_OK ? rt_keep_get(uart->server, KEEP_TO_CLIENT, &uart->to_client) : status;
    status = status == STATUS_OK
                 ? rt_map(0, 0, LINE_SIZE, memory, 0, PROTECT_READ | PROTECT_WRITE, &address)
                 : status;
    rt_handle_close(memory);
    if (status != STATUS_OK) {
        return status;
    }
    uart->line = rt_pointer(address);
    return rt_bind(uart->server->waitset, uart->to_driver, UINT32_MAX, KEY_CLIENT, 0);
}

/* ---- calls ---- */

static status_t do_attach(void *_Nonnull state, struct rt_request *_Nonnull request,
                          const struct uart_attach_in *_Nonnull given) {
    struct uart *uart = state;
    struct memory_info info = {};
    (void)request;
    status_t status = rt_object_info(given->shared, INFO_MEMORY, &info, sizeof info);
    if (status != STATUS_OK || info.content_size < sizeof(struct uart_line)) {
        return STATUS_CORRUPT;
    }
    close_line(uart); /* set() opens the new one, once it is in the keep */
    status = rt_stage_keep(uart->server, KEEP_LINE, given->shared);
    status = status == STATUS_OK ? rt_stage_keep(uart->server, KEEP_TO_DRIVER, given->to_driver)
                                 : status;
    status = status == STATUS_OK ? rt_stage_keep(uart->server, KEEP_TO_CLIENT, given->to_client)
                                 : status;
    return status;
}

static status_t do_set(void *_Nonnull state, struct rt_request *_Nonnull request) {
    struct uart *uart = state;
    (void)request;
    status_t status = uart->line ? STATUS_OK : open_line(uart);
    status = status == STATUS_OK ? set_up(uart) : status;
    work(uart);
    return status;
}

static status_t do_count(void *_Nonnull state, struct rt_request *_Nonnull request,
                         struct uart_count_out *_Nonnull given) {
    struct uart *uart = state;
    (void)request;
    given->values = uart->counters;
    return STATUS_OK;
}

static void on_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    static const struct uart_handlers handlers = {
        .attach = do_attach, .set = do_set, .count = do_count};
    if (uart_speaks(request->label)) {
        uart_dispatch(&handlers, SOME(server->state), request);
    } else {
        request->reply->status = STATUS_BAD_METHOD;
    }
}

static void on_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    struct uart *uart = (struct uart *)SOME(server->state);
    if (packet->kind == PACKET_IRQ) {
        uart->counters.interrupts += packet->words[0];
        (void)in(uart, REGISTER_INTERRUPT_CAUSE);
    }
    work(uart);
    if (packet->kind == PACKET_IRQ) {
        (void)rt_irq_ack(uart->irq);
    }
}

void server_main(uint64_t mode, uint64_t thread_page) {
    struct rt_server server;
    rt_server_begin(&server, mode, thread_page);
    struct uart uart = {.server = &server,
                        .ports = rt_start_handle(&server, "ports"),
                        .irq = rt_start_handle(&server, "irq")};
    server.state = &uart;
    status_t status = rt_bind(server.waitset, uart.irq, UINT32_MAX, KEY_IRQ, 0);
    if (open_line(&uart) != STATUS_OK) {
        uart.line = nullptr; /* nobody has attached yet */
    }
    status = status == STATUS_OK ? set_up(&uart) : status;
    if (status != STATUS_OK) {
        rt_log(&server, "no port: status %d", (int)status);
        rt_exit(RT_EXIT_START);
    }
    (void)rt_irq_ack(uart.irq);
    work(&uart);
    rt_server_run(&server, &(struct rt_service){on_call, on_packet});
}
