#pragma once
/* Hardware rights: interrupts, port ranges, DMA spaces, and the rights to read traces and to run
 * the machine. What a driver's process holds is exactly its own device's. */
#include "kernel/ipc/source.h"
#include "kernel/object/object.h"

struct device {
    struct object object;
    struct source source; /* interrupts */
    uint32_t line;        /* irq */
    uint32_t pending;     /* interrupts since the last acknowledgement */
    bool claimed;
    uint16_t port_base, port_count;
};

status_t device_create(enum object_type type, struct domain *_Nullable domain, uint64_t arg1,
                       uint64_t arg2, struct device *_Nullable *_Nonnull out) LOCKED;
bool device_destroy_step(struct device *_Nonnull device) LOCKED;
/* From the port: line `line` fired and is masked. */
void device_irq_raised(uint32_t line) LOCKED;
status_t device_irq_acknowledge(struct device *_Nonnull device) LOCKED;
