/* mkfs.latticefs: makes a pool with one dataset, `root`. */
#include "host.h"
#include "values.h"
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

static const char help[] =
    "usage: mkfs.latticefs [OPTION]… DISK…\n"
    "Makes a latticefs pool on files or block devices. What they held is lost.\n\n"
    "  -s, --size SIZE         make each DISK a file of this size (64M, 10G)\n"
    "  -m, --mirror N          keep every block on N disks (default 1)\n"
    "  -d, --metadata-copies N 1 or 2 (default: 2 without a mirror, else 1)\n"
    "  -r, --record SIZE       largest record, 4K to 256K (default 64K)\n"
    "  -c, --compress KIND     none, lz4 (default) or zstd\n"
    "  -k, --checksum KIND     xxh64 (default) or blake2b\n"
    "  -e, --encrypt CIPHER    encrypt the dataset: xchacha20, or aes where the hardware has it\n"
    "  -K, --key FILE          by a key of 32 bytes\n"
    "  -P, --passphrase FILE   by the passphrase in its first line (else it is asked for)\n"
    "  -h, --help\n\n"
    "Exit status: 0 done, 1 failed, 2 wrong use.\n";

struct arguments {
    struct make_options make;
    uint64_t size;
    const char *_Nullable key_file;
    const char *_Nullable passphrase_file;
};

static bool parse_option(int option, const char *text, struct arguments *arguments) {
    struct make_options *make = &arguments->make;
    switch (option) {
    case 's':
        return host_parse_size(text, &arguments->size);
    case 'm':
        make->copies = (uint8_t)strtoul(text, nullptr, 10);
        return make->copies >= 1 && make->copies <= COPIES_MAX;
    case 'd':
        make->node_copies = (uint8_t)strtoul(text, nullptr, 10);
        return make->node_copies == 1 || make->node_copies == 2;
    case 'r':
        make->record_shift = record_shift_of(text);
        return make->record_shift != 0;
    case 'c':
        make->compression = compression_named(text);
        return make->compression != UINT8_MAX;
    case 'k':
        make->checksum_kind = checksum_named(text);
        return make->checksum_kind != UINT8_MAX;
    case 'e':
        make->cipher = cipher_named(text);
        return make->cipher != UINT8_MAX;
    case 'K':
        arguments->key_file = text;
        return true;
    case 'P':
        arguments->passphrase_file = text;
        return true;
    default:
        return false;
    }
}

UNSAFE_BEGIN

int main(int argc, char **argv) {
    static const struct option options[] = {{"size", 1, nullptr, 's'},
                                            {"mirror", 1, nullptr, 'm'},
                                            {"metadata-copies", 1, nullptr, 'd'},
                                            {"record", 1, nullptr, 'r'},
                                            {"compress", 1, nullptr, 'c'},
                                            {"checksum", 1, nullptr, 'k'},
                                            {"encrypt", 1, nullptr, 'e'},
                                            {"key", 1, nullptr, 'K'},
                                            {"passphrase", 1, nullptr, 'P'},
                                            {"help", 0, nullptr, 'h'},
                                            {}};
    struct arguments arguments = {
        .make = {.compression = COMPRESSION_LZ4, .root_user = getuid(), .root_group = getgid()}};
    static struct host_devices devices;
    int option = 0;
    while ((option = getopt_long(argc, argv, "s:m:d:r:c:k:e:K:P:h", options, nullptr)) != -1) {
        if (option == 'h') {
            fputs(help, stdout);
            return 0;
        }
        if (!parse_option(option, optarg == nullptr ? "" : optarg, &arguments)) {
            fprintf(stderr, "mkfs.latticefs: -%c does not take %s\n", option,
                    optarg == nullptr ? "that" : optarg);
            return 2;
        }
    }
    if (optind == argc || sodium_init() < 0) {
        fputs(help, stderr);
        return 2;
    }
    for (int i = optind; i < argc; i++) {
        if (!host_device_open(&devices, argv[i], true, arguments.size)) {
            return 1;
        }
    }
    if (arguments.make.node_copies == 0) {
        arguments.make.node_copies = arguments.make.copies > 1 ? 1 : 2;
    }
    static struct secret secret;
    struct key_secret wrapping = {};
    if (arguments.make.cipher != CIPHER_NONE) {
        if (!secret_read(arguments.key_file, arguments.passphrase_file,
                         "New passphrase: ", &secret)) {
            fprintf(stderr, "mkfs.latticefs: give --key FILE or --passphrase FILE, too\n");
            return 2;
        }
        wrapping = key_secret_of(&secret);
        arguments.make.secret = &wrapping;
    }
    struct device_list list = host_device_list(&devices);
    lattice_status_t status = pool_make(host_environment(), &list, &arguments.make);
    if (status != LATTICE_OK) {
        fprintf(stderr, "mkfs.latticefs: %s\n", host_status_text(status));
        return 1;
    }
    host_devices_close(&devices);
    return 0;
}

UNSAFE_END

#pragma clang assume_nonnull end
