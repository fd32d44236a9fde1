#pragma once
/* The world of a terminal, for the tests of tty, its driver and job control: process and tty as
 * they are shipped, a driver below, and one program of the test above. One of the servers is
 * killed. */
#include "tests/sim/world.h"

void process_main(uint64_t mode, uint64_t page);
void tty_main(uint64_t mode, uint64_t page);
void uart_main(uint64_t mode, uint64_t page);

struct terminal_world {
    sim_program_t _Nullable driver; /* null: the driver that is shipped */
    const char *_Nonnull name;      /* of the test's program */
    sim_program_t _Nonnull program;
    const char *_Nonnull needs; /* lines of its manifest, besides its session to the supervisor */
    const char *_Nonnull victim;
};

/* Runs it; the status of the test. */
static inline int terminal_world_run(int argc, char *_Nonnull *_Nonnull argv,
                                     const struct terminal_world *_Nonnull terminal) {
    const struct sim_program_entry programs[] = {
        {"process", process_main},
        {"uart", terminal->driver != nullptr ? SOME(terminal->driver) : uart_main},
        {"tty", tty_main},
        {terminal->name, terminal->program}};
    char manifest[256];
    for (size_t i = 0; i < ARRAY_LENGTH(programs); i++) {
        world_add(BOOT_PROGRAM, programs[i].name, "x");
    }
    world_add_manifest("process");
    if (terminal->driver != nullptr) {
        world_add(BOOT_MANIFEST, "uart", "service uart\nprogram uart\npriority 16\n");
    } else {
        world_add_manifest("uart");
    }
    world_add_manifest("tty");
    (void)snprintf(manifest, sizeof manifest,
                   "service %s\nprogram %s\nrestart never\npriority 1\n%s"
                   "needs supervisor as supervisor\n",
                   terminal->name, terminal->name, terminal->needs);
    world_add(BOOT_MANIFEST, terminal->name, manifest);
    return world_run(argc, argv, &programs[0], ARRAY_LENGTH(programs), terminal->victim);
}
