/* Nested calls under kills: client → front → back. Front adds a number to its own sum and asks back
 * to add it too, under a fixed step; both are killed at random system calls, and clients are killed
 * and replaced as well. In the end front's and back's sums are exactly what the clients that
 * finished asked for, and no more than one call's worth beyond it for each client that was killed.
 */
#include "idl/service.h"
#include "lib/rt/server.h"
#include "tests/sim/world.h"

enum { CLIENTS = 3, CALLS_EACH = 300, METHOD_ADD = 7, METHOD_READ = 8, KEPT = 16 };

struct sums {
    struct rt_record_header header;
    uint64_t total, calls;
};
struct vault {
    struct sums sums;
    struct rt_kept kept[KEPT];
};

static uint64_t front_kills, back_kills;
static unsigned finished;
static uint64_t asked;

static void no_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    (void)server;
    (void)packet;
}

static status_t stage_sum(struct rt_server *_Nonnull server, uint64_t amount,
                          uint64_t *_Nonnull out_total) {
    const struct vault *vault = server->vault_data;
    struct sums next = vault->sums;
    next.header = (struct rt_record_header){.kind = 1, .version = 1, .size = sizeof next};
    next.total += amount;
    next.calls++;
    *out_total = next.total;
    return rt_stage_record(server, &vault->sums, &next.header);
}

static void back_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    const struct vault *vault = server->vault_data;
    (void)rt_clock_ns();
    if (request->label == METHOD_READ) {
        request->reply->word_count = 1;
        request->reply->words[0] = vault->sums.total;
        return;
    }
    request->reply->word_count = 1;
    request->reply->status = stage_sum(server, request->words[0], &request->reply->words[0]);
}

static void front_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    const struct vault *vault = server->vault_data;
    handle_t back = rt_start_handle(server, "back");
    if (request->label == METHOD_READ) {
        request->reply->word_count = 1;
        request->reply->words[0] = vault->sums.total;
        return;
    }
    struct rt_call call = {.label = METHOD_ADD, .word_count = 1, .timeout_ns = RT_TIMEOUT_NEVER};
    call.words[0] = request->words[0];
    status_t status = rt_call_nested(SOME(request->context), 1, back, &call);
    (void)rt_clock_ns();
    if (status == STATUS_OK) {
        call =
            (struct rt_call){.label = METHOD_ADD, .word_count = 1, .timeout_ns = RT_TIMEOUT_NEVER};
        call.words[0] = 1000000; /* a second step, with an effect of its own */
        status = rt_call_nested(SOME(request->context), 2, back, &call);
    }
    if (status == STATUS_OK) {
        request->reply->word_count = 1;
        status = stage_sum(server, request->words[0], &request->reply->words[0]);
    }
    request->reply->status = status;
}

static void begin(struct rt_server *_Nonnull server, uint64_t mode, uint64_t page) {
    rt_server_begin(server, mode, page);
    const struct vault *vault = server->vault_data;
    if (vault->sums.header.kind != 0 &&
        rt_record_checksum(&vault->sums.header) != vault->sums.header.checksum) {
        rt_vault_corrupt(server, "sums");
    }
    rt_server_keep_replies(server, &vault->kept[0], KEPT);
}

static void back_main(uint64_t mode, uint64_t page) {
    struct rt_server server;
    begin(&server, mode, page);
    rt_server_run(&server, &(struct rt_service){back_call, no_packet});
}

static void front_main(uint64_t mode, uint64_t page) {
    struct rt_server server;
    begin(&server, mode, page);
    rt_server_run(&server, &(struct rt_service){front_call, no_packet});
}

static uint64_t read_sum(handle_t session) {
    struct rt_call call = {.label = METHOD_READ, .timeout_ns = RT_TIMEOUT_NEVER};
    return rt_call(session, &call) == STATUS_OK ? call.words[0] : UINT64_MAX;
}

static void client_main(uint64_t mode, uint64_t page) {
    struct rt_server self;
    rt_server_begin(&self, mode, page);
    handle_t front = rt_start_handle(&self, "front");
    for (uint64_t i = 1; i <= CALLS_EACH; i++) {
        struct rt_call call = {
            .label = METHOD_ADD, .word_count = 1, .timeout_ns = RT_TIMEOUT_NEVER};
        call.words[0] = i;
        asked += i;
        if (rt_call(front, &call) != STATUS_OK) {
            (void)fprintf(stderr, "%s: call %lu failed\n", self.start->service, i);
            asked += 1ull << 40;
        }
    }
    finished++;
    if (finished == CLIENTS) {
        uint64_t at_front = read_sum(front);
        uint64_t at_back = read_sum(rt_start_handle(&self, "back"));
        uint64_t steps = (uint64_t)CLIENTS * CALLS_EACH * 1000000;
        bool right = at_front == asked && at_back == asked + steps;
        (void)fprintf(stderr, "front %lu back %lu asked %lu\n", at_front, at_back - steps, asked);
        (void)service_power(rt_start_handle(&self, "supervisor"), SERVICE_POWER_OFF, right ? 0 : 1);
    }
    rt_exit(0);
}

/* ---- a boot image ---- */

static void build_image(void) {
    const char *client = "program client\nrestart never\npriority 1\nneeds front as front\n"
                         "needs back as back\nneeds supervisor as supervisor\nservice client-";
    char text[256];
    world_add(BOOT_PROGRAM, "front", "x");
    world_add(BOOT_PROGRAM, "back", "x");
    world_add(BOOT_PROGRAM, "client", "x");
    world_add(BOOT_MANIFEST, "back", "service back\nprogram back\nvault 2\n");
    world_add(BOOT_MANIFEST, "front",
              "service front\nprogram front\nvault 2\nneeds back as back\n");
    for (unsigned i = 0; i < CLIENTS; i++) {
        (void)snprintf(text, sizeof text, "%s%u\n", client, i);
        world_add(BOOT_MANIFEST, "client", text);
    }
}

static void before_call(uint64_t serial, uint64_t number) {
    (void)serial;
    (void)number;
    if (front_kills + back_kills >= world.kills_wanted || sim_calls() < 300) {
        return;
    }
    uint64_t die = sim_random();
    if (die % 100 == 0) {
        front_kills += sim_kill("front", EXIT_KILLED);
    } else if (die % 100 == 1) {
        back_kills += sim_kill("back", EXIT_KILLED);
    }
}

int main(int argc, char **argv) {
    uint64_t seed = world_arguments(argc, argv, 200);
    static const struct sim_program_entry programs[] = {
        {"front", front_main}, {"back", back_main}, {"client", client_main}};
    build_image();
    int code = world_simulate(seed, programs, ARRAY_LENGTH(programs), before_call);
    printf("seed %lu: exit %d, %lu kills of the front, %lu of the back\n", seed, code, front_kills,
           back_kills);
    return code == 0 && front_kills + back_kills >= world.kills_wanted ? 0 : 1;
}
