#pragma once
/* Relative times of programs as absolute deadlines, kept while a call is made again. */
#include "posix/state.h"

/* -EINVAL: negative, or a second's part that is none. Too long a time is cut to what never comes.
 */
int64_t timeout_ns_of(const struct linux_timespec *_Nonnull time, uint64_t *_Nonnull out);
/* The deadline of a call that waits `ns` from its first attempt on. */
uint64_t timeout_deadline(struct posix_thread *_Nonnull self, uint64_t ns);
