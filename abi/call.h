#pragma once
/* Calls: what crosses between a client's and a server's registers, and the thread page that carries
 * the rest. A call has a label, seven words in registers, up to four handles, up to 256 bytes
 * inline each way, and up to two leases. The rules are in docs/restart.md.
 *
 * Registers of `call` (in → out), x86-64 names; the simulator uses struct syscall_registers:
 *   rax  SYS_CALL                       → status (the kernel's, or the one the server replied)
 *   rdi  session | call_flags << 32     → 0
 *   rsi  label | shape << 32            → shape of the reply << 32
 *   rdx r10 r8 r9 rbx r12 r13  words    → words of the reply
 * Registers of `reply_receive`:
 *   rax  SYS_REPLY_RECEIVE              → status
 *   rdi  waitset | receive_flags << 32  → key: the session's cookie, or the binding's key
 *   rsi  status of the reply | shape << 32
 *                                       → label | shape << 32 | packet kind << 56
 *   words                               → words of the call, or of the packet
 *   r14  token of the call answered     → token of the call received
 * A shape is inline bytes | handle count << 16 | word count << 20; the sender's handle count lies
 * in its thread page instead. Words are passed on only where there are any, and then all seven. rcx
 * and r11 are lost to the processor; all others are kept. */
#include "object.h"
#include "status.h"
#include <stddef.h>

enum { CALL_WORDS = 7, CALL_HANDLES = 4, CALL_INLINE_SIZE = 256, CALL_LEASE_PAGES = 16 };

/* Parts of rsi of a message. */
#define MESSAGE_INLINE(message) ((uint32_t)((message) >> 32) & 0xffff)
#define MESSAGE_HANDLES(message) ((uint32_t)((message) >> 48) & 0xf)
#define MESSAGE_WORDS(message) ((uint32_t)((message) >> 52) & 0xf)
#define MESSAGE_HAS_WORDS(count) ((uint64_t)(count) << 52)
#define MESSAGE_SENT 0x00f0ffffffffffffull /* what the receiver is told of the sender's */

/* In the upper half of rdi of `call`. */
enum call_flags : uint32_t {
    CALL_HAS_HANDLES = 1u << 0,   /* thread page: call.handle_count, call.handles move */
    CALL_HAS_LEASES = 1u << 1,    /* thread page: call.lease */
    CALL_HAS_DEADLINE = 1u << 2,  /* thread page: call.timeout_ns; absent: never */
    CALL_INTERRUPTIBLE = 1u << 3, /* refuse at once when a kick is pending; a kick asks to cancel */
    CALL_NESTED = 1u << 4,        /* thread page: call.parent and call.step give the identity */
    CALL_BACKGROUND = 1u << 5,    /* thread page: call.root and call.step give the identity */
    CALL_FORWARD_PRINCIPAL = 1u << 6, /* with NESTED: stamp the principal of the call in hand */
    CALL_WANTS_HANDLES = 1u << 7,     /* reserve slots: the reply may carry handles */
};

/* In the upper half of rdi of `reply_receive` (and of `commit`, which neither replies nor waits).
 */
enum receive_flags : uint32_t {
    RECEIVE_REPLY = 1u << 0,        /* answer the call r14 */
    RECEIVE_PARK = 1u << 1,         /* park the call r14: it waits for the outside */
    RECEIVE_HAS_PATCHES = 1u << 2,  /* thread page: commit.* are applied with the reply */
    RECEIVE_HAS_HANDLES = 1u << 3,  /* thread page: reply.handle_count, reply.handles move */
    RECEIVE_NO_WAIT = 1u << 4,      /* WOULD_BLOCK instead of waiting */
    RECEIVE_HAS_DEADLINE = 1u << 5, /* thread page: receive_deadline */
    RECEIVE_ONLY_REPLY = 1u << 6,   /* return after the reply */
};

enum packet_kind : uint32_t {
    PACKET_NONE = 0,
    PACKET_CALL = 1,
    PACKET_CLOSE = 2,  /* the last handle of a session is gone; reply to it to forget the session */
    PACKET_CANCEL = 3, /* r14: the token of a call in hand that was asked to cancel */
    PACKET_EVENT = 4,  /* word 0: the bits, which are cleared */
    PACKET_READY = 5,  /* word 0: readiness bits; what was bound: word 1: data, word 2: mask */
    PACKET_EXIT = 6,   /* word 0: exit code, 1: enum exit_cause, 2: tag, 3: process serial */
    PACKET_PAGE = 7,   /* word 0: enum page_request, 1: offset, 2: length, 3: memory's tag */
    PACKET_FAULT =
        8,          /* word 0: enum fault_kind, 1: address, 2: program counter, 3: thread serial */
    PACKET_IRQ = 9, /* word 0: interrupts since the last acknowledgement */
    PACKET_UNUSED = 10, /* word 3: tag; the last user of a Memory with a pager is gone */
};

/* Set in the thread page with each call received. */
enum call_state : uint32_t {
    CALL_STATE_REPEATED =
        1u << 0, /* it, or the call that it is nested in, may have been worked on */
    CALL_STATE_CANCELLED = 1u << 1, /* answer soon: done, partial or STATUS_CANCELLED */
    CALL_STATE_ORPHAN = 1u << 2,    /* nobody waits; its leases are revoked */
    CALL_STATE_ALL = 7,
    CALL_STATE_NONBLOCK = 0x800 /* the session's flag, at the moment of delivery */
};

struct lease {
    uint64_t address;
    uint64_t length; /* bytes; 0: no lease */
};

/* The identity of a call stays with it through every repetition (restart.md, 1). */
struct call_identity {
    uint64_t root;
    uint64_t path; /* 16 bits a level, outermost first; 0 for an outermost call */
};

/* One change to a vault: `length` bytes of the staging page go to `offset` of the vault. */
struct patch {
    handle_t memory; /* with RIGHT_PATCH; wired */
    uint16_t staging_offset;
    uint16_t length;
    uint64_t offset;
};

enum keep_operation : uint32_t {
    KEEP_NONE = 0,
    KEEP_PUT = 1,   /* move `handle` of this process to `slot` (what was there is closed) */
    KEEP_CLEAR = 2, /* close what is in `slot` */
    /* Not about the keep, but part of the same step: */
    KEEP_READY =
        3, /* `handle`: a session (RIGHT_RECEIVE): clear readiness bits `keep`, set `slot` */
    KEEP_FORGET = 4, /* `handle`: a dead process (RIGHT_MANAGE): its exit is accounted for */
};
struct keep_move {
    handle_t keep;
    uint32_t operation;
    uint32_t slot;
    handle_t handle;
};
enum { COMMIT_PATCHES = 8, COMMIT_PATCH_BYTES = 4096, COMMIT_KEEP_MOVES = 8 };

/* General registers of a program as signal handlers, fork and debuggers see them. */
struct program_frame {
    uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp;
    uint64_t rip, flags;
    uint64_t fault_kind, fault_address, fault_error; /* upcalls for a fault */
    uint64_t original_rax;
};

/* The pinned page that a thread shares with the kernel. The kernel treats all of it as hostile
 * input and reads each field once. */
struct thread_page {
    /* 0x000: written by the kernel */
    uint64_t self;          /* this page's address in its own space */
    uint64_t thread_serial; /* never reused */
    uint64_t process_serial;
    _Atomic uint32_t kick_pending; /* set by thread_control(KICK), cleared by the runtime */
    uint32_t processor;
    uint64_t upcall_stack; /* set by the program: the stack pointer of upcalls */
    uint64_t runtime[11];  /* free for the program's runtime */

    /* 0x080: a call that this thread makes */
    struct {
        struct lease lease_in, lease_out;
        handle_t handles[CALL_HANDLES]; /* out: the reply's */
        uint32_t handle_count;
        uint32_t step;       /* 1 … 65535 */
        uint64_t timeout_ns; /* from now; noticed up to 100 ms late */
        uint64_t parent;     /* token of the call in hand */
        uint64_t root;
        uint64_t reserved[6];
    } call;

    /* 0x100: the call that this thread received last, and the answer to it */
    struct {
        struct call_identity identity;
        uint32_t attempt; /* faults and hangs so far with this call in hand */
        uint32_t state;   /* enum call_state */
        uint32_t principal;
        uint32_t reserved0;
        uint64_t process_serial;
        uint64_t lease_in_length, lease_out_length;
        handle_t handles[CALL_HANDLES];
        uint64_t reserved[7];
    } received;

    /* 0x180 */
    struct {
        handle_t handles[CALL_HANDLES]; /* moved to the client at the reply */
        uint32_t handle_count;
        uint32_t reserved0;
        uint64_t receive_deadline;
        uint32_t patch_count;
        uint32_t keep_count;
        uint64_t reserved[11];
    } reply;
    /* 0x200 */
    struct patch patches[COMMIT_PATCHES];
    struct keep_move keep_moves[COMMIT_KEEP_MOVES];

    /* 0x300, 0x400, 0x500, 0x600: inline bytes */
    uint8_t call_input[CALL_INLINE_SIZE];     /* of the call that this thread makes */
    uint8_t call_output[CALL_INLINE_SIZE];    /* of the reply to it */
    uint8_t received_input[CALL_INLINE_SIZE]; /* of the call received */
    uint8_t reply_output[CALL_INLINE_SIZE];   /* of the answer to it */

    /* 0x700: the two save areas of upcalls: [0] program to runtime, [1] a fault inside the runtime.
     * At the upcall RCX is this page's address, RSP upcall_stack ([1]: below the runtime's own),
     * the trap flag is clear; after a foreign call all other registers are still the program's.
     * frame[0].fault_kind is FAULT_NONE for a foreign call. frame[1] is in use while its fault_kind
     * is not FAULT_NONE: the runtime clears it when it is done; a fault before that is the end. */
    struct program_frame frame[2];
    uint8_t reserved[4096 - 0x700 - 2 * sizeof(struct program_frame)];
};
static_assert(sizeof(struct program_frame) == 176);
static_assert(offsetof(struct thread_page, call) == 0x80);
static_assert(offsetof(struct thread_page, received) == 0x100);
static_assert(offsetof(struct thread_page, reply) == 0x180);
static_assert(offsetof(struct thread_page, patches) == 0x200);
static_assert(offsetof(struct thread_page, call_input) == 0x300);
static_assert(offsetof(struct thread_page, frame) == 0x700);
static_assert(sizeof(struct thread_page) == 4096);
