#pragma once
/* Who the callers are and whom they belong to, by the tables of `process` (lib/access). What those
 * say is of a moment ago, which is all that any answer about another process can be. */
#include "lib/access/access.h"

enum { PEOPLE_HINTS = 256 };
struct people {
    struct access_processes processes;
    struct access_table principals;
    uint16_t hints[PEOPLE_HINTS]; /* slots by serial, to look there first */
};

/* Maps the tables of the process server behind this session. Without it nobody is known. */
status_t people_begin(struct people *_Nonnull people, handle_t process);
/* The process with this serial, if it has not ended. */
bool people_find(struct people *_Nonnull people, uint64_t serial,
                 struct process_table_entry *_Nonnull out);
/* The session of a group; 0: there is no such group. */
uint32_t people_session_of(const struct people *_Nonnull people, uint32_t group);
/* Nobody outside of the group, but in its session, is a parent of a member. */
bool people_orphaned(const struct people *_Nonnull people, uint32_t group, uint32_t session);
