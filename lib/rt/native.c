#include "lib/rt/native.h"
#include "lib/rt/message.h"

/* Up to six arguments, in the order of abi/syscall.h. */
static status_t invoke(struct syscall_registers *_Nonnull r, enum syscall_number number) {
    r->number = number;
    rt_invoke(r);
    return (status_t)(int32_t)(uint32_t)r->number;
}

#define CALL6(name, one, two, three, four, five, six)                                              \
    struct syscall_registers r = {                                                                 \
        .a = (one), .b = (two), .words = {(three), (four), (five), (six)}};                        \
    status_t status = invoke(&r, (name))

void rt_handle_close(handle_t handle) {
    if (handle != HANDLE_NONE) {
        CALL6(SYS_HANDLE_CLOSE, handle, 0, 0, 0, 0, 0);
        (void)status;
    }
}

status_t rt_handle_duplicate(handle_t handle, uint32_t rights, handle_t *_Nonnull out) {
    CALL6(SYS_HANDLE_DUPLICATE, handle, rights, 0, 0, 0, 0);
    *out = status == STATUS_OK ? (handle_t)r.words[0] : HANDLE_NONE;
    return status;
}

status_t rt_handle_move(handle_t from, uint64_t source, handle_t to, uint64_t slot, uint32_t rights,
                        uint32_t flags, uint32_t *_Nonnull out) {
    CALL6(SYS_HANDLE_MOVE, from, source, to, slot, rights, flags);
    *out = status == STATUS_OK ? (uint32_t)r.words[0] : 0;
    return status;
}

status_t rt_object_create(enum object_type type, handle_t container, uint64_t arg1, uint64_t arg2,
                          uint64_t tag, uint64_t arg3, handle_t *_Nonnull out) {
    CALL6(SYS_OBJECT_CREATE, type, container, arg1, arg2, tag, arg3);
    *out = status == STATUS_OK ? (handle_t)r.words[0] : HANDLE_NONE;
    return status;
}

status_t rt_object_info(handle_t handle, enum info_topic topic, void *_Nonnull out, size_t size) {
    CALL6(SYS_OBJECT_INFO, handle, topic, rt_address(out), size, 0, 0);
    return status;
}

status_t rt_object_list(handle_t handle, enum list_topic topic, void *_Nonnull out, size_t size,
                        uint64_t *_Nonnull cursor, uint64_t *_Nonnull out_count) {
    CALL6(SYS_OBJECT_LIST, handle, topic, rt_address(out), size, *cursor, 0);
    *out_count = status == STATUS_OK ? r.words[0] : 0;
    if (status == STATUS_OK) {
        *cursor = r.words[1];
    }
    return status;
}

status_t rt_object_set(handle_t handle, enum object_property property, uint64_t value,
                       uint64_t value2) {
    CALL6(SYS_OBJECT_SET, handle, property, value, value2, 0, 0);
    return status;
}

status_t rt_kill(handle_t handle, int64_t code, enum exit_cause cause) {
    CALL6(SYS_KILL, handle, (uint64_t)code, cause, 0, 0, 0);
    return status;
}

status_t rt_map(handle_t space, uint64_t address, uint64_t length, handle_t memory, uint64_t offset,
                uint32_t protection, uint64_t *_Nonnull out_address) {
    CALL6(SYS_MAP, space, address, length, memory, offset, protection);
    *out_address = status == STATUS_OK ? r.words[0] : 0;
    return status;
}

status_t rt_unmap(handle_t space, uint64_t address, uint64_t length) {
    CALL6(SYS_UNMAP, space, address, length, 0, 0, 0);
    return status;
}

status_t rt_memory_clone(handle_t memory, uint64_t offset, uint64_t length,
                         handle_t *_Nonnull out) {
    CALL6(SYS_MEMORY_CLONE, memory, 0, offset, length, 0, 0);
    *out = status == STATUS_OK ? (handle_t)r.words[0] : HANDLE_NONE;
    return status;
}

status_t rt_memory_resize(handle_t memory, uint64_t size, uint64_t *_Nonnull out_old) {
    CALL6(SYS_MEMORY_RESIZE, memory, size, 0, 0, 0, 0);
    *out_old = r.words[0];
    return status;
}

status_t rt_memory_copy(handle_t memory, uint64_t offset, uint64_t address, uint64_t length,
                        enum memory_direction direction) {
    CALL6(SYS_MEMORY_COPY, memory, offset, address, length, direction, 0);
    return status;
}

status_t rt_memory_supply(handle_t memory, enum supply_operation operation, uint64_t offset,
                          uint64_t length, handle_t source, uint64_t argument) {
    CALL6(SYS_MEMORY_SUPPLY, memory, operation, offset, length, source, argument);
    return status;
}

status_t rt_memory_scan(handle_t memory, enum scan_operation operation, uint64_t offset,
                        uint64_t length, uint64_t argument, handle_t target,
                        uint64_t *_Nonnull out) {
    CALL6(SYS_MEMORY_SCAN, memory, operation, offset, length, argument, target);
    *out = r.words[0];
    return status;
}

status_t rt_thread_start(handle_t thread, uint64_t entry, uint64_t stack, uint64_t argument,
                         uint64_t page, uint64_t fs) {
    CALL6(SYS_THREAD_START, thread, entry, stack, argument, page, fs);
    return status;
}

status_t rt_thread_control(handle_t thread_or_process, enum thread_operation operation) {
    CALL6(SYS_THREAD_CONTROL, thread_or_process, operation, 0, 0, 0, 0);
    return status;
}

status_t rt_process_clone(handle_t process, uint64_t token, uint64_t tag, uint32_t flags,
                          handle_t domain, handle_t *_Nonnull out) {
    CALL6(SYS_PROCESS_CLONE, process, token, tag, flags, domain, 0);
    *out = (handle_t)r.words[0];
    return status;
}

status_t rt_process_replace(handle_t process, handle_t space, uint64_t entry, uint64_t stack,
                            uint64_t argument, uint64_t token) {
    CALL6(SYS_PROCESS_REPLACE, process, space, entry, stack, argument, token);
    return status;
}

status_t rt_session_ready(handle_t session, uint32_t clear, uint32_t set) {
    CALL6(SYS_SESSION_READY, session, clear, set, 0, 0, 0);
    return status;
}

status_t rt_event_signal(handle_t event, uint64_t bits) {
    CALL6(SYS_EVENT_SIGNAL, event, bits, 0, 0, 0, 0);
    return status;
}

status_t rt_timer_set(handle_t event, uint64_t deadline_ns, uint64_t bits, uint64_t period_ns) {
    CALL6(SYS_TIMER_SET, event, deadline_ns, bits, period_ns, 0, 0);
    return status;
}

status_t rt_bind(handle_t waitset, handle_t source, uint32_t mask, uint64_t key, uint32_t flags) {
    CALL6(SYS_WAITSET_BIND, waitset, source, mask, key, flags, 0);
    return status;
}

status_t rt_lease_transfer(uint64_t token, enum lease_kind lease, uint64_t lease_offset,
                           handle_t memory, uint64_t offset, uint64_t length) {
    for (uint64_t done = 0; done < length;) {
        CALL6(SYS_LEASE_TRANSFER, token, lease, lease_offset + done, memory, offset + done,
              length - done);
        if (status != STATUS_OK) {
            return status;
        }
        done += r.words[0];
    }
    return STATUS_OK;
}

/* Copies all of a range: the kernel moves a bounded part with each call. */
static status_t lease_copy(uint64_t token, enum lease_kind lease, uint64_t offset, uint64_t address,
                           size_t size) {
    for (uint64_t done = 0; done < size;) {
        CALL6(SYS_LEASE_COPY, token, lease, offset + done, address + done, size - done, 0);
        if (status != STATUS_OK) {
            return status;
        }
        done += r.words[0];
    }
    return STATUS_OK;
}

status_t rt_lease_read(uint64_t token, uint64_t offset, void *_Nonnull to, size_t size) {
    return lease_copy(token, LEASE_IN, offset, rt_address(to), size);
}

status_t rt_lease_write(uint64_t token, uint64_t offset, const void *_Nonnull from, size_t size) {
    return lease_copy(token, LEASE_OUT, offset, rt_address(from), size);
}

status_t rt_futex_wait(const uint32_t *_Nonnull word, uint32_t expected, uint64_t deadline_ns) {
    CALL6(SYS_FUTEX_WAIT, rt_address(word), expected, deadline_ns, UINT32_MAX, FUTEX_PRIVATE, 0);
    return status;
}

status_t rt_futex_wake(const uint32_t *_Nonnull word, uint32_t count) {
    CALL6(SYS_FUTEX_WAKE, rt_address(word), count, 0, 0, UINT32_MAX, UINT64_MAX);
    return status;
}

status_t rt_irq_ack(handle_t irq) {
    CALL6(SYS_IRQ_ACK, irq, 0, 0, 0, 0, 0);
    return status;
}

status_t rt_port_read(handle_t ports, uint16_t offset, uint32_t size, uint32_t *_Nonnull out) {
    CALL6(SYS_DEVICE_MAP, ports, DEVICE_PORT_READ, offset, size, 0, 0);
    *out = (uint32_t)r.words[0];
    return status;
}

status_t rt_port_write(handle_t ports, uint16_t offset, uint32_t size, uint32_t value) {
    CALL6(SYS_DEVICE_MAP, ports, DEVICE_PORT_WRITE, offset, size, value, 0);
    return status;
}

uint64_t rt_clock_ns(void) {
    CALL6(SYS_SYSTEM, SYSTEM_CLOCK, 0, 0, 0, 0, 0);
    (void)status;
    return r.words[0];
}

uint64_t rt_realtime_ns(void) {
    CALL6(SYS_SYSTEM, SYSTEM_CLOCK, 0, 0, 0, 0, 0);
    (void)status;
    return r.words[1];
}

status_t rt_random(void *_Nonnull out, size_t size) {
    CALL6(SYS_SYSTEM, SYSTEM_RANDOM, rt_address(out), size, 0, 0, 0);
    return status;
}

status_t rt_roots_live(const uint64_t *_Nonnull roots, size_t count, uint64_t *_Nonnull out_mask) {
    CALL6(SYS_SYSTEM, SYSTEM_ROOTS_LIVE, rt_address(roots), count, 0, 0, 0);
    *out_mask = r.words[0];
    return status;
}

void rt_log_bytes(const void *_Nonnull text, size_t size) {
    for (size_t done = 0; done < size;) {
        CALL6(SYS_SYSTEM, SYSTEM_LOG_WRITE, rt_address(text) + done, size - done, 0, 0, 0);
        if (status != STATUS_OK) {
            return;
        }
        done += (size_t)r.words[0];
    }
}

[[noreturn]] void rt_exit(int64_t code) {
    for (;;) {
        CALL6(SYS_THREAD_EXIT, 0, THREAD_EXIT_PROCESS, (uint64_t)code, 0, 0, 0);
        (void)status;
    }
}

status_t rt_handle_require(handle_t handle, enum object_type type, uint32_t rights) {
    struct handle_info info = {};
    status_t status = rt_object_info(handle, INFO_HANDLE, &info, sizeof info);
    if (status != STATUS_OK) {
        return status;
    }
    if (info.type != type) {
        return STATUS_BAD_TYPE;
    }
    return (rights & ~info.rights) != 0 ? STATUS_BAD_RIGHTS : STATUS_OK;
}
