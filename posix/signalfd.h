#pragma once
/* Descriptors from which signals are read. */
#include "posix/state.h"

/* Shows which of them have something to be read: before each wait for descriptors. A signal that
 * comes while a thread waits kicks it, and it looks again. */
void signalfds_show(struct posix_thread *_Nonnull self);
int64_t signalfd_read(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry,
                      uint64_t address, uint64_t length);
