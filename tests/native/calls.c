/* Calls between two processes through an endpoint, and what they cost: under -icount the time-stamp
 * counter counts instructions. */
#include "tests/native/native.h"

enum { ROUNDS = 200 };

/* One call with its words in registers: the tightest stub. */
static inline uint64_t call(uint64_t session, uint64_t label, uint64_t word) {
    register uint64_t w1 __asm__("r10") = 1;
    register uint64_t w2 __asm__("r8") = 2;
    register uint64_t w3 __asm__("r9") = 3;
    register uint64_t w5 __asm__("r12") = 5;
    register uint64_t w6 __asm__("r13") = 6;
    uint64_t status = SYS_CALL;
    uint64_t w4 = 4;
    label |= MESSAGE_HAS_WORDS(7);
    __asm__ volatile("syscall"
                     : "+a"(status), "+D"(session), "+S"(label), "+d"(word), "+r"(w1), "+r"(w2),
                       "+r"(w3), "+b"(w4), "+r"(w5), "+r"(w6)
                     :
                     : "rcx", "r11", "memory");
    bool good = status == 0 && w1 == 10 && w2 == 20 && w3 == 30 && w4 == 40 && w5 == 50 && w6 == 60;
    return good ? word : UINT64_MAX;
}

/* Answers each call with its first word plus one. */
static void serve(uint64_t waitset, uint64_t page) {
    (void)page;
    register uint64_t token __asm__("r14") = 0;
    uint64_t flags = 0;
    uint64_t word = 0;
    for (;;) {
        register uint64_t w1 __asm__("r10") = 10;
        register uint64_t w2 __asm__("r8") = 20;
        register uint64_t w3 __asm__("r9") = 30;
        register uint64_t w5 __asm__("r12") = 50;
        register uint64_t w6 __asm__("r13") = 60;
        uint64_t number = SYS_REPLY_RECEIVE;
        uint64_t a = waitset | flags << 32;
        uint64_t b = MESSAGE_HAS_WORDS(7);
        uint64_t w4 = 40;
        __asm__ volatile("syscall"
                         : "+a"(number), "+D"(a), "+S"(b), "+d"(word), "+r"(w1), "+r"(w2), "+r"(w3),
                           "+b"(w4), "+r"(w5), "+r"(w6), "+r"(token)
                         :
                         : "rcx", "r11", "memory");
        word = number == 0 ? word + 1 : 0;
        flags = RECEIVE_REPLY;
    }
}

static handle_t connect(handle_t process, handle_t *_Nonnull out_endpoint) {
    handle_t waitset = HANDLE_NONE;
    handle_t session = HANDLE_NONE;
    must(rt_object_create(OBJECT_ENDPOINT, 0, 0, 0, 0, 0, out_endpoint), "endpoint");
    must(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &waitset), "waitset");
    must(rt_bind(waitset, *out_endpoint, UINT32_MAX, 0, 0), "bind");
    must(rt_object_create(OBJECT_SESSION, *out_endpoint, 77, 0, 0, 0, &session), "session");
    handle_t theirs = process != 0 ? give(process, waitset) : waitset;
    if (process != 0) {
        (void)give(process, *out_endpoint);
    }
    start_thread(process, new_thread(process, PRIORITY_SUPERVISOR), serve, theirs);
    return session;
}

static uint64_t measure_calls(handle_t session, bool *_Nonnull good) {
    for (uint64_t i = 0; i < ROUNDS / 2; i++) {
        *good = *good && call(session, 1, i) == i + 1;
    }
    uint64_t start = ticks();
    for (uint64_t i = 0; i < ROUNDS; i++) {
        *good = *good && call(session, 1, i) == i + 1;
    }
    return (ticks() - start) / ROUNDS;
}

static uint64_t measure_null(uint64_t number) {
    uint64_t start = ticks();
    for (uint64_t i = 0; i < ROUNDS; i++) {
        uint64_t status = number;
        __asm__ volatile("syscall"
                         : "+a"(status)
                         : "D"(0ull)
                         : "rcx", "r11", "rdx", "r8", "r9", "r10", "memory");
    }
    return (ticks() - start) / ROUNDS;
}

void server_main(uint64_t mode, uint64_t thread_page) {
    (void)mode;
    (void)thread_page;
    unsigned failed = 0;
    bool good = true;
    handle_t endpoint = HANDLE_NONE;
    tell("empty loop", measure_null(SYS_HANDLE_CLOSE) - measure_null(SYS_HANDLE_CLOSE));
    tell("null call (handle_close of no handle)", measure_null(SYS_HANDLE_CLOSE));
    tell("call refused by number", measure_null(0x10028));
    handle_t session = connect(0, &endpoint);
    tell("round trip, same address space", measure_calls(session, &good));
    say("a thread of the same process answers", good, &failed);
    handle_t process = new_process();
    session = connect(process, &endpoint);
    tell("round trip, other address space, 7 words", measure_calls(session, &good));
    say("another process answers", good, &failed);
    struct process_info info;
    must(rt_object_info(process, INFO_PROCESS, &info, sizeof info), "info");
    say("its memory is small", info.resident_pages < 16, &failed);
    must(rt_kill(process, 0, EXIT_KILLED), "kill");
    must(rt_object_set(endpoint, SET_ENDPOINT_CLOSED, 0, 0), "close");
    say("after its end a closed endpoint answers", call(session, 1, 1) == UINT64_MAX, &failed);
    rt_exit(failed);
}
