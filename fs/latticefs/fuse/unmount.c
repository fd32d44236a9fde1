/* umount.fuse.latticefs, for pools in files: the kernel lets go of such a mount before its process
 * has written the last commit, and umount(8) does not wait either. Whoever unmounts wants to know
 * that it is on disk, so this waits for the process to release its lock on the disks. (A mount of a
 * block device is told of its end by the kernel, which waits for the answer.) */
#include "unmount.h"
#include "fs/latticefs/tools/host.h"
#include <errno.h>
#include <fcntl.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

/* The pool that is mounted at a folder, or null. Owns: the text, by the caller. */
static char *_Nullable pool_at(const char *folder) {
    FILE *_Nullable mounts = setmntent("/proc/self/mounts", "r");
    char *_Nullable pool = nullptr;
    if (mounts == nullptr) {
        return nullptr;
    }
    for (struct mntent *_Nullable entry = getmntent(SOME(mounts)); entry != nullptr;
         entry = getmntent(SOME(mounts))) {
        if (strcmp(SOME(entry)->mnt_dir, folder) == 0) {
            free(pool); /* the last one is on top */
            pool = strdup(SOME(entry)->mnt_fsname);
        }
    }
    endmntent(mounts);
    return pool;
}

static void wait_for(const char *pool) {
    char *_Nullable copy = strdup(pool);
    char *_Nullable rest = nullptr;
    for (char *_Nullable path = copy == nullptr ? nullptr : strtok_r(SOME(copy), ",:", &rest);
         path != nullptr; path = strtok_r(nullptr, ",:", &rest)) {
        int file = open(SOME(path), O_RDONLY | O_CLOEXEC);
        if (file >= 0) {
            (void)flock(file, LOCK_SH);
            close(file);
        }
    }
    free(copy);
}

UNSAFE_BEGIN /* the command line */

int unmount_main(int argc, char **argv) {
    const char *_Nullable given = nullptr;
    int flags = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-l") == 0) {
            flags |= MNT_DETACH;
        } else if (strcmp(argv[i], "-f") == 0) {
            flags |= MNT_FORCE;
        } else if (strcmp(argv[i], "-t") == 0 || strcmp(argv[i], "-N") == 0) {
            i++;
        } else if (argv[i][0] != '-') {
            given = argv[i];
        }
    }
    if (given == nullptr) {
        fputs("usage: umount.fuse.latticefs FOLDER\n", stderr);
        return 2;
    }
    char *_Nullable folder = realpath(SOME(given), nullptr);
    char *_Nullable pool = folder == nullptr ? nullptr : pool_at(SOME(folder));
    if (folder == nullptr || pool == nullptr) {
        fprintf(stderr, "%s: not mounted\n", given);
        free(folder);
        return 1;
    }
    if (umount2(SOME(folder), flags) != 0) {
        fprintf(stderr, "%s: %s\n", given, strerror(errno));
        free(pool);
        free(folder);
        return 1;
    }
    if ((flags & MNT_DETACH) == 0) {
        wait_for(SOME(pool));
    }
    free(pool);
    free(folder);
    return 0;
}

UNSAFE_END

#pragma clang assume_nonnull end
