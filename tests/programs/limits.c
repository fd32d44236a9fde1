/* Resource limits, and what happens at them: the one who asked gets an error or a signal, nobody
 * else notices. */
#include "check.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>

/* Here fork is meant to fail; what is then signalled is looked at in each place. */
#undef fork

static long set_limit(int kind, rlim_t value) {
    struct rlimit limit = {.rlim_cur = value, .rlim_max = value};
    return syscall(SYS_setrlimit, kind, &limit);
}

static int raise_as_user(void) {
    struct rlimit limit = {.rlim_cur = 10, .rlim_max = 20};
    setrlimit(RLIMIT_CORE, &limit);
    if (setuid(12345) != 0) {
        return 1;
    }
    limit = (struct rlimit){.rlim_cur = 20, .rlim_max = 20};
    int bad = setrlimit(RLIMIT_CORE, &limit) == 0 ? 0 : 2;
    limit.rlim_max = 21;
    bad |= setrlimit(RLIMIT_CORE, &limit) == -1 && errno == EPERM ? 0 : 4;
    limit = (struct rlimit){.rlim_cur = 5, .rlim_max = 5};
    bad |= setrlimit(RLIMIT_CORE, &limit) == 0 ? 0 : 8;
    return bad;
}

static void test_calls(void) {
    struct rlimit limit;
    struct rlimit old;
    check_ok("getrlimit", getrlimit(RLIMIT_STACK, &old));
    check_errno("bad_kind", syscall(SYS_getrlimit, 99, &limit), EINVAL);
    limit = (struct rlimit){.rlim_cur = 20, .rlim_max = 10};
    check_errno("soft_above_hard", setrlimit(RLIMIT_CORE, &limit), EINVAL);
    check_ok("prlimit", prlimit(0, RLIMIT_STACK, nullptr, &limit));
    check_equal("same", limit.rlim_cur, old.rlim_cur);
    check_errno("prlimit_no_process", prlimit(0x3ffffffe, RLIMIT_STACK, nullptr, &limit), ESRCH);
    pid_t child = check_fork();
    if (child == 0) {
        for (;;) {
            pause();
        }
    }
    limit = (struct rlimit){.rlim_cur = 100, .rlim_max = 200};
    check_ok("of_another", prlimit(child, RLIMIT_NOFILE, &limit, nullptr));
    struct rlimit back;
    prlimit(child, RLIMIT_NOFILE, nullptr, &back);
    check("set", back.rlim_cur == 100 && back.rlim_max == 200);
    getrlimit(RLIMIT_NOFILE, &back);
    check("own_unchanged", back.rlim_cur != 100);
    kill(child, SIGKILL);
    child_status(child);
    check_exit("only_root_raises_hard", in_child(raise_as_user), 0);
    child = check_fork();
    if (child == 0) {
        set_limit(RLIMIT_CORE, 4096);
        if (fork() == 0) {
            getrlimit(RLIMIT_CORE, &back);
            _exit(back.rlim_cur == 4096 ? 0 : 1);
        }
        int status = 0;
        wait(&status);
        _exit(WEXITSTATUS(status));
    }
    check_exit("inherited", child_status(child), 0);
}

static int address_space(void) {
    set_limit(RLIMIT_AS, 64 << 20);
    int bad = mmap(nullptr, 128 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                   0) == MAP_FAILED &&
                      errno == ENOMEM
                  ? 0
                  : 1;
    void *small =
        mmap(nullptr, 8 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bad |= small != MAP_FAILED ? 0 : 2;
    bad |=
        mremap(small, 8 << 20, 128 << 20, MREMAP_MAYMOVE) == MAP_FAILED && errno == ENOMEM ? 0 : 4;
    int count = 0;
    while (count < 1000 && mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) {
        count++;
    }
    bad |= count > 10 && count < 64 ? 0 : 8;
    munmap(small, 8 << 20);
    bad |= mmap(nullptr, 1 << 20, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED ? 0
                                                                                               : 16;
    return bad;
}

static int data_segment(void) {
    char *start = (char *)syscall(SYS_brk, 0);
    set_limit(RLIMIT_DATA, 1 << 20);
    int bad = (char *)syscall(SYS_brk, start + (64 << 20)) == start ? 0 : 1;
    bad |= mmap(nullptr, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                       MAP_FAILED &&
                   errno == ENOMEM
               ? 0
               : 2;
    return bad;
}

static int processor_time(void) {
    struct rlimit limit = {.rlim_cur = 1, .rlim_max = 5};
    setrlimit(RLIMIT_CPU, &limit);
    for (volatile int i = 0;; i = i + 1) {
    }
}

static void test_memory(void) {
    check_exit("address_space", in_child(address_space), 0);
    check_exit("data", in_child(data_segment), 0);
    check_killed("processor_time", in_child(processor_time), SIGXCPU);
}

static int count_of_processes(void) {
    set_limit(RLIMIT_NPROC, 10);
    if (setuid(12345) != 0) {
        return 100;
    }
    int count = 0;
    for (; count < 50; count++) {
        pid_t child = fork();
        if (child == 0) {
            for (;;) {
                pause();
            }
        }
        if (child < 0) {
            break;
        }
    }
    int error = errno;
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    while (wait(nullptr) > 0) {
    }
    pid_t again = fork();
    if (again == 0) {
        _exit(0);
    }
    return error == EAGAIN && again > 0 ? count : 101;
}

static int own_group(void) {
    setpgid(0, 0);
    return count_of_processes();
}

/* Every process forks as fast as it can; the limit holds it, and one kill of the group ends it. */
static void test_fork_bomb(void) {
    if (geteuid() != 0) {
        check("needs_root", false);
        return;
    }
    check_exit("process_count", in_child(own_group), 9);
    int ends[2];
    pipe(ends);
    pid_t bomb = check_fork();
    if (bomb == 0) {
        setpgid(0, 0);
        set_limit(RLIMIT_NPROC, 30);
        if (setuid(12346) != 0) {
            _exit(1);
        }
        for (;;) {
            if (fork() < 0) {
                char answer = errno == EAGAIN ? 'e' : '?';
                write(ends[1], &answer, 1);
            }
        }
    }
    close(ends[1]);
    bool right = true;
    for (int i = 0; i < 200; i++) {
        char answer = 0;
        right = right && read(ends[0], &answer, 1) == 1 && answer == 'e';
    }
    check("each_gets_eagain", right);
    pid_t child = check_fork();
    if (child == 0) {
        _exit(7);
    }
    check_exit("others_still_fork", child_status(child), 7);
    while (kill(-bomb, SIGKILL) == 0) {
        waitpid(bomb, nullptr, WNOHANG);
        sched_yield();
    }
    check_errno("defused", kill(-bomb, 0), ESRCH);
    char byte;
    while (read(ends[0], &byte, 1) > 0) {
    }
    check("all_its_descriptors_are_closed", true);
    close(ends[0]);
}

static void test_priorities(void) {
    pid_t child = check_fork();
    if (child == 0) {
        int bad = setpriority(PRIO_PROCESS, 0, 0) == 0 ? 0 : 64;
        errno = 0;
        bad |= getpriority(PRIO_PROCESS, 0) == 0 ? 0 : 1;
        bad |= setpriority(PRIO_PROCESS, 0, 5) == 0 && getpriority(PRIO_PROCESS, 0) == 5 ? 0 : 2;
        bad |= nice(2) == 7 ? 0 : 4;
        bad |= setpriority(PRIO_PROCESS, 0, 100) == 0 && getpriority(PRIO_PROCESS, 0) == 19 ? 0 : 8;
        bad |= setuid(12345) == 0 ? 0 : 16;
        bad |=
            setpriority(PRIO_PROCESS, 0, 0) == -1 && (errno == EACCES || errno == EPERM) ? 0 : 32;
        _exit(bad);
    }
    check_exit("nice", child_status(child), 0);
    check_errno("no_process", getpriority(PRIO_PROCESS, 0x3ffffffe), ESRCH);
    check_errno("bad_kind", syscall(SYS_getpriority, 9, 0), EINVAL);
    struct rusage usage;
    check_ok("getrusage", getrusage(RUSAGE_SELF, &usage));
    check_errno("getrusage_bad", syscall(SYS_getrusage, 99, &usage), EINVAL);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"calls", test_calls},
        {"memory", test_memory},
        {"fork_bomb", test_fork_bomb},
        {"priorities", test_priorities},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
