#pragma once
/* Comparing, searching and hashing bytes, a word at a time: for what servers do with names at each
 * call. (lib/base has the plain forms, which the kernel needs.)
 *
 * Invariant: no byte outside of the range is read. */
#include "lib/base/safe.h"

bool words_equal(const void *_Nonnull a, const void *_Nonnull b, size_t size);
/* Where `wanted` first stands among `size` bytes; `size`: nowhere. */
size_t words_find(const void *_Nonnull in, size_t size, uint8_t wanted);
/* A number made of all of them, for hash tables in memory: it may differ between machines. */
uint64_t words_hash(const void *_Nonnull from, size_t size, uint64_t seed);
