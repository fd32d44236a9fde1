#pragma once
/* ELF-64 as x86-64 has it, as far as it is read here: program files in the boot image and
 * elsewhere. Source: System V ABI, chapters 4 and 5. */
#include <stdint.h>

enum { ELF_MACHINE_X86_64 = 62, ELF_LOAD = 1 };
enum { ELF_EXECUTE = 1, ELF_WRITE = 2, ELF_READ = 4 };

struct elf_header {
    uint8_t identity[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, segments, sections; /* the tables' offsets */
    uint32_t flags;
    uint16_t header_size, segment_size, segment_count, section_size, section_count, names;
};
struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, address, physical, file_size, memory_size, alignment;
};
static_assert(sizeof(struct elf_header) == 64 && sizeof(struct elf_segment) == 56);
