#pragma once
/* Loading the supervisor's program from the boot image: the only program that the kernel loads. */
#include "kernel/object/process.h"

struct memory;
/* Maps the segments of the ELF file that the image marks BOOT_SUPERVISOR, and a stack.
 * Errors: CORRUPT: no such entry or not a fixed-base x86-64 ELF file; as space_map. */
status_t boot_load_supervisor(struct memory *_Nonnull image, struct process *_Nonnull process,
                              uint64_t *_Nonnull out_entry, uint64_t *_Nonnull out_stack) LOCKED;
