#pragma once
/* The kernel's debug shell: shows the kernel's objects as they are. It belongs to the debug profile
 * alone: no file named shell* is linked into what ships (host/build/sources.mk).
 *
 * Invariants: (1) a command runs from its first to its last character under the kernel lock, on the
 * processor that took the interrupt; the others go on in user space and stop at their next entry.
 * So what one command shows is the truth of one moment. (2) Nothing is changed, allocated or
 * referenced. (3) What is typed is hostile: any bytes, any length.
 *
 * It works only while the kernel does: a processor that spins with the lock, or a list that is
 * broken, is gdb's business (./isotope debug). */
#include "kernel/ipc/endpoint.h"
#include "kernel/object/process.h"
#include "lib/base/format.h"

struct shell_out {
    format_sink_t _Nonnull put;
    void *_Nullable context;
};

/* A word that was typed: text and, where it is one, its number. */
enum { SHELL_LINE = 80 };
struct shell_word {
    char text[SHELL_LINE];
    bool is_number;
    uint64_t number;
};

/* The port's: sets up the line, and calls these two. */
void shell_greet(const struct shell_out *_Nonnull out) LOCKED;
/* One byte that was typed: edits the line, or runs it. */
void shell_type(const struct shell_out *_Nonnull out, uint8_t byte) LOCKED;

[[gnu::format(printf, 2, 3)]] void shell_print(const struct shell_out *_Nonnull out,
                                               const char *_Nonnull text, ...) LOCKED;
/* A process by number or name (the first of that name); null and a message where there is none. */
const struct process *_Nullable shell_process(const struct shell_out *_Nonnull out,
                                              const struct shell_word *_Nonnull word) LOCKED;
/* The process after `process` in a walk of all, dead ones too; null: the first, and the end. */
const struct process *_Nullable shell_next(const struct process *_Nullable process) LOCKED;

extern const char *_Nonnull const shell_types[OBJECT_TYPE_COUNT];
extern const char *_Nonnull const shell_thread_states[THREAD_DEAD + 1];

/* Commands; `word`: what was typed behind the name, empty where nothing was. */
typedef void (*shell_command_t)(const struct shell_out *_Nonnull out,
                                const struct shell_word *_Nonnull word);
/* shell_list.c */
void shell_processes(const struct shell_out *_Nonnull out,
                     const struct shell_word *_Nonnull word) LOCKED;
void shell_threads(const struct shell_out *_Nonnull out,
                   const struct shell_word *_Nonnull word) LOCKED;
void shell_handles(const struct shell_out *_Nonnull out,
                   const struct shell_word *_Nonnull word) LOCKED;
void shell_space(const struct shell_out *_Nonnull out,
                 const struct shell_word *_Nonnull word) LOCKED;
/* shell_wait.c */
void shell_endpoints(const struct shell_out *_Nonnull out,
                     const struct shell_word *_Nonnull word) LOCKED;
void shell_waits(const struct shell_out *_Nonnull out,
                 const struct shell_word *_Nonnull word) LOCKED;
/* What a thread waits for, as a line's end. */
void shell_print_wait(const struct shell_out *_Nonnull out,
                      const struct thread *_Nonnull thread) LOCKED;
/* shell_memory.c */
void shell_memory(const struct shell_out *_Nonnull out,
                  const struct shell_word *_Nonnull word) LOCKED;
void shell_domains(const struct shell_out *_Nonnull out,
                   const struct shell_word *_Nonnull word) LOCKED;
void shell_processors(const struct shell_out *_Nonnull out,
                      const struct shell_word *_Nonnull word) LOCKED;
/* shell_trace.c */
enum shell_event : uint32_t {
    SHELL_SYSCALL,    /* number, first argument */
    SHELL_PAGE_FAULT, /* address, access */
    SHELL_EXCEPTION,  /* kind, address */
    SHELL_KILL,       /* process, cause */
    SHELL_REQUEUE,    /* endpoint, attempts */
    SHELL_IRQ,        /* line, – */
    SHELL_EVENT_COUNT
};
void shell_record(enum shell_event event, uint64_t first, uint64_t second) LOCKED;
void shell_trace(const struct shell_out *_Nonnull out,
                 const struct shell_word *_Nonnull word) LOCKED;
