#pragma once
/* The core's environment on a Linux host, and what all tools share. */
#include "host_disk.h"

#pragma clang assume_nonnull begin

const struct environment *host_environment(void);
/* For a program that runs long: memory that was released is kept. */
void host_memory_settings(void);
const char *host_status_text(lattice_status_t status);
/* "4096", "64M", "1T" in bytes; false if it is no size. */
bool host_parse_size(const char *text, uint64_t *out);
/* Opens the disks of "disk" or "disk,disk…"; ends the program with 1 on failure. */
void host_open_disks(struct host_devices *devices, const char *paths, bool writable);
/* Opens the pool on "disk" or "disk,disk…"; ends the program with 1 on failure. */
struct lattice *host_open_pool(struct host_devices *devices, const char *paths, bool writable);

#pragma clang assume_nonnull end
