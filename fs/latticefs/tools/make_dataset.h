#pragma once
/* Options of a new dataset, from the command line. */
#include "command.h"
#include "fs/latticefs/core/snapshot.h"

#pragma clang assume_nonnull begin

/* Fills in the options from the call's; DONE, or what the program ends with after a message. */
int dataset_options_of(const struct call *call, struct dataset_options *out);

#pragma clang assume_nonnull end
