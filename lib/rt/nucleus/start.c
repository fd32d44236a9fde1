/* The first instructions of a native program on the nucleus. The stack protector's value lies in
 * the thread page (host/build/flags.mk names its offset), so that each thread has its own and no
 * program needs a writable global. */
#include "lib/rt/message.h"
#include "lib/rt/native.h"

static_assert(offsetof(struct thread_page, runtime) + 10 * sizeof(uint64_t) == 0x78);

void server_main(uint64_t mode, uint64_t thread_page);
[[noreturn]] void rt_begin(uint64_t mode, uint64_t thread_page);
[[noreturn]] void __stack_chk_fail(void);
void _start(void);

[[gnu::naked, gnu::section(".text.start")]] void _start(void) {
    __asm__ volatile("xorl %ebp, %ebp\n"
                     "andq $-16, %rsp\n"
                     "callq rt_begin\n"
                     "ud2");
}

[[noreturn, gnu::no_stack_protector]] void rt_begin(uint64_t mode, uint64_t thread_page) {
    uint64_t guard = 0; /* set between calls: a function that is under way has the old one */
    (void)rt_random(&guard, sizeof guard);
    rt_thread_page()->runtime[10] = guard;
    server_main(mode, thread_page);
    rt_exit(0);
}

[[noreturn]] void __stack_chk_fail(void) {
    __builtin_trap();
}
