/* The system-call convention itself, the small calls about the system, and what is unknown. */
#include "check.h"
#include "linux_extra.h"
#include <sched.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

static void test_registers(void) {
    static uint64_t after[8];
    uint64_t before[8] = {0x1111, 0x2222, 0x3333, 0x4444, 0x5555, 0x6666, 0x7777, 0x8888};
    uint64_t result = 0;
    uint64_t rcx = 0;
    uint64_t r11 = 0;
    uint64_t expected_rcx = 0;
    __asm__ volatile("movq 0(%[in]), %%rdi\n\t"
                     "movq 8(%[in]), %%rsi\n\t"
                     "movq 16(%[in]), %%rdx\n\t"
                     "movq 24(%[in]), %%r8\n\t"
                     "movq 32(%[in]), %%r9\n\t"
                     "movq 40(%[in]), %%r10\n\t"
                     "movq 48(%[in]), %%r12\n\t"
                     "movq 56(%[in]), %%r15\n\t"
                     "movl $39, %%eax\n\t"
                     "syscall\n"
                     "1: movq %%rdi, 0(%[out])\n\t"
                     "movq %%rsi, 8(%[out])\n\t"
                     "movq %%rdx, 16(%[out])\n\t"
                     "movq %%r8, 24(%[out])\n\t"
                     "movq %%r9, 32(%[out])\n\t"
                     "movq %%r10, 40(%[out])\n\t"
                     "movq %%r12, 48(%[out])\n\t"
                     "movq %%r15, 56(%[out])\n\t"
                     "movq %%rcx, %[rcx]\n\t"
                     "movq %%r11, %[r11]\n\t"
                     "leaq 1b(%%rip), %%rcx\n\t"
                     "movq %%rcx, %[want]\n\t"
                     : "=&a"(result), [rcx] "=m"(rcx), [r11] "=m"(r11), [want] "=m"(expected_rcx)
                     : [in] "b"((uint64_t *)before), [out] "r"((uint64_t *)after)
                     : "rdi", "rsi", "rdx", "r8", "r9", "r10", "r12", "r15", "rcx", "r11", "memory",
                       "cc");
    check_equal("result", result, getpid());
    check_bytes("all_others_kept", after, before, sizeof before);
    check_equal("rcx_is_return_address", rcx, expected_rcx);
    check_equal("r11_has_the_flags", r11 & 0x202, 0x202);
    uint64_t vector[2] = {0x0123456789abcdef, 0xfedcba9876543210};
    uint64_t back[2] = {0};
    __asm__ volatile("movdqu (%1), %%xmm9\n\t"
                     "movl $39, %%eax\n\t"
                     "syscall\n\t"
                     "movdqu %%xmm9, (%0)"
                     :
                     : "r"(back), "r"(vector)
                     : "rax", "rcx", "r11", "xmm9", "memory");
    check_bytes("vector_registers_kept", back, vector, 16);
}

static long raw(long number) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number) : "rcx", "r11", "memory");
    return result;
}

static void test_numbers(void) {
    check_equal("unknown", raw(0x7fff), -ENOSYS);
    check_equal("minus_one", raw(-1), -ENOSYS);
    check_equal("far_negative", raw(-4096), -ENOSYS);
    check_equal("x32", raw(0x40000000 + 39), -ENOSYS);
    check_equal("upper_half_is_ignored", raw(0x500000000 + 39), getpid());
    check_equal("gap", raw(400), -ENOSYS);
    check_equal("retired", syscall(SYS_create_module), -1);
    check_equal("retired_errno", errno, ENOSYS);
    check_equal("getpid", raw(39), getpid());
}

/* The program's stack pointer may be anything during a system call. */
static void test_any_stack(void) {
    long result;
    __asm__ volatile("movq %%rsp, %%rbx\n\t"
                     "movq $8, %%rsp\n\t"
                     "movl $39, %%eax\n\t"
                     "syscall\n\t"
                     "movq %%rbx, %%rsp"
                     : "=a"(result)
                     :
                     : "rbx", "rcx", "r11", "memory");
    check_equal("bad_stack_pointer", result, getpid());
    uint64_t zone = 0;
    __asm__ volatile("movq $0x5a5a, -120(%%rsp)\n\t"
                     "movl $39, %%eax\n\t"
                     "syscall\n\t"
                     "movq -120(%%rsp), %0"
                     : "=r"(zone)
                     :
                     : "rax", "rcx", "r11", "memory");
    check_equal("red_zone_kept", zone, 0x5a5a);
    uint64_t flags = 0;
    __asm__ volatile("std\n\t"
                     "movl $39, %%eax\n\t"
                     "syscall\n\t"
                     "pushfq\n\t"
                     "popq %0\n\t"
                     "cld"
                     : "=r"(flags)
                     :
                     : "rax", "rcx", "r11", "memory");
    check_equal("direction_flag_kept", flags & 0x400, 0x400);
}

static volatile sig_atomic_t traps;

static void on_trap(int signal_number) {
    (void)signal_number;
    traps = traps + 1;
}

static void test_trap_flag(void) {
    handle(SIGTRAP, on_trap, 0);
    long result;
    __asm__ volatile("subq $128, %%rsp\n\t"
                     "pushfq\n\t"
                     "orq $0x100, (%%rsp)\n\t"
                     "popfq\n\t"
                     "movl $39, %%eax\n\t"
                     "syscall\n\t"
                     "nop\n\t"
                     "nop\n\t"
                     "pushfq\n\t"
                     "andq $~0x100, (%%rsp)\n\t"
                     "popfq\n\t"
                     "addq $128, %%rsp"
                     : "=a"(result)
                     :
                     : "rcx", "r11", "memory", "cc");
    check_equal("system_call_while_stepping", result, getpid());
    check("steps_before_and_after", traps >= 5 && traps <= 8);
    handle(SIGTRAP, SIG_DFL, 0);
}

static void test_segment_bases(void) {
    unsigned long base = 0;
    check_ok("get_fs", syscall(SYS_arch_prctl, ARCH_GET_FS_, &base));
    unsigned long self = 0;
    __asm__("movq %%fs:0, %0" : "=r"(self));
    check_equal("fs_is_thread_pointer", base, self);
    static unsigned long cell = 77;
    check_ok("set_gs", syscall(SYS_arch_prctl, ARCH_SET_GS_, &cell));
    unsigned long value = 0;
    __asm__ volatile("movq %%gs:0, %0" : "=r"(value));
    check_equal("gs_works", value, 77);
    check_equal("calls_work_with_own_gs", raw(39), getpid());
    __asm__ volatile("movq %%gs:0, %0" : "=r"(value));
    check_equal("gs_kept", value, 77);
    check_ok("get_gs", syscall(SYS_arch_prctl, ARCH_GET_GS_, &base));
    check_equal("gs_base", base, (uintptr_t)&cell);
    check_errno("set_gs_to_kernel", syscall(SYS_arch_prctl, ARCH_SET_GS_, 0xffffffff81000000),
                EPERM);
    check_errno("bad_code", syscall(SYS_arch_prctl, 0x9999, 0), EINVAL);
    if ((getauxval(AT_HWCAP2) & 2) != 0) {
        static unsigned long other = 78;
        __asm__ volatile("wrgsbase %0" ::"r"(&other));
        check_equal("calls_work_after_wrgsbase", raw(39), getpid());
        __asm__ volatile("movq %%gs:0, %0" : "=r"(value));
        check_equal("own_instruction_sets_it", value, 78);
        pid_t child = fork();
        if (child == 0) {
            __asm__ volatile("movq %%gs:0, %0" : "=r"(value));
            _exit(value == 78 ? 0 : 1);
        }
        check_exit("inherited_by_fork", child_status(child), 0);
    }
}

static void test_names(void) {
    struct utsname names;
    check_ok("uname", uname(&names));
    check_text("sysname", names.sysname, "Linux");
    check_text("machine", names.machine, "x86_64");
    int major = 0;
    int minor = 0;
    check_equal("release", sscanf(names.release, "%d.%d", &major, &minor), 2);
    check("release_is_recent", major >= 4);
    char name[128];
    check_ok("gethostname", gethostname(name, sizeof name));
    check_text("nodename", name, names.nodename);
    struct sysinfo info;
    check_ok("sysinfo", sysinfo(&info));
    check("memory", info.totalram > 0 && info.freeram <= info.totalram && info.mem_unit > 0);
    check("processes", info.procs > 0);
    check("uptime", info.uptime >= 0);
    check_equal("page_size", sysconf(_SC_PAGESIZE), 4096);
    check("processors", sysconf(_SC_NPROCESSORS_ONLN) >= 1);
    check_equal("clock_ticks", sysconf(_SC_CLK_TCK), 100);
}

static void test_process_names(void) {
    char name[16] = {0};
    check_ok("set_name", prctl(PR_SET_NAME, "a-rather-long-name-that-is-cut"));
    check_ok("get_name", prctl(PR_GET_NAME, name));
    check_text("cut_at_15", name, "a-rather-long-n");
    check_errno("bad_option", prctl(12345, 0, 0, 0, 0), EINVAL);
    check_equal("no_new_privs_off", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
    check_equal("dumpable", prctl(PR_GET_DUMPABLE), 1);
    mode_t old = umask(01777);
    check_equal("umask_keeps_permission_bits_only", umask(old), 0777);
}

static void test_scheduling(void) {
    check_ok("yield", sched_yield());
    unsigned long set[16] = {0};
    long length = syscall(SYS_sched_getaffinity, 0, sizeof set, set);
    check("getaffinity", length > 0 && length <= (long)sizeof set && length % 8 == 0);
    int count = 0;
    for (size_t i = 0; i < 16; i++) {
        count += __builtin_popcountl(set[i]);
    }
    check_equal("agrees_with_online", count, sysconf(_SC_NPROCESSORS_ONLN));
    check_errno("too_short", syscall(SYS_sched_getaffinity, 0, 1, set), EINVAL);
    check_errno("no_process", syscall(SYS_sched_getaffinity, 0x3ffffffe, sizeof set, set), ESRCH);
    unsigned long one[16] = {set[0] & -set[0]};
    check_ok("setaffinity", syscall(SYS_sched_setaffinity, 0, sizeof one, one));
    unsigned processor = 99;
    check_ok("getcpu", syscall(SYS_getcpu, &processor, nullptr, nullptr));
    check_equal("runs_there", processor, __builtin_ctzl(one[0]));
    unsigned long none[16] = {0};
    check_errno("empty_set", syscall(SYS_sched_setaffinity, 0, sizeof none, none), EINVAL);
    check_ok("all_again", syscall(SYS_sched_setaffinity, 0, sizeof set, set));
    check_equal("policy", syscall(SYS_sched_getscheduler, 0), 0);
}

static void test_randomised(void) {
    const unsigned char *bytes = (const unsigned char *)getauxval(AT_RANDOM);
    check("auxiliary_random", bytes != nullptr);
    int zero = 0;
    for (size_t i = 0; bytes != nullptr && i < 16; i++) {
        zero += bytes[i] == 0 ? 1 : 0;
    }
    check("not_all_zero", zero < 16);
    void *first = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check("page_0_is_never_given", first != nullptr && first != MAP_FAILED);
    munmap(first, 4096);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"registers", test_registers},         {"numbers", test_numbers},
        {"any_stack", test_any_stack},         {"trap_flag", test_trap_flag},
        {"segment_bases", test_segment_bases}, {"names", test_names},
        {"process_names", test_process_names}, {"scheduling", test_scheduling},
        {"randomised", test_randomised},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
