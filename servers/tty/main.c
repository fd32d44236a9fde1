/* tty: terminals. See tty.h. */
#include "idl/process.h"
#include "servers/tty/tty.h"

static void must(const struct tty *_Nonnull tty, status_t status, const char *_Nonnull what) {
    if (status != STATUS_OK) {
        rt_log(tty->server, "%s: status %d", what, (int)status);
        rt_exit(RT_EXIT_START);
    }
}

static struct tty *_Nonnull make_state(struct rt_server *_Nonnull server) {
    struct tty *tty = rt_server_state(server, sizeof *tty, sizeof(struct tty_vault));
    tty->server = server;
    tty->vault = (const struct tty_vault *)SOME(server->vault_data);
    return tty;
}

static bool sound(const struct rt_record_header *_Nonnull header, uint32_t kind, size_t size) {
    return header->kind == 0 ||
           (header->kind == kind && header->version == 1 && header->size == size &&
            rt_record_checksum(header) == header->checksum);
}

/* A terminal's record is whole, and its queues' counts can be. */
static bool sound_terminal(const struct terminal *_Nonnull terminal) {
    const struct discipline *line = &terminal->line;
    return sound(&terminal->header, TTY_RECORD_TERMINAL, sizeof *terminal) &&
           line->input_put - line->input_taken <= TERMINAL_INPUT &&
           line->input_line_end - line->input_taken <= line->input_put - line->input_taken &&
           line->output_put - line->output_taken <= TERMINAL_OUTPUT;
}

static void validate(struct tty *_Nonnull tty) {
    bool whole = true;
    for (uint32_t i = 0; i < TTY_TERMINALS; i++) {
        whole = whole && sound_terminal(&tty->vault->terminals[i]);
        tty->stations[i].index = i;
        tty->stations[i].now = tty->vault->terminals[i];
    }
    for (uint32_t i = 0; i < TTY_SESSIONS; i++) {
        const struct tty_session *session = &tty->vault->sessions[i];
        whole = whole && sound(&session->header, TTY_RECORD_SESSION, sizeof *session) &&
                session->terminal < TTY_TERMINALS;
        tty->sessions[i].ready = UINT32_MAX;
        if (session->used != 0) {
            whole = whole && rt_keep_get(tty->server, TTY_KEEP_SESSIONS + i,
                                         &tty->sessions[i].handle) == STATUS_OK;
        }
    }
    if (!whole) {
        rt_vault_corrupt(tty->server, "terminal");
    }
}

/* The first start: the console as Linux has it, and the objects shared with the driver. */
static void begin(struct tty *_Nonnull tty) {
    handle_t line = HANDLE_NONE;
    handle_t to_driver = HANDLE_NONE;
    handle_t to_tty = HANDLE_NONE;
    struct station *station = &tty->stations[0];
    struct terminal *console = tty_edit(station);
    console->flags = TERMINAL_USED;
    console->size = (struct tty_size){.rows = 24, .columns = 80};
    discipline_begin(&console->line);
    must(tty, rt_object_create(OBJECT_MEMORY, 0, 2 * (uint64_t)PAGE_SIZE, 0, 0, 0, &line), "line");
    must(tty, rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &to_driver), "event");
    must(tty, rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &to_tty), "event");
    must(tty, tty_stage(tty, station), "stage");
    must(tty, rt_stage_keep(tty->server, TTY_KEEP_LINE, line), "keep");
    must(tty, rt_stage_keep(tty->server, TTY_KEEP_TO_DRIVER, to_driver), "keep");
    must(tty, rt_stage_keep(tty->server, TTY_KEEP_TO_TTY, to_tty), "keep");
    must(tty, rt_commit(tty->server), "commit");
    station->edited = false;
}

/* Who the callers are, and an event for when a session's leader ends. Without a process server
 * there is no job control. */
static void know_people(struct tty *_Nonnull tty) {
    handle_t event = HANDLE_NONE;
    tty->process = rt_start_handle(tty->server, "process");
    if (tty->process == HANDLE_NONE) {
        return;
    }
    must(tty, people_begin(&tty->people, tty->process), "the tables of process");
    must(tty,
         rt_handle_duplicate(tty->to_tty, RIGHT_SIGNAL | RIGHT_TRANSFER | RIGHT_DUPLICATE, &event),
         "event");
    must(tty, process_watch_sessions(tty->process, event, 1), "watch");
}

/* Maps the line and tells the driver; what another instance told it says the same. */
static void attach(struct tty *_Nonnull tty) {
    handle_t line = HANDLE_NONE;
    handle_t waits = HANDLE_NONE;
    handle_t signals = HANDLE_NONE;
    uint64_t address = 0;
    handle_t driver = rt_start_handle(tty->server, "uart");
    must(tty, rt_keep_get(tty->server, TTY_KEEP_LINE, &line), "line");
    must(tty, rt_keep_get(tty->server, TTY_KEEP_TO_DRIVER, &tty->to_driver), "event");
    must(tty, rt_keep_get(tty->server, TTY_KEEP_TO_TTY, &tty->to_tty), "event");
    must(tty, rt_bind(tty->server->waitset, tty->to_tty, UINT32_MAX, TTY_KEY_DEVICE, 0), "bind");
    if (driver == HANDLE_NONE) {
        return;
    }
    must(tty,
         rt_map(0, 0, 2 * (uint64_t)PAGE_SIZE, line, 0, PROTECT_READ | PROTECT_WRITE, &address),
         "map");
    struct uart_line *device = rt_pointer(address);
    device->values = (struct uart_setting){
        .speed = tty->stations[0].now.line.attributes.output_speed, .data_bits = 8, .stop_bits = 1};
    must(tty,
         rt_handle_duplicate(tty->to_driver, RIGHT_WAIT | RIGHT_TRANSFER | RIGHT_DUPLICATE, &waits),
         "event");
    must(
        tty,
        rt_handle_duplicate(tty->to_tty, RIGHT_SIGNAL | RIGHT_TRANSFER | RIGHT_DUPLICATE, &signals),
        "event");
    status_t status = uart_attach(driver, line, waits, signals);
    status = status == STATUS_OK ? uart_set(driver) : status;
    if (status != STATUS_OK) {
        rt_log(tty->server, "the console has no device: status %d", (int)status);
        return;
    }
    tty->device = device;
}

static void on_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    struct tty *tty = (struct tty *)SOME(server->state);
    if (packet->kind == PACKET_CLOSE) {
        tty_pump(tty); /* what this close stages begins with what is committed */
        (void)rt_event_signal(tty->to_tty, 1);
        tty_close(tty, packet->key);
        return;
    }
    if (packet->kind == PACKET_CANCEL) {
        tty_unpark(tty, packet->token);
    }
    tty_pump(tty);
}

void server_main(uint64_t mode, uint64_t thread_page) {
    struct rt_server server;
    rt_server_begin(&server, mode, thread_page);
    struct tty *tty = make_state(&server);
    validate(tty);
    if (tty->vault->terminals[0].header.kind == 0) {
        begin(tty);
    }
    must(tty, rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &tty->timer), "timer");
    must(tty, rt_bind(server.waitset, tty->timer, UINT32_MAX, TTY_KEY_TIMER, 0), "bind");
    attach(tty);
    know_people(tty);
    tty_pump(tty);
    rt_server_run(&server, &(struct rt_service){tty_call, on_packet});
}
