/* time under kills, over a CMOS clock of the test: a clock that was set is set, in the kernel and
 * in the machine; a slew moves the clock by what was asked for, however often its steps are cut in
 * two; the zone's rule is the one set last. */
#include "idl/time.h"
#include "idl/service.h"
#include "lib/rt/server.h"
#include "servers/time/calendar.h"
#include "tests/sim/world.h"

void time_main(uint64_t mode, uint64_t page);

enum { ROUNDS = 25, PORT_INDEX = 0x70, PORT_DATA = 0x71, REGISTERS = 128 };
#define SECOND INT64_C(1000000000)
#define SLEW_NS INT64_C(3000000)
#define TOLERANCE_NS INT64_C(250000) /* half a step, and the calls in between */

/* ---- the machine's clock: it stands still, and says now and then that it is being updated ---- */

static struct {
    uint8_t registers[REGISTERS];
    uint64_t index, looks;
} clock;

static uint64_t clock_access(uint16_t port, bool write, uint64_t value) {
    uint64_t which = clock.index % REGISTERS;
    if (port == PORT_INDEX) {
        clock.index = write ? value : clock.index;
        return clock.index;
    }
    if (port != PORT_DATA) {
        return 0;
    }
    if (write) {
        clock.registers[which] = (uint8_t)value;
    } else if (which == 10) {
        return clock.looks++ % 5 == 0 ? 0x80 : 0;
    }
    return clock.registers[which];
}

/* ---- the client ---- */

static unsigned failed;

static void complain(const char *_Nonnull what, int64_t value) {
    (void)fprintf(stderr, "%s: %ld\n", what, value);
    failed++;
}
static void must(status_t status, const char *_Nonnull what) {
    if (status != STATUS_OK) {
        complain(what, status);
    }
}

struct client {
    struct rt_server self;
    handle_t time, timer;
};

static void rest(const struct client *_Nonnull client, uint64_t for_ns) {
    struct packet packet = {};
    must(rt_timer_set(client->timer, rt_clock_ns() + for_ns, 1, 0), "timer");
    struct syscall_registers r = {.number = SYS_WAIT,
                                  .a = client->self.waitset,
                                  .b = rt_address(&packet),
                                  .words = {1, DEADLINE_NEVER}};
    rt_invoke(&r);
}

static int64_t offset_now(void) {
    return (int64_t)rt_realtime_ns() - (int64_t)rt_clock_ns();
}

static void check_set(const struct client *_Nonnull client, int64_t round) {
    int64_t wanted = (1700000000 + round * 86399) * SECOND;
    int64_t machine = 0;
    must(time_set(client->time, wanted), "set");
    int64_t late = (int64_t)rt_realtime_ns() - wanted;
    if (late < 0 || late > SECOND) {
        complain("the clock after it was set", late);
    }
    must(time_hardware(client->time, &machine), "hardware");
    if (machine != wanted) {
        complain("the machine's clock after it was set", machine - wanted);
    }
    if (time_set(client->time, -1) != STATUS_BAD_ARGUMENT) {
        complain("set to before 1970", 0);
    }
}

/* `sign`: forward or back. */
static void check_slew(const struct client *_Nonnull client, int64_t sign) {
    int64_t before = offset_now();
    int64_t left = 0;
    int64_t none = 0;
    must(time_adjust(client->time, sign * SLEW_NS, &left), "adjust");
    if (left != 0) {
        complain("what was left of no slew", left);
    }
    for (unsigned i = 0; i < 12; i++) {
        rest(client, (uint64_t)SECOND);
    }
    int64_t moved = (offset_now() - before) * sign;
    if (moved < SLEW_NS - TOLERANCE_NS || moved > SLEW_NS + TOLERANCE_NS) {
        complain("the slew moved the clock by", moved);
    }
    must(time_adjust(client->time, 0, &none), "adjust");
    if (none != 0) {
        complain("left after the slew", none);
    }
}

static void check_zone(const struct client *_Nonnull client, int64_t round) {
    static const struct rt_bytes rules[2] = {{3, (const uint8_t *)"UTC"},
                                             {16, (const uint8_t *)"CET-1CEST,M3.5.0"}};
    struct rt_bytes rule = rules[round % 2];
    uint8_t got[64];
    uint64_t size = 0;
    must(time_set_zone(client->time, rule), "set zone");
    must(time_zone(client->time, RT_BUFFER_OF(got), &size), "zone");
    if (size != rule.size || memcmp(got, SOME(rule.data), rule.size) != 0) {
        complain("the zone's rule", (int64_t)size);
    }
}

static void client_main(uint64_t mode, uint64_t page) {
    struct client client;
    rt_server_begin(&client.self, mode, page);
    client.time = rt_start_handle(&client.self, "time");
    must(rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &client.timer), "event");
    must(rt_bind(client.self.waitset, client.timer, UINT32_MAX, 1, 0), "bind");
    for (int64_t round = 0; round < ROUNDS; round++) {
        check_set(&client, round);
        check_slew(&client, round % 2 == 0 ? 1 : -1);
        check_zone(&client, round);
    }
    (void)service_power(rt_start_handle(&client.self, "supervisor"), SERVICE_POWER_OFF, failed);
}

/* In the place of `process`: knows nobody. */
static void ignorant_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    (void)server;
    request->reply->status = STATUS_NOT_SUPPORTED;
}
static void ignorant_packet(struct rt_server *_Nonnull server,
                            const struct rt_packet *_Nonnull packet) {
    (void)server;
    (void)packet;
}
static void ignorant_main(uint64_t mode, uint64_t page) {
    struct rt_server server;
    rt_server_begin(&server, mode, page);
    rt_server_run(&server, &(struct rt_service){ignorant_call, ignorant_packet});
}

int main(int argc, char **argv) {
    static const struct sim_program_entry programs[] = {
        {"time", time_main}, {"client", client_main}, {"ignorant", ignorant_main}};
    world.port_access = clock_access;
    world_add(BOOT_PROGRAM, "time", "x");
    world_add(BOOT_PROGRAM, "client", "x");
    world_add(BOOT_PROGRAM, "ignorant", "x");
    world_add_manifest("time");
    world_add(BOOT_MANIFEST, "process", "service process\nprogram ignorant\n");
    world_add(BOOT_MANIFEST, "client",
              "service client\nprogram client\nrestart never\npriority 1\n"
              "needs time as time\nneeds supervisor as supervisor\n");
    world.kills_wanted = 0;
    return world_run(argc, argv, programs, ARRAY_LENGTH(programs), "time");
}
