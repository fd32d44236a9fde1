/* Watching: an exit, a hang and a failed check of its own are one case: a report, then a restart.
 *
 * Back-off: a service that fails again without having answered a call since its start waits 10 ms,
 * then twice as long each time, at most 2 s. Kills from outside count towards nothing
 * (restart.md, 16). Escalation: a damaged vault is dropped and its dependents are restarted too. */
#include "lib/base/bytes.h"
#include "servers/supervisor/table.h"

#define BACK_OFF_NS 10000000ull
#define BACK_OFF_LIMIT_NS 2000000000ull
enum { FREE_FAILURES = 3 };

static void write_report(struct supervisor *_Nonnull self,
                         const struct service_record *_Nonnull record,
                         const struct process_info *_Nonnull info) {
    const struct supervisor_vault *vault = vault_of(self);
    uint64_t newest = 0;
    for (uint32_t i = 0; i < REPORT_LIMIT; i++) {
        newest = MAX(newest, vault->reports[i].number);
    }
    struct report_record report = {
        .header = {.kind = RECORD_REPORT, .version = RECORD_VERSION, .size = sizeof report},
        .number = newest + 1,
        .at_ns = rt_clock_ns(),
        .cause = info->exit_cause,
        .fault_kind = info->fault_kind,
        .code = info->exit_code,
        .fault_address = info->fault_address,
        .fault_counter = info->fault_counter,
    };
    bytes_copy(report.name, record->name, sizeof report.name);
    if (rt_stage_record(&self->server, &vault->reports[report.number % REPORT_LIMIT],
                        &report.header) == STATUS_OK) {
        (void)rt_commit(&self->server);
    }
    rt_log(&self->server, "%s ended: cause %u, code %ld, fault %u at %lx, counter %lx",
           record->name, info->exit_cause, (long)info->exit_code, info->fault_kind,
           info->fault_address, info->fault_counter);
}

/* Did it answer calls since it was looked at last? */
static bool made_progress(const struct service *_Nonnull service,
                          struct service_record *_Nonnull record) {
    struct endpoint_info info = {};
    if (rt_object_info(service->endpoint, INFO_ENDPOINT, &info, sizeof info) != STATUS_OK) {
        return false;
    }
    bool progress = info.answered != record->answered;
    record->answered = info.answered;
    return progress;
}

static uint64_t back_off_ns(uint32_t failures) {
    if (failures <= FREE_FAILURES) {
        return 0;
    }
    uint32_t doublings = MIN(failures - FREE_FAILURES - 1, 16u);
    return MIN(BACK_OFF_NS << doublings, BACK_OFF_LIMIT_NS);
}

/* The vault is damaged: its content is dropped, and whoever needs the service starts again with it.
 */
static void escalate(struct supervisor *_Nonnull self, uint32_t index) {
    struct service *service = &self->services[index];
    rt_log(&self->server, "%s: its state was damaged and is dropped; restarting its clients",
           service->manifest.service);
    (void)rt_memory_copy(service->vault, 0, 0, service->manifest.vault_pages * PAGE_SIZE,
                         MEMORY_ZERO);
    for (uint32_t i = 0; i < self->count; i++) {
        for (uint32_t n = 0; n < self->services[i].manifest.need_count; n++) {
            if (i != index && text_equal(self->services[i].manifest.needs[n].service,
                                         service->manifest.service)) {
                (void)rt_kill(self->services[i].process, -1, EXIT_KILLED);
            }
        }
    }
}

static void set_timer(struct supervisor *_Nonnull self, uint64_t deadline_ns) {
    (void)rt_timer_set(self->timer, deadline_ns, 1, 0);
}

void watch_exit(struct supervisor *_Nonnull self, uint32_t index) {
    struct service *service = &self->services[index];
    struct service_record record = service_get(self, index);
    struct process_info info = {};
    if (service->process == HANDLE_NONE ||
        rt_object_info(service->process, INFO_PROCESS, &info, sizeof info) != STATUS_OK ||
        info.state != PROCESS_DEAD) {
        return;
    }
    (void)rt_object_set(service->process, SET_FORGET, 0, 0);
    rt_handle_close(service->process);
    service->process = HANDLE_NONE;
    bool counts = info.exit_cause == EXIT_FAULT || info.exit_cause == EXIT_HANG ||
                  info.exit_cause == EXIT_NORMAL;
    if (record.state == SUPERVISED_STOPPED || !service->manifest.restart) {
        record.state = SUPERVISED_STOPPED;
        service_put(self, index, &record);
        return;
    }
    record.restarts++;
    record.last_cause = info.exit_cause == EXIT_FAULT    ? 1
                        : info.exit_cause == EXIT_HANG   ? 2
                        : info.exit_cause == EXIT_KILLED ? 4
                                                         : 3;
    record.faults += info.exit_cause == EXIT_FAULT ? 1 : 0;
    record.hangs += info.exit_cause == EXIT_HANG ? 1 : 0;
    if (counts) {
        record.failures = made_progress(service, &record) ? 1 : record.failures + 1;
        write_report(self, &record, &info);
    }
    record.mode = START_RESTARTED;
    if (info.exit_cause == EXIT_NORMAL && info.exit_code == RT_EXIT_CORRUPT) {
        record.mode = START_FRESH;
        escalate(self, index);
    }
    uint64_t wait = counts ? back_off_ns(record.failures) : 0;
    record.state = SUPERVISED_WAITING;
    record.retry_ns = rt_clock_ns() + wait;
    service_put(self, index, &record);
    if (wait == 0) {
        service_launch(self, index);
    } else {
        set_timer(self, record.retry_ns);
    }
}

/* The oldest call in hand, by its own clock, is older than the bound: the service hangs. */
static void check_hang(struct supervisor *_Nonnull self, uint32_t index) {
    struct service *service = &self->services[index];
    struct endpoint_info info = {};
    uint64_t bound = service->manifest.hang_seconds * 1000000000ull;
    if (bound == 0 || service->process == HANDLE_NONE ||
        rt_object_info(service->endpoint, INFO_ENDPOINT, &info, sizeof info) != STATUS_OK) {
        return;
    }
    if (info.oldest_busy_ns > bound) {
        rt_log(&self->server, "%s hangs: a call in hand for %lu ms", service->manifest.service,
               info.oldest_busy_ns / 1000000);
        (void)rt_kill(service->process, -1, EXIT_HANG);
    }
}

#define WATCH_NS 500000000ull

void watch_tick(struct supervisor *_Nonnull self) {
    uint64_t now = rt_clock_ns();
    uint64_t next = now + WATCH_NS;
    for (uint32_t i = 0; i < self->count; i++) {
        struct service_record record = service_get(self, i);
        if (record.state == SUPERVISED_WAITING && record.retry_ns <= now) {
            service_launch(self, i);
        } else if (record.state == SUPERVISED_WAITING) {
            next = MIN(next, record.retry_ns);
        } else if (record.state == SUPERVISED_RUNNING) {
            check_hang(self, i);
        }
    }
    set_timer(self, next);
}
