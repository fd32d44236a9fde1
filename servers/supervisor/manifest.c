#include "servers/supervisor/manifest.h"
#include "lib/base/bytes.h"
#include "servers/supervisor/words.h"

static bool name(const struct words *_Nonnull line, uint32_t index,
                 char (*_Nonnull out)[MANIFEST_NAME]) {
    if (index >= line->count) {
        return false;
    }
    size_t length = text_length(line->at[index].text, WORD_SIZE);
    if (length == 0 || length >= MANIFEST_NAME) {
        return false;
    }
    bytes_zero(out, MANIFEST_NAME);
    bytes_copy(out, line->at[index].text, length);
    return true;
}

static bool read_need(const struct words *_Nonnull line, struct manifest *_Nonnull out) {
    if (out->need_count == MANIFEST_NEEDS || line->count != 4 || !words_are(line, 2, "as")) {
        return false;
    }
    struct manifest_need *need = &out->needs[out->need_count++];
    return name(line, 1, &need->service) && name(line, 3, &need->name);
}

static bool read_gift(const struct words *_Nonnull line, struct manifest *_Nonnull out) {
    if (out->gift_count == MANIFEST_GIFTS || line->count < 4) {
        return false;
    }
    struct manifest_gift *gift = &out->gifts[out->gift_count++];
    uint32_t last = line->count - 1;
    if (!words_are(line, last - 1, "as") || !name(line, last, &gift->name)) {
        return false;
    }
    uint32_t arguments = line->count - 4;
    if (words_are(line, 1, "system") && arguments == 0) {
        gift->kind = GIFT_SYSTEM;
        return true;
    }
    if (words_are(line, 1, "image") && arguments == 0) {
        gift->kind = GIFT_IMAGE;
        return true;
    }
    if (words_are(line, 1, "arguments") && arguments == 0) {
        gift->kind = GIFT_ARGUMENTS;
        return true;
    }
    if (words_are(line, 1, "trace") && arguments == 0) {
        gift->kind = GIFT_TRACE;
        return true;
    }
    if (words_are(line, 1, "endpoint") && arguments == 1) {
        gift->kind = GIFT_ENDPOINT;
        return name(line, 2, &gift->object);
    }
    if (words_are(line, 1, "domain") && arguments == 1) {
        gift->kind = GIFT_DOMAIN;
        return name(line, 2, &gift->object);
    }
    if (words_are(line, 1, "irq") && arguments == 1) {
        gift->kind = GIFT_IRQ;
        return words_number(line, 2, &gift->numbers[0]);
    }
    if (words_are(line, 1, "ports") && arguments == 2) {
        gift->kind = GIFT_PORTS;
        return words_number(line, 2, &gift->numbers[0]) && words_number(line, 3, &gift->numbers[1]);
    }
    return false;
}

/* The words after the first, with single spaces. */
static bool read_argument(const struct words *_Nonnull line, struct manifest *_Nonnull out) {
    size_t length = 0;
    for (uint32_t i = 1; i < line->count; i++) {
        size_t size = text_length(line->at[i].text, WORD_SIZE);
        if (length + size + 2 > sizeof out->argument) {
            return false;
        }
        if (i > 1) {
            out->argument[length++] = ' ';
        }
        for (size_t at = 0; at < size; at++) {
            out->argument[length++] = line->at[i].text[at];
        }
    }
    out->argument[length] = '\0';
    return line->count > 1;
}

static bool read_number_line(const struct words *_Nonnull line, struct manifest *_Nonnull out) {
    uint64_t value = 0;
    if (line->count != 2 || !words_number(line, 1, &value)) {
        return false;
    }
    if (words_are(line, 0, "priority")) {
        out->priority = value;
        return value >= 1 && value <= 23;
    }
    if (words_are(line, 0, "vault")) {
        out->vault_pages = value;
    } else if (words_are(line, 0, "keep")) {
        out->keep_slots = value;
    } else if (words_are(line, 0, "pages")) {
        out->pages = value;
    } else if (words_are(line, 0, "kernel-pages")) {
        out->kernel_pages = value;
    } else if (words_are(line, 0, "handles")) {
        out->handles = value;
    } else if (words_are(line, 0, "threads")) {
        out->threads = value;
    } else if (words_are(line, 0, "hang")) {
        out->hang_seconds = value;
    } else {
        return false;
    }
    return true;
}

static bool read_entry(const struct words *_Nonnull line, struct manifest *_Nonnull out) {
    if (words_are(line, 0, "service")) {
        return line->count == 2 && name(line, 1, &out->service);
    }
    if (words_are(line, 0, "program")) {
        return line->count == 2 && name(line, 1, &out->program);
    }
    if (words_are(line, 0, "restart")) {
        out->restart = words_are(line, 1, "always");
        return line->count == 2 && (out->restart || words_are(line, 1, "never"));
    }
    if (words_are(line, 0, "essential")) {
        out->essential = true;
        return line->count == 1;
    }
    if (words_are(line, 0, "needs")) {
        return read_need(line, out);
    }
    if (words_are(line, 0, "gives")) {
        return read_gift(line, out);
    }
    if (words_are(line, 0, "argument")) {
        return read_argument(line, out);
    }
    return read_number_line(line, out);
}

bool manifest_parse(struct words_text text, struct manifest *_Nonnull out,
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
    struct words line;
    for (size_t at = 0; at < text.size; number_of_line++) {
        size_t next = 0;
        *out_line = number_of_line;
        if (!words_read(text, at, &line, &next) || (line.count > 0 && !read_entry(&line, out))) {
            return false;
        }
        at = next;
    }
    *out_line = number_of_line;
    return out->service[0] != '\0' && out->program[0] != '\0';
}
