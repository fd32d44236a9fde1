#pragma once
/* The state of a mount, and what all its parts share.
 *
 * A node number of FUSE is `view << 48 | object`. View 0 is the mounted dataset; views 1 … are
 * snapshots that somebody has looked up under `.snapshots/`; VIEW_LIST is that folder itself.
 *
 * Invariants:
 * 1. Every call of the core, and every look at the fields below `lock`, is made with it held: the
 * core is for one thread. Requests are read, and answered, without it.
 * 2. An object without names is deleted when the kernel's last lookup of it is forgotten.
 * 3. A file's granules are pushed before its attributes are set and before a rename or link of it.
 * 4. A thread that serves requests never waits for the kernel to write pages back: the kernel would
 * wait for it. What needs that goes to the deferring thread (deferred.c), which has a child process
 * wait (pages.c).
 * 5. Nobody holds `lock` while the disks flush, or while a record is read, packed or unpacked,
 * where that can be helped: one thread flushes for all that wait (commit.c), and operations go on.
 */
#define FUSE_USE_VERSION 314
#include "fs/latticefs/core/granule.h"
#include <fuse_lowlevel.h>
#include <pthread.h>

#pragma clang assume_nonnull begin

enum { LOOKUP_BUCKETS = 4096, VIEWS_MAX = 1024, VIEW_SHIFT = 48, COMMIT_SECONDS = 5 };
enum { VIEW_HEAD = 0, VIEW_LIST = 0xffff };
static const double CACHE_SECONDS = 3600; /* all changes go through this mount */
#define SNAPSHOT_FOLDER ".snapshots"

/* What the kernel knows: it may name this node until it forgets it. */
struct lookup {
    struct lookup *_Nullable next;
    uint64_t node;
    uint64_t count;
    uint32_t writers; /* open for writing: the kernel may hold pages that were not sent yet */
};

struct view_slot {
    struct dataset *_Nullable dataset; /* null: free, or destroyed while the kernel knew it */
    uint64_t id;
    uint64_t nodes; /* lookups of this view */
};

struct deferred;
struct host_devices;

struct mount {
    pthread_mutex_t lock;
    pthread_cond_t wake;          /* the committer */
    pthread_cond_t deferred_wake; /* the deferring thread */
    pthread_cond_t landed;        /* a step of what is in flight was made */
    bool flushing;                /* a thread makes one */
    bool ending;
    bool hide_snapshots;
    bool read_only;
    bool block_device;     /* the kernel waits for the end of a mount of one, and of no other */
    lattice_status_t last; /* of the commit at the end */
    uint32_t commit_seconds;
    int64_t snapshots_changed; /* time of `.snapshots` */
    struct lattice *fs;
    struct host_devices *devices;
    struct dataset *dataset;
    struct granule_cache *cache;
    struct fuse_session *_Nullable session;
    const char *_Nullable folder; /* where it is mounted, absolute */
    bool reads_ahead;             /* readahead_set was called */
    int helper_socket;            /* to the process of pages.c, or -1 */
    struct deferred *_Nullable deferred_first;
    struct deferred *_Nullable deferred_last;
    struct lookup *_Nullable lookups[LOOKUP_BUCKETS];
    struct view_slot views[VIEWS_MAX];
};

/* What a node number stands for. */
struct target {
    struct dataset *dataset;
    uint64_t object;
    uint32_t view;
};

static inline uint64_t node_of(uint32_t view, uint64_t object) {
    return (uint64_t)view << VIEW_SHIFT | object;
}

static inline bool node_is_list(uint64_t node) {
    return node >> VIEW_SHIFT == VIEW_LIST;
}

static inline uint64_t list_node(void) {
    return node_of(VIEW_LIST, 1);
}

int status_errno(lattice_status_t status);
/* Locks the mount of a request. */
struct mount *enter(fuse_req_t request);
void leave(struct mount *mount);
/* Unlocks and answers with a status. */
void leave_with(struct mount *mount, fuse_req_t request, lattice_status_t status);

/* ---- nodes.c: what the kernel knows ---- */

/* Errors: LATTICE_NOT_FOUND (a snapshot that was destroyed), LATTICE_INVALID (the folder of
 * snapshots). */
lattice_status_t target_of(struct mount *mount, uint64_t node, struct target *out);
/* As target_of, for a change. Errors: LATTICE_READ_ONLY. */
lattice_status_t target_for_change(struct mount *mount, uint64_t node, struct target *out);
struct lookup *_Nullable lookup_find(struct mount *mount, uint64_t node);
void lookup_add(struct mount *mount, uint64_t node);
bool has_writers(struct mount *mount, uint64_t node);
void lookup_drop(struct mount *mount, uint64_t node, uint64_t count);
/* A name of this object of the head went; if it was the last and nobody knows it, it is deleted. */
void object_orphaned(struct mount *mount, uint64_t object);
/* The view of a snapshot, opened where it is not. Errors: LATTICE_TOO_MANY. */
lattice_status_t view_open(struct mount *mount, uint64_t id, uint32_t *out_view);
/* A snapshot is about to be destroyed: its nodes are stale from now on. */
void view_close(struct mount *mount, uint64_t id);
/* It was not destroyed after all. */
void view_reopen(struct mount *mount, uint64_t id);

/* ---- attributes.c ---- */

lattice_status_t attributes_of(struct mount *mount, uint64_t node, struct stat *out);
/* Fills in an entry and counts the lookup. */
lattice_status_t entry_of(struct mount *mount, uint64_t node, struct fuse_entry_param *out);
/* Unlocks and answers with an entry. */
void leave_with_entry(struct mount *mount, fuse_req_t request, lattice_status_t status,
                      uint64_t node);

/* ---- deferred.c: what waits for the kernel's pages ---- */

enum deferred_kind { DEFERRED_RENAME, DEFERRED_LINK, DEFERRED_SNAPSHOT, DEFERRED_SEEK };

/* Hands a request to the deferring thread, which has the kernel write back the pages of the node
 * (or, 0, of all open files) and then finishes it. `lock` is held. False: no memory. */
bool defer(struct mount *mount, fuse_req_t request, enum deferred_kind kind, uint64_t node,
           uint64_t from_parent, const char *from, uint64_t to_parent, const char *to,
           unsigned flags);
void *_Nullable deferred_loop(void *_Nullable argument);

/* ---- pages.c: the process that has the kernel send what it holds ---- */

/* Starts it, before any thread; `folder` is where the mount is. False if it cannot. */
bool pages_start(struct mount *mount, const char *folder);
void pages_end(struct mount *mount);
/* Has the kernel send the dirty pages of a file. Without root's rights it does nothing. Blocks: on
 * write requests, so `lock` is not held, and it is only called by the deferring thread. */
void pages_back(struct mount *mount, uint64_t node);

/* ---- names.c: finish what was deferred; `lock` is held, and released ---- */

void rename_finish(struct mount *mount, fuse_req_t request, uint64_t from_parent, const char *from,
                   uint64_t to_parent, const char *to, unsigned flags);
void link_finish(struct mount *mount, fuse_req_t request, uint64_t node, uint64_t to_parent,
                 const char *to);

/* ---- files.c: the same ---- */

void seek_finish(struct mount *mount, fuse_req_t request, uint64_t node, uint64_t offset,
                 unsigned whence);

/* ---- snapshots.c: the folder `.snapshots` ---- */

bool is_snapshot_folder(const struct mount *mount, uint64_t parent, const char *name);
void snapshot_folder_attributes(struct mount *mount, struct stat *out);
lattice_status_t snapshot_lookup(struct mount *mount, const char *name, uint64_t *out_node);
void snapshot_make(struct mount *mount, fuse_req_t request, const char *name);
lattice_status_t snapshot_remove(struct mount *mount, const char *name);
void snapshot_make_finish(struct mount *mount, fuse_req_t request, const char *name);

/* ---- commit.c ---- */

void *_Nullable commit_loop(void *_Nullable argument);
/* Makes all that was changed until now durable; `lock` is held, and released meanwhile. */
lattice_status_t make_durable(struct mount *mount);
/* After a change: has the committer come early if much is waiting. */
void commit_if_due(struct mount *mount);

/* ---- readahead.c ---- */

/* Has the kernel read further ahead in files of the mount at a folder; when the kernel has had the
 * answer to its first request, which sets this anew. */
void readahead_set(const char *folder);

/* ---- operations, by file ---- */

void do_lookup(fuse_req_t request, fuse_ino_t parent, const char *name);
void do_forget(fuse_req_t request, fuse_ino_t node, uint64_t count);
void do_forget_multi(fuse_req_t request, size_t count, struct fuse_forget_data *forgets);
void do_getattr(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *_Nullable file);
void do_setattr(fuse_req_t request, fuse_ino_t node, struct stat *wanted, int what,
                struct fuse_file_info *_Nullable file);
void do_statfs(fuse_req_t request, fuse_ino_t node);
void do_mknod(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode, dev_t device);
void do_mkdir(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode);
void do_symlink(fuse_req_t request, const char *target, fuse_ino_t parent, const char *name);
void do_readlink(fuse_req_t request, fuse_ino_t node);
void do_link(fuse_req_t request, fuse_ino_t node, fuse_ino_t parent, const char *name);
void do_unlink(fuse_req_t request, fuse_ino_t parent, const char *name);
void do_rmdir(fuse_req_t request, fuse_ino_t parent, const char *name);
void do_rename(fuse_req_t request, fuse_ino_t from_parent, const char *from, fuse_ino_t to_parent,
               const char *to, unsigned flags);
void do_create(fuse_req_t request, fuse_ino_t parent, const char *name, mode_t mode,
               struct fuse_file_info *file);
void do_open(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file);
void do_release(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file);
void do_read(fuse_req_t request, fuse_ino_t node, size_t size, off_t offset,
             struct fuse_file_info *file);
void do_write(fuse_req_t request, fuse_ino_t node, const char *buffer, size_t size, off_t offset,
              struct fuse_file_info *file);
void do_fsync(fuse_req_t request, fuse_ino_t node, int data_only,
              struct fuse_file_info *_Nullable file);
void do_fallocate(fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t length,
                  struct fuse_file_info *file);
void do_lseek(fuse_req_t request, fuse_ino_t node, off_t offset, int whence,
              struct fuse_file_info *file);
void do_opendir(fuse_req_t request, fuse_ino_t node, struct fuse_file_info *file);
void do_readdir(fuse_req_t request, fuse_ino_t node, size_t size, off_t cookie,
                struct fuse_file_info *file);
void do_readdirplus(fuse_req_t request, fuse_ino_t node, size_t size, off_t cookie,
                    struct fuse_file_info *file);
void do_setxattr(fuse_req_t request, fuse_ino_t node, const char *name, const char *value,
                 size_t size, int flags);
void do_getxattr(fuse_req_t request, fuse_ino_t node, const char *name, size_t size);
void do_listxattr(fuse_req_t request, fuse_ino_t node, size_t size);
void do_removexattr(fuse_req_t request, fuse_ino_t node, const char *name);

#pragma clang assume_nonnull end
