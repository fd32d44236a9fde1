/* The `service` protocol: what an administrator may ask of the supervisor. */
#include "idl/service.h"
#include "lib/base/bytes.h"
#include "servers/supervisor/table.h"

static enum service_state shown_state(const struct service_record *_Nonnull record) {
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

static void describe(const struct supervisor *_Nonnull self, uint32_t index,
                     struct service_status *_Nonnull out) {
    const struct service *service = &self->services[index];
    struct service_record record = service_get(self, index);
    struct process_info process = {};
    struct endpoint_info endpoint = {};
    (void)rt_object_info(service->process, INFO_PROCESS, &process, sizeof process);
    (void)rt_object_info(service->endpoint, INFO_ENDPOINT, &endpoint, sizeof endpoint);
    *out = (struct service_status){
        .process_serial = process.serial,
        .started_ns = record.started_ns,
        .restarts = record.restarts,
        .failures = record.faults + record.hangs,
        .run_time_ns = process.run_time_ns,
        .pages = process.resident_pages,
        .oldest_call_ns = endpoint.oldest_busy_ns,
        .queued = endpoint.queued,
        .in_hand = endpoint.in_hand,
        .parked = endpoint.parked,
        .sessions = endpoint.sessions,
        .state = shown_state(&record),
        .last_cause = (enum service_cause)record.last_cause,
        .attempts_above_one = endpoint.redelivered,
        .poisoned = endpoint.poisoned,
    };
    bytes_copy(out->name, service->manifest.service, sizeof service->manifest.service);
}

/* The service that a message names. */
static status_t find(const struct supervisor *_Nonnull self, struct rt_bytes name,
                     uint32_t *_Nonnull out) {
    for (uint32_t i = 0; i < self->count; i++) {
        const char *known = self->services[i].manifest.service;
        if (text_length(known, MANIFEST_NAME) == name.size && name.size > 0 &&
            bytes_equal(known, SOME(name.data), name.size)) {
            *out = i;
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
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

static status_t restart(void *_Nonnull state, struct rt_request *_Nonnull request,
                        const struct service_restart_in *_Nonnull in) {
    struct supervisor *self = state;
    uint32_t index = 0;
    status_t status = find(self, in->name, &index);
    if (status != STATUS_OK || !allowed(request)) {
        return status != STATUS_OK ? status : STATUS_NOT_ALLOWED;
    }
    if (self->services[index].process == HANDLE_NONE) {
        service_launch(self, index);
        return STATUS_OK;
    }
    return rt_kill(self->services[index].process, -1, EXIT_KILLED);
}

static status_t stop(void *_Nonnull state, struct rt_request *_Nonnull request,
                     const struct service_stop_in *_Nonnull in) {
    struct supervisor *self = state;
    uint32_t index = 0;
    status_t status = find(self, in->name, &index);
    if (status != STATUS_OK || !allowed(request)) {
        return status != STATUS_OK ? status : STATUS_NOT_ALLOWED;
    }
    struct service_record record = service_get(self, index);
    record.state = SUPERVISED_STOPPED;
    service_put(self, index, &record);
    return self->services[index].process == HANDLE_NONE
               ? STATUS_OK
               : rt_kill(self->services[index].process, 0, EXIT_KILLED);
}

static status_t start(void *_Nonnull state, struct rt_request *_Nonnull request,
                      const struct service_start_in *_Nonnull in) {
    struct supervisor *self = state;
    uint32_t index = 0;
    status_t status = find(self, in->name, &index);
    if (status != STATUS_OK || !allowed(request)) {
        return status != STATUS_OK ? status : STATUS_NOT_ALLOWED;
    }
    if (self->services[index].process == HANDLE_NONE) {
        service_launch(self, index);
    }
    return STATUS_OK;
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
        .power = power,
        .alive = alive,
    };
    service_dispatch(&handlers, SOME(server->state), request);
}
