/* Making and taking names: mkdir, mknod, symlink, link, unlink, rmdir, rename. */
#include "fs/ramfs/server/handlers.h"
#include "lib/base/bytes.h"

enum { LINKS_MAX = 65000 };

/* Where a new name may be made: nothing is there, and the directory allows it. */
static status_t new_name(const struct ramfs *_Nonnull fs, const struct walk *_Nonnull walk,
                         bool directory) {
    if (walk->inode != 0 || walk->directory == 0) {
        return STATUS_EXISTS;
    }
    if (walk->slash && !directory) {
        return STATUS_NOT_FOUND;
    }
    return names_allowed(fs, walk, walk->directory);
}

HANDLER(make_directory) {
    struct ramfs *fs = server;
    struct walk walk = {.links = in->links, .goal = WALK_PARENT};
    status_t status = walk_begin(fs, request, &in->path, 0, in->path.size, &walk);
    if (status == STATUS_OK && walk.outcome == FILESYSTEM_OUTCOME_DONE) {
        uint32_t made = 0;
        status = new_name(fs, &walk, true);
        if (status == STATUS_OK && inode_at(fs, walk.directory)->links >= LINKS_MAX) {
            status = FILESYSTEM_STATUS_TOO_MANY_NAMES;
        }
        if (status == STATUS_OK) {
            status = inode_create(fs, &walk, MODE_DIRECTORY | (in->mode & 07777), &made);
        }
        if (status == STATUS_OK) {
            status = store_finish(fs);
        }
    }
    return status != STATUS_OK
               ? status
               : walk_tell(fs, request, &walk, &in->text, &out->ended, &out->text_size);
}

static status_t node_allowed(const struct walk *_Nonnull walk, uint32_t mode) {
    switch (mode & MODE_KIND) {
    case MODE_REGULAR:
    case MODE_FIFO:
    case MODE_SOCKET:
        return STATUS_OK;
    case MODE_CHARACTER:
    case MODE_BLOCK:
        return caller_can(&walk->caller, CAPABILITY_MKNOD) ? STATUS_OK : STATUS_NOT_ALLOWED;
    case MODE_DIRECTORY:
        return STATUS_NOT_ALLOWED;
    default:
        return STATUS_BAD_ARGUMENT;
    }
}

HANDLER(make_node) {
    struct ramfs *fs = server;
    struct walk walk = {.links = in->links, .goal = WALK_PARENT};
    uint32_t mode = (in->mode & MODE_KIND) == 0 ? in->mode | MODE_REGULAR : in->mode;
    uint32_t made = 0;
    handle_t memory = HANDLE_NONE;
    status_t status = walk_begin(fs, request, &in->path, 0, in->path.size, &walk);
    if (status != STATUS_OK || walk.outcome != FILESYSTEM_OUTCOME_DONE) {
        goto out;
    }
    status = node_allowed(&walk, mode);
    status = status == STATUS_OK ? new_name(fs, &walk, false) : status;
    if (status == STATUS_OK) {
        status = inode_create(fs, &walk, mode & (MODE_KIND | 07777), &made);
    }
    if (status != STATUS_OK) {
        goto out;
    }
    inode_edit(fs, made)->node = in->number;
    if ((mode & MODE_KIND) == MODE_REGULAR) {
        status = inode_memory_make(fs, made, &memory);
    } else if (in->node != HANDLE_NONE) {
        inode_edit(fs, made)->offered = 1;
        status = rt_stage_keep(fs->server, KEEP_INODE + made, in->node);
    }
    status = status == STATUS_OK ? store_finish(fs) : status;
    if (status != STATUS_OK) {
        rt_handle_close(memory);
    }
out:
    return status != STATUS_OK
               ? status
               : walk_tell(fs, request, &walk, &in->text, &out->ended, &out->text_size);
}

HANDLER(make_link) {
    struct ramfs *fs = server;
    struct walk walk = {.links = in->links, .goal = WALK_PARENT};
    handle_t memory = HANDLE_NONE;
    uint32_t made = 0;
    if (in->target_bytes > in->texts.size || in->target_bytes >= FILESYSTEM_PATH_MAX) {
        return FILESYSTEM_STATUS_NAME_TOO_LONG;
    }
    if (in->target_bytes == 0) {
        return STATUS_NOT_FOUND;
    }
    status_t status = walk_begin(fs, request, &in->texts, in->target_bytes,
                                 in->texts.size - in->target_bytes, &walk);
    if (status != STATUS_OK || walk.outcome != FILESYSTEM_OUTCOME_DONE) {
        goto out;
    }
    status = new_name(fs, &walk, false);
    status = status == STATUS_OK ? inode_create(fs, &walk, MODE_LINK | 0777, &made) : status;
    if (status != STATUS_OK) {
        goto out;
    }
    struct rt_buffer to = {.size = in->target_bytes, .data = &fs->spare[0]};
    status = rt_input_read(request, &in->texts, 0, to);
    struct inode_record *inode = inode_edit(fs, made);
    inode->target_length = in->target_bytes;
    if (status == STATUS_OK && in->target_bytes <= INLINE_TARGET) {
        bytes_copy(inode->target, &fs->spare[0], in->target_bytes);
    } else if (status == STATUS_OK) {
        uint64_t old = 0;
        status = inode_memory_make(fs, made, &memory);
        status = status == STATUS_OK ? rt_memory_resize(memory, in->target_bytes, &old) : status;
        status = status == STATUS_OK ? rt_memory_copy(memory, 0, rt_address(&fs->spare[0]),
                                                      in->target_bytes, MEMORY_FROM_CALLER)
                                     : status;
    }
    status = status == STATUS_OK ? store_finish(fs) : status;
    if (status != STATUS_OK) {
        rt_handle_close(memory);
    }
out:
    return status != STATUS_OK
               ? status
               : walk_tell(fs, request, &walk, &in->text, &out->ended, &out->text_size);
}

/* Takes one link from an inode that lost a name. `leaving`: sessions of it that end now. */
static status_t drop_link(struct ramfs *_Nonnull fs, uint32_t number) {
    struct inode_record *inode = inode_edit(fs, number);
    inode->change_ns = now_of(fs);
    if (is_directory(inode)) {
        inode_edit(fs, inode->parent)->links--;
        inode->parent = 0;
        inode->links = 0;
    } else {
        inode->links--;
    }
    return inode_release(fs, number, 0);
}

static status_t removable(const struct ramfs *_Nonnull fs, const struct walk *_Nonnull walk,
                          bool directory) {
    if (walk->directory == 0) {
        return walk->up    ? FILESYSTEM_STATUS_NOT_EMPTY
               : walk->dot ? STATUS_BAD_ARGUMENT
                           : STATUS_BUSY;
    }
    if (walk->inode == 0) {
        return STATUS_NOT_FOUND;
    }
    const struct inode_record *inode = inode_at(fs, walk->inode);
    status_t status = access_remove(&walk->caller, inode_at(fs, walk->directory), inode);
    if (status == STATUS_OK && (walk->how & FILESYSTEM_MOUNT_FLAGS_READ_ONLY) != 0) {
        status = FILESYSTEM_STATUS_READ_ONLY;
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (is_directory(inode) != directory) {
        return directory ? FILESYSTEM_STATUS_NOT_DIRECTORY : FILESYSTEM_STATUS_IS_DIRECTORY;
    }
    if (walk_mark(fs, walk->inode) != 0) {
        return STATUS_BUSY;
    }
    return fs->index.inodes[walk->inode].entries > 0 ? FILESYSTEM_STATUS_NOT_EMPTY : STATUS_OK;
}

/* What is open stays, and /proc tells where it was: in fields that only directories and links use.
 */
static void remember_name(struct ramfs *_Nonnull fs, const struct walk *_Nonnull walk) {
    struct inode_record *inode = inode_edit(fs, walk->inode);
    struct rt_bytes name = walk_name(fs, walk);
    if (kind_of(inode) == MODE_REGULAR && name.size <= sizeof inode->target) {
        inode->parent = walk->directory;
        inode->target_length = (uint32_t)name.size;
        bytes_copy(inode->target, SOME(name.data), name.size);
    }
}

HANDLER(remove) {
    struct ramfs *fs = server;
    struct walk walk = {.links = in->links, .goal = WALK_PARENT};
    status_t status = walk_begin(fs, request, &in->path, 0, in->path.size, &walk);
    if (status == STATUS_OK && walk.outcome == FILESYSTEM_OUTCOME_DONE) {
        status = removable(fs, &walk, in->directory);
        if (status == STATUS_OK && walk.slash && !in->directory) {
            status = FILESYSTEM_STATUS_NOT_DIRECTORY;
        }
        if (status == STATUS_OK) {
            remember_name(fs, &walk);
            entry_free(fs, walk.entry);
            status = drop_link(fs, walk.inode);
        }
        status = status == STATUS_OK ? store_finish(fs) : status;
    }
    return status != STATUS_OK
               ? status
               : walk_tell(fs, request, &walk, &in->text, &out->ended, &out->text_size);
}

/* ---- two paths ---- */

struct two_walks {
    struct walk from, to;
    bool second; /* the redirect is of the second path */
    uint8_t name[NAME_LIMIT + 1];
    uint32_t name_length; /* of the second path's last name */
};

static bool redirected(const struct two_walks *_Nonnull two) {
    return two->from.outcome != FILESYSTEM_OUTCOME_DONE ||
           two->to.outcome != FILESYSTEM_OUTCOME_DONE;
}

/* Walks the second path first, since its name is kept apart; but an error of the first counts. */
static status_t walk_two(struct ramfs *_Nonnull fs, struct rt_request *_Nonnull request,
                         const struct rt_input *_Nonnull paths, uint32_t old_bytes,
                         uint64_t target_cookie, struct two_walks *_Nonnull two) {
    if (old_bytes > paths->size) {
        return STATUS_BAD_ARGUMENT;
    }
    uint64_t own = request->cookie;
    status_t status = walk_begin(fs, request, paths, 0, old_bytes, &two->from);
    if (status != STATUS_OK || two->from.outcome != FILESYSTEM_OUTCOME_DONE) {
        return status;
    }
    request->cookie = target_cookie;
    status = walk_begin(fs, request, paths, old_bytes, paths->size - old_bytes, &two->to);
    request->cookie = own;
    two->second = status == STATUS_OK && two->to.outcome != FILESYSTEM_OUTCOME_DONE;
    if (status == STATUS_OK && !two->second && two->to.directory != 0) {
        two->name_length = two->to.name_length;
        bytes_copy(&two->name[0], &fs->path[two->to.name_start], two->name_length);
    }
    return status;
}

static status_t tell_two(struct ramfs *_Nonnull fs, struct rt_request *_Nonnull request,
                         const struct two_walks *_Nonnull two,
                         const struct rt_output *_Nonnull text,
                         struct filesystem_walk *_Nonnull ended, uint64_t *_Nonnull size) {
    return walk_tell(fs, request, two->second ? &two->to : &two->from, text, ended, size);
}

HANDLER(link) {
    struct ramfs *fs = server;
    bool stays = (in->walk & FILESYSTEM_WALK_FLAGS_NO_FOLLOW) != 0;
    struct two_walks two = {
        .from = {.flags = in->walk, .links = in->links, .goal = stays ? WALK_STAY : WALK_FOLLOW},
        .to = {.links = in->links, .goal = WALK_PARENT}};
    status_t status = walk_two(fs, request, &in->paths, in->old_bytes, in->target_cookie, &two);
    if (status == STATUS_OK && !redirected(&two)) {
        const struct inode_record *inode = inode_at(fs, two.from.inode);
        if (two.from.inode == 0) {
            return STATUS_NOT_FOUND;
        }
        status = new_name(fs, &two.to, false);
        if (status == STATUS_OK && is_directory(inode)) {
            status = STATUS_NOT_ALLOWED;
        }
        if (status == STATUS_OK && two.from.context != two.to.context) {
            status = FILESYSTEM_STATUS_CROSS_DEVICE;
        }
        if (status == STATUS_OK && inode->links >= LINKS_MAX) {
            status = FILESYSTEM_STATUS_TOO_MANY_NAMES;
        }
        if (status != STATUS_OK) {
            return status;
        }
        struct inode_record *edit = inode_edit(fs, two.from.inode);
        edit->links++;
        edit->change_ns = now_of(fs);
        struct rt_bytes name = {.size = two.name_length, .data = &two.name[0]};
        status = entry_make(fs, two.to.directory, name, two.from.inode);
        status = status == STATUS_OK ? store_finish(fs) : status;
    }
    out->second = two.second;
    return status != STATUS_OK
               ? status
               : tell_two(fs, request, &two, &in->text, &out->ended, &out->text_size);
}

/* Is `below` the directory `above` or in it? */
static bool is_below(const struct ramfs *_Nonnull fs, uint32_t below, uint32_t above) {
    for (uint32_t i = 0; i < INODE_COUNT; i++) {
        if (below == above) {
            return true;
        }
        if (below == ROOT_INODE || below == 0) {
            return false;
        }
        below = fs->vault->inodes[below].parent;
    }
    return true;
}

static status_t rename_allowed(const struct ramfs *_Nonnull fs,
                               const struct two_walks *_Nonnull two, uint32_t how) {
    const struct walk *from = &two->from;
    const struct walk *to = &two->to;
    if (from->directory == 0 || to->directory == 0) {
        return STATUS_BUSY;
    }
    if (from->inode == 0) {
        return STATUS_NOT_FOUND;
    }
    const struct inode_record *moved = inode_at(fs, from->inode);
    bool exchange = (how & FILESYSTEM_RENAME_FLAGS_EXCHANGE) != 0;
    status_t status = access_remove(&from->caller, inode_at(fs, from->directory), moved);
    if (status == STATUS_OK) {
        status = names_allowed(fs, to, to->directory);
    }
    if (status == STATUS_OK && to->inode != 0) {
        status = access_remove(&to->caller, inode_at(fs, to->directory), inode_at(fs, to->inode));
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (from->context != to->context) {
        return FILESYSTEM_STATUS_CROSS_DEVICE;
    }
    if (walk_mark(fs, from->inode) != 0 || (to->inode != 0 && walk_mark(fs, to->inode) != 0)) {
        return STATUS_BUSY;
    }
    if (to->inode != 0 && (how & FILESYSTEM_RENAME_FLAGS_NO_REPLACE) != 0) {
        return STATUS_EXISTS;
    }
    if (exchange && to->inode == 0) {
        return STATUS_NOT_FOUND;
    }
    if (is_directory(moved) && is_below(fs, to->directory, from->inode)) {
        return STATUS_BAD_ARGUMENT;
    }
    bool to_directory = to->inode != 0 && is_directory(inode_at(fs, to->inode));
    if (exchange) {
        return to_directory && is_below(fs, from->directory, to->inode) ? STATUS_BAD_ARGUMENT
                                                                        : STATUS_OK;
    }
    if (!is_directory(moved) && (from->slash || to->slash)) {
        return FILESYSTEM_STATUS_NOT_DIRECTORY;
    }
    if (to->inode == 0) {
        return STATUS_OK;
    }
    if (to_directory != is_directory(moved)) {
        return to_directory ? FILESYSTEM_STATUS_IS_DIRECTORY : FILESYSTEM_STATUS_NOT_DIRECTORY;
    }
    return fs->index.inodes[to->inode].entries > 0 ? FILESYSTEM_STATUS_NOT_EMPTY : STATUS_OK;
}

/* A directory changes its parent. */
static void move_directory(struct ramfs *_Nonnull fs, uint32_t number, uint32_t parent) {
    struct inode_record *inode = inode_edit(fs, number);
    if (is_directory(inode) && inode->parent != parent) {
        inode_edit(fs, inode->parent)->links--;
        inode_edit(fs, parent)->links++;
        inode->parent = parent;
    }
}

static status_t rename_exchange(struct ramfs *_Nonnull fs, const struct two_walks *_Nonnull two) {
    entry_edit(fs, two->from.entry)->inode = two->to.inode;
    entry_edit(fs, two->to.entry)->inode = two->from.inode;
    move_directory(fs, two->from.inode, two->to.directory);
    move_directory(fs, two->to.inode, two->from.directory);
    inode_edit(fs, two->from.inode)->change_ns = now_of(fs);
    inode_edit(fs, two->to.inode)->change_ns = now_of(fs);
    inode_edit(fs, two->from.directory)->modify_ns = now_of(fs);
    inode_edit(fs, two->to.directory)->modify_ns = now_of(fs);
    return STATUS_OK;
}

static status_t rename_move(struct ramfs *_Nonnull fs, const struct two_walks *_Nonnull two) {
    uint32_t moved = two->from.inode;
    if (two->to.inode == moved) {
        return STATUS_OK; /* two names of one inode: nothing is done */
    }
    status_t status = STATUS_OK;
    entry_free(fs, two->from.entry);
    if (two->to.inode != 0) {
        entry_edit(fs, two->to.entry)->inode = moved;
        struct inode_record *parent = inode_edit(fs, two->to.directory);
        parent->modify_ns = parent->change_ns = now_of(fs);
        move_directory(fs, moved, two->to.directory);
        inode_edit(fs, moved)->change_ns = now_of(fs);
        return drop_link(fs, two->to.inode);
    }
    struct rt_bytes name = {.size = two->name_length, .data = &two->name[0]};
    status = entry_make(fs, two->to.directory, name, moved);
    move_directory(fs, moved, two->to.directory);
    inode_edit(fs, moved)->change_ns = now_of(fs);
    return status;
}

HANDLER(rename) {
    struct ramfs *fs = server;
    struct two_walks two = {.from = {.links = in->links, .goal = WALK_PARENT},
                            .to = {.links = in->links, .goal = WALK_PARENT}};
    status_t status = walk_two(fs, request, &in->paths, in->old_bytes, in->target_cookie, &two);
    if (status == STATUS_OK && !redirected(&two)) {
        status = rename_allowed(fs, &two, in->how);
        if (status == STATUS_OK) {
            status = (in->how & FILESYSTEM_RENAME_FLAGS_EXCHANGE) != 0 ? rename_exchange(fs, &two)
                                                                       : rename_move(fs, &two);
        }
        status = status == STATUS_OK ? store_finish(fs) : status;
    }
    out->second = two.second;
    return status != STATUS_OK
               ? status
               : tell_two(fs, request, &two, &in->text, &out->ended, &out->text_size);
}
