#pragma once
/* The core's environment on a Linux host, and what all tools share. */
#include "fs/latticefs/core/mount.h"

#pragma clang assume_nonnull begin

struct host_device {
    struct blkdev device;
    int file;
    const char *path;
};

struct host_devices {
    uint32_t count;
    struct host_device data[DISKS_MAX];
};

const struct environment *host_environment(void);
/* Opens a file or block device; `size` > 0 makes it (or makes it longer). False and a message on
 * failure. */
bool host_device_open(struct host_devices *devices, const char *path, bool writable, uint64_t size);
void host_devices_close(struct host_devices *devices);
struct device_list host_device_list(struct host_devices *devices);
const char *host_status_text(lattice_status_t status);
/* "4096", "64M", "1T" in bytes; false if it is no size. */
bool host_parse_size(const char *text, uint64_t *out);
/* Opens "disk" or "disk,disk…"; ends the program with 1 on failure. */
struct lattice *host_open_pool(struct host_devices *devices, const char *paths, bool writable);

#pragma clang assume_nonnull end
