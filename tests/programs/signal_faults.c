/* Faults as signals: their codes and addresses, the machine context, the floating-point state. (No
 * unmasked floating-point exception: the software emulator does not raise them.) */
#include "check.h"
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>

static sigjmp_buf place;
static siginfo_t seen;

static void on_fault(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number;
    (void)context;
    seen = *info;
    siglongjmp(place, 1);
}

static void catch_faults(int flags) {
    static const int all[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP};
    for (size_t i = 0; i < COUNT_OF(all); i++) {
        struct sigaction action = {.sa_flags = SA_SIGINFO | flags};
        action.sa_sigaction = on_fault;
        sigaction(all[i], &action, nullptr);
    }
}

#define EXPECT_FAULT(name, statement, signal_number, code)                                         \
    do {                                                                                           \
        seen = (siginfo_t){0};                                                                     \
        if (sigsetjmp(place, 1) == 0) {                                                            \
            statement;                                                                             \
        }                                                                                          \
        check_equal(name, seen.si_signo, signal_number);                                           \
        check_equal(name "_code", seen.si_code, code);                                             \
    } while (0)

static volatile int sink;

static void test_memory(void) {
    catch_faults(0);
    char *page = mmap(nullptr, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    EXPECT_FAULT("null_page", sink = *(volatile int *)16, SIGSEGV, SEGV_MAPERR);
    check_equal("null_page_address", (uintptr_t)seen.si_addr, 16);
    EXPECT_FAULT("read_only", *(volatile char *)(page + 5) = 1, SIGSEGV, SEGV_ACCERR);
    check("read_only_address", seen.si_addr == page + 5);
    mprotect(page, 4096, PROT_NONE);
    EXPECT_FAULT("no_access", sink = *(volatile char *)page, SIGSEGV, SEGV_ACCERR);
    munmap(page, 4096);
    EXPECT_FAULT("unmapped", sink = *(volatile char *)page, SIGSEGV, SEGV_MAPERR);
    void (*volatile jump)(void) = (void (*)(void))(page + 4096);
    EXPECT_FAULT("not_executable", jump(), SIGSEGV, SEGV_ACCERR);
    check("not_executable_address", seen.si_addr == page + 4096);
    jump = (void (*)(void))0x10;
    EXPECT_FAULT("jump_to_null_page", jump(), SIGSEGV, SEGV_MAPERR);
    EXPECT_FAULT("kernel_address", sink = *(volatile int *)0xffffffff80000000, SIGSEGV,
                 SEGV_MAPERR);
    EXPECT_FAULT("not_canonical", sink = *(volatile int *)0x8000000000000000, SIGSEGV, SI_KERNEL);
    munmap(page + 4096, 4096);
    int fd = open("f", O_RDWR | O_CREAT, 0644);
    write(fd, "x", 1);
    page = mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    EXPECT_FAULT("beyond_end_of_file", sink = page[4096], SIGBUS, BUS_ADRERR);
    check("beyond_end_address", seen.si_addr == page + 4096);
    EXPECT_FAULT("within_last_page", sink = page[4095], 0, 0);
    ftruncate(fd, 0);
    EXPECT_FAULT("after_truncate", sink = page[0], SIGBUS, BUS_ADRERR);
    munmap(page, 8192);
    close(fd);
}

static void test_instructions(void) {
    catch_faults(0);
    EXPECT_FAULT("undefined", __asm__ volatile("ud2"), SIGILL, ILL_ILLOPN);
    EXPECT_FAULT("divide",
                 __asm__ volatile("xorl %%ecx, %%ecx; movl $1, %%eax; cltd; idivl %%ecx" :: : "eax",
                                  "ecx", "edx"),
                 SIGFPE, FPE_INTDIV);
    EXPECT_FAULT("breakpoint", __asm__ volatile("int3"), SIGTRAP, SI_KERNEL);
    EXPECT_FAULT("privileged", __asm__ volatile("hlt"), SIGSEGV, SI_KERNEL);
    EXPECT_FAULT("port", __asm__ volatile("xorl %%eax, %%eax; outb %%al, $0x80" :: : "eax"),
                 SIGSEGV, SI_KERNEL);
    EXPECT_FAULT("interrupt_gate", __asm__ volatile("int $0x20"), SIGSEGV, SI_KERNEL);
}

static void on_step_over(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number;
    (void)info;
    ucontext_t *frame = context;
    frame->uc_mcontext.gregs[REG_RIP] += 2;
    frame->uc_mcontext.gregs[REG_RAX] = 4321;
}

static void test_context_changes(void) {
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = on_step_over;
    sigaction(SIGILL, &action, nullptr);
    long value = 1;
    __asm__ volatile("ud2" : "+a"(value));
    check_equal("register_set_by_handler", value, 4321);
    sigaction(SIGSEGV, &action, nullptr);
    value = 0;
    long address = 8;
    __asm__ volatile("movl (%1), %%eax" : "+a"(value) : "r"(address));
    check_equal("faulting_instruction_skipped", value, 4321);
}

static volatile sig_atomic_t ran;

static void on_clobber(int signal_number) {
    (void)signal_number;
    ran = ran + 1;
    __asm__ volatile("pcmpeqd %%xmm0, %%xmm0; movaps %%xmm0, %%xmm7; movaps %%xmm0, %%xmm15; "
                     "fninit; fldpi; std; cld" ::
                         : "xmm0", "xmm7", "xmm15", "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8",
                           "r9", "r10", "r11", "r12", "r13", "r14", "r15");
}

/* Registers, flags, SSE and the red zone are as they were when the interrupted code goes on. */
static void test_state_kept(void) {
    ticks_start(on_clobber, 0);
    bool kept = true;
    bool red_zone = true;
    while (ran < 20) {
        uint64_t in = 0x123456789abcdef0;
        uint64_t out = 0;
        uint64_t zone = 0;
        __asm__ volatile("movq %2, %%xmm15\n\t"
                         "movq %2, %%r12\n\t"
                         "movq %2, %%rcx\n\t"
                         "movq %2, %%r11\n\t"
                         "movq %2, -100(%%rsp)\n\t"
                         "movl $2000, %%eax\n"
                         "1: decl %%eax\n\t"
                         "jnz 1b\n\t"
                         "movq %%xmm15, %0\n\t"
                         "xorq %%r12, %0\n\t"
                         "xorq %2, %%rcx\n\t"
                         "xorq %2, %%r11\n\t"
                         "orq %%rcx, %0\n\t"
                         "orq %%r11, %0\n\t"
                         "movq -100(%%rsp), %1"
                         : "=&r"(out), "=&r"(zone)
                         : "r"(in)
                         : "rax", "rcx", "r11", "r12", "xmm15", "memory", "cc");
        kept = kept && out == 0;
        red_zone = red_zone && zone == in;
    }
    ticks_stop();
    check("registers_kept", kept);
    check("red_zone_kept", red_zone);
}

static volatile sig_atomic_t frame_ok;

static void on_frame(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number;
    (void)info;
    ucontext_t *frame = context;
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    uintptr_t interrupted = (uintptr_t)frame->uc_mcontext.gregs[REG_RSP];
    uint32_t magic = 0;
    memcpy(&magic, (char *)frame->uc_mcontext.fpregs + 464, sizeof magic);
    frame_ok = (here < interrupted - 128 ? 1 : 0) | (frame->uc_mcontext.fpregs != nullptr ? 2 : 0) |
               (magic == 0x46505853 ? 4 : 0) | (here % 16 == 0 ? 8 : 0) |
               ((frame->uc_mcontext.gregs[REG_CSGSFS] & 0xffff) == 0x33 ? 16 : 0);
}

static void test_frame(void) {
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = on_frame;
    sigaction(SIGUSR1, &action, nullptr);
    raise(SIGUSR1);
    check("below_red_zone", (frame_ok & 1) != 0);
    check("has_floating_point_state", (frame_ok & 2) != 0);
    check("extended_state_magic", (frame_ok & 4) != 0);
    check("stack_aligned", (frame_ok & 8) != 0);
    check("code_segment", (frame_ok & 16) != 0);
}

static int endless(volatile char *below) {
    volatile char room[512];
    room[0] = below[0];
    return endless(room) + room[0];
}

static int recurse(void) {
    struct rlimit limit = {.rlim_cur = 256 * 1024, .rlim_max = RLIM_INFINITY};
    setrlimit(RLIMIT_STACK, &limit);
    volatile char start[1] = {0};
    return endless(start);
}

static void on_overflow(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number;
    (void)context;
    _exit(info->si_code == SEGV_MAPERR || info->si_code == SEGV_ACCERR ? 9 : 8);
}

static int recurse_caught(void) {
    static char area[65536];
    stack_t stack = {.ss_sp = area, .ss_size = sizeof area};
    sigaltstack(&stack, nullptr);
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    action.sa_sigaction = on_overflow;
    sigaction(SIGSEGV, &action, nullptr);
    return recurse();
}

static int recurse_handler_without_stack(void) {
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = on_overflow;
    sigaction(SIGSEGV, &action, nullptr);
    return recurse();
}

static int fault_ignored(void) {
    signal(SIGSEGV, SIG_IGN);
    *(volatile int *)8 = 1;
    return 0;
}

static int bad_stack_pointer(void) {
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = on_overflow;
    sigaction(SIGSEGV, &action, nullptr);
    __asm__ volatile("movq $16, %rsp; pushq $1");
    return 0;
}

static int bad_return_frame(void) {
    __asm__ volatile("movq $64, %rsp; movl $15, %eax; syscall");
    return 0;
}

static void test_ends(void) {
    check_killed("endless_recursion", in_child(recurse), SIGSEGV);
    check_exit("caught_on_alternate_stack", in_child(recurse_caught), 9);
    check_killed("handler_has_no_stack", in_child(recurse_handler_without_stack), SIGSEGV);
    check_killed("ignored_fault_kills", in_child(fault_ignored), SIGSEGV);
    check_killed("bad_stack_pointer", in_child(bad_stack_pointer), SIGSEGV);
    check_killed("sigreturn_without_frame", in_child(bad_return_frame), SIGSEGV);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"memory", test_memory},
        {"instructions", test_instructions},
        {"context_changes", test_context_changes},
        {"state_kept", test_state_kept},
        {"frame", test_frame},
        {"ends", test_ends},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
