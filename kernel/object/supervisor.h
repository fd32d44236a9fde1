#pragma once
/* The supervisor as the kernel knows it: the one process that the kernel itself starts, and starts
 * again (restart.md, 18). Its vault, keep and endpoint outlive it. */
#include "kernel/object/process.h"

struct memory;

/* Boot: makes the domains, vault and keep, and starts it. `entry`: where its program begins; on
 * real hardware the port has loaded the boot image first (supervisor_set_image). */
void supervisor_start(uint64_t entry) LOCKED;
void supervisor_set_image(struct memory *_Nonnull image, struct memory *_Nonnull arguments) LOCKED;
bool supervisor_is(const struct process *_Nonnull process) LOCKED;
/* Its process is dead: starts the next one, or stops the machine after too many deaths in a row. */
void supervisor_ended(const struct process *_Nonnull process) LOCKED;
