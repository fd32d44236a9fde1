/* See errors.h. */
#include "posix/errors.h"
#include "idl/filesystem.h"
#include "idl/local.h"
#include "idl/process.h"
#include "idl/stream.h"
#include "idl/tty.h"

int64_t error_of(status_t status) {
    switch ((int32_t)status) {
    case STATUS_OK:
        return 0;
    case STATUS_BAD_HANDLE:
    case STATUS_BAD_TYPE:
        return -EBADF;
    case STATUS_BAD_RIGHTS:
        return -EACCES;
    case STATUS_BAD_ARGUMENT:
    case STATUS_OUT_OF_RANGE:
        return -EINVAL;
    case STATUS_BAD_ADDRESS:
        return -EFAULT;
    case STATUS_OUT_OF_MEMORY:
    case STATUS_OUT_OF_QUOTA:
        return -ENOMEM;
    case STATUS_OUT_OF_HANDLES:
        return -EMFILE;
    case STATUS_NOT_FOUND:
        return -ENOENT;
    case STATUS_EXISTS:
        return -EEXIST;
    case STATUS_BUSY:
        return -EBUSY;
    case STATUS_TIMED_OUT:
        return -ETIMEDOUT;
    case STATUS_CANCELLED:
        return -ERESTARTSYS;
    case STATUS_WOULD_BLOCK:
    case STATUS_AGAIN:
        return -EAGAIN;
    case STATUS_NOT_SUPPORTED:
        return -EOPNOTSUPP;
    case STATUS_DIED:
        return -ESRCH;
    case STATUS_NO_CREDIT:
        return -ENOSPC;
    case STATUS_NOT_ALLOWED:
        return -EPERM;
    default:
        return -EIO; /* closed, poisoned, corrupt, bad messages */
    }
}

int64_t error_of_stream(status_t status) {
    switch ((int32_t)status) {
    case (int32_t)STREAM_STATUS_BROKEN:
        return -EPIPE;
    case (int32_t)STREAM_STATUS_NOT_FOR_THIS:
        return -EINVAL;
    case (int32_t)STREAM_STATUS_BACKGROUND:
        return -ERESTARTSYS;
    case (int32_t)STREAM_STATUS_NOT_CONNECTED:
        return -ENOTCONN;
    case (int32_t)STREAM_STATUS_TOO_LONG:
        return -EMSGSIZE;
    case (int32_t)STREAM_STATUS_RESET:
        return -ECONNRESET;
    case (int32_t)STREAM_STATUS_REFUSED:
        return -ECONNREFUSED;
    case (int32_t)STREAM_STATUS_INTERRUPTED:
        return -EINTR;
    case (int32_t)STREAM_STATUS_FULL:
        return -ENOSPC;
    case (int32_t)STREAM_STATUS_GONE:
        return -ESRCH;
    case STATUS_BAD_METHOD:
        return -EINVAL;
    default:
        return error_of(status);
    }
}

int64_t error_of_filesystem(status_t status) {
    switch ((int32_t)status) {
    case (int32_t)FILESYSTEM_STATUS_NOT_DIRECTORY:
        return -ENOTDIR;
    case (int32_t)FILESYSTEM_STATUS_IS_DIRECTORY:
        return -EISDIR;
    case (int32_t)FILESYSTEM_STATUS_NOT_EMPTY:
        return -ENOTEMPTY;
    case (int32_t)FILESYSTEM_STATUS_TOO_MANY_LINKS:
        return -ELOOP;
    case (int32_t)FILESYSTEM_STATUS_NAME_TOO_LONG:
        return -ENAMETOOLONG;
    case (int32_t)FILESYSTEM_STATUS_CROSS_DEVICE:
        return -EXDEV;
    case (int32_t)FILESYSTEM_STATUS_READ_ONLY:
        return -EROFS;
    case (int32_t)FILESYSTEM_STATUS_NO_SPACE:
        return -ENOSPC;
    case (int32_t)FILESYSTEM_STATUS_NO_QUOTA:
        return -EDQUOT;
    case (int32_t)FILESYSTEM_STATUS_TEXT_BUSY:
        return -ETXTBSY;
    case (int32_t)FILESYSTEM_STATUS_TOO_MANY_NAMES:
        return -EMLINK;
    case (int32_t)FILESYSTEM_STATUS_TOO_LARGE:
        return -EFBIG;
    case (int32_t)FILESYSTEM_STATUS_NO_ATTRIBUTE:
        return -ENODATA;
    case (int32_t)FILESYSTEM_STATUS_LOCKED:
        return -EAGAIN;
    case (int32_t)FILESYSTEM_STATUS_DEADLOCK:
        return -EDEADLK;
    case (int32_t)FILESYSTEM_STATUS_NO_ACCESS:
        return -EACCES;
    case (int32_t)FILESYSTEM_STATUS_NO_DEVICE:
        return -ENXIO;
    case STATUS_BAD_METHOD: /* the session is no directory or file of a file system */
        return -ENOTDIR;
    default:
        return error_of(status);
    }
}

int64_t error_of_process(status_t status) {
    switch ((int32_t)status) {
    case (int32_t)PROCESS_STATUS_NO_PROCESS:
        return -ESRCH;
    case (int32_t)PROCESS_STATUS_NO_CHILD:
        return -ECHILD;
    case (int32_t)PROCESS_STATUS_TOO_MANY:
        return -EAGAIN;
    case (int32_t)PROCESS_STATUS_BAD_TICKET:
    case (int32_t)PROCESS_STATUS_NO_ACCESS:
        return -EACCES;
    default:
        return error_of(status);
    }
}

int64_t error_of_local(status_t status) {
    switch ((int32_t)status) {
    case (int32_t)LOCAL_STATUS_REFUSED:
        return -ECONNREFUSED;
    case (int32_t)LOCAL_STATUS_CONNECTED:
        return -EISCONN;
    case (int32_t)LOCAL_STATUS_NOT_CONNECTED:
        return -ENOTCONN;
    case (int32_t)LOCAL_STATUS_NAME_TAKEN:
        return -EADDRINUSE;
    case (int32_t)LOCAL_STATUS_WRONG_TYPE:
        return -EPROTOTYPE;
    case (int32_t)LOCAL_STATUS_TOO_LONG:
        return -EMSGSIZE;
    case (int32_t)LOCAL_STATUS_RESET:
        return -ECONNRESET;
    case (int32_t)LOCAL_STATUS_INTERRUPTED:
        return -EINTR;
    case STATUS_BAD_METHOD:
        return -ENOTSOCK;
    default:
        return error_of(status);
    }
}

int64_t error_of_tty(status_t status) {
    switch ((int32_t)status) {
    case (int32_t)TTY_STATUS_NOT_TERMINAL:
    case STATUS_BAD_METHOD:
        return -ENOTTY;
    case (int32_t)TTY_STATUS_NO_GROUP:
        return -ESRCH;
    case (int32_t)STREAM_STATUS_BACKGROUND:
        return -ERESTARTSYS;
    default:
        return error_of(status);
    }
}
