/* See server.h. */
#include "lib/rt/server.h"
#include "lib/base/bytes.h"
#include "lib/base/format.h"
#include "lib/rt/kept.h"
#include <stdarg.h>

void rt_log(const struct rt_server *_Nonnull server, const char *_Nonnull text, ...) {
    struct line {
        char data[240];
        size_t length;
    } line = {};
    line.length = format_text(line.data, sizeof line.data, "%s: ", server->start->service);
    va_list arguments;
    va_start(arguments, text);
    line.length += format_text_list(line.data, line.length, sizeof line.data - 1, text, arguments);
    va_end(arguments);
    line.data[line.length++] = '\n';
    rt_log_bytes(line.data, line.length);
}

[[noreturn]] void rt_vault_corrupt(struct rt_server *_Nonnull server, const char *_Nonnull what) {
    rt_log(server, "vault is damaged: %s", what);
    rt_exit(RT_EXIT_CORRUPT);
}

handle_t rt_start_handle(const struct rt_server *_Nonnull server, const char *_Nonnull name) {
    for (uint32_t i = 0; i < server->start->count && i < RT_START_NAMES; i++) {
        if (text_equal(server->start->entries[i].name, name)) {
            return server->start->entries[i].handle;
        }
    }
    return HANDLE_NONE;
}

static void must(status_t status) {
    if (status != STATUS_OK) {
        rt_exit(RT_EXIT_START);
    }
}

/* Where the supervisor gave it a place for its report. */
static void begin_report(struct rt_server *_Nonnull server) {
    uint64_t address = 0;
    handle_t memory = rt_start_handle(server, "report");
    if (memory != HANDLE_NONE &&
        rt_map(0, 0, PAGE_SIZE, memory, 0, PROTECT_READ | PROTECT_WRITE, &address) == STATUS_OK) {
        struct rt_report *report = rt_pointer(address);
        server->recent = &report->recent;
        rt_fault_arm(report);
    }
}

void rt_server_begin(struct rt_server *_Nonnull server, uint64_t mode, uint64_t thread_page) {
    uint64_t address = 0;
    uint64_t size = (sizeof(struct rt_start) + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    must(rt_map(0, 0, size, RT_START_HANDLE, 0, PROTECT_READ, &address));
    *server = (struct rt_server){
        .mode = mode,
        .start = rt_pointer(address),
        .page = rt_pointer(thread_page),
    };
    must(server->start->version == RT_START_VERSION ? STATUS_OK : STATUS_CORRUPT);
    server->endpoint = rt_start_handle(server, "endpoint");
    server->vault = rt_start_handle(server, "vault");
    server->keep = rt_start_handle(server, "keep");
    must(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &server->waitset));
    if (server->endpoint != HANDLE_NONE) {
        struct handle_info info = {};
        must(rt_object_info(server->endpoint, INFO_HANDLE, &info, sizeof info));
        server->endpoint_serial = info.serial;
    }
    if (server->vault != HANDLE_NONE) {
        server->vault_size = server->start->vault_size;
        must(rt_map(0, 0, server->vault_size, server->vault, 0, PROTECT_READ, &address));
        server->vault_data = rt_pointer(address);
    }
    begin_report(server);
}

void *_Nonnull rt_server_state(struct rt_server *_Nonnull server, size_t size, size_t vault_size) {
    handle_t memory = HANDLE_NONE;
    uint64_t address = 0;
    uint64_t whole = (size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    status_t status = rt_object_create(OBJECT_MEMORY, 0, whole, 0, 0, 0, &memory);
    status = status == STATUS_OK
                 ? rt_map(0, 0, whole, memory, 0, PROTECT_READ | PROTECT_WRITE, &address)
                 : status;
    if (status != STATUS_OK || server->vault_size < vault_size) {
        rt_log(server, "no state: status %d, vault of %u pages", (int)status,
               (unsigned)(server->vault_size / PAGE_SIZE));
        rt_exit(RT_EXIT_START);
    }
    server->state = rt_pointer(address);
    return rt_pointer(address);
}

/* ---- staging ---- */

status_t rt_stage(struct rt_server *_Nonnull server, const void *_Nonnull target,
                  const void *_Nonnull from, size_t size) {
    size_t offset = (size_t)((uintptr_t)target - (uintptr_t)server->vault_data);
    if (offset >= server->vault_size || size > server->vault_size - offset ||
        server->patch_count == COMMIT_PATCHES || size > PAGE_SIZE - server->staged_bytes) {
        return STATUS_OUT_OF_RANGE;
    }
    server->page->patches[server->patch_count++] = (struct patch){
        .memory = server->vault,
        .staging_offset = (uint16_t)server->staged_bytes,
        .length = (uint16_t)size,
        .offset = offset,
    };
    bytes_copy(bytes_at(server->page, PAGE_SIZE + server->staged_bytes), from, size);
    server->staged_bytes += (uint32_t)((size + 7) & ~(size_t)7);
    return STATUS_OK;
}

status_t rt_stage_record(struct rt_server *_Nonnull server, const void *_Nonnull target,
                         struct rt_record_header *_Nonnull record) {
    record->checksum = rt_record_checksum(record);
    return rt_stage(server, target, record, record->size);
}

static status_t stage_move(struct rt_server *_Nonnull server, struct keep_move move) {
    if (server->keep_count == COMMIT_KEEP_MOVES) {
        return STATUS_OUT_OF_RANGE;
    }
    server->page->keep_moves[server->keep_count++] = move;
    return STATUS_OK;
}

status_t rt_stage_keep(struct rt_server *_Nonnull server, uint32_t slot, handle_t handle) {
    return stage_move(server, (struct keep_move){
                                  .keep = server->keep,
                                  .operation = handle == HANDLE_NONE ? KEEP_CLEAR : KEEP_PUT,
                                  .slot = slot,
                                  .handle = handle,
                              });
}

status_t rt_stage_ready(struct rt_server *_Nonnull server, handle_t session, uint32_t clear,
                        uint32_t set) {
    return stage_move(
        server,
        (struct keep_move){.keep = clear, .operation = KEEP_READY, .slot = set, .handle = session});
}

status_t rt_stage_forget(struct rt_server *_Nonnull server, handle_t process) {
    return stage_move(server, (struct keep_move){.operation = KEEP_FORGET, .handle = process});
}

void rt_stage_drop(struct rt_server *_Nonnull server) {
    server->patch_count = 0;
    server->staged_bytes = 0;
    server->keep_count = 0;
}

static bool staged(const struct rt_server *_Nonnull server) {
    return server->patch_count > 0 || server->keep_count > 0;
}

static void announce_staged(struct rt_server *_Nonnull server) {
    server->page->reply.patch_count = server->patch_count;
    server->page->reply.keep_count = server->keep_count;
}

status_t rt_commit(struct rt_server *_Nonnull server) {
    if (!staged(server)) {
        return STATUS_OK;
    }
    announce_staged(server);
    struct syscall_registers r = {.number = SYS_COMMIT};
    rt_invoke(&r);
    rt_stage_drop(server);
    return (status_t)(int32_t)(uint32_t)r.number;
}

status_t rt_keep_get(const struct rt_server *_Nonnull server, uint32_t slot,
                     handle_t *_Nonnull out) {
    return rt_handle_move(server->keep, slot, 0, HANDLE_MOVE_ANY, RIGHT_ALL, HANDLE_MOVE_COPY, out);
}

/* ---- replies ---- */

RT_TRUSTED_BEGIN

struct rt_reply rt_reply_for(struct rt_server *_Nonnull server, uint64_t token) {
    return (struct rt_reply){.output = &server->page->reply_output[0], .token = token};
}

/* An answer that asks for pages of a lease. */
static void load_fault_in(struct rt_reply *_Nonnull reply, struct rt_exchange *_Nonnull e) {
    e->b = (uint32_t)STATUS_FAULT_IN; /* the kernel reads the words, whatever the shape */
    reply->words[0] = reply->fault_lease;
    reply->words[1] = reply->fault_offset;
    reply->words[2] = reply->fault_length;
}

static void load_handles(struct thread_page *_Nonnull page, const struct rt_reply *_Nonnull reply) {
    for (uint32_t i = 0; i < reply->handle_count && i < CALL_HANDLES; i++) {
        page->reply.handles[i] = reply->handles[i];
    }
    page->reply.handle_count = reply->handle_count;
}

uint32_t rt_reply_load(struct thread_page *_Nonnull page, struct rt_reply *_Nonnull reply,
                       struct rt_exchange *_Nonnull e) {
    uint32_t flags = reply->outcome == RT_PARK ? RECEIVE_PARK : RECEIVE_REPLY;
    e->token = reply->token;
    e->b = (uint64_t)reply->shape << 32 | (uint32_t)reply->status;
    if (reply->outcome == RT_FAULT_IN) {
        load_fault_in(reply, e);
    } else if (reply->handle_count > 0) {
        load_handles(page, reply);
        flags |= RECEIVE_HAS_HANDLES;
    }
    return flags;
}

/* The same, with what the server staged. */
static inline void load_reply(struct rt_server *_Nonnull server, struct rt_reply *_Nonnull reply,
                              uint32_t more_flags, struct rt_exchange *_Nonnull e) {
    uint32_t flags = more_flags | rt_reply_load(server->page, reply, e);
    if (staged(server) && reply->outcome != RT_FAULT_IN) {
        announce_staged(server);
        flags |= RECEIVE_HAS_PATCHES;
    }
    e->a = (uint64_t)flags << 32 | server->waitset;
}

status_t rt_answer(struct rt_server *_Nonnull server, struct rt_reply *_Nonnull reply) {
    struct rt_exchange e = {.number = SYS_REPLY_RECEIVE};
    uint64_t ignored[CALL_WORDS];
    load_reply(server, reply, RECEIVE_ONLY_REPLY, &e);
    rt_exchange(&e, &reply->words, &ignored);
    status_t status = (status_t)(int32_t)(uint32_t)e.number;
    if (status == STATUS_OK) {
        rt_stage_drop(server);
    }
    return status;
}

status_t rt_answer_error(struct rt_server *_Nonnull server, uint64_t token, status_t status) {
    struct rt_reply reply = rt_reply_for(server, token);
    reply.status = status;
    return rt_answer(server, &reply);
}

/* ---- the loop ---- */

void rt_request_take(struct rt_request *_Nonnull request, const struct rt_exchange *_Nonnull e) {
    request->token = e->token;
    request->cookie = e->a;
    request->label = (uint32_t)e->b;
    request->shape = (uint32_t)(e->b >> 32) & 0xffffff;
}

/* The request's words are there already. */
static inline void serve_call(struct rt_server *_Nonnull server,
                              const struct rt_service *_Nonnull service,
                              const struct rt_exchange *_Nonnull e,
                              struct rt_request *_Nonnull request) {
    struct rt_reply *reply = request->reply;
    rt_request_take(request, e);
    server->context.token = e->token;
    struct rt_recent *recent = server->recent;
    recent->labels[recent->count++ % RT_REPORT_RECENT] = request->label;
    reply->token = e->token;
    reply->status = STATUS_OK;
    reply->shape = 0;
    reply->outcome = RT_REPLY;
    bool nested = server->kept_count > 0 && server->page->received.identity.path != 0;
    if (nested && rt_kept_find(server, request)) {
        return;
    }
    service->on_call(server, request);
    if (nested && staged(server) && reply->outcome == RT_REPLY && reply->status == STATUS_OK) {
        reply->status = rt_kept_stage(server, request);
    }
    bool keeps =
        reply->outcome == RT_PARK || (reply->outcome == RT_REPLY && reply->status == STATUS_OK);
    if (!keeps) {
        rt_stage_drop(server);
    }
}

static void serve_packet(struct rt_server *_Nonnull server,
                         const struct rt_service *_Nonnull service,
                         const struct rt_exchange *_Nonnull e,
                         const struct rt_request *_Nonnull request) {
    struct rt_packet packet = {
        .kind = (enum packet_kind)(e->b >> 56), .key = e->a, .token = e->token};
    for (size_t i = 0; i < CALL_WORDS; i++) {
        packet.words[i] = request->words[i];
    }
    service->on_packet(server, &packet);
}

/* The answer was refused: what the server staged or gave cannot be applied. That is its own defect,
 * and the call must not wait for ever. */
static void answer_refused(struct rt_server *_Nonnull server, const struct rt_reply *_Nonnull reply,
                           status_t status) {
    rt_log(server, "reply refused: status %d", (int)status);
    rt_stage_drop(server);
    status_t again = rt_answer_error(server, reply->token, STATUS_BAD_MESSAGE);
    (void)again; /* NOT_FOUND: nobody waits any more */
}

[[noreturn]] void rt_server_run(struct rt_server *_Nonnull server,
                                const struct rt_service *_Nonnull service) {
    must(server->endpoint == HANDLE_NONE
             ? STATUS_OK
             : rt_bind(server->waitset, server->endpoint, UINT32_MAX, 0, 0));
    struct rt_reply reply = rt_reply_for(server, 0);
    struct rt_request request = {.page = server->page,
                                 .context = &server->context,
                                 .reply = &reply,
                                 .endpoint_serial = server->endpoint_serial};
    server->context = (struct rt_context){};
    if (server->recent == nullptr) {
        /* It was given no place for its report: where nothing else is. */
        static_assert(sizeof server->page->reserved >= sizeof *server->recent);
        server->recent = bytes_at(server->page, offsetof(struct thread_page, reserved));
    }
    bool answers = false;
    for (;;) {
        struct rt_exchange e = {.number = SYS_REPLY_RECEIVE, .a = server->waitset};
        if (answers) {
            load_reply(server, &reply, 0, &e);
        }
        rt_exchange(&e, &reply.words, &request.words);
        status_t status = (status_t)(int32_t)(uint32_t)e.number;
        if (status != STATUS_OK) {
            if (!answers) {
                rt_exit(RT_EXIT_START);
            }
            answers = false;
            if (status != STATUS_NOT_FOUND) {
                answer_refused(server, &reply, status);
            }
            continue;
        }
        rt_stage_drop(server);
        enum packet_kind kind = (enum packet_kind)(e.b >> 56);
        answers = kind == PACKET_CALL || kind == PACKET_CLOSE;
        if (kind == PACKET_CALL) {
            serve_call(server, service, &e, &request);
        } else {
            serve_packet(server, service, &e, &request);
        }
        if (kind == PACKET_CLOSE) {
            reply = rt_reply_for(server, e.token);
        }
    }
}
RT_TRUSTED_END
