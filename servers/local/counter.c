/* Event counters (eventfd): a number that is read whole, or by one, and added to. */
#include "lib/base/bytes.h"
#include "servers/local/local.h"

enum { NUMBER = sizeof(uint64_t) };

static const struct local_counter *_Nonnull counter_at(const struct local *_Nonnull local,
                                                       uint32_t object) {
    return &local->vault->counters[object - LOCAL_FIRST_COUNTER];
}

struct local_shown counter_shown(const struct local_counter *_Nonnull counter) {
    return (struct local_shown){.reading = counter->value > 0 ? READY_IN : 0u,
                                .writing = counter->value < UINT64_MAX - 1 ? READY_OUT : 0u};
}

static status_t stage(struct local *_Nonnull local, uint32_t object,
                      const struct local_counter *_Nonnull now, uint32_t edges) {
    local->touched = object;
    local->counter = *now;
    struct local_shown shown = counter_shown(now);
    shown.edges = edges;
    ends_show(local, object, shown);
    return rt_stage_record(local->server, counter_at(local, object), &local->counter.header);
}

status_t counter_make(struct local *_Nonnull local, const struct local_counter_in *_Nonnull in,
                      handle_t *_Nonnull out) {
    uint32_t index = 0;
    uint32_t at = 0;
    while (index < LOCAL_COUNTERS && local->vault->counters[index].used != 0) {
        index++;
    }
    REFUSE(index == LOCAL_COUNTERS, STATUS_OUT_OF_QUOTA);
    struct local_counter counter = {
        .header = {.kind = LOCAL_RECORD_COUNTER, .version = 1, .size = sizeof counter},
        .value = in->initial,
        .used = 1,
        .semaphore = in->semaphore ? 1 : 0,
    };
    struct local_end end = {.kind = END_COUNTER,
                            .object = LOCAL_FIRST_COUNTER + index,
                            .access = END_READS | END_WRITES};
    struct local_shown shown = counter_shown(&counter);
    TRY(end_make(local, 0, &end, shown.reading | shown.writing, &at, out));
    return rt_stage_record(local->server, &local->vault->counters[index], &counter.header);
}

/* ---- reading and writing ---- */

static status_t take(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                     uint32_t object, const struct rt_output *_Nonnull room) {
    struct local_counter now = *counter_at(local, object);
    uint64_t taken = now.semaphore != 0 ? 1 : now.value;
    uint8_t bytes[NUMBER];
    bytes_copy(bytes, &taken, sizeof bytes);
    now.value -= taken;
    TRY(rt_output_write(request, room, 0, RT_BYTES_OF(bytes)));
    return stage(local, object, &now, 0);
}

status_t counter_read(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                      const struct local_end *_Nonnull end,
                      const struct stream_read_in *_Nonnull in,
                      struct stream_read_out *_Nonnull out) {
    REFUSE(in->data.size < NUMBER, STATUS_BAD_ARGUMENT);
    if (counter_at(local, end->object)->value == 0) {
        return end_waits(request, in->how) ? parked_add(local, list_of(end->object, LIST_READ),
                                                        request, in->how, in->data.size, nullptr)
                                           : STATUS_WOULD_BLOCK;
    }
    out->data_size = NUMBER;
    return take(local, request, end->object, &in->data);
}

static bool has_room(const struct local_counter *_Nonnull counter, uint64_t value) {
    return UINT64_MAX - 1 - counter->value >= value;
}

static status_t add(struct local *_Nonnull local, uint32_t object, uint64_t value) {
    struct local_counter now = *counter_at(local, object);
    now.value += value;
    return stage(local, object, &now, READY_IN);
}

status_t counter_write(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                       const struct local_end *_Nonnull end,
                       const struct stream_write_in *_Nonnull in,
                       struct stream_write_out *_Nonnull out) {
    uint64_t value = 0;
    uint8_t bytes[NUMBER];
    REFUSE(in->data.size < NUMBER, STATUS_BAD_ARGUMENT);
    TRY(rt_input_read(request, &in->data, 0, RT_BUFFER_OF(bytes)));
    bytes_copy(&value, bytes, sizeof value);
    REFUSE(value == UINT64_MAX, STATUS_BAD_ARGUMENT);
    if (!has_room(counter_at(local, end->object), value)) {
        struct rt_input number = {.size = NUMBER,
                                  .head = {.size = NUMBER, .data = SOME(in->data.head.data)}};
        return end_waits(request, in->how) ? parked_add(local, list_of(end->object, LIST_WRITE),
                                                        request, in->how, NUMBER, &number)
                                           : STATUS_WOULD_BLOCK;
    }
    out->written = NUMBER;
    return add(local, end->object, value);
}

/* ---- those who wait ---- */

static uint64_t number_of(const struct parked *_Nonnull parked) {
    uint64_t value = 0;
    bytes_copy(&value, &parked->head[0], sizeof value);
    return value;
}

uint32_t counter_servable(const struct local *_Nonnull local, uint32_t object) {
    const struct parked *writer = parked_first(local, list_of(object, LIST_WRITE));
    if (local->counter.value > 0 && parked_first(local, list_of(object, LIST_READ))) {
        return list_of(object, LIST_READ);
    }
    return writer && has_room(&local->counter, number_of(SOME(writer)))
               ? list_of(object, LIST_WRITE)
               : LOCAL_NONE;
}

void counter_answer(struct local *_Nonnull local, uint32_t object,
                    const struct parked *_Nonnull parked, struct rt_reply *_Nonnull reply) {
    status_t status = STATUS_OK;
    if (parked->list == list_of(object, LIST_WRITE)) {
        status = add(local, object, number_of(parked));
        stream_write_reply(reply, &(struct stream_write_out){.written = NUMBER});
    } else {
        struct rt_request request = {
            .page = local->server->page, .reply = reply, .token = parked->token};
        struct rt_output room = stream_read_data(reply, parked->size);
        status = take(local, &request, object, &room);
        if (status == STATUS_OK) {
            stream_read_reply(reply, &(struct stream_read_out){.data_size = NUMBER});
        }
    }
    if (status != STATUS_OK) {
        local_fail(local, reply, status);
    }
}

void counter_close(struct local *_Nonnull local, uint32_t index) {
    uint32_t object = local->vault->ends[index].object;
    struct local_counter now = *counter_at(local, object);
    end_forget(local, index);
    now.used = 0;
    CHECK(stage(local, object, &now, 0) == STATUS_OK);
}
