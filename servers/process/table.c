/* See table.h. */
#include "servers/process/table.h"
#include "lib/base/bytes.h"

uint64_t record_sum(const uint64_t *_Nonnull record, size_t size) {
    struct words {
        size_t count;
        const uint64_t *_Nonnull COUNTED_BY(count) at;
    } words = {.count = size / sizeof(uint64_t), .at = record};
    uint64_t sum = UINT64_C(0x9e3779b97f4a7c15) ^ size;
    for (size_t i = 1; i < words.count; i++) {
        (void)__builtin_mul_overflow(sum ^ words.at[i], UINT64_C(0xff51afd7ed558ccd), &sum);
        sum = (sum << 29) | (sum >> 35);
    }
    return sum | 1;
}

/* ---- edits ---- */

const struct slot_record *_Nullable slot_edited(const struct processes *_Nonnull ps,
                                                uint32_t slot) {
    for (uint32_t i = 0; i < ps->edit_count; i++) {
        if (ps->edits[i].slot == slot) {
            return &ps->edits[i].record;
        }
    }
    return nullptr;
}

struct slot_record *_Nonnull slot_edit(struct processes *_Nonnull ps, uint32_t slot) {
    for (uint32_t i = 0; i < ps->edit_count; i++) {
        if (ps->edits[i].slot == slot) {
            return &ps->edits[i].record;
        }
    }
    CHECK(ps->edit_count < TABLE_EDITS);
    struct table_edit *edit = &ps->edits[ps->edit_count++];
    *edit = (struct table_edit){.slot = slot, .record = ps->vault->slots[slot]};
    return &edit->record;
}

struct process_super *_Nonnull super_edit(struct processes *_Nonnull ps) {
    if (!ps->super_edited) {
        ps->super = ps->vault->super;
        ps->super_edited = true;
    }
    return &ps->super;
}

void table_begin(struct processes *_Nonnull ps) {
    ps->edit_count = 0;
    ps->super_edited = false;
}

bool group_orphaned(struct processes *_Nonnull ps, uint32_t group, uint32_t session) {
    for (uint32_t i = 0; i < ps->slot_limit; i++) {
        const struct slot_record *member = slot_at(ps, i);
        if (member->pid == 0 || member->group != group || member->state == STATE_ZOMBIE) {
            continue;
        }
        uint32_t above = slot_by_pid(ps, member->parent);
        if (above != NO_SLOT && slot_at(ps, above)->session == session &&
            slot_at(ps, above)->group != group) {
            return false;
        }
    }
    return true;
}

static void publish(struct processes *_Nonnull ps, uint32_t slot) {
    const struct slot_record *record = slot_at(ps, slot);
    struct process_table_slot *shared = &(*ps->shared)[slot];
    struct process_table_entry entry = {
        .serial = record->pid == 0 ? 0 : record->serial,
        .pid = record->pid,
        .parent = record->parent,
        .group = record->group,
        .session = record->session,
        .principal = record->principal,
        .terminal = record->terminal,
        .state = (enum process_life)record->state,
        .orphaned = record->pid != 0 && group_orphaned(ps, record->group, record->session),
        .started_ns = record->started_ns,
    };
    uint32_t next = shared->index + 1; /* counts, so that a reader sees that it was overtaken */
    if ((next & 1) == 0) {
        shared->copy0 = entry;
    } else {
        shared->copy1 = entry;
    }
    __atomic_store_n(&shared->index, next, __ATOMIC_RELEASE);
}

status_t table_finish(struct processes *_Nonnull ps) {
    status_t status = STATUS_OK;
    for (uint32_t i = 0; i < ps->edit_count && status == STATUS_OK; i++) {
        struct table_edit *edit = &ps->edits[i];
        edit->record.checksum = 0;
        if (edit->record.pid != 0) {
            edit->record.checksum = record_sum(&edit->record.checksum, sizeof edit->record);
        }
        status =
            rt_stage(ps->server, &ps->vault->slots[edit->slot], &edit->record, sizeof edit->record);
        publish(ps, edit->slot);
        if (edit->record.pid != 0) {
            ps->slot_limit = MAX(ps->slot_limit, edit->slot + 1);
            ps->by_pid[edit->record.pid % HINTS] = (uint16_t)edit->slot;
            ps->by_serial[edit->record.serial % HINTS] = (uint16_t)edit->slot;
        }
    }
    if (status == STATUS_OK && ps->super_edited) {
        ps->super.header.kind = 0x50524f43;
        ps->super.header.version = 1;
        ps->super.header.size = sizeof ps->super;
        status = rt_stage_record(ps->server, &ps->vault->super, &ps->super.header);
    }
    return status;
}

void table_abandon(struct processes *_Nonnull ps) {
    uint32_t count = ps->edit_count;
    rt_stage_drop(ps->server);
    table_begin(ps);
    for (uint32_t i = 0; i < count; i++) {
        publish(ps, ps->edits[i].slot);
    }
}

void table_commit(struct processes *_Nonnull ps) {
    status_t status = table_finish(ps);
    status = status == STATUS_OK ? rt_commit(ps->server) : status;
    CHECK(status == STATUS_OK);
    table_begin(ps);
}

/* ---- lookups: hints that the vault confirms ---- */

uint32_t slot_by_pid(struct processes *_Nonnull ps, uint32_t pid) {
    uint32_t hint = ps->by_pid[pid % HINTS];
    if (pid == 0) {
        return NO_SLOT;
    }
    if (slot_at(ps, hint)->pid == pid) {
        return hint;
    }
    for (uint32_t i = 0; i < ps->slot_limit; i++) {
        if (slot_at(ps, i)->pid == pid) {
            ps->by_pid[pid % HINTS] = (uint16_t)i;
            return i;
        }
    }
    return NO_SLOT;
}

uint32_t slot_by_serial(struct processes *_Nonnull ps, uint64_t serial) {
    uint32_t hint = ps->by_serial[serial % HINTS];
    if (slot_at(ps, hint)->pid != 0 && slot_at(ps, hint)->serial == serial) {
        return hint;
    }
    for (uint32_t i = 0; i < ps->slot_limit; i++) {
        if (slot_at(ps, i)->pid != 0 && slot_at(ps, i)->serial == serial) {
            ps->by_serial[serial % HINTS] = (uint16_t)i;
            return i;
        }
    }
    return NO_SLOT;
}

status_t slot_of_caller(struct processes *_Nonnull ps, const struct rt_request *_Nonnull request,
                        uint32_t *_Nonnull out) {
    *out = slot_by_serial(ps, request->page->received.process_serial);
    return *out == NO_SLOT ? PROCESS_STATUS_NO_PROCESS : STATUS_OK;
}

uint32_t slot_free(const struct processes *_Nonnull ps) {
    for (uint32_t i = 0; i < PROCESS_COUNT; i++) {
        if (slot_at(ps, i)->pid == 0) {
            return i;
        }
    }
    return NO_SLOT;
}

static bool pid_in_use(const struct processes *_Nonnull ps, uint32_t pid) {
    for (uint32_t i = 0; i < ps->slot_limit; i++) {
        const struct slot_record *slot = slot_at(ps, i);
        if (slot->pid != 0 && (slot->pid == pid || slot->group == pid || slot->session == pid)) {
            return true;
        }
    }
    return false;
}

uint32_t pid_take(struct processes *_Nonnull ps) {
    struct process_super *super = super_edit(ps);
    uint32_t pid = MAX(super->next_pid, 1u);
    while (pid_in_use(ps, pid)) {
        pid = pid + 1 >= PID_LIMIT ? 2 : pid + 1; /* ends: there are fewer slots than pids */
    }
    super->next_pid = pid + 1 >= PID_LIMIT ? 2 : pid + 1;
    return pid;
}

/* ---- handles and pages ---- */

status_t keep_share(const struct processes *_Nonnull ps, uint32_t slot, uint32_t rights,
                    handle_t *_Nonnull out) {
    return rt_handle_move(ps->server->keep, slot, 0, HANDLE_MOVE_ANY, rights, HANDLE_MOVE_COPY,
                          out);
}

/* Drops what the cache has of a slot's former process. */
static struct slot_cache *_Nonnull cache_of(struct processes *_Nonnull ps, uint32_t slot) {
    struct slot_cache *cache = &ps->cache[slot];
    if (cache->serial != slot_at(ps, slot)->serial) {
        rt_handle_close(cache->process);
        if (cache->signals != nullptr) {
            status_t status = rt_unmap(0, rt_address(cache->signals), PAGE_SIZE);
            CHECK(status == STATUS_OK);
        }
        *cache = (struct slot_cache){.serial = slot_at(ps, slot)->serial};
    }
    return cache;
}

status_t slot_process(struct processes *_Nonnull ps, uint32_t slot, handle_t *_Nonnull out) {
    struct slot_cache *cache = cache_of(ps, slot);
    if (cache->process == HANDLE_NONE) {
        status_t status = rt_keep_get(ps->server, KEEP_PROCESS + slot, &cache->process);
        if (status != STATUS_OK) {
            cache->process = HANDLE_NONE;
            return status;
        }
    }
    *out = cache->process;
    return STATUS_OK;
}

struct process_signal_page *_Nullable slot_signals(struct processes *_Nonnull ps, uint32_t slot) {
    struct slot_cache *cache = cache_of(ps, slot);
    if (cache->signals == nullptr) {
        handle_t memory = HANDLE_NONE;
        uint64_t address = 0;
        status_t status = rt_keep_get(ps->server, KEEP_SIGNALS + slot, &memory);
        if (status == STATUS_OK) {
            status = rt_map(0, 0, PAGE_SIZE, memory, 0, PROTECT_READ | PROTECT_WRITE, &address);
            rt_handle_close(memory);
        }
        if (status == STATUS_OK) {
            cache->signals = rt_pointer(address);
        }
    }
    return cache->signals;
}

/* ---- principals ---- */

const struct process_principal_entry *_Nonnull principal_at(const struct processes *_Nonnull ps,
                                                            uint32_t number) {
    return &ps->vault->principals[number % PRINCIPAL_COUNT].entry;
}

/* Is the principal of this place some process's? Else its number is nobody's any more. */
static bool principal_in_use(const struct processes *_Nonnull ps, uint32_t place) {
    uint32_t number = ps->vault->principals[place].entry.principal;
    for (uint32_t i = 0; i < ps->slot_limit && number != 0; i++) {
        if (slot_at(ps, i)->pid != 0 && slot_at(ps, i)->principal == number) {
            return true;
        }
    }
    return false;
}

status_t principal_make(struct processes *_Nonnull ps,
                        const struct process_principal_entry *_Nonnull wanted,
                        uint32_t *_Nonnull out) {
    struct principal_record record = {.entry = *wanted};
    for (uint32_t i = 1; i < PRINCIPAL_COUNT; i++) {
        const struct process_principal_entry *there = &ps->vault->principals[i].entry;
        record.entry.principal = there->principal;
        if (there->principal != 0 && bytes_equal(there, &record.entry, sizeof *there)) {
            *out = there->principal;
            return STATUS_OK;
        }
    }
    uint32_t number = MAX(super_edit(ps)->next_principal, 1u);
    uint32_t tries = 0;
    while (number % PRINCIPAL_COUNT == 0 || principal_in_use(ps, number % PRINCIPAL_COUNT)) {
        number = number == UINT32_MAX ? 1 : number + 1;
        if (++tries > PRINCIPAL_COUNT) {
            return STATUS_OUT_OF_QUOTA;
        }
    }
    super_edit(ps)->next_principal = number == UINT32_MAX ? 1 : number + 1;
    record.entry.principal = number;
    record.checksum = record_sum(&record.checksum, sizeof record);
    uint32_t place = number % PRINCIPAL_COUNT;
    (*ps->principals)[place] = record.entry; /* nobody has the number before the commit */
    *out = number;
    return rt_stage(ps->server, &ps->vault->principals[place], &record, sizeof record);
}

/* ---- after a start ---- */

void table_share(struct processes *_Nonnull ps) {
    struct shared {
        uint32_t slot;
        uint64_t size;
        uint64_t address;
    } tables[2] = {{.slot = KEEP_PROCESS_TABLE, .size = sizeof *ps->shared},
                   {.slot = KEEP_PRINCIPAL_TABLE, .size = sizeof *ps->principals}};
    for (uint32_t i = 0; i < 2; i++) {
        handle_t memory = HANDLE_NONE;
        status_t status = rt_keep_get(ps->server, tables[i].slot, &memory);
        uint64_t size = (tables[i].size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
        if (status != STATUS_OK) {
            status = rt_object_create(OBJECT_MEMORY, 0, size, MEMORY_WIRED, 0, 0, &memory);
            handle_t kept = HANDLE_NONE;
            status = status == STATUS_OK ? rt_handle_duplicate(memory, RIGHT_ALL, &kept) : status;
            status = status == STATUS_OK ? rt_stage_keep(ps->server, tables[i].slot, kept) : status;
            status = status == STATUS_OK ? rt_commit(ps->server) : status;
        }
        status = status == STATUS_OK ? rt_map(0, 0, size, memory, 0, PROTECT_READ | PROTECT_WRITE,
                                              &tables[i].address)
                                     : status;
        if (status != STATUS_OK) {
            rt_log(ps->server, "no shared table: status %d", (int)status);
            rt_exit(RT_EXIT_START);
        }
        rt_handle_close(memory);
    }
    ps->shared = rt_pointer(tables[0].address);
    ps->principals = rt_pointer(tables[1].address);
}

void table_rebuild(struct processes *_Nonnull ps) {
    const struct process_vault *vault = ps->vault;
    if (vault->super.header.kind != 0 &&
        rt_record_checksum(&vault->super.header) != vault->super.header.checksum) {
        rt_vault_corrupt(ps->server, "super");
    }
    const struct unsupported_record *unsupported = &ps->vault->unsupported;
    if (unsupported->header.kind != 0 &&
        (unsupported->header.size != sizeof *unsupported ||
         rt_record_checksum(&unsupported->header) != unsupported->header.checksum)) {
        rt_vault_corrupt(ps->server, "unsupported");
    }
    for (uint32_t i = 0; i < PRINCIPAL_COUNT; i++) {
        const struct principal_record *record = &vault->principals[i];
        if (record->checksum != 0 &&
            record->checksum != record_sum(&record->checksum, sizeof *record)) {
            rt_vault_corrupt(ps->server, "principal");
        }
        (*ps->principals)[i] = record->entry;
    }
    for (uint32_t i = 0; i < PROCESS_COUNT; i++) {
        ps->slot_limit = vault->slots[i].pid != 0 ? i + 1 : ps->slot_limit;
    }
    for (uint32_t i = 0; i < INFO_COUNT; i++) {
        const struct info_record *record = &vault->infos[i];
        if (record->order != 0 &&
            record->checksum != record_sum(&record->checksum, sizeof *record)) {
            rt_vault_corrupt(ps->server, "siginfo");
        }
        ps->info_limit = record->order != 0 ? i + 1 : ps->info_limit;
    }
    for (uint32_t i = 0; i < TIMER_COUNT; i++) {
        const struct timer_record *record = &vault->timers[i];
        if (record->serial != 0 &&
            record->checksum != record_sum(&record->checksum, sizeof *record)) {
            rt_vault_corrupt(ps->server, "timer");
        }
        ps->timer_limit = record->serial != 0 ? i + 1 : ps->timer_limit;
    }
    for (uint32_t i = 0; i < PROCESS_COUNT; i++) {
        const struct slot_record *record = &vault->slots[i];
        bool sound = record->pid == 0
                         ? record->checksum == 0
                         : record->checksum == record_sum(&record->checksum, sizeof *record) &&
                               principal_at(ps, record->principal)->principal == record->principal;
        if (!sound) {
            rt_vault_corrupt(ps->server, "process");
        }
        publish(ps, i);
    }
}
