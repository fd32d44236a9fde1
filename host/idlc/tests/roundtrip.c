/* What goes in comes out: every kind of parameter through stub, transport and dispatcher, both
 * ways, and every check of a stub with a reply that violates exactly it. */
#include "host/idlc/tests/calls.h"
#include "lib/base/test.h"

static uint8_t big[65537];

static void fill_big(void) {
    for (size_t i = 0; i < sizeof(big); i++) {
        big[i] = (uint8_t)(i * 7 + 3);
    }
}

TEST(nothing_goes_through) {
    sample_start();
    EXPECT_EQUAL(sample_nothing(9), STATUS_OK);
    EXPECT_EQUAL(loopback.last_timeout_ns, 1000000000u);
    EXPECT_EQUAL(loopback.last_flags, 0u);
}

TEST(a_nested_call_tells_its_step) {
    sample_start();
    EXPECT_EQUAL(sample_nothing_nested(loopback_context(), 17, 9), STATUS_OK);
    EXPECT_EQUAL(loopback.last_step, 17u);
}

TEST(numbers_go_through) {
    sample_start();
    sample_server.answer.numbers = (struct sample_numbers_out){.a2 = 255,
                                                               .b2 = 65535,
                                                               .c2 = UINT32_MAX,
                                                               .d2 = UINT64_MAX,
                                                               .e2 = INT32_MIN,
                                                               .f2 = INT64_MIN,
                                                               .g2 = true};
    struct sample_numbers_out out = {};
    EXPECT_EQUAL(sample_numbers(9, 255, 65535, UINT32_MAX, UINT64_MAX, INT32_MIN, INT64_MIN, true,
                                &out.a2, &out.b2, &out.c2, &out.d2, &out.e2, &out.f2, &out.g2),
                 STATUS_OK);
    struct sample_numbers_in got = sample_server.got.numbers;
    EXPECT(got.a == 255 && got.b == 65535 && got.c == UINT32_MAX && got.d == UINT64_MAX);
    EXPECT(got.e == INT32_MIN && got.f == INT64_MIN && got.g);
    EXPECT(out.a2 == 255 && out.b2 == 65535 && out.c2 == UINT32_MAX && out.d2 == UINT64_MAX);
    EXPECT(out.e2 == INT32_MIN && out.f2 == INT64_MIN && out.g2);
}

TEST(many_numbers_go_through) {
    sample_start();
    sample_server.answer.many.n = SAMPLE_MATERIAL_GLASS;
    sample_server.answer.many.o = SAMPLE_OPEN_FLAGS_ALL;
    struct sample_many_out out = {};
    EXPECT_EQUAL(sample_many(9, 1, 2, 3, 4, 5, 6, 7, 8, SAMPLE_MATERIAL_IRON, INT32_MIN, true,
                             SAMPLE_OPEN_FLAGS_WRITE, UINT64_MAX, &out.n, &out.o),
                 STATUS_OK);
    struct sample_many_in got = sample_server.got.many;
    EXPECT(got.a == 1 && got.g == 7 && got.h == 8 && got.i == SAMPLE_MATERIAL_IRON);
    EXPECT(got.j == INT32_MIN && got.k && got.l == SAMPLE_OPEN_FLAGS_WRITE && got.m == UINT64_MAX);
    EXPECT_EQUAL(out.n, SAMPLE_MATERIAL_GLASS);
    EXPECT_EQUAL(out.o, SAMPLE_OPEN_FLAGS_ALL);
}

/* A path of each length around the borders of the head arrives whole, by one way or the other. */
TEST(paths_of_all_lengths_go_through) {
    static const size_t sizes[] = {0, 1, 255, 256, 257, 300, 4095, 4096};
    fill_big();
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        sample_start();
        struct rt_bytes path = {.size = sizes[i], .data = big};
        EXPECT_EQUAL(call_open(path), STATUS_OK);
        EXPECT_EQUAL(sample_server.got.open.path.size, sizes[i]);
        EXPECT_EQUAL(sample_server.got.open.path.head.size, MIN(sizes[i], 256u));
        EXPECT_EQUAL(loopback.lease_in.length, sizes[i] > 256 ? sizes[i] : 0);
        EXPECT(memcmp(sample_server.path, big, sizes[i]) == 0);
    }
    sample_start();
    struct rt_bytes path = {.size = 4097, .data = big};
    EXPECT_EQUAL(call_open(path), STATUS_BAD_ARGUMENT);
    EXPECT_EQUAL(loopback.attempts, 0u);
}

TEST(handles_go_through) {
    sample_start();
    sample_server.answer.open.extra = HANDLE_MEMORY;
    sample_server.answer.open.info = good_description();
    struct sample_open_out out = {};
    EXPECT_EQUAL(sample_open(9, SAMPLE_OPEN_FLAGS_CREATE, SAMPLE_MATERIAL_GLASS, RT_STRING("p"),
                             HANDLE_OWN_SESSION, HANDLE_EVENT, HANDLE_MEMORY, &out.sample,
                             &out.extra, &out.info),
                 STATUS_OK);
    EXPECT_EQUAL(sample_server.got.open.where, HANDLE_OWN_SESSION);
    EXPECT_EQUAL(sample_server.got.open.where_cookie, LOOPBACK_OWN_COOKIE);
    EXPECT_EQUAL(sample_server.got.open.wake, HANDLE_EVENT);
    EXPECT_EQUAL(sample_server.got.open.owner, HANDLE_MEMORY);
    EXPECT_EQUAL(loopback.last_lend_mask, 0x5u);
    EXPECT_EQUAL(loopback.last_flags, CALL_WANTS_HANDLES);
    EXPECT_EQUAL(out.sample, HANDLE_OWN_SESSION);
    EXPECT_EQUAL(out.extra, HANDLE_MEMORY);
    struct sample_description info = good_description();
    EXPECT(memcmp(&out.info, &info, sizeof(info)) == 0);
    EXPECT_EQUAL(loopback.closed, 0u);
}

TEST(a_nested_call_forwards_the_principal) {
    sample_start();
    struct sample_open_out out = {};
    EXPECT_EQUAL(sample_open_nested(loopback_context(), 3, 9, 0, SAMPLE_MATERIAL_WOOD,
                                    RT_STRING("p"), HANDLE_OWN_SESSION, HANDLE_EVENT, HANDLE_NONE,
                                    &out.sample, &out.extra, &out.info),
                 STATUS_OK);
    EXPECT_EQUAL(loopback.last_flags, CALL_WANTS_HANDLES | CALL_FORWARD_PRINCIPAL);
    EXPECT_EQUAL(out.extra, HANDLE_NONE);
}

TEST(strings_structures_and_arrays_go_through) {
    sample_start();
    struct sample_describe_out *answer = &sample_server.answer.describe;
    answer->label_size = 40;
    memset(answer->label, 'l', 40);
    answer->first = (struct sample_point){.x = 11, .y = -12};
    for (uint16_t i = 0; i < 5; i++) {
        answer->codes[i] = i;
    }
    struct sample_description info = good_description();
    uint32_t pair[3] = {7, 8, 9};
    struct sample_describe_out out = {};
    uint64_t size = 0;
    EXPECT_EQUAL(sample_describe(9, RT_STRING("0123456789abcdef0123456789abcdef"), &info, &pair,
                                 RT_BUFFER_OF(out.label), &size, &out.first, &out.codes,
                                 &out.kinds),
                 STATUS_OK);
    EXPECT_EQUAL(sample_server.got.describe.name.size, 32u);
    EXPECT(memcmp(sample_server.name, "0123456789abcdef0123456789abcdef", 32) == 0);
    EXPECT(memcmp(&sample_server.got.describe.info, &info, sizeof(info)) == 0);
    EXPECT(memcmp(sample_server.got.describe.pair, pair, sizeof(pair)) == 0);
    EXPECT_EQUAL(size, 40u);
    EXPECT(memcmp(out.label, answer->label, 40) == 0);
    EXPECT(out.first.x == 11 && out.first.y == -12);
    EXPECT(memcmp(out.codes, answer->codes, sizeof(out.codes)) == 0);
    EXPECT(memcmp(out.kinds, answer->kinds, sizeof(out.kinds)) == 0);
}

TEST(a_stub_refuses_what_cannot_be_sent) {
    sample_start();
    struct sample_description info = good_description();
    uint32_t pair[3] = {};
    struct sample_describe_out out = {};
    uint8_t small[39] = {};
    uint64_t size = 0;
    EXPECT_EQUAL(sample_describe(9, RT_STRING("0123456789abcdef0123456789abcdef+"), &info, &pair,
                                 RT_BUFFER_OF(out.label), &size, &out.first, &out.codes,
                                 &out.kinds),
                 STATUS_BAD_ARGUMENT);
    EXPECT_EQUAL(sample_describe(9, RT_STRING("a\0b"), &info, &pair, RT_BUFFER_OF(out.label), &size,
                                 &out.first, &out.codes, &out.kinds),
                 STATUS_BAD_ARGUMENT);
    EXPECT_EQUAL(sample_describe(9, RT_STRING("a"), &info, &pair, RT_BUFFER_OF(small), &size,
                                 &out.first, &out.codes, &out.kinds),
                 STATUS_BAD_ARGUMENT);
    uint64_t written = 0;
    struct rt_bytes long_data = {.size = 65537, .data = big};
    EXPECT_EQUAL(sample_write(9, 0, long_data, RT_STRING("tag"), &written, 1), STATUS_BAD_ARGUMENT);
    EXPECT_EQUAL(sample_write(9, 0, RT_STRING("d"), RT_STRING("0123456789abcdef+"), &written, 1),
                 STATUS_BAD_ARGUMENT);
    EXPECT_EQUAL(loopback.attempts, 0u);
}

/* Output of each length around the borders of the head, with room of each length. */
TEST(output_of_all_lengths_goes_through) {
    static const size_t sizes[] = {0, 1, 255, 256, 257, 1000, 65536};
    static uint8_t room[65536];
    fill_big();
    for (size_t i = 0; i < ARRAY_LENGTH(sizes); i++) {
        for (size_t j = i; j < ARRAY_LENGTH(sizes); j++) {
            sample_start();
            memset(room, 0, sizeof(room));
            sample_server.bytes = big;
            sample_server.answer.read.data_size = sizes[i];
            uint64_t size = 0;
            struct rt_buffer buffer = {.size = sizes[j], .data = room};
            EXPECT_EQUAL(call_read(buffer, &size), STATUS_OK);
            EXPECT_EQUAL(size, sizes[i]);
            EXPECT_EQUAL(sample_server.got.read.data.size, sizes[j]);
            EXPECT_EQUAL((uint32_t)loopback.last_reply.inline_size, MIN(sizes[i], 256u));
            EXPECT(memcmp(room, big, sizes[i]) == 0);
        }
    }
    EXPECT_EQUAL(loopback.last_flags, CALL_INTERRUPTIBLE);
    EXPECT_EQUAL(loopback.last_timeout_ns, RT_TIMEOUT_NEVER);
}

TEST(leases_alone_go_through) {
    static uint8_t found[2000];
    fill_big();
    sample_start();
    struct rt_bytes data = {.size = 65536, .data = big};
    EXPECT_EQUAL(call_write(data), STATUS_OK);
    EXPECT_EQUAL(loopback.last_timeout_ns, 12345u);
    EXPECT_EQUAL(sample_server.got.write.data.size, 65536u);
    EXPECT(memcmp(sample_server.data, big, 65536) == 0);
    EXPECT_EQUAL(sample_server.got.write.tag.size, 3u);
    EXPECT(memcmp(sample_server.tag, "tag", 3) == 0);
    sample_start();
    sample_server.bytes = big;
    sample_server.answer.scan.found_size = 1999;
    uint64_t size = 0;
    EXPECT_EQUAL(call_scan(RT_BUFFER_OF(found), &size), STATUS_OK);
    EXPECT_EQUAL(size, 1999u);
    EXPECT(memcmp(found, big, 1999) == 0);
    EXPECT_EQUAL((uint32_t)loopback.last_reply.inline_size, 0u);
}

TEST(an_absent_page_is_made_present_and_the_call_repeated) {
    fill_big();
    sample_start();
    loopback.absent = 2;
    struct rt_bytes data = {.size = 1000, .data = big};
    EXPECT_EQUAL(call_open(data), STATUS_OK);
    EXPECT_EQUAL(loopback.attempts, 3u);
    EXPECT_EQUAL(sample_server.handled, 1u);
    EXPECT(memcmp(sample_server.path, big, 1000) == 0);
    struct rt_reply reply = {.output = loopback_server_page()->reply_output};
    struct rt_request request = {
        .page = loopback_server_page(), .reply = &reply, .token = LOOPBACK_TOKEN};
    struct rt_input input = {.size = 1000, .head = {.size = 256, .data = big}};
    loopback.absent = 1;
    struct rt_buffer to = {.size = 500, .data = sample_server.path};
    EXPECT_EQUAL(rt_input_read(&request, &input, 200, to), STATUS_ABSENT);
    EXPECT_EQUAL(reply.outcome, RT_FAULT_IN);
    EXPECT_EQUAL(reply.fault_lease, 0u);
    EXPECT_EQUAL(reply.fault_offset, 256u);
    EXPECT_EQUAL(reply.fault_length, 444u);
}

TEST(reading_and_writing_stay_within_what_there_is) {
    sample_start();
    struct rt_reply reply = {.output = loopback_server_page()->reply_output};
    struct rt_request request = {
        .page = loopback_server_page(), .reply = &reply, .token = LOOPBACK_TOKEN};
    struct rt_input input = {.size = 10, .head = {.size = 10, .data = big}};
    struct rt_output output = {.size = 10, .head = {.size = 10, .data = big}};
    struct rt_buffer to = {.size = 11, .data = sample_server.path};
    EXPECT_EQUAL(rt_input_read(&request, &input, 0, to), STATUS_OUT_OF_RANGE);
    to.size = 1;
    EXPECT_EQUAL(rt_input_read(&request, &input, 10, to), STATUS_OUT_OF_RANGE);
    EXPECT_EQUAL(rt_input_read(&request, &input, UINT64_MAX, to), STATUS_OUT_OF_RANGE);
    EXPECT_EQUAL(rt_input_read(&request, &input, 9, to), STATUS_OK);
    EXPECT_EQUAL(rt_output_write(&request, &output, 8, RT_STRING("abc")), STATUS_OUT_OF_RANGE);
    EXPECT_EQUAL(rt_output_write(&request, &output, 7, RT_STRING("abc")), STATUS_OK);
    EXPECT(memcmp(&big[7], "abc", 3) == 0);
}

/* ---- replies that cannot be ---- */

/* A case: a good reply, spoiled by the statement, is refused, and its handles are closed. */
#define REJECTS(case_name, call_made, spoiling)                                                    \
    static void spoil_##case_name([[maybe_unused]] struct rt_call *_Nonnull call,                  \
                                  [[maybe_unused]] struct thread_page *_Nonnull page) {            \
        spoiling;                                                                                  \
    }                                                                                              \
    TEST(case_name) {                                                                              \
        sample_start();                                                                            \
        sample_server.bytes = big;                                                                 \
        sample_server.answer.read.data_size = 1000;                                                \
        sample_server.answer.scan.found_size = 1000;                                               \
        EXPECT_EQUAL(call_made, STATUS_OK);                                                        \
        loopback.spoil = spoil_##case_name;                                                        \
        EXPECT_EQUAL(call_made, STATUS_BAD_MESSAGE);                                               \
        EXPECT_EQUAL(loopback.closed, loopback.brought);                                           \
    }
#define OUTPUT(method) ((struct sample_##method##_output *)(void *)page->call_output)

static uint64_t found_size;
static uint8_t found[4000];

REJECTS(rejects_a_u8_above_its_range, call_numbers(), call->words[0] = 256)
REJECTS(rejects_a_u16_above_its_range, call_numbers(), call->words[1] = 65536)
REJECTS(rejects_a_u32_above_its_range, call_numbers(), call->words[2] = UINT64_C(1) << 32)
REJECTS(rejects_an_i32_above_its_range, call_numbers(), call->words[4] = UINT64_C(1) << 31)
REJECTS(rejects_a_bool_of_two, call_numbers(), call->words[6] = 2)
REJECTS(rejects_an_enum, call_many(), call->words[0] = 77)
REJECTS(rejects_flags, call_many(), call->words[1] = 0x100)
REJECTS(rejects_inline_bytes_where_there_are_none, call_many(), call->inline_size = 1)
REJECTS(rejects_a_handle_where_there_is_none, call_many(),
        (call->handle_count = 1, call->handles[0] = HANDLE_MEMORY))
REJECTS(rejects_inline_bytes_of_nothing, sample_nothing(9), call->inline_size = 1)
REJECTS(rejects_a_handle_of_nothing, sample_nothing(9), call->handle_count = 1)
REJECTS(rejects_a_handle_of_numbers, call_numbers(), call->handle_count = 1)
REJECTS(rejects_inline_bytes_of_numbers, call_numbers(), call->inline_size = 4)
REJECTS(rejects_a_missing_handle, call_open(RT_STRING("a")), call->handle_count = 1)
REJECTS(rejects_an_absent_handle, call_open(RT_STRING("a")), call->handles[0] = HANDLE_NONE)
REJECTS(rejects_a_short_area, call_open(RT_STRING("a")), call->inline_size--)
REJECTS(rejects_a_structure, call_open(RT_STRING("a")), OUTPUT(open)->info.reserved[0] = 1)
REJECTS(rejects_an_area_without_its_fixed_part, call_describe(), call->inline_size = 33)
REJECTS(rejects_too_long_a_tail, call_describe(), call->inline_size = 34 + 41)
REJECTS(rejects_an_array, call_describe(), OUTPUT(describe)->kinds[1] = (enum sample_material)0)
REJECTS(rejects_a_handle_of_describe, call_describe(), call->handle_count = 1)
REJECTS(rejects_more_bytes_than_room, call_read(RT_BUFFER_OF(found), &found_size),
        call->words[0] = sizeof(found) + 1)
REJECTS(rejects_a_head_that_is_not_the_count, call_read(RT_BUFFER_OF(found), &found_size),
        call->inline_size--)
REJECTS(rejects_a_bool_of_read, call_read(RT_BUFFER_OF(found), &found_size), call->words[1] = 2)
REJECTS(rejects_a_handle_of_read, call_read(RT_BUFFER_OF(found), &found_size),
        call->handle_count = 1)
REJECTS(rejects_more_bytes_than_leased, call_scan(RT_BUFFER_OF(found), &found_size),
        call->words[0] = sizeof(found) + 1)
REJECTS(rejects_inline_bytes_of_scan, call_scan(RT_BUFFER_OF(found), &found_size),
        call->inline_size = 1)
REJECTS(rejects_a_handle_of_scan, call_scan(RT_BUFFER_OF(found), &found_size),
        call->handle_count = 1)
REJECTS(rejects_inline_bytes_of_write, call_write(RT_STRING("a")), call->inline_size = 1)
REJECTS(rejects_a_handle_of_write, call_write(RT_STRING("a")), call->handle_count = 1)

/* ---- errors of a server that lies ---- */

static void serve_error_with_handles(struct rt_request *_Nonnull request) {
    request->reply->status = STATUS_IO;
    request->reply->handles[0] = HANDLE_MEMORY;
    request->reply->handles[1] = HANDLE_EVENT;
    request->reply->handle_count = 2;
}

TEST(handles_that_come_with_an_error_are_closed) {
    sample_start();
    loopback.serve = serve_error_with_handles;
    EXPECT_EQUAL(call_open(RT_STRING("a")), STATUS_IO);
    EXPECT_EQUAL(loopback.closed, 2u);
    EXPECT_EQUAL(call_numbers(), STATUS_IO);
    EXPECT_EQUAL(loopback.closed, 4u);
}

/* The program's own buffer is bad: the runtime notices only when the reply is there. */
TEST(a_bad_buffer_of_the_client_is_told) {
    sample_start();
    sample_server.bytes = big;
    sample_server.answer.read.data_size = 10;
    uint64_t size = 0;
    struct rt_buffer nowhere = {.size = 10, .data = nullptr};
    EXPECT_EQUAL(call_read(nowhere, &size), STATUS_BAD_ADDRESS);
    struct rt_bytes nothing = {.size = 10, .data = nullptr};
    EXPECT_EQUAL(call_open(nothing), STATUS_BAD_ADDRESS);
}
