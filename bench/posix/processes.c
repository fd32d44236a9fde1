/* Rows of processes: fork, vfork, exec, exit and wait. The parent blocks only in wait, for a child
 * that runs. */
#include "measure.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DIRTY_BYTES = 16 << 20 };

char own_path[256];

static char *_Nullable exec_arguments[] = {own_path, (char[]){"--exit"}, nullptr};
static char *_Nullable exec_environment[] = {nullptr};

/* True when the child ended with status 0. */
static bool reaped(pid_t child) {
    int status = -1;
    if (child < 0 || waitpid(child, &status, 0) != child) {
        return false;
    }
    if (status != 0) {
        errno = ECHILD;
    }
    return status == 0;
}

static uint64_t fork_batch(unsigned operations) {
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        pid_t child = fork();
        if (child == 0) {
            _exit(0);
        }
        if (!reaped(child)) {
            return BATCH_FAILED;
        }
    }
    return instructions() - start;
}

/* The same from a process that has written 16 MiB of memory of its own. */
static uint64_t fork_dirty_batch(unsigned operations) {
    char *dirty =
        mmap(nullptr, DIRTY_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (dirty == MAP_FAILED) {
        return BATCH_FAILED;
    }
    (void)madvise(dirty, DIRTY_BYTES, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < DIRTY_BYTES; i += 4096) {
        *(volatile char *)(dirty + i) = 1;
    }
    uint64_t taken = fork_batch(operations);
    (void)munmap(dirty, DIRTY_BYTES);
    return taken;
}

static uint64_t fork_exec_batch(unsigned operations) {
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        pid_t child = fork();
        if (child == 0) {
            (void)execve(own_path, exec_arguments, exec_environment);
            _exit(1);
        }
        if (!reaped(child)) {
            return BATCH_FAILED;
        }
    }
    return instructions() - start;
}

static uint64_t vfork_exec_batch(unsigned operations) {
    uint64_t start = instructions();
    for (volatile unsigned i = 0; i < operations; i = i + 1) {
        pid_t child = vfork();
        if (child == 0) {
            (void)execve(own_path, exec_arguments, exec_environment);
            _exit(1);
        }
        if (!reaped(child)) {
            return BATCH_FAILED;
        }
    }
    return instructions() - start;
}

const row_t process_rows[] = {
    {"fork_exit_wait", fork_batch, 10},
    {"fork_exit_wait_dirty_16m", fork_dirty_batch, 2},
    {"fork_exec_wait", fork_exec_batch, 5},
    {"vfork_exec_wait", vfork_exec_batch, 5},
    {"", fork_batch, 0},
};
