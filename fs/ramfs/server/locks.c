/* flock(2) and record locks. Locks that are held are in the vault; calls that wait are parked, and
 * after a restart they come again. A change is committed before waiters are looked at, so what is
 * given to one of them is given once. */
#include "fs/ramfs/server/handlers.h"

struct lock_range {
    uint32_t inode, owner, kind, pid;
    uint64_t start, end;
};

/* Another session's flock that is in the way? */
static bool flock_conflict(const struct ramfs *_Nonnull fs, uint32_t slot, uint32_t kind) {
    uint32_t inode = fs->vault->sessions[slot].inode;
    for (uint32_t i = 1; i < SESSION_COUNT; i++) {
        const struct session_record *other = &fs->vault->sessions[i];
        if (i != slot && other->inode == inode && other->kind == SESSION_FILE &&
            (other->flock == FILESYSTEM_LOCK_KIND_EXCLUSIVE ||
             (other->flock == FILESYSTEM_LOCK_KIND_SHARED &&
              kind == FILESYSTEM_LOCK_KIND_EXCLUSIVE))) {
            return true;
        }
    }
    return false;
}

/* The first record lock of another owner in the way; UINT32_MAX: none. */
static uint32_t record_conflict(const struct ramfs *_Nonnull fs,
                                const struct lock_range *_Nonnull wanted) {
    for (uint32_t i = 0; i < LOCK_COUNT && wanted->kind != FILESYSTEM_LOCK_KIND_UNLOCK; i++) {
        const struct lock_record *lock = &fs->vault->locks[i];
        if (lock->inode == wanted->inode && lock->owner != wanted->owner &&
            lock->start < wanted->end && wanted->start < lock->end &&
            (lock->kind == FILESYSTEM_LOCK_KIND_EXCLUSIVE ||
             wanted->kind == FILESYSTEM_LOCK_KIND_EXCLUSIVE)) {
            return i;
        }
    }
    return UINT32_MAX;
}

static uint32_t free_lock(const struct ramfs *_Nonnull fs, uint32_t behind) {
    for (uint32_t i = behind; i < LOCK_COUNT; i++) {
        if (fs->vault->locks[i].inode == 0) {
            return i;
        }
    }
    return UINT32_MAX;
}

/* Takes the range out of what its owner holds. Commits as it goes, where there is much. */
static status_t record_clear(struct ramfs *_Nonnull fs, const struct lock_range *_Nonnull range) {
    for (uint32_t i = 0; i < LOCK_COUNT; i++) {
        const struct lock_record *lock = &fs->vault->locks[i];
        if (lock->inode != range->inode || lock->owner != range->owner ||
            lock->start >= range->end || range->start >= lock->end) {
            continue;
        }
        bool left = lock->start < range->start;
        bool right = lock->end > range->end;
        if (left && right) {
            uint32_t slot = free_lock(fs, 0);
            if (slot == UINT32_MAX) {
                return STATUS_OUT_OF_QUOTA;
            }
            *lock_edit(fs, slot) = *lock;
            lock_edit(fs, slot)->start = range->end;
        }
        struct lock_record *edit = lock_edit(fs, i);
        if (left) {
            edit->end = range->start;
        } else if (right) {
            edit->start = range->end;
        } else {
            *edit = (struct lock_record){};
        }
        status_t status = store_commit(fs);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

/* Stages the range as held; what its owner held there is gone already. */
static status_t record_hold(struct ramfs *_Nonnull fs, const struct lock_range *_Nonnull range) {
    uint32_t slot = free_lock(fs, 0);
    if (slot == UINT32_MAX) {
        return STATUS_OUT_OF_QUOTA;
    }
    *lock_edit(fs, slot) = (struct lock_record){.start = range->start,
                                                .end = range->end,
                                                .inode = range->inode,
                                                .owner = range->owner,
                                                .kind = range->kind,
                                                .pid = range->pid};
    return store_finish(fs);
}

static status_t park(struct ramfs *_Nonnull fs, const struct parked_lock *_Nonnull wanted) {
    for (uint32_t i = 0; i < PARKED_LIMIT; i++) {
        if (fs->parked[i].token == 0) {
            fs->parked[i] = *wanted;
            return RT_STATUS_PARKED;
        }
    }
    return STATUS_OUT_OF_QUOTA;
}

static struct lock_range range_of(const struct ramfs *_Nonnull fs,
                                  const struct parked_lock *_Nonnull parked) {
    return (struct lock_range){.inode = fs->vault->sessions[parked->session].inode,
                               .owner = parked->owner,
                               .kind = parked->kind,
                               .pid = parked->pid,
                               .start = parked->start,
                               .end = parked->end};
}

/* Gives a waiter what it waits for, if that is free now. */
static void try_waiter(struct ramfs *_Nonnull fs, struct parked_lock *_Nonnull parked) {
    struct lock_range range = range_of(fs, parked);
    struct rt_reply reply = rt_reply_for(fs->server, parked->token);
    status_t status = STATUS_OK;
    if (parked->record ? record_conflict(fs, &range) != UINT32_MAX
                       : flock_conflict(fs, parked->session, parked->kind)) {
        return;
    }
    if (parked->record) {
        status = record_clear(fs, &range);
        status = status == STATUS_OK ? record_hold(fs, &range) : status;
        filesystem_lock_record_reply(&reply);
    } else {
        session_edit(fs, parked->session)->flock = parked->kind;
        status = store_finish(fs);
        filesystem_lock_reply(&reply);
    }
    if (status != STATUS_OK) {
        rt_stage_drop(fs->server);
        reply.status = status;
    }
    status = rt_answer(fs->server, &reply);
    rt_stage_drop(fs->server); /* NOT_FOUND: nobody waits any more, and nothing is held */
    store_begin(fs);
    parked->token = 0;
    (void)status;
}

static void wake(struct ramfs *_Nonnull fs, uint32_t inode) {
    for (uint32_t i = 0; i < PARKED_LIMIT; i++) {
        struct parked_lock *parked = &fs->parked[i];
        if (parked->token != 0 && fs->vault->sessions[parked->session].inode == inode) {
            try_waiter(fs, parked);
        }
    }
}

void locks_cancel(struct ramfs *_Nonnull fs, uint64_t token) {
    for (uint32_t i = 0; i < PARKED_LIMIT; i++) {
        if (fs->parked[i].token == token) {
            fs->parked[i].token = 0;
            status_t status = rt_answer_error(fs->server, token, STATUS_CANCELLED);
            (void)status; /* NOT_FOUND: it is gone already */
        }
    }
}

HANDLER_IN(lock) {
    struct ramfs *fs = server;
    uint32_t slot = 0;
    status_t status = session_find(fs, request->cookie, &slot);
    if (status != STATUS_OK || session_at(fs, slot)->kind != SESSION_FILE) {
        return STATUS_BAD_ARGUMENT;
    }
    if (in->kind != FILESYSTEM_LOCK_KIND_UNLOCK && flock_conflict(fs, slot, in->kind)) {
        if (!in->wait) {
            return FILESYSTEM_STATUS_LOCKED;
        }
        bool cancelled = (request->page->received.state & CALL_STATE_CANCELLED) != 0;
        struct parked_lock parked = {.token = request->token, .session = slot, .kind = in->kind};
        return cancelled ? STATUS_CANCELLED : park(fs, &parked);
    }
    session_edit(fs, slot)->flock = in->kind;
    status = store_commit(fs);
    if (status == STATUS_OK && in->kind != FILESYSTEM_LOCK_KIND_EXCLUSIVE) {
        wake(fs, fs->vault->sessions[slot].inode);
    }
    return status;
}

status_t ramfs_lock_owner(void *_Nonnull server, struct rt_request *_Nonnull request,
                          struct filesystem_lock_owner_out *_Nonnull out) {
    struct ramfs *fs = server;
    uint32_t slot = 0;
    struct walk walk = {};
    status_t status = session_like(fs, &walk, SESSION_OWNER, 0, &slot);
    if (status != STATUS_OK) {
        return status;
    }
    session_edit(fs, slot)->owner_serial = request->page->received.process_serial;
    status = store_finish(fs);
    return status != STATUS_OK ? status : session_mint(fs, slot, 0, HANDLE_NONE, 0, &out->owner);
}

static status_t wanted_range(const struct ramfs *_Nonnull fs, uint64_t cookie, handle_t owner,
                             uint64_t owner_cookie,
                             const struct filesystem_record_lock *_Nonnull lock,
                             struct parked_lock *_Nonnull out) {
    status_t status = session_find(fs, cookie, &out->session);
    out->owner = out->session;
    if (status == STATUS_OK && owner != HANDLE_NONE) {
        status = session_find(fs, owner_cookie, &out->owner);
        if (status == STATUS_OK && session_at(fs, out->owner)->kind != SESSION_OWNER) {
            status = STATUS_BAD_ARGUMENT;
        }
    }
    if (status != STATUS_OK || session_at(fs, out->session)->kind != SESSION_FILE) {
        return STATUS_BAD_ARGUMENT;
    }
    out->start = lock->start;
    if (lock->length == 0) {
        out->end = UINT64_MAX;
    } else if (ckd_add(&out->end, lock->start, lock->length)) {
        return STATUS_BAD_ARGUMENT;
    }
    out->kind = lock->kind;
    out->pid = lock->pid;
    out->record = true;
    uint32_t open = session_at(fs, out->session)->open;
    bool may =
        lock->kind == FILESYSTEM_LOCK_KIND_UNLOCK ||
        (open & (lock->kind == FILESYSTEM_LOCK_KIND_SHARED ? FILESYSTEM_OPEN_FLAGS_READ
                                                           : FILESYSTEM_OPEN_FLAGS_WRITE)) != 0;
    return may ? STATUS_OK : FILESYSTEM_STATUS_NO_ACCESS;
}

/* Would waiting for lock `in_way` close a circle of owners that wait for each other? */
static bool would_deadlock(const struct ramfs *_Nonnull fs, uint32_t owner, uint32_t in_way) {
    for (uint32_t step = 0; step < PARKED_LIMIT; step++) {
        uint32_t holder = fs->vault->locks[in_way].owner;
        if (holder == owner) {
            return true;
        }
        uint32_t next = UINT32_MAX;
        for (uint32_t i = 0; i < PARKED_LIMIT && next == UINT32_MAX; i++) {
            const struct parked_lock *parked = &fs->parked[i];
            if (parked->token != 0 && parked->record && parked->owner == holder) {
                struct lock_range range = range_of(fs, parked);
                next = record_conflict(fs, &range);
            }
        }
        if (next == UINT32_MAX) {
            return false;
        }
        in_way = next;
    }
    return true;
}

HANDLER_IN(lock_record) {
    struct ramfs *fs = server;
    struct parked_lock wanted = {.token = request->token};
    status_t status =
        wanted_range(fs, request->cookie, in->owner, in->owner_cookie, &in->lock, &wanted);
    if (status != STATUS_OK) {
        return status;
    }
    struct lock_range range = range_of(fs, &wanted);
    uint32_t in_way = record_conflict(fs, &range);
    if (in_way != UINT32_MAX) {
        if (!in->wait) {
            return FILESYSTEM_STATUS_LOCKED;
        }
        if (would_deadlock(fs, wanted.owner, in_way)) {
            return FILESYSTEM_STATUS_DEADLOCK;
        }
        bool cancelled = (request->page->received.state & CALL_STATE_CANCELLED) != 0;
        return cancelled ? STATUS_CANCELLED : park(fs, &wanted);
    }
    status = record_clear(fs, &range);
    if (status != STATUS_OK) {
        return status;
    }
    wake(fs, range.inode);
    return wanted.kind == FILESYSTEM_LOCK_KIND_UNLOCK ? STATUS_OK : record_hold(fs, &range);
}

HANDLER(test_record) {
    struct ramfs *fs = server;
    struct parked_lock wanted = {};
    status_t status =
        wanted_range(fs, request->cookie, in->owner, in->owner_cookie, &in->lock, &wanted);
    if (status != STATUS_OK && status != FILESYSTEM_STATUS_NO_ACCESS) {
        return status;
    }
    struct lock_range range = range_of(fs, &wanted);
    uint32_t in_way = record_conflict(fs, &range);
    out->found = in->lock;
    out->found.kind = FILESYSTEM_LOCK_KIND_UNLOCK;
    if (in_way != UINT32_MAX) {
        const struct lock_record *lock = &fs->vault->locks[in_way];
        out->found = (struct filesystem_record_lock){
            .start = lock->start,
            .length = lock->end == UINT64_MAX ? 0 : lock->end - lock->start,
            .kind = (enum filesystem_lock_kind)lock->kind,
            .pid = lock->pid};
    }
    return STATUS_OK;
}

HANDLER_IN(drop_records) {
    struct ramfs *fs = server;
    uint32_t slot = 0;
    uint32_t owner = 0;
    status_t status = session_find(fs, request->cookie, &slot);
    status = status == STATUS_OK ? session_find(fs, in->owner_cookie, &owner) : status;
    if (status != STATUS_OK) {
        return status;
    }
    struct lock_range all = {
        .inode = session_at(fs, slot)->inode, .owner = owner, .end = UINT64_MAX};
    status = record_clear(fs, &all);
    if (status == STATUS_OK) {
        wake(fs, all.inode);
    }
    return status;
}

void locks_session_closed(struct ramfs *_Nonnull fs, uint32_t slot, uint32_t inode) {
    bool freed = inode != 0 && fs->vault->sessions[slot].flock != 0;
    if (freed) {
        session_edit(fs, slot)->flock = 0;
        status_t status = store_commit(fs);
        CHECK(status == STATUS_OK);
    }
    for (uint32_t i = 0; i < LOCK_COUNT && fs->index.sessions[slot].locks > 0; i++) {
        if (fs->vault->locks[i].inode != 0 && fs->vault->locks[i].owner == slot) {
            uint32_t of = fs->vault->locks[i].inode;
            *lock_edit(fs, i) = (struct lock_record){};
            status_t status = store_commit(fs);
            CHECK(status == STATUS_OK);
            wake(fs, of);
        }
    }
    if (freed) {
        wake(fs, inode);
    }
}
