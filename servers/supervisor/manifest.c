#include "servers/supervisor/manifest.h"
#include "lib/base/bytes.h"

enum { WORD_LIMIT = 8, WORD_SIZE = 64 };

struct word {
    char text[WORD_SIZE];
};
struct line {
    struct word words[WORD_LIMIT];
    uint32_t count;
};

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

/* Splits the line that begins at `at` into words; *next is where the next line begins. False: a
 * word or the line is too long. */
static bool read_line(struct manifest_text text, size_t at, struct line *_Nonnull out,
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
        struct word *word = &out->words[out->count++];
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

static bool is(const struct line *_Nonnull line, uint32_t index, const char *_Nonnull text) {
    return index < line->count && text_equal(line->words[index].text, text);
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

static bool number(const struct line *_Nonnull line, uint32_t index, uint64_t *_Nonnull out) {
    if (index >= line->count) {
        return false;
    }
    const struct word *word = &line->words[index];
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

static bool name(const struct line *_Nonnull line, uint32_t index,
                 char (*_Nonnull out)[MANIFEST_NAME]) {
    if (index >= line->count) {
        return false;
    }
    size_t length = text_length(line->words[index].text, WORD_SIZE);
    if (length == 0 || length >= MANIFEST_NAME) {
        return false;
    }
    bytes_zero(out, MANIFEST_NAME);
    bytes_copy(out, line->words[index].text, length);
    return true;
}

static bool read_need(const struct line *_Nonnull line, struct manifest *_Nonnull out) {
    if (out->need_count == MANIFEST_NEEDS || line->count != 4 || !is(line, 2, "as")) {
        return false;
    }
    struct manifest_need *need = &out->needs[out->need_count++];
    return name(line, 1, &need->service) && name(line, 3, &need->name);
}

static bool read_gift(const struct line *_Nonnull line, struct manifest *_Nonnull out) {
    if (out->gift_count == MANIFEST_GIFTS || line->count < 4) {
        return false;
    }
    struct manifest_gift *gift = &out->gifts[out->gift_count++];
    uint32_t last = line->count - 1;
    if (!is(line, last - 1, "as") || !name(line, last, &gift->name)) {
        return false;
    }
    uint32_t arguments = line->count - 4;
    if (is(line, 1, "system") && arguments == 0) {
        gift->kind = GIFT_SYSTEM;
        return true;
    }
    if (is(line, 1, "image") && arguments == 0) {
        gift->kind = GIFT_IMAGE;
        return true;
    }
    if (is(line, 1, "arguments") && arguments == 0) {
        gift->kind = GIFT_ARGUMENTS;
        return true;
    }
    if (is(line, 1, "trace") && arguments == 0) {
        gift->kind = GIFT_TRACE;
        return true;
    }
    if (is(line, 1, "endpoint") && arguments == 1) {
        gift->kind = GIFT_ENDPOINT;
        return name(line, 2, &gift->object);
    }
    if (is(line, 1, "domain") && arguments == 1) {
        gift->kind = GIFT_DOMAIN;
        return name(line, 2, &gift->object);
    }
    if (is(line, 1, "irq") && arguments == 1) {
        gift->kind = GIFT_IRQ;
        return number(line, 2, &gift->numbers[0]);
    }
    if (is(line, 1, "ports") && arguments == 2) {
        gift->kind = GIFT_PORTS;
        return number(line, 2, &gift->numbers[0]) && number(line, 3, &gift->numbers[1]);
    }
    return false;
}

/* The words after the first, with single spaces. */
static bool read_argument(const struct line *_Nonnull line, struct manifest *_Nonnull out) {
    size_t length = 0;
    for (uint32_t i = 1; i < line->count; i++) {
        size_t size = text_length(line->words[i].text, WORD_SIZE);
        if (length + size + 2 > sizeof out->argument) {
            return false;
        }
        if (i > 1) {
            out->argument[length++] = ' ';
        }
        for (size_t at = 0; at < size; at++) {
            out->argument[length++] = line->words[i].text[at];
        }
    }
    out->argument[length] = '\0';
    return line->count > 1;
}

static bool read_number_line(const struct line *_Nonnull line, struct manifest *_Nonnull out) {
    uint64_t value = 0;
    if (line->count != 2 || !number(line, 1, &value)) {
        return false;
    }
    if (is(line, 0, "priority")) {
        out->priority = value;
        return value >= 1 && value <= 23;
    }
    if (is(line, 0, "vault")) {
        out->vault_pages = value;
    } else if (is(line, 0, "keep")) {
        out->keep_slots = value;
    } else if (is(line, 0, "pages")) {
        out->pages = value;
    } else if (is(line, 0, "kernel-pages")) {
        out->kernel_pages = value;
    } else if (is(line, 0, "handles")) {
        out->handles = value;
    } else if (is(line, 0, "threads")) {
        out->threads = value;
    } else if (is(line, 0, "hang")) {
        out->hang_seconds = value;
    } else {
        return false;
    }
    return true;
}

static bool read_entry(const struct line *_Nonnull line, struct manifest *_Nonnull out) {
    if (is(line, 0, "service")) {
        return line->count == 2 && name(line, 1, &out->service);
    }
    if (is(line, 0, "program")) {
        return line->count == 2 && name(line, 1, &out->program);
    }
    if (is(line, 0, "restart")) {
        out->restart = is(line, 1, "always");
        return line->count == 2 && (out->restart || is(line, 1, "never"));
    }
    if (is(line, 0, "needs")) {
        return read_need(line, out);
    }
    if (is(line, 0, "gives")) {
        return read_gift(line, out);
    }
    if (is(line, 0, "argument")) {
        return read_argument(line, out);
    }
    return read_number_line(line, out);
}

bool manifest_parse(struct manifest_text text, struct manifest *_Nonnull out,
                    uint32_t *_Nonnull out_line) {
    *out = (struct manifest){.priority = 8,
                             .vault_pages = 1,
                             .keep_slots = 16,
                             .pages = 1024,
                             .kernel_pages = 256,
                             .handles = 1024,
                             .threads = 4,
                             .hang_seconds = 10,
                             .restart = true};
    uint32_t number_of_line = 1;
    struct line line;
    for (size_t at = 0; at < text.size; number_of_line++) {
        size_t next = 0;
        *out_line = number_of_line;
        if (!read_line(text, at, &line, &next) || (line.count > 0 && !read_entry(&line, out))) {
            return false;
        }
        at = next;
    }
    *out_line = number_of_line;
    return out->service[0] != '\0' && out->program[0] != '\0';
}
