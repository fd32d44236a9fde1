#pragma once
/* Who this process is: facts that `process` shares read-only, found without a call. */
#include "posix/state.h"

/* Makes pid, slot, the tables and the signal page this process's own: one call to `process`, at the
 * start and after a fork, when they are first wanted. */
void facts_load(struct posix_thread *_Nonnull self);
/* This process's entry, as it is now. */
struct process_table_entry facts_self(struct posix_thread *_Nonnull self);
/* The entry of a pid; false: there is none. */
bool facts_find(struct posix_thread *_Nonnull self, uint32_t pid,
                struct process_table_entry *_Nonnull out);
/* The calling process's credentials. */
struct process_principal_entry facts_credentials(struct posix_thread *_Nonnull self);
/* A soft limit, as it is now. */
enum limit : uint32_t {
    LIMIT_CPU = 0,
    LIMIT_FILE_SIZE = 1,
    LIMIT_DATA = 2,
    LIMIT_STACK = 3,
    LIMIT_DESCRIPTORS = 7,
    LIMIT_SPACE = 9,
};
uint64_t limit_soft(const struct posix_thread *_Nonnull self, uint32_t resource);
/* Remembers them for when the signal page is another's: before exec, and in a child. */
void limits_keep(struct posix_process *_Nonnull process);
uint32_t facts_pid(struct posix_thread *_Nonnull self);
