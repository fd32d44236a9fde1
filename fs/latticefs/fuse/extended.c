/* Extended attributes. Those of the system's own ("system.…", access control lists) would be stored
 * but not obeyed, so they are refused. */
#include "fs/latticefs/core/xattr.h"
#include "mount.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#pragma clang assume_nonnull begin

enum { LIST_MAX = 65536 }; /* Linux takes no longer list of names */

/* Answers a question for a value or a list: its size if `size` is 0, else the bytes. */
static void answer(fuse_req_t request, size_t size, const char *_Nullable bytes, size_t length) {
    if (size == 0) {
        fuse_reply_xattr(request, length);
    } else if (length > size) {
        fuse_reply_err(request, ERANGE);
    } else {
        fuse_reply_buf(request, bytes, length);
    }
}

static void answer_status(fuse_req_t request, lattice_status_t status) {
    fuse_reply_err(request, status == LATTICE_NOT_FOUND ? ENODATA : status_errno(status));
}

void do_getxattr(fuse_req_t request, fuse_ino_t node, const char *name, size_t size) {
    struct mount *mount = enter(request);
    struct target target = {};
    char *buffer = SOME((char *)malloc(MAX(size, (size_t)1)));
    size_t length = 0;
    lattice_status_t status = target_of(mount, node, &target);
    if (status == LATTICE_INVALID) {
        status = LATTICE_NOT_FOUND; /* `.snapshots` has none */
    }
    if (status == LATTICE_OK) {
        status = xattr_get(mount->fs, target.dataset, target.object, view_text(name),
                           bytes_of(buffer, size), &length);
    }
    leave(mount);
    if (status != LATTICE_OK) {
        answer_status(request, status);
    } else {
        answer(request, size, buffer, length);
    }
    free(buffer);
}

void do_setxattr(fuse_req_t request, fuse_ino_t node, const char *name, const char *value,
                 size_t size, int flags) {
    struct mount *mount = enter(request);
    struct target target = {};
    lattice_status_t status = target_for_change(mount, node, &target);
    if (status == LATTICE_OK && strncmp(name, "system.", 7) == 0) {
        status = LATTICE_UNSUPPORTED;
    }
    if (status == LATTICE_OK) {
        status = xattr_set(mount->fs, target.dataset, target.object, view_text(name),
                           view_of(value, size), (uint32_t)flags);
    }
    commit_if_due(mount);
    leave(mount);
    answer_status(request, status);
}

void do_removexattr(fuse_req_t request, fuse_ino_t node, const char *name) {
    struct mount *mount = enter(request);
    struct target target = {};
    lattice_status_t status = target_for_change(mount, node, &target);
    if (status == LATTICE_OK) {
        status = xattr_remove(mount->fs, target.dataset, target.object, view_text(name));
    }
    commit_if_due(mount);
    leave(mount);
    answer_status(request, status);
}

void do_listxattr(fuse_req_t request, fuse_ino_t node, size_t size) {
    struct mount *mount = enter(request);
    struct target target = {};
    struct bytes buffer = bytes_of(calloc(1, LIST_MAX), LIST_MAX);
    size_t used = 0;
    uint64_t cookie = 0;
    struct view name = {};
    bool found = target_of(mount, node, &target) == LATTICE_OK;
    while (found && xattr_next(mount->fs, target.dataset, target.object, cookie, &cookie, &name) ==
                        LATTICE_OK) {
        if (used + name.size + 1 > buffer.size) {
            leave(mount);
            fuse_reply_err(request, E2BIG);
            free(buffer.data);
            return;
        }
        bytes_copy(bytes_sub(buffer, used, name.size), name);
        used += name.size + 1;
    }
    leave(mount);
    answer(request, size, (const char *)buffer.data, used);
    free(buffer.data);
}

#pragma clang assume_nonnull end
