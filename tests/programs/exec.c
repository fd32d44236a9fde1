/* execve: arguments, environment, what survives and what does not, `#!`, what is refused.
 *
 * The program is its own helper: `exec --helper WHAT …` tells something about itself by its exit
 * status or on standard output. */
#include "check.h"
#include <elf.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/resource.h>

static char self[4096];
extern char **environ;

static int helper(int argc, char **argv) {
    const char *what = argv[2];
    if (strcmp(what, "arguments") == 0) {
        for (int i = 0; i < argc; i++) {
            say("[%s]", argv[i]);
        }
        for (char **entry = environ; *entry != nullptr; entry++) {
            say("{%s}", *entry);
        }
        return 0;
    }
    if (strcmp(what, "count") == 0) {
        size_t bytes = 0;
        for (int i = 3; i < argc; i++) {
            bytes += strlen(argv[i]);
        }
        return bytes == 1000UL * 100 && argc == 1003 ? 0 : 1;
    }
    if (strcmp(what, "closed") == 0) {
        return (fcntl(40, F_GETFD) == 0 ? 0 : 1) | (fcntl(41, F_GETFD) == -1 ? 0 : 2);
    }
    if (strcmp(what, "signals") == 0) {
        struct sigaction action;
        sigset_t set;
        int bad = 0;
        sigaction(SIGUSR1, nullptr, &action);
        bad |= action.sa_handler == SIG_DFL ? 0 : 1;
        sigaction(SIGUSR2, nullptr, &action);
        bad |= action.sa_handler == SIG_IGN ? 0 : 2;
        sigprocmask(SIG_BLOCK, nullptr, &set);
        bad |= sigismember(&set, SIGTERM) ? 0 : 4;
        sigpending(&set);
        bad |= sigismember(&set, SIGTERM) ? 0 : 8;
        stack_t stack;
        sigaltstack(nullptr, &stack);
        bad |= stack.ss_flags == SS_DISABLE ? 0 : 16;
        bad |= alarm(0) > 0 ? 0 : 32;
        return bad;
    }
    if (strcmp(what, "identity") == 0) {
        mode_t mask = umask(0);
        return atoi(argv[3]) == getpid() && mask == 027 ? 0 : 1;
    }
    if (strcmp(what, "auxiliary") == 0) {
        int bad = 0;
        bad |= getauxval(AT_PAGESZ) == 4096 ? 0 : 1;
        bad |= getauxval(AT_PHDR) != 0 && getauxval(AT_PHENT) == sizeof(Elf64_Phdr) ? 0 : 2;
        bad |= getauxval(AT_PHNUM) > 0 && getauxval(AT_ENTRY) != 0 ? 0 : 4;
        bad |= getauxval(AT_RANDOM) != 0 ? 0 : 8;
        bad |= getauxval(AT_SECURE) == 0 && getauxval(AT_UID) == getuid() ? 0 : 16;
        bad |= strcmp((char *)getauxval(AT_EXECFN), argv[3]) == 0 ? 0 : 32;
        bad |= strcmp((char *)getauxval(AT_PLATFORM), "x86_64") == 0 ? 0 : 64;
        bad |= getauxval(AT_SYSINFO_EHDR) != 0 && getauxval(AT_CLKTCK) == 100 ? 0 : 128;
        return bad;
    }
    return 99;
}

/* Runs `path` with these arguments; its exit status, and its output in `out_text`. */
static int run(const char *path, char *const *arguments, char *const *environment, char *out_text,
               size_t size) {
    int ends[2];
    pipe(ends);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        close(ends[0]);
        close(ends[1]);
        execve(path, arguments, environment);
        _exit(200 + (errno == ENOENT ? 1 : errno == EACCES ? 2 : errno == ENOEXEC ? 3 : 4));
    }
    close(ends[1]);
    size_t length = 0;
    ssize_t count;
    while (length < size - 1 && (count = read(ends[0], out_text + length, size - 1 - length)) > 0) {
        length += (size_t)count;
    }
    out_text[length] = '\0';
    close(ends[0]);
    return child_status(child);
}

static void test_arguments(void) {
    char text[4096];
    char *arguments[] = {"zero", "--helper", "arguments", "", "two words", "\xc3\xa9", nullptr};
    char *environment[] = {"A=1", "EMPTY=", "NOVALUE", nullptr};
    check_exit("status", run(self, arguments, environment, text, sizeof text), 0);
    check_text("all", text,
               "[zero][--helper][arguments][][two words][\xc3\xa9]{A=1}{EMPTY=}{NOVALUE}");
    char *none[] = {nullptr};
    char *helper_arguments[] = {"x", "--helper", "arguments", nullptr};
    check_exit("no_environment", run(self, helper_arguments, none, text, sizeof text), 0);
    check_text("empty_environment", text, "[x][--helper][arguments]");
    static char hundred[101];
    memset(hundred, 'a', 100);
    static char *many[1004];
    many[0] = "x";
    many[1] = "--helper";
    many[2] = "count";
    for (size_t i = 3; i < 1003; i++) {
        many[i] = hundred;
    }
    check_exit("thousand_arguments", run(self, many, none, text, sizeof text), 0);
    static char big[131073];
    memset(big, 'b', sizeof big - 1);
    char *too_big[] = {"x", big, nullptr};
    check_errno("string_of_128_KiB", execve(self, too_big, none), E2BIG);
    static char *far_too_many[3000];
    static char block[1001];
    memset(block, 'c', 1000);
    for (size_t i = 0; i < 2999; i++) {
        far_too_many[i] = block;
    }
    struct rlimit limit = {.rlim_cur = 8192 * 1024, .rlim_max = RLIM_INFINITY};
    setrlimit(RLIMIT_STACK, &limit);
    check_errno("3_MB", execve(self, far_too_many, none), E2BIG);
}

static void test_inherited(void) {
    char text[64];
    char pid_text[16];
    dup2(0, 40);
    dup3(0, 41, O_CLOEXEC);
    char *closed[] = {"x", "--helper", "closed", nullptr};
    check_exit("cloexec", run(self, closed, environ, text, sizeof text), 0);
    close(40);
    check_equal("parents_stay", fcntl(41, F_GETFD), FD_CLOEXEC);
    close(41);
    pid_t child = fork();
    if (child == 0) {
        umask(027);
        (void)snprintf(pid_text, sizeof pid_text, "%d", getpid());
        char *identity[] = {"x", "--helper", "identity", pid_text, nullptr};
        execv(self, identity);
        _exit(9);
    }
    check_exit("pid_and_umask", child_status(child), 0);
    child = fork();
    if (child == 0) {
        handle(SIGUSR1, (void (*)(int))_exit, 0);
        handle(SIGUSR2, SIG_IGN, 0);
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        sigprocmask(SIG_BLOCK, &set, nullptr);
        raise(SIGTERM);
        static char area[16384];
        stack_t stack = {.ss_sp = area, .ss_size = sizeof area};
        sigaltstack(&stack, nullptr);
        alarm(1000);
        char *signals[] = {"x", "--helper", "signals", nullptr};
        execv(self, signals);
        _exit(90);
    }
    check_exit("signals", child_status(child), 0);
    char *auxiliary[] = {"x", "--helper", "auxiliary", self, nullptr};
    check_exit("auxiliary_vector", run(self, auxiliary, environ, text, sizeof text), 0);
}

static void make_script(const char *name, const char *interpreter, const char *rest, mode_t mode) {
    char text[4400];
    int length = snprintf(text, sizeof text, "#!%s%s", interpreter, rest);
    write_file(name, text, (size_t)length, mode);
}

static void test_scripts(void) {
    char text[4096];
    char want[4400];
    char *none[] = {nullptr};
    char *arguments[] = {"ignored", "one", "two", nullptr};
    make_script("s", self, " --helper\nrest", 0755);
    make_script("plain", "./s", "\n", 0755);
    /* `#!SELF --helper` makes argv: SELF, --helper, ./s, one, two: "./s" is no helper's name. */
    check_exit("one_argument", run("./s", arguments, none, text, sizeof text), 99);
    symlink("s", "arguments");
    (void)snprintf(want, sizeof want, "[%s][--helper][arguments][one][two]", self);
    check_exit("through_link", run("arguments", arguments, none, text, sizeof text), 0);
    check_text("argv_of_script", text, want);
    make_script("spaces", self, " \t --helper \t \n", 0755);
    rename("spaces", "arguments");
    check_exit("spaces", run("arguments", arguments, none, text, sizeof text), 0);
    check_text("spaces_trimmed", text, want);
    check_exit("script_of_script", run("./plain", arguments, none, text, sizeof text), 99);
    make_script("loop", "./loop", "\n", 0755);
    check_errno("loop", execve("./loop", arguments, none), ELOOP);
    make_script("missing", "/no/such/interpreter", "\n", 0755);
    check_errno("no_interpreter", execve("./missing", arguments, none), ENOENT);
    write_file("empty-line", "#!\n", 3, 0755);
    check_errno("no_name", execve("./empty-line", arguments, none), ENOEXEC);
    make_script("no-newline", self, " --helper", 0755);
    check_exit("no_newline", run("./no-newline", arguments, none, text, sizeof text), 99);
    make_script("not-allowed", self, "\n", 0644);
    check_errno("mode", execve("./not-allowed", arguments, none), EACCES);
    mkdir("folder", 0755);
    make_script("of-folder", "./folder", "\n", 0755);
    check_errno("interpreter_is_folder", execve("./of-folder", arguments, none), EACCES);
}

static void test_refused(void) {
    char *arguments[] = {"x", nullptr};
    check_errno("missing", execv("./none", arguments), ENOENT);
    check_errno("empty_path", execv("", arguments), ENOENT);
    check_errno("folder", execv(".", arguments), EACCES);
    write_file("text", "not a program\n", 14, 0755);
    check_errno("text", execv("./text", arguments), ENOEXEC);
    write_file("empty", "", 0, 0755);
    check_errno("empty_file", execv("./empty", arguments), ENOEXEC);
    write_file("plain", "x", 1, 0644);
    check_errno("no_x_bit", execv("./plain", arguments), EACCES);
    check_errno("through_file", execv("./plain/x", arguments), ENOTDIR);
    symlink("loop", "loop");
    check_errno("loop", execv("./loop", arguments), ELOOP);
    mkfifo("fifo", 0755);
    check_errno("fifo", execv("./fifo", arguments), EACCES);
    check_errno("device", execv("/dev/null", arguments), EACCES);
}

static void test_busy(void) {
    char text[64];
    int from = open(self, O_RDONLY);
    int to = open("copy", O_RDWR | O_CREAT, 0755);
    static char block[65536];
    for (ssize_t got = read(from, block, sizeof block); got > 0;
         got = read(from, block, sizeof block)) {
        write(to, block, (size_t)got);
    }
    close(from);
    char *arguments[] = {"x", "--helper", "arguments", nullptr};
    char *none[] = {nullptr};
    check_errno("open_for_writing", execve("./copy", arguments, none), ETXTBSY);
    close(to);
    check_exit("then_runs", run("./copy", arguments, none, text, sizeof text), 0);
    int ends[2];
    pipe(ends);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        char *sleeper[] = {"x", "--helper-sleep", nullptr};
        dup2(ends[1], 1);
        execve("./copy", sleeper, none);
        _exit(1);
    }
    close(ends[1]);
    read(ends[0], text, 1);
    check_errno("write_while_running", open("./copy", O_WRONLY), ETXTBSY);
    check_errno("truncate_while_running", truncate("./copy", 0), ETXTBSY);
    check_ok("unlink_while_running", unlink("copy"));
    kill(child, SIGKILL);
    check_killed("runs_unlinked", child_status(child), SIGKILL);
    close(ends[0]);
}

static void *thread_execs(void *unused) {
    char *arguments[] = {"x", "--helper", "closed-not", nullptr};
    (void)unused;
    execv(self, arguments);
    return nullptr;
}

static int exec_from_thread(void) {
    pthread_t thread;
    pthread_create(&thread, nullptr, thread_execs, nullptr);
    for (;;) {
        pause();
    }
}

static void test_ways(void) {
    char text[256];
    check_exit("from_a_thread", in_child(exec_from_thread), 99);
    volatile int state = 1;
    pid_t child = vfork();
    if (child == 0) {
        state = 2;
        char *arguments[] = {"x", "--helper", "other", nullptr};
        execv(self, arguments);
        _exit(1);
    }
    check_exit("vfork", child_status(child), 99);
    check_equal("vfork_memory_survives", state, 2);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "out", O_WRONLY | O_CREAT, 0644);
    char *arguments[] = {"x", "--helper", "arguments", nullptr};
    char *none[] = {nullptr};
    check_equal("posix_spawn", posix_spawn(&child, self, &actions, nullptr, arguments, none), 0);
    check_exit("spawned", child_status(child), 0);
    read_file("out", text, sizeof text);
    check_text("redirected", text, "[x][--helper][arguments]");
    check_equal("spawn_missing", posix_spawn(&child, "./none", nullptr, nullptr, arguments, none),
                ENOENT);
    posix_spawn_file_actions_destroy(&actions);
    child = fork();
    if (child == 0) {
        int fd = open(self, O_RDONLY | O_CLOEXEC);
        char *other[] = {"x", "--helper", "other", nullptr};
        syscall(SYS_execveat, fd, "", other, none, AT_EMPTY_PATH);
        _exit(1);
    }
    check_exit("execveat_empty_path", child_status(child), 99);
    check_errno("execveat_bad_fd", syscall(SYS_execveat, 999, "x", arguments, none, 0), EBADF);
    symlink(self, "link");
    check_errno("execveat_nofollow",
                syscall(SYS_execveat, AT_FDCWD, "link", arguments, none, AT_SYMLINK_NOFOLLOW),
                ELOOP);
}

int main(int argc, char **argv) {
    if (argc > 2 && strcmp(argv[1], "--helper") == 0) {
        return helper(argc, argv);
    }
    if (argc > 1 && strcmp(argv[1], "--helper-sleep") == 0) {
        write(1, "x", 1);
        for (;;) {
            pause();
        }
    }
    if (realpath(argv[0], self) == nullptr) {
        say("FAIL start.self: %s: errno %d\n0 passed, 1 failed\n", argv[0], errno);
        return 1;
    }
    static const check_case_t cases[] = {
        {"arguments", test_arguments}, {"inherited", test_inherited}, {"scripts", test_scripts},
        {"refused", test_refused},     {"busy", test_busy},           {"ways", test_ways},
    };
    return check_main(argc, argv, cases, COUNT_OF(cases));
}
