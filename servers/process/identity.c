/* Groups, sessions, terminals, credentials, tickets. */
#include "lib/base/bytes.h"
#include "servers/process/family.h"

HANDLER_IN(set_group) {
    struct processes *ps = server;
    uint32_t self = 0;
    status_t status = slot_of_caller(ps, request, &self);
    if (status != STATUS_OK) {
        return status;
    }
    uint32_t own = slot_at(ps, self)->pid;
    uint32_t pid = in->pid == 0 ? own : in->pid;
    uint32_t group = in->group == 0 ? pid : in->group;
    uint32_t target = slot_by_pid(ps, pid);
    if (target == NO_SLOT || (target != self && slot_at(ps, target)->parent != own)) {
        return PROCESS_STATUS_NO_PROCESS;
    }
    const struct slot_record *record = slot_at(ps, target);
    uint32_t session = slot_at(ps, self)->session;
    if (target != self && record->replaced != 0) {
        return PROCESS_STATUS_NO_ACCESS;
    }
    if (record->session != session || record->session == pid) {
        return STATUS_NOT_ALLOWED;
    }
    bool exists = group == pid;
    for (uint32_t i = 0; i < ps->slot_limit && !exists; i++) {
        const struct slot_record *member = slot_at(ps, i);
        exists = member->pid != 0 && member->group == group && member->session == session;
    }
    if (!exists) {
        return STATUS_NOT_ALLOWED;
    }
    slot_edit(ps, target)->group = group;
    return table_finish(ps);
}

HANDLER_OUT(new_session) {
    struct processes *ps = server;
    uint32_t self = 0;
    status_t status = slot_of_caller(ps, request, &self);
    if (status != STATUS_OK) {
        return status;
    }
    uint32_t pid = slot_at(ps, self)->pid;
    bool again = (request->page->received.state & CALL_STATE_REPEATED) != 0;
    if (again && slot_at(ps, self)->session == pid) {
        out->session_id = pid; /* no leader calls this twice under one identity otherwise */
        return STATUS_OK;
    }
    for (uint32_t i = 0; i < ps->slot_limit; i++) {
        if (slot_at(ps, i)->pid != 0 && slot_at(ps, i)->group == pid) {
            return STATUS_NOT_ALLOWED;
        }
    }
    struct slot_record *record = slot_edit(ps, self);
    record->session = record->group = pid;
    record->terminal = 0;
    out->session_id = pid;
    return table_finish(ps);
}

HANDLER_IN(set_terminal) {
    struct processes *ps = server;
    if ((request->cookie & RT_COOKIE_SERVICE) == 0 && request->cookie != 0) {
        return STATUS_NOT_ALLOWED;
    }
    uint32_t leader = slot_by_serial(ps, in->serial);
    if (leader == NO_SLOT) {
        return STATUS_NOT_ALLOWED;
    }
    if (slot_at(ps, leader)->session != slot_at(ps, leader)->pid) {
        if (in->terminal != 0) {
            return STATUS_NOT_ALLOWED;
        }
        slot_edit(ps, leader)->terminal = 0; /* it alone gives it up */
        return table_finish(ps);
    }
    uint32_t session = slot_at(ps, leader)->session;
    uint32_t had = slot_at(ps, leader)->terminal;
    if (in->terminal != 0 && had != 0 && had != in->terminal) {
        return STATUS_NOT_ALLOWED;
    }
    /* One commit each: a repetition changes the rest. The leader last, whose terminal counts. */
    for (uint32_t i = 0; i < ps->slot_limit; i++) {
        const struct slot_record *member = slot_at(ps, i);
        bool other = in->steal && in->terminal != 0 && member->session != session &&
                     member->terminal == in->terminal;
        if (member->pid != 0 && i != leader && (member->session == session || other)) {
            slot_edit(ps, i)->terminal = other ? 0 : in->terminal;
            table_commit(ps);
        }
    }
    slot_edit(ps, leader)->terminal = in->terminal;
    return table_finish(ps);
}

HANDLER_IN(watch_sessions) {
    struct processes *ps = server;
    if ((request->cookie & RT_COOKIE_SERVICE) == 0 && request->cookie != 0) {
        return STATUS_NOT_ALLOWED;
    }
    super_edit(ps)->watch_bits = in->bits;
    status_t status = rt_stage_keep(ps->server, KEEP_WATCH, in->event);
    return status == STATUS_OK ? table_finish(ps) : status;
}

/* ---- credentials ---- */

status_t principal_apply(struct processes *_Nonnull ps, uint32_t slot, uint32_t principal) {
    handle_t process = HANDLE_NONE;
    status_t status = slot_process(ps, slot, &process);
    return status == STATUS_OK ? rt_object_set(process, SET_PRINCIPAL, principal, 0) : status;
}

enum : uint64_t { MAY_SET_GID = 1u << 6, MAY_SET_UID = 1u << 7 };

/* The four ids of one kind, as numbers in a row. */
struct four {
    uint32_t real, effective, saved, file;
};

static bool is_one(const struct four *_Nonnull old, uint32_t wanted) {
    return wanted == old->real || wanted == old->effective || wanted == old->saved ||
           wanted == old->file;
}

/* New ids after the rules of setuid(2) (`plain`) or setresuid(2). */
static status_t new_ids(const struct four *_Nonnull old, const struct four *_Nonnull wanted,
                        uint32_t which, bool plain, bool may, struct four *_Nonnull out) {
    *out = *old;
    if (plain) {
        uint32_t id = (which & 1) != 0 ? wanted->real : wanted->effective;
        if (may) {
            *out = (struct four){id, id, id, id};
        } else if (id == old->real || id == old->saved) {
            out->effective = out->file = id;
        } else {
            return STATUS_NOT_ALLOWED;
        }
        return STATUS_OK;
    }
    bool fits = ((which & 1) == 0 || is_one(old, wanted->real)) &&
                ((which & 2) == 0 || is_one(old, wanted->effective)) &&
                ((which & 4) == 0 || is_one(old, wanted->saved)) &&
                ((which & 8) == 0 || is_one(old, wanted->file));
    if (!may && !fits) {
        return STATUS_NOT_ALLOWED;
    }
    out->real = (which & 1) != 0 ? wanted->real : out->real;
    out->saved = (which & 4) != 0 ? wanted->saved : out->saved;
    if ((which & 2) != 0) {
        out->effective = out->file = wanted->effective;
    }
    out->file = (which & 8) != 0 ? wanted->file : out->file;
    return STATUS_OK;
}

/* Capabilities follow the user ids, as capabilities(7) says. */
static void follow_uids(const struct four *_Nonnull old,
                        struct process_principal_entry *_Nonnull entry) {
    bool had_root = old->real == 0 || old->effective == 0 || old->saved == 0;
    bool has_root = entry->uid == 0 || entry->effective_uid == 0 || entry->saved_uid == 0;
    if (had_root && !has_root) {
        entry->permitted = entry->capabilities = 0;
    } else if (old->effective == 0 && entry->effective_uid != 0) {
        entry->capabilities = 0;
    } else if (old->effective != 0 && entry->effective_uid == 0) {
        entry->capabilities = entry->permitted;
    }
}

static status_t change_groups(struct rt_request *_Nonnull request,
                              const struct rt_input *_Nonnull groups,
                              struct process_principal_entry *_Nonnull entry) {
    uint64_t count = groups->size / sizeof(uint32_t);
    if (groups->size % sizeof(uint32_t) != 0 || count > ARRAY_LENGTH(entry->groups)) {
        return STATUS_BAD_ARGUMENT;
    }
    bytes_zero(entry->groups, sizeof entry->groups);
    entry->group_count = (uint32_t)count;
    struct rt_buffer to = {.size = (size_t)groups->size, .data = (uint8_t *)&entry->groups[0]};
    return rt_input_read(request, groups, 0, to);
}

static status_t change_capabilities(const struct process_ids *_Nonnull values,
                                    struct process_principal_entry *_Nonnull entry) {
    if ((values->permitted & ~entry->permitted) != 0 ||
        (values->effective & ~values->permitted) != 0) {
        return STATUS_NOT_ALLOWED;
    }
    entry->permitted = values->permitted;
    entry->capabilities = values->effective;
    entry->inheritable = values->inheritable;
    return STATUS_OK;
}

static status_t change_uids(const struct process_set_ids_in *_Nonnull in,
                            struct process_principal_entry *_Nonnull entry) {
    struct four old = {entry->uid, entry->effective_uid, entry->saved_uid, entry->file_uid};
    struct four wanted = {in->values.uid, in->values.effective_uid, in->values.saved_uid,
                          in->values.file_uid};
    struct four fresh = {};
    status_t status = new_ids(&old, &wanted, in->which & 15, in->plain,
                              (entry->capabilities & MAY_SET_UID) != 0, &fresh);
    if (status == STATUS_OK) {
        entry->uid = fresh.real;
        entry->effective_uid = fresh.effective;
        entry->saved_uid = fresh.saved;
        entry->file_uid = fresh.file;
        follow_uids(&old, entry);
    }
    return status;
}

static status_t change_gids(const struct process_set_ids_in *_Nonnull in,
                            struct process_principal_entry *_Nonnull entry) {
    struct four old = {entry->gid, entry->effective_gid, entry->saved_gid, entry->file_gid};
    struct four wanted = {in->values.gid, in->values.effective_gid, in->values.saved_gid,
                          in->values.file_gid};
    struct four fresh = {};
    status_t status = new_ids(&old, &wanted, in->which >> 4 & 15, in->plain,
                              (entry->capabilities & MAY_SET_GID) != 0, &fresh);
    if (status == STATUS_OK) {
        entry->gid = fresh.real;
        entry->effective_gid = fresh.effective;
        entry->saved_gid = fresh.saved;
        entry->file_gid = fresh.file;
    }
    return status;
}

HANDLER(set_ids) {
    struct processes *ps = server;
    uint32_t self = 0;
    status_t status = slot_of_caller(ps, request, &self);
    if (status != STATUS_OK) {
        return status;
    }
    struct process_principal_entry entry = *principal_at(ps, slot_at(ps, self)->principal);
    if ((in->which & PROCESS_ID_MASK_GROUPS) != 0) {
        status = (entry.capabilities & MAY_SET_GID) != 0
                     ? change_groups(request, &in->groups, &entry)
                     : STATUS_NOT_ALLOWED;
    }
    if (status == STATUS_OK && (in->which >> 4 & 15) != 0) {
        status = change_gids(in, &entry);
    }
    if (status == STATUS_OK && (in->which & 15) != 0) {
        status = change_uids(in, &entry);
    }
    if (status == STATUS_OK && (in->which & PROCESS_ID_MASK_CAPABILITIES) != 0) {
        status = change_capabilities(&in->values, &entry);
    }
    status = status == STATUS_OK ? principal_make(ps, &entry, &out->principal) : status;
    if (status != STATUS_OK) {
        return status;
    }
    slot_edit(ps, self)->principal = out->principal;
    table_commit(ps); /* the kernel is told after the table, and again after a restart */
    return principal_apply(ps, self, out->principal);
}

HANDLER(grant_ticket) {
    struct processes *ps = server;
    uint32_t place = TICKET_COUNT;
    if ((request->cookie & RT_COOKIE_SERVICE) == 0 && request->cookie != 0) {
        return STATUS_NOT_ALLOWED;
    }
    for (uint32_t i = 0; i < TICKET_COUNT; i++) {
        const struct ticket_record *there = &ps->vault->tickets[i];
        /* One a process: an older one of it, or of a process that is no more, gives way. */
        bool stale = there->number != 0 && slot_by_serial(ps, there->serial) == NO_SLOT;
        if (there->number == 0 || stale || there->serial == in->serial) {
            place = i;
        }
    }
    if (place == TICKET_COUNT || slot_by_serial(ps, in->serial) == NO_SLOT) {
        return place == TICKET_COUNT ? STATUS_OUT_OF_QUOTA : PROCESS_STATUS_NO_PROCESS;
    }
    struct ticket_record record = {.serial = in->serial,
                                   .set_uid = in->set_uid,
                                   .uid = in->uid,
                                   .set_gid = in->set_gid,
                                   .gid = in->gid};
    status_t status = rt_random(&record.number, sizeof record.number);
    record.number |= 1;
    record.checksum = record_sum(&record.checksum, sizeof record);
    out->ticket = record.number;
    return status == STATUS_OK
               ? rt_stage(ps->server, &ps->vault->tickets[place], &record, sizeof record)
               : status;
}
