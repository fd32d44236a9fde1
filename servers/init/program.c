/* The first program's process: what posix/start.h asks for. */
#include "idl/process.h"
#include "idl/tty.h"
#include "idl/vfs.h"
#include "servers/init/init.h"

enum { STACK_SIZE = 65536 };

static handle_t give(struct rt_server *_Nonnull server, handle_t process, handle_t handle) {
    uint32_t placed = 0;
    init_must(server, rt_handle_move(0, handle, process, HANDLE_MOVE_ANY, RIGHT_ALL, 0, &placed),
              "handle");
    return placed;
}

/* Gives a copy of what the manifest calls `name`; HANDLE_NONE if it names none. */
static handle_t give_named(struct rt_server *_Nonnull server, handle_t process,
                           const char *_Nonnull name) {
    handle_t copy = HANDLE_NONE;
    handle_t handle = rt_start_handle(server, name);
    if (handle == HANDLE_NONE) {
        return HANDLE_NONE;
    }
    init_must(server, rt_handle_duplicate(handle, RIGHT_ALL, &copy), name);
    return give(server, process, copy);
}

static handle_t clock_memory(struct rt_server *_Nonnull server) {
    struct syscall_registers r = {.number = SYS_SYSTEM, .a = SYSTEM_CLOCK_PAGE};
    rt_invoke(&r);
    init_must(server, (status_t)(int32_t)(uint32_t)r.number, "clock page");
    return (handle_t)r.words[0];
}

/* The console where there is a terminal server, else the log. */
static handle_t standard_stream(struct rt_server *_Nonnull server) {
    handle_t tty = rt_start_handle(server, "tty");
    handle_t terminal = HANDLE_NONE;
    if (tty == HANDLE_NONE) {
        return init_log_stream(server);
    }
    init_must(server, tty_open(tty, 0, true, &terminal), "console");
    return terminal;
}

/* The root directory of the namespace: with it come the mounts. */
static handle_t give_root(struct rt_server *_Nonnull server, handle_t process) {
    handle_t root = HANDLE_NONE;
    init_must(server, vfs_root(rt_start_handle(server, "vfs"), &root), "root directory");
    return give(server, process, root);
}

static void give_handles(struct rt_server *_Nonnull server, handle_t process,
                         const struct runtime *_Nonnull runtime,
                         struct start_block *_Nonnull block) {
    block->handles[START_VFS] = give_named(server, process, "vfs");
    block->handles[START_ROOT] = give_root(server, process);
    block->handles[START_WORKING] = give_root(server, process);
    block->handles[START_LOCAL] = give_named(server, process, "local");
    block->handles[START_TTY] = give_named(server, process, "tty");
    block->handles[START_TIME] = give_named(server, process, "time");
    block->handles[START_RUNTIME_IMAGE] = give(server, process, runtime->memory);
    block->handles[START_CLOCK] = give(server, process, clock_memory(server));
    for (uint32_t i = START_INPUT; i <= START_ERROR; i++) {
        block->handles[i] = give(server, process, standard_stream(server));
    }
}

/* The one root of background work here: a repeated call finds what the first one made. */
enum { ROOT_BEGIN = 1 };
enum { SLOT_OWN_SESSION = 2 };

handle_t init_program_begin(struct rt_server *_Nonnull server) {
    struct rt_context context = {.root = ROOT_BEGIN};
    handle_t process = HANDLE_NONE;
    handle_t own = HANDLE_NONE;
    uint32_t pid = 0;
    init_must(server,
              process_begin_nested(&context, 1, rt_start_handle(server, "process"), 0, 0, &pid,
                                   &process, &own),
              "process.begin");
    init_must(server, rt_stage_keep(server, SLOT_OWN_SESSION, own), "keep");
    return process;
}

/* Where the program finds what it starts with; its address in the program. */
static uint64_t give_block(struct rt_server *_Nonnull server, handle_t process,
                           const struct runtime *_Nonnull runtime) {
    handle_t memory = HANDLE_NONE;
    handle_t own = HANDLE_NONE;
    uint64_t at = 0;
    uint64_t there = 0;
    init_must(server, rt_object_create(OBJECT_MEMORY, 0, PAGE_SIZE, 0, 0, 0, &memory), "block");
    init_must(server, rt_map(0, 0, PAGE_SIZE, memory, 0, PROTECT_READ | PROTECT_WRITE, &at),
              "block");
    init_must(server, rt_keep_get(server, SLOT_OWN_SESSION, &own), "own session");
    struct start_block *block = rt_pointer(at);
    block->magic = RUNTIME_MAGIC;
    block->version = START_VERSION;
    block->image_code_size = (uint32_t)runtime->code_size;
    init_command(server, block);
    block->handles[START_PROCESS] = give(server, process, own);
    give_handles(server, process, runtime, block);
    init_must(server, rt_map(process, 0, PAGE_SIZE, memory, 0, PROTECT_READ, &there), "block");
    return there;
}

void init_program_start(struct rt_server *_Nonnull server, handle_t process) {
    struct runtime runtime = {};
    struct process_info info = {};
    handle_t thread = HANDLE_NONE;
    uint64_t stack = 0;
    init_must(server, rt_object_info(process, INFO_PROCESS, &info, sizeof info), "program");
    if (info.state != PROCESS_NEW) {
        return;
    }
    init_runtime_load(server, &runtime);
    init_runtime_map(server, process, &runtime);
    uint64_t block = give_block(server, process, &runtime);
    init_must(
        server,
        rt_map(process, 0, STACK_SIZE, 0, 0, PROTECT_READ | PROTECT_WRITE | MAP_PRIVATE, &stack),
        "stack");
    init_must(server, rt_object_create(OBJECT_THREAD, process, PRIORITY_FAIR, 0, 0, 0, &thread),
              "thread");
    rt_log(server, "the first program begins: %s", server->start->arguments);
    init_must(server,
              rt_thread_start(thread, runtime.header.start, stack + STACK_SIZE, block,
                              init_thread_page(), 0),
              "start");
}
