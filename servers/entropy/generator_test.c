#include "lib/base/test.h"
#include "servers/entropy/generator.h"

static const struct generator_key kernel = {{1, 2, 3, 4, 5, 6, 7, 8}}, no_pool;

static struct generator seeded(void) {
    struct generator generator = {};
    generator_seed(&generator, kernel, no_pool);
    return generator;
}

static struct generator_input input(const char *text) {
    return (struct generator_input){.size = strlen(text), .data = (const uint8_t *)text};
}

TEST(nothing_is_given_without_a_seed) {
    struct generator generator = {};
    uint8_t bytes[8] = {};
    EXPECT_EQUAL(generator_give(&generator, (struct generator_bytes){sizeof bytes, bytes}),
                 STATUS_WOULD_BLOCK);
    EXPECT(generator_needs_seed(&generator));
}

TEST(a_new_seed_is_due_after_the_limit) {
    struct generator generator = seeded();
    static uint8_t bytes[GENERATOR_LIMIT];
    EXPECT_EQUAL(generator_give(&generator, (struct generator_bytes){sizeof bytes - 1, bytes}),
                 STATUS_OK);
    EXPECT(!generator_needs_seed(&generator));
    EXPECT_EQUAL(generator_give(&generator, (struct generator_bytes){1, bytes}), STATUS_OK);
    EXPECT(generator_needs_seed(&generator));
    EXPECT_EQUAL(generator_give(&generator, (struct generator_bytes){1, bytes}),
                 STATUS_WOULD_BLOCK);
}

TEST(the_key_is_gone_with_every_answer) {
    struct generator generator = seeded();
    struct generator before = generator;
    uint8_t first[40];
    uint8_t second[40];
    EXPECT_EQUAL(generator_give(&generator, (struct generator_bytes){sizeof first, first}),
                 STATUS_OK);
    EXPECT(memcmp(&before.key, &generator.key, sizeof before.key) != 0);
    /* The next key is no part of what was given. */
    EXPECT(memcmp(first, &generator.key, sizeof generator.key) != 0);
    EXPECT_EQUAL(generator_give(&generator, (struct generator_bytes){sizeof second, second}),
                 STATUS_OK);
    EXPECT(memcmp(first, second, sizeof first) != 0);
    struct generator_bytes none = {};
    before = generator;
    EXPECT_EQUAL(generator_give(&generator, none), STATUS_OK);
    EXPECT(memcmp(&before.key, &generator.key, sizeof before.key) != 0);
}

TEST(a_longer_answer_begins_like_a_shorter_one_and_has_no_repetition) {
    uint8_t bytes[200];
    for (size_t size = 0; size <= sizeof bytes; size++) {
        struct generator generator = seeded();
        uint8_t all[sizeof bytes] = {};
        EXPECT_EQUAL(generator_give(&generator, (struct generator_bytes){size, bytes}), STATUS_OK);
        generator = seeded();
        EXPECT_EQUAL(generator_give(&generator, (struct generator_bytes){sizeof all, all}),
                     STATUS_OK);
        EXPECT_EQUAL(memcmp(bytes, all, size), 0);
    }
    for (size_t at = 0; at + 16 <= sizeof bytes; at += 8) {
        EXPECT(memcmp(&bytes[0], &bytes[at], 8) != 0 || at == 0);
    }
}

TEST(what_is_mixed_in_changes_pool_and_seed) {
    struct generator_key one = generator_mix(no_pool, input("a"));
    struct generator_key other = generator_mix(no_pool, input("b"));
    struct generator_key twice = generator_mix(one, input("a"));
    struct generator_key longer =
        generator_mix(no_pool, input("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"));
    EXPECT(memcmp(&one, &no_pool, sizeof one) != 0);
    EXPECT(memcmp(&one, &other, sizeof one) != 0);
    EXPECT(memcmp(&one, &twice, sizeof one) != 0);
    EXPECT(memcmp(&longer, &twice, sizeof one) != 0);
    struct generator plain = seeded();
    struct generator mixed = {};
    generator_seed(&mixed, kernel, one);
    EXPECT(memcmp(&plain.key, &mixed.key, sizeof one) != 0);
}
