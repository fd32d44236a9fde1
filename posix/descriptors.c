/* See descriptors.h. Readers take no lock: an entry's handle is written last and read first. */
#include "posix/descriptors.h"
#include "idl/stream.h"
#include "posix/identity.h"
#include "posix/locks.h"
#include "posix/native.h"
#include "posix/sockets.h"
#include "posix/syscalls.h"

int64_t fd_get(struct posix_thread *_Nonnull self, uint64_t fd, struct fd_entry *_Nonnull out) {
    const struct fd_table *table = self->process->table;
    uint32_t number = (uint32_t)fd;
    if (number >= FD_LIMIT) {
        return -EBADF;
    }
    handle_t handle = __atomic_load_n(&table->entries[number].handle, __ATOMIC_ACQUIRE);
    if (handle == HANDLE_NONE) {
        return -EBADF;
    }
    *out = table->entries[number];
    return 0;
}

int64_t fd_get_open(struct posix_thread *_Nonnull self, uint64_t fd,
                    struct fd_entry *_Nonnull out) {
    int64_t error = fd_get(self, fd, out);
    return error == 0 && (out->flags & O_PATH) != 0 ? -EBADF : error;
}

static void put(struct fd_table *_Nonnull table, uint32_t fd,
                const struct fd_entry *_Nonnull entry) {
    struct fd_entry *place = &table->entries[fd];
    place->close_on_exec = entry->close_on_exec;
    place->kind = entry->kind;
    place->speaks = entry->speaks;
    place->facts = entry->facts;
    place->flags = entry->flags;
    __atomic_store_n(&place->handle, entry->handle, __ATOMIC_RELEASE);
    table->high = MAX(table->high, fd + 1);
}

static uint32_t fd_limit(const struct posix_thread *_Nonnull self) {
    return (uint32_t)MIN(limit_soft(self, LIMIT_DESCRIPTORS), (uint64_t)FD_LIMIT);
}

int64_t fd_install(struct posix_thread *_Nonnull self, uint64_t lowest,
                   const struct fd_entry *_Nonnull entry) {
    struct fd_table *table = self->process->table;
    uint32_t limit = fd_limit(self);
    int64_t found = -EMFILE;
    state_lock(&table->lock);
    uint32_t from = (uint32_t)MAX(lowest, (uint64_t)table->first_free);
    for (uint32_t i = from; i < limit; i++) {
        if (table->entries[i].handle == HANDLE_NONE) {
            put(table, i, entry);
            if (i == table->first_free || lowest <= table->first_free) {
                table->first_free = i + 1;
            }
            found = i;
            break;
        }
    }
    state_unlock(&table->lock);
    return found;
}

int64_t fd_give(struct posix_thread *_Nonnull self, struct fd_entry entry) {
    int64_t fd = fd_install(self, 0, &entry);
    if (fd < 0) {
        handle_close(entry.handle);
    }
    return fd;
}

int64_t fd_replace(struct posix_thread *_Nonnull self, uint64_t fd,
                   const struct fd_entry *_Nonnull entry, struct fd_entry *_Nonnull out_old) {
    struct fd_table *table = self->process->table;
    if (fd >= fd_limit(self)) {
        return -EBADF;
    }
    state_lock(&table->lock);
    *out_old = table->entries[fd];
    put(table, (uint32_t)fd, entry);
    state_unlock(&table->lock);
    return (int64_t)fd;
}

int64_t fd_take(struct posix_thread *_Nonnull self, uint64_t fd, struct fd_entry *_Nonnull out) {
    struct fd_table *table = self->process->table;
    uint32_t number = (uint32_t)fd;
    if (number >= FD_LIMIT) {
        return -EBADF;
    }
    state_lock(&table->lock);
    *out = table->entries[number];
    __atomic_store_n(&table->entries[number].handle, HANDLE_NONE, __ATOMIC_RELEASE);
    if (out->handle != HANDLE_NONE) {
        table->first_free = MIN(table->first_free, number);
    }
    while (table->high > 0 && table->entries[table->high - 1].handle == HANDLE_NONE) {
        table->high--;
    }
    state_unlock(&table->lock);
    return out->handle == HANDLE_NONE ? -EBADF : 0;
}

int64_t fd_set_close_on_exec(struct posix_thread *_Nonnull self, uint64_t fd, bool on) {
    struct fd_entry entry = {};
    int64_t error = fd_get(self, fd, &entry);
    if (error == 0) {
        self->process->table->entries[(uint32_t)fd].close_on_exec = on ? 1 : 0;
    }
    return error;
}

void fd_release(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry) {
    record_locks_drop(self->process, entry);
    handle_close(entry->handle);
}

void fd_table_copy(struct fd_table *_Nonnull to, const struct fd_table *_Nonnull from) {
    to->lock = 0;
    to->first_free = from->first_free;
    to->high = MIN(from->high, (uint32_t)FD_LIMIT);
    for (uint32_t i = 0; i < to->high; i++) {
        to->entries[i] = from->entries[i];
    }
}

void fd_close_on_exec(struct posix_thread *_Nonnull self) {
    struct fd_table *table = self->process->table;
    for (uint32_t i = 0; i < MIN(table->high, (uint32_t)FD_LIMIT); i++) {
        struct fd_entry entry = table->entries[i];
        if (entry.handle != HANDLE_NONE && entry.close_on_exec != 0 &&
            fd_take(self, i, &entry) == 0) {
            fd_release(self, &entry);
        }
    }
}

/* ---- calls ---- */

LINUX(close) {
    struct fd_entry entry = {};
    int64_t error = fd_take(self, frame->rdi, &entry);
    if (error == 0) {
        fd_release(self, &entry);
    }
    return error;
}

LINUX(close_range) {
    uint32_t first = (uint32_t)frame->rdi;
    uint32_t last = MIN((uint32_t)frame->rsi, (uint32_t)FD_LIMIT - 1);
    enum { CLOSE_RANGE_UNSHARE = 2, CLOSE_RANGE_CLOEXEC = 4 };
    if ((frame->rdx & ~(uint64_t)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) != 0 ||
        (uint32_t)frame->rdi > (uint32_t)frame->rsi) {
        return -EINVAL;
    }
    for (uint32_t i = first; i <= last && i < self->process->table->high; i++) {
        struct fd_entry entry = {};
        if ((frame->rdx & CLOSE_RANGE_CLOEXEC) != 0) {
            (void)fd_set_close_on_exec(self, i, true);
        } else if (fd_take(self, i, &entry) == 0) {
            fd_release(self, &entry);
        }
    }
    return 0;
}

/* A second descriptor of the same description. */
static int64_t duplicate(struct posix_thread *_Nonnull self, uint64_t fd,
                         struct fd_entry *_Nonnull out) {
    int64_t error = fd_get(self, fd, out);
    if (error == 0 && handle_duplicate(out->handle, &out->handle) != STATUS_OK) {
        error = -EMFILE;
    }
    out->close_on_exec = 0;
    return error;
}

static int64_t duplicate_from(struct posix_thread *_Nonnull self, uint64_t fd, uint64_t lowest,
                              bool close_on_exec) {
    struct fd_entry entry = {};
    int64_t error = duplicate(self, fd, &entry);
    if (error != 0) {
        return error;
    }
    entry.close_on_exec = close_on_exec ? 1 : 0;
    int64_t made = fd_install(self, lowest, &entry);
    if (made < 0) {
        handle_close(entry.handle);
    }
    return made;
}

static int64_t duplicate_to(struct posix_thread *_Nonnull self, uint64_t fd, uint64_t target,
                            bool close_on_exec) {
    struct fd_entry entry = {};
    struct fd_entry old = {};
    if ((uint32_t)target >= fd_limit(self)) {
        return -EBADF;
    }
    int64_t error = duplicate(self, fd, &entry);
    if (error != 0) {
        return error;
    }
    entry.close_on_exec = close_on_exec ? 1 : 0;
    int64_t made = fd_replace(self, (uint32_t)target, &entry, &old);
    if (made < 0) {
        handle_close(entry.handle);
    } else if (old.handle != HANDLE_NONE) {
        fd_release(self, &old);
    }
    return made;
}

LINUX(dup) {
    return duplicate_from(self, frame->rdi, 0, false);
}

LINUX(dup2) {
    struct fd_entry entry = {};
    if ((uint32_t)frame->rdi == (uint32_t)frame->rsi) {
        int64_t error = fd_get(self, frame->rdi, &entry);
        return error != 0 ? error : (int64_t)(uint32_t)frame->rsi;
    }
    return duplicate_to(self, frame->rdi, frame->rsi, false);
}

LINUX(dup3) {
    if ((frame->rdx & ~(uint64_t)O_CLOEXEC) != 0 || (uint32_t)frame->rdi == (uint32_t)frame->rsi) {
        return -EINVAL;
    }
    return duplicate_to(self, frame->rdi, frame->rsi, (frame->rdx & O_CLOEXEC) != 0);
}

static int64_t get_flags(const struct fd_entry *_Nonnull entry) {
    uint32_t flags = 0;
    if ((entry->flags & O_PATH) == 0 && entry->kind != FD_EPOLL &&
        session_flags(entry->handle, &flags) != STATUS_OK) {
        flags = 0;
    }
    return (int64_t)(entry->flags | (flags & (O_APPEND | O_NONBLOCK)));
}

static int64_t set_flags(const struct fd_entry *_Nonnull entry, uint64_t flags) {
    if (entry->kind == FD_EPOLL) {
        return 0;
    }
    uint64_t set = flags & (O_APPEND | O_NONBLOCK);
    struct native_result done = NATIVE(SYS_OBJECT_SET, entry->handle, SET_SESSION_FLAGS,
                                       (O_APPEND | O_NONBLOCK) & ~set, set);
    return done.status == STATUS_OK ? 0 : -EINVAL;
}

LINUX(fcntl) {
    struct fd_entry entry = {};
    uint64_t fd = frame->rdi;
    uint32_t command = (uint32_t)frame->rsi;
    int64_t error = fd_get(self, fd, &entry);
    if (error != 0) {
        return error;
    }
    bool place_only = (entry.flags & O_PATH) != 0;
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        if ((int32_t)frame->rdx < 0 || frame->rdx >= fd_limit(self)) {
            return -EINVAL;
        }
        return duplicate_from(self, fd, (uint32_t)frame->rdx, command == F_DUPFD_CLOEXEC);
    case F_GETFD:
        return entry.close_on_exec != 0 ? FD_CLOEXEC : 0;
    case F_SETFD:
        return fd_set_close_on_exec(self, fd, (frame->rdx & FD_CLOEXEC) != 0);
    case F_GETFL:
        return get_flags(&entry);
    default:
        break;
    }
    if (place_only) {
        return -EBADF;
    }
    switch (command) {
    case F_SETFL:
        return set_flags(&entry, frame->rdx);
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
        return fcntl_lock(self, &entry, command, frame->rdx);
    case F_GETPIPE_SZ:
    case F_SETPIPE_SZ:
        return fcntl_pipe_size(&entry, command == F_SETPIPE_SZ, frame->rdx);
    case F_GETOWN:
        return 0;
    default:
        return -EINVAL;
    }
}
