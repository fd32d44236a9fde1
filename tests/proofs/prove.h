#pragma once
/* What the proofs share: arbitrary values, assumptions, and CHECK as an assertion. */
#include <stddef.h>
#include <stdint.h>

void __CPROVER_assert(bool condition, const char *text);
void __CPROVER_assume(bool condition);

#define ASSUME(c) __CPROVER_assume(c)
#define PROVE(c) __CPROVER_assert(c, #c)

/* CBMC gives a local that is not initialised any value. */
#define ANY_VALUE(name, type)                                                                      \
    static inline type name(void) {                                                                \
        type value;                                                                                \
        return value;                                                                              \
    }
ANY_VALUE(any_u64, uint64_t)
ANY_VALUE(any_u32, uint32_t)
ANY_VALUE(any_u16, uint16_t)
ANY_VALUE(any_u8, uint8_t)

static inline bool any_bool(void) {
    return (any_u8() & 1) != 0;
}

/* A value below `limit`. */
static inline uint32_t any_below(uint32_t limit) {
    uint32_t value = any_u32();
    ASSUME(value < limit);
    return value;
}

/* A failed CHECK of the sources, which is what a proof shows cannot happen. */
static inline void prove_check_failed(void) {
    __CPROVER_assert(0, "CHECK of the source");
    ASSUME(0);
}
