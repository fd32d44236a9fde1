#pragma once
/* mmap's arguments checked and translated; no native call. */
#include "posix/state.h"

struct mapping_request {
    uint64_t address, length, offset; /* page-aligned; address 0: anywhere */
    uint32_t flags;                   /* protection and flags of SYS_MAP */
    bool anonymous, shared;
};
int64_t mapping_request_of(uint64_t address, uint64_t length, uint64_t protection, uint64_t flags,
                           uint64_t offset, struct mapping_request *_Nonnull out);
/* The protection for SYS_MAP and SYS_PROTECT: what can be written or run can be read, as on x86.
 * -EINVAL. */
int64_t mapping_protection_of(uint64_t protection, uint32_t *_Nonnull out);
/* A range of the program: page-aligned start, length rounded up. -EINVAL, -ENOMEM. */
int64_t mapping_range(uint64_t address, uint64_t length, uint64_t *_Nonnull out_length);
