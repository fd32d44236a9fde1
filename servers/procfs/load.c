/* Load averages: every five seconds, how many threads of programs run, could run or wait for a
 * page, averaged over 1, 5 and 15 minutes (average.h). Servers are not counted: what they do, they
 * do for a program that waits for them. */
#include "servers/procfs/average.h"
#include "servers/procfs/procfs.h"

enum { RECORD_LOAD = 0x4c4f };
#define PERIOD_NS (LOAD_PERIOD_SECONDS * UINT64_C(1000000000))

void load_begin(struct procfs *_Nonnull fs) {
    const struct load_record *kept = &fs->vault->load;
    if (kept->header.kind != 0 &&
        (kept->header.kind != RECORD_LOAD || kept->header.size != sizeof *kept ||
         rt_record_checksum(&kept->header) != kept->header.checksum)) {
        rt_vault_corrupt(fs->view.server, "load averages");
    }
    status_t status = rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &fs->tick);
    status = status == STATUS_OK
                 ? rt_bind(fs->view.server->waitset, fs->tick, UINT32_MAX, PROCFS_KEY_TICK, 0)
                 : status;
    status = status == STATUS_OK ? rt_timer_set(fs->tick, rt_clock_ns() + PERIOD_NS, 1, PERIOD_NS)
                                 : status;
    if (status != STATUS_OK) {
        rt_log(fs->view.server, "no load averages: status %d", (int)status);
    }
}

void load_tick(struct procfs *_Nonnull fs) {
    struct totals totals = count_programs(fs, nullptr);
    struct load_record record = fs->vault->load;
    record.header =
        (struct rt_record_header){.kind = RECORD_LOAD, .version = 1, .size = sizeof record};
    load_average(&record.averages, totals.ready + totals.paging);
    status_t status = rt_stage_record(fs->view.server, &fs->vault->load.header, &record.header);
    status = status == STATUS_OK ? rt_commit(fs->view.server) : status;
    if (status != STATUS_OK) {
        rt_log(fs->view.server, "load averages: status %d", (int)status);
        rt_stage_drop(fs->view.server);
    }
}
