/* latticefs: the administrator's tool for a pool that is not mounted. */
#include "fs/latticefs/core/check.h"
#include "fs/latticefs/core/registry.h"
#include "fs/latticefs/core/scrub.h"
#include "fs/latticefs/core/snapshot.h"
#include "host.h"
#include "transfer.h"
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

static const char help[] =
    "usage: latticefs COMMAND POOL [ARGUMENT]…\n"
    "POOL is a disk (file or block device), or several, separated by commas. It must not be "
    "mounted.\n\n"
    "  check POOL                    verify every tree, block, link count and account\n"
    "  repair POOL                   check, and rebuild bitmaps that contradict the trees\n"
    "  scrub POOL                    read all copies of all blocks, heal bad ones\n"
    "  resilver POOL                 bring a disk that was missing up to date\n"
    "  list POOL                     datasets and snapshots\n"
    "  df POOL                       space\n"
    "  pool POOL                     disks and their state\n"
    "  create POOL DATASET           make a dataset\n"
    "  snapshot POOL DATASET@NAME\n"
    "  clone POOL DATASET@NAME NEW   make a dataset that starts as a snapshot\n"
    "  rollback POOL DATASET         back to its newest snapshot\n"
    "  destroy POOL DATASET[@NAME]\n"
    "  import POOL DATASET FOLDER    copy a folder's content in\n"
    "  export POOL DATASET[@NAME] FOLDER\n"
    "  dump POOL                     superblock and segments\n\n"
    "Exit status: 0 done, 1 failed, 2 wrong use, 4 check found damage.\n";

static int report(const char *what, lattice_status_t status) {
    if (status != LATTICE_OK) {
        fprintf(stderr, "latticefs: %s: %s\n", what, host_status_text(status));
        return 1;
    }
    return 0;
}

/* ---- looking ---- */

static void print_problem(void *_Nullable context, const char *what, uint64_t first,
                          uint64_t second) {
    (void)context;
    printf("damaged: %s (%" PRIu64 ", %" PRIu64 ")\n", what, first, second);
}

static int check(struct lattice *fs, uint32_t flags) {
    struct check_report result = {.problem = print_problem};
    if (fs->cache.dirty.count != 0 && report("commit", commit(fs)) != 0) {
        return 1;
    }
    lattice_status_t status = pool_check(fs, CHECK_DATA | flags, &result);
    printf("%" PRIu64 " objects, %" PRIu64 " nodes, %" PRIu64 " records, %" PRIu64
           " blocks, %" PRIu64 " problems\n",
           result.objects, result.nodes, result.records, result.blocks, result.problems);
    if (result.repaired != 0) {
        printf("bitmaps of %" PRIu64 " segments rebuilt; check again\n", result.repaired);
    }
    return status != LATTICE_OK ? report("check", status) : result.problems != 0 ? 4 : 0;
}

static int do_check(struct lattice *fs, const char *const *arguments) {
    (void)arguments;
    return check(fs, 0);
}

static int do_repair(struct lattice *fs, const char *const *arguments) {
    (void)arguments;
    return check(fs, CHECK_REPAIR);
}

static int scrub_result(lattice_status_t status, const struct scrub_report *result) {
    printf("%" PRIu64 " blocks read, %" PRIu64 " bad copies healed, %" PRIu64 " lost\n",
           result->pointers, result->bad_copies, result->lost);
    return status != LATTICE_OK ? report("scrub", status) : result->lost != 0 ? 4 : 0;
}

static int do_scrub(struct lattice *fs, const char *const *arguments) {
    (void)arguments;
    struct scrub_report result = {};
    lattice_status_t status = commit(fs);
    return scrub_result(status == LATTICE_OK ? pool_scrub_all(fs, 0, &result) : status, &result);
}

static int do_resilver(struct lattice *fs, const char *const *arguments) {
    (void)arguments;
    struct scrub_report result = {};
    return scrub_result(pool_resilver(fs, &result), &result);
}

static void print_dataset(struct lattice *fs, const struct registry_entry *entry,
                          const char *prefix) {
    struct dataset_record *record = &fs->record_buffer->dataset;
    char name[NAME_MAX_BYTES + 1] = {};
    bytes_copy(BYTES_OF(name), entry->name);
    if (dataset_record_get(fs, entry->id, record) != LATTICE_OK) {
        printf("%s%s\tdamaged\n", prefix, name);
        return;
    }
    printf("%s%s\t%" PRIu64 " objects\t%" PRIu64 " KiB\n", prefix, name, record->object_count,
           record->referenced_blocks * 4);
}

static int do_list(struct lattice *fs, const char *const *arguments) {
    (void)arguments;
    struct registry_entry entry = {};
    for (uint64_t cookie = 0; registry_next(fs, 0, cookie, &entry) == LATTICE_OK;) {
        uint64_t head = entry.id;
        cookie = entry.cookie;
        print_dataset(fs, &entry, "");
        for (uint64_t at = 0; registry_next(fs, head, at, &entry) == LATTICE_OK;) {
            at = entry.cookie;
            print_dataset(fs, &entry, "  @");
        }
    }
    return 0;
}

static int do_df(struct lattice *fs, const char *const *arguments) {
    (void)arguments;
    uint64_t reserve = segments_reserve_blocks(fs, 32);
    uint64_t free_blocks = fs->segments.free_blocks;
    printf("total\t%" PRIu64 " KiB\nused\t%" PRIu64 " KiB\navailable\t%" PRIu64 " KiB\n",
           fs->segments.total_blocks * 4, (fs->segments.total_blocks - free_blocks) * 4,
           (free_blocks > reserve ? free_blocks - reserve : 0) * 4);
    return 0;
}

static int do_pool(struct lattice *fs, const char *const *arguments) {
    static const char *const states[4] = {"none", "online", "missing", "resilvering"};
    (void)arguments;
    printf("transaction %" PRIu64 ", %u disks, %u copies\n", fs->super.transaction,
           fs->super.disk_count, fs->super.copies);
    for (uint32_t i = 0; i < fs->super.disk_count; i++) {
        const struct disk_record *disk = &fs->super.disks[i];
        printf("disk %u\t%s\t%" PRIu64 " MiB\terrors: %" PRIu64 " read, %" PRIu64 " write, %" PRIu64
               " checksum; %" PRIu64 " healed",
               i, SOME(states[disk->state & 3]), disk->blocks / 256, fs->disks[i].read_errors,
               fs->disks[i].write_errors, fs->disks[i].checksum_errors, fs->disks[i].healed);
        if (disk->state != DISK_ONLINE) {
            printf("\tsince transaction %" PRIu64, disk->missing_since);
        }
        printf("\n");
    }
    return 0;
}

static int do_dump(struct lattice *fs, const char *const *arguments) {
    const struct superblock *super = &fs->super;
    (void)arguments;
    printf("transaction %" PRIu64 "\nsegment_shift %u\nsegment_count %u\ncopies %u\n"
           "node_copies %u\ntable_pages %u\nindex_pages %u\nlog_address %" PRIu64
           "\nlog_blocks %u\npool_root %" PRIu64 " level %u\nused_blocks %" PRIu64 "\n",
           super->transaction, super->segment_shift, super->segment_count, super->copies,
           super->node_copies, super->table_pages, super->index_pages, super->log_address,
           super->log_blocks, pointer_address(&super->pool_root, 0), super->pool_root.level,
           super->used_blocks);
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        const struct segment_entry *entry = &fs->segments.data[i].entry;
        if (entry->state == SEGMENT_WRITTEN) {
            printf("segment %u class %u free %u quads %u slot %u version %" PRIu64 "\n", i,
                   entry->class, entry->free_blocks, entry->free_quads, entry->slot,
                   entry->version);
        }
    }
    return 0;
}

/* ---- changing ---- */

static lattice_status_t open_by_name(struct lattice *fs, const char *name,
                                     struct dataset *_Nullable *_Nonnull out) {
    uint64_t id = 0;
    TRY(dataset_find(fs, view_text(name), &id));
    return dataset_open(fs, id, out);
}

static int do_create(struct lattice *fs, const char *const *arguments) {
    struct dataset_options options = {
        .root_user = getuid(), .root_group = getgid(), .compression = COMPRESSION_LZ4};
    uint64_t id = 0;
    return report(arguments[0], dataset_create(fs, view_text(arguments[0]), &options, &id));
}

struct split_name {
    char dataset[600];
    const char *snapshot;
};

static bool split(const char *text, struct split_name *out) {
    const char *_Nullable at = strchr(text, '@');
    if (at == nullptr || strlen(text) >= sizeof out->dataset) {
        return false;
    }
    snprintf(out->dataset, sizeof out->dataset, "%s", text);
    *SOME(strchr(out->dataset, '@')) = 0;
    out->snapshot = SOME(strchr(text, '@'));
    return true;
}

static int do_snapshot(struct lattice *fs, const char *const *arguments) {
    static struct split_name name;
    struct dataset *_Nullable dataset = nullptr;
    uint64_t id = 0;
    if (!split(arguments[0], &name)) {
        return report(arguments[0], LATTICE_INVALID);
    }
    lattice_status_t status = open_by_name(fs, name.dataset, &dataset);
    if (status == LATTICE_OK) {
        struct view snapshot = view_text(name.snapshot);
        status = snapshot_create(fs, SOME(dataset), view_sub(snapshot, 1, snapshot.size - 1), &id);
    }
    return report(arguments[0], status);
}

static int do_clone(struct lattice *fs, const char *const *arguments) {
    uint64_t id = 0;
    lattice_status_t status = dataset_find(fs, view_text(arguments[0]), &id);
    return report(arguments[0], status == LATTICE_OK
                                    ? clone_create(fs, id, view_text(arguments[1]), &id)
                                    : status);
}

static lattice_status_t reclaim_all(struct lattice *fs) {
    bool more = true;
    while (more) {
        TRY(reclaim_step(fs, &more));
    }
    return LATTICE_OK;
}

static int do_rollback(struct lattice *fs, const char *const *arguments) {
    struct dataset *_Nullable dataset = nullptr;
    lattice_status_t status = open_by_name(fs, arguments[0], &dataset);
    status = status == LATTICE_OK ? dataset_rollback(fs, SOME(dataset)) : status;
    return report(arguments[0], status == LATTICE_OK ? reclaim_all(fs) : status);
}

static int do_destroy(struct lattice *fs, const char *const *arguments) {
    uint64_t id = 0;
    lattice_status_t status = dataset_find(fs, view_text(arguments[0]), &id);
    if (status == LATTICE_OK) {
        status = strchr(arguments[0], '@') != nullptr ? snapshot_destroy(fs, id)
                                                      : dataset_destroy(fs, id);
    }
    return report(arguments[0], status == LATTICE_OK ? reclaim_all(fs) : status);
}

static int transfer(struct lattice *fs, const char *const *arguments, bool import) {
    struct dataset *_Nullable dataset = nullptr;
    struct granule_cache *_Nullable cache = nullptr;
    lattice_status_t status = open_by_name(fs, arguments[0], &dataset);
    status = status == LATTICE_OK ? granules_create(fs, &cache) : status;
    if (status != LATTICE_OK) {
        return report(arguments[0], status);
    }
    uint64_t failures =
        import ? transfer_import(SOME(cache), SOME(dataset), ROOT_OBJECT, arguments[1])
               : transfer_export(SOME(cache), SOME(dataset), ROOT_OBJECT, arguments[1]);
    if (import) {
        status = granules_commit(SOME(cache));
    }
    granules_destroy(SOME(cache));
    return report(arguments[0], status) != 0 || failures != 0 ? 1 : 0;
}

static int do_import(struct lattice *fs, const char *const *arguments) {
    return transfer(fs, arguments, true);
}

static int do_export(struct lattice *fs, const char *const *arguments) {
    return transfer(fs, arguments, false);
}

struct command {
    const char *name;
    int arguments;
    bool writes;
    int (*run)(struct lattice *fs, const char *const *arguments);
};

static const struct command commands[] = {
    {"check", 0, true, do_check},     {"repair", 0, true, do_repair},
    {"scrub", 0, true, do_scrub},     {"resilver", 0, true, do_resilver},
    {"list", 0, false, do_list},      {"df", 0, false, do_df},
    {"pool", 0, false, do_pool},      {"dump", 0, false, do_dump},
    {"create", 1, true, do_create},   {"snapshot", 1, true, do_snapshot},
    {"clone", 2, true, do_clone},     {"rollback", 1, true, do_rollback},
    {"destroy", 1, true, do_destroy}, {"import", 2, true, do_import},
    {"export", 2, false, do_export},
};

UNSAFE_BEGIN

int main(int argc, char **argv) {
    static struct host_devices devices;
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        fputs(help, stdout);
        return 0;
    }
    for (size_t i = 0; argc > 2 && i < ARRAY_LENGTH(commands); i++) {
        if (strcmp(argv[1], commands[i].name) != 0) {
            continue;
        }
        if (argc != 3 + commands[i].arguments || sodium_init() < 0) {
            break;
        }
        struct lattice *fs = host_open_pool(&devices, argv[2], commands[i].writes);
        int result = commands[i].run(fs, (const char *const *)&argv[3]);
        pool_close(fs);
        host_devices_close(&devices);
        return result;
    }
    fputs(help, stderr);
    return 2;
}

UNSAFE_END

#pragma clang assume_nonnull end
