/* See access.h. */
#include "fs/ramfs/server/access.h"

static const struct process_principal_entry *_Nullable find(const struct ramfs *_Nonnull fs,
                                                            uint32_t principal) {
    size_t count = fs->principal_count;
    for (size_t i = 0; i < count; i++) {
        const struct process_principal_entry *entry = &fs->principals[(principal + i) % count];
        if (entry->principal == principal) {
            return entry;
        }
        if (entry->principal == 0) {
            break;
        }
    }
    return nullptr;
}

struct caller caller_of(const struct ramfs *_Nonnull fs, const struct rt_request *_Nonnull request,
                        bool real) {
    uint32_t principal = request->page->received.principal;
    struct caller caller = {.serial = request->page->received.process_serial};
    if (principal == 0) {
        caller.capabilities = UINT64_MAX;
        return caller;
    }
    const struct process_principal_entry *entry = find(fs, principal);
    if (entry == nullptr) {
        caller.uid = caller.gid = 65534;
        return caller;
    }
    caller.entry = entry;
    caller.uid = real ? entry->uid : entry->file_uid;
    caller.gid = real ? entry->gid : entry->file_gid;
    caller.capabilities = entry->capabilities;
    if (real) {
        caller.capabilities = entry->uid == 0 ? entry->permitted : 0;
    }
    return caller;
}

bool caller_in_group(const struct caller *_Nonnull caller, uint32_t gid) {
    if (caller->gid == gid) {
        return true;
    }
    const struct process_principal_entry *entry = caller->entry;
    for (uint32_t i = 0;
         entry != nullptr && i < entry->group_count && i < ARRAY_LENGTH(entry->groups); i++) {
        if (entry->groups[i] == gid) {
            return true;
        }
    }
    return false;
}

status_t access_check(const struct caller *_Nonnull caller,
                      const struct inode_record *_Nonnull inode, uint32_t wanted) {
    uint32_t shift = caller->uid == inode->uid ? 6 : caller_in_group(caller, inode->gid) ? 3 : 0;
    uint32_t given = inode->mode >> shift & 7;
    if ((wanted & ~given) == 0) {
        return STATUS_OK;
    }
    bool runnable = is_directory(inode) || (inode->mode & 0111) != 0;
    if (caller_can(caller, CAPABILITY_DAC_OVERRIDE) && ((wanted & MAY_RUN) == 0 || runnable)) {
        return STATUS_OK;
    }
    uint32_t readable = is_directory(inode) ? MAY_READ | MAY_RUN : MAY_READ;
    if (caller_can(caller, CAPABILITY_DAC_READ_SEARCH) && (wanted & ~readable) == 0) {
        return STATUS_OK;
    }
    return FILESYSTEM_STATUS_NO_ACCESS;
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
