#pragma once
/* What the kernel hands to the supervisor, and the boot image it came from.
 *
 * The boot image is one file (host/image): header, entry table, contents at page boundaries. The
 * supervisor is the entry with BOOT_SUPERVISOR: an ELF file that is linked at a fixed base. */
#include "object.h"

struct boot_header {
    char magic[8]; /* ISOBOOT1 */
    uint32_t entry_count, reserved0;
    uint64_t total_size, reserved1;
};
enum boot_kind : uint32_t { BOOT_PROGRAM = 1, BOOT_MANIFEST, BOOT_ROOT, BOOT_RUNTIME, BOOT_OTHER };
enum { BOOT_SUPERVISOR = 1 };
struct boot_entry {
    char name[64];
    uint64_t offset, size;
    uint32_t kind, flags;
    uint64_t reserved;
};
static_assert(sizeof(struct boot_header) == 32);
static_assert(sizeof(struct boot_entry) == 96);

/* The supervisor's first handles, always these numbers in this order (index 1 …, generation 1). */
enum boot_handle : uint32_t {
    BOOT_HANDLE_PROCESS = 0x10001, /* itself */
    BOOT_HANDLE_DOMAIN,            /* its own domain, with all rights */
    BOOT_HANDLE_ROOT_DOMAIN,       /* parent of all others */
    BOOT_HANDLE_SYSTEM,
    BOOT_HANDLE_IMAGE,     /* Memory: the boot image, read and execute */
    BOOT_HANDLE_VAULT,     /* Memory: its own vault */
    BOOT_HANDLE_KEEP,      /* its own keep */
    BOOT_HANDLE_ARGUMENTS, /* Memory: the kernel command line, NUL-terminated */
};

/* The first argument register of a native program's first thread is its start mode. */
enum start_mode : uint64_t { START_FRESH = 0, START_RESTARTED = 1, START_UPDATED = 2 };

/* Where every native process finds its first thread's page and stack. */
#define NATIVE_IMAGE_BASE 0x0000000000400000ull
#define NATIVE_STACK_TOP 0x00007fff00000000ull
#define NATIVE_STACK_SIZE 0x40000ull
#define NATIVE_THREAD_PAGE 0x00007fff10000000ull /* staging page right behind it */
#define NATIVE_MAP_BASE 0x0000100000000000ull
#define USER_SPACE_FIRST 0x1000ull
#define USER_SPACE_END 0x00007ffffffff000ull
