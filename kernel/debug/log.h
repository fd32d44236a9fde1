#pragma once
/* The kernel's log: a ring of text that the port also shows on its console until a log server takes
 * over. */
#include "abi/status.h"
#include "kernel/lock.h"

struct thread;

void log_put(char c) LOCKED;
[[gnu::format(printf, 1, 2)]] void log_print(const char *_Nonnull text, ...) LOCKED;
/* Copies log text from byte number `cursor` on (or the oldest that is left) to user memory. */
status_t log_read(struct thread *_Nonnull thread, uint64_t address, uint64_t length,
                  uint64_t cursor, uint64_t *_Nonnull out_length,
                  uint64_t *_Nonnull out_cursor) LOCKED;
