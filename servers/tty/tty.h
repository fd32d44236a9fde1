#pragma once
/* tty: the server of terminals. Its lasting state is one record for each terminal (discipline,
 * foreground group, size, how far the device's input was taken) and one for each session.
 *
 * Invariants: (T1) `now` equals the record of the vault whenever no operation is in hand; (T2)
 * bytes go to the device's line only from the vault, so what the driver may see is committed; (T3)
 * input is given back to the driver only after the commit that took it; (T4) parked calls are only
 * in this instance's memory, since the kernel gives them to a successor again. */
#include "idl/stream.h"
#include "idl/tty.h"
#include "idl/uart.h"
#include "lib/rt/server.h"
#include "servers/tty/discipline.h"

enum {
    TTY_SESSIONS = 32,
    TTY_PARKED = 32,
    TTY_BUFFER = 1024,
    TTY_KEEP_LINE = 1,
    TTY_KEEP_TO_DRIVER = 2,
    TTY_KEEP_TO_TTY = 3,
    TTY_KEEP_SESSIONS = 8,
    TTY_KEY_DEVICE = 7,
    TTY_RECORD_TERMINAL = 0x7474,
    TTY_RECORD_SESSION = 0x7473
};

struct terminal {
    struct rt_record_header header;
    uint64_t device_taken; /* bytes of the line's input */
    uint64_t signal_root;  /* identity of the next signal */
    uint32_t group;        /* in the foreground; 0: none */
    uint32_t reserved;
    struct tty_size size;
    struct discipline line;
};
static_assert(sizeof(struct terminal) % 8 == 0);

struct tty_session {
    struct rt_record_header header;
    uint32_t used, generation;
};

struct tty_vault {
    struct terminal console;
    struct tty_session sessions[TTY_SESSIONS];
};

enum parked_kind : uint32_t { PARKED_NONE, PARKED_READ, PARKED_WRITE, PARKED_SET, PARKED_DRAIN };
struct parked {
    enum parked_kind kind;
    uint32_t how; /* of a read; of PARKED_SET: enum tty_when */
    uint64_t token, size, order;
    struct tty_attributes values;
    uint8_t bytes[CALL_INLINE_SIZE]; /* of a write: the first ones, `size` of them */
};

struct tty {
    struct rt_server *_Nonnull server;
    const struct tty_vault *_Nonnull vault;
    struct uart_line *_Nullable device; /* shared with the driver: hostile */
    handle_t to_driver, to_tty;
    bool edited;
    uint64_t order;
    uint32_t ready; /* readiness bits that the sessions have */
    handle_t sessions[TTY_SESSIONS];
    struct parked parked[TTY_PARKED];
    uint8_t buffer[TTY_BUFFER]; /* of the read or write in hand */
    struct terminal now;
};

/* The console's record, to be changed. */
struct terminal *_Nonnull tty_edit(struct tty *_Nonnull tty);
/* Forgets changes that were not committed. */
void tty_revert(struct tty *_Nonnull tty);
/* Stages what was changed. Errors: OUT_OF_RANGE: more than one commit carries. */
status_t tty_stage(struct tty *_Nonnull tty);
/* The calls of both protocols. */
void tty_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request);
/* Does all that can be done now: output to the device, input from it, parked calls, signals. */
void tty_pump(struct tty *_Nonnull tty);
/* Parks `request`. Errors: BUSY: too many wait. */
status_t tty_park(struct tty *_Nonnull tty, const struct rt_request *_Nonnull request,
                  const struct parked *_Nonnull what);
/* A session is closed: staged. */
void tty_close(struct tty *_Nonnull tty, uint64_t cookie);
