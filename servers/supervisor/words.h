#pragma once
/* A line of text as words: manifests, and commands. # begins a comment. */
#include "lib/base/safe.h"

enum { WORD_LIMIT = 8, WORD_SIZE = 64 };

struct word {
    char text[WORD_SIZE];
};
struct words {
    struct word at[WORD_LIMIT];
    uint32_t count;
};
struct words_text {
    size_t size;
    const char *_Nullable COUNTED_BY(size) data;
};

/* Splits the line that begins at `at` into words; *next is where the next line begins. False: a
 * word or the line is too long. */
bool words_read(struct words_text text, size_t at, struct words *_Nonnull out,
                size_t *_Nonnull next);
/* Is the word of this index this text? */
bool words_are(const struct words *_Nonnull line, uint32_t index, const char *_Nonnull text);
/* A number, decimal, or hexadecimal with 0x. False: there is none at this index. */
bool words_number(const struct words *_Nonnull line, uint32_t index, uint64_t *_Nonnull out);
