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
uint32_t facts_pid(struct posix_thread *_Nonnull self);
