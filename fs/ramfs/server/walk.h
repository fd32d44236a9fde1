#pragma once
/* Walking a path through the tables: links, `.`, `..`, floors, mount marks, permissions.
 *
 * The path lies in fs->path. A walk ends *done* with the directory, the last name and what it
 * names (inode 0: nothing yet), or with a redirect: an outcome and the rest of the path, from
 * where the client goes on (idl/filesystem.idl). */
#include "fs/ramfs/server/access.h"

enum walk_goal : uint32_t {
    WALK_FOLLOW, /* the last component is followed if it is a link */
    WALK_STAY,   /* it is not, unless a slash follows it */
    WALK_PARENT  /* it is not, and a mark there does not stop the walk: names are made and taken */
};

struct walk {
    /* In. */
    struct caller caller;
    uint32_t session; /* slot; 0: the control session, which is the root directory */
    uint32_t flags;   /* FILESYSTEM_WALK_FLAGS */
    enum walk_goal goal;
    uint32_t links;
    /* Out. */
    enum filesystem_outcome outcome;
    uint64_t object;
    uint32_t inode;     /* 0: the last name names nothing */
    uint32_t directory; /* of the last name; 0: there was none (empty path, `.`, `..`) */
    uint32_t entry;     /* UINT32_MAX: none */
    uint32_t name_start, name_length;
    uint32_t rest_start, rest_length; /* of a redirect */
    bool slash;                       /* the path ends with one */
    bool dot;                         /* the last component is `.` or `..` */
    bool up;                          /* it is `..` */
    /* From the session. */
    uint32_t start, context, floor, how;
};

/* Looks the session up and copies the path. Errors: BAD_ARGUMENT: not a session that walks;
 * ABSENT; BAD_MESSAGE: a NUL in the path. */
status_t walk_begin(struct ramfs *_Nonnull fs, struct rt_request *_Nonnull request,
                    const struct rt_input *_Nonnull input, uint64_t offset, uint64_t size,
                    struct walk *_Nonnull walk);
/* Fills a walk's session part. Errors: BAD_ARGUMENT. */
status_t walk_from(const struct ramfs *_Nonnull fs, uint64_t cookie, struct walk *_Nonnull walk);
/* Walks `length` bytes of fs->path. Errors: those of open(2) as protocol statuses. */
status_t walk_path(struct ramfs *_Nonnull fs, struct walk *_Nonnull walk, size_t length);
/* Tells the client how the walk ended: of a redirect, its rest too. */
status_t walk_tell(struct ramfs *_Nonnull fs, struct rt_request *_Nonnull request,
                   const struct walk *_Nonnull walk, const struct rt_output *_Nonnull text,
                   struct filesystem_walk *_Nonnull ended, uint64_t *_Nonnull out_size);
static inline struct rt_bytes walk_name(const struct ramfs *_Nonnull fs,
                                        const struct walk *_Nonnull walk) {
    return (struct rt_bytes){.size = walk->name_length, .data = &fs->path[walk->name_start]};
}
/* The number of the mount whose mark is on a directory; 0: none. */
uint64_t walk_mark(const struct ramfs *_Nonnull fs, uint32_t inode);
