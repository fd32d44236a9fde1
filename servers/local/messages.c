/* What goes through sockets: messages in the receiver's queue, each with its head. A stream's
 * reader takes bytes of as many messages as it has room for, but of no two with handles at once. */
#include "lib/base/bytes.h"
#include "servers/local/local.h"

enum { HEAD = sizeof(struct message_head) };

/* A message to be put, or one that is tried. */
struct sending {
    uint32_t from, to;     /* sockets */
    uint64_t offset, size; /* of the bytes in the call's input */
    handle_t rights;
    struct local_credentials who;
};

/* The same error as `stream` has it. */
static status_t stream_status(status_t status, bool writes) {
    switch ((int32_t)status) {
    case (int32_t)LOCAL_STATUS_RESET:
        return writes ? STREAM_STATUS_BROKEN : STREAM_STATUS_RESET;
    case (int32_t)LOCAL_STATUS_REFUSED:
        return STREAM_STATUS_REFUSED;
    case (int32_t)LOCAL_STATUS_NOT_CONNECTED:
        return STREAM_STATUS_NOT_CONNECTED;
    case (int32_t)LOCAL_STATUS_TOO_LONG:
        return STREAM_STATUS_TOO_LONG;
    default:
        return status;
    }
}

static bool is_stream(const struct local_socket *_Nonnull socket) {
    return socket->type == LOCAL_SOCKET_TYPE_STREAM;
}

/* How many of the bytes may go now; false: none, not even an empty message. */
static bool message_fits(const struct local *_Nonnull local, uint32_t from, uint32_t to,
                         uint64_t size, uint64_t *_Nonnull out) {
    const struct local_socket *sender = socket_at(local, from);
    uint64_t room = queue_room(socket_queue(local, to));
    uint64_t around = HEAD + (is_stream(sender) ? 0 : sender->name_size);
    *out = size;
    if (around + size <= room) {
        return true;
    }
    *out = room - MIN(room, around);
    return is_stream(sender) && *out >= QUEUE_ATOMIC;
}

/* Whether the sender can ever send to the receiver, as things are. */
static status_t may_send(const struct local *_Nonnull local, uint32_t from, uint32_t to,
                         uint64_t size) {
    const struct local_socket *sender = socket_at(local, from);
    if (sender->type == LOCAL_SOCKET_TYPE_DATAGRAM) {
        REFUSE((sender->flags & SOCKET_SHUT_WRITE) != 0, LOCAL_STATUS_RESET);
        REFUSE(to == LOCAL_NONE,
               sender->peer == LOCAL_NONE ? LOCAL_STATUS_NOT_CONNECTED : LOCAL_STATUS_REFUSED);
        uint32_t back = socket_peer(local, to);
        REFUSE(socket_at(local, to)->type != sender->type, LOCAL_STATUS_WRONG_TYPE);
        REFUSE(back != LOCAL_NONE && back != from, STATUS_NOT_ALLOWED);
    } else {
        REFUSE(sender->state == SOCKET_FRESH || sender->state == SOCKET_LISTENING,
               LOCAL_STATUS_NOT_CONNECTED);
        REFUSE(to == LOCAL_NONE || (sender->flags & SOCKET_SHUT_WRITE) != 0, LOCAL_STATUS_RESET);
    }
    REFUSE((socket_at(local, to)->flags & SOCKET_SHUT_READ) != 0, LOCAL_STATUS_RESET);
    REFUSE(!is_stream(sender) && size + sender->name_size + HEAD > QUEUE_BYTES,
           LOCAL_STATUS_TOO_LONG);
    return STATUS_OK;
}

static status_t stage_rights(struct local *_Nonnull local, handle_t rights,
                             struct message_head *_Nonnull head) {
    uint32_t place = 0;
    if (rights == HANDLE_NONE) {
        return STATUS_OK;
    }
    while (place < LOCAL_RIGHTS && local->rights_used[place]) {
        place++;
    }
    REFUSE(place == LOCAL_RIGHTS, STATUS_OUT_OF_QUOTA);
    TRY(rt_stage_keep(local->server, LOCAL_KEEP_RIGHTS + place, rights));
    local->rights_used[place] = true;
    head->rights = place + 1;
    return STATUS_OK;
}

/* A reader that waits gets these bytes at once: nobody else needs to see them. */
static bool goes_at_once(const struct local *_Nonnull local, uint32_t to, uint64_t size) {
    const struct parked *reader = parked_first(local, list_of(LOCAL_FIRST_SOCKET + to, LIST_READ));
    return reader && reader->size >= size && queue_filled(socket_queue(local, to)) == 0 &&
           (reader->how & LOCAL_MESSAGE_FLAGS_PEEK) == 0;
}

static status_t put(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                    const struct sending *_Nonnull sending, const struct rt_input *_Nonnull input,
                    uint64_t size) {
    const struct local_socket *sender = socket_at(local, sending->from);
    uint32_t number = socket_at(local, sending->to)->queue;
    bool hidden = goes_at_once(local, sending->to, size);
    struct local_queue *queue = queue_edit(local, number);
    struct message_head head = {.size = (uint32_t)size, .from = sending->who};
    head.name_size = is_stream(sender) ? 0 : sender->name_size;
    uint64_t bytes_at_position = queue->put + HEAD + head.name_size;
    TRY(buffer_write(local, number, bytes_at_position, request, input, sending->offset, size));
    TRY(stage_rights(local, sending->rights, &head));
    TRY(buffer_put(local, number, queue->put, &head, sizeof head));
    TRY(buffer_put(local, number, queue->put + HEAD, &sender->name[0], head.name_size));
    queue_put(queue, HEAD + head.name_size + size);
    local->edits.more_bytes = sending->to;
    local->edits.hidden = hidden ? sending->to : LOCAL_NONE;
    socket_touch(local, sending->to);
    socket_touch(local, sending->from);
    return edits_stage(local);
}

/* Sends, or says that it must wait (WOULD_BLOCK). */
static status_t message_send(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                             uint32_t from, uint32_t to, const struct parked *_Nonnull call,
                             const struct rt_input *_Nonnull input, uint64_t *_Nonnull out_sent) {
    struct sending sending = {.from = from,
                              .to = to,
                              .offset = call->name_bytes,
                              .size = call->size - call->name_bytes,
                              .rights = call->rights,
                              .who = call->who};
    TRY(may_send(local, from, to, sending.size));
    *out_sent = 0;
    if (sending.size == 0 && is_stream(socket_at(local, from))) {
        return STATUS_OK;
    }
    REFUSE(!message_fits(local, from, to, sending.size, out_sent), STATUS_WOULD_BLOCK);
    return put(local, request, &sending, input, *out_sent);
}

/* The sender's credentials go along where the receiver wants them. */
static struct local_credentials credentials(const struct local *_Nonnull local,
                                            const struct rt_request *_Nonnull request,
                                            uint32_t from, uint32_t to) {
    uint32_t flags =
        socket_at(local, from)->flags | (to == LOCAL_NONE ? 0 : socket_at(local, to)->flags);
    return (flags & SOCKET_PASS_CREDENTIALS) != 0 ? socket_caller(local, request)
                                                  : (struct local_credentials){};
}

/* Sends or waits. `call` has what is kept of the call while it waits. */
static status_t send_or_wait(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                             uint32_t from, uint32_t to, const struct parked *_Nonnull call,
                             const struct rt_input *_Nonnull input, bool no_wait,
                             uint64_t *_Nonnull out_sent) {
    TRY(may_send(local, from, to, call->size - call->name_bytes));
    uint32_t list = list_of(LOCAL_FIRST_SOCKET + to, LIST_WRITE);
    if (!parked_first(local, list)) {
        status_t status = message_send(local, request, from, to, call, input, out_sent);
        if (status != STATUS_WOULD_BLOCK) {
            return status;
        }
    }
    if (no_wait || !end_waits(request, 0)) {
        return STATUS_WOULD_BLOCK;
    }
    status_t status = parked_limit(local, list, socket_at(local, from)->send_timeout_ns,
                                   parked_add(local, list, request, call->how, call->size, input));
    if (status == RT_STATUS_PARKED) {
        struct parked *parked = parked_last(local, list);
        parked->name_bytes = call->name_bytes;
        parked->rights = call->rights;
        parked->who = call->who;
    }
    return status;
}

status_t socket_write(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                      const struct local_end *_Nonnull end,
                      const struct stream_write_in *_Nonnull in,
                      struct stream_write_out *_Nonnull out) {
    uint32_t from = end->object - LOCAL_FIRST_SOCKET;
    uint32_t to = socket_peer(local, from);
    if (to != LOCAL_NONE && socket_at(local, from)->state == SOCKET_CONNECTED) {
        uint32_t queue = socket_at(local, to)->queue;
        uint32_t list = list_of(LOCAL_FIRST_SOCKET + to, LIST_READ);
        if (handover_was(local, request, queue, &out->written)) {
            return STATUS_OK;
        }
        if (parked_first(local, list) && queue_filled(socket_queue(local, to)) == 0 &&
            may_send(local, from, to, in->data.size) == STATUS_OK &&
            handover_try(local, request, queue, list, &in->data)) {
            out->written = in->data.size;
            return STATUS_OK;
        }
    }
    struct parked call = {.how = in->how, .size = in->data.size};
    call.who = credentials(local, request, from, to);
    return stream_status(send_or_wait(local, request, from, to, &call, &in->data,
                                      (in->how & STREAM_HOW_NO_WAIT) != 0, &out->written),
                         true);
}

status_t socket_send(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                     const struct local_end *_Nonnull end, const struct local_send_in *_Nonnull in,
                     struct local_send_out *_Nonnull out) {
    uint32_t from = end->object - LOCAL_FIRST_SOCKET;
    uint32_t to = socket_peer(local, from);
    uint8_t name[LOCAL_NAME_MAX];
    struct parked call = {
        .how = in->how, .size = in->texts.size, .name_bytes = in->name_bytes, .rights = in->rights};
    REFUSE(in->name_bytes > sizeof name || in->name_bytes > in->texts.size, STATUS_BAD_ARGUMENT);
    if (in->to != HANDLE_NONE || in->name_bytes > 0) {
        REFUSE(socket_at(local, from)->type != LOCAL_SOCKET_TYPE_DATAGRAM,
               socket_at(local, from)->state == SOCKET_CONNECTED ? LOCAL_STATUS_CONNECTED
                                                                 : STATUS_NOT_SUPPORTED);
        struct rt_buffer room = {.size = in->name_bytes, .data = &name[0]};
        TRY(rt_input_read(request, &in->texts, 0, room));
        to = socket_find(local, in->to_cookie, in->to != HANDLE_NONE,
                         (struct rt_bytes){.size = room.size, .data = &name[0]});
        REFUSE(to == LOCAL_NONE, LOCAL_STATUS_REFUSED);
    }
    call.who = credentials(local, request, from, to);
    if ((in->how & LOCAL_MESSAGE_FLAGS_WITH_CREDENTIALS) != 0) {
        REFUSE(!socket_may_claim(local, request, &in->claimed), STATUS_NOT_ALLOWED);
        call.who = in->claimed;
    }
    return send_or_wait(local, request, from, to, &call, &in->texts,
                        (in->how & LOCAL_MESSAGE_FLAGS_NO_WAIT) != 0, &out->sent);
}

/* ---- receiving ---- */

static bool same(const struct local_credentials *_Nonnull one,
                 const struct local_credentials *_Nonnull other) {
    return one->pid == other->pid && one->uid == other->uid && one->gid == other->gid;
}

/* Bytes of the first message, which is left in the queue while some of it is. */
static status_t take_first(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                           uint32_t number, struct local_queue *_Nonnull queue,
                           const struct message_head *_Nonnull head, bool stream,
                           const struct rt_output *_Nonnull room, struct fetched *_Nonnull out) {
    uint64_t left = head->size - queue->front;
    uint64_t size = MIN(left, room->size - out->size);
    uint64_t at = queue->taken + HEAD + head->name_size + queue->front;
    TRY(buffer_read(local, number, at, request, room, out->size, size));
    out->size += size;
    out->length += stream ? size : left;
    if (queue->front == 0) {
        out->rights = head->rights;
        out->from = head->from;
        out->name_size = head->name_size;
        buffer_get(local, number, queue->taken + HEAD, &out->name[0], head->name_size);
    }
    out->said |= !stream && size < left ? LOCAL_MESSAGE_FLAGS_CUT : 0;
    queue->front += size;
    if (!stream || queue->front == head->size) {
        queue->front = 0;
        queue_take(queue, HEAD + head->name_size + head->size);
    }
    return STATUS_OK;
}

/* Takes what there is; the queue's copy is changed. */
static status_t fetch(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                      uint32_t index, struct local_queue *_Nonnull queue,
                      const struct rt_output *_Nonnull room, struct fetched *_Nonnull out) {
    const struct local_socket *socket = socket_at(local, index);
    bool stream = is_stream(socket);
    bool more = true;
    while (more && queue_filled(queue) > 0) {
        struct message_head head = {};
        buffer_get(local, socket->queue, queue->taken, &head, sizeof head);
        bool begins = queue->front == 0;
        REFUSE(head.name_size > LOCAL_NAME_MAX ||
                   (uint64_t)HEAD + head.name_size + head.size > queue_filled(queue) ||
                   queue->front > head.size,
               STATUS_CORRUPT);
        if (out->length > 0 && begins && (head.rights != 0 || !same(&head.from, &out->from))) {
            break;
        }
        TRY(take_first(local, request, socket->queue, queue, &head, stream, room, out));
        more = stream && out->size < room->size && !(begins && head.rights != 0);
    }
    return STATUS_OK;
}

/* Receives, or says that it must wait (WOULD_BLOCK). */
static status_t message_receive(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                                uint32_t index, uint32_t how, const struct rt_output *_Nonnull room,
                                struct fetched *_Nonnull out) {
    const struct local_socket *socket = socket_at(local, index);
    bool datagrams = socket->type == LOCAL_SOCKET_TYPE_DATAGRAM;
    REFUSE(!datagrams && (socket->state == SOCKET_FRESH || socket->state == SOCKET_LISTENING),
           STATUS_BAD_ARGUMENT);
    struct local_queue queue = *socket_queue(local, index);
    bool ends = socket_ends(local, index);
    if (queue_filled(&queue) == 0) {
        if ((socket->flags & SOCKET_RESET) != 0) {
            socket_edit(local, index)->flags &= ~(uint32_t)SOCKET_RESET;
            local->tells_error = true;
            TRY(edits_stage(local));
            return LOCAL_STATUS_RESET;
        }
        return ends || (is_stream(socket) && room->size == 0) ? STATUS_OK : STATUS_WOULD_BLOCK;
    }
    bool whole = (how & LOCAL_MESSAGE_FLAGS_WAIT_ALL) != 0 && is_stream(socket) && !ends;
    REFUSE(whole && socket_waiting_bytes(local, index) < MIN(room->size, QUEUE_BYTES / 2ull),
           STATUS_WOULD_BLOCK);
    TRY(fetch(local, request, index, &queue, room, out));
    out->said |=
        (socket->flags & SOCKET_PASS_CREDENTIALS) != 0 ? LOCAL_MESSAGE_FLAGS_WITH_CREDENTIALS : 0;
    if ((how & LOCAL_MESSAGE_FLAGS_PEEK) != 0) {
        return STATUS_OK;
    }
    if (out->rights != 0) {
        TRY(rt_stage_keep(local->server, LOCAL_KEEP_RIGHTS + out->rights - 1, HANDLE_NONE));
        local->rights_used[out->rights - 1] = false;
    }
    *queue_edit(local, socket->queue) = queue;
    socket_touch(local, index);
    socket_touch(local, socket_peer(local, index));
    return edits_stage(local);
}

static status_t receive_or_wait(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                                uint32_t index, uint32_t how, bool no_wait,
                                const struct rt_output *_Nonnull room,
                                struct fetched *_Nonnull out) {
    status_t status = message_receive(local, request, index, how, room, out);
    if (status != STATUS_WOULD_BLOCK) {
        return status;
    }
    if (no_wait || !end_waits(request, 0)) {
        return STATUS_WOULD_BLOCK;
    }
    uint32_t list = list_of(LOCAL_FIRST_SOCKET + index, LIST_READ);
    return parked_limit(local, list, socket_at(local, index)->receive_timeout_ns,
                        parked_add(local, list, request, how, room->size, nullptr));
}

status_t socket_read(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                     const struct local_end *_Nonnull end, const struct stream_read_in *_Nonnull in,
                     struct stream_read_out *_Nonnull out) {
    struct fetched fetched = {};
    uint32_t how = (in->how & STREAM_HOW_PEEK) != 0 ? LOCAL_MESSAGE_FLAGS_PEEK : 0;
    status_t status = receive_or_wait(local, request, end->object - LOCAL_FIRST_SOCKET, how,
                                      (in->how & STREAM_HOW_NO_WAIT) != 0, &in->data, &fetched);
    out->data_size = fetched.size;
    return stream_status(status, false);
}

static status_t message_tell(struct local *_Nonnull local, const struct fetched *_Nonnull fetched,
                             struct local_receive_out *_Nonnull out) {
    if (fetched->rights != 0) {
        TRY(rt_keep_get(local->server, LOCAL_KEEP_RIGHTS + fetched->rights - 1, &out->rights));
    }
    out->said = fetched->said;
    out->length = fetched->length;
    out->name_bytes = fetched->name_size;
    out->from = fetched->from;
    bytes_copy(&out->name[0], &fetched->name[0], fetched->name_size);
    out->data_size = fetched->size;
    return STATUS_OK;
}

status_t socket_receive(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                        const struct local_end *_Nonnull end,
                        const struct local_receive_in *_Nonnull in,
                        struct local_receive_out *_Nonnull out) {
    struct fetched fetched = {};
    TRY(receive_or_wait(local, request, end->object - LOCAL_FIRST_SOCKET, in->how,
                        (in->how & LOCAL_MESSAGE_FLAGS_NO_WAIT) != 0, &in->data, &fetched));
    return message_tell(local, &fetched, out);
}

/* ---- the whole queue ---- */

uint64_t socket_waiting_bytes(const struct local *_Nonnull local, uint32_t index) {
    const struct local_socket *socket = socket_at(local, index);
    uint64_t bytes = 0;
    if (socket->queue == LOCAL_NONE) {
        return 0;
    }
    struct local_queue queue = *socket_queue(local, index);
    while (queue_filled(&queue) >= HEAD) {
        struct message_head head = {};
        buffer_get(local, socket->queue, queue.taken, &head, sizeof head);
        bytes += head.size - queue.front;
        queue.front = 0;
        queue.taken += MIN(HEAD + head.name_size + head.size, queue_filled(&queue));
        if (!is_stream(socket)) {
            break; /* the first message alone */
        }
    }
    return bytes;
}

status_t messages_mark(struct local *_Nonnull local, uint32_t number) {
    struct local_queue queue = local->vault->queues[number];
    while (queue_filled(&queue) > 0) {
        struct message_head head = {};
        REFUSE(queue_filled(&queue) < HEAD, STATUS_CORRUPT);
        buffer_get(local, number, queue.taken, &head, sizeof head);
        uint64_t all = (uint64_t)HEAD + head.name_size + head.size;
        REFUSE(all > queue_filled(&queue) || head.name_size > LOCAL_NAME_MAX ||
                   head.rights > LOCAL_RIGHTS,
               STATUS_CORRUPT);
        if (head.rights != 0 && queue.front == 0) {
            local->rights_used[head.rights - 1] = true;
        }
        queue.front = 0;
        queue.taken += all;
    }
    return STATUS_OK;
}

/* ---- those who waited ---- */

static status_t answer_write(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                             uint32_t from, uint32_t to, const struct parked *_Nonnull parked) {
    struct rt_input input = {.size = parked->size};
    uint64_t sent = 0;
    bool stream = parked->method == STREAM_METHOD_WRITE;
    if (parked->whole) {
        input.head = (struct rt_bytes){.size = (size_t)parked->size, .data = &parked->head[0]};
    }
    status_t status = message_send(local, request, from, to, parked, &input, &sent);
    if (status != STATUS_OK) {
        return stream ? stream_status(status, true) : status;
    }
    if (stream) {
        stream_write_reply(request->reply, &(struct stream_write_out){.written = sent});
    } else {
        local_send_reply(request->reply, &(struct local_send_out){.sent = sent});
    }
    return STATUS_OK;
}

static status_t answer_read(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                            uint32_t index, const struct parked *_Nonnull parked) {
    struct fetched fetched = {};
    struct local_receive_out out = {};
    bool stream = parked->method == STREAM_METHOD_READ;
    struct rt_output room = stream ? stream_read_data(request->reply, parked->size)
                                   : local_receive_data(request->reply, parked->size);
    status_t status = message_receive(local, request, index, parked->how, &room, &fetched);
    if (stream && status == STATUS_OK) {
        stream_read_reply(request->reply, &(struct stream_read_out){.data_size = fetched.size});
        return STATUS_OK;
    }
    status = status == STATUS_OK ? message_tell(local, &fetched, &out) : status;
    if (status == STATUS_OK) {
        local_receive_reply(request->reply, &out);
    }
    return stream ? stream_status(status, false) : status;
}

status_t message_answer(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                        uint32_t to, const struct parked *_Nonnull parked) {
    if (parked->list % LIST_KINDS == LIST_READ) {
        return answer_read(local, request, to, parked);
    }
    uint32_t from = local->vault->ends[parked->end].object - LOCAL_FIRST_SOCKET;
    return answer_write(local, request, from, socket_at(local, to)->used != 0 ? to : LOCAL_NONE,
                        parked);
}

bool message_may_go(const struct local *_Nonnull local, uint32_t to,
                    const struct parked *_Nonnull parked) {
    uint32_t from = local->vault->ends[parked->end].object - LOCAL_FIRST_SOCKET;
    uint64_t size = parked->size - parked->name_bytes;
    uint64_t now = 0;
    return socket_at(local, to)->used == 0 || may_send(local, from, to, size) != STATUS_OK ||
           message_fits(local, from, to, size, &now);
}

bool message_may_come(const struct local *_Nonnull local, uint32_t index,
                      const struct parked *_Nonnull parked) {
    const struct local_socket *socket = socket_at(local, index);
    if (socket_ends(local, index) || (socket->flags & SOCKET_RESET) != 0) {
        return true;
    }
    uint64_t filled = queue_filled(socket_queue(local, index));
    bool whole = (parked->how & LOCAL_MESSAGE_FLAGS_WAIT_ALL) != 0 && is_stream(socket);
    return whole ? socket_waiting_bytes(local, index) >= MIN(parked->size, QUEUE_BYTES / 2ull)
                 : filled > 0;
}
