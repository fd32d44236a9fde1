#pragma once
/* What a caller may do with an inode (lib/access says who the caller is). */
#include "fs/ramfs/server/store.h"

/* The caller of the request. `real`: by the real ids, as access(2) asks. */
static inline struct caller caller_of(const struct ramfs *_Nonnull fs,
                                      const struct rt_request *_Nonnull request, bool real) {
    return access_caller(&fs->principals, request, real);
}
/* Errors: no_access. */
status_t access_check(const struct caller *_Nonnull caller,
                      const struct inode_record *_Nonnull inode, uint32_t wanted);
/* May the caller take the name of `inode` out of `directory` (sticky bit)? Errors: NOT_ALLOWED. */
status_t access_remove(const struct caller *_Nonnull caller,
                       const struct inode_record *_Nonnull directory,
                       const struct inode_record *_Nonnull inode);
static inline bool caller_owns(const struct caller *_Nonnull caller,
                               const struct inode_record *_Nonnull inode) {
    return caller->uid == inode->uid || caller_can(caller, CAPABILITY_FOWNER);
}
