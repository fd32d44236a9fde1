#pragma once
/* The native system calls as the runtime makes them. Two backends: nucleus/native.c, and for tests
 * on the host sim/native.c. */
#include "abi/call.h"
#include "abi/info.h"
#include "abi/syscall.h"
#include "lib/base/safe.h"

struct native_result {
    status_t status;
    uint64_t value, value2;
};
struct native_result native(enum syscall_number number, const uint64_t (*_Nonnull arguments)[6]);

#define NATIVE(number, ...) native((number), &(const uint64_t[6]){__VA_OPT__(__VA_ARGS__)})

/* SYS_CALL. With `forks` the copy of this thread, which returns with word 0 = 0, does not return
 * here but begins at child_begin() on the stack that its state names.
 * Blocks: until answered. */
void native_call(struct syscall_registers *_Nonnull registers, bool forks);

/* Ends the process. */
[[noreturn]] void native_end(int64_t code, bool by_signal);
/* Ends the thread; the address is cleared and woken where it is not 0. */
[[noreturn]] void native_thread_end(uint64_t clear_address);

/* The bases of FS and GS, which belong to the program. */
uint64_t base_get(bool gs);
void base_set(bool gs, uint64_t base);

/* Nanoseconds, from the clock page. */
uint64_t clock_monotonic_ns(void);
uint64_t clock_realtime_ns(void);

/* Memory of the runtime's own at a fixed address. */
void *_Nonnull address_pointer(uint64_t address);

void handle_close(handle_t handle);
[[nodiscard]] status_t handle_duplicate(handle_t handle, handle_t *_Nonnull out);
/* Maps into `space` (0: this one). Errors: the kernel's. */
[[nodiscard]] status_t space_map(handle_t space, uint64_t *_Nonnull address, uint64_t length,
                                 handle_t memory, uint64_t offset, uint32_t flags);
void space_unmap(uint64_t address, uint64_t length);
[[nodiscard]] /* Whether two sessions are of the same server. */
bool session_same_server(handle_t one, handle_t other);
status_t session_flags(handle_t session, uint32_t *_Nonnull out);
