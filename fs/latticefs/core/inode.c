/* Objects and their names. Invariants, all checked by check.c:
 * 1. links of a file = entries that name it; of a directory = 2 + its subdirectories; a directory's
 * size = its entries.
 * 2. An object with 0 links has an ORPHAN item, and no other object has one.
 * 3. Every operation first looks up what it will change, then changes it: what can fail fails
 * before. */
#include "inode.h"
#include "directory.h"
#include "file.h"
#include "keys.h"

#pragma clang assume_nonnull begin

lattice_status_t inode_get(struct lattice *fs, struct dataset *dataset, uint64_t object,
                           struct inode *out) {
    struct view value = {};
    TRY(tree_get(fs, &dataset->tree, key_make(object, KEY_INODE, 0, 0), &value));
    if (value.size != sizeof *out) {
        return LATTICE_CORRUPT;
    }
    bytes_copy(bytes_of(out, sizeof *out), value);
    return inode_validate(out);
}

lattice_status_t inode_put(struct lattice *fs, struct dataset *dataset, uint64_t object,
                           const struct inode *inode) {
    return dataset_put(fs, dataset, key_make(object, KEY_INODE, 0, 0), VIEW_OF(*inode));
}

lattice_status_t inode_update(struct lattice *fs, struct dataset *dataset, uint64_t object,
                              const struct inode *inode) {
    struct inode current = {};
    TRY(dataset->writable ? LATTICE_OK : LATTICE_READ_ONLY);
    TRY(operation_begin(fs, dataset, SPACE_DELETE, 1, sizeof *inode));
    lattice_status_t status = inode_get(fs, dataset, object, &current);
    if (status == LATTICE_OK) {
        current.mode = (current.mode & 0xf000) | (inode->mode & 0xfff);
        current.user = inode->user;
        current.group = inode->group;
        current.read_time = inode->read_time;
        current.write_time = inode->write_time;
        current.change_time = inode->change_time;
        status = inode_put(fs, dataset, object, &current);
    }
    return operation_end(fs, status);
}

lattice_status_t dataset_make(struct lattice *fs, uint64_t id, struct dataset_record *record,
                              uint32_t user, uint32_t group) {
    struct tree tree = {.owner = id, .key = key_find(fs, record)};
    TRY(tree_create(fs, &tree));
    int64_t time = now(fs);
    struct inode root = {.mode = MODE_DIRECTORY << 12 | 0755,
                         .links = 2,
                         .user = user,
                         .group = group,
                         .parent = ROOT_OBJECT,
                         .read_time = time,
                         .write_time = time,
                         .change_time = time,
                         .birth_time = time,
                         .record_shift = record->record_shift};
    TRY(tree_put(fs, &tree, key_make(ROOT_OBJECT, KEY_INODE, 0, 0), VIEW_OF(root)));
    TRY(tree_write(fs, &tree));
    record->root = tree.root;
    record->object_count = 1;
    record->referenced_blocks = pointer_owned(&tree.root);
    return dataset_record_put(fs, id, record);
}

/* ---- create, link ---- */

struct making {
    uint64_t directory;
    struct view name;
    struct view target;
    struct entry entry;
    struct inode parent;
    struct inode inode;
    uint64_t object;
};

/* A name that must not exist yet. */
static lattice_status_t entry_vacant(struct lattice *fs, struct dataset *dataset,
                                     uint64_t directory, struct view name, struct entry *out) {
    lattice_status_t status = entry_find(fs, dataset, directory, name, out);
    if (status == LATTICE_OK) {
        return LATTICE_EXISTS;
    }
    if (status != LATTICE_NOT_FOUND) {
        return status;
    }
    return out->cookie == 0 ? LATTICE_TOO_MANY : LATTICE_OK;
}

/* Brings the leaves of keys into memory that an operation is about to change. */
static lattice_status_t prefetch(struct lattice *fs, struct dataset *dataset, struct key key) {
    struct view value = {};
    lattice_status_t status = tree_get(fs, &dataset->tree, key, &value);
    return status == LATTICE_NOT_FOUND ? LATTICE_OK : status;
}

static lattice_status_t parent_touch(struct lattice *fs, struct dataset *dataset,
                                     uint64_t directory, struct inode *parent, int64_t entries,
                                     int32_t subdirectories) {
    parent->size = (uint64_t)((int64_t)parent->size + entries);
    parent->links = (uint32_t)((int32_t)parent->links + subdirectories);
    parent->write_time = now(fs);
    parent->change_time = parent->write_time;
    return inode_put(fs, dataset, directory, parent);
}

static lattice_status_t create_in_operation(struct lattice *fs, struct dataset *dataset,
                                            struct making *making) {
    TRY(directory_get(fs, dataset, making->directory, &making->parent));
    TRY(entry_vacant(fs, dataset, making->directory, making->name, &making->entry));
    making->object = dataset->record.next_object;
    TRY(prefetch(fs, dataset, key_make(making->object, KEY_INODE, 0, 0)));
    bool directory = inode_type(&making->inode) == MODE_DIRECTORY;
    if (directory && making->parent.links >= LINKS_MAX) {
        return LATTICE_TOO_MANY;
    }
    making->inode.generation = fs->transaction;
    TRY(inode_put(fs, dataset, making->object, &making->inode));
    dataset->record.next_object++;
    dataset->record.object_count++;
    if (making->target.size != 0) {
        TRY(dataset_put(fs, dataset, key_make(making->object, KEY_INLINE, 0, 0), making->target));
    }
    TRY(entry_put(fs, dataset, making->directory, making->entry.cookie, making->name,
                  making->object, (uint8_t)inode_type(&making->inode)));
    return parent_touch(fs, dataset, making->directory, &making->parent, 1, directory ? 1 : 0);
}

lattice_status_t name_create(struct lattice *fs, struct dataset *dataset, uint64_t directory,
                             struct view name, const struct create_attributes *attributes,
                             struct view target, uint64_t *out_object) {
    struct making making = {.directory = directory, .name = name, .target = target};
    TRY(dataset->writable ? LATTICE_OK : LATTICE_READ_ONLY);
    TRY(name_check(name));
    if ((attributes->mode >> 12 == MODE_SYMLINK) != (target.size != 0)) {
        return LATTICE_INVALID;
    }
    if (target.size > SYMLINK_MAX) {
        return LATTICE_NAME_TOO_LONG;
    }
    int64_t time = now(fs);
    making.inode = (struct inode){.mode = attributes->mode,
                                  .links = attributes->mode >> 12 == MODE_DIRECTORY ? 2 : 1,
                                  .user = attributes->user,
                                  .group = attributes->group,
                                  .device = attributes->device,
                                  .size = target.size,
                                  .read_time = time,
                                  .write_time = time,
                                  .change_time = time,
                                  .birth_time = time,
                                  .record_shift = dataset->record.record_shift};
    making.inode.parent = attributes->mode >> 12 == MODE_DIRECTORY ? directory : 0;
    TRY(inode_validate(&making.inode));
    TRY(operation_begin(fs, dataset, SPACE_ORDINARY, 5,
                        (uint32_t)(2 * sizeof(struct inode) + target.size + name.size + 16)));
    lattice_status_t status = operation_end(fs, create_in_operation(fs, dataset, &making));
    if (status == LATTICE_OK) {
        *out_object = making.object;
    }
    return status;
}

static lattice_status_t link_in_operation(struct lattice *fs, struct dataset *dataset,
                                          struct making *making) {
    TRY(directory_get(fs, dataset, making->directory, &making->parent));
    TRY(inode_get(fs, dataset, making->object, &making->inode));
    TRY(entry_vacant(fs, dataset, making->directory, making->name, &making->entry));
    if (inode_type(&making->inode) == MODE_DIRECTORY) {
        return LATTICE_IS_DIRECTORY;
    }
    if (making->inode.links == 0) {
        return LATTICE_NOT_FOUND;
    }
    if (making->inode.links >= LINKS_MAX) {
        return LATTICE_TOO_MANY;
    }
    making->inode.links++;
    making->inode.change_time = now(fs);
    TRY(inode_put(fs, dataset, making->object, &making->inode));
    TRY(entry_put(fs, dataset, making->directory, making->entry.cookie, making->name,
                  making->object, (uint8_t)inode_type(&making->inode)));
    return parent_touch(fs, dataset, making->directory, &making->parent, 1, 0);
}

lattice_status_t name_link(struct lattice *fs, struct dataset *dataset, uint64_t object,
                           uint64_t directory, struct view name) {
    struct making making = {.directory = directory, .name = name, .object = object};
    TRY(dataset->writable ? LATTICE_OK : LATTICE_READ_ONLY);
    TRY(name_check(name));
    TRY(operation_begin(fs, dataset, SPACE_ORDINARY, 4, 600));
    return operation_end(fs, link_in_operation(fs, dataset, &making));
}

/* ---- remove ---- */

/* Takes one name off an object; *out_orphan is the object if it was the last. */
static lattice_status_t object_unname(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                      struct inode *inode, uint64_t *out_orphan) {
    *out_orphan = 0;
    bool directory = inode_type(inode) == MODE_DIRECTORY;
    inode->links = directory || inode->links == 0 ? 0 : inode->links - 1;
    inode->change_time = now(fs);
    TRY(inode_put(fs, dataset, object, inode));
    if (inode->links == 0) {
        TRY(dataset_put(fs, dataset, key_make(0, KEY_ORPHAN, 0, object), (struct view){}));
        *out_orphan = object;
    }
    return LATTICE_OK;
}

static lattice_status_t removable(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                  const struct inode *inode, bool want_directory) {
    if (inode_type(inode) != MODE_DIRECTORY) {
        return want_directory ? LATTICE_NOT_DIRECTORY : LATTICE_OK;
    }
    if (!want_directory) {
        return LATTICE_IS_DIRECTORY;
    }
    return directory_is_empty(fs, dataset, object);
}

static lattice_status_t remove_in_operation(struct lattice *fs, struct dataset *dataset,
                                            struct making *making, bool want_directory,
                                            uint64_t *out_orphan) {
    TRY(directory_get(fs, dataset, making->directory, &making->parent));
    TRY(entry_find(fs, dataset, making->directory, making->name, &making->entry));
    TRY(inode_get(fs, dataset, making->entry.object, &making->inode));
    TRY(removable(fs, dataset, making->entry.object, &making->inode, want_directory));
    TRY(prefetch(fs, dataset, key_make(0, KEY_ORPHAN, 0, making->entry.object)));
    TRY(entry_delete(fs, dataset, making->directory, making->entry.cookie));
    TRY(object_unname(fs, dataset, making->entry.object, &making->inode, out_orphan));
    return parent_touch(fs, dataset, making->directory, &making->parent, -1,
                        want_directory ? -1 : 0);
}

lattice_status_t name_remove(struct lattice *fs, struct dataset *dataset, uint64_t directory,
                             struct view name, bool want_directory, uint64_t *out_object) {
    struct making making = {.directory = directory, .name = name};
    *out_object = 0;
    TRY(dataset->writable ? LATTICE_OK : LATTICE_READ_ONLY);
    TRY(name_check(name));
    TRY(operation_begin(fs, dataset, SPACE_DELETE, 5, 2 * sizeof(struct inode)));
    return operation_end(fs, remove_in_operation(fs, dataset, &making, want_directory, out_object));
}

/* ---- rename ---- */

struct renaming {
    uint64_t directory[2]; /* from, to */
    struct view name[2];
    struct entry entry[2];
    struct inode parent[2];
    struct inode inode[2];
    bool exists;
};

/* Whether `directory` is `object` or below it. */
static lattice_status_t is_below(struct lattice *fs, struct dataset *dataset, uint64_t directory,
                                 uint64_t object, bool *out) {
    *out = false;
    uint64_t at = directory;
    for (uint32_t steps = 0; steps < UINT32_C(1) << 20; steps++) {
        if (at == object) {
            *out = true;
            return LATTICE_OK;
        }
        if (at == ROOT_OBJECT) {
            return LATTICE_OK;
        }
        struct inode inode = {};
        TRY(inode_get(fs, dataset, at, &inode));
        at = inode.parent;
    }
    return LATTICE_CORRUPT;
}

static lattice_status_t rename_lookup(struct lattice *fs, struct dataset *dataset,
                                      struct renaming *renaming) {
    for (unsigned i = 0; i < 2; i++) {
        TRY(directory_get(fs, dataset, renaming->directory[i], &renaming->parent[i]));
    }
    TRY(entry_find(fs, dataset, renaming->directory[0], renaming->name[0], &renaming->entry[0]));
    TRY(inode_get(fs, dataset, renaming->entry[0].object, &renaming->inode[0]));
    lattice_status_t status =
        entry_find(fs, dataset, renaming->directory[1], renaming->name[1], &renaming->entry[1]);
    renaming->exists = status == LATTICE_OK;
    if (renaming->exists) {
        TRY(inode_get(fs, dataset, renaming->entry[1].object, &renaming->inode[1]));
    } else if (status != LATTICE_NOT_FOUND) {
        return status;
    } else if (renaming->entry[1].cookie == 0) {
        return LATTICE_TOO_MANY;
    }
    return LATTICE_OK;
}

static bool is_directory(const struct inode *inode) {
    return inode_type(inode) == MODE_DIRECTORY;
}

static lattice_status_t rename_allowed(struct lattice *fs, struct dataset *dataset,
                                       const struct renaming *renaming, uint32_t flags) {
    bool below = false;
    if ((flags & RENAME_EXCHANGE_FLAG) != 0 && !renaming->exists) {
        return LATTICE_NOT_FOUND;
    }
    if ((flags & RENAME_NO_REPLACE_FLAG) != 0 && renaming->exists) {
        return LATTICE_EXISTS;
    }
    if (is_directory(&renaming->inode[0])) {
        TRY(is_below(fs, dataset, renaming->directory[1], renaming->entry[0].object, &below));
        TRY(below ? LATTICE_INVALID : LATTICE_OK);
    }
    if ((flags & RENAME_EXCHANGE_FLAG) != 0 && is_directory(&renaming->inode[1])) {
        TRY(is_below(fs, dataset, renaming->directory[0], renaming->entry[1].object, &below));
        TRY(below ? LATTICE_INVALID : LATTICE_OK);
    }
    if (renaming->exists && (flags & RENAME_EXCHANGE_FLAG) == 0) {
        TRY(removable(fs, dataset, renaming->entry[1].object, &renaming->inode[1],
                      is_directory(&renaming->inode[0])));
    }
    if (is_directory(&renaming->inode[0]) && renaming->parent[1].links >= LINKS_MAX) {
        return LATTICE_TOO_MANY;
    }
    return prefetch(fs, dataset, key_make(0, KEY_ORPHAN, 0, renaming->entry[1].object));
}

/* Points an entry at another object and moves a directory below its new parent. */
static lattice_status_t rename_place(struct lattice *fs, struct dataset *dataset,
                                     struct renaming *renaming, unsigned object, unsigned place) {
    struct inode *inode = &renaming->inode[object];
    uint8_t type = (uint8_t)inode_type(inode);
    inode->change_time = now(fs);
    if (is_directory(inode)) {
        inode->parent = renaming->directory[place];
    }
    TRY(inode_put(fs, dataset, renaming->entry[object].object, inode));
    return entry_put(fs, dataset, renaming->directory[place], renaming->entry[place].cookie,
                     renaming->name[place], renaming->entry[object].object, type);
}

/* The change of each parent's entries and subdirectories, written once if both are the same. */
static lattice_status_t rename_parents(struct lattice *fs, struct dataset *dataset,
                                       struct renaming *renaming,
                                       const int64_t (*_Nonnull entries)[2],
                                       const int32_t (*_Nonnull subdirectories)[2]) {
    if (renaming->directory[0] == renaming->directory[1]) {
        return parent_touch(fs, dataset, renaming->directory[0], &renaming->parent[0],
                            (*entries)[0] + (*entries)[1],
                            (*subdirectories)[0] + (*subdirectories)[1]);
    }
    for (unsigned i = 0; i < 2; i++) {
        TRY(parent_touch(fs, dataset, renaming->directory[i], &renaming->parent[i], (*entries)[i],
                         (*subdirectories)[i]));
    }
    return LATTICE_OK;
}

static lattice_status_t rename_exchange(struct lattice *fs, struct dataset *dataset,
                                        struct renaming *renaming) {
    int32_t moved = is_directory(&renaming->inode[0]) ? 1 : 0;
    int32_t back = is_directory(&renaming->inode[1]) ? 1 : 0;
    int64_t entries[2] = {0, 0};
    int32_t subdirectories[2] = {back - moved, moved - back};
    TRY(rename_place(fs, dataset, renaming, 0, 1));
    TRY(rename_place(fs, dataset, renaming, 1, 0));
    return rename_parents(fs, dataset, renaming, &entries, &subdirectories);
}

static lattice_status_t rename_replace(struct lattice *fs, struct dataset *dataset,
                                       struct renaming *renaming, uint64_t *out_orphan) {
    int32_t moved = is_directory(&renaming->inode[0]) ? 1 : 0;
    int32_t replaced = renaming->exists && is_directory(&renaming->inode[1]) ? 1 : 0;
    int64_t entries[2] = {-1, renaming->exists ? 0 : 1};
    int32_t subdirectories[2] = {-moved, moved - replaced};
    if (renaming->exists) {
        TRY(object_unname(fs, dataset, renaming->entry[1].object, &renaming->inode[1], out_orphan));
    }
    TRY(rename_place(fs, dataset, renaming, 0, 1));
    TRY(entry_delete(fs, dataset, renaming->directory[0], renaming->entry[0].cookie));
    return rename_parents(fs, dataset, renaming, &entries, &subdirectories);
}

static lattice_status_t rename_in_operation(struct lattice *fs, struct dataset *dataset,
                                            struct renaming *renaming, uint32_t flags,
                                            uint64_t *out_orphan) {
    TRY(rename_lookup(fs, dataset, renaming));
    if (renaming->exists && renaming->entry[0].object == renaming->entry[1].object &&
        (flags & RENAME_NO_REPLACE_FLAG) == 0) {
        return LATTICE_OK; /* two names of one object: nothing happens */
    }
    TRY(rename_allowed(fs, dataset, renaming, flags));
    if ((flags & RENAME_EXCHANGE_FLAG) != 0) {
        return rename_exchange(fs, dataset, renaming);
    }
    return rename_replace(fs, dataset, renaming, out_orphan);
}

lattice_status_t name_rename(struct lattice *fs, struct dataset *dataset, uint64_t from_directory,
                             struct view from, uint64_t to_directory, struct view to,
                             uint32_t flags, uint64_t *out_object) {
    *out_object = 0;
    TRY(dataset->writable ? LATTICE_OK : LATTICE_READ_ONLY);
    if (flags > RENAME_EXCHANGE_FLAG) {
        return LATTICE_INVALID;
    }
    TRY(name_check(from));
    TRY(name_check(to));
    struct renaming *_Nullable renaming = memory_take(fs, sizeof(struct renaming));
    if (renaming == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    SOME(renaming)->directory[0] = from_directory;
    SOME(renaming)->directory[1] = to_directory;
    SOME(renaming)->name[0] = from;
    SOME(renaming)->name[1] = to;
    lattice_status_t status = operation_begin(fs, dataset, SPACE_ORDINARY, 8, 1600);
    if (status == LATTICE_OK) {
        status =
            operation_end(fs, rename_in_operation(fs, dataset, SOME(renaming), flags, out_object));
    }
    memory_give(fs, renaming, sizeof(struct renaming));
    return status;
}

lattice_status_t symlink_read(struct lattice *fs, struct dataset *dataset, uint64_t object,
                              struct view *out_target) {
    struct inode inode = {};
    TRY(inode_get(fs, dataset, object, &inode));
    if (inode_type(&inode) != MODE_SYMLINK) {
        return LATTICE_INVALID;
    }
    return tree_get(fs, &dataset->tree, key_make(object, KEY_INLINE, 0, 0), out_target);
}

/* ---- deleting ---- */

enum { DELETE_STEP = 24 };

/* Deletes up to a step's worth of an orphan's items; the inode and the orphan item go last,
 * together. */
static lattice_status_t delete_step(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                    bool *out_done) {
    struct key from = key_make(object, KEY_INODE, 0, 1);
    struct key to = {object, UINT64_MAX, UINT64_MAX};
    for (uint32_t i = 0; i < DELETE_STEP; i++) {
        struct item item = {};
        lattice_status_t status = tree_seek(fs, &dataset->tree, from, to, &item);
        if (status == LATTICE_NOT_FOUND) {
            TRY(prefetch(fs, dataset, key_make(0, KEY_ORPHAN, 0, object)));
            TRY(dataset_delete(fs, dataset, key_make(object, KEY_INODE, 0, 0)));
            TRY(dataset_delete(fs, dataset, key_make(0, KEY_ORPHAN, 0, object)));
            dataset->record.object_count--;
            *out_done = true;
            return LATTICE_OK;
        }
        TRY(status);
        TRY(dataset_delete(fs, dataset, item.key));
    }
    return LATTICE_OK;
}

lattice_status_t object_delete(struct lattice *fs, struct dataset *dataset, uint64_t object) {
    struct inode inode = {};
    TRY(dataset->writable ? LATTICE_OK : LATTICE_READ_ONLY);
    TRY(inode_get(fs, dataset, object, &inode));
    if (inode.links != 0) {
        return LATTICE_INVALID;
    }
    bool done = false;
    while (!done) {
        TRY(operation_begin(fs, dataset, SPACE_DELETE, 8, DELETE_STEP * 48));
        lattice_status_t status = dataset_reserve_kills(fs, dataset, DELETE_STEP * 8);
        if (status == LATTICE_OK) {
            status = delete_step(fs, dataset, object, &done);
        }
        TRY(operation_end(fs, status));
    }
    return LATTICE_OK;
}

/* An orphan item stands for an object without names, or for a file whose shrinking was interrupted.
 */
static lattice_status_t orphan_settle(struct lattice *fs, struct dataset *dataset,
                                      uint64_t object) {
    struct inode inode = {};
    TRY(inode_get(fs, dataset, object, &inode));
    return inode.links == 0 ? object_delete(fs, dataset, object)
                            : file_finish_cut(fs, dataset, object);
}

static lattice_status_t dataset_recover(struct lattice *fs, struct dataset *dataset) {
    uint64_t after = 0;
    for (;;) {
        struct item item = {};
        lattice_status_t status = tree_seek(fs, &dataset->tree, key_make(0, KEY_ORPHAN, 0, after),
                                            key_make(0, KEY_ORPHAN, 0, UINT64_MAX), &item);
        if (status == LATTICE_NOT_FOUND) {
            return LATTICE_OK;
        }
        TRY(status);
        uint64_t object = item.key.offset;
        after = object + 1;
        /* A damaged orphan stays behind; the rest of the file system is none the worse. */
        status = orphan_settle(fs, dataset, object);
        if (status == LATTICE_NO_MEMORY || status == LATTICE_ABORTED) {
            return status;
        }
    }
}

lattice_status_t datasets_recover(struct lattice *fs, const struct key_entry *_Nullable only) {
    uint64_t id = 0;
    for (;;) {
        struct item item = {};
        lattice_status_t status = tree_seek(fs, &fs->pool_tree, key_make(id + 1, KEY_DATASET, 0, 0),
                                            key_make(UINT64_MAX, 0, 0, 0), &item);
        if (status == LATTICE_NOT_FOUND) {
            return LATTICE_OK;
        }
        TRY(status);
        id = item.key.object;
        if (key_type(item.key) != KEY_DATASET || item.value.size != sizeof(struct dataset_record) ||
            item.value.data[0] != DATASET_HEAD) {
            continue;
        }
        struct dataset *_Nullable dataset = nullptr;
        TRY(dataset_open(fs, id, &dataset));
        bool wanted =
            SOME(dataset)->writable && (only == nullptr || SOME(dataset)->tree.key == only);
        status = wanted ? dataset_recover(fs, SOME(dataset)) : LATTICE_OK;
        dataset_close(fs, SOME(dataset));
        TRY(status);
    }
}

#pragma clang assume_nonnull end
