#pragma once
/* What object_create, object_info, object_list, object_set and system take and give. */
#include "call.h"
#include "object.h"

/* object_create(type, container, arg1, arg2, tag, arg3); container 0: the caller's domain, where
 * the object is charged. DOMAIN    container: parent domain; arg1: address of struct domain_quota
 *   PROCESS   container: domain; arg1: space or 0 for a new one; tag
 *   SPACE     container: domain
 *   THREAD    container: process; arg1: priority; arg2: 1: with a staging page for commits
 *   MEMORY    arg1: size in bytes; arg2: enum memory_flags; arg3: pager endpoint's waitset key …
 *   ENDPOINT  –
 *   SESSION   container: endpoint with RIGHT_MINT; arg1: cookie; arg2: enum session_flags;
 *             arg3: memory to attach, or 0
 *   KEEP      arg1: slots
 *   EVENT, WAITSET  –
 *   IRQ       container: system; arg1: line, or IRQ_MESSAGE | vector hint
 *   IOPORTS   container: system; arg1: base; arg2: count
 *   DMASPACE  container: system; arg1: bus, device, function
 *   TRACE     container: system */
struct domain_quota {
    uint64_t pages; /* user pages */
    uint64_t kernel_pages;
    uint64_t handles;
    uint64_t threads;
    uint32_t cpu_share; /* per mille of one processor that the domain is sure of; 0: none */
    uint32_t reserved;
};

enum memory_flags : uint32_t {
    MEMORY_WIRED = 1,      /* all pages now, zeroed, never reclaimed */
    MEMORY_CONTIGUOUS = 2, /* wired, one physical run, for DMA */
    MEMORY_PAGER = 4,      /* arg3: waitset handle; requests arrive there with key `tag` */
    MEMORY_PHYSICAL = 8,   /* container: system; arg3: physical address of device memory */
    MEMORY_FILE = 16,      /* file content: clones are overlays, dirty granules and times are kept;
                              with PAGER its writes need credit */
};
enum session_flags : uint32_t {
    SESSION_LIVE = 1, /* the last close is told from the start (granted by hand, not by a reply) */
    SESSION_APPEND = 0x400, /* status flags have the values of Linux's O_APPEND, O_NONBLOCK */
    SESSION_NONBLOCK = 0x800,
};

enum info_topic : uint32_t {
    INFO_HANDLE = 1, /* struct handle_info: of any handle, no right needed */
    INFO_DOMAIN,
    INFO_PROCESS,
    INFO_THREAD,
    INFO_MEMORY,
    INFO_ENDPOINT,
    INFO_SESSION,
    INFO_SPACE,
    INFO_KEEP,
};
struct handle_info {
    uint32_t type, rights;
    uint64_t serial; /* the object's number, never reused */
};
struct domain_info {
    struct domain_quota quota, used;
    uint64_t run_time_ns;
};
struct process_info {
    uint64_t serial, tag, domain_serial, space_serial;
    uint32_t threads, handles;
    uint32_t state; /* enum process_state */
    uint32_t exit_cause;
    int64_t exit_code;
    uint32_t principal, service;
    uint64_t run_time_ns, user_time_ns, started_ns;
    uint64_t resident_pages, mapped_bytes;
    uint64_t minor_faults, calls_made;
    char name[32];
    uint64_t fault_address, fault_counter; /* of its end by a fault */
    uint32_t fault_kind, foreign_calls;
};
enum process_state : uint32_t { PROCESS_NEW, PROCESS_RUNNING, PROCESS_DYING, PROCESS_DEAD };
enum thread_state : uint32_t {
    THREAD_NEW,
    THREAD_READY,
    THREAD_RUNNING,
    THREAD_CALLING,
    THREAD_RECEIVING,
    THREAD_WAITING,
    THREAD_FUTEX,
    THREAD_PAGE,
    THREAD_STOPPED,
    THREAD_DEAD
};
struct thread_info {
    uint64_t serial, process_serial;
    uint32_t state; /* enum thread_state */
    uint32_t priority, processor, suspended;
    uint64_t run_time_ns;
    uint64_t waits_on; /* serial of the endpoint, memory, waitset */
    struct program_frame frame;
};
struct memory_info {
    uint64_t size, content_size, resident_pages, dirty_granules, writing_granules, credit;
    uint64_t read_time_ns, write_time_ns; /* realtime clock */
    uint32_t flags, granule_shift, mappings, sessions;
    uint64_t physical; /* contiguous and physical memory */
    uint64_t tag;
};
struct endpoint_info {
    uint32_t queued, in_hand, parked, sessions;
    uint64_t received, answered, redelivered, poisoned;
    uint64_t oldest_busy_ns; /* of the calls in hand, unparked, by each one's own clock */
    uint64_t holder_serial;  /* the process that receives, or 0 */
};
struct session_info {
    uint64_t cookie, serial, endpoint_serial;
    uint32_t ready, edges, flags, handles;
    uint64_t position;
};
struct space_info {
    uint64_t resident_pages, mapped_bytes, mappings;
};
struct keep_info {
    uint32_t slots, used;
};

enum list_topic : uint32_t {
    LIST_CHILDREN = 1, /* domain: struct child_entry: domains and processes, dead ones too */
    LIST_HANDLES,      /* process: struct handle_entry */
    LIST_THREADS,      /* process: struct thread_entry */
    LIST_MAPPINGS,     /* space: struct mapping_entry */
    LIST_SESSIONS,     /* endpoint: struct session_info */
    LIST_CALLS,        /* endpoint: struct call_entry: queued and in hand */
    LIST_SLOTS,        /* keep: struct handle_entry */
};
struct child_entry {
    uint64_t serial, tag;
    uint32_t type, state;
    int64_t exit_code;
    uint32_t exit_cause, reserved;
};
struct handle_entry {
    handle_t handle; /* or slot */
    uint32_t type, rights, reserved;
    uint64_t serial;
};
struct thread_entry {
    uint64_t serial;
    uint32_t state, priority;
    uint64_t run_time_ns;
};
struct mapping_entry {
    uint64_t address, length, offset, memory_serial, memory_tag;
    uint32_t protection, flags;
};
struct call_entry {
    struct call_identity identity;
    uint64_t client_serial, busy_ns, token, cookie;
    uint32_t label, attempts, in_hand, parked, orphan, cancelled, principal, reserved;
    uint64_t words[CALL_WORDS];
};

enum object_property : uint32_t {
    SET_NAME = 1,  /* process: (address, length) */
    SET_UPCALL,    /* process: (entry): foreign calls and faults go there; 0: none */
    SET_RUNTIME,   /* process: (first address, length) of the runtime: a kick that finds a thread
                      in it leaves it there, the runtime looks at kick_pending itself */
    SET_SEQUENCE,  /* process: (first address, length | distance to the check << 32): a kick that
                      finds a thread in this range moves it to the check */
    SET_PRINCIPAL, /* process, with RIGHT_PRINCIPAL */
    SET_SERVICE,   /* process: the number that prefixes the roots it draws */
    SET_QUOTA,     /* domain: (address of struct domain_quota) */
    SET_PRIORITY,  /* process: ceiling of its threads */
    SET_SESSION_FLAGS,  /* session: (clear, set) */
    SET_SESSION_MEMORY, /* session, by the endpoint's receiver: (memory, position) */
    SET_SESSION_COOKIE,
    SET_ENDPOINT_CLOSED, /* endpoint: every queued call is answered CLOSED, sessions refuse */
    SET_MEMORY_TIMES,    /* memory, with RIGHT_PAGE: (read time, write time) */
    SET_MEMORY_GRANULE,  /* memory: (shift); only while it has no page */
    SET_MEMORY_PAGER,    /* memory: (waitset, tag): a successor of the pager */
    SET_EXIT_EVENT,  /* process or domain: (event, bits): signalled at exit of it or of a child */
    SET_FAULT_EVENT, /* process: (event, bits): faults without upcall stop the thread first */
    SET_FORGET,      /* process, dead: drop its entry from the domain's list */
};

enum system_operation : uint32_t {
    SYSTEM_CLOCK = 1,    /* → monotonic ns, realtime ns; no handle needed */
    SYSTEM_LOG_WRITE,    /* (address, length): to the kernel's log */
    SYSTEM_LOG_READ,     /* (system, address, length, cursor) → bytes, next cursor */
    SYSTEM_POWER_OFF,    /* (system, exit code) */
    SYSTEM_REBOOT,       /* (system) */
    SYSTEM_RANDOM,       /* (address, length ≤ 256): the kernel's generator */
    SYSTEM_SET_REALTIME, /* (system, ns): offset of the realtime clock */
    SYSTEM_INFO,         /* (address, length): struct system_info */
    SYSTEM_ROOTS_LIVE,   /* (address of u64 roots, count ≤ 64) → bit mask of those still live */
    SYSTEM_CLOCK_PAGE,   /* → memory handle: struct clock_page, read-only */
    SYSTEM_TRACE,        /* (trace, address, length, cursor) → bytes */
};
struct system_info {
    uint64_t total_pages, free_pages, kernel_pages, cache_pages;
    uint64_t boot_realtime_ns, monotonic_ns, idle_ns;
    uint64_t switches, calls, interrupts, faults;
    uint32_t processors, reserved;
    uint64_t physical_limit;
};
/* Two copies and an index, since the writer may stop at any instruction (restart.md, 14). */
struct clock_copy {
    uint64_t tsc_base, monotonic_base_ns, realtime_offset_ns;
    uint64_t multiplier; /* ns = base + (((tsc - tsc base) * multiplier) >> shift), 128 bits wide */
    uint32_t shift, reserved;
};
struct clock_page {
    _Atomic uint32_t index; /* which copy is valid */
    uint32_t version;
    struct clock_copy copy[2];
};

enum device_operation : uint32_t {
    DEVICE_PORT_READ = 1, /* (ioports, offset, size) → value */
    DEVICE_PORT_WRITE,    /* (ioports, offset, size, value) */
    DEVICE_PORT_ENABLE,   /* (ioports): this process's threads may use in and out */
    DEVICE_DMA_MAP,       /* (dmaspace, memory, offset, length) → device address */
    DEVICE_DMA_UNMAP,
};
