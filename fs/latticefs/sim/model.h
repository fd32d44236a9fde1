#pragma once
/* What the file system should be: objects, names and contents in memory. Of each file it keeps the
 * content that a user sees and the one that was pushed to the tree, because only the latter may be
 * there after a crash. */
#include "dice.h"
#include "fs/latticefs/core/inode.h"

#pragma clang assume_nonnull begin

enum {
    MODEL_OBJECTS = 40,
    MODEL_ENTRIES = 24,
    MODEL_NAMES = 39,
    MODEL_PAGES_NEAR = 24,
    MODEL_PAGES_FAR = 4,
    MODEL_PAGES = MODEL_PAGES_NEAR + MODEL_PAGES_FAR,
    MODEL_XATTRS = 4,
};
#define MODEL_FAR_PAGE (UINT64_C(1) << 28)

struct model_page {
    uint32_t references;
    uint64_t hash;
    uint8_t data[4096];
};

struct model_entry {
    uint32_t name; /* number of a name */
    uint64_t object;
};

struct model_object {
    bool live;
    bool open; /* somebody holds it, so that unlinking does not delete it */
    uint64_t number;
    uint8_t record_shift;
    uint32_t mode;
    uint32_t user;
    uint32_t group;
    uint32_t links;
    uint64_t device;
    uint64_t parent;
    uint64_t target; /* hash of a symbolic link's target */
    uint64_t size;
    uint64_t pushed_size;
    struct model_page *_Nullable seen[MODEL_PAGES];
    struct model_page *_Nullable pushed[MODEL_PAGES];
    uint64_t xattrs[MODEL_XATTRS]; /* hash of the value of attribute i, 0 = none */
    uint32_t entry_count;
    struct model_entry entries[MODEL_ENTRIES];
};

struct model {
    struct model_object objects[MODEL_OBJECTS];
};

void model_release(struct model *model);
/* `to` must be empty. Objects without a name are left out. */
void model_copy(struct model *to, const struct model *from);
struct model_object *_Nullable model_find(struct model *model, uint64_t number);
struct model_object *_Nullable model_vacant(struct model *model);
struct model_entry *_Nullable model_entry(struct model_object *directory, uint32_t name);
struct view model_name(uint32_t name);
/* Number of the name, or MODEL_NAMES. */
uint32_t model_name_number(struct view name);

/* Hash of what the trees should hold: pushed contents, no orphans. */
uint64_t model_hash(const struct model *model);
uint64_t model_object_hash(uint64_t number, const struct inode *inode, uint64_t target);
uint64_t model_entry_hash(uint64_t directory, struct view name, uint64_t object);
uint64_t model_page_hash(uint64_t object, uint64_t page, uint64_t content);
uint64_t model_xattr_hash(uint64_t object, struct view name, uint64_t content);
struct view model_xattr_name(uint32_t index);

/* Byte number of a page slot; slot of a byte offset, or MODEL_PAGES. */
uint64_t model_page_offset(uint32_t slot);
uint32_t model_page_slot(uint64_t offset);

/* The operations; the same outcomes as the core's. */
lattice_status_t model_create(struct model *model, uint64_t directory, uint32_t name,
                              uint64_t number, uint32_t mode, uint32_t user, uint64_t target,
                              uint64_t target_size);
lattice_status_t model_link(struct model *model, uint64_t object, uint64_t directory,
                            uint32_t name);
lattice_status_t model_remove(struct model *model, uint64_t directory, uint32_t name,
                              bool want_directory, uint64_t *out_orphan);
lattice_status_t model_rename(struct model *model, uint64_t from_directory, uint32_t from,
                              uint64_t to_directory, uint32_t to, uint32_t flags,
                              uint64_t *out_orphan);
void model_write(struct model_object *file, uint64_t offset, struct view from);
void model_resize(struct model_object *file, uint64_t size);
void model_punch(struct model_object *file, uint64_t offset, uint64_t length);
/* A granule of the seen content went to the tree. */
void model_push(struct model_object *file, uint64_t start, uint64_t length, uint64_t size);
void model_delete(struct model_object *object);

#pragma clang assume_nonnull end
