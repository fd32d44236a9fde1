/* mmap, munmap, mprotect, brk, mremap, madvise, msync, mincore.
 *
 * mremap moves by copying, as is right for private memory only. MADV_DONTNEED puts fresh memory in
 * the place of private memory: zeroes, or the file's own pages again. */
#include "idl/filesystem.h"
#include "posix/descriptors.h"
#include "posix/errors.h"
#include "posix/identity.h"
#include "posix/mapping.h"
#include "posix/mappings.h"
#include "posix/native.h"
#include "posix/syscalls.h"
#include "posix/user.h"

/* The Memory behind a descriptor, with the rights that the mapping wants and may get later. */
static int64_t file_memory(struct posix_thread *_Nonnull self, uint64_t fd,
                           struct mapping_request *_Nonnull request, handle_t *_Nonnull out) {
    struct fd_entry entry = {};
    int64_t error = fd_get_open(self, fd, &entry);
    if (error != 0) {
        return error;
    }
    bool writable = (entry.facts & STREAM_FACTS_FLAGS_WRITABLE) != 0;
    bool wants_write = (request->flags & PROTECT_WRITE) != 0 && request->shared;
    if ((entry.facts & STREAM_FACTS_FLAGS_READABLE) == 0 || (wants_write && !writable)) {
        return -EACCES;
    }
    if ((entry.speaks & STREAM_PROTOCOLS_FILESYSTEM) == 0 || entry.kind == STREAM_KIND_DIRECTORY) {
        return -ENODEV;
    }
    if (!writable) {
        request->flags &= ~(uint32_t)MAP_MAY_GAIN; /* mprotect may not, either */
    }
    status_t status = filesystem_memory(entry.handle, request->shared && writable,
                                        (request->flags & PROTECT_EXECUTE) != 0, out);
    return status == STATUS_NOT_SUPPORTED ? -ENODEV : error_of_filesystem(status);
}

/* RLIMIT_AS and RLIMIT_DATA; `data`: it is private and writable. */
static int64_t check_limits(struct posix_thread *_Nonnull self, uint64_t more, bool data) {
    uint64_t space = limit_soft(self, LIMIT_SPACE);
    uint64_t data_limit = data ? limit_soft(self, LIMIT_DATA) : UINT64_MAX;
    bool beyond =
        space != UINT64_MAX && (more > space || mappings_total(self, false) > space - more);
    beyond = beyond || (data_limit != UINT64_MAX &&
                        (more > data_limit || mappings_total(self, true) > data_limit - more));
    return beyond ? -ENOMEM : 0;
}

static bool is_data(uint32_t flags) {
    return (flags & MAP_PRIVATE) != 0 && (flags & PROTECT_WRITE) != 0;
}

static int64_t map_error(status_t status) {
    switch ((int32_t)status) {
    case STATUS_OUT_OF_RANGE:
    case STATUS_BUSY: /* a guard: the runtime's or a thread page */
        return -ENOMEM;
    default:
        return error_of(status);
    }
}

/* Where the program named no place: behind the mapping before, as long as that is free. */
static status_t map_anywhere(struct posix_process *_Nonnull process,
                             const struct mapping_request *_Nonnull request, handle_t memory,
                             uint64_t *_Nonnull at) {
    *at = process->map_hint;
    status_t status = space_map(0, at, request->length, memory, request->offset, request->flags);
    if (status == STATUS_OK && *at >= process->map_hint) {
        process->map_hint = *at + request->length;
    }
    return status;
}

LINUX(mmap) {
    struct mapping_request request = {};
    handle_t memory = HANDLE_NONE;
    int64_t error = mapping_request_of(frame->rdi, frame->rsi, (uint32_t)frame->rdx,
                                       (uint32_t)frame->r10, frame->r9, &request);
    error = error != 0 ? error : check_limits(self, request.length, is_data(request.flags));
    if (error == 0 && !request.anonymous) {
        error = file_memory(self, frame->r8, &request, &memory);
    }
    if (error != 0) {
        return error;
    }
    if (request.anonymous) {
        request.offset = 0;
    }
    uint64_t at = request.address;
    status_t status =
        at == 0 ? map_anywhere(self->process, &request, memory, &at)
                : space_map(0, &at, request.length, memory, request.offset, request.flags);
    handle_close(memory);
    return status == STATUS_OK ? (int64_t)at : map_error(status);
}

LINUX(munmap) {
    struct posix_process *process = self->process;
    uint64_t length = 0;
    if (frame->rsi == 0 || mapping_range(frame->rdi, frame->rsi, &length) != 0) {
        return -EINVAL;
    }
    status_t status = NATIVE(SYS_UNMAP, 0, frame->rdi, length).status;
    if (status == STATUS_OK && frame->rdi + length == process->map_hint) {
        process->map_hint = frame->rdi;
    }
    return status == STATUS_BUSY ? -EINVAL : error_of(status);
}

LINUX(mprotect) {
    uint64_t length = 0;
    uint32_t protection = 0;
    (void)self;
    if (mapping_protection_of((uint32_t)frame->rdx, &protection) != 0) {
        return -EINVAL;
    }
    int64_t error = mapping_range(frame->rdi, frame->rsi, &length);
    if (error != 0 || length == 0) {
        return error;
    }
    status_t status = NATIVE(SYS_PROTECT, 0, frame->rdi, length, protection).status;
    if (status == STATUS_BAD_ADDRESS || status == STATUS_BUSY || status == STATUS_BAD_ARGUMENT) {
        return -ENOMEM;
    }
    return error_of(status);
}

LINUX(brk) {
    struct posix_process *process = self->process;
    uint64_t wanted = frame->rdi;
    state_lock(&process->lock);
    uint64_t end = process->heap_end;
    uint64_t mapped = process->heap_mapped;
    uint64_t rounded = (wanted + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    if (wanted >= process->heap_first && wanted < PROGRAM_END) {
        status_t status = STATUS_OK;
        if (rounded > mapped && check_limits(self, rounded - mapped, true) != 0) {
            status = STATUS_OUT_OF_QUOTA;
        } else if (rounded > mapped) {
            status =
                space_map(0, &mapped, rounded - mapped, 0, 0,
                          PROTECT_READ | PROTECT_WRITE | MAP_PRIVATE | MAP_FIXED | MAP_NO_REPLACE);
        } else if (rounded < mapped) {
            space_unmap(rounded, mapped - rounded);
        }
        if (status == STATUS_OK) {
            process->heap_mapped = rounded;
            process->heap_end = wanted;
            end = wanted;
        }
    }
    state_unlock(&process->lock);
    return (int64_t)end;
}

static bool is_zero(const struct posix_thread *_Nonnull self) {
    bool zero = true;
    for (size_t i = 0; i < sizeof self->scratch && zero; i++) {
        zero = self->scratch[i] == 0;
    }
    return zero;
}

/* A copy elsewhere, page by page through the scratch area; the old range goes. Pages of zeroes need
 * not be written. */
static int64_t move_range(struct posix_thread *_Nonnull self, uint64_t from, uint64_t old_length,
                          uint64_t to, uint64_t new_length, uint32_t flags) {
    uint64_t at = to;
    status_t status =
        space_map(0, &at, new_length, 0, 0, PROTECT_READ | PROTECT_WRITE | MAP_PRIVATE | flags);
    if (status != STATUS_OK) {
        return map_error(status);
    }
    uint64_t length = MIN(old_length, new_length);
    for (uint64_t done = 0; done < length; done += sizeof self->scratch) {
        size_t piece = (size_t)MIN(length - done, sizeof self->scratch);
        if (user_read(self->scratch, from + done, piece) != 0 ||
            (!is_zero(self) && user_write(at + done, self->scratch, piece) != 0)) {
            space_unmap(at, new_length);
            return -EFAULT;
        }
    }
    space_unmap(from, old_length);
    return (int64_t)at;
}

LINUX(mremap) {
    uint64_t old_length = 0;
    uint64_t new_length = 0;
    uint64_t from = frame->rdi;
    uint64_t flags = frame->r10;
    if ((flags & ~(uint64_t)(MREMAP_MAYMOVE | MREMAP_FIXED)) != 0 || frame->rdx == 0 ||
        frame->rsi == 0 || ((flags & MREMAP_FIXED) != 0 && (flags & MREMAP_MAYMOVE) == 0)) {
        return -EINVAL;
    }
    int64_t error = mapping_range(from, frame->rsi, &old_length);
    error = error != 0 ? error : mapping_range(from, frame->rdx, &new_length);
    if (error == 0 && mappings_cover(self, from, old_length) != 0) {
        error = -EFAULT;
    }
    if (error == 0 && new_length > old_length) {
        error = check_limits(self, new_length - old_length, true);
    }
    if (error != 0) {
        return error;
    }
    if ((flags & MREMAP_FIXED) != 0) {
        uint64_t unused = 0;
        bool apart = frame->r8 >= from + old_length || frame->r8 + new_length <= from;
        if (mapping_range(frame->r8, new_length, &unused) != 0 || !apart) {
            return -EINVAL;
        }
        return move_range(self, from, old_length, frame->r8, new_length, MAP_FIXED);
    }
    if (new_length <= old_length) {
        if (new_length < old_length) {
            space_unmap(from + new_length, old_length - new_length);
        }
        return (int64_t)from;
    }
    uint64_t behind = from + old_length;
    status_t status =
        space_map(0, &behind, new_length - old_length, 0, 0,
                  PROTECT_READ | PROTECT_WRITE | MAP_PRIVATE | MAP_FIXED | MAP_NO_REPLACE);
    if (status == STATUS_OK) {
        return (int64_t)from;
    }
    if ((flags & MREMAP_MAYMOVE) == 0) {
        return -ENOMEM;
    }
    uint64_t to = self->process->map_hint;
    int64_t moved = move_range(self, from, old_length, to, new_length, 0);
    if (moved > 0 && (uint64_t)moved >= to) {
        self->process->map_hint = (uint64_t)moved + new_length;
    }
    return moved;
}

/* Anonymous memory has no tag; a file system gives its files' Memories one. */
static int64_t dont_need(const struct mapping_entry *_Nonnull mapping) {
    if ((mapping->flags & MAP_PRIVATE) == 0) {
        return 0; /* shared pages would come again as they are */
    }
    uint64_t at = mapping->address;
    return error_of(space_map(0, &at, mapping->length, 0, 0,
                              mapping->protection | MAP_PRIVATE | MAP_FIXED | MAP_AGAIN));
}

enum {
    ADVICE_DONT_NEED = 4,
    ADVICE_FREE = 8,
    ADVICE_POPULATE_READ = 22,
};
/* NORMAL, RANDOM, SEQUENTIAL, WILLNEED, MERGEABLE to DODUMP, COLD, PAGEOUT: no more than hints. */
#define ADVICE_HINTS 0x3bf00full

LINUX(madvise) {
    uint64_t length = 0;
    uint64_t advice = (uint32_t)frame->rdx;
    if (mapping_range(frame->rdi, frame->rsi, &length) != 0 || advice >= ADVICE_POPULATE_READ ||
        ((ADVICE_HINTS | 1 << ADVICE_DONT_NEED | 1 << ADVICE_FREE) >> advice & 1) == 0) {
        self->process->unsupported_other++;
        return -EINVAL;
    }
    if (advice != ADVICE_DONT_NEED) {
        return length == 0 ? 0 : mappings_cover(self, frame->rdi, length);
    }
    struct mapping_walk walk = mapping_walk_begin(frame->rdi, length);
    struct mapping_entry mapping = {};
    int64_t error = 0;
    while (error == 0 && mapping_walk_next(self, &walk, &mapping)) {
        error = dont_need(&mapping);
    }
    return error == 0 && walk.hole ? -ENOMEM : error;
}

LINUX(msync) {
    uint64_t length = 0;
    /* What is mapped is the page cache itself; only fsync(2) makes it durable, as far as a file's
     * session is known. */
    if ((frame->rdx & ~7ull) != 0 || (frame->rdx & 5) == 5) {
        return -EINVAL;
    }
    int64_t error = mapping_range(frame->rdi, frame->rsi, &length);
    return error != 0 || length == 0 ? error : mappings_cover(self, frame->rdi, length);
}

/* All that is mapped counts as resident: it never waits for a disk that the program could see. */
LINUX(mincore) {
    uint64_t length = 0;
    int64_t error = mapping_range(frame->rdi, frame->rsi, &length);
    error = error != 0 || length == 0 ? error : mappings_cover(self, frame->rdi, length);
    for (uint64_t i = 0; error == 0 && i < length / PAGE_SIZE; i++) {
        uint8_t resident = 1;
        error = USER_WRITE(frame->rdx + i, resident);
    }
    return error;
}
