/* Record locks: OFD locks belong to the session; the classic ones to an owner session of the
 * process, which is not kept yet, so that they are refused with ENOLCK and counted. */
#include "posix/locks.h"
#include "idl/filesystem.h"
#include "posix/errors.h"
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
    if (command < F_OFD_GETLK) {
        self->process->unsupported_other++;
        return -ENOLCK;
    }
    if (command != F_OFD_GETLK) {
        return error_of_filesystem(
            filesystem_lock_record(entry->handle, HANDLE_NONE, command == F_OFD_SETLKW, &wanted));
    }
    error =
        error_of_filesystem(filesystem_test_record(entry->handle, HANDLE_NONE, &wanted, &found));
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
            .pid = -1,
        };
    }
    return USER_WRITE(address, lock);
}
