/* Sockets between the vault and the call in hand; what they show; who calls. */
#include "servers/local/local.h"

/* ---- edits ---- */

void edits_begin(struct local *_Nonnull local) {
    local->edits.socket_count = 0;
    local->edits.queue_count = 0;
    local->edits.more_bytes = LOCAL_NONE;
    local->edits.hidden = LOCAL_NONE;
}

const struct local_socket *_Nonnull socket_at(const struct local *_Nonnull local, uint32_t index) {
    for (uint32_t i = 0; i < local->edits.socket_count; i++) {
        if (local->edits.socket_index[i] == index) {
            return &local->edits.sockets[i];
        }
    }
    return &local->vault->sockets[index];
}

struct local_socket *_Nonnull socket_edit(struct local *_Nonnull local, uint32_t index) {
    struct socket_edits *edits = &local->edits;
    for (uint32_t i = 0; i < edits->socket_count; i++) {
        if (edits->socket_index[i] == index) {
            return &edits->sockets[i];
        }
    }
    CHECK(edits->socket_count < SOCKET_EDITS);
    uint32_t at = edits->socket_count++;
    edits->socket_index[at] = index;
    edits->sockets[at] = local->vault->sockets[index];
    socket_touch(local, index);
    return &edits->sockets[at];
}

const struct local_queue *_Nonnull socket_queue(const struct local *_Nonnull local,
                                                uint32_t index) {
    uint32_t queue = socket_at(local, index)->queue;
    CHECK(queue != LOCAL_NONE);
    for (uint32_t i = 0; i < local->edits.queue_count; i++) {
        if (local->edits.queue_index[i] == queue) {
            return &local->edits.queues[i];
        }
    }
    return &local->vault->queues[queue];
}

struct local_queue *_Nonnull queue_edit(struct local *_Nonnull local, uint32_t index) {
    struct socket_edits *edits = &local->edits;
    for (uint32_t i = 0; i < edits->queue_count; i++) {
        if (edits->queue_index[i] == index) {
            return &edits->queues[i];
        }
    }
    CHECK(edits->queue_count < SOCKET_EDITS);
    uint32_t at = edits->queue_count++;
    edits->queue_index[at] = index;
    edits->queues[at] = local->vault->queues[index];
    return &edits->queues[at];
}

void socket_touch(struct local *_Nonnull local, uint32_t index) {
    struct socket_edits *edits = &local->edits;
    for (uint32_t i = 0; i < edits->touched_count; i++) {
        if (edits->touched[i] == index) {
            return;
        }
    }
    if (index != LOCAL_NONE) {
        CHECK(edits->touched_count < SOCKET_TOUCHED);
        edits->touched[edits->touched_count++] = index;
    }
}

status_t edits_stage(struct local *_Nonnull local) {
    struct socket_edits *edits = &local->edits;
    for (uint32_t i = 0; i < edits->socket_count; i++) {
        TRY(rt_stage_record(local->server, &local->vault->sockets[edits->socket_index[i]],
                            &edits->sockets[i].header));
    }
    for (uint32_t i = 0; i < edits->queue_count; i++) {
        TRY(rt_stage_record(local->server, &local->vault->queues[edits->queue_index[i]],
                            &edits->queues[i].header));
    }
    for (uint32_t i = 0; i < edits->touched_count; i++) {
        uint32_t index = edits->touched[i];
        const struct local_socket *socket = socket_at(local, index);
        if (socket->used != 0 && socket->end != LOCAL_NONE) {
            uint32_t ready = socket_ready(local, index);
            ready &= index == edits->hidden ? ~(uint32_t)READY_IN : UINT32_MAX;
            end_show(local, socket->end, ready, index == edits->more_bytes ? READY_IN : 0);
        }
    }
    return STATUS_OK;
}

/* ---- new ones ---- */

status_t socket_begin(struct local *_Nonnull local, uint32_t after, enum local_socket_type type,
                      uint32_t *_Nonnull out_index) {
    uint32_t index = after;
    while (index < LOCAL_SOCKETS && local->vault->sockets[index].used != 0) {
        index++;
    }
    REFUSE(index == LOCAL_SOCKETS, STATUS_OUT_OF_QUOTA);
    *socket_edit(local, index) = (struct local_socket){
        .header = {.kind = LOCAL_RECORD_SOCKET, .version = 1, .size = sizeof(struct local_socket)},
        .serial = ++local->last_serial,
        .used = 1,
        .type = type,
        .queue = LOCAL_NONE,
        .peer = LOCAL_NONE,
        .listener = LOCAL_NONE,
        .end = LOCAL_NONE,
    };
    *out_index = index;
    return STATUS_OK;
}

status_t socket_give_queue(struct local *_Nonnull local, uint32_t index) {
    struct local_socket *socket = socket_edit(local, index);
    struct local_queue queue = {};
    uint32_t after = 0;
    uint32_t at = 0;
    if (socket->queue != LOCAL_NONE) {
        return STATUS_OK;
    }
    for (uint32_t i = 0; i < local->edits.queue_count; i++) {
        after = MAX(after, local->edits.queue_index[i] + 1);
    }
    TRY(pipe_begin(local, after, &queue, &at));
    queue.readers = 1;
    queue.writers = 1;
    *queue_edit(local, at) = queue;
    socket->queue = at;
    return STATUS_OK;
}

/* ---- what they show ---- */

uint32_t socket_peer(const struct local *_Nonnull local, uint32_t index) {
    const struct local_socket *socket = socket_at(local, index);
    if (socket->peer == LOCAL_NONE) {
        return LOCAL_NONE;
    }
    const struct local_socket *peer = socket_at(local, socket->peer);
    return peer->used != 0 && peer->serial == socket->peer_serial ? socket->peer : LOCAL_NONE;
}

static uint32_t flags_of(const struct local *_Nonnull local, uint32_t index) {
    return index == LOCAL_NONE ? 0 : socket_at(local, index)->flags;
}

bool socket_ends(const struct local *_Nonnull local, uint32_t index) {
    const struct local_socket *socket = socket_at(local, index);
    uint32_t peer = socket_peer(local, index);
    return socket->state == SOCKET_GONE || (socket->flags & SOCKET_SHUT_READ) != 0 ||
           (socket->state == SOCKET_CONNECTED && (flags_of(local, peer) & SOCKET_SHUT_WRITE) != 0);
}

static bool has_room(const struct local *_Nonnull local, uint32_t peer) {
    return queue_room(socket_queue(local, peer)) >= QUEUE_ATOMIC + sizeof(struct message_head);
}

static uint32_t connected_ready(const struct local *_Nonnull local, uint32_t index) {
    const struct local_socket *socket = socket_at(local, index);
    uint32_t peer = socket_peer(local, index);
    bool no_more = socket_ends(local, index);
    bool no_writing = peer == LOCAL_NONE || (socket->flags & SOCKET_SHUT_WRITE) != 0 ||
                      (flags_of(local, peer) & SOCKET_SHUT_READ) != 0;
    return (no_more || queue_filled(socket_queue(local, index)) > 0 ? READY_IN : 0u) |
           (no_more ? READY_READ_HANGUP : 0u) | (no_more && no_writing ? READY_HANGUP : 0u) |
           ((socket->flags & SOCKET_RESET) != 0 ? READY_ERROR : 0u) |
           (peer == LOCAL_NONE || has_room(local, peer) ? READY_OUT : 0u);
}

uint32_t socket_ready(const struct local *_Nonnull local, uint32_t index) {
    const struct local_socket *socket = socket_at(local, index);
    uint32_t peer = socket_peer(local, index);
    if (socket->type == LOCAL_SOCKET_TYPE_DATAGRAM) {
        bool pair = peer != LOCAL_NONE && socket_peer(local, peer) == index;
        return (queue_filled(socket_queue(local, index)) > 0 || socket_ends(local, index) ? READY_IN
                                                                                          : 0u) |
               (!pair || has_room(local, peer) ? READY_OUT : 0u);
    }
    switch (socket->state) {
    case SOCKET_LISTENING:
        return socket->pending > 0 ? READY_IN : 0;
    case SOCKET_CONNECTED:
    case SOCKET_GONE:
        return connected_ready(local, index);
    case SOCKET_FRESH:
    default:
        return READY_OUT | READY_HANGUP;
    }
}

/* ---- who calls ---- */

struct local_credentials socket_caller(const struct local *_Nonnull local,
                                       const struct rt_request *_Nonnull request) {
    struct caller caller = access_caller(&local->principals, request, false);
    struct process_table_entry process = {};
    struct local_credentials who = {.uid = caller.uid, .gid = caller.gid};
    if (access_process_by_serial(&local->processes, caller.serial, &process)) {
        who.pid = process.pid;
    }
    if (caller.entry) {
        who.uid = caller.entry->effective_uid;
        who.gid = caller.entry->effective_gid;
    }
    return who;
}

bool socket_may_claim(const struct local *_Nonnull local, const struct rt_request *_Nonnull request,
                      const struct local_credentials *_Nonnull claimed) {
    struct local_credentials who = socket_caller(local, request);
    struct caller caller = access_caller(&local->principals, request, false);
    const struct process_principal_entry *entry = caller.entry;
    if (!entry) {
        return false;
    }
    return who.uid == 0 || (claimed->pid == who.pid &&
                            (claimed->uid == entry->uid || claimed->uid == entry->effective_uid ||
                             claimed->uid == entry->saved_uid) &&
                            (claimed->gid == entry->gid || claimed->gid == entry->effective_gid ||
                             claimed->gid == entry->saved_gid));
}
