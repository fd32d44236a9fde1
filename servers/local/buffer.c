/* The Memory of each queue, mapped into this process: a small message goes through it without a
 * system call, a large one by one copy between it and the caller's lease. Pages are made in order,
 * by a call that says when there is none, rather than by a fault that would end the server. */
#include "lib/base/bytes.h"
#include "servers/local/local.h"

enum { PAGES_KEPT = 2 }; /* of a buffer without a queue */

static uint8_t *_Nonnull place(const struct buffer *_Nonnull buffer, uint64_t position) {
    return bytes_at(SOME(buffer->data), (size_t)(position % QUEUE_BYTES));
}

static status_t attach(struct buffer *_Nonnull buffer, handle_t memory) {
    struct memory_info info = {};
    uint64_t address = 0;
    TRY(rt_object_info(memory, INFO_MEMORY, &info, sizeof info));
    TRY(rt_map(0, 0, QUEUE_BYTES, memory, 0, PROTECT_READ | PROTECT_WRITE, &address));
    *buffer = (struct buffer){
        .memory = memory, .page_count = (uint32_t)info.resident_pages, .data = rt_pointer(address)};
    return STATUS_OK;
}

status_t buffer_open(struct local *_Nonnull local, uint32_t queue) {
    struct buffer *buffer = &local->buffers[queue];
    handle_t memory = HANDLE_NONE;
    handle_t kept = HANDLE_NONE;
    if (buffer->data) {
        return STATUS_OK;
    }
    if (rt_keep_get(local->server, LOCAL_KEEP_BUFFERS + queue, &memory) == STATUS_OK) {
        return attach(buffer, memory);
    }
    TRY(rt_object_create(OBJECT_MEMORY, 0, QUEUE_BYTES, 0, 0, 0, &memory));
    status_t status = attach(buffer, memory);
    if (status != STATUS_OK) {
        rt_handle_close(memory);
        return status;
    }
    TRY(rt_handle_duplicate(memory, RIGHT_ALL, &kept));
    return rt_stage_keep(local->server, LOCAL_KEEP_BUFFERS + queue, kept);
}

void buffer_release(struct local *_Nonnull local, uint32_t queue) {
    struct buffer *buffer = &local->buffers[queue];
    if (!buffer->data || buffer->page_count <= PAGES_KEPT) {
        return;
    }
    CHECK(rt_stage_keep(local->server, LOCAL_KEEP_BUFFERS + queue, HANDLE_NONE) == STATUS_OK);
    (void)rt_unmap(0, rt_address(buffer->data), QUEUE_BYTES);
    rt_handle_close(buffer->memory);
    *buffer = (struct buffer){};
}

/* The pages for `size` bytes from `position` on. */
static status_t make_pages(struct buffer *_Nonnull buffer, uint64_t position, uint64_t size) {
    static const uint8_t zero = 0;
    uint64_t end = position % QUEUE_BYTES + size;
    uint64_t needed = MIN((end + PAGE_SIZE - 1) / PAGE_SIZE, (uint64_t)QUEUE_BYTES / PAGE_SIZE);
    while (buffer->page_count < needed) {
        TRY(rt_memory_copy(buffer->memory, (uint64_t)buffer->page_count * PAGE_SIZE,
                           rt_address(&zero), sizeof zero, MEMORY_FROM_CALLER));
        buffer->page_count++;
    }
    return STATUS_OK;
}

/* How many of `size` bytes lie before the buffer's end; the others are at its beginning. */
static uint64_t before_end(uint64_t position, uint64_t size) {
    return MIN(size, QUEUE_BYTES - position % QUEUE_BYTES);
}

status_t buffer_write(struct local *_Nonnull local, uint32_t queue, uint64_t position,
                      struct rt_request *_Nonnull request, const struct rt_input *_Nonnull input,
                      uint64_t offset, uint64_t size) {
    struct buffer *buffer = &local->buffers[queue];
    uint64_t first = before_end(position, size);
    TRY(make_pages(buffer, position, size));
    struct rt_buffer part = {.size = (size_t)first, .data = place(buffer, position)};
    TRY(rt_input_read(request, input, offset, part));
    if (first == size) {
        return STATUS_OK;
    }
    struct rt_buffer rest = {.size = (size_t)(size - first), .data = place(buffer, 0)};
    return rt_input_read(request, input, offset + first, rest);
}

status_t buffer_read(const struct local *_Nonnull local, uint32_t queue, uint64_t position,
                     struct rt_request *_Nonnull request, const struct rt_output *_Nonnull output,
                     uint64_t offset, uint64_t size) {
    const struct buffer *buffer = &local->buffers[queue];
    uint64_t first = before_end(position, size);
    struct rt_bytes part = {.size = (size_t)first, .data = place(buffer, position)};
    TRY(rt_output_write(request, output, offset, part));
    if (first == size) {
        return STATUS_OK;
    }
    struct rt_bytes rest = {.size = (size_t)(size - first), .data = place(buffer, 0)};
    return rt_output_write(request, output, offset + first, rest);
}

status_t buffer_put(struct local *_Nonnull local, uint32_t queue, uint64_t position,
                    const void *_Nonnull bytes, size_t size) {
    struct buffer *buffer = &local->buffers[queue];
    size_t first = (size_t)before_end(position, size);
    TRY(make_pages(buffer, position, size));
    bytes_copy(place(buffer, position), bytes, first);
    bytes_copy(place(buffer, 0), bytes_at_const(bytes, first), size - first);
    return STATUS_OK;
}

void buffer_get(const struct local *_Nonnull local, uint32_t queue, uint64_t position,
                void *_Nonnull bytes, size_t size) {
    const struct buffer *buffer = &local->buffers[queue];
    size_t first = (size_t)before_end(position, size);
    bytes_copy(bytes, place(buffer, position), first);
    bytes_copy(bytes_at(bytes, first), place(buffer, 0), size - first);
}
