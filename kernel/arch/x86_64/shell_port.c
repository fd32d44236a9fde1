/* The debug shell's line, and where its trace comes from. Debug profile only
 * (kernel/debug/shell.h).
 *
 * The line is the second UART, by its interrupt. What is written to it is polled; a peer that stops
 * reading costs one bounded wait, and output is dropped until it reads again.
 *
 * The linker puts the functions named __wrap_ here in front of the core's of the same name
 * (--wrap, host/build/target.mk), so that the core's sources know nothing of the shell. */
#include "kernel/arch/x86_64/machine.h"
#include "kernel/arch/x86_64/x86.h"
#include "kernel/debug/log.h"
#include "kernel/debug/shell.h"
#include "kernel/memory/user.h"
#include "kernel/object/device.h"
#include "kernel/syscall/syscall.h"

enum {
    UART = 0x2f8,
    UART_LINE = 3,
    UART_DATA = UART + 0,
    UART_INTERRUPTS = UART + 1,
    UART_MODEM = UART + 4,
    UART_STATUS = UART + 5,
    STATUS_RECEIVED = 1,
    STATUS_ROOM = 0x20,
    MODEM_INTERRUPTS = 0xb, /* ready, and the interrupt's line connected */
    BYTES_AT_ONCE = 256     /* an interrupt takes; what is left raises another one */
};
enum : uint64_t { PATIENCE_NS = 1000000000 };
static bool peer_reads GUARDED;

static bool has_room(void) {
    return (in8(UART_STATUS) & STATUS_ROOM) != 0;
}

static void put_byte(uint8_t byte) LOCKED {
    uint64_t start = arch_ticks();
    while (peer_reads && !has_room()) {
        peer_reads = arch_ticks_to_ns(arch_ticks() - start) < PATIENCE_NS;
    }
    if (peer_reads) {
        out8(UART_DATA, byte);
    }
}

static void put(void *_Nullable context, char c) LOCKED {
    (void)context;
    if (c == '\n') {
        put_byte('\r');
    }
    put_byte((uint8_t)c);
}

static const struct shell_out out = {put, nullptr};

static void take_typed(void) LOCKED {
    for (unsigned i = 0; i < BYTES_AT_ONCE && (in8(UART_STATUS) & STATUS_RECEIVED) != 0; i++) {
        peer_reads = peer_reads || has_room();
        shell_type(&out, in8(UART_DATA));
    }
    /* Off and on: an edge for what came meanwhile. */
    out8(UART_INTERRUPTS, 0);
    out8(UART_INTERRUPTS, 1);
}

#define WRAPPED(name, parameters)                                                                  \
    void __wrap_##name parameters LOCKED;                                                          \
    void __real_##name parameters LOCKED;                                                          \
    void __wrap_##name parameters

/* Called once at boot, when interrupt lines can be claimed. */
WRAPPED(clock_init, (void)) {
    __real_clock_init();
    if (arch_irq_claim(UART_LINE) != STATUS_OK) {
        log_print("kernel: no line for the debug shell\n");
        return;
    }
    out8(UART_MODEM, MODEM_INTERRUPTS);
    out8(UART_INTERRUPTS, 1);
    peer_reads = true;
    shell_greet(&out);
}

WRAPPED(device_irq_raised, (uint32_t line)) {
    if (line == UART_LINE) {
        take_typed();
        return;
    }
    shell_record(SHELL_IRQ, line, 0);
    __real_device_irq_raised(line);
}

WRAPPED(syscall_dispatch, (struct cpu *_Nonnull cpu)) {
    const struct syscall_registers *registers = &SOME(cpu->current)->frame.call;
    shell_record(SHELL_SYSCALL, registers->number, registers->a);
    __real_syscall_dispatch(cpu);
}

WRAPPED(user_fault,
        (struct thread *_Nonnull thread, uint64_t address, uint32_t access, uint64_t error)) {
    shell_record(SHELL_PAGE_FAULT, address, access);
    __real_user_fault(thread, address, access, error);
}

WRAPPED(user_exception,
        (struct thread *_Nonnull thread, uint32_t kind, uint64_t address, uint64_t error)) {
    shell_record(SHELL_EXCEPTION, kind, address);
    __real_user_exception(thread, kind, address, error);
}

WRAPPED(process_kill, (struct process *_Nonnull process, int64_t code, enum exit_cause cause)) {
    shell_record(SHELL_KILL, process->object.serial, cause);
    __real_process_kill(process, code, cause);
}

WRAPPED(endpoint_requeue, (struct request *_Nonnull request, bool counts)) {
    shell_record(SHELL_REQUEUE,
                 request->endpoint != nullptr ? SOME(request->endpoint)->object.serial : 0,
                 request->attempts);
    __real_endpoint_requeue(request, counts);
}
