/* See words.h. */
#include "servers/supervisor/words.h"
#include "lib/base/bytes.h"

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

bool words_read(struct words_text text, size_t at, struct words *_Nonnull out,
                size_t *_Nonnull next) {
    size_t i = at;
    out->count = 0;
    while (i < text.size && text.data[i] != '\n' && text.data[i] != '#') {
        if (is_space(text.data[i])) {
            i++;
            continue;
        }
        if (out->count == WORD_LIMIT) {
            return false;
        }
        struct word *word = &out->at[out->count++];
        size_t length = 0;
        while (i < text.size && text.data[i] != '\n' && text.data[i] != '#' &&
               !is_space(text.data[i])) {
            if (length + 1 >= sizeof word->text) {
                return false;
            }
            word->text[length++] = text.data[i++];
        }
        word->text[length] = '\0';
    }
    while (i < text.size && text.data[i] != '\n') {
        i++;
    }
    *next = i + 1;
    return true;
}

bool words_are(const struct words *_Nonnull line, uint32_t index, const char *_Nonnull text) {
    return index < line->count && text_equal(line->at[index].text, text);
}

static bool digit_of(char c, uint64_t base, uint64_t *_Nonnull out) {
    uint64_t digit = 99;
    if (c >= '0' && c <= '9') {
        digit = (uint64_t)(c - '0');
    } else if (c >= 'a' && c <= 'f') {
        digit = (uint64_t)(c - 'a') + 10;
    }
    *out = digit;
    return digit < base;
}

bool words_number(const struct words *_Nonnull line, uint32_t index, uint64_t *_Nonnull out) {
    if (index >= line->count) {
        return false;
    }
    const struct word *word = &line->at[index];
    bool hexadecimal = word->text[0] == '0' && word->text[1] == 'x';
    uint64_t base = hexadecimal ? 16 : 10;
    uint64_t value = 0;
    size_t i = hexadecimal ? 2 : 0;
    if (word->text[i] == '\0') {
        return false;
    }
    for (; i < sizeof word->text && word->text[i] != '\0'; i++) {
        uint64_t digit = 0;
        if (!digit_of(word->text[i], base, &digit) || ckd_mul(&value, value, base) ||
            ckd_add(&value, value, digit)) {
            return false;
        }
    }
    *out = value;
    return true;
}
