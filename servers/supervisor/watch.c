/* Watching: an exit, a hang and a failed check of its own are one case: a report, then a restart.
 *
 * Back-off: a service that fails again without having answered a call since its start waits 10 ms,
 * then twice as long each time, at most 2 s. Kills from outside count towards nothing
 * (restart.md, 16). Escalation: a damaged vault is dropped and its dependents are restarted too. A
 * service that fails GIVE_UP times in a row is given up, and named; without an essential one the
 * system is of no use, and the machine stops with a failing code. */
#include "lib/base/bytes.h"
#include "servers/supervisor/table.h"

#define BACK_OFF_NS 10000000ull
#define BACK_OFF_LIMIT_NS 2000000000ull
enum { FREE_FAILURES = 3, GIVE_UP = 40, STOPPED_WITHOUT_SERVICE = 3 };

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

void watch_by(struct supervisor *_Nonnull self, uint64_t deadline_ns) {
    bool earlier = self->look_ns > rt_clock_ns() && self->look_ns < deadline_ns;
    if (!earlier) {
        self->look_ns = deadline_ns;
        (void)rt_timer_set(self->timer, deadline_ns, 1, 0);
    }
}

static void stop_machine(void) {
    struct syscall_registers r = {.number = SYS_SYSTEM,
                                  .a = SYSTEM_POWER_OFF,
                                  .b = BOOT_HANDLE_SYSTEM,
                                  .words = {STOPPED_WITHOUT_SERVICE}};
    rt_invoke(&r);
}

void watch_given_up(struct supervisor *_Nonnull self, uint32_t index, const char *_Nonnull why) {
    const struct manifest *manifest = &self->services[index].manifest;
    rt_log(&self->server, "service %s is given up: %s", manifest->service, why);
    if (manifest->essential) {
        rt_log(&self->server, "the system is of no use without %s", manifest->service);
        stop_machine();
    }
}

bool watch_retry(struct supervisor *_Nonnull self, uint32_t index,
                 struct service_record *_Nonnull record, bool counts) {
    uint64_t now = rt_clock_ns();
    if (counts && record->failures >= GIVE_UP) {
        record->state = SUPERVISED_FAILED;
        service_put(self, index, record);
        watch_given_up(self, index, "it failed again and again");
        return false;
    }
    uint64_t wait = counts ? back_off_ns(record->failures) : 0;
    record->state = SUPERVISED_WAITING;
    record->retry_ns = MAX(now + wait, record->held_until_ns);
    service_put(self, index, record);
    if (record->retry_ns > now) {
        watch_by(self, record->retry_ns);
    }
    return record->retry_ns <= now;
}

static enum service_cause cause_of(const struct process_info *_Nonnull info) {
    switch (info->exit_cause) {
    case EXIT_FAULT:
        return SERVICE_CAUSE_CRASH;
    case EXIT_HANG:
        return SERVICE_CAUSE_HANG;
    case EXIT_KILLED:
        return SERVICE_CAUSE_KILLED;
    default:
        return info->exit_code == RT_EXIT_CORRUPT ? SERVICE_CAUSE_CORRUPT : SERVICE_CAUSE_UNHEALTHY;
    }
}

/* What the end means for the record. True: it counts as a failure. */
static bool note_end(struct supervisor *_Nonnull self, uint32_t index,
                     struct service_record *_Nonnull record,
                     const struct process_info *_Nonnull info) {
    struct service *service = &self->services[index];
    enum service_cause cause = cause_of(info);
    bool counts = cause != SERVICE_CAUSE_KILLED;
    record->ended_ns = rt_clock_ns();
    record->restarts++;
    record->last_cause = cause;
    record->faults += cause == SERVICE_CAUSE_CRASH ? 1 : 0;
    record->hangs += cause == SERVICE_CAUSE_HANG ? 1 : 0;
    bool probation = record->previous[0] != '\0' && record->probation_ns != 0;
    if (counts) {
        record->failures = made_progress(service, record) ? 1 : record->failures + 1;
        report_write(self, index, info, cause);
    }
    if (counts && probation) {
        update_failed(self, index, record);
    } else if (cause == SERVICE_CAUSE_CORRUPT) {
        record->mode = START_FRESH;
        escalate(self, index);
    }
    return counts;
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
    if (record.state == SUPERVISED_STOPPED || !service->manifest.restart) {
        record.state = SUPERVISED_STOPPED;
        record.ended_ns = rt_clock_ns();
        record.last_cause = cause_of(&info);
        service_put(self, index, &record);
        return;
    }
    bool counts = note_end(self, index, &record, &info);
    if (watch_retry(self, index, &record, counts)) {
        service_launch(self, index);
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
    self->look_ns = 0;
    uint64_t next = now + WATCH_NS;
    for (uint32_t i = 0; i < self->count; i++) {
        struct service_record record = service_get(self, i);
        if (record.state == SUPERVISED_WAITING && record.retry_ns <= now) {
            service_launch(self, i);
        } else if (record.state == SUPERVISED_WAITING) {
            next = MIN(next, record.retry_ns);
        } else if (record.state == SUPERVISED_RUNNING) {
            uint64_t probation = update_look(self, i);
            next = probation != 0 ? MIN(next, probation) : next;
            check_hang(self, i);
        }
    }
    watch_by(self, next);
}
