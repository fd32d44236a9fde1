/* A failed invariant: say where, show the way there, stop the machine with a failing code. */
#include "kernel/arch/arch.h"
#include "lib/base/format.h"

static void put(void *_Nullable context, char c) {
    (void)context;
    arch_log_put(c);
}

[[noreturn, gnu::cold]] void check_failed(const char *_Nonnull file, unsigned line,
                                          const char *_Nonnull what) {
    format_to(put, nullptr, "\nkernel: check failed at %s:%u: %s\n", file, line, what);
    arch_backtrace();
    arch_stop(1);
}
