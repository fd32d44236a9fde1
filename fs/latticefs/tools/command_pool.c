/* pool: the disks of a pool, and changing them. */
#include "command.h"
#include "fs/latticefs/core/scrub.h"
#include "fs/latticefs/core/topology.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma clang assume_nonnull begin

static const char *state_name(uint32_t state) {
    switch (state) {
    case DISK_ONLINE:
        return "online";
    case DISK_MISSING:
        return "missing";
    case DISK_RESILVERING:
        return "resilvering";
    default:
        return "none";
    }
}

static void print_disk(const struct call *call, uint32_t number, const struct disk_status *disk) {
    if (call->given[OPTION_JSON]) {
        json_open(nullptr, '{');
        json_number("disk", number);
        json_text("state", view_text(state_name(disk->state)));
        json_flag("present", disk->present);
        json_flag("stale", disk->stale);
        json_number("bytes", disk->blocks * BLOCK_SIZE);
        json_number("device_bytes", disk->device_blocks * BLOCK_SIZE);
        json_number("segments", disk->segments);
        json_number("segments_used", disk->segments_used);
        json_number("read_errors", disk->read_errors);
        json_number("write_errors", disk->write_errors);
        json_number("checksum_errors", disk->checksum_errors);
        json_number("healed", disk->healed);
        json_close('}');
        return;
    }
    printf("disk %u\t%s\t%" PRIu64 " MiB\tread errors %" PRIu64 ", write errors %" PRIu64
           ", checksum errors %" PRIu64 ", healed %" PRIu64,
           number, state_name(disk->state), disk->blocks / 256, disk->read_errors,
           disk->write_errors, disk->checksum_errors, disk->healed);
    if (disk->state == DISK_MISSING) {
        printf("\tsince transaction %" PRIu64 "%s", disk->missing_since,
               disk->present ? "; it is here again: latticefs resilver" : "");
    } else if (disk->state == DISK_RESILVERING) {
        printf("\tlatticefs resilver finishes it");
    } else if (disk->device_blocks > disk->blocks) {
        printf("\tthe device has %" PRIu64 " MiB: pool … grow %u", disk->device_blocks / 256,
               number);
    }
    printf("\n");
}

static int status(struct call *call) {
    struct lattice *fs = call_fs(call);
    struct disk_status disk = {};
    if (call->given[OPTION_JSON]) {
        json_open(nullptr, '[');
    }
    for (uint32_t i = 0; i < fs->super.disk_count; i++) {
        if (pool_disk(fs, i, &disk) == LATTICE_OK && disk.state != DISK_NONE) {
            print_disk(call, i, &disk);
        }
    }
    if (call->given[OPTION_JSON]) {
        json_close(']');
        json_end();
    }
    return DONE;
}

static bool disk_number(const char *word, uint32_t *out) {
    char *_Nullable end = nullptr;
    unsigned long value = strtoul(word, &end, 10);
    *out = (uint32_t)value;
    return end != nullptr && *SOME(end) == 0 && SOME(end) != word && value < DISKS_MAX;
}

/* Opens one more disk for the pool; what it held is lost. */
static struct blkdev *_Nullable new_disk(struct call *call, const char *path) {
    struct host_devices *devices = call->devices;
    if (!host_device_open(devices, path, true, 0)) {
        return nullptr;
    }
    return &devices->data[devices->count - 1].device;
}

static int come(struct call *call, const char *verb, const char *path, uint32_t replaced) {
    struct blkdev *_Nullable device = new_disk(call, path);
    uint32_t number = 0;
    bool add = strcmp(verb, "add") == 0;
    if (device == nullptr) {
        return FAILED;
    }
    lattice_status_t result = add ? pool_add(call_fs(call), SOME(device), &number)
                              : strcmp(verb, "attach") == 0
                                  ? pool_attach(call_fs(call), SOME(device), &number)
                                  : pool_replace(call_fs(call), replaced, SOME(device), &number);
    if (result == LATTICE_OK) {
        printf("disk %u\n", number);
        if (!add) {
            struct scrub_report report = {};
            result = pool_resilver(call_fs(call), &report);
        }
    }
    return call_report(path, result);
}

int do_pool(struct call *call) {
    const char *verb = call->words.count == 0 ? "status" : call_word(call, 0);
    uint32_t number = 0;
    bool numbered = call->words.count > 1 && disk_number(call_word(call, 1), &number);
    if (strcmp(verb, "status") == 0 && call->words.count <= 1) {
        return status(call);
    }
    if ((strcmp(verb, "attach") == 0 || strcmp(verb, "add") == 0) && call->words.count == 2) {
        return come(call, verb, call_word(call, 1), 0);
    }
    if (strcmp(verb, "replace") == 0 && call->words.count == 3 && numbered) {
        int result = come(call, verb, call_word(call, 2), number);
        return result != DONE ? result
                              : call_report(call_word(call, 1), pool_detach(call_fs(call), number));
    }
    if (strcmp(verb, "detach") == 0 && numbered) {
        return call_report(call_word(call, 1), pool_detach(call_fs(call), number));
    }
    if (strcmp(verb, "grow") == 0 && numbered) {
        return call_report(call_word(call, 1), pool_grow(call_fs(call), number));
    }
    if (strcmp(verb, "trim") == 0 && call->words.count == 1) {
        uint64_t blocks = 0;
        lattice_status_t result = pool_trim_free(call_fs(call), &blocks);
        printf("%" PRIu64 " MiB\n", blocks / 256);
        return call_report("trim", result);
    }
    return call_misuse(verb, "not one of status, attach DISK, replace NUMBER DISK, add DISK, grow "
                             "NUMBER, detach NUMBER, trim");
}

#pragma clang assume_nonnull end
