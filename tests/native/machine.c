/* What the machine's port must do, asked by a program in the supervisor's place. Each line of the
 * log is one check; the exit code is the number of those that failed. */
#include "abi/boot.h"
#include "lib/base/format.h"
#include "lib/rt/message.h"
#include "lib/rt/native.h"

void server_main(uint64_t mode, uint64_t thread_page);

static void say(const char *_Nonnull name, bool good, unsigned *_Nonnull failed) {
    char line[96];
    size_t length = format_text(line, sizeof line, "%s %s\n", good ? "ok" : "FAILED", name);
    rt_log_bytes(line, length);
    *failed += good ? 0 : 1;
}

void server_main(uint64_t mode, uint64_t thread_page) {
    unsigned failed = 0;
    say("a program runs and writes to the log", mode == START_FRESH, &failed);
    say("GS leads to the thread page", rt_address(rt_thread_page()) == thread_page, &failed);
    rt_exit(failed);
}
