#pragma once
/* The safety vocabulary of all Isotope code: checks that trap, counted pointers, lock and ownership
 * annotations. Under a prover (ISOTOPE_PROVE) every annotation is empty, so that the sources read
 * as plain C11. The rules that these serve are in docs/safety.md. */
#include <stdckdint.h>
#include <stddef.h>
#include <stdint.h>

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)

/* An invariant: false is a defect of this program, never a consequence of its input. In the kernel
 * a failed check prints a backtrace and stops; in a server it traps, and the supervisor restarts
 * it. */
#ifdef ISOTOPE_KERNEL
[[noreturn, gnu::cold]] void check_failed(const char *_Nonnull file, unsigned line,
                                          const char *_Nonnull what);
#define CHECK(c)                                                                                   \
    do {                                                                                           \
        if (__builtin_expect(!(c), 0)) {                                                           \
            check_failed(__FILE_NAME__, __LINE__, #c);                                             \
        }                                                                                          \
    } while (0)
#else
#define CHECK(c)                                                                                   \
    do {                                                                                           \
        if (__builtin_expect(!(c), 0)) {                                                           \
            __builtin_trap();                                                                      \
        }                                                                                          \
    } while (0)
#endif

#ifdef ISOTOPE_PROVE
#define UNSAFE_BEGIN
#define UNSAFE_END
#define COUNTED_BY(n)
#define CAPABILITY(x)
#define GUARDED_BY(x)
#define REQUIRES(...)
#define ACQUIRE(...)
#define RELEASE(...)
#define EXCLUDES(...)
#define NO_TSA
#else
/* The only spelling of "unsafe": pointer arithmetic and casts from numbers are allowed between the
 * two, in the files that host/check/unsafe-files.txt lists. */
#define UNSAFE_BEGIN _Pragma("clang unsafe_buffer_usage begin")
#define UNSAFE_END _Pragma("clang unsafe_buffer_usage end")
#define COUNTED_BY(n) __attribute__((counted_by(n)))
#define CAPABILITY(x) __attribute__((capability(x)))
#define GUARDED_BY(x) __attribute__((guarded_by(x)))
#define REQUIRES(...) __attribute__((requires_capability(__VA_ARGS__)))
#define ACQUIRE(...) __attribute__((acquire_capability(__VA_ARGS__)))
#define RELEASE(...) __attribute__((release_capability(__VA_ARGS__)))
#define EXCLUDES(...) __attribute__((locks_excluded(__VA_ARGS__)))
#define NO_TSA __attribute__((no_thread_safety_analysis))
#endif

/* Turns a nullable pointer into a value; null traps. */
#define SOME_(v, p)                                                                                \
    __extension__({                                                                                \
        typeof(p) v = (p);                                                                         \
        CHECK(v);                                                                                  \
        (typeof(*v) *_Nonnull)v;                                                                   \
    })
#define SOME(p) SOME_(CAT(some_, __COUNTER__), p)

#define ARRAY_LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define PICK_(a, b, x, y, less)                                                                    \
    __extension__({                                                                                \
        auto x = (a);                                                                              \
        auto y = (b);                                                                              \
        x less y ? x : y;                                                                          \
    })
#define PICK(a, b, n, less) PICK_(a, b, CAT(pick_a_, n), CAT(pick_b_, n), less)
#define MIN(a, b) PICK(a, b, __COUNTER__, <)
#define MAX(a, b) PICK(a, b, __COUNTER__, >)

/* The structure that holds `member`, found from a pointer to that member (intrusive lists). */
#define CONTAINER_OF(pointer, type, member)                                                        \
    ((type *_Nonnull)(void *_Nonnull)((char *)(pointer) - offsetof(type, member)))
