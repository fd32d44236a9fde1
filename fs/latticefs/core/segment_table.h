#pragma once
/* What the allocator and the table of segments have in common; not for others. */
#include "lattice.h"

#pragma clang assume_nonnull begin

static inline uint32_t segment_size(const struct lattice *fs) {
    return UINT32_C(1) << fs->super.segment_shift;
}

static inline struct segment *segment_at(struct lattice *fs, uint64_t index) {
    CHECK(index < fs->segments.count);
    return &fs->segments.data[index];
}

static inline bool reference_is_null(const struct page_reference *reference) {
    return reference->checksum == 0 && reference->slot == 0;
}

/* Reads one more page of the table, for an allocator that found nothing good in those that it has.
 * False: there is none, or it cannot be read. */
bool segments_more(struct lattice *fs);

#pragma clang assume_nonnull end
