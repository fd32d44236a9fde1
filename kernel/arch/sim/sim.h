#pragma once
/* Running the kernel core and programs in one host process, scheduled by a seed.
 *
 * With one processor everything is deterministic: time is virtual (it advances with system calls,
 * and jumps when all threads wait), and the only switches are at system calls and faults, where the
 * seed decides. With more, processors run in parallel on host threads and the race detector can
 * see. */
#include "abi/boot.h"
#include "abi/syscall.h"
#include "lib/base/safe.h"

typedef void (*sim_program_t)(uint64_t start_mode, uint64_t thread_page);

struct sim_program_entry {
    const char *_Nonnull name;
    sim_program_t _Nonnull program;
};

struct sim_options {
    uint32_t memory_pages;
    uint32_t cpu_count;
    uint64_t seed;
    /* Called before each system call, with the caller's process serial; may call sim_kill. */
    void (*_Nullable before_call)(uint64_t process_serial, uint64_t number);
    /* A device's ports; without it they read as 0. */
    uint64_t (*_Nullable port_access)(uint16_t port, bool write, uint64_t value);
    /* Programs by name, for the supervisor; the boot image that it reads. */
    const struct sim_program_entry *_Nullable programs;
    uint32_t program_count;
    const void *_Nullable image;
    uint64_t image_size;
    bool quiet; /* keep the kernel's log off standard error */
};

/* Boots with `supervisor` as the first program, runs until the machine stops or nothing can ever
 * run again, and returns the exit code, or SIM_DEADLOCK. Once per host process. */
enum { SIM_DEADLOCK = -1 };
int sim_run(const struct sim_options *_Nonnull options, sim_program_t _Nonnull supervisor);

/* A system call of the calling simulated thread. */
void sim_syscall(struct syscall_registers *_Nonnull registers);
/* The entry of a program by its name; 0: there is none. */
uint64_t sim_find_program(const char *_Nonnull name);
/* The thread page of the calling simulated thread. */
uint64_t sim_thread_page(void);
/* From before_call: kills every process with this name, as from outside. Returns how many. */
unsigned sim_kill(const char *_Nonnull name, enum exit_cause cause);
/* A number from the seed's sequence. */
uint64_t sim_random(void);
uint64_t sim_calls(void);
