#include "lib/base/bytes.h"
#include "lib/base/test.h"

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

TEST(a_copy_moves_exactly_its_bytes_for_every_size_and_offset) {
    struct bytes from = pattern();
    for (size_t offset = 0; offset < 9; offset++) {
        for (size_t size = 0; size + offset < SIZE; size++) {
            struct bytes to = {};
            bytes_copy(&to.at[offset], &from.at[offset], size);
            for (size_t i = 0; i < SIZE; i++) {
                bool inside = i >= offset && i < offset + size;
                REQUIRE(to.at[i] == (inside ? from.at[i] : 0));
            }
        }
    }
}

TEST(zeroing_touches_nothing_else) {
    for (size_t size = 0; size < SIZE; size++) {
        struct bytes to = pattern();
        bytes_zero(&to.at[1], size < SIZE - 1 ? size : SIZE - 1);
        EXPECT_EQUAL(to.at[0], 1);
        for (size_t i = 1; i < SIZE; i++) {
            REQUIRE(to.at[i] == (i <= size ? 0 : i + 1));
        }
    }
}

TEST(equality_looks_at_every_byte_and_no_further) {
    struct bytes a = pattern();
    for (size_t i = 0; i < SIZE; i++) {
        struct bytes b = pattern();
        b.at[i] ^= 0x80;
        EXPECT(!bytes_equal(a.at, b.at, SIZE));
        EXPECT(bytes_equal(a.at, b.at, i));
    }
    EXPECT(bytes_equal(a.at, a.at, SIZE));
}

TEST(the_length_of_a_text_without_end_is_its_capacity) {
    static const char unended[4] = {'a', 'b', 'c', 'd'};
    EXPECT_EQUAL(text_length(unended, sizeof unended), 4);
    EXPECT_EQUAL(text_length("ab", 3), 2);
    EXPECT_EQUAL(text_length("ab", 1), 1);
    EXPECT_EQUAL(text_length("", 1), 0);
}

TEST(texts_are_equal_only_if_they_end_together) {
    EXPECT(text_equal("", "") && text_equal("abc", "abc"));
    EXPECT(!text_equal("abc", "abd") && !text_equal("abc", "ab") && !text_equal("ab", "abc"));
}

TEST(a_place_at_an_offset) {
    struct bytes from = pattern();
    const uint8_t *seventh = bytes_at_const(&from, 6);
    EXPECT_EQUAL(*seventh, 7);
    *(uint8_t *)bytes_at(&from, 6) = 9;
    EXPECT_EQUAL(from.at[6], 9);
}
