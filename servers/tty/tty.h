#pragma once
/* tty: the server of terminals. Its lasting state is one record for each terminal (discipline, who
 * holds it, size, how far the device's input was taken) and one for each session. Terminal 0 is the
 * machine's, over the uart driver's line; the others are pseudo-terminals.
 *
 *   free ── open_master ──► locked ── unlock ──► open ── last session of its side closed ──┐
 *    ▲                        │                   ▲  └───── open_peer ◄──── PEER_CLOSED ◄──┘
 *    │                        └── master closed ──┴──► MASTER_GONE (hung up)
 *    └───── its sessions are closed, its session's leader has ended ◄─────┘
 *
 * Invariants: (T1) a station's `now` equals the record of the vault whenever no operation is in
 * hand; (T2) bytes go to the device's line only from the vault, so what the driver may see is
 * committed; (T3) input is given back to the driver only after the commit that took it; (T4) parked
 * calls are only in this instance's memory, since the kernel gives them to a successor again; (T5)
 * a session of an older `epoch` than its terminal's was hung up. */
#include "idl/stream.h"
#include "idl/tty.h"
#include "idl/uart.h"
#include "lib/rt/server.h"
#include "servers/tty/discipline.h"
#include "servers/tty/people.h"

enum {
    TTY_TERMINALS = 17,
    TTY_SESSIONS = 128,
    TTY_PARKED = 64,
    TTY_BUFFER = TERMINAL_INPUT, /* a line is read whole */
    TTY_WRITTEN = 1024,          /* what it makes of a write must fit into one commit */
    TTY_KEEP_LINE = 1,
    TTY_KEEP_TO_DRIVER = 2,
    TTY_KEEP_TO_TTY = 3,
    TTY_KEEP_SESSIONS = 8,
    TTY_KEY_DEVICE = 7,
    TTY_KEY_TIMER = 8,
    TTY_RECORD_TERMINAL = 0x7474,
    TTY_RECORD_SESSION = 0x7473
};
/* Linux's device numbers. */
enum : uint32_t {
    DEVICE_CONSOLE = 5 << 8 | 1,
    DEVICE_MASTER = 5 << 8 | 2,
    DEVICE_SERIAL = 4 << 8 | 64,
    DEVICE_PTS = 136 << 8
};

enum : uint32_t {
    TERMINAL_USED = 1,
    TERMINAL_LOCKED = 2,
    TERMINAL_PEER_CLOSED = 4,
    TERMINAL_MASTER_GONE = 8
};
/* Whom a hang-up tells, beside the group: SIGHUP, then with CONTINUES SIGCONT. */
enum : uint32_t { HANG_LEADER = 1, HANG_GROUP = 2, HANG_CONTINUES = 4 };

struct terminal {
    struct rt_record_header header;
    uint64_t device_taken; /* bytes of the line's input */
    uint64_t signal_root;  /* identity of the next signal */
    uint64_t leader;       /* serial of who leads the session; 0: none */
    uint32_t session, group;
    uint32_t flags; /* TERMINAL_ */
    uint32_t epoch; /* counts hang-ups */
    uint32_t owner; /* user id */
    uint32_t hang, hang_leader, hang_group;
    struct tty_size size;
    struct discipline line;
};
static_assert(sizeof(struct terminal) % 8 == 0);

enum : uint32_t { SESSION_MASTER = 1, SESSION_CONSOLE = 2 };
struct tty_session {
    struct rt_record_header header;
    uint32_t used, generation;
    uint32_t terminal, flags; /* SESSION_ */
    uint32_t epoch, reserved;
};

struct tty_vault {
    struct terminal terminals[TTY_TERMINALS];
    struct tty_session sessions[TTY_SESSIONS];
};

enum parked_kind : uint32_t {
    PARKED_NONE,
    PARKED_READ,
    PARKED_WRITE,
    PARKED_SET,
    PARKED_DRAIN,
    PARKED_MASTER_READ,
    PARKED_MASTER_WRITE
};
struct parked {
    enum parked_kind kind;
    uint32_t how; /* of a read; of PARKED_SET: enum tty_when */
    uint32_t session;
    uint64_t token, size, order;
    uint64_t deadline_ns; /* VTIME's, of a read; 0: none yet */
    uint64_t seen;        /* bytes typed when it was set */
    struct tty_attributes values;
    uint8_t bytes[CALL_INLINE_SIZE]; /* of a write: the first ones, `size` of them */
};

/* A terminal as this instance works on it. */
struct station {
    uint32_t index;
    bool edited;
    struct terminal now;
};

struct tty {
    struct rt_server *_Nonnull server;
    const struct tty_vault *_Nonnull vault;
    struct uart_line *_Nullable device; /* of terminal 0, shared with the driver: hostile */
    handle_t to_driver, to_tty, timer, process;
    uint64_t order;
    struct people people;
    struct {
        handle_t handle;
        uint32_t ready; /* readiness bits that it has; UINT32_MAX: not known */
    } sessions[TTY_SESSIONS];
    struct parked parked[TTY_PARKED];
    uint8_t buffer[TTY_BUFFER]; /* of the read or write in hand */
    struct station stations[TTY_TERMINALS];
};

/* ---- state.c: records between their committed form and the one in hand ---- */

/* The record, to be changed. */
struct terminal *_Nonnull tty_edit(struct station *_Nonnull station);
/* Forgets changes that were not committed. */
void tty_revert(struct tty *_Nonnull tty, struct station *_Nonnull station);
/* Stages what was changed. Errors: OUT_OF_RANGE: more than one commit carries. */
status_t tty_stage(struct tty *_Nonnull tty, struct station *_Nonnull station);
/* Stages and commits what was changed; false: it failed, and nothing was. */
bool tty_commit(struct tty *_Nonnull tty, struct station *_Nonnull station);

/* ---- sessions.c: which session is of which terminal ---- */

const struct tty_session *_Nonnull tty_session_of(const struct tty *_Nonnull tty,
                                                  const struct rt_request *_Nonnull request);
struct station *_Nonnull tty_station_of(struct tty *_Nonnull tty,
                                        const struct rt_request *_Nonnull request);
bool tty_hung(const struct tty *_Nonnull tty, uint32_t session);
/* Makes a session of a terminal, staged with the reply. Owns: *out goes with it.
 * Errors: OUT_OF_QUOTA. */
status_t tty_session_make(struct tty *_Nonnull tty, const struct station *_Nonnull station,
                          uint32_t flags, handle_t *_Nonnull out);
/* A session is closed: staged. */
void tty_close(struct tty *_Nonnull tty, uint64_t cookie);
/* Shows who may read and write. */
void tty_show_readiness(struct tty *_Nonnull tty);
/* Whether the call may wait: neither it nor its session says otherwise. */
bool tty_waits(const struct tty *_Nonnull tty, const struct rt_request *_Nonnull request,
               uint32_t how);

/* ---- the calls ---- */

/* control.c: opening, and who holds a terminal. */
status_t serve_open(void *_Nonnull state, struct rt_request *_Nonnull request,
                    const struct tty_open_in *_Nonnull in, struct tty_open_out *_Nonnull out);
status_t serve_open_peer(void *_Nonnull state, struct rt_request *_Nonnull request,
                         const struct tty_open_peer_in *_Nonnull in,
                         struct tty_open_peer_out *_Nonnull out);
status_t serve_open_own(void *_Nonnull state, struct rt_request *_Nonnull request,
                        struct tty_open_own_out *_Nonnull out);
status_t serve_foreground_group(void *_Nonnull state, struct rt_request *_Nonnull request,
                                const struct tty_foreground_group_in *_Nonnull in,
                                struct tty_foreground_group_out *_Nonnull out);
status_t serve_get_group(void *_Nonnull state, struct rt_request *_Nonnull request,
                         struct tty_get_group_out *_Nonnull out);
status_t serve_set_group(void *_Nonnull state, struct rt_request *_Nonnull request,
                         const struct tty_set_group_in *_Nonnull in);
status_t serve_take(void *_Nonnull state, struct rt_request *_Nonnull request,
                    const struct tty_take_in *_Nonnull in);
status_t serve_drop(void *_Nonnull state, struct rt_request *_Nonnull request);
status_t serve_hang_up(void *_Nonnull state, struct rt_request *_Nonnull request);
/* May the caller do what stops a process in the background? OK; background or failed of stream. */
status_t tty_pass_foreground(struct tty *_Nonnull tty, struct rt_request *_Nonnull request,
                             const struct station *_Nonnull station, uint32_t signal, bool passes);
/* The terminal's session (of processes) loses it. `hang`: whom that tells. */
void tty_lose_session(struct station *_Nonnull station, uint32_t hang);
/* The same, and what is open of it is hung up. */
void tty_hang(struct station *_Nonnull station, uint32_t hang);
uint32_t tty_device_of(const struct station *_Nonnull station);

/* pseudo.c: masters. */
status_t serve_open_master(void *_Nonnull state, struct rt_request *_Nonnull request,
                           struct tty_open_master_out *_Nonnull out);
status_t serve_list(void *_Nonnull state, struct rt_request *_Nonnull request,
                    const struct tty_list_in *_Nonnull in, struct tty_list_out *_Nonnull out);
status_t serve_master(void *_Nonnull state, struct rt_request *_Nonnull request,
                      const struct tty_master_in *_Nonnull in, struct tty_master_out *_Nonnull out);
status_t master_read(struct tty *_Nonnull tty, struct rt_request *_Nonnull request,
                     const struct stream_read_in *_Nonnull in);
status_t master_write(struct tty *_Nonnull tty, struct rt_request *_Nonnull request,
                      const struct stream_write_in *_Nonnull in,
                      struct stream_write_out *_Nonnull out);
/* Bytes that the master can read now. */
uint64_t master_available(const struct terminal *_Nonnull terminal);
status_t master_answer_read(struct tty *_Nonnull tty, struct station *_Nonnull station,
                            const struct parked *_Nonnull parked, struct rt_reply *_Nonnull reply);
/* What closing the last session of a side means. */
void pseudo_closed(struct tty *_Nonnull tty, struct station *_Nonnull station, bool master,
                   uint32_t left);

/* calls.c: the calls of both protocols. */
/* Bytes that can be written to a terminal now: into a pseudo-terminal that was stopped, none. */
uint64_t tty_room(const struct station *_Nonnull station);
void tty_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request);

/* ---- what happens by itself ---- */

/* pump.c: does all that can be done now: output to the device, input from it, parked calls,
 * signals, readiness. */
void tty_pump(struct tty *_Nonnull tty);
/* signals.c: sends one signal, or sees that a session has lost its leader; false: nothing to do. */
bool tty_signals(struct tty *_Nonnull tty, struct station *_Nonnull station);
/* parked.c: parks `request`, with `what` it waits for. Errors: BUSY: too many wait. */
status_t tty_park(struct tty *_Nonnull tty, const struct rt_request *_Nonnull request,
                  const struct parked *_Nonnull what);
void tty_unpark(struct tty *_Nonnull tty, uint64_t token);
/* Answers the first call that can be; false: there is none. */
bool tty_answer_first(struct tty *_Nonnull tty);
