/* What the file system should be. */
#include "model.h"
#include "fs/latticefs/core/checksum.h"
#include <stdio.h>
#include <stdlib.h>

#pragma clang assume_nonnull begin

/* ---- names ---- */

struct name_table {
    char text[MODEL_NAMES][NAME_MAX_BYTES + 1];
};

struct view model_name(uint32_t name) {
    static const char *const short_names[MODEL_NAMES] = {
        "a",       "b",   "c",  "README", "main.c", "with space", "\xc3\xa4\xc3\xb6\xc3\xbc",
        ".hidden", "..x", "x.."};
    static const char digits[] = "0123456789";
    static const char fill[] =
        "a-name-that-is-as-long-as-names-may-be-and-goes-on-and-on-and-on-until-two-hundred-and-"
        "fifty-five-bytes-are-used-up-which-takes-a-while-because-that-is-quite-a-lot-of-letters-"
        "for-a-name-but-programs-do-make-such-names-and-so-must-we-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    static_assert(sizeof fill > NAME_MAX_BYTES);
    if (name < 10) {
        return view_text(SOME(short_names[name]));
    }
    if (name < 20) { /* long ones that differ in length only */
        return view_of(fill, NAME_MAX_BYTES - (name - 10));
    }
    return view_of(&digits[name % 10], 1 + (name / 10) % (10 - name % 10));
}

uint32_t model_name_number(struct view name) {
    for (uint32_t i = 0; i < MODEL_NAMES; i++) {
        if (view_equal(model_name(i), name)) {
            return i;
        }
    }
    return MODEL_NAMES;
}

struct view model_xattr_name(uint32_t index) {
    static const char *const names[MODEL_XATTRS] = {"user.a", "user.comment", "security.x",
                                                    "trusted.y"};
    return view_text(SOME(names[index]));
}

/* ---- objects ---- */

struct model_object *_Nullable model_find(struct model *model, uint64_t number) {
    for (uint32_t i = 0; i < MODEL_OBJECTS; i++) {
        if (model->objects[i].live && model->objects[i].number == number) {
            return &model->objects[i];
        }
    }
    return nullptr;
}

struct model_object *_Nullable model_vacant(struct model *model) {
    for (uint32_t i = 0; i < MODEL_OBJECTS; i++) {
        if (!model->objects[i].live) {
            return &model->objects[i];
        }
    }
    return nullptr;
}

struct model_entry *_Nullable model_entry(struct model_object *directory, uint32_t name) {
    for (uint32_t i = 0; i < directory->entry_count; i++) {
        if (directory->entries[i].name == name) {
            return &directory->entries[i];
        }
    }
    return nullptr;
}

static void page_drop(struct model_page *_Nullable *_Nonnull page) {
    if (*page != nullptr && --SOME(*page)->references == 0) {
        free(*page);
    }
    *page = nullptr;
}

static void page_share(struct model_page *_Nullable *_Nonnull to,
                       struct model_page *_Nullable page) {
    if (page != nullptr) {
        SOME(page)->references++;
    }
    page_drop(to);
    *to = page;
}

void model_delete(struct model_object *object) {
    for (uint32_t i = 0; i < MODEL_PAGES; i++) {
        page_drop(&object->seen[i]);
        page_drop(&object->pushed[i]);
    }
    *object = (struct model_object){};
}

void model_release(struct model *model) {
    for (uint32_t i = 0; i < MODEL_OBJECTS; i++) {
        model_delete(&model->objects[i]);
    }
}

void model_copy(struct model *to, const struct model *from) {
    for (uint32_t i = 0; i < MODEL_OBJECTS; i++) {
        const struct model_object *object = &from->objects[i];
        if (!object->live || object->links == 0) {
            continue;
        }
        to->objects[i] = *object;
        to->objects[i].open = false;
        for (uint32_t j = 0; j < MODEL_PAGES; j++) {
            to->objects[i].seen[j] = nullptr;
            to->objects[i].pushed[j] = nullptr;
            page_share(&to->objects[i].seen[j], object->seen[j]);
            page_share(&to->objects[i].pushed[j], object->pushed[j]);
        }
    }
}

/* ---- hashes ---- */

struct hash_words {
    uint64_t words[9];
};

uint64_t model_object_hash(uint64_t number, const struct inode *inode, uint64_t target) {
    bool directory = inode_type(inode) == MODE_DIRECTORY;
    struct hash_words words = {{number, inode->mode, inode->user, inode->group, inode->links,
                                inode->size, inode->device, directory ? inode->parent : 0, target}};
    return checksum_xxh64(VIEW_OF(words));
}

uint64_t model_entry_hash(uint64_t directory, struct view name, uint64_t object) {
    struct hash_words words = {{1, directory, checksum_xxh64(name), object}};
    return checksum_xxh64(VIEW_OF(words));
}

uint64_t model_page_hash(uint64_t object, uint64_t page, uint64_t content) {
    struct hash_words words = {{2, object, page, content}};
    return content == 0 ? 0 : checksum_xxh64(VIEW_OF(words));
}

uint64_t model_xattr_hash(uint64_t object, struct view name, uint64_t content) {
    struct hash_words words = {{3, object, checksum_xxh64(name), content}};
    return checksum_xxh64(VIEW_OF(words));
}

static uint64_t page_hash(struct model_page *page) {
    if (page->hash == 0 && !view_is_zero(VIEW_OF(page->data))) {
        page->hash = checksum_xxh64(VIEW_OF(page->data));
    }
    return page->hash;
}

uint64_t model_hash(const struct model *model) {
    uint64_t sum = 0;
    for (uint32_t i = 0; i < MODEL_OBJECTS; i++) {
        const struct model_object *object = &model->objects[i];
        if (!object->live || object->links == 0) {
            continue;
        }
        struct inode inode = {.mode = object->mode,
                              .user = object->user,
                              .group = object->group,
                              .links = object->links,
                              .device = object->device,
                              .parent = object->parent,
                              .size = object->pushed_size};
        if (object->mode >> 12 == MODE_DIRECTORY) {
            inode.size = object->entry_count;
        }
        sum += model_object_hash(object->number, &inode, object->target);
        for (uint32_t j = 0; j < object->entry_count; j++) {
            sum += model_entry_hash(object->number, model_name(object->entries[j].name),
                                    object->entries[j].object);
        }
        for (uint32_t j = 0; j < MODEL_PAGES; j++) {
            if (object->pushed[j] != nullptr) {
                sum += model_page_hash(object->number, model_page_offset(j),
                                       page_hash(SOME(object->pushed[j])));
            }
        }
        for (uint32_t j = 0; j < MODEL_XATTRS; j++) {
            if (object->xattrs[j] != 0) {
                sum += model_xattr_hash(object->number, model_xattr_name(j), object->xattrs[j]);
            }
        }
    }
    return sum;
}

/* ---- names ---- */

static struct model_object *_Nullable directory_of(struct model *model, uint64_t number,
                                                   lattice_status_t *out_status) {
    struct model_object *_Nullable directory = model_find(model, number);
    *out_status = LATTICE_OK;
    if (directory == nullptr) {
        *out_status = LATTICE_NOT_FOUND;
    } else if (SOME(directory)->mode >> 12 != MODE_DIRECTORY) {
        *out_status = LATTICE_NOT_DIRECTORY;
    } else if (SOME(directory)->links == 0) {
        *out_status = LATTICE_NOT_FOUND;
    }
    return directory;
}

static void entry_add(struct model_object *directory, uint32_t name, uint64_t object) {
    CHECK(directory->entry_count < MODEL_ENTRIES);
    directory->entries[directory->entry_count] = (struct model_entry){name, object};
    directory->entry_count++;
}

static void entry_remove(struct model_object *directory, uint32_t name) {
    struct model_entry *entry = SOME(model_entry(directory, name));
    *entry = directory->entries[directory->entry_count - 1];
    directory->entry_count--;
}

static bool is_directory(const struct model_object *object) {
    return object->mode >> 12 == MODE_DIRECTORY;
}

lattice_status_t model_create(struct model *model, uint64_t directory, uint32_t name,
                              uint64_t number, uint32_t mode, uint32_t user, uint64_t target,
                              uint64_t target_size) {
    lattice_status_t status = LATTICE_OK;
    struct model_object *_Nullable parent = directory_of(model, directory, &status);
    TRY(status);
    if (model_entry(SOME(parent), name) != nullptr) {
        return LATTICE_EXISTS;
    }
    struct model_object *object = SOME(model_vacant(model));
    *object = (struct model_object){.live = true,
                                    .number = number,
                                    .mode = mode,
                                    .user = user,
                                    .links = 1,
                                    .target = target,
                                    .size = target_size,
                                    .pushed_size = target_size};
    if (is_directory(object)) {
        object->links = 2;
        object->parent = directory;
        SOME(parent)->links++;
    }
    entry_add(SOME(parent), name, number);
    return LATTICE_OK;
}

lattice_status_t model_link(struct model *model, uint64_t object, uint64_t directory,
                            uint32_t name) {
    lattice_status_t status = LATTICE_OK;
    struct model_object *_Nullable parent = directory_of(model, directory, &status);
    TRY(status);
    struct model_object *_Nullable target = model_find(model, object);
    if (target == nullptr) {
        return LATTICE_NOT_FOUND;
    }
    if (model_entry(SOME(parent), name) != nullptr) {
        return LATTICE_EXISTS;
    }
    if (is_directory(SOME(target))) {
        return LATTICE_IS_DIRECTORY;
    }
    if (SOME(target)->links == 0) {
        return LATTICE_NOT_FOUND;
    }
    SOME(target)->links++;
    entry_add(SOME(parent), name, object);
    return LATTICE_OK;
}

static lattice_status_t removable(const struct model_object *object, bool want_directory) {
    if (!is_directory(object)) {
        return want_directory ? LATTICE_NOT_DIRECTORY : LATTICE_OK;
    }
    if (!want_directory) {
        return LATTICE_IS_DIRECTORY;
    }
    return object->entry_count == 0 ? LATTICE_OK : LATTICE_NOT_EMPTY;
}

static void unname(struct model_object *object, uint64_t *out_orphan) {
    object->links = is_directory(object) ? 0 : object->links - 1;
    *out_orphan = object->links == 0 ? object->number : 0;
}

lattice_status_t model_remove(struct model *model, uint64_t directory, uint32_t name,
                              bool want_directory, uint64_t *out_orphan) {
    lattice_status_t status = LATTICE_OK;
    *out_orphan = 0;
    struct model_object *_Nullable parent = directory_of(model, directory, &status);
    TRY(status);
    struct model_entry *_Nullable entry = model_entry(SOME(parent), name);
    if (entry == nullptr) {
        return LATTICE_NOT_FOUND;
    }
    struct model_object *object = SOME(model_find(model, SOME(entry)->object));
    TRY(removable(object, want_directory));
    entry_remove(SOME(parent), name);
    SOME(parent)->links -= want_directory;
    unname(object, out_orphan);
    return LATTICE_OK;
}

static bool is_below(struct model *model, uint64_t directory, uint64_t object) {
    while (directory != object && directory != ROOT_OBJECT) {
        directory = SOME(model_find(model, directory))->parent;
    }
    return directory == object;
}

static lattice_status_t rename_allowed(struct model *model, uint64_t from_directory,
                                       const struct model_object *moved, uint64_t to_directory,
                                       const struct model_object *_Nullable other, uint32_t flags) {
    bool exchange = (flags & RENAME_EXCHANGE_FLAG) != 0;
    if (exchange && other == nullptr) {
        return LATTICE_NOT_FOUND;
    }
    if ((flags & RENAME_NO_REPLACE_FLAG) != 0 && other != nullptr) {
        return LATTICE_EXISTS;
    }
    if (is_directory(moved) && is_below(model, to_directory, moved->number)) {
        return LATTICE_INVALID;
    }
    if (exchange && is_directory(SOME(other)) &&
        is_below(model, from_directory, SOME(other)->number)) {
        return LATTICE_INVALID;
    }
    return other == nullptr || exchange ? LATTICE_OK : removable(SOME(other), is_directory(moved));
}

static void rename_apply(struct model_object *from_parent, uint32_t from,
                         struct model_object *moved, struct model_object *to_parent, uint32_t to,
                         struct model_object *_Nullable other, bool exchange,
                         uint64_t *out_orphan) {
    from_parent->links -= is_directory(moved);
    to_parent->links += is_directory(moved);
    if (exchange) {
        SOME(model_entry(from_parent, from))->object = SOME(other)->number;
        SOME(model_entry(to_parent, to))->object = moved->number;
        to_parent->links -= is_directory(SOME(other));
        from_parent->links += is_directory(SOME(other));
        if (is_directory(SOME(other))) {
            SOME(other)->parent = from_parent->number;
        }
    } else {
        entry_remove(from_parent, from);
        if (other != nullptr) {
            entry_remove(to_parent, to);
            to_parent->links -= is_directory(SOME(other));
            unname(SOME(other), out_orphan);
        }
        entry_add(to_parent, to, moved->number);
    }
    if (is_directory(moved)) {
        moved->parent = to_parent->number;
    }
}

lattice_status_t model_rename(struct model *model, uint64_t from_directory, uint32_t from,
                              uint64_t to_directory, uint32_t to, uint32_t flags,
                              uint64_t *out_orphan) {
    lattice_status_t status = LATTICE_OK;
    *out_orphan = 0;
    struct model_object *_Nullable from_parent = directory_of(model, from_directory, &status);
    TRY(status);
    struct model_object *_Nullable to_parent = directory_of(model, to_directory, &status);
    TRY(status);
    struct model_entry *_Nullable entry = model_entry(SOME(from_parent), from);
    if (entry == nullptr) {
        return LATTICE_NOT_FOUND;
    }
    struct model_object *moved = SOME(model_find(model, SOME(entry)->object));
    struct model_entry *_Nullable there = model_entry(SOME(to_parent), to);
    struct model_object *_Nullable other =
        there == nullptr ? nullptr : model_find(model, SOME(there)->object);
    if (other == moved && (flags & RENAME_NO_REPLACE_FLAG) == 0) {
        return LATTICE_OK;
    }
    TRY(rename_allowed(model, from_directory, moved, to_directory, other, flags));
    rename_apply(SOME(from_parent), from, moved, SOME(to_parent), to, other,
                 (flags & RENAME_EXCHANGE_FLAG) != 0, out_orphan);
    return LATTICE_OK;
}

/* ---- contents ---- */

uint64_t model_page_offset(uint32_t slot) {
    uint64_t page = slot < MODEL_PAGES_NEAR ? slot : MODEL_FAR_PAGE + (slot - MODEL_PAGES_NEAR);
    return page * 4096;
}

uint32_t model_page_slot(uint64_t offset) {
    uint64_t page = offset / 4096;
    if (page < MODEL_PAGES_NEAR) {
        return (uint32_t)page;
    }
    if (page >= MODEL_FAR_PAGE && page < MODEL_FAR_PAGE + MODEL_PAGES_FAR) {
        return (uint32_t)(page - MODEL_FAR_PAGE) + MODEL_PAGES_NEAR;
    }
    return MODEL_PAGES;
}

/* A page of its own to write to. */
static struct model_page *page_own(struct model_page *_Nullable *_Nonnull page) {
    struct model_page *_Nullable fresh = calloc(1, sizeof(struct model_page));
    if (*page != nullptr && fresh != nullptr) {
        *SOME(fresh) = *SOME(*page);
    }
    SOME(fresh)->references = 0;
    SOME(fresh)->hash = 0;
    page_share(page, fresh);
    return SOME(fresh);
}

void model_write(struct model_object *file, uint64_t offset, struct view from) {
    size_t done = 0;
    while (done < from.size) {
        uint64_t at = offset + done;
        struct model_page *page = page_own(&file->seen[model_page_slot(at)]);
        size_t start = at % 4096;
        size_t part = MIN(from.size - done, 4096 - start);
        bytes_copy(bytes_sub(BYTES_OF(page->data), start, part), view_sub(from, done, part));
        done += part;
    }
    file->size = MAX(file->size, offset + from.size);
}

void model_punch(struct model_object *file, uint64_t offset, uint64_t length) {
    uint64_t end = offset >= file->size ? offset : MIN(file->size, offset + length);
    for (uint32_t i = 0; i < MODEL_PAGES; i++) {
        uint64_t start = model_page_offset(i);
        uint64_t first = MAX(start, offset);
        uint64_t last = MIN(start + 4096, end);
        if (file->seen[i] != nullptr && first < last) {
            struct model_page *page = page_own(&file->seen[i]);
            bytes_zero(bytes_sub(BYTES_OF(page->data), first - start, last - first));
        }
    }
}

void model_resize(struct model_object *file, uint64_t size) {
    if (size < file->size) {
        model_punch(file, size, file->size - size);
    }
    file->size = size;
    for (uint32_t i = 0; i < MODEL_PAGES; i++) {
        page_share(&file->pushed[i], file->seen[i]);
    }
    file->pushed_size = size;
}

void model_push(struct model_object *file, uint64_t start, uint64_t length, uint64_t size) {
    for (uint32_t i = 0; i < MODEL_PAGES; i++) {
        uint64_t at = model_page_offset(i);
        if (at >= start && at < start + length) {
            page_share(&file->pushed[i], file->seen[i]);
        }
    }
    file->pushed_size = size;
}

#pragma clang assume_nonnull end
