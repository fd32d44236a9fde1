#pragma once
/* Paths: one call to one file system walks all of it; where a walk stops at a mount, a link out or
 * an object, the runtime crosses and goes on. The runtime never decides what a path may reach. */
#include "idl/filesystem.h"
#include "posix/state.h"

/* Where a walk starts, and what is left of its path. `path` may be walk or path of the thread. */
struct place {
    handle_t directory;
    bool owned; /* `directory` is a temporary of this walk */
    uint32_t links;
    struct rt_bytes rest;
};

/* Copies the program's path to `text` (PATH_MAX bytes) and finds its start.
 * Errors: EFAULT, ENAMETOOLONG, ENOENT (empty, unless `empty_allowed`), EBADF, ENOTDIR. */
int64_t path_begin(struct posix_thread *_Nonnull self, int32_t directory_fd, uint64_t address,
                   char *_Nonnull text, bool empty_allowed, struct place *_Nonnull out);
/* The same for a path of the runtime's own. */
void path_begin_text(struct posix_thread *_Nonnull self, struct rt_bytes text,
                     struct place *_Nonnull out);
void path_end(struct place *_Nonnull place);

/* After a call that answered OK with `ended`: true: it is done. False: *place is where to go on
 * (text: `text_size` bytes of self->walk) or *error says why not. */
bool path_step(struct posix_thread *_Nonnull self, struct place *_Nonnull place,
               const struct filesystem_walk *_Nonnull ended, uint64_t text_size,
               uint32_t walk_flags, int64_t *_Nonnull error);

/* What is left for the text of an answer. */
struct rt_buffer path_room(struct posix_thread *_Nonnull self);
