/* Measures the native rows: a client of answerer.c in an address space of its own. Under -icount
 * the time stamp counts executed instructions. Each row is a line `bench NAME VALUE SWITCHES` of
 * the log: instructions and switches of the address space, per operation. A wrong answer ends it.
 */
#include "abi/boot.h"
#include "drivers/char/uart/registers.h"
#include "idl/bench.h"
#include "idl/service.h"
#include "lib/base/bytes.h"
#include "lib/rt/server.h"

enum { ROUNDS = 500, WARM = 50, PAGES = ROUNDS + WARM };

struct measurer {
    struct rt_server server;
    handle_t peer, ping, pong, ports;
    uint64_t pages; /* the address of the paged memory */
    uint64_t at;    /* the next page that is not there */
    uint64_t acknowledged, raised;
    uint8_t bytes[800];
};

static uint64_t ticks(void) {
    uint32_t low = 0;
    uint32_t high = 0;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static void need(const struct measurer *_Nonnull self, bool good, const char *_Nonnull what) {
    if (!good) {
        rt_log(&self->server, "failed: %s", what);
        (void)service_power(rt_start_handle(&self->server, "supervisor"), SERVICE_POWER_OFF, 1);
        rt_exit(1);
    }
}

static uint64_t switches(const struct measurer *_Nonnull self) {
    struct system_info info = {};
    struct syscall_registers r = {
        .number = SYS_SYSTEM, .a = SYSTEM_INFO, .b = rt_address(&info), .words = {sizeof info}};
    rt_invoke(&r);
    need(self, (int32_t)(uint32_t)r.number == STATUS_OK, "system info");
    return info.switches;
}

/* ---- the operations ---- */

static void null_call(struct measurer *_Nonnull self) {
    struct syscall_registers r = {.number = SYS_HANDLE_CLOSE};
    rt_invoke(&r);
    need(self, (int32_t)(uint32_t)r.number == STATUS_BAD_HANDLE, "null call");
}

static void call_nothing(struct measurer *_Nonnull self) {
    need(self, bench_nothing(self->peer) == STATUS_OK, "call");
}

static void call_seven(struct measurer *_Nonnull self) {
    uint64_t a = 0;
    uint64_t b = 0;
    uint64_t c = 0;
    uint64_t d = 0;
    uint64_t e = 0;
    uint64_t f = 0;
    uint64_t g = 0;
    status_t status = bench_seven(self->peer, 1, 2, 3, 4, 5, 6, 7, &a, &b, &c, &d, &e, &f, &g);
    need(self, status == STATUS_OK && a == 2 && g == 8, "call of seven words");
}

static void call_bytes(struct measurer *_Nonnull self) {
    uint64_t size = 0;
    status_t status =
        bench_bytes(self->peer, RT_BYTES_OF(self->bytes), RT_BUFFER_OF(self->bytes), &size);
    need(self, status == STATUS_OK && size == sizeof self->bytes, "call with leases");
}

static void event_pingpong(struct measurer *_Nonnull self) {
    struct syscall_registers r = {.number = SYS_REPLY_RECEIVE, .a = self->server.waitset};
    need(self, rt_event_signal(self->ping, 1) == STATUS_OK, "signal");
    rt_invoke(&r);
    need(self, r.b >> 56 == PACKET_EVENT, "event");
}

static void fault_pager(struct measurer *_Nonnull self) {
    *(volatile uint8_t *)rt_pointer(self->pages + self->at) = 1;
    self->at += PAGE_SIZE;
}

static void interrupts(struct measurer *_Nonnull self, uint8_t which) {
    need(self, rt_port_write(self->ports, REGISTER_INTERRUPTS, 1, which) == STATUS_OK, "port");
}

/* ---- rows ---- */

static bool wanted(const struct measurer *_Nonnull self, const char *_Nonnull name) {
    const char *only = self->server.start->arguments;
    return text_length(only, 1) == 0 || text_equal(only, name);
}

typedef void (*operation_t)(struct measurer *_Nonnull self);

[[gnu::noinline]] static void row(struct measurer *_Nonnull self, const char *_Nonnull name,
                                  operation_t _Nonnull operation) {
    if (!wanted(self, name)) {
        return;
    }
    for (uint32_t i = 0; i < WARM; i++) {
        operation(self);
    }
    uint64_t before = switches(self);
    uint64_t start = ticks();
    for (uint32_t i = 0; i < ROUNDS; i++) {
        operation(self);
    }
    uint64_t value = (ticks() - start) / ROUNDS;
    uint64_t tenths = (switches(self) - before) * 10 / ROUNDS;
    rt_log(&self->server, "bench %s %lu %lu.%lu", name, value, tenths / 10, tenths % 10);
}

/* From the write that raises the line to the moment when its driver has acknowledged it, less the
 * write itself. */
[[gnu::noinline]] static void row_irq(struct measurer *_Nonnull self) {
    uint64_t sum = 0;
    uint64_t write = 0;
    uint64_t count = 0;
    uint64_t before = 0;
    need(self, rt_port_write(self->ports, REGISTER_MODEM, 1, MODEM_ON) == STATUS_OK, "port");
    need(self, bench_interrupted(self->peer, &self->acknowledged, &before) == STATUS_OK, "irq");
    for (uint32_t i = 0; i < ROUNDS; i++) {
        uint64_t start = ticks();
        interrupts(self, 0);
        write += ticks() - start;
        start = ticks();
        interrupts(self, INTERRUPT_EMPTY);
        need(self, bench_interrupted(self->peer, &self->acknowledged, &count) == STATUS_OK, "irq");
        sum += self->acknowledged - start;
    }
    need(self, count - before == ROUNDS, "an interrupt for each round");
    interrupts(self, 0);
    rt_log(&self->server, "bench irq_driver %lu 1.0", (sum - write) / ROUNDS);
}

[[gnu::noinline]] static void prepare(struct measurer *_Nonnull self) {
    handle_t memory = HANDLE_NONE;
    handle_t ping = HANDLE_NONE;
    handle_t pong = HANDLE_NONE;
    uint64_t size = (uint64_t)PAGES * PAGE_SIZE;
    self->peer = rt_start_handle(&self->server, "answerer");
    self->ports = rt_start_handle(&self->server, "ports");
    bool good =
        bench_paged(self->peer, size, &memory) == STATUS_OK &&
        rt_map(0, 0, size, memory, 0, PROTECT_READ | PROTECT_WRITE, &self->pages) == STATUS_OK &&
        rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &self->ping) == STATUS_OK &&
        rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &self->pong) == STATUS_OK &&
        rt_handle_duplicate(self->ping, RIGHT_ALL, &ping) == STATUS_OK &&
        rt_handle_duplicate(self->pong, RIGHT_ALL, &pong) == STATUS_OK &&
        bench_events(self->peer, ping, pong) == STATUS_OK &&
        rt_bind(self->server.waitset, self->pong, UINT32_MAX, 1, 0) == STATUS_OK;
    need(self, good, "preparation");
}

void server_main(uint64_t mode, uint64_t thread_page) {
    struct measurer self = {};
    rt_server_begin(&self.server, mode, thread_page);
    prepare(&self);
    row(&self, "ipc_call_0w", call_nothing);
    row(&self, "ipc_call_7w", call_seven);
    row(&self, "ipc_lease_800", call_bytes);
    row(&self, "event_pingpong", event_pingpong);
    row(&self, "fault_pager", fault_pager);
    if (wanted(&self, "irq_driver")) {
        row_irq(&self);
    }
    row(&self, "null_call", null_call);
    (void)service_power(rt_start_handle(&self.server, "supervisor"), SERVICE_POWER_OFF, 0);
    rt_exit(0);
}
