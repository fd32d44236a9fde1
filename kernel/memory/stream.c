/* Streams. A call's progress lives in its thread (`streaming`, `stream_done`), so it is executed
 * again every 64 KiB, and after a wait for the pager, and ends with the whole count.
 *
 * One writer at a time holds a Memory's writer slot from its first to its last page, so two appends
 * do not interleave; a reader takes no slot (memory.md, 14). */
#include "kernel/memory/stream.h"
#include "kernel/object/process.h"
#include "kernel/sched/clock.h"
#include "kernel/sched/thread.h"
#include "lib/base/bytes.h"

enum { STREAM_PAGES_PER_ENTRY = 16 };

/* Begins, or finds the progress of, a call. */
static void stream_begin(struct thread *_Nonnull self) LOCKED {
    if (!self->streaming) {
        self->streaming = true;
        self->stream_done = 0;
    }
}

static status_t stream_end(struct thread *_Nonnull self,
                           struct syscall_registers *_Nonnull registers, status_t status) LOCKED {
    uint64_t done = self->stream_done;
    self->streaming = false;
    stream_writer_gone(self);
    registers->words[0] = done;
    return done > 0 ? STATUS_OK : status;
}

/* What the copy of one page needs. */
struct stream_step {
    struct memory *_Nonnull memory;
    uint64_t position;
    uint64_t address;
    uint64_t length;
};

/* Copies within one page of the file and one of the program; *out is what was copied. */
static status_t copy_step(struct thread *_Nonnull self, const struct stream_step *_Nonnull step,
                          bool write, uint64_t *_Nonnull out) LOCKED {
    uint64_t within_file = step->position & (PAGE_SIZE - 1);
    uint64_t within_user = step->address & (PAGE_SIZE - 1);
    uint64_t chunk = MIN(step->length, PAGE_SIZE - within_file);
    chunk = MIN(chunk, PAGE_SIZE - within_user);
    void *user = nullptr;
    TRY(user_page(self, step->address, !write, &user));
    struct memory_page page = {};
    uint64_t index = step->position >> PAGE_SHIFT;
    status_t status = memory_page(step->memory, index, write, &page);
    if (status == STATUS_WOULD_BLOCK) {
        return memory_wait_page(self, &page, index);
    }
    TRY(status);
    void *file = bytes_at(arch_pointer(page.physical), (size_t)within_file);
    if (write) {
        bytes_copy(file, SOME(user), (size_t)chunk);
    } else {
        bytes_copy(SOME(user), file, (size_t)chunk);
    }
    *out = chunk;
    return STATUS_OK;
}

status_t stream_read(struct thread *_Nonnull self, struct session *_Nonnull session,
                     struct syscall_registers *_Nonnull registers) {
    REFUSE(session->memory == nullptr, STATUS_BAD_ARGUMENT);
    stream_begin(self);
    struct memory *memory = SOME(session->memory);
    bool at_position = registers->words[1] == STREAM_POSITION;
    uint64_t start = at_position ? session->position : registers->words[1] + self->stream_done;
    for (unsigned pages = 0;; pages++) {
        uint64_t length = registers->words[0] - self->stream_done;
        if (length == 0 || start >= memory->content_size) {
            break;
        }
        if (pages == STREAM_PAGES_PER_ENTRY) {
            return STATUS_RESTART;
        }
        struct stream_step step = {memory, start, registers->b + self->stream_done,
                                   MIN(length, memory->content_size - start)};
        uint64_t copied = 0;
        status_t status = copy_step(self, &step, false, &copied);
        if (status == STATUS_RESTART) {
            return status;
        }
        if (status != STATUS_OK) {
            return stream_end(self, registers, status);
        }
        self->stream_done += copied;
        start += copied;
        if (at_position) {
            session->position = start;
        }
    }
    memory->read_time_ns = clock_realtime_ns();
    return stream_end(self, registers, STATUS_OK);
}

/* Waits until nobody else writes. */
static status_t take_writer(struct thread *_Nonnull self, struct memory *_Nonnull memory) LOCKED {
    if (memory->writer == self) {
        return STATUS_OK;
    }
    if (memory->writer != nullptr) {
        struct memory_page wanted = {.waits_for = memory, .request = PAGE_WRITER};
        return memory_wait_page(self, &wanted, UINT64_MAX - 1);
    }
    memory->writer = self;
    self->writes_to = memory;
    object_reference(&memory->object);
    return STATUS_OK;
}

void stream_writer_gone(struct thread *_Nonnull thread) {
    struct memory *memory = thread->writes_to;
    if (memory == nullptr) {
        return;
    }
    thread->writes_to = nullptr;
    memory->writer = nullptr;
    memory_wake_waiters(SOME(memory), UINT64_MAX - 1, 1, STATUS_OK);
    object_release(&memory->object);
}

status_t stream_write(struct thread *_Nonnull self, struct session *_Nonnull session,
                      struct syscall_registers *_Nonnull registers) {
    REFUSE(session->memory == nullptr, STATUS_BAD_ARGUMENT);
    struct memory *memory = SOME(session->memory);
    bool entered = memory->writer != self;
    TRY(take_writer(self, memory));
    stream_begin(self);
    bool at_position = registers->words[1] == STREAM_POSITION;
    if (entered && (session->flags & SESSION_APPEND) != 0) {
        /* Each time it enters the slot: others may have appended while it waited outside. An offset
         * is not heeded (as Linux does), and does not move the position. */
        uint64_t *place = at_position ? &session->position : &registers->words[1];
        *place = memory->content_size - (at_position ? 0 : self->stream_done);
    }
    uint64_t start = at_position ? session->position : registers->words[1] + self->stream_done;
    for (unsigned pages = 0; self->stream_done < registers->words[0]; pages++) {
        uint64_t length = registers->words[0] - self->stream_done;
        uint64_t end = start + MIN(length, PAGE_SIZE - (start & (PAGE_SIZE - 1)));
        if (pages == STREAM_PAGES_PER_ENTRY) {
            return STATUS_RESTART;
        }
        uint64_t old_size = memory->content_size;
        status_t status = end > old_size ? memory_resize(memory, end) : STATUS_OK;
        uint64_t copied = 0;
        if (status == STATUS_OK) {
            struct stream_step step = {memory, start, registers->b + self->stream_done,
                                       end - start};
            status = copy_step(self, &step, true, &copied);
        }
        if (start + copied < memory->content_size && memory->content_size > old_size) {
            /* size is published only after the data */
            memory->content_size = MAX(old_size, start + copied);
        }
        if (status == STATUS_RESTART) {
            stream_writer_gone(self); /* nobody waits for a pager inside the slot */
            return status;
        }
        if (status != STATUS_OK) {
            return stream_end(self, registers, status);
        }
        self->stream_done += copied;
        start += copied;
        if (at_position) {
            session->position = start;
        }
    }
    memory->write_time_ns = clock_realtime_ns();
    return stream_end(self, registers, STATUS_OK);
}

status_t stream_seek(struct session *_Nonnull session, uint64_t offset, uint64_t whence,
                     uint64_t *_Nonnull out) {
    /* A session without a Memory has a position too: a directory's, which its client keeps there.
     */
    REFUSE(whence > 2 || (whence == 2 && session->memory == nullptr), STATUS_BAD_ARGUMENT);
    uint64_t base = whence == 0   ? 0
                    : whence == 1 ? session->position
                                  : session->memory->content_size;
    uint64_t target = base + offset;
    REFUSE((int64_t)target < 0, STATUS_BAD_ARGUMENT);
    session->position = target;
    *out = target;
    return STATUS_OK;
}
