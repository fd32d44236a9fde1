#include "servers/entropy/chacha20.h"

typedef uint32_t state_t[CHACHA20_BLOCK_WORDS];

static uint32_t sum(uint32_t a, uint32_t b) {
    return (uint32_t)(((uint64_t)a + b) & UINT32_MAX);
}

static uint32_t rotate(uint32_t value, uint32_t by) {
    return (uint32_t)(((uint64_t)value << by | value >> (32 - by)) & UINT32_MAX);
}

static void quarter_round(state_t *_Nonnull s, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    (*s)[a] = sum((*s)[a], (*s)[b]);
    (*s)[d] = rotate((*s)[d] ^ (*s)[a], 16);
    (*s)[c] = sum((*s)[c], (*s)[d]);
    (*s)[b] = rotate((*s)[b] ^ (*s)[c], 12);
    (*s)[a] = sum((*s)[a], (*s)[b]);
    (*s)[d] = rotate((*s)[d] ^ (*s)[a], 8);
    (*s)[c] = sum((*s)[c], (*s)[d]);
    (*s)[b] = rotate((*s)[b] ^ (*s)[c], 7);
}

void chacha20_block(const uint32_t (*_Nonnull key)[CHACHA20_KEY_WORDS], uint32_t counter,
                    const uint32_t (*_Nonnull nonce)[CHACHA20_NONCE_WORDS],
                    uint32_t (*_Nonnull out)[CHACHA20_BLOCK_WORDS]) {
    state_t start = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}; /* "expand 32-byte k" */
    for (uint32_t i = 0; i < CHACHA20_KEY_WORDS; i++) {
        start[4 + i] = (*key)[i];
    }
    start[12] = counter;
    for (uint32_t i = 0; i < CHACHA20_NONCE_WORDS; i++) {
        start[13 + i] = (*nonce)[i];
    }
    state_t s;
    for (uint32_t i = 0; i < CHACHA20_BLOCK_WORDS; i++) {
        s[i] = start[i];
    }
    for (uint32_t round = 0; round < 10; round++) {
        for (uint32_t i = 0; i < 4; i++) {
            quarter_round(&s, i, 4 + i, 8 + i, 12 + i);
        }
        for (uint32_t i = 0; i < 4; i++) {
            quarter_round(&s, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4);
        }
    }
    for (uint32_t i = 0; i < CHACHA20_BLOCK_WORDS; i++) {
        (*out)[i] = sum(s[i], start[i]);
    }
}
