#pragma once
/* The tables: reading them in the vault, changing them by edits, and finding things in them.
 *
 * A handler reads records where they lie, takes an *edit* of each that it changes (a private copy),
 * and at its end stages all edits, which the kernel applies with the reply. What is derived from
 * the tables (the index: hash chains, directories' order, free slots, counts of sessions) is
 * brought up to date only when the next packet comes, from what the vault then says of each slot
 * that was edited: so it is right whether or not the commit took place.
 *
 * Invariants: (S1) between two packets the index is what index_all would make of the vault; (S2) a
 * slot that a handler took from a free list is in an edit, or will be given back by the next
 * store_begin; (S3) at most STORE_EDITS edits a call. */
#include "fs/ramfs/server/format.h"
#include "idl/filesystem.h"
#include "lib/access/access.h"
#include "lib/rt/server.h"

enum store_table : uint32_t {
    TABLE_NONE = 0,
    TABLE_INODE,
    TABLE_ENTRY,
    TABLE_TEXT,
    TABLE_SESSION,
    TABLE_CONTEXT,
    TABLE_MARK,
    TABLE_LOCK
};
enum {
    STORE_EDITS = 8,
    BUCKET_COUNT = 16384,
    PATH_ROOM = 8192,
    PARKED_LIMIT = 256,
    FACTS_COUNT = 256
};

struct store_edit {
    enum store_table table;
    uint32_t slot;
    union {
        struct inode_record inode;
        struct entry_record entry;
        struct text_record text;
        struct session_record session;
        struct context_record context;
        struct mark_record mark;
        struct lock_record lock;
        uint64_t checksum;
    };
};

/* Where a slot is: in use (indexed), in a free list, or taken from it by the call in hand. */
enum slot_place : uint8_t { SLOT_TAKEN = 0, SLOT_FREE, SLOT_USED };

struct entry_index {
    uint32_t bucket_next, bucket_previous; /* slot + 1 */
    uint32_t list_next, list_previous;     /* of the directory, by cookie; slot + 1 */
    uint32_t bucket, directory;
    uint32_t free_next;
    enum slot_place place;
};
struct inode_index {
    uint32_t first, last; /* entries of a directory, slot + 1 */
    uint32_t entries;
    uint32_t sessions, writers, plain_writers, runners;
    handle_t handle; /* copy of the keep's, of this generation; HANDLE_NONE: not fetched */
    uint32_t handle_generation;
    uint32_t free_next;
    uint16_t marks; /* directories: marks on it */
    bool given;     /* somebody outside may hold its Memory itself */
    enum slot_place place;
};
/* What the kernel said of a file's Memory, while nobody but this server can change it: no session
 * has it, no mapping, nobody was given it. Whoever asks for the Memory (inode_handle) ends that. */
struct memory_facts {
    uint32_t inode, generation; /* inode 0: none */
    uint64_t size, pages, read_ns, write_ns;
};
struct session_index {
    uint32_t inode; /* counted there; 0: not counted */
    bool writes, plain, runs;
    uint16_t locks; /* record locks that it owns */
    uint32_t context;
    uint32_t free_next;
    enum slot_place place;
};
struct text_index {
    uint32_t free_next;
    enum slot_place place;
};

/* How a walk ended that met no link: the same walk ends so again until a name, an inode, a mark or
 * a context is changed. */
enum { MEMO_COUNT = 64, MEMO_PATH = 64 };
struct walk_memo {
    uint64_t changes; /* ramfs.changes then */
    uint32_t start, context, floor, how, flags, goal, principal, length;
    uint32_t inode, directory, entry, name_start, name_length;
    bool slash, dot;
    uint8_t path[MEMO_PATH];
};

/* A call that waits for a lock. */
struct parked_lock {
    uint64_t token; /* 0: none */
    uint32_t session, owner;
    uint32_t kind;
    bool record;
    uint32_t pid;
    uint64_t start, end;
};

struct ramfs_index {
    uint32_t buckets[BUCKET_COUNT]; /* slot + 1 */
    struct entry_index entries[ENTRY_COUNT];
    struct inode_index inodes[INODE_COUNT];
    struct session_index sessions[SESSION_COUNT];
    struct text_index texts[TEXT_COUNT];
    uint32_t context_sessions[CONTEXT_COUNT];
    uint32_t marks[MARK_COUNT]; /* inode that is counted there; 0: not counted */
    uint32_t locks[LOCK_COUNT]; /* session that is counted there; 0: not counted */
    uint32_t free_entries, free_inodes, free_sessions, free_texts; /* slot + 1 */
    uint32_t used_inodes;
    uint64_t next_cookie;
};

/* All of the server's state. */
struct ramfs {
    struct rt_server *_Nonnull server;
    const struct ramfs_vault *_Nonnull vault;
    struct access_table principals;
    handle_t process; /* session to `process`, or HANDLE_NONE */
    int64_t now_ns;   /* realtime of the call in hand; 0: not asked yet */
    uint32_t edit_count;
    struct store_edit edits[STORE_EDITS];
    struct parked_lock parked[PARKED_LIMIT];
    struct memory_facts facts[FACTS_COUNT];    /* by inode % FACTS_COUNT */
    uint64_t changes;                          /* of what walks depend on */
    struct walk_memo memos[MEMO_COUNT];        /* by the path's hash */
    uint8_t path[PATH_ROOM], spare[PATH_ROOM]; /* of walks */
    uint8_t output[65536];
    struct ramfs_index index;
};

/* Ends what the last packet left open, before the next one is handled. */
void store_begin(struct ramfs *_Nonnull fs);
/* Stages all edits. Errors: OUT_OF_RANGE: more than one commit carries (a defect). */
status_t store_finish(struct ramfs *_Nonnull fs);
/* Drops the edits made so far and commits nothing. */
void store_abandon(struct ramfs *_Nonnull fs);
/* Stages and applies the edits now, as a step of its own. */
status_t store_commit(struct ramfs *_Nonnull fs);

/* Builds the index from the vault after a start. Ends the process where a record is damaged. */
void store_rebuild(struct ramfs *_Nonnull fs);

/* The edit of a record; null: there is none. */
const struct store_edit *_Nullable store_edited(const struct ramfs *_Nonnull fs,
                                                enum store_table table, uint32_t slot);
/* The record as it will be: the edit where there is one, else the vault's. */
static inline const struct inode_record *_Nonnull inode_at(const struct ramfs *_Nonnull fs,
                                                           uint32_t number) {
    const struct store_edit *there =
        fs->edit_count == 0 ? nullptr : store_edited(fs, TABLE_INODE, number);
    return there != nullptr ? &there->inode : &fs->vault->inodes[number];
}
static inline const struct session_record *_Nonnull session_at(const struct ramfs *_Nonnull fs,
                                                               uint32_t slot) {
    const struct store_edit *there =
        fs->edit_count == 0 ? nullptr : store_edited(fs, TABLE_SESSION, slot);
    return there != nullptr ? &there->session : &fs->vault->sessions[slot];
}
static inline const struct entry_record *_Nonnull entry_at(const struct ramfs *_Nonnull fs,
                                                           uint32_t slot) {
    const struct store_edit *there =
        fs->edit_count == 0 ? nullptr : store_edited(fs, TABLE_ENTRY, slot);
    return there != nullptr ? &there->entry : &fs->vault->entries[slot];
}

/* Edits. Never fail but for a defect of the caller (S3). */
struct inode_record *_Nonnull inode_edit(struct ramfs *_Nonnull fs, uint32_t number);
struct entry_record *_Nonnull entry_edit(struct ramfs *_Nonnull fs, uint32_t slot);
struct text_record *_Nonnull text_edit(struct ramfs *_Nonnull fs, uint32_t slot);
struct session_record *_Nonnull session_edit(struct ramfs *_Nonnull fs, uint32_t slot);
struct context_record *_Nonnull context_edit(struct ramfs *_Nonnull fs, uint32_t slot);
struct mark_record *_Nonnull mark_edit(struct ramfs *_Nonnull fs, uint32_t slot);
struct lock_record *_Nonnull lock_edit(struct ramfs *_Nonnull fs, uint32_t slot);

/* A new inode, its record filled but for links and parent. Errors: no_space. */
status_t inode_make(struct ramfs *_Nonnull fs, uint32_t mode, uint32_t uid, uint32_t gid,
                    uint32_t *_Nonnull out);
/* Frees it when no name and no session has it. `leaving`: the sessions that this call ends. */
status_t inode_release(struct ramfs *_Nonnull fs, uint32_t number, uint32_t leaving);
/* A new name. Errors: no_space. */
status_t entry_make(struct ramfs *_Nonnull fs, uint32_t directory, struct rt_bytes name,
                    uint32_t inode);
/* Takes a name away: entry, its text, and what the inode counts. */
void entry_free(struct ramfs *_Nonnull fs, uint32_t slot);
/* The entry of a name; UINT32_MAX: none. `name`: at most NAME_LIMIT bytes. */
uint32_t entry_find(const struct ramfs *_Nonnull fs, uint32_t directory, struct rt_bytes name);
/* Copies an entry's name out; returns its length. */
size_t entry_name(const struct ramfs *_Nonnull fs, uint32_t slot,
                  uint8_t (*_Nonnull out)[NAME_LIMIT + 1]);
/* A free session slot, its edit with the next generation. Errors: OUT_OF_QUOTA. */
status_t session_make(struct ramfs *_Nonnull fs, enum session_kind kind, uint32_t inode,
                      uint32_t *_Nonnull out);
/* The slot of a cookie. Errors: NOT_FOUND: stale. */
status_t session_find(const struct ramfs *_Nonnull fs, uint64_t cookie, uint32_t *_Nonnull out);
static inline uint64_t session_cookie(const struct session_record *_Nonnull session,
                                      uint32_t slot) {
    return slot | (uint64_t)session->generation << 32;
}

/* Is it the session of another service (or of a test)? It is at the root directory, and may make
 * gates and marks. */
static inline bool cookie_is_control(uint64_t cookie) {
    return cookie == 0 || (cookie & RT_COOKIE_SERVICE) != 0;
}

/* This process's handle of what the keep has for an inode; stays owned by the cache. The facts
 * known of it are forgotten, since the caller may change it or let others change it. */
status_t inode_handle(struct ramfs *_Nonnull fs, uint32_t number, handle_t *_Nonnull out);
/* What the kernel says of a regular file's Memory. Errors: those of the kernel. */
status_t inode_facts(struct ramfs *_Nonnull fs, uint32_t number, struct memory_facts *_Nonnull out);
int64_t now_of(struct ramfs *_Nonnull fs);
static inline uint32_t kind_of(const struct inode_record *_Nonnull inode) {
    return inode->mode & MODE_KIND;
}
static inline bool is_directory(const struct inode_record *_Nonnull inode) {
    return kind_of(inode) == MODE_DIRECTORY;
}
