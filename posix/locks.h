#pragma once
/* Record locks of fcntl(2). */
#include "posix/state.h"

int64_t fcntl_lock(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry,
                   uint32_t command, uint64_t address);
