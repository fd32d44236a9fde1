/* Marks, gates and contexts: how walks leave this file system and come into it.
 *
 *   vfs: gate() ─► gate session ─► mark(place, gate) in the file system above
 *   client: walk stops at a mark ─ cross() ─► place, gate ─ enter(up = place) ─► root in a context
 *
 * A context lives as long as a session is in it, and with it the session `up`, where `..` leads. */
#include "fs/ramfs/server/handlers.h"

static status_t control(const struct rt_request *_Nonnull request) {
    return cookie_is_control(request->cookie) ? STATUS_OK : STATUS_NOT_ALLOWED;
}

HANDLER(gate) {
    struct ramfs *fs = server;
    struct walk walk = {.start = ROOT_INODE};
    uint32_t slot = 0;
    status_t status = control(request);
    if (status == STATUS_OK && in->below != HANDLE_NONE) {
        status = walk_from(fs, in->below_cookie, &walk);
    }
    if (status != STATUS_OK || in->mount == 0) {
        return status != STATUS_OK ? status : STATUS_BAD_ARGUMENT;
    }
    uint32_t inode = walk.start;
    walk = (struct walk){.how = in->how};
    status = session_like(fs, &walk, SESSION_GATE, inode, &slot);
    if (status == STATUS_OK) {
        session_edit(fs, slot)->mount = in->mount;
        status = store_finish(fs);
    }
    return status != STATUS_OK ? status : session_mint(fs, slot, 0, HANDLE_NONE, 0, &out->gate);
}

HANDLER(enter) {
    struct ramfs *fs = server;
    uint32_t gate = 0;
    uint32_t slot = 0;
    uint32_t context = 1;
    status_t status = session_find(fs, request->cookie, &gate);
    if (status != STATUS_OK || session_at(fs, gate)->kind != SESSION_GATE) {
        return STATUS_BAD_ARGUMENT;
    }
    const struct session_record *session = session_at(fs, gate);
    while (context < CONTEXT_COUNT && fs->vault->contexts[context].mount != 0) {
        context++;
    }
    if (context == CONTEXT_COUNT) {
        return STATUS_OUT_OF_QUOTA;
    }
    *context_edit(fs, context) = (struct context_record){
        .mount = session->mount, .root = session->inode, .how = session->how};
    struct walk walk = {.context = context, .how = session->how};
    status = session_like(fs, &walk, SESSION_PATH, session->inode, &slot);
    if (status == STATUS_OK) {
        status = rt_stage_keep(fs->server, KEEP_CONTEXT + context, in->up);
    }
    status = status == STATUS_OK ? store_finish(fs) : status;
    if (status == STATUS_OK) {
        status = inode_stat(fs, session->inode, 0, &out->info);
        out->info.mount = session->mount;
    }
    return status != STATUS_OK ? status : session_mint(fs, slot, 0, HANDLE_NONE, 0, &out->root);
}

HANDLER_IN(mark) {
    struct ramfs *fs = server;
    struct walk walk = {};
    uint32_t slot = 0;
    status_t status = control(request);
    status = status == STATUS_OK ? walk_from(fs, in->place_cookie, &walk) : status;
    if (status != STATUS_OK) {
        return status;
    }
    if (!is_directory(inode_at(fs, walk.start))) {
        return FILESYSTEM_STATUS_NOT_DIRECTORY;
    }
    uint64_t there = walk_mark(fs, walk.start);
    if (there == in->mount && in->mount != 0) {
        return STATUS_OK; /* vfs repeats a call that was done */
    }
    if (there != 0 || in->mount == 0) {
        return STATUS_BUSY;
    }
    while (slot < MARK_COUNT && fs->vault->marks[slot].mount != 0) {
        slot++;
    }
    if (slot == MARK_COUNT) {
        return STATUS_OUT_OF_QUOTA;
    }
    *mark_edit(fs, slot) = (struct mark_record){.mount = in->mount, .inode = walk.start};
    status = rt_stage_keep(fs->server, KEEP_MARK + slot, in->gate);
    return status == STATUS_OK ? store_finish(fs) : status;
}

static uint32_t mark_find(const struct ramfs *_Nonnull fs, uint64_t mount) {
    for (uint32_t i = 0; i < MARK_COUNT; i++) {
        if (fs->vault->marks[i].mount == mount && mount != 0) {
            return i;
        }
    }
    return UINT32_MAX;
}

HANDLER_IN(unmark) {
    struct ramfs *fs = server;
    status_t status = control(request);
    uint32_t slot = mark_find(fs, in->mount);
    if (status == STATUS_OK && slot == UINT32_MAX) {
        status = STATUS_NOT_FOUND;
    }
    if (status == STATUS_OK) {
        *mark_edit(fs, slot) = (struct mark_record){};
        status = rt_stage_keep(fs->server, KEEP_MARK + slot, HANDLE_NONE);
    }
    return status == STATUS_OK ? store_finish(fs) : status;
}

/* A place-only session at an inode, for the client that crosses. */
static status_t place_session(struct ramfs *_Nonnull fs, const struct walk *_Nonnull walk,
                              uint32_t inode, handle_t *_Nonnull out) {
    uint32_t slot = 0;
    status_t status = session_like(fs, walk, SESSION_PATH, inode, &slot);
    status = status == STATUS_OK ? store_finish(fs) : status;
    return status != STATUS_OK ? status : session_mint(fs, slot, 0, HANDLE_NONE, 0, out);
}

HANDLER(cross) {
    struct ramfs *fs = server;
    struct walk walk = {.flags = in->walk, .links = in->links, .goal = WALK_FOLLOW};
    status_t status = walk_begin(fs, request, &in->path, 0, in->path.size, &walk);
    if (status != STATUS_OK) {
        return status;
    }
    if (walk.outcome == FILESYSTEM_OUTCOME_PARENT) {
        status = rt_keep_get(fs->server, KEEP_CONTEXT + walk.context, &out->place);
    } else if (walk.outcome == FILESYSTEM_OUTCOME_MOUNT) {
        uint32_t slot = mark_find(fs, walk.object);
        status = rt_keep_get(fs->server, KEEP_MARK + slot, &out->gate);
        status = status == STATUS_OK
                     ? place_session(fs, &walk, fs->vault->marks[slot].inode, &out->place)
                     : status;
    } else {
        return STATUS_NOT_FOUND; /* the mount went meanwhile: walk again */
    }
    if (status == STATUS_OK) {
        return walk_tell(fs, request, &walk, &in->text, &out->ended, &out->text_size);
    }
    rt_handle_close(out->gate);
    out->gate = HANDLE_NONE;
    return status;
}

HANDLER(lessen) {
    struct ramfs *fs = server;
    struct walk walk = {};
    status_t status = walk_from(fs, request->cookie, &walk);
    if (status == STATUS_OK && !is_directory(inode_at(fs, walk.start))) {
        status = FILESYSTEM_STATUS_NOT_DIRECTORY;
    }
    if (status != STATUS_OK) {
        return status;
    }
    walk.floor = in->floor ? walk.start : walk.floor;
    walk.how |= in->more;
    return place_session(fs, &walk, walk.start, &out->directory);
}
