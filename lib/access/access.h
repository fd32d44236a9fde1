#pragma once
/* Who calls, and what that one may do with a file.
 *
 * The kernel stamps each call with the caller's principal; what the number stands for is in a table
 * that `process` shares read-only, so that no server has to ask upward. */
#include "idl/process.h"
#include "lib/rt/message.h"

enum { MAY_RUN = 1, MAY_WRITE = 2, MAY_READ = 4 };
/* Bits of principal_entry.capabilities, as Linux numbers them. */
enum : uint64_t {
    CAPABILITY_CHOWN = 1u << 0,
    CAPABILITY_DAC_OVERRIDE = 1u << 1,
    CAPABILITY_DAC_READ_SEARCH = 1u << 2,
    CAPABILITY_FOWNER = 1u << 3,
    CAPABILITY_FSETID = 1u << 4,
    CAPABILITY_PTRACE = 1u << 19,
    CAPABILITY_ADMIN = 1u << 21,
    CAPABILITY_MKNOD = 1u << 27
};

/* The table as it is mapped; empty where there is no process server. */
struct access_table {
    size_t count;
    const struct process_principal_entry *_Nullable COUNTED_BY(count) entries;
};

/* The table of processes, the same way. */
struct access_processes {
    size_t count;
    const struct process_table_slot *_Nullable COUNTED_BY(count) slots;
};

struct caller {
    uint32_t uid, gid; /* those that count for files */
    uint64_t capabilities;
    const struct process_principal_entry *_Nullable entry;
    uint64_t serial; /* of the process */
};

/* Whose a file is, and its type and permission bits as st_mode. */
struct access_file {
    uint32_t mode, uid, gid;
};

/* Maps the tables. `process`: a session to the process server, or HANDLE_NONE.
 * Errors: those of process.registry; NOT_FOUND: no process server. */
status_t access_attach(handle_t process, struct access_table *_Nonnull out);
status_t access_processes_attach(handle_t process, struct access_processes *_Nonnull out);

/* What the table says of the process in a slot (a whole copy of one moment); serial 0: none. */
struct process_table_entry access_process_at(const struct access_processes *_Nonnull table,
                                             size_t slot);
/* False: none has that serial, that pid. */
bool access_process_by_serial(const struct access_processes *_Nonnull table, uint64_t serial,
                              struct process_table_entry *_Nonnull out);
bool access_process_by_pid(const struct access_processes *_Nonnull table, uint32_t pid,
                           struct process_table_entry *_Nonnull out);

/* The caller of the request. Principal 0 (services) may do everything; one that the table does not
 * know is nobody. `real`: by the real ids, as access(2) asks. */
struct caller access_caller(const struct access_table *_Nonnull table,
                            const struct rt_request *_Nonnull request, bool real);
/* What a principal stands for; null: the table does not know it. */
const struct process_principal_entry *_Nullable access_principal(
    const struct access_table *_Nonnull table, uint32_t principal);
bool caller_in_group(const struct caller *_Nonnull caller, uint32_t gid);
static inline bool caller_can(const struct caller *_Nonnull caller, uint64_t capability) {
    return (caller->capabilities & capability) != 0;
}
/* May the caller do `wanted` (MAY_ bits) with the file? */
bool access_allowed(const struct caller *_Nonnull caller, struct access_file file, uint32_t wanted);
