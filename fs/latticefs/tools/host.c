/* The core's environment on a Linux host, without its disks (host_disk.c). */
#include "host.h"
#include <errno.h>
#include <malloc.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

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
    return malloc(size);
}

static void host_release(void *context, void *memory, size_t size) {
    (void)context;
    (void)size;
    free(memory);
}

/* Buffers of records come and go: keep the memory. */
void host_memory_settings(void) {
    (void)mallopt(M_MMAP_THRESHOLD, 16 << 20);
    (void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
    (void)mallopt(M_TOP_PAD, 4 << 20);
    (void)mallopt(M_ARENA_MAX, 2);
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

/* What to do about a pool that cannot be opened. */
static const char *_Nullable open_advice(lattice_status_t status, bool writable) {
    if (status == LATTICE_CORRUPT) {
        return "Was it made by mkfs.latticefs, and are all its disks named, separated by commas?";
    }
    if (status == LATTICE_UNSUPPORTED && writable) {
        return "A newer version may mount it; reading alone may work here.";
    }
    if (status == LATTICE_READ_ONLY) {
        return "Try a command that only reads.";
    }
    return status == LATTICE_IO ? "The kernel's log may say what is wrong with the disk." : nullptr;
}

void host_open_disks(struct host_devices *devices, const char *paths, bool writable) {
    char *_Nullable copy = strdup(paths);
    char *_Nullable rest = nullptr;
    if (copy == nullptr) {
        exit(1);
    }
    for (char *_Nullable path = strtok_r(copy, ",", &rest); path != nullptr;
         path = strtok_r(nullptr, ",", &rest)) {
        if (!host_device_open(devices, SOME(path), writable, 0)) {
            exit(1);
        }
    }
    free(copy);
}

struct lattice *host_open_pool(struct host_devices *devices, const char *paths, bool writable) {
    host_open_disks(devices, paths, writable);
    struct lattice *_Nullable fs = nullptr;
    struct device_list list = host_device_list(devices);
    lattice_status_t status =
        pool_open(host_environment(), &list, writable ? 0 : MOUNT_READ_ONLY, &fs);
    if (status != LATTICE_OK) {
        fprintf(stderr, "%s: %s\n", paths, host_status_text(status));
        if (open_advice(status, writable) != nullptr) {
            fprintf(stderr, "    %s\n", open_advice(status, writable));
        }
        exit(1);
    }
    return SOME(fs);
}

#pragma clang assume_nonnull end
