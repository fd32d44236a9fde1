#pragma once
/* service: the columns of /proc/isotope/services, and the parts of the tool. */
#include "lib/base/safe.h"

enum exit_status {
    EXIT_GOOD = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_RUNNING = 3,
    EXIT_UNKNOWN = 4,
    EXIT_NOT_ALLOWED = 5,
    EXIT_ROLLED_BACK = 6
};

/* In the order in which they stand there. */
enum column {
    NAME,
    PROGRAM,
    STATE,
    CAUSE,
    RESTARTS,
    FAULTS,
    HANGS,
    POISONED,
    REDELIVERED,
    STARTED,
    ENDED,
    RUN,
    PAGES,
    QUEUED,
    IN_HAND,
    PARKED,
    SESSIONS,
    OLDEST,
    COLUMNS
};
enum { ROWS = 40, FIELD = 32, PATH = 256 };

struct row {
    char fields[COLUMNS][FIELD];
};
struct table {
    unsigned count;
    struct row rows[ROWS];
};

struct options {
    const char *_Nonnull from; /* where /proc is */
    bool json;
};

/* Reads the table, or says why not. */
bool table_read(const struct options *_Nonnull options, struct table *_Nonnull out);
const struct row *_Nullable table_find(const struct table *_Nonnull table,
                                       const char *_Nonnull name);
/* list, status */
int show_list(const struct options *_Nonnull options);
int show_status(const struct options *_Nonnull options, const char *_Nonnull name);
/* report, log: of one service or (null) of all */
int show_reports(const struct options *_Nonnull options, const char *_Nullable name);
int show_log(const struct options *_Nonnull options, const char *_Nullable name);
