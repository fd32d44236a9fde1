/* See native.h: the system calls themselves. On the UNSAFE list: the stack pointer and fixed
 * addresses become pointers here. */
#include "posix/native.h"
#include "posix/nucleus/entry.h"
#include "posix/state.h"
#include <stdatomic.h>

/* entry.S */
static_assert(SYS_THREAD_EXIT == 0x1000b && SYS_THREAD_RESUME == 0x1000d);

struct native_result native(enum syscall_number number, const uint64_t (*_Nonnull arguments)[6]) {
    register uint64_t r10 __asm__("r10") = (*arguments)[3];
    register uint64_t r8 __asm__("r8") = (*arguments)[4];
    register uint64_t r9 __asm__("r9") = (*arguments)[5];
    uint64_t rax = number;
    uint64_t rdi = (*arguments)[0];
    uint64_t rsi = (*arguments)[1];
    uint64_t rdx = (*arguments)[2];
    __asm__ volatile("syscall"
                     : "+a"(rax), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9)
                     :
                     : "rcx", "r11", "r14", "memory");
    return (struct native_result){(status_t)(int32_t)(uint32_t)rax, rdx, r10};
}

[[noreturn]] void native_end(int64_t code, bool by_signal) {
    (void)NATIVE(SYS_THREAD_EXIT, 0, THREAD_EXIT_PROCESS, (uint64_t)code, by_signal ? 1 : 0);
    __builtin_trap();
}

[[noreturn]] void native_thread_end(uint64_t clear_address) {
    (void)NATIVE(SYS_THREAD_EXIT, clear_address);
    __builtin_trap();
}

UNSAFE_BEGIN
struct posix_thread *_Nonnull thread_self(void) {
    return (struct posix_thread *_Nonnull)(native_stack_pointer() & ~(uint64_t)(AREA_SIZE - 1));
}

static const struct clock_page *_Nonnull clock_page(void) {
    return (const struct clock_page *)RUNTIME_CLOCK;
}

void *_Nonnull address_pointer(uint64_t address) {
    return (void *_Nonnull)(uintptr_t)address;
}
UNSAFE_END

/* The kernel demands these instructions of every processor. */
uint64_t base_get(bool gs) {
    uint64_t base = 0;
    if (gs) {
        __asm__ volatile("rdgsbase %0" : "=r"(base));
    } else {
        __asm__ volatile("rdfsbase %0" : "=r"(base));
    }
    return base;
}

void base_set(bool gs, uint64_t base) {
    if (gs) {
        __asm__ volatile("wrgsbase %0" : : "r"(base));
    } else {
        __asm__ volatile("wrfsbase %0" : : "r"(base));
    }
}

static uint64_t ticks(void) {
    uint32_t low = 0;
    uint32_t high = 0;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

static struct clock_copy copy_now(void) {
    const struct clock_page *page = clock_page();
    for (;;) {
        uint32_t index = atomic_load_explicit(&page->index, memory_order_acquire);
        struct clock_copy copy = page->copy[index & 1];
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (atomic_load_explicit(&page->index, memory_order_relaxed) == index) {
            return copy;
        }
    }
}

static uint64_t monotonic_of(const struct clock_copy *_Nonnull copy) {
    uint64_t passed = ticks() - copy->tsc_base;
    return copy->monotonic_base_ns +
           (uint64_t)(((unsigned __int128)passed * copy->multiplier) >> (copy->shift & 63));
}

uint64_t clock_monotonic_ns(void) {
    struct clock_copy copy = copy_now();
    return monotonic_of(&copy);
}

uint64_t clock_realtime_ns(void) {
    struct clock_copy copy = copy_now();
    return monotonic_of(&copy) + copy.realtime_offset_ns;
}
