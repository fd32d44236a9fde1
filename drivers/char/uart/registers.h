#pragma once
/* The registers of a 16550, by their offset from its first port, and their bits. */

enum {
    REGISTER_DATA = 0,       /* low byte of the divisor, while FORMAT_DIVISOR */
    REGISTER_INTERRUPTS = 1, /* which are on; high byte of the divisor */
    REGISTER_INTERRUPT_CAUSE = 2,
    REGISTER_QUEUES = 2, /* written */
    REGISTER_FORMAT = 3,
    REGISTER_MODEM = 4,
    REGISTER_LINE_STATUS = 5,
};
enum { INTERRUPT_RECEIVED = 0x01, INTERRUPT_EMPTY = 0x02 };
enum { QUEUES_ON = 0x81 };
enum { FORMAT_DIVISOR = 0x80 };
enum { MODEM_ON = 0x0b }; /* DTR, RTS, and the line to the interrupt controller */
enum {
    STATUS_RECEIVED = 0x01,
    STATUS_OVERRUN = 0x02,
    STATUS_PARITY = 0x04,
    STATUS_FRAMING = 0x08,
    STATUS_EMPTY = 0x20
};
