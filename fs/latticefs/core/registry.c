/* Names of datasets and snapshots. A dataset's name may have slashes; a snapshot's may not. */
#include "registry.h"
#include "checksum.h"

#pragma clang assume_nonnull begin

static struct key registry_key(uint64_t scope, uint64_t cookie) {
    return key_make(scope, scope == 0 ? KEY_DATASET_NAME : KEY_SNAPSHOT_NAME, 0, cookie);
}

static lattice_status_t registry_parse(const struct item *item, struct registry_entry *out) {
    if (item->value.size < sizeof out->id + 1 ||
        item->value.size > sizeof out->id + NAME_MAX_BYTES) {
        return LATTICE_CORRUPT;
    }
    out->cookie = item->key.offset;
    bytes_copy(BYTES_OF(out->id), view_sub(item->value, 0, sizeof out->id));
    out->name = view_sub(item->value, sizeof out->id, item->value.size - sizeof out->id);
    return LATTICE_OK;
}

static lattice_status_t registry_check(uint64_t scope, struct view name) {
    if (name.size > NAME_MAX_BYTES) {
        return LATTICE_NAME_TOO_LONG;
    }
    for (size_t i = 0; i < name.size; i++) {
        bool slash = name.data[i] == '/' && (scope != 0 || i == 0 || i + 1 == name.size);
        if (name.data[i] == 0 || name.data[i] == '@' || slash) {
            return LATTICE_INVALID;
        }
    }
    return name.size == 0 ? LATTICE_INVALID : LATTICE_OK;
}

lattice_status_t registry_find(struct lattice *fs, uint64_t scope, struct view name,
                               struct registry_entry *out) {
    static const uint64_t no_key[2] = {0, 0};
    TRY(registry_check(scope, name));
    uint64_t hash = checksum_siphash(no_key, name);
    uint64_t first = MAX(hash >> 6, UINT64_C(1)) << 5;
    uint64_t free_cookie = first;
    struct key key = registry_key(scope, first);
    for (;;) {
        struct item item = {};
        lattice_status_t status =
            tree_seek(fs, &fs->pool_tree, key, registry_key(scope, first + 32), &item);
        if (status == LATTICE_NOT_FOUND) {
            out->cookie = free_cookie < first + 32 ? free_cookie : 0;
        }
        TRY(status);
        TRY(registry_parse(&item, out));
        if (view_equal(out->name, name)) {
            return LATTICE_OK;
        }
        free_cookie += free_cookie == item.key.offset;
        key = key_next(item.key);
    }
}

lattice_status_t registry_vacant(struct lattice *fs, uint64_t scope, struct view name,
                                 struct registry_entry *out) {
    lattice_status_t status = registry_find(fs, scope, name, out);
    if (status == LATTICE_OK) {
        return LATTICE_EXISTS;
    }
    if (status != LATTICE_NOT_FOUND) {
        return status;
    }
    return out->cookie == 0 ? LATTICE_TOO_MANY : LATTICE_OK;
}

lattice_status_t registry_next(struct lattice *fs, uint64_t scope, uint64_t cookie,
                               struct registry_entry *out) {
    struct item item = {};
    TRY(tree_seek(fs, &fs->pool_tree, registry_key(scope, cookie + 1),
                  registry_key(scope, UINT64_MAX), &item));
    return registry_parse(&item, out);
}

struct registry_value {
    uint64_t id;
    uint8_t name[NAME_MAX_BYTES];
};

lattice_status_t registry_put(struct lattice *fs, uint64_t scope, uint64_t cookie, struct view name,
                              uint64_t id) {
    struct registry_value value = {.id = id};
    TRY(registry_check(scope, name));
    bytes_copy(BYTES_OF(value.name), name);
    return tree_put(fs, &fs->pool_tree, registry_key(scope, cookie),
                    view_sub(VIEW_OF(value), 0, sizeof id + name.size));
}

lattice_status_t registry_delete(struct lattice *fs, uint64_t scope, uint64_t cookie) {
    return tree_delete(fs, &fs->pool_tree, registry_key(scope, cookie));
}

#pragma clang assume_nonnull end
