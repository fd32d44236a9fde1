/* Interrupt controllers: the local APIC of each processor (timer, interrupts between processors)
 * and the first I/O APIC (lines of devices; the old PIC is masked).
 *
 * A line that is level triggered is masked when it fires, until its driver acknowledges; one that
 * is edge triggered stays open, since the I/O APIC would lose an edge. All lines go to the first
 * processor. Lines below 16 are ISA interrupts, redirected as the MADT says; others are the I/O
 * APIC's own, PCI's: level, low. */
#include "kernel/arch/x86_64/machine.h"
#include "kernel/arch/x86_64/x86.h"
#include "kernel/object/device.h"

enum apic_register : uint32_t {
    APIC_ID = 0x20,
    APIC_ACKNOWLEDGE = 0xb0,
    APIC_SPURIOUS = 0xf0,
    APIC_COMMAND_LOW = 0x300,
    APIC_COMMAND_HIGH = 0x310,
    APIC_TIMER = 0x320,
    APIC_LINE0 = 0x350,
    APIC_TIMER_INITIAL = 0x380,
    APIC_TIMER_CURRENT = 0x390,
    APIC_TIMER_DIVIDE = 0x3e0,
    APIC_WORDS = 1024
};
enum {
    APIC_MASKED = 1 << 16,
    APIC_ENABLE = 0x100,
    APIC_BUSY = 1 << 12,
    APIC_DIVIDE_BY_1 = 0xb,
    LINE_LOW = 1 << 13,
    LINE_LEVEL = 1 << 15,
    LINE_MASKED = 1 << 16,
    UART_LINE = 4,
    ISA_LINES = 16,
    IO_WORDS = 8 /* register select at word 0, window at word 4 */
};

static volatile uint32_t (*_Nullable local)[APIC_WORDS];
static volatile uint32_t (*_Nullable io)[IO_WORDS] GUARDED;
static uint32_t io_lines GUARDED;
static uint32_t io_base GUARDED;
static struct machine_facts machine GUARDED;

static uint32_t local_read(enum apic_register name) {
    return (*SOME(local))[name / 4];
}

static void local_write(enum apic_register name, uint32_t value) {
    (*SOME(local))[name / 4] = value;
}

static uint32_t io_read(uint32_t name) LOCKED {
    (*SOME(io))[0] = name;
    return (*SOME(io))[4];
}

static void io_write(uint32_t name, uint32_t value) LOCKED {
    (*SOME(io))[0] = name;
    (*SOME(io))[4] = value;
}

void apic_init_local(void) {
    local_write(APIC_SPURIOUS, APIC_ENABLE | VECTOR_SPURIOUS);
    local_write(APIC_LINE0, APIC_MASKED);
    local_write(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
    local_write(APIC_TIMER, VECTOR_TIMER);
}

void apic_init(const struct machine_facts *_Nonnull facts) {
    out8(0x21, 0xff); /* the old PIC */
    out8(0xa1, 0xff);
    machine = *facts;
    local = paging_map_device(facts->local_apic, PAGE_SIZE);
    apic_init_local();
    if (facts->io_apic != 0) {
        io = paging_map_device(facts->io_apic, sizeof *io);
        io_base = facts->io_apic_base;
        io_lines = MIN((io_read(1) >> 16 & 0xff) + 1, (uint32_t)VECTOR_LINE_COUNT);
        for (uint32_t i = 0; i < io_lines; i++) {
            io_write(0x10 + 2 * i, LINE_MASKED);
        }
    }
}

uint32_t apic_identifier(void) {
    return local_read(APIC_ID) >> 24;
}

void apic_acknowledge(void) {
    local_write(APIC_ACKNOWLEDGE, 0);
}

void apic_send(uint32_t apic, uint32_t command) {
    local_write(APIC_COMMAND_HIGH, apic << 24);
    local_write(APIC_COMMAND_LOW, command);
    while ((local_read(APIC_COMMAND_LOW) & APIC_BUSY) != 0) {
        __asm__ volatile("pause");
    }
}

void apic_timer_set(uint32_t count) {
    local_write(APIC_TIMER_INITIAL, count);
}

uint32_t apic_timer_left(void) {
    return local_read(APIC_TIMER_CURRENT);
}

/* ---- lines ---- */

/* The redirection entry of a line; false where the machine has no such line. */
static bool entry_of(uint32_t line, uint32_t *_Nonnull out_register,
                     uint32_t *_Nonnull out_mode) LOCKED {
    uint32_t pin = line;
    *out_mode = LINE_LOW | LINE_LEVEL;
    if (line < ISA_LINES) {
        pin = machine.overrides[line].line;
        *out_mode = (machine.overrides[line].low ? (uint32_t)LINE_LOW : 0) |
                    (machine.overrides[line].level ? (uint32_t)LINE_LEVEL : 0);
    }
    if (io == nullptr || pin < io_base || pin - io_base >= io_lines || line >= VECTOR_LINE_COUNT) {
        return false;
    }
    *out_register = 0x10 + 2 * (pin - io_base);
    return true;
}

status_t arch_irq_claim(uint32_t line) {
    uint32_t name = 0;
    uint32_t mode = 0;
    REFUSE(!entry_of(line, &name, &mode), STATUS_NOT_FOUND);
    if (line == UART_LINE) {
        console_taken();
    }
    io_write(name + 1, apic_identifier() << 24);
    io_write(name, mode | (VECTOR_LINES + line));
    return STATUS_OK;
}

void arch_irq_mask(uint32_t line, bool masked) {
    uint32_t name = 0;
    uint32_t mode = 0;
    if (entry_of(line, &name, &mode)) {
        io_write(name, mode | (VECTOR_LINES + line) | (masked ? (uint32_t)LINE_MASKED : 0));
    }
}

void apic_line_raised(uint32_t vector) {
    uint32_t line = vector - VECTOR_LINES;
    uint32_t name = 0;
    uint32_t mode = 0;
    if (entry_of(line, &name, &mode) && (mode & LINE_LEVEL) != 0) {
        arch_irq_mask(line, true);
    }
    apic_acknowledge();
    device_irq_raised(line);
}
