/* The files of /proc/isotope, which programs reach the supervisor by: sessions of its own endpoint
 * that speak `stream`. The server of /proc asks for one and decides who may have it; from then on
 * it is out of the way, so that it can itself be stopped and started by such a file.
 *
 * All of a session is in its cookie:   bit 62: 1   40: writes   39…32: file   31…0: inode */
#include "idl/stream.h"
#include "lib/base/bytes.h"
#include "servers/supervisor/table.h"

#define COOKIE_FILE (1ull << 62)
#define COOKIE_WRITES (1ull << 40)
enum : uint32_t {
    COOKIE_KIND = 32,
    COMMAND_SIZE = 256,
    MODE_REGULAR = 0100000,
    FILE_RIGHTS =
        RIGHT_CALL | RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_WAIT | RIGHT_INSPECT | RIGHT_READ
};

static enum service_file file_of(const struct rt_request *_Nonnull request) {
    return (enum service_file)(request->cookie >> COOKIE_KIND & 0xff);
}

status_t files_open(struct supervisor *_Nonnull self, enum service_file file, bool writes,
                    uint32_t inode, handle_t *_Nonnull out) {
    handle_t whole = HANDLE_NONE;
    uint64_t cookie =
        COOKIE_FILE | (writes ? COOKIE_WRITES : 0) | (uint64_t)file << COOKIE_KIND | inode;
    TRY(rt_object_create(OBJECT_SESSION, self->server.endpoint, cookie, 0, 0, 0, &whole));
    status_t status = rt_session_ready(whole, 0, READY_IN | READY_OUT);
    status = status == STATUS_OK ? rt_handle_duplicate(whole, FILE_RIGHTS, out) : status;
    rt_handle_close(whole);
    return status;
}

/* ---- reading ---- */

static const char *_Nonnull state_name(enum service_state state) {
    static const char *const names[] = {"stopped", "starting", "running",
                                        "waiting", "updating", "degraded"};
    return state < ARRAY_LENGTH(names) ? SOME(names[state]) : "?";
}

static const char *_Nonnull cause_name(enum service_cause cause) {
    static const char *const names[] = {"-",      "crash",   "hang",   "unhealthy",
                                        "killed", "corrupt", "update", "layer"};
    return cause < ARRAY_LENGTH(names) ? SOME(names[cause]) : "?";
}

/* Times are milliseconds since the boot. docs/services.md tells what the columns are. */
static void print_services(struct supervisor *_Nonnull self) {
    struct text_window *window = &self->window;
    const struct own_record *own = &vault_of(self)->own;
    window_print(window, "name program state cause restarts faults hangs poisoned redelivered "
                         "started ended run pages queued in-hand parked sessions oldest\n");
    window_print(window, "supervisor supervisor running - %lu 0 0 0 0 %lu 0 0 0 0 0 0 0 0\n",
                 own->restarts, own->started_ns / 1000000);
    for (uint32_t i = 0; i < self->count; i++) {
        struct service_status s;
        describe(self, i, &s);
        window_print(window, "%s %s %s %s %lu %lu %lu %lu %lu", (const char *)&s.name[0],
                     (const char *)&s.program[0], state_name(s.state), cause_name(s.last_cause),
                     s.restarts, s.faults, s.hangs, s.poisoned, s.redelivered);
        window_print(window, " %lu %lu %lu %lu %u %u %u %u %lu\n", s.started_ns / 1000000,
                     s.ended_ns / 1000000, s.run_time_ns / 1000000, s.pages, s.queued, s.in_hand,
                     s.parked, s.sessions, s.oldest_call_ns / 1000000);
    }
}

static void print_reports(struct supervisor *_Nonnull self) {
    const struct report_record *report = report_next(self, SERVICE_LIMIT, 0);
    while (report != nullptr && self->window.size < self->window.room) {
        report_print(&self->window, SOME(report));
        report = report_next(self, SERVICE_LIMIT, SOME(report)->number);
    }
}

static status_t serve_read(void *_Nonnull state, struct rt_request *_Nonnull request,
                           const struct stream_read_in *_Nonnull in,
                           struct stream_read_out *_Nonnull out) {
    struct supervisor *self = state;
    struct text_window *window = &self->window;
    window_begin(window, in->offset == STREAM_POSITION_CURRENT ? 0 : in->offset, in->data.size);
    if (file_of(request) == SERVICE_FILE_REPORTS) {
        print_reports(self);
    } else {
        print_services(self);
    }
    out->data_size = window->size;
    struct rt_bytes bytes = {.size = window->size, .data = (const uint8_t *)window->bytes};
    return window->size > 0 ? rt_output_write(request, &in->data, 0, bytes) : STATUS_OK;
}

/* ---- writing: one command ---- */

static status_t serve_write(void *_Nonnull state, struct rt_request *_Nonnull request,
                            const struct stream_write_in *_Nonnull in,
                            struct stream_write_out *_Nonnull out) {
    struct supervisor *self = state;
    char text[COMMAND_SIZE];
    struct update_asker asker = {.token = request->token, .by_stream = true, .size = in->data.size};
    REFUSE((request->cookie & COOKIE_WRITES) == 0 || file_of(request) != SERVICE_FILE_SERVICES,
           STREAM_STATUS_NOT_FOR_THIS);
    REFUSE(in->data.size > sizeof text, STATUS_BAD_ARGUMENT);
    TRY(rt_input_read(request, &in->data, 0,
                      (struct rt_buffer){.size = (size_t)in->data.size, .data = (uint8_t *)text}));
    out->written = in->data.size;
    return command_line(self, (struct words_text){(size_t)in->data.size, text}, &asker);
}

static status_t serve_stat(void *_Nonnull state, struct rt_request *_Nonnull request,
                           struct stream_stat_out *_Nonnull out) {
    (void)state;
    int64_t now = (int64_t)rt_realtime_ns();
    bool services = file_of(request) == SERVICE_FILE_SERVICES;
    out->info = (struct stream_stat){
        .device = SERVICE_FILE_DEVICE,
        .inode = (uint32_t)request->cookie,
        .mode = MODE_REGULAR | (services ? 0644u : 0400u),
        .links = 1,
        .block_size = 1024,
        .access_ns = now,
        .modify_ns = now,
        .change_ns = now,
    };
    return STATUS_OK;
}

static status_t serve_facts(void *_Nonnull state, struct rt_request *_Nonnull request,
                            struct stream_facts_out *_Nonnull out) {
    (void)state;
    out->kind = STREAM_KIND_REGULAR;
    out->facts = STREAM_FACTS_FLAGS_SEEKABLE | STREAM_FACTS_FLAGS_READABLE;
    out->facts |= (request->cookie & COOKIE_WRITES) != 0 ? STREAM_FACTS_FLAGS_WRITABLE : 0;
    return STATUS_OK;
}

void files_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    static const struct stream_handlers handlers = {
        .read = serve_read, .write = serve_write, .stat = serve_stat, .facts = serve_facts};
    if ((request->cookie & (COOKIE_FILE | RT_COOKIE_SERVICE)) != COOKIE_FILE) {
        request->reply->status = STATUS_BAD_METHOD;
        return;
    }
    stream_dispatch(&handlers, SOME(server->state), request);
}
