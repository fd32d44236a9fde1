#include "kernel/debug/log.h"
#include "kernel/arch/arch.h"
#include "kernel/memory/user.h"
#include "lib/base/format.h"
#include <stdarg.h>

enum { LOG_SIZE = 16384, LOG_READ_LIMIT = 4096 };
static char ring[LOG_SIZE] GUARDED;
static uint64_t written GUARDED;

void log_put(char c) {
    ring[written % LOG_SIZE] = c;
    written++;
    arch_log_put(c);
}

static void put_locked(void *_Nullable context, char c) LOCKED {
    (void)context;
    log_put(c);
}

void log_print(const char *_Nonnull text, ...) {
    va_list arguments;
    va_start(arguments, text);
    format_to_list(put_locked, nullptr, text, arguments);
    va_end(arguments);
}

status_t log_read(struct thread *_Nonnull thread, uint64_t address, uint64_t length,
                  uint64_t cursor, uint64_t *_Nonnull out_length, uint64_t *_Nonnull out_cursor) {
    uint64_t oldest = written > LOG_SIZE ? written - LOG_SIZE : 0;
    uint64_t from = MAX(cursor, oldest);
    uint64_t count =
        MIN(from < written ? written - from : 0, MIN(length, (uint64_t)LOG_READ_LIMIT));
    for (uint64_t i = 0; i < count; i++) {
        TRY(user_write(thread, address + i, &ring[(from + i) % LOG_SIZE], 1));
    }
    *out_length = count;
    *out_cursor = from + count;
    return STATUS_OK;
}
