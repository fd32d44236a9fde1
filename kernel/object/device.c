#include "kernel/object/device.h"
#include "kernel/arch/arch.h"
#include "kernel/object/domain.h"

enum { IRQ_LINES = 256 };
static struct device *_Nullable irq_owner[IRQ_LINES] GUARDED;

status_t device_create(enum object_type type, struct domain *_Nullable domain, uint64_t arg1,
                       uint64_t arg2, struct device *_Nullable *_Nonnull out) {
    if (type == OBJECT_IRQ && (arg1 >= IRQ_LINES || irq_owner[arg1] != nullptr)) {
        return arg1 >= IRQ_LINES ? STATUS_OUT_OF_RANGE : STATUS_BUSY;
    }
    REFUSE(type == OBJECT_IOPORTS && (arg1 > UINT16_MAX || arg2 == 0 || arg1 + arg2 > 0x10000),
           STATUS_OUT_OF_RANGE);
    void *memory = nullptr;
    TRY(object_allocate(type, SLAB_DEVICE, domain, &memory));
    struct device *device = SOME(memory);
    source_init(&device->source);
    if (type == OBJECT_IRQ) {
        device->line = (uint32_t)arg1;
        status_t status = arch_irq_claim(device->line);
        if (status != STATUS_OK) {
            object_release(&device->object);
            return status;
        }
        device->claimed = true;
        irq_owner[arg1] = device;
    } else if (type == OBJECT_IOPORTS) {
        device->port_base = (uint16_t)arg1;
        device->port_count = (uint16_t)(arg2 - 1);
    }
    *out = device;
    return STATUS_OK;
}

bool device_destroy_step(struct device *_Nonnull device) {
    source_close(&device->source);
    if (device->claimed) {
        arch_irq_mask(device->line, true);
        irq_owner[device->line] = nullptr;
    }
    return true;
}

void device_irq_raised(uint32_t line) {
    struct device *device = line < IRQ_LINES ? irq_owner[line] : nullptr;
    if (device != nullptr) {
        device->pending++;
        source_notify(&device->source, UINT32_MAX);
    }
}

status_t device_irq_acknowledge(struct device *_Nonnull device) {
    arch_irq_mask(device->line, false);
    return STATUS_OK;
}
