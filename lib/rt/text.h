#pragma once
/* A line of text of bounded size, as traces and reports are written: what does not fit is cut, and
 * the text says so.
 *
 * Invariant: size < capacity, and the text ends in NUL, from rt_text_start on. */
#include "lib/base/safe.h"

struct rt_text {
    size_t size, capacity;
    bool cut;
    char *_Nonnull COUNTED_BY(capacity) data;
};

/* An empty text in `capacity` bytes, at least 1. */
void rt_text_start(struct rt_text *_Nonnull text, char *_Nonnull data, size_t capacity);
void rt_text_string(struct rt_text *_Nonnull text, const char *_Nonnull string);
/* Decimal below 65536, else hexadecimal. */
void rt_text_number(struct rt_text *_Nonnull text, uint64_t value);
void rt_text_signed(struct rt_text *_Nonnull text, int64_t value);
/* If all bits of `flag` are in *value: takes them out and appends "|name" (the first without the
 * stroke: a text that ends in '=' has none yet). */
void rt_text_flag(struct rt_text *_Nonnull text, uint64_t *_Nonnull value, uint64_t flag,
                  const char *_Nonnull name);
/* What is left after the flags, in hexadecimal: nothing if it is 0 and some flag was named. */
void rt_text_rest(struct rt_text *_Nonnull text, uint64_t value);
