/* The nucleus's backend: registers as abi/syscall.h and abi/call.h say. */
#include "lib/rt/message.h"
#include "lib/rt/native.h"

void rt_invoke(struct syscall_registers *_Nonnull r) {
    register uint64_t w1 __asm__("r10") = r->words[1];
    register uint64_t w2 __asm__("r8") = r->words[2];
    register uint64_t w3 __asm__("r9") = r->words[3];
    register uint64_t w5 __asm__("r12") = r->words[5];
    register uint64_t w6 __asm__("r13") = r->words[6];
    register uint64_t token __asm__("r14") = r->token;
    __asm__ volatile("syscall"
                     : "+a"(r->number), "+D"(r->a), "+S"(r->b), "+d"(r->words[0]), "+r"(w1),
                       "+r"(w2), "+r"(w3), "+b"(r->words[4]), "+r"(w5), "+r"(w6), "+r"(token)
                     :
                     : "rcx", "r11", "memory");
    r->words[1] = w1;
    r->words[2] = w2;
    r->words[3] = w3;
    r->words[5] = w5;
    r->words[6] = w6;
    r->token = token;
}

struct thread_page *_Nonnull rt_thread_page(void) {
    struct thread_page *page;
    __asm__("movq %%gs:0, %0" : "=r"(page));
    return page;
}

status_t rt_copy_from_client(void *_Nonnull to, const void *_Nullable from, size_t size) {
    if (size > 0) {
        rt_copy(to, SOME(from), size);
    }
    return STATUS_OK;
}

status_t rt_copy_to_client(void *_Nullable to, const void *_Nonnull from, size_t size) {
    if (size > 0) {
        rt_copy(SOME(to), from, size);
    }
    return STATUS_OK;
}
