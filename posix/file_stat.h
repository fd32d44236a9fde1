#pragma once
/* What files are, in Linux's structures. */
#include "idl/stream.h"
#include "posix/linux.h"

void stat_fill(struct linux_stat *_Nonnull out, const struct stream_stat *_Nonnull info);
void statx_fill(struct linux_statx *_Nonnull out, const struct stream_stat *_Nonnull info);
/* The parts of a device number. */
uint32_t device_major(uint64_t device);
uint32_t device_minor(uint64_t device);
