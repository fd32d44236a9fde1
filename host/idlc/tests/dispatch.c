/* Every validation of a dispatcher, each with a message that violates exactly it: the handler must
 * not run, and the client must be told. `forge` turns a good request into the bad one. */
#include "host/idlc/tests/calls.h"
#include "lib/base/test.h"

/* A case: a good call, forged by the statement, must be refused with the status. */
#define REFUSES(case_name, call, forgery, wanted)                                                  \
    static void forge_##case_name([[maybe_unused]] struct rt_request *_Nonnull request) {          \
        [[maybe_unused]] struct thread_page *page = request->page;                                 \
        forgery;                                                                                   \
    }                                                                                              \
    TEST(case_name) {                                                                              \
        sample_start();                                                                            \
        loopback.forge = forge_##case_name;                                                        \
        EXPECT_EQUAL(call, wanted);                                                                \
        EXPECT_EQUAL(sample_server.handled, 0u);                                                   \
        EXPECT_EQUAL((uint32_t)loopback.last_reply.handle_count, 0u);                              \
        EXPECT_EQUAL((uint32_t)loopback.last_reply.inline_size, 0u);                               \
        sample_start();                                                                            \
        EXPECT_EQUAL(call, STATUS_OK);                                                             \
        EXPECT_EQUAL(sample_server.handled, 1u);                                                   \
    }
#define BAD(case_name, call, forgery) REFUSES(case_name, call, forgery, STATUS_BAD_MESSAGE)

#define INPUT(method) ((struct sample_##method##_input *)(void *)page->received_input)

static uint8_t long_path[1000];
static struct rt_bytes long_bytes(void) {
    return RT_BYTES_OF(long_path);
}
static uint8_t room[3000];
static uint64_t room_size;

/* ---- which method ---- */
REFUSES(refuses_an_unknown_method, sample_nothing(9), request->label += 4095 - 1, STATUS_BAD_METHOD)
REFUSES(refuses_another_version, sample_nothing(9), request->label += 1u << 12, STATUS_BAD_METHOD)
REFUSES(refuses_another_protocol, sample_nothing(9), request->label -= 1u << 20, STATUS_BAD_METHOD)

TEST(answers_not_supported_without_a_handler) {
    sample_start();
    loopback.serve = sample_serve_without_handlers;
    EXPECT_EQUAL(sample_nothing(9), STATUS_NOT_SUPPORTED);
    EXPECT_EQUAL(call_numbers(), STATUS_NOT_SUPPORTED);
}

/* ---- words ---- */
BAD(refuses_words_where_there_are_none, sample_nothing(9), request->word_count = 7)
BAD(refuses_a_missing_word, call_numbers(), request->word_count--)
BAD(refuses_a_word_behind_the_last, call_read(RT_BUFFER_OF(room), &room_size),
    request->word_count++)
BAD(refuses_a_u8_above_its_range, call_numbers(), request->words[0] = 256)
BAD(refuses_a_u16_above_its_range, call_numbers(), request->words[1] = 65536)
BAD(refuses_a_u32_above_its_range, call_numbers(), request->words[2] = UINT64_C(1) << 32)
BAD(refuses_an_i32_above_its_range, call_numbers(), request->words[4] = UINT64_C(1) << 31)
BAD(refuses_an_i32_below_its_range, call_numbers(), request->words[4] = UINT64_MAX << 32)
BAD(refuses_an_i32_that_is_not_sign_extended, call_numbers(), request->words[4] = 0xfffffffb)
BAD(refuses_a_bool_of_two, call_numbers(), request->words[6] = 2)
BAD(refuses_an_unknown_flag, call_open(RT_STRING("a")), request->words[0] = 4)
BAD(refuses_an_unknown_flag_far_up, call_open(RT_STRING("a")),
    request->words[0] |= UINT64_C(1) << 40)
BAD(refuses_an_enum_between_its_values, call_open(RT_STRING("a")), request->words[1] = 3)
BAD(refuses_an_enum_of_zero, call_open(RT_STRING("a")), request->words[1] = 0)
BAD(refuses_an_enum_with_upper_bits, call_scan(RT_BUFFER_OF(room), &room_size),
    request->words[0] |= UINT64_C(1) << 32)

/* ---- the inline area ---- */
BAD(refuses_inline_bytes_where_there_are_none, sample_nothing(9), request->inline_size = 1)
BAD(refuses_a_short_area, call_many(), request->inline_size--)
BAD(refuses_a_long_area, call_many(), request->inline_size++)
/* A reader that took the tail's size from such an area would find no NUL before the page ends. */
BAD(refuses_an_area_without_its_fixed_part, call_describe(),
    (request->inline_size = 67,
     memset(page->reply_output, 1, sizeof(*page) - offsetof(struct thread_page, reply_output))))
BAD(refuses_a_tail_that_is_too_long, call_describe(), request->inline_size = 68 + 33)
BAD(refuses_a_head_that_is_too_long, call_open(RT_STRING("a")), request->inline_size = 257)
BAD(refuses_a_bytes_tail_that_is_too_long, call_write(RT_STRING("data")), request->inline_size = 17)
BAD(refuses_a_string_with_nul, call_describe(), INPUT(describe)->name[2] = 0)
BAD(refuses_an_inline_enum, call_many(), INPUT(many)->i = (enum sample_material)4)
BAD(refuses_an_inline_bool, call_many(), INPUT(many)->k = 2)
BAD(refuses_inline_flags, call_many(), INPUT(many)->l = 0x10)
BAD(refuses_a_structure_with_a_bad_enum, call_describe(),
    INPUT(describe)->info.kind = (enum sample_material)7)
BAD(refuses_a_structure_with_bad_flags, call_describe(), INPUT(describe)->info.how = 0x4)
BAD(refuses_a_structure_with_a_bad_bool, call_describe(), INPUT(describe)->info.hidden = 255)
BAD(refuses_a_reserved_member_that_is_set, call_describe(), INPUT(describe)->info.reserved[6] = 1)

/* ---- leases ---- */
BAD(refuses_an_input_lease_where_none_is, sample_nothing(9), page->received.lease_in_length = 1)
BAD(refuses_an_output_lease_where_none_is, sample_nothing(9), page->received.lease_out_length = 1)
BAD(refuses_an_output_lease_of_a_method_with_input, call_open(long_bytes()),
    page->received.lease_out_length = 1)
BAD(refuses_an_input_lease_of_a_method_with_output, call_read(RT_BUFFER_OF(room), &room_size),
    page->received.lease_in_length = 1)
BAD(refuses_too_long_an_input_lease, call_open(long_bytes()), page->received.lease_in_length = 4097)
BAD(refuses_too_long_an_input_lease_alone, call_write(RT_STRING("data")),
    page->received.lease_in_length = 65537)
BAD(refuses_too_long_an_output_lease, call_read(RT_BUFFER_OF(room), &room_size),
    page->received.lease_out_length = 65537)
BAD(refuses_too_long_an_output_lease_alone, call_scan(RT_BUFFER_OF(room), &room_size),
    page->received.lease_out_length = 1000001)
BAD(refuses_a_lease_no_longer_than_its_head, call_open(long_bytes()),
    page->received.lease_in_length = 256)
BAD(refuses_a_lease_whose_head_is_not_full, call_open(long_bytes()), request->inline_size = 255)

/* ---- handles ---- */
BAD(refuses_a_handle_where_none_is, sample_nothing(9), request->handle_count = 1)
BAD(refuses_a_missing_handle_slot, call_open(RT_STRING("a")), request->handle_count = 2)
BAD(refuses_an_extra_handle_slot, call_open(RT_STRING("a")), request->handle_count = 4)
BAD(refuses_an_absent_handle, call_open(RT_STRING("a")), page->received.handles[0] = HANDLE_NONE)
BAD(refuses_another_absent_handle, call_open(RT_STRING("a")),
    page->received.handles[1] = HANDLE_NONE)
REFUSES(refuses_a_handle_of_another_type, call_open(RT_STRING("a")),
        page->received.handles[0] = HANDLE_MEMORY, STATUS_BAD_TYPE)
REFUSES(refuses_a_second_handle_of_another_type, call_open(RT_STRING("a")),
        page->received.handles[1] = HANDLE_MEMORY, STATUS_BAD_TYPE)
REFUSES(refuses_an_optional_handle_of_another_type, call_open(RT_STRING("a")),
        page->received.handles[2] = HANDLE_EVENT, STATUS_BAD_TYPE)
REFUSES(refuses_a_handle_without_the_right, call_open(RT_STRING("a")),
        page->received.handles[0] = HANDLE_WEAK_SESSION, STATUS_BAD_RIGHTS)
REFUSES(refuses_a_handle_with_one_right_of_two, call_open(RT_STRING("a")),
        page->received.handles[1] = HANDLE_WEAK_EVENT, STATUS_BAD_RIGHTS)
REFUSES(refuses_a_session_of_another_server, call_open(RT_STRING("a")),
        page->received.handles[0] = HANDLE_FOREIGN_SESSION, STATUS_BAD_ARGUMENT)
REFUSES(refuses_a_handle_that_is_none, call_open(RT_STRING("a")), page->received.handles[0] = 5,
        STATUS_BAD_HANDLE)

/* ---- what every method refuses ---- */
#define STRICT(method, call)                                                                       \
    BAD(method##_refuses_a_handle_more, call, request->handle_count++)                             \
    BAD(method##_refuses_too_large_an_area, call, request->inline_size = 257)                      \
    BAD(method##_refuses_an_endless_input_lease, call,                                             \
        page->received.lease_in_length = UINT64_MAX)                                               \
    BAD(method##_refuses_an_endless_output_lease, call,                                            \
        page->received.lease_out_length = UINT64_MAX)                                              \
    BAD(method##_refuses_a_word_more, call, request->word_count++)
STRICT(nothing, sample_nothing(9))
STRICT(numbers, call_numbers())
STRICT(many, call_many())
STRICT(open, call_open(long_bytes()))
STRICT(describe, call_describe())
STRICT(read, call_read(RT_BUFFER_OF(room), &room_size))
STRICT(write, call_write(RT_STRING("data")))
STRICT(scan, call_scan(RT_BUFFER_OF(room), &room_size))

/* ---- what a handler may give ---- */

/* A case: the handler's answer, spoiled by the statement, is a defect of its server and traps. */
#define TRAPS(case_name, call, spoiling)                                                           \
    TEST(case_name) {                                                                              \
        sample_start();                                                                            \
        sample_server.bytes = room;                                                                \
        spoiling;                                                                                  \
        EXPECT_DEATH((void)(call));                                                                \
    }
TRAPS(traps_on_an_enum_that_is_none, call_many(),
      sample_server.answer.many.n = (enum sample_material)9)
TRAPS(traps_on_unknown_flags, call_many(), sample_server.answer.many.o = 4)
TRAPS(traps_on_a_handle_that_is_missing, call_open(RT_STRING("a")),
      sample_server.answer.open.sample = HANDLE_NONE)
TRAPS(traps_on_a_structure_that_is_bad, call_open(RT_STRING("a")),
      sample_server.answer.open.info.hidden = 2)
TRAPS(traps_on_an_array_that_is_bad, call_describe(),
      sample_server.answer.describe.kinds[1] = (enum sample_material)0)
TRAPS(traps_on_too_long_a_tail, call_describe(), sample_server.answer.describe.label_size = 41)
TRAPS(traps_on_more_bytes_than_there_was_room, call_read(RT_BUFFER_OF(room), &room_size),
      sample_server.answer.read.data_size = sizeof(room) + 1)
TRAPS(traps_on_more_bytes_than_leased, call_scan(RT_BUFFER_OF(room), &room_size),
      sample_server.answer.scan.found_size = sizeof(room) + 1)
TRAPS(traps_on_parking_what_may_not_be_parked, sample_nothing(9),
      sample_server.status = RT_STATUS_PARKED)
TRAPS(traps_on_an_absence_without_a_place, sample_nothing(9), sample_server.status = STATUS_ABSENT)

TEST(sends_nothing_but_the_status_of_an_error) {
    sample_start();
    sample_server.status = SAMPLE_STATUS_NO_SAMPLE;
    EXPECT_EQUAL(call_open(RT_STRING("a")), SAMPLE_STATUS_NO_SAMPLE);
    EXPECT_EQUAL(sample_server.handled, 1u);
    EXPECT_EQUAL(loopback.last_reply.shape, 0u);
    EXPECT_EQUAL(loopback.last_reply.outcome, RT_REPLY);
}

TEST(parks_and_answers_later) {
    sample_start();
    sample_server.status = RT_STATUS_PARKED;
    EXPECT_EQUAL(call_read(RT_BUFFER_OF(room), &room_size), STATUS_TIMED_OUT);
    EXPECT_EQUAL(loopback.last_reply.outcome, RT_PARK);
    struct rt_reply later = {.output = loopback_server_page()->reply_output,
                             .token = LOOPBACK_TOKEN};
    struct rt_output output = sample_read_data(&later, 10);
    EXPECT_EQUAL(output.size, 10u);
    struct rt_request request = {
        .page = loopback_server_page(), .reply = &later, .token = LOOPBACK_TOKEN};
    EXPECT_EQUAL(rt_output_write(&request, &output, 0, RT_STRING("late")), STATUS_OK);
    struct sample_read_out out = {.data_size = 4, .end = true};
    sample_read_reply(&later, &out);
    EXPECT_EQUAL(later.outcome, RT_REPLY);
    EXPECT_EQUAL(later.status, STATUS_OK);
    EXPECT_EQUAL(later.words[0], 4u);
    EXPECT_EQUAL(later.words[1], 1u);
    EXPECT_EQUAL((uint32_t)later.inline_size, 4u);
    EXPECT(memcmp(loopback_server_page()->reply_output, "late", 4) == 0);
}

/* A later answer knows the client's room no more, but the method's limit. */
TEST(traps_on_a_later_answer_beyond_the_limit) {
    sample_start();
    struct rt_reply later = {.output = loopback_server_page()->reply_output};
    struct sample_read_out out = {.data_size = 65537};
    EXPECT_DEATH(sample_read_reply(&later, &out));
    out.data_size = 65536;
    sample_read_reply(&later, &out);
    EXPECT_EQUAL((uint32_t)later.inline_size, 256u);
}

TEST(tells_what_its_methods_are) {
    EXPECT_EQUAL(sample_methods[0].label, SAMPLE_METHOD_NOTHING);
    EXPECT_EQUAL(sample_methods[0].marks, RT_METHOD_IDEMPOTENT | RT_METHOD_BOUNDED);
    EXPECT_EQUAL(sample_methods[3].marks, RT_METHOD_BOUNDED);
    EXPECT_EQUAL(sample_methods[5].marks, RT_METHOD_PARKS);
    EXPECT_TEXT(sample_methods[7].name, "scan");
    EXPECT(sample_speaks(SAMPLE_METHOD_SCAN));
    EXPECT(!sample_speaks(RT_LABEL(4000, 3, 1)));
    EXPECT(!sample_speaks(RT_LABEL(3999, 2, 1)));
}
