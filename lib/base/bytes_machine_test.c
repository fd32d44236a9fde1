/* The byte movers as they are compiled for the machine (rep movsq and its like), which the host's
 * variants leave out. Memory that they write is written by assembly, unseen by the sanitizers: so
 * it is compared. */
#undef ISOTOPE_HOST
#define bytes_copy machine_copy
#define bytes_zero machine_zero
#define bytes_equal machine_equal
#define text_length machine_text_length
#define text_equal machine_text_equal
#define memcpy machine_memcpy
#define memmove machine_memmove
#define memset machine_memset
#define memcmp machine_memcmp
#include "lib/base/bytes.c"
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
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

/* Whether `got` is what the C library makes of the same. */
static bool same(const struct bytes *_Nonnull got, const struct bytes *_Nonnull expected) {
    return memcmp(got->at, expected->at, SIZE) == 0;
}

TEST(copies_of_every_size_and_offset) {
    struct bytes from = pattern();
    for (size_t offset = 0; offset < 9; offset++) {
        for (size_t size = 0; size + offset < SIZE; size++) {
            struct bytes got = {};
            struct bytes other = {};
            struct bytes expected = {};
            machine_copy(&got.at[offset], &from.at[1], size);
            REQUIRE(machine_memcpy(&other.at[offset], &from.at[1], size) == &other.at[offset]);
            memcpy(&expected.at[offset], &from.at[1], size);
            REQUIRE(same(&got, &expected) && same(&other, &expected));
        }
    }
}

TEST(moves_within_one_array) {
    for (size_t to = 0; to < SIZE; to++) {
        for (size_t from = 0; from < SIZE; from++) {
            for (size_t size = 0; size <= SIZE - MAX(to, from); size++) {
                struct bytes got = pattern();
                struct bytes expected = pattern();
                (void)machine_memmove(&got.at[to], &got.at[from], size);
                memmove(&expected.at[to], &expected.at[from], size);
                REQUIRE(same(&got, &expected));
            }
        }
    }
}

TEST(filling_and_zeroing) {
    for (size_t size = 0; size < SIZE; size++) {
        struct bytes got = pattern();
        struct bytes expected = pattern();
        (void)machine_memset(&got.at[1], 0x1A5, size);
        memset(&expected.at[1], 0x1A5, size);
        REQUIRE(same(&got, &expected));
        machine_zero(&got.at[1], size);
        memset(&expected.at[1], 0, size);
        REQUIRE(same(&got, &expected));
    }
}

TEST(comparing_has_the_sign_of_the_first_difference) {
    struct bytes a = pattern();
    for (size_t i = 0; i < SIZE; i++) {
        struct bytes b = pattern();
        b.at[i] = 0xFF;
        EXPECT(machine_memcmp(a.at, b.at, SIZE) < 0);
        EXPECT(machine_memcmp(b.at, a.at, SIZE) > 0);
        EXPECT_EQUAL(machine_memcmp(a.at, b.at, i), 0);
    }
}
