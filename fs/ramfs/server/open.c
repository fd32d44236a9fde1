/* Opening: the walk, permissions, creation, truncation, and the session that comes out. */
#include "fs/ramfs/server/handlers.h"

enum {
    OPEN_CREATE = FILESYSTEM_OPEN_FLAGS_CREATE,
    OPEN_EXCLUSIVE = FILESYSTEM_OPEN_FLAGS_EXCLUSIVE,
    OPEN_WRITE = FILESYSTEM_OPEN_FLAGS_WRITE,
    OPEN_TRUNCATE = FILESYSTEM_OPEN_FLAGS_TRUNCATE,
    SESSION_RIGHTS = RIGHT_CALL | RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_WAIT | RIGHT_INSPECT
};

status_t session_mint(struct ramfs *_Nonnull fs, uint32_t slot, uint32_t flags, handle_t memory,
                      uint32_t rights, handle_t *_Nonnull out) {
    handle_t whole = HANDLE_NONE;
    status_t status =
        rt_object_create(OBJECT_SESSION, fs->server->endpoint,
                         session_cookie(session_at(fs, slot), slot), flags, 0, memory, &whole);
    if (status == STATUS_OK) {
        status = rt_handle_duplicate(whole, SESSION_RIGHTS | rights, out);
        rt_handle_close(whole);
    }
    return status;
}

status_t session_like(struct ramfs *_Nonnull fs, const struct walk *_Nonnull walk,
                      enum session_kind kind, uint32_t inode, uint32_t *_Nonnull out) {
    if (fs->index.free_sessions == 0) {
        sessions_reconcile(fs);
    }
    status_t status = session_make(fs, kind, inode, out);
    if (status == STATUS_OK) {
        struct session_record *session = session_edit(fs, *out);
        session->context = walk->context;
        session->floor = walk->floor;
        session->how = walk->how;
    }
    return status;
}

status_t inode_memory_make(struct ramfs *_Nonnull fs, uint32_t number, handle_t *_Nonnull out) {
    uint64_t tag = number | (uint64_t)inode_at(fs, number)->generation << 32; /* name_memory */
    status_t status = rt_object_create(OBJECT_MEMORY, 0, 0, MEMORY_FILE, tag, 0, out);
    if (status != STATUS_OK) {
        return FILESYSTEM_STATUS_NO_SPACE;
    }
    return rt_stage_keep(fs->server, KEEP_INODE + number, *out);
}

status_t names_allowed(const struct ramfs *_Nonnull fs, const struct walk *_Nonnull walk,
                       uint32_t directory) {
    const struct inode_record *parent = inode_at(fs, directory);
    if (parent->links == 0) {
        return STATUS_NOT_FOUND;
    }
    status_t status = access_check(&walk->caller, parent, MAY_WRITE | MAY_RUN);
    if (status == STATUS_OK && (walk->how & FILESYSTEM_MOUNT_FLAGS_READ_ONLY) != 0) {
        return FILESYSTEM_STATUS_READ_ONLY;
    }
    return status;
}

status_t inode_create(struct ramfs *_Nonnull fs, const struct walk *_Nonnull walk, uint32_t mode,
                      uint32_t *_Nonnull out) {
    const struct inode_record *parent = inode_at(fs, walk->directory);
    uint32_t gid = (parent->mode & MODE_SET_GID) != 0 ? parent->gid : walk->caller.gid;
    bool directory = (mode & MODE_KIND) == MODE_DIRECTORY;
    if (directory && (parent->mode & MODE_SET_GID) != 0) {
        mode |= MODE_SET_GID;
    }
    status_t status = inode_make(fs, mode, walk->caller.uid, gid, out);
    if (status != STATUS_OK) {
        return status;
    }
    struct inode_record *inode = inode_edit(fs, *out);
    inode->links = directory ? 2 : 1;
    if (directory) {
        inode->parent = walk->directory;
        inode_edit(fs, walk->directory)->links++;
    }
    return entry_make(fs, walk->directory, walk_name(fs, walk), *out);
}

/* An opened inode while its session is made. */
struct opening {
    uint32_t inode;
    uint32_t how;    /* open flags */
    handle_t memory; /* of a regular file */
    bool made;       /* memory is this call's own, and goes to the keep */
};

static status_t open_new(struct ramfs *_Nonnull fs, const struct walk *_Nonnull walk, uint32_t mode,
                         struct opening *_Nonnull opening) {
    if ((opening->how & OPEN_CREATE) == 0) {
        return STATUS_NOT_FOUND;
    }
    if (walk->slash) {
        return FILESYSTEM_STATUS_IS_DIRECTORY;
    }
    status_t status = names_allowed(fs, walk, walk->directory);
    if (status == STATUS_OK) {
        status = inode_create(fs, walk, MODE_REGULAR | (mode & 07777), &opening->inode);
    }
    if (status == STATUS_OK) {
        opening->made = true;
        status = inode_memory_make(fs, opening->inode, &opening->memory);
    }
    return status;
}

/* A file without a name (O_TMPFILE). */
static status_t open_unnamed(struct ramfs *_Nonnull fs, const struct walk *_Nonnull walk,
                             uint32_t mode, struct opening *_Nonnull opening) {
    if (walk->inode == 0) {
        return STATUS_NOT_FOUND;
    }
    if (!is_directory(inode_at(fs, walk->inode))) {
        return FILESYSTEM_STATUS_NOT_DIRECTORY;
    }
    status_t status = names_allowed(fs, walk, walk->inode);
    if (status == STATUS_OK) {
        status = inode_make(fs, MODE_REGULAR | (mode & 07777), walk->caller.uid, walk->caller.gid,
                            &opening->inode);
    }
    if (status == STATUS_OK) {
        opening->made = true;
        status = inode_memory_make(fs, opening->inode, &opening->memory);
    }
    return status;
}

static status_t check_open(const struct ramfs *_Nonnull fs, const struct walk *_Nonnull walk,
                           uint32_t how) {
    const struct inode_record *inode = inode_at(fs, walk->inode);
    const struct inode_index *index = &fs->index.inodes[walk->inode];
    uint32_t kind = kind_of(inode);
    bool writes = (how & (OPEN_WRITE | OPEN_TRUNCATE)) != 0;
    bool device = kind == MODE_CHARACTER || kind == MODE_BLOCK;
    if (kind == MODE_LINK) {
        return FILESYSTEM_STATUS_TOO_MANY_LINKS;
    }
    if (kind == MODE_DIRECTORY && (writes || (how & OPEN_CREATE) != 0)) {
        return FILESYSTEM_STATUS_IS_DIRECTORY;
    }
    bool runs = (how & FILESYSTEM_OPEN_FLAGS_EXECUTE) != 0;
    if ((device && (walk->how & FILESYSTEM_MOUNT_FLAGS_NO_DEVICES) != 0) ||
        (runs && (kind != MODE_REGULAR || (walk->how & FILESYSTEM_MOUNT_FLAGS_NO_EXECUTE) != 0))) {
        return FILESYSTEM_STATUS_NO_ACCESS;
    }
    uint32_t wanted = ((how & FILESYSTEM_OPEN_FLAGS_READ) != 0 ? MAY_READ : 0) |
                      (writes ? MAY_WRITE : 0) | (runs ? MAY_RUN : 0);
    status_t status = access_check(&walk->caller, inode, wanted);
    if (status != STATUS_OK) {
        return status;
    }
    if (writes && kind == MODE_REGULAR && (walk->how & FILESYSTEM_MOUNT_FLAGS_READ_ONLY) != 0) {
        return FILESYSTEM_STATUS_READ_ONLY;
    }
    return (writes && index->runners > 0) || (runs && index->writers > 0)
               ? FILESYSTEM_STATUS_TEXT_BUSY
               : STATUS_OK;
}

static status_t open_old(struct ramfs *_Nonnull fs, const struct walk *_Nonnull walk,
                         struct opening *_Nonnull opening) {
    opening->inode = walk->inode;
    if ((opening->how & FILESYSTEM_OPEN_FLAGS_PATH) != 0) {
        return STATUS_OK;
    }
    if ((opening->how & OPEN_CREATE) != 0 && (opening->how & OPEN_EXCLUSIVE) != 0) {
        return STATUS_EXISTS;
    }
    status_t status = check_open(fs, walk, opening->how);
    if (status != STATUS_OK || kind_of(inode_at(fs, walk->inode)) != MODE_REGULAR) {
        return status;
    }
    status = inode_handle(fs, walk->inode, &opening->memory);
    if (status == STATUS_OK && (opening->how & OPEN_TRUNCATE) != 0) {
        struct inode_record *inode = inode_edit(fs, walk->inode);
        inode->modify_ns = inode->change_ns = inode->modify_set_ns = now_of(fs);
    }
    return status;
}

/* Long: the end of an open, in the order that makes it one step. */
static status_t open_session(struct ramfs *_Nonnull fs, const struct walk *_Nonnull walk,
                             const struct opening *_Nonnull opening, handle_t *_Nonnull out) {
    bool path = (opening->how & FILESYSTEM_OPEN_FLAGS_PATH) != 0;
    uint32_t slot = 0;
    status_t status =
        session_like(fs, walk, path ? SESSION_PATH : SESSION_FILE, opening->inode, &slot);
    if (status != STATUS_OK) {
        return status;
    }
    bool plain = (opening->how & OPEN_WRITE) != 0 && !caller_can(&walk->caller, CAPABILITY_FSETID);
    session_edit(fs, slot)->open = (opening->how & ~SESSION_PLAIN) | (plain ? SESSION_PLAIN : 0);
    status = store_finish(fs);
    if (status == STATUS_OK && !opening->made && opening->memory != HANDLE_NONE && !path &&
        (opening->how & OPEN_TRUNCATE) != 0) {
        uint64_t old = 0;
        status = rt_memory_resize(opening->memory, 0, &old);
    }
    uint32_t rights = 0;
    if (!path) {
        rights |= (opening->how & FILESYSTEM_OPEN_FLAGS_READ) != 0 ? RIGHT_READ : 0;
        rights |= (opening->how & OPEN_WRITE) != 0 ? RIGHT_WRITE : 0;
    }
    uint32_t flags = (opening->how & FILESYSTEM_OPEN_FLAGS_APPEND) != 0 ? SESSION_APPEND : 0;
    return status != STATUS_OK
               ? status
               : session_mint(fs, slot, flags, path ? HANDLE_NONE : opening->memory, rights, out);
}

HANDLER(open) {
    struct ramfs *fs = server;
    bool exclusive = (in->how & OPEN_CREATE) != 0 && (in->how & OPEN_EXCLUSIVE) != 0;
    bool stays = exclusive || (in->walk & FILESYSTEM_WALK_FLAGS_NO_FOLLOW) != 0;
    struct walk walk = {.flags = in->walk,
                        .links = in->links,
                        .goal = exclusive ? WALK_PARENT
                                : stays   ? WALK_STAY
                                          : WALK_FOLLOW};
    status_t status = walk_begin(fs, request, &in->path, 0, in->path.size, &walk);
    if (status != STATUS_OK) {
        return status;
    }
    if (walk.outcome != FILESYSTEM_OUTCOME_DONE) {
        return walk_tell(fs, request, &walk, &in->text, &out->ended, &out->text_size);
    }
    struct opening opening = {.how = in->how};
    if ((in->how & FILESYSTEM_OPEN_FLAGS_UNNAMED) != 0) {
        status = open_unnamed(fs, &walk, in->mode, &opening);
    } else if (walk.inode == 0) {
        status = open_new(fs, &walk, in->mode, &opening);
    } else {
        status = open_old(fs, &walk, &opening);
    }
    if (status == STATUS_OK) {
        status = open_session(fs, &walk, &opening, &out->file);
    }
    if (status == STATUS_OK) {
        inode_stat_record(fs, opening.inode, walk.context, &out->info);
        out->facts = facts_of(kind_of(inode_at(fs, opening.inode)), in->how);
        return walk_tell(fs, request, &walk, &in->text, &out->ended, &out->text_size);
    }
    if (opening.made) {
        rt_handle_close(opening.memory);
    }
    rt_handle_close(out->file);
    out->file = HANDLE_NONE;
    return status;
}
