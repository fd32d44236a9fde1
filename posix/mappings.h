#pragma once
/* What is mapped in this process's own space, as the kernel has it. */
#include "abi/info.h"
#include "posix/state.h"

/* A walk over the mappings that touch a range, in order. It uses the thread's scratch area. */
struct mapping_walk {
    uint64_t at, end;      /* what is still to be looked at */
    uint64_t cursor;       /* of SYS_OBJECT_LIST */
    uint32_t count, index; /* entries in the scratch area, and the next of them */
    bool hole;             /* some page of the range so far is not mapped */
};
struct mapping_walk mapping_walk_begin(uint64_t address, uint64_t length);
/* The next mapping, cut to the range; false: there is none, and `hole` is known. */
bool mapping_walk_next(struct posix_thread *_Nonnull self, struct mapping_walk *_Nonnull walk,
                       struct mapping_entry *_Nonnull out);
/* -ENOMEM: not all of the range is mapped. */
int64_t mappings_cover(struct posix_thread *_Nonnull self, uint64_t address, uint64_t length);
/* Bytes mapped for the program: all, or of private writable memory but its stack. */
uint64_t mappings_total(struct posix_thread *_Nonnull self, bool only_data);
