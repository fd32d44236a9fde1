/* import, export: content in and out without mounting. */
#include "command.h"
#include "transfer.h"

#pragma clang assume_nonnull begin

static int transfer(struct call *call, bool import) {
    const char *name = call_word(call, 0);
    struct dataset *_Nullable dataset = nullptr;
    struct granule_cache *_Nullable cache = nullptr;
    lattice_status_t status = call_open(call, name, &dataset);
    status = status == LATTICE_OK ? granules_create(call_fs(call), &cache) : status;
    if (status != LATTICE_OK) {
        return call_report(name, status);
    }
    const char *path = call_word(call, 1);
    struct transfer_job job = {.call = call, .cache = SOME(cache), .dataset = SOME(dataset)};
    uint64_t failures = call->given[OPTION_TAR]
                            ? (import ? tar_import(&job, path) : tar_export(&job, path))
                            : (import ? transfer_import(&job, path) : transfer_export(&job, path));
    progress_end(call);
    if (import) {
        status = granules_commit(SOME(cache));
    }
    granules_destroy(SOME(cache));
    return call_report(name, status) != DONE || failures != 0 ? FAILED : DONE;
}

int do_import(struct call *call) {
    return transfer(call, true);
}

int do_export(struct call *call) {
    return transfer(call, false);
}

#pragma clang assume_nonnull end
