/* The real supervisor under kills: a counting service, and clients that need it, all from
 * manifests. Server and supervisor are killed at random system calls; each client's calls are still
 * done exactly once, and the last client powers the machine off with the result. */
#include "abi/boot.h"
#include "idl/service.h"
#include "kernel/arch/sim/sim.h"
#include "lib/base/bytes.h"
#include "lib/rt/server.h"
#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS = 3, CALLS_EACH = 400, METHOD_ADD = 7 };

void supervisor_main(uint64_t mode, uint64_t page);

struct counter {
    struct rt_record_header header;
    uint64_t sums[32];
};

static uint64_t server_kills, supervisor_kills, kills_wanted;
static unsigned finished, failed;

/* ---- the counting service: every client's sum, by the cookie of its session ---- */

static void counter_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    const struct counter *vault = server->vault_data;
    uint64_t who = request->cookie & 31;
    struct counter next = *vault;
    next.header = (struct rt_record_header){.kind = 1, .version = 1, .size = sizeof next};
    next.sums[who] += request->words[0];
    request->reply->status = rt_stage_record(server, vault, &next.header);
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
        struct rt_call call = {.label = METHOD_ADD, .timeout_ns = RT_TIMEOUT_NEVER};
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

enum { IMAGE_SIZE = 64 * 1024 };
static struct {
    struct boot_header header;
    struct boot_entry entries[16];
    char space[IMAGE_SIZE - sizeof(struct boot_header) - 16 * sizeof(struct boot_entry)];
} image;
static size_t image_end = PAGE_SIZE;

static void add_entry(enum boot_kind kind, const char *_Nonnull name,
                      const char *_Nonnull content) {
    struct boot_entry *entry = &image.entries[image.header.entry_count++];
    bytes_copy(entry->name, name, text_length(name, 63));
    entry->kind = kind;
    entry->offset = image_end;
    entry->size = text_length(content, PAGE_SIZE);
    bytes_copy(bytes_at(&image, image_end), content, (size_t)entry->size);
    image_end += PAGE_SIZE;
}

static void build_image(void) {
    bytes_copy(image.header.magic, "ISOBOOT1", 8);
    add_entry(BOOT_PROGRAM, "counter", "x");
    add_entry(BOOT_PROGRAM, "client", "x");
    add_entry(BOOT_MANIFEST, "counter", "service counter\nprogram counter\nvault 1\n");
    add_entry(BOOT_MANIFEST, "client-a",
              "# a client\nservice client-a\nprogram client\nrestart never\npriority 1\n"
              "needs counter as counter\nneeds supervisor as supervisor\n");
    add_entry(BOOT_MANIFEST, "client-b",
              "service client-b\nprogram client\nrestart never\npriority 1\n"
              "needs counter as counter\nneeds supervisor as supervisor\n");
    add_entry(BOOT_MANIFEST, "client-c",
              "service client-c\nprogram client\nrestart never\npriority 1\n"
              "needs counter as counter\nneeds supervisor as supervisor\n");
    image.header.total_size = image_end;
}

static void before_call(uint64_t serial, uint64_t number) {
    (void)serial;
    (void)number;
    if (server_kills + supervisor_kills >= kills_wanted || sim_calls() < 300) {
        return;
    }
    if (sim_random() % 80 == 0) {
        server_kills += sim_kill("counter", EXIT_KILLED);
    } else if (sim_random() % 400 == 0) {
        supervisor_kills += sim_kill("supervisor", EXIT_KILLED);
    }
}

int main(int argc, char **argv) {
    UNSAFE_BEGIN
    uint64_t seed = argc > 1 ? strtoull(argv[1], nullptr, 10) : 1;
    kills_wanted = argc > 2 ? strtoull(argv[2], nullptr, 10) : 30;
    UNSAFE_END
    static const struct sim_program_entry programs[] = {{"counter", counter_main},
                                                        {"client", client_main}};
    build_image();
    struct sim_options options = {.memory_pages = 4096,
                                  .cpu_count = 1,
                                  .seed = seed,
                                  .before_call = before_call,
                                  .programs = programs,
                                  .program_count = ARRAY_LENGTH(programs),
                                  .image = &image,
                                  .image_size = image_end};
    int code = sim_run(&options, supervisor_main);
    printf("seed %lu: exit %d, %lu kills of the server, %lu of the supervisor\n", seed, code,
           server_kills, supervisor_kills);
    return code == 0 && server_kills + supervisor_kills >= kills_wanted ? 0 : 1;
}
