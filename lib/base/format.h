#pragma once
/* A small formatter for logs and reports: %s text, %d int, %u unsigned, %x hexadecimal unsigned,
 * with an optional width and leading 0; the numbers are 64 bits wide when written %lu %lx %ld, %c
 * character, %% percent. Anything else prints as it stands. */
#include "lib/base/safe.h"
#include <stdarg.h>

/* Where the characters go, one at a time. */
typedef void (*format_sink_t)(void *_Nullable context, char c);

[[gnu::format(printf, 3, 4)]] void format_to(format_sink_t _Nonnull sink, void *_Nullable context,
                                             const char *_Nonnull text, ...);
void format_to_list(format_sink_t _Nonnull sink, void *_Nullable context, const char *_Nonnull text,
                    va_list arguments);

/* Formats into an array of `capacity` bytes, always NUL-terminated where capacity > 0; returns the
 * length without the NUL, cut at capacity - 1. */
[[gnu::format(printf, 3, 4)]] size_t format_text(char *_Nonnull out, size_t capacity,
                                                 const char *_Nonnull text, ...);
/* Appends to an array that holds `length` bytes of text; returns how many it added. */
size_t format_text_list(char *_Nonnull out, size_t length, size_t capacity,
                        const char *_Nonnull text, va_list arguments);
