#pragma once
/* Kernel objects as programs see them: types, handles, rights. A handle is 32 bits: index in the
 * low 16, generation above; 0 is never a valid handle. Duplicating may only lessen rights. */
#include <stdint.h>

typedef uint32_t handle_t;
enum { HANDLE_NONE = 0 };

enum object_type : uint32_t {
    OBJECT_NONE = 0,
    OBJECT_DOMAIN = 1,   /* quota and unit of killing; a tree */
    OBJECT_PROCESS = 2,  /* a handle table that refers to a space */
    OBJECT_SPACE = 3,    /* an address space */
    OBJECT_THREAD = 4,   /* registers, priority, thread page */
    OBJECT_MEMORY = 5,   /* pages */
    OBJECT_ENDPOINT = 6, /* where a server receives calls; outlives the server */
    OBJECT_SESSION = 7,  /* a client's connection to an endpoint; an open file description */
    OBJECT_KEEP = 8,     /* a handle table that outlives its server */
    OBJECT_EVENT = 9,    /* a word of notification bits */
    OBJECT_WAITSET = 10, /* the wait primitive for many sources */
    OBJECT_IRQ = 11,     /* one interrupt line or message */
    OBJECT_IOPORTS = 12, /* a range of I/O ports */
    OBJECT_DMASPACE = 13,
    OBJECT_TRACE = 14, /* the right to read trace rings and counters */
    OBJECT_SYSTEM = 15 /* the right to hand out hardware and to stop the machine */
};
enum { OBJECT_TYPE_COUNT = 16 };

enum rights : uint32_t {
    RIGHT_DUPLICATE = 1u << 0,
    RIGHT_TRANSFER = 1u << 1, /* may go through calls, and into other tables */
    RIGHT_READ = 1u << 2,     /* memory, streams, keep slots, registers */
    RIGHT_WRITE = 1u << 3,
    RIGHT_EXECUTE = 1u << 4, /* memory may be mapped executable */
    RIGHT_CALL = 1u << 5,    /* session: call */
    RIGHT_RECEIVE = 1u << 6, /* endpoint: receive, reply; session: set readiness. A session's handle
                                with it is its server's: it keeps no last close from being told, and
                                a reply takes the right away */
    RIGHT_MINT = 1u << 7,    /* endpoint: create sessions */
    RIGHT_WAIT = 1u << 8,    /* may be bound to a waitset */
    RIGHT_SIGNAL = 1u << 9,  /* event: set bits, timers */
    RIGHT_MANAGE = 1u << 10, /* object_set, create inside, start, clone, replace */
    RIGHT_KILL = 1u << 11,
    RIGHT_INSPECT = 1u << 12,   /* object_info and object_list */
    RIGHT_PATCH = 1u << 13,     /* memory: target of patches in a commit (a vault) */
    RIGHT_PAGE = 1u << 14,      /* memory: supply and scan, as its pager */
    RIGHT_PRINCIPAL = 1u << 15, /* process: set the principal of its calls */
    RIGHT_ALL = 0xffffu
};

enum {
    PRIORITY_IDLE = 0,
    PRIORITY_FAIR = 1, /* the weighted-fair band of ordinary programs */
    PRIORITY_SERVER = 8,
    PRIORITY_DRIVER = 16,
    PRIORITY_SUPERVISOR = 24,
    PRIORITY_COUNT = 32
};

#define DEADLINE_NEVER UINT64_MAX
#define PAGE_SIZE 4096u
#define PAGE_SHIFT 12u
