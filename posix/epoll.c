/* epoll over the kernel's waitset, which is all of it: a binding's key is the descriptor's number,
 * its data the program's, its mask what the program asked for. So the list of interests belongs to
 * the open description: forks, duplicates and whoever received it share it, and an interest ends
 * with the description that it is in, not with a descriptor. */
#include "posix/epoll.h"
#include "idl/stream.h"
#include "posix/descriptors.h"
#include "posix/errors.h"
#include "posix/native.h"
#include "posix/poll.h"
#include "posix/signalfd.h"
#include "posix/signals.h"
#include "posix/syscalls.h"
#include "posix/timeout.h"
#include "posix/user.h"

enum {
    CTL_ADD = 1,
    CTL_DEL = 2,
    CTL_MOD = 3,
    PACKET_LIMIT = 64,
    MAX_EVENTS = INT32_MAX / (int)sizeof(struct linux_epoll_event),
    NS_PER_MS = 1000000,
    NS_PER_SECOND = 1000000000,
    ASKED_SHIFT = 16, /* in a binding's mask: above the readiness that it waits for */
};
#define EPOLL_ASKED 0xffffu
#define EPOLL_EXCLUSIVE (1u << 28)
#define EPOLL_ONESHOT (1u << 30)
#define EPOLL_EDGE (1u << 31)

struct fd_entry epoll_entry(handle_t waitset, bool close_on_exec) {
    return (struct fd_entry){.handle = waitset,
                             .close_on_exec = close_on_exec ? 1 : 0,
                             .kind = FD_EPOLL,
                             .facts = STREAM_FACTS_FLAGS_WAITS,
                             .flags = O_RDWR};
}

static int64_t create(struct posix_thread *_Nonnull self, bool close_on_exec) {
    struct native_result made = NATIVE(SYS_OBJECT_CREATE, OBJECT_WAITSET, 0, 0, 0, 0, 0);
    if (made.status != STATUS_OK) {
        return error_of(made.status);
    }
    return fd_give(self, epoll_entry((handle_t)made.value, close_on_exec));
}

LINUX(epoll_create) {
    return (int32_t)frame->rdi <= 0 ? -EINVAL : create(self, false);
}

LINUX(epoll_create1) {
    if ((frame->rdi & ~(uint64_t)O_CLOEXEC & UINT32_MAX) != 0) {
        return -EINVAL;
    }
    return create(self, (frame->rdi & O_CLOEXEC) != 0);
}

static uint64_t serial_of(handle_t handle) {
    struct handle_info info = {};
    (void)NATIVE(SYS_OBJECT_INFO, handle, INFO_HANDLE, (uintptr_t)&info, sizeof info);
    return info.serial;
}

/* One interest changed. The waitset says BUSY of one in itself, in a circle, or too deep. */
static int64_t change(handle_t waitset, const struct fd_entry *_Nonnull source, uint32_t fd,
                      uint32_t operation, const struct linux_epoll_event *_Nonnull event) {
    static const uint64_t operations[] = {
        [CTL_ADD] = WAIT_ADD, [CTL_DEL] = WAIT_REMOVE, [CTL_MOD] = WAIT_CHANGE};
    uint64_t flags = operations[operation] | ((event->events & EPOLL_EDGE) != 0 ? WAIT_EDGE : 0) |
                     ((event->events & EPOLL_ONESHOT) != 0 ? WAIT_ONE_SHOT : 0);
    uint32_t asked = event->events & EPOLL_ASKED;
    uint64_t mask = poll_mask_of(asked) | asked << ASKED_SHIFT;
    status_t status =
        NATIVE(SYS_WAITSET_BIND, waitset, source->handle, mask, fd, flags, event->data).status;
    if (status == STATUS_BUSY) {
        return serial_of(waitset) == serial_of(source->handle) ? -EINVAL : -ELOOP;
    }
    return status == STATUS_OUT_OF_QUOTA ? -ENOSPC : error_of(status);
}

LINUX(epoll_ctl) {
    struct fd_entry waitset = {};
    struct fd_entry source = {};
    struct linux_epoll_event event = {};
    uint32_t operation = (uint32_t)frame->rsi;
    int64_t error = operation == CTL_DEL ? 0 : USER_READ(event, frame->r10);
    error = error != 0 ? error : fd_get_open(self, frame->rdi, &waitset);
    error = error != 0 ? error : fd_get_open(self, frame->rdx, &source);
    if (error != 0) {
        return error;
    }
    if ((source.facts & STREAM_FACTS_FLAGS_WAITS) == 0) {
        return -EPERM; /* files are always ready */
    }
    bool exclusive = (event.events & EPOLL_EXCLUSIVE) != 0;
    if (waitset.kind != FD_EPOLL || (uint32_t)frame->rdi == (uint32_t)frame->rdx ||
        operation < CTL_ADD || operation > CTL_MOD ||
        (exclusive && (operation == CTL_MOD || source.kind == FD_EPOLL))) {
        return -EINVAL;
    }
    return change(waitset.handle, &source, (uint32_t)frame->rdx, operation, &event);
}

/* ---- waiting ---- */

/* The packets that came, as events of the program. */
static int64_t give(struct posix_thread *_Nonnull self, uint64_t to, uint64_t count) {
    struct packet(*packets)[PACKET_LIMIT] = (void *)&self->scratch;
    for (uint64_t i = 0; i < count; i++) {
        const struct packet *packet = &(*packets)[i];
        struct linux_epoll_event event = {
            poll_events_of((uint32_t)packet->words[0], (uint32_t)packet->words[2] >> ASKED_SHIFT),
            packet->words[1]};
        if (USER_WRITE(to + i * sizeof event, event) != 0) {
            return i > 0 ? (int64_t)i : -EFAULT;
        }
    }
    return (int64_t)count;
}

/* How many events at most the program's memory takes: an event that was taken and found no place
 * would be lost. */
static uint64_t room_for(uint64_t to, uint64_t limit) {
    const uint64_t size = sizeof(struct linux_epoll_event);
    uint64_t count = MIN(limit, (uint64_t)PACKET_LIMIT);
    if (user_probe(to, count * size) != 0) {
        count = MIN(count, (PAGE_SIZE - to % PAGE_SIZE) / size);
        count = count > 0 && user_probe(to, count * size) != 0 ? 0 : count;
    }
    return count;
}

/* Waits, and takes up to `room` packets; without room for any only waits. Their count, 0 at the
 * deadline. */
static int64_t take(struct posix_thread *_Nonnull self, handle_t waitset, uint64_t room,
                    uint64_t deadline, uint64_t flags) {
    struct wait_item item = {.source = waitset, .mask = READY_IN};
    struct native_result got =
        room == 0 ? NATIVE(SYS_WAIT, 0, (uintptr_t)&item, 1, deadline, flags | WAIT_LIST)
                  : NATIVE(SYS_WAIT, waitset, (uintptr_t)&self->scratch[0], room, deadline, flags);
    switch ((int32_t)got.status) {
    case STATUS_OK:
        return (int64_t)MIN(got.value, (uint64_t)PACKET_LIMIT);
    case STATUS_TIMED_OUT:
    case STATUS_WOULD_BLOCK:
        return 0;
    case STATUS_CANCELLED:
        return -ERESTARTNOHAND;
    default:
        return error_of(got.status);
    }
}

/* `deadline` 0: only looks. */
static int64_t wait(struct posix_thread *_Nonnull self, const struct program_frame *_Nonnull frame,
                    uint64_t deadline) {
    struct fd_entry entry = {};
    int32_t limit = (int32_t)frame->rdx;
    int64_t error = fd_get_open(self, frame->rdi, &entry);
    if (limit <= 0 || limit > MAX_EVENTS) {
        return -EINVAL;
    }
    if (error != 0) {
        return error;
    }
    if (entry.kind != FD_EPOLL) {
        return -EINVAL;
    }
    signalfds_show(self);
    uint64_t room = room_for(frame->rsi, (uint32_t)limit);
    int64_t count = take(self, entry.handle, room, deadline == 0 ? DEADLINE_NEVER : deadline,
                         deadline == 0 ? WAIT_NO_WAIT : WAIT_INTERRUPTIBLE);
    return count > 0 && room == 0 ? -EFAULT
           : count > 0            ? give(self, frame->rsi, (uint64_t)count)
                                  : count;
}

static uint64_t deadline_of(struct posix_thread *_Nonnull self, int32_t timeout_ms) {
    return timeout_ms < 0    ? DEADLINE_NEVER
           : timeout_ms == 0 ? 0
                             : timeout_deadline(self, (uint64_t)timeout_ms * NS_PER_MS);
}

LINUX(epoll_wait) {
    return wait(self, frame, deadline_of(self, (int32_t)frame->r10));
}

/* With another mask of signals meanwhile, where one is given. */
static int64_t wait_masked(struct posix_thread *_Nonnull self,
                           const struct program_frame *_Nonnull frame, uint64_t deadline) {
    uint64_t mask = 0;
    if (frame->r8 != 0) {
        if (frame->r9 != sizeof mask) {
            return -EINVAL;
        }
        int64_t error = USER_READ(mask, frame->r8);
        if (error != 0) {
            return error;
        }
        signal_mask_temporarily(self, mask);
        if (signals_pending(self)) {
            signals_look(self);
        }
    }
    int64_t result = wait(self, frame, deadline);
    if (self->mask_saved != 0 && !result_is_restart(result)) {
        self->mask = self->saved_mask;
        self->mask_saved = 0;
    }
    return result;
}

LINUX(epoll_pwait) {
    return wait_masked(self, frame, deadline_of(self, (int32_t)frame->r10));
}

LINUX(epoll_pwait2) {
    struct linux_timespec time = {};
    uint64_t ns = 0;
    if (frame->r10 == 0) {
        return wait_masked(self, frame, DEADLINE_NEVER);
    }
    int64_t error = USER_READ(time, frame->r10);
    error = error != 0 ? error : timeout_ns_of(&time, &ns);
    if (error != 0) {
        return error;
    }
    return wait_masked(self, frame, ns == 0 ? 0 : timeout_deadline(self, ns));
}
