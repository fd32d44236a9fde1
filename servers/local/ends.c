/* Ends: one for each session. The session's own handle lies in the keep, by which readiness is set;
 * its last close is told when the clients' handles are gone, since this one does not count. */
#include "servers/local/local.h"

enum {
    CLIENT_RIGHTS = RIGHT_CALL | RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_WAIT | RIGHT_INSPECT,
};

static uint64_t cookie_of(uint32_t index, uint32_t generation) {
    return (uint64_t)generation << 32 | index;
}

const struct local_end *_Nullable end_find(const struct local *_Nonnull local, uint64_t cookie) {
    uint32_t index = (uint32_t)cookie;
    if ((cookie & RT_COOKIE_SERVICE) != 0 || index >= LOCAL_ENDS) {
        return nullptr;
    }
    const struct local_end *end = &local->vault->ends[index];
    return end->kind != END_NONE && end->generation == cookie >> 32 ? end : nullptr;
}

/* ---- the list of an object's ends ---- */

static void unlink(struct local *_Nonnull local, uint32_t index) {
    struct end_link *link = &local->ends[index];
    if (link->object == LOCAL_NONE) {
        return;
    }
    if (link->before != LOCAL_NONE) {
        local->ends[link->before].next = link->next;
    } else {
        local->first_end[link->object] = link->next;
    }
    if (link->next != LOCAL_NONE) {
        local->ends[link->next].before = link->before;
    }
    link->object = LOCAL_NONE;
}

void end_link_to(struct local *_Nonnull local, uint32_t index, uint32_t object) {
    unlink(local, index);
    struct end_link *link = &local->ends[index];
    uint32_t first = local->first_end[object];
    link->object = object;
    link->before = LOCAL_NONE;
    link->next = first;
    if (first != LOCAL_NONE) {
        local->ends[first].before = index;
    }
    local->first_end[object] = index;
}

/* What more ends than a commit carries must show is set at once: who looks too early finds
 * nothing, and a successor sets all again. */
void end_show(struct local *_Nonnull local, uint32_t index, uint32_t ready, uint32_t edges) {
    struct end_link *link = &local->ends[index];
    uint32_t clear = link->shown & ~ready;
    uint32_t set = ready & (~link->shown | edges);
    if ((clear | set) == 0) {
        return;
    }
    if (rt_stage_ready(local->server, link->session, clear, set) != STATUS_OK) {
        (void)rt_session_ready(link->session, clear, set);
    }
    link->shown = ready;
}

void ends_show(struct local *_Nonnull local, uint32_t object, struct local_shown shown) {
    for (uint32_t i = local->first_end[object]; i != LOCAL_NONE; i = local->ends[i].next) {
        uint32_t access = local->vault->ends[i].access;
        end_show(local, i,
                 ((access & END_READS) != 0 ? shown.reading : 0) |
                     ((access & END_WRITES) != 0 ? shown.writing : 0),
                 shown.edges);
    }
}

/* ---- making and forgetting ---- */

static uint32_t free_place(struct local *_Nonnull local, uint32_t after) {
    uint32_t index = MAX(local->lowest_end, after);
    while (index < LOCAL_ENDS && local->vault->ends[index].kind != END_NONE) {
        index++;
    }
    local->lowest_end = after <= local->lowest_end ? index : local->lowest_end;
    return index;
}

status_t end_make(struct local *_Nonnull local, uint32_t after,
                  const struct local_end *_Nonnull end, uint32_t ready,
                  uint32_t *_Nonnull out_index, handle_t *_Nonnull out_session) {
    uint32_t index = free_place(local, after);
    handle_t kept = HANDLE_NONE;
    if (index == LOCAL_ENDS) {
        return STATUS_OUT_OF_QUOTA;
    }
    struct end_link *link = &local->ends[index];
    struct local_end record = *end;
    record.header =
        (struct rt_record_header){.kind = LOCAL_RECORD_END, .version = 1, .size = sizeof record};
    record.generation = (local->vault->ends[index].generation + 1) & INT32_MAX;
    end_link_to(local, index, record.object);
    rt_handle_close(link->session); /* of an attempt that failed */
    link->session = HANDLE_NONE;
    TRY(rt_object_create(OBJECT_SESSION, local->server->endpoint,
                         cookie_of(index, record.generation), 0, 0, 0, &link->session));
    link->shown = ready;
    TRY(rt_stage_ready(local->server, link->session, 0, ready));
    TRY(rt_stage_record(local->server, &local->vault->ends[index], &record.header));
    TRY(rt_handle_duplicate(link->session, RIGHT_ALL, &kept));
    TRY(rt_stage_keep(local->server, LOCAL_KEEP_ENDS + index, kept));
    *out_index = index;
    return rt_handle_duplicate(link->session, CLIENT_RIGHTS, out_session);
}

void end_forget(struct local *_Nonnull local, uint32_t index) {
    struct local_end end = local->vault->ends[index];
    end.kind = END_NONE;
    CHECK(rt_stage_record(local->server, &local->vault->ends[index], &end.header) == STATUS_OK);
    CHECK(rt_stage_keep(local->server, LOCAL_KEEP_ENDS + index, HANDLE_NONE) == STATUS_OK);
    unlink(local, index);
    rt_handle_close(local->ends[index].session);
    local->ends[index].session = HANDLE_NONE;
    local->lowest_end = MIN(local->lowest_end, index);
}

bool end_waits(const struct rt_request *_Nonnull request, uint32_t how) {
    static_assert((uint32_t)CALL_STATE_NONBLOCK == (uint32_t)SESSION_NONBLOCK);
    return (how & STREAM_HOW_NO_WAIT) == 0 &&
           (request->page->received.state & CALL_STATE_NONBLOCK) == 0;
}
