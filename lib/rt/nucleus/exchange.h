#pragma once
/* rt_exchange of native.h on the nucleus. Indices are constants, and the pointers are of arrays:
 * there is nothing for run-time checks to find. */
#include "lib/rt/native.h"

[[gnu::always_inline, clang::no_sanitize("null", "alignment", "pointer-overflow", "object-size",
                                         "nullability")]] static inline void
rt_exchange(struct rt_exchange *_Nonnull e, const uint64_t (*_Nonnull in)[CALL_WORDS],
            uint64_t (*_Nonnull out)[CALL_WORDS]) {
    uint64_t number = e->number;
    uint64_t a = e->a;
    uint64_t b = e->b;
    uint64_t w0 = (*in)[0];
    uint64_t w4 = (*in)[4];
    register uint64_t w1 __asm__("r10") = (*in)[1];
    register uint64_t w2 __asm__("r8") = (*in)[2];
    register uint64_t w3 __asm__("r9") = (*in)[3];
    register uint64_t w5 __asm__("r12") = (*in)[5];
    register uint64_t w6 __asm__("r13") = (*in)[6];
    register uint64_t token __asm__("r14") = e->token;
    __asm__ volatile("syscall"
                     : "+a"(number), "+D"(a), "+S"(b), "+d"(w0), "+r"(w1), "+r"(w2), "+r"(w3),
                       "+b"(w4), "+r"(w5), "+r"(w6), "+r"(token)
                     :
                     : "rcx", "r11", "memory");
    (*out)[0] = w0;
    (*out)[1] = w1;
    (*out)[2] = w2;
    (*out)[3] = w3;
    (*out)[4] = w4;
    (*out)[5] = w5;
    (*out)[6] = w6;
    *e = (struct rt_exchange){number, a, b, token};
}
