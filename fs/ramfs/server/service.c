/* The service around the handlers: its state, its dispatch, closes and cancellations. */
#include "fs/ramfs/server/handlers.h"

static const struct filesystem_handlers filesystem = {
    .open = ramfs_open,
    .stat = ramfs_stat,
    .access = ramfs_access,
    .read_link = ramfs_read_link,
    .make_directory = ramfs_make_directory,
    .make_node = ramfs_make_node,
    .make_link = ramfs_make_link,
    .remove = ramfs_remove,
    .rename = ramfs_rename,
    .link = ramfs_link,
    .set_attributes = ramfs_set_attributes,
    .space = ramfs_space,
    .read_directory = ramfs_read_directory,
    .memory = ramfs_memory,
    .sync = ramfs_sync,
    .allocate = ramfs_allocate,
    .path_of = ramfs_path_of,
    .lock = ramfs_lock,
    .lock_owner = ramfs_lock_owner,
    .lock_record = ramfs_lock_record,
    .test_record = ramfs_test_record,
    .drop_records = ramfs_drop_records,
    .node = ramfs_node,
    .exec_ticket = ramfs_exec_ticket,
    .cross = ramfs_cross,
    .enter = ramfs_enter,
    .lessen = ramfs_lessen,
    .gate = ramfs_gate,
    .mark = ramfs_mark,
    .unmark = ramfs_unmark,
    .name_memory = ramfs_name_memory,
};
static const struct stream_handlers stream = {
    .stat = ramfs_stream_stat,
    .facts = ramfs_stream_facts,
};

void ramfs_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    struct ramfs *fs = SOME(server->state);
    store_begin(fs);
    if (filesystem_speaks(request->label)) {
        filesystem_dispatch(&filesystem, fs, request);
    } else if (stream_speaks(request->label)) {
        stream_dispatch(&stream, fs, request);
    } else {
        request->reply->status = STATUS_BAD_METHOD;
    }
}

static void close_session(struct ramfs *_Nonnull fs, uint64_t cookie) {
    uint32_t slot = 0;
    if (session_find(fs, cookie, &slot) != STATUS_OK) {
        return; /* an earlier instance has freed it already */
    }
    locks_session_closed(fs, slot, session_at(fs, slot)->inode);
    status_t status = session_end(fs, slot);
    status = status == STATUS_OK ? store_finish(fs) : status;
    CHECK(status == STATUS_OK);
}

void ramfs_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    struct ramfs *fs = SOME(server->state);
    store_begin(fs);
    if (packet->kind == PACKET_CLOSE) {
        close_session(fs, packet->key);
    } else if (packet->kind == PACKET_CANCEL) {
        locks_cancel(fs, packet->token);
    }
}

void sessions_reconcile(struct ramfs *_Nonnull fs) {
    enum { BATCH = 8 };
    struct session_info listed[BATCH] = {};
    uint64_t cursor = 0;
    uint64_t count = 0;
    struct ramfs_index *index = &fs->index;
    /* Marks what is alive in free_next, which slots in use have no need of. */
    for (uint32_t i = 1; i < SESSION_COUNT; i++) {
        if (index->sessions[i].place == SLOT_USED) {
            index->sessions[i].free_next = 0;
        }
    }
    do {
        status_t status = rt_object_list(fs->server->endpoint, LIST_SESSIONS, &listed[0],
                                         sizeof listed, &cursor, &count);
        if (status != STATUS_OK) {
            return;
        }
        for (uint64_t i = 0; i < count && i < BATCH; i++) {
            uint32_t slot = 0;
            if (session_find(fs, listed[i].cookie, &slot) == STATUS_OK) {
                index->sessions[slot].free_next = 1;
            }
        }
    } while (count == BATCH);
    for (uint32_t i = 1; i < SESSION_COUNT; i++) {
        if (index->sessions[i].place == SLOT_USED && index->sessions[i].free_next == 0) {
            locks_session_closed(fs, i, fs->vault->sessions[i].inode);
            status_t status = session_end(fs, i);
            status = status == STATUS_OK ? store_commit(fs) : status;
            CHECK(status == STATUS_OK);
        }
    }
}

static void read_principals(struct ramfs *_Nonnull fs) {
    fs->process = rt_start_handle(fs->server, "process");
    status_t status = access_attach(fs->process, &fs->principals);
    if (status != STATUS_OK && fs->process != HANDLE_NONE) {
        rt_log(fs->server, "no principals: status %d", (int)status);
    }
}

struct ramfs *_Nonnull ramfs_start(struct rt_server *_Nonnull server) {
    struct ramfs *fs = rt_server_state(server, sizeof *fs, sizeof(struct ramfs_vault));
    fs->server = server;
    fs->vault = (const struct ramfs_vault *)SOME(server->vault_data);
    fs->changes = 1; /* no memo's */
    read_principals(fs);
    store_rebuild(fs);
    return fs;
}
