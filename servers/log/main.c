/* log: calls and the loop. See log.h.
 *
 * All of a session is in its cookie:
 *   bit 62: 1   61: reads (/proc/kmsg); else writes (/dev/kmsg)   60…20: where the stream began for
 *   it   19…0: inode */
#include "idl/tty.h"
#include "lib/base/bytes.h"
#include "servers/log/log.h"

#define COOKIE_FILE (1ull << 62)
#define COOKIE_READS (1ull << 61)
enum : uint32_t {
    SHIFT_BASE = 20,
    INODE_MASK = (1u << SHIFT_BASE) - 1,
    PROC_DEVICE = 4,
    MODE_REGULAR = 0100000,
    MODE_CHARACTER = 0020000,
    FILE_RIGHTS =
        RIGHT_CALL | RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_WAIT | RIGHT_INSPECT | RIGHT_READ
};

static bool is_file(const struct rt_request *_Nonnull request) {
    return (request->cookie & (COOKIE_FILE | RT_COOKIE_SERVICE)) == COOKIE_FILE;
}
static bool may_read(const struct rt_request *_Nonnull request) {
    return !is_file(request) || (request->cookie & COOKIE_READS) != 0;
}
static uint64_t base_of(const struct rt_request *_Nonnull request) {
    return is_file(request) ? (request->cookie & (COOKIE_READS - 1)) >> SHIFT_BASE : 0;
}

/* ---- log ---- */

/* `<PRIORITY>` before a text that a program wrote; what stands there else is part of the text. */
static enum log_level take_level(struct rt_bytes *_Nonnull text) {
    uint32_t priority = 0;
    size_t at = 1;
    if (text->size < 3 || text->data[0] != '<') {
        return LOG_LEVEL_NOTICE;
    }
    while (at < text->size && at < 5 && text->data[at] >= '0' && text->data[at] <= '9') {
        priority = priority * 10 + text->data[at++] - '0';
    }
    if (at == 1 || at == text->size || text->data[at] != '>') {
        return LOG_LEVEL_NOTICE;
    }
    *text = (struct rt_bytes){.size = text->size - at - 1,
                              .data = bytes_at_const(SOME(text->data), at + 1)};
    return (enum log_level)(priority & 7);
}

/* What services said before comes before it. */
static status_t add(struct log *_Nonnull log, struct rt_request *_Nonnull request,
                    const struct rt_input *_Nonnull input, const enum log_level *_Nullable level) {
    size_t size = (size_t)MIN(input->size, (uint64_t)LOG_WRITE_LIMIT);
    TRY(rt_input_read(request, input, 0, (struct rt_buffer){.size = size, .data = log->output}));
    log_pull(log);
    struct rt_bytes text = {.size = size, .data = log->output};
    enum log_level said = level != nullptr ? *SOME(level) : take_level(&text);
    status_t status = log_stage(log, said, text);
    /* More lines than fit into one commit: the first of them are the entry. */
    return status == STATUS_OK || status == STATUS_OUT_OF_RANGE ? log_stage_head(log) : status;
}

static status_t log_write_line(void *_Nonnull state, struct rt_request *_Nonnull request,
                               const struct log_write_in *_Nonnull in) {
    return add(state, request, &in->text, &in->level);
}

static status_t log_read_text(void *_Nonnull state, struct rt_request *_Nonnull request,
                              const struct log_read_in *_Nonnull in,
                              struct log_read_out *_Nonnull out) {
    struct log *log = state;
    struct rt_buffer to = {.size = (size_t)MIN(in->text.size, (uint64_t)sizeof log->output),
                           .data = log->output};
    REFUSE(!may_read(request), STATUS_NOT_ALLOWED);
    log_pull(log);
    out->text_size = log_text(log, in->from, to, &out->next);
    struct rt_bytes bytes = {.size = (size_t)out->text_size, .data = log->output};
    return bytes.size > 0 ? rt_output_write(request, &in->text, 0, bytes) : STATUS_OK;
}

static status_t log_control_it(void *_Nonnull state, struct rt_request *_Nonnull request,
                               const struct log_control_in *_Nonnull in,
                               struct log_control_out *_Nonnull out) {
    struct log *log = state;
    REFUSE(!may_read(request), STATUS_NOT_ALLOWED);
    log_pull(log);
    uint64_t first = log_first(log);
    out->end = log->next.end;
    out->held = log->next.end - first;
    out->room = (uint64_t)LOG_SLOTS * LOG_TEXT;
    out->cleared = MAX(log->next.cleared, first);
    if (in->clear) {
        log->next.cleared = log->next.end;
        return log_stage_head(log);
    }
    return STATUS_OK;
}

static status_t log_open_file(void *_Nonnull state, struct rt_request *_Nonnull request,
                              const struct log_open_in *_Nonnull in,
                              struct log_open_out *_Nonnull out) {
    struct log *log = state;
    handle_t whole = HANDLE_NONE;
    REFUSE(is_file(request), STATUS_NOT_ALLOWED);
    REFUSE(in->inode > INODE_MASK, STATUS_BAD_ARGUMENT);
    uint64_t kind = in->what == LOG_FILE_READS ? COOKIE_READS : 0;
    uint64_t cookie = COOKIE_FILE | kind | log_first(log) << SHIFT_BASE | in->inode;
    TRY(rt_object_create(OBJECT_SESSION, log->server->endpoint, cookie, 0, 0, 0, &whole));
    status_t status = rt_session_ready(whole, 0, READY_IN | READY_OUT);
    status = status == STATUS_OK ? rt_handle_duplicate(whole, FILE_RIGHTS, &out->opened) : status;
    rt_handle_close(whole);
    return status;
}

/* ---- stream ---- */

static status_t stream_read_text(void *_Nonnull state, struct rt_request *_Nonnull request,
                                 const struct stream_read_in *_Nonnull in,
                                 struct stream_read_out *_Nonnull out) {
    struct log *log = state;
    uint64_t offset = in->offset == STREAM_POSITION_CURRENT ? 0 : in->offset;
    uint64_t position = 0;
    uint64_t next = 0;
    struct rt_buffer to = {.size = (size_t)MIN(in->data.size, (uint64_t)sizeof log->output),
                           .data = log->output};
    REFUSE(!may_read(request) || ckd_add(&position, base_of(request), offset),
           STREAM_STATUS_NOT_FOR_THIS);
    log_pull(log);
    REFUSE(position < log_first(log), STREAM_STATUS_BROKEN); /* overwritten since it was opened */
    out->data_size = log_text(log, position, to, &next);
    struct rt_bytes bytes = {.size = (size_t)out->data_size, .data = log->output};
    return bytes.size > 0 ? rt_output_write(request, &in->data, 0, bytes) : STATUS_OK;
}

static status_t stream_write_line(void *_Nonnull state, struct rt_request *_Nonnull request,
                                  const struct stream_write_in *_Nonnull in,
                                  struct stream_write_out *_Nonnull out) {
    REFUSE(may_read(request), STREAM_STATUS_NOT_FOR_THIS);
    out->written = in->data.size;
    return in->data.size > 0 ? add(state, request, &in->data, nullptr) : STATUS_OK;
}

static status_t stream_stat_it(void *_Nonnull state, struct rt_request *_Nonnull request,
                               struct stream_stat_out *_Nonnull out) {
    (void)state;
    uint64_t inode = request->cookie & INODE_MASK;
    bool reads = may_read(request);
    int64_t now = (int64_t)rt_realtime_ns();
    out->info = (struct stream_stat){
        .device = reads ? PROC_DEVICE : TTY_FILE_DEVICE,
        .inode = inode,
        .node = reads ? 0 : inode - TTY_NODE_FIRST,
        .mode = reads ? MODE_REGULAR | 0400u : MODE_CHARACTER | 0600u,
        .links = 1,
        .block_size = 1024,
        .access_ns = now,
        .modify_ns = now,
        .change_ns = now,
    };
    return STATUS_OK;
}

static status_t stream_facts_of(void *_Nonnull state, struct rt_request *_Nonnull request,
                                struct stream_facts_out *_Nonnull out) {
    (void)state;
    bool reads = may_read(request);
    out->kind = reads ? STREAM_KIND_REGULAR : STREAM_KIND_CHARACTER;
    out->facts = reads ? STREAM_FACTS_FLAGS_READABLE | STREAM_FACTS_FLAGS_SEEKABLE
                       : STREAM_FACTS_FLAGS_WRITABLE;
    return STATUS_OK;
}

/* ---- the loop ---- */

static void on_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    static const struct log_handlers handlers = {.write = log_write_line,
                                                 .read = log_read_text,
                                                 .control = log_control_it,
                                                 .open = log_open_file};
    static const struct stream_handlers files = {.read = stream_read_text,
                                                 .write = stream_write_line,
                                                 .stat = stream_stat_it,
                                                 .facts = stream_facts_of};
    struct log *log = SOME(server->state);
    log_drop(log);
    if (stream_speaks(request->label) && is_file(request)) {
        stream_dispatch(&files, log, request);
    } else {
        log_dispatch(&handlers, log, request);
    }
}

static void on_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    if (packet->kind == PACKET_EVENT && packet->key == LOG_KEY_PULL) {
        log_pull(SOME(server->state));
    }
}

void server_main(uint64_t mode, uint64_t thread_page) {
    struct rt_server server;
    rt_server_begin(&server, mode, thread_page);
    struct log *log = rt_server_state(&server, sizeof *log, sizeof(struct log_vault));
    log->server = &server;
    log->vault = (const struct log_vault *)SOME(server.vault_data);
    log->system = rt_start_handle(&server, "system");
    log_begin(log);
    status_t status = rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &log->timer);
    status = status == STATUS_OK ? rt_bind(server.waitset, log->timer, UINT32_MAX, LOG_KEY_PULL, 0)
                                 : status;
    status = status == STATUS_OK ? rt_timer_set(log->timer, rt_clock_ns() + PULL_NS, 1, PULL_NS)
                                 : status;
    if (status != STATUS_OK) {
        rt_log(&server, "no timer: status %d", (int)status);
        rt_exit(RT_EXIT_START);
    }
    log_pull(log);
    rt_server_run(&server, &(struct rt_service){on_call, on_packet});
}
