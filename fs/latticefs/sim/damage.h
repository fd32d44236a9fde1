#pragma once
/* Changes to images that a checksum would not let through: the sum is made right again, or is not
 * looked at. */
#include "disk.h"

#pragma clang assume_nonnull begin

/* Changes some field of some block that was ever written, mostly of a superblock, a table page, a
 * node or a group of the log, to a value that is likely to be believed. */
void damage_structure(struct sim_disk *disk, struct dice *dice);

#pragma clang assume_nonnull end
