#pragma once
/* New processes and threads. */
#include "posix/state.h"

/* The thread of a new process: everything but its own is forgotten. `pid`: 0, not known yet. */
void process_begin_child(struct posix_thread *_Nonnull self, struct thread_page *_Nonnull page,
                         uint32_t pid);
/* A free place for a thread with its area mapped; null: there is none. */
struct thread_slot *_Nullable thread_place(struct posix_process *_Nonnull process,
                                           uint32_t *_Nonnull out_slot);
/* Tells who waits for locks of the ending process's threads that their owner died. */
void robust_walk_all(const struct posix_thread *_Nonnull self);
/* The top of the area that `state` lies in. */
uint64_t area_top(const struct posix_thread *_Nonnull state);
