#pragma once
/* Pipes, Unix-domain sockets, event counters: all of `local`. */
#include "idl/local.h"
#include "posix/state.h"

/* A descriptor for a new session of `local`; `flags`: O_NONBLOCK, O_CLOEXEC. */
int64_t session_give(struct posix_thread *_Nonnull self, handle_t session, uint8_t kind,
                     uint32_t access, uint64_t flags);
/* F_GETPIPE_SZ, F_SETPIPE_SZ. */
int64_t fcntl_pipe_size(const struct fd_entry *_Nonnull entry, bool change, uint64_t size);

enum {
    MSG_OOB = 1,
    MSG_PEEK = 2,
    MSG_CTRUNC = 8,
    MSG_TRUNC = 0x20,
    MSG_DONTWAIT = 0x40,
    MSG_WAITALL = 0x100,
    MSG_NOSIGNAL = 0x4000,
    MSG_WAITFORONE = 0x10000,
    MSG_CMSG_CLOEXEC = 0x40000000,
    SOL_SOCKET = 1,
    SCM_RIGHTS = 1,
    SCM_CREDENTIALS = 2,
    RIGHTS_LIMIT = 253,
    MESSAGE_MAX = 65536, /* bytes that one call to `local` carries */
};
struct control_header {
    uint64_t length;
    int32_t level, type;
};
struct linux_many_message {
    struct linux_message message;
    uint32_t length, reserved;
};
static_assert(sizeof(struct linux_many_message) == 64);

/* An address of the program: abstract or empty names as they are, paths with their NUL cut off. */
struct address {
    uint8_t name[LOCAL_NAME_MAX];
    size_t size;
    bool path;
};

/* The entry of a socket; -EBADF, -ENOTSOCK. */
int64_t socket_get(struct posix_thread *_Nonnull self, uint64_t fd, struct fd_entry *_Nonnull out);
/* writev(2) on a socket: all of it as one message, where it keeps messages apart. */
int64_t socket_send_vectors(struct posix_thread *_Nonnull self,
                            const struct fd_entry *_Nonnull entry, uint64_t vectors,
                            uint64_t count);
/* Whether bytes may go in several calls. */
bool socket_is_stream(const struct fd_entry *_Nonnull entry);
bool socket_nonblocking(const struct fd_entry *_Nonnull entry);
int64_t address_read(uint64_t address, uint64_t length, struct address *_Nonnull out);
int64_t address_write(uint64_t to, uint64_t length_at, const uint8_t *_Nonnull name, uint64_t size);
/* A bound path's address: what stands behind the socket's inode. */
int64_t address_find(struct posix_thread *_Nonnull self, const struct address *_Nonnull address,
                     handle_t *_Nonnull out);
