/* Options of a new dataset, from the command line. */
#include "make_dataset.h"
#include <unistd.h>

#pragma clang assume_nonnull begin

static int encryption_of(const struct call *call, struct dataset_options *out) {
    static struct secret secret;
    static struct key_secret wrapping;
    const char *cipher = SOME(call->values[OPTION_ENCRYPT]);
    out->cipher = cipher_named(cipher);
    if (out->cipher == UINT8_MAX) {
        return call_misuse(cipher, "not xchacha20 or aes");
    }
    if (!secret_read(call->values[OPTION_KEY], call->values[OPTION_PASSPHRASE],
                     "New passphrase: ", &secret)) {
        return call_misuse(cipher, "give --key FILE or --passphrase FILE, too");
    }
    wrapping = key_secret_of(&secret);
    out->secret = &wrapping;
    return DONE;
}

int dataset_options_of(const struct call *call, struct dataset_options *out) {
    *out = (struct dataset_options){
        .root_user = getuid(), .root_group = getgid(), .compression = COMPRESSION_LZ4};
    if (call->given[OPTION_COMPRESS]) {
        out->compression = compression_named(SOME(call->values[OPTION_COMPRESS]));
        if (out->compression == UINT8_MAX) {
            return call_misuse(SOME(call->values[OPTION_COMPRESS]), "not none, lz4 or zstd");
        }
    }
    if (call->given[OPTION_CHECKSUM]) {
        out->checksum_kind = checksum_named(SOME(call->values[OPTION_CHECKSUM]));
        if (out->checksum_kind == UINT8_MAX) {
            return call_misuse(SOME(call->values[OPTION_CHECKSUM]), "not xxh64 or blake2b");
        }
    }
    if (call->given[OPTION_RECORD]) {
        out->record_shift = record_shift_of(SOME(call->values[OPTION_RECORD]));
        if (out->record_shift == 0) {
            return call_misuse(SOME(call->values[OPTION_RECORD]),
                               "not a power of two from 4K to 256K");
        }
    }
    return call->given[OPTION_ENCRYPT] ? encryption_of(call, out) : DONE;
}

#pragma clang assume_nonnull end
