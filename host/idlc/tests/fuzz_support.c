/* See fuzz_support.h. */
#include "host/idlc/tests/fuzz_support.h"
#include <stdlib.h>
#include <string.h>

enum { ALLOCATION_MAX = 32, LEASE_SIZE = 70000 };
static struct {
    struct rt_bytes data;
    size_t at;
    void *_Nullable allocations[ALLOCATION_MAX];
    size_t allocation_count;
    volatile uint8_t seen;
} fuzz;
static uint8_t lease_memory[LEASE_SIZE];

static uint8_t next_byte(void) {
    return fuzz.at < fuzz.data.size ? fuzz.data.data[fuzz.at++] : 0;
}

void fuzz_start(struct rt_bytes data, void (*_Nonnull serve)(struct rt_request *_Nonnull request)) {
    fuzz.data = data;
    fuzz.at = 0;
    loopback_start(serve);
}

void fuzz_end(void) {
    while (fuzz.allocation_count > 0) {
        free(fuzz.allocations[--fuzz.allocation_count]);
    }
}

static uint64_t read_number(uint32_t bytes) {
    uint64_t value = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        value = (value << 8) | next_byte();
    }
    return value;
}

uint64_t fuzz_number(void) {
    uint8_t kind = next_byte();
    switch (kind % 8) {
    case 0:
        return kind / 8;
    case 1:
        return UINT64_MAX - kind / 8;
    case 2:
        return UINT64_C(1) << (next_byte() % 64);
    case 3:
        return (UINT64_C(1) << (next_byte() % 64)) - 1;
    case 4:
        return read_number(1);
    case 5:
        return read_number(2);
    case 6:
        return read_number(4);
    default:
        return read_number(8);
    }
}

handle_t fuzz_good_handle(void) {
    return HANDLE_OWN_SESSION + next_byte() % 6;
}

handle_t fuzz_handle(void) {
    uint8_t kind = next_byte();
    if (kind < 16) {
        return HANDLE_NONE;
    }
    return kind < 240 ? fuzz_good_handle() : (handle_t)read_number(4);
}

handle_t fuzz_handle_of(enum object_type type) {
    if (next_byte() >= 200) {
        return fuzz_handle();
    }
    if (type == OBJECT_SESSION) {
        return HANDLE_OWN_SESSION;
    }
    return type == OBJECT_EVENT ? HANDLE_EVENT : HANDLE_MEMORY;
}

/* An allocation of exactly `size` bytes, gone at the end of the run. */
static uint8_t *_Nonnull allocate(size_t size) {
    CHECK(fuzz.allocation_count < ALLOCATION_MAX);
    uint8_t *memory = malloc(size > 0 ? size : 1);
    fuzz.allocations[fuzz.allocation_count++] = memory;
    return SOME(memory);
}

static size_t length_near(size_t max) {
    size_t limit = MIN(max, (size_t)LEASE_SIZE);
    uint64_t number = fuzz_number();
    return number < 8 ? limit - MIN(limit, (size_t)4) + (size_t)number
                      : (size_t)(number % (limit + 1));
}

void fuzz_fill(void *_Nonnull to, size_t size) {
    uint8_t seed = next_byte();
    memset(to, seed, size);
    size_t some = seed % 2 == 0 ? size : MIN(size, (size_t)8);
    for (size_t i = 0; i < some && fuzz.at < fuzz.data.size; i++) {
        *(uint8_t *)bytes_at(to, i) = next_byte();
    }
}

struct rt_bytes fuzz_bytes(size_t max) {
    size_t size = length_near(max);
    uint8_t *memory = allocate(size);
    fuzz_fill(memory, size);
    return (struct rt_bytes){.size = size, .data = memory};
}

struct rt_buffer fuzz_buffer(size_t max) {
    size_t size = length_near(max);
    uint8_t *memory = allocate(size);
    memset(memory, 0, size);
    return (struct rt_buffer){.size = size, .data = memory};
}

void fuzz_see_bytes(struct rt_bytes bytes) {
    for (size_t i = 0; i < bytes.size; i++) {
        fuzz.seen = (uint8_t)(fuzz.seen ^ bytes.data[i]);
    }
}

void fuzz_see(const void *_Nonnull bytes, size_t size) {
    fuzz_see_bytes((struct rt_bytes){.size = size, .data = bytes});
}

void fuzz_read_input(struct rt_request *_Nonnull request, const struct rt_input *_Nonnull input) {
    fuzz_see_bytes(input->head);
    struct rt_buffer to = fuzz_buffer(1000);
    uint64_t offset = fuzz_number();
    if (rt_input_read(request, input, offset, to) == STATUS_OK) {
        CHECK(offset <= input->size && to.size <= input->size - offset);
        fuzz_see_bytes((struct rt_bytes){.size = to.size, .data = to.data});
    }
}

uint64_t fuzz_write_output(struct rt_request *_Nonnull request,
                           const struct rt_output *_Nonnull output) {
    struct rt_bytes from = fuzz_bytes(1000);
    uint64_t offset = fuzz_number();
    if (rt_output_write(request, output, offset, from) == STATUS_OK) {
        CHECK(offset <= output->size && from.size <= output->size - offset);
    }
    uint64_t count = fuzz_number();
    return MIN(count, output->size);
}

status_t fuzz_status(const struct rt_request *_Nonnull request, uint32_t marks) {
    uint8_t kind = next_byte();
    if (request->reply->outcome == RT_FAULT_IN && kind % 2 == 0) {
        return STATUS_ABSENT;
    }
    if (kind < 200) {
        return STATUS_OK;
    }
    if (kind < 210 && (marks & RT_METHOD_PARKS) != 0) {
        return RT_STATUS_PARKED;
    }
    return (status_t)(-1 - (int32_t)(kind % 13));
}

static void check_reply(const struct rt_reply *_Nonnull reply) {
    CHECK(reply->inline_size <= CALL_INLINE_SIZE && reply->handle_count <= CALL_HANDLES);
    CHECK(reply->word_count <= CALL_WORDS);
    if (reply->status != STATUS_OK) {
        CHECK(reply->inline_size == 0 && reply->handle_count == 0 && reply->word_count == 0);
    }
}

/* What the kernel lets through; a number of words beyond what there are is the receiver's to
 * refuse. */
static uint32_t fuzz_shape(void) {
    uint32_t raw = (uint32_t)fuzz_number();
    return RT_SHAPE(raw >> 20 & 0xf, (raw >> 16 & 0xf) % (CALL_HANDLES + 1),
                    (raw & 0xffff) % (CALL_INLINE_SIZE + 1));
}

void fuzz_request(uint32_t label) {
    struct thread_page *page = loopback_server_page();
    struct rt_reply reply = {.output = page->reply_output, .token = LOOPBACK_TOKEN};
    struct rt_request request = {.page = page, .reply = &reply, .token = LOOPBACK_TOKEN};
    fuzz_fill(page->received_input, sizeof(page->received_input));
    for (size_t i = 0; i < CALL_WORDS; i++) {
        request.words[i] = next_byte() < 100 ? 0 : fuzz_number();
    }
    for (size_t i = 0; i < CALL_HANDLES; i++) {
        page->received.handles[i] = fuzz_handle();
    }
    request.label = next_byte() < 250 ? label : (uint32_t)fuzz_number();
    request.shape = fuzz_shape();
    page->received.lease_in_length = next_byte() < 100 ? 0 : fuzz_number();
    page->received.lease_out_length = next_byte() < 100 ? 0 : fuzz_number();
    loopback.lease_in.address = (uintptr_t)&lease_memory;
    loopback.lease_in.length = MIN(page->received.lease_in_length, (uint64_t)LEASE_SIZE);
    loopback.lease_out.address = (uintptr_t)&lease_memory;
    loopback.lease_out.length = MIN(page->received.lease_out_length, (uint64_t)LEASE_SIZE);
    loopback.absent = next_byte() < 200 ? 0 : 1;
    SOME(loopback.serve)(&request);
    check_reply(&reply);
}

/* Changes one byte, mostly to something near what it was. */
static void change_byte(uint8_t *_Nonnull byte) {
    uint8_t kind = next_byte();
    *byte = kind < 128 ? (uint8_t)(*byte ^ (1u << (kind % 8))) : next_byte();
}

static void change_word(uint64_t *_Nonnull word) {
    uint8_t kind = next_byte();
    *word = kind < 128 ? *word ^ (UINT64_C(1) << (kind % 64)) : fuzz_number();
}

/* A good request with one thing changed on its way. */
static void forge(struct rt_request *_Nonnull request) {
    struct thread_page *page = request->page;
    switch (next_byte() % 7) {
    case 0:
        request->inline_size = (uint16_t)(fuzz_number() % (CALL_INLINE_SIZE + 1));
        break;
    case 1:
        request->shape = fuzz_shape();
        break;
    case 2:
        page->received.handles[next_byte() % CALL_HANDLES] = fuzz_handle();
        break;
    case 3:
        page->received.lease_in_length = fuzz_number();
        break;
    case 4:
        page->received.lease_out_length = fuzz_number();
        break;
    case 5:
        change_byte(&page->received_input[next_byte()]);
        break;
    default:
        change_word(&request->words[next_byte() % CALL_WORDS]);
        break;
    }
}

/* A good reply with one thing changed on its way. */
static void spoil(struct rt_call *_Nonnull call, struct thread_page *_Nonnull client) {
    switch (next_byte() % 5) {
    case 0:
        call->inline_size = (uint16_t)(fuzz_number() % (CALL_INLINE_SIZE + 1));
        break;
    case 1:
        call->shape = fuzz_shape();
        break;
    case 2:
        call->handles[next_byte() % CALL_HANDLES] = fuzz_handle();
        break;
    case 3:
        change_byte(&client->call_output[next_byte()]);
        break;
    default:
        change_word(&call->words[next_byte() % CALL_WORDS]);
        break;
    }
}

/* A reply of which everything is arbitrary. */
static void replace(struct rt_call *_Nonnull call, struct thread_page *_Nonnull client) {
    call->shape = fuzz_shape();
    for (size_t i = 0; i < CALL_WORDS; i++) {
        call->words[i] = fuzz_number();
    }
    for (size_t i = 0; i < CALL_HANDLES; i++) {
        call->handles[i] = fuzz_handle();
    }
    fuzz_fill(client->call_output, sizeof(client->call_output));
}

void fuzz_maybe_spoil(void) {
    uint8_t kind = next_byte() % 8;
    loopback.forge = kind < 3 ? forge : nullptr;
    loopback.spoil = kind < 3 ? nullptr : (kind < 6 ? spoil : (kind < 7 ? replace : nullptr));
}
