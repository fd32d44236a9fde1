/* Rows of files in memory: reads of cached data, opening, looking up, writing, creating. The files
 * are in the working folder, which is on the root file system of an initial ramdisk. */
#include "measure.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static char block[4096] __attribute__((aligned(4096)));

/* A file of 64 KiB, open for reading and writing; -1 on failure. */
static int open_filled(const char *_Nonnull path) {
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    for (int i = 0; fd >= 0 && i < 16; i++) {
        if (write(fd, block, sizeof block) != sizeof block) {
            (void)close(fd);
            return -1;
        }
    }
    return fd;
}

static uint64_t pread_sized(unsigned operations, size_t size) {
    int fd = open_filled("/tmp/bench-file");
    if (fd < 0) {
        return BATCH_FAILED;
    }
    ssize_t wrong = 0;
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        wrong |= pread(fd, block, size, 4096) - (ssize_t)size;
    }
    uint64_t taken = instructions() - start;
    (void)close(fd);
    return wrong == 0 ? taken : BATCH_FAILED;
}

static uint64_t pread_1_batch(unsigned operations) {
    return pread_sized(operations, 1);
}

static uint64_t pread_4k_batch(unsigned operations) {
    return pread_sized(operations, sizeof block);
}

static uint64_t open_batch(unsigned operations) {
    int fd = open_filled("/tmp/bench-file");
    (void)close(fd);
    int wrong = fd;
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        fd = open("/tmp/bench-file", O_RDONLY);
        wrong |= fd | close(fd);
    }
    uint64_t taken = instructions() - start;
    return wrong >= 0 ? taken : BATCH_FAILED;
}

static uint64_t stat_batch(unsigned operations) {
    struct stat facts;
    int fd = open_filled("/tmp/bench-file");
    (void)close(fd);
    int wrong = fd;
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        wrong |= stat("/tmp/bench-file", &facts);
    }
    uint64_t taken = instructions() - start;
    return wrong >= 0 ? taken : BATCH_FAILED;
}

/* Each write adds a page that the file did not have; taking them away again is part of the price.
 */
static uint64_t write_batch(unsigned operations) {
    int fd = open("/tmp/bench-new", O_RDWR | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) {
        return BATCH_FAILED;
    }
    ssize_t wrong = 0;
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        wrong |= write(fd, block, sizeof block) - (ssize_t)sizeof block;
    }
    wrong |= ftruncate(fd, 0);
    uint64_t taken = instructions() - start;
    (void)close(fd);
    (void)unlink("/tmp/bench-new");
    return wrong == 0 ? taken : BATCH_FAILED;
}

static uint64_t create_batch(unsigned operations) {
    ssize_t wrong = 0;
    uint64_t start = instructions();
    for (unsigned i = 0; i < operations; i++) {
        int fd = open("/tmp/bench-created", O_WRONLY | O_CREAT | O_EXCL, 0644);
        wrong |= write(fd, block, 1024) - 1024;
        wrong |= close(fd);
        wrong |= unlink("/tmp/bench-created");
    }
    uint64_t taken = instructions() - start;
    return wrong == 0 ? taken : BATCH_FAILED;
}

const row_t file_rows[] = {
    {"pread_1", pread_1_batch, 500},
    {"pread_4k", pread_4k_batch, 500},
    {"open_close", open_batch, 200},
    {"stat", stat_batch, 200},
    {"ramfs_write_4k", write_batch, 100},
    {"ramfs_create_delete", create_batch, 50},
    {"", pread_1_batch, 0},
};
