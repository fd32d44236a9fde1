#pragma once
/* The block function of ChaCha20 (RFC 8439, 2.3). */
#include "lib/base/safe.h"

enum { CHACHA20_KEY_WORDS = 8, CHACHA20_NONCE_WORDS = 3, CHACHA20_BLOCK_WORDS = 16 };

/* Words are little-endian; 64 bytes of key stream for this key, counter and nonce. */
void chacha20_block(const uint32_t (*_Nonnull key)[CHACHA20_KEY_WORDS], uint32_t counter,
                    const uint32_t (*_Nonnull nonce)[CHACHA20_NONCE_WORDS],
                    uint32_t (*_Nonnull out)[CHACHA20_BLOCK_WORDS]);
