/* clone and clone3 by raw system calls: what each flag shares, what is set and cleared, what is
 * refused. Threads of the libcs and posix_spawn rest on these. */
#include "check.h"
#include "linux_extra.h"
#include <sched.h>
#include <sys/mman.h>

enum { STACK_SIZE = 65536 };

static pid_t *parent_cell;
static pid_t *child_cell;
static int *shared;

static int clone_child(int (*body)(void *), unsigned long flags) {
    static char stack[STACK_SIZE] __attribute__((aligned(16)));
    return clone(body, stack + sizeof stack, (int)flags, nullptr, parent_cell, nullptr, child_cell);
}

/* clone leaves a child's status to a wait that asks for children of any signal. */
static int status_of(pid_t child) {
    int status = 0;
    pid_t answer;
    do {
        answer = waitpid(child, &status, __WALL);
    } while (answer < 0 && errno == EINTR);
    return answer == child ? status : 0x7f0000 + errno;
}

static void prepare(void) {
    parent_cell = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    child_cell = parent_cell + 1;
    shared = (int *)(parent_cell + 2);
}

static int change_all(void *unused) {
    (void)unused;
    chdir("/");
    umask(0);
    close(50);
    handle(SIGUSR1, SIG_IGN, 0);
    *shared = 1;
    return 6;
}

static void test_nothing_shared(void) {
    prepare();
    dup2(0, 50);
    pid_t child = clone_child(change_all, SIGCHLD);
    check_exit("like_fork", status_of(child), 6);
    char path[4096];
    getcwd(path, sizeof path);
    check("folder_kept", strcmp(path, "/") != 0);
    check_equal("umask_kept", umask(022), 022);
    check_equal("descriptor_kept", fcntl(50, F_GETFD), 0);
    struct sigaction action;
    sigaction(SIGUSR1, nullptr, &action);
    check("disposition_kept", action.sa_handler == SIG_DFL);
    child = clone_child(change_all, 0);
    check_errno("no_signal_needs_wall", waitpid(child, nullptr, WNOHANG), ECHILD);
    check_exit("wall", status_of(child), 6);
    close(50);
}

/* What a kernel does not let two processes share it refuses by EINVAL: it never makes a child that
 * only seems to share. */
static bool is_refused(pid_t child) {
    return child < 0 && errno == EINVAL;
}

static void test_shared(void) {
    prepare();
    char path[4096];
    getcwd(path, sizeof path);
    dup2(0, 50);
    pid_t child = clone_child(change_all, CLONE_FILES | SIGCHLD);
    bool refused = is_refused(child);
    if (!refused) {
        status_of(child);
    }
    check_equal("clone_files", fcntl(50, F_GETFD), refused ? 0 : -1);
    child = clone_child(change_all, CLONE_FS | SIGCHLD);
    refused = is_refused(child);
    if (!refused) {
        status_of(child);
    }
    char now[4096];
    check_text("clone_fs_folder", getcwd(now, sizeof now), refused ? path : "/");
    check_equal("clone_fs_umask", umask(022), refused ? 022 : 0);
    chdir(path);
    child = clone_child(change_all, CLONE_VM | CLONE_SIGHAND | SIGCHLD);
    refused = is_refused(child);
    if (!refused) {
        status_of(child);
    }
    struct sigaction action;
    sigaction(SIGUSR1, nullptr, &action);
    check("clone_sighand", action.sa_handler == (refused ? SIG_DFL : SIG_IGN));
    handle(SIGUSR1, SIG_DFL, 0);
    close(50);
}

static int own_word;

static int write_word(void *unused) {
    (void)unused;
    own_word = 77;
    return getpid() == syscall(SYS_gettid) ? 0 : 1;
}

static void test_memory(void) {
    prepare();
    own_word = 1;
    check_exit("apart", status_of(clone_child(write_word, SIGCHLD)), 0);
    check_equal("memory_apart", own_word, 1);
    pid_t child = clone_child(write_word, CLONE_VM | SIGCHLD);
    bool refused = is_refused(child);
    if (!refused) {
        status_of(child);
    }
    check_equal("memory_shared", own_word, refused ? 1 : 77);
    own_word = 1;
    child = clone_child(write_word, CLONE_VM | CLONE_VFORK | SIGCHLD);
    check_equal("vfork_waits_for_the_child", own_word, 77);
    check_exit("vfork_child", status_of(child), 0);
}

static int tell_tid(void *unused) {
    (void)unused;
    return *child_cell == (pid_t)syscall(SYS_gettid) ? 0 : 1;
}

static void test_cells(void) {
    prepare();
    pid_t child = clone_child(tell_tid, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | SIGCHLD);
    check_equal("parent_settid", *parent_cell, child);
    check_exit("child_settid", status_of(child), 0);
    check_equal("not_cleared", *child_cell, child);
    *child_cell = 5;
    child = clone_child(write_word, CLONE_VM | CLONE_VFORK | CLONE_CHILD_CLEARTID | SIGCHLD);
    status_of(child);
    check_equal("cleared_at_exit", *child_cell, 0);
    *child_cell = 5;
    child = clone_child(write_word, CLONE_VM | CLONE_CHILD_CLEARTID | SIGCHLD);
    if (is_refused(child)) {
        check_equal("refused_leaves_the_cell", *child_cell, 5);
        return;
    }
    while (*(volatile pid_t *)child_cell == 5) {
        syscall(SYS_futex, child_cell, FUTEX_WAIT, 5, nullptr, nullptr, 0);
    }
    check_equal("and_waiters_are_woken", *child_cell, 0);
    status_of(child);
}

static int tell_parent(void *unused) {
    (void)unused;
    *shared = getppid();
    return 0;
}

static int make_sibling(void) {
    pid_t child = clone_child(tell_parent, CLONE_PARENT | SIGCHLD);
    return child > 0 ? 0 : 1;
}

static void test_parent(void) {
    prepare();
    check_exit("made", in_child(make_sibling), 0);
    int status = 0;
    check("sibling_is_mine_to_wait_for", wait(&status) > 0);
    check_equal("its_parent", *shared, getpid());
}

static void test_refused(void) {
    check_errno("sighand_without_vm", syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
    check_errno("thread_without_sighand", syscall(SYS_clone, CLONE_VM | CLONE_THREAD, 0, 0, 0, 0),
                EINVAL);
    check_errno("fs_with_new_namespace", syscall(SYS_clone, CLONE_FS | CLONE_NEWNS, 0, 0, 0, 0),
                EINVAL);
    uint64_t arguments[8] = {0};
    check_errno("clone3_small", syscall(SYS_clone3, arguments, 8), EINVAL);
    check_errno("clone3_bad_pointer", syscall(SYS_clone3, 8, 64), EFAULT);
    arguments[4] = 999;
    check_errno("clone3_bad_signal", syscall(SYS_clone3, arguments, 64), EINVAL);
    arguments[4] = SIGCHLD;
    arguments[5] = 4096;
    check_errno("clone3_stack_needs_both", syscall(SYS_clone3, arguments, 64), EINVAL);
    arguments[5] = 0;
    long child = syscall(SYS_clone3, arguments, 64);
    if (child == 0) {
        _exit(9);
    }
    check_exit("clone3_like_fork", status_of((pid_t)child), 9);
}

static void test_access(void) {
    write_file("f", "", 0, 0644);
    symlink("nowhere", "l");
    check_ok("faccessat2", syscall(SYS_faccessat2, AT_FDCWD, "f", R_OK, AT_EACCESS));
    check_ok("nofollow", syscall(SYS_faccessat2, AT_FDCWD, "l", F_OK, AT_SYMLINK_NOFOLLOW));
    check_errno("follow", syscall(SYS_faccessat2, AT_FDCWD, "l", F_OK, 0), ENOENT);
    check_errno("bad_flag", syscall(SYS_faccessat2, AT_FDCWD, "f", F_OK, 0x40000000), EINVAL);
    check_errno("bad_mode", syscall(SYS_faccessat2, AT_FDCWD, "f", 8, 0), EINVAL);
}

int main(int argc, char **argv) {
    static const check_case_t cases[] = {
        {"nothing_shared", test_nothing_shared},
        {"shared", test_shared},
        {"memory", test_memory},
        {"cells", test_cells},
        {"parent", test_parent},
        {"refused", test_refused},
        {"access", test_access},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
