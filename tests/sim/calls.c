/* The promise that everything else rests on: a stateful server is killed at any system call, and
 * its clients see each of their calls done exactly once.
 *
 * A small supervisor of its own (the real one has a test of its own) runs one counting server with
 * a vault, and clients that each add numbers and check the sums that come back. The server adds in
 * two steps: it reads its vault, stages the new sum, and replies; a doubled or lost call shows as a
 * wrong sum. Kills come from the seed, a thousand of them in a run. */
#include "kernel/arch/sim/sim.h"
#include "lib/base/bytes.h"
#include "lib/rt/server.h"
#include <stdio.h>
#include <stdlib.h>

enum { CLIENTS = 4, CALLS_EACH = 3000, METHOD_ADD = 7 };

struct counter {
    struct rt_record_header header;
    uint64_t sums[CLIENTS];
    uint64_t calls;
};

static uint64_t kills_wanted, kills_done;
static uint64_t repeated_seen;

/* ---- the server ---- */

static void server_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    const struct counter *vault = server->vault_data;
    uint64_t who = request->cookie;
    if ((request->page->received.state & CALL_STATE_REPEATED) != 0) {
        repeated_seen++;
    }
    if (request->label != METHOD_ADD || who >= CLIENTS) {
        request->reply->status = STATUS_BAD_METHOD;
        return;
    }
    struct counter next = *vault;
    next.header = (struct rt_record_header){.kind = 1, .version = 1, .size = sizeof next};
    next.sums[who] += request->words[0];
    next.calls++;
    (void)rt_clock_ns(); /* a place to die between reading and answering */
    status_t status = rt_stage_record(server, vault, &next.header);
    request->reply->status = status;
    request->reply->word_count = 1;
    request->reply->words[0] = next.sums[who];
    (void)rt_clock_ns();
}

static void server_packet(struct rt_server *_Nonnull server,
                          const struct rt_packet *_Nonnull packet) {
    (void)server;
    (void)packet;
}

static void counter_main(uint64_t mode, uint64_t page) {
    struct rt_server server;
    rt_server_begin(&server, mode, page);
    const struct counter *vault = server.vault_data;
    if (mode != START_FRESH && vault->header.kind != 0 &&
        rt_record_checksum(&vault->header) != vault->header.checksum) {
        rt_vault_corrupt(&server, "counter");
    }
    rt_server_run(&server, &(struct rt_service){server_call, server_packet});
}

/* ---- a client ---- */

static void client_main(uint64_t mode, uint64_t page) {
    (void)page;
    handle_t session = RT_START_HANDLE;
    uint64_t expected = 0;
    for (uint64_t i = 0; i < CALLS_EACH; i++) {
        struct rt_call call = {
            .label = METHOD_ADD, .word_count = 1, .timeout_ns = RT_TIMEOUT_NEVER};
        call.words[0] = i * 3 + mode;
        expected += call.words[0];
        status_t status = rt_call(session, &call);
        if (status != STATUS_OK || call.words[0] != expected) {
            (void)fprintf(stderr, "client %lu call %lu: status %d, sum %lu, expected %lu\n", mode,
                          i, (int)status, call.words[0], expected);
            rt_exit(1);
        }
    }
    rt_exit(0);
}

/* ---- the supervisor of this test ---- */

struct world {
    handle_t endpoint, vault, keep, start, waitset, server;
    unsigned finished;
};

static void expect(status_t status, const char *_Nonnull what) {
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "supervisor: %s: status %d\n", what, (int)status);
        rt_exit(1);
    }
}

static handle_t start_process(const char *_Nonnull name, sim_program_t _Nonnull program,
                              uint64_t mode, uint64_t priority, const handle_t *_Nonnull first,
                              size_t count) {
    handle_t process = HANDLE_NONE;
    handle_t thread = HANDLE_NONE;
    uint32_t placed = 0;
    expect(rt_object_create(OBJECT_PROCESS, BOOT_HANDLE_DOMAIN, 0, 0, 0, 0, &process), "process");
    expect(rt_object_set(process, SET_NAME, rt_address(name), text_length(name, 31)), "name");
    UNSAFE_BEGIN
    for (size_t i = 0; i < count; i++) {
        expect(rt_handle_move(0, first[i], process, HANDLE_MOVE_ANY, RIGHT_ALL, HANDLE_MOVE_COPY,
                              &placed),
               "handle");
    }
    UNSAFE_END
    expect(rt_object_create(OBJECT_THREAD, process, priority, 1, 0, 0, &thread), "thread");
    expect(rt_thread_start(thread, (uint64_t)(uintptr_t)program, 0, mode, 0, 0), "start");
    rt_handle_close(thread);
    return process;
}

static void start_server(struct world *_Nonnull world, uint64_t mode) {
    const handle_t handles[] = {world->start, world->endpoint, world->vault, world->keep};
    world->server = start_process("server", counter_main, mode, PRIORITY_SERVER, handles, 4);
}

static void make_start_page(struct world *_Nonnull world) {
    struct rt_start start = {.version = RT_START_VERSION, .count = 3, .vault_size = PAGE_SIZE};
    const char *names[] = {"endpoint", "vault", "keep"};
    for (uint32_t i = 0; i < 3; i++) {
        bytes_copy(start.entries[i].name, names[i], text_length(names[i], 23));
        start.entries[i].handle = RT_START_HANDLE + 1 + i;
    }
    bytes_copy(start.service, "counter", 7);
    expect(rt_object_create(OBJECT_MEMORY, 0, sizeof start, 0, 0, 0, &world->start), "start page");
    expect(rt_memory_copy(world->start, 0, rt_address(&start), sizeof start, MEMORY_FROM_CALLER),
           "start page");
}

static void supervisor_main(uint64_t mode, uint64_t page) {
    (void)page;
    struct world world = {};
    CHECK(mode == START_FRESH);
    expect(rt_object_create(OBJECT_ENDPOINT, 0, 0, 0, 0, 0, &world.endpoint), "endpoint");
    expect(rt_object_create(OBJECT_MEMORY, 0, PAGE_SIZE, MEMORY_WIRED, 0, 0, &world.vault),
           "vault");
    expect(rt_object_create(OBJECT_KEEP, 0, 16, 0, 0, 0, &world.keep), "keep");
    expect(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &world.waitset), "waitset");
    expect(rt_bind(world.waitset, BOOT_HANDLE_DOMAIN, UINT32_MAX, 1, 0), "bind");
    make_start_page(&world);
    start_server(&world, START_FRESH);
    for (uint64_t i = 0; i < CLIENTS; i++) {
        handle_t whole = HANDLE_NONE;
        handle_t session = HANDLE_NONE;
        expect(rt_object_create(OBJECT_SESSION, world.endpoint, i, SESSION_LIVE, 0, 0, &whole),
               "session");
        expect(rt_handle_duplicate(whole, RIGHT_ALL & ~(uint32_t)RIGHT_RECEIVE, &session),
               "session");
        rt_handle_close(whole);
        handle_t client = start_process("client", client_main, i, PRIORITY_FAIR, &session, 1);
        rt_handle_close(session);
        rt_handle_close(client);
    }
    while (world.finished < CLIENTS) {
        struct packet packet = {};
        struct syscall_registers r = {.number = SYS_WAIT,
                                      .a = world.waitset,
                                      .b = rt_address(&packet),
                                      .words = {1, DEADLINE_NEVER}};
        rt_invoke(&r);
        expect((status_t)(int32_t)r.number, "wait");
        struct process_info info = {};
        bool is_server =
            rt_object_info(world.server, INFO_PROCESS, &info, sizeof info) == STATUS_OK &&
            info.serial == packet.words[3];
        if (is_server) {
            (void)rt_object_set(world.server, SET_FORGET, 0, 0);
            rt_handle_close(world.server);
            start_server(&world, START_RESTARTED);
        } else if (packet.words[0] != 0) {
            rt_exit((int64_t)packet.words[0]);
        } else {
            world.finished++;
        }
    }
    rt_exit(0);
}

/* ---- the harness ---- */

static void before_call(uint64_t serial, uint64_t number) {
    (void)serial;
    (void)number;
    if (kills_done < kills_wanted && sim_random() % 40 == 0) {
        kills_done += sim_kill("server", sim_random() % 2 == 0 ? EXIT_KILLED : EXIT_KILLED);
    }
}

int main(int argc, char **argv) {
    UNSAFE_BEGIN
    uint64_t seed = argc > 1 ? strtoull(argv[1], nullptr, 10) : 1;
    kills_wanted = argc > 2 ? strtoull(argv[2], nullptr, 10) : 1000;
    uint32_t cpus = argc > 3 ? (uint32_t)strtoull(argv[3], nullptr, 10) : 1;
    UNSAFE_END
    struct sim_options options = {
        .memory_pages = 4096, .cpu_count = cpus, .seed = seed, .before_call = before_call};
    int code = sim_run(&options, supervisor_main);
    printf("seed %lu: exit %d, %lu kills, %lu calls repeated, %lu system calls\n", seed, code,
           kills_done, repeated_seen, sim_calls());
    return code == 0 && (kills_done == kills_wanted) ? 0 : 1;
}
