#pragma once
/* Encryption and key derivation. The one place that knows libsodium's ciphers; another build swaps
 * crypto.c. */
#include "format.h"

#pragma clang assume_nonnull begin

enum {
    CRYPTO_KEY = 32,
    CRYPTO_TAG = 16,
    CRYPTO_NONCE = 24,
    CRYPTO_NONCE_FIXED = 12,
    CRYPTO_SALT = 16
};

struct crypto_key {
    uint8_t bytes[CRYPTO_KEY];
};

struct crypto_nonce {
    uint8_t bytes[CRYPTO_NONCE]; /* AES-GCM uses the last 12 */
};

struct crypto_tag {
    uint8_t bytes[CRYPTO_TAG];
};

/* Whether this machine computes the cipher. */
bool crypto_available(enum cipher cipher);
/* Encrypts in place, and authenticates `associated` with it. */
void crypto_seal(enum cipher cipher, const struct crypto_key *key, const struct crypto_nonce *nonce,
                 struct view associated, struct bytes content, struct crypto_tag *out_tag);
/* Decrypts in place. Errors: LATTICE_CORRUPT: it is not what was sealed with this key; the content
 * is of no use then. LATTICE_UNSUPPORTED: this machine does not compute the cipher. */
lattice_status_t crypto_open(enum cipher cipher, const struct crypto_key *key,
                             const struct crypto_nonce *nonce, struct view associated,
                             struct bytes content, const struct crypto_tag *tag);
/* The wrapping key of a passphrase, by Argon2id. Errors: LATTICE_NO_MEMORY, LATTICE_INVALID
 * (costs out of range). Units: memory in bytes. */
lattice_status_t crypto_derive(struct view secret, struct view salt, uint64_t operations,
                               uint64_t memory, struct crypto_key *out);
/* A key for one purpose, made of another. */
void crypto_subkey(const struct crypto_key *key, struct view purpose, struct crypto_key *out);
/* Overwrites what must not stay in memory. */
void crypto_wipe(struct bytes bytes);

#pragma clang assume_nonnull end
