/* Facts about this process (identity.h), and the calls that only read them. */
#include "posix/identity.h"
#include "posix/errors.h"
#include "posix/native.h"
#include "posix/signals.h"
#include "posix/syscalls.h"
#include "posix/user.h"

/* Maps one of the tables read-only where the layout has it; its size in bytes, 0: could not. */
static uint64_t map_table(handle_t memory, uint64_t address, uint64_t limit, uint32_t protection) {
    struct memory_info info = {};
    struct native_result got =
        NATIVE(SYS_OBJECT_INFO, memory, INFO_MEMORY, (uintptr_t)&info, sizeof info);
    uint64_t size =
        got.status == STATUS_OK ? MIN(info.size, limit) & ~(uint64_t)(PAGE_SIZE - 1) : 0;
    uint64_t at = address;
    if (size == 0 || space_map(0, &at, size, memory, 0, protection | MAP_FIXED) != STATUS_OK) {
        return 0;
    }
    return size;
}

void facts_load(struct posix_thread *_Nonnull self) {
    struct posix_process *process = self->process;
    handle_t processes = HANDLE_NONE;
    handle_t principals = HANDLE_NONE;
    handle_t signals = HANDLE_NONE;
    uint32_t first_thread = 0;
    if (process->facts_known != 0) {
        return;
    }
    status_t status =
        process_tables(process->process, &processes, &principals, &signals, &process->pid,
                       &process->slot, &process->principal, &first_thread);
    if (status != STATUS_OK) {
        return;
    }
    if (process->processes == nullptr) {
        uint64_t size = map_table(processes, RUNTIME_PROCESSES,
                                  RUNTIME_PRINCIPALS - RUNTIME_PROCESSES, PROTECT_READ);
        if (size != 0) {
            process->processes_length = size / sizeof(struct process_table_slot);
            process->processes = address_pointer(RUNTIME_PROCESSES);
        }
        size = map_table(principals, RUNTIME_PRINCIPALS, RUNTIME_VFORK - RUNTIME_PRINCIPALS,
                         PROTECT_READ);
        if (size != 0) {
            process->principals_length = size / sizeof(struct process_principal_entry);
            process->principals = address_pointer(RUNTIME_PRINCIPALS);
        }
    }
    /* A child of vfork has its signal page behind its own state, not in its parent's place. */
    uint64_t at = process->vfork_area == 0 ? RUNTIME_SIGNALS : process->vfork_area + VFORK_SIGNALS;
    if (map_table(signals, at, PAGE_SIZE, PROTECT_READ | PROTECT_WRITE) != 0) {
        process->signals = address_pointer(at);
    }
    handle_close(processes);
    handle_close(principals);
    handle_close(signals);
    if (self->tid == 0) {
        self->tid = process->pid;
        process->threads[self->slot].tid = process->pid;
    }
    signals_share_mask(self);
    process->facts_known = 1;
    signals_look(self); /* what came before */
}

static struct process_table_entry entry_of(const struct process_table_slot *_Nonnull slot) {
    for (;;) {
        uint32_t index = __atomic_load_n(&slot->index, __ATOMIC_ACQUIRE);
        struct process_table_entry entry = (index & 1) == 0 ? slot->copy0 : slot->copy1;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&slot->index, __ATOMIC_RELAXED) == index) {
            return entry;
        }
    }
}

struct process_table_entry facts_self(struct posix_thread *_Nonnull self) {
    const struct posix_process *process = self->process;
    facts_load(self);
    if (process->processes == nullptr || process->slot >= process->processes_length) {
        return (struct process_table_entry){.pid = process->pid};
    }
    return entry_of(&process->processes[process->slot]);
}

bool facts_find(struct posix_thread *_Nonnull self, uint32_t pid,
                struct process_table_entry *_Nonnull out) {
    const struct posix_process *process = self->process;
    facts_load(self);
    for (size_t i = 0; process->processes != nullptr && i < process->processes_length; i++) {
        *out = entry_of(&process->processes[i]);
        if (out->serial != 0 && out->pid == pid) {
            return true;
        }
    }
    return false;
}

struct process_principal_entry facts_credentials(struct posix_thread *_Nonnull self) {
    const struct posix_process *process = self->process;
    facts_load(self);
    size_t length = process->principals_length;
    for (size_t i = 0; process->principals != nullptr && i < length; i++) {
        size_t at = (process->principal + i) % length;
        const struct process_principal_entry *entry = &process->principals[at];
        if (entry->principal == process->principal) {
            return *entry;
        }
        if (entry->principal == 0) {
            break;
        }
    }
    return (struct process_principal_entry){.uid = 65534, .gid = 65534};
}

uint64_t limit_soft(const struct posix_thread *_Nonnull self, uint32_t resource) {
    const struct posix_process *process = self->process;
    uint32_t index = resource & (LIMIT_COUNT - 1);
    return process->signals != nullptr ? SOME(process->signals)->limits[index]
                                       : process->limits[index];
}

void limits_keep(struct posix_process *_Nonnull process) {
    for (uint32_t i = 0; i < LIMIT_COUNT && process->signals != nullptr; i++) {
        process->limits[i] = SOME(process->signals)->limits[i];
    }
}

/* fork says it: a child that ends soon has no need of the tables. */
uint32_t facts_pid(struct posix_thread *_Nonnull self) {
    if (self->process->pid == 0) {
        facts_load(self);
    }
    return self->process->pid;
}

LINUX(getpid) {
    (void)frame;
    return facts_pid(self);
}

LINUX(gettid) {
    (void)frame;
    if (self->tid == 0) {
        facts_load(self);
    }
    return self->tid;
}

LINUX(getppid) {
    (void)frame;
    return facts_self(self).parent;
}

LINUX(getpgrp) {
    (void)frame;
    return facts_self(self).group;
}

LINUX(getpgid) {
    struct process_table_entry entry = {};
    if ((int32_t)frame->rdi == 0) {
        return facts_self(self).group;
    }
    return facts_find(self, (uint32_t)frame->rdi, &entry) ? (int64_t)entry.group : -ESRCH;
}

LINUX(getsid) {
    struct process_table_entry entry = {};
    if ((int32_t)frame->rdi == 0) {
        return facts_self(self).session;
    }
    return facts_find(self, (uint32_t)frame->rdi, &entry) ? (int64_t)entry.session : -ESRCH;
}

LINUX(getuid) {
    (void)frame;
    return facts_credentials(self).uid;
}

LINUX(geteuid) {
    (void)frame;
    return facts_credentials(self).effective_uid;
}

LINUX(getgid) {
    (void)frame;
    return facts_credentials(self).gid;
}

LINUX(getegid) {
    (void)frame;
    return facts_credentials(self).effective_gid;
}

static int64_t give_three(const struct program_frame *_Nonnull frame, uint32_t a, uint32_t b,
                          uint32_t c) {
    int64_t error = USER_WRITE(frame->rdi, a);
    error = error != 0 ? error : USER_WRITE(frame->rsi, b);
    return error != 0 ? error : USER_WRITE(frame->rdx, c);
}

LINUX(getresuid) {
    struct process_principal_entry who = facts_credentials(self);
    return give_three(frame, who.uid, who.effective_uid, who.saved_uid);
}

LINUX(getresgid) {
    struct process_principal_entry who = facts_credentials(self);
    return give_three(frame, who.gid, who.effective_gid, who.saved_gid);
}

LINUX(getgroups) {
    struct process_principal_entry who = facts_credentials(self);
    uint32_t count = MIN(who.group_count, (uint32_t)ARRAY_LENGTH(who.groups));
    int32_t room = (int32_t)frame->rdi;
    if (room < 0 || (room > 0 && (uint32_t)room < count)) {
        return -EINVAL;
    }
    if (room > 0) {
        int64_t error = user_write(frame->rsi, who.groups, count * sizeof who.groups[0]);
        return error != 0 ? error : (int64_t)count;
    }
    return count;
}

/* ---- changes, all by `process` ---- */

static int64_t set_ids(struct posix_thread *_Nonnull self, uint32_t which, bool plain,
                       const struct process_ids *_Nonnull ids, struct rt_bytes groups) {
    uint32_t principal = 0;
    facts_load(self);
    status_t status =
        process_set_ids(self->process->process, which, plain, ids, groups, &principal);
    if (status == STATUS_OK) {
        self->process->principal = principal;
    }
    return error_of_process(status);
}

LINUX(setuid) {
    struct process_ids ids = {.uid = (uint32_t)frame->rdi, .effective_uid = (uint32_t)frame->rdi};
    return set_ids(self, PROCESS_ID_MASK_UID, true, &ids, (struct rt_bytes){});
}

LINUX(setgid) {
    struct process_ids ids = {.gid = (uint32_t)frame->rdi, .effective_gid = (uint32_t)frame->rdi};
    return set_ids(self, PROCESS_ID_MASK_GID, true, &ids, (struct rt_bytes){});
}

/* setfsuid(2) and setfsgid(2) answer the old id, whatever comes of it. */
LINUX(setfsuid) {
    uint32_t old = facts_credentials(self).file_uid;
    struct process_ids ids = {.file_uid = (uint32_t)frame->rdi};
    if (ids.file_uid != UINT32_MAX) {
        (void)set_ids(self, PROCESS_ID_MASK_FILE_UID, false, &ids, (struct rt_bytes){});
    }
    return old;
}

LINUX(setfsgid) {
    uint32_t old = facts_credentials(self).file_gid;
    struct process_ids ids = {.file_gid = (uint32_t)frame->rdi};
    if (ids.file_gid != UINT32_MAX) {
        (void)set_ids(self, PROCESS_ID_MASK_FILE_GID, false, &ids, (struct rt_bytes){});
    }
    return old;
}

/* ---- capabilities ---- */

struct capability_header {
    uint32_t version;
    int32_t pid;
};
struct capability_words {
    uint32_t effective, permitted, inheritable;
};
#define CAPABILITY_VERSION 0x20080522u
#define CAPABILITIES_ALL ((1ull << 41) - 1)

static int64_t capability_header(struct posix_thread *_Nonnull self, uint64_t address) {
    struct capability_header header = {};
    int64_t error = USER_READ(header, address);
    if (error != 0) {
        return error;
    }
    if (header.version != CAPABILITY_VERSION && header.version != 0x20071026u) {
        header.version = CAPABILITY_VERSION;
        error = USER_WRITE(address, header);
        return error != 0 ? error : -EINVAL;
    }
    return header.pid == 0 || (uint32_t)header.pid == facts_pid(self) ? 0
           : header.pid < 0                                           ? -EINVAL
                                                                      : -EPERM;
}

LINUX(capget) {
    int64_t error = capability_header(self, frame->rdi);
    if (error != 0 || frame->rsi == 0) {
        return error == -EINVAL && frame->rsi == 0 ? 0 : error;
    }
    struct process_principal_entry who = facts_credentials(self);
    struct capability_words words[2] = {};
    for (unsigned i = 0; i < 2; i++) {
        words[i] = (struct capability_words){
            .effective = (uint32_t)((who.capabilities & CAPABILITIES_ALL) >> 32 * i),
            .permitted = (uint32_t)((who.permitted & CAPABILITIES_ALL) >> 32 * i),
            .inheritable = (uint32_t)((who.inheritable & CAPABILITIES_ALL) >> 32 * i)};
    }
    return USER_WRITE(frame->rsi, words);
}

LINUX(capset) {
    struct capability_words words[2] = {};
    int64_t error = capability_header(self, frame->rdi);
    error = error != 0 ? error : USER_READ(words, frame->rsi);
    if (error != 0) {
        return error;
    }
    struct process_ids ids = {.effective = (uint64_t)words[1].effective << 32 | words[0].effective,
                              .permitted = (uint64_t)words[1].permitted << 32 | words[0].permitted,
                              .inheritable =
                                  (uint64_t)words[1].inheritable << 32 | words[0].inheritable};
    return set_ids(self, PROCESS_ID_MASK_CAPABILITIES, false, &ids, (struct rt_bytes){});
}

static int64_t set_uids(struct posix_thread *_Nonnull self, uint64_t real, uint64_t effective,
                        uint64_t saved) {
    struct process_ids ids = {
        .uid = (uint32_t)real, .effective_uid = (uint32_t)effective, .saved_uid = (uint32_t)saved};
    uint32_t which = (ids.uid != UINT32_MAX ? PROCESS_ID_MASK_UID : 0) |
                     (ids.effective_uid != UINT32_MAX ? PROCESS_ID_MASK_EFFECTIVE_UID : 0) |
                     (ids.saved_uid != UINT32_MAX ? PROCESS_ID_MASK_SAVED_UID : 0);
    return set_ids(self, which, false, &ids, (struct rt_bytes){});
}

static int64_t set_gids(struct posix_thread *_Nonnull self, uint64_t real, uint64_t effective,
                        uint64_t saved) {
    struct process_ids ids = {
        .gid = (uint32_t)real, .effective_gid = (uint32_t)effective, .saved_gid = (uint32_t)saved};
    uint32_t which = (ids.gid != UINT32_MAX ? PROCESS_ID_MASK_GID : 0) |
                     (ids.effective_gid != UINT32_MAX ? PROCESS_ID_MASK_EFFECTIVE_GID : 0) |
                     (ids.saved_gid != UINT32_MAX ? PROCESS_ID_MASK_SAVED_GID : 0);
    return set_ids(self, which, false, &ids, (struct rt_bytes){});
}

/* setreuid: the saved id follows the effective one where the real one is set, or the effective one
 * becomes something else than the real one was. */
static uint64_t saved_of(uint64_t real, uint64_t effective, uint32_t real_before,
                         uint32_t effective_before) {
    uint32_t now = (uint32_t)effective == UINT32_MAX ? effective_before : (uint32_t)effective;
    bool follows = (uint32_t)real != UINT32_MAX ||
                   ((uint32_t)effective != UINT32_MAX && (uint32_t)effective != real_before);
    return follows ? now : UINT32_MAX;
}

LINUX(setreuid) {
    struct process_principal_entry who = facts_credentials(self);
    return set_uids(self, frame->rdi, frame->rsi,
                    saved_of(frame->rdi, frame->rsi, who.uid, who.effective_uid));
}

LINUX(setregid) {
    struct process_principal_entry who = facts_credentials(self);
    return set_gids(self, frame->rdi, frame->rsi,
                    saved_of(frame->rdi, frame->rsi, who.gid, who.effective_gid));
}

LINUX(setresuid) {
    return set_uids(self, frame->rdi, frame->rsi, frame->rdx);
}

LINUX(setresgid) {
    return set_gids(self, frame->rdi, frame->rsi, frame->rdx);
}

LINUX(setgroups) {
    struct process_ids ids = {};
    if (frame->rdi > 65536) {
        return -EINVAL;
    }
    return set_ids(self, PROCESS_ID_MASK_GROUPS, false, &ids,
                   user_bytes(frame->rsi, frame->rdi * sizeof(uint32_t)));
}

LINUX(setpgid) {
    if ((int32_t)frame->rsi < 0) {
        return -EINVAL;
    }
    return error_of_process(
        process_set_group(self->process->process, (uint32_t)frame->rdi, (uint32_t)frame->rsi));
}

LINUX(setsid) {
    uint32_t id = 0;
    (void)frame;
    status_t status = process_new_session(self->process->process, &id);
    return status == STATUS_OK ? (int64_t)id : error_of_process(status);
}
