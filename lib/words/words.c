/* See words.h. A tail of fewer than eight bytes is the end of the word that ends with the range. */
#include "lib/words/words.h"

UNSAFE_BEGIN

typedef uint64_t __attribute__((aligned(1), may_alias)) word_anywhere_t;

static inline uint64_t word_at(const uint8_t *_Nonnull at) {
    return *(const word_anywhere_t *)at;
}

/* The last size % 8 bytes, or all of fewer than 8, as the low bytes of a word. */
static inline uint64_t tail_at(const uint8_t *_Nonnull start, size_t size) {
    size_t tail = size & 7;
    if (tail == 0) {
        return 0;
    }
    if (size >= 8) {
        return word_at(start + size - 8) >> (64 - 8 * tail);
    }
    uint64_t word = 0;
    for (size_t i = tail; i > 0; i--) {
        word = word << 8 | start[i - 1];
    }
    return word;
}

bool words_equal(const void *_Nonnull a, const void *_Nonnull b, size_t size) {
    const uint8_t *x = a;
    const uint8_t *y = b;
    for (size_t i = 0; i + 8 <= size; i += 8) {
        if (word_at(x + i) != word_at(y + i)) {
            return false;
        }
    }
    return tail_at(x, size) == tail_at(y, size);
}

size_t words_find(const void *_Nonnull in, size_t size, uint8_t wanted) {
    const uint64_t low = 0x0101010101010101ull;
    const uint64_t high = 0x8080808080808080ull;
    const uint8_t *at = in;
    uint64_t pattern = wanted * low;
    size_t i = 0;
    for (; i + 8 <= size; i += 8) {
        uint64_t word = word_at(at + i) ^ pattern;
        uint64_t borrowed = 0;
        (void)__builtin_sub_overflow(word, low, &borrowed);
        uint64_t zeros = borrowed & ~word & high;
        if (zeros != 0) { /* the lowest one is where a byte is equal */
            return i + (size_t)__builtin_ctzll(zeros) / 8;
        }
    }
    while (i < size && at[i] != wanted) {
        i++;
    }
    return i;
}

uint64_t words_hash(const void *_Nonnull from, size_t size, uint64_t seed) {
    const uint8_t *at = from;
    uint64_t sum = seed ^ (uint64_t)size << 56;
    for (size_t i = 0; i + 8 <= size; i += 8) {
        (void)__builtin_mul_overflow(sum ^ word_at(at + i), UINT64_C(0xff51afd7ed558ccd), &sum);
        sum ^= sum >> 32;
    }
    (void)__builtin_mul_overflow(sum ^ tail_at(at, size), UINT64_C(0xff51afd7ed558ccd), &sum);
    return sum ^ sum >> 32;
}

UNSAFE_END
