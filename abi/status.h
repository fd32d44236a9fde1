#pragma once
/* Status codes: the one vocabulary in which the kernel, servers and stubs say how an operation
 * ended. Zero is success, every error is negative. The POSIX runtime alone translates to errno.
 * Numbers -1 … -63 belong to the kernel, -64 … -255 are common to all protocols; a protocol's own
 * codes start at -256. */
#include <stdint.h>

typedef enum [[nodiscard]] status : int32_t {
    STATUS_OK = 0,
    STATUS_BAD_HANDLE = -1,     /* no such handle, or its generation is over */
    STATUS_BAD_TYPE = -2,       /* the handle refers to an object of another type */
    STATUS_BAD_RIGHTS = -3,     /* the handle lacks a right that the operation needs */
    STATUS_BAD_ARGUMENT = -4,   /* a value is outside what the operation accepts */
    STATUS_BAD_ADDRESS = -5,    /* memory of the caller is not mapped as needed */
    STATUS_OUT_OF_MEMORY = -6,  /* the machine has no free page */
    STATUS_OUT_OF_QUOTA = -7,   /* the domain's quota is used up */
    STATUS_OUT_OF_HANDLES = -8, /* the handle table (or keep) is full */
    STATUS_NOT_FOUND = -9,
    STATUS_EXISTS = -10,
    STATUS_BUSY = -11,       /* the object is in a state that does not allow this now */
    STATUS_TIMED_OUT = -12,  /* the deadline passed */
    STATUS_CANCELLED = -13,  /* the call or wait was cancelled (a kick, a signal) */
    STATUS_ABSENT = -14,     /* a lease page is not present: end the attempt with FAULT_IN */
    STATUS_FAULT_IN = -15,   /* reply only: make lease pages present, then deliver again */
    STATUS_CLOSED = -16,     /* the other side is gone for good */
    STATUS_POISONED = -17,   /* the call was in hand at three faults or hangs of its server */
    STATUS_NO_SYSCALL = -18, /* no such native system call */
    STATUS_NOT_SUPPORTED = -19,
    STATUS_WOULD_BLOCK = -20,  /* and the caller asked not to wait */
    STATUS_DIED = -21,         /* the process or thread has ended */
    STATUS_CORRUPT = -22,      /* a record, image or structure failed its validation */
    STATUS_OUT_OF_RANGE = -23, /* beyond the end of the object */
    STATUS_NO_CREDIT = -24,    /* the pager refused space for a write; errno is with it */
    STATUS_AGAIN = -25,        /* a compared value had changed (futex) */
    STATUS_RESTART = -63,      /* inside the kernel only: execute the system call again */
    STATUS_BAD_MESSAGE = -64,  /* a message failed the dispatcher's validation */
    STATUS_BAD_METHOD = -65,   /* the protocol has no such method */
    STATUS_IO = -66,           /* a device or medium failed */
    STATUS_NOT_ALLOWED = -67,  /* the principal may not do this */
} status_t;

/* Returns from the function with the call's status unless that is OK. Only where nothing has to be
 * given back first. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        status_t try_ = (call);                                                                    \
        if (try_ != STATUS_OK) {                                                                   \
            return try_;                                                                           \
        }                                                                                          \
    } while (0)

/* Returns `status` where the condition holds: what a function does not accept, or cannot do now. */
#define REFUSE(condition, status)                                                                  \
    do {                                                                                           \
        if (condition) {                                                                           \
            return (status);                                                                       \
        }                                                                                          \
    } while (0)
