/* Encryption over the libraries of the host. The caller has initialised libsodium. */
#include "crypto.h"
#include <sodium.h>

#pragma clang assume_nonnull begin

static_assert(CRYPTO_KEY == crypto_aead_xchacha20poly1305_ietf_KEYBYTES);
static_assert(CRYPTO_TAG == crypto_aead_xchacha20poly1305_ietf_ABYTES);
static_assert(CRYPTO_NONCE == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
static_assert(CRYPTO_KEY == crypto_aead_aes256gcm_KEYBYTES);
static_assert(CRYPTO_TAG == crypto_aead_aes256gcm_ABYTES);
static_assert(CRYPTO_NONCE - CRYPTO_NONCE_FIXED == crypto_aead_aes256gcm_NPUBBYTES);
static_assert(CRYPTO_SALT == crypto_pwhash_SALTBYTES);

bool crypto_available(enum cipher cipher) {
    return cipher == CIPHER_XCHACHA ||
           (cipher == CIPHER_AES_GCM && crypto_aead_aes256gcm_is_available() != 0);
}

/* What AES-GCM takes of a nonce: the part that varies. */
static const uint8_t *nonce_varying(const struct crypto_nonce *nonce) {
    return &nonce->bytes[CRYPTO_NONCE_FIXED];
}

/* The library wants a place even for nothing. */
static uint8_t *place_of(struct bytes content, uint8_t *nothing) {
    return content.size == 0 ? nothing : SOME(content.data);
}

void crypto_seal(enum cipher cipher, const struct crypto_key *key, const struct crypto_nonce *nonce,
                 struct view associated, struct bytes content, struct crypto_tag *out_tag) {
    uint8_t nothing = 0;
    uint8_t *place = place_of(content, &nothing);
    unsigned long long size = 0;
    int failed = cipher == CIPHER_AES_GCM
                     ? crypto_aead_aes256gcm_encrypt_detached(
                           place, out_tag->bytes, &size, place, content.size, associated.data,
                           associated.size, nullptr, nonce_varying(nonce), key->bytes)
                     : crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
                           place, out_tag->bytes, &size, place, content.size, associated.data,
                           associated.size, nullptr, nonce->bytes, key->bytes);
    CHECK(failed == 0 && size == CRYPTO_TAG);
}

lattice_status_t crypto_open(enum cipher cipher, const struct crypto_key *key,
                             const struct crypto_nonce *nonce, struct view associated,
                             struct bytes content, const struct crypto_tag *tag) {
    uint8_t nothing = 0;
    uint8_t *place = place_of(content, &nothing);
    if (!crypto_available(cipher)) {
        return LATTICE_UNSUPPORTED;
    }
    int failed = cipher == CIPHER_AES_GCM
                     ? crypto_aead_aes256gcm_decrypt_detached(
                           place, nullptr, place, content.size, tag->bytes, associated.data,
                           associated.size, nonce_varying(nonce), key->bytes)
                     : crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
                           place, nullptr, place, content.size, tag->bytes, associated.data,
                           associated.size, nonce->bytes, key->bytes);
    return failed == 0 ? LATTICE_OK : LATTICE_CORRUPT;
}

lattice_status_t crypto_derive(struct view secret, struct view salt, uint64_t operations,
                               uint64_t memory, struct crypto_key *out) {
    CHECK(salt.size == CRYPTO_SALT);
    if (operations < crypto_pwhash_OPSLIMIT_MIN || operations > UINT32_MAX ||
        memory < crypto_pwhash_MEMLIMIT_MIN || memory > crypto_pwhash_MEMLIMIT_MAX) {
        return LATTICE_INVALID;
    }
    int failed = crypto_pwhash(out->bytes, CRYPTO_KEY, (const char *)secret.data, secret.size,
                               SOME(salt.data), operations, memory, crypto_pwhash_ALG_ARGON2ID13);
    return failed == 0 ? LATTICE_OK : LATTICE_NO_MEMORY;
}

void crypto_subkey(const struct crypto_key *key, struct view purpose, struct crypto_key *out) {
    int failed = crypto_generichash(out->bytes, CRYPTO_KEY, purpose.data, purpose.size, key->bytes,
                                    CRYPTO_KEY);
    CHECK(failed == 0);
}

void crypto_wipe(struct bytes bytes) {
    if (bytes.size != 0) {
        sodium_memzero(SOME(bytes.data), bytes.size);
    }
}

#pragma clang assume_nonnull end
