/* Sessions: which side of which terminal each is of, who may wait, readiness. */
#include "servers/tty/tty.h"

enum : uint32_t { READY_ALL = READY_IN | READY_OUT | READY_ERROR | READY_HANGUP };

const struct tty_session *_Nonnull tty_session_of(const struct tty *_Nonnull tty,
                                                  const struct rt_request *_Nonnull request) {
    return &tty->vault->sessions[(uint32_t)request->cookie % TTY_SESSIONS];
}

struct station *_Nonnull tty_station_of(struct tty *_Nonnull tty,
                                        const struct rt_request *_Nonnull request) {
    return &tty->stations[tty_session_of(tty, request)->terminal];
}

bool tty_hung(const struct tty *_Nonnull tty, uint32_t session) {
    const struct tty_session *record = &tty->vault->sessions[session];
    return (record->flags & (SESSION_MASTER | SESSION_CONSOLE)) == 0 &&
           record->epoch != tty->stations[record->terminal].now.epoch;
}

bool tty_waits(const struct tty *_Nonnull tty, const struct rt_request *_Nonnull request,
               uint32_t how) {
    uint32_t slot = (uint32_t)request->cookie % TTY_SESSIONS;
    struct session_info info = {};
    if ((how & STREAM_HOW_NO_WAIT) != 0) {
        return false;
    }
    return rt_object_info(tty->sessions[slot].handle, INFO_SESSION, &info, sizeof info) !=
               STATUS_OK ||
           (info.flags & SESSION_NONBLOCK) == 0;
}

status_t tty_session_make(struct tty *_Nonnull tty, const struct station *_Nonnull station,
                          uint32_t flags, handle_t *_Nonnull out) {
    uint32_t slot = 0;
    while (slot < TTY_SESSIONS && tty->vault->sessions[slot].used != 0) {
        slot++;
    }
    if (slot == TTY_SESSIONS) {
        return STATUS_OUT_OF_QUOTA;
    }
    struct tty_session session = {
        .header = {.kind = TTY_RECORD_SESSION, .version = 1, .size = sizeof session},
        .used = 1,
        .generation = (tty->vault->sessions[slot].generation + 1) & 0x7fffffff,
        .terminal = station->index,
        .flags = flags,
        .epoch = station->now.epoch};
    handle_t whole = HANDLE_NONE;
    handle_t kept = HANDLE_NONE;
    uint64_t cookie = (uint64_t)session.generation << 32 | slot;
    status_t status =
        rt_object_create(OBJECT_SESSION, tty->server->endpoint, cookie, 0, 0, 0, &whole);
    status = status == STATUS_OK ? rt_handle_duplicate(whole, RIGHT_ALL, &kept) : status;
    status = status == STATUS_OK
                 ? rt_handle_duplicate(whole,
                                       RIGHT_CALL | RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_WAIT |
                                           RIGHT_INSPECT,
                                       out)
                 : status;
    status =
        status == STATUS_OK ? rt_stage_keep(tty->server, TTY_KEEP_SESSIONS + slot, kept) : status;
    status = status == STATUS_OK
                 ? rt_stage_record(tty->server, &tty->vault->sessions[slot], &session.header)
                 : status;
    rt_handle_close(tty->sessions[slot].handle);
    tty->sessions[slot].handle = whole;
    tty->sessions[slot].ready = UINT32_MAX;
    return status;
}

void tty_close(struct tty *_Nonnull tty, uint64_t cookie) {
    uint32_t slot = (uint32_t)cookie;
    if ((cookie & RT_COOKIE_SERVICE) != 0 || slot >= TTY_SESSIONS) {
        return;
    }
    struct tty_session session = tty->vault->sessions[slot];
    if (session.used == 0 || session.generation != (uint32_t)(cookie >> 32)) {
        return;
    }
    session.used = 0;
    CHECK(rt_stage_record(tty->server, &tty->vault->sessions[slot], &session.header) == STATUS_OK);
    CHECK(rt_stage_keep(tty->server, TTY_KEEP_SESSIONS + slot, HANDLE_NONE) == STATUS_OK);
    rt_handle_close(tty->sessions[slot].handle);
    tty->sessions[slot].handle = HANDLE_NONE;
    uint32_t left = 0;
    for (uint32_t i = 0; i < TTY_SESSIONS; i++) {
        const struct tty_session *other = &tty->vault->sessions[i];
        left += i != slot && other->used != 0 && other->terminal == session.terminal ? 1 : 0;
    }
    struct station *station = &tty->stations[session.terminal];
    if (station->index != 0) {
        pseudo_closed(tty, station, (session.flags & SESSION_MASTER) != 0, left);
        CHECK(tty_stage(tty, station) == STATUS_OK);
    }
}

static uint32_t readiness(const struct tty *_Nonnull tty, uint32_t slot) {
    const struct tty_session *session = &tty->vault->sessions[slot];
    const struct terminal *terminal = &tty->stations[session->terminal].now;
    if (tty_hung(tty, slot)) {
        return READY_ALL;
    }
    if ((session->flags & SESSION_MASTER) != 0) {
        bool closed = (terminal->flags & TERMINAL_PEER_CLOSED) != 0;
        return (master_available(terminal) > 0 ? READY_IN : 0) |
               (discipline_input_room(&terminal->line) > 0 ? READY_OUT : 0) |
               (closed ? READY_HANGUP : 0);
    }
    return (discipline_readable(&terminal->line) ? READY_IN : 0) |
           (tty_room(&tty->stations[session->terminal]) >= 8 ? READY_OUT : 0);
}

void tty_show_readiness(struct tty *_Nonnull tty) {
    for (uint32_t i = 0; i < TTY_SESSIONS; i++) {
        if (tty->sessions[i].handle == HANDLE_NONE) {
            continue;
        }
        uint32_t ready = tty->vault->sessions[i].used == 0 ? 0 : readiness(tty, i);
        if (ready != tty->sessions[i].ready) {
            status_t status = rt_session_ready(tty->sessions[i].handle, READY_ALL & ~ready, ready);
            tty->sessions[i].ready = status == STATUS_OK ? ready : UINT32_MAX;
        }
    }
}
