/* lib/base/bytes.c and format.c: nothing is read or written beyond a capacity, whatever the bytes
 * are. */
#define ISOTOPE_HOST 1
#include "lib/base/bytes.c"
#include "lib/base/format.c"
#include "tests/proofs/prove.h"

enum { CAPACITY = 4 };

void text_ends(void) {
    char text[CAPACITY];
    size_t capacity = any_below(CAPACITY + 1);
    size_t length = text_length(text, capacity);
    PROVE(length <= capacity);
    PROVE(length == capacity || text[length] == '\0');
    size_t inside = any_below(CAPACITY);
    PROVE(inside >= length || text[inside] != '\0');
}

void bytes_compared(void) {
    uint8_t a[CAPACITY];
    uint8_t b[CAPACITY];
    size_t size = any_below(CAPACITY + 1);
    bool equal = bytes_equal(a, b, size);
    size_t at = any_below(CAPACITY);
    PROVE(at >= size || !equal || a[at] == b[at]);
    a[0] = b[0];
    PROVE(size != 1 || bytes_equal(a, b, size));
}

/* Any text of up to three characters without a conversion that takes an argument. */
void format_stays_inside(void) {
    char text[CAPACITY];
    char out[CAPACITY] = {1, 1, 1, 1};
    text[CAPACITY - 1] = '\0';
    for (unsigned i = 0; i < CAPACITY - 1; i++) {
        ASSUME(text[i] != 's' && text[i] != 'c' && text[i] != 'd' && text[i] != 'u' &&
               text[i] != 'x' && text[i] != 'l');
    }
    size_t capacity = any_below(CAPACITY + 1);
    size_t length = format_text(out, capacity, text);
    PROVE(capacity == 0 ? length == 0 : length < capacity && out[length] == '\0');
    for (unsigned i = 0; i < CAPACITY; i++) {
        PROVE(i < capacity || out[i] == 1);
    }
}
