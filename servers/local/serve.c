/* Calls that wait are answered as soon as what they wait for is there, each by a commit of its own;
 * the first one only after the commit of the call that brought it. */
#include "servers/local/local.h"

void local_fail(struct local *_Nonnull local, struct rt_reply *_Nonnull reply, status_t status) {
    rt_stage_drop(local->server);
    if (reply->outcome != RT_FAULT_IN) {
        reply->status = status;
    }
}

static uint32_t servable(const struct local *_Nonnull local) {
    return local->touched < LOCAL_QUEUES ? pipe_servable(local, local->touched)
                                         : counter_servable(local, local->touched);
}

/* What is committed, as what the object becomes: the answer may change it again. */
static void answer(struct local *_Nonnull local, uint32_t object,
                   const struct parked *_Nonnull parked, struct rt_reply *_Nonnull reply) {
    if (object < LOCAL_QUEUES) {
        local->queue = local->vault->queues[object];
        pipe_answer(local, object, parked, reply);
    } else {
        local->counter = local->vault->counters[object - LOCAL_QUEUES];
        counter_answer(local, object, parked, reply);
    }
}

void local_serve(struct local *_Nonnull local, struct rt_reply *_Nullable reply) {
    struct rt_reply last = reply ? *reply : rt_reply_for(local->server, 0);
    bool pending = reply != nullptr;
    for (uint32_t list = servable(local); list != LOCAL_NONE; list = servable(local)) {
        if (pending) {
            local_answer(local, &last);
        }
        const struct parked *parked = SOME(parked_first(local, list));
        last = rt_reply_for(local->server, parked->token);
        answer(local, local->touched, parked, &last);
        parked_drop_first(local, list);
        pending = true;
    }
    if (reply) {
        *reply = last;
    } else if (pending) {
        local_answer(local, &last);
    }
}
