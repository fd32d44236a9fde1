/* The real supervisor under kills: a counting service, and clients that need it, all from
 * manifests. Server and supervisor are killed at random system calls; each client's calls are still
 * done exactly once, and the last client powers the machine off with the result. */
#include "idl/service.h"
#include "lib/rt/server.h"
#include "tests/sim/world.h"

enum { CLIENTS = 3, CALLS_EACH = 400, METHOD_ADD = 7 };

struct counter {
    struct rt_record_header header;
    uint64_t sums[32];
};

static uint64_t server_kills, supervisor_kills;
static unsigned finished, failed;

/* ---- the counting service: every client's sum, by the cookie of its session ---- */

static void counter_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    const struct counter *vault = server->vault_data;
    uint64_t who = request->cookie & 31;
    struct counter next = *vault;
    next.header = (struct rt_record_header){.kind = 1, .version = 1, .size = sizeof next};
    next.sums[who] += request->words[0];
    request->reply->status = rt_stage_record(server, vault, &next.header);
    request->reply->word_count = 1;
    request->reply->words[0] = next.sums[who];
}

static void no_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    (void)server;
    (void)packet;
}

static void counter_main(uint64_t mode, uint64_t page) {
    struct rt_server server;
    rt_server_begin(&server, mode, page);
    const struct counter *vault = server.vault_data;
    if (vault->header.kind != 0 && rt_record_checksum(&vault->header) != vault->header.checksum) {
        rt_vault_corrupt(&server, "counter");
    }
    rt_server_run(&server, &(struct rt_service){counter_call, no_packet});
}

/* ---- clients ---- */

static void client_main(uint64_t mode, uint64_t page) {
    struct rt_server self;
    rt_server_begin(&self, mode, page);
    handle_t counter = rt_start_handle(&self, "counter");
    uint64_t expected = 0;
    for (uint64_t i = 1; i <= CALLS_EACH; i++) {
        struct rt_call call = {
            .label = METHOD_ADD, .word_count = 1, .timeout_ns = RT_TIMEOUT_NEVER};
        call.words[0] = i;
        expected += i;
        status_t status = rt_call(counter, &call);
        if (status != STATUS_OK || call.words[0] != expected) {
            (void)fprintf(stderr, "%s: call %lu: status %d, sum %lu, expected %lu\n",
                          self.start->service, i, (int)status, call.words[0], expected);
            failed++;
            break;
        }
    }
    finished++;
    if (finished == CLIENTS) {
        (void)service_power(rt_start_handle(&self, "supervisor"), SERVICE_POWER_OFF, failed);
    }
    rt_exit(0);
}

/* ---- a boot image ---- */

static void build_image(void) {
    world_add(BOOT_PROGRAM, "counter", "x");
    world_add(BOOT_PROGRAM, "client", "x");
    world_add(BOOT_MANIFEST, "counter", "service counter\nprogram counter\nvault 1\n");
    world_add(BOOT_MANIFEST, "client-a",
              "# a client\nservice client-a\nprogram client\nrestart never\npriority 1\n"
              "needs counter as counter\nneeds supervisor as supervisor\n");
    world_add(BOOT_MANIFEST, "client-b",
              "service client-b\nprogram client\nrestart never\npriority 1\n"
              "needs counter as counter\nneeds supervisor as supervisor\n");
    world_add(BOOT_MANIFEST, "client-c",
              "service client-c\nprogram client\nrestart never\npriority 1\n"
              "needs counter as counter\nneeds supervisor as supervisor\n");
}

static void before_call(uint64_t serial, uint64_t number) {
    (void)serial;
    (void)number;
    if (server_kills + supervisor_kills >= world.kills_wanted || sim_calls() < 300) {
        return;
    }
    if (sim_random() % 80 == 0) {
        server_kills += sim_kill("counter", EXIT_KILLED);
    } else if (sim_random() % 400 == 0) {
        supervisor_kills += sim_kill("supervisor", EXIT_KILLED);
    }
}

int main(int argc, char **argv) {
    uint64_t seed = world_arguments(argc, argv, 30);
    static const struct sim_program_entry programs[] = {{"counter", counter_main},
                                                        {"client", client_main}};
    build_image();
    int code = world_simulate(seed, programs, ARRAY_LENGTH(programs), before_call);
    printf("seed %lu: exit %d, %lu kills of the server, %lu of the supervisor\n", seed, code,
           server_kills, supervisor_kills);
    return code == 0 && server_kills + supervisor_kills >= world.kills_wanted ? 0 : 1;
}
