#include "servers/entropy/generator.h"

enum : uint32_t {
    USE_MIX = 1,
    USE_SEED = 2,
    USE_GIVE = 3
}; /* nonces: no two uses share a stream */

static struct generator_key hash(struct generator_key key, uint32_t use) {
    const uint32_t nonce[CHACHA20_NONCE_WORDS] = {use};
    uint32_t block[CHACHA20_BLOCK_WORDS];
    struct generator_key result = {};
    chacha20_block(&key.words, 0, &nonce, &block);
    for (uint32_t i = 0; i < CHACHA20_KEY_WORDS; i++) {
        result.words[i] = block[i];
    }
    return result;
}

struct generator_key generator_mix(struct generator_key pool, struct generator_input bytes) {
    enum { KEY_BYTES = 4 * CHACHA20_KEY_WORDS };
    for (size_t at = 0; at < bytes.size; at++) {
        size_t place = at % KEY_BYTES;
        pool.words[place / 4] ^= (uint32_t)bytes.data[at] << place % 4 * 8;
        if (place == KEY_BYTES - 1 || at + 1 == bytes.size) {
            pool = hash(pool, USE_MIX);
        }
    }
    return pool;
}

void generator_seed(struct generator *_Nonnull generator, struct generator_key kernel,
                    struct generator_key pool) {
    for (uint32_t i = 0; i < CHACHA20_KEY_WORDS; i++) {
        kernel.words[i] ^= pool.words[i];
    }
    generator->key = hash(kernel, USE_SEED);
    generator->seeds++;
    generator->since_seed = 0;
}

bool generator_needs_seed(const struct generator *_Nonnull generator) {
    return generator->seeds == 0 || generator->since_seed >= GENERATOR_LIMIT;
}

status_t generator_give(struct generator *_Nonnull generator, struct generator_bytes out) {
    const uint32_t nonce[CHACHA20_NONCE_WORDS] = {USE_GIVE};
    uint32_t block[CHACHA20_BLOCK_WORDS];
    struct generator_key key = generator->key;
    REFUSE(generator_needs_seed(generator), STATUS_WOULD_BLOCK);
    size_t word = CHACHA20_BLOCK_WORDS;
    uint32_t counter = 0;
    for (size_t at = 0; at < out.size || counter == 0; at++) {
        if (at % 4 == 0 && ++word >= CHACHA20_BLOCK_WORDS) {
            chacha20_block(&key.words, counter, &nonce, &block);
            word = counter == 0 ? CHACHA20_KEY_WORDS : 0; /* the first half is the next key */
            for (uint32_t i = 0; i < CHACHA20_KEY_WORDS && counter == 0; i++) {
                generator->key.words[i] = block[i];
            }
            counter++;
        }
        if (at < out.size) {
            out.data[at] = (uint8_t)(block[word] >> at % 4 * 8 & 0xff);
        }
    }
    generator->given += out.size;
    generator->since_seed += out.size;
    return STATUS_OK;
}
