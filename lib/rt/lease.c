/* Input and output bytes of a call, wherever they travel: the first ones in the message, the rest
 * by lease. An absent page ends the attempt (restart.md, 8): the reply then says which part of the
 * lease the kernel has to make present, and the call comes again. */
#include "abi/syscall.h"
#include "lib/rt/message.h"

/* Whether [offset, offset + size) lies within `whole`. */
static bool in_range(uint64_t whole, uint64_t offset, size_t size) {
    return offset <= whole && size <= whole - offset;
}

static status_t note_absent(struct rt_reply *_Nonnull reply, status_t status, enum lease_kind lease,
                            uint64_t offset, size_t size) {
    if (status == STATUS_ABSENT) {
        reply->outcome = RT_FAULT_IN;
        reply->fault_lease = lease;
        reply->fault_offset = offset;
        reply->fault_length = size;
    }
    return status;
}

status_t rt_input_read(struct rt_request *_Nonnull request, const struct rt_input *_Nonnull input,
                       uint64_t offset, struct rt_buffer to) {
    if (!in_range(input->size, offset, to.size)) {
        return STATUS_OUT_OF_RANGE;
    }
    if (to.size == 0) {
        return STATUS_OK;
    }
    uint8_t *target = SOME(to.data);
    size_t from_head = 0;
    if (offset < input->head.size) {
        from_head = MIN(to.size, input->head.size - (size_t)offset);
        bytes_copy(target, bytes_at_const(SOME(input->head.data), (size_t)offset), from_head);
    }
    if (from_head == to.size) {
        return STATUS_OK;
    }
    uint64_t at = offset + from_head;
    status_t status =
        rt_lease_read(request->token, at, bytes_at(target, from_head), to.size - from_head);
    return note_absent(request->reply, status, LEASE_IN, at, to.size - from_head);
}

status_t rt_output_write(struct rt_request *_Nonnull request,
                         const struct rt_output *_Nonnull output, uint64_t offset,
                         struct rt_bytes from) {
    if (!in_range(output->size, offset, from.size)) {
        return STATUS_OUT_OF_RANGE;
    }
    if (from.size == 0) {
        return STATUS_OK;
    }
    const uint8_t *source = SOME(from.data);
    size_t to_head = 0;
    if (offset < output->head.size) {
        to_head = MIN(from.size, output->head.size - (size_t)offset);
        bytes_copy(bytes_at(SOME(output->head.data), (size_t)offset), source, to_head);
    }
    if (to_head == from.size) {
        return STATUS_OK;
    }
    uint64_t at = offset + to_head;
    status_t status =
        rt_lease_write(request->token, at, bytes_at_const(source, to_head), from.size - to_head);
    return note_absent(request->reply, status, LEASE_OUT, at, from.size - to_head);
}
