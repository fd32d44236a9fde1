/* The core's environment on a Linux host. */
#include "host.h"
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

static int64_t host_now(void *context) {
    (void)context;
    struct timespec time = {};
    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static void host_random(void *context, void *buffer, size_t size) {
    (void)context;
    randombytes_buf(buffer, size);
}

static void *_Nullable host_allocate(void *context, size_t size) {
    (void)context;
    return calloc(1, size);
}

static void host_release(void *context, void *memory, size_t size) {
    (void)context;
    (void)size;
    free(memory);
}

const struct environment *host_environment(void) {
    static char nothing; /* no function looks at its context */
    static const struct environment environment = {.context = &nothing,
                                                   .now_ns = host_now,
                                                   .random = host_random,
                                                   .allocate = host_allocate,
                                                   .release = host_release};
    return &environment;
}

UNSAFE_BEGIN

static_assert(BLOCK_SIZE == 4096, "the system headers have a macro of this name");

static lattice_status_t device_read(void *context, uint64_t block, uint32_t count, void *buffer) {
    const struct host_device *device = context;
    size_t size = (size_t)count * BLOCK_SIZE;
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(device->file, (char *)buffer + done, size - done,
                            (off_t)(block * BLOCK_SIZE + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return LATTICE_IO;
        }
        done += (size_t)got;
    }
    return LATTICE_OK;
}

static lattice_status_t device_write(void *context, uint64_t block, uint32_t count,
                                     const void *buffer) {
    const struct host_device *device = context;
    size_t size = (size_t)count * BLOCK_SIZE;
    size_t done = 0;
    while (done < size) {
        ssize_t got = pwrite(device->file, (const char *)buffer + done, size - done,
                             (off_t)(block * BLOCK_SIZE + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return LATTICE_IO;
        }
        done += (size_t)got;
    }
    return LATTICE_OK;
}

UNSAFE_END

static lattice_status_t device_flush(void *context) {
    const struct host_device *device = context;
    return fdatasync(device->file) == 0 ? LATTICE_OK : LATTICE_IO;
}

static void device_trim(void *context, uint64_t block, uint64_t count) {
    const struct host_device *device = context;
    (void)fallocate(device->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                    (off_t)(block * BLOCK_SIZE), (off_t)(count * BLOCK_SIZE));
}

/* Of a file or a block device. */
static bool device_size(int file, uint64_t *out) {
    off_t end = lseek(file, 0, SEEK_END);
    *out = end < 0 ? 0 : (uint64_t)end;
    return end >= 0;
}

bool host_device_open(struct host_devices *devices, const char *path, bool writable,
                      uint64_t size) {
    uint64_t bytes = 0;
    if (devices->count == DISKS_MAX) {
        fprintf(stderr, "%s: more than %d disks\n", path, DISKS_MAX);
        return false;
    }
    int flags = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | (size != 0 ? O_CREAT : 0);
    int file = open(path, flags, 0644);
    if (file < 0 || (size != 0 && ftruncate(file, (off_t)size) != 0) ||
        !device_size(file, &bytes)) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    struct host_device *device = &devices->data[devices->count];
    *device = (struct host_device){.device = {.context = device,
                                              .block_count = bytes / BLOCK_SIZE,
                                              .read = device_read,
                                              .write = device_write,
                                              .flush = device_flush,
                                              .trim = device_trim},
                                   .file = file,
                                   .path = path};
    devices->count++;
    return true;
}

void host_devices_close(struct host_devices *devices) {
    for (uint32_t i = 0; i < devices->count; i++) {
        close(devices->data[i].file);
    }
    devices->count = 0;
}

struct device_list host_device_list(struct host_devices *devices) {
    struct device_list list = {.count = devices->count};
    for (uint32_t i = 0; i < devices->count; i++) {
        list.devices[i] = &devices->data[i].device;
    }
    return list;
}

const char *host_status_text(lattice_status_t status) {
    switch (status) {
    case LATTICE_OK:
        return "done";
    case LATTICE_NOT_FOUND:
        return "not found";
    case LATTICE_EXISTS:
        return "exists already";
    case LATTICE_INVALID:
        return "invalid argument";
    case LATTICE_NOT_DIRECTORY:
        return "not a directory";
    case LATTICE_IS_DIRECTORY:
        return "is a directory";
    case LATTICE_NOT_EMPTY:
        return "not empty";
    case LATTICE_NAME_TOO_LONG:
        return "name too long";
    case LATTICE_TOO_LARGE:
        return "too large";
    case LATTICE_TOO_MANY:
        return "too many";
    case LATTICE_NO_SPACE:
        return "no space left (or the disk is too small)";
    case LATTICE_QUOTA:
        return "quota exceeded";
    case LATTICE_NO_MEMORY:
        return "out of memory";
    case LATTICE_IO:
        return "input/output error";
    case LATTICE_CORRUPT:
        return "damaged, or no latticefs";
    case LATTICE_UNSUPPORTED:
        return "made by a later version";
    case LATTICE_READ_ONLY:
        return "read-only";
    case LATTICE_BUSY:
        return "in use";
    case LATTICE_ABORTED:
        return "the transaction failed; the last commit is intact";
    case LATTICE_KEY_NEEDED:
        return "the key is needed";
    case LATTICE_MISMATCH:
        return "the stream does not follow";
    }
    return "unknown";
}

bool host_parse_size(const char *text, uint64_t *out) {
    char *_Nullable end = nullptr;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    static const char units[] = "KMGTP";
    if (errno != 0 || end == text) {
        return false;
    }
    struct view rest = view_text(SOME(end));
    if (rest.size == 0) {
        *out = value;
        return true;
    }
    for (unsigned i = 0; rest.size == 1 && i < sizeof units - 1; i++) {
        if (rest.data[0] == units[i] && value < UINT64_C(1) << (63 - 10 * (i + 1))) {
            *out = value << 10 * (i + 1);
            return true;
        }
    }
    return false;
}

struct lattice *host_open_pool(struct host_devices *devices, const char *paths, bool writable) {
    char *_Nullable copy = strdup(paths);
    char *_Nullable rest = nullptr;
    for (char *_Nullable path = strtok_r(SOME(copy), ",", &rest); path != nullptr;
         path = strtok_r(nullptr, ",", &rest)) {
        if (!host_device_open(devices, SOME(path), writable, 0)) {
            exit(1);
        }
    }
    struct lattice *_Nullable fs = nullptr;
    struct device_list list = host_device_list(devices);
    lattice_status_t status =
        pool_open(host_environment(), &list, writable ? 0 : MOUNT_READ_ONLY, &fs);
    if (status != LATTICE_OK) {
        fprintf(stderr, "%s: %s\n", paths, host_status_text(status));
        exit(1);
    }
    return SOME(fs);
}

#pragma clang assume_nonnull end
