/* Files that another server stands for: their sessions are its own, and procfs is out of the way
 * once they are open. So a file of the supervisor can stop procfs, and start it again. */
#include "idl/log.h"
#include "idl/service.h"
#include "lib/base/bytes.h"
#include "servers/procfs/procfs.h"

static status_t open_service(struct procfs *_Nonnull fs, struct rt_request *_Nonnull request,
                             enum service_file file, bool writes, uint64_t node,
                             handle_t *_Nonnull out) {
    handle_t supervisor = rt_start_handle(fs->view.server, "supervisor");
    REFUSE(supervisor == HANDLE_NONE, FILESYSTEM_STATUS_NO_DEVICE);
    return service_open_nested(SOME(request->context), STEP_ELSEWHERE, supervisor, file, writes,
                               (uint32_t)node, out);
}

static status_t open_log(struct procfs *_Nonnull fs, struct rt_request *_Nonnull request,
                         uint64_t node, handle_t *_Nonnull out) {
    handle_t log = rt_start_handle(fs->view.server, "log");
    REFUSE(log == HANDLE_NONE, FILESYSTEM_STATUS_NO_DEVICE);
    return log_open_nested(SOME(request->context), STEP_ELSEWHERE, log, LOG_FILE_READS,
                           (uint32_t)node, out);
}

status_t open_elsewhere(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                        uint64_t node, uint32_t how, handle_t *_Nonnull out) {
    struct procfs *fs = (struct procfs *)view;
    struct system_entries entries = system_entries();
    uint32_t index = node_number(node) - 1;
    bool writes = (how & FILESYSTEM_OPEN_FLAGS_WRITE) != 0;
    if (node >> SERIAL_SHIFT != 0 || index >= entries.count ||
        (entries.at[index].mode & VIEW_KIND) != VIEW_FILE ||
        entries.at[index].generate != nullptr) {
        return STATUS_OK; /* one of our own */
    }
    if (text_equal(entries.at[index].name, "services")) {
        return open_service(fs, request, SERVICE_FILE_SERVICES, writes, node, out);
    }
    if (text_equal(entries.at[index].name, "reports")) {
        return open_service(fs, request, SERVICE_FILE_REPORTS, false, node, out);
    }
    return open_log(fs, request, node, out);
}
