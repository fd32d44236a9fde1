/* soak-latticefs-damage: short lives, hardly any crash on a copy, and 200 damaged images of what
 * each leaves; one more is damaged and opened for a rescue. */
#include "campaign.h"

#pragma clang assume_nonnull begin

const struct world_options campaign_defaults = {
    .operations = 60, .images = 200, .probe_one_in = 1000000};
const char *const campaign_program = "soak-latticefs-damage";

#pragma clang assume_nonnull end
