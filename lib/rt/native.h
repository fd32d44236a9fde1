#pragma once
/* The native system calls as functions. What each does, blocks on and can fail with is said once,
 * in abi/syscall.h; here are only their shapes. Beneath is one function, rt_invoke, with two
 * backends: the nucleus (lib/rt/nucleus) and the simulator (lib/rt/sim). */
#include "abi/call.h"
#include "abi/info.h"
#include "abi/syscall.h"
#include "lib/base/safe.h"

/* Executes the system call in `registers`, and leaves its results there. */
void rt_invoke(struct syscall_registers *_Nonnull registers);
/* A call or an answer, where each copy counts: registers but the words in and out, words in from
 * one array and out to another (or the same). */
struct rt_exchange {
    uint64_t number, a, b, token;
};
#ifdef ISOTOPE_HOST
void rt_exchange(struct rt_exchange *_Nonnull e, const uint64_t (*_Nonnull in)[CALL_WORDS],
                 uint64_t (*_Nonnull out)[CALL_WORDS]);
#else
#include "lib/rt/nucleus/exchange.h"
#endif

/* The address of something of this process, as system calls take it. */
static inline uint64_t rt_address(const volatile void *_Nullable pointer) {
    return (uint64_t)(uintptr_t)pointer;
}

/* The other way: what a system call mapped, as a pointer. */
UNSAFE_BEGIN
static inline void *_Nonnull rt_pointer(uint64_t address) {
    return (void *)(uintptr_t)address;
}
UNSAFE_END

status_t rt_handle_duplicate(handle_t handle, uint32_t rights, handle_t *_Nonnull out);
/* from, to: 0 (this process), a Process or a Keep. */
status_t rt_handle_move(handle_t from, uint64_t source, handle_t to, uint64_t slot, uint32_t rights,
                        uint32_t flags, uint32_t *_Nonnull out);
status_t rt_object_create(enum object_type type, handle_t container, uint64_t arg1, uint64_t arg2,
                          uint64_t tag, uint64_t arg3, handle_t *_Nonnull out);
status_t rt_object_info(handle_t handle, enum info_topic topic, void *_Nonnull out, size_t size);
/* Entries from *cursor on into `out`; *cursor goes on. */
status_t rt_object_list(handle_t handle, enum list_topic topic, void *_Nonnull out, size_t size,
                        uint64_t *_Nonnull cursor, uint64_t *_Nonnull out_count);
status_t rt_object_set(handle_t handle, enum object_property property, uint64_t value,
                       uint64_t value2);
status_t rt_kill(handle_t handle, int64_t code, enum exit_cause cause);
status_t rt_map(handle_t space, uint64_t address, uint64_t length, handle_t memory, uint64_t offset,
                uint32_t protection, uint64_t *_Nonnull out_address);
status_t rt_unmap(handle_t space, uint64_t address, uint64_t length);
status_t rt_memory_clone(handle_t memory, uint64_t offset, uint64_t length, handle_t *_Nonnull out);
status_t rt_memory_resize(handle_t memory, uint64_t size, uint64_t *_Nonnull out_old);
status_t rt_memory_copy(handle_t memory, uint64_t offset, uint64_t address, uint64_t length,
                        enum memory_direction direction);
status_t rt_memory_supply(handle_t memory, enum supply_operation operation, uint64_t offset,
                          uint64_t length, handle_t source, uint64_t argument);
status_t rt_memory_scan(handle_t memory, enum scan_operation operation, uint64_t offset,
                        uint64_t length, uint64_t argument, handle_t target,
                        uint64_t *_Nonnull out);
status_t rt_thread_start(handle_t thread, uint64_t entry, uint64_t stack, uint64_t argument,
                         uint64_t page, uint64_t fs);
status_t rt_thread_control(handle_t thread_or_process, enum thread_operation operation);
status_t rt_process_clone(handle_t process, uint64_t token, uint64_t tag, uint32_t flags,
                          handle_t domain, handle_t *_Nonnull out);
status_t rt_process_replace(handle_t process, handle_t space, uint64_t entry, uint64_t stack,
                            uint64_t argument, uint64_t token);
status_t rt_session_ready(handle_t session, uint32_t clear, uint32_t set);
status_t rt_event_signal(handle_t event, uint64_t bits);
status_t rt_timer_set(handle_t event, uint64_t deadline_ns, uint64_t bits, uint64_t period_ns);
status_t rt_bind(handle_t waitset, handle_t source, uint32_t mask, uint64_t key, uint32_t flags);
status_t rt_lease_transfer(uint64_t token, enum lease_kind lease, uint64_t lease_offset,
                           handle_t memory, uint64_t offset, uint64_t length);
status_t rt_futex_wait(const uint32_t *_Nonnull word, uint32_t expected, uint64_t deadline_ns);
status_t rt_futex_wake(const uint32_t *_Nonnull word, uint32_t count);
status_t rt_irq_ack(handle_t irq);
status_t rt_port_read(handle_t ports, uint16_t offset, uint32_t size, uint32_t *_Nonnull out);
status_t rt_port_write(handle_t ports, uint16_t offset, uint32_t size, uint32_t value);
uint64_t rt_clock_ns(void);
uint64_t rt_realtime_ns(void);
status_t rt_random(void *_Nonnull out, size_t size);
/* Which of up to 64 roots are of calls still unanswered, as a bit mask. */
status_t rt_roots_live(const uint64_t *_Nonnull roots, size_t count, uint64_t *_Nonnull out_mask);
void rt_log_bytes(const void *_Nonnull text, size_t size);
[[noreturn]] void rt_exit(int64_t code);
