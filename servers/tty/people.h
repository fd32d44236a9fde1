#pragma once
/* Who the callers are: the tables of `process`, mapped read-only. Their writer may be at work, or
 * die, at any instruction; each entry is copied and the copy believed only if it was whole. What it
 * says is of a moment ago, which is all that any answer about another process can be. */
#include "idl/process.h"

enum { PEOPLE_HINTS = 256 };
struct people {
    size_t count, principal_count;
    const struct process_table_slot *_Nullable COUNTED_BY(count) slots;
    const struct process_principal_entry *_Nullable COUNTED_BY(principal_count) principals;
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
/* Whether a principal has all of these capabilities; services (0) have every one. */
bool people_may(const struct people *_Nonnull people, uint32_t principal, uint64_t capabilities);
/* The user id that counts for files. */
uint32_t people_user(const struct people *_Nonnull people, uint32_t principal);
