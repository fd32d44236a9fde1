/* Names and attributes: mkdir, unlink, rename, link, symlink, readlink, chmod, chown, utimensat,
 * truncate, chdir, getcwd, chroot and their like. Each is one call to one file system where no
 * mount lies in between. */
#include "lib/base/bytes.h"
#include "posix/descriptors.h"
#include "posix/errors.h"
#include "posix/file_io.h"
#include "posix/identity.h"
#include "posix/native.h"
#include "posix/object_name.h"
#include "posix/path.h"
#include "posix/syscalls.h"
#include "posix/user.h"

enum {
    NS_PER_SECOND = 1000000000,
    UTIME_NOW = 0x3fffffff,
    UTIME_OMIT = 0x3ffffffe,
};

/* Goes on with `call` (a status by place, ended, text) until the walk is done. */
#define WALK(self, place, walk_flags, error, call)                                                 \
    while ((error) == 0) {                                                                         \
        struct filesystem_walk ended = {};                                                         \
        uint64_t text = 0;                                                                         \
        status_t walk_status = (call);                                                             \
        (error) = error_of_filesystem(walk_status);                                                \
        if (walk_status != STATUS_OK ||                                                            \
            path_step((self), &(place), &ended, text, (walk_flags), &(error))) {                   \
            break;                                                                                 \
        }                                                                                          \
    }                                                                                              \
    path_end(&(place))

static int64_t make_directory(struct posix_thread *_Nonnull self, uint64_t fd, uint64_t path,
                              uint64_t mode) {
    struct place place = {};
    uint32_t permissions = (uint32_t)mode & 01777 & ~self->process->umask;
    int64_t error = path_begin(self, (int32_t)fd, path, self->path, false, &place);
    WALK(self, place, 0, error,
         filesystem_make_directory(place.directory, place.links, permissions, place.rest, &ended,
                                   path_room(self), &text));
    return error;
}

LINUX(mkdir) {
    return make_directory(self, (uint32_t)AT_FDCWD, frame->rdi, frame->rsi);
}

LINUX(mkdirat) {
    return make_directory(self, frame->rdi, frame->rsi, frame->rdx);
}

static int64_t make_node(struct posix_thread *_Nonnull self, uint64_t fd, uint64_t path,
                         uint64_t mode, uint64_t number) {
    struct place place = {};
    uint32_t kind = (uint32_t)mode & S_IFMT;
    uint32_t full = (kind == 0 ? S_IFREG : kind) | ((uint32_t)mode & 07777 & ~self->process->umask);
    if (kind == S_IFDIR) {
        return -EPERM;
    }
    if (kind != 0 && kind != S_IFREG && kind != S_IFIFO && kind != S_IFCHR && kind != S_IFBLK &&
        kind != S_IFSOCK) {
        return -EINVAL;
    }
    int64_t error = path_begin(self, (int32_t)fd, path, self->path, false, &place);
    WALK(self, place, 0, error,
         filesystem_make_node(place.directory, place.links, full, (uint32_t)number, HANDLE_NONE,
                              place.rest, &ended, path_room(self), &text));
    return error;
}

LINUX(mknod) {
    return make_node(self, (uint32_t)AT_FDCWD, frame->rdi, frame->rsi, frame->rdx);
}

LINUX(mknodat) {
    return make_node(self, frame->rdi, frame->rsi, frame->rdx, frame->r10);
}

static int64_t remove_name(struct posix_thread *_Nonnull self, uint64_t fd, uint64_t path,
                           bool directory) {
    struct place place = {};
    int64_t error = path_begin(self, (int32_t)fd, path, self->path, false, &place);
    WALK(self, place, FILESYSTEM_WALK_FLAGS_NO_FOLLOW, error,
         filesystem_remove(place.directory, place.links, directory, place.rest, &ended,
                           path_room(self), &text));
    return error;
}

LINUX(unlink) {
    return remove_name(self, (uint32_t)AT_FDCWD, frame->rdi, false);
}

LINUX(rmdir) {
    return remove_name(self, (uint32_t)AT_FDCWD, frame->rdi, true);
}

LINUX(unlinkat) {
    if ((frame->rdx & ~(uint64_t)AT_REMOVEDIR & UINT32_MAX) != 0) {
        return -EINVAL;
    }
    return remove_name(self, frame->rdi, frame->rsi, (frame->rdx & AT_REMOVEDIR) != 0);
}

/* ---- two paths ---- */

/* The two texts of a call, one behind the other, in path and what follows it: the protocol wants
 * them as one. */
struct two_paths {
    struct place from, to;
    uint64_t size;
};

static_assert(offsetof(struct posix_thread, path2) ==
              offsetof(struct posix_thread, path) + PATH_MAX);

static int64_t begin_two(struct posix_thread *_Nonnull self, uint64_t from_fd, uint64_t from,
                         uint64_t to_fd, uint64_t to, bool empty_allowed,
                         struct two_paths *_Nonnull out) {
    int64_t error = path_begin(self, (int32_t)from_fd, from, self->path, empty_allowed, &out->from);
    return error != 0 ? error : path_begin(self, (int32_t)to_fd, to, self->path2, false, &out->to);
}

static_assert(offsetof(struct posix_thread, scratch) ==
              offsetof(struct posix_thread, walk) + PATH_MAX);

/* Both rests as one range, in walk and what follows it: two texts of 4,095 bytes have room. The
 * rests themselves lie in path and path2 (step_two); the call's answer comes to walk when the
 * server has read them. */
static int64_t join(struct posix_thread *_Nonnull self, const struct two_paths *_Nonnull paths,
                    struct rt_bytes *_Nonnull out) {
    size_t first = paths->from.rest.size;
    size_t second = paths->to.rest.size;
    if (first > PATH_MAX || second > PATH_MAX) {
        return -ENAMETOOLONG;
    }
    size_t here = MIN(second, PATH_MAX - first);
    if (first > 0) {
        bytes_copy(self->walk, SOME(paths->from.rest.data), first);
    }
    if (here > 0) {
        bytes_copy(&self->walk[first], SOME(paths->to.rest.data), here);
    }
    if (second > here) {
        bytes_copy(self->scratch, &SOME(paths->to.rest.data)[here], second - here);
    }
    *out = (struct rt_bytes){.size = first + second, .data = (const uint8_t *)&self->walk[0]};
    return 0;
}

enum two_kind { TWO_RENAME, TWO_LINK };

static status_t call_two(struct posix_thread *_Nonnull self, enum two_kind kind, uint32_t flags,
                         const struct two_paths *_Nonnull paths, struct rt_bytes texts,
                         bool *_Nonnull second, struct filesystem_walk *_Nonnull ended,
                         uint64_t *_Nonnull text) {
    uint32_t first = (uint32_t)paths->from.rest.size;
    if (kind == TWO_RENAME) {
        return filesystem_rename(paths->from.directory, flags, paths->from.links, first,
                                 paths->to.directory, texts, second, ended, path_room(self), text);
    }
    return filesystem_link(paths->from.directory, flags, paths->from.links, first,
                           paths->to.directory, texts, second, ended, path_room(self), text);
}

/* One of the two walks stopped: goes on with that one. What is left is put into its own text, so
 * that scratch is free for the other. */
static bool step_two(struct posix_thread *_Nonnull self, struct two_paths *_Nonnull paths,
                     bool second, const struct filesystem_walk *_Nonnull ended, uint64_t text,
                     int64_t *_Nonnull error) {
    struct place *place = second ? &paths->to : &paths->from;
    if (path_step(self, place, ended, text, FILESYSTEM_WALK_FLAGS_NO_FOLLOW, error)) {
        return true;
    }
    size_t size = place->rest.size;
    if (size > 0) {
        char (*own)[PATH_MAX] = second ? &self->path2 : &self->path;
        bytes_copy(*own, SOME(place->rest.data), size);
        place->rest = (struct rt_bytes){.size = size, .data = (const uint8_t *)&(*own)[0]};
    }
    return false;
}

/* Crosses whatever mounts are on the way to the last name, whether or not that exists. */
static int64_t advance(struct posix_thread *_Nonnull self, struct place *_Nonnull to) {
    int64_t error = 0;
    for (;;) {
        struct filesystem_walk ended = {};
        struct stream_stat info = {};
        struct two_paths both = {};
        uint64_t text = 0;
        status_t status = filesystem_stat(to->directory, FILESYSTEM_WALK_FLAGS_NO_FOLLOW, to->links,
                                          to->rest, &ended, &info, path_room(self), &text);
        if (status != STATUS_OK || ended.outcome == FILESYSTEM_OUTCOME_DONE) {
            return 0; /* what it is, the call itself says */
        }
        both.to = *to;
        bool over = step_two(self, &both, true, &ended, text, &error);
        *to = both.to;
        if (over) {
            return error;
        }
    }
}

static int64_t two(struct posix_thread *_Nonnull self, enum two_kind kind, uint32_t flags,
                   struct two_paths *_Nonnull paths) {
    int64_t error = 0;
    bool advanced = false;
    while (error == 0) {
        struct filesystem_walk ended = {};
        struct rt_bytes texts = {};
        uint64_t text = 0;
        bool second = false;
        error = join(self, paths, &texts);
        if (error != 0) {
            break;
        }
        status_t status = call_two(self, kind, flags, paths, texts, &second, &ended, &text);
        if ((status == STATUS_BAD_ARGUMENT || status == STATUS_BAD_TYPE) &&
            !session_same_server(paths->from.directory, paths->to.directory)) {
            /* A session of another server's: it may lead to the same one further on. */
            error = advanced ? -EXDEV : advance(self, &paths->to);
            advanced = true;
            continue;
        }
        error = error_of_filesystem(status);
        if (status != STATUS_OK || step_two(self, paths, second, &ended, text, &error)) {
            break;
        }
    }
    path_end(&paths->from);
    path_end(&paths->to);
    return error;
}

static int64_t rename_at(struct posix_thread *_Nonnull self, uint64_t from_fd, uint64_t from,
                         uint64_t to_fd, uint64_t to, uint64_t flags) {
    struct two_paths paths = {};
    if ((flags & ~3ull & UINT32_MAX) != 0 || (flags & 3) == 3) {
        return -EINVAL;
    }
    int64_t error = begin_two(self, from_fd, from, to_fd, to, false, &paths);
    return error != 0 ? error : two(self, TWO_RENAME, (uint32_t)flags & 3, &paths);
}

LINUX(rename) {
    return rename_at(self, (uint32_t)AT_FDCWD, frame->rdi, (uint32_t)AT_FDCWD, frame->rsi, 0);
}

LINUX(renameat) {
    return rename_at(self, frame->rdi, frame->rsi, frame->rdx, frame->r10, 0);
}

LINUX(renameat2) {
    return rename_at(self, frame->rdi, frame->rsi, frame->rdx, frame->r10, frame->r8);
}

static int64_t link_at(struct posix_thread *_Nonnull self, uint64_t from_fd, uint64_t from,
                       uint64_t to_fd, uint64_t to, uint64_t flags) {
    struct two_paths paths = {};
    if ((flags & ~(uint64_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH) & UINT32_MAX) != 0) {
        return -EINVAL;
    }
    uint32_t walk = (flags & AT_SYMLINK_FOLLOW) != 0 ? 0 : FILESYSTEM_WALK_FLAGS_NO_FOLLOW;
    int64_t error = begin_two(self, from_fd, from, to_fd, to, (flags & AT_EMPTY_PATH) != 0, &paths);
    return error != 0 ? error : two(self, TWO_LINK, walk, &paths);
}

LINUX(link) {
    return link_at(self, (uint32_t)AT_FDCWD, frame->rdi, (uint32_t)AT_FDCWD, frame->rsi, 0);
}

LINUX(linkat) {
    return link_at(self, frame->rdi, frame->rsi, frame->rdx, frame->r10, frame->r8);
}

static int64_t make_link(struct posix_thread *_Nonnull self, uint64_t target, uint64_t fd,
                         uint64_t path) {
    struct two_paths paths = {};
    int64_t length = user_text(self->path, PATH_MAX, target);
    if (length <= 0) {
        return length == 0 ? -ENOENT : length;
    }
    paths.from.rest =
        (struct rt_bytes){.size = (size_t)length, .data = (const uint8_t *)&self->path[0]};
    int64_t error = path_begin(self, (int32_t)fd, path, self->path2, false, &paths.to);
    while (error == 0) {
        struct filesystem_walk ended = {};
        struct rt_bytes texts = {};
        uint64_t text = 0;
        error = join(self, &paths, &texts);
        if (error != 0) {
            break;
        }
        status_t status = filesystem_make_link(paths.to.directory, paths.to.links, (uint32_t)length,
                                               texts, &ended, path_room(self), &text);
        error = error_of_filesystem(status);
        if (status != STATUS_OK || step_two(self, &paths, true, &ended, text, &error)) {
            break;
        }
    }
    path_end(&paths.to);
    return error;
}

LINUX(symlink) {
    return make_link(self, frame->rdi, (uint32_t)AT_FDCWD, frame->rsi);
}

LINUX(symlinkat) {
    return make_link(self, frame->rdi, frame->rsi, frame->rdx);
}

static status_t read_target(struct posix_thread *_Nonnull self, const struct place *_Nonnull place,
                            struct filesystem_walk *_Nonnull ended, uint64_t *_Nonnull text,
                            uint64_t *_Nonnull length) {
    status_t status = filesystem_read_link(place->directory, place->links, place->rest, ended,
                                           path_room(self), text);
    *length = *text;
    return status;
}

/* The last step of a walk led to an object (/proc/self/exe): its own name is what the link says. */
static bool is_object(const struct place *_Nonnull place,
                      const struct filesystem_walk *_Nonnull ended) {
    return ended->outcome == FILESYSTEM_OUTCOME_DONE ||
           (ended->outcome == FILESYSTEM_OUTCOME_OBJECT && place->owned && place->rest.size == 0);
}

static int64_t read_link(struct posix_thread *_Nonnull self, uint64_t fd, uint64_t path,
                         uint64_t to, uint64_t room) {
    struct place place = {};
    struct filesystem_walk ended = {};
    uint64_t text = 0;
    uint64_t length = 0;
    bool named = false;
    if ((int32_t)room <= 0) {
        return -EINVAL;
    }
    int64_t error = path_begin(self, (int32_t)fd, path, self->path, true, &place);
    if (error == 0 && self->path[0] == '\0' && (int32_t)fd == AT_FDCWD) {
        error = -ENOENT;
    }
    while (error == 0) {
        status_t status = read_target(self, &place, &ended, &text, &length);
        error = error_of_filesystem(status);
        if (error != 0 ||
            path_step(self, &place, &ended, text, FILESYSTEM_WALK_FLAGS_NO_FOLLOW, &error)) {
            break;
        }
        if (is_object(&place, &ended)) {
            named = true;
            break;
        }
    }
    if (error == 0 && named) {
        return object_link(self, &place, to, room);
    }
    path_end(&place);
    if (error != 0) {
        return error;
    }
    length = MIN(MIN(length, (uint64_t)(uint32_t)room), (uint64_t)sizeof self->walk);
    error = user_write(to, self->walk, (size_t)length);
    return error != 0 ? error : (int64_t)length;
}

LINUX(readlink) {
    return read_link(self, (uint32_t)AT_FDCWD, frame->rdi, frame->rsi, frame->rdx);
}

LINUX(readlinkat) {
    return read_link(self, frame->rdi, frame->rsi, frame->rdx, frame->r10);
}

/* ---- attributes ---- */

static int64_t set_at(struct posix_thread *_Nonnull self, uint64_t fd, uint64_t path,
                      uint64_t flags, uint32_t which,
                      const struct filesystem_attributes *_Nonnull values) {
    struct place place = {};
    uint32_t walk = (flags & AT_SYMLINK_NOFOLLOW) != 0 ? FILESYSTEM_WALK_FLAGS_NO_FOLLOW : 0;
    int64_t error =
        path_begin(self, (int32_t)fd, path, self->path, (flags & AT_EMPTY_PATH) != 0, &place);
    WALK(self, place, walk, error,
         filesystem_set_attributes(place.directory, walk, place.links, which, values, place.rest,
                                   &ended, path_room(self), &text));
    return error;
}

static int64_t set_fd(struct posix_thread *_Nonnull self, uint64_t fd, bool open_only,
                      uint32_t which, const struct filesystem_attributes *_Nonnull values) {
    struct fd_entry entry = {};
    struct filesystem_walk ended = {};
    uint64_t text = 0;
    int64_t error = open_only ? fd_get_open(self, fd, &entry) : fd_get(self, fd, &entry);
    if (error != 0) {
        return error;
    }
    status_t status = filesystem_set_attributes(
        entry.handle, 0, 0, which, values, (struct rt_bytes){}, &ended, path_room(self), &text);
    return status == STATUS_BAD_METHOD ? -EINVAL : error_of_filesystem(status);
}

LINUX(chmod) {
    struct filesystem_attributes values = {.mode = (uint32_t)frame->rsi & 07777};
    return set_at(self, (uint32_t)AT_FDCWD, frame->rdi, 0, FILESYSTEM_ATTRIBUTE_MASK_MODE, &values);
}

LINUX(fchmodat) {
    struct filesystem_attributes values = {.mode = (uint32_t)frame->rdx & 07777};
    return set_at(self, frame->rdi, frame->rsi, 0, FILESYSTEM_ATTRIBUTE_MASK_MODE, &values);
}

LINUX(fchmod) {
    struct filesystem_attributes values = {.mode = (uint32_t)frame->rsi & 07777};
    return set_fd(self, frame->rdi, true, FILESYSTEM_ATTRIBUTE_MASK_MODE, &values);
}

static uint32_t owners(uint64_t uid, uint64_t gid, struct filesystem_attributes *_Nonnull out) {
    *out = (struct filesystem_attributes){.uid = (uint32_t)uid, .gid = (uint32_t)gid};
    return (out->uid != UINT32_MAX ? FILESYSTEM_ATTRIBUTE_MASK_UID : 0) |
           (out->gid != UINT32_MAX ? FILESYSTEM_ATTRIBUTE_MASK_GID : 0);
}

LINUX(chown) {
    struct filesystem_attributes values = {};
    uint32_t which = owners(frame->rsi, frame->rdx, &values);
    return set_at(self, (uint32_t)AT_FDCWD, frame->rdi, 0, which, &values);
}

LINUX(lchown) {
    struct filesystem_attributes values = {};
    uint32_t which = owners(frame->rsi, frame->rdx, &values);
    return set_at(self, (uint32_t)AT_FDCWD, frame->rdi, AT_SYMLINK_NOFOLLOW, which, &values);
}

LINUX(fchown) {
    struct filesystem_attributes values = {};
    uint32_t which = owners(frame->rsi, frame->rdx, &values);
    return set_fd(self, frame->rdi, true, which, &values);
}

LINUX(fchownat) {
    struct filesystem_attributes values = {};
    uint32_t which = owners(frame->rdx, frame->r10, &values);
    if ((frame->r8 & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) & UINT32_MAX) != 0) {
        return -EINVAL;
    }
    return set_at(self, frame->rdi, frame->rsi, frame->r8, which, &values);
}

LINUX(truncate) {
    struct filesystem_attributes values = {.size = frame->rsi};
    if ((int64_t)frame->rsi < 0) {
        return -EINVAL;
    }
    int64_t error = file_size_check(self, frame->rsi);
    return error != 0 ? error
                      : set_at(self, (uint32_t)AT_FDCWD, frame->rdi, 0,
                               FILESYSTEM_ATTRIBUTE_MASK_SIZE, &values);
}

LINUX(ftruncate) {
    struct filesystem_attributes values = {.size = frame->rsi};
    struct fd_entry entry = {};
    int64_t error = fd_get_open(self, frame->rdi, &entry);
    if (error == 0 &&
        ((int64_t)frame->rsi < 0 || (entry.facts & STREAM_FACTS_FLAGS_WRITABLE) == 0 ||
         entry.kind != STREAM_KIND_REGULAR)) {
        error = -EINVAL;
    }
    error = error != 0 ? error : file_size_check(self, frame->rsi);
    return error != 0 ? error
                      : set_fd(self, frame->rdi, true, FILESYSTEM_ATTRIBUTE_MASK_SIZE, &values);
}

static int64_t time_of(const struct linux_timespec *_Nonnull time, uint32_t set, uint32_t now,
                       uint32_t *_Nonnull which, int64_t *_Nonnull out) {
    if (time->nanoseconds == UTIME_OMIT) {
        return 0;
    }
    if (time->nanoseconds == UTIME_NOW) {
        *which |= now;
        return 0;
    }
    if (time->nanoseconds < 0 || time->nanoseconds >= NS_PER_SECOND) {
        return -EINVAL;
    }
    int64_t ns = 0;
    if (ckd_mul(&ns, time->seconds, (int64_t)NS_PER_SECOND) ||
        ckd_add(out, ns, time->nanoseconds)) {
        *out = time->seconds < 0 ? INT64_MIN : INT64_MAX;
    }
    *which |= set;
    return 0;
}

/* Both times; `times` null: now. */
static int64_t set_times(struct posix_thread *_Nonnull self, uint64_t fd, uint64_t path,
                         uint64_t flags, const struct linux_timespec (*_Nullable times)[2]) {
    struct filesystem_attributes values = {};
    uint32_t which = 0;
    int64_t error = 0;
    if (times == nullptr) {
        which = FILESYSTEM_ATTRIBUTE_MASK_ACCESS_NOW | FILESYSTEM_ATTRIBUTE_MASK_MODIFY_NOW;
    } else {
        error = time_of(&(*times)[0], FILESYSTEM_ATTRIBUTE_MASK_ACCESS_TIME,
                        FILESYSTEM_ATTRIBUTE_MASK_ACCESS_NOW, &which, &values.access_ns);
        error = error != 0
                    ? error
                    : time_of(&(*times)[1], FILESYSTEM_ATTRIBUTE_MASK_MODIFY_TIME,
                              FILESYSTEM_ATTRIBUTE_MASK_MODIFY_NOW, &which, &values.modify_ns);
    }
    if (error != 0 || which == 0) {
        return error;
    }
    if (path == 0 && (int32_t)fd != AT_FDCWD) {
        return flags != 0 ? -EINVAL : set_fd(self, fd, true, which, &values);
    }
    return set_at(self, fd, path, flags, which, &values);
}

LINUX(utimensat) {
    struct linux_timespec times[2] = {};
    if ((frame->r10 & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) & UINT32_MAX) != 0) {
        return -EINVAL;
    }
    if (frame->rdx == 0) {
        return set_times(self, frame->rdi, frame->rsi, frame->r10, nullptr);
    }
    int64_t error = USER_READ(times, frame->rdx);
    return error != 0 ? error : set_times(self, frame->rdi, frame->rsi, frame->r10, &times);
}

LINUX(utimes) {
    struct linux_timeval given[2] = {};
    struct linux_timespec times[2] = {};
    if (frame->rsi == 0) {
        return set_times(self, (uint32_t)AT_FDCWD, frame->rdi, 0, nullptr);
    }
    int64_t error = USER_READ(given, frame->rsi);
    for (int i = 0; i < 2 && error == 0; i++) {
        if (given[i].microseconds < 0 || given[i].microseconds >= 1000000) {
            error = -EINVAL;
        }
        times[i] =
            (struct linux_timespec){given[i].seconds, given[i].microseconds % 1000000 * 1000};
    }
    return error != 0 ? error : set_times(self, (uint32_t)AT_FDCWD, frame->rdi, 0, &times);
}

LINUX(utime) {
    int64_t given[2] = {};
    if (frame->rsi == 0) {
        return set_times(self, (uint32_t)AT_FDCWD, frame->rdi, 0, nullptr);
    }
    int64_t error = USER_READ(given, frame->rsi);
    struct linux_timespec times[2] = {{given[0], 0}, {given[1], 0}};
    return error != 0 ? error : set_times(self, (uint32_t)AT_FDCWD, frame->rdi, 0, &times);
}

LINUX(umask) {
    uint32_t old = self->process->umask;
    self->process->umask = (uint32_t)frame->rdi & 0777;
    return old;
}

/* ---- where the process is ---- */

static status_t open_step(struct posix_thread *_Nonnull self, const struct place *_Nonnull place,
                          handle_t *_Nonnull out, struct filesystem_walk *_Nonnull ended,
                          uint64_t *_Nonnull text) {
    struct stream_stat info = {};
    uint32_t facts = 0;
    handle_close(*out);
    *out = HANDLE_NONE;
    return filesystem_open(place->directory, FILESYSTEM_WALK_FLAGS_DIRECTORY, place->links,
                           FILESYSTEM_OPEN_FLAGS_PATH, 0, place->rest, out, &facts, ended, &info,
                           path_room(self), text);
}

/* A directory session of a path or descriptor, the caller's. */
static int64_t open_directory(struct posix_thread *_Nonnull self, struct place *_Nonnull place,
                              handle_t *_Nonnull out) {
    int64_t error = 0;
    WALK(self, *place, FILESYSTEM_WALK_FLAGS_DIRECTORY, error,
         open_step(self, place, out, &ended, &text));
    return error == 0 && *out == HANDLE_NONE ? -EIO : error;
}

/* May the caller search it? chdir asks, as for a step of a path. */
static int64_t may_search(struct posix_thread *_Nonnull self, handle_t directory) {
    struct filesystem_walk ended = {};
    uint64_t text = 0;
    return error_of_filesystem(
        filesystem_access(directory, 0, 0, 1, (struct rt_bytes){}, &ended, path_room(self), &text));
}

static void change(struct posix_thread *_Nonnull self, handle_t *_Nonnull place, handle_t to) {
    struct posix_process *process = self->process;
    state_lock(&process->lock);
    handle_t old = *place;
    *place = to;
    state_unlock(&process->lock);
    handle_close(old);
}

static int64_t change_to(struct posix_thread *_Nonnull self, uint64_t path, handle_t *_Nonnull what,
                         bool floor) {
    struct place place = {};
    handle_t directory = HANDLE_NONE;
    int64_t error = path_begin(self, AT_FDCWD, path, self->path, false, &place);
    if (error == 0) {
        error = open_directory(self, &place, &directory);
    }
    if (error == 0) {
        error = may_search(self, directory);
    }
    if (error == 0 && floor) {
        handle_t lessened = HANDLE_NONE;
        error = error_of_filesystem(filesystem_lessen(directory, true, 0, &lessened));
        handle_close(directory);
        directory = lessened;
    }
    if (error != 0) {
        handle_close(directory);
        return error;
    }
    change(self, what, directory);
    return 0;
}

LINUX(chdir) {
    return change_to(self, frame->rdi, &self->process->working, false);
}

LINUX(chroot) {
    enum { CAPABILITY_CHROOT = 18 };
    if ((facts_credentials(self).capabilities >> CAPABILITY_CHROOT & 1) == 0) {
        return -EPERM;
    }
    return change_to(self, frame->rdi, &self->process->root, true);
}

LINUX(fchdir) {
    struct fd_entry entry = {};
    handle_t directory = HANDLE_NONE;
    int64_t error = fd_get(self, frame->rdi, &entry);
    if (error == 0 && entry.kind != STREAM_KIND_DIRECTORY) {
        error = -ENOTDIR;
    }
    error = error != 0 ? error : may_search(self, entry.handle);
    if (error == 0 && handle_duplicate(entry.handle, &directory) != STATUS_OK) {
        error = -ENOMEM;
    }
    if (error == 0) {
        change(self, &self->process->working, directory);
    }
    return error;
}

/* ---- to the disk, and locks ---- */

static int64_t sync_fd(struct posix_thread *_Nonnull self, uint64_t fd, bool data_only,
                       bool everything) {
    struct fd_entry entry = {};
    int64_t error = fd_get_open(self, fd, &entry);
    if (error != 0) {
        return error;
    }
    status_t status = filesystem_sync(entry.handle, data_only, everything);
    return status == STATUS_BAD_METHOD ? (everything ? 0 : -EINVAL) : error_of_filesystem(status);
}

LINUX(fsync) {
    return sync_fd(self, frame->rdi, false, false);
}

LINUX(fdatasync) {
    return sync_fd(self, frame->rdi, true, false);
}

LINUX(syncfs) {
    return sync_fd(self, frame->rdi, false, true);
}

LINUX(sync) {
    (void)frame;
    (void)filesystem_sync(self->process->root, false, true);
    return 0;
}

LINUX(fallocate) {
    struct fd_entry entry = {};
    int64_t error = fd_get_open(self, frame->rdi, &entry);
    if (error != 0) {
        return error;
    }
    if ((int64_t)frame->rdx < 0 || (int64_t)frame->r10 <= 0) {
        return -EINVAL;
    }
    if ((entry.facts & STREAM_FACTS_FLAGS_WRITABLE) == 0) {
        return -EBADF;
    }
    if (entry.kind != STREAM_KIND_REGULAR) {
        return entry.kind == STREAM_KIND_FIFO ? -ESPIPE : -ENODEV;
    }
    error = file_size_check(self, frame->rdx + frame->r10);
    return error != 0 ? error
                      : error_of_filesystem(filesystem_allocate(entry.handle, (uint32_t)frame->rsi,
                                                                frame->rdx, frame->r10));
}

LINUX(fadvise64) {
    struct fd_entry entry = {};
    int64_t error = fd_get_open(self, frame->rdi, &entry);
    if (error == 0 && entry.kind == STREAM_KIND_FIFO) {
        error = -ESPIPE;
    }
    return error == 0 && frame->r10 > 5 ? -EINVAL : error;
}

LINUX(flock) {
    struct fd_entry entry = {};
    enum { LOCK_SH = 1, LOCK_EX = 2, LOCK_NB = 4, LOCK_UN = 8 };
    int64_t error = fd_get_open(self, frame->rdi, &entry);
    if (error != 0) {
        return error;
    }
    bool wait = (frame->rsi & LOCK_NB) == 0;
    switch (frame->rsi & ~(uint64_t)LOCK_NB) {
    case LOCK_SH:
        return error_of_filesystem(
            filesystem_lock(entry.handle, FILESYSTEM_LOCK_KIND_SHARED, wait));
    case LOCK_EX:
        return error_of_filesystem(
            filesystem_lock(entry.handle, FILESYSTEM_LOCK_KIND_EXCLUSIVE, wait));
    case LOCK_UN:
        return error_of_filesystem(
            filesystem_lock(entry.handle, FILESYSTEM_LOCK_KIND_UNLOCK, wait));
    default:
        return -EINVAL;
    }
}
