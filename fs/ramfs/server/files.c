/* Open files and directories: reading a directory, where it is, its Memory, what stands behind a
 * node, and the end of a session. */
#include "fs/ramfs/server/handlers.h"
#include "fs/ramfs/server/index.h"
#include "lib/base/bytes.h"

/* ---- directories ---- */

struct listing {
    struct ramfs *_Nonnull fs;
    size_t length, room;
};

/* False: no room for it. */
static bool list_entry(struct listing *_Nonnull listing, uint32_t inode, uint64_t cookie,
                       struct rt_bytes name) {
    struct ramfs *fs = listing->fs;
    struct filesystem_entry entry = {
        .inode = inode,
        .cookie = cookie,
        .kind = kind_of(inode_at(fs, inode)) >> 12,
        .name_size = (uint32_t)name.size,
    };
    size_t size = (sizeof entry + name.size + 7) & ~(size_t)7;
    if (size > listing->room - listing->length) {
        return false;
    }
    bytes_zero(&fs->output[listing->length + size - 8], 8);
    bytes_copy(&fs->output[listing->length], &entry, sizeof entry);
    bytes_copy(&fs->output[listing->length + sizeof entry], SOME(name.data), name.size);
    listing->length += size;
    return true;
}

static bool list_names(struct listing *_Nonnull listing, uint32_t directory, uint64_t cookie) {
    struct ramfs *fs = listing->fs;
    for (uint32_t slot = index_behind(fs, directory, cookie); slot != UINT32_MAX;
         slot = index_following(fs, slot)) {
        const struct entry_record *entry = &fs->vault->entries[slot];
        uint8_t name[NAME_LIMIT + 1];
        size_t length = entry_name(fs, slot, &name);
        if (!list_entry(listing, entry->inode, entry->cookie,
                        (struct rt_bytes){.size = length, .data = &name[0]})) {
            return false;
        }
    }
    return true;
}

HANDLER(read_directory) {
    struct ramfs *fs = server;
    struct walk walk = {};
    status_t status = walk_from(fs, request->cookie, &walk);
    if (status != STATUS_OK) {
        return status;
    }
    const struct inode_record *inode = inode_at(fs, walk.start);
    if (!is_directory(inode)) {
        return FILESYSTEM_STATUS_NOT_DIRECTORY;
    }
    if (inode->links == 0) {
        return STATUS_NOT_FOUND;
    }
    struct listing listing = {.fs = fs, .room = MIN(in->entries.size, sizeof fs->output)};
    uint32_t up = walk.start == walk.floor ? walk.start : inode->parent;
    bool whole = (in->cookie >= 1 || list_entry(&listing, walk.start, 1, RT_STRING("."))) &&
                 (in->cookie >= 2 || list_entry(&listing, up, 2, RT_STRING("..")));
    if (whole) {
        whole = list_names(&listing, walk.start, MAX(in->cookie, UINT64_C(2)));
    }
    if (!whole && listing.length == 0) {
        return STATUS_BAD_ARGUMENT;
    }
    out->entries_size = listing.length;
    return rt_output_write(request, &in->entries, 0,
                           (struct rt_bytes){.size = listing.length, .data = &fs->output[0]});
}

/* The entry that names a directory; UINT32_MAX: it has none. */
static uint32_t entry_of(const struct ramfs *_Nonnull fs, uint32_t directory) {
    uint32_t parent = fs->vault->inodes[directory].parent;
    uint32_t slot = index_behind(fs, parent, 0);
    while (slot != UINT32_MAX && fs->vault->entries[slot].inode != directory) {
        slot = index_following(fs, slot);
    }
    return slot;
}

/* A path that grows from its end towards its beginning, in fs->path. */
struct climb {
    struct ramfs *_Nonnull fs;
    uint32_t at, end;
};

static status_t climb_name(struct climb *_Nonnull climb, struct rt_bytes name) {
    if (name.size + 1 > climb->at) {
        return FILESYSTEM_STATUS_NAME_TOO_LONG;
    }
    climb->at -= (uint32_t)name.size;
    bytes_copy(&climb->fs->path[climb->at], SOME(name.data), name.size);
    climb->fs->path[--climb->at] = '/';
    return STATUS_OK;
}

static status_t climb_entry(struct climb *_Nonnull climb, uint32_t slot) {
    uint8_t name[NAME_LIMIT + 1];
    if (slot == UINT32_MAX) {
        return STATUS_NOT_FOUND;
    }
    size_t length = entry_name(climb->fs, slot, &name);
    return climb_name(climb, (struct rt_bytes){.size = length, .data = &name[0]});
}

/* The last part of the path of what is no directory: one of its names, or the one that it had. */
static status_t climb_file(struct climb *_Nonnull climb, uint32_t number,
                           uint32_t *_Nonnull directory) {
    struct ramfs *fs = climb->fs;
    const struct inode_record *inode = inode_at(fs, number);
    if (inode->links == 0) {
        static const char mark[] = " (deleted)";
        bool known = inode->target_length > 0 && inode->target_length <= INLINE_TARGET &&
                     is_directory(inode_at(fs, inode->parent));
        if (!known) {
            return STATUS_NOT_FOUND;
        }
        climb->at -= sizeof mark - 1;
        bytes_copy(&fs->path[climb->at], mark, sizeof mark - 1);
        *directory = inode->parent;
        return climb_name(
            climb, (struct rt_bytes){.size = inode->target_length, .data = &inode->target[0]});
    }
    for (uint32_t slot = 0; slot < ENTRY_COUNT; slot++) {
        if (fs->vault->entries[slot].inode == number) {
            *directory = fs->vault->entries[slot].parent;
            return climb_entry(climb, slot);
        }
    }
    return STATUS_NOT_FOUND;
}

/* Up from an inode to `root` or `floor`, which `*current` then is. */
static status_t climb_all(struct climb *_Nonnull climb, uint32_t root, uint32_t floor,
                          uint32_t *_Nonnull current) {
    struct ramfs *fs = climb->fs;
    status_t status = STATUS_OK;
    if (!is_directory(inode_at(fs, *current))) {
        status = climb_file(climb, *current, current);
    }
    while (status == STATUS_OK && *current != root && *current != floor) {
        uint32_t parent = inode_at(fs, *current)->parent;
        status = climb_entry(climb, parent == 0 ? UINT32_MAX : entry_of(fs, *current));
        *current = parent;
    }
    if (status == STATUS_OK && climb->at == climb->end) {
        fs->path[--climb->at] = '/';
    }
    return status;
}

static status_t tell_climb(struct rt_request *_Nonnull request, const struct climb *_Nonnull climb,
                           const struct rt_output *_Nonnull text, uint64_t *_Nonnull size) {
    *size = climb->end - climb->at;
    return rt_output_write(
        request, text, 0,
        (struct rt_bytes){.size = (size_t)*size, .data = &climb->fs->path[climb->at]});
}

HANDLER(path_of) {
    struct ramfs *fs = server;
    struct walk walk = {};
    struct climb climb = {.fs = fs, .at = PATH_ROOM / 2, .end = PATH_ROOM / 2};
    status_t status = walk_from(fs, request->cookie, &walk);
    if (status != STATUS_OK) {
        return status;
    }
    uint32_t root = walk.context == 0 ? ROOT_INODE : fs->vault->contexts[walk.context].root;
    uint32_t current = walk.start;
    status = climb_all(&climb, root, walk.floor, &current);
    if (status != STATUS_OK) {
        return status;
    }
    /* The rest of the way is above this mount, unless a floor ends it. */
    out->ended = (struct filesystem_walk){.outcome = walk.context != 0 && current != walk.floor
                                                         ? FILESYSTEM_OUTCOME_PARENT
                                                         : FILESYSTEM_OUTCOME_DONE};
    return tell_climb(request, &climb, &in->text, &out->text_size);
}

HANDLER(name_memory) {
    struct ramfs *fs = server;
    struct climb climb = {.fs = fs, .at = PATH_ROOM / 2, .end = PATH_ROOM / 2};
    struct handle_info info = {};
    handle_t memory = HANDLE_NONE;
    uint32_t number = (uint32_t)in->tag;
    if (!cookie_is_control(request->cookie)) {
        return STATUS_NOT_ALLOWED;
    }
    if (number == 0 || number >= INODE_COUNT || kind_of(inode_at(fs, number)) != MODE_REGULAR ||
        inode_at(fs, number)->generation != in->tag >> 32) {
        return STATUS_NOT_FOUND;
    }
    status_t status = inode_handle(fs, number, &memory);
    status = status == STATUS_OK ? rt_object_info(memory, INFO_HANDLE, &info, sizeof info) : status;
    if (status != STATUS_OK || info.serial != in->serial) {
        return STATUS_NOT_FOUND;
    }
    out->device = RAMFS_DEVICE;
    out->inode = number;
    status = climb_all(&climb, ROOT_INODE, ROOT_INODE, &number);
    return status != STATUS_OK ? status : tell_climb(request, &climb, &in->text, &out->text_size);
}

/* ---- files ---- */

HANDLER(memory) {
    struct ramfs *fs = server;
    uint32_t slot = 0;
    status_t status = session_find(fs, request->cookie, &slot);
    if (status != STATUS_OK) {
        return status;
    }
    const struct session_record *session = session_at(fs, slot);
    if (session->kind != SESSION_FILE || kind_of(inode_at(fs, session->inode)) != MODE_REGULAR) {
        return STATUS_NOT_SUPPORTED;
    }
    bool reads =
        (session->open & (FILESYSTEM_OPEN_FLAGS_READ | FILESYSTEM_OPEN_FLAGS_EXECUTE)) != 0;
    bool writes = (session->open & FILESYSTEM_OPEN_FLAGS_WRITE) != 0;
    bool runs = (session->how & FILESYSTEM_MOUNT_FLAGS_NO_EXECUTE) == 0;
    if (!reads || (in->writable && !writes)) {
        return FILESYSTEM_STATUS_NO_ACCESS;
    }
    if (in->executable && !runs) {
        return STATUS_NOT_ALLOWED;
    }
    uint32_t rights = RIGHT_READ | RIGHT_TRANSFER | RIGHT_DUPLICATE | RIGHT_INSPECT;
    rights |= in->writable ? RIGHT_WRITE : 0;
    rights |= in->executable ? RIGHT_EXECUTE : 0;
    handle_t memory = HANDLE_NONE;
    status = inode_handle(fs, session->inode, &memory);
    fs->index.inodes[session->inode].given = true;
    return status != STATUS_OK ? status : rt_handle_duplicate(memory, rights, &out->memory);
}

HANDLER_IN(sync) {
    (void)server; /* memory is where the data lives: there is nothing to write back */
    (void)request;
    (void)in;
    return STATUS_OK;
}

HANDLER_IN(allocate) {
    enum { KEEP_SIZE = 1 };
    struct ramfs *fs = server;
    uint32_t slot = 0;
    uint64_t end = 0;
    status_t status = session_find(fs, request->cookie, &slot);
    if (status != STATUS_OK) {
        return status;
    }
    const struct session_record *session = session_at(fs, slot);
    if ((session->open & FILESYSTEM_OPEN_FLAGS_WRITE) == 0 ||
        kind_of(inode_at(fs, session->inode)) != MODE_REGULAR) {
        return STATUS_BAD_ARGUMENT;
    }
    if ((in->mode & ~(uint32_t)KEEP_SIZE) != 0) {
        return STATUS_NOT_SUPPORTED;
    }
    if (ckd_add(&end, in->offset, in->length) || end > INT64_MAX) {
        return FILESYSTEM_STATUS_TOO_LARGE;
    }
    handle_t memory = HANDLE_NONE;
    struct memory_info info = {};
    uint64_t old = 0;
    status = inode_handle(fs, session->inode, &memory);
    status = status == STATUS_OK ? rt_object_info(memory, INFO_MEMORY, &info, sizeof info) : status;
    if (status == STATUS_OK && end > info.content_size && in->mode == 0) {
        status = rt_memory_resize(memory, end, &old);
    }
    return status == STATUS_BAD_ARGUMENT ? FILESYSTEM_STATUS_TOO_LARGE : status;
}

HANDLER(node) {
    struct ramfs *fs = server;
    struct walk walk = {};
    status_t status = walk_from(fs, request->cookie, &walk);
    if (status != STATUS_OK) {
        return status;
    }
    const struct inode_record *inode = inode_at(fs, walk.start);
    if (kind_of(inode) != MODE_FIFO && kind_of(inode) != MODE_SOCKET) {
        return STREAM_STATUS_NOT_FOR_THIS;
    }
    if (inode->offered != 0) {
        handle_t there = HANDLE_NONE;
        status = inode_handle(fs, walk.start, &there);
        return status != STATUS_OK ? status : rt_handle_duplicate(there, RIGHT_ALL, &out->node);
    }
    if (in->offer == HANDLE_NONE) {
        return STATUS_NOT_FOUND;
    }
    status = rt_handle_duplicate(in->offer, RIGHT_ALL, &out->node);
    if (status == STATUS_OK) {
        inode_edit(fs, walk.start)->offered = 1;
        status = rt_stage_keep(fs->server, KEEP_INODE + walk.start, in->offer);
        status = status == STATUS_OK ? store_finish(fs) : status;
    }
    return status;
}

status_t ramfs_exec_ticket(void *_Nonnull server, struct rt_request *_Nonnull request,
                           struct filesystem_exec_ticket_out *_Nonnull out) {
    struct ramfs *fs = server;
    uint32_t slot = 0;
    status_t status = session_find(fs, request->cookie, &slot);
    if (status != STATUS_OK) {
        return status;
    }
    const struct session_record *session = session_at(fs, slot);
    const struct inode_record *inode = inode_at(fs, session->inode);
    bool set_uid = (inode->mode & MODE_SET_UID) != 0;
    bool set_gid = (inode->mode & (MODE_SET_GID | 0010)) == (MODE_SET_GID | 0010);
    if ((session->open & FILESYSTEM_OPEN_FLAGS_EXECUTE) == 0 || (!set_uid && !set_gid)) {
        return STATUS_BAD_ARGUMENT;
    }
    if ((session->how & FILESYSTEM_MOUNT_FLAGS_NO_SET_ID) != 0 || fs->process == HANDLE_NONE) {
        return STATUS_NOT_ALLOWED;
    }
    return process_grant_ticket_nested(SOME(request->context), 1, fs->process,
                                       request->page->received.process_serial, set_uid, inode->uid,
                                       set_gid, inode->gid, &out->ticket);
}

uint32_t facts_of(uint32_t kind, uint32_t how) {
    uint32_t facts = kind == MODE_REGULAR ? STREAM_FACTS_FLAGS_SEEKABLE | STREAM_FACTS_FLAGS_CACHED
                     : kind == MODE_DIRECTORY ? (uint32_t)STREAM_FACTS_FLAGS_SEEKABLE
                                              : 0;
    facts |= (how & FILESYSTEM_OPEN_FLAGS_READ) != 0 ? STREAM_FACTS_FLAGS_READABLE : 0u;
    facts |= (how & FILESYSTEM_OPEN_FLAGS_WRITE) != 0 ? STREAM_FACTS_FLAGS_WRITABLE : 0u;
    return facts;
}

status_t ramfs_stream_facts(void *_Nonnull server, struct rt_request *_Nonnull request,
                            struct stream_facts_out *_Nonnull out) {
    struct ramfs *fs = server;
    struct walk walk = {};
    status_t status = walk_from(fs, request->cookie, &walk);
    if (status != STATUS_OK) {
        return status;
    }
    const struct session_record *session = session_at(fs, walk.session);
    uint32_t kind = kind_of(inode_at(fs, walk.start));
    out->kind = (enum stream_kind)(kind >> 12);
    out->speaks = STREAM_PROTOCOLS_FILESYSTEM;
    out->facts = facts_of(kind, session->open);
    return STATUS_OK;
}

/* ---- the end of a session ---- */

status_t session_end(struct ramfs *_Nonnull fs, uint32_t slot) {
    struct session_record *session = session_edit(fs, slot);
    uint32_t inode = session->inode;
    uint32_t context = session->context;
    if (inode != 0 && (session->open & SESSION_PLAIN) != 0) {
        status_t status = inode_settle(fs, inode);
        if (status != STATUS_OK) {
            rt_log(fs->server, "set-id bits of inode %u: status %d", inode, (int)status);
        }
    }
    *session = (struct session_record){.generation = session->generation};
    if (inode == 0) {
        return STATUS_OK;
    }
    if (context != 0 && fs->index.context_sessions[context] == 1) {
        *context_edit(fs, context) = (struct context_record){};
        status_t status = rt_stage_keep(fs->server, KEEP_CONTEXT + context, HANDLE_NONE);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return inode_release(fs, inode, 1);
}
