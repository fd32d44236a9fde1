/* soak-latticefs: long lives with crashes, and a few damaged images at the end of each. */
#include "campaign.h"

#pragma clang assume_nonnull begin

const struct world_options campaign_defaults = {.operations = 200, .images = 4};
const char *const campaign_program = "soak-latticefs";

#pragma clang assume_nonnull end
