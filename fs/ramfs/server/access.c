/* See access.h. */
#include "fs/ramfs/server/access.h"

status_t access_check(const struct caller *_Nonnull caller,
                      const struct inode_record *_Nonnull inode, uint32_t wanted) {
    struct access_file file = {.mode = inode->mode, .uid = inode->uid, .gid = inode->gid};
    return access_allowed(caller, file, wanted) ? STATUS_OK : FILESYSTEM_STATUS_NO_ACCESS;
}

status_t access_remove(const struct caller *_Nonnull caller,
                       const struct inode_record *_Nonnull directory,
                       const struct inode_record *_Nonnull inode) {
    status_t status = access_check(caller, directory, MAY_WRITE | MAY_RUN);
    if (status == STATUS_OK && (directory->mode & MODE_STICKY) != 0 && caller->uid != inode->uid &&
        caller->uid != directory->uid && !caller_can(caller, CAPABILITY_FOWNER)) {
        return STATUS_NOT_ALLOWED;
    }
    return status;
}
