/* Calls that wait, each in the list of what it waits for, in the order of their arrival. */
#include "lib/base/bytes.h"
#include "servers/local/local.h"

void parked_begin(struct local *_Nonnull local) {
    for (uint32_t i = 0; i < LOCAL_PARKED; i++) {
        local->parked[i].next = i + 1 < LOCAL_PARKED ? i + 1 : LOCAL_NONE;
        local->parked[i].token = 0;
    }
    local->parked_free = 0;
    for (uint32_t i = 0; i < ARRAY_LENGTH(local->waiting); i++) {
        local->waiting[i] = (struct waiting){LOCAL_NONE, LOCAL_NONE};
    }
}

status_t parked_add(struct local *_Nonnull local, uint32_t list,
                    const struct rt_request *_Nonnull request, uint32_t how, uint64_t size,
                    const struct rt_input *_Nullable input) {
    uint32_t index = local->parked_free;
    if ((request->page->received.state & CALL_STATE_CANCELLED) != 0) {
        return STATUS_CANCELLED;
    }
    if (index == LOCAL_NONE) {
        return STATUS_BUSY;
    }
    struct parked *parked = &local->parked[index];
    local->parked_free = parked->next;
    parked->next = LOCAL_NONE;
    parked->list = list;
    parked->end = (uint32_t)request->cookie;
    parked->how = how;
    parked->method = request->label;
    parked->token = request->token;
    parked->size = size;
    parked->deadline_ns = 0;
    parked->whole = input && input->head.size == input->size;
    if (parked->whole) {
        bytes_copy(&parked->head[0], SOME(SOME(input)->head.data), SOME(input)->head.size);
    }
    struct waiting *waiting = &local->waiting[list];
    if (waiting->last != LOCAL_NONE) {
        local->parked[waiting->last].next = index;
    } else {
        waiting->first = index;
    }
    waiting->last = index;
    local->waiting_count[list / LIST_KINDS]++;
    return RT_STATUS_PARKED;
}

const struct parked *_Nullable parked_first(const struct local *_Nonnull local, uint32_t list) {
    uint32_t first = local->waiting[list].first;
    return first == LOCAL_NONE ? nullptr : &local->parked[first];
}

struct parked *_Nonnull parked_last(struct local *_Nonnull local, uint32_t list) {
    return &local->parked[local->waiting[list].last];
}

static void give_back(struct local *_Nonnull local, uint32_t index) {
    local->waiting_count[local->parked[index].list / LIST_KINDS]--;
    local->parked[index].token = 0;
    local->parked[index].next = local->parked_free;
    local->parked_free = index;
}

void parked_drop_first(struct local *_Nonnull local, uint32_t list) {
    struct waiting *waiting = &local->waiting[list];
    uint32_t index = waiting->first;
    CHECK(index != LOCAL_NONE);
    waiting->first = local->parked[index].next;
    waiting->last = waiting->first == LOCAL_NONE ? LOCAL_NONE : waiting->last;
    give_back(local, index);
}

static void take_out(struct local *_Nonnull local, uint32_t index) {
    struct waiting *waiting = &local->waiting[local->parked[index].list];
    uint32_t before = LOCAL_NONE;
    for (uint32_t i = waiting->first; i != index; i = local->parked[i].next) {
        before = i;
    }
    if (before == LOCAL_NONE) {
        waiting->first = local->parked[index].next;
    } else {
        local->parked[before].next = local->parked[index].next;
    }
    waiting->last = waiting->last == index ? before : waiting->last;
    give_back(local, index);
}

bool parked_remove(struct local *_Nonnull local, uint64_t token) {
    for (uint32_t i = 0; i < LOCAL_PARKED; i++) {
        if (local->parked[i].token == token) {
            take_out(local, i);
            return true;
        }
    }
    return false;
}

bool parked_cancel(struct local *_Nonnull local, uint64_t token, status_t *_Nonnull out_status) {
    *out_status = STATUS_CANCELLED;
    for (uint32_t i = 0; i < LOCAL_PARKED; i++) {
        if (local->parked[i].token == token && local->parked[i].deadline_ns != 0) {
            *out_status = LOCAL_STATUS_INTERRUPTED;
        }
    }
    return parked_remove(local, token);
}
