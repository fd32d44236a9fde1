#pragma once
/* Text as a counted span, a growing text for output, and errors with their place.
 *
 * Invariants:
 *  1. A struct text never owns its bytes; a struct output owns them until output_free.
 *  2. An output that ran out of memory stays failed and takes nothing more. */
#include "lib/base/safe.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    size_t size;
    const char *_Nullable COUNTED_BY(size) data;
};

/* The text of a NUL-terminated string. */
struct text text_of(const char *_Nonnull string);
bool text_same(struct text left, struct text right);
bool text_is(struct text text, const char *_Nonnull string);
/* Bytes [from, to) of `text`; both are cut to its size. */
struct text text_part(struct text text, size_t from, size_t to);
/* Takes the next line (without its end) off the front of `rest`; false at the end. */
bool text_line(struct text *_Nonnull rest, struct text *_Nonnull out_line);
/* Without blanks at both ends. */
struct text text_trim(struct text text);
bool text_starts(struct text text, const char *_Nonnull start);

struct output {
    size_t size, capacity;
    char *_Nullable COUNTED_BY(capacity) data;
    bool failed;
};

[[gnu::format(printf, 2, 3)]] void emit(struct output *_Nonnull out, const char *_Nonnull format,
                                        ...);
void emit_text(struct output *_Nonnull out, struct text text);
/* An empty line, unless there is one already. */
void emit_blank(struct output *_Nonnull out);
struct text output_text(const struct output *_Nonnull out);
void output_free(struct output *_Nonnull out);

/* Appends one logical line, broken at commas as clang-format would, aligned behind the last
 * parenthesis or brace that is open there. Empties `line`. */
void emit_wrapped(struct output *_Nonnull out, struct output *_Nonnull line);

/* Appends `text` as a block comment of at most 100 columns with `indent` blanks before it. */
void emit_comment(struct output *_Nonnull out, int indent, struct text text);
