#pragma once
/* The records of a pax header, "LENGTH key=value\n" one after another. Values may hold any bytes.
 */
#include "fs/latticefs/core/bytes.h"

#pragma clang assume_nonnull begin

enum { PAX_MAX = 16 << 20 }; /* no honest header is longer */
#define PAX_XATTR "SCHILY.xattr."

struct pax {
    size_t used;
    size_t capacity;
    uint8_t *_Nullable data COUNTED_BY(capacity);
};

/* Room for `size` bytes in all; false: out of memory, or beyond PAX_MAX. */
bool pax_reserve(struct pax *pax, size_t size);
void pax_release(struct pax *pax);
/* The record at *at, which goes on to the next. False at the end, or where it is damaged. */
bool pax_next(const struct pax *pax, size_t *at, struct view *out_key, struct view *out_value);
/* A record behind the others, its key in two parts. */
bool pax_add(struct pax *pax, struct view key, struct view more_key, struct view value);

#pragma clang assume_nonnull end
