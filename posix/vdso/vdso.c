/* The vDSO: clock_gettime, gettimeofday, time and getcpu without a system call. A small shared
 * object that libcs find by AT_SYSINFO_EHDR; it reads the kernel's clock page at its fixed address
 * and runs with the program's registers and stack, so it is compiled apart from the runtime. */
#include "abi/info.h"
#include "lib/base/safe.h"
#include "posix/layout.h"
#include "posix/linux.h"
#include <stdatomic.h>

enum {
    NS_PER_SECOND = 1000000000,
    CLOCK_REALTIME = 0,
    CLOCK_MONOTONIC = 1,
    CLOCK_MONOTONIC_RAW = 4,
    CLOCK_REALTIME_COARSE = 5,
    CLOCK_MONOTONIC_COARSE = 6,
    CLOCK_BOOTTIME = 7,
    CALL_CLOCK_GETTIME = 228,
    CALL_CLOCK_GETRES = 229,
    CALL_GETCPU = 309,
};

int __vdso_clock_gettime(int clock, struct linux_timespec *_Nonnull out);
int __vdso_clock_getres(int clock, struct linux_timespec *_Nullable out);
int __vdso_gettimeofday(struct linux_timeval *_Nullable out, void *_Nullable zone);
int64_t __vdso_time(int64_t *_Nullable out);
int __vdso_getcpu(unsigned *_Nullable processor, unsigned *_Nullable node, void *_Nullable unused);

static long fall_back(long number, long a, void *_Nullable b) {
    long result = number;
    __asm__ volatile("syscall" : "+a"(result) : "D"(a), "S"(b) : "rcx", "r11", "memory");
    return result;
}

/* Two copies and an index: the writer fills the other copy, then changes the index. */
static uint64_t now(bool realtime) {
    UNSAFE_BEGIN
    const struct clock_page *page = (const struct clock_page *)RUNTIME_CLOCK;
    UNSAFE_END
    for (;;) {
        uint32_t index = atomic_load_explicit(&page->index, memory_order_acquire);
        const struct clock_copy *copy = &page->copy[index & 1];
        uint32_t low = 0;
        uint32_t high = 0;
        __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
        uint64_t passed = ((uint64_t)high << 32 | low) - copy->tsc_base;
        uint64_t ns =
            copy->monotonic_base_ns +
            (uint64_t)(((unsigned __int128)passed * copy->multiplier) >> (copy->shift & 63));
        ns += realtime ? copy->realtime_offset_ns : 0;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (atomic_load_explicit(&page->index, memory_order_relaxed) == index) {
            return ns;
        }
    }
}

int __vdso_clock_gettime(int clock, struct linux_timespec *_Nonnull out) {
    uint64_t ns = 0;
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        ns = now(true);
        break;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        ns = now(false);
        break;
    default:
        return (int)fall_back(CALL_CLOCK_GETTIME, clock, out);
    }
    out->seconds = (int64_t)(ns / NS_PER_SECOND);
    out->nanoseconds = (int64_t)(ns % NS_PER_SECOND);
    return 0;
}

int __vdso_clock_getres(int clock, struct linux_timespec *_Nullable out) {
    return (int)fall_back(CALL_CLOCK_GETRES, clock, out);
}

int __vdso_gettimeofday(struct linux_timeval *_Nullable out, void *_Nullable zone) {
    uint64_t ns = now(true);
    if (out != nullptr) {
        out->seconds = (int64_t)(ns / NS_PER_SECOND);
        out->microseconds = (int64_t)(ns % NS_PER_SECOND / 1000);
    }
    if (zone != nullptr) {
        *(uint64_t *)zone = 0;
    }
    return 0;
}

int64_t __vdso_time(int64_t *_Nullable out) {
    int64_t seconds = (int64_t)(now(true) / NS_PER_SECOND);
    if (out != nullptr) {
        *out = seconds;
    }
    return seconds;
}

int __vdso_getcpu(unsigned *_Nullable processor, unsigned *_Nullable node, void *_Nullable unused) {
    (void)unused;
    return (int)fall_back(CALL_GETCPU, (long)processor, node);
}
