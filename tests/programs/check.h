#pragma once
/* The harness of the test programs: ordinary Linux programs that state what Linux does, one line
 * per check, so that the same binary can be run on Linux (where every check passes) and on Isotope.
 *
 * Invariants:
 * 1. Each check prints `ok CASE.NAME` or `FAIL CASE.NAME: why` at once and unbuffered, so that a
 * hang or a crash shows how far the program came; the last line is `N passed, N failed`.
 * 2. Only the first process of a program checks; children tell their result by exit status or pipe.
 * 3. Each case runs in an empty folder of its own, below $TMPDIR or /tmp, removed at the end.
 * 4. Nothing is decided by how long something took.
 *
 * `PROGRAM` runs all cases, `PROGRAM CASE…` those named, `PROGRAM --list` prints their names. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

typedef struct check_case {
    const char *name;
    void (*run)(void);
} check_case_t;

static struct {
    unsigned passed;
    unsigned failed;
    const char *case_name;
} check_state = {.case_name = "start"};

[[maybe_unused, gnu::format(printf, 1, 2)]] static void say(const char *format, ...) {
    char line[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    size_t left = length < 0 ? 0 : (size_t)length;
    if (left >= sizeof line) {
        left = sizeof line - 1;
    }
    const char *next = line;
    while (left > 0) {
        ssize_t written = write(1, next, left);
        if (written <= 0) {
            if (written < 0 && errno == EINTR) {
                continue;
            }
            _exit(120);
        }
        next += written;
        left -= (size_t)written;
    }
}

/* Counts and prints one check; every other form ends here. */
[[maybe_unused, gnu::format(printf, 3, 4)]] static void check_report(const char *name, bool passed,
                                                                     const char *format, ...) {
    if (passed) {
        check_state.passed++;
        say("ok %s.%s\n", check_state.case_name, name);
        return;
    }
    char why[512];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    check_state.failed++;
    say("FAIL %s.%s: %s\n", check_state.case_name, name, why);
}

[[maybe_unused]] static bool check_that_(const char *name, bool passed, const char *what) {
    check_report(name, passed, "not true: %s (errno %d)", what, errno);
    return passed;
}
#define check(name, condition) check_that_(name, (condition), #condition)

[[maybe_unused]] static bool check_equal_(const char *name, intmax_t got, intmax_t want) {
    check_report(name, got == want, "got %jd, want %jd (errno %d)", got, want, errno);
    return got == want;
}
#define check_equal(name, got, want) check_equal_(name, (intmax_t)(got), (intmax_t)(want))

/* A call that must not answer -1. */
[[maybe_unused]] static intmax_t check_ok_(const char *name, intmax_t result) {
    check_report(name, result != -1, "failed with errno %d (%s)", errno, strerror(errno));
    return result;
}
#define check_ok(name, result) check_ok_(name, (intmax_t)(result))
#define check_fd(name, result) ((int)check_ok_(name, (intmax_t)(result)))

/* A call that must answer -1 with exactly this errno. */
[[maybe_unused]] static void check_errno_(const char *name, intmax_t result, int want) {
    int got = errno;
    if (result != -1) {
        check_report(name, false, "answered %jd, want errno %d (%s)", result, want, strerror(want));
    } else {
        check_report(name, got == want, "errno %d (%s), want %d (%s)", got, strerror(got), want,
                     strerror(want));
    }
}
#define check_errno(name, result, want) check_errno_(name, (intmax_t)(result), want)

[[maybe_unused]] static void check_text(const char *name, const char *_Nullable got,
                                        const char *want) {
    const char *shown = got != nullptr ? (const char *_Nonnull)got : "(null)";
    check_report(name, got != nullptr && strcmp(shown, want) == 0, "got \"%s\", want \"%s\"", shown,
                 want);
}

[[maybe_unused]] static void check_bytes(const char *name, const void *got, const void *want,
                                         size_t length) {
    check_report(name, memcmp(got, want, length) == 0, "%zu bytes differ", length);
}

/* A wait status that must say "exited with `code`" or "killed by `signal`". */
[[maybe_unused]] static void check_exit(const char *name, int status, int code) {
    check_report(name, WIFEXITED(status) && WEXITSTATUS(status) == code,
                 "wait status %#x, want exit %d", (unsigned)status, code);
}

[[maybe_unused]] static void check_killed(const char *name, int status, int signal_number) {
    check_report(name, WIFSIGNALED(status) && WTERMSIG(status) == signal_number,
                 "wait status %#x, want signal %d", (unsigned)status, signal_number);
}

/* A program whose fork failed would go on to signal process -1: it ends here instead, and no case
 * can signal every process there is. */
[[maybe_unused]] static pid_t check_fork(void) {
    pid_t child = fork();
    if (child < 0) {
        say("FAIL %s.fork: errno %d\n", check_state.case_name, errno);
        _exit(121);
    }
    return child;
}

[[maybe_unused]] static int check_kill(pid_t target, int signal_number) {
    if (target == -1) {
        say("FAIL %s.kill: would have signalled every process\n", check_state.case_name);
        _exit(121);
    }
    return kill(target, signal_number);
}

/* The wait status of a child, or 0x7f00 + errno where there is none. */
[[maybe_unused]] static int child_status(pid_t child) {
    int status = 0;
    pid_t answer;
    do {
        answer = waitpid(child, &status, 0);
    } while (answer < 0 && errno == EINTR);
    return answer == child ? status : 0x7f0000 + errno;
}

/* Runs `body` in a child, which exits with what it answers; the child's wait status. */
[[maybe_unused]] static int in_child(int (*body)(void)) {
    pid_t child = check_fork();
    if (child == 0) {
        _exit(body());
    }
    return child_status(child);
}

/* A file of the current folder with this content. */
[[maybe_unused]] static void write_file(const char *path, const void *content, size_t length,
                                        mode_t mode) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0 || write(fd, content, length) != (ssize_t)length || fchmod(fd, mode) != 0 ||
        close(fd) != 0) {
        say("FAIL %s.write_file: %s: errno %d\n", check_state.case_name, path, errno);
        check_state.failed++;
    }
}

/* Up to `size - 1` bytes of a file, terminated; the length, or -1. */
[[maybe_unused]] static ssize_t read_file(const char *path, char *buffer, size_t size) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        buffer[0] = '\0';
        return -1;
    }
    size_t length = 0;
    while (length < size - 1) {
        ssize_t count = read(fd, buffer + length, size - 1 - length);
        if (count <= 0) {
            break;
        }
        length += (size_t)count;
    }
    buffer[length] = '\0';
    (void)close(fd);
    return (ssize_t)length;
}

[[maybe_unused]] static void handle(int signal_number, void (*handler)(int), int flags) {
    struct sigaction action = {.sa_flags = flags};
    action.sa_handler = handler;
    (void)sigaction(signal_number, &action, nullptr);
}

/* SIGALRM again and again, so that a call that blocks meets one however late it begins: this is how
 * an interruption is tested without depending on time. */
[[maybe_unused]] static void ticks_start(void (*handler)(int), int flags) {
    handle(SIGALRM, handler, flags);
    struct itimerval often = {.it_interval = {.tv_usec = 2000}, .it_value = {.tv_usec = 2000}};
    (void)setitimer(ITIMER_REAL, &often, nullptr);
}

[[maybe_unused]] static void ticks_stop(void) {
    struct itimerval never = {0};
    (void)setitimer(ITIMER_REAL, &never, nullptr);
    handle(SIGALRM, SIG_DFL, 0);
}

/* Removes a folder of the current folder and everything below it. */
static void remove_below(const char *path) {
    if (unlink(path) == 0 || (errno != EISDIR && errno != EPERM)) {
        return;
    }
    (void)chmod(path, 0700);
    DIR *folder = opendir(path);
    if (folder == nullptr) {
        return;
    }
    int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (home >= 0 && fchdir(dirfd(folder)) == 0) {
        for (struct dirent *entry = readdir(folder); entry != nullptr; entry = readdir(folder)) {
            if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
                remove_below(entry->d_name);
            }
        }
        (void)fchdir(home);
    }
    (void)close(home);
    (void)closedir(folder);
    (void)rmdir(path);
}

static void check_run_case(const check_case_t *one) {
    say("# %s\n", one->name);
    check_state.case_name = one->name;
    int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (home < 0 || mkdir(one->name, 0755) != 0 || chdir(one->name) != 0) {
        check_report("folder", false, "no folder to run in: errno %d", errno);
    } else {
        one->run();
    }
    if (fchdir(home) != 0) {
        check_report("return", false, "cannot go back: errno %d", errno);
    }
    (void)close(home);
}

/* A background job of a shell starts with signals ignored; the cases start with none. */
static void check_default_signals(void) {
    for (int i = 1; i < 65; i++) {
        (void)signal(i, SIG_DFL);
    }
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, nullptr);
}

/* Runs the cases that the arguments name (all, without arguments); the exit status. */
[[maybe_unused]] static int check_main(int argc, char *_Nullable *_Nonnull argv,
                                       const check_case_t *cases, size_t case_count) {
    if (argc > 1 && strcmp((const char *_Nonnull)argv[1], "--list") == 0) {
        for (size_t i = 0; i < case_count; i++) {
            say("%s\n", cases[i].name);
        }
        return 0;
    }
    (void)umask(022);
    check_default_signals();
    const char *base = getenv("TMPDIR");
    char folder[256];
    (void)snprintf(folder, sizeof folder, "%s/check-XXXXXX", base != nullptr ? base : "/tmp");
    if (mkdtemp(folder) == nullptr || chmod(folder, 0755) != 0 || chdir(folder) != 0) {
        say("FAIL start.folder: %s: errno %d\n0 passed, 1 failed\n", folder, errno);
        return 1;
    }
    for (size_t i = 0; i < case_count; i++) {
        bool wanted = argc < 2;
        for (int j = 1; j < argc; j++) {
            wanted = wanted || strcmp((const char *_Nonnull)argv[j], cases[i].name) == 0;
        }
        if (wanted) {
            check_run_case(&cases[i]);
        }
    }
    if (chdir("/") == 0) {
        remove_below(folder);
    }
    say("%u passed, %u failed\n", check_state.passed, check_state.failed);
    return check_state.failed == 0 && check_state.passed > 0 ? 0 : 1;
}

#pragma clang assume_nonnull end

#define fork check_fork
#define kill check_kill
