/* A write of few bytes whose reader waits already: the bytes never enter the queue, no position
 * moves and nothing is shown, so one small patch is all that is committed. */
#include "lib/base/bytes.h"
#include "servers/local/local.h"

static uint64_t check_of(uint64_t root, uint64_t size) {
    uint64_t sum = 0;
    (void)__builtin_mul_overflow(root ^ UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xff51afd7ed558ccd),
                                 &sum);
    return (sum << 29 | sum >> 35) ^ size;
}

bool handover_sound(const struct local_handover *_Nonnull handover) {
    return (handover->root | handover->size | handover->check) == 0 ||
           handover->check == check_of(handover->root, handover->size);
}

bool handover_was(const struct local *_Nonnull local, const struct rt_request *_Nonnull request,
                  uint32_t queue, uint64_t *_Nonnull out_size) {
    const struct thread_page *page = request->page;
    const struct local_handover *last = &local->vault->handovers[queue];
    if ((page->received.state & CALL_STATE_REPEATED) == 0 || page->received.identity.path != 0 ||
        page->received.identity.root != last->root) {
        return false;
    }
    *out_size = last->size;
    return true;
}

bool handover_try(struct local *_Nonnull local, const struct rt_request *_Nonnull request,
                  uint32_t queue, uint32_t list, const struct rt_input *_Nonnull input) {
    const struct parked *reader = parked_first(local, list);
    uint64_t size = input->size;
    if (!reader || reader->method != STREAM_METHOD_READ || reader->size < size || size == 0 ||
        input->head.size != size || (reader->how & STREAM_HOW_PEEK) != 0 ||
        request->page->received.identity.path != 0) {
        return false;
    }
    struct rt_reply reply = rt_reply_for(local->server, reader->token);
    struct rt_output room = stream_read_data(&reply, reader->size);
    struct local_handover record = {.root = request->page->received.identity.root, .size = size};
    record.check = check_of(record.root, size);
    CHECK(room.head.size >= size);
    bytes_copy(SOME(room.head.data), SOME(input->head.data), (size_t)size);
    stream_read_reply(&reply, &(struct stream_read_out){.data_size = size});
    CHECK(rt_stage(local->server, &local->vault->handovers[queue], &record, sizeof record) ==
          STATUS_OK);
    local_answer(local, &reply);
    parked_drop_first(local, list);
    return true;
}
