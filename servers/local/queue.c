#include "servers/local/queue.h"

bool queue_sound(const struct local_queue *_Nonnull queue) {
    return queue->capacity <= QUEUE_BYTES && queue_filled(queue) <= queue->capacity;
}

uint64_t queue_accepts(const struct local_queue *_Nonnull queue, uint64_t size) {
    uint64_t room = queue_room(queue);
    if (size <= QUEUE_ATOMIC) {
        return room >= size ? size : 0;
    }
    return room >= QUEUE_ATOMIC ? MIN(size, room) : 0;
}

void queue_put(struct local_queue *_Nonnull queue, uint64_t size) {
    CHECK(size <= queue_room(queue));
    queue->put += size;
}

void queue_take(struct local_queue *_Nonnull queue, uint64_t size) {
    CHECK(size <= queue_filled(queue));
    queue->taken += size;
    if (queue->taken == queue->put) {
        queue->taken = 0;
        queue->put = 0;
    }
}

uint32_t queue_ready_to_read(const struct local_queue *_Nonnull queue) {
    return (queue_filled(queue) > 0 ? READY_IN : 0u) |
           (queue->writers == 0 && queue->was_written != 0 ? READY_HANGUP : 0u);
}

uint32_t queue_ready_to_write(const struct local_queue *_Nonnull queue) {
    return (queue_room(queue) >= QUEUE_ATOMIC ? READY_OUT : 0u) |
           (queue->readers == 0 ? READY_ERROR : 0u);
}
