/* The kernel's debug shell tells the truth, whatever happens around it, and survives whatever is
 * typed. Three askers call a keeper, which parks each call until a freer comes; the keeper is
 * killed at random system calls. Before system calls that chance chooses, `waits` is typed, and
 * what it shows is compared with what the askers themselves know; or any command, or nonsense. */
#include "kernel/debug/shell.h"
#include "tests/sim/servers.h"
#include <string.h>

enum { ASKERS = 3, CALLS_EACH = 200, METHOD_KEEP = 8, METHOD_FREE = 9, SHOWN_SIZE = 1 << 16 };

static uint64_t serials[ASKERS]; /* of their processes */
static bool in_call[ASKERS], freed[ASKERS];
static bool received[ASKERS]; /* by the keeper that lives now */
static unsigned finished;
static uint64_t compared, seen_parked, seen_queued, nonsense;

/* ---- keeper, askers, freer ---- */

struct keeper {
    uint64_t parked[ASKERS];
};

static void free_parked(struct rt_server *_Nonnull server) {
    struct keeper *self = SOME(server->state);
    for (uint32_t i = 0; i < ASKERS; i++) {
        if (self->parked[i] != 0) {
            struct rt_reply reply = rt_reply_for(server, self->parked[i]);
            self->parked[i] = 0;
            freed[i] = true;
            (void)rt_answer(server, &reply);
        }
    }
}

static void keeper_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    struct keeper *self = SOME(server->state);
    if (request->label == METHOD_KEEP && request->cookie < ASKERS) {
        (void)rt_clock_ns(); /* a place to be looked at, or to die */
        received[request->cookie] = true;
        self->parked[request->cookie] = request->token;
        request->reply->outcome = RT_PARK;
        return;
    }
    free_parked(server);
}

static void keeper_packet(struct rt_server *_Nonnull server,
                          const struct rt_packet *_Nonnull packet) {
    (void)server;
    (void)packet;
}

static void keeper_main(uint64_t mode, uint64_t page) {
    struct rt_server server;
    struct keeper self = {};
    rt_server_begin(&server, mode, page);
    server.state = &self;
    rt_server_run(&server, &(struct rt_service){keeper_call, keeper_packet});
}

static void asker_main(uint64_t mode, uint64_t page) {
    (void)page;
    struct process_info info = {};
    expect(rt_object_info(0, INFO_PROCESS, &info, sizeof info), "own process");
    serials[mode] = info.serial;
    for (uint32_t i = 0; i < CALLS_EACH; i++) {
        struct rt_call call = {.label = METHOD_KEEP, .timeout_ns = RT_TIMEOUT_NEVER};
        freed[mode] = false;
        received[mode] = false;
        in_call[mode] = true;
        expect(rt_call(RT_START_HANDLE, &call), "keep");
        in_call[mode] = false;
    }
    finished++;
    rt_exit(0);
}

static void freer_main(uint64_t mode, uint64_t page) {
    (void)mode;
    (void)page;
    while (finished < ASKERS) {
        struct rt_call call = {.label = METHOD_FREE, .timeout_ns = RT_TIMEOUT_NEVER};
        expect(rt_call(RT_START_HANDLE, &call), "free");
        for (unsigned i = 0; i < 10; i++) {
            (void)rt_clock_ns();
        }
    }
    rt_exit(0);
}

static struct service keeper = {
    .name = "keeper", .main = keeper_main, .vault_pages = 1, .keep_slots = 4};

static void supervisor_main(uint64_t mode, uint64_t page) {
    (void)page;
    CHECK(mode == START_FRESH);
    service_make(&keeper);
    service_start(&keeper, START_FRESH);
    for (uint64_t i = 0; i <= ASKERS; i++) {
        handle_t session = service_session(&keeper, i);
        rt_handle_close(i < ASKERS
                            ? start_process("asker", asker_main, i, PRIORITY_FAIR, &session, 1)
                            : start_process("freer", freer_main, i, PRIORITY_FAIR, &session, 1));
        rt_handle_close(session);
    }
    supervise((struct services){.count = 1, .at = &keeper}, ASKERS + 1);
    rt_exit(0);
}

/* ---- what is typed, and what is shown ---- */

static char shown[SHOWN_SIZE];
static size_t shown_length;

static void show(void *_Nullable context, char c) {
    (void)context;
    if (shown_length < SHOWN_SIZE - 1) {
        shown[shown_length++] = c;
    }
}

static void fail(const char *_Nonnull what) {
    (void)fprintf(stderr, "shell: %s; it showed:\n%s\n", what, shown);
    exit(1);
}

static void type(const char *_Nonnull text, size_t length) LOCKED {
    static const struct shell_out out = {show, nullptr};
    shown_length = 0;
    for (size_t i = 0; i < length; i++) {
        shell_type(&out, *(const uint8_t *)bytes_at_const(text, i));
    }
    shell_type(&out, '\r');
    shown[shown_length] = '\0';
    if (shown_length < 2 || !text_equal(bytes_at_const(shown, shown_length - 2), "> ")) {
        fail("no prompt");
    }
}

static void compare_waits(uint64_t caller) LOCKED {
    type("waits", 5);
    for (uint32_t i = 0; i < ASKERS; i++) {
        char line[64];
        (void)snprintf(line, sizeof line, "asker (process %lu), thread ", serials[i]);
        const char *found = serials[i] != 0 ? strstr(shown, line) : nullptr;
        if (found == nullptr) {
            if (in_call[i] && !freed[i] && serials[i] != caller) {
                fail("an asker's call is missing");
            }
            continue;
        }
        char at_keeper[64];
        char at_nobody[64];
        char rest[256] = {};
        bytes_copy(rest, found, text_length(found, sizeof rest - 1));
        *strchrnul(rest, '\n') = '\0';
        (void)snprintf(at_keeper, sizeof at_keeper, " of keeper (process ");
        (void)snprintf(at_nobody, sizeof at_nobody, " of nobody: ");
        if (!in_call[i] || strstr(rest, ": calls endpoint ") == nullptr ||
            (strstr(rest, at_keeper) == nullptr && strstr(rest, at_nobody) == nullptr)) {
            fail("an asker is in no such call");
        }
        bool parked = strstr(rest, ": parked, label 8,") != nullptr;
        bool queued = strstr(rest, ": queued, label 8,") != nullptr;
        if (received[i] ? queued : parked) {
            fail("an asker's call is in another state");
        }
        compared++;
        seen_parked += parked;
        seen_queued += queued;
    }
}

static void type_anything(void) LOCKED {
    static const char *_Nonnull const lines[] = {
        "?",
        "help",
        "processes",
        "threads",
        "threads asker",
        "threads 0",
        "endpoints",
        "waits",
        "memory",
        "domains",
        "handles keeper",
        "space freer",
        "processors",
        "trace",
        "trace 5",
        "trace x",
        "space",
        "handles 9 9",
        "e",
        "p",
        "",
        "threads 99999999999999999999",
        "space 18446744073709551615",
    };
    char bytes[200];
    if (sim_random() % 2 == 0) {
        const char *line = lines[sim_random() % ARRAY_LENGTH(lines)];
        type(line, text_length(line, 100));
        return;
    }
    size_t length = sim_random() % sizeof bytes;
    for (size_t i = 0; i < length; i++) {
        uint64_t any = sim_random();
        bytes[i] = (char)(any % 4 == 0 ? any >> 8 & 0x7f : ' ' + (any >> 8 & 0x3f));
    }
    nonsense++;
    type(bytes, length);
}

static void look(uint64_t serial, uint64_t number) LOCKED {
    uint64_t chance = sim_random();
    if (chance % 8 == 0) {
        compare_waits(serial);
    } else if (chance % 8 == 1) {
        type_anything();
    }
    uint64_t kills = kills_done;
    before_call(serial, number);
    for (uint32_t i = 0; i < ASKERS && kills_done != kills; i++) {
        received[i] = false;
    }
}

int main(int argc, char **argv) {
    UNSAFE_BEGIN
    uint64_t seed = argc > 1 ? strtoull(argv[1], nullptr, 10) : 1;
    kills_wanted = argc > 2 ? strtoull(argv[2], nullptr, 10) : 50;
    UNSAFE_END
    kill_names[kill_name_count++] = "keeper";
    struct sim_options options = {
        .memory_pages = 4096, .cpu_count = 1, .seed = seed, .before_call = look};
    int code = sim_run(&options, supervisor_main);
    printf("seed %lu: exit %d, %lu kills, %lu calls compared: %lu parked, %lu queued; %lu lines of "
           "nonsense\n",
           seed, code, kills_done, compared, seen_parked, seen_queued, nonsense);
    bool enough = compared > 100 && seen_parked > 10 && seen_queued > 0 && nonsense > 10;
    return code == 0 && kills_done >= kills_wanted && enough ? 0 : 1;
}
