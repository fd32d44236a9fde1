/* syslog(2): the system's log, by the file that Linux has for it as well (/proc/kmsg), which says
 * who may. What tells how much of it goes to the console has no meaning here: the console shows
 * nothing of the log. */
#include "idl/filesystem.h"
#include "idl/log.h"
#include "posix/errors.h"
#include "posix/file_open.h"
#include "posix/native.h"
#include "posix/syscalls.h"
#include "posix/user.h"

enum log_action : uint32_t {
    ACTION_CLOSE = 0,
    ACTION_OPEN = 1,
    ACTION_READ_ALL = 3,
    ACTION_READ_CLEAR = 4,
    ACTION_CLEAR = 5,
    ACTION_SIZE_UNREAD = 9,
    ACTION_SIZE_BUFFER = 10
};

static int64_t open_log(struct posix_thread *_Nonnull self, handle_t *_Nonnull out) {
    struct place place = {};
    struct stream_stat info = {};
    uint32_t facts = 0;
    path_begin_text(self, RT_STRING("/proc/kmsg"), &place);
    int64_t error = file_open(self, &place, FILESYSTEM_OPEN_FLAGS_READ, 0, 0, out, &facts, &info);
    return error == -EACCES ? -EPERM : error == -ENOENT ? -ENOSYS : error;
}

/* The last `length` bytes of what was not cleared. */
static int64_t read_all(handle_t log, uint64_t address, uint64_t length, bool clear) {
    uint64_t end = 0;
    uint64_t held = 0;
    uint64_t room = 0;
    uint64_t cleared = 0;
    uint64_t next = 0;
    uint64_t size = 0;
    uint64_t done = 0;
    status_t status = log_control(log, false, &end, &held, &room, &cleared);
    uint64_t at = MAX(cleared, end - MIN(end, length));
    while (status == STATUS_OK && at < end && done < length) {
        struct rt_buffer to = user_buffer(address + done, MIN(length - done, 65536ul));
        status = log_read(log, at, &next, to, &size);
        if (status == STATUS_OK && size == 0) {
            break;
        }
        done += status == STATUS_OK ? size : 0;
        at = status == STATUS_OK ? next : at;
    }
    if (status == STATUS_OK && clear) {
        status = log_control(log, true, &end, &held, &room, &cleared);
    }
    return status == STATUS_OK ? (int64_t)done : error_of(status);
}

static int64_t act(handle_t log, uint32_t action, uint64_t address, uint64_t length) {
    uint64_t end = 0;
    uint64_t held = 0;
    uint64_t room = 0;
    uint64_t cleared = 0;
    if (action == ACTION_READ_ALL || action == ACTION_READ_CLEAR) {
        return read_all(log, address, length, action == ACTION_READ_CLEAR);
    }
    status_t status = log_control(log, action == ACTION_CLEAR, &end, &held, &room, &cleared);
    if (status != STATUS_OK) {
        return error_of(status);
    }
    return action == ACTION_CLEAR ? 0 : (int64_t)(action == ACTION_SIZE_UNREAD ? held : room);
}

LINUX(syslog) {
    uint32_t action = (uint32_t)frame->rdi;
    handle_t log = HANDLE_NONE;
    bool known = action == ACTION_READ_ALL || action == ACTION_READ_CLEAR ||
                 action == ACTION_CLEAR || action == ACTION_SIZE_UNREAD ||
                 action == ACTION_SIZE_BUFFER;
    if (action == ACTION_CLOSE || action == ACTION_OPEN) {
        return 0;
    }
    if (!known || (int32_t)frame->rdx < 0) {
        return -EINVAL;
    }
    int64_t error = open_log(self, &log);
    if (error != 0) {
        return error;
    }
    error = act(log, action, frame->rsi, (uint32_t)frame->rdx);
    handle_close(log);
    return error;
}
