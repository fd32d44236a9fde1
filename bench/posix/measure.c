/* The batches of a row, their median, and when it is no answer. See measure.h. */
#include "measure.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *left, const void *right) {
    const uint64_t *a = left;
    const uint64_t *b = right;
    return *a < *b ? -1 : (*a > *b ? 1 : 0);
}

/* Why the sorted results are no answer, or null. */
static const char *_Nullable nonsense(const uint64_t *_Nonnull sorted, unsigned operations) {
    uint64_t median = sorted[BATCHES / 2];
    uint64_t spread = sorted[BATCHES * 3 / 4] - sorted[BATCHES / 4];
    if (median > (uint64_t)1 << 40) {
        return "the counter went backwards";
    }
    if (median < operations) {
        return "less than one instruction each";
    }
    return spread > median / 4 ? "unsteady" : nullptr;
}

void measure(const row_t *row) {
    uint64_t results[BATCHES];
    for (int i = -WARM_BATCHES; i < BATCHES; i++) {
        errno = 0;
        uint64_t taken = row->batch(row->operations);
        if (taken == BATCH_FAILED) {
            printf("%s\tfailed\terrno %d (%s)\n", row->name, errno, strerror(errno));
            return;
        }
        if (i >= 0) {
            results[i] = taken;
        }
    }
    qsort(results, BATCHES, sizeof results[0], compare);
    const char *why = nonsense(results, row->operations);
    if (why != nullptr) {
        printf("%s\tfailed\t%s (quartiles %llu %llu %llu of %u operations)\n", row->name, why,
               (unsigned long long)results[BATCHES / 4], (unsigned long long)results[BATCHES / 2],
               (unsigned long long)results[BATCHES * 3 / 4], row->operations);
        return;
    }
    uint64_t each = (results[BATCHES / 2] + row->operations / 2) / row->operations;
    printf("%s\t%llu\n", row->name, (unsigned long long)each);
}
