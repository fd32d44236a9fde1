/* Memory on the simulator: leases with absent pages (FAULT_IN), pagers and their death, streams,
 * clones and overlays, quotas. One program in the supervisor's place, with processes of its own. */
#include "abi/boot.h"
#include "kernel/arch/sim/sim.h"
#include "lib/base/bytes.h"
#include "lib/rt/server.h"
#include <stdio.h>

static unsigned passed, failed;

static void check(bool good, const char *_Nonnull what) {
    if (good) {
        passed++;
        return;
    }
    failed++;
    (void)fprintf(stderr, "FAILED: %s\n", what);
}

static void must(status_t status, const char *_Nonnull what) {
    if (status != STATUS_OK) {
        (void)fprintf(stderr, "FAILED: %s: status %d\n", what, (int)status);
        rt_exit(1);
    }
}

static handle_t start_process(handle_t domain, sim_program_t _Nonnull program, uint64_t argument,
                              struct rt_bytes name, const handle_t (*_Nonnull handles)[4]) {
    handle_t process = HANDLE_NONE;
    handle_t thread = HANDLE_NONE;
    uint32_t placed = 0;
    must(rt_object_create(OBJECT_PROCESS, domain, 0, 0, 0, 0, &process), "process");
    must(rt_object_set(process, SET_NAME, rt_address(name.data), name.size), "name");
    for (size_t i = 0; i < 4; i++) {
        if ((*handles)[i] != HANDLE_NONE) {
            must(rt_handle_move(0, (*handles)[i], process, HANDLE_MOVE_ANY, RIGHT_ALL,
                                HANDLE_MOVE_COPY, &placed),
                 "handle");
        }
    }
    must(rt_object_create(OBJECT_THREAD, process, PRIORITY_SERVER, 1, 0, 0, &thread), "thread");
    must(rt_thread_start(thread, (uint64_t)(uintptr_t)program, 0, argument, 0, 0), "start");
    rt_handle_close(thread);
    return process;
}

static uint64_t map(handle_t memory, uint64_t size, uint32_t protection) {
    uint64_t address = 0;
    must(rt_map(0, 0, size, memory, 0, protection, &address), "map");
    return address;
}

static volatile uint64_t *_Nonnull word_at(uint64_t address) {
    return (volatile uint64_t *)(uintptr_t)address;
}

static struct process_info wait_for_end(handle_t process) {
    handle_t waitset = HANDLE_NONE;
    struct process_info info = {};
    struct packet packet = {};
    must(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &waitset), "waitset");
    must(rt_bind(waitset, process, UINT32_MAX, 1, 0), "bind");
    struct syscall_registers r = {
        .number = SYS_WAIT, .a = waitset, .b = rt_address(&packet), .words = {1, DEADLINE_NEVER}};
    rt_invoke(&r);
    must(rt_object_info(process, INFO_PROCESS, &info, sizeof info), "info");
    rt_handle_close(waitset);
    return info;
}

/* ---- the pager: supplies pages that hold their own offset ---- */

enum { PAGER_MEMORY = 0x10001, PAGER_DIES_FIRST = 1 };

static void pager_main(uint64_t argument, uint64_t page) {
    handle_t waitset = HANDLE_NONE;
    (void)page;
    must(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &waitset), "pager's waitset");
    must(rt_object_set(PAGER_MEMORY, SET_MEMORY_PAGER, waitset, 5), "pager");
    for (;;) {
        struct packet packet = {};
        struct syscall_registers r = {.number = SYS_WAIT,
                                      .a = waitset,
                                      .b = rt_address(&packet),
                                      .words = {1, DEADLINE_NEVER}};
        rt_invoke(&r);
        must((status_t)(int32_t)(uint32_t)r.number, "pager's wait");
        if (packet.kind != PACKET_PAGE) {
            continue;
        }
        if (argument == PAGER_DIES_FIRST) {
            __builtin_trap(); /* with the request in its hands */
        }
        handle_t source = HANDLE_NONE;
        must(rt_object_create(OBJECT_MEMORY, 0, packet.words[2], 0, 0, 0, &source), "source");
        for (uint64_t at = 0; at < packet.words[2]; at += PAGE_SIZE) {
            uint64_t value = packet.words[1] + at;
            must(rt_memory_copy(source, at, rt_address(&value), sizeof value, MEMORY_FROM_CALLER),
                 "fill");
        }
        must(rt_memory_supply(PAGER_MEMORY, SUPPLY_MOVE, packet.words[1], packet.words[2], source,
                              0),
             "supply");
        rt_handle_close(source);
    }
}

/* ---- the lease server: writes a pattern to the output lease, sums the input lease ---- */

enum { METHOD_FILL = 1, METHOD_SUM = 2 };

static void lease_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    uint64_t buffer[64];
    status_t status = STATUS_OK;
    (void)server;
    uint64_t length = request->label == METHOD_FILL ? request->page->received.lease_out_length
                                                    : request->page->received.lease_in_length;
    uint64_t sum = 0;
    for (uint64_t at = 0; at < length && status == STATUS_OK; at += sizeof buffer) {
        size_t size = (size_t)MIN((uint64_t)sizeof buffer, length - at);
        for (size_t i = 0; i < ARRAY_LENGTH(buffer); i++) {
            buffer[i] = at / 8 + i;
        }
        status = request->label == METHOD_FILL ? rt_lease_write(request->token, at, buffer, size)
                                               : rt_lease_read(request->token, at, buffer, size);
        for (size_t i = 0; i < size / 8; i++) {
            sum += buffer[i];
        }
        if (status == STATUS_ABSENT) {
            request->reply->outcome = RT_FAULT_IN;
            request->reply->fault_lease = request->label == METHOD_FILL ? LEASE_OUT : LEASE_IN;
            request->reply->fault_offset = at;
            request->reply->fault_length = length - at;
            return;
        }
    }
    request->reply->status = status;
    request->reply->word_count = 1;
    request->reply->words[0] = sum;
}

static void no_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    (void)server;
    (void)packet;
}

static void lease_server_main(uint64_t mode, uint64_t page) {
    struct rt_server server;
    rt_server_begin(&server, mode, page);
    rt_server_run(&server, &(struct rt_service){lease_call, no_packet});
}

static handle_t connect_lease_server(void) {
    struct rt_start start = {.version = RT_START_VERSION, .count = 1};
    handle_t memory = HANDLE_NONE;
    handle_t endpoint = HANDLE_NONE;
    handle_t session = HANDLE_NONE;
    bytes_copy(start.entries[0].name, "endpoint", 8);
    start.entries[0].handle = RT_START_HANDLE + 1;
    must(rt_object_create(OBJECT_MEMORY, 0, sizeof start, 0, 0, 0, &memory), "start page");
    must(rt_memory_copy(memory, 0, rt_address(&start), sizeof start, MEMORY_FROM_CALLER), "start");
    must(rt_object_create(OBJECT_ENDPOINT, 0, 0, 0, 0, 0, &endpoint), "endpoint");
    must(rt_object_create(OBJECT_SESSION, endpoint, 1, SESSION_LIVE, 0, 0, &session), "session");
    const handle_t handles[4] = {memory, endpoint};
    (void)start_process(0, lease_server_main, START_FRESH, RT_STRING("lease"), &handles);
    return session;
}

static void test_leases(void) {
    enum { SIZE = 20 * PAGE_SIZE };
    handle_t session = connect_lease_server();
    handle_t paged = HANDLE_NONE;
    handle_t waitset = HANDLE_NONE;
    must(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &waitset), "waitset");
    must(rt_object_create(OBJECT_MEMORY, 0, SIZE, MEMORY_PAGER, 5, waitset, &paged), "paged");
    const handle_t handles[4] = {paged};
    handle_t pager = start_process(0, pager_main, 0, RT_STRING("pager"), &handles);
    uint64_t address = map(paged, SIZE, PROTECT_READ | PROTECT_WRITE);
    struct rt_call call = {.label = METHOD_FILL,
                           .lease_out = {address + 100 * 8, 5 * PAGE_SIZE},
                           .timeout_ns = RT_TIMEOUT_NEVER};
    must(rt_call(session, &call), "fill");
    bool good = true;
    for (uint64_t i = 0; i < 5ull * PAGE_SIZE / 8; i++) {
        good = good && *word_at(address + (100 + i) * 8) == i;
    }
    check(good, "an absent page under an output lease is faulted in, and written");
    check(*word_at(address + 6 * PAGE_SIZE) == 6 * PAGE_SIZE, "its neighbours are the pager's");
    call = (struct rt_call){.label = METHOD_SUM,
                            .lease_in = {address + 10 * PAGE_SIZE, 10 * PAGE_SIZE},
                            .timeout_ns = RT_TIMEOUT_NEVER};
    must(rt_call(session, &call), "sum");
    uint64_t expected = 0;
    for (uint64_t p = 10; p < 20; p++) {
        expected += p * PAGE_SIZE;
    }
    check(call.words[0] == expected, "absent pages under an input lease are read");
    call = (struct rt_call){
        .label = METHOD_FILL, .lease_out = {0x5000, 64}, .timeout_ns = RT_TIMEOUT_NEVER};
    check(rt_call(session, &call) == STATUS_BAD_ADDRESS, "a lease that is not mapped is an error");
    must(rt_kill(pager, 0, EXIT_KILLED), "kill");
}

static void test_pager_death(void) {
    handle_t paged = HANDLE_NONE;
    handle_t waitset = HANDLE_NONE;
    must(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &waitset), "waitset");
    must(rt_object_create(OBJECT_MEMORY, 0, 4 * PAGE_SIZE, MEMORY_PAGER, 5, waitset, &paged),
         "paged");
    const handle_t handles[4] = {paged};
    handle_t first = start_process(0, pager_main, PAGER_DIES_FIRST, RT_STRING("dies"), &handles);
    (void)start_process(0, pager_main, 0, RT_STRING("heir"), &handles);
    uint64_t address = map(paged, 4 * PAGE_SIZE, PROTECT_READ);
    check(*word_at(address + PAGE_SIZE) == PAGE_SIZE,
          "a thread that waits for a pager is served by its successor");
    (void)first;
}

/* A pager that is given the request and dies with it: here the successor starts only then. */
static void waiter_main(uint64_t argument, uint64_t page) {
    (void)argument;
    (void)page;
    uint64_t address = map(RT_START_HANDLE, 4 * PAGE_SIZE, PROTECT_READ);
    rt_exit(*word_at(address + 2 * PAGE_SIZE) == 2 * PAGE_SIZE ? 0 : 1);
}

static void test_pager_dies_with_request(void) {
    handle_t paged = HANDLE_NONE;
    handle_t waitset = HANDLE_NONE;
    must(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &waitset), "waitset");
    must(rt_object_create(OBJECT_MEMORY, 0, 4 * PAGE_SIZE, MEMORY_PAGER, 5, waitset, &paged),
         "paged");
    const handle_t handles[4] = {paged};
    handle_t first = start_process(0, pager_main, PAGER_DIES_FIRST, RT_STRING("dies"), &handles);
    handle_t waiter = start_process(0, waiter_main, 0, RT_STRING("waiter"), &handles);
    check(wait_for_end(first).exit_cause == EXIT_FAULT, "the pager dies with the request in hand");
    (void)start_process(0, pager_main, 0, RT_STRING("heir"), &handles);
    check(wait_for_end(waiter).exit_code == 0, "its successor is told of the request again");
}

/* ---- clones ---- */

static void test_clones(void) {
    handle_t memory = HANDLE_NONE;
    handle_t clone = HANDLE_NONE;
    must(rt_object_create(OBJECT_MEMORY, 0, 8 * PAGE_SIZE, 0, 0, 0, &memory), "memory");
    uint64_t a = map(memory, 8 * PAGE_SIZE, PROTECT_READ | PROTECT_WRITE);
    *word_at(a) = 1;
    *word_at(a + 3 * PAGE_SIZE) = 3;
    must(rt_memory_clone(memory, 0, 8 * PAGE_SIZE, &clone), "clone");
    uint64_t b = map(clone, 8 * PAGE_SIZE, PROTECT_READ | PROTECT_WRITE);
    check(*word_at(b) == 1 && *word_at(b + 3 * PAGE_SIZE) == 3, "a clone shows the content");
    *word_at(b) = 10;
    *word_at(a + 3 * PAGE_SIZE) = 30;
    check(*word_at(a) == 1 && *word_at(b) == 10, "a write to the clone stays there");
    check(*word_at(b + 3 * PAGE_SIZE) == 3, "a write to the source stays there");
    *word_at(a + 5 * PAGE_SIZE) = 5;
    check(*word_at(b + 5 * PAGE_SIZE) == 0, "pages that neither had are each one's own");
}

static void test_overlays(void) {
    handle_t file = HANDLE_NONE;
    handle_t overlay = HANDLE_NONE;
    uint64_t old = 0;
    must(rt_object_create(OBJECT_MEMORY, 0, 4 * PAGE_SIZE, MEMORY_FILE, 0, 0, &file), "file");
    uint64_t a = map(file, 4 * PAGE_SIZE, PROTECT_READ | PROTECT_WRITE);
    *word_at(a) = 1;
    must(rt_memory_clone(file, 0, 4 * PAGE_SIZE, &overlay), "overlay");
    uint64_t b = map(overlay, 4 * PAGE_SIZE, PROTECT_READ | PROTECT_WRITE);
    check(*word_at(b) == 1, "an overlay shows the file");
    *word_at(a) = 2;
    check(*word_at(b) == 2, "writes of others to untouched pages are seen");
    *word_at(b) = 7;
    *word_at(a) = 3;
    check(*word_at(b) == 7 && *word_at(a) == 3, "a written page of the overlay is its own");
    must(rt_memory_resize(file, PAGE_SIZE, &old), "truncate");
    check(old == 4 * PAGE_SIZE, "truncation tells the old size");
    must(rt_memory_resize(file, 2 * PAGE_SIZE, &old), "extend");
    check(*word_at(a + PAGE_SIZE) == 0, "what was truncated comes back as zeroes");
}

/* ---- streams ---- */

static uint64_t stream(enum syscall_number number, handle_t session, const void *_Nonnull data,
                       uint64_t length, uint64_t offset) {
    struct syscall_registers r = {
        .number = number, .a = session, .b = rt_address(data), .words = {length, offset}};
    rt_invoke(&r);
    return (int32_t)r.number == STATUS_OK ? r.words[0] : UINT64_MAX;
}

static char big[200000];
static char back[200000];

static void test_streams(void) {
    handle_t endpoint = HANDLE_NONE;
    handle_t file = HANDLE_NONE;
    handle_t one = HANDLE_NONE;
    handle_t two = HANDLE_NONE;
    must(rt_object_create(OBJECT_ENDPOINT, 0, 0, 0, 0, 0, &endpoint), "endpoint");
    must(rt_object_create(OBJECT_MEMORY, 0, 0, MEMORY_FILE, 0, 0, &file), "file");
    must(rt_object_create(OBJECT_SESSION, endpoint, 1, 0, 0, file, &one), "session");
    must(rt_object_create(OBJECT_SESSION, endpoint, 2, SESSION_APPEND, 0, file, &two), "session");
    check(stream(SYS_STREAM_WRITE, one, "hello ", 6, STREAM_POSITION) == 6, "write");
    check(stream(SYS_STREAM_WRITE, two, "world", 5, STREAM_POSITION) == 5, "append");
    check(stream(SYS_STREAM_READ, one, back, 100, 0) == 11 && bytes_equal(back, "hello world", 11),
          "read what both wrote");
    check(stream(SYS_STREAM_READ, one, back, 100, STREAM_POSITION) == 5 &&
              bytes_equal(back, "world", 5),
          "the position is behind what was written through it");
    check(stream(SYS_STREAM_READ, one, back, 100, STREAM_POSITION) == 0, "end of file");
    for (size_t i = 0; i < sizeof big; i++) {
        big[i] = (char)('a' + i % 23);
    }
    check(stream(SYS_STREAM_WRITE, one, big, sizeof big, 1000003) == sizeof big,
          "a large write far beyond the end");
    check(stream(SYS_STREAM_READ, two, back, sizeof back, 1000003) == sizeof back &&
              bytes_equal(big, back, sizeof big),
          "is read back whole");
    check(stream(SYS_STREAM_READ, two, back, 16, 500000) == 16 && back[0] == 0 && back[15] == 0,
          "the hole before it is zeroes");
    check(stream(SYS_STREAM_READ, two, (const void *)(uintptr_t)0x3000, 16, 0) == UINT64_MAX,
          "a bad address is an error");
}

/* ---- quotas ---- */

static void greedy_main(uint64_t argument, uint64_t page) {
    (void)page;
    uint64_t address = map(HANDLE_NONE, 64 * PAGE_SIZE, PROTECT_READ | PROTECT_WRITE | MAP_PRIVATE);
    for (uint64_t i = 0; i < argument; i++) {
        *word_at(address + i * PAGE_SIZE) = i;
    }
    rt_exit(0);
}

static void test_quota(void) {
    struct domain_quota quota = {.pages = 40, .kernel_pages = 64, .handles = 64, .threads = 2};
    handle_t domain = HANDLE_NONE;
    const handle_t none[4] = {};
    must(rt_object_create(OBJECT_DOMAIN, BOOT_HANDLE_ROOT_DOMAIN, rt_address(&quota), 0, 0, 0,
                          &domain),
         "domain");
    struct process_info info =
        wait_for_end(start_process(domain, greedy_main, 60, RT_STRING("greedy"), &none));
    check(info.exit_cause == EXIT_FAULT && info.fault_kind == FAULT_NO_MEMORY,
          "a page beyond the quota is a fault of its process");
    info = wait_for_end(start_process(domain, greedy_main, 20, RT_STRING("modest"), &none));
    check(info.exit_code == 0 && info.exit_cause == EXIT_NORMAL, "the pages of the dead came back");
    struct domain_info left = {};
    must(rt_object_info(domain, INFO_DOMAIN, &left, sizeof left), "info");
    check(left.used.pages == 0 && left.used.threads == 0, "nothing stays charged");
}

static void supervisor(uint64_t mode, uint64_t page) {
    (void)mode;
    (void)page;
    test_clones();
    test_overlays();
    test_streams();
    test_quota();
    test_leases();
    test_pager_death();
    test_pager_dies_with_request();
    rt_exit(failed == 0 ? 0 : 1);
}

int main(void) {
    struct sim_options options = {.memory_pages = 4096, .cpu_count = 1, .seed = 7};
    int code = sim_run(&options, supervisor);
    printf("%u passed, %u failed\n", passed, failed);
    return code;
}
