#pragma once
/* Counted runs of bytes: the only way in which the core moves memory. Copies check both lengths,
 * sub-runs check their bounds; a violation is a defect of this program and traps. */
#include "lib/base/safe.h"
#include <stdint.h>

#pragma clang assume_nonnull begin

struct bytes { /* writable */
    size_t size;
    uint8_t *_Nullable data COUNTED_BY(size);
};

struct view { /* read-only */
    size_t size;
    const uint8_t *_Nullable data COUNTED_BY(size);
};

struct bytes bytes_of(void *_Nullable start, size_t size);
struct view view_of(const void *_Nullable start, size_t size);
struct view bytes_view(struct bytes bytes);
struct view view_text(const char *text);
struct bytes bytes_sub(struct bytes bytes, size_t offset, size_t size);
struct view view_sub(struct view view, size_t offset, size_t size);

/* Copies `from` to the start of `to`, which must be at least as long. */
void bytes_copy(struct bytes to, struct view from);
/* As bytes_copy; the two may overlap. */
void bytes_move(struct bytes to, struct view from);
void bytes_zero(struct bytes bytes);
bool view_equal(struct view left, struct view right);
bool view_is_zero(struct view view);
/* Order as memcmp's, a prefix first. */
int view_compare(struct view left, struct view right);

#define BYTES_OF(object) bytes_of(&(object), sizeof(object))
#define VIEW_OF(object) view_of(&(object), sizeof(object))

#pragma clang assume_nonnull end
