#include "kernel/memory/user.h"
#include "kernel/object/process.h"
#include "kernel/sched/scheduler.h"
#include "kernel/sched/thread.h"
#include "lib/base/bytes.h"

static status_t find_page(struct process *_Nonnull process, uint64_t address, bool write,
                          void *_Nullable *_Nonnull out,
                          struct space_fault *_Nonnull fault) LOCKED {
    struct space *space = process->space;
    REFUSE(space == nullptr, STATUS_BAD_ADDRESS);
    uint64_t physical = 0;
    *out = arch_host_memory(address);
    if (*out != nullptr) {
        return STATUS_OK;
    }
    if (!arch_space_find(&space->arch, address, write, &physical)) {
        uint32_t access = write ? PROTECT_READ | PROTECT_WRITE : PROTECT_READ;
        TRY(space_resolve(SOME(space), address, access, &physical, fault));
    }
    *out = arch_pointer(physical);
    return STATUS_OK;
}

status_t user_page(struct thread *_Nonnull thread, uint64_t address, bool write,
                   void *_Nullable *_Nonnull out) {
    struct space_fault fault = {};
    status_t status = find_page(thread->process, address, write, out, &fault);
    if (status == STATUS_WOULD_BLOCK) {
        return memory_wait_page(thread, &fault.wait, fault.index);
    }
    REFUSE(status == STATUS_BAD_RIGHTS || status == STATUS_OUT_OF_RANGE, STATUS_BAD_ADDRESS);
    return status;
}

status_t process_page(struct process *_Nonnull process, uint64_t address, bool write,
                      void *_Nullable *_Nonnull out) {
    struct space_fault fault = {};
    status_t status = find_page(process, address, write, out, &fault);
    REFUSE(status == STATUS_WOULD_BLOCK, STATUS_ABSENT);
    REFUSE(status == STATUS_BAD_RIGHTS || status == STATUS_OUT_OF_RANGE, STATUS_BAD_ADDRESS);
    return status;
}

/* Copies between the program's memory and one of `to`, `from`. */
static status_t user_copy(struct thread *_Nonnull thread, uint64_t address, void *_Nullable to,
                          const void *_Nullable from, size_t size) LOCKED {
    for (size_t done = 0; done < size;) {
        void *user = nullptr;
        TRY(user_page(thread, address + done, from != nullptr, &user));
        size_t within = (size_t)((address + done) & (PAGE_SIZE - 1));
        size_t chunk = MIN(size - done, PAGE_SIZE - within);
        if (from != nullptr) {
            bytes_copy(SOME(user), bytes_at_const(SOME(from), done), chunk);
        } else {
            bytes_copy(bytes_at(SOME(to), done), SOME(user), chunk);
        }
        done += chunk;
    }
    return STATUS_OK;
}

status_t user_read(struct thread *_Nonnull thread, uint64_t address, void *_Nonnull to,
                   size_t size) {
    return user_copy(thread, address, to, nullptr, size);
}

status_t user_write(struct thread *_Nonnull thread, uint64_t address, const void *_Nonnull from,
                    size_t size) {
    return user_copy(thread, address, nullptr, from, size);
}

static uint32_t fault_kind_of(status_t status) {
    switch ((int32_t)status) {
    case STATUS_BAD_RIGHTS:
        return FAULT_PROTECTION;
    case STATUS_OUT_OF_RANGE:
        return FAULT_BEYOND_END;
    case STATUS_IO:
        return FAULT_IO;
    case STATUS_OUT_OF_MEMORY:
    case STATUS_OUT_OF_QUOTA:
        return FAULT_NO_MEMORY;
    default:
        return FAULT_UNMAPPED;
    }
}

void user_exception(struct thread *_Nonnull thread, uint32_t kind, uint64_t address,
                    uint64_t error) {
    struct process *process = thread->process;
    process->faults++;
    if (process->upcall != 0 && arch_thread_upcall(thread, kind, address, error)) {
        return;
    }
    struct program_frame frame = {};
    status_t status = arch_thread_frame(thread, &frame, false);
    process->fault_kind = kind;
    process->fault_address = address;
    process->fault_counter = status == STATUS_OK ? frame.rip : 0;
    process_kill(process, (int64_t)kind, EXIT_FAULT);
}

void user_fault(struct thread *_Nonnull thread, uint64_t address, uint32_t access, uint64_t error) {
    struct space_fault fault = {};
    uint64_t physical = 0;
    struct space *space = thread->process->space;
    status_t status = STATUS_BAD_ADDRESS;
    if (space != nullptr) {
        status = space_resolve(SOME(space), address, access, &physical, &fault);
    }
    if (status == STATUS_WOULD_BLOCK) {
        /* The faulting instruction itself is executed again: nothing to restart. */
        thread->state = THREAD_PAGE;
        thread->fault_wait = true;
        thread->fault_address = address;
        (void)memory_wait_page(thread, &fault.wait, fault.index);
        return;
    }
    if (status != STATUS_OK) {
        user_exception(thread, fault_kind_of(status), address, error);
    }
}
