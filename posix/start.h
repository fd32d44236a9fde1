#pragma once
/* How the first POSIX process begins, and what the image tells about itself.
 *
 * Whoever starts it (supervisor or `process`) makes a Process, maps the runtime image at
 * RUNTIME_BASE (code read and execute, constants read: as its program headers say), maps a private
 * copy of a Memory with a struct start_block, moves the handles into the Process, sets upcall,
 * runtime range and sequence from the image's struct runtime_header (SET_UPCALL, SET_RUNTIME,
 * SET_SEQUENCE), and starts one thread: entry header.start, argument: the block's address, a stack
 * of at least 16 KiB, thread page at RUNTIME_PAGES. The runtime then runs `path` by the same
 * path as execve(2). All other POSIX processes come from fork. */
#include "abi/object.h"
#include <stdint.h>

#define RUNTIME_MAGIC 0x31585350u /* "PSX1" */
#define START_VERSION 1u
/* What uname(2) and /proc tell of the system that programs see. */
#define RUNTIME_RELEASE "6.1.0-isotope"
#define RUNTIME_SYSTEM_VERSION "#1 Isotope"

/* At RUNTIME_BASE. Addresses are final: the image is linked there. */
struct runtime_header {
    uint32_t magic, version;
    uint64_t image_size;
    uint64_t start;                           /* entry of the first thread */
    uint64_t upcall;                          /* SET_UPCALL */
    uint64_t runtime_first, runtime_length;   /* SET_RUNTIME */
    uint64_t sequence_first, sequence_length; /* SET_SEQUENCE; its check is its first address */
    uint64_t vdso, vdso_end;                  /* the vDSO: its ELF header, behind its last page */
    uint64_t reserved[6];
};
static_assert(sizeof(struct runtime_header) == 128);

enum start_handle : uint32_t {
    START_PROCESS = 0,   /* session to `process` */
    START_VFS,           /* session to `vfs`: its namespace */
    START_ROOT,          /* directory session: root of the file tree */
    START_WORKING,       /* directory session: the working directory */
    START_LOCAL,         /* control session of `local` */
    START_TTY,           /* control session of `tty` */
    START_RUNTIME_IMAGE, /* Memory: the runtime's ELF file laid out by pages, read and execute */
    START_CLOCK,         /* Memory: the clock page, read */
    START_INPUT,         /* sessions that speak `stream`, or HANDLE_NONE */
    START_OUTPUT,
    START_ERROR,
    START_TIME, /* session to `time` */
    START_HANDLE_COUNT = 16
};

enum { START_TEXT_SIZE = 2048 };
struct start_block {
    uint32_t magic, version;
    handle_t handles[START_HANDLE_COUNT];
    uint32_t argument_count, environment_count;
    uint32_t text_size;
    uint32_t image_code_size; /* pages of the image with code; the rest is constants */
    /* path, arguments, environment: one after the other, each ended by NUL */
    char text[START_TEXT_SIZE];
};
