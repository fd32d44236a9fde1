/* Extended attributes of what is copied between a folder of the host and a dataset. The host's
 * calls take paths, so an entry is named through /proc/self/fd. */
#include "fs/latticefs/core/xattr.h"
#include "host.h"
#include "transfer.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

#pragma clang assume_nonnull begin

enum { LIST_SIZE = 65536, VALUE_SIZE = 65536 };

struct entry_path {
    char text[NAME_MAX_BYTES + 64];
};

static void path_of(struct entry_path *path, int folder, const char *name) {
    snprintf(path->text, sizeof path->text, "/proc/self/fd/%d/%s", folder, name);
}

void extended_take(struct transfer_job *job, uint64_t object, const char *path, struct view name,
                   struct view value) {
    if (name.size >= 7 && view_equal(view_sub(name, 0, 7), view_text("system."))) {
        transfer_complain(job, path, "its access control list is not copied: not supported");
        return;
    }
    lattice_status_t status = xattr_set(job->cache->fs, job->dataset, object, name, value, 0);
    if (status != LATTICE_OK) {
        transfer_complain(job, path, host_status_text(status));
    }
}

void extended_import(struct transfer_job *job, uint64_t object, int folder, const char *name) {
    struct entry_path path = {};
    path_of(&path, folder, name);
    struct bytes list = bytes_sub(BYTES_OF(*SOME(job->buffer)), 0, LIST_SIZE);
    struct bytes content = bytes_sub(BYTES_OF(*SOME(job->buffer)), LIST_SIZE, VALUE_SIZE);
    ssize_t size = llistxattr(path.text, (char *)list.data, list.size);
    if (size < 0 && errno != ENOTSUP) {
        transfer_complain(job, name, strerror(errno));
    }
    for (size_t at = 0; size > 0 && at < (size_t)size;) {
        struct view rest = bytes_view(bytes_sub(list, at, (size_t)size - at));
        size_t length = strnlen((const char *)rest.data, rest.size);
        ssize_t got = lgetxattr(path.text, (const char *)rest.data, content.data, content.size);
        if (got < 0) {
            transfer_complain(job, name, strerror(errno));
        } else {
            extended_take(job, object, name, view_sub(rest, 0, length),
                          bytes_view(bytes_sub(content, 0, (size_t)got)));
        }
        at += length + 1;
    }
}

bool extended_next(struct transfer_job *job, uint64_t object, uint64_t *cookie,
                   struct extended *out, const char *path) {
    struct view name = {};
    struct bytes content = bytes_sub(BYTES_OF(*SOME(job->buffer)), 0, VALUE_SIZE);
    lattice_status_t status =
        xattr_next(job->cache->fs, job->dataset, object, *cookie, cookie, &name);
    if (status == LATTICE_OK) {
        *out = (struct extended){};
        bytes_copy(BYTES_OF(out->name), name);
        status = xattr_get(job->cache->fs, job->dataset, object, view_text(out->name), content,
                           &out->size);
    } else if (status == LATTICE_NOT_FOUND) {
        return false;
    }
    if (status != LATTICE_OK) {
        transfer_complain(job, path, host_status_text(status));
        return false;
    }
    return true;
}

void extended_export(struct transfer_job *job, uint64_t object, int folder, const char *name) {
    struct entry_path path = {};
    struct extended found = {};
    path_of(&path, folder, name);
    for (uint64_t cookie = 0; extended_next(job, object, &cookie, &found, name);) {
        struct view value = view_sub(VIEW_OF(*SOME(job->buffer)), 0, found.size);
        if (lsetxattr(path.text, found.name, value.data, value.size, 0) != 0) {
            transfer_complain(job, name, strerror(errno));
        }
    }
}

#pragma clang assume_nonnull end
