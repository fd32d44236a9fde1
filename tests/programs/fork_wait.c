/* fork, vfork, exit and the waits; orphans, zombies, stopped and continued children. */
#include "check.h"
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static int status_of_exit(int code) {
    pid_t child = fork();
    if (child == 0) {
        _exit(code);
    }
    return child_status(child);
}

static void test_exit_codes(void) {
    check_exit("zero", status_of_exit(0), 0);
    check_exit("one", status_of_exit(1), 1);
    check_exit("255", status_of_exit(255), 255);
    check_exit("low_byte_only", status_of_exit(0x1234), 0x34);
    check_exit("negative", status_of_exit(-1), 255);
    pid_t child = fork();
    if (child == 0) {
        raise(SIGKILL);
    }
    check_killed("killed", child_status(child), SIGKILL);
}

static int global = 5;

static void test_copies(void) {
    volatile int local = 6;
    char *shared = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char *private_page =
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *private_page = 1;
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0) {
        int bad = global == 5 && local == 6 && *private_page == 1 ? 0 : 1;
        bad |= getppid() == parent ? 0 : 2;
        bad |= getpid() != parent ? 0 : 4;
        global = 50;
        local = 60;
        *private_page = 2;
        *shared = 3;
        _exit(bad);
    }
    check("pid_positive", child > 0);
    check_exit("child_saw_parents_memory", child_status(child), 0);
    check("parents_memory_kept", global == 5 && local == 6 && *private_page == 1);
    check_equal("shared_memory_is_shared", *shared, 3);
    child = fork();
    if (child == 0) {
        while (*(volatile char *)shared != 9) {
            sched_yield();
        }
        _exit(*private_page);
    }
    *private_page = 7;
    *shared = 9;
    check_exit("parents_later_write_unseen", child_status(child), 1);
    munmap(shared, 4096);
    munmap(private_page, 4096);
}

static void test_many(void) {
    enum { CHILDREN = 50 };
    pid_t children[CHILDREN];
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            _exit(i);
        }
    }
    int seen = 0;
    bool right = true;
    for (int i = 0; i < CHILDREN; i++) {
        int status = 0;
        pid_t pid = wait(&status);
        for (int j = 0; j < CHILDREN; j++) {
            if (children[j] == pid) {
                right = right && WEXITSTATUS(status) == j;
                children[j] = -1;
                seen++;
            }
        }
    }
    check_equal("each_once", seen, CHILDREN);
    check("own_status", right);
    check_errno("none_left", wait(nullptr), ECHILD);
}

static void test_wait_forms(void) {
    int status = 0;
    check_errno("no_children", waitpid(-1, &status, WNOHANG), ECHILD);
    check_errno("not_mine", waitpid(1, &status, WNOHANG), ECHILD);
    check_errno("bad_option", waitpid(-1, &status, 0x100), EINVAL);
    int ends[2];
    pipe(ends);
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(ends[1]);
        read(ends[0], &byte, 1);
        _exit(3);
    }
    check_equal("not_yet", waitpid(child, &status, WNOHANG), 0);
    check_errno("other_group", waitpid(-0x3ffffffe, &status, WNOHANG), ECHILD);
    check_equal("own_group", waitpid(0, &status, WNOHANG), 0);
    close(ends[1]);
    siginfo_t info = {0};
    check_ok("waitid_nowait", waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
    check_equal("si_signo", info.si_signo, SIGCHLD);
    check_equal("si_code", info.si_code, CLD_EXITED);
    check_equal("si_status", info.si_status, 3);
    check_equal("si_pid", info.si_pid, child);
    check_ok("still_there", waitid(P_ALL, 0, &info, WEXITED | WNOWAIT | WNOHANG));
    struct rusage usage;
    check_equal("wait4", wait4(child, &status, 0, &usage), child);
    check_exit("wait4_status", status, 3);
    check_errno("gone", waitpid(child, &status, 0), ECHILD);
    check_errno("waitid_no_what", waitid(P_ALL, 0, &info, 0), EINVAL);
    check_errno("waitid_bad_type", waitid(99, 0, &info, WEXITED), EINVAL);
    close(ends[0]);
    child = fork();
    if (child == 0) {
        raise(SIGSEGV);
    }
    check_ok("killed", waitid(P_PID, (id_t)child, &info, WEXITED));
    check("killed_code", info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED);
    check_equal("killed_signal", info.si_status, SIGSEGV);
    info.si_pid = 99;
    child = fork();
    if (child == 0) {
        pause();
    }
    check_ok("waitid_nohang", waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG));
    check_equal("waitid_nohang_pid_0", info.si_pid, 0);
    kill(child, SIGKILL);
    child_status(child);
}

static void test_stop_continue(void) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        raise(SIGSTOP);
        _exit(4);
    }
    check_equal("wuntraced", waitpid(child, &status, WUNTRACED), child);
    check("stopped", WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
    check_equal("reported_once", waitpid(child, &status, WUNTRACED | WNOHANG), 0);
    check_ok("continue", kill(child, SIGCONT));
    siginfo_t info;
    check_ok("wcontinued", waitid(P_PID, (id_t)child, &info, WCONTINUED));
    check_equal("cld_continued", info.si_code, CLD_CONTINUED);
    check_ok("wstopped", waitid(P_PID, (id_t)child, &info, WSTOPPED));
    check_equal("cld_stopped", info.si_code, CLD_STOPPED);
    check_equal("stopping_signal", info.si_status, SIGSTOP);
    kill(child, SIGCONT);
    check_exit("went_on", child_status(child), 4);
    child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        _exit(1);
    }
    waitpid(child, &status, WUNTRACED);
    kill(child, SIGTERM);
    check_equal("stopped_does_not_die_of_term", waitpid(child, &status, WNOHANG), 0);
    kill(child, SIGKILL);
    check_killed("stopped_dies_of_kill", child_status(child), SIGKILL);
}

static volatile sig_atomic_t children_ended;
static siginfo_t child_info;

static void on_child(int signal_number, siginfo_t *info, void *context) {
    (void)signal_number;
    (void)context;
    child_info = *info;
    children_ended = children_ended + 1;
}

static void test_sigchld(void) {
    struct sigaction action = {.sa_flags = SA_SIGINFO};
    action.sa_sigaction = on_child;
    sigaction(SIGCHLD, &action, nullptr);
    pid_t child = fork();
    if (child == 0) {
        _exit(11);
    }
    check_exit("status", child_status(child), 11);
    check_equal("signalled", children_ended, 1);
    check("info", child_info.si_pid == child && child_info.si_status == 11 &&
                      child_info.si_code == CLD_EXITED);
    action.sa_flags = SA_SIGINFO | SA_NOCLDSTOP;
    sigaction(SIGCHLD, &action, nullptr);
    children_ended = 0;
    int status = 0;
    child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        _exit(0);
    }
    waitpid(child, &status, WUNTRACED);
    check_equal("nocldstop", children_ended, 0);
    kill(child, SIGCONT);
    child_status(child);
    signal(SIGCHLD, SIG_IGN);
    child = fork();
    if (child == 0) {
        _exit(0);
    }
    check_errno("ignored_leaves_no_zombie", waitpid(child, &status, 0), ECHILD);
    action.sa_flags = SA_SIGINFO | SA_NOCLDWAIT;
    sigaction(SIGCHLD, &action, nullptr);
    child = fork();
    if (child == 0) {
        _exit(0);
    }
    pid_t answer;
    do {
        answer = waitpid(child, &status, 0);
    } while (answer < 0 && errno == EINTR);
    check_errno("nocldwait", answer, ECHILD);
    signal(SIGCHLD, SIG_DFL);
}

static void test_orphans(void) {
    check_ok("subreaper", prctl(PR_SET_CHILD_SUBREAPER, 1));
    int ends[2];
    pipe(ends);
    pid_t child = fork();
    if (child == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0) {
            pid_t parent = getppid();
            kill(parent, SIGKILL);
            while (getppid() == parent) {
                sched_yield();
            }
            pid_t answer = getppid();
            write(ends[1], &answer, sizeof answer);
            _exit(6);
        }
        for (;;) {
            pause();
        }
    }
    check_killed("parent_died", child_status(child), SIGKILL);
    pid_t adopter = 0;
    read(ends[0], &adopter, sizeof adopter);
    check_equal("adopted_by_subreaper", adopter, getpid());
    int status = 0;
    check("waited_for", wait(&status) > 0);
    check_exit("orphans_status", status, 6);
    check_ok("subreaper_off", prctl(PR_SET_CHILD_SUBREAPER, 0));
    child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int signal_number = 0;
        prctl(PR_GET_PDEATHSIG, &signal_number);
        _exit(signal_number);
    }
    check_exit("parent_death_signal", child_status(child), SIGKILL);
    close(ends[0]);
    close(ends[1]);
}

static void test_vfork(void) {
    volatile int shared = 1;
    pid_t child = vfork();
    if (child == 0) {
        shared = 2;
        _exit(shared);
    }
    check_equal("memory_shared", shared, 2);
    check_exit("status", child_status(child), 2);
    int fd = dup(0);
    child = vfork();
    if (child == 0) {
        close(fd);
        _exit(0);
    }
    child_status(child);
    check_equal("table_is_own", fcntl(fd, F_GETFD), 0);
    close(fd);
    child = vfork();
    if (child == 0) {
        chdir("/");
        _exit(0);
    }
    child_status(child);
    char path[4096];
    getcwd(path, sizeof path);
    check("folder_is_own", strcmp(path, "/") != 0);
}

static void test_exit_does_not_wait(void) {
    int ends[2];
    pipe(ends);
    pid_t child = fork();
    if (child == 0) {
        if (fork() == 0) {
            char byte;
            close(ends[1]);
            read(ends[0], &byte, 1);
            _exit(0);
        }
        _exit(1);
    }
    check_exit("child_first", child_status(child), 1);
    close(ends[1]);
    close(ends[0]);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"exit_codes", test_exit_codes},
        {"copies", test_copies},
        {"many", test_many},
        {"wait_forms", test_wait_forms},
        {"stop_continue", test_stop_continue},
        {"sigchld", test_sigchld},
        {"orphans", test_orphans},
        {"vfork", test_vfork},
        {"exit_does_not_wait", test_exit_does_not_wait},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
