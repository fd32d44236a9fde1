/* restore: what is readable of a damaged pool, into a folder. The readable items of the dataset are
 * visited twice: first the names, then the objects. An object whose name is lost gets its number
 * for a name, in a folder `lost`; what cannot be read of a file is zero, and reported. */
#include "command.h"
#include "fs/latticefs/core/file.h"
#include "fs/latticefs/core/rescue.h"
#include "fs/latticefs/core/snapshot.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

enum { BUCKETS = 65536, DEPTH = 64, RESTORE_PATH = 8192 };

/* A name that was read. Of several names of an object the last counts. */
struct found_name {
    struct found_name *_Nullable next;
    uint64_t object;
    uint64_t folder;
    char name[NAME_MAX_BYTES + 1];
};

struct path {
    char text[RESTORE_PATH];
};

struct restore {
    struct call *call;
    struct dataset *dataset;
    int folder;
    uint64_t objects;
    uint64_t failures;
    uint64_t lost_ranges;
    struct path path;
    struct work_buffer content;
    struct found_name *_Nullable names[BUCKETS];
};

static struct found_name *_Nullable name_of(const struct restore *restore, uint64_t object) {
    struct found_name *_Nullable at = restore->names[object % BUCKETS];
    while (at != nullptr && SOME(at)->object != object) {
        at = SOME(at)->next;
    }
    return at;
}

static lattice_status_t take_name(void *context, struct key key, struct view value) {
    struct restore *restore = context;
    uint64_t object = 0;
    enum { NAME_AT = sizeof object + 2 };
    if (key_type(key) != KEY_DIRENT || value.size <= NAME_AT ||
        value.size > NAME_AT + NAME_MAX_BYTES) {
        return LATTICE_OK;
    }
    struct found_name *_Nullable found = calloc(1, sizeof(struct found_name));
    if (found == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    bytes_copy(BYTES_OF(object), view_sub(value, 0, sizeof object));
    bytes_copy(BYTES_OF(SOME(found)->name), view_sub(value, NAME_AT, value.size - NAME_AT));
    SOME(found)->object = object;
    SOME(found)->folder = key.object;
    SOME(found)->next = restore->names[object % BUCKETS];
    restore->names[object % BUCKETS] = found;
    return LATTICE_OK;
}

static void take_lost(void *context, struct key low, struct key high, bool bounded) {
    struct restore *restore = context;
    restore->lost_ranges++;
    fprintf(stderr, "unreadable: what belongs to objects %" PRIu64 " to ", low.object);
    if (bounded) {
        fprintf(stderr, "%" PRIu64 "\n", high.object);
    } else {
        fprintf(stderr, "the last\n");
    }
}

/* The object's path below the folder, and the folders on it made. */
static void path_make(struct restore *restore, uint64_t object) {
    struct {
        const struct found_name *_Nullable names[DEPTH];
    } chain = {};
    uint32_t depth = 0;
    uint64_t at = object;
    while (at != ROOT_OBJECT && depth < DEPTH) {
        const struct found_name *_Nullable found = name_of(restore, at);
        if (found == nullptr) {
            break;
        }
        chain.names[depth] = found;
        depth++;
        at = SOME(found)->folder;
    }
    size_t used = 0;
    struct path *path = &restore->path;
    *path = (struct path){};
    if (at != ROOT_OBJECT) {
        (void)mkdirat(restore->folder, "lost", 0700);
        used = (size_t)snprintf(path->text, sizeof path->text, "lost/%" PRIu64, at);
    }
    while (depth > 0) {
        if (used > 0) {
            (void)mkdirat(restore->folder, path->text, 0700);
            path->text[used] = '/';
            used++;
        }
        depth--;
        struct view name = view_text(SOME(chain.names[depth])->name);
        bytes_copy(bytes_sub(BYTES_OF(path->text), used, name.size), name);
        used += name.size;
    }
}

static void complain(struct restore *restore, const char *what) {
    fprintf(stderr, "%s: %s\n", restore->path.text, what);
    restore->failures++;
}

static void restore_content(struct restore *restore, uint64_t object, const struct inode *inode) {
    struct lattice *fs = call_fs(restore->call);
    int file = openat(restore->folder, restore->path.text, O_WRONLY | O_CREAT | O_EXCL, 0600);
    uint64_t lost = 0;
    if (file < 0) {
        complain(restore, strerror(errno));
        return;
    }
    struct bytes granule = bytes_sub(BYTES_OF(restore->content), 0, granule_size(inode));
    for (uint64_t at = 0; at < inode->size; at += granule.size) {
        size_t size = (size_t)MIN((uint64_t)granule.size, inode->size - at);
        if (granule_read(fs, restore->dataset, object, inode, at >> inode->record_shift, granule) !=
            LATTICE_OK) {
            lost += size;
        } else if (!view_is_zero(view_sub(bytes_view(granule), 0, size)) &&
                   pwrite(file, granule.data, size, (off_t)at) != (ssize_t)size) {
            complain(restore, strerror(errno));
            break;
        }
    }
    if (ftruncate(file, (off_t)inode->size) != 0) {
        complain(restore, strerror(errno));
    }
    close(file);
    if (lost != 0) {
        char what[80];
        snprintf(what, sizeof what, "%" PRIu64 " of %" PRIu64 " bytes are lost, zeros instead",
                 lost, inode->size);
        complain(restore, what);
    }
}

static void restore_link(struct restore *restore, uint64_t object) {
    struct view target = {};
    struct path text = {};
    if (symlink_read(call_fs(restore->call), restore->dataset, object, &target) != LATTICE_OK) {
        complain(restore, "the link's target is lost");
        return;
    }
    bytes_copy(BYTES_OF(text.text), target);
    if (symlinkat(text.text, restore->folder, restore->path.text) != 0) {
        complain(restore, strerror(errno));
    }
}

static lattice_status_t take_object(void *context, struct key key, struct view value) {
    struct restore *restore = context;
    struct inode inode = {};
    if (key_type(key) != KEY_INODE || value.size != sizeof inode || key.object == ROOT_OBJECT) {
        return LATTICE_OK;
    }
    bytes_copy(BYTES_OF(inode), value);
    if (inode_validate(&inode) != LATTICE_OK) {
        return LATTICE_OK;
    }
    path_make(restore, key.object);
    restore->objects++;
    progress_show(restore->call, "objects", restore->objects, 0);
    uint32_t type = inode_type(&inode);
    if (type == MODE_FILE) {
        restore_content(restore, key.object, &inode);
    } else if (type == MODE_SYMLINK) {
        restore_link(restore, key.object);
    } else if (type == MODE_DIRECTORY) {
        (void)mkdirat(restore->folder, restore->path.text, 0700);
    } else if (mknodat(restore->folder, restore->path.text, inode.mode, inode.device) != 0) {
        complain(restore, strerror(errno));
    }
    if (type != MODE_SYMLINK) {
        (void)fchmodat(restore->folder, restore->path.text, inode.mode & 07777, 0);
    }
    (void)fchownat(restore->folder, restore->path.text, inode.user, inode.group,
                   AT_SYMLINK_NOFOLLOW);
    return LATTICE_OK;
}

static void names_release(struct restore *restore) {
    for (uint32_t i = 0; i < BUCKETS; i++) {
        while (restore->names[i] != nullptr) {
            struct found_name *found = SOME(restore->names[i]);
            restore->names[i] = found->next;
            free(found);
        }
    }
}

int do_restore(struct call *call) {
    struct restore *restore = SOME((struct restore *)calloc(1, sizeof(struct restore)));
    struct dataset *_Nullable dataset = nullptr;
    lattice_status_t status = call_open(call, call_word(call, 0), &dataset);
    restore->call = call;
    restore->folder = open(call_word(call, 1), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (status == LATTICE_OK && restore->folder < 0) {
        fprintf(stderr, "%s: %s\n", call_word(call, 1), strerror(errno));
        free(restore);
        return FAILED;
    }
    if (status == LATTICE_OK) {
        struct rescue_visitor names = {restore, take_name, take_lost};
        restore->dataset = SOME(dataset);
        status = rescue_visit(call_fs(call), SOME(dataset), KEY_MIN, &names);
    }
    if (status == LATTICE_OK) {
        restore->lost_ranges = 0;
        struct rescue_visitor objects = {restore, take_object, take_lost};
        status = rescue_visit(call_fs(call), SOME(dataset), KEY_MIN, &objects);
    }
    progress_end(call);
    printf("%" PRIu64 " objects restored, %" PRIu64 " with something lost, %" PRIu64
           " unreadable parts of the tree\n",
           restore->objects, restore->failures, restore->lost_ranges);
    bool damaged = restore->failures != 0 || restore->lost_ranges != 0;
    names_release(restore);
    close(restore->folder);
    free(restore);
    return status != LATTICE_OK ? call_report(call_word(call, 0), status)
           : damaged            ? DAMAGED
                                : DONE;
}

#pragma clang assume_nonnull end
