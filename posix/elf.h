#pragma once
/* Program images: the ELF header and its segments, checked, and turned into a list of what to map.
 * The bytes are a file's, so hostile. Source: the System V ABI and its x86-64 supplement; errnos
 * and signals as Linux's binfmt_elf gives them. */
#include "abi/elf.h"
#include "lib/base/safe.h"
#include "posix/linux.h"

enum {
    ELF_SEGMENT_LIMIT = 72, /* what fits into the reader's 4 KiB */
    ELF_MAP_LIMIT = 24,
    ELF_EXECUTABLE = 2,
    ELF_SHARED = 3,
    ELF_INTERPRETER = 3,
    ELF_GNU_STACK = 0x6474e551,
};

/* Is it an image that this machine runs? -ENOEXEC. */
int64_t elf_check(const struct elf_header *_Nonnull header, uint64_t file_bytes);

/* One mapping of an image; addresses are relative to the bias. */
struct elf_map {
    uint64_t address, length; /* whole pages of the file */
    uint64_t offset;
    uint64_t zero_address, zero_length; /* whole pages without a file behind them */
    /* The page in between: file_tail bytes of the file at tail_offset, then zeroes. */
    uint64_t tail_address, tail_offset, tail_length;
    uint32_t protection; /* of SYS_MAP */
};
struct elf_plan {
    uint64_t entry, headers; /* the segment table's address, 0: not mapped */
    uint64_t first, end;     /* the range of all mappings */
    uint64_t alignment;
    uint32_t map_count;
    uint16_t segment_count;
    bool fixed; /* the addresses are final (ET_EXEC) */
    bool executable_stack;
    uint64_t interpreter_offset, interpreter_size; /* size 0: none */
    struct elf_map maps[ELF_MAP_LIMIT];
};
/* -ENOEXEC: cannot be told to be a program; -EFAULT here means: Linux would have begun to load it
 * and killed the process by SIGSEGV. */
int64_t elf_plan_make(const struct elf_header *_Nonnull header,
                      const struct elf_segment (*_Nonnull segments)[ELF_SEGMENT_LIMIT],
                      struct elf_plan *_Nonnull out);

/* The first line of a script: `#!`, interpreter, at most one argument. Offsets are in `text`.
 * False: it is none, or none that Linux takes (-ENOEXEC). */
struct script_line {
    size_t interpreter, interpreter_size, argument, argument_size;
};
bool script_parse(const uint8_t (*_Nonnull text)[256], size_t size,
                  struct script_line *_Nonnull out);
