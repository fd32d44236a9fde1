#pragma once
/* Record locks of fcntl(2). */
#include "posix/state.h"

/* A child's own are none: what it inherited is its parent's. */
void lock_owners_drop(struct posix_process *_Nonnull process);
/* Some descriptor of this inode is about to be closed: the process's record locks on it go. */
void record_locks_drop(const struct posix_process *_Nonnull process,
                       const struct fd_entry *_Nonnull entry);
int64_t fcntl_lock(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry,
                   uint32_t command, uint64_t address);
