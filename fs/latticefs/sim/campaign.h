#pragma once
/* What a program of the simulator does where no option says otherwise. Each of the files
 * campaign_*.c makes a program of its own of the same sources. */
#include "world.h"

#pragma clang assume_nonnull begin

extern const struct world_options campaign_defaults;
/* Its name. */
extern const char *const campaign_program;

#pragma clang assume_nonnull end
