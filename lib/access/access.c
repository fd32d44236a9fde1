/* See access.h. */
#include "lib/access/access.h"
#include "lib/rt/native.h"

enum { NOBODY = 65534, KIND_MASK = 0170000, KIND_DIRECTORY = 0040000 };

/* Maps a table that was given, and closes its handle. */
static status_t map_table(handle_t table, uint64_t *_Nonnull out_size,
                          const void *_Nullable *_Nonnull out) {
    struct memory_info info = {};
    uint64_t address = 0;
    status_t status = rt_object_info(table, INFO_MEMORY, &info, sizeof info);
    *out_size = info.content_size & ~(uint64_t)(PAGE_SIZE - 1);
    status =
        status == STATUS_OK ? rt_map(0, 0, *out_size, table, 0, PROTECT_READ, &address) : status;
    rt_handle_close(table);
    *out = status == STATUS_OK ? rt_pointer(address) : nullptr;
    return status;
}

/* Maps one of the two tables that `process` shares. */
static status_t attach(handle_t process, bool principals, uint64_t *_Nonnull out_size,
                       const void *_Nullable *_Nonnull out) {
    handle_t tables[2] = {};
    REFUSE(process == HANDLE_NONE, STATUS_NOT_FOUND);
    TRY(process_registry(process, &tables[0], &tables[1]));
    rt_handle_close(tables[principals ? 0 : 1]);
    return map_table(tables[principals ? 1 : 0], out_size, out);
}

status_t access_attach(handle_t process, struct access_table *_Nonnull out) {
    const void *entries = nullptr;
    uint64_t size = 0;
    *out = (struct access_table){};
    TRY(attach(process, true, &size, &entries));
    out->count = (size_t)(size / sizeof(struct process_principal_entry));
    out->entries = entries;
    return STATUS_OK;
}

status_t access_processes_attach(handle_t process, struct access_processes *_Nonnull out) {
    const void *slots = nullptr;
    uint64_t size = 0;
    *out = (struct access_processes){};
    TRY(attach(process, false, &size, &slots));
    out->count = (size_t)(size / sizeof(struct process_table_slot));
    out->slots = slots;
    return STATUS_OK;
}

struct process_table_entry access_process_at(const struct access_processes *_Nonnull table,
                                             size_t slot) {
    const struct process_table_slot *at = &table->slots[slot];
    for (;;) {
        uint32_t index = __atomic_load_n(&at->index, __ATOMIC_ACQUIRE);
        struct process_table_entry entry = (index & 1) == 0 ? at->copy0 : at->copy1;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&at->index, __ATOMIC_RELAXED) == index) {
            return entry;
        }
    }
}

bool access_process_by_serial(const struct access_processes *_Nonnull table, uint64_t serial,
                              struct process_table_entry *_Nonnull out) {
    for (size_t i = 0; i < table->count && serial != 0; i++) {
        *out = access_process_at(table, i);
        if (out->serial == serial) {
            return true;
        }
    }
    return false;
}

bool access_process_by_pid(const struct access_processes *_Nonnull table, uint32_t pid,
                           struct process_table_entry *_Nonnull out) {
    for (size_t i = 0; i < table->count && pid != 0; i++) {
        *out = access_process_at(table, i);
        if (out->serial != 0 && out->pid == pid) {
            return true;
        }
    }
    return false;
}

const struct process_principal_entry *_Nullable access_principal(
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
    const struct process_principal_entry *entry = access_principal(table, principal);
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
