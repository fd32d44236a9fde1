#pragma once
/* Disks of a Linux host: files and block devices. A disk that is open here for writing is locked
 * (flock), so that no pool is changed by two programs at a time. */
#include "fs/latticefs/core/format.h"
#include "fs/latticefs/core/mount.h"

#pragma clang assume_nonnull begin

struct host_device {
    struct blkdev device;
    int file;
    char path[4096]; /* absolute */
};

struct host_devices {
    uint32_t count;
    bool mounting;         /* the kernel itself will claim block devices */
    char *_Nullable names; /* all paths, absolute, separated by commas */
    struct host_device data[DISKS_MAX];
};

/* Opens a file or block device; `size` > 0 makes it (or makes it longer). False, and a message on
 * standard error, on failure. Owns: the open file and its lock, until host_devices_close. */
bool host_device_open(struct host_devices *devices, const char *path, bool writable, uint64_t size);
/* Lets other programs have the disks, which this one will not touch any more. */
void host_devices_unlock(const struct host_devices *devices);
void host_devices_close(struct host_devices *devices);
struct device_list host_device_list(struct host_devices *devices);

#pragma clang assume_nonnull end
