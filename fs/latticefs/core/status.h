#pragma once
/* The outcomes of latticefs operations. The core knows neither errno nor a kernel's codes: each
 * front end (FUSE, server, tools) translates. */
#include <stdint.h>

typedef enum [[nodiscard]] lattice_status : int32_t {
    LATTICE_OK = 0,
    LATTICE_NOT_FOUND,     /* no such name, object, dataset or attribute */
    LATTICE_EXISTS,        /* the name is taken */
    LATTICE_INVALID,       /* an argument outside what the call accepts */
    LATTICE_NOT_DIRECTORY, /* a directory was needed */
    LATTICE_IS_DIRECTORY,  /* a directory was not allowed */
    LATTICE_NOT_EMPTY,     /* the directory has entries, the dataset has snapshots */
    LATTICE_NAME_TOO_LONG, /* more than 255 bytes */
    LATTICE_TOO_LARGE,     /* beyond the largest file, value or list */
    LATTICE_TOO_MANY,      /* links, collisions, disks or segments beyond the format's limit */
    LATTICE_NO_SPACE,      /* the pool's free blocks do not cover the worst case */
    LATTICE_QUOTA,         /* the dataset's quota does not */
    LATTICE_NO_MEMORY,     /* the memory interface refused; nothing was changed */
    LATTICE_IO,            /* a disk refused */
    LATTICE_CORRUPT,       /* what was read is not what was written, on every copy */
    LATTICE_UNSUPPORTED,   /* a feature or value this version does not know */
    LATTICE_READ_ONLY,     /* mount, dataset or snapshot is read-only */
    LATTICE_BUSY,          /* in use: clones, open files, a running job */
    LATTICE_ABORTED,       /* the running transaction failed; the disk holds the last commit */
    LATTICE_KEY_NEEDED,    /* the dataset is encrypted and its key was not loaded */
    LATTICE_MISMATCH,      /* a stream does not follow from what the receiver has */
} lattice_status_t;

/* Hands a failure on to the caller, for functions that own nothing yet. */
#define TRY(expression)                                                                            \
    do {                                                                                           \
        lattice_status_t try_status_ = (expression);                                               \
        if (try_status_ != LATTICE_OK) {                                                           \
            return try_status_;                                                                    \
        }                                                                                          \
    } while (0)
