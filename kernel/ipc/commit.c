/* Commit: patches of the vault, moves into the keep, handles for the client, as one step with the
 * reply (restart.md, 10 and 11). First everything is read once and validated; then it is applied,
 * which cannot fail. Nothing else runs in between: the kernel lock is held throughout. */
#include "kernel/ipc/call.h"
#include "kernel/memory/memory.h"
#include "kernel/object/keep.h"
#include "kernel/object/process.h"
#include "lib/base/bytes.h"

struct commit {
    uint32_t patch_count, keep_count, handle_count;
    struct patch patches[COMMIT_PATCHES];
    struct memory *_Nullable targets[COMMIT_PATCHES];
    struct keep_move moves[COMMIT_KEEP_MOVES];
    struct keep *_Nullable keeps[COMMIT_KEEP_MOVES];
    struct object *_Nullable others[COMMIT_KEEP_MOVES]; /* of KEEP_READY, KEEP_FORGET */
    handle_t handles[CALL_HANDLES];
};

static status_t check_patches(const struct thread *_Nonnull self,
                              struct commit *_Nonnull commit) LOCKED {
    uint32_t total = 0;
    for (uint32_t i = 0; i < commit->patch_count; i++) {
        const struct patch *patch = &commit->patches[i];
        struct object *object = nullptr;
        TRY(handle_find(&self->process->table, patch->memory, OBJECT_MEMORY, RIGHT_PATCH, &object));
        struct memory *memory = (struct memory *)SOME(object);
        uint64_t end = 0;
        total += patch->length;
        REFUSE((memory->flags & (MEMORY_WIRED | MEMORY_CONTIGUOUS)) == 0 ||
                   ckd_add(&end, patch->offset, (uint64_t)patch->length) ||
                   end > memory->content_size ||
                   (uint32_t)patch->staging_offset + patch->length > PAGE_SIZE ||
                   total > COMMIT_PATCH_BYTES,
               STATUS_OUT_OF_RANGE);
        commit->targets[i] = memory;
    }
    return commit->patch_count > 0 && self->staging == nullptr ? STATUS_BAD_ARGUMENT : STATUS_OK;
}

/* A handle that the commit moves: it exists, may be moved, and is named once. */
static status_t check_moved(const struct thread *_Nonnull self,
                            const struct commit *_Nonnull commit, handle_t handle) LOCKED {
    struct object *object = nullptr;
    unsigned named = 0;
    for (uint32_t i = 0; i < commit->keep_count; i++) {
        named += commit->moves[i].operation == KEEP_PUT && commit->moves[i].handle == handle;
    }
    for (uint32_t i = 0; i < commit->handle_count; i++) {
        named += commit->handles[i] == handle;
    }
    return named != 1
               ? STATUS_BAD_HANDLE
               : handle_find(&self->process->table, handle, OBJECT_NONE, RIGHT_TRANSFER, &object);
}

static status_t check_moves(const struct thread *_Nonnull self,
                            struct commit *_Nonnull commit) LOCKED {
    for (uint32_t i = 0; i < commit->keep_count; i++) {
        const struct keep_move *move = &commit->moves[i];
        struct object *object = nullptr;
        if (move->operation == KEEP_READY || move->operation == KEEP_FORGET) {
            bool ready = move->operation == KEEP_READY;
            TRY(handle_find(&self->process->table, move->handle,
                            ready ? OBJECT_SESSION : OBJECT_PROCESS,
                            ready ? RIGHT_RECEIVE : RIGHT_MANAGE, &object));
            commit->others[i] = object;
            continue;
        }
        TRY(handle_find(&self->process->table, move->keep, OBJECT_KEEP, RIGHT_WRITE, &object));
        struct keep *keep = (struct keep *)SOME(object);
        commit->keeps[i] = keep;
        REFUSE(move->slot == 0 || move->slot > keep->slots ||
                   (move->operation != KEEP_PUT && move->operation != KEEP_CLEAR),
               STATUS_OUT_OF_RANGE);
        if (move->operation == KEEP_PUT) {
            TRY(check_moved(self, commit, move->handle));
        }
    }
    return STATUS_OK;
}

static status_t check_handles(const struct thread *_Nonnull self,
                              const struct request *_Nullable request,
                              const struct commit *_Nonnull commit) LOCKED {
    REFUSE(commit->handle_count > 0 && request == nullptr, STATUS_BAD_ARGUMENT);
    /* the client did not ask for handles */
    REFUSE(request != nullptr && request->client != nullptr &&
               commit->handle_count > request->reserved_slots,
           STATUS_OUT_OF_HANDLES);
    for (uint32_t i = 0; i < commit->handle_count; i++) {
        if (commit->handles[i] == HANDLE_NONE) {
            continue; /* an optional one that is absent */
        }
        TRY(check_moved(self, commit, commit->handles[i]));
    }
    return STATUS_OK;
}

/* Reads the thread page once. */
static status_t read_commit(const struct thread *_Nonnull self, uint32_t flags,
                            struct commit *_Nonnull commit) LOCKED {
    const struct thread_page *page = SOME(self->page);
    if ((flags & RECEIVE_HAS_PATCHES) != 0) {
        commit->patch_count = page->reply.patch_count;
        commit->keep_count = page->reply.keep_count;
    }
    if ((flags & RECEIVE_HAS_HANDLES) != 0) {
        commit->handle_count = page->reply.handle_count;
    }
    REFUSE(commit->patch_count > COMMIT_PATCHES || commit->keep_count > COMMIT_KEEP_MOVES ||
               commit->handle_count > CALL_HANDLES,
           STATUS_OUT_OF_RANGE);
    for (uint32_t i = 0; i < commit->patch_count; i++) {
        commit->patches[i] = page->patches[i];
    }
    for (uint32_t i = 0; i < commit->keep_count; i++) {
        commit->moves[i] = page->keep_moves[i];
    }
    for (uint32_t i = 0; i < commit->handle_count; i++) {
        commit->handles[i] = page->reply.handles[i];
    }
    return STATUS_OK;
}

static void apply_patches(const struct thread *_Nonnull self,
                          const struct commit *_Nonnull commit) LOCKED {
    for (uint32_t i = 0; i < commit->patch_count; i++) {
        const struct patch *patch = &commit->patches[i];
        status_t status = memory_write_wired(
            SOME(commit->targets[i]), patch->offset,
            bytes_at_const(SOME(self->staging), patch->staging_offset), patch->length);
        CHECK(status == STATUS_OK);
    }
}

static void apply_moves(struct thread *_Nonnull self, const struct commit *_Nonnull commit) LOCKED {
    for (uint32_t i = 0; i < commit->keep_count; i++) {
        const struct keep_move *move = &commit->moves[i];
        if (move->operation == KEEP_READY) {
            session_set_ready((struct session *)SOME(commit->others[i]), move->keep, move->slot);
            continue;
        }
        if (move->operation == KEEP_FORGET) {
            process_forget((struct process *)SOME(commit->others[i]));
            continue;
        }
        struct keep *keep = SOME(commit->keeps[i]);
        struct object *object = nullptr;
        uint32_t rights = 0;
        if (move->operation == KEEP_PUT) {
            status_t status =
                handle_take(&self->process->table, move->handle, RIGHT_TRANSFER, &object, &rights);
            CHECK(status == STATUS_OK);
        }
        keep_put(keep, move->slot, object, rights);
        if (object != nullptr) {
            object_drop_handle(SOME(object));
        }
    }
}

/* Gives the reply's handles to the client, or closes them where nobody waits. A session that a
 * client gets is live from now on. */
static void apply_handles(struct thread *_Nonnull self, struct request *_Nonnull request,
                          const struct commit *_Nonnull commit) LOCKED {
    struct thread *client = request->client;
    for (uint32_t i = 0; i < commit->handle_count; i++) {
        struct object *object = nullptr;
        uint32_t rights = 0;
        if (commit->handles[i] == HANDLE_NONE) {
            if (client != nullptr) {
                SOME(client->page)->call.handles[i] = HANDLE_NONE;
            }
            continue;
        }
        status_t status = handle_take(&self->process->table, commit->handles[i], RIGHT_TRANSFER,
                                      &object, &rights);
        CHECK(status == STATUS_OK);
        if (SOME(object)->type == OBJECT_SESSION) {
            /* For an orphan too: the vault names it now, so its close must be told (models.md, 8).
             */
            ((struct session *)SOME(object))->live = true;
        }
        if (client != nullptr) {
            request->reserved_slots--;
            SOME(client->page)->call.handles[i] = handle_insert_reserved(
                &client->process->table, SOME(object), rights & ~RIGHT_RECEIVE);
        }
        object_drop_handle(SOME(object));
    }
    self->reply_handles = client != nullptr ? commit->handle_count : 0;
}

status_t commit_apply(struct thread *_Nonnull self, struct request *_Nullable request,
                      uint32_t flags) {
    struct commit commit = {};
    TRY(read_commit(self, flags, &commit));
    TRY(check_patches(self, &commit));
    TRY(check_moves(self, &commit));
    TRY(check_handles(self, request, &commit));
    apply_patches(self, &commit);
    apply_moves(self, &commit);
    if (request != nullptr && commit.handle_count > 0) {
        apply_handles(self, SOME(request), &commit);
    }
    return STATUS_OK;
}
