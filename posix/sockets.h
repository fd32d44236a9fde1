#pragma once
/* Pipes, Unix-domain sockets, event counters: all of `local`. */
#include "posix/state.h"

/* F_GETPIPE_SZ, F_SETPIPE_SZ. */
int64_t fcntl_pipe_size(const struct fd_entry *_Nonnull entry, bool change, uint64_t size);
