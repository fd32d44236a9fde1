#pragma once
/* What the programs in this folder share: each takes the supervisor's place, says each check in a
 * line of the log, and ends with the number of checks that failed. */
#include "abi/boot.h"
#include "lib/base/bytes.h"
#include "lib/base/format.h"
#include "lib/rt/message.h"
#include "lib/rt/native.h"

void server_main(uint64_t mode, uint64_t thread_page);
/* The first code of a thread: argument, thread page. Never returns. */
typedef void (*thread_entry_t)(uint64_t argument, uint64_t page);

enum { STACK_SIZE = 65536 };

static inline void say(const char *_Nonnull name, bool good, unsigned *_Nonnull failed) {
    char line[128];
    size_t length = format_text(line, sizeof line, "%s %s\n", good ? "ok" : "FAILED", name);
    rt_log_bytes(line, length);
    *failed += good ? 0 : 1;
}

static inline void tell(const char *_Nonnull name, uint64_t value) {
    char line[128];
    size_t length = format_text(line, sizeof line, "measured %s %lu\n", name, value);
    rt_log_bytes(line, length);
}

static inline void must(status_t status, const char *_Nonnull what) {
    if (status != STATUS_OK) {
        char line[128];
        size_t length = format_text(line, sizeof line, "FAILED %s: status %d\n", what, (int)status);
        rt_log_bytes(line, length);
        rt_exit(1);
    }
}

static inline uint64_t ticks(void) {
    uint32_t low = 0;
    uint32_t high = 0;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* Memory of this process: zeroed, anonymous. */
static inline uint64_t new_memory(handle_t process, uint64_t size) {
    uint64_t address = 0;
    must(rt_map(process, 0, size, 0, 0, PROTECT_READ | PROTECT_WRITE | MAP_PRIVATE, &address),
         "map");
    return address;
}

/* A thread of `process` (0: this one) with a stack of its own; not started yet. */
static inline handle_t new_thread(handle_t process, uint32_t priority) {
    handle_t thread = HANDLE_NONE;
    must(rt_object_create(OBJECT_THREAD, process, priority, 1, 0, 0, &thread), "thread");
    return thread;
}

static inline void start_thread(handle_t process, handle_t thread, thread_entry_t _Nonnull entry,
                                uint64_t argument) {
    uint64_t stack = new_memory(process, STACK_SIZE) + STACK_SIZE - 8;
    must(rt_thread_start(thread, rt_address((const void *)entry), stack, argument, 0, 0), "start");
}

[[noreturn]] static inline void thread_exit(void) {
    struct syscall_registers r = {.number = SYS_THREAD_EXIT};
    rt_invoke(&r);
    __builtin_trap();
}

static inline uint64_t thread_control(handle_t thread, enum thread_operation operation,
                                      uint64_t argument) {
    struct syscall_registers r = {
        .number = SYS_THREAD_CONTROL, .a = thread, .b = operation, .words = {argument}};
    rt_invoke(&r);
    return r.number == 0 ? r.words[0] : r.number;
}

/* ---- a second process that runs this program's code ---- */

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, address, physical, file_size, memory_size, align;
};

static inline handle_t new_process(void) {
    handle_t process = HANDLE_NONE;
    uint64_t base = 0;
    must(rt_object_create(OBJECT_PROCESS, 0, 0, 0, 0, 0, &process), "process");
    must(rt_map(0, 0, 2 * PAGE_SIZE, BOOT_HANDLE_IMAGE, 0, PROTECT_READ, &base), "image");
    const struct boot_entry *entry =
        (const struct boot_entry *)(uintptr_t)(base + sizeof(struct boot_header));
    uint64_t file = 0;
    must(rt_map(0, 0, PAGE_SIZE, BOOT_HANDLE_IMAGE, entry->offset, PROTECT_READ, &file), "file");
    const uint64_t *offset = (const uint64_t *)(uintptr_t)(file + 32);
    const uint16_t *count = (const uint16_t *)(uintptr_t)(file + 56);
    for (uint16_t i = 0; i < *count; i++) {
        const struct elf_segment *segment =
            (const struct elf_segment *)(uintptr_t)(file + *offset + i * sizeof *segment);
        uint64_t length = (segment->memory_size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
        uint64_t address = 0;
        must(rt_map(process, segment->address, length, BOOT_HANDLE_IMAGE,
                    entry->offset + segment->offset,
                    PROTECT_READ | MAP_FIXED | ((segment->flags & 1) != 0 ? PROTECT_EXECUTE : 0u),
                    &address),
             "segment");
    }
    return process;
}

/* The other process's handle for a copy of ours. */
static inline handle_t give(handle_t process, handle_t handle) {
    uint32_t placed = 0;
    must(rt_handle_move(0, handle, process, HANDLE_MOVE_ANY, RIGHT_ALL, HANDLE_MOVE_COPY, &placed),
         "give");
    return placed;
}
