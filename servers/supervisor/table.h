#pragma once
/* What the supervisor records in its own vault: one record a service, and the latest reports of
 * each. Everything else it asks the kernel. The manifest is not recorded: it is read again from the
 * boot image.
 *
 *   ABSENT ── first start ──► STARTING(instance) ── process runs ──► RUNNING
 *                                 ▲                                     │ exit, hang
 *                                 │  service_launch                     ▼ watch_exit
 *                             WAITING (until retry_ns: back-off, ◄── ended ──► STOPPED (by request)
 *                                      or as long as asked for)
 *
 * `instance` is the tag of the service's process in its domain: it is committed before the process
 * is made, and making it is create-or-get, so a supervisor that dies in between finds it again.
 * Where `previous` names a program, `program` is on probation until probation_ns (update.c). */
#include "idl/service.h"
#include "lib/rt/server.h"
#include "servers/supervisor/image.h"
#include "servers/supervisor/manifest.h"

enum { SERVICE_LIMIT = 32, DOMAIN_LIMIT = 4, REPORT_LIMIT = 3 }; /* reports of each service */

enum supervised_state : uint32_t {
    SUPERVISED_ABSENT,
    SUPERVISED_STARTING,
    SUPERVISED_RUNNING,
    SUPERVISED_WAITING,
    SUPERVISED_STOPPED,
    SUPERVISED_FAILED,
};

/* Slots of the supervisor's keep. */
enum { SLOT_ENDPOINT = 1, SLOT_DOMAINS = 2, SLOT_SERVICES = SLOT_DOMAINS + DOMAIN_LIMIT };
enum { SLOT_DOMAIN, SLOT_SERVICE_ENDPOINT, SLOT_VAULT, SLOT_KEEP, SLOT_REPORT, SLOTS_PER_SERVICE };

enum { RECORD_SERVICE = 0x5352, RECORD_VERSION = 2 };
struct service_record {
    struct rt_record_header header;
    char name[MANIFEST_NAME];
    char program[MANIFEST_NAME];  /* empty: the manifest's */
    char previous[MANIFEST_NAME]; /* to fall back to; empty: no probation */
    uint32_t state;               /* enum supervised_state */
    uint32_t mode;                /* enum start_mode of the next start */
    uint64_t instance;
    uint64_t restarts, faults, hangs;
    uint32_t failures;   /* without progress in between: decides on back-off */
    uint32_t last_cause; /* enum service_cause */
    uint64_t started_ns, ended_ns, retry_ns;
    uint64_t held_until_ns; /* stopped for a time: until then */
    uint64_t probation_ns;
    uint64_t answered; /* calls answered when it was looked at last: progress */
};

/* How a service ended, for `service report`. */
enum { RECORD_REPORT = 0x5250 };
struct report_record {
    struct rt_record_header header;
    char name[MANIFEST_NAME];
    uint64_t number, at_ns, process_serial;
    uint32_t cause; /* enum service_cause */
    uint32_t fault_kind;
    int64_t code;
    uint64_t fault_address, fault_counter;
    uint64_t has_call; /* 1: `call` was in hand */
    struct call_entry call;
    struct rt_report left; /* what the process itself left: not to be believed */
};

/* Kills that a run asked for: how many there were. */
enum { RECORD_KILLS = 0x4b53 };
struct kills_record {
    struct rt_record_header header;
    uint64_t count;
    uint64_t met; /* how many of them found a call in hand or parked */
};

/* The supervisor itself: how often it was started again. */
enum { RECORD_OWN = 0x4f57 };
struct own_record {
    struct rt_record_header header;
    uint64_t restarts, started_ns;
};

struct supervisor_vault {
    struct service_record services[SERVICE_LIMIT];
    struct report_record reports[SERVICE_LIMIT][REPORT_LIMIT];
    struct kills_record kills;
    struct own_record own;
};

/* Keys of the waitset, beyond the services' indices. */
enum { KEY_TIMER = 1000, KEY_KILLS = 1001 };

/* The parked call that waits for the end of a probation. */
struct update_asker {
    uint64_t token; /* 0: none */
    bool by_stream; /* it is a write to a file, of `size` bytes */
    uint64_t size;
};

/* What is in memory only: derived from image, vault, keep and kernel at each start. */
struct service {
    struct manifest manifest;
    handle_t domain, endpoint, vault, keep, report, process;
    uint32_t program_index; /* entry of the boot image */
    struct update_asker asker;
};
/* A text that is made as a whole, of which the bytes from `offset` on are wanted. */
struct text_window {
    uint64_t position, offset;
    size_t size, room;
    char bytes[65536];
};
struct supervisor {
    struct rt_server server;
    struct image_bytes image;
    struct service services[SERVICE_LIMIT];
    uint32_t count;
    struct {
        char name[MANIFEST_NAME];
        handle_t handle;
    } domains[DOMAIN_LIMIT];
    uint32_t domain_count;
    handle_t timer;
    uint64_t look_ns; /* the timer is set to */
    struct {
        uint64_t per_second, seed;
        uint64_t victims; /* bit i: service i; the one behind the last: the supervisor */
        uint64_t looks;   /* for a call in hand, that found none, for this kill */
        handle_t timer;
    } kills;
    struct rt_start start;       /* its own, made up */
    struct rt_start giving;      /* start page of the instance that is being made */
    struct report_record report; /* that is being written */
    struct text_window window;
    uint64_t report_number; /* the latest */
};

static inline const struct supervisor_vault *_Nonnull vault_of(
    const struct supervisor *_Nonnull self) {
    return (const struct supervisor_vault *)SOME(self->server.vault_data);
}

/* launch.c */
/* Makes or finds again what outlives the instances of a service. */
status_t service_prepare(struct supervisor *_Nonnull self, uint32_t index);
/* Starts the next instance. What fails is logged, and tried again later. */
void service_launch(struct supervisor *_Nonnull self, uint32_t index);
/* Finds a running instance after a restart of the supervisor; launches where there is none. */
void service_adopt(struct supervisor *_Nonnull self, uint32_t index);
bool service_find(const struct supervisor *_Nonnull self, const char *_Nonnull name,
                  uint32_t *_Nonnull out_index);
struct service_record service_get(const struct supervisor *_Nonnull self, uint32_t index);
/* Records a change at once. */
void service_put(struct supervisor *_Nonnull self, uint32_t index,
                 struct service_record *_Nonnull record);

/* nucleus/load.c, sim/load.c: maps the program of a boot-image entry into a new process. */
status_t program_load(const struct supervisor *_Nonnull self,
                      const struct image_file *_Nonnull file, handle_t process,
                      uint64_t *_Nonnull out_entry, uint64_t *_Nonnull out_stack,
                      uint64_t *_Nonnull out_page);

/* watch.c */
void watch_exit(struct supervisor *_Nonnull self, uint32_t index);
void watch_tick(struct supervisor *_Nonnull self);
/* It ended, or could not be started (which `counts`, and is in record->failures): records when it
 * is tried again. True: now. False: later, or it is given up. */
bool watch_retry(struct supervisor *_Nonnull self, uint32_t index,
                 struct service_record *_Nonnull record, bool counts);
void watch_given_up(struct supervisor *_Nonnull self, uint32_t index, const char *_Nonnull why);
/* Looks again no later than then. */
void watch_by(struct supervisor *_Nonnull self, uint64_t deadline_ns);

/* report.c */
/* Records how the service's process ended. To be called before its next instance starts. */
void report_write(struct supervisor *_Nonnull self, uint32_t index,
                  const struct process_info *_Nonnull info, enum service_cause cause);
/* Clears what an instance left, for the next one. */
void report_clear(struct supervisor *_Nonnull self, uint32_t index);
/* The report with the smallest number above `behind`, of one service or (SERVICE_LIMIT) of any;
 * null: there is none. */
const struct report_record *_Nullable report_next(const struct supervisor *_Nonnull self,
                                                  uint32_t index, uint64_t behind);
void report_print(struct text_window *_Nonnull window, const struct report_record *_Nonnull report);
/* Finds the latest number again. */
void report_begin(struct supervisor *_Nonnull self);

/* text.c */
void window_begin(struct text_window *_Nonnull window, uint64_t offset, uint64_t room);
[[gnu::format(printf, 2, 3)]] void window_print(struct text_window *_Nonnull window,
                                                const char *_Nonnull text, ...);

/* commands.c: what may be asked of a service, by name, checked by the caller. Errors: as
 * idl/service has them. */
bool service_by_name(const struct supervisor *_Nonnull self, struct rt_bytes name,
                     uint32_t *_Nonnull out);
status_t command_restart(struct supervisor *_Nonnull self, uint32_t index);
status_t command_stop(struct supervisor *_Nonnull self, uint32_t index, uint64_t seconds);
status_t command_start(struct supervisor *_Nonnull self, uint32_t index);
status_t command_crash(struct supervisor *_Nonnull self, uint32_t index);
/* One line of text: a command's name, a service, what else it takes. `asker`: the call, where it
 * may be parked. Errors: BAD_ARGUMENT: no such command; and those of the command. */
status_t command_line(struct supervisor *_Nonnull self, struct words_text text,
                      const struct update_asker *_Nonnull asker);

/* update.c */
#define UPDATE_PROBATION_NS 2000000000ull
/* Begins an update, or finds it under way. Returns RT_STATUS_PARKED, or an error. */
status_t update_begin(struct supervisor *_Nonnull self, uint32_t index,
                      const char *_Nonnull program, const struct update_asker *_Nonnull asker);
/* The entry of the image that the record says. False: there is none. */
bool update_program(const struct supervisor *_Nonnull self, uint32_t index,
                    const struct service_record *_Nonnull record, uint32_t *_Nonnull out);
/* Its process ended, or could not be started, on probation: the record goes back to the old
 * program, which the caller starts. */
void update_failed(struct supervisor *_Nonnull self, uint32_t index,
                   struct service_record *_Nonnull record);
/* Is its probation over? The time at which it will be, or 0. */
uint64_t update_look(struct supervisor *_Nonnull self, uint32_t index);
/* Whoever waits for it need not wait any more. */
void update_cancelled(struct supervisor *_Nonnull self, uint64_t token);

/* kills.c: the kills that the command line asks for. */
void kills_begin(struct supervisor *_Nonnull self);
void kills_one(struct supervisor *_Nonnull self);

/* control.c */
void control_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request);
void describe(const struct supervisor *_Nonnull self, uint32_t index,
              struct service_status *_Nonnull out);
/* files.c: the files of /proc/isotope. */
status_t files_open(struct supervisor *_Nonnull self, enum service_file file, bool writes,
                    uint32_t inode, handle_t *_Nonnull out);
void files_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request);
