#pragma once
/* log: the lines that the kernel, the services and programs said, in the vault.
 *
 * An *entry* is a line as it is shown, `<LEVEL>[SECONDS.MICROSECONDS] TEXT`, in a slot of its own;
 * longer lines take several. Entries are one stream of bytes: `position` is where an entry begins
 * in it, so that a reader's place is a number that outlives us.
 *
 *   kernel's ring ──(pull: cursor and entries, one commit)──► entries ◄──(with the reply)── writers
 *
 * Invariants: (L1) an entry and what it came from (the cursor, or the reply to its writer) change
 * in one commit, so no line is lost or doubled by a restart; (L2) an entry's time is that of its
 * coming here: a service's line was said up to PULL_NS before; (L3) entries `count - LOG_SLOTS` to
 * `count` are held, number n in slot n % LOG_SLOTS. */
#include "idl/log.h"
#include "idl/stream.h"
#include "lib/rt/server.h"

enum {
    LOG_SLOTS = 768,
    LOG_TEXT = 208,
    LOG_BATCH = 6, /* entries a commit: with the head, seven patches */
    LOG_PULL = 1024,
    LOG_WRITE_LIMIT = 1024,
    LOG_KEY_PULL = 1,
    RECORD_HEAD = 0x4c48,
    RECORD_ENTRY = 0x4c45
};
#define PULL_NS 1000000000ull

struct log_head {
    struct rt_record_header header;
    uint64_t kernel_cursor;
    uint64_t count; /* entries ever */
    uint64_t end;   /* where the next one will begin */
    uint64_t cleared;
};
struct log_entry {
    struct rt_record_header header;
    uint64_t number, position;
    uint64_t size;
    char text[LOG_TEXT];
};
static_assert(sizeof(struct log_entry) == 256);
struct log_vault {
    struct log_head head;
    uint8_t rest[256 - sizeof(struct log_head)];
    struct log_entry entries[LOG_SLOTS];
};

struct log {
    struct rt_server *_Nonnull server;
    const struct log_vault *_Nonnull vault;
    handle_t system, timer;
    struct log_head next; /* the head as it will be with what is staged */
    char chunk[LOG_PULL];
    uint8_t output[STREAM_TRANSFER_MAX];
};

/* store.c */
/* Checks what is in the vault. */
void log_begin(struct log *_Nonnull log);
/* Entries that can be staged yet with this commit. */
uint32_t log_room(const struct log *_Nonnull log);
/* Stages the entries of a text that may have several lines. Errors: OUT_OF_RANGE: no room for all;
 * those that fit are staged. */
status_t log_stage(struct log *_Nonnull log, enum log_level level, struct rt_bytes text);
/* Stages the head, which makes what was staged count. */
status_t log_stage_head(struct log *_Nonnull log);
/* Forgets what is staged. */
void log_drop(struct log *_Nonnull log);
/* The first position that is held. */
uint64_t log_first(const struct log *_Nonnull log);
/* Text from `position` on into `to`; returns its length. What is gone is skipped: *out_next is
 * where it goes on. */
size_t log_text(const struct log *_Nonnull log, uint64_t position, struct rt_buffer to,
                uint64_t *_Nonnull out_next);
/* Takes over what the kernel's ring has. */
void log_pull(struct log *_Nonnull log);
