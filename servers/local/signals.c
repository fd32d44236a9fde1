/* Sets of signals that are read (signalfd). What is pending is known to the process that reads
 * alone; here are the set, for all who hold the description, and the readiness that such a process
 * showed last. After a restart nothing is shown until one shows it again, before it waits. */
#include "servers/local/local.h"

static const struct local_signals *_Nonnull signals_at(const struct local *_Nonnull local,
                                                       uint32_t object) {
    return &local->vault->signals[object - LOCAL_FIRST_SIGNALS];
}

status_t signals_make(struct local *_Nonnull local, uint64_t set, handle_t *_Nonnull out) {
    uint32_t index = 0;
    uint32_t at = 0;
    while (index < LOCAL_SIGNALS && local->vault->signals[index].used != 0) {
        index++;
    }
    REFUSE(index == LOCAL_SIGNALS, STATUS_OUT_OF_QUOTA);
    struct local_signals signals = {
        .header = {.kind = LOCAL_RECORD_SIGNALS, .version = 1, .size = sizeof signals},
        .set = set,
        .used = 1,
    };
    struct local_end end = {.kind = END_SIGNALS,
                            .object = LOCAL_FIRST_SIGNALS + index,
                            .access = END_READS | END_WRITES};
    TRY(end_make(local, 0, &end, 0, &at, out));
    return rt_stage_record(local->server, &local->vault->signals[index], &signals.header);
}

status_t signals_change(struct local *_Nonnull local, const struct local_end *_Nonnull end,
                        const struct local_set_signals_in *_Nonnull in,
                        uint64_t *_Nonnull out_set) {
    struct local_signals now = *signals_at(local, end->object);
    if (in->change) {
        now.set = in->set;
        TRY(rt_stage_record(local->server, signals_at(local, end->object), &now.header));
    }
    if (in->show) {
        uint32_t ready = in->pending ? READY_IN : 0u;
        ends_show(local, end->object, (struct local_shown){.reading = ready, .edges = READY_IN});
    }
    *out_set = now.set;
    return STATUS_OK;
}

void signals_close(struct local *_Nonnull local, uint32_t index) {
    struct local_signals now = *signals_at(local, local->vault->ends[index].object);
    const struct local_signals *place = signals_at(local, local->vault->ends[index].object);
    end_forget(local, index);
    now.used = 0;
    CHECK(rt_stage_record(local->server, place, &now.header) == STATUS_OK);
}

bool signals_sound(const struct local_signals *_Nonnull signals) {
    return signals->used <= 1;
}
