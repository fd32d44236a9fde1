/* Checksums over the libraries of the host. */
#include "checksum.h"
#include <sodium.h>
#include <xxhash.h>

#pragma clang assume_nonnull begin

uint64_t checksum_xxh64(struct view bytes) {
    return XXH64(bytes.data, bytes.size, 0);
}

void checksum_blake2b(struct view bytes, uint8_t out[_Nonnull 16]) {
    int failed = crypto_generichash(out, 16, bytes.data, bytes.size, nullptr, 0);
    CHECK(failed == 0);
}

uint64_t checksum_siphash(const uint64_t key[_Nonnull 2], struct view bytes) {
    uint64_t hash = 0;
    static_assert(crypto_shorthash_BYTES == sizeof hash && crypto_shorthash_KEYBYTES == 16);
    int failed = crypto_shorthash((uint8_t *)&hash, bytes.data, bytes.size, (const uint8_t *)key);
    CHECK(failed == 0);
    return hash;
}

static void checksum_compute(const struct pointer *pointer, struct view stored,
                             uint8_t tag[_Nonnull 16], uint64_t *word) {
    if (pointer_checksum_kind(pointer) == CHECKSUM_BLAKE2B) {
        checksum_blake2b(stored, tag);
        *word = 0;
        if (pointer->cipher != CIPHER_NONE) {
            bytes_copy(bytes_of(word, sizeof *word), view_of(tag, sizeof *word));
        }
        return;
    }
    *word = checksum_xxh64(stored);
}

void checksum_fill(struct pointer *pointer, struct view stored) {
    uint8_t tag[16] = {};
    checksum_compute(pointer, stored, tag, &pointer->checksum);
    if (pointer->cipher == CIPHER_NONE) {
        bytes_copy(BYTES_OF(pointer->tag), VIEW_OF(tag));
    }
}

bool checksum_matches(const struct pointer *pointer, struct view stored) {
    uint8_t tag[16] = {};
    uint64_t word = 0;
    checksum_compute(pointer, stored, tag, &word);
    if (word != pointer->checksum) {
        return false;
    }
    return pointer->cipher != CIPHER_NONE || view_equal(VIEW_OF(pointer->tag), VIEW_OF(tag));
}

#pragma clang assume_nonnull end
