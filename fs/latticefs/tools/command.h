#pragma once
/* The commands of `latticefs`: one table (commands.c) gives --help, the manual page, completions
 * and the parser; each command gets a call and answers with the program's status. */
#include "host.h"
#include "values.h"

#pragma clang assume_nonnull begin

enum status_code { DONE = 0, FAILED = 1, WRONG_USE = 2, DAMAGED = 4 };

enum option_id : uint32_t {
    OPTION_JSON,
    OPTION_QUIET,
    OPTION_HELP,
    OPTION_KEY,
    OPTION_PASSPHRASE,
    OPTION_NEW_KEY,
    OPTION_NEW_PASSPHRASE,
    OPTION_REPAIR,
    OPTION_FROM,
    OPTION_TOKEN,
    OPTION_DISCARD,
    OPTION_ENCRYPT,
    OPTION_COMPRESS,
    OPTION_CHECKSUM,
    OPTION_RECORD,
    OPTION_REWIND,
    OPTION_TAR,
    OPTION_COUNT,
};

struct option_facts {
    const char *name;
    const char *_Nullable value; /* what it takes, or null */
    const char *help;
};
extern const struct option_facts option_table[OPTION_COUNT];

enum { WORDS_MAX = 8 };
struct words {
    uint32_t count;
    const char *_Nullable data[WORDS_MAX];
};

struct call {
    struct lattice *_Nullable opened;
    struct host_devices *devices;
    const char *pool;
    struct words words; /* after the pool */
    bool given[OPTION_COUNT];
    const char *_Nullable values[OPTION_COUNT];
};

enum access { ACCESS_READ, ACCESS_WRITE, ACCESS_RESCUE };

struct command {
    const char *name;
    const char *synopsis; /* after the pool */
    uint32_t least;
    uint32_t most;
    uint32_t options; /* bits of option_id */
    enum access access;
    int (*run)(struct call *call);
    const char *help;
};
struct command_list {
    uint32_t count;
    const struct command *data COUNTED_BY(count);
};
struct command_list command_list(void);

static inline struct lattice *call_fs(const struct call *call) {
    return SOME(call->opened);
}
static inline const char *call_word(const struct call *call, uint32_t index) {
    return SOME(call->words.data[index]);
}

/* A failure with what it was about and what to do next; FAILED, or DONE for LATTICE_OK. */
int call_report(const char *what, lattice_status_t status);
/* A wrong use; WRONG_USE. */
int call_misuse(const char *what, const char *why);
/* Opens "dataset" or "dataset@snapshot", loading its key where the call brings it. */
lattice_status_t call_open(struct call *call, const char *name,
                           struct dataset *_Nullable *_Nonnull out);
/* Loads the key of a dataset if it is encrypted. Errors: LATTICE_KEY_NEEDED, LATTICE_MISMATCH. */
lattice_status_t call_unlock(struct call *call, uint64_t id);
/* Finishes what a destruction left to do. */
lattice_status_t call_reclaim(struct call *call);

/* One line that is written over on a terminal; nothing elsewhere, or with --quiet. `all` 0: not
 * known. */
void progress_show(const struct call *call, const char *what, uint64_t done, uint64_t all);
void progress_end(const struct call *call);

/* JSON on standard output: an object or array is opened with its key (null in arrays). */
void json_open(const char *_Nullable key, char bracket);
void json_close(char bracket);
void json_number(const char *_Nullable key, uint64_t value);
void json_text(const char *_Nullable key, struct view value);
void json_flag(const char *_Nullable key, bool value);
void json_end(void);

/* ---- the commands, by file ---- */
int do_check(struct call *call);
int do_scrub(struct call *call);
int do_resilver(struct call *call);
int do_list(struct call *call);
int do_df(struct call *call);
int do_dump(struct call *call);
int do_pool(struct call *call);
int do_get(struct call *call);
int do_set(struct call *call);
int do_quota(struct call *call);
int do_create(struct call *call);
int do_snapshot(struct call *call);
int do_clone(struct call *call);
int do_rename(struct call *call);
int do_rollback(struct call *call);
int do_destroy(struct call *call);
int do_key(struct call *call);
int do_send(struct call *call);
int do_receive(struct call *call);
int do_token(struct call *call);
int do_abandon(struct call *call);
int do_import(struct call *call);
int do_export(struct call *call);
int do_restore(struct call *call);

#pragma clang assume_nonnull end
