/* Signals: who may send them, pending bits and kicks, stopping and continuing, siginfo.
 *
 * Pending bits are set in the page that the process shares, after what belongs to them is
 * committed. An instance that is killed between the two lets the call come again, and its successor
 * sets the bits of all siginfos that were not taken: then a bit may be set twice, and a program
 * that took it in between sees a plain signal once more; it never misses one. */
#include "servers/process/family.h"

enum { SIGNAL_STOPS = 1u << (19 - 1) | 1u << (20 - 1) | 1u << (21 - 1) | 1u << (22 - 1) };

bool is_privileged(const struct processes *_Nonnull ps, uint32_t slot) {
    enum : uint64_t { CAPABILITY_KILL = 1u << 5 };
    return (principal_at(ps, slot_at(ps, slot)->principal)->capabilities & CAPABILITY_KILL) != 0;
}

bool may_manage(const struct processes *_Nonnull ps, uint32_t actor, uint32_t target) {
    const struct process_principal_entry *from = principal_at(ps, slot_at(ps, actor)->principal);
    const struct process_principal_entry *to = principal_at(ps, slot_at(ps, target)->principal);
    return is_privileged(ps, actor) || from->effective_uid == to->uid ||
           from->effective_uid == to->saved_uid || from->uid == to->uid ||
           from->uid == to->saved_uid;
}

/* Keeps the siginfo of a signal until it is taken; a full table loses the details only. Stages. */
static void keep_info(struct processes *_Nonnull ps, uint32_t slot,
                      const struct process_signal_info *_Nonnull info) {
    uint64_t serial = slot_at(ps, slot)->serial;
    uint64_t order = 1;
    uint32_t place = INFO_COUNT;
    for (uint32_t i = 0; i < MIN(ps->info_limit + 1, (uint32_t)INFO_COUNT); i++) {
        const struct info_record *there = &ps->vault->infos[i];
        order = MAX(order, there->order + 1);
        place = place == INFO_COUNT && there->order == 0 ? i : place;
        bool queues = info->number >= 32;
        if (there->order != 0 && there->serial == serial && there->info.number == info->number &&
            !queues) {
            return; /* it is pending already: plain signals do not queue */
        }
    }
    if (place == INFO_COUNT) {
        return;
    }
    struct info_record record = {.order = order, .serial = serial, .info = *info};
    record.checksum = record_sum(&record.checksum, sizeof record);
    status_t status = rt_stage(ps->server, &ps->vault->infos[place], &record, sizeof record);
    CHECK(status == STATUS_OK);
    ps->info_limit = MAX(ps->info_limit, place + 1);
}

void infos_end(struct processes *_Nonnull ps, uint64_t serial) {
    struct info_record none = {};
    for (uint32_t i = 0; i < ps->info_limit; i++) {
        if (ps->vault->infos[i].order != 0 && ps->vault->infos[i].serial == serial) {
            status_t status = rt_stage(ps->server, &ps->vault->infos[i], &none, sizeof none);
            CHECK(status == STATUS_OK);
            table_commit(ps);
        }
    }
}

/* Signals that do nothing unless they are caught. */
static bool ignored_by_default(uint32_t number) {
    return number == SIGNAL_CHILD || number == SIGNAL_CONTINUE || number == 23 || number == 28;
}

/* Can the slot's process be sent this? *out: its handle. */
static bool can_send(struct processes *_Nonnull ps, uint32_t slot, uint32_t number,
                     handle_t *_Nonnull out) {
    return number != 0 && number <= SIGNAL_LIMIT && slot_at(ps, slot)->pid != 0 &&
           slot_at(ps, slot)->state != STATE_ZOMBIE && slot_process(ps, slot, out) == STATUS_OK;
}

bool signal_keep(struct processes *_Nonnull ps, uint32_t slot,
                 const struct process_signal_info *_Nonnull info) {
    handle_t process = HANDLE_NONE;
    if (!can_send(ps, slot, info->number, &process)) {
        return false;
    }
    const struct process_signal_page *page = slot_signals(ps, slot);
    uint64_t bit = UINT64_C(1) << (info->number - 1);
    if (page == nullptr) {
        return false;
    }
    uint64_t wanted = __atomic_load_n(&page->caught, __ATOMIC_SEQ_CST) |
                      __atomic_load_n(&page->blocked, __ATOMIC_SEQ_CST);
    if ((__atomic_load_n(&page->ignored, __ATOMIC_SEQ_CST) & bit) != 0 ||
        (ignored_by_default(info->number) && (wanted & bit) == 0)) {
        return false;
    }
    keep_info(ps, slot, info);
    return true;
}

void signal_show(struct processes *_Nonnull ps, uint32_t slot, uint32_t number) {
    handle_t process = HANDLE_NONE;
    struct process_signal_page *page = slot_signals(ps, slot);
    if (page == nullptr || !can_send(ps, slot, number, &process)) {
        return;
    }
    uint64_t bit = UINT64_C(1) << (number - 1);
    uint64_t caught = __atomic_load_n(&page->caught, __ATOMIC_SEQ_CST);
    if ((SIGNAL_STOPS & bit) != 0) {
        uint64_t go = UINT64_C(1) << (SIGNAL_CONTINUE - 1);
        __atomic_fetch_and(&page->pending, ~go, __ATOMIC_SEQ_CST);
    }
    __atomic_fetch_or(&page->pending, bit, __ATOMIC_SEQ_CST);
    if ((caught & bit) != 0 || !ignored_by_default(number)) {
        (void)rt_thread_control(process, THREAD_KICK);
    }
}

/* Makes a signal pending that neither kills, stops nor continues by itself. */
static void signal_post(struct processes *_Nonnull ps, uint32_t slot,
                        const struct process_signal_info *_Nonnull info) {
    if (signal_keep(ps, slot, info)) {
        table_commit(ps);
        signal_show(ps, slot, info->number);
    }
}

void signals_show_again(struct processes *_Nonnull ps) {
    for (uint32_t i = 0; i < ps->info_limit; i++) {
        const struct info_record *there = &ps->vault->infos[i];
        uint32_t slot = there->order == 0 ? NO_SLOT : slot_by_serial(ps, there->serial);
        if (slot != NO_SLOT) {
            signal_show(ps, slot, there->info.number);
        }
    }
}

static void set_stopped(struct processes *_Nonnull ps, uint32_t slot, uint32_t number) {
    handle_t process = HANDLE_NONE;
    struct slot_record *record = slot_edit(ps, slot);
    record->state = STATE_STOPPED;
    record->report |= REPORT_STOPPED;
    record->stop_signal = number;
    table_commit(ps);
    if (slot_process(ps, slot, &process) == STATUS_OK) {
        (void)rt_thread_control(process, THREAD_SUSPEND);
    }
    parent_tell(ps, slot);
}

static void set_continued(struct processes *_Nonnull ps, uint32_t slot) {
    handle_t process = HANDLE_NONE;
    struct process_signal_page *page = slot_signals(ps, slot);
    if (page != nullptr) {
        __atomic_fetch_and(&page->pending, ~(uint64_t)SIGNAL_STOPS, __ATOMIC_SEQ_CST);
    }
    if (slot_at(ps, slot)->state != STATE_STOPPED) {
        return;
    }
    struct slot_record *record = slot_edit(ps, slot);
    record->state = STATE_RUNNING;
    record->report = REPORT_CONTINUED;
    table_commit(ps);
    stop_release(ps, slot);
    if (slot_process(ps, slot, &process) == STATUS_OK) {
        (void)rt_thread_control(process, THREAD_CONTINUE);
    }
    parent_tell(ps, slot);
}

void parent_tell(struct processes *_Nonnull ps, uint32_t child) {
    const struct slot_record *record = slot_at(ps, child);
    uint32_t parent = slot_by_pid(ps, record->parent);
    if (parent == NO_SLOT) {
        return;
    }
    const struct process_signal_page *page = slot_signals(ps, parent);
    bool stopped = record->state == STATE_STOPPED;
    if (page == nullptr || page->no_stops == 0) {
        struct process_signal_info info = {.number = SIGNAL_CHILD,
                                           .code = stopped ? 5 : 6, /* CLD_STOPPED, CONTINUED */
                                           .pid = record->pid,
                                           .uid = principal_at(ps, record->principal)->uid,
                                           .status = stopped ? (int32_t)record->stop_signal
                                                             : SIGNAL_CONTINUE};
        signal_post(ps, parent, &info);
    }
    waiters_look(ps, parent);
}

void signal_send(struct processes *_Nonnull ps, uint32_t slot,
                 const struct process_signal_info *_Nonnull info) {
    handle_t process = HANDLE_NONE;
    uint32_t number = info->number;
    if (!can_send(ps, slot, number, &process)) {
        return;
    }
    if (number == SIGNAL_KILL) {
        (void)rt_kill(process, SIGNAL_KILL, EXIT_SIGNAL);
        return;
    }
    if (number == SIGNAL_STOP) {
        if (slot_at(ps, slot)->state == STATE_RUNNING) {
            set_stopped(ps, slot, number);
        }
        return;
    }
    if (number == SIGNAL_CONTINUE) {
        set_continued(ps, slot);
    }
    signal_post(ps, slot, info);
}

/* Is the slot among those that a kill means? */
static bool is_target(const struct processes *_Nonnull ps, uint32_t self, uint32_t slot,
                      const struct process_kill_in *_Nonnull in) {
    const struct slot_record *record = slot_at(ps, slot);
    if (record->pid == 0) {
        return false;
    }
    switch (in->kind) {
    case PROCESS_TARGET_KIND_PROCESS:
    case PROCESS_TARGET_KIND_THREAD:
        return record->pid == in->id;
    case PROCESS_TARGET_KIND_GROUP:
        return record->group == (in->id == 0 ? slot_at(ps, self)->group : in->id);
    case PROCESS_TARGET_KIND_EVERYBODY:
        return record->pid != 1 && slot != self;
    }
    return false;
}

HANDLER_IN(kill) {
    struct processes *ps = server;
    uint32_t self = 0;
    uint32_t found = 0;
    uint32_t sent = 0;
    status_t status = slot_of_caller(ps, request, &self);
    if (status != STATUS_OK || in->info.number > SIGNAL_LIMIT) {
        return status != STATUS_OK ? status : STATUS_BAD_ARGUMENT;
    }
    struct process_signal_info info = in->info;
    info.pid = slot_at(ps, self)->pid;
    info.uid = principal_at(ps, slot_at(ps, self)->principal)->uid;
    uint32_t session = slot_at(ps, self)->session;
    for (uint32_t i = 0; i < ps->slot_limit; i++) {
        if (!is_target(ps, self, i, in)) {
            continue;
        }
        found++;
        bool continues = info.number == SIGNAL_CONTINUE && slot_at(ps, i)->session == session;
        if (i == self || continues || may_manage(ps, self, i)) {
            sent++;
            signal_send(ps, i, &info);
        }
    }
    return sent > 0 ? STATUS_OK : found > 0 ? STATUS_NOT_ALLOWED : PROCESS_STATUS_NO_PROCESS;
}

HANDLER(take_signal) {
    struct processes *ps = server;
    uint32_t self = 0;
    uint32_t oldest = INFO_COUNT;
    status_t status = slot_of_caller(ps, request, &self);
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t serial = slot_at(ps, self)->serial;
    bool more = false;
    for (uint32_t i = 0; i < ps->info_limit; i++) {
        const struct info_record *there = &ps->vault->infos[i];
        bool wanted = there->order != 0 && there->serial == serial &&
                      (in->wanted >> ((there->info.number - 1) & 63) & 1) != 0;
        if (wanted && (oldest == INFO_COUNT || there->order < ps->vault->infos[oldest].order)) {
            oldest = i;
        }
    }
    struct process_signal_page *page = slot_signals(ps, self);
    out->info = (struct process_signal_info){};
    if (oldest == INFO_COUNT) {
        /* Pending without a siginfo of its own (there was no room, or an earlier instance cleared
         * it already): the bare signal. */
        uint64_t bits =
            page == nullptr ? 0 : __atomic_load_n(&page->pending, __ATOMIC_SEQ_CST) & in->wanted;
        if (bits != 0) {
            out->info.number = (uint32_t)__builtin_ctzll(bits) + 1;
            __atomic_fetch_and(&page->pending, ~(bits & (0 - bits)), __ATOMIC_SEQ_CST);
        }
        return STATUS_OK;
    }
    out->info = ps->vault->infos[oldest].info;
    for (uint32_t i = 0; i < ps->info_limit; i++) {
        const struct info_record *there = &ps->vault->infos[i];
        more = more || (i != oldest && there->order != 0 && there->serial == serial &&
                        there->info.number == out->info.number);
    }
    if (page != nullptr && !more) { /* else a queued one of the same number stays pending */
        __atomic_fetch_and(&page->pending, ~(UINT64_C(1) << (out->info.number - 1)),
                           __ATOMIC_SEQ_CST);
    }
    if (out->info.code == -2) { /* SI_TIMER */
        out->info.uid = timer_taken(ps, serial, out->info.pid);
    }
    struct info_record none = {};
    return rt_stage(ps->server, &ps->vault->infos[oldest], &none, sizeof none);
}

HANDLER_IN(stop) {
    struct processes *ps = server;
    uint32_t self = 0;
    status_t status = slot_of_caller(ps, request, &self);
    if (status != STATUS_OK) {
        return status;
    }
    if (in->signal == 0 || in->signal > 32 || (SIGNAL_STOPS >> (in->signal - 1) & 1) == 0) {
        return STATUS_BAD_ARGUMENT;
    }
    bool again = (request->page->received.state & CALL_STATE_REPEATED) != 0;
    bool stopped = slot_at(ps, self)->state == STATE_STOPPED;
    if (again && !stopped && (slot_at(ps, self)->report & REPORT_CONTINUED) != 0) {
        return STATUS_OK; /* it was continued while nobody could answer */
    }
    const struct slot_record *record = slot_at(ps, self);
    if (!stopped && in->signal != SIGNAL_STOP &&
        group_orphaned(ps, record->group, record->session)) {
        return STATUS_OK; /* nobody would continue it */
    }
    status = waiter_add(ps, &(struct waiter){.token = request->token, .slot = self, .stop = true});
    if (status == RT_STATUS_PARKED && !stopped) {
        set_stopped(ps, self, in->signal);
    }
    return status;
}

HANDLER_IN(signal_group) {
    struct processes *ps = server;
    uint32_t found = 0;
    if ((request->cookie & RT_COOKIE_SERVICE) == 0 && request->cookie != 0) {
        return STATUS_NOT_ALLOWED;
    }
    for (uint32_t i = 0; i < ps->slot_limit; i++) {
        const struct slot_record *record = slot_at(ps, i);
        bool wanted = record->pid != 0 &&
                      (in->leader ? record->pid == in->group : record->group == in->group);
        if (wanted) {
            found++;
            signal_number(ps, i, in->number);
        }
    }
    return found > 0 ? STATUS_OK : PROCESS_STATUS_NO_PROCESS;
}
