/* Several processors: threads on each, calls and wake-ups across, invalidations that all have seen,
 * the end of what runs elsewhere. With one processor most of it is trivially true. */
#include "tests/native/native.h"

enum { ROUNDS = 300 };

struct shared {
    uint32_t started, processors;
    uint32_t request, answer; /* the reader's */
    uint64_t seen;
    volatile uint64_t *_Nullable page;
    uint32_t ping, pong;
};

static void report(uint64_t argument, uint64_t page) {
    struct shared *shared = (struct shared *)(uintptr_t)argument;
    const struct thread_page *own = (const struct thread_page *)(uintptr_t)page;
    (void)thread_control(0, THREAD_YIELD, 0);
    __atomic_fetch_or(&shared->processors, 1u << own->processor, __ATOMIC_SEQ_CST);
    __atomic_fetch_add(&shared->started, 1u, __ATOMIC_SEQ_CST);
    (void)rt_futex_wake(&shared->started, 1);
    thread_exit();
}

/* Reads the page over and over, and tells what it sees when it is asked. */
static void reader(uint64_t argument, uint64_t page) {
    struct shared *shared = (struct shared *)(uintptr_t)argument;
    (void)page;
    uint32_t answered = 0;
    while (answered < ROUNDS) {
        uint32_t request = __atomic_load_n(&shared->request, __ATOMIC_SEQ_CST);
        uint64_t value = *SOME(shared->page);
        if (request != answered) {
            shared->seen = value;
            answered = request;
            __atomic_store_n(&shared->answer, answered, __ATOMIC_SEQ_CST);
        }
    }
    thread_exit();
}

static void ponger(uint64_t argument, uint64_t page) {
    struct shared *shared = (struct shared *)(uintptr_t)argument;
    (void)page;
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        while (__atomic_load_n(&shared->ping, __ATOMIC_SEQ_CST) != i) {
            (void)rt_futex_wait(&shared->ping, i - 1, DEADLINE_NEVER);
        }
        __atomic_store_n(&shared->pong, i, __ATOMIC_SEQ_CST);
        (void)rt_futex_wake(&shared->pong, 1);
    }
    thread_exit();
}

static void forever(uint64_t argument, uint64_t page) {
    (void)argument;
    (void)page;
    for (;;) {
        __asm__ volatile("pause");
    }
}

static void start_on(uint32_t processor, thread_entry_t _Nonnull entry,
                     struct shared *_Nonnull shared) {
    handle_t thread = new_thread(0, PRIORITY_SERVER);
    (void)thread_control(thread, THREAD_SET_AFFINITY, 1u << processor);
    start_thread(0, thread, entry, rt_address(shared));
    rt_handle_close(thread);
}

static void everywhere(struct shared *_Nonnull shared, uint32_t count, unsigned *_Nonnull failed) {
    for (uint32_t i = 0; i < count; i++) {
        start_on(i, report, shared);
    }
    uint32_t started = 0;
    while (started < count) {
        (void)rt_futex_wait(&shared->started, started, DEADLINE_NEVER);
        started = __atomic_load_n(&shared->started, __ATOMIC_SEQ_CST);
    }
    say("a thread ran on each processor", shared->processors == (1u << count) - 1, failed);
}

/* Each round another Memory is mapped at the same address: once that is done, nobody sees the old
 * one any more. */
static void shootdowns(struct shared *_Nonnull shared, uint32_t other, unsigned *_Nonnull failed) {
    handle_t memories[2] = {};
    uint64_t address = new_memory(0, PAGE_SIZE);
    bool good = true;
    for (uint64_t i = 0; i < 2; i++) {
        must(rt_object_create(OBJECT_MEMORY, 0, PAGE_SIZE, MEMORY_WIRED, 0, 0, &memories[i]),
             "memory");
        uint64_t value = i + 1;
        must(rt_memory_copy(memories[i], 0, rt_address(&value), sizeof value, MEMORY_FROM_CALLER),
             "fill");
    }
    shared->page = (volatile uint64_t *)(uintptr_t)address;
    start_on(other, reader, shared);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        uint64_t at = 0;
        must(rt_map(0, address, PAGE_SIZE, memories[i & 1], 0, PROTECT_READ | MAP_FIXED, &at),
             "replace");
        __atomic_store_n(&shared->request, i, __ATOMIC_SEQ_CST);
        while (__atomic_load_n(&shared->answer, __ATOMIC_SEQ_CST) != i) {
            (void)thread_control(0, THREAD_YIELD, 0);
        }
        good = good && shared->seen == (i & 1) + 1;
    }
    say("no processor sees a page that was replaced", good, failed);
}

static void ping_pong(struct shared *_Nonnull shared, uint32_t other, unsigned *_Nonnull failed) {
    start_on(other, ponger, shared);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        __atomic_store_n(&shared->ping, i, __ATOMIC_SEQ_CST);
        (void)rt_futex_wake(&shared->ping, 1);
        while (__atomic_load_n(&shared->pong, __ATOMIC_SEQ_CST) != i) {
            (void)rt_futex_wait(&shared->pong, i - 1, DEADLINE_NEVER);
        }
    }
    say("no wake-up across processors is lost", shared->pong == ROUNDS, failed);
}

static void kills(uint32_t count, unsigned *_Nonnull failed) {
    bool good = true;
    for (uint32_t round = 0; round < 20; round++) {
        handle_t waitset = HANDLE_NONE;
        handle_t process = new_process();
        must(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &waitset), "waitset");
        must(rt_bind(waitset, process, UINT32_MAX, 1, 0), "bind");
        for (uint32_t i = 0; i < count; i++) {
            handle_t thread = new_thread(process, PRIORITY_FAIR);
            start_thread(process, thread, forever, 0);
            rt_handle_close(thread);
        }
        uint32_t never = 0;
        (void)rt_futex_wait(&never, 0, rt_clock_ns() + 200000);
        must(rt_kill(process, 3, EXIT_KILLED), "kill");
        struct packet packet = {};
        struct syscall_registers r = {.number = SYS_WAIT,
                                      .a = waitset,
                                      .b = rt_address(&packet),
                                      .words = {1, rt_clock_ns() + 5000000000}};
        rt_invoke(&r);
        good = good && packet.kind == PACKET_EXIT && packet.words[0] == 3 &&
               packet.words[1] == EXIT_KILLED;
        must(rt_object_set(process, SET_FORGET, 0, 0), "forget");
        rt_handle_close(process);
        rt_handle_close(waitset);
    }
    say("a process that runs on every processor ends when it is killed", good, failed);
}

void server_main(uint64_t mode, uint64_t thread_page) {
    (void)mode;
    (void)thread_page;
    unsigned failed = 0;
    struct shared shared = {};
    struct system_info info = {};
    struct syscall_registers r = {
        .number = SYS_SYSTEM, .a = SYSTEM_INFO, .b = rt_address(&info), .words = {sizeof info}};
    rt_invoke(&r);
    tell("processors", info.processors);
    (void)thread_control(0, THREAD_SET_AFFINITY, 1);
    (void)thread_control(0, THREAD_SET_PRIORITY, PRIORITY_SERVER);
    everywhere(&shared, info.processors, &failed);
    uint32_t other = info.processors > 1 ? 1 : 0;
    shootdowns(&shared, other, &failed);
    ping_pong(&shared, other, &failed);
    kills(info.processors, &failed);
    uint64_t free_before = info.free_pages;
    rt_invoke(&(struct syscall_registers){
        .number = SYS_SYSTEM, .a = SYSTEM_INFO, .b = rt_address(&info), .words = {sizeof info}});
    tell("pages that are in use now and were not", free_before - info.free_pages);
    rt_exit(failed);
}
