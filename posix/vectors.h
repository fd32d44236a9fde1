#pragma once
/* Bytes in several pieces of the program's memory, and a place of our own for all of them at once.
 */
#include "posix/state.h"

enum { VECTOR_LIMIT = 1024 };

/* Where the bytes of one call lie: the thread's scratch area, or memory mapped for as long. */
struct bounce {
    uint64_t address, size, mapped; /* mapped: bytes; 0: it is the scratch area */
};
/* -ENOMEM. */
int64_t bounce_begin(struct posix_thread *_Nonnull self, uint64_t size,
                     struct bounce *_Nonnull out);
void bounce_end(const struct bounce *_Nonnull bounce);

/* How much there is. Errors: -EFAULT, -EINVAL. */
int64_t vectors_total(uint64_t vectors, uint64_t count, uint64_t *_Nonnull out);
/* Tries whether the first `size` bytes can be written: what a server gives cannot be put back. */
int64_t vectors_probe(uint64_t vectors, uint64_t count, uint64_t size);
/* Copies `size` bytes, beginning behind the first `skip`, to an address of our own; and `size`
 * bytes from there to the beginning. -EFAULT. */
int64_t vectors_gather(uint64_t vectors, uint64_t count, uint64_t skip, uint64_t to, uint64_t size);
int64_t vectors_scatter(uint64_t vectors, uint64_t count, uint64_t from, uint64_t size);
