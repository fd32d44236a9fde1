/* fork, exec, exit, and the first programs.
 *
 * A fork is found again by the identity of its call, so a repetition makes no second child: either
 * the vault has the child (the commit took place), or the kernel has it under the same tag, which
 * is made of the call's identity and the pid that the unchanged counter gives again. */
#include "servers/process/family.h"
#include "lib/base/bytes.h"

static uint64_t tag_of(const struct call_identity *_Nonnull identity, uint32_t pid) {
    uint64_t mixed = (identity->root ^ identity->path * 31) & 0xffffffff;
    return (mixed | 1) << 32 | pid;
}

static uint32_t find_fork(const struct processes *_Nonnull ps,
                          const struct call_identity *_Nonnull identity) {
    for (uint32_t i = 0; i < ps->slot_limit; i++) {
        const struct slot_record *slot = slot_at(ps, i);
        if (slot->pid != 0 && slot->fork_root == identity->root &&
            slot->fork_path == identity->path) {
            return i;
        }
    }
    return NO_SLOT;
}

/* Stages a signal page of its own for a new process. Owns: *out is moved by the commit. */
static status_t make_signals(struct processes *_Nonnull ps, uint32_t slot,
                             const struct process_signal_page *_Nullable from,
                             handle_t *_Nonnull out) {
    status_t status = rt_object_create(OBJECT_MEMORY, 0, PAGE_SIZE, MEMORY_WIRED, 0, 0, out);
    if (status == STATUS_OK) {
        struct process_signal_page page = {};
        if (from != nullptr) {
            page = *from; /* hostile bytes, only ever read as such */
        }
        page.pending = 0;
        for (uint32_t i = 0; i < LIMIT_KINDS; i++) {
            page.limits[i] = slot_at(ps, slot)->limits[i][0];
        }
        status = rt_memory_copy(*out, 0, rt_address(&page), sizeof page, MEMORY_FROM_CALLER);
    }
    return status == STATUS_OK ? rt_stage_keep(ps->server, KEEP_SIGNALS + slot, *out) : status;
}

/* Puts a new process into the table: record, handle and signal page. *out_dead: it has ended. */
static status_t add_child(struct processes *_Nonnull ps, uint32_t slot, handle_t process,
                          const struct process_signal_page *_Nullable signals,
                          bool *_Nonnull out_dead) {
    struct process_info info = {};
    handle_t page = HANDLE_NONE;
    status_t status = rt_object_info(process, INFO_PROCESS, &info, sizeof info);
    *out_dead = info.state == PROCESS_DEAD;
    if (status == STATUS_OK) {
        struct slot_record *record = slot_edit(ps, slot);
        record->serial = info.serial;
        record->tag = info.tag;
        record->started_ns = info.started_ns;
        status = make_signals(ps, slot, signals, &page);
    }
    status = status == STATUS_OK ? rt_stage_keep(ps->server, KEEP_PROCESS + slot, process) : status;
    status = status == STATUS_OK ? table_finish(ps) : status;
    if (status != STATUS_OK) {
        rt_handle_close(page);
    }
    return status;
}

/* Stages that the child runs its parent's image: its file stays busy for both lives. */
static status_t inherit_image(struct processes *_Nonnull ps, uint32_t parent, uint32_t child) {
    handle_t image = HANDLE_NONE;
    if (rt_keep_get(ps->server, KEEP_IMAGE + parent, &image) != STATUS_OK) {
        return STATUS_OK; /* a first program before its exec */
    }
    status_t status = rt_stage_keep(ps->server, KEEP_IMAGE + child, image);
    if (status != STATUS_OK) {
        rt_handle_close(image);
    }
    return status;
}

static uint32_t count_of_user(const struct processes *_Nonnull ps, uint32_t uid) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < ps->slot_limit; i++) {
        const struct slot_record *slot = slot_at(ps, i);
        count += slot->pid != 0 && principal_at(ps, slot->principal)->uid == uid ? 1 : 0;
    }
    return count;
}

static struct slot_record child_of(const struct slot_record *_Nonnull parent, uint32_t pid,
                                   const struct process_fork_in *_Nonnull in,
                                   const struct call_identity *_Nonnull identity) {
    struct slot_record child = *parent;
    child.pid = pid;
    child.parent = (in->how & PROCESS_FORK_FLAGS_SAME_PARENT) != 0 ? parent->parent : parent->pid;
    child.state = STATE_RUNNING;
    child.exit_signal = in->exit_signal;
    child.replaced = 0;
    child.shares = (in->how & PROCESS_FORK_FLAGS_SHARE) != 0;
    child.report = 0;
    child.end_kind = child.end_code = child.stop_signal = 0;
    child.next_thread = 0;
    child.fork_root = identity->root;
    child.fork_path = identity->path;
    child.alarm_ns = child.alarm_every_ns = 0;
    bytes_zero(child.used_alarm, sizeof child.used_alarm);
    child.limit_told_ns = 0;
    child.subreaper = child.death_signal = 0;
    child.own = child.children = (struct process_usage){};
    return child;
}

/* The end of a fork whose child is in the table. */
static status_t forked(struct processes *_Nonnull ps, struct rt_request *_Nonnull request,
                       uint32_t child, bool waits, struct process_fork_out *_Nonnull out) {
    const struct slot_record *record = slot_at(ps, child);
    out->pid = record->pid;
    if (!waits || record->replaced != 0 || record->state == STATE_ZOMBIE) {
        return STATUS_OK;
    }
    return waiter_add(ps, &(struct waiter){.token = request->token, .slot = child, .fork = true});
}

HANDLER(fork) {
    struct processes *ps = server;
    const struct call_identity identity = request->page->received.identity;
    bool waits = (in->how & PROCESS_FORK_FLAGS_WAIT) != 0;
    uint32_t self = 0;
    status_t status = slot_of_caller(ps, request, &self);
    if (status != STATUS_OK) {
        return status;
    }
    uint32_t there = find_fork(ps, &identity);
    if (there != NO_SLOT) {
        return forked(ps, request, there, waits, out);
    }
    const struct slot_record *parent = slot_at(ps, self);
    uint32_t uid = principal_at(ps, parent->principal)->uid;
    enum { LIMIT_PROCESSES = 6 };
    uint32_t slot = slot_free(ps);
    if (slot == NO_SLOT || in->exit_signal > SIGNAL_LIMIT ||
        (uid != 0 && count_of_user(ps, uid) >= parent->limits[LIMIT_PROCESSES][0])) {
        return slot == NO_SLOT || in->exit_signal <= SIGNAL_LIMIT ? PROCESS_STATUS_TOO_MANY
                                                                  : STATUS_BAD_ARGUMENT;
    }
    handle_t own = HANDLE_NONE;
    handle_t child = HANDLE_NONE;
    uint32_t pid = pid_take(ps);
    uint32_t flags = (in->how & PROCESS_FORK_FLAGS_SHARE) != 0 ? CLONE_SHARE_SPACE : 0;
    status = slot_process(ps, self, &own);
    if (status == STATUS_OK) {
        status = rt_process_clone(own, request->token, tag_of(&identity, pid), flags, ps->domain,
                                  &child);
    }
    if (status != STATUS_OK) {
        return status;
    }
    bool dead = false;
    struct slot_record record = child_of(parent, pid, in, &identity);
    *slot_edit(ps, slot) = record;
    status = add_child(ps, slot, child, slot_signals(ps, self), &dead);
    status = status == STATUS_OK ? inherit_image(ps, self, slot) : status;
    if (status != STATUS_OK) {
        (void)rt_kill(child, SIGNAL_KILL, EXIT_SIGNAL);
        rt_handle_close(child);
        return status;
    }
    if (dead) {
        struct process_info info = {};
        status = rt_object_info(child, INFO_PROCESS, &info, sizeof info);
        CHECK(status == STATUS_OK);
        /* It was made by an instance that died, ran, and ended: its exit was announced when the
         * table did not know it, and will not be again. (If it ends from here on, its exit waits
         * behind this call.) */
        table_commit(ps);
        family_ended(ps, slot, info.exit_code, info.exit_cause);
        out->pid = pid;
        return STATUS_OK;
    }
    return forked(ps, request, slot, waits, out);
}

void fork_release(struct processes *_Nonnull ps, uint32_t child) {
    for (uint32_t i = 0; i < ps->waiter_limit; i++) {
        struct waiter *waiter = &ps->waiters[i];
        if (waiter->token != 0 && waiter->fork && waiter->slot == child) {
            struct rt_reply reply = rt_reply_for(ps->server, waiter->token);
            process_fork_reply(&reply, &(struct process_fork_out){.pid = slot_at(ps, child)->pid});
            status_t status = rt_answer(ps->server, &reply);
            (void)status; /* NOT_FOUND: the caller is gone */
            waiter_free(ps, i);
        }
    }
}

/* ---- exec ---- */

/* The ids that a ticket gives, as a principal; frees the ticket. */
static status_t use_ticket(struct processes *_Nonnull ps, uint32_t self, uint64_t number,
                           uint32_t *_Nonnull out) {
    for (uint32_t i = 0; i < TICKET_COUNT; i++) {
        const struct ticket_record *ticket = &ps->vault->tickets[i];
        if (number == 0 || ticket->number != number ||
            ticket->serial != slot_at(ps, self)->serial) {
            continue;
        }
        struct process_principal_entry entry = *principal_at(ps, slot_at(ps, self)->principal);
        if (ticket->set_uid != 0) {
            entry.effective_uid = entry.saved_uid = entry.file_uid = ticket->uid;
            entry.capabilities = entry.permitted = ticket->uid == 0 ? UINT64_MAX : 0;
        }
        if (ticket->set_gid != 0) {
            entry.effective_gid = entry.saved_gid = entry.file_gid = ticket->gid;
        }
        status_t status = principal_make(ps, &entry, out);
        struct ticket_record none = {};
        return status == STATUS_OK ? rt_stage(ps->server, ticket, &none, sizeof none) : status;
    }
    return PROCESS_STATUS_BAD_TICKET;
}

/* The record is committed before the space is replaced: that ends the call, and whoever comes again
 * before it does the same once more. */
HANDLER_IN(exec) {
    struct processes *ps = server;
    uint32_t self = 0;
    handle_t own = HANDLE_NONE;
    handle_t image = HANDLE_NONE;
    status_t status = slot_of_caller(ps, request, &self);
    status = status == STATUS_OK ? slot_process(ps, self, &own) : status;
    uint32_t principal = status == STATUS_OK ? slot_at(ps, self)->principal : 0;
    if (status == STATUS_OK && (in->how & PROCESS_EXEC_FLAGS_SET_ID) != 0) {
        status = use_ticket(ps, self, in->ticket, &principal);
    }
    status = status == STATUS_OK ? rt_handle_duplicate(in->image, RIGHT_ALL, &image) : status;
    status = status == STATUS_OK ? rt_stage_keep(ps->server, KEEP_IMAGE + self, image) : status;
    if (status != STATUS_OK) {
        rt_handle_close(image);
        return status;
    }
    struct slot_record *record = slot_edit(ps, self);
    record->replaced = 1;
    record->shares = 0;
    record->death_signal = principal == record->principal ? record->death_signal : 0;
    record->principal = principal;
    bytes_zero(record->name, sizeof record->name);
    if (in->name.size > 0) {
        bytes_copy(record->name, SOME(in->name.data), MIN(in->name.size, sizeof record->name - 1));
    }
    char name[sizeof record->name];
    bytes_copy(name, record->name, sizeof name);
    table_commit(ps);
    timers_end(ps, slot_at(ps, self)->serial);
    status = rt_object_set(own, SET_NAME, rt_address(name), text_length(name, sizeof name - 1));
    status = status == STATUS_OK ? principal_apply(ps, self, principal) : status;
    if (status == STATUS_OK) {
        status =
            rt_process_replace(own, in->space, in->entry, in->stack, in->argument, request->token);
    }
    if (status == STATUS_OK) {
        fork_release(ps, self);
    }
    return status;
}

/* ---- the end ---- */

static struct process_usage usage_of_process(handle_t process) {
    struct process_info info = {};
    struct process_usage used = {};
    if (rt_object_info(process, INFO_PROCESS, &info, sizeof info) == STATUS_OK) {
        /* The kernel does not tell the two apart: what Linux's kernel would do is done in user
         * space here, for the most part. */
        used.user_ns = info.run_time_ns;
        used.largest = info.resident_pages * PAGE_SIZE;
        used.minor_faults = info.minor_faults;
    }
    return used;
}

struct process_usage usage_now(struct processes *_Nonnull ps, uint32_t slot) {
    handle_t process = HANDLE_NONE;
    if (slot_at(ps, slot)->state == STATE_ZOMBIE || slot_process(ps, slot, &process) != STATUS_OK) {
        return slot_at(ps, slot)->own;
    }
    return usage_of_process(process);
}

void usage_add(struct process_usage *_Nonnull sum, const struct process_usage *_Nonnull more) {
    sum->user_ns += more->user_ns;
    sum->system_ns += more->system_ns;
    sum->largest = MAX(sum->largest, more->largest);
    sum->minor_faults += more->minor_faults;
    sum->major_faults += more->major_faults;
    sum->voluntary += more->voluntary;
    sum->involuntary += more->involuntary;
}

status_t family_reap(struct processes *_Nonnull ps, uint32_t slot) {
    status_t status = rt_stage_keep(ps->server, KEEP_PROCESS + slot, HANDLE_NONE);
    *slot_edit(ps, slot) = (struct slot_record){};
    return status;
}

/* Who adopts the children of a process that ended: its nearest ancestor that wants them, the first
 * process, or nobody. */
static uint32_t adopter_of(struct processes *_Nonnull ps,
                           const struct slot_record *_Nonnull ended) {
    uint32_t above = ended->parent;
    for (uint32_t steps = 0; steps < ps->slot_limit; steps++) {
        uint32_t slot = slot_by_pid(ps, above);
        if (slot == NO_SLOT) {
            break;
        }
        const struct slot_record *record = slot_at(ps, slot);
        if (record->subreaper != 0 && record->state != STATE_ZOMBIE) {
            return slot;
        }
        above = record->parent;
    }
    uint32_t first = slot_by_pid(ps, 1);
    bool there = first != NO_SLOT && ended->pid != 1 && slot_at(ps, first)->state != STATE_ZOMBIE;
    return there ? first : NO_SLOT;
}

static void orphan_children(struct processes *_Nonnull ps,
                            const struct slot_record *_Nonnull ended) {
    uint32_t pid = ended->pid;
    uint32_t first = NO_SLOT;
    bool has_first = false;
    bool known = false;
    bool told = false;
    for (uint32_t i = 0; i < ps->slot_limit; i++) {
        if (slot_at(ps, i)->pid == 0 || slot_at(ps, i)->parent != pid) {
            continue;
        }
        if (!known) {
            first = adopter_of(ps, ended);
            has_first = first != NO_SLOT;
            known = true;
        }
        struct slot_record *child = slot_edit(ps, i);
        uint32_t signal = child->death_signal;
        child->parent = has_first ? slot_at(ps, first)->pid : 0;
        told = told || child->state == STATE_ZOMBIE;
        if (!has_first && child->state == STATE_ZOMBIE) {
            status_t status = family_reap(ps, i);
            CHECK(status == STATUS_OK);
        }
        table_commit(ps);
        if (signal != 0) {
            signal_number(ps, i, signal);
        }
    }
    if (has_first && told) {
        signal_number(ps, first, SIGNAL_CHILD);
        waiters_look(ps, first);
    }
}

/* Does the parent want to hear nothing of its children's ends? */
static bool reaps_itself(struct processes *_Nonnull ps, const struct slot_record *_Nonnull child) {
    uint32_t parent = slot_by_pid(ps, child->parent);
    if (parent == NO_SLOT || slot_at(ps, parent)->state == STATE_ZOMBIE) {
        return true;
    }
    const struct process_signal_page *page = slot_signals(ps, parent);
    return page != nullptr && page->no_zombies != 0 && child->exit_signal == SIGNAL_CHILD;
}

/* A session whose leader has ended has no terminal. */
static void leader_ended(struct processes *_Nonnull ps, const struct slot_record *_Nonnull leader) {
    handle_t event = HANDLE_NONE;
    if (leader->pid != leader->session) {
        return;
    }
    for (uint32_t i = 0; i < ps->slot_limit; i++) {
        const struct slot_record *member = slot_at(ps, i);
        if (member->pid != 0 && member->session == leader->session && member->terminal != 0) {
            slot_edit(ps, i)->terminal = 0;
            table_commit(ps);
        }
    }
    if (rt_keep_get(ps->server, KEEP_WATCH, &event) == STATUS_OK) {
        /* A hint: tty reads the table. */
        (void)rt_event_signal(event, ps->vault->super.watch_bits);
        rt_handle_close(event);
    }
}

/* Groups that lost their last parent outside: stopped members would never be continued. */
static void groups_orphaned(struct processes *_Nonnull ps, uint32_t session) {
    for (uint32_t i = 0; i < ps->slot_limit; i++) {
        const struct slot_record *member = slot_at(ps, i);
        if (member->pid == 0 || member->session != session || member->state != STATE_STOPPED) {
            continue;
        }
        const struct process_table_slot *shared = &(*ps->shared)[i];
        const struct process_table_entry *entry =
            (shared->index & 1) == 0 ? &shared->copy0 : &shared->copy1;
        bool was = entry->orphaned != 0;
        (void)slot_edit(ps, i);
        table_commit(ps);
        entry = (shared->index & 1) == 0 ? &shared->copy0 : &shared->copy1;
        if (!was && entry->orphaned != 0) {
            signal_number(ps, i, SIGNAL_HANGUP);
            signal_number(ps, i, SIGNAL_CONTINUE);
        }
    }
}

/* Stages that it is a zombie, or freed where nobody wants one. */
static bool stage_zombie(struct processes *_Nonnull ps, uint32_t slot, int64_t code,
                         uint64_t cause) {
    handle_t process = HANDLE_NONE;
    struct slot_record *record = slot_edit(ps, slot);
    bool forgets = slot_process(ps, slot, &process) == STATUS_OK;
    record->own = forgets ? usage_of_process(process) : (struct process_usage){};
    record->state = STATE_ZOMBIE;
    record->report = 0;
    record->alarm_ns = 0;
    bytes_zero(record->used_alarm, sizeof record->used_alarm);
    bool normal = cause == EXIT_NORMAL;
    record->end_kind = normal ? PROCESS_END_KIND_EXITED : PROCESS_END_KIND_KILLED;
    record->end_code = normal                 ? (uint32_t)code & 0xff
                       : cause == EXIT_SIGNAL ? (uint32_t)code & 0x7f
                                              : (uint32_t)SIGNAL_KILL;
    status_t status = forgets ? rt_stage_forget(ps->server, process) : STATUS_OK;
    bool reaped = reaps_itself(ps, record);
    if (reaped) {
        status = status == STATUS_OK ? family_reap(ps, slot) : status;
    }
    status =
        status == STATUS_OK ? rt_stage_keep(ps->server, KEEP_SIGNALS + slot, HANDLE_NONE) : status;
    status =
        status == STATUS_OK ? rt_stage_keep(ps->server, KEEP_IMAGE + slot, HANDLE_NONE) : status;
    CHECK(status == STATUS_OK);
    return reaped;
}

static bool fork_is_waited_for(const struct processes *_Nonnull ps, uint32_t slot) {
    for (uint32_t i = 0; i < ps->waiter_limit; i++) {
        if (ps->waiters[i].token != 0 && ps->waiters[i].fork && ps->waiters[i].slot == slot) {
            return true;
        }
    }
    return false;
}

void family_ended(struct processes *_Nonnull ps, uint32_t slot, int64_t code, uint64_t cause) {
    struct slot_record before = *slot_at(ps, slot);
    if (before.pid == 0 || before.state == STATE_ZOMBIE) {
        return;
    }
    orphan_children(ps, &before);
    timers_end(ps, before.serial);
    infos_end(ps, before.serial);
    uint32_t parent = slot_by_pid(ps, before.parent);
    struct process_signal_info info = {.number = before.exit_signal,
                                       .code =
                                           cause == EXIT_NORMAL ? 1 : 2, /* CLD_EXITED, KILLED */
                                       .pid = before.pid,
                                       .uid = principal_at(ps, before.principal)->uid,
                                       .status = (int32_t)(code & 0xff)};
    bool child = before.exit_signal == SIGNAL_CHILD && parent != NO_SLOT;
    bool reaped = stage_zombie(ps, slot, code, cause);
    bool shown = child && signal_keep(ps, parent, &info);
    /* A handler of SIGCHLD runs before wait returns, and vfork returns before the child is freed.
     */
    bool plain = child && !shown && !reaped && !fork_is_waited_for(ps, slot);
    if (!plain || !waiter_reaps(ps, parent, slot)) {
        if (ps->edit_count == 0) { /* the waiter was gone, and with it what was staged */
            (void)stage_zombie(ps, slot, code, cause);
            shown = child && signal_keep(ps, parent, &info);
        }
        table_commit(ps);
    }
    for (uint32_t i = 0; i < ps->waiter_limit; i++) {
        if (ps->waiters[i].token != 0 && ps->waiters[i].fork && ps->waiters[i].slot == slot) {
            struct rt_reply reply = rt_reply_for(ps->server, ps->waiters[i].token);
            process_fork_reply(&reply, &(struct process_fork_out){.pid = before.pid});
            (void)rt_answer(ps->server, &reply); /* gone: nobody waits any more */
            waiter_free(ps, i);
        }
    }
    leader_ended(ps, &before);
    groups_orphaned(ps, before.session);
    if (shown) {
        signal_show(ps, parent, SIGNAL_CHILD);
    } else if (!child && parent != NO_SLOT && before.exit_signal != 0) {
        signal_send(ps, parent, &info); /* another signal than SIGCHLD may do anything */
    }
    if (parent != NO_SLOT) {
        waiters_look(ps, parent);
    }
}

/* Is a call with the identity that the tag was made of still to be answered? */
static bool call_waits(const struct processes *_Nonnull ps, uint64_t tag) {
    struct call_entry calls[4] = {};
    uint64_t cursor = 0;
    uint64_t count = 0;
    do {
        status_t status = rt_object_list(ps->server->endpoint, LIST_CALLS, &calls[0], sizeof calls,
                                         &cursor, &count);
        if (status != STATUS_OK) {
            return true;
        }
        for (uint64_t i = 0; i < count && i < ARRAY_LENGTH(calls); i++) {
            if (tag_of(&calls[i].identity, (uint32_t)tag) == tag) {
                return true;
            }
        }
    } while (count == ARRAY_LENGTH(calls));
    return false;
}

/* A process of the domain, as it is listed. True: the list is shorter now. */
static bool reconcile_one(struct processes *_Nonnull ps, const struct child_entry *_Nonnull child) {
    uint32_t slot = slot_by_serial(ps, child->serial);
    if (slot != NO_SLOT) {
        bool ended = child->state == PROCESS_DEAD && slot_at(ps, slot)->state != STATE_ZOMBIE;
        if (ended) {
            family_ended(ps, slot, child->exit_code, child->exit_cause);
        }
        return ended;
    }
    handle_t process = HANDLE_NONE;
    if (call_waits(ps, child->tag) ||
        rt_object_create(OBJECT_PROCESS, ps->domain, 0, 0, child->tag, 0, &process) != STATUS_OK) {
        return false; /* its fork comes again */
    }
    (void)rt_kill(process, SIGNAL_KILL, EXIT_SIGNAL);
    status_t status = rt_object_set(process, SET_FORGET, 0, 0);
    rt_handle_close(process);
    return status == STATUS_OK; /* else it is dying: its exit is told, and forgotten then */
}

void family_reconcile(struct processes *_Nonnull ps) {
    uint64_t cursor = 0;
    uint64_t count = 0;
    struct child_entry children[8] = {};
    do {
        status_t status = rt_object_list(ps->domain, LIST_CHILDREN, &children[0], sizeof children,
                                         &cursor, &count);
        bool shorter = false;
        if (status != STATUS_OK) {
            return;
        }
        for (uint64_t i = 0; i < count && i < ARRAY_LENGTH(children); i++) {
            if (children[i].type == OBJECT_PROCESS && reconcile_one(ps, &children[i])) {
                shorter = true;
            }
        }
        cursor = shorter ? 0 : cursor; /* what follows has moved up */
    } while (count > 0);
}

/* ---- the first programs ---- */

HANDLER(begin) {
    struct processes *ps = server;
    const struct call_identity identity = request->page->received.identity;
    uint32_t slot = find_fork(ps, &identity);
    handle_t process = HANDLE_NONE;
    handle_t kept = HANDLE_NONE;
    status_t status = STATUS_OK;
    if ((request->cookie & RT_COOKIE_SERVICE) == 0 && request->cookie != 0) {
        return STATUS_NOT_ALLOWED;
    }
    if (slot == NO_SLOT) {
        slot = slot_free(ps);
        struct slot_record record = {.state = STATE_RUNNING,
                                     .exit_signal = SIGNAL_CHILD,
                                     .replaced = 1,
                                     .fork_root = identity.root,
                                     .fork_path = identity.path};
        if (slot == NO_SLOT) {
            return PROCESS_STATUS_TOO_MANY;
        }
        for (uint32_t i = 0; i < LIMIT_KINDS; i++) {
            record.limits[i][0] = record.limits[i][1] = UINT64_MAX;
        }
        record.limits[3][0] = 8 << 20;                    /* stack */
        record.limits[4][0] = 0;                          /* core */
        record.limits[6][0] = record.limits[6][1] = 512;  /* processes */
        record.limits[7][0] = record.limits[7][1] = 1024; /* descriptors */
        record.pid = record.group = record.session = pid_take(ps);
        struct process_principal_entry entry = {.uid = in->uid,
                                                .effective_uid = in->uid,
                                                .saved_uid = in->uid,
                                                .file_uid = in->uid,
                                                .gid = in->gid,
                                                .effective_gid = in->gid,
                                                .saved_gid = in->gid,
                                                .file_gid = in->gid,
                                                .capabilities = in->uid == 0 ? UINT64_MAX : 0,
                                                .permitted = in->uid == 0 ? UINT64_MAX : 0};
        status = principal_make(ps, &entry, &record.principal);
        status = status == STATUS_OK ? rt_object_create(OBJECT_PROCESS, ps->domain, 0, 0,
                                                        tag_of(&identity, record.pid), 0, &process)
                                     : status;
        status = status == STATUS_OK ? rt_object_set(process, SET_PRINCIPAL, record.principal, 0)
                                     : status;
        status = status == STATUS_OK ? rt_handle_duplicate(process, RIGHT_ALL, &kept) : status;
        *slot_edit(ps, slot) = record;
        bool dead = false; /* it has no thread yet */
        status = status == STATUS_OK ? add_child(ps, slot, kept, nullptr, &dead) : status;
    } else {
        status = rt_keep_get(ps->server, KEEP_PROCESS + slot, &process);
    }
    out->pid = slot_at(ps, slot)->pid;
    out->process = process;
    if (status == STATUS_OK) {
        status = rt_object_create(OBJECT_SESSION, ps->server->endpoint, 1, 0, 0, 0, &out->own);
    }
    if (status != STATUS_OK) {
        rt_handle_close(process);
        rt_handle_close(kept);
    }
    return status;
}
