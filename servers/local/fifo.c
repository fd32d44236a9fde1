/* Fifos: a queue that outlives its ends while the file system holds the session that stands for its
 * inode. Who opens one side waits for the other; since both sides come to be in one turn of the
 * server, whoever is first finds the other one still there. */
#include "servers/local/local.h"

status_t fifo_make(struct local *_Nonnull local, handle_t *_Nonnull out) {
    struct local_queue queue = {};
    uint32_t index = 0;
    uint32_t at = 0;
    TRY(pipe_begin(local, 0, &queue, &index));
    queue.nodes = 1;
    struct local_end end = {.kind = END_FIFO, .object = index};
    TRY(end_make(local, 0, &end, 0, &at, out));
    return rt_stage_record(local->server, &local->vault->queues[index], &queue.header);
}

status_t fifo_enter(struct local *_Nonnull local, uint32_t queue, uint32_t access,
                    handle_t *_Nonnull out) {
    struct local_queue now = local->vault->queues[queue];
    uint32_t at = 0;
    struct local_end end = {.kind = END_PIPE, .object = queue, .access = access};
    now.readers += (access & END_READS) != 0 ? 1 : 0;
    now.writers += (access & END_WRITES) != 0 ? 1 : 0;
    now.was_written = now.was_written != 0 || now.writers > 0 ? 1 : 0;
    uint32_t ready = ((access & END_READS) != 0 ? queue_ready_to_read(&now) : 0) |
                     ((access & END_WRITES) != 0 ? queue_ready_to_write(&now) : 0);
    TRY(end_make(local, 0, &end, ready, &at, out));
    return queue_stage(local, queue, &now, &now, 0);
}

status_t fifo_open(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                   const struct local_end *_Nonnull end,
                   const struct local_open_fifo_in *_Nonnull in, handle_t *_Nonnull out) {
    const struct local_queue *queue = &local->vault->queues[end->object];
    uint32_t access = (in->read ? END_READS : 0) | (in->write ? END_WRITES : 0);
    enum list_kind others = in->read ? LIST_OPEN_WRITE : LIST_OPEN_READ;
    uint32_t other_ends = in->read ? queue->writers : queue->readers;
    bool met = other_ends > 0 || parked_first(local, list_of(end->object, others));
    REFUSE(access == 0, STATUS_BAD_ARGUMENT);
    if (!met && access != (END_READS | END_WRITES)) {
        REFUSE(in->no_wait && in->write, LOCAL_STATUS_REFUSED);
        if (!in->no_wait) {
            return parked_add(local,
                              list_of(end->object, in->read ? LIST_OPEN_READ : LIST_OPEN_WRITE),
                              request, access, 0, nullptr);
        }
    }
    return fifo_enter(local, end->object, access, out);
}
