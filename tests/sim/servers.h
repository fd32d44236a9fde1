#pragma once
/* A small supervisor for simulations of a few servers and their clients: it starts them, starts a
 * killed server again on its vault and keep, and ends when every client has. (The real supervisor
 * has a simulation of its own.) Included by one tests/sim/NAME.c each. */
#include "kernel/arch/sim/sim.h"
#include "lib/base/bytes.h"
#include "lib/rt/server.h"
#include <stdio.h>
#include <stdlib.h>

enum { SERVICE_GIVEN = 6, FRUITLESS_STARTS = 50 };
struct service {
    const char *_Nonnull name;
    sim_program_t _Nonnull main;
    uint32_t vault_pages, keep_slots;
    /* More entries of its start page. */
    uint32_t given_count;
    const char *_Nullable arguments;
    const char *_Nullable given_names[SERVICE_GIVEN];
    handle_t given[SERVICE_GIVEN];
    /* Filled here. */
    handle_t endpoint, vault, keep, start, process;
    uint64_t starts;
};

static uint64_t kills_wanted, kills_done, kill_odds = 40;
static const char *_Nonnull kill_names[4] = {"", "", "", ""};
static unsigned kill_name_count;

static void expect(status_t status, const char *_Nonnull what) {
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "supervisor: %s: status %d\n", what, (int)status);
        rt_exit(1);
    }
}

UNSAFE_BEGIN
static handle_t start_process(const char *_Nonnull name, sim_program_t _Nonnull program,
                              uint64_t mode, uint64_t priority, const handle_t *_Nonnull first,
                              size_t count) {
    handle_t process = HANDLE_NONE;
    handle_t thread = HANDLE_NONE;
    uint32_t placed = 0;
    expect(rt_object_create(OBJECT_PROCESS, BOOT_HANDLE_DOMAIN, 0, 0, 0, 0, &process), "process");
    expect(rt_object_set(process, SET_NAME, rt_address(name), text_length(name, 31)), "name");
    for (size_t i = 0; i < count; i++) {
        expect(rt_handle_move(0, first[i], process, HANDLE_MOVE_ANY, RIGHT_ALL, HANDLE_MOVE_COPY,
                              &placed),
               "handle");
    }
    expect(rt_object_create(OBJECT_THREAD, process, priority, 1, 0, 0, &thread), "thread");
    expect(rt_thread_start(thread, (uint64_t)(uintptr_t)program, 0, mode, 0, 0), "start");
    rt_handle_close(thread);
    return process;
}
UNSAFE_END

static void service_start(struct service *_Nonnull service, uint64_t mode) {
    handle_t handles[4 + SERVICE_GIVEN] = {service->start, service->endpoint, service->vault,
                                           service->keep};
    for (uint32_t i = 0; i < service->given_count; i++) {
        handles[4 + i] = service->given[i];
    }
    service->starts++;
    service->process = start_process(service->name, service->main, mode, PRIORITY_SERVER,
                                     &handles[0], 4 + service->given_count);
}

static void service_make(struct service *_Nonnull service) {
    struct rt_start start = {.version = RT_START_VERSION,
                             .count = 3 + service->given_count,
                             .vault_size = service->vault_pages * PAGE_SIZE};
    const char *names[3 + SERVICE_GIVEN] = {"endpoint", "vault", "keep"};
    for (uint32_t i = 0; i < service->given_count; i++) {
        names[3 + i] = SOME(service->given_names[i]);
    }
    for (uint32_t i = 0; i < start.count; i++) {
        bytes_copy(start.entries[i].name, names[i], text_length(names[i], 23));
        start.entries[i].handle = RT_START_HANDLE + 1 + i;
    }
    if (service->arguments != nullptr) {
        bytes_copy(start.arguments, SOME(service->arguments),
                   text_length(SOME(service->arguments), 255));
    }
    bytes_copy(start.service, service->name, text_length(service->name, 31));
    expect(rt_object_create(OBJECT_ENDPOINT, 0, 0, 0, 0, 0, &service->endpoint), "endpoint");
    expect(
        rt_object_create(OBJECT_MEMORY, 0, start.vault_size, MEMORY_WIRED, 0, 0, &service->vault),
        "vault");
    expect(rt_object_create(OBJECT_KEEP, 0, service->keep_slots, 0, 0, 0, &service->keep), "keep");
    expect(rt_object_create(OBJECT_MEMORY, 0, sizeof start, 0, 0, 0, &service->start), "page");
    expect(rt_memory_copy(service->start, 0, rt_address(&start), sizeof start, MEMORY_FROM_CALLER),
           "page");
}

/* A session to a service with `cookie`. */
static handle_t service_session(const struct service *_Nonnull service, uint64_t cookie) {
    handle_t whole = HANDLE_NONE;
    handle_t session = HANDLE_NONE;
    expect(rt_object_create(OBJECT_SESSION, service->endpoint, cookie, SESSION_LIVE, 0, 0, &whole),
           "session");
    expect(rt_handle_duplicate(whole, RIGHT_ALL & ~(uint32_t)RIGHT_RECEIVE, &session), "session");
    rt_handle_close(whole);
    return session;
}

struct services {
    size_t count;
    struct service *_Nonnull COUNTED_BY(count) at;
};

/* Serves exits until `clients` processes that are no service have ended well. */
static void supervise(struct services services, unsigned clients) {
    handle_t waitset = HANDLE_NONE;
    unsigned finished = 0;
    expect(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &waitset), "waitset");
    expect(rt_bind(waitset, BOOT_HANDLE_DOMAIN, UINT32_MAX, 1, 0), "bind");
    while (finished < clients) {
        struct packet packet = {};
        struct syscall_registers r = {.number = SYS_WAIT,
                                      .a = waitset,
                                      .b = rt_address(&packet),
                                      .words = {1, DEADLINE_NEVER}};
        rt_invoke(&r);
        expect((status_t)(int32_t)r.number, "wait");
        bool is_service = false;
        for (size_t i = 0; i < services.count; i++) {
            struct service *service = &services.at[i];
            struct process_info info = {};
            status_t status = rt_object_info(service->process, INFO_PROCESS, &info, sizeof info);
            if (status == STATUS_OK && info.serial == packet.words[3]) {
                is_service = true;
                if (service->starts > kills_done + FRUITLESS_STARTS) {
                    (void)fprintf(stderr, "%s ends by itself again and again\n", service->name);
                    rt_exit(3);
                }
                if (info.exit_cause == EXIT_NORMAL) {
                    (void)fprintf(stderr, "%s gave up: %ld\n", service->name, info.exit_code);
                    rt_exit(2);
                }
                (void)rt_object_set(service->process, SET_FORGET, 0, 0);
                rt_handle_close(service->process);
                service_start(service, START_RESTARTED);
            }
        }
        if (!is_service) {
            if (packet.words[0] != 0) {
                rt_exit((int64_t)packet.words[0]);
            }
            finished++;
        }
    }
}

static void before_call(uint64_t serial, uint64_t number) {
    (void)serial;
    (void)number;
    if (kills_done < kills_wanted && sim_random() % kill_odds == 0) {
        /* A fault counts against the call in hand, and the third one poisons it: rarely. */
        enum exit_cause cause = sim_random() % 64 == 0 ? EXIT_FAULT : EXIT_KILLED;
        kills_done += sim_kill(kill_names[sim_random() % kill_name_count], cause);
    }
}

[[maybe_unused]] static int run(sim_program_t _Nonnull supervisor, uint64_t seed, uint32_t pages) {
    struct sim_options options = {
        .memory_pages = pages, .cpu_count = 1, .seed = seed, .before_call = before_call};
    int code = sim_run(&options, supervisor);
    printf("seed %lu: exit %d, %lu kills, %lu system calls\n", seed, code, kills_done, sim_calls());
    return code;
}
