#pragma once
/* The methods of protocol filesystem and stream, one function each, and what they share. Every
 * handler stages its edits itself (store_finish), before it makes what cannot be undone. */
#include "fs/ramfs/server/walk.h"

#define HANDLER(name)                                                                              \
    status_t ramfs_##name(void *_Nonnull server, struct rt_request *_Nonnull request,              \
                          const struct filesystem_##name##_in *_Nonnull in,                        \
                          struct filesystem_##name##_out *_Nonnull out)
#define HANDLER_IN(name)                                                                           \
    status_t ramfs_##name(void *_Nonnull server, struct rt_request *_Nonnull request,              \
                          const struct filesystem_##name##_in *_Nonnull in)

HANDLER(open);
HANDLER(stat);
HANDLER(access);
HANDLER(read_link);
HANDLER(make_directory);
HANDLER(make_node);
HANDLER(make_link);
HANDLER(remove);
HANDLER(rename);
HANDLER(link);
HANDLER(set_attributes);
HANDLER(space);
HANDLER(read_directory);
HANDLER(memory);
HANDLER_IN(sync);
HANDLER_IN(allocate);
HANDLER(path_of);
HANDLER(name_memory);
HANDLER_IN(lock);
status_t ramfs_lock_owner(void *_Nonnull server, struct rt_request *_Nonnull request,
                          struct filesystem_lock_owner_out *_Nonnull out);
HANDLER_IN(lock_record);
HANDLER(test_record);
HANDLER_IN(drop_records);
HANDLER(node);
HANDLER(cross);
HANDLER(enter);
HANDLER(lessen);
HANDLER(gate);
HANDLER_IN(mark);
HANDLER_IN(unmark);
status_t ramfs_exec_ticket(void *_Nonnull server, struct rt_request *_Nonnull request,
                           struct filesystem_exec_ticket_out *_Nonnull out);
status_t ramfs_stream_stat(void *_Nonnull server, struct rt_request *_Nonnull request,
                           struct stream_stat_out *_Nonnull out);
status_t ramfs_stream_facts(void *_Nonnull server, struct rt_request *_Nonnull request,
                            struct stream_facts_out *_Nonnull out);

/* What stat tells of an inode, as far as its record says it: of a regular file no size and blocks,
 * and no times but explicit ones. */
void inode_stat_record(const struct ramfs *_Nonnull fs, uint32_t number, uint32_t context,
                       struct stream_stat *_Nonnull out);
/* All of it. */
status_t inode_stat(struct ramfs *_Nonnull fs, uint32_t number, uint32_t context,
                    struct stream_stat *_Nonnull out);
/* Takes away the set-id bits of a file that somebody without the right to keep them has written to.
 * The kernel writes, without a word to us: so this is asked before the bits count, and at a close.
 */
status_t inode_settle(struct ramfs *_Nonnull fs, uint32_t number);
/* Makes the session object of the edited session `slot`, with a Memory or HANDLE_NONE, and `rights`
 * beside those that every session has. Owns: *out is the caller's. */
status_t session_mint(struct ramfs *_Nonnull fs, uint32_t slot, uint32_t flags, handle_t memory,
                      uint32_t rights, handle_t *_Nonnull out);
/* A session of `kind` at an inode, with the walk's context, floor and mount flags. Errors: quota.
 */
status_t session_like(struct ramfs *_Nonnull fs, const struct walk *_Nonnull walk,
                      enum session_kind kind, uint32_t inode, uint32_t *_Nonnull out);
/* May names be made in `directory`? Errors: NOT_FOUND: it was removed; read_only; no_access. */
status_t names_allowed(const struct ramfs *_Nonnull fs, const struct walk *_Nonnull walk,
                       uint32_t directory);
/* A new inode with a name where the walk ended, owned by the caller. */
status_t inode_create(struct ramfs *_Nonnull fs, const struct walk *_Nonnull walk, uint32_t mode,
                      uint32_t *_Nonnull out);
/* A Memory for an inode, staged to go into its keep slot. Owns: *out stays this process's until the
 * commit moves it. */
status_t inode_memory_make(struct ramfs *_Nonnull fs, uint32_t number, handle_t *_Nonnull out);
/* Ends a session: its edit, its inode where it was the last. Stages; the caller commits. */
status_t session_end(struct ramfs *_Nonnull fs, uint32_t slot);

/* locks.c */
void locks_session_closed(struct ramfs *_Nonnull fs, uint32_t slot, uint32_t inode);
void locks_cancel(struct ramfs *_Nonnull fs, uint64_t token);

/* archive.c: fills the empty file system from the boot archive; goes on where a killed instance
 * stopped. Ends the process where the archive is no archive. */
void archive_unpack(struct ramfs *_Nonnull fs);
/* main.c's, for tests: handles one call, one packet. */
void ramfs_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request);
void ramfs_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet);
/* Maps the state and rebuilds it from the vault. */
struct ramfs *_Nonnull ramfs_start(struct rt_server *_Nonnull server);
/* Frees sessions of the vault that no object stands for (a client that died while its open was
 * answered). */
void sessions_reconcile(struct ramfs *_Nonnull fs);
/* What `facts` says of a file of this kind that was opened so (stream.facts_flags). */
uint32_t facts_of(uint32_t kind, uint32_t how);
