/* How much a write may put, what a read leaves, what the ends show. */
#include "lib/base/test.h"
#include "servers/local/queue.h"

static struct local_queue queue_of(uint64_t filled) {
    return (struct local_queue){
        .used = 1, .capacity = QUEUE_BYTES, .put = filled, .readers = 1, .writers = 1};
}

TEST(small_writes_are_whole) {
    struct local_queue queue = queue_of(QUEUE_BYTES - 100);
    EXPECT(queue_accepts(&queue, 100) == 100);
    EXPECT(queue_accepts(&queue, 101) == 0);
    EXPECT(queue_accepts(&queue, QUEUE_ATOMIC) == 0);
}

TEST(large_writes_wait_for_much_room) {
    struct local_queue queue = queue_of(QUEUE_BYTES - QUEUE_ATOMIC + 1);
    EXPECT(queue_accepts(&queue, QUEUE_ATOMIC + 1) == 0);
    queue_take(&queue, 1);
    EXPECT(queue_accepts(&queue, QUEUE_ATOMIC + 1) == QUEUE_ATOMIC);
    EXPECT(queue_accepts(&queue, 1u << 20) == QUEUE_ATOMIC);
    queue = queue_of(0);
    EXPECT(queue_accepts(&queue, 1u << 20) == QUEUE_BYTES);
}

TEST(an_empty_queue_begins_again) {
    struct local_queue queue = queue_of(10);
    queue_take(&queue, 4);
    EXPECT(queue.taken == 4 && queue_filled(&queue) == 6 && queue_sound(&queue));
    queue_put(&queue, 5);
    queue_take(&queue, 11);
    EXPECT(queue.taken == 0 && queue.put == 0);
}

TEST(what_ends_show) {
    struct local_queue queue = queue_of(0);
    EXPECT(queue_ready_to_read(&queue) == 0 && queue_ready_to_write(&queue) == READY_OUT);
    queue_put(&queue, QUEUE_BYTES - QUEUE_ATOMIC + 1);
    EXPECT(queue_ready_to_read(&queue) == READY_IN && queue_ready_to_write(&queue) == 0);
    queue.readers = 0;
    EXPECT(queue_ready_to_write(&queue) == READY_ERROR);
    queue.writers = 0;
    EXPECT(queue_ready_to_read(&queue) == READY_IN);
    queue.was_written = 1;
    EXPECT(queue_ready_to_read(&queue) == (READY_IN | READY_HANGUP));
}

TEST(what_cannot_be) {
    struct local_queue queue = queue_of(QUEUE_BYTES + 1ull);
    EXPECT(!queue_sound(&queue));
    queue = queue_of(5);
    queue.taken = 6;
    EXPECT(!queue_sound(&queue));
    queue = queue_of(0);
    queue.capacity = QUEUE_BYTES * 2;
    EXPECT(!queue_sound(&queue));
}
