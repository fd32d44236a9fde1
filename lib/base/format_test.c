#include "lib/base/format.h"
#include "lib/base/test.h"

static struct {
    char text[64];
} out;

#define FORMATS_AS(expected, ...)                                                                  \
    do {                                                                                           \
        EXPECT_EQUAL(format_text(out.text, sizeof out.text, __VA_ARGS__), strlen(expected));       \
        EXPECT_TEXT(out.text, expected);                                                           \
    } while (0)

TEST(numbers_of_both_widths_and_all_bases) {
    FORMATS_AS("0 7 -7 4294967295 ffffffff", "%d %d %d %u %x", 0, 7, -7, UINT32_MAX, UINT32_MAX);
    FORMATS_AS("18446744073709551615 deadbeefcafe", "%lu %lx", UINT64_MAX, 0xdeadbeefcafeul);
}

TEST(the_least_numbers) {
    FORMATS_AS("-2147483648", "%d", INT32_MIN);
    FORMATS_AS("-9223372036854775808", "%ld", INT64_MIN);
}

TEST(widths_pad_with_spaces_or_zeros_and_never_cut) {
    FORMATS_AS("[   7] [0007] [12345] [00000000000000ff]", "[%4u] [%04u] [%2u] [%016lx]", 7, 7,
               12345, 255ul);
}

TEST(texts_characters_and_percent) {
    FORMATS_AS("a-bc 100%", "%c-%s %d%%", 'a', "bc", 100);
    FORMATS_AS("", "%s", "");
}

TEST(a_short_array_cuts_and_is_terminated) {
    struct {
        char text[4];
        char guard;
    } small = {.guard = 'g'};
    EXPECT_EQUAL(format_text(small.text, sizeof small.text, "%u", 123456), 3);
    EXPECT_TEXT(small.text, "123");
    EXPECT_EQUAL(small.guard, 'g');
    EXPECT_EQUAL(format_text(small.text, 1, "%s", "abc"), 0);
    EXPECT_TEXT(small.text, "");
    small.text[0] = 'x';
    EXPECT_EQUAL(format_text(small.text, 0, "%s", "abc"), 0);
    EXPECT_EQUAL(small.text[0], 'x');
}

static size_t append(size_t length, const char *_Nonnull text, ...) {
    va_list arguments;
    va_start(arguments, text);
    size_t added = format_text_list(out.text, length, sizeof out.text, text, arguments);
    va_end(arguments);
    return added;
}

TEST(appending_tells_how_much_it_added) {
    size_t length = append(0, "%s", "one");
    EXPECT_EQUAL(append(length, " and %u", 2), 6);
    EXPECT_TEXT(out.text, "one and 2");
    EXPECT_EQUAL(append(sizeof out.text - 1, "%s", "more"), 0);
}
