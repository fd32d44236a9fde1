#include "servers/procfs/average.h"

void load_average(uint64_t (*_Nonnull averages)[3], uint32_t active) {
    /* LOAD_ONE / e^(5 s / minutes) */
    static const uint64_t weights[3] = {1884, 2014, 2037};
    uint64_t goal = (uint64_t)active * LOAD_ONE;
    for (size_t i = 0; i < ARRAY_LENGTH(weights); i++) {
        uint64_t sum = (*averages)[i] * weights[i] + goal * (LOAD_ONE - weights[i]);
        /* a rising average is rounded up, or it would never arrive (Linux does so too) */
        (*averages)[i] = (sum + (goal >= (*averages)[i] ? LOAD_ONE - 1 : 0)) / LOAD_ONE;
    }
}
