/* commit, session_ready, event_signal, timer_set, waitset_bind, wait, irq_ack, device_map. */
#include "abi/info.h"
#include "abi/syscall.h"
#include "kernel/ipc/call.h"
#include "kernel/ipc/event.h"
#include "kernel/object/device.h"
#include "kernel/object/process.h"
#include "kernel/syscall/syscall.h"

status_t sys_commit(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    (void)r;
    return self->page == nullptr ? STATUS_BAD_ARGUMENT
                                 : commit_apply(self, nullptr, RECEIVE_HAS_PATCHES);
}

status_t sys_session_ready(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    FIND(object, r->a, OBJECT_SESSION, RIGHT_RECEIVE);
    session_set_ready((struct session *)SOME(object), (uint32_t)r->b, (uint32_t)r->words[0]);
    return STATUS_OK;
}

status_t sys_event_signal(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    FIND(object, r->a, OBJECT_EVENT, RIGHT_SIGNAL);
    event_signal((struct event *)SOME(object), r->b);
    return STATUS_OK;
}

#define SHORTEST_PERIOD_NS 100000ull

status_t sys_timer_set(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    FIND(object, r->a, OBJECT_EVENT, RIGHT_SIGNAL);
    uint64_t period = r->words[1] == 0 ? 0 : MAX(r->words[1], SHORTEST_PERIOD_NS);
    event_set_timer((struct event *)SOME(object), r->b, r->words[0], period);
    return STATUS_OK;
}

/* What receives must hold the right to: an endpoint's calls, a Memory's page requests. */
static uint32_t right_to_bind(enum object_type type) {
    return type == OBJECT_ENDPOINT ? RIGHT_RECEIVE
           : type == OBJECT_MEMORY ? RIGHT_PAGE
                                   : RIGHT_WAIT;
}

status_t sys_waitset_bind(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    FIND(waitset, r->a, OBJECT_WAITSET, RIGHT_MANAGE);
    FIND(any, r->b, OBJECT_NONE, 0);
    FIND(source, r->b, OBJECT_NONE, right_to_bind(SOME(any)->type));
    return waitset_bind((struct waitset *)SOME(waitset), SOME(source), (uint32_t)r->words[0],
                        r->words[1], (uint32_t)r->words[2], r->words[3]);
}

status_t sys_wait(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    uint64_t count = 0;
    status_t status = STATUS_OK;
    waitset_looked(self, false);
    if ((r->words[2] & WAIT_LIST) != 0) {
        status = waitset_wait_list(self, r->b, r->words[0], r->words[1], r->words[2], &count);
    } else {
        FIND(waitset, r->a, OBJECT_WAITSET, RIGHT_WAIT);
        status = waitset_wait(self, (struct waitset *)SOME(waitset), r->b, r->words[0], r->words[1],
                              r->words[2], &count);
    }
    if (status == STATUS_OK) {
        r->words[0] = count;
    }
    return status;
}

status_t sys_irq_ack(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    FIND(object, r->a, OBJECT_IRQ, RIGHT_WAIT);
    return device_irq_acknowledge((struct device *)SOME(object));
}

static status_t port_access(const struct device *_Nonnull ports,
                            struct syscall_registers *_Nonnull r) LOCKED {
    uint64_t offset = r->words[0];
    uint64_t size = r->words[1];
    bool write = r->b == DEVICE_PORT_WRITE;
    REFUSE((size != 1 && size != 2 && size != 4) || offset + size > ports->port_count + 1ull ||
               offset > ports->port_count,
           STATUS_OUT_OF_RANGE);
    uint64_t value = r->words[2];
    status_t status =
        arch_port_access((uint16_t)(ports->port_base + offset), (uint32_t)size, write, &value);
    r->words[0] = value;
    return status;
}

status_t sys_device_map(struct thread *_Nonnull self, struct syscall_registers *_Nonnull r) {
    switch (r->b) {
    case DEVICE_PORT_READ:
    case DEVICE_PORT_WRITE: {
        FIND(object, r->a, OBJECT_IOPORTS, r->b == DEVICE_PORT_WRITE ? RIGHT_WRITE : RIGHT_READ);
        return port_access((struct device *)SOME(object), r);
    }
    default:
        return STATUS_NOT_SUPPORTED;
    }
}
