#pragma once
/* Where the runtime lies in every POSIX process, from one base up (posix.ld has the same base):
 *
 *   +0x000000  image: code, then constants, then the vDSO     read-only, shared by all
 *   +0x200000  clock page                                     read-only, the kernel's
 *   +0x201000  signal page                                    shared with `process`
 *   +0x210000  process data: struct posix_process             private: fork clones it
 *   +0x240000  descriptor table: struct fd_table              private: fork and vfork copy it
 *   +0x280000  threads: areas of AREA_SIZE, aligned to it     private
 *   +0xa00000  thread pages, one for each area                the kernel's
 *   +0x1000000 table of processes                             read-only, `process` writes it
 *   +0x2000000 table of principals                            read-only, `process` writes it
 *   +0x3000000 children of vfork in their parent's space      VFORK_SIZE each
 *   +0x4000000 end of the reserved range
 *
 * A thread's area has its struct posix_thread at the bottom and its stack above, so that the state
 * is found from the stack pointer alone: programs own FS and GS. A child of vfork runs in its
 * parent's space; its state, table and area are extra ones, which its parent made before.
 *
 * All of the program's own calls about memory are refused beyond PROGRAM_END. */

#define RUNTIME_BASE 0x7e0000000000ull
#define RUNTIME_IMAGE_LIMIT 0x200000ull
#define RUNTIME_CLOCK (RUNTIME_BASE + 0x200000)
#define RUNTIME_SIGNALS (RUNTIME_BASE + 0x201000)
#define RUNTIME_STATE (RUNTIME_BASE + 0x210000)
#define RUNTIME_DESCRIPTORS (RUNTIME_BASE + 0x240000)
#define RUNTIME_AREAS (RUNTIME_BASE + 0x280000)
#define RUNTIME_PAGES (RUNTIME_BASE + 0xa00000)
#define RUNTIME_PROCESSES (RUNTIME_BASE + 0x1000000)
#define RUNTIME_PRINCIPALS (RUNTIME_BASE + 0x2000000)
#define RUNTIME_VFORK (RUNTIME_BASE + 0x3000000)
#define RUNTIME_END (RUNTIME_BASE + 0x4000000)

/* A thread's area: 64 KiB, of which the state takes the lower half. */
#define AREA_SIZE 0x10000
#define AREA_STATE_SIZE 0x6000

/* A child of vfork: its area first, then signal page, state, descriptor table. */
#define VFORK_SIZE 0x60000
#define VFORK_SIGNALS 0x10000
#define VFORK_STATE 0x11000
#define VFORK_DESCRIPTORS 0x41000

/* Programs get addresses from 64 KiB (Linux's mmap_min_addr) to here. */
#define PROGRAM_FIRST 0x10000ull
#define PROGRAM_END RUNTIME_BASE
#define PROGRAM_STACK_TOP 0x7dffff000000ull
#define PROGRAM_STACK_SIZE 0x800000ull
#define USER_SPACE_TOP 0x7ffffffff000ull
