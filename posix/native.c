/* What both backends share: small native calls with their results unpacked, calls to servers,
 * locks. */
#include "posix/native.h"
#include "idl/process.h"
#include "posix/state.h"
#include "posix/user.h"

void handle_close(handle_t handle) {
    if (handle != HANDLE_NONE) {
        (void)NATIVE(SYS_HANDLE_CLOSE, handle);
    }
}

status_t handle_duplicate(handle_t handle, handle_t *_Nonnull out) {
    struct native_result made = NATIVE(SYS_HANDLE_DUPLICATE, handle, RIGHT_ALL);
    *out = made.status == STATUS_OK ? (handle_t)made.value : HANDLE_NONE;
    return made.status;
}

status_t space_map(handle_t space, uint64_t *_Nonnull address, uint64_t length, handle_t memory,
                   uint64_t offset, uint32_t flags) {
    struct native_result made = NATIVE(SYS_MAP, space, *address, length, memory, offset, flags);
    if (made.status == STATUS_OK) {
        *address = made.value;
    }
    return made.status;
}

void space_unmap(uint64_t address, uint64_t length) {
    (void)NATIVE(SYS_UNMAP, 0, address, length);
}

status_t session_flags(handle_t session, uint32_t *_Nonnull out) {
    struct session_info info = {};
    struct native_result got =
        NATIVE(SYS_OBJECT_INFO, session, INFO_SESSION, (uintptr_t)&info, sizeof info);
    *out = info.flags;
    return got.status;
}

bool session_same_server(handle_t one, handle_t other) {
    struct session_info first = {};
    struct session_info second = {};
    struct native_result got =
        NATIVE(SYS_OBJECT_INFO, one, INFO_SESSION, (uintptr_t)&first, sizeof first);
    if (got.status == STATUS_OK) {
        got = NATIVE(SYS_OBJECT_INFO, other, INFO_SESSION, (uintptr_t)&second, sizeof second);
    }
    return got.status == STATUS_OK && first.endpoint_serial == second.endpoint_serial;
}

/* ---- calls to servers ---- */

struct thread_page *_Nonnull rt_thread_page(void) {
    return thread_self()->page;
}

void rt_handle_close(handle_t handle) {
    handle_close(handle);
}

/* Puts the handles into the thread page; those that are lent as duplicates, which the call takes.
 */
static status_t put_handles(struct thread_page *_Nonnull page,
                            const struct rt_call *_Nonnull call) {
    uint32_t count = MIN((uint32_t)call->handle_count, (uint32_t)CALL_HANDLES);
    status_t status = STATUS_OK;
    uint32_t done = 0;
    for (; done < count && status == STATUS_OK; done++) {
        handle_t handle = call->handles[done];
        if ((call->lend_mask & 1u << done) != 0 && handle != HANDLE_NONE) {
            status = handle_duplicate(handle, &handle);
        }
        page->call.handles[done] = handle;
    }
    page->call.handle_count = count;
    for (uint32_t i = 0; status != STATUS_OK && i + 1 < done; i++) {
        if ((call->lend_mask & 1u << i) != 0) {
            handle_close(page->call.handles[i]);
        }
    }
    return status;
}

status_t rt_call(handle_t session, struct rt_call *_Nonnull call) {
    struct thread_page *page = rt_thread_page();
    struct syscall_registers registers = {.number = SYS_CALL};
    uint64_t flags = call->flags;
    if (call->handle_count > 0) {
        status_t status = put_handles(page, call);
        if (status != STATUS_OK) {
            return status;
        }
        flags |= CALL_HAS_HANDLES;
    }
    if (call->lease_in.length > 0 || call->lease_out.length > 0) {
        page->call.lease_in = call->lease_in;
        page->call.lease_out = call->lease_out;
        flags |= CALL_HAS_LEASES;
    }
    if (call->timeout_ns != RT_TIMEOUT_NEVER) {
        page->call.timeout_ns = call->timeout_ns;
        flags |= CALL_HAS_DEADLINE;
    }
    registers.a = session | flags << 32;
    registers.b = call->label | (uint64_t)call->shape << 32;
    rt_copy(registers.words, call->words, sizeof registers.words);
    native_call(&registers, call->label == PROCESS_METHOD_FORK);
    rt_copy(call->words, registers.words, sizeof call->words);
    call->shape = (uint32_t)(registers.b >> 32);
    for (uint32_t i = 0; i < MIN((uint32_t)call->handle_count, (uint32_t)CALL_HANDLES); i++) {
        call->handles[i] = page->call.handles[i];
    }
    return (status_t)(int32_t)(uint32_t)registers.number;
}

status_t rt_call_nested(struct rt_context *_Nonnull context, uint32_t step, handle_t session,
                        struct rt_call *_Nonnull call) {
    (void)context;
    (void)step;
    (void)session;
    (void)call;
    return STATUS_NOT_SUPPORTED; /* a program handles no calls */
}

/* ---- locks ---- */

void state_lock(uint32_t *_Nonnull lock) {
    uint32_t found = 0;
    if (__atomic_compare_exchange_n(lock, &found, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        return;
    }
    while (__atomic_exchange_n(lock, 2, __ATOMIC_ACQUIRE) != 0) {
        (void)NATIVE(SYS_FUTEX_WAIT, (uintptr_t)lock, 2, DEADLINE_NEVER, UINT32_MAX, 0);
    }
}

void state_unlock(uint32_t *_Nonnull lock) {
    if (__atomic_exchange_n(lock, 0, __ATOMIC_RELEASE) == 2) {
        (void)NATIVE(SYS_FUTEX_WAKE, (uintptr_t)lock, 1, 0, 0, UINT32_MAX, UINT64_MAX);
    }
}
