/* The native layer on the host, for unit tests: memory is the test's own, handles are numbers that
 * a test counts, and calls go to the functions that the test puts into struct sim_backend. On the
 * UNSAFE list: addresses become pointers here. */
#include "posix/native.h"
#include "posix/identity.h"
#include "posix/nucleus/entry.h"
#include "posix/signal_frame.h"
#include "posix/sim/sim.h"
#include "posix/user.h"
#include <stdlib.h>
#include <string.h>

static _Thread_local struct sim_backend *backend;

struct sim_backend *_Nonnull sim_begin(void) {
    struct sim_backend *made = calloc(1, sizeof *made);
    struct posix_thread *thread = calloc(1, sizeof *thread);
    struct posix_process *process = calloc(1, sizeof *process);
    struct fd_table *table = calloc(1, sizeof *table);
    struct thread_page *page = aligned_alloc(4096, 4096);
    memset(page, 0, 4096);
    process->limits[LIMIT_DESCRIPTORS] = FD_DEFAULT;
    process->table = table;
    process->facts_known = 1;
    process->pid = 100;
    process->thread_count = 1;
    thread->page = page;
    thread->process = process;
    thread->tid = 100;
    process->threads[0] = (struct thread_slot){.tid = 100, .area = (uintptr_t)thread};
    made->self = thread;
    backend = made;
    return made;
}

void sim_end(struct sim_backend *_Nonnull ended) {
    free(ended->self->process->table);
    free(ended->self->process);
    free(ended->self->page);
    free(ended->self);
    free(ended);
    backend = nullptr;
}

struct posix_thread *_Nonnull thread_self(void) {
    return backend->self;
}

void *_Nonnull address_pointer(uint64_t address) {
    return (void *_Nonnull)(uintptr_t)address;
}

struct native_result native(enum syscall_number number, const uint64_t (*_Nonnull arguments)[6]) {
    if (number == SYS_HANDLE_DUPLICATE) {
        backend->handles++;
        return (struct native_result){STATUS_OK, 1000 + backend->next_handle++, 0};
    }
    if (number == SYS_HANDLE_CLOSE) {
        backend->handles--;
        return (struct native_result){};
    }
    return backend->native != nullptr ? backend->native(backend, number, arguments)
                                      : (struct native_result){STATUS_NO_SYSCALL, 0, 0};
}

void native_call(struct syscall_registers *_Nonnull registers, bool forks) {
    (void)forks;
    backend->calls++;
    registers->number = (uint64_t)(int64_t)(int32_t)STATUS_BAD_METHOD;
    if (backend->call != nullptr) {
        backend->call(backend, registers);
    }
}

[[noreturn]] void native_end(int64_t code, bool by_signal) {
    exit(by_signal ? 128 + (int)code : (int)code);
}
[[noreturn]] void native_thread_end(uint64_t clear_address) {
    (void)clear_address;
    abort();
}
uint64_t base_get(bool gs) {
    return gs ? 2 : 1;
}
void base_set(bool gs, uint64_t base) {
    (void)gs;
    (void)base;
}
uint64_t clock_monotonic_ns(void) {
    return backend->now_ns;
}
uint64_t clock_realtime_ns(void) {
    return backend->now_ns + 1000;
}

/* Addresses below a page are nobody's; all else is the test's memory. */
static bool bad(uint64_t address) {
    return address < 4096 || address >= USER_SPACE_TOP;
}
int64_t user_read(void *_Nonnull to, uint64_t from, size_t size) {
    if (bad(from)) {
        return -EFAULT;
    }
    memcpy(to, address_pointer(from), size);
    return 0;
}
int64_t user_write(uint64_t to, const void *_Nonnull from, size_t size) {
    if (bad(to)) {
        return -EFAULT;
    }
    memcpy(address_pointer(to), from, size);
    return 0;
}
int64_t user_zero(uint64_t to, size_t size) {
    if (bad(to)) {
        return -EFAULT;
    }
    memset(address_pointer(to), 0, size);
    return 0;
}
int64_t user_probe(uint64_t to, uint64_t size) {
    return size > 0 && bad(to) ? -EFAULT : 0;
}
int64_t user_text(char *_Nonnull to, size_t capacity, uint64_t from) {
    if (bad(from)) {
        return -EFAULT;
    }
    size_t length = strnlen(address_pointer(from), capacity);
    if (length == capacity) {
        return -ENAMETOOLONG;
    }
    memcpy(to, address_pointer(from), length + 1);
    return (int64_t)length;
}
struct rt_bytes user_bytes(uint64_t address, uint64_t size) {
    return (struct rt_bytes){.size = size, .data = (const uint8_t *)address};
}
struct rt_buffer user_buffer(uint64_t address, uint64_t size) {
    return (struct rt_buffer){.size = size, .data = (uint8_t *)address};
}
int64_t user_exchange_u32(uint64_t address, uint32_t expected, uint32_t wanted,
                          uint32_t *_Nonnull out_found) {
    uint32_t *word = address_pointer(address);
    *out_found = *word;
    if (*word == expected) {
        *word = wanted;
    }
    return 0;
}
status_t rt_copy_from_client(void *_Nonnull to, const void *_Nullable from, size_t size) {
    return size == 0 || user_read(to, (uintptr_t)from, size) == 0 ? STATUS_OK : STATUS_BAD_ADDRESS;
}
status_t rt_copy_to_client(void *_Nullable to, const void *_Nonnull from, size_t size) {
    return size == 0 || user_write((uintptr_t)to, from, size) == 0 ? STATUS_OK : STATUS_BAD_ADDRESS;
}

uint32_t floating_size(void) {
    return 512;
}
bool floating_save(uint64_t address) {
    return !bad(address);
}
bool floating_load(uint64_t address) {
    return !bad(address);
}

/* What only the machine has. */
void thread_entry(void) {
    abort();
}
void exec_entry(void) {
    abort();
}
void child_resume(struct thread_page *_Nonnull page) {
    (void)page;
    abort();
}
