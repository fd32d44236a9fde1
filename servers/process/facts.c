/* What can be asked and set of processes beside what they are to each other: tables, limits, nice
 * values, usage, /proc's view, thread numbers, the machine's name. */
#include "idl/service.h"
#include "lib/base/bytes.h"
#include "servers/process/family.h"

enum { SHARED_RIGHTS = RIGHT_READ | RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_INSPECT };

HANDLER_OUT(tables) {
    struct processes *ps = server;
    uint32_t self = 0;
    status_t status = slot_of_caller(ps, request, &self);
    if (status != STATUS_OK) {
        return status;
    }
    status = keep_share(ps, KEEP_PROCESS_TABLE, SHARED_RIGHTS, &out->processes);
    if (status == STATUS_OK) {
        status = keep_share(ps, KEEP_PRINCIPAL_TABLE, SHARED_RIGHTS, &out->principals);
    }
    if (status == STATUS_OK) {
        status = keep_share(ps, KEEP_SIGNALS + self, SHARED_RIGHTS | RIGHT_WRITE, &out->signals);
    }
    const struct slot_record *record = slot_at(ps, self);
    out->pid = record->pid;
    out->slot = self;
    out->principal = record->principal;
    out->first_thread = record->pid;
    return status;
}

HANDLER_OUT(registry) {
    struct processes *ps = server;
    (void)request;
    status_t status = keep_share(ps, KEEP_PROCESS_TABLE, SHARED_RIGHTS, &out->processes);
    return status == STATUS_OK
               ? keep_share(ps, KEEP_PRINCIPAL_TABLE, SHARED_RIGHTS, &out->principals)
               : status;
}

/* Numbers of threads come from the pids' range, so that none is a process's; ends are seen by the
 * kernel's list of threads, and a number is not given twice while its process lives. */
HANDLER(add_thread) {
    struct processes *ps = server;
    uint32_t self = 0;
    (void)in;
    status_t status = slot_of_caller(ps, request, &self);
    if (status != STATUS_OK) {
        return status;
    }
    out->id = pid_take(ps);
    slot_edit(ps, self)->next_thread++;
    return table_finish(ps);
}

HANDLER(limit) {
    struct processes *ps = server;
    uint32_t self = 0;
    status_t status = slot_of_caller(ps, request, &self);
    uint32_t target = in->pid == 0 ? self : slot_by_pid(ps, in->pid);
    if (status != STATUS_OK || in->resource >= LIMIT_COUNT) {
        return status != STATUS_OK ? status : STATUS_BAD_ARGUMENT;
    }
    if (target == NO_SLOT) {
        return PROCESS_STATUS_NO_PROCESS;
    }
    const struct slot_record *record = slot_at(ps, target);
    if (target != self && !may_manage(ps, self, target)) {
        return STATUS_NOT_ALLOWED;
    }
    out->old_soft = record->limits[in->resource][0];
    out->old_hard = record->limits[in->resource][1];
    if (!in->change) {
        return STATUS_OK;
    }
    if (in->soft > in->hard) {
        return STATUS_BAD_ARGUMENT;
    }
    if (in->hard > out->old_hard && !is_privileged(ps, self)) {
        return STATUS_NOT_ALLOWED;
    }
    struct slot_record *edit = slot_edit(ps, target);
    edit->limits[in->resource][0] = in->soft;
    edit->limits[in->resource][1] = in->hard;
    struct process_signal_page *page = slot_signals(ps, target);
    if (page != nullptr) {
        page->limits[in->resource] = in->soft;
    }
    if (in->resource == 0) { /* processor time */
        table_commit(ps);
        alarms_look(ps);
        return STATUS_OK;
    }
    return table_finish(ps);
}

HANDLER(attribute) {
    struct processes *ps = server;
    uint32_t self = 0;
    status_t status = slot_of_caller(ps, request, &self);
    if (status != STATUS_OK) {
        return status;
    }
    bool signal = in->what == PROCESS_ATTRIBUTE_DEATH_SIGNAL;
    out->old = signal ? slot_at(ps, self)->death_signal : slot_at(ps, self)->subreaper;
    if (!in->change) {
        return STATUS_OK;
    }
    if (signal && in->value > SIGNAL_LIMIT) {
        return STATUS_BAD_ARGUMENT;
    }
    struct slot_record *edit = slot_edit(ps, self);
    if (signal) {
        edit->death_signal = in->value;
    } else {
        edit->subreaper = in->value != 0 ? 1 : 0;
    }
    return table_finish(ps);
}

HANDLER(usage_of) {
    struct processes *ps = server;
    uint32_t self = 0;
    status_t status = slot_of_caller(ps, request, &self);
    if (status == STATUS_OK) {
        out->used = in->kind == PROCESS_USAGE_KIND_CHILDREN ? slot_at(ps, self)->children
                                                            : usage_now(ps, self);
    }
    return status;
}

HANDLER(nice) {
    struct processes *ps = server;
    uint32_t self = 0;
    uint32_t found = 0;
    bool refused = false;
    status_t status = slot_of_caller(ps, request, &self);
    if (status != STATUS_OK || in->kind == PROCESS_TARGET_KIND_THREAD) {
        return status != STATUS_OK ? status : STATUS_BAD_ARGUMENT;
    }
    int32_t value = MIN(MAX(in->value, -20), 19);
    out->old = 20;
    for (uint32_t i = 0; i < ps->slot_limit; i++) {
        const struct slot_record *record = slot_at(ps, i);
        uint32_t of = in->kind == PROCESS_TARGET_KIND_GROUP ? slot_at(ps, self)->group
                                                            : slot_at(ps, self)->pid;
        uint32_t id = in->id == 0 ? of : in->id;
        bool wanted = in->kind == PROCESS_TARGET_KIND_PROCESS ? record->pid == id
                      : in->kind == PROCESS_TARGET_KIND_GROUP
                          ? record->group == id
                          : principal_at(ps, record->principal)->uid == in->id;
        if (record->pid == 0 || !wanted) {
            continue;
        }
        found++;
        out->old = MIN(out->old, record->nice);
        if (in->change &&
            (!may_manage(ps, self, i) || (value < record->nice && !is_privileged(ps, self)))) {
            refused = true;
        } else if (in->change) {
            slot_edit(ps, i)->nice = value;
            table_commit(ps);
        }
    }
    return found == 0 ? PROCESS_STATUS_NO_PROCESS : refused ? PROCESS_STATUS_NO_ACCESS : STATUS_OK;
}

HANDLER(describe) {
    struct processes *ps = server;
    uint32_t slot = slot_by_pid(ps, in->pid);
    handle_t process = HANDLE_NONE;
    struct process_info info = {};
    (void)request;
    if (slot == NO_SLOT) {
        return PROCESS_STATUS_NO_PROCESS;
    }
    const struct slot_record *record = slot_at(ps, slot);
    if (record->state != STATE_ZOMBIE && slot_process(ps, slot, &process) == STATUS_OK) {
        status_t status = rt_object_info(process, INFO_PROCESS, &info, sizeof info);
        (void)status; /* it ends just now: what is known is told */
    }
    const struct process_signal_page *page =
        record->state == STATE_ZOMBIE ? nullptr : slot_signals(ps, slot);
    out->about = (struct process_description){
        .serial = record->serial,
        .used = usage_now(ps, slot),
        .children = record->children,
        .size = info.mapped_bytes,
        .resident = info.resident_pages * PAGE_SIZE,
        .signals_pending = page == nullptr ? 0 : page->pending,
        .signals_blocked = page == nullptr ? 0 : page->blocked,
        .threads = info.threads,
        .nice = record->nice,
        .exit_signal = record->exit_signal,
        .exit_status = record->state != STATE_ZOMBIE                 ? 0
                       : record->end_kind == PROCESS_END_KIND_EXITED ? record->end_code << 8
                                                                     : record->end_code,
    };
    bytes_copy(out->about.name, record->name, sizeof out->about.name);
    return STATUS_OK;
}

HANDLER(list) {
    struct processes *ps = server;
    uint32_t count = 0;
    uint32_t behind = in->behind;
    uint64_t room = MIN(in->pids.size / sizeof(uint32_t), ARRAY_LENGTH(ps->numbers));
    while (count < room) {
        uint32_t next = UINT32_MAX;
        for (uint32_t i = 0; i < ps->slot_limit; i++) {
            uint32_t pid = slot_at(ps, i)->pid;
            next = pid > behind && pid < next ? pid : next;
        }
        if (next == UINT32_MAX) {
            break;
        }
        ps->numbers[count++] = behind = next;
    }
    out->pids_size = count * sizeof(uint32_t);
    return rt_output_write(request, &in->pids, 0,
                           (struct rt_bytes){.size = (size_t)out->pids_size,
                                             .data = (const uint8_t *)&ps->numbers[0]});
}

HANDLER(open_process) {
    struct processes *ps = server;
    uint32_t slot = slot_by_pid(ps, in->pid);
    if ((request->cookie & RT_COOKIE_SERVICE) == 0 && request->cookie != 0) {
        return STATUS_NOT_ALLOWED;
    }
    if (slot == NO_SLOT || slot_at(ps, slot)->state == STATE_ZOMBIE) {
        return PROCESS_STATUS_NO_PROCESS;
    }
    uint32_t rights = RIGHT_INSPECT | RIGHT_READ | RIGHT_TRANSFER | RIGHT_DUPLICATE;
    TRY(keep_share(ps, KEEP_PROCESS + slot, rights, &out->process));
    /* A first program has none before its exec. */
    if (keep_share(ps, KEEP_IMAGE + slot, rights | RIGHT_CALL | RIGHT_WAIT, &out->image) !=
        STATUS_OK) {
        out->image = HANDLE_NONE;
    }
    return STATUS_OK;
}

HANDLER(limits_of) {
    struct processes *ps = server;
    uint32_t slot = slot_by_pid(ps, in->pid);
    (void)request;
    REFUSE(slot == NO_SLOT, PROCESS_STATUS_NO_PROCESS);
    const struct slot_record *record = slot_at(ps, slot);
    static_assert(sizeof record->limits == sizeof out->values);
    out->values_size = sizeof record->limits;
    bytes_copy(&out->values[0], &record->limits[0][0], sizeof record->limits);
    return STATUS_OK;
}

HANDLER_IN(unsupported) {
    struct processes *ps = server;
    const struct unsupported_record *kept = &ps->vault->unsupported;
    (void)request;
    REFUSE(in->number > PROCESS_UNSUPPORTED_OTHER, STATUS_BAD_ARGUMENT);
    struct unsupported_record *record = &ps->unsupported;
    *record = *kept;
    uint32_t *count = &record->counts[in->number];
    *count += *count < UINT32_MAX ? 1 : 0;
    record->header =
        (struct rt_record_header){.kind = 0x554e5355, .version = 1, .size = sizeof *record};
    record->header.checksum = rt_record_checksum(&record->header);
    TRY(rt_stage(ps->server, &kept->header, &record->header, sizeof record->header));
    return rt_stage(ps->server, &kept->counts[in->number], count, sizeof *count);
}

HANDLER(lacks) {
    struct processes *ps = server;
    const struct unsupported_record *kept = &ps->vault->unsupported;
    out->counts_size = MIN(in->counts.size, sizeof kept->counts);
    return rt_output_write(request, &in->counts, 0,
                           (struct rt_bytes){.size = (size_t)out->counts_size,
                                             .data = (const uint8_t *)&kept->counts[0]});
}

HANDLER(host_name) {
    struct processes *ps = server;
    uint32_t self = slot_by_serial(ps, request->page->received.process_serial);
    out->old_size =
        (uint32_t)text_length(ps->vault->super.host_name, sizeof ps->vault->super.host_name);
    bytes_copy(&out->old[0], &ps->vault->super.host_name[0], out->old_size);
    if (!in->change) {
        return STATUS_OK;
    }
    if (self != NO_SLOT && !is_privileged(ps, self)) {
        return STATUS_NOT_ALLOWED;
    }
    struct process_super *super = super_edit(ps);
    bytes_zero(super->host_name, sizeof super->host_name);
    if (in->name.size > 0) {
        bytes_copy(super->host_name, SOME(in->name.data),
                   MIN(in->name.size, sizeof super->host_name - 1));
    }
    return table_finish(ps);
}

HANDLER_IN(power) {
    struct processes *ps = server;
    enum : uint64_t { CAPABILITY_BOOT = 1u << 22 };
    uint32_t self = 0;
    handle_t supervisor = rt_start_handle(ps->server, "supervisor");
    TRY(slot_of_caller(ps, request, &self));
    REFUSE((principal_at(ps, slot_at(ps, self)->principal)->capabilities & CAPABILITY_BOOT) == 0,
           STATUS_NOT_ALLOWED);
    REFUSE(supervisor == HANDLE_NONE, STATUS_NOT_SUPPORTED);
    bool again = in->action == PROCESS_POWER_RESTART;
    return service_power_nested(SOME(request->context), 1, supervisor,
                                again ? SERVICE_POWER_REBOOT : SERVICE_POWER_OFF, 0);
}
