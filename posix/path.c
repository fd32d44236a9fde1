/* See path.h. */
#include "posix/path.h"
#include "lib/base/bytes.h"
#include "posix/descriptors.h"
#include "posix/errors.h"
#include "posix/native.h"
#include "posix/user.h"

enum { LINK_LIMIT = 40 };

struct rt_buffer path_room(struct posix_thread *_Nonnull self) {
    return (struct rt_buffer){.size = sizeof self->walk, .data = (uint8_t *)&self->walk[0]};
}

/* The path without its leading strokes. */
static struct rt_bytes without_strokes(struct rt_bytes path) {
    size_t skip = 0;
    while (skip < path.size && path.data[skip] == '/') {
        skip++;
    }
    if (skip == path.size) {
        return (struct rt_bytes){};
    }
    return (struct rt_bytes){.size = path.size - skip, .data = &path.data[skip]};
}

void path_begin_text(struct posix_thread *_Nonnull self, struct rt_bytes text,
                     struct place *_Nonnull out) {
    bool absolute = text.size > 0 && text.data[0] == '/';
    *out = (struct place){
        .directory = absolute ? self->process->root : self->process->working,
        .rest = absolute ? without_strokes(text) : text,
    };
}

int64_t path_begin(struct posix_thread *_Nonnull self, int32_t directory_fd, uint64_t address,
                   char *_Nonnull text, bool empty_allowed, struct place *_Nonnull out) {
    int64_t length = user_text(text, PATH_MAX, address);
    if (length < 0) {
        return length;
    }
    if (length == 0 && !empty_allowed) {
        return -ENOENT;
    }
    struct rt_bytes bytes = {.size = (size_t)length, .data = (const uint8_t *)text};
    path_begin_text(self, bytes, out);
    if (directory_fd == AT_FDCWD || (bytes.size > 0 && bytes.data[0] == '/')) {
        return 0;
    }
    struct fd_entry entry = {};
    int64_t error = fd_get(self, (uint32_t)directory_fd, &entry);
    if (error != 0) {
        return error;
    }
    if (length > 0 && entry.kind != STREAM_KIND_DIRECTORY) {
        return -ENOTDIR;
    }
    out->directory = entry.handle;
    return 0;
}

void path_end(struct place *_Nonnull place) {
    if (place->owned) {
        handle_close(place->directory);
        place->owned = false;
    }
}

static void move_to(struct place *_Nonnull place, handle_t directory, bool owned) {
    path_end(place);
    place->directory = directory;
    place->owned = owned;
}

/* Over a mount point, up from a mounted root, or to an object. What is left of the path comes
 * again, as it is now. */
static status_t cross(struct posix_thread *_Nonnull self, struct place *_Nonnull place,
                      enum filesystem_outcome outcome, uint32_t walk_flags,
                      uint64_t *_Nonnull text_size) {
    handle_t there = HANDLE_NONE;
    handle_t gate = HANDLE_NONE;
    handle_t root = HANDLE_NONE;
    struct filesystem_walk ended = {};
    struct stream_stat info = {};
    status_t status = filesystem_cross(place->directory, walk_flags, place->links, place->rest,
                                       &there, &gate, &ended, path_room(self), text_size);
    if (status != STATUS_OK) {
        return status;
    }
    if (outcome != FILESYSTEM_OUTCOME_MOUNT) {
        handle_close(gate);
        move_to(place, there, true);
        return STATUS_OK;
    }
    status = gate == HANDLE_NONE ? STATUS_NOT_FOUND : filesystem_enter(gate, there, &root, &info);
    handle_close(gate);
    if (status != STATUS_OK) {
        return status;
    }
    move_to(place, root, true);
    return STATUS_OK;
}

bool path_step(struct posix_thread *_Nonnull self, struct place *_Nonnull place,
               const struct filesystem_walk *_Nonnull ended, uint64_t text_size,
               uint32_t walk_flags, int64_t *_Nonnull error) {
    *error = 0;
    if (ended->outcome == FILESYSTEM_OUTCOME_DONE) {
        return true;
    }
    status_t status = STATUS_OK;
    if (ended->links > LINK_LIMIT || place->links > LINK_LIMIT) {
        *error = -ELOOP;
        return true;
    }
    if (ended->outcome == FILESYSTEM_OUTCOME_ROOT) {
        move_to(place, self->process->root, false);
    } else {
        status = cross(self, place, ended->outcome, walk_flags, &text_size);
    }
    if (status != STATUS_OK) {
        *error = error_of_filesystem(status);
        return true;
    }
    /* each crossing counts as a link, so that a ring of mounts ends */
    place->links = MAX(ended->links, place->links) + (ended->outcome == FILESYSTEM_OUTCOME_ROOT);
    size_t length = MIN((size_t)text_size, sizeof self->walk);
    /* the next answer's text goes to `walk`, so what is left moves to scratch */
    bytes_copy(self->scratch, self->walk, length);
    place->rest = without_strokes((struct rt_bytes){.size = length, .data = self->scratch});
    return false;
}
