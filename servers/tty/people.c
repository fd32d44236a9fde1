/* See people.h. */
#include "servers/tty/people.h"

enum { STATE_ZOMBIE = 3 };

status_t people_begin(struct people *_Nonnull people, handle_t process) {
    status_t status = access_processes_attach(process, &people->processes);
    return status == STATUS_OK ? access_attach(process, &people->principals) : status;
}

bool people_find(struct people *_Nonnull people, uint64_t serial,
                 struct process_table_entry *_Nonnull out) {
    uint16_t *hint = &people->hints[serial % PEOPLE_HINTS];
    if (serial != 0 && *hint < people->processes.count) {
        *out = access_process_at(&people->processes, *hint);
        if (out->serial == serial) {
            return out->state != STATE_ZOMBIE;
        }
    }
    for (size_t i = 0; serial != 0 && i < people->processes.count; i++) {
        *out = access_process_at(&people->processes, i);
        if (out->serial == serial) {
            *hint = (uint16_t)i;
            return out->state != STATE_ZOMBIE;
        }
    }
    return false;
}

uint32_t people_session_of(const struct people *_Nonnull people, uint32_t group) {
    for (size_t i = 0; i < people->processes.count; i++) {
        struct process_table_entry entry = access_process_at(&people->processes, i);
        if (entry.serial != 0 && entry.group == group) {
            return entry.session;
        }
    }
    return 0;
}

bool people_orphaned(const struct people *_Nonnull people, uint32_t group, uint32_t session) {
    for (size_t i = 0; i < people->processes.count; i++) {
        struct process_table_entry entry = access_process_at(&people->processes, i);
        struct process_table_entry above = {};
        if (entry.serial != 0 && entry.group == group && entry.state != STATE_ZOMBIE &&
            access_process_by_pid(&people->processes, entry.parent, &above) &&
            above.session == session && above.group != group) {
            return false;
        }
    }
    return true;
}
