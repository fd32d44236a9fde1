#pragma once
/* Names of values, and secrets: what mkfs, the mount and latticefs take from the command line. */
#include "fs/latticefs/core/keys.h"

#pragma clang assume_nonnull begin

/* Where a secret comes from: a key file (32 bytes), a file with a passphrase in its first line, or,
 * with neither, the terminal. */
struct secret {
    size_t size;
    uint8_t data[1024];
    bool is_key;
};
/* False and a message on failure. */
bool secret_read(const char *_Nullable key_file, const char *_Nullable passphrase_file,
                 const char *prompt, struct secret *out);

/* "lz4" … by their numbers in the format; 255 = no such name. */
uint8_t compression_named(const char *name);
uint8_t checksum_named(const char *name);
uint8_t cipher_named(const char *name);
const char *compression_name(uint8_t number);
const char *checksum_name(uint8_t number);
const char *cipher_name(uint8_t number);
/* 12 … 18 for "4K" … "256K"; 0 = none of these. */
uint8_t record_shift_of(const char *text);
/* How a secret wraps a dataset's key; points into it. */
struct key_secret key_secret_of(const struct secret *secret);

#pragma clang assume_nonnull end
