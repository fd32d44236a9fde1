#pragma once
/* Objects and their names. Each call is one operation: it happens as a whole or not at all, and is
 * told to the log. Names are runs of bytes; permissions are the front end's business. */
#include "dataset.h"

#pragma clang assume_nonnull begin

enum { ROOT_OBJECT = 1 };
enum mode_type : uint32_t {
    MODE_FIFO = 1,
    MODE_CHARACTER = 2,
    MODE_DIRECTORY = 4,
    MODE_BLOCK = 6,
    MODE_FILE = 8,
    MODE_SYMLINK = 10,
    MODE_SOCKET = 12
};

static inline uint32_t inode_type(const struct inode *inode) {
    return inode->mode >> 12;
}

struct dirent_entry {
    uint64_t cookie;
    uint64_t object;
    uint8_t type;
    struct view name; /* valid until the next call */
};

struct create_attributes {
    uint32_t mode; /* with type */
    uint32_t user;
    uint32_t group;
    uint64_t device;
};

enum rename_flags { RENAME_NO_REPLACE_FLAG = 1, RENAME_EXCHANGE_FLAG = 2 };

/* Makes a dataset's tree with its root directory, fills in the record and puts it. Not an
 * operation: followed by a commit. */
lattice_status_t dataset_make(struct lattice *fs, uint64_t id, struct dataset_record *record,
                              uint32_t user, uint32_t group);
/* Deletes the orphans of all heads that can be written, and goes on with what a crash interrupted;
 * with a key, of those that it has just unlocked. */
lattice_status_t datasets_recover(struct lattice *fs, const struct key_entry *_Nullable only);

/* Errors: LATTICE_NOT_FOUND. */
lattice_status_t inode_get(struct lattice *fs, struct dataset *dataset, uint64_t object,
                           struct inode *out);
/* Inside an operation. */
lattice_status_t inode_put(struct lattice *fs, struct dataset *dataset, uint64_t object,
                           const struct inode *inode);
/* One operation: replaces attributes (mode without type, owner, times; not size, links). */
lattice_status_t inode_update(struct lattice *fs, struct dataset *dataset, uint64_t object,
                              const struct inode *inode);

/* Errors: LATTICE_NOT_FOUND, LATTICE_NOT_DIRECTORY, LATTICE_NAME_TOO_LONG, LATTICE_INVALID (name).
 */
lattice_status_t name_lookup(struct lattice *fs, struct dataset *dataset, uint64_t directory,
                             struct view name, uint64_t *out_object);
/* The entry after `cookie` (0 = first). Errors: LATTICE_NOT_FOUND at the end. */
lattice_status_t name_next(struct lattice *fs, struct dataset *dataset, uint64_t directory,
                           uint64_t cookie, struct dirent_entry *out);
/* Makes a file, directory, device, fifo or socket; with a target, a symbolic link. Errors:
 * LATTICE_EXISTS. */
lattice_status_t name_create(struct lattice *fs, struct dataset *dataset, uint64_t directory,
                             struct view name, const struct create_attributes *attributes,
                             struct view target, uint64_t *out_object);
lattice_status_t name_link(struct lattice *fs, struct dataset *dataset, uint64_t object,
                           uint64_t directory, struct view name);
/* Removes a name. If it was the last, the object becomes an orphan (*out_object, else 0):
 * object_delete frees it when nobody has it open. Errors: LATTICE_IS_DIRECTORY,
 * LATTICE_NOT_DIRECTORY, LATTICE_NOT_EMPTY. */
lattice_status_t name_remove(struct lattice *fs, struct dataset *dataset, uint64_t directory,
                             struct view name, bool want_directory, uint64_t *out_object);
/* Renames within a dataset. *out_object: an orphan that was replaced, or 0. Errors: LATTICE_INVALID
 * (into itself). */
lattice_status_t name_rename(struct lattice *fs, struct dataset *dataset, uint64_t from_directory,
                             struct view from, uint64_t to_directory, struct view to,
                             uint32_t flags, uint64_t *out_object);
lattice_status_t symlink_read(struct lattice *fs, struct dataset *dataset, uint64_t object,
                              struct view *out_target);
/* Deletes an orphan with all that it has, in steps of bounded size. Errors: LATTICE_INVALID if it
 * has a name. */
lattice_status_t object_delete(struct lattice *fs, struct dataset *dataset, uint64_t object);

/* Cookie of a name by its hash, collision 0. */
uint64_t name_cookie(const struct lattice *fs, const struct dataset *dataset, struct view name);

#pragma clang assume_nonnull end
