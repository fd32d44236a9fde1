#pragma once
/* The host's backend of the native layer: what a unit test sets and counts. */
#include "posix/native.h"
#include "posix/state.h"

struct sim_backend {
    struct posix_thread *_Nonnull self;
    void *_Nullable test; /* the test's own */
    /* Answers a call to a server; registers and thread page as the kernel has them. */
    void (*_Nullable call)(struct sim_backend *_Nonnull backend,
                           struct syscall_registers *_Nonnull registers);
    struct native_result (*_Nullable native)(struct sim_backend *_Nonnull backend,
                                             enum syscall_number number,
                                             const uint64_t (*_Nonnull arguments)[6]);
    int64_t handles; /* duplicated minus closed */
    uint32_t next_handle, calls;
    uint64_t now_ns;
};

/* A process of one thread with an empty table of descriptors. */
struct sim_backend *_Nonnull sim_begin(void);
void sim_end(struct sim_backend *_Nonnull ended);
