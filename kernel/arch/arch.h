#pragma once
/* What a port gives to the core. Each port has its own port.h (struct frame, struct arch_space,
 * struct arch_thread, cpu_current) and implements the functions below. The core never sees a
 * register, a page-table format or a device beyond this page.
 *
 * Physical addresses are numbers; arch_pointer() turns one into a pointer that the kernel may use.
 * User memory is never touched through user addresses: the core finds the page and uses its
 * physical address (kernel/memory/user.c). */
#ifdef ISOTOPE_SIM
#include "kernel/arch/sim/port.h"
#else
#include "kernel/arch/x86_64/port.h"
#endif
#include "abi/status.h"
#include "kernel/lock.h"

struct domain;
struct thread;
struct process;
struct cpu;

enum { CPU_LIMIT = 4 };

/* ---- memory ---- */
void *_Nonnull arch_pointer(uint64_t physical);
uint64_t arch_physical(const void *_Nonnull pointer);

/* Page tables are a cache of the core's mappings. Pages for them are charged to `domain`. */
status_t arch_space_init(struct arch_space *_Nonnull space, struct domain *_Nonnull domain) LOCKED;
/* Drops all translations for good; again: nothing. No thread of the space runs any more. */
void arch_space_destroy(struct arch_space *_Nonnull space, struct domain *_Nonnull domain) LOCKED;
/* Enters or replaces one translation; protection as in abi/syscall.h; `device`: uncached.
 * Errors: OUT_OF_MEMORY, OUT_OF_QUOTA for a table page. */
status_t arch_space_enter(struct arch_space *_Nonnull space, struct domain *_Nonnull domain,
                          uint64_t address, uint64_t physical, uint32_t protection,
                          bool device) LOCKED;
/* Takes the permission `lost` from the translations of a range: PROTECT_READ: drops them,
 * PROTECT_WRITE, or 0. It is gone on every processor when this returns. What is left is entered in
 * `target`, too, which has none there, its tables at the cost of `domain`. Errors: as for
 * arch_space_enter, of `target` only; some are entered then. */
status_t arch_space_lessen(struct arch_space *_Nonnull space, uint64_t address, uint64_t length,
                           uint32_t lost, struct arch_space *_Nullable target,
                           struct domain *_Nullable domain) LOCKED;
/* The physical address behind a user address, if a translation that allows the access is entered.
 */
bool arch_space_find(const struct arch_space *_Nonnull space, uint64_t address, bool write,
                     uint64_t *_Nonnull out_physical) LOCKED;

/* The simulator's programs have their stacks and constants in host memory: the pointer to such an
 * address. Null, always, on real hardware. */
void *_Nullable arch_host_memory(uint64_t address);

/* ---- threads ---- */
status_t arch_thread_init(struct thread *_Nonnull thread) LOCKED;
void arch_thread_destroy(struct thread *_Nonnull thread) LOCKED;
/* Sets the registers of a thread that starts at `entry` with up to two arguments. */
void arch_thread_enter(struct thread *_Nonnull thread, uint64_t entry, uint64_t stack,
                       uint64_t argument, uint64_t argument2) LOCKED;
/* Copies registers and floating-point state; the copy returns from its system call. */
status_t arch_thread_clone(struct thread *_Nonnull to, struct thread *_Nonnull from) LOCKED;
/* Makes the thread execute its system call again when it runs. */
void arch_thread_restart(struct thread *_Nonnull thread) LOCKED;
/* `set` false: saves the registers of a stopped thread; true: loads them, validated. */
struct program_frame;
status_t arch_thread_frame(struct thread *_Nonnull thread, struct program_frame *_Nonnull frame,
                           bool set) LOCKED;
/* Sends the thread to its process's upcall with its registers saved in the thread page. False where
 * it has no upcall or its save areas are both in use. */
bool arch_thread_upcall(struct thread *_Nonnull thread, uint32_t fault_kind, uint64_t address,
                        uint64_t error) LOCKED;
uint64_t arch_thread_counter(const struct thread *_Nonnull thread) LOCKED;
void arch_thread_set_counter(struct thread *_Nonnull thread, uint64_t counter) LOCKED;
void arch_thread_set_fs(struct thread *_Nonnull thread, uint64_t base) LOCKED;

/* ---- processors, time ---- */
/* Interrupts another processor so that it enters the kernel soon. */
void arch_cpu_kick(uint32_t cpu) LOCKED;
uint64_t arch_ticks(void); /* a fast counter, constant rate */
uint64_t arch_ticks_to_ns(uint64_t ticks);
uint64_t arch_clock_ns(void); /* monotonic, since boot */
/* Calls scheduler_tick() on this processor at or soon after `deadline_ns`; UINT64_MAX: never. */
void arch_timer_arm(uint64_t deadline_ns) LOCKED;
uint64_t arch_realtime_at_boot_ns(void);
/* How programs compute monotonic time from the counter (the clock page). */
struct clock_copy;
void arch_clock_copy(struct clock_copy *_Nonnull out);

/* While waiting for the kernel lock: answers what other processors need at once (shoot-downs). */
void arch_lock_spin(void);

/* ---- the machine ---- */
void arch_log_put(char c);
[[noreturn]] void arch_stop(uint32_t code);
[[noreturn]] void arch_reboot(void);
bool arch_random(uint64_t *_Nonnull out); /* false: no hardware source */
void arch_backtrace(void);

/* Interrupt lines: the port calls irq_raise(line) with the line masked. */
status_t arch_irq_claim(uint32_t line) LOCKED;
void arch_irq_mask(uint32_t line, bool masked) LOCKED;
status_t arch_port_access(uint16_t port, uint32_t size, bool write,
                          uint64_t *_Nonnull value) LOCKED;
