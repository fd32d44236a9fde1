/* Reading and writing the records of pax headers. Archives are hostile: every length is checked. */
#include "pax.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma clang assume_nonnull begin

enum { NUMBER_MAX = 24 };

struct number {
    char text[NUMBER_MAX];
};

bool pax_reserve(struct pax *pax, size_t size) {
    if (size <= pax->capacity) {
        return true;
    }
    if (size > PAX_MAX) {
        return false;
    }
    size_t capacity = size + size / 2;
    uint8_t *_Nullable data = calloc(1, capacity);
    if (data == nullptr) {
        return false;
    }
    struct pax larger = {};
    larger.capacity = capacity;
    larger.data = data;
    larger.used = pax->used;
    bytes_copy(bytes_of(larger.data, larger.capacity), view_of(pax->data, pax->used));
    free(pax->data);
    *pax = larger;
    return true;
}

void pax_release(struct pax *pax) {
    free(pax->data);
    *pax = (struct pax){};
}

bool pax_next(const struct pax *pax, size_t *at, struct view *out_key, struct view *out_value) {
    struct view all = view_of(pax->data, pax->used);
    size_t length = 0;
    size_t start = *at;
    while (start < all.size && all.data[start] >= '0' && all.data[start] <= '9' &&
           length <= PAX_MAX) {
        length = length * 10 + (size_t)(all.data[start] - '0');
        start++;
    }
    /* "5 =\n": the number, a blank, no key, no value. */
    if (start == *at || start >= all.size || all.data[start] != ' ' || length > all.size - *at ||
        length < start - *at + 3) {
        return false;
    }
    struct view record = view_sub(all, start + 1, *at + length - start - 2);
    const uint8_t *_Nullable found = memchr(record.data, '=', record.size);
    if (found == nullptr || all.data[*at + length - 1] != '\n') {
        return false;
    }
    size_t key = 0;
    while (record.data[key] != '=') {
        key++;
    }
    *out_key = view_sub(record, 0, key);
    *out_value = view_sub(record, key + 1, record.size - key - 1);
    *at += length;
    return true;
}

static size_t digits_of(size_t value) {
    size_t digits = 1;
    for (; value >= 10; value /= 10) {
        digits++;
    }
    return digits;
}

static void put(struct pax *pax, struct view view) {
    bytes_copy(bytes_sub(bytes_of(pax->data, pax->capacity), pax->used, view.size), view);
    pax->used += view.size;
}

bool pax_add(struct pax *pax, struct view key, struct view more_key, struct view value) {
    size_t rest = 3 + key.size + more_key.size + value.size; /* blank, '=', line's end */
    size_t length = rest + digits_of(rest);
    length = rest + digits_of(length); /* the number counts itself, and may grow by that */
    if (!pax_reserve(pax, pax->used + length)) {
        return false;
    }
    struct number number = {};
    snprintf(number.text, sizeof number.text, "%zu ", length);
    put(pax, view_text(number.text));
    put(pax, key);
    put(pax, more_key);
    put(pax, view_text("="));
    put(pax, value);
    put(pax, view_text("\n"));
    return true;
}

#pragma clang assume_nonnull end
