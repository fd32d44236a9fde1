/* entropy: /dev/random and /dev/urandom. What was mixed in is in the vault; the key is not: each
 * instance draws its own from the kernel's generator. */
#include "idl/entropy.h"
#include "idl/stream.h"
#include "idl/tty.h"
#include "lib/base/bytes.h"
#include "lib/rt/server.h"
#include "servers/entropy/generator.h"

#define COOKIE_FILE (1ull << 62)
enum : uint32_t {
    RECORD_POOL = 0x4550,
    MIX_LIMIT = 512,
    MODE_CHARACTER = 0020000,
    FILE_RIGHTS =
        RIGHT_CALL | RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_WAIT | RIGHT_INSPECT | RIGHT_READ
};

struct pool_record {
    struct rt_record_header header;
    struct generator_key pool;
};
struct entropy {
    struct rt_server *_Nonnull server;
    const struct pool_record *_Nonnull kept;
    struct generator generator;
    uint8_t output[STREAM_TRANSFER_MAX];
};

/* Errors: NOT_SUPPORTED: the processor has no generator, and nothing is given. */
static status_t seed_if_needed(struct entropy *_Nonnull entropy) {
    struct generator_key kernel = {};
    if (!generator_needs_seed(&entropy->generator)) {
        return STATUS_OK;
    }
    TRY(rt_random(&kernel, sizeof kernel));
    generator_seed(&entropy->generator, kernel, entropy->kept->pool);
    return STATUS_OK;
}

static status_t mix(struct entropy *_Nonnull entropy, struct rt_request *_Nonnull request,
                    const struct rt_input *_Nonnull input) {
    uint8_t bytes[MIX_LIMIT];
    size_t size = (size_t)MIN(input->size, (uint64_t)sizeof bytes);
    struct pool_record record = {
        .header = {.kind = RECORD_POOL, .version = 1, .size = sizeof record}};
    TRY(rt_input_read(request, input, 0, (struct rt_buffer){.size = size, .data = bytes}));
    record.pool = generator_mix(entropy->kept->pool, (struct generator_input){size, bytes});
    entropy->generator.since_seed = GENERATOR_LIMIT; /* it is in the next seed */
    return rt_stage_record(entropy->server, entropy->kept, &record.header);
}

/* ---- entropy ---- */

static status_t serve_open(void *_Nonnull state, struct rt_request *_Nonnull request,
                           const struct entropy_open_in *_Nonnull in,
                           struct entropy_open_out *_Nonnull out) {
    struct entropy *entropy = state;
    handle_t whole = HANDLE_NONE;
    REFUSE((request->cookie & COOKIE_FILE) != 0, STATUS_NOT_ALLOWED);
    TRY(rt_object_create(OBJECT_SESSION, entropy->server->endpoint, COOKIE_FILE | in->inode, 0, 0,
                         0, &whole));
    status_t status = rt_session_ready(whole, 0, READY_IN | READY_OUT);
    status = status == STATUS_OK ? rt_handle_duplicate(whole, FILE_RIGHTS, &out->device) : status;
    rt_handle_close(whole);
    return status;
}

static status_t serve_add(void *_Nonnull state, struct rt_request *_Nonnull request,
                          const struct entropy_add_in *_Nonnull in) {
    return mix(state, request, &in->bytes);
}

static status_t serve_state(void *_Nonnull state, struct rt_request *_Nonnull request,
                            struct entropy_state_out *_Nonnull out) {
    const struct entropy *entropy = state;
    (void)request;
    out->seeds = entropy->generator.seeds;
    out->given = entropy->generator.given;
    return STATUS_OK;
}

/* ---- stream ---- */

static status_t serve_read(void *_Nonnull state, struct rt_request *_Nonnull request,
                           const struct stream_read_in *_Nonnull in,
                           struct stream_read_out *_Nonnull out) {
    struct entropy *entropy = state;
    size_t size = (size_t)MIN(in->data.size, (uint64_t)sizeof entropy->output);
    if (size == 0) {
        return STATUS_OK;
    }
    TRY(seed_if_needed(entropy));
    TRY(generator_give(&entropy->generator,
                       (struct generator_bytes){.size = size, .data = entropy->output}));
    out->data_size = size;
    status_t status = rt_output_write(request, &in->data, 0,
                                      (struct rt_bytes){.size = size, .data = entropy->output});
    bytes_zero(entropy->output, size);
    return status;
}

static status_t serve_write(void *_Nonnull state, struct rt_request *_Nonnull request,
                            const struct stream_write_in *_Nonnull in,
                            struct stream_write_out *_Nonnull out) {
    out->written = MIN(in->data.size, (uint64_t)MIX_LIMIT);
    return out->written > 0 ? mix(state, request, &in->data) : STATUS_OK;
}

static status_t serve_stat(void *_Nonnull state, struct rt_request *_Nonnull request,
                           struct stream_stat_out *_Nonnull out) {
    (void)state;
    uint64_t inode = request->cookie & UINT32_MAX;
    out->info = (struct stream_stat){.device = TTY_FILE_DEVICE,
                                     .inode = inode,
                                     .node = inode - TTY_NODE_FIRST,
                                     .mode = MODE_CHARACTER | 0666u,
                                     .links = 1,
                                     .block_size = 1024};
    return STATUS_OK;
}

static status_t serve_facts(void *_Nonnull state, struct rt_request *_Nonnull request,
                            struct stream_facts_out *_Nonnull out) {
    (void)state;
    (void)request;
    out->kind = STREAM_KIND_CHARACTER;
    out->facts =
        STREAM_FACTS_FLAGS_READABLE | STREAM_FACTS_FLAGS_WRITABLE | STREAM_FACTS_FLAGS_REWOUND;
    return STATUS_OK;
}

static void on_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    static const struct entropy_handlers handlers = {
        .open = serve_open, .add = serve_add, .state = serve_state};
    static const struct stream_handlers files = {
        .read = serve_read, .write = serve_write, .stat = serve_stat, .facts = serve_facts};
    if (stream_speaks(request->label) && (request->cookie & COOKIE_FILE) != 0) {
        stream_dispatch(&files, SOME(server->state), request);
    } else {
        entropy_dispatch(&handlers, SOME(server->state), request);
    }
}

static void on_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    (void)server;
    (void)packet;
}

void server_main(uint64_t mode, uint64_t thread_page) {
    struct rt_server server;
    rt_server_begin(&server, mode, thread_page);
    struct entropy *entropy = rt_server_state(&server, sizeof *entropy, sizeof(struct pool_record));
    entropy->server = &server;
    entropy->kept = (const struct pool_record *)SOME(server.vault_data);
    if (entropy->kept->header.kind != 0 &&
        (entropy->kept->header.size != sizeof *entropy->kept ||
         entropy->kept->header.checksum != rt_record_checksum(&entropy->kept->header))) {
        rt_vault_corrupt(&server, "pool");
    }
    rt_server_run(&server, &(struct rt_service){on_call, on_packet});
}
