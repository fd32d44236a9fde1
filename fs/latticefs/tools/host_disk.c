/* Disks of a Linux host. */
#include "host_disk.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

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

static void device_prefetch(void *context, uint64_t block, uint64_t count) {
    const struct host_device *device = context;
    (void)posix_fadvise(device->file, (off_t)(block * BLOCK_SIZE), (off_t)(count * BLOCK_SIZE),
                        POSIX_FADV_WILLNEED);
}

/* Of a file or a block device. */
static bool device_size(int file, uint64_t *out) {
    off_t end = lseek(file, 0, SEEK_END);
    *out = end < 0 ? 0 : (uint64_t)end;
    return end >= 0;
}

/* Why a disk cannot be opened, and what to do. */
static void complain(const char *path) {
    const char *advice = "";
    if (errno == EWOULDBLOCK || errno == EBUSY) {
        fprintf(stderr,
                "%s: in use by another program\n"
                "    Is it mounted? Unmount it first, or work through the mount: .snapshots/ there "
                "lists, takes and destroys snapshots.\n",
                path);
        return;
    }
    if (errno == EACCES || errno == EPERM) {
        advice = "\n    Are you root, or in the disk's group?";
    } else if (errno == ENOENT) {
        advice = "\n    mkfs.latticefs --size SIZE makes a file for a pool.";
    }
    fprintf(stderr, "%s: %s%s\n", path, strerror(errno), advice);
}

/* The open file, locked, or -1 and errno. With `exclusive` a block device is refused while the
 * kernel uses it. */
static int open_locked(const char *path, bool writable, bool exclusive, uint64_t size) {
    struct stat facts = {};
    int flags = (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | (size != 0 ? O_CREAT : 0);
    if (exclusive && stat(path, &facts) == 0 && S_ISBLK(facts.st_mode)) {
        flags |= O_EXCL;
    }
    int file = open(path, flags, 0644);
    if (file < 0) {
        return -1;
    }
    if (flock(file, (writable ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0 ||
        (size != 0 && ftruncate(file, (off_t)size) != 0)) {
        int error = errno;
        close(file);
        errno = error;
        return -1;
    }
    return file;
}

static void add_name(struct host_devices *devices, const char *path) {
    char *_Nullable names = nullptr;
    if (asprintf(&names, "%s%s%s", devices->names == nullptr ? "" : SOME(devices->names),
                 devices->names == nullptr ? "" : ",", path) > 0) {
        free(devices->names);
        devices->names = names;
    }
}

bool host_device_open(struct host_devices *devices, const char *path, bool writable,
                      uint64_t size) {
    uint64_t bytes = 0;
    if (devices->count == DISKS_MAX) {
        fprintf(stderr, "%s: more than %d disks\n", path, DISKS_MAX);
        return false;
    }
    int file = open_locked(path, writable, writable && !devices->mounting, size);
    if (file < 0 || !device_size(file, &bytes)) {
        complain(path);
        return false;
    }
    struct host_device *device = &devices->data[devices->count];
    *device = (struct host_device){.device = {.context = device,
                                              .block_count = bytes / BLOCK_SIZE,
                                              .read = device_read,
                                              .write = device_write,
                                              .flush = device_flush,
                                              .trim = device_trim,
                                              .prefetch = device_prefetch},
                                   .file = file};
    char *_Nullable absolute = realpath(path, nullptr);
    snprintf(device->path, sizeof device->path, "%s", absolute == nullptr ? path : absolute);
    free(absolute);
    add_name(devices, device->path);
    devices->count++;
    return true;
}

void host_devices_unlock(const struct host_devices *devices) {
    for (uint32_t i = 0; i < devices->count; i++) {
        (void)flock(devices->data[i].file, LOCK_UN);
    }
}

void host_devices_close(struct host_devices *devices) {
    for (uint32_t i = 0; i < devices->count; i++) {
        close(devices->data[i].file);
    }
    free(devices->names);
    devices->names = nullptr;
    devices->count = 0;
}

struct device_list host_device_list(struct host_devices *devices) {
    struct device_list list = {.count = devices->count};
    for (uint32_t i = 0; i < devices->count; i++) {
        list.devices[i] = &devices->data[i].device;
    }
    return list;
}

#pragma clang assume_nonnull end
