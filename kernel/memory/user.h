#pragma once
/* The only way from the kernel to a program's memory: by its space's mappings, page by page, never
 * through user addresses. Where a page must first come from a pager, the thread waits and its
 * system call is executed again, so callers change nothing before the copy that they could not
 * repeat. */
#include "kernel/memory/space.h"

struct thread;
struct process;

/* The kernel's pointer to the byte at `address` of the thread's space; valid to the end of its
 * page. Errors: BAD_ADDRESS; RESTART: the thread now waits (return it); OUT_OF_MEMORY,
 * OUT_OF_QUOTA. */
status_t user_page(struct thread *_Nonnull thread, uint64_t address, bool write,
                   void *_Nullable *_Nonnull out) LOCKED;
/* Copies in or out, `size` bytes of a structure or small array. Errors: as user_page. */
status_t user_read(struct thread *_Nonnull thread, uint64_t address, void *_Nonnull to,
                   size_t size) LOCKED;
status_t user_write(struct thread *_Nonnull thread, uint64_t address, const void *_Nonnull from,
                    size_t size) LOCKED;
/* Like user_page for another process (a lease of its thread): never waits; ABSENT where it would
 * have to. */
status_t process_page(struct process *_Nonnull process, uint64_t address, bool write,
                      void *_Nullable *_Nonnull out) LOCKED;
/* A fault of a running thread. It is resolved, waits, goes to its upcall, or ends its process. */
void user_fault(struct thread *_Nonnull thread, uint64_t address, uint32_t access,
                uint64_t error) LOCKED;
/* A fault that is no memory access (divide, illegal instruction …). */
void user_exception(struct thread *_Nonnull thread, uint32_t kind, uint64_t address,
                    uint64_t error) LOCKED;
