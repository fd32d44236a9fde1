/* Pages that come from a user pager, to faults and to system calls; interrupts of a device to its
 * driver; what is left when all that is gone. */
#include "tests/native/native.h"

enum { PAGES = 64, PIT_LINE = 0 };

struct work {
    handle_t waitset, memory, source;
    uint32_t requests, ended;
    uint64_t address, cost, copied;
    bool good;
};

static void wait_on(handle_t waitset, struct packet *_Nonnull packet) {
    struct syscall_registers r = {
        .number = SYS_WAIT, .a = waitset, .b = rt_address(packet), .words = {1, DEADLINE_NEVER}};
    rt_invoke(&r);
    must((status_t)(int32_t)(uint32_t)r.number, "wait");
}

/* Supplies each page with its number in the first word, the last one with an error. */
static void pager(uint64_t argument, uint64_t page) {
    struct work *work = (struct work *)(uintptr_t)argument;
    (void)page;
    for (;;) {
        struct packet packet = {};
        wait_on(work->waitset, &packet);
        if (packet.kind != PACKET_PAGE || packet.words[0] != PAGE_ABSENT) {
            continue;
        }
        uint64_t offset = packet.words[1];
        uint64_t number = (offset >> PAGE_SHIFT) + 1;
        work->requests++;
        must(rt_memory_copy(work->source, offset, rt_address(&number), sizeof number,
                            MEMORY_FROM_CALLER),
             "fill");
        must(rt_memory_supply(work->memory, SUPPLY_MOVE, offset, PAGE_SIZE, work->source, offset),
             "supply");
    }
}

static void toucher(uint64_t argument, uint64_t page) {
    struct work *work = (struct work *)(uintptr_t)argument;
    (void)page;
    uint64_t start = ticks();
    for (uint64_t i = 0; i < PAGES; i++) {
        const volatile uint64_t *word =
            (const volatile uint64_t *)(uintptr_t)(work->address + i * PAGE_SIZE);
        work->good = work->good && *word == i + 1;
    }
    work->cost = (ticks() - start) / PAGES;
    /* A system call that needs absent pages is executed again when they are there. */
    struct syscall_registers r = {.number = SYS_MEMORY_COPY,
                                  .a = work->memory,
                                  .b = PAGES * PAGE_SIZE,
                                  .words = {rt_address(&work->copied), 8, MEMORY_TO_CALLER}};
    rt_invoke(&r);
    work->good = work->good && r.number == 0 && work->copied == PAGES + 1;
    __atomic_store_n(&work->ended, 1u, __ATOMIC_SEQ_CST);
    (void)rt_futex_wake(&work->ended, 1);
    thread_exit();
}

static void pages(unsigned *_Nonnull failed) {
    struct work work = {.good = true};
    uint64_t size = 2 * PAGES * PAGE_SIZE;
    must(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &work.waitset), "waitset");
    must(rt_object_create(OBJECT_MEMORY, 0, size, 0, 0, 0, &work.source), "source");
    must(rt_object_create(OBJECT_MEMORY, 0, size, MEMORY_PAGER, 6, work.waitset, &work.memory),
         "memory");
    must(rt_map(0, 0, size, work.memory, 0, PROTECT_READ, &work.address), "map");
    start_thread(0, new_thread(0, PRIORITY_DRIVER), pager, rt_address(&work));
    start_thread(0, new_thread(0, PRIORITY_SERVER), toucher, rt_address(&work));
    while (__atomic_load_n(&work.ended, __ATOMIC_SEQ_CST) == 0) {
        (void)rt_futex_wait(&work.ended, 0, DEADLINE_NEVER);
    }
    say("pages come from a user pager, to faults and to calls", work.good, failed);
    say("each page was asked for once", work.requests == PAGES + 1, failed);
    tell("fault to a user pager of the same space, supplied and resumed", work.cost);
}

static void interrupts(unsigned *_Nonnull failed) {
    handle_t line = HANDLE_NONE;
    handle_t ports = HANDLE_NONE;
    handle_t waitset = HANDLE_NONE;
    bool good = true;
    must(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &waitset), "waitset");
    must(rt_object_create(OBJECT_IRQ, BOOT_HANDLE_SYSTEM, PIT_LINE, 0, 0, 0, &line), "line");
    must(rt_object_create(OBJECT_IOPORTS, BOOT_HANDLE_SYSTEM, 0x40, 4, 0, 0, &ports), "ports");
    must(rt_bind(waitset, line, UINT32_MAX, 3, 0), "bind");
    for (unsigned i = 0; i < 3; i++) {
        must(rt_port_write(ports, 3, 1, 0x30), "mode"); /* channel 0, one interrupt */
        must(rt_port_write(ports, 0, 1, 0), "count");
        must(rt_port_write(ports, 0, 1, 4), "count");
        struct packet packet = {};
        wait_on(waitset, &packet);
        good = good && packet.kind == PACKET_IRQ && packet.key == 3 && packet.words[0] >= 1;
        must(rt_irq_ack(line), "acknowledge");
    }
    say("a driver gets its device's interrupts", good, failed);
    handle_t again = HANDLE_NONE;
    say("a line has one owner",
        rt_object_create(OBJECT_IRQ, BOOT_HANDLE_SYSTEM, PIT_LINE, 0, 0, 0, &again) == STATUS_BUSY,
        failed);
    uint32_t value = 0;
    say("ports outside the range are refused",
        rt_port_read(ports, 4, 1, &value) == STATUS_OUT_OF_RANGE, failed);
}

/* Processes come and go, and nothing of them stays. */
static void short_life(uint64_t argument, uint64_t page) {
    (void)page;
    volatile uint64_t *word = (volatile uint64_t *)(uintptr_t)argument;
    *word = 1;
    double number = (double)*word;
    *word = (uint64_t)(number * 3.0);
    thread_exit();
}

static uint64_t free_pages(void) {
    struct system_info info = {};
    struct syscall_registers r = {
        .number = SYS_SYSTEM, .a = SYSTEM_INFO, .b = rt_address(&info), .words = {sizeof info}};
    rt_invoke(&r);
    return info.free_pages;
}

static void lives(unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        handle_t waitset = HANDLE_NONE;
        handle_t process = HANDLE_NONE;
        must(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &waitset), "waitset");
        process = new_process();
        must(rt_bind(waitset, process, UINT32_MAX, 1, 0), "bind");
        handle_t thread = new_thread(process, PRIORITY_SERVER);
        start_thread(process, thread, short_life, new_memory(process, PAGE_SIZE));
        struct packet packet = {};
        wait_on(waitset, &packet);
        must(rt_object_set(process, SET_FORGET, 0, 0), "forget");
        rt_handle_close(thread);
        rt_handle_close(process);
        rt_handle_close(waitset);
        (void)rt_futex_wait(&(uint32_t){0}, 0, rt_clock_ns() + 2000000); /* the kernel tidies up */
    }
}

void server_main(uint64_t mode, uint64_t thread_page) {
    (void)mode;
    (void)thread_page;
    unsigned failed = 0;
    pages(&failed);
    interrupts(&failed);
    lives(4);
    uint64_t before = free_pages();
    lives(20);
    uint64_t after = free_pages();
    tell("pages that 20 processes left behind", before - after);
    say("processes leave nothing behind", before - after <= 8, &failed);
    rt_exit(failed);
}
