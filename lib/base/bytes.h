#pragma once
/* Moving and comparing bytes. One of the few files that may use bare pointers; everybody else goes
 * through these. Sizes are in bytes; the ranges of a copy must not overlap. */
#include "lib/base/safe.h"

void bytes_copy(void *_Nonnull to, const void *_Nonnull from, size_t size);
void bytes_zero(void *_Nonnull to, size_t size);
bool bytes_equal(const void *_Nonnull a, const void *_Nonnull b, size_t size);

/* The length of a NUL-terminated text in an array of `capacity` bytes; `capacity` where no NUL is.
 */
size_t text_length(const char *_Nonnull text, size_t capacity);
bool text_equal(const char *_Nonnull a, const char *_Nonnull b);

/* A pointer `offset` bytes into a range that the caller knows to be larger. */
UNSAFE_BEGIN
static inline void *_Nonnull bytes_at(void *_Nonnull start, size_t offset) {
    return (void *)((char *)start + offset);
}
static inline const void *_Nonnull bytes_at_const(const void *_Nonnull start, size_t offset) {
    return (const void *)((const char *)start + offset);
}
UNSAFE_END
