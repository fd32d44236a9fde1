/* The machine's simplest devices: where log text goes until user space drives the console, how the
 * machine stops, random numbers, ports of drivers. Nothing here needs a lock or a working kernel.
 *
 * Text goes to port 0xe9 and to a UART, polled: COM1 until somebody claims it (COM2 in the debug
 * profile, which nobody claims). */
#include "kernel/arch/x86_64/machine.h"
#include "kernel/arch/x86_64/x86.h"

enum {
    PORT_DEBUG = 0xe9,
    PORT_EXIT = 0xf4, /* isa-debug-exit; host/qemu/machine.py has the codes */
    EXIT_PASSED = 0x10,
    EXIT_FAILED = 0x11,
    PORT_KEYBOARD = 0x64,
    KEYBOARD_RESET = 0xfe,
    UART_POLLS = 100000,
    BACKTRACE_DEPTH = 24
};
#ifdef ISOTOPE_DEBUG
enum { UART = 0x2f8 };
#else
enum { UART = 0x3f8 };
#endif
static uint32_t taken; /* atomic */

void console_init(void) {
    out8(UART + 1, 0);    /* no interrupts */
    out8(UART + 3, 0x80); /* 115200 baud, 8N1 */
    out8(UART + 0, 1);
    out8(UART + 1, 0);
    out8(UART + 3, 3);
    out8(UART + 2, 7);
    out8(UART + 4, 3);
}

void console_taken(void) {
    __atomic_store_n(&taken, UART == 0x3f8, __ATOMIC_RELAXED);
}

static void uart_put(uint8_t byte) {
    for (unsigned i = 0; i < UART_POLLS && (in8(UART + 5) & 0x20) == 0; i++) {
    }
    out8(UART, byte);
}

void arch_log_put(char c) {
    out8(PORT_DEBUG, (uint8_t)c);
    if (__atomic_load_n(&taken, __ATOMIC_RELAXED) == 0) {
        if (c == '\n') {
            uart_put('\r');
        }
        uart_put((uint8_t)c);
    }
}

[[noreturn]] void arch_stop(uint32_t code) {
    out32(PORT_EXIT, code == 0 ? EXIT_PASSED : EXIT_FAILED);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

[[noreturn]] void arch_reboot(void) {
    out8(PORT_KEYBOARD, KEYBOARD_RESET);
    for (;;) {
        __asm__ volatile("cli; hlt");
    }
}

/* ---- failure ---- */

/* No formatter here: a smashed stack must not lead back to where it was found. */
UNSAFE_BEGIN
static void put_text(const char *_Nonnull text) {
    for (size_t i = 0; text[i] != 0; i++) {
        arch_log_put(text[i]);
    }
}
UNSAFE_END

static void put_hex(const char *_Nonnull before, uint64_t value) {
    put_text(before);
    for (unsigned shift = 64; shift > 0; shift -= 4) {
        uint64_t digit = value >> (shift - 4) & 15;
        arch_log_put((char)(digit < 10 ? '0' + digit : 'a' + digit - 10));
    }
}

struct stack_frame {
    const struct stack_frame *_Nullable next;
    uint64_t return_address;
};

static void backtrace_from(uint64_t start) {
    const uint64_t address_limit = KERNEL_OFFSET;
    for (unsigned depth = 0; depth < BACKTRACE_DEPTH && start >= address_limit; depth++) {
        UNSAFE_BEGIN
        const struct stack_frame *frame = (const struct stack_frame *)start;
        UNSAFE_END
        if (frame->return_address < address_limit || (uint64_t)frame->next <= start) {
            break;
        }
        put_hex("\n  at ", frame->return_address);
        start = (uint64_t)frame->next;
    }
}

void arch_backtrace(void) {
    put_text("backtrace (host/symbolise names these):");
    const void *here = __builtin_frame_address(0);
    backtrace_from((uint64_t)here);
    arch_log_put('\n');
}

[[noreturn]] void console_halt(const char *_Nonnull what, uint64_t rip, uint64_t frame,
                               uint64_t error) {
    put_text("\nkernel: ");
    put_text(what);
    put_hex(": error ", error);
    put_hex(", cr2 ", cr2_read());
    put_hex("\nbacktrace:\n  at ", rip);
    backtrace_from(frame);
    arch_log_put('\n');
    arch_stop(1);
}

uint64_t __stack_chk_guard = 0x9d5f1bc07a3e2600;
/* A stack frame was overwritten. The exception (6) shows where; functions that are protected may
 * not be called from here. */
[[noreturn]] void __stack_chk_fail(void);
[[noreturn]] void __stack_chk_fail(void) {
    __builtin_trap();
}

/* ---- random numbers, ports ---- */

static bool random_hardware(uint64_t *_Nonnull out) {
    for (unsigned tries = 0; tries < 16; tries++) {
        bool good = false;
        __asm__ volatile("rdrand %0" : "=r"(*out), "=@ccc"(good));
        if (good) {
            return true;
        }
    }
    return false;
}

bool arch_random(uint64_t *_Nonnull out) {
    if (features.rdrand && random_hardware(out)) {
        return true;
    }
    /* No source of its own: jitter of the time that uncached device reads take. The boot log says
     * so. */
    uint64_t mixed = arch_ticks();
    for (unsigned i = 0; i < 64; i++) {
        (void)in8(0x61);
        mixed = (mixed << 7 | mixed >> 57) ^ arch_ticks() * 0x9e3779b97f4a7c15ull;
    }
    *out = mixed;
    return true;
}

status_t arch_port_access(uint16_t port, uint32_t size, bool write, uint64_t *_Nonnull value) {
    if (port - 0x3f8u < 8 && write) {
        console_taken();
    }
    switch (size) {
    case 1:
        write ? out8(port, (uint8_t)(*value & 0xff)) : (void)(*value = in8(port));
        return STATUS_OK;
    case 2:
        write ? out16(port, (uint16_t)(*value & 0xffff)) : (void)(*value = in16(port));
        return STATUS_OK;
    case 4:
        write ? out32(port, (uint32_t)(*value & 0xffffffff)) : (void)(*value = in32(port));
        return STATUS_OK;
    default:
        return STATUS_BAD_ARGUMENT;
    }
}
