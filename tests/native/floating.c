/* Floating-point registers belong to their thread, across switches, and are copied by a fork. */
#include "tests/native/native.h"

enum { ROUNDS = 500 };

/* Holds `value` in XMM5 and in the control word while others run; 0: something changed it. */
static bool keeps(uint64_t value, uint64_t session) {
    uint64_t number = SYS_THREAD_CONTROL;
    uint64_t a = 0;
    uint64_t b = THREAD_YIELD;
    if (session != 0) {
        number = SYS_CALL;
        a = session;
        b = 1;
    }
    struct {
        uint64_t value, after;
        uint32_t control, control_after;
    } both = {value, 0, 0x1f80 | (uint32_t)(value & 3) << 13, 0};
    register void *where __asm__("r15") = &both;
    __asm__ volatile("movq (%%r15), %%xmm5\n"
                     "ldmxcsr 16(%%r15)\n"
                     "syscall\n"
                     "movq %%xmm5, 8(%%r15)\n"
                     "stmxcsr 20(%%r15)\n"
                     : "+a"(number), "+D"(a), "+S"(b)
                     : "r"(where)
                     : "xmm5", "rcx", "r11", "rdx", "r8", "r9", "r10", "rbx", "r12", "r13", "r14",
                       "memory");
    uint32_t standard = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(standard));
    return both.after == value && both.control_after == both.control && number == 0;
}

/* The registers that a system call keeps, while other threads run. */
static bool keeps_general(uint64_t value) {
    uint64_t good = 0;
    __asm__ volatile("movq %%rcx, %%rbx\n movq %%rcx, %%r12\n movq %%rcx, %%r13\n"
                     "movq %%rcx, %%r14\n movq %%rcx, %%r15\n movq %%rcx, %%r9\n"
                     "syscall\n"
                     "xorl %%eax, %%eax\n"
                     "cmpq %%r9, %%rbx\n jne 1f\n cmpq %%r9, %%r12\n jne 1f\n"
                     "cmpq %%r9, %%r13\n jne 1f\n cmpq %%r9, %%r14\n jne 1f\n"
                     "cmpq %%r9, %%r15\n jne 1f\n"
                     "movl $1, %%eax\n"
                     "1:\n"
                     : "=a"(good), "+c"(value)
                     : "a"((uint64_t)SYS_THREAD_CONTROL), "D"(0ull), "S"((uint64_t)THREAD_YIELD)
                     : "rbx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                       "memory");
    return good == 1;
}

struct shared {
    uint32_t ended, wrong;
};

static void user(uint64_t argument, uint64_t page) {
    struct shared *shared = (struct shared *)(uintptr_t)argument;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        if (!keeps(page + i, 0) || !keeps_general(page ^ i)) {
            __atomic_fetch_add(&shared->wrong, 1u, __ATOMIC_SEQ_CST);
        }
    }
    __atomic_fetch_add(&shared->ended, 1u, __ATOMIC_SEQ_CST);
    (void)rt_futex_wake(&shared->ended, 1);
    thread_exit();
}

static void non_user(uint64_t argument, uint64_t page) {
    struct shared *shared = (struct shared *)(uintptr_t)argument;
    (void)page;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        (void)thread_control(0, THREAD_YIELD, 0);
    }
    __atomic_fetch_add(&shared->ended, 1u, __ATOMIC_SEQ_CST);
    (void)rt_futex_wake(&shared->ended, 1);
    thread_exit();
}

/* In a process that is forked while it waits in this call: both sides return from it. */
static void forked(uint64_t session, uint64_t page) {
    bool good = keeps(0x123456789abcdef0, session);
    (void)page;
    uint64_t value = 11;
    uint64_t stack_value = *(volatile uint64_t *)&value;
    struct syscall_registers r = {.number = SYS_CALL,
                                  .a = session,
                                  .b = 2 | MESSAGE_HAS_WORDS(2),
                                  .words = {good ? 1 : 0, stack_value}};
    rt_invoke(&r);
    thread_exit();
}

static struct syscall_registers receive(handle_t waitset, uint64_t token, uint64_t word) {
    struct syscall_registers r = {.number = SYS_REPLY_RECEIVE,
                                  .a = waitset | (token != 0 ? (uint64_t)RECEIVE_REPLY << 32 : 0),
                                  .b = MESSAGE_HAS_WORDS(1),
                                  .words = {word},
                                  .token = token};
    rt_invoke(&r);
    must((status_t)(int32_t)(uint32_t)r.number, "receive");
    return r;
}

static void forks(unsigned *_Nonnull failed) {
    handle_t process = new_process();
    handle_t endpoint = HANDLE_NONE;
    handle_t waitset = HANDLE_NONE;
    handle_t session = HANDLE_NONE;
    must(rt_object_create(OBJECT_ENDPOINT, 0, 0, 0, 0, 0, &endpoint), "endpoint");
    must(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &waitset), "waitset");
    must(rt_bind(waitset, endpoint, UINT32_MAX, 0, 0), "bind");
    must(rt_object_create(OBJECT_SESSION, endpoint, 5, 0, 0, 0, &session), "session");
    start_thread(process, new_thread(process, PRIORITY_SERVER), forked, give(process, session));
    struct syscall_registers call = receive(waitset, 0, 0);
    uint64_t token = call.token;
    struct syscall_registers clone = {
        .number = SYS_PROCESS_CLONE, .a = process, .b = token, .words = {77}};
    rt_invoke(&clone);
    say("a process is forked while it waits for the answer", clone.number == STATUS_OK, failed);
    bool good = (uint32_t)call.b == 1;
    unsigned answers = 0;
    while (answers < 2) {
        call = receive(waitset, token, 0);
        token = call.token;
        good = good && (uint32_t)call.b == 2 && call.words[0] == 1 && call.words[1] == 11;
        answers++;
    }
    say("both go on with their registers and memory", good, failed);
}

void server_main(uint64_t mode, uint64_t thread_page) {
    (void)mode;
    (void)thread_page;
    unsigned failed = 0;
    struct shared shared = {};
    for (unsigned i = 0; i < 3; i++) {
        start_thread(0, new_thread(0, PRIORITY_SERVER), user, rt_address(&shared));
        start_thread(0, new_thread(0, PRIORITY_SERVER), non_user, rt_address(&shared));
    }
    uint32_t ended = 0;
    while (ended < 6) {
        (void)rt_futex_wait(&shared.ended, ended, DEADLINE_NEVER);
        ended = __atomic_load_n(&shared.ended, __ATOMIC_SEQ_CST);
    }
    say("floating-point registers survive switches", shared.wrong == 0, &failed);
    forks(&failed);
    rt_exit(failed);
}
