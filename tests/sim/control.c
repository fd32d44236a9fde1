/* Services under an administrator: stopped, started, restarted, crashed and updated while clients
 * call, and while server and supervisor are killed at random system calls. Each client's calls are
 * done exactly once whatever happens; each command does what it says; a program that fails its
 * probation gives way to the old one, on the same state; a crash leaves a report that names the
 * call in hand. */
#include "idl/service.h"
#include "lib/rt/server.h"
#include "tests/sim/world.h"

enum { CLIENTS = 2, ROUNDS = 42, PATIENCE = 100000, METHOD_ADD = 7, METHOD_VERSION = 8 };
#define REST_NS 20000000ull
enum { SERVICE_NAME_SIZE = sizeof("counter") - 1 };

struct counter {
    struct rt_record_header header;
    uint64_t sums[32];
};

static unsigned finished, failed, updates, fallbacks, crashes, kills;
static bool stop_clients, updating;

/* ---- the counting service, in versions ---- */

static void counter_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    const struct counter *vault = server->vault_data;
    uint64_t who = request->cookie & 31;
    struct counter next = *vault;
    next.header = (struct rt_record_header){.kind = 1, .version = 1, .size = sizeof next};
    next.sums[who] += request->words[0];
    request->reply->status = rt_stage_record(server, vault, &next.header);
    request->reply->words[0] = next.sums[who];
    request->reply->words[1] = (uint64_t)(uintptr_t)server->state;
    request->reply->word_count = 2;
}

/* Handles one call and faults in the next. */
static void faulty_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    if (server->recent->count > 1) {
        __builtin_trap();
    }
    counter_call(server, request);
}

static void no_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    (void)server;
    (void)packet;
}

static void run(uint64_t mode, uint64_t page, uint64_t version,
                void (*_Nonnull on_call)(struct rt_server *_Nonnull server,
                                         struct rt_request *_Nonnull request)) {
    struct rt_server server;
    rt_server_begin(&server, mode, page);
    const struct counter *vault = server.vault_data;
    if (vault->header.kind != 0 && rt_record_checksum(&vault->header) != vault->header.checksum) {
        rt_vault_corrupt(&server, "counter");
    }
    server.state = rt_pointer(version);
    rt_server_run(&server, &(struct rt_service){on_call, no_packet});
}

static void first_main(uint64_t mode, uint64_t page) {
    run(mode, page, 1, counter_call);
}
static void second_main(uint64_t mode, uint64_t page) {
    run(mode, page, 2, counter_call);
}
static void faulty_main(uint64_t mode, uint64_t page) {
    run(mode, page, 3, faulty_call);
}
/* Says that the state is damaged, which it is not. */
static void lying_main(uint64_t mode, uint64_t page) {
    struct rt_server server;
    rt_server_begin(&server, mode, page);
    rt_vault_corrupt(&server, "says the new program");
}
static void unable_main(uint64_t mode, uint64_t page) {
    (void)mode;
    (void)page;
    rt_exit(RT_EXIT_START);
}

/* ---- clients ---- */

static void complain(const char *_Nonnull what, uint64_t value) {
    (void)fprintf(stderr, "%s: %lu\n", what, value);
    failed++;
}

static void expect(status_t status, status_t wanted, const char *_Nonnull what) {
    if (status != wanted) {
        complain(what, (uint64_t)(uint32_t)status);
    }
}

static uint64_t add(handle_t counter, uint64_t value, uint64_t *_Nonnull out_version) {
    struct rt_call call = {.label = METHOD_ADD, .timeout_ns = RT_TIMEOUT_NEVER, .word_count = 1};
    call.words[0] = value;
    status_t status = rt_call(counter, &call);
    if (status != STATUS_OK) {
        complain("a call failed", (uint64_t)(uint32_t)status);
    }
    *out_version = call.words[1];
    return call.words[0];
}

/* Waits a while of the simulation's time, which passes at once where everybody waits. */
static void rest(handle_t waitset, handle_t timer) {
    struct packet packet = {};
    expect(rt_timer_set(timer, rt_clock_ns() + REST_NS, 1, 0), STATUS_OK, "timer");
    struct syscall_registers r = {
        .number = SYS_WAIT, .a = waitset, .b = rt_address(&packet), .words = {1, DEADLINE_NEVER}};
    rt_invoke(&r);
}

static void client_main(uint64_t mode, uint64_t page) {
    struct rt_server self;
    (void)mode;
    rt_server_begin(&self, mode, page);
    handle_t counter = rt_start_handle(&self, "counter");
    uint64_t expected = 0;
    uint64_t version = 0;
    handle_t timer = HANDLE_NONE;
    expect(rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &timer), STATUS_OK, "event");
    expect(rt_bind(self.waitset, timer, UINT32_MAX, 1, 0), STATUS_OK, "bind");
    for (uint64_t i = 1; !stop_clients; i++) {
        if (i % 4 == 0) {
            rest(self.waitset, timer);
        }
        expected += i;
        if (add(counter, i, &version) != expected) {
            complain("a sum is wrong", i);
            break;
        }
    }
    finished++;
    rt_exit(0);
}

/* ---- the administrator ---- */

static const struct rt_bytes name = {SERVICE_NAME_SIZE, (const uint8_t *)"counter"};

static struct service_status status_now(handle_t supervisor) {
    struct service_status about = {};
    expect(service_status(supervisor, name, &about), STATUS_OK, "status");
    return about;
}

/* All calls that were queued before this one have been answered when it is. */
static uint64_t pass(handle_t counter) {
    uint64_t version = 0;
    if (add(counter, 0, &version) != 0) {
        complain("the administrator's sum", version);
    }
    return version;
}

static void stop_and_start(handle_t supervisor, bool timed) {
    expect(service_stop(supervisor, timed ? 1 : 0, name), STATUS_OK, "stop");
    if (timed) {
        return; /* it starts by itself */
    }
    if (sim_random() % 2 == 0) {
        /* At once, while it may be ending. */
        expect(service_start(supervisor, name), STATUS_OK, "start");
        return;
    }
    struct service_status about = status_now(supervisor);
    for (unsigned i = 0; i < PATIENCE && about.process_serial != 0; i++) {
        about = status_now(supervisor);
    }
    if (about.state != SERVICE_STATE_STOPPED || about.process_serial != 0) {
        complain("it is not stopped", about.state);
    }
    expect(service_start(supervisor, name), STATUS_OK, "start");
}

/* Bytes that contain a text. */
static bool contains(const char *_Nonnull text, const char *_Nonnull part) {
    return strstr(text, part) != nullptr;
}

static void crash(handle_t supervisor, handle_t counter) {
    static char text[8192];
    struct service_report about = {};
    uint64_t size = 0;
    uint64_t before = 0;
    (void)pass(counter);
    if (service_report(supervisor, 0, name, &about, (struct rt_buffer){}, &size) == STATUS_OK) {
        before = about.number;
    }
    status_t asked = service_crash(supervisor, name);
    if (asked == STATUS_BUSY) {
        return; /* killed just now */
    }
    expect(asked, STATUS_OK, "crash");
    (void)pass(counter);
    struct rt_buffer room = {.size = sizeof text - 1, .data = (uint8_t *)text};
    status_t status = service_report(supervisor, 0, name, &about, room, &size);
    if (status == STATUS_NOT_FOUND || about.number == before) {
        return; /* a kill came first */
    }
    expect(status, STATUS_OK, "report");
    text[size] = '\0';
    crashes++;
    if (about.cause != SERVICE_CAUSE_CRASH || !contains(text, "call in hand: 0.7 attempt 1") ||
        !contains(text, "fault unmapped") || !contains(text, "report ")) {
        (void)fputs(text, stderr);
        complain("what the report says", about.cause);
    }
}

static status_t update(handle_t supervisor, const char *_Nonnull program) {
    uint8_t wanted[24] = {};
    bytes_copy(wanted, program, text_length(program, sizeof wanted));
    updating = true;
    status_t status = service_update(supervisor, &wanted, name);
    updating = false;
    return status;
}

static void update_well(handle_t supervisor, handle_t counter, uint32_t round) {
    static const char *const programs[2] = {"first", "second"};
    uint32_t which = round / 2 % 2;
    expect(update(supervisor, SOME(programs[which])), STATUS_OK, "update");
    if (pass(counter) != which + 1) {
        complain("another program runs than was asked for", which);
    }
    updates++;
}

/* What ends by itself while it is replaced is the old program, and no failure of the new one. */
static void update_what_crashes(handle_t supervisor, handle_t counter, uint32_t round) {
    status_t asked = service_crash(supervisor, name);
    if (asked != STATUS_BUSY) {
        expect(asked, STATUS_OK, "crash");
    }
    for (uint32_t i = 0; i < round % 4; i++) {
        (void)status_now(supervisor);
    }
    update_well(supervisor, counter, round);
}

static void update_badly(handle_t supervisor, handle_t counter, uint32_t round) {
    static const char *const programs[3] = {"faulty", "lying", "unable"};
    uint64_t version = pass(counter);
    expect(update(supervisor, SOME(programs[round % 3])), SERVICE_STATUS_ROLLED_BACK,
           "update to a bad program");
    if (pass(counter) != version) {
        complain("the old program does not run again", version);
    }
    fallbacks++;
}

static void refusals(handle_t supervisor) {
    expect(update(supervisor, "absent"), STATUS_NOT_FOUND, "update to no program");
    expect(service_stop(supervisor, 0, RT_STRING("needed")), STATUS_NOT_ALLOWED,
           "stop of an essential one");
    expect(service_restart(supervisor, RT_STRING("nobody")), STATUS_NOT_FOUND, "restart of none");
}

static void administer(handle_t supervisor, handle_t counter, uint32_t round) {
    switch (round % 6) {
    case 0:
        expect(service_restart(supervisor, name), STATUS_OK, "restart");
        return;
    case 1:
        stop_and_start(supervisor, round % 4 == 1);
        return;
    case 2:
        crash(supervisor, counter);
        return;
    case 3:
        update_well(supervisor, counter, round);
        return;
    case 4:
        update_badly(supervisor, counter, round);
        return;
    default:
        refusals(supervisor);
        update_what_crashes(supervisor, counter, round);
        return;
    }
}

static void administrator_main(uint64_t mode, uint64_t page) {
    struct rt_server self;
    rt_server_begin(&self, mode, page);
    handle_t supervisor = rt_start_handle(&self, "supervisor");
    handle_t counter = rt_start_handle(&self, "counter");
    for (uint32_t round = 0; round < ROUNDS; round++) {
        administer(supervisor, counter, round);
        (void)pass(counter);
    }
    struct service_status about = status_now(supervisor);
    if (about.state != SERVICE_STATE_RUNNING || about.poisoned != 0 ||
        about.restarts < ROUNDS / 2) {
        complain("the state at the end", about.state);
    }
    stop_clients = true;
    handle_t timer = HANDLE_NONE;
    expect(rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &timer), STATUS_OK, "event");
    expect(rt_bind(self.waitset, timer, UINT32_MAX, 1, 0), STATUS_OK, "bind");
    for (unsigned i = 0; i < PATIENCE && finished < CLIENTS; i++) {
        rest(self.waitset, timer);
    }
    (void)service_power(supervisor, SERVICE_POWER_OFF, failed + (finished < CLIENTS ? 1 : 0));
}

/* ---- the world ---- */

static void build_image(void) {
    static const char *const programs[] = {"first",  "second",        "faulty", "lying",
                                           "unable", "administrator", "client"};
    for (size_t i = 0; i < ARRAY_LENGTH(programs); i++) {
        world_add(BOOT_PROGRAM, SOME(programs[i]), "x");
    }
    world.may_do_without = true;
    world_add(BOOT_MANIFEST, "counter", "service counter\nprogram first\nvault 1\n");
    world_add(BOOT_MANIFEST, "needed", "service needed\nprogram first\nvault 1\nessential\n");
    world_add(BOOT_MANIFEST, "client-a",
              "service client-a\nprogram client\nrestart never\npriority 1\n"
              "needs counter as counter\n");
    world_add(BOOT_MANIFEST, "client-b",
              "service client-b\nprogram client\nrestart never\npriority 1\n"
              "needs counter as counter\n");
    world_add(BOOT_MANIFEST, "administrator",
              "service administrator\nprogram administrator\nrestart never\npriority 1\n"
              "needs counter as counter\nneeds supervisor as supervisor\n");
}

static void before_call(uint64_t serial, uint64_t number) {
    (void)serial;
    if (kills >= world.kills_wanted || sim_calls() < 300) {
        return;
    }
    if (sim_random() % 400 == 0) {
        kills += sim_kill("counter", EXIT_KILLED);
    } else if (sim_random() % (updating && number == SYS_KILL ? 4 : 800) == 0) {
        /* Often when an update is recorded and the old program still runs. */
        kills += sim_kill("supervisor", EXIT_KILLED);
    }
}

int main(int argc, char **argv) {
    uint64_t seed = world_arguments(argc, argv, 30);
    static const struct sim_program_entry programs[] = {
        {"first", first_main},   {"second", second_main}, {"faulty", faulty_main},
        {"lying", lying_main},   {"unable", unable_main}, {"administrator", administrator_main},
        {"client", client_main},
    };
    build_image();
    int code = world_simulate(seed, programs, ARRAY_LENGTH(programs), before_call);
    printf("seed %lu: exit %d, %u kills, %u updates, %u fallbacks, %u crashes\n", seed, code, kills,
           updates, fallbacks, crashes);
    return code == 0 && kills >= world.kills_wanted && updates > 0 && fallbacks > 0 && crashes > 0
               ? 0
               : 1;
}
