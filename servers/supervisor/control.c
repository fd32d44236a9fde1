/* The `service` protocol: what an administrator may ask of the supervisor. */
#include "idl/service.h"
#include "idl/stream.h"
#include "lib/base/bytes.h"
#include "servers/supervisor/table.h"

static enum service_state shown_state(const struct service_record *_Nonnull record) {
    if (record->previous[0] != '\0') {
        return SERVICE_STATE_UPDATING;
    }
    switch ((enum supervised_state)record->state) {
    case SUPERVISED_RUNNING:
        return SERVICE_STATE_RUNNING;
    case SUPERVISED_STARTING:
        return SERVICE_STATE_STARTING;
    case SUPERVISED_WAITING:
        return SERVICE_STATE_WAITING;
    case SUPERVISED_FAILED:
        return SERVICE_STATE_DEGRADED;
    case SUPERVISED_ABSENT:
    case SUPERVISED_STOPPED:
        break;
    }
    return SERVICE_STATE_STOPPED;
}

void describe(const struct supervisor *_Nonnull self, uint32_t index,
              struct service_status *_Nonnull out) {
    const struct service *service = &self->services[index];
    struct service_record record = service_get(self, index);
    struct process_info process = {};
    struct endpoint_info endpoint = {};
    if (service->process != HANDLE_NONE) {
        (void)rt_object_info(service->process, INFO_PROCESS, &process, sizeof process);
    }
    (void)rt_object_info(service->endpoint, INFO_ENDPOINT, &endpoint, sizeof endpoint);
    *out = (struct service_status){
        .process_serial = process.serial,
        .started_ns = record.started_ns,
        .ended_ns = record.ended_ns,
        .restarts = record.restarts,
        .faults = record.faults,
        .hangs = record.hangs,
        .run_time_ns = process.run_time_ns,
        .pages = process.resident_pages,
        .oldest_call_ns = endpoint.oldest_busy_ns,
        .queued = endpoint.queued,
        .in_hand = endpoint.in_hand,
        .parked = endpoint.parked,
        .sessions = endpoint.sessions,
        .state = shown_state(&record),
        .last_cause = (enum service_cause)record.last_cause,
        .redelivered = endpoint.redelivered,
        .poisoned = endpoint.poisoned,
    };
    bytes_copy(out->name, service->manifest.service, sizeof service->manifest.service);
    const char *program = record.program[0] != '\0' ? record.program : service->manifest.program;
    bytes_copy(out->program, program, sizeof out->program);
}

/* The service that a message names. */
static status_t find(const struct supervisor *_Nonnull self, struct rt_bytes name,
                     uint32_t *_Nonnull out) {
    return service_by_name(self, name, out) ? STATUS_OK : STATUS_NOT_FOUND;
}

static status_t list(void *_Nonnull state, struct rt_request *_Nonnull request,
                     const struct service_list_in *_Nonnull in,
                     struct service_list_out *_Nonnull out) {
    struct supervisor *self = state;
    for (uint32_t i = in->from; i < self->count; i++) {
        struct service_status about;
        uint64_t at = out->services_size;
        if (in->services.size - at < sizeof about) {
            break;
        }
        describe(self, i, &about);
        struct rt_bytes bytes = {.size = sizeof about, .data = (const uint8_t *)&about};
        status_t status = rt_output_write(request, &in->services, at, bytes);
        if (status != STATUS_OK) {
            return status;
        }
        out->services_size += sizeof about;
    }
    return STATUS_OK;
}

static status_t status_of(void *_Nonnull state, struct rt_request *_Nonnull request,
                          const struct service_status_in *_Nonnull in,
                          struct service_status_out *_Nonnull out) {
    struct supervisor *self = state;
    uint32_t index = 0;
    (void)request;
    status_t status = find(self, in->name, &index);
    if (status == STATUS_OK) {
        describe(self, index, &out->about);
    }
    return status;
}

/* Changes are for the system's own services and for root. */
static bool allowed(const struct rt_request *_Nonnull request) {
    return request->page->received.principal == 0;
}

/* The service of a change. */
static status_t find_to_change(const struct supervisor *_Nonnull self,
                               const struct rt_request *_Nonnull request, struct rt_bytes name,
                               uint32_t *_Nonnull out) {
    TRY(find(self, name, out));
    return allowed(request) ? STATUS_OK : STATUS_NOT_ALLOWED;
}

static status_t restart(void *_Nonnull state, struct rt_request *_Nonnull request,
                        const struct service_restart_in *_Nonnull in) {
    uint32_t index = 0;
    TRY(find_to_change(state, request, in->name, &index));
    return command_restart(state, index);
}

static status_t stop(void *_Nonnull state, struct rt_request *_Nonnull request,
                     const struct service_stop_in *_Nonnull in) {
    uint32_t index = 0;
    TRY(find_to_change(state, request, in->name, &index));
    return command_stop(state, index, in->seconds);
}

static status_t start(void *_Nonnull state, struct rt_request *_Nonnull request,
                      const struct service_start_in *_Nonnull in) {
    uint32_t index = 0;
    TRY(find_to_change(state, request, in->name, &index));
    return command_start(state, index);
}

static status_t crash(void *_Nonnull state, struct rt_request *_Nonnull request,
                      const struct service_crash_in *_Nonnull in) {
    uint32_t index = 0;
    TRY(find_to_change(state, request, in->name, &index));
    return command_crash(state, index);
}

static status_t update(void *_Nonnull state, struct rt_request *_Nonnull request,
                       const struct service_update_in *_Nonnull in) {
    uint32_t index = 0;
    char program[sizeof in->program + 1] = {};
    TRY(find_to_change(state, request, in->name, &index));
    bytes_copy(program, &in->program[0], sizeof in->program);
    return update_begin(state, index, program, &(struct update_asker){.token = request->token});
}

static status_t report(void *_Nonnull state, struct rt_request *_Nonnull request,
                       const struct service_report_in *_Nonnull in,
                       struct service_report_out *_Nonnull out) {
    struct supervisor *self = state;
    uint32_t index = 0;
    const struct report_record *found = nullptr;
    TRY(find(self, in->name, &index));
    for (const struct report_record *next = report_next(self, index, 0);
         next != nullptr && (in->number == 0 || SOME(next)->number <= in->number);
         next = report_next(self, index, SOME(next)->number)) {
        found = next;
    }
    REFUSE(found == nullptr, STATUS_NOT_FOUND);
    window_begin(&self->window, 0, in->text.size);
    report_print(&self->window, SOME(found));
    out->about = (struct service_report){.number = SOME(found)->number,
                                         .time_ns = SOME(found)->at_ns,
                                         .process_serial = SOME(found)->process_serial,
                                         .cause = (enum service_cause)SOME(found)->cause,
                                         .size = (uint32_t)self->window.position};
    out->text_size = self->window.size;
    struct rt_bytes text = {.size = self->window.size, .data = (const uint8_t *)self->window.bytes};
    return rt_output_write(request, &in->text, 0, text);
}

static status_t open(void *_Nonnull state, struct rt_request *_Nonnull request,
                     const struct service_open_in *_Nonnull in,
                     struct service_open_out *_Nonnull out) {
    REFUSE((request->cookie & RT_COOKIE_SERVICE) == 0, STATUS_NOT_ALLOWED);
    return files_open(state, in->what, in->writes, in->inode, &out->opened);
}

static status_t power(void *_Nonnull state, struct rt_request *_Nonnull request,
                      const struct service_power_in *_Nonnull in) {
    (void)state;
    if (!allowed(request)) {
        return STATUS_NOT_ALLOWED;
    }
    struct syscall_registers r = {
        .number = SYS_SYSTEM,
        .a = in->action == SERVICE_POWER_REBOOT ? SYSTEM_REBOOT : SYSTEM_POWER_OFF,
        .b = BOOT_HANDLE_SYSTEM,
        .words = {in->code},
    };
    rt_invoke(&r);
    return (status_t)(int32_t)(uint32_t)r.number;
}

static status_t alive(void *_Nonnull state, struct rt_request *_Nonnull request,
                      const struct service_alive_in *_Nonnull in) {
    (void)state;
    (void)request;
    (void)in;
    return STATUS_OK; /* that it called is the sign: the kernel counts its calls */
}

void control_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    static const struct service_handlers handlers = {
        .list = list,
        .status = status_of,
        .restart = restart,
        .stop = stop,
        .start = start,
        .report = report,
        .update = update,
        .crash = crash,
        .open = open,
        .power = power,
        .alive = alive,
    };
    if (stream_speaks(request->label)) {
        files_call(server, request);
    } else {
        service_dispatch(&handlers, SOME(server->state), request);
    }
}
