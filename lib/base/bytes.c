/* Byte movers, and the four functions that the compiler itself may call in freestanding code. Whole
 * words go by `rep movsq`: one step a word under emulation, where `rep movsb` takes one a byte. */
#include "lib/base/bytes.h"

UNSAFE_BEGIN

void bytes_copy(void *_Nonnull to, const void *_Nonnull from, size_t size) {
#if defined(__x86_64__) && !defined(ISOTOPE_SIM) && !defined(ISOTOPE_HOST)
    size_t words = size >> 3;
    size_t tail = size & 7;
    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(tail) : : "memory");
#else
    __builtin_memcpy(to, from, size);
#endif
}

void bytes_zero(void *_Nonnull to, size_t size) {
#if defined(__x86_64__) && !defined(ISOTOPE_SIM) && !defined(ISOTOPE_HOST)
    size_t words = size >> 3;
    size_t tail = size & 7;
    __asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(0ull) : "memory");
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(tail) : "a"(0ull) : "memory");
#else
    __builtin_memset(to, 0, size);
#endif
}

bool bytes_equal(const void *_Nonnull a, const void *_Nonnull b, size_t size) {
    const uint8_t *x = a;
    const uint8_t *y = b;
    for (size_t i = 0; i < size; i++) {
        if (x[i] != y[i]) {
            return false;
        }
    }
    return true;
}

size_t text_length(const char *_Nonnull text, size_t capacity) {
    size_t length = 0;
    while (length < capacity && text[length] != '\0') {
        length++;
    }
    return length;
}

bool text_equal(const char *_Nonnull a, const char *_Nonnull b) {
    size_t i = 0;
    while (a[i] != '\0' && a[i] == b[i]) {
        i++;
    }
    return a[i] == b[i];
}

#if !defined(ISOTOPE_SIM) && !defined(ISOTOPE_HOST)
void *_Nonnull memcpy(void *_Nonnull to, const void *_Nonnull from, size_t size);
void *_Nonnull memmove(void *_Nonnull to, const void *_Nonnull from, size_t size);
void *_Nonnull memset(void *_Nonnull to, int value, size_t size);
int memcmp(const void *_Nonnull a, const void *_Nonnull b, size_t size);

void *_Nonnull memcpy(void *_Nonnull to, const void *_Nonnull from, size_t size) {
    bytes_copy(to, from, size);
    return to;
}

void *_Nonnull memmove(void *_Nonnull to, const void *_Nonnull from, size_t size) {
    uint8_t *t = to;
    const uint8_t *f = from;
    if ((uintptr_t)t <= (uintptr_t)f || (uintptr_t)t - (uintptr_t)f >= size) {
        bytes_copy(to, from, size);
        return to;
    }
    for (size_t i = size; i > 0; i--) {
        t[i - 1] = f[i - 1];
    }
    return to;
}

void *_Nonnull memset(void *_Nonnull to, int value, size_t size) {
    uint64_t pattern = (uint64_t)(uint8_t)value * 0x0101010101010101ull;
    void *at = to;
    size_t words = size >> 3;
    size_t tail = size & 7;
    __asm__ volatile("rep stosq" : "+D"(at), "+c"(words) : "a"(pattern) : "memory");
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(tail) : "a"(pattern) : "memory");
    return to;
}

int memcmp(const void *_Nonnull a, const void *_Nonnull b, size_t size) {
    const uint8_t *x = a;
    const uint8_t *y = b;
    for (size_t i = 0; i < size; i++) {
        if (x[i] != y[i]) {
            return x[i] < y[i] ? -1 : 1;
        }
    }
    return 0;
}
#endif

UNSAFE_END
