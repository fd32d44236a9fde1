#pragma once
/* Queues of bytes, as rules without system calls: how much a write may put, what a read gets, which
 * readiness the ends show. The bytes themselves lie in the queue's buffer, at their position modulo
 * its size (buffer.c).
 *
 * Invariants: (Q1) taken <= put and put - taken <= capacity <= QUEUE_BYTES; (Q2) an empty queue
 * begins again at position 0, so a queue that is emptied often touches one page of its buffer. */
#include "abi/syscall.h"
#include "lib/rt/message.h"

enum {
    QUEUE_BYTES = 65536, /* of every buffer, and the capacity of a new pipe */
    QUEUE_ATOMIC = 4096, /* PIPE_BUF: such a write is never cut */
};

/* The record of a queue in the vault. */
struct local_queue {
    struct rt_record_header header;
    uint64_t put, taken;       /* positions of the next byte to write, to read */
    uint32_t used;             /* 0: a free place */
    uint32_t capacity;         /* bytes */
    uint32_t readers, writers; /* sessions that may read, write */
    uint32_t nodes;            /* sessions that stand for a fifo's inode */
    uint32_t was_written;      /* some writer was there: reading ends, where none is left */
    uint64_t serial;           /* shown as the inode's number */
    uint64_t front;            /* of a socket's: bytes of the first message that were read */
};
static_assert(sizeof(struct local_queue) == 80);

static inline uint64_t queue_filled(const struct local_queue *_Nonnull queue) {
    return queue->put - queue->taken;
}
static inline uint64_t queue_room(const struct local_queue *_Nonnull queue) {
    return queue->capacity - queue_filled(queue);
}
/* Whether the counts can be those of a queue. */
bool queue_sound(const struct local_queue *_Nonnull queue);
/* Bytes that a write of `size` may put now; 0: none of them. Up to QUEUE_ATOMIC go whole or not at
 * all; of more, nothing before there is room for QUEUE_ATOMIC, so that few bytes are not moved
 * often. */
uint64_t queue_accepts(const struct local_queue *_Nonnull queue, uint64_t size);
void queue_put(struct local_queue *_Nonnull queue, uint64_t size);
void queue_take(struct local_queue *_Nonnull queue, uint64_t size);
/* What the reading and the writing ends of a pipe show. Units: enum readiness. */
uint32_t queue_ready_to_read(const struct local_queue *_Nonnull queue);
uint32_t queue_ready_to_write(const struct local_queue *_Nonnull queue);
