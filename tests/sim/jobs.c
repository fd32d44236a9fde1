/* Job control under kills of tty: a session's leader takes a pseudo-terminal, puts children into
 * its foreground one after the other, types lines and Ctrl-C at them, and ends.
 *
 * Checked: who is in the background is answered so each time it reads, with SIGTTIN pending, and
 * gets the line that was typed for it once it is in the foreground; who ignores the signal gets the
 * error; Ctrl-C reaches the foreground group and nobody else; no other session's group can be put
 * there; when the leader has ended, the foreground group is told, and the terminal is nobody's;
 * when its master is closed as well, the terminal is at its end. */
#include "idl/process.h"
#include "idl/service.h"
#include "idl/stream.h"
#include "idl/tty.h"
#include "idl/uart.h"
#include "lib/rt/server.h"
#include "tests/sim/terminal_world.h"

enum { ROUNDS = 40, LINE = 8, KEY_PROGRAM = 1, INTERRUPT = 3, BYSTANDER = 2 };
/* What a child is for. */
enum { ROLE_READS = 1, ROLE_INTERRUPTED = 2, ROLE_SURVIVES = 3 };
/* Handles of a program: its session to process, then what its starter gave it. */
enum { HANDLE_OWN = RT_START_HANDLE, HANDLE_TTY = RT_START_HANDLE + 1 };
enum { HUP = 1, INT = 2, CONT = 18, TTIN = 21, TTOU = 22 };

/* Of all children together: how often one was found in the background; where the leader has the
 * master, and so its children. */
static struct {
    uint64_t behind;
    handle_t master;
} seen;

static void check(bool condition, const char *_Nonnull what, int64_t value) {
    if (!condition) {
        (void)fprintf(stderr, "jobs: %s: %ld\n", what, value);
        abort();
    }
}

/* ---- a driver without a device ---- */

static status_t driver_attach(void *_Nonnull state, struct rt_request *_Nonnull request,
                              const struct uart_attach_in *_Nonnull in) {
    (void)state;
    (void)request;
    (void)in;
    return STATUS_OK;
}
static status_t driver_set(void *_Nonnull state, struct rt_request *_Nonnull request) {
    (void)state;
    (void)request;
    return STATUS_OK;
}
static void driver_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    static const struct uart_handlers handlers = {.attach = driver_attach, .set = driver_set};
    uart_dispatch(&handlers, server, request);
}
static void driver_packet(struct rt_server *_Nonnull server,
                          const struct rt_packet *_Nonnull packet) {
    (void)server;
    (void)packet;
}
static void driver_main(uint64_t mode, uint64_t page) {
    struct rt_server server;
    rt_server_begin(&server, mode, page);
    rt_server_run(&server, &(struct rt_service){driver_call, driver_packet});
}

/* ---- what programs use ---- */

static void yield(void) {
    struct syscall_registers r = {.number = SYS_THREAD_CONTROL, .b = THREAD_YIELD};
    rt_invoke(&r);
}

/* The pending signals of the calling process. */
static struct process_signal_page *_Nonnull own_signals(uint32_t *_Nonnull pid) {
    handle_t tables[2] = {};
    handle_t signals = HANDLE_NONE;
    uint32_t slot = 0;
    uint32_t principal = 0;
    uint32_t thread = 0;
    uint64_t at = 0;
    status_t status = process_tables(HANDLE_OWN, &tables[0], &tables[1], &signals, pid, &slot,
                                     &principal, &thread);
    check(status == STATUS_OK, "tables", status);
    status = rt_map(0, 0, PAGE_SIZE, signals, 0, PROTECT_READ | PROTECT_WRITE, &at);
    check(status == STATUS_OK, "signal page", status);
    rt_handle_close(tables[0]);
    rt_handle_close(tables[1]);
    rt_handle_close(signals);
    return rt_pointer(at);
}

static bool take_pending(struct process_signal_page *_Nonnull page, uint32_t number) {
    uint64_t bit = UINT64_C(1) << (number - 1);
    return (__atomic_fetch_and(&page->pending, ~bit, __ATOMIC_SEQ_CST) & bit) != 0;
}

static uint8_t line_byte(uint64_t round, uint64_t place) {
    return place == LINE - 1 ? '\n' : (uint8_t)('a' + (round * 7 + place) % 26);
}

/* ---- children: the slave is at the handle that the argument names ---- */

/* Reads, again where a signal's kick came in between. */
static status_t read_terminal(handle_t terminal, uint32_t how, uint8_t (*_Nonnull line)[32],
                              uint64_t *_Nonnull count) {
    status_t status = STATUS_CANCELLED;
    while (status == STATUS_CANCELLED) {
        __atomic_store_n((uint32_t *)&rt_thread_page()->kick_pending, 0, __ATOMIC_SEQ_CST);
        status = stream_read(terminal, STREAM_POSITION_CURRENT, how, RT_BUFFER_OF(*line), count);
    }
    return status;
}

static void child_reads(handle_t terminal, uint64_t round) {
    uint32_t pid = 0;
    uint8_t line[32];
    uint64_t count = 0;
    struct process_signal_page *signals = own_signals(&pid);
    status_t status = read_terminal(terminal, 0, &line, &count);
    while (status == STREAM_STATUS_BACKGROUND) {
        check(take_pending(signals, TTIN), "in the background, and no signal", pid);
        seen.behind++;
        status = tty_set_group(terminal, false, pid);
        check(status == STATUS_OK || /* by now it is in the foreground */
                  (status == STREAM_STATUS_BACKGROUND && take_pending(signals, TTOU)),
              "who is in the background takes the foreground", status);
        status = read_terminal(terminal, STREAM_HOW_PASSES | STREAM_HOW_NO_WAIT, &line, &count);
        check(status == STREAM_STATUS_FAILED || status == STATUS_WOULD_BLOCK || status == STATUS_OK,
              "a reader that ignores the signal", status);
        if (status != STATUS_OK) {
            yield();
            status = read_terminal(terminal, 0, &line, &count);
        }
    }
    check(status == STATUS_OK && count == LINE, "line", status);
    for (uint64_t i = 0; i < count; i++) {
        check(line[i] == line_byte(round, i), "byte of a line", (int64_t)i);
    }
    rt_exit((int64_t)(round & 0x7f));
}

static void child_interrupted(uint64_t round) {
    uint32_t pid = 0;
    struct process_signal_page *signals = own_signals(&pid);
    while (!take_pending(signals, INT)) {
        yield();
    }
    rt_exit((int64_t)(round & 0x7f));
}

/* Lives on when the session's leader has ended. */
static void child_survives(handle_t terminal) {
    uint32_t pid = 0;
    uint8_t line[32];
    uint64_t count = 1;
    struct process_signal_page *signals = own_signals(&pid);
    while (!take_pending(signals, HUP)) {
        yield();
    }
    uint32_t group = 0;
    uint32_t leader = 0;
    status_t status = tty_get_group(terminal, &group, &leader);
    check(status == TTY_STATUS_NOT_TERMINAL, "it is no controlling terminal", status);
    status = read_terminal(terminal, STREAM_HOW_NO_WAIT, &line, &count);
    check(status == STATUS_WOULD_BLOCK, "read without a leader", status);
    rt_thread_page()->kick_pending = 0;
    status = stream_write(terminal, STREAM_POSITION_CURRENT, 0, RT_STRING("x"), &count);
    check(status == STATUS_OK && count == 1, "write without a leader", status);
    rt_handle_close(seen.master);
    status = read_terminal(terminal, 0, &line, &count);
    check(status == STATUS_OK && count == 0, "read after the hang-up", status);
    rt_thread_page()->kick_pending = 0;
    status = stream_write(terminal, STREAM_POSITION_CURRENT, 0, RT_STRING("x"), &count);
    check(status == STREAM_STATUS_FAILED, "write after the hang-up", status);
    rt_exit(0);
}

static void child_main(uint64_t argument, uint64_t page) {
    (void)page;
    handle_t terminal = (handle_t)(argument >> 32);
    uint64_t round = argument >> 8 & 0xffffff;
    check(process_set_group(HANDLE_OWN, 0, 0) == STATUS_OK, "set_group", (int64_t)argument);
    switch (argument & 0xff) {
    case ROLE_READS:
        child_reads(terminal, round);
        break;
    case ROLE_INTERRUPTED:
        child_interrupted(round);
        break;
    default:
        child_survives(terminal);
        break;
    }
}

/* ---- the leader ---- */

static uint32_t spawn(handle_t terminal, uint64_t round, uint64_t role) {
    struct thread_page *page = rt_thread_page();
    uint32_t pid = 0;
    page->runtime[0] = (uint64_t)(uintptr_t)child_main;
    page->runtime[1] = (uint64_t)terminal << 32 | round << 8 | role;
    status_t status = process_fork(HANDLE_OWN, PROCESS_FORK_FLAGS_SHARE, 17, &pid);
    check(status == STATUS_OK && pid != 0, "fork", status);
    return pid;
}

/* Puts `group` into the foreground, when it exists. */
static void put_forward(handle_t terminal, uint32_t group) {
    status_t status = TTY_STATUS_NO_GROUP;
    while (status == TTY_STATUS_NO_GROUP) {
        status = tty_set_group(terminal, true, group);
        yield();
    }
    check(status == STATUS_OK, "foreground", status);
    uint32_t now = 0;
    uint32_t leader = 0;
    status = tty_get_group(terminal, &now, &leader);
    check(status == STATUS_OK && now == group, "foreground group", now);
}

static void wait_end(uint32_t pid, uint32_t wanted) {
    struct process_usage used = {};
    enum process_end_kind how = PROCESS_END_KIND_NOTHING;
    uint32_t got = 0;
    uint32_t uid = 0;
    uint32_t code = 0;
    status_t status = process_wait(HANDLE_OWN, PROCESS_WAIT_KIND_PID, pid,
                                   PROCESS_WAIT_FLAGS_EXITED, &got, &uid, &how, &code, &used);
    check(status == STATUS_OK && how == PROCESS_END_KIND_EXITED && code == wanted, "child", code);
}

static void type(handle_t master, struct rt_bytes text) {
    uint64_t done = 0;
    while (done < text.size) {
        uint64_t written = 0;
        struct rt_bytes rest = {.size = text.size - (size_t)done,
                                .data = bytes_at_const(SOME(text.data), (size_t)done)};
        status_t status = stream_write(master, STREAM_POSITION_CURRENT, 0, rest, &written);
        check(status == STATUS_OK && written > 0, "typing", status);
        done += written;
    }
}

/* Reads what was echoed, so that the terminal never fills. */
static void drop_echo(handle_t master) {
    uint8_t text[256];
    uint64_t count = 1;
    status_t status = STATUS_OK;
    while (status == STATUS_OK && count > 0) {
        status = stream_read(master, STREAM_POSITION_CURRENT, STREAM_HOW_NO_WAIT,
                             RT_BUFFER_OF(text), &count);
    }
    check(status == STATUS_WOULD_BLOCK, "echo", status);
}

static handle_t open_terminal(handle_t *_Nonnull master, uint32_t own) {
    handle_t terminal = HANDLE_NONE;
    uint32_t number = 0;
    uint32_t group = 0;
    uint32_t leader = 0;
    bool locked = false;
    status_t status = tty_open_master(HANDLE_TTY, master, &number);
    check(status == STATUS_OK, "master", status);
    check(tty_open_peer(HANDLE_TTY, number, false, &terminal) == STATUS_IO, "locked", 0);
    status = tty_master(*master, true, false, &number, &locked);
    check(status == STATUS_OK && !locked, "unlock", status);
    status = tty_open_peer(HANDLE_TTY, number, false, &terminal);
    check(status == STATUS_OK, "peer", status);
    status = tty_get_group(terminal, &group, &leader);
    check(status == STATUS_OK && group == own && leader == own, "the leader has it", status);
    return terminal;
}

static void one_round(handle_t master, handle_t terminal, uint32_t own, uint64_t round,
                      struct process_signal_page *_Nonnull signals) {
    uint64_t role = round % 3 == 2 ? ROLE_INTERRUPTED : ROLE_READS;
    uint32_t child = spawn(terminal, round, role);
    for (uint64_t i = 0; i < round % 5; i++) {
        yield(); /* so long the child is in the background */
    }
    put_forward(terminal, child);
    /* The leader's group is an orphan: nobody of the session could continue it. */
    status_t status = tty_set_group(terminal, false, own);
    check(status == TTY_STATUS_NOT_TERMINAL && !take_pending(signals, TTOU),
          "the leader in the background", status);
    if (role == ROLE_READS) {
        uint8_t line[LINE];
        for (uint64_t i = 0; i < LINE; i++) {
            line[i] = line_byte(round, i);
        }
        type(master, RT_BYTES_OF(line));
    } else {
        uint8_t key[1] = {INTERRUPT};
        type(master, RT_BYTES_OF(key));
    }
    wait_end(child, (uint32_t)round & 0x7f);
    check(!take_pending(signals, INT), "the leader is interrupted", (int64_t)round);
    status = tty_set_group(terminal, true, BYSTANDER);
    check(status == STATUS_NOT_ALLOWED, "another session's group", status);
    put_forward(terminal, own);
    drop_echo(master);
}

static void leader_main(uint64_t argument, uint64_t page) {
    (void)argument;
    (void)page;
    struct process_description about = {};
    while (process_describe(HANDLE_OWN, BYSTANDER, &about) != STATUS_OK) {
        yield();
    }
    handle_t master = HANDLE_NONE;
    uint32_t own = 0;
    struct process_signal_page *signals = own_signals(&own);
    handle_t terminal = open_terminal(&master, own);
    for (uint64_t round = 0; round < ROUNDS; round++) {
        one_round(master, terminal, own, round, signals);
    }
    seen.master = master;
    uint32_t survivor = spawn(terminal, 0, ROLE_SURVIVES);
    put_forward(terminal, survivor);
    rt_exit(0);
}

/* The master of a leader's terminal goes: the leader is told, and continued should it be stopped.
 */
static void lose_terminal(uint32_t own, struct process_signal_page *_Nonnull signals) {
    enum { PATIENCE = 100000 };
    static const uint32_t wanted[2] = {HUP, CONT};
    handle_t master = HANDLE_NONE;
    uint8_t line[32];
    uint64_t count = 1;
    handle_t terminal = open_terminal(&master, own);
    signals->caught |= UINT64_C(1) << (HUP - 1) | UINT64_C(1) << (CONT - 1);
    rt_handle_close(master);
    for (size_t i = 0; i < ARRAY_LENGTH(wanted); i++) {
        uint64_t tries = 0;
        while (!take_pending(signals, wanted[i]) && tries < PATIENCE) {
            tries++;
            yield();
        }
        check(tries < PATIENCE, "the leader is not told of the hang-up", wanted[i]);
    }
    status_t status = read_terminal(terminal, 0, &line, &count);
    check(status == STATUS_OK && count == 0, "the leader's read after the hang-up", status);
    rt_handle_close(terminal);
}

/* Another session, which has no terminal at first and ends after the first one's leader. */
static void bystander_main(uint64_t argument, uint64_t page) {
    (void)argument;
    (void)page;
    handle_t terminal = HANDLE_NONE;
    struct process_description about = {};
    uint32_t own = 0;
    struct process_signal_page *signals = own_signals(&own);
    check(own == BYSTANDER, "pid", own);
    check(tty_open_own(HANDLE_TTY, &terminal) == STATUS_NOT_FOUND, "a terminal out of nowhere", 0);
    lose_terminal(own, signals);
    while (process_describe(HANDLE_OWN, 1, &about) == STATUS_OK) {
        yield();
    }
    rt_exit(0);
}

/* ---- the starter ---- */

static void begin(struct rt_server *_Nonnull self, sim_program_t _Nonnull program) {
    handle_t process = HANDLE_NONE;
    handle_t own = HANDLE_NONE;
    handle_t thread = HANDLE_NONE;
    uint32_t placed = 0;
    uint32_t pid = 0;
    status_t status = process_begin(rt_start_handle(self, "process"), 0, 0, &pid, &process, &own);
    status = status == STATUS_OK
                 ? rt_handle_move(0, own, process, HANDLE_MOVE_ANY, RIGHT_ALL, 0, &placed)
                 : status;
    check(status == STATUS_OK && placed == HANDLE_OWN, "own session", status);
    status = rt_handle_move(0, rt_start_handle(self, "tty"), process, HANDLE_MOVE_ANY, RIGHT_ALL,
                            HANDLE_MOVE_COPY, &placed);
    check(status == STATUS_OK && placed == HANDLE_TTY, "terminals", status);
    status = rt_object_create(OBJECT_THREAD, process, PRIORITY_FAIR, 0, 0, 0, &thread);
    status = status == STATUS_OK ? rt_thread_start(thread, (uint64_t)(uintptr_t)program, 0, 0, 0, 0)
                                 : status;
    check(status == STATUS_OK, "start", status);
}

/* No program is left. */
static bool all_ended(const struct rt_server *_Nonnull self) {
    uint8_t pids[16];
    uint64_t size = 0;
    status_t status = process_list(rt_start_handle(self, "process"), 0, RT_BUFFER_OF(pids), &size);
    check(status == STATUS_OK, "list", status);
    return size == 0;
}

static void starter_main(uint64_t mode, uint64_t page) {
    struct rt_server self;
    rt_server_begin(&self, mode, page);
    begin(&self, leader_main);
    begin(&self, bystander_main);
    while (!all_ended(&self)) {
        yield();
    }
    check(seen.behind > 0, "nobody ever was in the background", 0);
    (void)service_power(rt_start_handle(&self, "supervisor"), SERVICE_POWER_OFF, 0);
    rt_exit(0);
}

int main(int argc, char **argv) {
    static const struct terminal_world terminal = {
        .driver = driver_main,
        .name = "starter",
        .program = starter_main,
        .needs = "needs process as process\nneeds tty as tty\n",
        .victim = "tty",
    };
    return terminal_world_run(argc, SOME(argv), &terminal);
}
