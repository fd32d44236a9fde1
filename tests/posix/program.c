/* A static program that tests/posix/boot.c runs as the only one: each line is a check. It uses only
 * what needs no other server: its own memory, signals to itself, children, threads, time. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int failed;

static void check(const char *name, int good) {
    char line[128];
    int length = snprintf(line, sizeof line, "%s %s\n", good ? "ok" : "FAILED", name);
    (void)!write(1, line, (size_t)length);
    failed += !good;
}

static uint64_t ticks(void) {
    uint32_t low;
    uint32_t high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static void measure(const char *name, long (*what)(void)) {
    enum { ROUNDS = 100 };
    char line[128];
    (void)what();
    uint64_t start = ticks();
    for (int i = 0; i < ROUNDS; i++) {
        (void)what();
    }
    uint64_t each = (ticks() - start) / ROUNDS;
    int length = snprintf(line, sizeof line, "measured %s %lu\n", name, (unsigned long)each);
    (void)!write(1, line, (size_t)length);
}

static long call_getppid(void) {
    return syscall(SYS_getppid);
}

static long call_clock(void) {
    struct timespec now;
    return clock_gettime(CLOCK_MONOTONIC, &now);
}

static volatile sig_atomic_t seen;
static volatile double kept;

static void on_signal(int number) {
    seen = number;
    kept = kept * 3 + 1; /* uses floating registers */
}

static long call_signal(void) {
    return raise(SIGUSR1);
}

static void signals(void) {
    struct sigaction action = {.sa_handler = on_signal};
    check("sigaction", sigaction(SIGUSR1, &action, NULL) == 0);
    double before = (double)getpid() * 1.5;
    check("raise", raise(SIGUSR1) == 0 && seen == SIGUSR1);
    check("floating_kept", before == (double)getpid() * 1.5);
    seen = 0;
    sigset_t set;
    sigset_t old;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, &old);
    raise(SIGUSR1);
    check("blocked_waits", seen == 0);
    sigset_t pending;
    sigpending(&pending);
    check("sigpending", sigismember(&pending, SIGUSR1) == 1);
    sigprocmask(SIG_SETMASK, &old, NULL);
    check("unblocked_comes", seen == SIGUSR1);
}

static volatile sig_atomic_t faults;

static void on_fault(int number, siginfo_t *info, void *context) {
    (void)number;
    (void)context;
    faults = info->si_addr == (void *)0x1234;
    ucontext_t *registers = context;
    registers->uc_mcontext.gregs[REG_RIP] += 2; /* movl (%rax), %eax */
}

static void bad_memory(void) {
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    __asm__ volatile("movl $0x1234, %%eax\n\t.byte 0x8b, 0x00" ::: "rax", "memory");
    check("sigsegv_tells_the_address", faults == 1);
    action.sa_handler = SIG_DFL;
    action.sa_flags = 0;
    sigaction(SIGSEGV, &action, NULL);
    check("efault_read_side", write(1, (void *)0x1234, 5) == -1 && errno == EFAULT);
    check("efault_write_side",
          syscall(SYS_clock_gettime, CLOCK_REALTIME, (void *)0x10) == -1 && errno == EFAULT);
    check("efault_path", syscall(SYS_open, (void *)8, 0) == -1 && errno == EFAULT);
    check("efault_kernel_half",
          syscall(SYS_open, (void *)0xffff800000000000, 0) == -1 && errno == EFAULT);
    check("enosys", syscall(400) == -1 && errno == ENOSYS);
    check("ebadf", close(99) == -1 && errno == EBADF);
    check("enoent", syscall(SYS_open, "nowhere", 0) == -1 && errno == ENOENT);
}

static void memory(void) {
    char *page = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check("mmap", page != MAP_FAILED);
    memset(page, 7, 65536);
    check("mprotect", mprotect(page, 4096, PROT_READ) == 0 && page[0] == 7);
    check("munmap", munmap(page, 65536) == 0);
    check("einval",
          mmap(NULL, 0, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EINVAL);
    check("the_runtime_is_out_of_reach", munmap((void *)0x7e0000000000, 4096) == -1);
    char *block = malloc(1 << 20);
    check("malloc", block != NULL);
    memset(block, 1, 1 << 20);
    free(block);
    long heap = syscall(SYS_brk, 0);
    check("brk", heap > 0 && syscall(SYS_brk, heap + 10000) == heap + 10000);
    memset((void *)heap, 3, 10000);
}

static int shared_number = 5;

static long fork_and_wait(void) {
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    int status;
    return waitpid(child, &status, 0);
}

static void children(void) {
    pid_t child = fork();
    if (child == 0) {
        shared_number = 6;
        _exit(getppid() == 1 && getpid() != 1 ? 42 : 1);
    }
    int status = 0;
    check("fork", child > 1);
    check("wait", waitpid(child, &status, 0) == child);
    check("exit_status", WIFEXITED(status) && WEXITSTATUS(status) == 42);
    check("copy_on_write", shared_number == 5);
    child = fork();
    if (child == 0) {
        *(volatile int *)8 = 1;
        _exit(1);
    }
    check("wait_killed", waitpid(child, &status, 0) == child);
    check("killed_by_sigsegv", WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    check("no_child", waitpid(-1, &status, 0) == -1 && errno == ECHILD);
    child = vfork();
    if (child == 0) {
        shared_number = 9;
        _exit(3);
    }
    check("vfork_shares", shared_number == 9);
    check("vfork_wait", waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 3);
    child = vfork();
    if (child == 0) {
        char *arguments[] = {"program", "again", NULL};
        char *environment[] = {"MODE=again", NULL};
        execve("/program", arguments, environment);
        _exit(99);
    }
    check("exec_wait", waitpid(child, &status, 0) == child);
    check("exec_status", WIFEXITED(status) && WEXITSTATUS(status) == 17);
    check("exec_enoent",
          execve("/nowhere", (char *[]){"x", NULL}, (char *[]){NULL}) == -1 && errno == ENOENT);
}

static void *thread_main(void *argument) {
    *(int *)argument += 1;
    return argument;
}

static void threads(void) {
    pthread_t thread;
    int number = 1;
    void *result = NULL;
    check("pthread_create", pthread_create(&thread, NULL, thread_main, &number) == 0);
    check("pthread_join", pthread_join(thread, &result) == 0 && number == 2 && result == &number);
}

static void facts(char **argv) {
    check("arguments", strcmp(argv[0], "program") == 0 && strcmp(argv[1], "first") == 0);
    check("environment", getenv("MODE") != NULL && strcmp(getenv("MODE"), "test") == 0);
    check("getpid", getpid() == 1 && getppid() == 0 && syscall(SYS_gettid) == 1);
    check("auxv_page", getauxval(AT_PAGESZ) == 4096 && getauxval(AT_PHNUM) > 0);
    check("auxv_name", strcmp((char *)getauxval(AT_EXECFN), "/program") == 0);
    check("auxv_vdso", getauxval(AT_SYSINFO_EHDR) != 0 &&
                           memcmp((void *)getauxval(AT_SYSINFO_EHDR), "\177ELF", 4) == 0);
    struct timespec a;
    struct timespec b;
    check("clock", clock_gettime(CLOCK_MONOTONIC, &a) == 0 &&
                       syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &b) == 0 &&
                       (b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec)));
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "again") == 0) {
        const char *mode = getenv("MODE");
        return mode != NULL && strcmp(mode, "again") == 0 && getppid() == 1 ? 17 : 18;
    }
    facts(argv);
    memory();
    signals();
    bad_memory();
    children();
    threads();
    measure("getppid", call_getppid);
    measure("clock_gettime", call_clock);
    measure("signal_self", call_signal);
    measure("fork_exit_wait", fork_and_wait);
    return failed;
}
