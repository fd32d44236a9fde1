/* Extended attributes. A value of up to XATTR_INLINE_MAX bytes lies in its item, a longer one in
 * chunks beside it. */
#include "xattr.h"
#include "directory.h"

#pragma clang assume_nonnull begin

enum { XATTR_HEAD = 6, XATTR_CHUNKED = 1, XATTR_CHUNKS_MAX = XATTR_VALUE_MAX / XATTR_CHUNK + 1 };

struct found_xattr {
    uint64_t cookie;
    uint32_t length;
    bool chunked;
    struct view name;
    struct view value; /* if not chunked */
};

static lattice_status_t xattr_parse(const struct item *item, struct found_xattr *out) {
    struct view value = item->value;
    if (value.size < XATTR_HEAD + 1) {
        return LATTICE_CORRUPT;
    }
    bytes_copy(BYTES_OF(out->length), view_sub(value, 0, 4));
    size_t name_size = value.data[4];
    out->chunked = (value.data[5] & XATTR_CHUNKED) != 0;
    size_t inlined = out->chunked ? 0 : out->length;
    if (name_size == 0 || out->length > XATTR_VALUE_MAX ||
        value.size != XATTR_HEAD + name_size + inlined) {
        return LATTICE_CORRUPT;
    }
    out->cookie = item->key.offset;
    out->name = view_sub(value, XATTR_HEAD, name_size);
    out->value = view_sub(value, XATTR_HEAD + name_size, inlined);
    return LATTICE_OK;
}

/* Errors: LATTICE_NOT_FOUND; then out->cookie is a free one, or 0. */
static lattice_status_t xattr_find(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                   struct view name, struct found_xattr *out) {
    if (name.size == 0 || name.size > NAME_MAX_BYTES) {
        return name.size == 0 ? LATTICE_INVALID : LATTICE_NAME_TOO_LONG;
    }
    uint64_t first = name_cookie(fs, dataset, name);
    uint64_t free_cookie = first;
    struct key key = key_make(object, KEY_XATTR, 0, first);
    for (;;) {
        struct item item = {};
        lattice_status_t status =
            tree_seek(fs, &dataset->tree, key, key_make(object, KEY_XATTR, 0, first + 32), &item);
        if (status == LATTICE_NOT_FOUND) {
            out->cookie = free_cookie < first + 32 ? free_cookie : 0;
        }
        TRY(status);
        TRY(xattr_parse(&item, out));
        if (view_equal(out->name, name)) {
            return LATTICE_OK;
        }
        free_cookie += free_cookie == item.key.offset;
        key = key_next(item.key);
    }
}

lattice_status_t xattr_get(struct lattice *fs, struct dataset *dataset, uint64_t object,
                           struct view name, struct bytes to, size_t *out_size) {
    struct found_xattr found = {};
    TRY(xattr_find(fs, dataset, object, name, &found));
    *out_size = found.length;
    if (!found.chunked) {
        bytes_copy(to, view_sub(found.value, 0, MIN(found.value.size, to.size)));
        return LATTICE_OK;
    }
    for (uint32_t at = 0; at < found.length && at < to.size; at += XATTR_CHUNK) {
        struct view chunk = {};
        lattice_status_t status =
            tree_get(fs, &dataset->tree,
                     key_make(object, KEY_XATTR_DATA, at / XATTR_CHUNK, found.cookie), &chunk);
        if (status == LATTICE_NOT_FOUND ||
            chunk.size != MIN(found.length - at, (uint32_t)XATTR_CHUNK)) {
            return status == LATTICE_OK || status == LATTICE_NOT_FOUND ? LATTICE_CORRUPT : status;
        }
        TRY(status);
        size_t part = MIN(chunk.size, to.size - at);
        bytes_copy(bytes_sub(to, at, part), view_sub(chunk, 0, part));
    }
    return LATTICE_OK;
}

static lattice_status_t chunks_delete(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                      const struct found_xattr *found) {
    for (uint32_t at = 0; found->chunked && at < found->length; at += XATTR_CHUNK) {
        TRY(dataset_delete(fs, dataset,
                           key_make(object, KEY_XATTR_DATA, at / XATTR_CHUNK, found->cookie)));
    }
    return LATTICE_OK;
}

static lattice_status_t xattr_put(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                  uint64_t cookie, struct view name, struct view value) {
    bool chunked = value.size > XATTR_INLINE_MAX;
    uint32_t length = (uint32_t)value.size;
    struct bytes item = bytes_sub(BYTES_OF(*fs->stored_buffer), 0,
                                  XATTR_HEAD + name.size + (chunked ? 0 : value.size));
    bytes_copy(item, VIEW_OF(length));
    item.data[4] = (uint8_t)name.size;
    item.data[5] = chunked ? XATTR_CHUNKED : 0;
    bytes_copy(bytes_sub(item, XATTR_HEAD, name.size), name);
    if (!chunked) {
        bytes_copy(bytes_sub(item, XATTR_HEAD + name.size, value.size), value);
    }
    TRY(dataset_put(fs, dataset, key_make(object, KEY_XATTR, 0, cookie), bytes_view(item)));
    for (uint32_t at = 0; chunked && at < length; at += XATTR_CHUNK) {
        TRY(dataset_put(fs, dataset, key_make(object, KEY_XATTR_DATA, at / XATTR_CHUNK, cookie),
                        view_sub(value, at, MIN(length - at, (uint32_t)XATTR_CHUNK))));
    }
    return LATTICE_OK;
}

static lattice_status_t set_in_operation(struct lattice *fs, struct dataset *dataset,
                                         uint64_t object, struct view name, struct view value,
                                         uint32_t flags) {
    struct inode inode = {};
    struct found_xattr found = {};
    TRY(inode_get(fs, dataset, object, &inode));
    lattice_status_t status = xattr_find(fs, dataset, object, name, &found);
    bool exists = status == LATTICE_OK;
    if (!exists && status != LATTICE_NOT_FOUND) {
        return status;
    }
    if (exists && (flags & XATTR_CREATE_FLAG) != 0) {
        return LATTICE_EXISTS;
    }
    if (!exists && (flags & XATTR_REPLACE_FLAG) != 0) {
        return LATTICE_NOT_FOUND;
    }
    if (!exists && found.cookie == 0) {
        return LATTICE_TOO_MANY;
    }
    if (exists) {
        TRY(chunks_delete(fs, dataset, object, &found));
    }
    TRY(xattr_put(fs, dataset, object, found.cookie, name, value));
    inode.xattr_count += !exists;
    inode.change_time = now(fs);
    return inode_put(fs, dataset, object, &inode);
}

lattice_status_t xattr_set(struct lattice *fs, struct dataset *dataset, uint64_t object,
                           struct view name, struct view value, uint32_t flags) {
    TRY(dataset->writable ? LATTICE_OK : LATTICE_READ_ONLY);
    if (value.size > XATTR_VALUE_MAX) {
        return LATTICE_TOO_LARGE;
    }
    uint32_t chunks = 2 * XATTR_CHUNKS_MAX;
    TRY(operation_begin(fs, dataset, SPACE_ORDINARY, value.size > XATTR_INLINE_MAX ? 4 + chunks : 8,
                        (uint32_t)value.size + chunks * 64 + 1024));
    return operation_end(fs, set_in_operation(fs, dataset, object, name, value, flags));
}

static lattice_status_t remove_in_operation(struct lattice *fs, struct dataset *dataset,
                                            uint64_t object, struct view name) {
    struct inode inode = {};
    struct found_xattr found = {};
    TRY(inode_get(fs, dataset, object, &inode));
    TRY(xattr_find(fs, dataset, object, name, &found));
    TRY(chunks_delete(fs, dataset, object, &found));
    TRY(dataset_delete(fs, dataset, key_make(object, KEY_XATTR, 0, found.cookie)));
    inode.xattr_count -= inode.xattr_count > 0;
    inode.change_time = now(fs);
    return inode_put(fs, dataset, object, &inode);
}

lattice_status_t xattr_remove(struct lattice *fs, struct dataset *dataset, uint64_t object,
                              struct view name) {
    TRY(dataset->writable ? LATTICE_OK : LATTICE_READ_ONLY);
    TRY(operation_begin(fs, dataset, SPACE_DELETE, 6 + XATTR_CHUNKS_MAX, 1024));
    return operation_end(fs, remove_in_operation(fs, dataset, object, name));
}

lattice_status_t xattr_next(struct lattice *fs, struct dataset *dataset, uint64_t object,
                            uint64_t cookie, uint64_t *out_cookie, struct view *out_name) {
    struct item item = {};
    struct found_xattr found = {};
    TRY(tree_seek(fs, &dataset->tree, key_make(object, KEY_XATTR, 0, cookie + 1),
                  key_make(object, KEY_XATTR, 0, UINT64_MAX), &item));
    TRY(xattr_parse(&item, &found));
    *out_cookie = found.cookie;
    *out_name = found.name;
    return LATTICE_OK;
}

#pragma clang assume_nonnull end
