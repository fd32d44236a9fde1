#pragma once
/* What a program finds on its stack: argument count, arguments, environment, auxiliary vector, and
 * above them the texts that they point to. Source: the System V ABI's x86-64 supplement.
 *
 *   top   8 zero bytes
 *         name of the file     texts: environment     texts: arguments
 *         16 random bytes, platform
 *         auxiliary vector, environment pointers, argument pointers, count   <- stack pointer
 */
#include "lib/base/safe.h"

enum {
    STACK_AUXILIARY_LIMIT = 24,
    STACK_STRING_LIMIT = 131072,   /* MAX_ARG_STRLEN */
    STACK_STRINGS_LIMIT = 2 << 20, /* a quarter of the stack */
};
enum auxiliary_type : uint64_t {
    AUX_END = 0,
    AUX_SEGMENTS = 3,
    AUX_SEGMENT_SIZE = 4,
    AUX_SEGMENT_COUNT = 5,
    AUX_PAGE_SIZE = 6,
    AUX_BASE = 7,
    AUX_FLAGS = 8,
    AUX_ENTRY = 9,
    AUX_UID = 11,
    AUX_EUID = 12,
    AUX_GID = 13,
    AUX_EGID = 14,
    AUX_PLATFORM = 15,
    AUX_HWCAP = 16,
    AUX_TICKS = 17,
    AUX_SECURE = 23,
    AUX_RANDOM = 25,
    AUX_HWCAP2 = 26,
    AUX_FILE_NAME = 31,
    AUX_VDSO = 33,
    AUX_MINIMUM_SIGNAL_STACK = 51,
};
struct auxiliary {
    uint64_t type, value;
};

/* Sizes with their NULs. */
struct stack_texts {
    uint64_t argument_count, argument_bytes, environment_count, environment_bytes, name_bytes;
};
struct stack_plan {
    uint64_t pointer;                           /* of the new program */
    uint64_t arguments, environment, auxiliary; /* the vectors */
    uint64_t argument_texts, environment_texts, name, platform, random;
};
/* False: it is too much (E2BIG). */
bool stack_plan_make(uint64_t top, const struct stack_texts *_Nonnull texts,
                     uint32_t auxiliary_count, struct stack_plan *_Nonnull out);
