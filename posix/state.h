#pragma once
/* What one POSIX process keeps in its own memory, and one thread. There are no globals: a thread
 * finds its state from its stack pointer, and the process's from there. /proc reads it from
 * outside, as hostile bytes (servers/procfs/program.c).
 *
 * Invariants:
 *  1. Nothing here is believed by a server: a program can overwrite all of it, and then harms
 * itself.
 *  2. No lock is held across a blocking call. A fork copies memory while other threads run: in the
 *     child every lock is opened, and tables are changed so that each moment is a good one (an
 * entry's handle last).
 *  3. `threads[0]` is never moved while its thread lives; free places have tid 0. */
#include "abi/call.h"
#include "idl/process.h"
#include "posix/layout.h"
#include "posix/linux.h"

enum {
    FD_LIMIT = 4096,   /* the hard limit of RLIMIT_NOFILE */
    FD_DEFAULT = 1024, /* the soft one at first */
    THREAD_LIMIT = 112,
    SYSCALL_LIMIT = 512,
    PATH_MAX = 4096,
    LIMIT_COUNT = 16,
    LOCK_OWNERS = 4,
};

/* A descriptor. `handle` 0: free. */
struct fd_entry {
    handle_t handle;
    uint8_t close_on_exec;
    uint8_t kind;   /* enum stream_kind, or FD_EPOLL */
    uint8_t speaks; /* enum stream_protocols */
    uint8_t facts;  /* enum stream_facts_flags */
    uint32_t flags; /* O_ACCMODE, O_PATH, O_DIRECTORY, O_LARGEFILE as fcntl(F_GETFL) shows them */
    uint32_t reserved;
};
static_assert(sizeof(struct fd_entry) == 16);
enum { FD_EPOLL = 64, FD_SIGNALS = 65 };

struct fd_table {
    uint32_t lock; /* a futex: 0 open, 1 taken, 2 taken and waited for */
    uint32_t reserved0;
    uint32_t first_free; /* no free entry is below */
    uint32_t high;       /* no entry in use is at or above */
    uint64_t reserved[6];
    struct fd_entry entries[FD_LIMIT];
};

struct thread_slot {
    uint32_t tid;
    handle_t handle;
    uint64_t area; /* its struct posix_thread */
};

/* Who holds this process's record locks in one file system. */
struct lock_owner {
    uint64_t endpoint; /* serial of the file system's endpoint */
    handle_t session;  /* 0: free */
    uint32_t reserved;
};

struct posix_process {
    uint64_t magic;
    struct fd_table *_Nonnull table;
    handle_t process, vfs, root, working, local, tty, time, runtime_image, clock, image;
    uint32_t umask;
    uint32_t pid, slot, principal;
    uint32_t facts_known; /* pid, slot and the signal page are this process's own */
    uint32_t lock;        /* of threads, heap */
    struct process_signal_page *_Nullable signals; /* shared with `process` */
    size_t processes_length, principals_length;
    const struct process_table_slot *_Nullable COUNTED_BY(processes_length) processes;
    const struct process_principal_entry *_Nullable COUNTED_BY(principals_length) principals;
    uint64_t heap_first, heap_end; /* brk */
    uint64_t heap_mapped;          /* page-aligned */
    uint64_t map_hint;
    uint64_t vfork_area; /* of this process, when it runs in its parent's space: 0 else */
    uint64_t code_size;  /* pages of the runtime's image that hold code */
    uint64_t watched;    /* signals of sets that are read (signalfd) */
    uint32_t thread_count, thread_limit; /* no place was ever taken from thread_limit on */
    uint32_t dumpable, no_new_privileges, child_subreaper;
    uint32_t exiting;
    char name[16];
    uint64_t limits[LIMIT_COUNT]; /* soft ones, until the signal page is there */
    struct lock_owner owners[LOCK_OWNERS];
    struct linux_action actions[SIGNAL_COUNT];
    struct thread_slot threads[THREAD_LIMIT];
    uint64_t auxiliary[64];                                /* /proc/self/auxv */
    uint64_t stack;                                        /* where the program's began */
    uint64_t argument_texts, environment_texts, texts_end; /* one behind the other */
    uint32_t unsupported[SYSCALL_LIMIT];
    uint32_t unsupported_ioctl, unsupported_other;
};
static_assert(sizeof(struct posix_process) <= VFORK_DESCRIPTORS - VFORK_STATE);
static_assert(sizeof(struct fd_table) <= VFORK_SIZE - VFORK_DESCRIPTORS);
static_assert(sizeof(struct fd_table) <= RUNTIME_AREAS - RUNTIME_DESCRIPTORS);

#define STATE_MAGIC 0x6570696e74736f70ull

/* At the bottom of a thread's area. */
struct posix_thread {
    struct thread_page *_Nonnull page; /* first: entry.S */
    struct posix_process *_Nonnull process;
    uint32_t tid, slot;
    uint64_t mask, saved_mask; /* blocked signals; what sigsuspend and ppoll put aside */
    uint64_t pending;          /* directed to this thread */
    uint64_t waited;           /* signals that it waits for now (rt_sigtimedwait) */
    struct linux_stack alternate;
    uint64_t clear_tid, robust_list, robust_length;
    uint64_t restart_deadline;  /* of a sleep or wait that goes on after a signal without handler */
    uint32_t mask_saved;        /* saved_mask is to be put back after the call */
    uint32_t restart_pending;   /* restart_deadline counts for the next call, made again */
    struct program_frame start; /* of a new thread: what it resumes with */
    uint64_t start_gs;
    uint64_t fork_tls, fork_child_tid, fork_flags, fork_stack;
    uint32_t fault_depth;
    int32_t signal_code[SIGNAL_COUNT]; /* siginfo of `pending` */
    uint32_t signal_pid[SIGNAL_COUNT], signal_uid[SIGNAL_COUNT];
    uint64_t signal_value[SIGNAL_COUNT];
    char path[PATH_MAX]
        __attribute__((aligned(16))); /* paths of the call in hand: this, and path2 */
    char path2[PATH_MAX];
    char walk[PATH_MAX]; /* what is left of a walk; with scratch behind it */
    uint8_t scratch[4096] __attribute__((aligned(16)));
};
static_assert(sizeof(struct posix_thread) <= AREA_STATE_SIZE);

/* The calling thread's. */
struct posix_thread *_Nonnull thread_self(void);

static inline struct program_frame *_Nonnull thread_frame(struct posix_thread *_Nonnull self) {
    return &self->page->frame[0];
}

/* The slot and state of a thread of this process by its number; null: none. */
struct thread_slot *_Nullable thread_find(struct posix_process *_Nonnull process, uint32_t tid);

/* A lock of the runtime: held for a few instructions, never across a blocking call. */
void state_lock(uint32_t *_Nonnull lock);
void state_unlock(uint32_t *_Nonnull lock);
