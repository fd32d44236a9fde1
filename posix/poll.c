/* poll, ppoll, select, pselect6: one wait on many sessions. Files that never wait are always ready;
 * no server is asked. */
#include "posix/poll.h"
#include "idl/stream.h"
#include "posix/descriptors.h"
#include "posix/errors.h"
#include "posix/native.h"
#include "posix/signalfd.h"
#include "posix/signals.h"
#include "posix/syscalls.h"
#include "posix/timeout.h"
#include "posix/user.h"

enum {
    POLL_LIMIT = 256, /* what fits the scratch area as wait items */
    POLL_NVAL = 0x20,
    POLL_NORMAL = 0x40 | 0x80 | 0x100 | 0x200, /* RDNORM RDBAND WRNORM WRBAND */
    NS_PER_MS = 1000000,
};
static_assert(POLL_LIMIT * sizeof(struct wait_item) <= sizeof(((struct posix_thread *)0)->scratch));

uint32_t poll_mask_of(uint32_t events) {
    uint32_t mask = events & (READY_IN | READY_PRI | READY_OUT | READY_READ_HANGUP);
    mask |= READY_ERROR | READY_HANGUP;
    mask |= (events & (0x40 | 0x80)) != 0 ? READY_IN : 0;
    mask |= (events & (0x100 | 0x200)) != 0 ? READY_OUT : 0;
    return mask;
}

uint32_t poll_events_of(uint32_t ready, uint32_t asked) {
    uint32_t events = ready & (asked | READY_ERROR | READY_HANGUP);
    if ((ready & READY_IN) != 0) {
        events |= asked & 0x40;
    }
    if ((ready & READY_OUT) != 0) {
        events |= asked & 0x100;
    }
    return events;
}

/* What a descriptor is ready for at once; 0: it must be waited for, by *item.
 * Units: mask: enum readiness. */
static uint32_t look(struct posix_thread *_Nonnull self, int32_t fd, uint32_t mask,
                     struct wait_item *_Nonnull item) {
    struct fd_entry entry = {};
    *item = (struct wait_item){};
    if (fd_get_open(self, (uint32_t)fd, &entry) != 0) {
        return POLL_NVAL;
    }
    bool waits = entry.kind == FD_EPOLL || (entry.facts & STREAM_FACTS_FLAGS_WAITS) != 0;
    if (!waits) {
        return mask & (READY_IN | READY_OUT);
    }
    item->source = entry.handle;
    item->mask = mask;
    return 0;
}

static struct wait_item (*_Nonnull items_of(struct posix_thread *_Nonnull self))[POLL_LIMIT] {
    return (void *)&self->scratch;
}

/* Waits; the count of items that are ready, 0 at the deadline, or an error. */
static int64_t wait_items(struct posix_thread *_Nonnull self, uint64_t count, uint64_t deadline,
                          bool some_ready) {
    signalfds_show(self);
    uint64_t flags = WAIT_LIST | (some_ready || deadline == 0 ? WAIT_NO_WAIT : WAIT_INTERRUPTIBLE);
    struct native_result result =
        NATIVE(SYS_WAIT, 0, (uintptr_t)&self->scratch[0], count, deadline, flags);
    switch ((int32_t)result.status) {
    case STATUS_OK:
        return (int64_t)result.value;
    case STATUS_TIMED_OUT:
    case STATUS_WOULD_BLOCK:
        return 0;
    case STATUS_CANCELLED:
        return -ERESTARTNOHAND;
    default:
        return error_of(result.status);
    }
}

static int64_t poll_with(struct posix_thread *_Nonnull self, uint64_t address, uint64_t count,
                         uint64_t deadline) {
    struct wait_item(*items)[POLL_LIMIT] = items_of(self);
    int64_t ready = 0;
    if (count > POLL_LIMIT) {
        return -EINVAL;
    }
    for (uint64_t i = 0; i < count; i++) {
        struct linux_pollfd entry = {};
        if (USER_READ(entry, address + i * sizeof entry) != 0) {
            return -EFAULT;
        }
        (*items)[i] = (struct wait_item){};
        uint32_t now =
            entry.fd < 0 ? 0
                         : look(self, entry.fd, poll_mask_of((uint16_t)entry.events), &(*items)[i]);
        ready += now != 0 ? 1 : 0;
    }
    int64_t result = wait_items(self, count, deadline, ready > 0);
    if (result < 0) {
        return result;
    }
    ready = 0;
    for (uint64_t i = 0; i < count; i++) {
        struct linux_pollfd entry = {};
        struct wait_item unused = {};
        if (USER_READ(entry, address + i * sizeof entry) != 0) {
            return -EFAULT;
        }
        uint32_t asked = (uint16_t)entry.events;
        uint32_t level = (*items)[i].ready;
        if (entry.fd >= 0 && (*items)[i].source == HANDLE_NONE) {
            level = look(self, entry.fd, poll_mask_of(asked), &unused);
        }
        uint32_t events = entry.fd < 0         ? 0
                          : level == POLL_NVAL ? POLL_NVAL
                                               : poll_events_of(level, asked);
        entry.revents = (int16_t)(uint16_t)(events & 0xffff);
        ready += events != 0 ? 1 : 0;
        if (USER_WRITE(address + i * sizeof entry, entry) != 0) {
            return -EFAULT;
        }
    }
    return ready;
}

LINUX(poll) {
    int32_t timeout = (int32_t)frame->rdx;
    uint64_t deadline = timeout < 0    ? DEADLINE_NEVER
                        : timeout == 0 ? 0
                                       : timeout_deadline(self, (uint64_t)timeout * NS_PER_MS);
    return poll_with(self, frame->rdi, (uint32_t)frame->rsi, deadline);
}

/* The mask of ppoll and pselect6 holds until the call's signals are delivered; where none came it
 * is put back at once. */
static int64_t with_mask(struct posix_thread *_Nonnull self, uint64_t address) {
    uint64_t mask = 0;
    int64_t error = USER_READ(mask, address);
    if (error == 0) {
        signal_mask_temporarily(self, mask);
        if (signals_pending(self)) {
            signals_look(self);
        }
    }
    return error;
}

static void without_mask(struct posix_thread *_Nonnull self, int64_t result) {
    if (self->mask_saved != 0 && !result_is_restart(result)) {
        self->mask = self->saved_mask;
        self->mask_saved = 0;
    }
}

static int64_t deadline_at(struct posix_thread *_Nonnull self, uint64_t address,
                           uint64_t *_Nonnull out) {
    struct linux_timespec time = {};
    *out = DEADLINE_NEVER;
    if (address == 0) {
        return 0;
    }
    int64_t error = USER_READ(time, address);
    uint64_t ns = 0;
    error = error != 0 ? error : timeout_ns_of(&time, &ns);
    *out = ns == 0 ? 0 : timeout_deadline(self, ns);
    return error;
}

LINUX(ppoll) {
    uint64_t deadline = 0;
    int64_t error = deadline_at(self, frame->rdx, &deadline);
    if (error == 0 && frame->r10 != 0) {
        error = frame->r8 != sizeof(uint64_t) ? -EINVAL : with_mask(self, frame->r10);
    }
    if (error != 0) {
        return error;
    }
    int64_t result = poll_with(self, frame->rdi, (uint32_t)frame->rsi, deadline);
    without_mask(self, result);
    return result;
}

/* ---- select ---- */

enum {
    SELECT_LIMIT = 1024,
    SELECT_WORDS = SELECT_LIMIT / 64,
};
struct select_sets {
    uint64_t bits[3][SELECT_WORDS]; /* read, write, except */
};

static const uint32_t set_events[3] = {READY_IN | READY_HANGUP | READY_ERROR,
                                       READY_OUT | READY_ERROR, READY_PRI};

static bool in_set(const struct select_sets *_Nonnull sets, int which, uint32_t fd) {
    return (sets->bits[which][fd / 64] >> (fd % 64) & 1) != 0;
}

static uint32_t wanted_events(const struct select_sets *_Nonnull sets, uint32_t fd) {
    return (in_set(sets, 0, fd) ? set_events[0] : 0) | (in_set(sets, 1, fd) ? set_events[1] : 0) |
           (in_set(sets, 2, fd) ? set_events[2] : 0);
}

static int64_t read_sets(const struct program_frame *_Nonnull frame, uint32_t count,
                         struct select_sets *_Nonnull out) {
    const uint64_t addresses[3] = {frame->rsi, frame->rdx, frame->r10};
    size_t bytes = (count + 63) / 64 * 8;
    for (int which = 0; which < 3; which++) {
        if (addresses[which] != 0 && user_read(out->bits[which], addresses[which], bytes) != 0) {
            return -EFAULT;
        }
    }
    return 0;
}

/* Which of the wanted are ready: bits left in the sets, their number counted. */
static int64_t settle(struct posix_thread *_Nonnull self, struct select_sets *_Nonnull sets,
                      uint32_t count) {
    struct wait_item(*items)[POLL_LIMIT] = items_of(self);
    int64_t ready = 0;
    uint32_t at = 0;
    for (uint32_t fd = 0; fd < count; fd++) {
        uint32_t events = wanted_events(sets, fd);
        struct wait_item unused = {};
        if (events == 0) {
            continue;
        }
        uint32_t level = (*items)[at].source != HANDLE_NONE
                             ? (*items)[at].ready
                             : look(self, (int32_t)fd, events, &unused);
        at++;
        for (int which = 0; which < 3; which++) {
            if (!in_set(sets, which, fd)) {
                continue;
            }
            if ((level & set_events[which]) != 0) {
                ready++;
            } else {
                sets->bits[which][fd / 64] &= ~(1ull << (fd % 64));
            }
        }
    }
    return ready;
}

static int64_t select_with(struct posix_thread *_Nonnull self,
                           const struct program_frame *_Nonnull frame, uint64_t deadline) {
    struct select_sets sets = {};
    struct wait_item(*items)[POLL_LIMIT] = items_of(self);
    uint32_t count = MIN((uint32_t)frame->rdi, (uint32_t)SELECT_LIMIT);
    bool some = false;
    uint32_t used = 0;
    if ((int32_t)frame->rdi < 0) {
        return -EINVAL;
    }
    int64_t error = read_sets(frame, count, &sets);
    for (uint32_t fd = 0; fd < count && error == 0; fd++) {
        uint32_t events = wanted_events(&sets, fd);
        if (events == 0) {
            continue;
        }
        if (used == POLL_LIMIT) {
            return -ENOMEM;
        }
        uint32_t now = look(self, (int32_t)fd, events, &(*items)[used]);
        used++;
        error = now == POLL_NVAL ? -EBADF : 0;
        some = some || now != 0;
    }
    int64_t result = error != 0 ? error : wait_items(self, used, deadline, some);
    if (result < 0) {
        return result;
    }
    int64_t ready = settle(self, &sets, count);
    const uint64_t addresses[3] = {frame->rsi, frame->rdx, frame->r10};
    for (int which = 0; which < 3; which++) {
        if (addresses[which] != 0 &&
            user_write(addresses[which], sets.bits[which], (count + 63) / 64 * 8) != 0) {
            return -EFAULT;
        }
    }
    return ready;
}

LINUX(select) {
    struct linux_timeval given = {};
    uint64_t deadline = DEADLINE_NEVER;
    if (frame->r8 != 0) {
        int64_t error = USER_READ(given, frame->r8);
        struct linux_timespec time = {given.seconds + given.microseconds / 1000000,
                                      given.microseconds % 1000000 * 1000};
        uint64_t ns = 0;
        error = error != 0 ? error : timeout_ns_of(&time, &ns);
        if (error != 0) {
            return error;
        }
        deadline = ns == 0 ? 0 : timeout_deadline(self, ns);
    }
    return select_with(self, frame, deadline);
}

LINUX(pselect6) {
    uint64_t mask[2] = {};
    uint64_t deadline = 0;
    int64_t error = deadline_at(self, frame->r8, &deadline);
    if (error == 0 && frame->r9 != 0) {
        error = USER_READ(mask, frame->r9);
    }
    if (error == 0 && mask[0] != 0) {
        error = mask[1] != sizeof(uint64_t) ? -EINVAL : with_mask(self, mask[0]);
    }
    if (error != 0) {
        return error;
    }
    int64_t result = select_with(self, frame, deadline);
    without_mask(self, result);
    return result;
}
