/* Requests that wait for the kernel to send the dirty pages it holds of open files: a file that is
 * renamed, linked or put into a snapshot takes its data along, written back or not, and a search
 * for holes must know of them.
 *
 *   request ──defer──▶ queue ──deferred_loop: pages back, without the lock──▶ finished, answered
 *
 * One thread does this, and no other ever waits for pages: the pages arrive as write requests that
 * the other threads serve. A file that is closed has no dirty pages left: closing sends them. */
#include "mount.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#pragma clang assume_nonnull begin

struct deferred {
    struct deferred *_Nullable next;
    fuse_req_t request;
    enum deferred_kind kind;
    uint64_t node; /* whose pages are wanted; 0 = of all open files */
    uint64_t from_parent;
    uint64_t to_parent;
    unsigned flags;
    char from[NAME_MAX_BYTES + 1];
    char to[NAME_MAX_BYTES + 1];
};

bool defer(struct mount *mount, fuse_req_t request, enum deferred_kind kind, uint64_t node,
           uint64_t from_parent, const char *from, uint64_t to_parent, const char *to,
           unsigned flags) {
    struct deferred *_Nullable taken = calloc(1, sizeof(struct deferred));
    if (taken == nullptr || strlen(from) > NAME_MAX_BYTES || strlen(to) > NAME_MAX_BYTES) {
        free(taken);
        return false;
    }
    struct deferred *deferred = SOME(taken);
    deferred->request = request;
    deferred->kind = kind;
    deferred->node = node;
    deferred->from_parent = from_parent;
    deferred->to_parent = to_parent;
    deferred->flags = flags;
    bytes_copy(BYTES_OF(deferred->from), view_text(from));
    bytes_copy(BYTES_OF(deferred->to), view_text(to));
    if (mount->deferred_last != nullptr) {
        SOME(mount->deferred_last)->next = deferred;
    } else {
        mount->deferred_first = deferred;
    }
    mount->deferred_last = deferred;
    pthread_cond_signal(&mount->deferred_wake);
    return true;
}

/* Has the kernel send the pages of all files that are open for writing, in no particular order;
 * `lock` is held, and released meanwhile. A file that is opened meanwhile may be left out: it was
 * not open before. */
static void all_pages_back(struct mount *mount) {
    for (uint32_t bucket = 0; bucket < LOOKUP_BUCKETS; bucket++) {
        uint64_t done = 0; /* node numbers of a bucket, ascending: the chain may change meanwhile */
        for (;;) {
            uint64_t next = 0;
            for (struct lookup *_Nullable at = mount->lookups[bucket]; at != nullptr;
                 at = SOME(at)->next) {
                uint64_t node = SOME(at)->node;
                if (SOME(at)->writers != 0 && node > done && (next == 0 || node < next)) {
                    next = node;
                }
            }
            if (next == 0) {
                break;
            }
            pthread_mutex_unlock(&mount->lock);
            pages_back(mount, next);
            pthread_mutex_lock(&mount->lock);
            done = next;
        }
    }
}

static void finish(struct mount *mount, const struct deferred *deferred) {
    if (deferred->node != 0) {
        pthread_mutex_unlock(&mount->lock);
        pages_back(mount, deferred->node);
        pthread_mutex_lock(&mount->lock);
    } else {
        all_pages_back(mount);
    }
    switch (deferred->kind) {
    case DEFERRED_RENAME:
        rename_finish(mount, deferred->request, deferred->from_parent, deferred->from,
                      deferred->to_parent, deferred->to, deferred->flags);
        break;
    case DEFERRED_LINK:
        link_finish(mount, deferred->request, deferred->node, deferred->to_parent, deferred->to);
        break;
    case DEFERRED_SEEK: /* the offset stands in the place of the first folder */
        seek_finish(mount, deferred->request, deferred->node, deferred->from_parent,
                    deferred->flags);
        break;
    case DEFERRED_SNAPSHOT:
        snapshot_make_finish(mount, deferred->request, deferred->to);
        break;
    }
    pthread_mutex_lock(&mount->lock); /* the request was answered without it */
}

void *_Nullable deferred_loop(void *_Nullable argument) {
    struct mount *mount = SOME((struct mount *)argument);
    pthread_mutex_lock(&mount->lock);
    while (!mount->ending || mount->deferred_first != nullptr) {
        struct deferred *_Nullable first = mount->deferred_first;
        if (first == nullptr) {
            pthread_cond_wait(&mount->deferred_wake, &mount->lock);
            continue;
        }
        mount->deferred_first = SOME(first)->next;
        if (mount->deferred_first == nullptr) {
            mount->deferred_last = nullptr;
        }
        finish(mount, SOME(first));
        free(first);
    }
    pthread_mutex_unlock(&mount->lock);
    return nullptr;
}

#pragma clang assume_nonnull end
