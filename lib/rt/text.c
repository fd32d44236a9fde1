/* Appending to a text of bounded size. */
#include "lib/rt/text.h"

void rt_text_start(struct rt_text *_Nonnull text, char *_Nonnull data, size_t capacity) {
    CHECK(capacity > 0);
    *text = (struct rt_text){.capacity = capacity, .data = data};
    text->data[0] = '\0';
}

static void append(struct rt_text *_Nonnull text, char c) {
    if (text->size + 1 >= text->capacity) {
        text->cut = true;
        if (text->size > 0) {
            text->data[text->size - 1] = '~';
        }
        return;
    }
    text->data[text->size++] = c;
    text->data[text->size] = '\0';
}

UNSAFE_BEGIN
void rt_text_string(struct rt_text *_Nonnull text, const char *_Nonnull string) {
    for (const char *at = string; *at != '\0'; at++) {
        append(text, *at);
    }
}
UNSAFE_END

static void append_digits(struct rt_text *_Nonnull text, uint64_t value, uint64_t base) {
    char digits[20] = {};
    size_t count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0);
    while (count > 0) {
        append(text, digits[--count]);
    }
}

void rt_text_number(struct rt_text *_Nonnull text, uint64_t value) {
    bool small = value < 65536;
    rt_text_string(text, small ? "" : "0x");
    append_digits(text, value, small ? 10 : 16);
}

void rt_text_signed(struct rt_text *_Nonnull text, int64_t value) {
    if (value < 0) {
        append(text, '-');
        append_digits(text, (uint64_t)-(value + 1) + 1, 10);
    } else {
        append_digits(text, (uint64_t)value, 10);
    }
}

static bool is_first(const struct rt_text *_Nonnull text) {
    return text->size == 0 || text->data[text->size - 1] == '=';
}

void rt_text_flag(struct rt_text *_Nonnull text, uint64_t *_Nonnull value, uint64_t flag,
                  const char *_Nonnull name) {
    if (flag == 0 || (*value & flag) != flag) {
        return;
    }
    *value &= ~flag;
    rt_text_string(text, is_first(text) ? "" : "|");
    rt_text_string(text, name);
}

void rt_text_rest(struct rt_text *_Nonnull text, uint64_t value) {
    if (value == 0 && !is_first(text)) {
        return;
    }
    rt_text_string(text, is_first(text) ? "" : "|");
    rt_text_string(text, value == 0 ? "" : "0x");
    append_digits(text, value, 16);
}
