#pragma once
/* File systems whose content is made up as it is asked for: /dev, /proc.
 *
 * A server describes its tree by a few functions (struct view_operations) over *nodes*, numbers of
 * its own choosing below 2^VIEW_NODE_BITS; node VIEW_ROOT is the root directory. All of a session
 * is in its cookie, which the kernel keeps:
 *
 *   bit 62: 1   61: writes   60: reads   59…58: kind   57…48: context   47…0: node
 *
 * A *context* says how the tree was entered: the mount, its flags, the node that is its root, and
 * (in the keep) where `..` leads from there. Contexts are the only lasting state.
 *
 * Invariants: (W1) a context is in the vault as long as a session is in it; (W2) within one
 * instance `context_sessions` is never less than the number of its sessions; after a restart it is
 * counted from the kernel's list, and a context is freed only when that list has no session of it;
 * (W3) nothing that a client sends widens what its session reaches. */
#include "idl/filesystem.h"
#include "idl/stream.h"
#include "lib/access/access.h"
#include "lib/rt/server.h"

enum {
    VIEW_NODE_BITS = 48,
    VIEW_CONTEXTS = 512,
    VIEW_KEEP_UP = 1,                               /* + context: where `..` of its root leads */
    VIEW_KEEP_SLOTS = VIEW_KEEP_UP + VIEW_CONTEXTS, /* a server's own slots begin here */
    VIEW_ROOT = 1,
    VIEW_PATH = 4096,
    VIEW_OUTPUT = 65536,
    VIEW_NAME = 255
};

/* Types and permissions, as st_mode. */
enum : uint32_t {
    VIEW_KIND = 0170000,
    VIEW_DIRECTORY = 0040000,
    VIEW_CHARACTER = 0020000,
    VIEW_FILE = 0100000,
    VIEW_LINK = 0120000
};

struct view_context {
    uint64_t checksum;
    uint64_t mount; /* 0: free */
    uint64_t root;  /* node */
    uint32_t how;   /* mount flags */
    uint32_t floor; /* `..` stops at the root (chroot, sandbox) */
};
/* At the start of the server's vault. */
struct view_vault {
    struct view_context contexts[VIEW_CONTEXTS];
};

enum view_kind : uint32_t { VIEW_SESSION_FILE = 1, VIEW_SESSION_PATH = 2, VIEW_SESSION_GATE = 3 };
struct view_session {
    enum view_kind kind;
    uint64_t node;
    uint32_t context; /* 0: the control session's */
    bool reads, writes;
};

struct view_entry {
    uint64_t node;
    uint32_t mode; /* its type is told */
    uint32_t name_size;
    uint8_t name[VIEW_NAME + 1];
};

struct view;
/* A server's tree. Where a node is gone meanwhile, NOT_FOUND is the answer. */
struct view_operations {
    /* The node of a name in a directory. Errors: NOT_FOUND. */
    status_t (*_Nonnull find)(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                              uint64_t directory, struct rt_bytes name, uint64_t *_Nonnull out);
    /* What stat tells, but for mount, device and block size. */
    status_t (*_Nonnull about)(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                               uint64_t node, struct stream_stat *_Nonnull out);
    /* The directory that a node is in, and its name there; of VIEW_ROOT never asked. */
    status_t (*_Nonnull parent)(struct view *_Nonnull view, uint64_t node,
                                struct view_entry *_Nonnull out);
    /* The entry behind *cookie (0: the first), and its own cookie, which is larger. OUT_OF_RANGE:
     * the end. */
    status_t (*_Nonnull next)(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                              uint64_t directory, uint64_t *_Nonnull cookie,
                              struct view_entry *_Nonnull out);
    /* A link's target into view->target; returns its length in *size. */
    status_t (*_Nonnull target)(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                                uint64_t link, size_t *_Nonnull size);
    /* Whether following this link leads to an object rather than along its target; and the object.
     * Null: no such links. */
    bool (*_Nullable leads_to_object)(struct view *_Nonnull view,
                                      struct rt_request *_Nonnull request, uint64_t link);
    status_t (*_Nullable object)(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                                 uint64_t link, handle_t *_Nonnull out);
    /* Opens a node that another server stands for: *out is its session. HANDLE_NONE: it is this
     * server's own. Null: all are. */
    status_t (*_Nullable open)(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                               uint64_t node, uint32_t how, handle_t *_Nonnull out);
    /* A Memory to be mapped in place of an opened node. Null: none has one. */
    status_t (*_Nullable memory)(struct view *_Nonnull view, struct rt_request *_Nonnull request,
                                 uint64_t node, handle_t *_Nonnull out);
    /* What making a name answers: the tree is what it is. */
    status_t refuses_names;
    uint64_t device;     /* st_dev */
    uint64_t space_type; /* f_type of statfs(2) */
};

/* The server's state begins with this. */
struct view {
    struct rt_server *_Nonnull server;
    const struct view_vault *_Nonnull vault;
    const struct view_operations *_Nonnull operations;
    struct access_table principals;
    bool counted_again; /* this instance counted sessions from the kernel's list */
    uint32_t context_sessions[VIEW_CONTEXTS];
    uint8_t path[2 * VIEW_PATH], spare[VIEW_PATH], target[VIEW_PATH];
    uint8_t output[VIEW_OUTPUT];
};

/* Fills `view` (zeroed, in memory of the server's own) and counts sessions. Ends the process where
 * a record is damaged. */
void view_begin(struct view *_Nonnull view, struct rt_server *_Nonnull server,
                const struct view_operations *_Nonnull operations);
/* Answers a call of protocol filesystem; stream's stat and facts are view_stat and view_facts. */
void view_call(struct view *_Nonnull view, struct rt_request *_Nonnull request);
/* A session was closed: stages what ends with it. */
void view_close(struct view *_Nonnull view, uint64_t cookie);

/* The session of a cookie: services' are at the root. Errors: BAD_ARGUMENT. */
status_t view_session_of(uint64_t cookie, struct view_session *_Nonnull out);
/* The session of the call, open for reading or writing, as MAY_READ and MAY_WRITE say.
 * Errors: BAD_ARGUMENT: it is not. */
status_t view_opened(const struct rt_request *_Nonnull request, uint32_t wanted,
                     struct view_session *_Nonnull out);
/* What stat tells of a node seen in a context. */
status_t view_about(struct view *_Nonnull view, struct rt_request *_Nonnull request, uint64_t node,
                    uint32_t context, struct stream_stat *_Nonnull out);
status_t view_stat(void *_Nonnull view, struct rt_request *_Nonnull request,
                   struct stream_stat_out *_Nonnull out);
status_t view_facts(void *_Nonnull view, struct rt_request *_Nonnull request,
                    struct stream_facts_out *_Nonnull out);
static inline bool view_is_control(uint64_t cookie) {
    return cookie == 0 || (cookie & RT_COOKIE_SERVICE) != 0;
}
