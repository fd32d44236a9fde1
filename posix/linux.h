#pragma once
/* The parts of Linux's x86-64 interface that the runtime speaks: numbers and structures as programs
 * see them. Source: the Linux system-call manual (man-pages 6) and the x86-64 psABI. */
#include <stdint.h>

enum linux_error : int32_t {
    EPERM = 1,
    ENOENT = 2,
    ESRCH = 3,
    EINTR = 4,
    EIO = 5,
    ENXIO = 6,
    E2BIG = 7,
    ENOEXEC = 8,
    EBADF = 9,
    ECHILD = 10,
    EAGAIN = 11,
    ENOMEM = 12,
    EACCES = 13,
    EFAULT = 14,
    ENOTBLK = 15,
    EBUSY = 16,
    EEXIST = 17,
    EXDEV = 18,
    ENODEV = 19,
    ENOTDIR = 20,
    EISDIR = 21,
    EINVAL = 22,
    ENFILE = 23,
    EMFILE = 24,
    ENOTTY = 25,
    ETXTBSY = 26,
    EFBIG = 27,
    ENOSPC = 28,
    ESPIPE = 29,
    EROFS = 30,
    EMLINK = 31,
    EPIPE = 32,
    EDOM = 33,
    ERANGE = 34,
    EDEADLK = 35,
    ENAMETOOLONG = 36,
    ENOLCK = 37,
    ENOSYS = 38,
    ENOTEMPTY = 39,
    ELOOP = 40,
    ENODATA = 61,
    EBADMSG = 74,
    EOVERFLOW = 75,
    ELIBBAD = 80,
    ENOTSOCK = 88,
    EDESTADDRREQ = 89,
    EMSGSIZE = 90,
    EPROTOTYPE = 91,
    ENOPROTOOPT = 92,
    EPROTONOSUPPORT = 93,
    ESOCKTNOSUPPORT = 94,
    EOPNOTSUPP = 95,
    EAFNOSUPPORT = 97,
    EADDRINUSE = 98,
    ECONNRESET = 104,
    EISCONN = 106,
    ENOTCONN = 107,
    ETIMEDOUT = 110,
    ECONNREFUSED = 111,
    EALREADY = 114,
    EINPROGRESS = 115,
    EDQUOT = 122,
    ECANCELED = 125,
    /* never seen by programs: what becomes of a call that a signal ended (signals.h) */
    ERESTARTSYS = 512,    /* again, unless a handler without SA_RESTART runs */
    ERESTARTNOINTR = 513, /* always again */
    ERESTARTNOHAND = 514, /* again only where no handler runs */
};

enum {
    AT_FDCWD = -100,
    AT_SYMLINK_NOFOLLOW = 0x100,
    AT_REMOVEDIR = 0x200,
    AT_EACCESS = 0x200,
    AT_SYMLINK_FOLLOW = 0x400,
    AT_NO_AUTOMOUNT = 0x800,
    AT_EMPTY_PATH = 0x1000,
};
enum {
    O_ACCMODE = 3,
    O_RDONLY = 0,
    O_WRONLY = 1,
    O_RDWR = 2,
    O_CREAT = 0100,
    O_EXCL = 0200,
    O_NOCTTY = 0400,
    O_TRUNC = 01000,
    O_APPEND = 02000,
    O_NONBLOCK = 04000,
    O_DSYNC = 010000,
    O_ASYNC = 020000,
    O_DIRECT = 040000,
    O_LARGEFILE = 0100000,
    O_DIRECTORY = 0200000,
    O_NOFOLLOW = 0400000,
    O_NOATIME = 01000000,
    O_CLOEXEC = 02000000,
    O_SYNC = 04010000,
    O_PATH = 010000000,
    O_TMPFILE_BIT = 020000000,
};
enum {
    S_IFMT = 0170000,
    S_IFIFO = 0010000,
    S_IFCHR = 0020000,
    S_IFDIR = 0040000,
    S_IFBLK = 0060000,
    S_IFREG = 0100000,
    S_IFLNK = 0120000,
    S_IFSOCK = 0140000,
    S_ISUID = 04000,
    S_ISGID = 02000,
};
enum {
    F_DUPFD = 0,
    F_GETFD = 1,
    F_SETFD = 2,
    F_GETFL = 3,
    F_SETFL = 4,
    F_GETLK = 5,
    F_SETLK = 6,
    F_SETLKW = 7,
    F_SETOWN = 8,
    F_GETOWN = 9,
    F_OFD_GETLK = 36,
    F_OFD_SETLK = 37,
    F_OFD_SETLKW = 38,
    F_DUPFD_CLOEXEC = 1030,
    F_SETPIPE_SZ = 1031,
    F_GETPIPE_SZ = 1032,
    FD_CLOEXEC = 1,
};
enum {
    PROT_READ = 1,
    PROT_WRITE = 2,
    PROT_EXEC = 4,
    PROT_GROWSDOWN = 0x01000000,
    LINUX_MAP_SHARED = 1,
    LINUX_MAP_PRIVATE = 2,
    LINUX_MAP_SHARED_VALIDATE = 3,
    LINUX_MAP_TYPE = 0xf,
    LINUX_MAP_FIXED = 0x10,
    LINUX_MAP_ANONYMOUS = 0x20,
    LINUX_MAP_GROWSDOWN = 0x100,
    LINUX_MAP_NORESERVE = 0x4000,
    LINUX_MAP_STACK = 0x20000,
    LINUX_MAP_FIXED_NOREPLACE = 0x100000,
    MREMAP_MAYMOVE = 1,
    MREMAP_FIXED = 2,
    MREMAP_DONTUNMAP = 4,
    MADV_DONTNEED = 4,
};
enum {
    SIGHUP = 1,
    SIGINT,
    SIGQUIT,
    SIGILL,
    SIGTRAP,
    SIGABRT,
    SIGBUS,
    SIGFPE,
    SIGKILL,
    SIGUSR1,
    SIGSEGV,
    SIGUSR2,
    SIGPIPE,
    SIGALRM,
    SIGTERM,
    SIGSTKFLT,
    SIGCHLD,
    SIGCONT,
    SIGSTOP,
    SIGTSTP,
    SIGTTIN,
    SIGTTOU,
    SIGURG,
    SIGXCPU,
    SIGXFSZ,
    SIGVTALRM,
    SIGPROF,
    SIGWINCH,
    SIGIO,
    SIGPWR,
    SIGSYS,
    SIGNAL_COUNT = 64,
};
#define SIG_DFL 0ull
#define SIG_IGN 1ull
#define SA_NOCLDSTOP 1ull
#define SA_NOCLDWAIT 2ull
#define SA_SIGINFO 4ull
#define SA_RESTORER 0x04000000ull
#define SA_ONSTACK 0x08000000ull
#define SA_RESTART 0x10000000ull
#define SA_NODEFER 0x40000000ull
#define SA_RESETHAND 0x80000000ull
enum {
    SIG_BLOCK = 0,
    SIG_UNBLOCK = 1,
    SIG_SETMASK = 2,
    SS_ONSTACK = 1,
    SS_DISABLE = 2,
    MINSIGSTKSZ = 2048,
    SI_USER = 0,
    SI_KERNEL = 128,
    SI_TKILL = -6,
    ILL_ILLOPN = 2,
    FPE_INTDIV = 1,
    FPE_FLTINV = 7,
    SEGV_MAPERR = 1,
    SEGV_ACCERR = 2,
    BUS_ADRALN = 1,
    BUS_ADRERR = 2,
    TRAP_BRKPT = 1,
    TRAP_TRACE = 2,
    CLD_EXITED = 1,
    CLD_KILLED,
    CLD_DUMPED,
    CLD_TRAPPED,
    CLD_STOPPED,
    CLD_CONTINUED,
};
struct linux_action {
    uint64_t handler, flags, restorer, mask;
};
struct linux_stack {
    uint64_t sp;
    int32_t flags;
    int32_t reserved;
    uint64_t size;
};
struct linux_siginfo {
    int32_t number, error, code, reserved;
    union {
        struct {
            int32_t pid;
            uint32_t uid;
            uint64_t value;
        } sender;
        struct {
            int32_t pid;
            uint32_t uid;
            int32_t status;
        } child;
        struct {
            uint64_t address;
        } fault;
        uint8_t bytes[112];
    };
};
static_assert(sizeof(struct linux_siginfo) == 128);

struct linux_timespec {
    int64_t seconds, nanoseconds;
};
struct linux_timeval {
    int64_t seconds, microseconds;
};
struct linux_itimerval {
    struct linux_timeval interval, value;
};
struct linux_stat {
    uint64_t device, inode, links;
    uint32_t mode, uid, gid, pad0;
    uint64_t node;
    int64_t size, block_size, blocks;
    struct linux_timespec accessed, modified, changed;
    int64_t reserved[3];
};
static_assert(sizeof(struct linux_stat) == 144);
struct linux_statx_time {
    int64_t seconds;
    uint32_t nanoseconds;
    int32_t reserved;
};
struct linux_statx {
    uint32_t mask, block_size;
    uint64_t attributes;
    uint32_t links, uid, gid;
    uint16_t mode, pad0;
    uint64_t inode, size, blocks, attributes_mask;
    struct linux_statx_time accessed, born, changed, modified;
    uint32_t node_major, node_minor, device_major, device_minor;
    uint64_t mount;
    uint64_t reserved[13];
};
static_assert(sizeof(struct linux_statx) == 256);
struct linux_statfs {
    int64_t type, block_size;
    uint64_t blocks, free, available, files, files_free;
    int32_t id[2];
    int64_t name_length, fragment_size, flags, spare[4];
};
static_assert(sizeof(struct linux_statfs) == 120);
struct linux_iovec {
    uint64_t base, length;
};
struct linux_pollfd {
    int32_t fd;
    int16_t events, revents;
};
struct linux_itimerspec {
    struct linux_timespec interval, value;
};
struct [[gnu::packed]] linux_epoll_event {
    uint32_t events;
    uint64_t data;
};
static_assert(sizeof(struct linux_epoll_event) == 12);
struct linux_rusage {
    struct linux_timeval user, system;
    int64_t largest, unused0[3], minor, major, unused1, in_blocks, out_blocks, unused2[3],
        voluntary, involuntary;
};
static_assert(sizeof(struct linux_rusage) == 144);
struct linux_utsname {
    char system[65], node[65], release[65], version[65], machine[65], domain[65];
};
struct linux_flock {
    int16_t type, whence;
    int32_t pad0;
    int64_t start, length;
    int32_t pid, pad1;
};
struct linux_termios {
    uint32_t input, output, control, local;
    uint8_t line, characters[19];
};
static_assert(sizeof(struct linux_termios) == 36);
struct linux_winsize {
    uint16_t rows, columns, width, height;
};
struct linux_message {
    uint64_t name;
    uint32_t name_length, pad0;
    uint64_t vectors, vector_count, control, control_length;
    int32_t flags, pad1;
};
static_assert(sizeof(struct linux_message) == 56);
struct linux_sysinfo {
    int64_t uptime;
    uint64_t loads[3], total, free, shared, buffer, total_swap, free_swap;
    uint16_t processes, pad0;
    uint32_t pad1;
    uint64_t total_high, free_high;
    uint32_t unit, pad2;
};
static_assert(sizeof(struct linux_sysinfo) == 112);

#define CLONE_VM 0x100ull
#define CLONE_FS 0x200ull
#define CLONE_FILES 0x400ull
#define CLONE_SIGHAND 0x800ull
#define CLONE_PIDFD 0x1000ull
#define CLONE_VFORK 0x4000ull
#define CLONE_PARENT 0x8000ull
#define CLONE_THREAD 0x10000ull
#define CLONE_SYSVSEM 0x40000ull
#define CLONE_SETTLS 0x80000ull
#define CLONE_PARENT_SETTID 0x100000ull
#define CLONE_CHILD_CLEARTID 0x200000ull
#define CLONE_DETACHED 0x400000ull
#define CLONE_CHILD_SETTID 0x1000000ull
#define CLONE_CLEAR_SIGHAND 0x100000000ull
#define CLONE_NAMESPACES 0x7e020080ull
