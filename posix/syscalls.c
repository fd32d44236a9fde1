/* The table of system calls, from the list in syscalls.h. */
#include "posix/syscalls.h"
#include "idl/process.h"
#include "lib/base/safe.h"

#define ENTRY(number, name) [number] = linux_##name,
static const linux_call_t _Nullable table[SYSCALL_LIMIT] = {LINUX_SYSCALLS(ENTRY)};

linux_call_t _Nullable linux_call(uint64_t number) {
    return number < ARRAY_LENGTH(table) ? table[number] : nullptr;
}

int64_t runtime_dispatch(struct posix_thread *_Nonnull self, uint64_t number,
                         const struct program_frame *_Nonnull frame) {
    linux_call_t call = linux_call(number);
    if (call != nullptr) {
        return call(self, frame);
    }
    (void)process_unsupported(self->process->process,
                              (uint32_t)MIN(number, (uint64_t)PROCESS_UNSUPPORTED_OTHER));
    if (number < SYSCALL_LIMIT) {
        uint32_t *count = &self->process->unsupported[number];
        *count = *count == UINT32_MAX ? *count : *count + 1;
    } else {
        self->process->unsupported_other++;
    }
    return -ENOSYS;
}
