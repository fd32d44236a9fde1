/* The committing thread: every few seconds, when much is waiting, and when a destroyed snapshot is
 * to be reclaimed. */
#include "fs/latticefs/core/log.h"
#include "fs/latticefs/core/pool.h"
#include "fs/latticefs/core/snapshot.h"
#include "fs/latticefs/tools/host.h"
#include "mount.h"
#include <sched.h>
#include <syslog.h>
#include <time.h>

#pragma clang assume_nonnull begin

/* What waits at most: nodes of 16 KiB, and bytes of log that nobody asked to have synced. */
enum { DUE_FRAMES = 2048, DUE_LOG_BYTES = 16 << 20 };

static bool much_waits(const struct mount *mount) {
    return mount->fs->cache.dirty.count > DUE_FRAMES ||
           log_pending_bytes(mount->fs) > DUE_LOG_BYTES;
}

void commit_if_due(struct mount *mount) {
    if (much_waits(mount)) {
        pthread_cond_signal(&mount->wake);
    }
}

/* One step of what is in flight; `lock` is held, and released while the disks flush. If another
 * thread makes the step, waits for it. */
static void flight_step(struct mount *mount) {
    struct lattice *fs = mount->fs;
    if (mount->flushing) {
        pthread_cond_wait(&mount->landed, &mount->lock);
        return;
    }
    struct flight flight = fs->flight;
    struct flush flush;
    mount->flushing = true;
    flush_begin(fs, &flush);
    pthread_mutex_unlock(&mount->lock);
    flush_run(&flush);
    pthread_mutex_lock(&mount->lock);
    mount->flushing = false;
    if (fs->flight.number == flight.number && fs->flight.stage == flight.stage) {
        /* A failure aborts: whoever waits sees that. */
        (void)!flight_advance(fs, flush_end(fs, &flush));
    }
    pthread_cond_broadcast(&mount->landed);
}

static lattice_status_t flight_land(struct mount *mount) {
    while (mount->fs->flight.stage != FLIGHT_NONE) {
        flight_step(mount);
    }
    return mount->fs->aborted == LATTICE_OK ? LATTICE_OK : LATTICE_ABORTED;
}

lattice_status_t make_durable(struct mount *mount) {
    struct lattice *fs = mount->fs;
    uint64_t wanted = fs->changes;
    while (fs->durable < wanted) {
        if (fs->aborted != LATTICE_OK) {
            return LATTICE_ABORTED;
        }
        if (fs->flight.stage == FLIGHT_NONE) { /* this thread takes along what all have done */
            TRY(log_begin(fs));
        } else {
            flight_step(mount);
        }
    }
    return LATTICE_OK;
}

/* All data and changes go to the disk, while others go on. */
static lattice_status_t commit_beside(struct mount *mount) {
    TRY(flight_land(mount));
    TRY(granules_push_all(mount->cache));
    TRY(flight_land(mount)); /* for want of space a push may have begun one */
    TRY(commit_begin(mount->fs));
    return flight_land(mount);
}

/* Does pending destruction piece by piece, letting others in between. */
static void reclaim(struct mount *mount) {
    bool more = true;
    while (more && !mount->ending && reclaim_step(mount->fs, &more) == LATTICE_OK && more) {
        pthread_mutex_unlock(&mount->lock);
        sched_yield();
        pthread_mutex_lock(&mount->lock);
    }
}

void *_Nullable commit_loop(void *_Nullable argument) {
    struct mount *mount = SOME((struct mount *)argument);
    lattice_status_t status = LATTICE_OK;
    pthread_mutex_lock(&mount->lock);
    while (!mount->ending) {
        struct timespec until = {};
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += mount->commit_seconds;
        if (status != LATTICE_OK || !much_waits(mount)) {
            (void)pthread_cond_timedwait(&mount->wake, &mount->lock, &until);
        }
        if (mount->ending) { /* the last commit is that of do_destroy */
            break;
        }
        lattice_status_t before = status;
        status = LATTICE_OK;
        if (mount->fs->cache.dirty.count != 0 || mount->cache->dirty != 0) {
            status = commit_beside(mount);
        }
        if (status != LATTICE_OK && status != before) {
            syslog(LOG_DAEMON | LOG_ERR, "latticefs: commit: %s", host_status_text(status));
        }
        reclaim(mount);
    }
    pthread_mutex_unlock(&mount->lock);
    return nullptr;
}

#pragma clang assume_nonnull end
