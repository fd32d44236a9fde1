/* The service around the handlers: dispatch, exits, timers, start. */
#include "servers/process/family.h"

static const struct process_handlers handlers = {
    .fork = serve_fork,
    .exec = serve_exec,
    .tables = serve_tables,
    .wait = serve_wait,
    .kill = serve_kill,
    .take_signal = serve_take_signal,
    .stop = serve_stop,
    .set_group = serve_set_group,
    .new_session = serve_new_session,
    .set_ids = serve_set_ids,
    .limit = serve_limit,
    .interval = serve_interval,
    .timer = serve_timer,
    .attribute = serve_attribute,
    .add_thread = serve_add_thread,
    .usage_of = serve_usage_of,
    .nice = serve_nice,
    .describe = serve_describe,
    .list = serve_list,
    .open_process = serve_open_process,
    .host_name = serve_host_name,
    .limits_of = serve_limits_of,
    .unsupported = serve_unsupported,
    .lacks = serve_lacks,
    .signal_group = serve_signal_group,
    .set_terminal = serve_set_terminal,
    .watch_sessions = serve_watch_sessions,
    .grant_ticket = serve_grant_ticket,
    .registry = serve_registry,
    .begin = serve_begin,
    .power = serve_power,
};

void process_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    struct processes *ps = SOME(server->state);
    table_begin(ps);
    if (process_speaks(request->label)) {
        process_dispatch(&handlers, ps, request);
    } else {
        request->reply->status = STATUS_BAD_METHOD;
    }
    if (request->reply->outcome == RT_REPLY && request->reply->status != STATUS_OK) {
        table_abandon(ps);
    }
}

void process_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    struct processes *ps = SOME(server->state);
    table_begin(ps);
    if (packet->kind == PACKET_EXIT) {
        uint32_t slot = slot_by_serial(ps, packet->words[3]);
        if (slot != NO_SLOT) {
            family_ended(ps, slot, (int64_t)packet->words[0], packet->words[1]);
        } else {
            family_reconcile(ps);
        }
    } else if (packet->kind == PACKET_EVENT) {
        alarms_look(ps);
    } else if (packet->kind == PACKET_CANCEL) {
        waiters_cancel(ps, packet->token);
    }
}

/* A process of the table that the kernel knows no more, or that a stop or new ids were not applied
 * to: the table is what counts, and applying again changes nothing. */
static void apply_all(struct processes *_Nonnull ps) {
    for (uint32_t i = 0; i < ps->slot_limit; i++) {
        const struct slot_record *record = slot_at(ps, i);
        handle_t process = HANDLE_NONE;
        if (record->pid == 0 || record->state == STATE_ZOMBIE) {
            continue;
        }
        if (slot_process(ps, i, &process) != STATUS_OK) {
            family_ended(ps, i, SIGNAL_KILL, EXIT_SIGNAL);
            continue;
        }
        /* It may have ended: its exit is among the domain's. */
        (void)rt_object_set(process, SET_PRINCIPAL, record->principal, 0);
        (void)rt_thread_control(process,
                                record->state == STATE_STOPPED ? THREAD_SUSPEND : THREAD_CONTINUE);
    }
}

struct processes *_Nonnull process_start(struct rt_server *_Nonnull server) {
    struct processes *ps = rt_server_state(server, sizeof *ps, sizeof(struct process_vault));
    handle_t domain = rt_start_handle(server, "programs");
    handle_t timer = HANDLE_NONE;
    status_t status = rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &timer);
    status =
        status == STATUS_OK ? rt_bind(server->waitset, timer, UINT32_MAX, KEY_TIMER, 0) : status;
    status =
        status == STATUS_OK ? rt_bind(server->waitset, domain, UINT32_MAX, KEY_EXITS, 0) : status;
    if (status != STATUS_OK) {
        rt_log(server, "no timer, or no programs: status %d", (int)status);
        rt_exit(RT_EXIT_START);
    }
    ps->server = server;
    ps->vault = (const struct process_vault *)SOME(server->vault_data);
    ps->domain = domain;
    ps->timer = timer;
    table_share(ps);
    table_rebuild(ps);
    apply_all(ps);
    family_reconcile(ps);
    signals_show_again(ps);
    alarms_look(ps);
    return ps;
}
