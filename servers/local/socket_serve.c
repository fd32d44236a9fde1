/* Calls that wait at sockets: readers and those who accept at their own, writers and those who
 * connect at the other one. */
#include "servers/local/local.h"

static bool may_connect(const struct local *_Nonnull local, uint32_t listener) {
    const struct local_socket *socket = socket_at(local, listener);
    return socket->used == 0 || socket->state != SOCKET_LISTENING ||
           socket->pending <= socket->backlog;
}

/* The list of this socket whose first call can be answered; LOCAL_NONE. */
static uint32_t servable(const struct local *_Nonnull local, uint32_t index) {
    uint32_t object = LOCAL_FIRST_SOCKET + index;
    if (local->waiting_count[object] == 0) {
        return LOCAL_NONE;
    }
    const struct parked *reader = parked_first(local, list_of(object, LIST_READ));
    const struct parked *writer = parked_first(local, list_of(object, LIST_WRITE));
    if (reader && message_may_come(local, index, SOME(reader))) {
        return list_of(object, LIST_READ);
    }
    if (writer && message_may_go(local, index, SOME(writer))) {
        return list_of(object, LIST_WRITE);
    }
    if (parked_first(local, list_of(object, LIST_OPEN_READ)) &&
        socket_at(local, index)->pending > 0) {
        return list_of(object, LIST_OPEN_READ);
    }
    return parked_first(local, list_of(object, LIST_OPEN_WRITE)) && may_connect(local, index)
               ? list_of(object, LIST_OPEN_WRITE)
               : LOCAL_NONE;
}

uint32_t socket_servable(const struct local *_Nonnull local) {
    for (uint32_t i = 0; i < local->edits.touched_count; i++) {
        uint32_t list = servable(local, local->edits.touched[i]);
        if (list != LOCAL_NONE) {
            return list;
        }
    }
    return LOCAL_NONE;
}

static status_t answer_connect(struct local *_Nonnull local, uint32_t listener,
                               const struct parked *_Nonnull parked,
                               struct rt_reply *_Nonnull reply) {
    uint32_t client = local->vault->ends[parked->end].object - LOCAL_FIRST_SOCKET;
    bool gone = socket_at(local, listener)->used == 0;
    TRY(connect_check(local, client, gone ? LOCAL_NONE : listener));
    TRY(connect_now(local, client, listener, &parked->who));
    local_connect_reply(reply);
    return STATUS_OK;
}

void socket_answer(struct local *_Nonnull local, const struct parked *_Nonnull parked,
                   struct rt_reply *_Nonnull reply) {
    uint32_t index = parked->list / LIST_KINDS - LOCAL_FIRST_SOCKET;
    struct rt_request request = {
        .page = local->server->page, .reply = reply, .token = parked->token};
    struct local_accept_out accepted = {};
    status_t status = STATUS_OK;
    edits_begin(local);
    switch ((enum list_kind)(parked->list % LIST_KINDS)) {
    case LIST_OPEN_READ:
        status = accept_now(local, index, &accepted);
        if (status == STATUS_OK) {
            local_accept_reply(reply, &accepted);
        }
        break;
    case LIST_OPEN_WRITE:
        status = answer_connect(local, index, parked, reply);
        break;
    case LIST_READ:
    case LIST_WRITE:
    case LIST_KINDS:
    default:
        status = message_answer(local, &request, index, parked);
        break;
    }
    if (status != STATUS_OK) {
        local_fail(local, reply, status);
    }
}
