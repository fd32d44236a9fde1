#pragma once
/* The table of descriptors: numbers to sessions, close-on-exec, cached facts. */
#include "posix/state.h"

/* The entry of a descriptor; -EBADF. */
int64_t fd_get(struct posix_thread *_Nonnull self, uint64_t fd, struct fd_entry *_Nonnull out);
/* As fd_get, but a place only (O_PATH) is EBADF too: what reads, writes and ioctls want. */
int64_t fd_get_open(struct posix_thread *_Nonnull self, uint64_t fd, struct fd_entry *_Nonnull out);
/* Puts the entry at the lowest free number from `lowest` on; -EMFILE, and the handle is the
 * caller's still. */
int64_t fd_install(struct posix_thread *_Nonnull self, uint64_t lowest,
                   const struct fd_entry *_Nonnull entry);
/* The same, closing the handle where there is no room. */
int64_t fd_give(struct posix_thread *_Nonnull self, struct fd_entry entry);
/* Puts the entry at `fd` and gives back what was there. -EBADF: beyond the limit. */
int64_t fd_replace(struct posix_thread *_Nonnull self, uint64_t fd,
                   const struct fd_entry *_Nonnull entry, struct fd_entry *_Nonnull out_old);
/* Takes the entry out. */
int64_t fd_take(struct posix_thread *_Nonnull self, uint64_t fd, struct fd_entry *_Nonnull out);
int64_t fd_set_close_on_exec(struct posix_thread *_Nonnull self, uint64_t fd, bool on);
/* Closes a session that an entry named. */
void fd_release(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry);
/* Copies a table: what a child of vfork gets. */
void fd_table_copy(struct fd_table *_Nonnull to, const struct fd_table *_Nonnull from);
/* Closes what is marked close-on-exec. */
void fd_close_on_exec(struct posix_thread *_Nonnull self);
