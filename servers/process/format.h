#pragma once
/* What the vault of `process` holds.
 *
 *   super       the next pid and principal, the machine's name, the clean-up of a fork
 *   slots       one process each, alive or zombie
 *   principals  who may act: immutable, numbered from 1
 *   infos       siginfo of signals that were sent and not yet taken
 *   tickets     rights to run one set-id file once
 *   timers      of timer_create(2)
 *
 * The keep holds, by slot number, the Process (KEEP_PROCESS), the signal page (KEEP_SIGNALS) and
 * the session of the image that runs (KEEP_IMAGE), and the two tables shared with everybody.
 *
 *            fork                   exit                 wait
 *   free ──────────► running ─────────────────► zombie ────────► free
 *                     ▲    │ stop                  ▲
 *            continue │    ▼                       │ exit
 *                     stopped ─────────────────────┘
 *
 * Invariants: (P1) a slot is in use exactly if pid != 0, and the kernel's process has its tag; (P2)
 * every parent is 0 or the pid of a slot in use; (P3) a pid that is a group or a session is given
 * to no new process; (P4) principals are never changed;
 * the place of one that nobody has is given to another, whose number is new. */
#include "idl/process.h"

enum {
    PROCESS_COUNT = 1024,
    PRINCIPAL_COUNT = 512,
    INFO_COUNT = 512,
    TICKET_COUNT = 64,
    TIMER_COUNT = 256,
    LIMIT_COUNT = 16,
    PID_LIMIT = PROCESS_PID_LIMIT,

    KEEP_PROCESS = 1,
    KEEP_SIGNALS = KEEP_PROCESS + PROCESS_COUNT,
    KEEP_IMAGE = KEEP_SIGNALS + PROCESS_COUNT,
    KEEP_PROCESS_TABLE = KEEP_IMAGE + PROCESS_COUNT,
    KEEP_PRINCIPAL_TABLE,
    KEEP_WATCH, /* event that is told when a session's leader ends */
    PROCESS_KEEP_SLOTS = KEEP_WATCH
};

struct process_super {
    struct rt_record_header header;
    uint32_t next_pid, next_principal;
    uint64_t watch_bits;
    char host_name[64];
};

enum slot_state : uint32_t {
    STATE_FREE = PROCESS_LIFE_NONE,
    STATE_RUNNING = PROCESS_LIFE_RUNNING,
    STATE_STOPPED = PROCESS_LIFE_STOPPED,
    STATE_ZOMBIE = PROCESS_LIFE_ENDED
};
/* What its parent may still be told: a stop behind a continuation takes nothing away. */
enum slot_report : uint32_t { REPORT_STOPPED = 1, REPORT_CONTINUED = 2 };

struct slot_record {
    uint64_t checksum;
    uint64_t serial, tag; /* the kernel's */
    uint32_t pid, parent, group, session;
    uint32_t principal, terminal;
    enum slot_state state;
    uint32_t exit_signal;
    int32_t nice;
    uint32_t replaced; /* it runs another image than its parent gave it */
    uint32_t shares;   /* it shares its parent's space until then (vfork) */
    uint32_t subreaper, death_signal;
    uint32_t report;   /* enum slot_report */
    uint32_t end_kind; /* enum process_end_kind */
    uint32_t end_code;
    uint32_t stop_signal;
    uint32_t next_thread;
    uint64_t fork_root, fork_path; /* identity of the call that made it */
    uint64_t started_ns;
    uint64_t alarm_ns, alarm_every_ns; /* monotonic; 0: none */
    struct {
        uint64_t at_ns, every_ns; /* of the time used so far; 0: none */
    } used_alarm[2];              /* ITIMER_VIRTUAL, ITIMER_PROF */
    uint64_t limit_told_ns;       /* time used when SIGXCPU was sent last */
    struct process_usage own;     /* of a zombie */
    struct process_usage children;
    uint64_t limits[LIMIT_COUNT][2]; /* soft, hard */
    char name[32];
};
static_assert(sizeof(struct slot_record) == 576);

struct principal_record {
    uint64_t checksum;
    struct process_principal_entry entry;
};

struct info_record {
    uint64_t checksum;
    uint64_t order;  /* 0: free */
    uint64_t serial; /* of the process */
    struct process_signal_info info;
};

struct ticket_record {
    uint64_t checksum;
    uint64_t number; /* 0: free */
    uint64_t serial;
    uint32_t set_uid, uid, set_gid, gid;
};

/* How often programs asked for what the runtime does not support. */
struct unsupported_record {
    struct rt_record_header header;
    uint32_t counts[PROCESS_UNSUPPORTED_OTHER + 1];
    uint32_t unused;
};
static_assert(sizeof(struct unsupported_record) % 8 == 0);

/* A timer of timer_create(2). */
struct timer_record {
    uint64_t checksum;
    uint64_t serial; /* of the process; 0: free */
    uint32_t number, clock, signal, reserved;
    uint64_t value;
    uint64_t at_ns, every_ns; /* monotonic, or of the time used; 0: not armed */
    uint32_t overruns, told;  /* missed so far, and before the signal that was taken last */
};

struct process_vault {
    union {
        struct process_super super;
        uint8_t page[4096];
    };
    struct slot_record slots[PROCESS_COUNT];
    struct principal_record principals[PRINCIPAL_COUNT];
    struct info_record infos[INFO_COUNT];
    struct ticket_record tickets[TICKET_COUNT];
    struct unsupported_record unsupported;
    struct timer_record timers[TIMER_COUNT];
};
