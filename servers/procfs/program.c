/* Looking into a process: its memory, its handles, its threads. */
#include "lib/base/bytes.h"
#include "servers/procfs/procfs.h"

status_t program_open(struct procfs *_Nonnull fs, struct rt_request *_Nonnull request,
                      const struct subject *_Nonnull subject) {
    if (fs->looked_at == subject->entry.serial) {
        return STATUS_OK;
    }
    program_close(fs);
    status_t status =
        process_open_process_nested(SOME(request->context), STEP_OPEN, fs->process_server,
                                    subject->entry.pid, &fs->process, &fs->image);
    if (status == STATUS_OK) {
        fs->looked_at = subject->entry.serial;
    }
    return status == PROCESS_STATUS_NO_PROCESS ? STATUS_NOT_FOUND : status;
}

void program_close(struct procfs *_Nonnull fs) {
    rt_handle_close(fs->process);
    rt_handle_close(fs->image);
    fs->process = fs->image = HANDLE_NONE;
    fs->looked_at = 0;
}

status_t program_read(const struct procfs *_Nonnull fs, uint64_t address, void *_Nonnull to,
                      size_t size) {
    status_t status = rt_memory_copy(fs->process, address, rt_address(to), size, MEMORY_TO_CALLER);
    /* A handler's ABSENT would mean a lease of its caller. */
    return status == STATUS_ABSENT ? STATUS_CLOSED : status;
}

uint32_t program_descriptor_end(const struct procfs *_Nonnull fs) {
    uint32_t high = 0;
    status_t status =
        program_read(fs, RUNTIME_DESCRIPTORS + offsetof(struct fd_table, high), &high, sizeof high);
    return status == STATUS_OK ? MIN(high, (uint32_t)FD_LIMIT) : 0;
}

struct fd_entry program_descriptor(const struct procfs *_Nonnull fs, uint32_t fd) {
    struct fd_entry entry = {};
    uint64_t at =
        RUNTIME_DESCRIPTORS + offsetof(struct fd_table, entries) + (uint64_t)fd * sizeof entry;
    if (fd >= program_descriptor_end(fs) ||
        program_read(fs, at, &entry, sizeof entry) != STATUS_OK) {
        entry.handle = HANDLE_NONE;
    }
    return entry;
}

uint32_t program_thread(const struct procfs *_Nonnull fs, uint32_t slot) {
    struct thread_slot thread = {};
    uint64_t at =
        RUNTIME_STATE + offsetof(struct posix_process, threads) + (uint64_t)slot * sizeof thread;
    if (slot >= THREAD_LIMIT || program_read(fs, at, &thread, sizeof thread) != STATUS_OK) {
        return 0;
    }
    return thread.tid < 1u << NUMBER_BITS ? thread.tid : 0;
}

struct program_name program_name(const struct procfs *_Nonnull fs,
                                 const struct process_description *_Nonnull about) {
    struct program_name name = {};
    uint64_t magic = 0;
    char own[sizeof((struct posix_process *)nullptr)->name] = {};
    static_assert(sizeof own < sizeof name.text && sizeof about->name <= sizeof name.text);
    if (fs->looked_at == about->serial && PROGRAM_FIELD(fs, magic, magic) == STATUS_OK &&
        magic == STATE_MAGIC && PROGRAM_FIELD(fs, name, own) == STATUS_OK) {
        bytes_copy(name.text, own, sizeof own);
    } else {
        /* As many as a program's own name has. */
        bytes_copy(name.text, about->name, sizeof own - 1);
    }
    return name;
}

struct thread_counts program_threads(handle_t process) {
    enum { BATCH = 8 };
    struct thread_entry threads[BATCH] = {};
    struct thread_counts counts = {};
    uint64_t cursor = 0;
    uint64_t count = 0;
    do {
        if (rt_object_list(process, LIST_THREADS, &threads[0], sizeof threads, &cursor, &count) !=
            STATUS_OK) {
            break;
        }
        for (uint64_t i = 0; i < count && i < BATCH; i++) {
            uint32_t state = threads[i].state;
            counts.all += state == THREAD_DEAD ? 0 : 1;
            counts.ready += state == THREAD_READY || state == THREAD_RUNNING ? 1 : 0;
            counts.paging += state == THREAD_PAGE ? 1 : 0;
        }
    } while (count == BATCH);
    return counts;
}

char program_state(struct procfs *_Nonnull fs, struct rt_request *_Nonnull request,
                   const struct subject *_Nonnull subject) {
    if (subject->entry.state == PROCESS_LIFE_ENDED) {
        return 'Z';
    }
    if (subject->entry.state == PROCESS_LIFE_STOPPED) {
        return 'T';
    }
    if (subject->entry.serial == request->page->received.process_serial) {
        return 'R'; /* it is in this very call */
    }
    if (program_open(fs, request, subject) != STATUS_OK) {
        return 'Z';
    }
    struct thread_counts counts = program_threads(fs->process);
    return counts.ready > 0 ? 'R' : counts.paging > 0 ? 'D' : 'S';
}

status_t may_look(const struct procfs *_Nonnull fs, const struct rt_request *_Nonnull request,
                  const struct process_table_entry *_Nonnull entry) {
    struct caller caller = access_caller(&fs->view.principals, request, false);
    const struct process_principal_entry *who =
        access_principal(&fs->view.principals, entry->principal);
    if (caller.serial == entry->serial || caller_can(&caller, CAPABILITY_PTRACE)) {
        return STATUS_OK;
    }
    bool same = who != nullptr && who->uid == caller.uid && who->effective_uid == caller.uid &&
                who->saved_uid == caller.uid;
    return same ? STATUS_OK : FILESYSTEM_STATUS_NO_ACCESS;
}

status_t describe(struct procfs *_Nonnull fs, struct rt_request *_Nonnull request,
                  const struct subject *_Nonnull subject,
                  struct process_description *_Nonnull out) {
    status_t status = process_describe_nested(SOME(request->context), STEP_DESCRIBE,
                                              fs->process_server, subject->entry.pid, out);
    bool other = status == STATUS_OK && out->serial != subject->entry.serial;
    return other || status == PROCESS_STATUS_NO_PROCESS ? STATUS_NOT_FOUND : status;
}
