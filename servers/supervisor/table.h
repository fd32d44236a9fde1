#pragma once
/* What the supervisor records in its own vault: one record a service. Everything else it asks the
 * kernel. The manifest itself is not recorded: it is read again from the boot image.
 *
 *   ABSENT ── first start ──► STARTING(instance) ── process runs ──► RUNNING
 *                                 ▲                                     │ exit, hang
 *                                 │  launch                             ▼
 *                             WAITING (until retry_ns: back-off) ◄── DOWN        STOPPED (by
 * request)
 *
 * `instance` is the tag of the service's process in its domain: it is committed before the process
 * is made, and making it is create-or-get, so a supervisor that dies in between finds it again. */
#include "lib/rt/server.h"
#include "servers/supervisor/image.h"
#include "servers/supervisor/manifest.h"

enum { SERVICE_LIMIT = 32, DOMAIN_LIMIT = 4, REPORT_LIMIT = 8 };

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
enum { SLOT_DOMAIN, SLOT_SERVICE_ENDPOINT, SLOT_VAULT, SLOT_KEEP, SLOTS_PER_SERVICE };

enum { RECORD_SERVICE = 0x5352, RECORD_VERSION = 1 };
struct service_record {
    struct rt_record_header header;
    char name[MANIFEST_NAME];
    uint32_t state; /* enum supervised_state */
    uint32_t mode;  /* enum start_mode of the next start */
    uint64_t instance;
    uint64_t restarts, faults, hangs;
    uint32_t failures;   /* without progress in between: decides on back-off */
    uint32_t last_cause; /* enum service_cause of the protocol */
    uint64_t started_ns, retry_ns;
    uint64_t answered; /* calls answered when it was looked at last: progress */
};

/* A crash, for `service report`. */
enum { RECORD_REPORT = 0x5250 };
struct report_record {
    struct rt_record_header header;
    char name[MANIFEST_NAME];
    uint64_t number, at_ns;
    uint32_t cause, fault_kind;
    int64_t code;
    uint64_t fault_address, fault_counter;
};

/* Kills that a run asked for: how many there were. */
enum { RECORD_KILLS = 0x4b53 };
struct kills_record {
    struct rt_record_header header;
    uint64_t count;
    uint64_t met; /* how many of them found a call in hand or parked */
};

struct supervisor_vault {
    struct service_record services[SERVICE_LIMIT];
    struct report_record reports[REPORT_LIMIT];
    struct kills_record kills;
};

/* Keys of the waitset, beyond the services' indices. */
enum { KEY_TIMER = 1000, KEY_KILLS = 1001 };

/* What is in memory only: derived from image, vault, keep and kernel at each start. */
struct service {
    struct manifest manifest;
    handle_t domain, endpoint, vault, keep, process;
    uint32_t program_index; /* entry of the boot image */
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
    struct {
        uint64_t per_second, seed;
        uint64_t victims; /* bit i: service i; the one behind the last: the supervisor */
        uint64_t looks;   /* for a call in hand, that found none, for this kill */
        handle_t timer;
    } kills;
    struct rt_start start;  /* its own, made up */
    struct rt_start giving; /* start page of the instance that is being made */
};

static inline const struct supervisor_vault *_Nonnull vault_of(
    const struct supervisor *_Nonnull self) {
    return (const struct supervisor_vault *)SOME(self->server.vault_data);
}

/* launch.c */
/* Makes or finds again what outlives the instances of a service. */
status_t service_prepare(struct supervisor *_Nonnull self, uint32_t index);
/* Starts the next instance. What fails is logged; the service then is FAILED. */
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

/* kills.c: the kills that the command line asks for. */
void kills_begin(struct supervisor *_Nonnull self);
void kills_one(struct supervisor *_Nonnull self);

/* control.c */
void control_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request);
