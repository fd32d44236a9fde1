/* Connections: found by name, begun, accepted. */
#include "lib/base/bytes.h"
#include "servers/local/local.h"

uint32_t socket_find(const struct local *_Nonnull local, uint64_t cookie, bool has_cookie,
                     struct rt_bytes name) {
    if (has_cookie) {
        const struct local_end *end = end_find(local, cookie);
        if (!end || end->kind != END_ADDRESS) {
            return LOCAL_NONE;
        }
        uint32_t index = end->object - LOCAL_FIRST_SOCKET;
        const struct local_socket *socket = socket_at(local, index);
        return socket->used != 0 && socket->serial == end->serial ? index : LOCAL_NONE;
    }
    for (uint32_t i = 0; i < LOCAL_SOCKETS && name.size > 0; i++) {
        const struct local_socket *socket = socket_at(local, i);
        if (socket->used != 0 && (socket->flags & SOCKET_NAMED) != 0 &&
            socket->name_size == name.size && socket->name[0] == 0 &&
            bytes_equal(&socket->name[0], SOME(name.data), name.size)) {
            return i;
        }
    }
    return LOCAL_NONE;
}

static status_t connect_datagrams(struct local *_Nonnull local, uint32_t index, uint32_t to) {
    struct local_socket *socket = socket_edit(local, index);
    const struct local_socket *target = socket_at(local, to);
    uint32_t back = socket_peer(local, to);
    REFUSE(back != LOCAL_NONE && back != index, STATUS_NOT_ALLOWED);
    socket->peer = to;
    socket->peer_serial = target->serial;
    return edits_stage(local);
}

status_t connect_now(struct local *_Nonnull local, uint32_t client, uint32_t listener,
                     const struct local_credentials *_Nonnull who) {
    uint32_t made = 0;
    struct local_socket *from = socket_edit(local, client);
    struct local_socket *to = socket_edit(local, listener);
    TRY(socket_begin(local, 0, from->type, &made));
    TRY(socket_give_queue(local, made));
    TRY(socket_give_queue(local, client));
    struct local_socket *server = socket_edit(local, made);
    to->pending++;
    server->listener = listener;
    server->state = SOCKET_CONNECTED;
    server->peer = client;
    server->peer_serial = from->serial;
    server->own = to->own;
    server->other = *who;
    server->name_size = to->name_size;
    bytes_copy(&server->name[0], &to->name[0], to->name_size);
    from->state = SOCKET_CONNECTED;
    from->peer = made;
    from->peer_serial = server->serial;
    from->own = *who;
    from->other = to->own;
    local->edits.more_bytes = listener; /* every connection is an edge */
    return edits_stage(local);
}

status_t connect_check(const struct local *_Nonnull local, uint32_t client, uint32_t listener) {
    const struct local_socket *from = socket_at(local, client);
    REFUSE(listener == LOCAL_NONE, LOCAL_STATUS_REFUSED);
    const struct local_socket *to = socket_at(local, listener);
    REFUSE(from->state == SOCKET_LISTENING, STATUS_BAD_ARGUMENT);
    REFUSE(from->state != SOCKET_FRESH, LOCAL_STATUS_CONNECTED);
    REFUSE(to->type != from->type, LOCAL_STATUS_WRONG_TYPE);
    if (from->type != LOCAL_SOCKET_TYPE_DATAGRAM) {
        REFUSE(to->state != SOCKET_LISTENING || (to->flags & SOCKET_SHUT_READ) != 0,
               LOCAL_STATUS_REFUSED);
    }
    return STATUS_OK;
}

status_t socket_connect(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                        const struct local_end *_Nonnull end,
                        const struct local_connect_in *_Nonnull in) {
    uint32_t client = end->object - LOCAL_FIRST_SOCKET;
    uint32_t to = socket_find(local, in->address_cookie, in->address != HANDLE_NONE, in->name);
    TRY(connect_check(local, client, to));
    if (socket_at(local, client)->type == LOCAL_SOCKET_TYPE_DATAGRAM) {
        return connect_datagrams(local, client, to);
    }
    struct local_credentials who = socket_caller(local, request);
    const struct local_socket *listener = socket_at(local, to);
    uint32_t list = list_of(LOCAL_FIRST_SOCKET + to, LIST_OPEN_WRITE);
    if (listener->pending > listener->backlog) {
        if (in->no_wait) {
            return STATUS_WOULD_BLOCK;
        }
        status_t status = parked_limit(local, list, socket_at(local, client)->send_timeout_ns,
                                       parked_add(local, list, request, 0, 0, nullptr));
        if (status == RT_STATUS_PARKED) {
            parked_last(local, list)->who = who;
        }
        return status;
    }
    return connect_now(local, client, to, &who);
}

status_t accept_now(struct local *_Nonnull local, uint32_t listener,
                    struct local_accept_out *_Nonnull out) {
    uint32_t first = LOCAL_NONE;
    uint32_t end = 0;
    for (uint32_t i = 0; i < LOCAL_SOCKETS; i++) {
        const struct local_socket *socket = socket_at(local, i);
        if (socket->used != 0 && socket->listener == listener &&
            (first == LOCAL_NONE || socket->serial < socket_at(local, first)->serial)) {
            first = i;
        }
    }
    REFUSE(first == LOCAL_NONE, STATUS_CORRUPT);
    struct local_socket *server = socket_edit(local, first);
    struct local_end record = {
        .kind = END_SOCKET, .object = LOCAL_FIRST_SOCKET + first, .access = END_READS | END_WRITES};
    socket_edit(local, listener)->pending--;
    server->listener = LOCAL_NONE;
    TRY(end_make(local, 0, &record, socket_ready(local, first), &end, &out->socket));
    server->end = end;
    uint32_t peer = socket_peer(local, first);
    if (peer != LOCAL_NONE) {
        out->peer_size = socket_at(local, peer)->name_size;
        bytes_copy(&out->peer[0], &socket_at(local, peer)->name[0], out->peer_size);
    }
    return edits_stage(local);
}

status_t socket_accept(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                       const struct local_end *_Nonnull end,
                       const struct local_accept_in *_Nonnull in,
                       struct local_accept_out *_Nonnull out) {
    uint32_t index = end->object - LOCAL_FIRST_SOCKET;
    const struct local_socket *socket = socket_at(local, index);
    REFUSE(socket->type == LOCAL_SOCKET_TYPE_DATAGRAM, LOCAL_STATUS_WRONG_TYPE);
    REFUSE(socket->state != SOCKET_LISTENING, STATUS_BAD_ARGUMENT);
    uint32_t list = list_of(end->object, LIST_OPEN_READ);
    if (socket->pending == 0) {
        return in->no_wait ? STATUS_WOULD_BLOCK
                           : parked_limit(local, list, socket->receive_timeout_ns,
                                          parked_add(local, list, request, 0, 0, nullptr));
    }
    return accept_now(local, index, out);
}
