/* epoll over the kernel's waitset. The waitset's key is the number of the item in the process's
 * list; the list is copied by fork together with the waitset's descriptor. */
#include "posix/epoll.h"
#include "idl/stream.h"
#include "posix/descriptors.h"
#include "posix/errors.h"
#include "posix/native.h"
#include "posix/signals.h"
#include "posix/syscalls.h"
#include "posix/timeout.h"
#include "posix/user.h"

enum {
    CTL_ADD = 1,
    CTL_DEL = 2,
    CTL_MOD = 3,
    PACKET_LIMIT = 64,
    NS_PER_MS = 1000000,
};
#define EPOLL_ONESHOT (1u << 30)
#define EPOLL_EDGE (1u << 31)

static struct epoll_item *_Nullable find(struct posix_process *_Nonnull process, int32_t epoll,
                                         int32_t fd) {
    for (uint32_t i = 0; i < process->epoll_count && i < EPOLL_LIMIT; i++) {
        struct epoll_item *item = &process->epoll[i];
        if (item->epoll == epoll && item->fd == fd) {
            return item;
        }
    }
    return nullptr;
}

static struct epoll_item *_Nullable find_free(struct posix_process *_Nonnull process) {
    struct epoll_item *item = find(process, -1, -1);
    if (item == nullptr && process->epoll_count < EPOLL_LIMIT) {
        item = &process->epoll[process->epoll_count++];
    }
    return item;
}

void epoll_forget(struct posix_thread *_Nonnull self, int32_t fd) {
    struct posix_process *process = self->process;
    for (uint32_t i = 0; i < process->epoll_count && i < EPOLL_LIMIT; i++) {
        struct epoll_item *item = &process->epoll[i];
        if (item->epoll == fd || item->fd == fd) {
            item->epoll = -1;
            item->fd = -1;
        }
    }
}

static int64_t create(struct posix_thread *_Nonnull self, bool close_on_exec) {
    struct native_result made = NATIVE(SYS_OBJECT_CREATE, OBJECT_WAITSET, 0, 0, 0, 0, 0);
    if (made.status != STATUS_OK) {
        return error_of(made.status);
    }
    return fd_give(self, (struct fd_entry){.handle = (handle_t)made.value,
                                           .close_on_exec = close_on_exec ? 1 : 0,
                                           .kind = FD_EPOLL,
                                           .facts = STREAM_FACTS_FLAGS_WAITS,
                                           .flags = O_RDWR});
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

static status_t bind(handle_t waitset, const struct posix_process *_Nonnull process,
                     const struct epoll_item *_Nonnull item, bool remove) {
    uint64_t key = (uint64_t)(item - &process->epoll[0]);
    uint64_t flags = (remove ? WAIT_REMOVE : 0) |
                     ((item->events & EPOLL_EDGE) != 0 ? WAIT_EDGE : 0) |
                     ((item->events & EPOLL_ONESHOT) != 0 ? WAIT_ONE_SHOT : 0);
    uint32_t mask = item->events & (READY_IN | READY_PRI | READY_OUT | READY_READ_HANGUP);
    mask |= READY_ERROR | READY_HANGUP;
    return NATIVE(SYS_WAITSET_BIND, waitset, item->source, mask, key, flags).status;
}

static int64_t add(struct posix_process *_Nonnull process, handle_t waitset, int32_t epoll,
                   int32_t fd, const struct fd_entry *_Nonnull source,
                   const struct linux_epoll_event *_Nonnull event) {
    struct epoll_item *item = find_free(process);
    if (item == nullptr) {
        return -ENOSPC;
    }
    *item = (struct epoll_item){epoll, fd, event->events, source->handle, event->data};
    status_t status = bind(waitset, process, item, false);
    if (status != STATUS_OK) {
        item->epoll = -1;
        item->fd = -1;
    }
    return error_of(status);
}

LINUX(epoll_ctl) {
    struct posix_process *process = self->process;
    struct fd_entry waitset = {};
    struct fd_entry source = {};
    struct linux_epoll_event event = {};
    uint32_t operation = (uint32_t)frame->rsi;
    int32_t epoll = (int32_t)frame->rdi;
    int32_t fd = (int32_t)frame->rdx;
    int64_t error = operation == CTL_DEL ? 0 : USER_READ(event, frame->r10);
    error = error != 0 ? error : fd_get_open(self, frame->rdi, &waitset);
    error = error != 0 ? error : fd_get_open(self, frame->rdx, &source);
    if (error != 0) {
        return error;
    }
    if (waitset.kind != FD_EPOLL || epoll == fd || operation < CTL_ADD || operation > CTL_MOD) {
        return -EINVAL;
    }
    if ((source.facts & STREAM_FACTS_FLAGS_WAITS) == 0) {
        return -EPERM; /* files are always ready */
    }
    state_lock(&process->lock);
    struct epoll_item *item = find(process, epoll, fd);
    if (operation == CTL_ADD) {
        error =
            item != nullptr ? -EEXIST : add(process, waitset.handle, epoll, fd, &source, &event);
    } else if (item == nullptr) {
        error = -ENOENT;
    } else if (operation == CTL_MOD) {
        item->events = event.events;
        item->data = event.data;
        error = error_of(bind(waitset.handle, process, SOME(item), false));
    } else {
        (void)bind(waitset.handle, process, SOME(item), true);
        item->epoll = -1;
        item->fd = -1;
    }
    state_unlock(&process->lock);
    return error;
}

/* The packets that came, as events of the program. */
static int64_t give(struct posix_thread *_Nonnull self, uint64_t to, uint64_t count) {
    struct packet(*packets)[PACKET_LIMIT] = (void *)&self->scratch;
    const struct posix_process *process = self->process;
    uint64_t used = 0;
    for (uint64_t i = 0; i < count; i++) {
        const struct packet *packet = &(*packets)[i];
        if (packet->key >= EPOLL_LIMIT || process->epoll[packet->key].epoll < 0) {
            continue; /* closed in between */
        }
        const struct epoll_item *item = &process->epoll[packet->key];
        uint32_t asked = item->events | READY_ERROR | READY_HANGUP;
        struct linux_epoll_event event = {(uint32_t)packet->words[0] & asked, item->data};
        if (USER_WRITE(to + used * sizeof event, event) != 0) {
            return used > 0 ? (int64_t)used : -EFAULT;
        }
        used++;
    }
    return (int64_t)used;
}

static int64_t wait(struct posix_thread *_Nonnull self,
                    const struct program_frame *_Nonnull frame) {
    struct fd_entry entry = {};
    int32_t limit = (int32_t)frame->rdx;
    int32_t timeout = (int32_t)frame->r10;
    int64_t error = fd_get_open(self, frame->rdi, &entry);
    if (error != 0) {
        return error;
    }
    if (entry.kind != FD_EPOLL || limit <= 0) {
        return -EINVAL;
    }
    uint64_t flags = timeout == 0 ? WAIT_NO_WAIT : WAIT_INTERRUPTIBLE;
    uint64_t deadline = timeout <= 0
                            ? DEADLINE_NEVER
                            : timeout_deadline(self, (uint64_t)(uint32_t)timeout * NS_PER_MS);
    for (;;) {
        struct native_result got =
            NATIVE(SYS_WAIT, entry.handle, (uintptr_t)&self->scratch[0],
                   MIN((uint64_t)(uint32_t)limit, (uint64_t)PACKET_LIMIT), deadline, flags);
        if (got.status == STATUS_TIMED_OUT || got.status == STATUS_WOULD_BLOCK) {
            return 0;
        }
        if (got.status != STATUS_OK) {
            return got.status == STATUS_CANCELLED ? -EINTR : error_of(got.status);
        }
        int64_t given = give(self, frame->rsi, MIN(got.value, (uint64_t)PACKET_LIMIT));
        if (given != 0 || timeout == 0) {
            return given;
        }
    }
}

LINUX(epoll_wait) {
    return wait(self, frame);
}

LINUX(epoll_pwait) {
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
    int64_t result = wait(self, frame);
    if (self->mask_saved != 0 && result != -EINTR) {
        self->mask = self->saved_mask;
        self->mask_saved = 0;
    }
    return result;
}
