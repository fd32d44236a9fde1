/* Calls that wait are answered as soon as what they wait for is there, each by a commit of its own;
 * the first one only after the commit of the call that brought it. */
#include "servers/local/local.h"

void local_fail(struct local *_Nonnull local, struct rt_reply *_Nonnull reply, status_t status) {
    if (!local->tells_error) {
        rt_stage_drop(local->server);
        edits_begin(local);
    }
    if (reply->outcome != RT_FAULT_IN) {
        reply->status = status;
    }
}

static uint32_t servable(const struct local *_Nonnull local) {
    uint32_t object = local->touched;
    if (object == LOCAL_NONE) {
        return socket_servable(local);
    }
    if (local->waiting_count[object] == 0) {
        return LOCAL_NONE;
    }
    return object < LOCAL_FIRST_COUNTER ? pipe_servable(local, object)
           : object < LOCAL_FIRST_TIMER ? counter_servable(local, object)
                                        : timer_servable(local, object);
}

bool local_servable(const struct local *_Nonnull local) {
    return servable(local) != LOCAL_NONE;
}

/* What is committed, as what the object becomes: the answer may change it again. */
static void answer(struct local *_Nonnull local, const struct parked *_Nonnull parked,
                   struct rt_reply *_Nonnull reply) {
    uint32_t object = local->touched;
    local->tells_error = false;
    if (object == LOCAL_NONE) {
        socket_answer(local, parked, reply);
    } else if (object < LOCAL_FIRST_COUNTER) {
        local->queue = local->vault->queues[object];
        pipe_answer(local, object, parked, reply);
    } else if (object >= LOCAL_FIRST_TIMER) {
        timer_answer(local, object, parked, reply);
    } else {
        local->counter = local->vault->counters[object - LOCAL_FIRST_COUNTER];
        counter_answer(local, object, parked, reply);
    }
}

void local_serve(struct local *_Nonnull local, struct rt_reply *_Nullable reply) {
    uint32_t list = servable(local);
    if (list == LOCAL_NONE) {
        return;
    }
    struct rt_reply last = reply ? *reply : rt_reply_for(local->server, 0);
    bool pending = reply != nullptr;
    for (; list != LOCAL_NONE; list = servable(local)) {
        if (pending) {
            local_answer(local, &last);
        }
        const struct parked *parked = SOME(parked_first(local, list));
        last = rt_reply_for(local->server, parked->token);
        answer(local, parked, &last);
        parked_drop_first(local, list);
        pending = !local->tells_error;
        if (local->tells_error) {
            local_answer(local, &last); /* the loop would not commit with an error */
            local->tells_error = false;
        }
    }
    if (reply) {
        *reply = last;
    } else if (pending) {
        local_answer(local, &last);
    }
}
