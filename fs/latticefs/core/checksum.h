#pragma once
/* Checksums of blocks, and the keyed hash of names. The one place that knows libxxhash and
 * libsodium's generic hash; another build swaps checksum.c. */
#include "bytes.h"
#include "format.h"

#pragma clang assume_nonnull begin

uint64_t checksum_xxh64(struct view bytes);
/* 16 bytes of BLAKE2b into `out`. */
void checksum_blake2b(struct view bytes, uint8_t out[_Nonnull 16]);
/* SipHash-2-4 with a key of two words. */
uint64_t checksum_siphash(const uint64_t key[_Nonnull 2], struct view bytes);

/* Records the checksum of what is stored at the pointer, of the kind that the pointer names. */
void checksum_fill(struct pointer *pointer, struct view stored);
/* Whether `stored` is what the pointer was made for. */
bool checksum_matches(const struct pointer *pointer, struct view stored);

#pragma clang assume_nonnull end
