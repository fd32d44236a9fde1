/* See people.h. */
#include "servers/tty/people.h"
#include "lib/rt/native.h"

enum { TRIES = 100, STATE_ZOMBIE = 3, NOBODY = 65534 };

status_t people_begin(struct people *_Nonnull people, handle_t process) {
    handle_t tables[2] = {};
    uint64_t addresses[2] = {};
    uint64_t sizes[2] = {};
    status_t status = process_registry(process, &tables[0], &tables[1]);
    if (status != STATUS_OK) {
        return status;
    }
    for (size_t i = 0; i < ARRAY_LENGTH(tables) && status == STATUS_OK; i++) {
        struct memory_info info = {};
        status = rt_object_info(tables[i], INFO_MEMORY, &info, sizeof info);
        sizes[i] = info.size & ~(uint64_t)(PAGE_SIZE - 1);
        status = status == STATUS_OK
                     ? rt_map(0, 0, sizes[i], tables[i], 0, PROTECT_READ, &addresses[i])
                     : status;
    }
    rt_handle_close(tables[0]);
    rt_handle_close(tables[1]);
    if (status == STATUS_OK) {
        people->count = (size_t)(sizes[0] / sizeof(struct process_table_slot));
        people->slots = rt_pointer(addresses[0]);
        people->principal_count = (size_t)(sizes[1] / sizeof(struct process_principal_entry));
        people->principals = rt_pointer(addresses[1]);
    }
    return status;
}

/* A whole copy of an entry that is in use. */
static bool read_slot(const struct people *_Nonnull people, size_t slot,
                      struct process_table_entry *_Nonnull out) {
    const struct process_table_slot *shared = &people->slots[slot];
    for (unsigned i = 0; i < TRIES; i++) {
        uint32_t index = __atomic_load_n(&shared->index, __ATOMIC_ACQUIRE);
        *out = (index & 1) == 0 ? shared->copy0 : shared->copy1;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (__atomic_load_n(&shared->index, __ATOMIC_RELAXED) == index) {
            return out->serial != 0;
        }
    }
    return false;
}

bool people_find(struct people *_Nonnull people, uint64_t serial,
                 struct process_table_entry *_Nonnull out) {
    uint16_t *hint = &people->hints[serial % PEOPLE_HINTS];
    if (*hint < people->count && read_slot(people, *hint, out) && out->serial == serial) {
        return out->state != STATE_ZOMBIE;
    }
    for (size_t i = 0; i < people->count; i++) {
        if (read_slot(people, i, out) && out->serial == serial) {
            *hint = (uint16_t)i;
            return out->state != STATE_ZOMBIE;
        }
    }
    return false;
}

uint32_t people_session_of(const struct people *_Nonnull people, uint32_t group) {
    struct process_table_entry entry = {};
    for (size_t i = 0; i < people->count; i++) {
        if (read_slot(people, i, &entry) && entry.group == group) {
            return entry.session;
        }
    }
    return 0;
}

/* Is there a process of this pid in the session, but in another group? */
static bool parent_outside(const struct people *_Nonnull people, uint32_t pid, uint32_t group,
                           uint32_t session) {
    struct process_table_entry entry = {};
    for (size_t i = 0; i < people->count; i++) {
        if (read_slot(people, i, &entry) && entry.pid == pid) {
            return entry.session == session && entry.group != group;
        }
    }
    return false;
}

bool people_orphaned(const struct people *_Nonnull people, uint32_t group, uint32_t session) {
    struct process_table_entry entry = {};
    for (size_t i = 0; i < people->count; i++) {
        if (read_slot(people, i, &entry) && entry.group == group && entry.state != STATE_ZOMBIE &&
            parent_outside(people, entry.parent, group, session)) {
            return false;
        }
    }
    return true;
}

static const struct process_principal_entry *_Nullable principal_find(
    const struct people *_Nonnull people, uint32_t principal) {
    for (size_t i = 0; i < people->principal_count; i++) {
        size_t at = (principal + i) % people->principal_count;
        const struct process_principal_entry *entry = &people->principals[at];
        if (entry->principal == principal) {
            return entry;
        }
        if (entry->principal == 0) {
            break;
        }
    }
    return nullptr;
}

bool people_may(const struct people *_Nonnull people, uint32_t principal, uint64_t capabilities) {
    const struct process_principal_entry *entry = principal_find(people, principal);
    return principal == 0 ||
           (entry != nullptr && (entry->capabilities & capabilities) == capabilities);
}

uint32_t people_user(const struct people *_Nonnull people, uint32_t principal) {
    const struct process_principal_entry *entry = principal_find(people, principal);
    return principal == 0 ? 0 : entry == nullptr ? NOBODY : entry->file_uid;
}
