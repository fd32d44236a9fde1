/* Entries of one directory. Invariant: at most one entry has a given name; it lies in the 32
 * cookies of the name's hash. */
#include "directory.h"
#include "checksum.h"

#pragma clang assume_nonnull begin

int64_t now(struct lattice *fs) {
    return fs->environment.now_ns(fs->environment.context);
}

lattice_status_t name_check(struct view name) {
    if (name.size > NAME_MAX_BYTES) {
        return LATTICE_NAME_TOO_LONG;
    }
    if (name.size == 0 ||
        (name.size <= 2 && name.data[0] == '.' && (name.size == 1 || name.data[1] == '.'))) {
        return LATTICE_INVALID;
    }
    for (size_t i = 0; i < name.size; i++) {
        if (name.data[i] == 0 || name.data[i] == '/') {
            return LATTICE_INVALID;
        }
    }
    return LATTICE_OK;
}

uint64_t name_cookie(const struct lattice *fs, const struct dataset *dataset, struct view name) {
    uint64_t hash = checksum_siphash(dataset->name_key, name) & fs->hash_mask;
    return MAX(hash >> 6, UINT64_C(1)) << 5;
}

/* Takes an entry's value apart. */
static lattice_status_t entry_parse(struct view value, struct entry *out, struct view *out_name) {
    if (value.size < DIRENT_HEAD_SIZE + 1) {
        return LATTICE_CORRUPT;
    }
    bytes_copy(BYTES_OF(out->object), view_sub(value, 0, 8));
    out->type = value.data[8];
    if (value.data[9] != value.size - DIRENT_HEAD_SIZE || out->object == 0) {
        return LATTICE_CORRUPT;
    }
    *out_name = view_sub(value, DIRENT_HEAD_SIZE, value.size - DIRENT_HEAD_SIZE);
    return LATTICE_OK;
}

lattice_status_t entry_find(struct lattice *fs, struct dataset *dataset, uint64_t directory,
                            struct view name, struct entry *out) {
    TRY(name_check(name));
    uint64_t first = name_cookie(fs, dataset, name);
    uint64_t free_cookie = first;
    struct key key = key_make(directory, KEY_DIRENT, 0, first);
    struct key end = key_make(directory, KEY_DIRENT, 0, first + 32);
    for (;;) {
        struct item item = {};
        lattice_status_t status = tree_seek(fs, &dataset->tree, key, end, &item);
        if (status == LATTICE_NOT_FOUND) {
            out->cookie = free_cookie < first + 32 ? free_cookie : 0;
        }
        TRY(status);
        struct view found = {};
        TRY(entry_parse(item.value, out, &found));
        out->cookie = item.key.offset;
        if (view_equal(found, name)) {
            return LATTICE_OK;
        }
        free_cookie += free_cookie == item.key.offset;
        key = key_next(item.key);
    }
}

struct dirent_value {
    uint8_t bytes[DIRENT_HEAD_SIZE + NAME_MAX_BYTES];
};

lattice_status_t entry_put(struct lattice *fs, struct dataset *dataset, uint64_t directory,
                           uint64_t cookie, struct view name, uint64_t object, uint8_t type) {
    struct dirent_value value = {};
    bytes_copy(BYTES_OF(value), VIEW_OF(object));
    value.bytes[8] = type;
    value.bytes[9] = (uint8_t)name.size;
    bytes_copy(bytes_sub(BYTES_OF(value), DIRENT_HEAD_SIZE, name.size), name);
    return dataset_put(fs, dataset, key_make(directory, KEY_DIRENT, 0, cookie),
                       view_sub(VIEW_OF(value), 0, DIRENT_HEAD_SIZE + name.size));
}

lattice_status_t entry_delete(struct lattice *fs, struct dataset *dataset, uint64_t directory,
                              uint64_t cookie) {
    return dataset_delete(fs, dataset, key_make(directory, KEY_DIRENT, 0, cookie));
}

lattice_status_t directory_get(struct lattice *fs, struct dataset *dataset, uint64_t directory,
                               struct inode *out) {
    TRY(inode_get(fs, dataset, directory, out));
    if (inode_type(out) != MODE_DIRECTORY) {
        return LATTICE_NOT_DIRECTORY;
    }
    return out->links == 0 ? LATTICE_NOT_FOUND : LATTICE_OK;
}

lattice_status_t directory_is_empty(struct lattice *fs, struct dataset *dataset,
                                    uint64_t directory) {
    struct item item = {};
    lattice_status_t status = tree_seek(fs, &dataset->tree, key_make(directory, KEY_DIRENT, 0, 0),
                                        key_make(directory, KEY_DIRENT, 0, UINT64_MAX), &item);
    if (status == LATTICE_NOT_FOUND) {
        return LATTICE_OK;
    }
    return status == LATTICE_OK ? LATTICE_NOT_EMPTY : status;
}

lattice_status_t name_lookup(struct lattice *fs, struct dataset *dataset, uint64_t directory,
                             struct view name, uint64_t *out_object) {
    struct inode inode = {};
    struct entry entry = {};
    TRY(directory_get(fs, dataset, directory, &inode));
    TRY(entry_find(fs, dataset, directory, name, &entry));
    *out_object = entry.object;
    return LATTICE_OK;
}

lattice_status_t name_next(struct lattice *fs, struct dataset *dataset, uint64_t directory,
                           uint64_t cookie, struct dirent_entry *out) {
    struct item item = {};
    struct entry entry = {};
    TRY(tree_seek(fs, &dataset->tree, key_make(directory, KEY_DIRENT, 0, cookie + 1),
                  key_make(directory, KEY_DIRENT, 0, UINT64_MAX), &item));
    TRY(entry_parse(item.value, &entry, &out->name));
    out->cookie = item.key.offset;
    out->object = entry.object;
    out->type = entry.type;
    return LATTICE_OK;
}

#pragma clang assume_nonnull end
