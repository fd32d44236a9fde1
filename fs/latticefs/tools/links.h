#pragma once
/* Which files were seen under another name already: files by two numbers (device and inode of the
 * host, or 0 and the object), each with what became of it. */
#include "fs/latticefs/core/bytes.h"

#pragma clang assume_nonnull begin

struct linked {
    uint64_t device;
    uint64_t number;      /* never 0 */
    uint64_t object;      /* 0 = not known yet */
    char *_Nullable path; /* of its first name, or null; given back with the table */
};

struct link_table {
    size_t count;
    size_t capacity; /* 0, or a power of two */
    struct linked *_Nullable data COUNTED_BY(capacity);
};

/* The entry of a file, made if there is none; valid until the next call. Null: out of memory. */
struct linked *_Nullable links_find(struct link_table *table, uint64_t device, uint64_t number);
void links_release(struct link_table *table);

#pragma clang assume_nonnull end
