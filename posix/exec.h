#pragma once
/* execve(2): the old image's runtime builds the whole new space; one call to `process` replaces. */
#include "idl/stream.h"
#include "posix/elf.h"
#include "posix/path.h"
#include "posix/stack.h"
#include "posix/state.h"

enum {
    SCRIPT_DEPTH = 5,
    SCRIPT_TEXT = 256,
};

/* Texts of the new program: vectors of the caller (addresses of pointers), and before the arguments
 * those that scripts put there. */
struct exec_vectors {
    uint64_t arguments, environment; /* addresses of vectors; or with `own`, of texts in a row */
    bool own;
    uint64_t own_argument_count, own_environment_count;
};

/* What the new image's first code finds at the bottom of its area, behind its thread_state's page.
 */
struct exec_record {
    uint64_t magic;
    uint64_t entry, stack, heap, map_hint;
    handle_t image;
    char name[16];
    uint64_t auxiliary[2 * STACK_AUXILIARY_LIMIT];
    uint64_t argument_texts, environment_texts, texts_end; /* for /proc */
};
#define EXEC_RECORD_OFFSET 0x6000
static_assert(EXEC_RECORD_OFFSET >= sizeof(struct posix_thread));

/* Runs `path` (in self->path, `length` bytes). Returns only an error. */
int64_t exec_run(struct posix_thread *_Nonnull self, struct place *_Nonnull place, size_t length,
                 uint32_t walk_flags, const struct exec_vectors *_Nonnull vectors);

/* What exec works with, in the thread's area behind its state: too much for a stack. */
struct exec_text {
    uint16_t offset, size; /* in `texts`, without NUL */
};
struct exec_work {
    struct elf_header header;
    struct elf_segment segments[ELF_SEGMENT_LIMIT];
    struct elf_plan image, interpreter;
    uint8_t first[SCRIPT_TEXT];
    char texts[1024];
    uint32_t texts_used, prefix_count;
    struct exec_text prefix[2 * SCRIPT_DEPTH + 1]; /* last pushed comes first */
    struct stack_texts sizes;
    struct stack_plan stack;
    struct exec_record record;
    uint64_t pointers[64]; /* gathered before they are written */
    uint64_t image_bias, interpreter_bias, image_top;
    handle_t file, interpreter_file, memory, space;
    struct stream_stat info; /* of `file` */
    uint64_t ticket;         /* for a set-id file: 0 else */
    uint32_t effective_uid, effective_gid, secure;
    uint8_t random[32];
};
#define EXEC_WORK_OFFSET 0x6000
static_assert(EXEC_WORK_OFFSET >= sizeof(struct posix_thread));
static_assert(EXEC_WORK_OFFSET + sizeof(struct exec_work) <= 0xa000);

/* exec_build.c: the new space, and the program's stack in it. */
int64_t exec_build(struct posix_thread *_Nonnull self, struct exec_work *_Nonnull work,
                   size_t name_length, const struct exec_vectors *_Nonnull vectors);
/* Counts the program's texts. -E2BIG, -EFAULT. */
int64_t exec_measure(struct posix_thread *_Nonnull self, struct exec_work *_Nonnull work,
                     const struct exec_vectors *_Nonnull vectors);
