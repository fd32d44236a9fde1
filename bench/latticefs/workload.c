/* One row of the file-system bench: `bench-workload ROW FOLDER COUNT` does COUNT operations in
 * FOLDER and prints the nanoseconds that they took. Rows that read need what the row before made.
 */
#include "lib/base/safe.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

enum { LARGE = 1 << 20, SMALL = 4096, NEW_FILE = 1024 };

struct buffer {
    uint8_t data[LARGE];
};

/* A path in the folder; ends the program where it is too long. */
struct path {
    char text[4096];
};

static struct path path_of(const char *folder, const char *name, unsigned long number) {
    struct path path;
    int length = snprintf(path.text, sizeof path.text, "%s/%s%lu", folder, name, number);
    if (length < 0 || length >= (int)sizeof path.text) {
        exit(2);
    }
    return path;
}

static void need(bool done, const char *what) {
    if (!done) {
        fprintf(stderr, "bench-workload: %s: %s\n", what, strerror(errno));
        exit(1);
    }
}

static uint64_t roll(uint64_t *state) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *state >> 33;
}

/* Half random, half text: neither the best nor the worst case of compression. */
static struct buffer *content(void) {
    struct buffer *buffer = SOME((struct buffer *)malloc(sizeof(struct buffer)));
    uint64_t state = 1;
    for (unsigned i = 0; i < LARGE; i++) {
        buffer->data[i] =
            (i & SMALL) != 0 ? (uint8_t)roll(&state) : (uint8_t)("latticefs "[i % 10]);
    }
    return buffer;
}

static int open_large(const char *folder, int flags) {
    int file = open(path_of(folder, "large", 0).text, flags, 0644);
    need(file >= 0, "the large file");
    return file;
}

static void do_write(const char *folder, unsigned long count) {
    const struct buffer *buffer = content();
    int file = open_large(folder, O_RDWR | O_CREAT | O_TRUNC);
    for (unsigned long i = 0; i < count; i++) {
        need(write(file, buffer->data, LARGE) == LARGE, "write");
    }
    need(fsync(file) == 0 && close(file) == 0, "fsync");
}

static void do_read(const char *folder, unsigned long count) {
    struct buffer *buffer = content();
    int file = open_large(folder, O_RDONLY);
    for (unsigned long i = 0; i < count; i++) {
        need(read(file, buffer->data, LARGE) == LARGE, "read");
    }
    close(file);
}

static void random_io(const char *folder, unsigned long count, bool writing) {
    struct buffer *buffer = content();
    int file = open_large(folder, O_RDWR);
    struct stat facts = {};
    uint64_t state = 7;
    need(fstat(file, &facts) == 0 && facts.st_size >= SMALL, "the large file's size");
    for (unsigned long i = 0; i < count; i++) {
        off_t at = (off_t)(roll(&state) % ((uint64_t)facts.st_size / SMALL)) * SMALL;
        ssize_t done =
            writing ? pwrite(file, buffer->data, SMALL, at) : pread(file, buffer->data, SMALL, at);
        need(done == SMALL, "random 4 KiB");
    }
    need(!writing || fsync(file) == 0, "fsync");
    close(file);
}

static void do_random_read(const char *folder, unsigned long count) {
    random_io(folder, count, false);
}

static void do_random_write(const char *folder, unsigned long count) {
    random_io(folder, count, true);
}

static void create_files(const char *folder, unsigned long count, bool synced) {
    const struct buffer *buffer = content();
    for (unsigned long i = 0; i < count; i++) {
        int file =
            open(path_of(folder, synced ? "synced" : "file", i).text, O_WRONLY | O_CREAT, 0644);
        need(file >= 0 && write(file, buffer->data, NEW_FILE) == NEW_FILE, "create");
        need((!synced || fsync(file) == 0) && close(file) == 0, "close");
    }
    if (!synced) {
        int opened = open(folder, O_RDONLY | O_DIRECTORY);
        need(opened >= 0 && syncfs(opened) == 0, "syncfs");
        close(opened);
    }
}

static void do_create(const char *folder, unsigned long count) {
    create_files(folder, count, false);
}

static void do_create_sync(const char *folder, unsigned long count) {
    create_files(folder, count, true);
}

static void do_stat(const char *folder, unsigned long count) {
    struct stat facts = {};
    for (unsigned long i = 0; i < count; i++) {
        need(lstat(path_of(folder, "file", i).text, &facts) == 0, "stat");
    }
}

static void do_readdir(const char *folder, unsigned long count) {
    DIR *_Nullable entries = opendir(folder);
    unsigned long found = 0;
    need(entries != nullptr, "opendir");
    while (readdir(SOME(entries)) != nullptr) {
        found++;
    }
    closedir(SOME(entries));
    errno = ERANGE;
    need(found >= count, "readdir");
}

static void do_remove(const char *folder, unsigned long count) {
    for (unsigned long i = 0; i < count; i++) {
        need(unlink(path_of(folder, "file", i).text) == 0, "unlink");
    }
    int opened = open(folder, O_RDONLY | O_DIRECTORY);
    need(opened >= 0 && syncfs(opened) == 0, "syncfs");
    close(opened);
}

static const struct {
    const char *name;
    void (*run)(const char *folder, unsigned long count);
} rows[] = {{"write", do_write},
            {"read", do_read},
            {"random_read", do_random_read},
            {"random_write", do_random_write},
            {"create", do_create},
            {"create_sync", do_create_sync},
            {"stat", do_stat},
            {"readdir", do_readdir},
            {"remove", do_remove}};

static int run(const char *row, const char *folder, unsigned long count) {
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].name, row) == 0) {
            struct timespec start = {};
            struct timespec end = {};
            clock_gettime(CLOCK_MONOTONIC, &start);
            rows[i].run(folder, count);
            clock_gettime(CLOCK_MONOTONIC, &end);
            printf("%lld\n", (long long)(end.tv_sec - start.tv_sec) * 1000000000 + end.tv_nsec -
                                 start.tv_nsec);
            return 0;
        }
    }
    return 2;
}

UNSAFE_BEGIN /* the command line */

int main(int argc, char **argv) {
    return argc == 4 ? run(argv[1], argv[2], strtoul(argv[3], nullptr, 10)) : 2;
}

UNSAFE_END

#pragma clang assume_nonnull end
