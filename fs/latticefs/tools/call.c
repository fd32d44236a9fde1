/* What the commands share: reports, keys, progress, JSON, names of values. */
#include "command.h"
#include "fs/latticefs/core/keys.h"
#include "fs/latticefs/core/properties.h"
#include "fs/latticefs/core/snapshot.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#pragma clang assume_nonnull begin

/* What to do next about a failure, where there is something. */
static const char *_Nullable advice_of(lattice_status_t status) {
    if (status == LATTICE_NOT_FOUND) {
        return "latticefs list POOL shows what there is.";
    }
    if (status == LATTICE_NO_SPACE || status == LATTICE_QUOTA) {
        return "Destroy snapshots or delete files, raise the quota, or add a disk "
               "(latticefs pool POOL add DISK).";
    }
    if (status == LATTICE_CORRUPT || status == LATTICE_IO) {
        return "latticefs check POOL names the damage; latticefs scrub POOL heals what has a good "
               "copy; latticefs restore POOL copies out what is readable.";
    }
    if (status == LATTICE_KEY_NEEDED) {
        return "Give --key FILE or --passphrase FILE.";
    }
    if (status == LATTICE_BUSY) {
        return "Destroy its clones first, or resilver first: a disk may hold the only copy.";
    }
    if (status == LATTICE_NOT_EMPTY) {
        return "Destroy its snapshots first.";
    }
    if (status == LATTICE_ABORTED) {
        return "Nothing of the failed change is on disk; try again.";
    }
    return nullptr;
}

int call_report(const char *what, lattice_status_t status) {
    if (status == LATTICE_OK) {
        return DONE;
    }
    fprintf(stderr, "latticefs: %s: %s\n", what, host_status_text(status));
    if (advice_of(status) != nullptr) {
        fprintf(stderr, "    %s\n", advice_of(status));
    }
    return FAILED;
}

int call_misuse(const char *what, const char *why) {
    fprintf(stderr, "latticefs: %s: %s\n", what, why);
    return WRONG_USE;
}

lattice_status_t call_unlock(struct call *call, uint64_t id) {
    struct lattice *fs = call_fs(call);
    static struct dataset_record record;
    static struct secret secret;
    TRY(dataset_get(fs, id, &record));
    if (dataset_unlocked(fs, &record)) {
        return LATTICE_OK;
    }
    if (!secret_read(call->values[OPTION_KEY], call->values[OPTION_PASSPHRASE],
                     "Passphrase: ", &secret)) {
        return LATTICE_KEY_NEEDED;
    }
    return dataset_key_load(fs, id, view_of(secret.data, secret.size));
}

lattice_status_t call_open(struct call *call, const char *name,
                           struct dataset *_Nullable *_Nonnull out) {
    uint64_t id = 0;
    TRY(dataset_find(call_fs(call), view_text(name), &id));
    TRY(call_unlock(call, id));
    return dataset_open(call_fs(call), id, out);
}

lattice_status_t call_reclaim(struct call *call) {
    bool more = true;
    while (more) {
        TRY(reclaim_step(call_fs(call), &more));
    }
    return LATTICE_OK;
}

/* ---- progress ---- */

void progress_show(const struct call *call, const char *what, uint64_t done, uint64_t all) {
    if (call->given[OPTION_QUIET] || isatty(STDERR_FILENO) == 0) {
        return;
    }
    if (all != 0) {
        fprintf(stderr, "\r%s: %llu %% ", what, (unsigned long long)(MIN(done, all) * 100 / all));
    } else {
        fprintf(stderr, "\r%s: %llu ", what, (unsigned long long)done);
    }
}

void progress_end(const struct call *call) {
    if (!call->given[OPTION_QUIET] && isatty(STDERR_FILENO) != 0) {
        fprintf(stderr, "\r\033[K");
    }
}

/* ---- JSON ---- */

static bool *json_first(void) {
    static bool first = true; /* in the innermost bracket */
    return &first;
}

static void json_string(struct view text) {
    putchar('"');
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte == '"' || byte == '\\') {
            printf("\\%c", byte);
        } else if (byte < 32) {
            printf("\\u%04x", byte);
        } else {
            putchar(byte);
        }
    }
    putchar('"');
}

static void json_key(const char *_Nullable key) {
    if (!*json_first()) {
        putchar(',');
    }
    *json_first() = false;
    if (key != nullptr) {
        json_string(view_text(SOME(key)));
        putchar(':');
    }
}

void json_open(const char *_Nullable key, char bracket) {
    json_key(key);
    putchar(bracket);
    *json_first() = true;
}

void json_close(char bracket) {
    putchar(bracket);
    *json_first() = false;
}

void json_number(const char *_Nullable key, uint64_t value) {
    json_key(key);
    printf("%llu", (unsigned long long)value);
}

void json_text(const char *_Nullable key, struct view value) {
    json_key(key);
    json_string(value);
}

void json_flag(const char *_Nullable key, bool value) {
    json_key(key);
    fputs(value ? "true" : "false", stdout);
}

void json_end(void) {
    putchar('\n');
}

#pragma clang assume_nonnull end
