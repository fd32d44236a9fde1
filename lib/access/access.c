/* See access.h. */
#include "lib/access/access.h"
#include "lib/rt/native.h"

enum { NOBODY = 65534, KIND_MASK = 0170000, KIND_DIRECTORY = 0040000 };

status_t access_attach(handle_t process, struct access_table *_Nonnull out) {
    handle_t table = HANDLE_NONE;
    handle_t processes = HANDLE_NONE;
    struct memory_info info = {};
    uint64_t address = 0;
    *out = (struct access_table){};
    REFUSE(process == HANDLE_NONE, STATUS_NOT_FOUND);
    TRY(process_registry(process, &processes, &table));
    status_t status = rt_object_info(table, INFO_MEMORY, &info, sizeof info);
    uint64_t size = info.content_size & ~(uint64_t)(PAGE_SIZE - 1);
    status = status == STATUS_OK ? rt_map(0, 0, size, table, 0, PROTECT_READ, &address) : status;
    rt_handle_close(processes);
    rt_handle_close(table);
    if (status == STATUS_OK) {
        out->count = (size_t)(size / sizeof(struct process_principal_entry));
        out->entries = rt_pointer(address);
    }
    return status;
}

static const struct process_principal_entry *_Nullable find(
    const struct access_table *_Nonnull table, uint32_t principal) {
    for (size_t i = 0; i < table->count; i++) {
        const struct process_principal_entry *entry =
            &table->entries[(principal + i) % table->count];
        if (entry->principal == principal) {
            return entry;
        }
        if (entry->principal == 0) {
            break;
        }
    }
    return nullptr;
}

struct caller access_caller(const struct access_table *_Nonnull table,
                            const struct rt_request *_Nonnull request, bool real) {
    uint32_t principal = request->page->received.principal;
    struct caller caller = {.serial = request->page->received.process_serial};
    if (principal == 0) {
        caller.capabilities = UINT64_MAX;
        return caller;
    }
    const struct process_principal_entry *entry = find(table, principal);
    if (entry == nullptr) {
        caller.uid = caller.gid = NOBODY;
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

bool access_allowed(const struct caller *_Nonnull caller, struct access_file file,
                    uint32_t wanted) {
    uint32_t shift = caller->uid == file.uid ? 6 : caller_in_group(caller, file.gid) ? 3 : 0;
    uint32_t given = file.mode >> shift & 7;
    bool directory = (file.mode & KIND_MASK) == KIND_DIRECTORY;
    if ((wanted & ~given) == 0) {
        return true;
    }
    bool runnable = directory || (file.mode & 0111) != 0;
    if (caller_can(caller, CAPABILITY_DAC_OVERRIDE) && ((wanted & MAY_RUN) == 0 || runnable)) {
        return true;
    }
    uint32_t readable = directory ? MAY_READ | MAY_RUN : MAY_READ;
    return caller_can(caller, CAPABILITY_DAC_READ_SEARCH) && (wanted & ~readable) == 0;
}
