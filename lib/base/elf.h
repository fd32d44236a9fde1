#pragma once
/* Native programs (supervisor, servers, drivers): mapped from the boot image itself, so whole pages
 * at fixed addresses, nothing writable, nothing to fill with zeroes. */
#include "abi/elf.h"
#include "abi/object.h"
#include "lib/base/bytes.h"

static inline bool elf_native(const struct elf_header *_Nonnull header) {
    return bytes_equal(header->identity, "\177ELF\2\1", 6) &&
           header->machine == ELF_MACHINE_X86_64 &&
           header->segment_size == sizeof(struct elf_segment) && header->segment_count <= 16;
}

/* Can a segment of a native program's file of `size` bytes be mapped? */
static inline bool elf_native_segment(const struct elf_segment *_Nonnull segment, uint64_t size) {
    uint64_t end = 0;
    return ((segment->address | segment->offset) & (PAGE_SIZE - 1)) == 0 &&
           segment->file_size == segment->memory_size && (segment->flags & ELF_WRITE) == 0 &&
           !ckd_add(&end, segment->offset, segment->file_size) && end <= size;
}
