/* Properties of datasets. */
#include "properties.h"
#include "change.h"
#include "registry.h"
#include "space.h"

#pragma clang assume_nonnull begin

enum { CHANGES = 8 };

lattice_status_t dataset_get(struct lattice *fs, uint64_t id, struct dataset_record *out) {
    return record_load(fs, id, out);
}

static bool values_valid(uint32_t mask, const struct dataset_properties *properties) {
    bool shift = properties->record_shift >= RECORD_SHIFT_MIN &&
                 properties->record_shift <= RECORD_SHIFT_MAX;
    bool kind = properties->checksum_kind == CHECKSUM_XXH64 ||
                properties->checksum_kind == CHECKSUM_BLAKE2B;
    return ((mask & PROPERTY_RECORD_SHIFT) == 0 || shift) &&
           ((mask & PROPERTY_COMPRESSION) == 0 || properties->compression <= COMPRESSION_ZSTD) &&
           ((mask & PROPERTY_CHECKSUM) == 0 || kind);
}

static void values_apply(uint32_t mask, const struct dataset_properties *properties,
                         struct dataset_record *record) {
    if ((mask & PROPERTY_RECORD_SHIFT) != 0) {
        record->record_shift = properties->record_shift;
    }
    if ((mask & PROPERTY_COMPRESSION) != 0) {
        record->compression = properties->compression;
    }
    if ((mask & PROPERTY_CHECKSUM) != 0) {
        record->checksum_kind = properties->checksum_kind;
    }
    if ((mask & PROPERTY_READ_ONLY) != 0) {
        record->flags = (uint16_t)((record->flags & ~DATASET_READ_ONLY) |
                                   (properties->read_only ? DATASET_READ_ONLY : 0));
    }
    if ((mask & PROPERTY_QUOTA) != 0) {
        record->quota_blocks = properties->quota_blocks;
    }
    if ((mask & PROPERTY_RESERVATION) != 0) {
        record->reservation_blocks = properties->reservation_blocks;
    }
}

static lattice_status_t set_in_change(struct lattice *fs, uint64_t id, uint32_t mask,
                                      const struct dataset_properties *properties,
                                      uint64_t *out_unused, uint64_t *out_unused_now) {
    struct dataset_record *record = &fs->stored_buffer->dataset;
    struct dataset *_Nullable open = dataset_if_open(fs, id);
    TRY(record_load(fs, id, record));
    if (record->kind != DATASET_HEAD || record->state != DATASET_WHOLE) {
        return LATTICE_INVALID;
    }
    *out_unused = open == nullptr ? reservation_unused(record, 0) : 0;
    values_apply(mask, properties, record);
    bool grows = (mask & PROPERTY_RESERVATION) != 0 && properties->reservation_blocks != 0;
    if (grows && !reservation_fits(fs, id, record)) {
        return LATTICE_NO_SPACE;
    }
    if ((record->flags & DATASET_READ_ONLY) != 0 && open != nullptr &&
        SOME(open)->reserved_blocks != 0) {
        return LATTICE_BUSY;
    }
    *out_unused_now = open == nullptr ? reservation_unused(record, 0) : 0;
    TRY(record_store(fs, id, record));
    if (open != nullptr) {
        dataset_unlock(fs, SOME(open));
    }
    return LATTICE_OK;
}

lattice_status_t dataset_set(struct lattice *fs, uint64_t id, uint32_t mask,
                             const struct dataset_properties *properties) {
    if (!values_valid(mask, properties)) {
        return LATTICE_INVALID;
    }
    TRY(change_begin(fs, SPACE_DELETE, CHANGES)); /* a quota can be raised when all is full */
    uint64_t unused = 0;
    uint64_t unused_now = 0;
    TRY(change_end(fs, set_in_change(fs, id, mask, properties, &unused, &unused_now)));
    fs->closed_reservations += unused_now - MIN(fs->closed_reservations, unused);
    return LATTICE_OK;
}

static lattice_status_t rename_in_change(struct lattice *fs, uint64_t id, struct view name) {
    struct dataset_record *record = &fs->stored_buffer->dataset;
    struct registry_entry old = {};
    struct registry_entry vacant = {};
    TRY(record_load(fs, id, record));
    if (record->kind != DATASET_HEAD) {
        return LATTICE_INVALID;
    }
    TRY(registry_find(fs, 0, view_sub(VIEW_OF(record->name), 0, record->name_length), &old));
    TRY(registry_vacant(fs, 0, name, &vacant));
    record_set_name(record, name);
    TRY(record_store(fs, id, record));
    TRY(registry_delete(fs, 0, old.cookie));
    return registry_put(fs, 0, vacant.cookie, name, id);
}

lattice_status_t dataset_rename(struct lattice *fs, uint64_t id, struct view name) {
    TRY(change_begin(fs, SPACE_ORDINARY, CHANGES));
    return change_end(fs, rename_in_change(fs, id, name));
}

#pragma clang assume_nonnull end
