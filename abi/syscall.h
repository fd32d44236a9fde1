#pragma once
/* The native system calls: 40 numbers, frozen. Anything outside the range is a foreign (Linux)
 * system call and is reflected to the process's upcall address.
 *
 * Registers of all but `call` and `reply_receive` (see call.h): number in rax; arguments a … f in
 * rdi, rsi, rdx, r10, r8, r9; status comes back in rax, values in rdx (first) and r10 (second). A
 * process handle, space handle or domain handle of 0 means the caller's own. "memory" below is a
 * Memory handle. Blocking calls say so; all others finish at once. Where `address, length` name
 * the caller's memory, BAD_ADDRESS is its error. */
#include "object.h"
#include <stdint.h>

#define SYSCALL_FIRST 0x10000u

enum syscall_number : uint32_t {
    /* handles */
    SYS_HANDLE_CLOSE = SYSCALL_FIRST, /* (handle) */
    SYS_HANDLE_DUPLICATE,             /* (handle, rights) → handle */
    SYS_HANDLE_MOVE, /* (from, source, to, slot | HANDLE_MOVE_ANY, rights, flags) → handle or slot.
                        from, to: 0 (own table), a Process, or a Keep; source and slot: a handle, in
                        a keep a slot. rights: a mask. flags: HANDLE_MOVE_COPY leaves the source. */
    /* objects */
    SYS_OBJECT_CREATE, /* (type, container, arg1, arg2, tag, arg3) → handle; see enum object_type's
                          arguments in create.h. Create-or-get where tag != 0. */
    SYS_OBJECT_INFO,   /* (handle, topic, address, length) → bytes; info.h */
    SYS_OBJECT_LIST,   /* (handle, topic, address, length, cursor) → entries, next cursor; info.h */
    SYS_OBJECT_SET,    /* (handle, property, value, value2) ; info.h */
    SYS_KILL,          /* (process, thread or domain, exit code, enum exit_cause) */
    /* processes and threads */
    SYS_PROCESS_CLONE,   /* (process, token, tag, flags, domain) → process: a copy of `process` with
                            one thread, the one whose call `token` is in hand; it returns from that
                            call with status OK, words 0 but for word 1: its thread page, and
                            word 2: the tag */
    SYS_PROCESS_REPLACE, /* (process, space, entry, stack, argument, token): the process goes on in
                            `space` with one thread at entry; token: the in-hand call of the thread
                            that goes on (it is answered by being replaced), or 0: the caller */
    SYS_THREAD_START,    /* (thread, entry, stack, argument, thread page address, fs base) */
    SYS_THREAD_EXIT,     /* (clear address, flags): writes 0 to a u32 and wakes its futex; ends the
                            thread, or with THREAD_EXIT_PROCESS and code the process */
    SYS_THREAD_CONTROL,  /* (thread or 0, operation, arg1, arg2) → value. With another process:
                            SUSPEND,  CONTINUE and KICK of all its threads */
    SYS_THREAD_RESUME,   /* (area): load all registers from thread page frame[area] */
    /* memory */
    SYS_MAP,     /* (space, address | 0, length, memory, offset, protection | flags) → address */
    SYS_UNMAP,   /* (space, address, length) */
    SYS_PROTECT, /* (space, address, length, protection) */
    SYS_MEMORY_CLONE,  /* (memory, flags, offset, length) → memory */
    SYS_MEMORY_RESIZE, /* (memory, content size, flags) → old size. Blocks on a writer. */
    SYS_MEMORY_COPY,   /* (memory, offset, address, length, direction). Blocks on a pager. From a
                          process (RIGHT_READ) what lies at an address in it; ABSENT: it would have
                          to wait for that. */
    SYS_MEMORY_SUPPLY, /* (memory, operation, offset, length, source memory, source offset) */
    SYS_MEMORY_SCAN,   /* (memory, operation, offset, length, arg, address) → value */
    SYS_STREAM_READ,   /* (session, address, length, offset | STREAM_POSITION, flags) → bytes.
                          Blocks on a pager. */
    SYS_STREAM_WRITE,  /* the same; with the session's STREAM_APPEND flag at the end. */
    SYS_STREAM_SEEK,   /* (session, offset, whence) → position, of any that may be called. Without a
                          Memory: no end. */
    /* calls */
    SYS_CALL,          /* call.h. Blocks until answered. */
    SYS_REPLY_RECEIVE, /* call.h. Blocks until a packet comes. */
    SYS_COMMIT,        /* (token | 0, flags): patches and keep moves of the thread page, one step */
    SYS_LEASE_COPY,    /* (token, LEASE_IN | LEASE_OUT, lease offset, address, length) → bytes */
    SYS_LEASE_TRANSFER, /* (token, lease, lease offset, memory, offset, length) → bytes */
    /* waiting */
    SYS_SESSION_READY, /* (session, clear bits, set bits): readiness; setting bumps the edge count
                        */
    SYS_EVENT_SIGNAL,  /* (event, bits) */
    SYS_TIMER_SET,     /* (event, deadline, bits, period): 0 disarms */
    SYS_WAITSET_BIND,  /* (waitset, source, mask, key, flags, data) ; waitset.h */
    SYS_WAIT,          /* (waitset, address, count, deadline, flags) → packets. Blocks. */
    SYS_FUTEX_WAIT,    /* (address, expected, deadline, bitset, flags). Blocks. */
    SYS_FUTEX_WAKE, /* (address, count, requeue count, requeue address, bitset, expected) → woken */
    /* hardware and the machine */
    SYS_IRQ_ACK,    /* (irq) */
    SYS_DEVICE_MAP, /* (object, operation, arg1, arg2, arg3); device.h */
    SYS_SYSTEM,     /* (operation, arg1 … arg5) ; system.h */
    SYSCALL_END
};
enum { SYSCALL_COUNT = SYSCALL_END - SYSCALL_FIRST };
static_assert(SYSCALL_COUNT == 40);

/* Registers as the kernel's core sees them, in every port and in the simulator. */
struct syscall_registers {
    uint64_t number;   /* rax → status */
    uint64_t a;        /* rdi → key */
    uint64_t b;        /* rsi */
    uint64_t words[7]; /* rdx r10 r8 r9 rbx r12 r13 → values, words */
    uint64_t token;    /* r14 */
};

#define HANDLE_MOVE_ANY UINT64_MAX
enum { HANDLE_MOVE_COPY = 1 };
enum lease_kind : uint32_t { LEASE_IN = 0, LEASE_OUT = 1 };
enum { THREAD_EXIT_PROCESS = 1 };
#define STREAM_POSITION UINT64_MAX
enum { STREAM_READ_NO_WAIT = 1 };
enum { FUTEX_PRIVATE = 1, FUTEX_REALTIME = 2, FUTEX_INTERRUPTIBLE = 4 };

enum thread_operation : uint32_t {
    THREAD_SUSPEND = 1,
    THREAD_CONTINUE,
    THREAD_KICK,          /* set kick_pending; cancel an interruptible wait; move to the upcall */
    THREAD_GET_REGISTERS, /* (address of struct program_frame) of a suspended thread */
    THREAD_SET_REGISTERS,
    THREAD_SET_PRIORITY,
    THREAD_SET_AFFINITY, /* arg1 = bit mask of processors */
    THREAD_SET_CLEAR,    /* arg1 = address written 0 and woken at exit (CLONE_CHILD_CLEARTID) */
    THREAD_YIELD,
};

enum protection : uint32_t {
    PROTECT_NONE = 0,
    PROTECT_READ = 1,
    PROTECT_WRITE = 2,
    PROTECT_EXECUTE = 4,
    MAP_FIXED = 1u << 8,       /* exactly at address, replacing what is there */
    MAP_PRIVATE = 1u << 9,     /* a clone is made now and mapped */
    MAP_RESERVE = 1u << 10,    /* no memory: keeps the range from being chosen */
    MAP_NO_REPLACE = 1u << 11, /* with FIXED: EXISTS where something is mapped */
    MAP_GUARD = 1u << 12,      /* the program can neither unmap nor protect it (the runtime's) */
    MAP_GROW_DOWN = 1u << 13,
    MAP_MAY_GAIN = 1u << 15, /* made with a handle that carries the rights: protect may add them */
    MAP_AGAIN = 1u << 16, /* with FIXED, without a handle: a new clone of the file that is there */
    MAP_THREAD_PAGE = 1u << 14, /* made by the kernel: a thread page; a fork makes its own */
};

enum clone_flags : uint32_t {
    CLONE_SHARE_SPACE = 1, /* vfork: the child refers to the same space */
    CLONE_SUSPENDED = 2,
};

enum memory_direction : uint32_t { MEMORY_TO_CALLER = 0, MEMORY_FROM_CALLER = 1, MEMORY_ZERO = 2 };

enum supply_operation : uint32_t {
    SUPPLY_MOVE = 1,  /* pages of the source move into absent pages */
    SUPPLY_ZERO,      /* absent pages become zero */
    SUPPLY_ERROR,     /* requests in the range fail with errno `source offset` (SIGBUS, EIO) */
    SUPPLY_CREDIT,    /* `length` granules more may turn dirty */
    SUPPLY_NO_CREDIT, /* waiting writers fail; source offset is their errno */
};
enum scan_operation : uint32_t {
    SCAN_DIRTY = 1,     /* → next dirty granule at or after offset, or OUT_OF_RANGE */
    SCAN_COLLECT,       /* dirty granules of the range → writing(arg); copies into `address` */
    SCAN_COMMITTED,     /* writing(arg) → clean */
    SCAN_EVICT,         /* drop clean granules of the range */
    SCAN_REVOKE_CREDIT, /* take up to arg credits back → taken */
    SCAN_PENDING,       /* → next page request that waits, at or after offset */
};

enum exit_cause : uint32_t {
    EXIT_NORMAL = 0,
    EXIT_KILLED = 1, /* from outside: counts against nobody */
    EXIT_FAULT = 2,  /* counts for calls in hand */
    EXIT_HANG = 3,   /* killed by a watchdog: counts for calls in hand */
    EXIT_SIGNAL = 4, /* a program's own signal: code is the signal */
};
enum fault_kind : uint32_t {
    FAULT_NONE = 0,
    FAULT_UNMAPPED,
    FAULT_PROTECTION,
    FAULT_BEYOND_END, /* SIGBUS */
    FAULT_IO,         /* the pager answered with an error */
    FAULT_NO_MEMORY,
    FAULT_ILLEGAL, /* instruction */
    FAULT_DIVIDE,
    FAULT_FLOATING,
    FAULT_BREAKPOINT,
    FAULT_STEP,
    FAULT_GENERAL,
    FAULT_ALIGNMENT,
    FAULT_KICK, /* no fault: the upcall was asked for by thread_control(KICK) */
};
enum page_request : uint32_t {                       /* PAGE_WRITER is the kernel's own */
                               PAGE_ABSENT = 1,      /* supply offset … length */
                               PAGE_NEED_CREDIT = 2, /* a writer waits for credit */
                               PAGE_PRESSURE = 3,    /* write dirty granules back */
                               PAGE_WRITER =
                                   4, /* waits for another writer; never told to a pager */
};
enum {
    WAIT_EDGE = 1,
    WAIT_ONE_SHOT = 2,
    WAIT_REMOVE = 4,
    WAIT_NO_WAIT = 8,
    WAIT_INTERRUPTIBLE = 16,
    WAIT_LIST = 32,
    WAIT_ADD = 64,     /* bind: EXISTS where the waitset has this source and key */
    WAIT_CHANGE = 128, /* bind: NOT_FOUND where it has not */
};

/* What `wait` stores, one for each packet. */
struct packet {
    uint64_t key;
    uint32_t kind; /* enum packet_kind */
    uint32_t reserved;
    uint64_t words[4];
};
/* With WAIT_LIST `address` names these instead of a waitset: one wait on many sources. */
struct wait_item {
    handle_t source;
    uint32_t mask;
    uint32_t ready; /* out */
    uint32_t reserved;
};
enum readiness : uint32_t { /* the values of poll(2) */
                            READY_IN = 0x001,
                            READY_PRI = 0x002,
                            READY_OUT = 0x004,
                            READY_ERROR = 0x008,
                            READY_HANGUP = 0x010,
                            READY_READ_HANGUP = 0x2000,
};
