/* Job control: who opens a terminal, which session holds it, which group is in its foreground, who
 * is behind it. As Linux has it (tty_jobctrl.c, tty_io.c), with one process for one session's
 * leader: `process` records which terminal a process has, this server which session and group a
 * terminal has. `process` is told first: a repetition finds what it did, and does the rest.
 *
 *   no session ── take, open by a leader ──► session ── leader ends, drop, hang_up ──► no session
 */
#include "idl/process.h"
#include "servers/tty/tty.h"

enum : uint64_t { MAY_HANG_UP = 1u << 26 };
enum { STEP_SIGNAL = 1, STEP_TAKE = 2, STEP_DROP = 3 };

uint32_t tty_device_of(const struct station *_Nonnull station) {
    return station->index == 0 ? DEVICE_SERIAL : DEVICE_PTS | (station->index - 1);
}

static bool caller_of(struct tty *_Nonnull tty, const struct rt_request *_Nonnull request,
                      struct process_table_entry *_Nonnull out) {
    return people_find(&tty->people, request->page->received.process_serial, out);
}

static bool may(const struct tty *_Nonnull tty, const struct rt_request *_Nonnull request,
                uint64_t capability) {
    struct caller caller = access_caller(&tty->people.principals, request, false);
    return caller_can(&caller, capability);
}

/* The terminal is the caller's controlling one. */
static bool is_own(const struct station *_Nonnull station,
                   const struct process_table_entry *_Nonnull caller) {
    return caller->terminal == tty_device_of(station) && station->now.session != 0 &&
           caller->session == station->now.session;
}

status_t tty_pass_foreground(struct tty *_Nonnull tty, struct rt_request *_Nonnull request,
                             const struct station *_Nonnull station, uint32_t signal, bool passes) {
    struct process_table_entry caller = {};
    const struct terminal *terminal = &station->now;
    if (terminal->group == 0 || !caller_of(tty, request, &caller) || !is_own(station, &caller) ||
        caller.group == terminal->group) {
        return STATUS_OK;
    }
    if (passes) {
        return signal == SIGNAL_TTIN ? STREAM_STATUS_FAILED : STATUS_OK;
    }
    if (people_orphaned(&tty->people, caller.group, caller.session)) {
        return STREAM_STATUS_FAILED;
    }
    status_t status = process_signal_group_nested(SOME(request->context), STEP_SIGNAL, tty->process,
                                                  caller.group, false, signal);
    if (status != STATUS_OK && status != PROCESS_STATUS_NO_PROCESS) {
        rt_log(tty->server, "signal %u: status %d", signal, (int)status);
    }
    return STREAM_STATUS_BACKGROUND;
}

/* ---- taking and giving up ---- */

/* Makes the terminal the caller's session's: staged. */
static status_t take(struct tty *_Nonnull tty, struct rt_request *_Nonnull request,
                     struct station *_Nonnull station, bool steal) {
    struct process_table_entry caller = {};
    uint32_t device = tty_device_of(station);
    uint64_t serial = request->page->received.process_serial;
    if (!caller_of(tty, request, &caller) || caller.pid != caller.session ||
        (caller.terminal != 0 && caller.terminal != device)) {
        return STATUS_NOT_ALLOWED;
    }
    if (station->now.session == caller.session && station->now.leader == serial) {
        return STATUS_OK;
    }
    if (station->now.session != 0 && !(steal && may(tty, request, CAPABILITY_ADMIN))) {
        return STATUS_NOT_ALLOWED;
    }
    status_t status = process_set_terminal_nested(SOME(request->context), STEP_TAKE, tty->process,
                                                  serial, device, steal);
    if (status != STATUS_OK) {
        return STATUS_NOT_ALLOWED;
    }
    struct terminal *terminal = tty_edit(station);
    terminal->session = caller.session;
    terminal->leader = serial;
    terminal->group = caller.group;
    return tty_stage(tty, station);
}

void tty_lose_session(struct station *_Nonnull station, uint32_t hang) {
    struct terminal *terminal = tty_edit(station);
    terminal->hang = hang;
    terminal->hang_leader = terminal->session;
    terminal->hang_group = terminal->group;
    terminal->session = 0;
    terminal->group = 0;
    terminal->leader = 0;
}

void tty_hang(struct station *_Nonnull station, uint32_t hang) {
    struct terminal *terminal = tty_edit(station);
    tty_lose_session(station, hang);
    terminal->epoch++;
    discipline_flush(&terminal->line, TTY_QUEUES_INPUT);
    terminal->line.signals = 0;
    terminal->line.stopped = 0;
}

status_t serve_take(void *_Nonnull state, struct rt_request *_Nonnull request,
                    const struct tty_take_in *_Nonnull in) {
    return take(state, request, tty_station_of(state, request), in->steal);
}

status_t serve_drop(void *_Nonnull state, struct rt_request *_Nonnull request) {
    struct tty *tty = state;
    struct process_table_entry caller = {};
    struct station *station = tty_station_of(tty, request);
    bool again = (request->page->received.state & CALL_STATE_REPEATED) != 0;
    bool known = caller_of(tty, request, &caller);
    bool leads = known && caller.pid == caller.session && station->now.session == caller.pid;
    /* Repeated, `process` may have taken it away already. */
    if (!known || (!is_own(station, &caller) && !(again && leads))) {
        return TTY_STATUS_NOT_TERMINAL;
    }
    status_t status = process_set_terminal_nested(SOME(request->context), STEP_DROP, tty->process,
                                                  caller.serial, 0, false);
    if (status != STATUS_OK || !leads) {
        return status;
    }
    tty_lose_session(station, HANG_GROUP | HANG_CONTINUES);
    return tty_stage(tty, station);
}

status_t serve_hang_up(void *_Nonnull state, struct rt_request *_Nonnull request) {
    struct tty *tty = state;
    struct station *station = tty_station_of(tty, request);
    if (!may(tty, request, MAY_HANG_UP)) {
        return STATUS_NOT_ALLOWED;
    }
    if (station->now.leader != 0) {
        status_t status = process_set_terminal_nested(SOME(request->context), STEP_DROP,
                                                      tty->process, station->now.leader, 0, false);
        if (status != STATUS_OK && status != STATUS_NOT_ALLOWED) {
            return status;
        }
    }
    tty_hang(station, HANG_LEADER | HANG_CONTINUES);
    return tty_stage(tty, station);
}

/* ---- the foreground group ---- */

status_t serve_get_group(void *_Nonnull state, struct rt_request *_Nonnull request,
                         struct tty_get_group_out *_Nonnull out) {
    struct tty *tty = state;
    struct process_table_entry caller = {};
    const struct station *station = tty_station_of(tty, request);
    bool master = (tty_session_of(tty, request)->flags & SESSION_MASTER) != 0;
    if (!master && caller_of(tty, request, &caller) && !is_own(station, &caller)) {
        return TTY_STATUS_NOT_TERMINAL;
    }
    out->group = station->now.group;
    out->leader = station->now.session;
    return STATUS_OK;
}

status_t serve_set_group(void *_Nonnull state, struct rt_request *_Nonnull request,
                         const struct tty_set_group_in *_Nonnull in) {
    struct tty *tty = state;
    struct process_table_entry caller = {};
    struct station *station = tty_station_of(tty, request);
    status_t status = tty_pass_foreground(tty, request, station, SIGNAL_TTOU, in->passes);
    if (status != STATUS_OK) {
        return status == STREAM_STATUS_FAILED ? TTY_STATUS_NOT_TERMINAL : status;
    }
    if (!caller_of(tty, request, &caller) || !is_own(station, &caller)) {
        return TTY_STATUS_NOT_TERMINAL;
    }
    uint32_t session = people_session_of(&tty->people, in->group);
    if (session != caller.session) {
        return session == 0 ? TTY_STATUS_NO_GROUP : STATUS_NOT_ALLOWED;
    }
    tty_edit(station)->group = in->group;
    return tty_stage(tty, station);
}

/* ---- opening ---- */

static bool may_open(const struct tty *_Nonnull tty, const struct rt_request *_Nonnull request,
                     const struct station *_Nonnull station) {
    struct caller caller = access_caller(&tty->people.principals, request, false);
    return caller_can(&caller, CAPABILITY_DAC_OVERRIDE) || caller.uid == station->now.owner;
}

/* A session of an open terminal; it becomes the caller's controlling one where that is due. */
static status_t open_station(struct tty *_Nonnull tty, struct rt_request *_Nonnull request,
                             struct station *_Nonnull station, uint32_t flags, bool no_terminal,
                             handle_t *_Nonnull out) {
    struct process_table_entry caller = {};
    if (!may_open(tty, request, station)) {
        return STATUS_NOT_ALLOWED;
    }
    if (!no_terminal && station->now.session == 0 && caller_of(tty, request, &caller) &&
        caller.pid == caller.session) {
        status_t status = take(tty, request, station, false);
        if (status != STATUS_OK && status != STATUS_NOT_ALLOWED) {
            return status;
        }
    }
    if ((station->now.flags & TERMINAL_PEER_CLOSED) != 0) {
        rt_stage_drop(tty->server);
        tty_edit(station)->flags &= ~(uint32_t)TERMINAL_PEER_CLOSED;
        status_t status = tty_stage(tty, station);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return tty_session_make(tty, station, flags, out);
}

status_t serve_open(void *_Nonnull state, struct rt_request *_Nonnull request,
                    const struct tty_open_in *_Nonnull in, struct tty_open_out *_Nonnull out) {
    struct tty *tty = state;
    bool console = in->number == 0;
    if (in->number > 1) {
        return STATUS_NOT_FOUND;
    }
    return open_station(tty, request, &tty->stations[0], console ? SESSION_CONSOLE : 0,
                        console || in->no_terminal, &out->terminal);
}

status_t serve_open_peer(void *_Nonnull state, struct rt_request *_Nonnull request,
                         const struct tty_open_peer_in *_Nonnull in,
                         struct tty_open_peer_out *_Nonnull out) {
    struct tty *tty = state;
    if (in->number >= TTY_TERMINALS - 1) {
        return STATUS_NOT_FOUND;
    }
    struct station *station = &tty->stations[in->number + 1];
    if ((station->now.flags & TERMINAL_USED) == 0) {
        return STATUS_NOT_FOUND;
    }
    if ((station->now.flags & (TERMINAL_LOCKED | TERMINAL_MASTER_GONE)) != 0) {
        return STATUS_IO;
    }
    return open_station(tty, request, station, 0, in->no_terminal, &out->terminal);
}

status_t serve_open_own(void *_Nonnull state, struct rt_request *_Nonnull request,
                        struct tty_open_own_out *_Nonnull out) {
    struct tty *tty = state;
    struct process_table_entry caller = {};
    if (!caller_of(tty, request, &caller)) {
        return STATUS_NOT_FOUND;
    }
    for (uint32_t i = 0; i < TTY_TERMINALS; i++) {
        if (is_own(&tty->stations[i], &caller)) {
            return tty_session_make(tty, &tty->stations[i], 0, &out->terminal);
        }
    }
    return STATUS_NOT_FOUND;
}

status_t serve_foreground_group(void *_Nonnull state, struct rt_request *_Nonnull request,
                                const struct tty_foreground_group_in *_Nonnull in,
                                struct tty_foreground_group_out *_Nonnull out) {
    const struct tty *tty = state;
    (void)request;
    for (uint32_t i = 0; i < TTY_TERMINALS; i++) {
        const struct station *station = &tty->stations[i];
        if (tty_device_of(station) == in->device &&
            (i == 0 || (station->now.flags & TERMINAL_USED) != 0)) {
            out->group = station->now.group;
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}
