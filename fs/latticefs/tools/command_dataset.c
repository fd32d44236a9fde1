/* list, df, get, set, quota, and all that makes or removes datasets and snapshots. */
#include "command.h"
#include "fs/latticefs/core/properties.h"
#include "fs/latticefs/core/registry.h"
#include "fs/latticefs/core/snapshot.h"
#include "fs/latticefs/core/space.h"
#include "make_dataset.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

enum { BLOCK_KIB = BLOCK_SIZE / 1024 };

/* ---- looking ---- */

static void print_dataset(struct call *call, const struct registry_entry *entry,
                          const char *_Nullable head) {
    static struct dataset_record record;
    char name[NAME_MAX_BYTES + 1] = {};
    bytes_copy(BYTES_OF(name), entry->name);
    bool good = dataset_get(call_fs(call), entry->id, &record) == LATTICE_OK;
    if (!call->given[OPTION_JSON]) {
        printf("%s%s", head == nullptr ? "" : "  @", name);
        if (!good) {
            printf("\tdamaged\n");
            return;
        }
        printf("\t%" PRIu64 " objects\t%" PRIu64 " KiB%s\n", record.object_count,
               record.referenced_blocks * BLOCK_KIB,
               record.cipher == CIPHER_NONE ? "" : "\tencrypted");
        return;
    }
    json_open(nullptr, '{');
    if (head != nullptr) {
        json_text("dataset", view_text(SOME(head)));
    }
    json_text("name", view_text(name));
    json_flag("snapshot", head != nullptr);
    json_flag("damaged", !good);
    if (good) {
        json_number("objects", record.object_count);
        json_number("bytes", record.referenced_blocks * BLOCK_SIZE);
        json_number("created_ns", (uint64_t)record.time);
        json_text("cipher", view_text(cipher_name(record.cipher)));
    }
    json_close('}');
}

int do_list(struct call *call) {
    struct lattice *fs = call_fs(call);
    struct registry_entry entry = {};
    if (call->given[OPTION_JSON]) {
        json_open(nullptr, '[');
    }
    for (uint64_t cookie = 0; registry_next(fs, 0, cookie, &entry) == LATTICE_OK;) {
        char name[NAME_MAX_BYTES + 1] = {};
        uint64_t head = entry.id;
        cookie = entry.cookie;
        bytes_copy(BYTES_OF(name), entry.name);
        print_dataset(call, &entry, nullptr);
        for (uint64_t at = 0; registry_next(fs, head, at, &entry) == LATTICE_OK;) {
            at = entry.cookie;
            print_dataset(call, &entry, name);
        }
    }
    if (call->given[OPTION_JSON]) {
        json_close(']');
        json_end();
    }
    return DONE;
}

static void print_space(const struct call *call, uint64_t total, uint64_t used,
                        uint64_t available) {
    if (call->given[OPTION_JSON]) {
        json_open(nullptr, '{');
        json_number("total", total * BLOCK_SIZE);
        json_number("used", used * BLOCK_SIZE);
        json_number("available", available * BLOCK_SIZE);
        json_close('}');
        json_end();
        return;
    }
    printf("total\t%" PRIu64 " KiB\nused\t%" PRIu64 " KiB\navailable\t%" PRIu64 " KiB\n",
           total * BLOCK_KIB, used * BLOCK_KIB, available * BLOCK_KIB);
}

int do_df(struct call *call) {
    const struct lattice *fs = call_fs(call);
    if (call->words.count == 1) {
        struct dataset_space space = {};
        uint64_t id = 0;
        lattice_status_t status = dataset_find(call_fs(call), view_text(call_word(call, 0)), &id);
        status = status == LATTICE_OK ? dataset_space(call_fs(call), id, &space) : status;
        if (status == LATTICE_OK) {
            print_space(call, space.used + space.available, space.used, space.available);
        }
        return call_report(call_word(call, 0), status);
    }
    uint64_t reserve = space_reserve_blocks(fs, SPACE_ORDINARY);
    uint64_t unused = fs->segments.free_blocks;
    print_space(call, fs->segments.total_blocks, fs->segments.total_blocks - unused,
                unused > reserve ? unused - reserve : 0);
    return DONE;
}

/* ---- properties ---- */

struct property {
    const char *name;
    bool is_text;
    uint64_t number;
    const char *text;
};
enum { PROPERTIES = 9 };
struct property_list {
    struct property data[PROPERTIES];
};

static struct property number(const char *name, uint64_t value) {
    return (struct property){name, false, value, ""};
}
static struct property text(const char *name, const char *value) {
    return (struct property){name, true, 0, value};
}

static struct property_list properties_of(const struct dataset_record *record) {
    bool read_only = record->kind == DATASET_SNAPSHOT || (record->flags & DATASET_READ_ONLY) != 0;
    return (struct property_list){{number("record", UINT64_C(1) << record->record_shift),
                                   text("compression", compression_name(record->compression)),
                                   text("checksum", checksum_name(record->checksum_kind)),
                                   text("encryption", cipher_name(record->cipher)),
                                   text("readonly", read_only ? "on" : "off"),
                                   number("quota", record->quota_blocks * BLOCK_SIZE),
                                   number("reservation", record->reservation_blocks * BLOCK_SIZE),
                                   number("used", record->referenced_blocks * BLOCK_SIZE),
                                   number("objects", record->object_count)}};
}

int do_get(struct call *call) {
    static struct dataset_record record;
    uint64_t id = 0;
    bool found = call->words.count == 1;
    lattice_status_t status = dataset_find(call_fs(call), view_text(call_word(call, 0)), &id);
    status = status == LATTICE_OK ? dataset_get(call_fs(call), id, &record) : status;
    if (status != LATTICE_OK) {
        return call_report(call_word(call, 0), status);
    }
    const struct property_list list = properties_of(&record);
    if (call->given[OPTION_JSON]) {
        json_open(nullptr, '{');
    }
    for (uint32_t i = 0; i < PROPERTIES; i++) {
        const struct property *property = &list.data[i];
        if (call->words.count == 2 && strcmp(call_word(call, 1), property->name) != 0) {
            continue;
        }
        found = true;
        if (call->given[OPTION_JSON] && property->is_text) {
            json_text(property->name, view_text(property->text));
        } else if (call->given[OPTION_JSON]) {
            json_number(property->name, property->number);
        } else if (property->is_text) {
            printf("%s\t%s\n", property->name, property->text);
        } else {
            printf("%s\t%" PRIu64 "\n", property->name, property->number);
        }
    }
    if (call->given[OPTION_JSON]) {
        json_close('}');
        json_end();
    }
    return found ? DONE
                 : call_misuse(call_word(call, 1), "no such property (latticefs get lists them)");
}

static bool size_or_none(const char *value, uint64_t *out_blocks) {
    uint64_t bytes = 0;
    if (strcmp(value, "none") == 0) {
        *out_blocks = 0;
        return true;
    }
    bool good = host_parse_size(value, &bytes) && bytes >= BLOCK_SIZE;
    *out_blocks = bytes / BLOCK_SIZE;
    return good;
}

/* One "property=value"; the bit of the mask, 0 if it is none. */
static uint32_t take_property(const char *word, struct dataset_properties *out) {
    const char *_Nullable equals = strchr(word, '=');
    struct view name = view_text(word);
    if (equals == nullptr) {
        return 0;
    }
    struct view rest = view_text(SOME(equals));
    const char *value = (const char *)view_sub(rest, 1, rest.size - 1).data;
    name = view_sub(name, 0, name.size - rest.size);
    if (view_equal(name, view_text("record"))) {
        out->record_shift = record_shift_of(value);
        return out->record_shift == 0 ? 0 : PROPERTY_RECORD_SHIFT;
    }
    if (view_equal(name, view_text("compression"))) {
        out->compression = compression_named(value);
        return out->compression == UINT8_MAX ? 0 : PROPERTY_COMPRESSION;
    }
    if (view_equal(name, view_text("checksum"))) {
        out->checksum_kind = checksum_named(value);
        return out->checksum_kind == UINT8_MAX ? 0 : PROPERTY_CHECKSUM;
    }
    if (view_equal(name, view_text("readonly"))) {
        out->read_only = strcmp(value, "on") == 0;
        return out->read_only || strcmp(value, "off") == 0 ? PROPERTY_READ_ONLY : 0;
    }
    if (view_equal(name, view_text("quota"))) {
        return size_or_none(value, &out->quota_blocks) ? PROPERTY_QUOTA : 0;
    }
    if (view_equal(name, view_text("reservation"))) {
        return size_or_none(value, &out->reservation_blocks) ? PROPERTY_RESERVATION : 0;
    }
    return 0;
}

static int set(struct call *call, const char *name, uint32_t mask,
               const struct dataset_properties *properties) {
    uint64_t id = 0;
    lattice_status_t status = dataset_find(call_fs(call), view_text(name), &id);
    return call_report(name, status == LATTICE_OK ? dataset_set(call_fs(call), id, mask, properties)
                                                  : status);
}

int do_set(struct call *call) {
    struct dataset_properties properties = {};
    uint32_t mask = 0;
    for (uint32_t i = 1; i < call->words.count; i++) {
        uint32_t bit = take_property(call_word(call, i), &properties);
        if (bit == 0) {
            return call_misuse(call_word(call, i),
                               "not one of record=SIZE compression=KIND checksum=KIND "
                               "readonly=on|off quota=SIZE|none reservation=SIZE|none");
        }
        mask |= bit;
    }
    return set(call, call_word(call, 0), mask, &properties);
}

int do_quota(struct call *call) {
    struct dataset_properties properties = {};
    if (call->words.count == 1) {
        call->words.data[1] = "quota";
        call->words.count = 2;
        return do_get(call);
    }
    if (!size_or_none(call_word(call, 1), &properties.quota_blocks)) {
        return call_misuse(call_word(call, 1), "neither a size of 4K or more, nor none");
    }
    return set(call, call_word(call, 0), PROPERTY_QUOTA, &properties);
}

/* ---- making and removing ---- */

int do_create(struct call *call) {
    struct dataset_options options = {};
    uint64_t id = 0;
    int result = dataset_options_of(call, &options);
    if (result != DONE) {
        return result;
    }
    const char *name = call_word(call, 0);
    return call_report(name, dataset_create(call_fs(call), view_text(name), &options, &id));
}

struct split_name {
    struct view dataset;
    struct view snapshot;
};

static bool split(const char *name, struct split_name *out) {
    struct view whole = view_text(name);
    const char *_Nullable at = strchr(name, '@');
    if (at == nullptr) {
        return false;
    }
    size_t rest = strlen(SOME(at));
    out->dataset = view_sub(whole, 0, whole.size - rest);
    out->snapshot = view_sub(whole, whole.size - rest + 1, rest - 1);
    return true;
}

int do_snapshot(struct call *call) {
    struct split_name name = {};
    struct dataset *_Nullable dataset = nullptr;
    uint64_t id = 0;
    if (!split(call_word(call, 0), &name)) {
        return call_misuse(call_word(call, 0), "a snapshot is named DATASET@NAME");
    }
    lattice_status_t status = dataset_find(call_fs(call), name.dataset, &id);
    status = status == LATTICE_OK ? dataset_open(call_fs(call), id, &dataset) : status;
    if (status == LATTICE_OK) {
        status = snapshot_create(call_fs(call), SOME(dataset), name.snapshot, &id);
    }
    return call_report(call_word(call, 0), status);
}

int do_clone(struct call *call) {
    uint64_t id = 0;
    lattice_status_t status = dataset_find(call_fs(call), view_text(call_word(call, 0)), &id);
    if (status == LATTICE_OK) {
        status = clone_create(call_fs(call), id, view_text(call_word(call, 1)), &id);
    }
    return call_report(call_word(call, 0), status);
}

int do_rename(struct call *call) {
    uint64_t id = 0;
    lattice_status_t status = dataset_find(call_fs(call), view_text(call_word(call, 0)), &id);
    if (status == LATTICE_OK) {
        status = dataset_rename(call_fs(call), id, view_text(call_word(call, 1)));
    }
    return call_report(call_word(call, 0), status);
}

int do_rollback(struct call *call) {
    struct dataset *_Nullable dataset = nullptr;
    uint64_t id = 0;
    lattice_status_t status = dataset_find(call_fs(call), view_text(call_word(call, 0)), &id);
    status = status == LATTICE_OK ? dataset_open(call_fs(call), id, &dataset) : status;
    status = status == LATTICE_OK ? dataset_rollback(call_fs(call), SOME(dataset)) : status;
    return call_report(call_word(call, 0), status == LATTICE_OK ? call_reclaim(call) : status);
}

int do_destroy(struct call *call) {
    uint64_t id = 0;
    const char *name = call_word(call, 0);
    lattice_status_t status = dataset_find(call_fs(call), view_text(name), &id);
    if (status == LATTICE_OK) {
        status = strchr(name, '@') != nullptr ? snapshot_destroy(call_fs(call), id)
                                              : dataset_destroy(call_fs(call), id);
    }
    return call_report(name, status == LATTICE_OK ? call_reclaim(call) : status);
}

int do_key(struct call *call) {
    static struct secret secret;
    const char *name = call_word(call, 0);
    uint64_t id = 0;
    lattice_status_t status = dataset_find(call_fs(call), view_text(name), &id);
    status = status == LATTICE_OK ? call_unlock(call, id) : status;
    if (status != LATTICE_OK) {
        return call_report(name, status);
    }
    if (!secret_read(call->values[OPTION_NEW_KEY], call->values[OPTION_NEW_PASSPHRASE],
                     "New passphrase: ", &secret)) {
        return call_misuse(name, "give --new-key FILE or --new-passphrase FILE");
    }
    struct key_secret wrapping = key_secret_of(&secret);
    return call_report(name, dataset_key_change(call_fs(call), id, &wrapping));
}

#pragma clang assume_nonnull end
