/* init under kills: it begins one first program, once, with its command, environment and handles,
 * and the machine ends with that program's code, whenever init and `process` are killed. The
 * servers behind the handles are stand-ins; the runtime in the image is a function of this test. */
#include "idl/process.h"
#include "idl/tty.h"
#include "idl/vfs.h"
#include "lib/rt/server.h"
#include "posix/layout.h"
#include "posix/start.h"
#include "servers/process/table.h"
#include "tests/sim/world.h"

void init_main(uint64_t mode, uint64_t page);
void process_main(uint64_t mode, uint64_t page);

enum { CODE = 42, RESTS = 250, ELF_SEGMENT = 512 };

static unsigned starts, failed, kills;

static void complain(const char *_Nonnull what, uint64_t value) {
    (void)fprintf(stderr, "%s: %lu\n", what, value);
    failed++;
}

/* ---- the first program ---- */

static void rest(uint64_t for_ns) {
    handle_t waitset = HANDLE_NONE;
    handle_t timer = HANDLE_NONE;
    struct packet packet = {};
    (void)rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &waitset);
    (void)rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &timer);
    (void)rt_bind(waitset, timer, UINT32_MAX, 1, 0);
    (void)rt_timer_set(timer, rt_clock_ns() + for_ns, 1, 0);
    struct syscall_registers r = {
        .number = SYS_WAIT, .a = waitset, .b = rt_address(&packet), .words = {1, DEADLINE_NEVER}};
    rt_invoke(&r);
    rt_handle_close(waitset);
    rt_handle_close(timer);
}

static void check_handles(const struct start_block *_Nonnull block) {
    static const uint32_t sessions[] = {START_PROCESS, START_VFS, START_ROOT,  START_WORKING,
                                        START_LOCAL,   START_TTY, START_INPUT, START_OUTPUT,
                                        START_ERROR,   START_TIME};
    for (size_t i = 0; i < ARRAY_LENGTH(sessions); i++) {
        struct handle_info info = {};
        if (rt_object_info(block->handles[sessions[i]], INFO_HANDLE, &info, sizeof info) !=
                STATUS_OK ||
            info.type != OBJECT_SESSION) {
            complain("a handle is no session", sessions[i]);
        }
    }
    struct memory_info memory = {};
    if (rt_object_info(block->handles[START_RUNTIME_IMAGE], INFO_MEMORY, &memory, sizeof memory) !=
        STATUS_OK) {
        complain("the runtime's image", 0);
    }
}

static void first_main(uint64_t argument, uint64_t page) {
    const struct start_block *block = rt_pointer(argument);
    (void)page;
    starts++;
    if (block->magic != RUNTIME_MAGIC || block->version != START_VERSION) {
        complain("the start block", block->magic);
    }
    if (strcmp(block->text, "/bin/first") != 0 || block->argument_count != 2) {
        complain("the command", block->argument_count);
    }
    check_handles(block);
    for (unsigned i = 0; i < RESTS; i++) {
        rest(20000000);
    }
    rt_exit(failed == 0 ? CODE : 1);
}

/* ---- stand-ins ---- */

static status_t new_session(struct rt_server *_Nonnull server, handle_t *_Nonnull out) {
    return rt_object_create(OBJECT_SESSION, server->endpoint, 5, 0, 0, 0, out);
}
static status_t stand_in_root(void *_Nonnull state, struct rt_request *_Nonnull request,
                              struct vfs_root_out *_Nonnull out) {
    (void)request;
    return new_session(state, &out->root);
}
static status_t stand_in_open(void *_Nonnull state, struct rt_request *_Nonnull request,
                              const struct tty_open_in *_Nonnull in,
                              struct tty_open_out *_Nonnull out) {
    (void)request;
    (void)in;
    return new_session(state, &out->terminal);
}
static status_t stand_in_drain(void *_Nonnull state, struct rt_request *_Nonnull request,
                               const struct tty_drain_in *_Nonnull in) {
    (void)state;
    (void)request;
    (void)in;
    return STATUS_OK;
}
static void stand_in_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    static const struct vfs_handlers vfs = {.root = stand_in_root};
    static const struct tty_handlers tty = {.open = stand_in_open, .drain = stand_in_drain};
    if (vfs_speaks(request->label)) {
        vfs_dispatch(&vfs, server, request);
    } else if (tty_speaks(request->label)) {
        tty_dispatch(&tty, server, request);
    } else {
        request->reply->status = STATUS_NOT_SUPPORTED;
    }
}
static void stand_in_packet(struct rt_server *_Nonnull server,
                            const struct rt_packet *_Nonnull packet) {
    (void)server;
    (void)packet;
}
static void stand_in_main(uint64_t mode, uint64_t page) {
    struct rt_server server;
    rt_server_begin(&server, mode, page);
    rt_server_run(&server, &(struct rt_service){stand_in_call, stand_in_packet});
}

/* ---- the world ---- */

/* A runtime of one segment that holds no more than its header. */
static void add_runtime(void) {
    static char file[ELF_SEGMENT + sizeof(struct runtime_header)];
    uint64_t table = 64;
    uint16_t count = 1;
    uint64_t segment[7] = {
        1 | 5ull << 32, ELF_SEGMENT, RUNTIME_BASE, RUNTIME_BASE, sizeof(struct runtime_header),
        PAGE_SIZE,      PAGE_SIZE};
    struct runtime_header header = {.magic = RUNTIME_MAGIC,
                                    .version = 1,
                                    .image_size = 2 * PAGE_SIZE,
                                    .start = (uint64_t)(uintptr_t)first_main};
    bytes_copy(&file[32], &table, sizeof table);
    bytes_copy(&file[56], &count, sizeof count);
    bytes_copy(&file[64], segment, sizeof segment);
    bytes_copy(&file[ELF_SEGMENT], &header, sizeof header);
    world_add_bytes(BOOT_RUNTIME, "runtime", (struct rt_bytes){sizeof file, (uint8_t *)file});
}

static void before_call(uint64_t serial, uint64_t number) {
    (void)serial;
    (void)number;
    if (kills < world.kills_wanted && sim_calls() > 100 && sim_random() % 60 == 0) {
        kills += sim_kill(sim_random() % 4 == 0 ? "process" : "init", EXIT_KILLED);
    }
}

int main(int argc, char **argv) {
    static const struct sim_program_entry programs[] = {
        {"init", init_main}, {"process", process_main}, {"stand-in", stand_in_main}};
    static const char *const stand_ins[] = {"vfs", "local", "tty", "time"};
    uint64_t seed = world_arguments(argc, argv, 20);
    world_add(BOOT_PROGRAM, "init", "x");
    world_add(BOOT_PROGRAM, "process", "x");
    world_add(BOOT_PROGRAM, "stand-in", "x");
    world_add_manifest("process");
    for (size_t i = 0; i < ARRAY_LENGTH(stand_ins); i++) {
        char text[80];
        (void)snprintf(text, sizeof text, "service %s\nprogram stand-in\n", SOME(stand_ins[i]));
        world_add(BOOT_MANIFEST, SOME(stand_ins[i]), text);
    }
    world_add(BOOT_MANIFEST, "init",
              "service init\nprogram init\nvault 1\nkeep 4\npages 1000\n"
              "needs process as process\nneeds vfs as vfs\nneeds local as local\n"
              "needs tty as tty\nneeds time as time\nneeds supervisor as supervisor\n"
              "gives image as image\nargument /bin/first argument\n");
    add_runtime();
    int code = world_simulate(seed, programs, ARRAY_LENGTH(programs), before_call);
    printf("seed %lu: exit %d, %u kills, the first program started %u times\n", seed, code, kills,
           starts);
    return code == CODE && starts == 1 && failed == 0 && kills >= world.kills_wanted ? 0 : 1;
}
