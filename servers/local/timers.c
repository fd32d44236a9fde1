/* Time: timers that are read (timerfd), and calls that wait no longer than their socket says.
 *
 * What a timer has counted is derived: from when it is due next, its period, and the clock. So
 * nothing is recorded when time passes, only when a timer is set or read. A timer of the wall
 * clock is looked at every second, since nobody tells when that clock is set. */
#include "lib/base/bytes.h"
#include "servers/local/local.h"

enum { NUMBER = sizeof(uint64_t), CLOCK_REALTIME = 0 };
#define LOOK_AGAIN_NS 1000000000ull

static const struct local_timer *_Nonnull timer_at(const struct local *_Nonnull local,
                                                   uint32_t object) {
    return &local->vault->timers[object - LOCAL_FIRST_TIMER];
}

/* How often a timer was due since it was set or read. */
static uint64_t count_of(const struct local_timer *_Nonnull timer, uint64_t now) {
    if (timer->next_ns == 0 || now < timer->next_ns) {
        return 0;
    }
    return timer->every_ns == 0 ? 1 : 1 + (now - timer->next_ns) / timer->every_ns;
}

static uint64_t now_of(const struct local_timer *_Nonnull timer) {
    return timer->wall != 0 ? rt_realtime_ns() : rt_clock_ns();
}

static uint64_t sum(uint64_t one, uint64_t other) {
    uint64_t result = 0;
    return ckd_add(&result, one, other) ? UINT64_MAX : result;
}

static void arm(struct local *_Nonnull local, uint64_t deadline_ns) {
    if (deadline_ns < local->armed_ns) {
        local->armed_ns = deadline_ns;
        CHECK(rt_timer_set(local->clock, MAX(deadline_ns, 1ull), 1, 0) == STATUS_OK);
    }
}

/* The next look at a timer, until it was due: then it goes on counting without. */
static void arm_for(struct local *_Nonnull local, const struct local_timer *_Nonnull timer) {
    uint64_t now = now_of(timer);
    if (timer->next_ns <= now) {
        return;
    }
    uint64_t wait = timer->next_ns - now;
    arm(local, sum(rt_clock_ns(), timer->wall != 0 ? MIN(wait, LOOK_AGAIN_NS) : wait));
}

/* ---- limited calls ---- */

status_t parked_limit(struct local *_Nonnull local, uint32_t list, uint64_t limit_ns,
                      status_t status) {
    if (limit_ns == 0) {
        return status;
    }
    if (status == RT_STATUS_PARKED) {
        struct parked *parked = parked_last(local, list);
        parked->deadline_ns = sum(rt_clock_ns(), limit_ns);
        arm(local, parked->deadline_ns);
    }
    return status == STATUS_CANCELLED ? LOCAL_STATUS_INTERRUPTED : status;
}

static void end_limited(struct local *_Nonnull local, uint64_t now) {
    for (uint32_t i = 0; i < LOCAL_PARKED; i++) {
        const struct parked *parked = &local->parked[i];
        uint64_t token = parked->token;
        if (token == 0 || parked->deadline_ns == 0) {
            continue;
        }
        if (parked->deadline_ns > now) {
            arm(local, parked->deadline_ns);
        } else if (parked_remove(local, token)) {
            (void)rt_answer_error(local->server, token, STATUS_WOULD_BLOCK);
        }
    }
}

/* ---- timers ---- */

static status_t stage(struct local *_Nonnull local, uint32_t object,
                      const struct local_timer *_Nonnull now) {
    uint64_t count = count_of(now, now_of(now));
    local->touched = object;
    local->timer = *now;
    local->told[object - LOCAL_FIRST_TIMER] = count > 0 ? 1 : 0;
    ends_show(local, object, (struct local_shown){.reading = count > 0 ? READY_IN : 0u});
    arm_for(local, now);
    return rt_stage_record(local->server, timer_at(local, object), &local->timer.header);
}

status_t timer_make(struct local *_Nonnull local, const struct local_timer_in *_Nonnull in,
                    handle_t *_Nonnull out) {
    uint32_t index = 0;
    uint32_t at = 0;
    while (index < LOCAL_TIMERS && local->vault->timers[index].used != 0) {
        index++;
    }
    REFUSE(index == LOCAL_TIMERS, STATUS_OUT_OF_QUOTA);
    struct local_timer timer = {
        .header = {.kind = LOCAL_RECORD_TIMER, .version = 1, .size = sizeof timer},
        .clock = in->clock,
        .used = 1,
    };
    struct local_end end = {
        .kind = END_TIMER, .object = LOCAL_FIRST_TIMER + index, .access = END_READS | END_WRITES};
    TRY(end_make(local, 0, &end, 0, &at, out));
    return rt_stage_record(local->server, &local->vault->timers[index], &timer.header);
}

/* What is left until a timer is due the next time; 0: it is not. */
static uint64_t left_of(const struct local_timer *_Nonnull timer, uint64_t now) {
    uint64_t count = count_of(timer, now);
    if (timer->next_ns == 0 || (count > 0 && timer->every_ns == 0)) {
        return 0;
    }
    return timer->next_ns + count * timer->every_ns - now;
}

status_t timer_set(struct local *_Nonnull local, const struct local_end *_Nonnull end,
                   const struct local_set_timer_in *_Nonnull in,
                   struct local_set_timer_out *_Nonnull out) {
    struct local_timer now = *timer_at(local, end->object);
    out->left_ns = left_of(&now, now_of(&now));
    out->old_every_ns = now.every_ns;
    if (!in->change) {
        return STATUS_OK;
    }
    bool wall =
        in->absolute && (now.clock == CLOCK_REALTIME || now.clock == LOCAL_CLOCK_REALTIME_ALARM);
    REFUSE(in->cancels && wall, STATUS_NOT_SUPPORTED);
    now.wall = wall ? 1 : 0;
    now.every_ns = in->every_ns;
    now.next_ns = in->first_ns == 0 ? 0
                  : in->absolute    ? in->first_ns
                                    : sum(rt_clock_ns(), in->first_ns);
    return stage(local, end->object, &now);
}

/* Tells what was counted. */
static status_t take(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                     uint32_t object, const struct rt_output *_Nonnull room) {
    struct local_timer now = *timer_at(local, object);
    uint64_t count = count_of(&now, now_of(&now));
    uint8_t bytes[NUMBER];
    bytes_copy(bytes, &count, sizeof bytes);
    now.next_ns = now.every_ns == 0 ? 0 : now.next_ns + count * now.every_ns;
    TRY(rt_output_write(request, room, 0, RT_BYTES_OF(bytes)));
    return stage(local, object, &now);
}

status_t timer_read(struct local *_Nonnull local, struct rt_request *_Nonnull request,
                    const struct local_end *_Nonnull end, const struct stream_read_in *_Nonnull in,
                    struct stream_read_out *_Nonnull out) {
    const struct local_timer *timer = timer_at(local, end->object);
    REFUSE(in->data.size < NUMBER, STATUS_BAD_ARGUMENT);
    if (count_of(timer, now_of(timer)) == 0) {
        return end_waits(request, in->how) ? parked_add(local, list_of(end->object, LIST_READ),
                                                        request, in->how, in->data.size, nullptr)
                                           : STATUS_WOULD_BLOCK;
    }
    out->data_size = NUMBER;
    return take(local, request, end->object, &in->data);
}

uint32_t timer_servable(const struct local *_Nonnull local, uint32_t object) {
    uint32_t list = list_of(object, LIST_READ);
    const struct local_timer *timer = &local->timer;
    return parked_first(local, list) && count_of(timer, now_of(timer)) > 0 ? list : LOCAL_NONE;
}

void timer_answer(struct local *_Nonnull local, uint32_t object,
                  const struct parked *_Nonnull parked, struct rt_reply *_Nonnull reply) {
    struct rt_request request = {
        .page = local->server->page, .reply = reply, .token = parked->token};
    struct rt_output room = stream_read_data(reply, parked->size);
    status_t status = take(local, &request, object, &room);
    if (status != STATUS_OK) {
        local_fail(local, reply, status);
        return;
    }
    stream_read_reply(reply, &(struct stream_read_out){.data_size = NUMBER});
}

void timer_close(struct local *_Nonnull local, uint32_t index) {
    uint32_t object = local->vault->ends[index].object;
    struct local_timer now = *timer_at(local, object);
    end_forget(local, index);
    now.used = 0;
    now.next_ns = 0;
    CHECK(stage(local, object, &now) == STATUS_OK);
}

/* Shows what a timer counted since, and answers who waits for it. */
static void look_at(struct local *_Nonnull local, uint32_t index) {
    const struct local_timer *timer = &local->vault->timers[index];
    uint32_t object = LOCAL_FIRST_TIMER + index;
    uint64_t count = count_of(timer, now_of(timer));
    arm_for(local, timer);
    uint32_t due = count > 0 ? 1 : 0;
    if (due == local->told[index]) {
        return;
    }
    local_begin(local);
    local->told[index] = due;
    local->touched = object;
    local->timer = *timer;
    ends_show(local, object,
              (struct local_shown){.reading = count > 0 ? READY_IN : 0u, .edges = READY_IN});
    CHECK(rt_commit(local->server) == STATUS_OK);
    local_serve(local, nullptr);
}

void local_clock(struct local *_Nonnull local) {
    local->armed_ns = UINT64_MAX;
    end_limited(local, rt_clock_ns());
    for (uint32_t i = 0; i < LOCAL_TIMERS; i++) {
        if (local->vault->timers[i].used != 0) {
            look_at(local, i);
        }
    }
}

bool timer_sound(const struct local_timer *_Nonnull timer) {
    return timer->used <= 1 && timer->wall <= 1;
}
