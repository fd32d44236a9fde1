/* Pipes: reads and writes, the calls that wait for them, ends that come and go.
 *
 * A write and the read that waited for its bytes are two commits: first the bytes and the writer's
 * answer, then what the reader takes and its answer. Between the two the queue holds the bytes, so
 * whoever is killed there loses nothing. */
#include "servers/local/local.h"

static uint32_t free_queue(struct local *_Nonnull local, uint32_t after) {
    uint32_t index = MAX(local->lowest_queue, after);
    while (index < LOCAL_QUEUES && local->vault->queues[index].used != 0) {
        index++;
    }
    local->lowest_queue = after <= local->lowest_queue ? index : local->lowest_queue;
    return index;
}

status_t queue_stage(struct local *_Nonnull local, uint32_t index,
                     const struct local_queue *_Nonnull now,
                     const struct local_queue *_Nonnull shown, uint32_t edges) {
    local->touched = index;
    local->queue = *now;
    ends_show(local, index,
              (struct local_shown){queue_ready_to_read(shown), queue_ready_to_write(shown), edges});
    return rt_stage_record(local->server, &local->vault->queues[index], &local->queue.header);
}

status_t pipe_begin(struct local *_Nonnull local, uint32_t after,
                    struct local_queue *_Nonnull queue, uint32_t *_Nonnull out_index) {
    uint32_t index = free_queue(local, after);
    if (index == LOCAL_QUEUES) {
        return STATUS_OUT_OF_QUOTA;
    }
    uint64_t serial = local->vault->queues[index].serial;
    *queue = (struct local_queue){
        .header = {.kind = LOCAL_RECORD_QUEUE, .version = 1, .size = sizeof *queue},
        .used = 1,
        .capacity = QUEUE_BYTES,
        .serial = serial == 0 ? index + 1 : serial + LOCAL_QUEUES,
    };
    *out_index = index;
    return buffer_open(local, index);
}

status_t pipe_make(struct local *_Nonnull local, handle_t *_Nonnull out_reader,
                   handle_t *_Nonnull out_writer) {
    struct local_queue queue = {};
    uint32_t index = 0;
    uint32_t at = 0;
    TRY(pipe_begin(local, 0, &queue, &index));
    queue.readers = 1;
    queue.writers = 1;
    queue.was_written = 1;
    struct local_end reader = {.kind = END_PIPE, .object = index, .access = END_READS};
    struct local_end writer = {.kind = END_PIPE, .object = index, .access = END_WRITES};
    TRY(end_make(local, 0, &reader, 0, &at, out_reader));
    status_t status = end_make(local, at + 1, &writer, READY_OUT, &at, out_writer);
    status = status == STATUS_OK
                 ? rt_stage_record(local->server, &local->vault->queues[index], &queue.header)
                 : status;
    if (status != STATUS_OK) {
        rt_handle_close(*out_reader);
    }
    return status;
}

/* ---- reading ---- */

/* Bytes into the answer, and out of the queue; 0 at the end of the pipe. */
static status_t take(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                     uint32_t index, const struct rt_output *_Nonnull room, uint32_t how,
                     uint64_t *_Nonnull out_size) {
    struct local_queue now = local->vault->queues[index];
    uint64_t size = MIN(room->size, queue_filled(&now));
    *out_size = size;
    if (size == 0) {
        return STATUS_OK;
    }
    TRY(buffer_read(local, index, now.taken, request, room, 0, size));
    if ((how & STREAM_HOW_PEEK) != 0) {
        return STATUS_OK;
    }
    queue_take(&now, size);
    return queue_stage(local, index, &now, &now, 0);
}

status_t pipe_read(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                   const struct local_end *_Nonnull end, const struct stream_read_in *_Nonnull in,
                   struct stream_read_out *_Nonnull out) {
    const struct local_queue *queue = &local->vault->queues[end->object];
    if (queue_filled(queue) == 0 && queue->writers > 0 && in->data.size > 0) {
        return end_waits(request, in->how) ? parked_add(local, list_of(end->object, LIST_READ),
                                                        request, in->how, in->data.size, nullptr)
                                           : STATUS_WOULD_BLOCK;
    }
    return take(local, request, end->object, &in->data, in->how, &out->data_size);
}

/* ---- writing ---- */

/* What the ends are to show once the reader that waits for bytes has had them. */
static struct local_queue seen(struct local *_Nonnull local, uint32_t index,
                               const struct local_queue *_Nonnull now) {
    struct local_queue then = *now;
    const struct parked *reader = parked_first(local, list_of(index, LIST_READ));
    if (reader && (reader->how & STREAM_HOW_PEEK) == 0) {
        queue_take(&then, MIN(reader->size, queue_filled(&then)));
    }
    return then;
}

static status_t put(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                    uint32_t index, const struct rt_input *_Nonnull input, uint64_t size) {
    struct local_queue now = local->vault->queues[index];
    TRY(buffer_write(local, index, now.put, request, input, 0, size));
    queue_put(&now, size);
    struct local_queue shown = seen(local, index, &now);
    return queue_stage(local, index, &now, &shown, READY_IN);
}

status_t pipe_write(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                    const struct local_end *_Nonnull end, const struct stream_write_in *_Nonnull in,
                    struct stream_write_out *_Nonnull out) {
    const struct local_queue *queue = &local->vault->queues[end->object];
    uint32_t list = list_of(end->object, LIST_WRITE);
    if (in->data.size == 0) {
        return STATUS_OK;
    }
    if (handover_was(local, request, end->object, &out->written)) {
        return STATUS_OK;
    }
    if (queue->readers == 0) {
        return STREAM_STATUS_BROKEN;
    }
    if (queue_filled(queue) == 0 &&
        handover_try(local, request, end->object, list_of(end->object, LIST_READ), &in->data)) {
        out->written = in->data.size;
        return STATUS_OK;
    }
    uint64_t size = queue_accepts(queue, in->data.size);
    if (size == 0 || parked_first(local, list)) {
        return end_waits(request, in->how)
                   ? parked_add(local, list, request, in->how, in->data.size, &in->data)
                   : STATUS_WOULD_BLOCK;
    }
    out->written = size;
    return put(local, request, end->object, &in->data, size);
}

/* ---- those who wait ---- */

static void answer_reader(struct local *_Nonnull local, uint32_t index,
                          const struct parked *_Nonnull parked, struct rt_reply *_Nonnull reply) {
    struct stream_read_out out = {};
    struct rt_request request = {
        .page = local->server->page, .reply = reply, .token = parked->token};
    struct rt_output room = stream_read_data(reply, parked->size);
    status_t status = take(local, &request, index, &room, parked->how, &out.data_size);
    if (status != STATUS_OK) {
        local_fail(local, reply, status);
        return;
    }
    stream_read_reply(reply, &out);
}

static void answer_writer(struct local *_Nonnull local, uint32_t index,
                          const struct parked *_Nonnull parked, struct rt_reply *_Nonnull reply) {
    struct rt_request request = {
        .page = local->server->page, .reply = reply, .token = parked->token};
    struct rt_input input = {.size = parked->size};
    const struct local_queue *queue = &local->vault->queues[index];
    struct stream_write_out out = {.written = queue_accepts(queue, parked->size)};
    if (parked->whole) {
        input.head = (struct rt_bytes){.size = (size_t)parked->size, .data = &parked->head[0]};
    }
    status_t status = queue->readers == 0 ? STREAM_STATUS_BROKEN
                                          : put(local, &request, index, &input, out.written);
    if (status != STATUS_OK) {
        local_fail(local, reply, status);
        return;
    }
    stream_write_reply(reply, &out);
}

static void answer_opener(struct local *_Nonnull local, uint32_t index,
                          const struct parked *_Nonnull parked, struct rt_reply *_Nonnull reply) {
    struct local_open_fifo_out out = {};
    status_t status = fifo_enter(local, index, parked->how, &out.end);
    if (status != STATUS_OK) {
        local_fail(local, reply, status);
        return;
    }
    local_open_fifo_reply(reply, &out);
}

uint32_t pipe_servable(const struct local *_Nonnull local, uint32_t index) {
    const struct local_queue *now = &local->queue;
    const struct parked *writer = parked_first(local, list_of(index, LIST_WRITE));
    if (now->writers > 0 && parked_first(local, list_of(index, LIST_OPEN_READ))) {
        return list_of(index, LIST_OPEN_READ);
    }
    if (now->readers > 0 && parked_first(local, list_of(index, LIST_OPEN_WRITE))) {
        return list_of(index, LIST_OPEN_WRITE);
    }
    if ((queue_filled(now) > 0 || now->writers == 0) &&
        parked_first(local, list_of(index, LIST_READ))) {
        return list_of(index, LIST_READ);
    }
    return writer && (now->readers == 0 || queue_accepts(now, writer->size) > 0)
               ? list_of(index, LIST_WRITE)
               : LOCAL_NONE;
}

void pipe_answer(struct local *_Nonnull local, uint32_t index, const struct parked *_Nonnull parked,
                 struct rt_reply *_Nonnull reply) {
    switch ((enum list_kind)(parked->list % LIST_KINDS)) {
    case LIST_READ:
        answer_reader(local, index, parked, reply);
        break;
    case LIST_WRITE:
        answer_writer(local, index, parked, reply);
        break;
    case LIST_OPEN_READ:
    case LIST_OPEN_WRITE:
    case LIST_KINDS:
    default:
        answer_opener(local, index, parked, reply);
        break;
    }
}

/* ---- ends and sizes ---- */

void pipe_close(struct local *_Nonnull local, uint32_t index) {
    const struct local_end end = local->vault->ends[index];
    struct local_queue now = local->vault->queues[end.object];
    now.readers -= (end.access & END_READS) != 0 ? 1 : 0;
    now.writers -= (end.access & END_WRITES) != 0 ? 1 : 0;
    now.nodes -= end.kind == END_FIFO ? 1 : 0;
    end_forget(local, index);
    if (now.readers == 0 && now.writers == 0) {
        now.put = 0;
        now.taken = 0;
        now.was_written = 0;
        if (now.nodes == 0) {
            now.used = 0;
            buffer_release(local, end.object);
            local->lowest_queue = MIN(local->lowest_queue, end.object);
        }
    }
    CHECK(queue_stage(local, end.object, &now, &now, 0) == STATUS_OK);
}

status_t pipe_size(struct local *_Nonnull local, const struct local_end *_Nonnull end, bool change,
                   uint64_t size, uint64_t *_Nonnull out_old) {
    struct local_queue now = local->vault->queues[end->object];
    uint32_t capacity = QUEUE_ATOMIC;
    *out_old = now.capacity;
    if (!change) {
        return STATUS_OK;
    }
    REFUSE(size > QUEUE_BYTES, STATUS_NOT_ALLOWED);
    while (capacity < size) {
        capacity *= 2;
    }
    REFUSE(queue_filled(&now) > capacity, STATUS_BUSY);
    now.capacity = capacity;
    return queue_stage(local, end->object, &now, &now, 0);
}
