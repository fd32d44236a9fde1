/* The upcall of a native process: what a fault leaves behind for its report. See lib/rt/report.h.
 *
 * Invariants: (F1) the upcall is taken away before anything else is done, so that a fault in here
 * ends the process; (F2) it runs on a stack of its own, since the fault may be the stack's;
 * (F3) only frames within the program's stack are followed, upward. */
#include "abi/boot.h"
#include "lib/base/bytes.h"
#include "lib/rt/message.h"
#include "lib/rt/native.h"
#include "lib/rt/report.h"

enum { STACK_SIZE = 2 * PAGE_SIZE, RUNTIME_REPORT = 9 }; /* index into thread_page.runtime */

struct stack_frame {
    uint64_t next, return_address;
};

/* In: RCX the thread page, RSP upcall_stack. */
[[gnu::naked]] static void fault_entry(void) {
    __asm__ volatile("xorl %ebp, %ebp\n"
                     "andq $-16, %rsp\n"
                     "movq %rcx, %rdi\n"
                     "callq rt_fault\n"
                     "ud2");
}

[[noreturn]] void rt_fault(struct thread_page *_Nonnull page);

static uint64_t follow(uint64_t frame_pointer, struct rt_fault *_Nonnull out) {
    uint64_t count = 0;
    uint64_t lowest = NATIVE_STACK_TOP - NATIVE_STACK_SIZE;
    while (count < RT_REPORT_TRACE && frame_pointer >= lowest && frame_pointer % 8 == 0 &&
           frame_pointer <= NATIVE_STACK_TOP - sizeof(struct stack_frame)) {
        const struct stack_frame *frame = rt_pointer(frame_pointer);
        out->trace[count++] = frame->return_address;
        lowest = frame_pointer + 1;
        frame_pointer = frame->next;
    }
    return count;
}

[[noreturn, gnu::used]] void rt_fault(struct thread_page *_Nonnull page) {
    (void)rt_object_set(0, SET_UPCALL, 0, 0);
    struct rt_report *report = rt_pointer(page->runtime[RUNTIME_REPORT]);
    struct rt_fault *fault = &report->fault;
    fault->frame = page->frame[0];
    fault->identity = page->received.identity;
    fault->attempt = page->received.attempt;
    fault->state = page->received.state;
    bytes_copy(fault->received, page->received_input, sizeof fault->received);
    fault->present = 1;
    fault->trace_count = follow(fault->frame.rbp, fault);
    struct syscall_registers r = {.number = SYS_THREAD_RESUME, .a = 0};
    rt_invoke(&r);
    __builtin_trap();
}

void rt_fault_arm(struct rt_report *_Nonnull report) {
    uint64_t stack = 0;
    struct thread_page *page = rt_thread_page();
    if (rt_map(0, 0, STACK_SIZE, 0, 0, PROTECT_READ | PROTECT_WRITE | MAP_PRIVATE, &stack) !=
        STATUS_OK) {
        return; /* it will end without registers */
    }
    page->runtime[RUNTIME_REPORT] = rt_address(report);
    page->upcall_stack = stack + STACK_SIZE;
    (void)rt_object_set(0, SET_UPCALL, (uint64_t)(uintptr_t)&fault_entry, 0);
}
