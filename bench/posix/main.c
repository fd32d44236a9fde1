/* The benchmark program of the POSIX table: `posix-bench [ROW…]` prints `NAME\tINSTRUCTIONS` for
 * each row. As the first process of a Linux guest it prepares what it needs, reports the
 * instructions since the machine's reset as `boot`, and powers off. `posix-bench --boot`, which a login
 * shell's profile runs just before its first prompt, says the same of Isotope. */
#include "measure.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <unistd.h>

static const row_t *const tables[] = {calls_rows, file_rows, memory_rows, message_rows,
                                      process_rows};

static bool wanted(const char *_Nonnull name, int argc, char *_Nullable *_Nonnull argv) {
    if (argc < 2) {
        return true;
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp((const char *_Nonnull)argv[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static void run_rows(int argc, char *_Nullable *_Nonnull argv) {
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (const row_t *row = tables[i]; row->name[0] != '\0'; row++) {
            if (wanted(row->name, argc, argv)) {
                measure(row);
                (void)fflush(stdout);
            }
        }
    }
}

static int run_as_init(uint64_t boot) {
    (void)mkdir("/proc", 0755);
    (void)mount("proc", "/proc", "proc", 0, nullptr);
    (void)strcpy(own_path, "/init");
    printf("\nbench begins\nboot\t%llu\n", (unsigned long long)boot);
    char *nothing[] = {nullptr};
    run_rows(1, nothing);
    printf("bench ends\n");
    (void)fflush(stdout);
    (void)reboot(RB_POWER_OFF);
    return 1;
}

int main(int argc, char *_Nullable *_Nonnull argv) {
    uint64_t boot = instructions();
    if (argc > 1 && strcmp((const char *_Nonnull)argv[1], "--exit") == 0) {
        _exit(0);
    }
    if (argc > 1 && strcmp((const char *_Nonnull)argv[1], "--boot") == 0) {
        printf("bench boot %llu\n", (unsigned long long)boot);
        return 0;
    }
    cpu_set_t first;
    CPU_ZERO(&first);
    CPU_SET(0, &first);
    (void)sched_setaffinity(0, sizeof first, &first);
    if (getpid() == 1) {
        return run_as_init(boot);
    }
    ssize_t length = readlink("/proc/self/exe", own_path, sizeof own_path - 1);
    if (length <= 0) {
        (void)snprintf(own_path, sizeof own_path, "%s", argv[0]);
    }
    run_rows(argc, argv);
    (void)unlink("/tmp/bench-file");
    return 0;
}
