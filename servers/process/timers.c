/* Alarms, interval timers, timers of timer_create(2), and the limit of processor time.
 *
 * One timer of the kernel stands at the earliest time at which something may be due. What counts
 * processor time cannot be due before that much time has passed: then it is looked at again. A
 * process that does not run is looked at ever more rarely. */
#include "servers/process/family.h"

enum {
    SIGNAL_CPU_LIMIT = 24,
    SIGNAL_VIRTUAL = 26,
    SIGNAL_PROFILE = 27,
    LIMIT_CPU = 0,
    CODE_TIMER = -2,
    CLOCK_REALTIME = 0,
    CLOCK_PROCESS = 2,
    CLOCK_THREAD = 3,
    CLOCK_REALTIME_ALARM = 8,
    CLOCK_LIMIT = 12,
    OVERRUN_LIMIT = INT32_MAX,
};
#define NS_PER_SECOND 1000000000ull
#define LOOK_FIRST_NS 1000000ull
#define LOOK_LAST_NS 64000000ull

/* The next expiration of something periodic that expired at `at`; *missed: how many passed. */
static uint64_t next_expiration(uint64_t at, uint64_t every, uint64_t now,
                                uint64_t *_Nonnull missed) {
    *missed = every == 0 ? 0 : (now - at) / every;
    return every == 0 ? 0 : at + (*missed + 1) * every;
}

static uint64_t deadline_of(uint64_t now, uint64_t ns) {
    uint64_t deadline = 0;
    return ckd_add(&deadline, now, ns) ? UINT64_MAX - 1 : deadline;
}

/* ---- alarm(2), ITIMER_REAL ---- */

static uint64_t look_real(struct processes *_Nonnull ps, uint32_t slot, uint64_t now) {
    const struct slot_record *record = slot_at(ps, slot);
    if (record->alarm_ns != 0 && record->alarm_ns <= now) {
        uint64_t missed = 0; /* expirations that were missed are one, as setitimer(2) has it */
        struct slot_record *edit = slot_edit(ps, slot);
        edit->alarm_ns = next_expiration(edit->alarm_ns, edit->alarm_every_ns, now, &missed);
        table_commit(ps);
        signal_number(ps, slot, SIGNAL_ALARM);
        record = slot_at(ps, slot);
    }
    return record->alarm_ns == 0 ? UINT64_MAX : record->alarm_ns;
}

/* ---- processor time ---- */

/* What is due of the time used; the least time until something more can be, UINT64_MAX: nothing. */
static uint64_t look_alarms_of_use(struct processes *_Nonnull ps, uint32_t slot,
                                   const uint64_t (*_Nonnull used)[2]) {
    static const uint32_t signals[2] = {SIGNAL_VIRTUAL, SIGNAL_PROFILE};
    uint64_t left = UINT64_MAX;
    for (uint32_t i = 0; i < 2; i++) {
        uint64_t at = slot_at(ps, slot)->used_alarm[i].at_ns;
        if (at != 0 && at <= (*used)[i]) {
            uint64_t missed = 0;
            struct slot_record *edit = slot_edit(ps, slot);
            edit->used_alarm[i].at_ns =
                next_expiration(at, edit->used_alarm[i].every_ns, (*used)[i], &missed);
            table_commit(ps);
            signal_number(ps, slot, signals[i]);
            at = slot_at(ps, slot)->used_alarm[i].at_ns;
        }
        left = at != 0 ? MIN(left, at - (*used)[i]) : left;
    }
    return left;
}

/* RLIMIT_CPU: SIGXCPU at the soft limit and each second from there, SIGKILL at the hard one. */
static uint64_t look_limit(struct processes *_Nonnull ps, uint32_t slot, uint64_t used) {
    const struct slot_record *record = slot_at(ps, slot);
    uint64_t soft = 0;
    uint64_t hard = 0;
    if (ckd_mul(&soft, record->limits[LIMIT_CPU][0], NS_PER_SECOND)) {
        return UINT64_MAX;
    }
    if (!ckd_mul(&hard, record->limits[LIMIT_CPU][1], NS_PER_SECOND) && used >= hard) {
        signal_number(ps, slot, SIGNAL_KILL);
        return UINT64_MAX;
    }
    if (used < soft) {
        return soft - used;
    }
    uint64_t told = record->limit_told_ns;
    if (told == 0 || used - told >= NS_PER_SECOND) {
        slot_edit(ps, slot)->limit_told_ns = MAX(used, 1ull);
        table_commit(ps);
        signal_number(ps, slot, SIGNAL_CPU_LIMIT);
        return NS_PER_SECOND;
    }
    return NS_PER_SECOND - (used - told);
}

static bool counts_use(const struct slot_record *_Nonnull record) {
    return record->used_alarm[0].at_ns != 0 || record->used_alarm[1].at_ns != 0 ||
           record->limits[LIMIT_CPU][0] != UINT64_MAX;
}

/* When to look again at a process of which `left` may be used before something is due. */
static uint64_t look_again(struct processes *_Nonnull ps, uint32_t slot, uint64_t now,
                           uint64_t left, uint64_t used) {
    enum { PROCESSORS = 4 };
    struct slot_cache *cache = &ps->cache[slot];
    bool ran = cache->used_seen != used;
    cache->look_ns =
        ran ? LOOK_FIRST_NS : MIN(MAX(cache->look_ns, LOOK_FIRST_NS) * 2, LOOK_LAST_NS);
    cache->used_seen = used;
    return left == UINT64_MAX ? left : deadline_of(now, MAX(left / PROCESSORS, cache->look_ns));
}

static uint64_t look_use(struct processes *_Nonnull ps, uint32_t slot, uint64_t now) {
    if (!counts_use(slot_at(ps, slot))) {
        return UINT64_MAX;
    }
    struct process_usage usage = usage_now(ps, slot);
    uint64_t used[2] = {usage.user_ns, usage.user_ns + usage.system_ns};
    uint64_t left = look_alarms_of_use(ps, slot, &used);
    left = MIN(left, look_limit(ps, slot, used[1]));
    return look_again(ps, slot, now, left, used[1]);
}

/* ---- timer_create(2) ---- */

static void timer_stage(struct processes *_Nonnull ps, uint32_t place,
                        const struct timer_record *_Nonnull record) {
    struct timer_record staged = *record;
    staged.checksum = staged.serial == 0 ? 0 : record_sum(&staged.checksum, sizeof staged);
    status_t status = rt_stage(ps->server, &ps->vault->timers[place], &staged, sizeof staged);
    CHECK(status == STATUS_OK);
    ps->timer_limit = MAX(ps->timer_limit, place + 1);
}

static bool counts_processor(const struct timer_record *_Nonnull timer) {
    return timer->clock == CLOCK_PROCESS || timer->clock == CLOCK_THREAD;
}

static bool is_pending(const struct processes *_Nonnull ps,
                       const struct timer_record *_Nonnull timer) {
    for (uint32_t i = 0; i < ps->info_limit; i++) {
        const struct info_record *there = &ps->vault->infos[i];
        if (there->order != 0 && there->serial == timer->serial && there->info.code == CODE_TIMER &&
            there->info.pid == timer->number) {
            return true;
        }
    }
    return false;
}

/* Its signal; an expiration while that of one before was not taken is an overrun. */
static void timer_expired(struct processes *_Nonnull ps, uint32_t place, uint32_t slot,
                          uint64_t at_now) {
    struct timer_record timer = ps->vault->timers[place];
    uint64_t missed = 0;
    timer.at_ns = next_expiration(timer.at_ns, timer.every_ns, at_now, &missed);
    bool pending = timer.signal != 0 && is_pending(ps, &timer);
    uint64_t overruns = timer.overruns + missed + (pending ? 1 : 0);
    timer.overruns = (uint32_t)MIN(overruns, (uint64_t)OVERRUN_LIMIT);
    timer_stage(ps, place, &timer);
    table_commit(ps);
    if (timer.signal != 0 && !pending) {
        struct process_signal_info info = {
            .number = timer.signal, .code = CODE_TIMER, .pid = timer.number, .value = timer.value};
        signal_send(ps, slot, &info);
    }
}

static uint64_t look_timer(struct processes *_Nonnull ps, uint32_t place, uint64_t now) {
    const struct timer_record *timer = &ps->vault->timers[place];
    uint32_t slot = timer->serial == 0 ? NO_SLOT : slot_by_serial(ps, timer->serial);
    if (slot == NO_SLOT || timer->at_ns == 0) {
        return UINT64_MAX;
    }
    bool processor = counts_processor(timer);
    struct process_usage usage = processor ? usage_now(ps, slot) : (struct process_usage){};
    uint64_t at_now = processor ? usage.user_ns + usage.system_ns : now;
    if (timer->at_ns <= at_now) {
        timer_expired(ps, place, slot, at_now);
    }
    if (timer->at_ns == 0) {
        return UINT64_MAX;
    }
    return processor ? look_again(ps, slot, now, timer->at_ns - at_now, at_now) : timer->at_ns;
}

uint32_t timer_taken(struct processes *_Nonnull ps, uint64_t serial, uint32_t number) {
    for (uint32_t i = 0; i < ps->timer_limit; i++) {
        struct timer_record timer = ps->vault->timers[i];
        if (timer.serial == serial && timer.number == number) {
            timer.told = timer.overruns;
            timer.overruns = 0;
            timer_stage(ps, i, &timer);
            return timer.told;
        }
    }
    return 0;
}

void timers_end(struct processes *_Nonnull ps, uint64_t serial) {
    for (uint32_t i = 0; i < ps->timer_limit; i++) {
        if (ps->vault->timers[i].serial == serial) {
            timer_stage(ps, i, &(struct timer_record){});
            table_commit(ps);
        }
    }
}

/* ---- all together ---- */

void alarms_look(struct processes *_Nonnull ps) {
    uint64_t now = rt_clock_ns();
    uint64_t next = UINT64_MAX;
    for (uint32_t i = 0; i < ps->slot_limit; i++) {
        const struct slot_record *record = slot_at(ps, i);
        if (record->pid != 0 && record->state != STATE_ZOMBIE) {
            next = MIN(next, look_real(ps, i, now));
            next = MIN(next, look_use(ps, i, now));
        }
    }
    for (uint32_t i = 0; i < ps->timer_limit; i++) {
        next = MIN(next, look_timer(ps, i, now));
    }
    status_t status = rt_timer_set(ps->timer, next == UINT64_MAX ? 0 : next, 1, 0);
    CHECK(status == STATUS_OK);
}

/* Changes an alarm that counts the time used. */
static void set_use(struct slot_record *_Nonnull edit, uint32_t kind, uint64_t used,
                    uint64_t first_ns, uint64_t every_ns) {
    edit->used_alarm[kind].at_ns = first_ns == 0 ? 0 : deadline_of(used, first_ns);
    edit->used_alarm[kind].every_ns = first_ns == 0 ? 0 : every_ns;
}

HANDLER(interval) {
    struct processes *ps = server;
    uint32_t self = 0;
    status_t status = slot_of_caller(ps, request, &self);
    if (status != STATUS_OK) {
        return status;
    }
    bool real = in->kind == PROCESS_TIMER_KIND_REAL;
    uint32_t kind = in->kind == PROCESS_TIMER_KIND_VIRTUAL ? 0 : 1;
    struct process_usage usage = real ? (struct process_usage){} : usage_now(ps, self);
    uint64_t now = real ? rt_clock_ns() : usage.user_ns + (kind == 0 ? 0 : usage.system_ns);
    const struct slot_record *record = slot_at(ps, self);
    uint64_t at = real ? record->alarm_ns : record->used_alarm[kind].at_ns;
    out->left_ns = at == 0 ? 0 : at > now ? at - now : 1;
    out->old_every_ns = real ? record->alarm_every_ns : record->used_alarm[kind].every_ns;
    if (!in->change) {
        return STATUS_OK;
    }
    struct slot_record *edit = slot_edit(ps, self);
    if (real) {
        edit->alarm_ns = in->first_ns == 0 ? 0 : deadline_of(now, in->first_ns);
        edit->alarm_every_ns = in->first_ns == 0 ? 0 : in->every_ns;
    } else {
        set_use(edit, kind, now, in->first_ns, in->every_ns);
    }
    table_commit(ps); /* a repetition arms it again, a moment later */
    alarms_look(ps);
    return STATUS_OK;
}

/* The caller's timer of this number; TIMER_COUNT: none. */
static uint32_t timer_find(const struct processes *_Nonnull ps, uint64_t serial, uint32_t number) {
    for (uint32_t i = 0; i < ps->timer_limit; i++) {
        if (ps->vault->timers[i].serial == serial && ps->vault->timers[i].number == number) {
            return i;
        }
    }
    return TIMER_COUNT;
}

static status_t timer_create(struct processes *_Nonnull ps, uint64_t serial,
                             const struct process_timer_in *_Nonnull in,
                             struct process_timer_out *_Nonnull out) {
    struct timer_record record = {
        .serial = serial, .clock = in->clock, .signal = in->signal, .value = in->value};
    uint32_t place = TIMER_COUNT;
    if (in->signal > SIGNAL_LIMIT || in->clock >= CLOCK_LIMIT) {
        return STATUS_BAD_ARGUMENT;
    }
    for (uint32_t i = TIMER_COUNT; i > 0; i--) {
        place = ps->vault->timers[i - 1].serial == 0 ? i - 1 : place;
    }
    if (place == TIMER_COUNT) {
        return STATUS_OUT_OF_QUOTA;
    }
    while (timer_find(ps, serial, record.number) != TIMER_COUNT) {
        record.number++;
    }
    timer_stage(ps, place, &record);
    out->timer = record.number;
    return STATUS_OK;
}

static void timer_set(struct processes *_Nonnull ps, uint32_t place, uint64_t now,
                      const struct process_timer_in *_Nonnull in) {
    struct timer_record timer = ps->vault->timers[place];
    bool realtime = timer.clock == CLOCK_REALTIME || timer.clock == CLOCK_REALTIME_ALARM;
    uint64_t offset = realtime ? in->value : 0; /* of that clock to the monotonic one */
    uint64_t absolute = MAX(in->first_ns - MIN(offset, in->first_ns), 1ull);
    timer.at_ns = in->first_ns == 0 ? 0 : in->absolute ? absolute : deadline_of(now, in->first_ns);
    timer.every_ns = in->first_ns == 0 ? 0 : in->every_ns;
    timer.overruns = timer.told = 0;
    timer_stage(ps, place, &timer);
    table_commit(ps); /* a repetition arms it again, a moment later */
    alarms_look(ps);
}

HANDLER(timer) {
    struct processes *ps = server;
    uint32_t self = 0;
    status_t status = slot_of_caller(ps, request, &self);
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t serial = slot_at(ps, self)->serial;
    if (in->operation == PROCESS_TIMER_OPERATION_CREATE) {
        return timer_create(ps, serial, in, out);
    }
    uint32_t place = timer_find(ps, serial, in->number);
    if (place == TIMER_COUNT) {
        return STATUS_BAD_ARGUMENT;
    }
    const struct timer_record *timer = &ps->vault->timers[place];
    bool processor = counts_processor(timer);
    struct process_usage usage = processor ? usage_now(ps, self) : (struct process_usage){};
    uint64_t now = processor ? usage.user_ns + usage.system_ns : rt_clock_ns();
    out->left_ns = timer->at_ns == 0 ? 0 : timer->at_ns > now ? timer->at_ns - now : 1;
    out->old_every_ns = timer->every_ns;
    out->overruns = timer->told;
    if (in->operation == PROCESS_TIMER_OPERATION_SET) {
        timer_set(ps, place, now, in);
    } else if (in->operation == PROCESS_TIMER_OPERATION_DELETE) {
        timer_stage(ps, place, &(struct timer_record){});
    }
    return STATUS_OK;
}
