#pragma once
/* Where something that is open lies: for getcwd(2), and for the links of /proc that lead to objects
 * (exe, cwd, root, fd/N), which are read on this side: no server has to ask another upward. */
#include "posix/path.h"

/* The absolute path of a file or directory, in self->path from *at to its end (PATH_MAX - 1, where
 * a NUL is). Ends `place`. Errors: ENOENT: it was removed; ENAMETOOLONG. */
int64_t object_path(struct posix_thread *_Nonnull self, struct place *_Nonnull place,
                    size_t *_Nonnull at);
/* What readlink(2) says of a link to the object `place`: its length, or an error. Ends `place`. */
int64_t object_link(struct posix_thread *_Nonnull self, struct place *_Nonnull place, uint64_t to,
                    uint64_t room);
