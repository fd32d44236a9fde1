/* time: see time.h. */
#include "lib/base/bytes.h"
#include "servers/time/time.h"

enum : uint64_t { MAY_SET_TIME = 1u << 25 };
#define NS_PER_SECOND INT64_C(1000000000)

static bool may_set(const struct time_server *_Nonnull time,
                    const struct rt_request *_Nonnull request) {
    struct caller caller = access_caller(&time->principals, request, false);
    return caller_can(&caller, MAY_SET_TIME);
}

static status_t set_clock(const struct time_server *_Nonnull time, int64_t now_ns) {
    struct syscall_registers r = {.number = SYS_SYSTEM,
                                  .a = SYSTEM_SET_REALTIME,
                                  .b = time->system,
                                  .words = {(uint64_t)now_ns}};
    rt_invoke(&r);
    return (status_t)(int32_t)(uint32_t)r.number;
}

/* The record, to be changed and staged. */
static struct time_record record_of(const struct time_server *_Nonnull time) {
    struct time_record record = *time->kept;
    record.header =
        (struct rt_record_header){.kind = RECORD_TIME, .version = 2, .size = sizeof record};
    return record;
}

static status_t stage_slew(struct time_server *_Nonnull time, int64_t left_ns,
                           int64_t distance_ns) {
    struct time_record record = record_of(time);
    record.slew_left_ns = left_ns;
    record.distance_ns = distance_ns;
    return rt_stage_record(time->server, time->kept, &record.header);
}

static int64_t distance_now(void) {
    return (int64_t)rt_realtime_ns() - (int64_t)rt_clock_ns();
}

/* The clock stands as far from the monotonic one as the record says. */
static status_t take_step(const struct time_server *_Nonnull time) {
    int64_t distance = time->kept->distance_ns;
    return distance == 0 ? STATUS_OK : set_clock(time, (int64_t)rt_clock_ns() + distance);
}

static status_t serve_set(void *_Nonnull state, struct rt_request *_Nonnull request,
                          const struct time_set_in *_Nonnull in) {
    struct time_server *time = state;
    REFUSE(!may_set(time, request), STATUS_NOT_ALLOWED);
    REFUSE(in->now_ns < 0, STATUS_BAD_ARGUMENT);
    int64_t distance = in->now_ns - (int64_t)rt_clock_ns();
    TRY(set_clock(time, in->now_ns));
    status_t status = hardware_write(time->ports, in->now_ns / NS_PER_SECOND);
    if (status != STATUS_OK) {
        rt_log(time->server, "the machine's clock was not set: status %d", (int)status);
    }
    return stage_slew(time, 0, distance);
}

static status_t serve_adjust(void *_Nonnull state, struct rt_request *_Nonnull request,
                             const struct time_adjust_in *_Nonnull in,
                             struct time_adjust_out *_Nonnull out) {
    struct time_server *time = state;
    REFUSE(!may_set(time, request), STATUS_NOT_ALLOWED);
    out->left_ns = time->kept->slew_left_ns;
    TRY(stage_slew(time, in->slew_ns, time->kept->distance_ns));
    return rt_timer_set(time->timer, rt_clock_ns() + (uint64_t)NS_PER_SECOND, 1, 0);
}

/* One step of a slew. */
static void step(struct time_server *_Nonnull time) {
    int64_t left = time->kept->slew_left_ns;
    int64_t most = SLEW_STEP_NS;
    int64_t now = MIN(MAX(left, -most), most);
    if (left == 0) {
        return;
    }
    int64_t distance = time->kept->distance_ns != 0 ? time->kept->distance_ns : distance_now();
    status_t status = stage_slew(time, left - now, distance + now);
    status = status == STATUS_OK ? rt_commit(time->server) : status;
    status = status == STATUS_OK ? take_step(time) : status;
    status = status == STATUS_OK
                 ? rt_timer_set(time->timer, rt_clock_ns() + (uint64_t)NS_PER_SECOND, 1, 0)
                 : status;
    if (status != STATUS_OK) {
        rt_log(time->server, "slew: status %d", (int)status);
    }
}

static status_t serve_hardware(void *_Nonnull state, struct rt_request *_Nonnull request,
                               struct time_hardware_out *_Nonnull out) {
    const struct time_server *time = state;
    int64_t seconds = 0;
    (void)request;
    TRY(hardware_read(time->ports, &seconds));
    out->now_ns = seconds * NS_PER_SECOND;
    return STATUS_OK;
}

static status_t serve_zone(void *_Nonnull state, struct rt_request *_Nonnull request,
                           struct time_zone_out *_Nonnull out) {
    const struct time_server *time = state;
    (void)request;
    out->rule_size = (uint32_t)MIN(time->kept->zone_size, (uint64_t)ZONE_SIZE);
    bytes_copy(&out->rule[0], &time->kept->zone[0], out->rule_size);
    return STATUS_OK;
}

static status_t serve_set_zone(void *_Nonnull state, struct rt_request *_Nonnull request,
                               const struct time_set_zone_in *_Nonnull in) {
    struct time_server *time = state;
    struct time_record record = record_of(time);
    REFUSE(!may_set(time, request), STATUS_NOT_ALLOWED);
    REFUSE(in->rule.size > ZONE_SIZE, STATUS_BAD_ARGUMENT);
    record.zone_size = in->rule.size;
    if (in->rule.size > 0) {
        bytes_copy(&record.zone[0], SOME(in->rule.data), in->rule.size);
    }
    return rt_stage_record(time->server, time->kept, &record.header);
}

static void on_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    static const struct time_handlers handlers = {.set = serve_set,
                                                  .adjust = serve_adjust,
                                                  .hardware = serve_hardware,
                                                  .zone = serve_zone,
                                                  .set_zone = serve_set_zone};
    time_dispatch(&handlers, SOME(server->state), request);
}

static void on_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    if (packet->kind == PACKET_EVENT && packet->key == KEY_STEP) {
        step(SOME(server->state));
    }
}

void server_main(uint64_t mode, uint64_t thread_page) {
    struct rt_server server;
    rt_server_begin(&server, mode, thread_page);
    struct time_server time = {.server = &server,
                               .kept = SOME(server.vault_data),
                               .system = rt_start_handle(&server, "system"),
                               .ports = rt_start_handle(&server, "ports")};
    server.state = &time;
    if (time.kept->header.kind != 0 &&
        (time.kept->header.size != sizeof *time.kept ||
         rt_record_checksum(&time.kept->header) != time.kept->header.checksum)) {
        rt_vault_corrupt(&server, "slew and zone");
    }
    status_t status = access_attach(rt_start_handle(&server, "process"), &time.principals);
    if (status != STATUS_OK) {
        rt_log(&server, "no principals: status %d", (int)status);
    }
    status = rt_object_create(OBJECT_EVENT, 0, 0, 0, 0, 0, &time.timer);
    status =
        status == STATUS_OK ? rt_bind(server.waitset, time.timer, UINT32_MAX, KEY_STEP, 0) : status;
    if (status != STATUS_OK) {
        rt_log(&server, "no timer: status %d", (int)status);
        rt_exit(RT_EXIT_START);
    }
    status = take_step(&time); /* what an instance before left */
    if (status != STATUS_OK) {
        rt_log(&server, "the clock was not set: status %d", (int)status);
    }
    if (time.kept->slew_left_ns != 0) {
        (void)rt_timer_set(time.timer, rt_clock_ns() + (uint64_t)NS_PER_SECOND, 1, 0);
    }
    rt_server_run(&server, &(struct rt_service){on_call, on_packet});
}
