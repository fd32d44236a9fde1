/* See README.md. The manifest's argument is the command: its words, the first being the path. */
#include "idl/service.h"
#include "idl/tty.h"
#include "servers/init/init.h"

enum { SLOT_PROGRAM = 1 }; /* of the keep: the first program's process */
enum { RECORD_INIT = 0x494e };

/* What init records: that the program was begun, so that a restart does not begin another. */
struct init_record {
    struct rt_record_header header;
    uint64_t begun;
};

void init_must(struct rt_server *_Nonnull server, status_t status, const char *_Nonnull what) {
    if (status != STATUS_OK) {
        rt_log(server, "%s: status %d", what, (int)status);
        rt_exit(RT_EXIT_START);
    }
}

/* What was written to the console is sent before the machine is off. */
static void drain_console(struct rt_server *_Nonnull server) {
    handle_t terminal = HANDLE_NONE;
    handle_t tty = rt_start_handle(server, "tty");
    if (tty != HANDLE_NONE && tty_open(tty, 0, true, &terminal) == STATUS_OK) {
        (void)tty_drain(terminal, false, false);
        rt_handle_close(terminal);
    }
}

/* The machine ends with its first program. */
static void on_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    if (packet->kind != PACKET_EXIT) {
        return;
    }
    rt_log(server, "the first program ended: %ld", (long)packet->words[0]);
    drain_console(server);
    status_t status = service_power(rt_start_handle(server, "supervisor"), SERVICE_POWER_OFF,
                                    (uint32_t)packet->words[0]);
    rt_log(server, "power off: status %d", (int)status);
}

void server_main(uint64_t mode, uint64_t thread_page) {
    struct rt_server server;
    rt_server_begin(&server, mode, thread_page);
    const struct init_record *kept = SOME(server.vault_data);
    if (kept->header.kind == RECORD_INIT &&
        rt_record_checksum(&kept->header) != kept->header.checksum) {
        rt_vault_corrupt(&server, "what was begun");
    }
    if (kept->begun == 0) {
        struct init_record record = {
            .header = {.kind = RECORD_INIT, .version = 1, .size = sizeof record}, .begun = 1};
        handle_t begun = init_program_begin(&server);
        init_must(&server, rt_stage_keep(&server, SLOT_PROGRAM, begun), "keep");
        init_must(&server, rt_stage_record(&server, kept, &record.header), "record");
        init_must(&server, rt_commit(&server), "record");
    }
    handle_t program = HANDLE_NONE;
    init_must(&server, rt_keep_get(&server, SLOT_PROGRAM, &program), "keep");
    init_program_start(&server, program);
    init_must(&server, rt_bind(server.waitset, program, UINT32_MAX, 0, 0), "bind");
    rt_server_run(&server, &(struct rt_service){init_log_stream_call, on_packet});
}
