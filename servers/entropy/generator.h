#pragma once
/* A generator of random bytes: ChaCha20 with fast key erasure.
 *
 *   pool (kept)  ◄── bytes mixed in: pool = block(pool ^ bytes)
 *   key          ◄── seed: block(kernel's random ^ pool), at the start and every GENERATOR_LIMIT
 * bytes bytes        ◄── a stream of blocks of key, whose first 32 bytes become the next key at
 * once
 *
 * Invariants: (G1) no byte is given before a seed from the kernel's generator is in the key; (G2)
 * what was given cannot be found again from what is held: the key that made it is gone; (G3) mixing
 * in never lessens what the kernel's seed is worth, since both go through the block function. */
#include "abi/status.h"
#include "lib/base/safe.h"
#include "servers/entropy/chacha20.h"

enum { GENERATOR_LIMIT = 1 << 20 };

struct generator_key {
    uint32_t words[CHACHA20_KEY_WORDS];
};
struct generator {
    struct generator_key key;
    uint64_t seeds, given, since_seed;
};
/* Bytes, and whose they are. */
struct generator_bytes {
    size_t size;
    uint8_t *_Nullable COUNTED_BY(size) data;
};
struct generator_input {
    size_t size;
    const uint8_t *_Nullable COUNTED_BY(size) data;
};

/* The pool with `bytes` mixed in. */
struct generator_key generator_mix(struct generator_key pool, struct generator_input bytes);
/* A new key from 32 bytes of the kernel's and the pool. */
void generator_seed(struct generator *_Nonnull generator, struct generator_key kernel,
                    struct generator_key pool);
bool generator_needs_seed(const struct generator *_Nonnull generator);
/* Errors: WOULD_BLOCK: it needs a seed first. */
[[nodiscard]] status_t generator_give(struct generator *_Nonnull generator,
                                      struct generator_bytes out);
