/* Foreign system calls, faults and kicks that go to the process's upcall, and how a thread goes on
 * afterwards. The "runtime" is what lies between runtime_start and runtime_end. */
#include "tests/native/native.h"

enum { CALL_PLAIN = 39, CALL_RESUME = 40, CALL_FAULT_INSIDE = 41, RESULT = 4242, ROUNDS = 200 };

/* What the upcall saw; in memory, since a program has no writable globals. Its address is kept in
 * the thread page. */
struct seen {
    struct program_frame last;
    uint64_t faults, kicks, inside, upcalls;
    uint64_t nested_kind, nested_address;
};

extern const char runtime_start[], runtime_end[], runtime_entry[], runtime_load[];
void runtime_upcall(struct thread_page *_Nonnull page);
void runtime(void);

/* RCX: the thread page. A plain call returns without the kernel, all else by thread_resume. */
[[gnu::naked, gnu::used]] void runtime(void) {
    __asm__ volatile(
        ".globl runtime_start, runtime_end, runtime_entry, runtime_load\n"
        "runtime_start:\n"
        "runtime_entry:\n"
        "cmpq $0, %c[nested](%%rcx)\n"
        "jne 3f\n"
        "cmpq $0, %c[kind](%%rcx)\n"
        "jne 2f\n"
        "cmpq $%c[plain], %%rax\n"
        "jne 1f\n"
        "movl $%c[result], %%eax\n"
        "movq %c[rsp](%%rcx), %%rsp\n"
        "jmpq *%c[rip](%%rcx)\n"
        "1: cmpq $%c[inside], %%rax\n"
        "jne 2f\n"
        "movl $0x123, %%edx\n"
        "runtime_load: movq (%%rdx), %%rdx\n"
        "2: movq %%rcx, %%rbx\n"
        "movq %%rcx, %%rdi\n"
        "callq runtime_upcall\n"
        "movl $%c[resume], %%eax\n"
        "xorl %%edi, %%edi\n"
        "syscall\n"
        "ud2\n"
        "3: movq %%rcx, %%rdi\n"
        "callq runtime_upcall\n"
        "movl $%c[resume], %%eax\n"
        "movl $1, %%edi\n"
        "syscall\n"
        "ud2\n"
        "runtime_end:\n"
        :
        : [nested] "i"(offsetof(struct thread_page, frame[1].fault_kind)),
          [kind] "i"(offsetof(struct thread_page, frame[0].fault_kind)),
          [rsp] "i"(offsetof(struct thread_page, frame[0].rsp)),
          [rip] "i"(offsetof(struct thread_page, frame[0].rip)), [plain] "i"(CALL_PLAIN),
          [result] "i"(RESULT), [inside] "i"(CALL_FAULT_INSIDE), [resume] "i"(SYS_THREAD_RESUME));
}

void runtime_upcall(struct thread_page *_Nonnull page) {
    struct seen *seen = (struct seen *)(uintptr_t)page->runtime[0];
    seen->upcalls++;
    if (page->frame[1].fault_kind != FAULT_NONE) {
        seen->nested_kind = page->frame[1].fault_kind;
        seen->nested_address = page->frame[1].fault_address;
        seen->inside++;
        page->frame[1].rip += 3; /* over the load */
        page->frame[1].fault_kind = FAULT_NONE;
        return;
    }
    seen->last = page->frame[0];
    if (page->frame[0].fault_kind == FAULT_NONE) {
        page->frame[0].rax = RESULT + 1;
    } else if (page->frame[0].fault_kind == FAULT_KICK) {
        seen->kicks++;
        page->kick_pending = 0;
        page->frame[0].rbx = 99; /* ends the loop */
    } else {
        seen->faults++;
        page->frame[0].rip += 2; /* over ud2, or a load of two bytes */
    }
}

static uint64_t foreign(uint64_t number, uint64_t a, uint64_t b) {
    __asm__ volatile("syscall" : "+a"(number), "+D"(a), "+S"(b) : : "rcx", "r11", "memory");
    return number;
}

/* All registers but RAX, RCX and R11 survive a foreign call. */
static bool registers_kept(uint64_t number) {
    uint64_t good = 0;
    __asm__ volatile("pushq %%rbp\n"
                     "movq $0x1111, %%rbp\n movq $0x2222, %%rbx\n movq $0x3333, %%r12\n"
                     "movq $0x4444, %%r15\n movq $0x5555, %%rdx\n movq $0x6666, %%r8\n"
                     "stc\n"
                     "syscall\n"
                     "movl $0, %%eax\n"
                     "cmpq $0x1111, %%rbp\n jne 1f\n cmpq $0x2222, %%rbx\n jne 1f\n"
                     "cmpq $0x3333, %%r12\n jne 1f\n cmpq $0x4444, %%r15\n jne 1f\n"
                     "cmpq $0x5555, %%rdx\n jne 1f\n cmpq $0x6666, %%r8\n jne 1f\n"
                     "movl $1, %%eax\n"
                     "1: popq %%rbp\n"
                     : "=a"(good)
                     : "a"(number)
                     : "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
                       "r14", "r15", "memory");
    return good == 1;
}

static void prepare(struct thread_page *_Nonnull page, struct seen *_Nonnull seen) {
    page->runtime[0] = rt_address(seen);
    page->upcall_stack = new_memory(0, STACK_SIZE) + STACK_SIZE;
}

struct loop {
    struct seen *_Nonnull seen;
    uint32_t running, ended;
};

/* Spins until a kick changes RBX. */
static void spin(uint64_t argument, uint64_t page) {
    struct loop *loop = (struct loop *)(uintptr_t)argument;
    prepare((struct thread_page *)(uintptr_t)page, loop->seen);
    __atomic_store_n(&loop->running, 1u, __ATOMIC_SEQ_CST);
    __asm__ volatile("xorl %%ebx, %%ebx\n"
                     "1: pause\n"
                     "testq %%rbx, %%rbx\n"
                     "jz 1b\n"
                     :
                     :
                     : "rbx", "memory");
    __atomic_store_n(&loop->ended, 1u, __ATOMIC_SEQ_CST);
    (void)rt_futex_wake(&loop->ended, 1);
    thread_exit();
}

static void kicks(unsigned *_Nonnull failed) {
    struct seen *seen = (struct seen *)(uintptr_t)new_memory(0, PAGE_SIZE);
    struct loop loop = {.seen = seen};
    handle_t thread = new_thread(0, PRIORITY_FAIR);
    start_thread(0, thread, spin, rt_address(&loop));
    while (__atomic_load_n(&loop.running, __ATOMIC_SEQ_CST) == 0) {
        uint32_t word = 0;
        (void)rt_futex_wait(&word, 0, rt_clock_ns() + 1000000);
    }
    (void)thread_control(thread, THREAD_KICK, 0);
    while (__atomic_load_n(&loop.ended, __ATOMIC_SEQ_CST) == 0) {
        (void)rt_futex_wait(&loop.ended, 0, DEADLINE_NEVER);
    }
    say("a kick reaches a thread that only computes", seen->kicks == 1, failed);
}

void server_main(uint64_t mode, uint64_t thread_page) {
    (void)mode;
    (void)thread_page;
    unsigned failed = 0;
    struct seen *seen = (struct seen *)(uintptr_t)new_memory(0, PAGE_SIZE);
    struct thread_page *page = rt_thread_page();
    prepare(page, seen);
    say("an upcall in the kernel is refused",
        rt_object_set(0, SET_UPCALL, 0x8000000000000000, 0) == STATUS_BAD_ARGUMENT, &failed);
    must(rt_object_set(0, SET_UPCALL, rt_address(runtime_entry), 0), "upcall");
    must(rt_object_set(0, SET_RUNTIME, rt_address(runtime_start),
                       rt_address(runtime_end) - rt_address(runtime_start)),
         "runtime");
    say("a foreign call comes back from the runtime", foreign(CALL_PLAIN, 1, 2) == RESULT, &failed);
    say("all numbers outside the range are foreign",
        foreign(UINT64_MAX, 1, 2) == RESULT + 1 && foreign(0x10028, 1, 2) == RESULT + 1 &&
            foreign(0x100010000, 1, 2) == RESULT + 1 && foreign(0xffff, 1, 2) == RESULT + 1,
        &failed);
    say("the frame holds the program's registers",
        foreign(CALL_RESUME, 0x77, 0x88) == RESULT + 1 && seen->last.original_rax == CALL_RESUME &&
            seen->last.rdi == 0x77 && seen->last.rsi == 0x88 && seen->last.rcx == seen->last.rip &&
            (seen->last.flags & 0x200) != 0,
        &failed);
    say("registers survive a return without the kernel", registers_kept(CALL_PLAIN), &failed);
    say("registers survive a resume", registers_kept(CALL_RESUME), &failed);
    __asm__ volatile("ud2");
    say("a fault goes to the upcall, and the program goes on",
        seen->faults == 1 && seen->last.fault_kind == FAULT_ILLEGAL, &failed);
    __asm__ volatile("movq $0x5000, %%rax\n"
                     ".byte 0x8b, 0x00" /* movl (%rax), %eax */
                     :
                     :
                     : "rax");
    say("a page fault tells its address",
        seen->faults == 2 && seen->last.fault_kind == FAULT_UNMAPPED &&
            seen->last.fault_address == 0x5000,
        &failed);
    say("a fault inside the runtime uses the second save area",
        foreign(CALL_FAULT_INSIDE, 0, 0) == RESULT + 1 && seen->inside == 1 &&
            seen->nested_kind == FAULT_UNMAPPED && seen->nested_address == 0x123,
        &failed);
    kicks(&failed);
    struct process_info info;
    must(rt_object_info(BOOT_HANDLE_PROCESS, INFO_PROCESS, &info, sizeof info), "info");
    say("foreign calls are counted", info.foreign_calls == 9, &failed);
    uint64_t start = ticks();
    for (unsigned i = 0; i < ROUNDS; i++) {
        (void)foreign(CALL_PLAIN, 0, 0);
    }
    tell("foreign call, reflected and back", (ticks() - start) / ROUNDS);
    rt_exit(failed);
}
