#pragma once
/* What nested calls belong to: the call in hand (its token), or a piece of background work with a
 * root that the server drew from its vault. */
#include <stdint.h>

struct rt_context {
    uint64_t token; /* 0: background */
    uint64_t root;  /* of background work; below 2^48 */
};
