/* Rows of calls that stay in one process and touch no file: identity, clock, a signal to oneself.
 */
#include "measure.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t getppid_batch(unsigned operations) {
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        (void)syscall(SYS_getppid);
    }
    return instructions() - start;
}

/* The same in a process whose parent has just died: it answers its adopter's pid, and no slower. */
static uint64_t getppid_orphan_batch(unsigned operations) {
    int ends[2];
    if (pipe(ends) != 0) {
        return BATCH_FAILED;
    }
    pid_t parent = fork();
    if (parent == 0) {
        pid_t own = getpid();
        if (fork() == 0) {
            while (getppid() == own) {
                (void)syscall(SYS_sched_yield);
            }
            uint64_t taken = getppid_batch(operations);
            (void)write(ends[1], &taken, sizeof taken);
            _exit(0);
        }
        _exit(0);
    }
    (void)close(ends[1]);
    uint64_t taken = BATCH_FAILED;
    if (parent < 0 || waitpid(parent, nullptr, 0) != parent ||
        read(ends[0], &taken, sizeof taken) != sizeof taken) {
        taken = BATCH_FAILED;
    }
    (void)close(ends[0]);
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
    return taken;
}

static uint64_t clock_batch(unsigned operations) {
    struct timespec now;
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        if (clock_gettime(CLOCK_MONOTONIC, &now) != 0) {
            return BATCH_FAILED;
        }
    }
    return instructions() - start;
}

static volatile sig_atomic_t handled;

static void on_signal(int signal_number) {
    (void)signal_number;
    handled = handled + 1;
}

static uint64_t signal_batch(unsigned operations) {
    struct sigaction action = {0};
    action.sa_handler = on_signal;
    if (sigaction(SIGUSR1, &action, nullptr) != 0) {
        return BATCH_FAILED;
    }
    handled = 0;
    pid_t self = getpid();
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        (void)kill(self, SIGUSR1);
    }
    uint64_t taken = instructions() - start;
    if ((unsigned)handled != operations) {
        errno = EPROTO;
        return BATCH_FAILED;
    }
    return taken;
}

const row_t calls_rows[] = {
    {"getppid", getppid_batch, 1000},
    {"getppid_orphan", getppid_orphan_batch, 1000},
    {"clock_gettime", clock_batch, 1000},
    {"signal_self", signal_batch, 200},
    {"", getppid_batch, 0},
};
