/* See stack.h. */
#include "posix/stack.h"

enum {
    PLATFORM_BYTES = 16,
    RANDOM_BYTES = 16,
    POINTER = 8,
};

bool stack_plan_make(uint64_t top, const struct stack_texts *_Nonnull texts,
                     uint32_t auxiliary_count, struct stack_plan *_Nonnull out) {
    uint64_t pointers = 0;
    uint64_t total = 0;
    if (ckd_add(&pointers, texts->argument_count, texts->environment_count) ||
        pointers > STACK_STRINGS_LIMIT / POINTER ||
        ckd_add(&total, texts->argument_bytes, texts->environment_bytes) ||
        ckd_add(&total, total, texts->name_bytes) ||
        total + pointers * POINTER > STACK_STRINGS_LIMIT) {
        return false;
    }
    out->name = top - POINTER - texts->name_bytes;
    out->environment_texts = out->name - texts->environment_bytes;
    out->argument_texts = out->environment_texts - texts->argument_bytes;
    out->platform = (out->argument_texts - PLATFORM_BYTES) & ~15ull;
    out->random = out->platform - RANDOM_BYTES;
    uint64_t words =
        1 + (texts->argument_count + 1) + (texts->environment_count + 1) + 2ull * auxiliary_count;
    out->pointer = (out->random - words * POINTER) & ~15ull;
    out->arguments = out->pointer + POINTER;
    out->environment = out->arguments + (texts->argument_count + 1) * POINTER;
    out->auxiliary = out->environment + (texts->environment_count + 1) * POINTER;
    return true;
}
