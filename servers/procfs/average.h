#pragma once
/* Load averages as Linux has them: every LOAD_PERIOD_SECONDS each average goes a part of the way to
 * the number of threads at work, so that after 1, 5 and 15 minutes 1/e of what was is left. */
#include "lib/base/safe.h"

enum { LOAD_ONE = 2048, LOAD_PERIOD_SECONDS = 5 };

/* One period with `active` threads. Units: the averages are threads times LOAD_ONE. */
void load_average(uint64_t (*_Nonnull averages)[3], uint32_t active);
