/* The checksum of vault records. Every step is a bijection of the state for a given word, and of
 * the word for a given state, so no change of a single word goes unnoticed; a word's place counts,
 * since the state is turned in between. */
#include "lib/rt/message.h"

UNSAFE_BEGIN
uint64_t rt_record_checksum(const struct rt_record_header *_Nonnull record) {
    CHECK(record->size >= sizeof(*record) && record->size % sizeof(uint64_t) == 0);
    const uint64_t *words = (const uint64_t *)(const void *)record;
    uint64_t sum = 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < record->size / sizeof(uint64_t); i++) {
        bool is_checksum = i == offsetof(struct rt_record_header, checksum) / sizeof(uint64_t);
        uint64_t mixed = sum ^ (is_checksum ? 0 : words[i]);
        (void)__builtin_mul_overflow(mixed, UINT64_C(0xff51afd7ed558ccd), &sum);
        sum = (sum << 29) | (sum >> 35);
    }
    return sum;
}
UNSAFE_END
