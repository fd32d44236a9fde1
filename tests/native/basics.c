/* Log, memory, faults that end a process, threads, timers, exits. */
#include "tests/native/native.h"

static const volatile uint32_t constant = 7;

static void store_to_code(uint64_t argument, uint64_t page) {
    (void)argument;
    (void)page;
    *(volatile uint32_t *)(uintptr_t)&constant = 8;
    thread_exit();
}

static void read_kernel(uint64_t argument, uint64_t page) {
    (void)page;
    (void)*(volatile const uint64_t *)(uintptr_t)argument;
    thread_exit();
}

static void execute_data(uint64_t argument, uint64_t page) {
    (void)page;
    if (argument == rt_address(&constant)) {
        (void)constant; /* there is a translation already: its own bit must refuse */
    }
    __asm__ volatile("jmpq *%0" : : "r"(argument));
    thread_exit();
}

static void privileged(uint64_t argument, uint64_t page) {
    (void)argument;
    (void)page;
    __asm__ volatile("cli");
    thread_exit();
}

static void divide(uint64_t argument, uint64_t page) {
    (void)page;
    __asm__ volatile("divq %0" : : "r"(argument), "a"(1ull), "d"(0ull));
    thread_exit();
}

static void breakpoint(uint64_t argument, uint64_t page) {
    (void)argument;
    (void)page;
    __asm__ volatile("int3");
    thread_exit();
}

static void ports(uint64_t argument, uint64_t page) {
    (void)argument;
    (void)page;
    __asm__ volatile("outb %0, %1" : : "a"((uint8_t)0x10), "Nd"((uint16_t)0xf4));
    thread_exit();
}

/* A system call and a page fault with NT, AC and DF set: the kernel runs on flags of its own. */
static void odd_flags(uint64_t argument, uint64_t page) {
    (void)page;
    (void)argument;
    uint64_t fresh = new_memory(0, PAGE_SIZE);
    uint64_t number = SYS_HANDLE_CLOSE;
    __asm__ volatile("pushfq\n orq $0x44400, (%%rsp)\n popfq\n"
                     "syscall\n"
                     "movq %[fresh], %%rax\n"
                     "movq %%rax, (%%rax)\n"
                     "movl $0x10000, %%eax\n xorl %%edi, %%edi\n"
                     "syscall\n"
                     "pushfq\n andq $-0x44401, (%%rsp)\n popfq"
                     : "+a"(number)
                     : "D"(0ull), [fresh] "r"(fresh)
                     : "rcx", "r11", "rdx", "r8", "r9", "r10", "memory", "cc");
    thread_exit();
}

static void single_step(uint64_t argument, uint64_t page) {
    (void)page;
    __asm__ volatile("pushfq\n orq $0x100, (%%rsp)\n popfq\n syscall\n"
                     :
                     : "a"(argument), "D"(0ull)
                     : "rcx", "r11", "rdx", "r8", "r9", "r10", "memory", "cc");
    thread_exit();
}

static void odd_interrupt(uint64_t argument, uint64_t page) {
    (void)argument;
    (void)page;
    __asm__ volatile("int $0x62"); /* what processors send each other */
    thread_exit();
}

static void bad_frame(uint64_t argument, uint64_t page) {
    struct thread_page *own = (struct thread_page *)(uintptr_t)page;
    own->frame[0] = (struct program_frame){.rip = argument, .rsp = argument, .flags = UINT64_MAX};
    struct syscall_registers r = {.number = SYS_THREAD_RESUME};
    rt_invoke(&r);
    struct syscall_registers end = {.number = SYS_THREAD_EXIT,
                                    .b = THREAD_EXIT_PROCESS,
                                    .words = {(uint64_t)(int64_t)(int32_t)(uint32_t)r.number}};
    rt_invoke(&end);
    thread_exit();
}

/* Runs `entry` in a process of its own, waits for its end, and tells how it ended. */
static struct process_info outcome(handle_t waitset, thread_entry_t _Nonnull entry,
                                   uint64_t argument) {
    handle_t process = new_process();
    struct process_info info;
    must(rt_bind(waitset, process, UINT32_MAX, 5, 0), "bind");
    start_thread(process, new_thread(process, PRIORITY_SERVER), entry, argument);
    struct packet packet = {};
    struct syscall_registers r = {
        .number = SYS_WAIT, .a = waitset, .b = rt_address(&packet), .words = {1, DEADLINE_NEVER}};
    rt_invoke(&r);
    must(rt_object_info(process, INFO_PROCESS, &info, sizeof info), "info");
    if (packet.kind != PACKET_EXIT) {
        info.fault_kind = UINT32_MAX;
    }
    rt_handle_close(process);
    return info;
}

static void faults(unsigned *_Nonnull failed) {
    handle_t waitset = HANDLE_NONE;
    must(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &waitset), "waitset");
    struct process_info info = outcome(waitset, store_to_code, 0);
    say("a store to constants is a protection fault",
        info.exit_cause == EXIT_FAULT && info.fault_kind == FAULT_PROTECTION &&
            info.fault_address == rt_address(&constant),
        failed);
    info = outcome(waitset, read_kernel, 0xffffffff80200000);
    say("the kernel's code cannot be read", info.fault_kind == FAULT_UNMAPPED, failed);
    info = outcome(waitset, read_kernel, 0);
    say("page 0 is not there", info.fault_kind == FAULT_UNMAPPED && info.fault_address == 0,
        failed);
    info = outcome(waitset, execute_data, NATIVE_THREAD_PAGE);
    say("what is not mapped cannot be executed", info.fault_kind == FAULT_UNMAPPED, failed);
    info = outcome(waitset, execute_data, rt_address(&constant));
    say("constants cannot be executed", info.fault_kind == FAULT_PROTECTION, failed);
    info = outcome(waitset, execute_data, 0x8000000000000000);
    say("a jump to no address is a general fault", info.fault_kind == FAULT_GENERAL, failed);
    info = outcome(waitset, privileged, 0);
    say("cli is a general fault", info.fault_kind == FAULT_GENERAL, failed);
    info = outcome(waitset, ports, 0);
    say("ports are closed", info.fault_kind == FAULT_GENERAL, failed);
    info = outcome(waitset, odd_flags, 0);
    say("odd flags do not disturb the kernel",
        info.exit_cause == EXIT_NORMAL && info.fault_kind == FAULT_NONE, failed);
    info = outcome(waitset, single_step, SYS_HANDLE_CLOSE);
    say("a step over a system call is told", info.fault_kind == FAULT_STEP, failed);
    info = outcome(waitset, odd_interrupt, 0);
    say("interrupts cannot be forged", info.fault_kind == FAULT_GENERAL, failed);
    info = outcome(waitset, divide, 0);
    say("a division by zero is told", info.fault_kind == FAULT_DIVIDE, failed);
    info = outcome(waitset, breakpoint, 0);
    say("a breakpoint is told", info.fault_kind == FAULT_BREAKPOINT, failed);
    info = outcome(waitset, bad_frame, 0xffffffff80200000);
    say("registers that point into the kernel are refused",
        info.exit_cause == EXIT_NORMAL && info.exit_code == STATUS_BAD_ARGUMENT, failed);
    info = outcome(waitset, bad_frame, 0x8000000000000000);
    say("registers with no address are refused",
        info.exit_cause == EXIT_NORMAL && info.exit_code == STATUS_BAD_ARGUMENT, failed);
}

static void second(uint64_t argument, uint64_t page) {
    uint32_t *word = (uint32_t *)(uintptr_t)argument;
    __atomic_store_n(word, rt_address(rt_thread_page()) == page ? 1u : 2u, __ATOMIC_SEQ_CST);
    (void)rt_futex_wake(word, 1);
    thread_exit();
}

static void threads(unsigned *_Nonnull failed) {
    uint32_t word = 0;
    start_thread(0, new_thread(0, PRIORITY_SERVER), second, rt_address(&word));
    while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) == 0) {
        (void)rt_futex_wait(&word, 0, DEADLINE_NEVER);
    }
    say("a second thread runs on its own page", word == 1, failed);
}

static void timers(unsigned *_Nonnull failed) {
    handle_t waitset = HANDLE_NONE;
    handle_t event = HANDLE_NONE;
    must(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &waitset), "waitset");
    must(rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &event), "event");
    must(rt_bind(waitset, event, UINT32_MAX, 9, 0), "bind");
    uint64_t start = rt_clock_ns();
    must(rt_timer_set(event, start + 3000000, 4, 0), "timer");
    struct packet packet = {};
    struct syscall_registers r = {
        .number = SYS_WAIT, .a = waitset, .b = rt_address(&packet), .words = {1, DEADLINE_NEVER}};
    rt_invoke(&r);
    say("a timer wakes the idle machine, and not early",
        packet.kind == PACKET_EVENT && packet.words[0] == 4 && packet.key == 9 &&
            rt_clock_ns() >= start + 3000000,
        failed);
    start = rt_clock_ns();
    r = (struct syscall_registers){
        .number = SYS_WAIT, .a = waitset, .b = rt_address(&packet), .words = {1, start + 1000000}};
    rt_invoke(&r);
    say("a wait ends at its deadline",
        (int32_t)r.number == STATUS_TIMED_OUT && rt_clock_ns() >= start + 1000000, failed);
    uint64_t now = rt_realtime_ns() / 1000000000;
    say("the real-time clock is set", now > 1700000000 && now < 4100000000, failed);
}

void server_main(uint64_t mode, uint64_t thread_page) {
    unsigned failed = 0;
    say("a program runs and writes to the log", mode == START_FRESH, &failed);
    say("GS leads to the thread page", rt_address(rt_thread_page()) == thread_page, &failed);
    struct syscall_registers r = {.number = 0x10028};
    rt_invoke(&r);
    say("a number beyond the last is refused", (int32_t)r.number == STATUS_NO_SYSCALL, &failed);
    r = (struct syscall_registers){.number = 39};
    rt_invoke(&r);
    say("a foreign call without upcall is refused", (int32_t)r.number == STATUS_NO_SYSCALL,
        &failed);
    volatile uint8_t *memory = (volatile uint8_t *)(uintptr_t)new_memory(0, 64 * PAGE_SIZE);
    bool zero = true;
    for (uint64_t i = 0; i < 64; i++) {
        zero = zero && *(volatile uint8_t *)bytes_at((void *)(uintptr_t)memory, i * PAGE_SIZE) == 0;
    }
    say("fresh memory is zero", zero, &failed);
    threads(&failed);
    timers(&failed);
    faults(&failed);
    rt_exit(failed);
}
