#include "lib/base/test.h"
#include "lib/words/words.h"

enum { SIZE = 40 };
struct bytes {
    uint8_t at[SIZE];
};

static struct bytes pattern(void) {
    struct bytes made = {};
    for (uint8_t i = 0; i < SIZE; i++) {
        made.at[i] = i + 1;
    }
    return made;
}

TEST(equality_looks_at_every_byte_and_no_further) {
    struct bytes a = pattern();
    for (size_t i = 0; i < SIZE; i++) {
        struct bytes b = pattern();
        b.at[i] ^= 0x80;
        EXPECT(!words_equal(a.at, b.at, SIZE));
        EXPECT(words_equal(a.at, b.at, i));
    }
    EXPECT(words_equal(a.at, a.at, SIZE));
}

TEST(a_byte_is_found_where_it_first_stands) {
    for (size_t size = 0; size <= SIZE; size++) {
        struct bytes in = pattern();
        for (size_t i = 0; i < SIZE; i++) {
            EXPECT_EQUAL(words_find(in.at, size, in.at[i]), i < size ? i : size);
        }
        EXPECT_EQUAL(words_find(in.at, size, 0xff), size);
        EXPECT_EQUAL(words_find(in.at, size, 0), size);
        in.at[3] = in.at[4] = in.at[17] = 0x80; /* neighbours, and bytes with the high bit */
        in.at[16] = 0x81;
        EXPECT_EQUAL(words_find(in.at, size, 0x80), size > 3 ? 3 : size);
        EXPECT_EQUAL(words_find(in.at, size, 0x81), size > 16 ? 16 : size);
    }
}

TEST(a_hash_depends_on_every_byte_the_size_and_the_seed) {
    struct bytes a = pattern();
    for (size_t size = 1; size <= SIZE; size++) {
        uint64_t whole = words_hash(a.at, size, 7);
        EXPECT(whole == words_hash(a.at, size, 7));
        EXPECT(whole != words_hash(a.at, size, 8));
        EXPECT(whole != words_hash(a.at, size - 1, 7));
        for (size_t i = 0; i < SIZE; i++) {
            struct bytes b = pattern();
            b.at[i] ^= 0x10;
            EXPECT((words_hash(b.at, size, 7) != whole) == (i < size));
        }
    }
}
