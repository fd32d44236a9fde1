/* The table of commands and options, from which everything that describes them is made. */
#include "command.h"

#pragma clang assume_nonnull begin

const struct option_facts option_table[OPTION_COUNT] = {
    [OPTION_JSON] = {"--json", nullptr, "print JSON, for scripts"},
    [OPTION_QUIET] = {"--quiet", nullptr, "no progress"},
    [OPTION_HELP] = {"--help", nullptr, "tell about the command"},
    [OPTION_KEY] = {"--key", "FILE", "32 bytes: the key of an encrypted dataset"},
    [OPTION_PASSPHRASE] = {"--passphrase", "FILE", "its first line is the passphrase"},
    [OPTION_NEW_KEY] = {"--new-key", "FILE", "the key from now on"},
    [OPTION_NEW_PASSPHRASE] = {"--new-passphrase", "FILE", "the passphrase from now on"},
    [OPTION_REPAIR] = {"--repair", nullptr, "rebuild bitmaps that contradict the trees"},
    [OPTION_FROM] = {"--from", "SNAPSHOT", "only what changed since this older one"},
    [OPTION_TOKEN] = {"--token", "TOKEN", "go on where a stream was cut"},
    [OPTION_DISCARD] = {"--discard", nullptr, "give up changes since the newest snapshot"},
    [OPTION_ENCRYPT] = {"--encrypt", "CIPHER", "xchacha20 or aes"},
    [OPTION_COMPRESS] = {"--compress", "KIND", "none, lz4 or zstd"},
    [OPTION_CHECKSUM] = {"--checksum", "KIND", "xxh64 or blake2b"},
    [OPTION_RECORD] = {"--record", "SIZE", "largest record, 4K to 256K"},
    [OPTION_REWIND] = {"--rewind", "TRANSACTION", "as it was then, if that is still there"},
    [OPTION_TAR] = {"--tar", nullptr, "FOLDER is a tar archive; - is standard input or output"},
};

#define WITH(option) (UINT32_C(1) << OPTION_##option)
#define SECRET (WITH(KEY) | WITH(PASSPHRASE))
#define NEW_DATASET (SECRET | WITH(ENCRYPT) | WITH(COMPRESS) | WITH(CHECKSUM) | WITH(RECORD))

struct command_list command_list(void) {
    static const struct command commands[] = {
        {"check", "", 0, 0, WITH(JSON) | WITH(QUIET) | WITH(REPAIR), ACCESS_WRITE, do_check,
         "verify every tree, block, link count and account"},
        {"scrub", "", 0, 0, WITH(JSON), ACCESS_WRITE, do_scrub,
         "read all copies of all blocks, heal bad ones"},
        {"resilver", "", 0, 0, WITH(JSON), ACCESS_WRITE, do_resilver,
         "bring disks that are new, or were missing, up to date"},
        {"list", "", 0, 0, WITH(JSON), ACCESS_READ, do_list, "datasets and snapshots"},
        {"df", "[DATASET]", 0, 1, WITH(JSON), ACCESS_READ, do_df, "space"},
        {"pool",
         "[status | attach DISK | replace NUMBER DISK | add DISK | grow NUMBER | detach NUMBER | "
         "trim]",
         0, 3, WITH(JSON), ACCESS_WRITE, do_pool, "disks: their state, and changing them"},
        {"get", "DATASET[@SNAPSHOT] [PROPERTY]", 1, 2, WITH(JSON), ACCESS_READ, do_get,
         "properties of a dataset"},
        {"set", "DATASET PROPERTY=VALUE…", 2, WORDS_MAX, 0, ACCESS_WRITE, do_set,
         "change record, compression, checksum, readonly, quota or reservation"},
        {"quota", "DATASET [SIZE | none]", 1, 2, WITH(JSON), ACCESS_WRITE, do_quota,
         "the limit of a dataset's space"},
        {"create", "DATASET", 1, 1, NEW_DATASET, ACCESS_WRITE, do_create, "make a dataset"},
        {"snapshot", "DATASET@NAME", 1, 1, 0, ACCESS_WRITE, do_snapshot, "keep a dataset as it is"},
        {"clone", "DATASET@NAME NEW", 2, 2, 0, ACCESS_WRITE, do_clone,
         "make a dataset that starts as a snapshot"},
        {"rename", "DATASET NEW", 2, 2, 0, ACCESS_WRITE, do_rename, "give a dataset another name"},
        {"rollback", "DATASET", 1, 1, 0, ACCESS_WRITE, do_rollback, "back to its newest snapshot"},
        {"destroy", "DATASET[@NAME]", 1, 1, 0, ACCESS_WRITE, do_destroy,
         "remove a dataset or a snapshot"},
        {"key", "DATASET", 1, 1, SECRET | WITH(NEW_KEY) | WITH(NEW_PASSPHRASE), ACCESS_WRITE,
         do_key, "change what unlocks an encrypted dataset"},
        {"send", "DATASET@NAME", 1, 1, SECRET | WITH(QUIET) | WITH(FROM) | WITH(TOKEN), ACCESS_READ,
         do_send, "write a snapshot to standard output"},
        {"receive", "DATASET", 1, 1, NEW_DATASET | WITH(QUIET) | WITH(DISCARD), ACCESS_WRITE,
         do_receive, "make a snapshot of standard input"},
        {"token", "DATASET", 1, 1, 0, ACCESS_READ, do_token,
         "where a stream that was cut goes on, for send --token"},
        {"abandon", "DATASET", 1, 1, 0, ACCESS_WRITE, do_abandon, "give up a stream that was cut"},
        {"import", "DATASET FOLDER", 2, 2, SECRET | WITH(QUIET) | WITH(TAR), ACCESS_WRITE,
         do_import, "copy a folder's content in"},
        {"export", "DATASET[@NAME] FOLDER", 2, 2, SECRET | WITH(QUIET) | WITH(TAR), ACCESS_READ,
         do_export, "copy a dataset's content into a folder"},
        {"restore", "DATASET[@NAME] FOLDER", 2, 2, SECRET | WITH(QUIET) | WITH(REWIND),
         ACCESS_RESCUE, do_restore, "copy out what is readable of a damaged pool"},
        {"dump", "", 0, 0, 0, ACCESS_READ, do_dump, "superblock and segments"},
    };
    return (struct command_list){ARRAY_LENGTH(commands), &commands[0]};
}

#pragma clang assume_nonnull end
