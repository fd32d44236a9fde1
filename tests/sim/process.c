/* The process server under kills: programs fork, end, wait and signal, and every end is told
 * exactly once, with its code, to the right parent. (On the simulator a child shares its parent's
 * space and begins at a function, since a host thread cannot be copied.) */
#include "idl/process.h"
#include "servers/process/format.h"
#include "tests/sim/servers.h"

void process_main(uint64_t mode, uint64_t page);

enum { ROUNDS = 60, FAMILY = 5 };

static void fail(const char *_Nonnull what, int64_t value) {
    (void)fprintf(stderr, "program %lu: %s: %ld\n", (unsigned long)0, what, value);
    rt_exit(99);
}

static uint64_t next_random(uint64_t *_Nonnull state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* Ends with the code that its parent chose; some leave a child of their own behind. */
static void child_main(uint64_t argument, uint64_t page);

static uint32_t spawn(handle_t session, uint64_t argument, uint32_t flags) {
    struct thread_page *page = rt_thread_page();
    uint32_t pid = 0;
    page->runtime[0] = (uint64_t)(uintptr_t)child_main;
    page->runtime[1] = argument;
    status_t status = process_fork(session, PROCESS_FORK_FLAGS_SHARE | flags, 17, &pid);
    if (status != STATUS_OK || pid == 0) {
        fail("fork", status);
    }
    return pid;
}

static void child_main(uint64_t argument, uint64_t page) {
    (void)page;
    uint32_t group = 0;
    handle_t session = RT_START_HANDLE;
    if ((argument & 0x100) != 0) {
        (void)spawn(session, 7, 0);
    }
    if ((argument & 0x200) != 0) {
        status_t status = process_new_session(session, &group);
        if (status != STATUS_OK) {
            fail("new_session", status);
        }
    }
    if ((argument & 0x400) != 0) {
        for (;;) { /* until it is killed */
            struct syscall_registers r = {.number = SYS_THREAD_CONTROL, .b = THREAD_YIELD};
            rt_invoke(&r);
        }
    }
    rt_exit((int64_t)(argument & 0xff));
}

static void wait_for(handle_t session, uint32_t pid, enum process_end_kind ended, uint32_t code) {
    struct process_usage used = {};
    enum process_end_kind how = PROCESS_END_KIND_NOTHING;
    uint32_t got = 0;
    uint32_t uid = 0;
    uint32_t said = 0;
    status_t status = process_wait(session, PROCESS_WAIT_KIND_PID, pid, PROCESS_WAIT_FLAGS_EXITED,
                                   &got, &uid, &how, &said, &used);
    if (status != STATUS_OK || got != pid || how != ended || said != code) {
        fail("wait: status", status);
        fail("wait: code", said);
    }
}

/* A fork that waits returns when the child has ended, and not before. */
static void must_have_ended(handle_t session, uint32_t pid) {
    struct process_usage used = {};
    enum process_end_kind how = PROCESS_END_KIND_NOTHING;
    uint32_t got = 0;
    uint32_t uid = 0;
    uint32_t code = 0;
    status_t status = process_wait(session, PROCESS_WAIT_KIND_PID, pid,
                                   PROCESS_WAIT_FLAGS_EXITED | PROCESS_WAIT_FLAGS_NO_HANG |
                                       PROCESS_WAIT_FLAGS_KEEP,
                                   &got, &uid, &how, &code, &used);
    if (status != STATUS_OK || got != pid) {
        fail("a child of vfork still runs: status", status);
    }
}

static void wait_report(handle_t session, uint32_t pid, enum process_end_kind wanted,
                        uint32_t flags) {
    struct process_usage used = {};
    enum process_end_kind how = PROCESS_END_KIND_NOTHING;
    uint32_t got = 0;
    uint32_t uid = 0;
    uint32_t code = 0;
    status_t status =
        process_wait(session, PROCESS_WAIT_KIND_PID, pid, flags, &got, &uid, &how, &code, &used);
    if (status != STATUS_OK || got != pid || how != wanted) {
        fail("stop or continue is not told: status", status);
    }
}

static void must_be_silent(handle_t session, uint32_t pid, uint32_t flags) {
    struct process_usage used = {};
    enum process_end_kind how = PROCESS_END_KIND_NOTHING;
    uint32_t got = 0;
    uint32_t uid = 0;
    uint32_t code = 0;
    status_t status =
        process_wait(session, PROCESS_WAIT_KIND_PID, pid, flags | PROCESS_WAIT_FLAGS_NO_HANG, &got,
                     &uid, &how, &code, &used);
    if (status != STATUS_OK || got != 0) {
        fail("told twice", got);
    }
}

/* Stops a child that runs, sees it told once, and lets it go on. */
static void stop_and_continue(handle_t session, uint32_t pid) {
    const uint32_t signals[] = {19, 18};
    const uint32_t flags[] = {PROCESS_WAIT_FLAGS_STOPPED, PROCESS_WAIT_FLAGS_CONTINUED};
    const enum process_end_kind kinds[] = {PROCESS_END_KIND_STOPPED, PROCESS_END_KIND_CONTINUED};
    for (size_t i = 0; i < 2; i++) {
        struct process_signal_info info = {.number = signals[i]};
        status_t status = process_kill(session, PROCESS_TARGET_KIND_PROCESS, pid, 0, &info);
        if (status != STATUS_OK) {
            fail("stop or continue", status);
        }
        wait_report(session, pid, kinds[i], flags[i]);
        must_be_silent(session, pid, flags[i]);
    }
}

static void program_main(uint64_t seed, uint64_t page) {
    (void)page;
    handle_t session = RT_START_HANDLE;
    uint64_t random = seed * 99 + 1;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint32_t pids[FAMILY] = {};
        uint64_t wanted[FAMILY] = {};
        for (uint32_t i = 0; i < FAMILY; i++) {
            wanted[i] = next_random(&random) & 0x3ff;
            wanted[i] |= next_random(&random) % 4 == 0 ? 0x400 : 0;
            bool vfork = (wanted[i] & 0x400) == 0 && next_random(&random) % 3 == 0;
            pids[i] = spawn(session, wanted[i], vfork ? PROCESS_FORK_FLAGS_WAIT : 0);
            if (vfork) {
                must_have_ended(session, pids[i]);
            }
            for (uint32_t j = 0; j < i; j++) {
                if (pids[j] == pids[i]) {
                    fail("one pid for two", pids[i]);
                }
            }
        }
        for (uint32_t i = 0; i < FAMILY; i++) {
            bool killed = (wanted[i] & 0x400) != 0;
            struct process_signal_info info = {.number = 9};
            if (killed && (wanted[i] & 1) != 0) {
                stop_and_continue(session, pids[i]);
            }
            if (killed) {
                status_t status =
                    process_kill(session, PROCESS_TARGET_KIND_PROCESS, pids[i], 0, &info);
                if (status != STATUS_OK) {
                    fail("kill", status);
                }
            }
            wait_for(session, pids[i], killed ? PROCESS_END_KIND_KILLED : PROCESS_END_KIND_EXITED,
                     killed ? 9 : (uint32_t)wanted[i] & 0xff);
        }
    }
    /* What is left are orphans' ends, where this is the first process; then nothing. */
    for (;;) {
        struct process_usage used = {};
        enum process_end_kind how = PROCESS_END_KIND_NOTHING;
        uint32_t got = 0;
        uint32_t uid = 0;
        uint32_t code = 0;
        status_t status = process_wait(session, PROCESS_WAIT_KIND_ANY, 0, PROCESS_WAIT_FLAGS_EXITED,
                                       &got, &uid, &how, &code, &used);
        if (status == PROCESS_STATUS_NO_CHILD) {
            break;
        }
        if (status != STATUS_OK || code != 7) {
            fail("wait for orphans", status);
        }
    }
    rt_exit(0);
}

/* Begins a first program through the server, and ends when the program has. */
static void starter_main(uint64_t mode, uint64_t page) {
    (void)page;
    handle_t control = RT_START_HANDLE;
    handle_t process = HANDLE_NONE;
    handle_t own = HANDLE_NONE;
    handle_t thread = HANDLE_NONE;
    handle_t waitset = HANDLE_NONE;
    uint32_t pid = 0;
    uint32_t placed = 0;
    expect(process_begin(control, 0, 0, &pid, &process, &own), "begin");
    expect(rt_handle_move(0, own, process, HANDLE_MOVE_ANY, RIGHT_ALL, 0, &placed), "session");
    expect(rt_object_create(OBJECT_THREAD, process, PRIORITY_FAIR, 0, 0, 0, &thread), "thread");
    expect(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &waitset), "waitset");
    expect(rt_bind(waitset, process, UINT32_MAX, 1, 0), "bind");
    expect(rt_thread_start(thread, (uint64_t)(uintptr_t)program_main, 0, mode, 0, 0), "start");
    struct packet packet = {};
    struct syscall_registers r = {
        .number = SYS_WAIT, .a = waitset, .b = rt_address(&packet), .words = {1, DEADLINE_NEVER}};
    rt_invoke(&r);
    if (packet.words[0] != 0) {
        (void)fprintf(stderr, "first program %u: ended with %ld, cause %lu\n", pid,
                      (int64_t)packet.words[0], packet.words[1]);
    }
    rt_exit((int64_t)packet.words[0]);
}

static void supervisor_main(uint64_t mode, uint64_t page) {
    (void)page;
    CHECK(mode == START_FRESH);
    struct service process = {.name = "process",
                              .main = process_main,
                              .vault_pages =
                                  (sizeof(struct process_vault) + PAGE_SIZE - 1) / PAGE_SIZE,
                              .keep_slots = PROCESS_KEEP_SLOTS,
                              .given_count = 1,
                              .given_names = {"programs"}};
    struct domain_quota quota = {
        .pages = 8000, .kernel_pages = 4000, .handles = 20000, .threads = 500};
    expect(rt_object_create(OBJECT_DOMAIN, BOOT_HANDLE_ROOT_DOMAIN, rt_address(&quota), 0, 0, 0,
                            &process.given[0]),
           "domain");
    service_make(&process);
    service_start(&process, START_FRESH);
    for (uint64_t i = 0; i < 2; i++) {
        handle_t session = service_session(&process, 0);
        handle_t starter = start_process("starter", starter_main, i, PRIORITY_FAIR, &session, 1);
        rt_handle_close(session);
        rt_handle_close(starter);
    }
    supervise((struct services){.count = 1, .at = &process}, 2);
    rt_exit(0);
}

int main(int argc, char **argv) {
    UNSAFE_BEGIN
    uint64_t seed = argc > 1 ? strtoull(argv[1], nullptr, 10) : 1;
    kills_wanted = argc > 2 ? strtoull(argv[2], nullptr, 10) : 250;
    UNSAFE_END
    kill_names[0] = "process";
    kill_name_count = 1;
    kill_odds = 45;
    int code = run(supervisor_main, seed, 16384);
    return code == 0 && kills_done == kills_wanted ? 0 : 1;
}
