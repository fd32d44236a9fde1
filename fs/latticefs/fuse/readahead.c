/* How far the kernel reads ahead. A FUSE mount gets 128 KiB, which is two records; a file that is
 * read from its start to its end then waits for each. btrfs asks for 4 MiB. */
#include "mount.h"
#include <stdio.h>
#include <string.h>

#pragma clang assume_nonnull begin

enum { READ_AHEAD_KIB = 2048 };

/* The device number of the newest mount at a folder, as the kernel writes it ("0:52"). */
static bool mount_device(const char *folder, struct bytes out) {
    char line[8192];
    char device[32];
    char where[4096];
    bool found = false;
    FILE *_Nullable mounts = fopen("/proc/self/mountinfo", "re");
    while (mounts != nullptr && fgets(line, sizeof line, SOME(mounts)) != nullptr) {
        if (sscanf(line, "%*d %*d %31s %*s %4095s", device, where) == 2 &&
            strcmp(where, folder) == 0) {
            snprintf((char *)SOME(out.data), out.size, "%s", device);
            found = true;
        }
    }
    if (mounts != nullptr) {
        fclose(SOME(mounts));
    }
    return found;
}

void readahead_set(const char *folder) {
    char device[32];
    char path[96];
    if (!mount_device(folder, BYTES_OF(device))) {
        return; /* a name with blanks, or another mount on top: it is slower, no more */
    }
    snprintf(path, sizeof path, "/sys/class/bdi/%s/read_ahead_kb", device);
    FILE *_Nullable setting = fopen(path, "we");
    if (setting != nullptr) { /* root only */
        fprintf(SOME(setting), "%d\n", READ_AHEAD_KIB);
        fclose(SOME(setting));
    }
}

#pragma clang assume_nonnull end
