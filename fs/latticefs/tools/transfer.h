#pragma once
/* Copying folders into and out of a dataset without mounting it. */
#include "fs/latticefs/core/granule.h"

#pragma clang assume_nonnull begin

/* Both print what fails, and return the number of failures. */
uint64_t transfer_import(struct granule_cache *cache, struct dataset *dataset, uint64_t directory,
                         const char *from);
uint64_t transfer_export(struct granule_cache *cache, struct dataset *dataset, uint64_t directory,
                         const char *to);

#pragma clang assume_nonnull end
