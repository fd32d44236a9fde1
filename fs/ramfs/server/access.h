#pragma once
/* Who calls, and what that one may do with an inode. */
#include "fs/ramfs/server/store.h"

enum { MAY_RUN = 1, MAY_WRITE = 2, MAY_READ = 4 };
/* Bits of principal_entry.capabilities, as Linux numbers them. */
enum : uint64_t {
    CAPABILITY_CHOWN = 1u << 0,
    CAPABILITY_DAC_OVERRIDE = 1u << 1,
    CAPABILITY_DAC_READ_SEARCH = 1u << 2,
    CAPABILITY_FOWNER = 1u << 3,
    CAPABILITY_FSETID = 1u << 4,
    CAPABILITY_MKNOD = 1u << 27
};

struct caller {
    uint32_t uid, gid; /* those that count for files */
    uint64_t capabilities;
    const struct process_principal_entry *_Nullable entry;
    uint64_t serial; /* of the process */
};

/* The caller of the request. Principal 0 (services) may do everything; one that the table does not
 * know is nobody. `real`: by the real ids, as access(2) asks. */
struct caller caller_of(const struct ramfs *_Nonnull fs, const struct rt_request *_Nonnull request,
                        bool real);
bool caller_in_group(const struct caller *_Nonnull caller, uint32_t gid);
static inline bool caller_can(const struct caller *_Nonnull caller, uint64_t capability) {
    return (caller->capabilities & capability) != 0;
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
