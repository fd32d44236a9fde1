/* wait4(2), waitid(2), and the calls that wait here for something else. */
#include "servers/process/family.h"

static bool matches(const struct process_wait_in *_Nonnull in,
                    const struct slot_record *_Nonnull child) {
    bool clone = child->exit_signal != SIGNAL_CHILD;
    if ((in->how & PROCESS_WAIT_FLAGS_ANY_KIND) == 0 &&
        clone != ((in->how & PROCESS_WAIT_FLAGS_CLONES) != 0)) {
        return false;
    }
    return in->kind == PROCESS_WAIT_KIND_ANY ||
           (in->kind == PROCESS_WAIT_KIND_PID ? child->pid == in->id : child->group == in->id);
}

static bool reports(const struct process_wait_in *_Nonnull in,
                    const struct slot_record *_Nonnull child) {
    return ((in->how & PROCESS_WAIT_FLAGS_EXITED) != 0 && child->state == STATE_ZOMBIE) ||
           ((in->how & PROCESS_WAIT_FLAGS_STOPPED) != 0 && (child->report & REPORT_STOPPED) != 0) ||
           ((in->how & PROCESS_WAIT_FLAGS_CONTINUED) != 0 &&
            (child->report & REPORT_CONTINUED) != 0);
}

/* The child to be told of, or NO_SLOT; *out_any: is there any that is waited for? */
static uint32_t find_child(const struct processes *_Nonnull ps, uint32_t self,
                           const struct process_wait_in *_Nonnull in, bool *_Nonnull out_any) {
    uint32_t pid = slot_at(ps, self)->pid;
    for (uint32_t i = 0; i < ps->slot_limit; i++) {
        const struct slot_record *child = slot_at(ps, i);
        if (child->pid != 0 && child->parent == pid && matches(in, child)) {
            *out_any = true;
            if (reports(in, child)) {
                return i;
            }
        }
    }
    return NO_SLOT;
}

/* Fills the answer and stages what it takes away. */
static status_t report(struct processes *_Nonnull ps, uint32_t self, uint32_t child, uint32_t how,
                       struct process_wait_out *_Nonnull out) {
    struct slot_record about = *slot_at(ps, child);
    bool zombie = about.state == STATE_ZOMBIE;
    bool continued =
        (about.report & REPORT_CONTINUED) != 0 && (how & PROCESS_WAIT_FLAGS_CONTINUED) != 0;
    *out = (struct process_wait_out){
        .pid = about.pid,
        .uid = principal_at(ps, about.principal)->uid,
        .ended = zombie      ? (enum process_end_kind)about.end_kind
                 : continued ? PROCESS_END_KIND_CONTINUED
                             : PROCESS_END_KIND_STOPPED,
        .code = zombie      ? about.end_code
                : continued ? (uint32_t)SIGNAL_CONTINUE
                            : about.stop_signal,
    };
    if (zombie) {
        out->used = about.own;
        usage_add(&out->used, &about.children);
    }
    if ((how & PROCESS_WAIT_FLAGS_KEEP) != 0) {
        return STATUS_OK;
    }
    if (!zombie) {
        slot_edit(ps, child)->report &= ~(uint32_t)(continued ? REPORT_CONTINUED : REPORT_STOPPED);
        return table_finish(ps);
    }
    usage_add(&slot_edit(ps, self)->children, &out->used);
    status_t status = family_reap(ps, child);
    return status == STATUS_OK ? table_finish(ps) : status;
}

HANDLER(wait) {
    struct processes *ps = server;
    uint32_t self = 0;
    bool any = false;
    status_t status = slot_of_caller(ps, request, &self);
    if (status != STATUS_OK) {
        return status;
    }
    uint32_t child = find_child(ps, self, in, &any);
    if (child != NO_SLOT) {
        return report(ps, self, child, in->how, out);
    }
    if (!any) {
        return PROCESS_STATUS_NO_CHILD;
    }
    if ((in->how & PROCESS_WAIT_FLAGS_NO_HANG) != 0) {
        *out = (struct process_wait_out){};
        return STATUS_OK;
    }
    if ((request->page->received.state & CALL_STATE_CANCELLED) != 0) {
        return STATUS_CANCELLED;
    }
    return waiter_add(ps, &(struct waiter){.token = request->token, .slot = self, .wait = *in});
}

/* ---- waiters ---- */

status_t waiter_add(struct processes *_Nonnull ps, const struct waiter *_Nonnull waiter) {
    for (uint32_t i = 0; i < WAITERS; i++) {
        if (ps->waiters[i].token == 0) {
            ps->waiters[i] = *waiter;
            ps->waiter_limit = MAX(ps->waiter_limit, i + 1);
            return RT_STATUS_PARKED;
        }
    }
    return STATUS_OUT_OF_QUOTA;
}

void waiter_free(struct processes *_Nonnull ps, uint32_t place) {
    ps->waiters[place].token = 0;
    while (ps->waiter_limit > 0 && ps->waiters[ps->waiter_limit - 1].token == 0) {
        ps->waiter_limit--;
    }
}

void waiters_cancel(struct processes *_Nonnull ps, uint64_t token) {
    for (uint32_t i = 0; i < ps->waiter_limit; i++) {
        struct waiter *waiter = &ps->waiters[i];
        if (waiter->token == token && !waiter->fork) {
            waiter_free(ps, i);
            status_t status = rt_answer_error(ps->server, token, STATUS_CANCELLED);
            (void)status; /* NOT_FOUND: it is gone already */
        }
    }
}

bool waiter_reaps(struct processes *_Nonnull ps, uint32_t parent, uint32_t child) {
    for (uint32_t i = 0; i < ps->waiter_limit; i++) {
        struct waiter *waiter = &ps->waiters[i];
        bool any = false;
        if (waiter->token == 0 || waiter->fork || waiter->stop || waiter->slot != parent ||
            (waiter->wait.how & PROCESS_WAIT_FLAGS_KEEP) != 0 ||
            find_child(ps, parent, &waiter->wait, &any) != child) {
            continue;
        }
        struct process_wait_out out = {};
        struct rt_reply reply = rt_reply_for(ps->server, waiter->token);
        status_t status = report(ps, parent, child, waiter->wait.how, &out);
        CHECK(status == STATUS_OK);
        process_wait_reply(&reply, &out);
        status = rt_answer(ps->server, &reply);
        waiter_free(ps, i);
        if (status == STATUS_OK) {
            table_begin(ps);
            return true;
        }
        table_abandon(ps);
        return false;
    }
    return false;
}

void waiters_look(struct processes *_Nonnull ps, uint32_t parent_slot) {
    for (uint32_t i = 0; i < ps->waiter_limit; i++) {
        struct waiter *waiter = &ps->waiters[i];
        if (waiter->token == 0 || waiter->fork || waiter->stop || waiter->slot != parent_slot) {
            continue;
        }
        bool any = false;
        struct process_wait_out out = {};
        uint32_t child = find_child(ps, parent_slot, &waiter->wait, &any);
        status_t status = STATUS_OK;
        if (child != NO_SLOT) {
            struct rt_reply reply = rt_reply_for(ps->server, waiter->token);
            status = report(ps, parent_slot, child, waiter->wait.how, &out);
            CHECK(status == STATUS_OK);
            process_wait_reply(&reply, &out);
            status = rt_answer(ps->server, &reply);
        } else if (!any) {
            status = rt_answer_error(ps->server, waiter->token, PROCESS_STATUS_NO_CHILD);
        } else {
            continue;
        }
        waiter_free(ps, i);
        if (status == STATUS_OK) {
            table_begin(ps);
        } else {
            table_abandon(ps); /* the caller is gone, the child stays as it was */
        }
    }
}

void stop_release(struct processes *_Nonnull ps, uint32_t slot) {
    for (uint32_t i = 0; i < ps->waiter_limit; i++) {
        struct waiter *waiter = &ps->waiters[i];
        if (waiter->token != 0 && waiter->stop && waiter->slot == slot) {
            struct rt_reply reply = rt_reply_for(ps->server, waiter->token);
            process_stop_reply(&reply);
            status_t status = rt_answer(ps->server, &reply);
            (void)status; /* NOT_FOUND: the caller is gone */
            waiter_free(ps, i);
        }
    }
}
