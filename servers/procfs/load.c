/* Load averages: every five seconds, how many processors were at work since the last time, averaged
 * over 1, 5 and 15 minutes as Linux does it. Threads that wait for a processor are not counted: the
 * kernel does not tell them. */
#include "servers/procfs/procfs.h"

enum { PERIOD_SECONDS = 5, RECORD_LOAD = 0x4c4f };
#define PERIOD_NS (PERIOD_SECONDS * UINT64_C(1000000000))

static uint64_t idle_now(void) {
    struct system_info info = {};
    struct syscall_registers r = {
        .number = SYS_SYSTEM, .a = SYSTEM_INFO, .b = rt_address(&info), .words = {sizeof info}};
    rt_invoke(&r);
    return info.idle_ns;
}

static uint32_t processors_now(void) {
    struct system_info info = {};
    struct syscall_registers r = {
        .number = SYS_SYSTEM, .a = SYSTEM_INFO, .b = rt_address(&info), .words = {sizeof info}};
    rt_invoke(&r);
    return info.processors == 0 ? 1 : info.processors;
}

void load_begin(struct procfs *_Nonnull fs) {
    const struct load_record *kept = &fs->vault->load;
    if (kept->header.kind != 0 &&
        (kept->header.kind != RECORD_LOAD || kept->header.size != sizeof *kept ||
         rt_record_checksum(&kept->header) != kept->header.checksum)) {
        rt_vault_corrupt(fs->view.server, "load averages");
    }
    fs->last_ns = rt_clock_ns();
    fs->last_idle_ns = idle_now();
    status_t status = rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &fs->tick);
    status = status == STATUS_OK
                 ? rt_bind(fs->view.server->waitset, fs->tick, UINT32_MAX, PROCFS_KEY_TICK, 0)
                 : status;
    status = status == STATUS_OK ? rt_timer_set(fs->tick, fs->last_ns + PERIOD_NS, 1, PERIOD_NS)
                                 : status;
    if (status != STATUS_OK) {
        rt_log(fs->view.server, "no load averages: status %d", (int)status);
    }
}

void load_tick(struct procfs *_Nonnull fs) {
    /* LOAD_ONE / e^(5 s / minutes) */
    static const uint64_t weights[3] = {1884, 2014, 2037};
    uint64_t now = rt_clock_ns();
    uint64_t idle = idle_now();
    uint64_t span = now - MIN(fs->last_ns, now);
    if (span == 0) {
        return;
    }
    uint64_t unused = MIN(idle - MIN(fs->last_idle_ns, idle), span * processors_now());
    uint64_t at_work = (span * processors_now() - unused) / (span / LOAD_ONE + 1);
    struct load_record record = fs->vault->load;
    record.header =
        (struct rt_record_header){.kind = RECORD_LOAD, .version = 1, .size = sizeof record};
    for (size_t i = 0; i < ARRAY_LENGTH(weights); i++) {
        record.averages[i] =
            (record.averages[i] * weights[i] + at_work * (LOAD_ONE - weights[i]) + LOAD_ONE / 2) /
            LOAD_ONE;
    }
    status_t status = rt_stage_record(fs->view.server, &fs->vault->load.header, &record.header);
    status = status == STATUS_OK ? rt_commit(fs->view.server) : status;
    if (status != STATUS_OK) {
        rt_log(fs->view.server, "load averages: status %d", (int)status);
        rt_stage_drop(fs->view.server);
    }
    fs->last_ns = now;
    fs->last_idle_ns = idle;
}
