/* Names of values, and secrets: what mkfs, the mount and latticefs take from the command line. */
#include "values.h"
#include "host.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

static bool secret_from_file(const char *path, bool is_key, struct secret *out) {
    FILE *_Nullable file = fopen(path, "r");
    if (file == nullptr) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    out->is_key = is_key;
    out->size = fread(out->data, 1, sizeof out->data, SOME(file));
    fclose(file);
    if (!is_key) {
        for (size_t i = 0; i < out->size; i++) {
            if (out->data[i] == '\n') {
                out->size = i;
            }
        }
    }
    if (out->size == 0 || (is_key && out->size != 32)) {
        fprintf(stderr, "%s: %s\n", path, is_key ? "a key has 32 bytes" : "it is empty");
        return false;
    }
    return true;
}

static bool secret_from_terminal(const char *prompt, struct secret *out) {
    struct termios shown = {};
    if (tcgetattr(STDIN_FILENO, &shown) != 0) {
        return false; /* no terminal: the caller's report says what to give */
    }
    struct termios hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    fputs(prompt, stderr);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    ssize_t got = read(STDIN_FILENO, out->data, sizeof out->data);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    fputs("\n", stderr);
    out->size = got > 1 ? (size_t)got - 1 : 0;
    out->is_key = false;
    return out->size != 0;
}

bool secret_read(const char *_Nullable key_file, const char *_Nullable passphrase_file,
                 const char *prompt, struct secret *out) {
    if (key_file != nullptr) {
        return secret_from_file(SOME(key_file), true, out);
    }
    if (passphrase_file != nullptr) {
        return secret_from_file(SOME(passphrase_file), false, out);
    }
    return secret_from_terminal(prompt, out);
}

struct key_secret key_secret_of(const struct secret *secret) {
    return (struct key_secret){.secret = view_of(secret->data, secret->size),
                               .operations = secret->is_key ? 0 : KEY_OPERATIONS_DEFAULT,
                               .memory_bytes = secret->is_key ? 0 : KEY_MEMORY_DEFAULT};
}

/* ---- names of values ---- */

enum { KINDS = 3 };
struct kinds {
    const char *_Nonnull names[KINDS];
};
static const struct kinds compressions = {{"none", "lz4", "zstd"}};
static const struct kinds checksums = {{"", "xxh64", "blake2b"}};
static const struct kinds ciphers = {{"none", "xchacha20", "aes"}};

static uint8_t kind_named(const struct kinds *kinds, const char *name) {
    for (uint8_t i = 0; i < KINDS; i++) {
        if (name[0] != 0 && strcmp(kinds->names[i], name) == 0) {
            return i;
        }
    }
    return UINT8_MAX;
}

static const char *kind_name(const struct kinds *kinds, uint8_t number) {
    return number < KINDS ? kinds->names[number] : "unknown";
}

uint8_t compression_named(const char *name) {
    return kind_named(&compressions, name);
}
uint8_t checksum_named(const char *name) {
    return kind_named(&checksums, name);
}
uint8_t cipher_named(const char *name) {
    return kind_named(&ciphers, name);
}
const char *compression_name(uint8_t number) {
    return kind_name(&compressions, number);
}
const char *checksum_name(uint8_t number) {
    return kind_name(&checksums, number);
}
const char *cipher_name(uint8_t number) {
    return kind_name(&ciphers, number);
}

uint8_t record_shift_of(const char *text) {
    uint64_t size = 0;
    bool good =
        host_parse_size(text, &size) && size >= 4096 && size <= 262144 && (size & (size - 1)) == 0;
    return good ? (uint8_t)__builtin_ctzll(size) : 0;
}

#pragma clang assume_nonnull end
