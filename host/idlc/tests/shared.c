/* What is generated besides calls: vault records, rings in shared memory, the trace decoder. */
#include "host/idlc/tests/sample_server.h"
#include "lib/base/test.h"

static struct sample_kept_v2 sealed(void) {
    struct sample_kept_v2 record = {.id = 42, .kind = SAMPLE_MATERIAL_IRON};
    sample_kept_v2_seal(&record);
    return record;
}

TEST(a_sealed_record_is_good) {
    struct sample_kept_v2 record = sealed();
    EXPECT_EQUAL(sample_kept_v2_check(&record), STATUS_OK);
    EXPECT_EQUAL(record.header.version, 2u);
    EXPECT_EQUAL(record.header.size, sizeof(record));
}

TEST(every_flipped_bit_of_a_record_is_noticed) {
    for (size_t bit = 0; bit < sizeof(struct sample_kept_v2) * 8; bit++) {
        struct sample_kept_v2 record = sealed();
        uint8_t bytes[sizeof(record)];
        memcpy(bytes, &record, sizeof(record));
        bytes[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        memcpy(&record, bytes, sizeof(record));
        EXPECT_EQUAL(sample_kept_v2_check(&record), STATUS_CORRUPT);
    }
}

/* A case: a record that is sealed, but says what no record can say, is refused. */
#define CORRUPT(case_name, change)                                                                 \
    TEST(case_name) {                                                                              \
        struct sample_kept_v2 record = sealed();                                                   \
        change;                                                                                    \
        record.header.checksum = rt_record_checksum(&record.header);                               \
        EXPECT_EQUAL(sample_kept_v2_check(&record), STATUS_CORRUPT);                               \
    }
CORRUPT(refuses_another_kind_of_record, record.header.kind++)
CORRUPT(refuses_another_version_of_a_record, record.header.version = 1)
CORRUPT(refuses_another_size_of_a_record, record.header.size -= 8)
CORRUPT(refuses_a_header_with_more, record.header.reserved = 1)
CORRUPT(refuses_a_bad_member, record.kind = (enum sample_material)0)
CORRUPT(refuses_a_reserved_member, record.reserved = 1)

TEST(versions_of_a_record_are_told_apart) {
    struct sample_kept_v1 old = {.id = 1};
    sample_kept_v1_seal(&old);
    EXPECT_EQUAL(sample_kept_v1_check(&old), STATUS_OK);
    EXPECT_EQUAL(old.header.kind, sealed().header.kind);
    EXPECT_EQUAL(old.header.version, 1u);
}

TEST(words_of_a_record_cannot_be_swapped) {
    struct sample_kept_v2 one = {.id = UINT64_C(1) << 32, .kind = SAMPLE_MATERIAL_WOOD};
    struct sample_kept_v2 other = {.id = 1, .kind = SAMPLE_MATERIAL_WOOD};
    sample_kept_v2_seal(&one);
    sample_kept_v2_seal(&other);
    EXPECT(one.header.checksum != other.header.checksum);
}

/* ---- rings ---- */

static struct sample_jobs ring;
static struct sample_jobs_client client;
static struct sample_jobs_server server;

static void ring_start(void) {
    memset(&ring, 0, sizeof(ring));
    REQUIRE(sample_jobs_client_attach(&client, &ring) == STATUS_OK);
    REQUIRE(sample_jobs_server_attach(&server, &ring) == STATUS_OK);
}

static status_t submit(uint64_t id) {
    struct sample_job job = {.id = id, .kind = SAMPLE_MATERIAL_WOOD};
    return sample_jobs_submit(&client, &job);
}

static status_t take(uint64_t *_Nonnull out_id) {
    struct sample_job job = {};
    status_t status = sample_jobs_take(&server, &job);
    *out_id = job.id;
    return status;
}

static void complete(uint64_t id) {
    struct sample_result result = {.id = id, .value = id * 2};
    sample_jobs_complete(&server, &result);
}

TEST(a_ring_carries_requests_and_completions_in_order) {
    struct sample_result result = {};
    uint64_t id = 0;
    ring_start();
    for (uint64_t i = 1; i < 100; i++) {
        EXPECT_EQUAL(sample_jobs_reap(&client, &result), STATUS_WOULD_BLOCK);
        EXPECT_EQUAL(take(&id), STATUS_WOULD_BLOCK);
        EXPECT_EQUAL(submit(i), STATUS_OK);
        EXPECT_EQUAL(take(&id), STATUS_OK);
        EXPECT_EQUAL(id, i);
        complete(i);
        EXPECT_EQUAL(sample_jobs_reap(&client, &result), STATUS_OK);
        EXPECT(result.id == i && result.value == 2 * i);
    }
}

TEST(a_ring_is_full_until_completions_are_reaped) {
    struct sample_result result = {};
    uint64_t id = 0;
    ring_start();
    for (uint64_t i = 0; i < 8; i++) {
        EXPECT_EQUAL(submit(i), STATUS_OK);
    }
    EXPECT_EQUAL(submit(8), STATUS_WOULD_BLOCK);
    EXPECT_EQUAL(take(&id), STATUS_OK);
    EXPECT_EQUAL(submit(8), STATUS_WOULD_BLOCK);
    complete(0);
    EXPECT_EQUAL(submit(8), STATUS_WOULD_BLOCK);
    EXPECT_EQUAL(sample_jobs_reap(&client, &result), STATUS_OK);
    EXPECT_EQUAL(submit(8), STATUS_OK);
    EXPECT_EQUAL(submit(9), STATUS_WOULD_BLOCK);
}

TEST(counters_of_a_ring_may_wrap) {
    struct sample_result result = {};
    uint64_t id = 0;
    memset(&ring, 0, sizeof(ring));
    ring.submitted = ring.taken = ring.completed = ring.reaped = UINT32_MAX - 2;
    REQUIRE(sample_jobs_client_attach(&client, &ring) == STATUS_OK);
    REQUIRE(sample_jobs_server_attach(&server, &ring) == STATUS_OK);
    for (uint64_t i = 0; i < 8; i++) {
        EXPECT_EQUAL(submit(i), STATUS_OK);
    }
    for (uint64_t i = 0; i < 8; i++) {
        EXPECT_EQUAL(take(&id), STATUS_OK);
        EXPECT_EQUAL(id, i);
        complete(i);
        EXPECT_EQUAL(sample_jobs_reap(&client, &result), STATUS_OK);
    }
    EXPECT_EQUAL(take(&id), STATUS_WOULD_BLOCK);
}

TEST(a_server_refuses_more_requests_than_can_be) {
    uint64_t id = 0;
    ring_start();
    ring.submitted = 9;
    EXPECT_EQUAL(take(&id), STATUS_CORRUPT);
    ring.submitted = 8;
    EXPECT_EQUAL(submit(1), STATUS_OK);
}

TEST(a_server_refuses_a_counter_that_goes_back) {
    uint64_t id = 0;
    ring_start();
    for (uint64_t i = 0; i < 4; i++) {
        EXPECT_EQUAL(submit(i), STATUS_OK);
        EXPECT_EQUAL(take(&id), STATUS_OK);
    }
    ring.submitted = 2;
    EXPECT_EQUAL(take(&id), STATUS_CORRUPT);
    ring.submitted = 8;
    EXPECT_EQUAL(take(&id), STATUS_CORRUPT); /* an entry that was never written */
    EXPECT_EQUAL(server.taken, 5u);
    ring.submitted = 9;
    EXPECT_EQUAL(take(&id), STATUS_CORRUPT); /* beyond what the uncompleted ones leave */
    EXPECT_EQUAL(server.taken, 5u);
}

TEST(a_client_refuses_completions_of_nothing) {
    struct sample_result result = {};
    ring_start();
    EXPECT_EQUAL(submit(1), STATUS_OK);
    ring.completed = 2;
    EXPECT_EQUAL(sample_jobs_reap(&client, &result), STATUS_CORRUPT);
    EXPECT_EQUAL(client.reaped, 0u);
    ring.completed = UINT32_MAX;
    EXPECT_EQUAL(sample_jobs_reap(&client, &result), STATUS_CORRUPT);
    ring.completed = 1;
    EXPECT_EQUAL(sample_jobs_reap(&client, &result), STATUS_OK);
}

TEST(a_request_that_cannot_be_is_taken_and_told) {
    uint64_t id = 0;
    ring_start();
    EXPECT_EQUAL(submit(5), STATUS_OK);
    ring.requests[0].kind = (enum sample_material)9;
    EXPECT_EQUAL(take(&id), STATUS_CORRUPT);
    EXPECT_EQUAL(id, 5u);
    complete(5);
    EXPECT_EQUAL(take(&id), STATUS_WOULD_BLOCK);
}

TEST(a_server_cannot_complete_what_it_did_not_take) {
    ring_start();
    EXPECT_EQUAL(submit(5), STATUS_OK);
    EXPECT_DEATH(complete(5));
}

TEST(a_restarted_side_goes_on_where_it_was) {
    struct sample_result result = {};
    uint64_t id = 0;
    ring_start();
    EXPECT_EQUAL(submit(1), STATUS_OK);
    EXPECT_EQUAL(submit(2), STATUS_OK);
    EXPECT_EQUAL(take(&id), STATUS_OK);
    complete(1);
    EXPECT_EQUAL(sample_jobs_server_attach(&server, &ring), STATUS_OK);
    EXPECT_EQUAL(sample_jobs_client_attach(&client, &ring), STATUS_OK);
    EXPECT_EQUAL(take(&id), STATUS_OK);
    EXPECT_EQUAL(id, 2u);
    EXPECT_EQUAL(sample_jobs_reap(&client, &result), STATUS_OK);
    EXPECT_EQUAL(result.id, 1u);
    ring.taken = ring.completed + 9;
    EXPECT_EQUAL(sample_jobs_server_attach(&server, &ring), STATUS_CORRUPT);
    ring.submitted = ring.reaped + 9;
    EXPECT_EQUAL(sample_jobs_client_attach(&client, &ring), STATUS_CORRUPT);
}

/* ---- traces ---- */

static char line[200];
static struct rt_text text;

static const char *_Nonnull trace(uint32_t label, const uint64_t (*_Nonnull words)[CALL_WORDS],
                                  bool is_reply) {
    rt_text_start(&text, line, sizeof(line));
    return sample_trace(&text, label, words, is_reply) ? line : "unknown";
}

TEST(traces_are_readable) {
    uint64_t words[CALL_WORDS] = {3, 5, 0x12345678, 7, (uint64_t)-9, (uint64_t)INT64_MIN, 1};
    EXPECT_TEXT(trace(SAMPLE_METHOD_NOTHING, &words, false), "sample.nothing");
    EXPECT_TEXT(trace(SAMPLE_METHOD_OPEN, &words, false), "sample.open how=read|write kind=glass");
    EXPECT_TEXT(trace(SAMPLE_METHOD_NUMBERS, &words, false),
                "sample.numbers a=3 b=5 c=0x12345678 d=7 e=-9 f=-9223372036854775808 g=1");
    EXPECT_TEXT(trace(SAMPLE_METHOD_READ, &words, true), "sample.read -> data_size=3 end=5");
    EXPECT_TEXT(trace(SAMPLE_METHOD_MANY, &words, true), "sample.many -> n=3 o=read|0x4");
    EXPECT_TEXT(trace(SAMPLE_METHOD_NOTHING, &words, true), "sample.nothing ->");
    EXPECT_TEXT(trace(RT_LABEL(4000, 2, 99), &words, false), "unknown");
    words[0] = 0;
    EXPECT_TEXT(trace(SAMPLE_METHOD_OPEN, &words, false), "sample.open how=0 kind=glass");
}

TEST(a_text_that_does_not_fit_is_cut) {
    rt_text_start(&text, line, 8);
    rt_text_string(&text, "0123456");
    EXPECT_TEXT(line, "0123456");
    EXPECT(!text.cut);
    rt_text_number(&text, 5);
    EXPECT_TEXT(line, "012345~");
    EXPECT(text.cut);
    rt_text_start(&text, line, 1);
    rt_text_string(&text, "a");
    EXPECT_TEXT(line, "");
}
