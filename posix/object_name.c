/* See object_name.h. */
#include "posix/object_name.h"
#include "idl/filesystem.h"
#include "lib/base/bytes.h"
#include "lib/base/format.h"
#include "posix/errors.h"
#include "posix/native.h"
#include "posix/syscalls.h"
#include "posix/user.h"

/* Puts `size` bytes of walk before what is at the end of path, with a stroke before them. */
static bool prepend(struct posix_thread *_Nonnull self, size_t *_Nonnull at, size_t size) {
    size_t skip = size > 0 && self->walk[0] == '/' ? 1 : 0;
    size_t length = size - skip;
    if (length == 0) {
        return true;
    }
    if (*at < length + 1) {
        return false;
    }
    *at -= length;
    bytes_copy(&self->path[*at], &self->walk[skip], length);
    *at -= 1;
    self->path[*at] = '/';
    return true;
}

/* The way up from where `size` bytes of walk lead: as many steps, and one out of the mount. */
static bool way_up(struct posix_thread *_Nonnull self, size_t size, struct place *_Nonnull place) {
    static const char step[] = {'.', '.', '/'};
    size_t length = 0;
    for (size_t i = 0; i < size; i++) {
        bool begins = self->walk[i] != '/' && (i == 0 || self->walk[i - 1] == '/');
        if (!begins && i != 0) {
            continue;
        }
        if (length + 2 * sizeof step > sizeof self->scratch) {
            return false;
        }
        if (begins) {
            bytes_copy(&self->scratch[length], step, sizeof step);
            length += sizeof step;
        }
    }
    bytes_copy(&self->scratch[length], step, sizeof step);
    place->rest = (struct rt_bytes){.size = length + sizeof step, .data = self->scratch};
    return true;
}

/* From the object up: its path below its mount, then from where that is mounted. */
int64_t object_path(struct posix_thread *_Nonnull self, struct place *_Nonnull place,
                    size_t *_Nonnull at) {
    int64_t error = 0;
    *at = PATH_MAX - 1;
    self->path[*at] = '\0';
    for (;;) {
        struct filesystem_walk ended = {};
        uint64_t size = 0;
        status_t status = filesystem_path_of(place->directory, &ended, path_room(self), &size);
        size = MIN(size, (uint64_t)sizeof self->walk);
        error = error_of_filesystem(status);
        if (status != STATUS_OK) {
            break;
        }
        if (!prepend(self, at, (size_t)size) ||
            (ended.outcome != FILESYSTEM_OUTCOME_DONE && !way_up(self, (size_t)size, place))) {
            error = -ENAMETOOLONG;
            break;
        }
        if (ended.outcome == FILESYSTEM_OUTCOME_DONE ||
            path_step(self, place, &ended, 0, 0, &error)) {
            break;
        }
    }
    path_end(place);
    if (error == 0 && *at == PATH_MAX - 1) {
        *at -= 1;
        self->path[*at] = '/';
    }
    return error;
}

LINUX(getcwd) {
    struct place place = {.directory = self->process->working};
    size_t at = 0;
    int64_t error = object_path(self, &place, &at);
    if (error != 0) {
        return error;
    }
    size_t length = PATH_MAX - at;
    if (length > frame->rsi) {
        return -ERANGE;
    }
    error = user_write(frame->rdi, &self->path[at], length);
    return error != 0 ? error : (int64_t)length;
}

static int64_t give(uint64_t to, const char *_Nonnull text, size_t length, uint64_t room) {
    size_t most = (size_t)MIN((uint64_t)length, (uint64_t)(uint32_t)room);
    int64_t error = user_write(to, text, most);
    return error != 0 ? error : (int64_t)most;
}

/* The name of what has no path, as Linux makes it up. */
static size_t made_up_name(const struct stream_stat *_Nonnull info, char *_Nonnull text,
                           size_t size) {
    uint32_t node = (uint32_t)info->node;
    switch (info->mode & S_IFMT) {
    case S_IFIFO:
        return format_text(text, size, "pipe:[%lu]", info->inode);
    case S_IFSOCK:
        return format_text(text, size, "socket:[%lu]", info->inode);
    case S_IFCHR:
        return node >> 8 == 136 ? format_text(text, size, "/dev/pts/%u", node & 0xff)
                                : format_text(text, size, "/dev/console");
    default:
        return format_text(text, size, "anon_inode:[%lu]", info->inode);
    }
}

int64_t object_link(struct posix_thread *_Nonnull self, struct place *_Nonnull place, uint64_t to,
                    uint64_t room) {
    enum stream_kind kind = STREAM_KIND_ANONYMOUS;
    uint32_t speaks = 0;
    uint32_t facts = 0;
    struct stream_stat info = {};
    size_t at = 0;
    status_t status = stream_facts(place->directory, &kind, &speaks, &facts);
    if (status == STATUS_OK && (speaks & STREAM_PROTOCOLS_FILESYSTEM) == 0) {
        status = stream_stat(place->directory, &info);
        path_end(place);
        size_t length = made_up_name(&info, &self->path[0], sizeof self->path);
        return status != STATUS_OK ? error_of_stream(status)
                                   : give(to, &self->path[0], length, room);
    }
    int64_t error = object_path(self, place, &at);
    return error != 0 ? error : give(to, &self->path[at], PATH_MAX - 1 - at, room);
}
