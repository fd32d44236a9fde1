/* Sockets: made, named, asked, shut, closed. */
#include "lib/base/bytes.h"
#include "servers/local/local.h"

enum { SIZE_DEFAULT = 212992, AUTOMATIC_NAME = 6, CLEARED_AT_ONCE = 6 };

static status_t make_end(struct local *_Nonnull local, uint32_t after, uint32_t index,
                         uint32_t *_Nonnull out_end, handle_t *_Nonnull out) {
    struct local_end end = {
        .kind = END_SOCKET, .object = LOCAL_FIRST_SOCKET + index, .access = END_READS | END_WRITES};
    TRY(end_make(local, after, &end, socket_ready(local, index), out_end, out));
    socket_edit(local, index)->end = *out_end;
    return STATUS_OK;
}

static status_t make_pair(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                          uint32_t first, uint32_t second) {
    struct local_credentials who = socket_caller(local, request);
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t other = i == 0 ? second : first;
        TRY(socket_give_queue(local, i == 0 ? first : second));
        struct local_socket *socket = socket_edit(local, i == 0 ? first : second);
        socket->peer = other;
        socket->peer_serial = socket_at(local, other)->serial;
        socket->state =
            socket->type == LOCAL_SOCKET_TYPE_DATAGRAM ? SOCKET_FRESH : SOCKET_CONNECTED;
        socket->own = who;
        socket->other = who;
    }
    return STATUS_OK;
}

status_t socket_make(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                     const struct local_socket_in *_Nonnull in,
                     struct local_socket_out *_Nonnull out) {
    uint32_t first = 0;
    uint32_t second = 0;
    uint32_t end = 0;
    TRY(socket_begin(local, 0, in->type, &first));
    if (in->pair) {
        TRY(socket_begin(local, first + 1, in->type, &second));
        TRY(make_pair(local, request, first, second));
    } else if (in->type == LOCAL_SOCKET_TYPE_DATAGRAM) {
        TRY(socket_give_queue(local, first));
    }
    TRY(make_end(local, 0, first, &end, &out->socket));
    status_t status = in->pair ? make_end(local, end + 1, second, &end, &out->other) : STATUS_OK;
    status = status == STATUS_OK ? edits_stage(local) : status;
    if (status != STATUS_OK) {
        rt_handle_close(out->socket);
        rt_handle_close(out->other);
    }
    return status;
}

/* ---- names ---- */

/* Five hexadecimal digits that nobody has. */
static void name_automatically(const struct local *_Nonnull local,
                               struct local_socket *_Nonnull socket) {
    static const char digits[] = "0123456789abcdef";
    struct rt_bytes name = {.size = AUTOMATIC_NAME, .data = &socket->name[0]};
    uint64_t number = socket->serial;
    socket->name_size = 0;
    do {
        socket->name[0] = 0;
        for (uint32_t i = 1; i < AUTOMATIC_NAME; i++) {
            socket->name[i] = (uint8_t)digits[number >> (4 * (AUTOMATIC_NAME - 1 - i)) & 15];
        }
        number++;
    } while (socket_find(local, 0, false, name) != LOCAL_NONE);
    socket->name_size = AUTOMATIC_NAME;
}

status_t socket_bind(struct local *_Nonnull local, const struct local_end *_Nonnull end,
                     const struct local_bind_in *_Nonnull in, struct local_bind_out *_Nonnull out) {
    uint32_t index = end->object - LOCAL_FIRST_SOCKET;
    struct local_socket *socket = socket_edit(local, index);
    uint32_t at = 0;
    bool named = (socket->flags & SOCKET_NAMED) != 0;
    if (named && (socket->flags & SOCKET_NAME_FREE) == 0) {
        return in->name.size == 0 ? STATUS_OK : LOCAL_STATUS_CONNECTED;
    }
    bool path = in->name.size > 0 && SOME(in->name.data)[0] != 0;
    REFUSE(in->name.size > 0 && !path && socket_find(local, 0, false, in->name) != LOCAL_NONE,
           LOCAL_STATUS_NAME_TAKEN);
    socket->flags = (socket->flags | SOCKET_NAMED) & ~(uint32_t)SOCKET_NAME_FREE;
    if (in->name.size == 0) {
        name_automatically(local, socket);
    } else {
        socket->name_size = (uint32_t)in->name.size;
        bytes_copy(&socket->name[0], SOME(in->name.data), in->name.size);
    }
    if (path) {
        struct local_end address = {
            .kind = END_ADDRESS, .object = end->object, .serial = socket->serial};
        TRY(end_make(local, 0, &address, 0, &at, &out->address));
    }
    return edits_stage(local);
}

status_t socket_listen(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                       const struct local_end *_Nonnull end, uint32_t backlog) {
    uint32_t index = end->object - LOCAL_FIRST_SOCKET;
    struct local_socket *socket = socket_edit(local, index);
    REFUSE(socket->type == LOCAL_SOCKET_TYPE_DATAGRAM, LOCAL_STATUS_WRONG_TYPE);
    REFUSE((socket->flags & SOCKET_NAMED) == 0, LOCAL_STATUS_NOT_CONNECTED);
    REFUSE(socket->state != SOCKET_FRESH && socket->state != SOCKET_LISTENING, STATUS_BAD_ARGUMENT);
    socket->state = SOCKET_LISTENING;
    socket->backlog = MIN(backlog, 4096u);
    socket->own = socket_caller(local, request);
    return edits_stage(local);
}

status_t socket_name(const struct local *_Nonnull local, const struct local_end *_Nonnull end,
                     const struct local_name_in *_Nonnull in, struct local_name_out *_Nonnull out) {
    uint32_t index = end->object - LOCAL_FIRST_SOCKET;
    uint32_t asked = in->of_peer ? socket_peer(local, index) : index;
    REFUSE(asked == LOCAL_NONE, LOCAL_STATUS_NOT_CONNECTED);
    const struct local_socket *socket = socket_at(local, asked);
    out->type = socket->type;
    out->name_size = socket->name_size;
    bytes_copy(&out->name[0], &socket->name[0], socket->name_size);
    return STATUS_OK;
}

status_t socket_who(const struct local *_Nonnull local, const struct local_end *_Nonnull end,
                    struct local_credentials *_Nonnull out) {
    const struct local_socket *socket = socket_at(local, end->object - LOCAL_FIRST_SOCKET);
    *out = socket->other;
    if (socket->other.pid == 0) {
        *out = (struct local_credentials){.uid = UINT32_MAX, .gid = UINT32_MAX}; /* as Linux */
    }
    return STATUS_OK;
}

/* ---- options ---- */

static status_t set_option(struct local *_Nonnull local, uint32_t index,
                           const struct local_option_in *_Nonnull in) {
    struct local_socket *socket = socket_edit(local, index);
    uint32_t size = (uint32_t)MIN(in->value, (uint64_t)SIZE_DEFAULT);
    switch (in->which) {
    case LOCAL_OPTION_SEND_SIZE:
        socket->send_size = 2 * MAX(size, 2304u);
        break;
    case LOCAL_OPTION_RECEIVE_SIZE:
        socket->receive_size = 2 * MAX(size, 1152u);
        break;
    case LOCAL_OPTION_PASS_CREDENTIALS:
        socket->flags = (socket->flags & ~(uint32_t)SOCKET_PASS_CREDENTIALS) |
                        (in->value != 0 ? SOCKET_PASS_CREDENTIALS : 0);
        break;
    case LOCAL_OPTION_SEND_TIMEOUT_NS:
        socket->send_timeout_ns = in->value;
        break;
    case LOCAL_OPTION_RECEIVE_TIMEOUT_NS:
        socket->receive_timeout_ns = in->value;
        break;
    case LOCAL_OPTION_SWITCHES:
        socket->switches = (uint32_t)in->value;
        break;
    case LOCAL_OPTION_LINGER:
        socket->linger = in->value;
        break;
    case LOCAL_OPTION_TYPE:
    case LOCAL_OPTION_LISTENS:
    case LOCAL_OPTION_ERROR:
    case LOCAL_OPTION_PIPE_SIZE:
    default:
        return STATUS_NOT_ALLOWED;
    }
    return edits_stage(local);
}

status_t socket_option(struct local *_Nonnull local, const struct local_end *_Nonnull end,
                       const struct local_option_in *_Nonnull in, uint64_t *_Nonnull out_old) {
    uint32_t index = end->object - LOCAL_FIRST_SOCKET;
    const struct local_socket *socket = socket_at(local, index);
    switch (in->which) {
    case LOCAL_OPTION_TYPE:
        *out_old = socket->type;
        break;
    case LOCAL_OPTION_LISTENS:
        *out_old = socket->state == SOCKET_LISTENING ? 1 : 0;
        break;
    case LOCAL_OPTION_ERROR:
        *out_old = (socket->flags & SOCKET_RESET) != 0 ? 1 : 0;
        if (*out_old != 0) {
            socket_edit(local, index)->flags &= ~(uint32_t)SOCKET_RESET;
            TRY(edits_stage(local));
        }
        break;
    case LOCAL_OPTION_SEND_SIZE:
        *out_old = socket->send_size != 0 ? socket->send_size : SIZE_DEFAULT;
        break;
    case LOCAL_OPTION_RECEIVE_SIZE:
        *out_old = socket->receive_size != 0 ? socket->receive_size : SIZE_DEFAULT;
        break;
    case LOCAL_OPTION_PASS_CREDENTIALS:
        *out_old = (socket->flags & SOCKET_PASS_CREDENTIALS) != 0 ? 1 : 0;
        break;
    case LOCAL_OPTION_SEND_TIMEOUT_NS:
        *out_old = socket->send_timeout_ns;
        break;
    case LOCAL_OPTION_RECEIVE_TIMEOUT_NS:
        *out_old = socket->receive_timeout_ns;
        break;
    case LOCAL_OPTION_SWITCHES:
        *out_old = socket->switches;
        break;
    case LOCAL_OPTION_LINGER:
        *out_old = socket->linger;
        break;
    case LOCAL_OPTION_PIPE_SIZE:
    default:
        return STATUS_BAD_ARGUMENT;
    }
    return in->change ? set_option(local, index, in) : STATUS_OK;
}

status_t socket_shut(struct local *_Nonnull local, const struct local_end *_Nonnull end,
                     const struct local_shut_down_in *_Nonnull in) {
    uint32_t index = end->object - LOCAL_FIRST_SOCKET;
    struct local_socket *socket = socket_edit(local, index);
    REFUSE(socket->type != LOCAL_SOCKET_TYPE_DATAGRAM && socket->state == SOCKET_FRESH,
           LOCAL_STATUS_NOT_CONNECTED);
    socket->flags |= (in->reading ? SOCKET_SHUT_READ : 0) | (in->writing ? SOCKET_SHUT_WRITE : 0);
    socket_touch(local, socket_peer(local, index));
    return edits_stage(local);
}

/* ---- closing ---- */

/* Handles under way to a socket that nobody reads any more: what fits no single step is done in
 * steps before the last, each of which may be repeated. */
static void drop_rights(struct local *_Nonnull local, uint32_t queue) {
    struct local_queue now = local->vault->queues[queue];
    struct message_head head = {};
    uint32_t staged = 0;
    while (queue_filled(&now) >= sizeof head) {
        buffer_get(local, queue, now.taken, &head, sizeof head);
        bool fresh = now.taken != local->vault->queues[queue].taken ||
                     local->vault->queues[queue].front == 0;
        if (head.rights != 0 && head.rights <= LOCAL_RIGHTS && fresh) {
            CHECK(rt_stage_keep(local->server, LOCAL_KEEP_RIGHTS + head.rights - 1, HANDLE_NONE) ==
                  STATUS_OK);
            local->rights_used[head.rights - 1] = false;
            staged++;
        }
        if (staged == CLEARED_AT_ONCE) {
            CHECK(rt_commit(local->server) == STATUS_OK);
            staged = 0;
        }
        now.taken += sizeof head + head.name_size + head.size;
    }
    CHECK(staged == 0 || rt_commit(local->server) == STATUS_OK);
}

/* A socket ceases to be: its queue, and its peer's connection. */
static void release(struct local *_Nonnull local, uint32_t index) {
    struct local_socket *socket = socket_edit(local, index);
    uint32_t peer = socket_peer(local, index);
    bool unread = false;
    if (socket->queue != LOCAL_NONE) {
        unread = queue_filled(socket_queue(local, index)) > 0;
        struct local_queue *queue = queue_edit(local, socket->queue);
        queue->used = 0;
        queue->put = 0;
        queue->taken = 0;
        queue->front = 0;
        buffer_release(local, socket->queue);
        local->lowest_queue = MIN(local->lowest_queue, socket->queue);
    }
    if (peer != LOCAL_NONE && socket->type != LOCAL_SOCKET_TYPE_DATAGRAM) {
        struct local_socket *other = socket_edit(local, peer);
        other->state = SOCKET_GONE;
        other->peer = LOCAL_NONE;
        other->flags |= unread || socket->end == LOCAL_NONE ? SOCKET_RESET : 0;
    }
    socket->used = 0;
    socket->queue = LOCAL_NONE;
    socket->peer = LOCAL_NONE;
    socket->end = LOCAL_NONE;
}

void socket_close(struct local *_Nonnull local, uint32_t end) {
    uint32_t index = local->vault->ends[end].object - LOCAL_FIRST_SOCKET;
    const struct local_socket *socket = &local->vault->sockets[index];
    for (uint32_t i = 0; socket->state == SOCKET_LISTENING && i < LOCAL_SOCKETS; i++) {
        const struct local_socket *waiting = &local->vault->sockets[i];
        if (waiting->used != 0 && waiting->listener == index) {
            drop_rights(local, waiting->queue);
            release(local, i);
            CHECK(edits_stage(local) == STATUS_OK && rt_commit(local->server) == STATUS_OK);
            local_serve(local, nullptr);
            edits_begin(local);
            local->edits.touched_count = 0;
        }
    }
    if (socket->queue != LOCAL_NONE) {
        drop_rights(local, socket->queue);
    }
    end_forget(local, end);
    release(local, index);
    CHECK(edits_stage(local) == STATUS_OK);
}

void socket_address_close(struct local *_Nonnull local, uint32_t end) {
    const struct local_end address = local->vault->ends[end];
    uint32_t index = address.object - LOCAL_FIRST_SOCKET;
    end_forget(local, end);
    if (socket_at(local, index)->used != 0 && socket_at(local, index)->serial == address.serial) {
        socket_edit(local, index)->flags |= SOCKET_NAME_FREE;
    }
    CHECK(edits_stage(local) == STATUS_OK);
}
