/* Record locks: OFD locks belong to the session; the classic ones to an owner session, which a
 * process has in each file system where it locked something. The end of the process closes it. */
#include "posix/locks.h"
#include "idl/filesystem.h"
#include "posix/errors.h"
#include "posix/identity.h"
#include "posix/native.h"
#include "posix/user.h"

enum { F_RDLCK = 0, F_WRLCK = 1, F_UNLCK = 2 };

/* Linux's range as the protocol's. */
static int64_t range_of(const struct fd_entry *_Nonnull entry,
                        const struct linux_flock *_Nonnull lock,
                        struct filesystem_record_lock *_Nonnull out) {
    int64_t start = lock->start;
    if (lock->whence != 0) {
        struct native_result where =
            NATIVE(SYS_STREAM_SEEK, entry->handle, 0, lock->whence == 1 ? 1 : 2);
        if (lock->whence != 1 || where.status != STATUS_OK ||
            ckd_add(&start, start, (int64_t)where.value)) {
            return -EINVAL; /* SEEK_END would move the position */
        }
    }
    int64_t length = lock->length;
    if (length < 0) {
        start += length;
        length = -length;
    }
    if (start < 0 || lock->type < F_RDLCK || lock->type > F_UNLCK) {
        return -EINVAL;
    }
    *out = (struct filesystem_record_lock){
        .start = (uint64_t)start,
        .length = (uint64_t)length,
        .kind = lock->type == F_RDLCK   ? FILESYSTEM_LOCK_KIND_SHARED
                : lock->type == F_WRLCK ? FILESYSTEM_LOCK_KIND_EXCLUSIVE
                                        : FILESYSTEM_LOCK_KIND_UNLOCK,
    };
    return 0;
}

void lock_owners_drop(struct posix_process *_Nonnull process) {
    for (uint32_t i = 0; i < LOCK_OWNERS && process->owners[i].session != HANDLE_NONE; i++) {
        handle_close(process->owners[i].session);
        process->owners[i] = (struct lock_owner){};
    }
}

static uint64_t endpoint_of(handle_t session) {
    struct session_info info = {};
    struct native_result got =
        NATIVE(SYS_OBJECT_INFO, session, INFO_SESSION, (uintptr_t)&info, sizeof info);
    return got.status == STATUS_OK ? info.endpoint_serial : 0;
}

void record_locks_drop(const struct posix_process *_Nonnull process,
                       const struct fd_entry *_Nonnull entry) {
    if (process->owners[0].session == HANDLE_NONE || entry->kind != STREAM_KIND_REGULAR ||
        (entry->flags & O_PATH) != 0) {
        return;
    }
    uint64_t endpoint = endpoint_of(entry->handle);
    for (uint32_t i = 0; i < LOCK_OWNERS; i++) {
        const struct lock_owner *owner = &process->owners[i];
        if (owner->session != HANDLE_NONE && owner->endpoint == endpoint) {
            (void)filesystem_drop_records(entry->handle, owner->session);
        }
    }
}

/* This process's owner in the file system of the entry, made when it is first wanted. */
static int64_t owner_of(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry,
                        handle_t *_Nonnull out) {
    struct posix_process *process = self->process;
    uint64_t endpoint = endpoint_of(entry->handle);
    for (uint32_t i = 0; i < LOCK_OWNERS; i++) {
        struct lock_owner *owner = &process->owners[i];
        if (owner->session != HANDLE_NONE && owner->endpoint != endpoint) {
            continue;
        }
        if (owner->session == HANDLE_NONE) {
            handle_t made = HANDLE_NONE;
            int64_t error = error_of_filesystem(filesystem_lock_owner(entry->handle, &made));
            if (error != 0) {
                return error == -ENOTDIR ? -EINVAL : error;
            }
            owner->endpoint = endpoint;
            owner->session = made;
        }
        *out = owner->session;
        return 0;
    }
    return -ENOLCK;
}

/* Shared locks need a descriptor to read, exclusive ones one to write. */
static int64_t check_access(const struct fd_entry *_Nonnull entry,
                            const struct linux_flock *_Nonnull lock, bool test) {
    uint32_t needed = lock->type == F_RDLCK   ? STREAM_FACTS_FLAGS_READABLE
                      : lock->type == F_WRLCK ? STREAM_FACTS_FLAGS_WRITABLE
                                              : 0;
    return test || (entry->facts & needed) == needed ? 0 : -EBADF;
}

int64_t fcntl_lock(struct posix_thread *_Nonnull self, const struct fd_entry *_Nonnull entry,
                   uint32_t command, uint64_t address) {
    struct linux_flock lock = {};
    struct filesystem_record_lock wanted = {};
    struct filesystem_record_lock found = {};
    int64_t error = USER_READ(lock, address);
    error = error != 0 ? error : range_of(entry, &lock, &wanted);
    if (error != 0) {
        return error;
    }
    bool description = command >= F_OFD_GETLK;
    bool test = command == F_OFD_GETLK || command == F_GETLK;
    handle_t owner = HANDLE_NONE;
    if (description && lock.pid != 0) {
        return -EINVAL;
    }
    wanted.pid = description ? UINT32_MAX : facts_pid(self);
    error = check_access(entry, &lock, test);
    error = error != 0 || description ? error : owner_of(self, entry, &owner);
    if (error == 0 && !test) {
        bool waits = command == F_OFD_SETLKW || command == F_SETLKW;
        error = error_of_filesystem(filesystem_lock_record(entry->handle, owner, waits, &wanted));
        return error == -EACCES ? -EBADF : error;
    }
    error =
        error != 0
            ? error
            : error_of_filesystem(filesystem_test_record(entry->handle, owner, &wanted, &found));
    if (error != 0) {
        return error;
    }
    if (found.kind == FILESYSTEM_LOCK_KIND_UNLOCK) {
        lock.type = F_UNLCK;
    } else {
        lock = (struct linux_flock){
            .type = found.kind == FILESYSTEM_LOCK_KIND_SHARED ? F_RDLCK : F_WRLCK,
            .start = (int64_t)found.start,
            .length = (int64_t)found.length,
            .pid = (int32_t)found.pid,
        };
    }
    return USER_WRITE(address, lock);
}
