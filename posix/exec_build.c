/* The new space of exec: image, interpreter, stack, runtime. Everything goes into it by Memories,
 * since a space of another process cannot be written otherwise. */
#include "idl/filesystem.h"
#include "lib/base/bytes.h"
#include "posix/errors.h"
#include "posix/exec.h"
#include "posix/identity.h"
#include "posix/native.h"
#include "posix/start.h"
#include "posix/user.h"

#define PAGE_MASK (~(uint64_t)(PAGE_SIZE - 1))
/* Where images without an address of their own, and mappings, begin; a random part is added. */
#define IMAGE_BASE 0x555500000000ull
#define MAPPINGS_BASE 0x700000000000ull
enum {
    RANDOM_PAGES = 1 << 26,
    RANDOM_HEAP_PAGES = 1 << 13,
    RANDOM_STACK_PAGES = 1 << 14,
};

/* ---- counting ---- */

/* The length of a text, its NUL included. -E2BIG, -EFAULT. */
static int64_t text_bytes(struct posix_thread *_Nonnull self, uint64_t address) {
    uint64_t length = 0;
    while (length < STACK_STRING_LIMIT) {
        int64_t got = user_text(self->walk, sizeof self->walk, address + length);
        if (got == -ENAMETOOLONG) {
            length += sizeof self->walk;
            continue;
        }
        if (got < 0) {
            return got;
        }
        uint64_t bytes = length + (uint64_t)got + 1;
        return bytes > STACK_STRING_LIMIT ? -E2BIG : (int64_t)bytes;
    }
    return -E2BIG;
}

static int64_t measure_vector(struct posix_thread *_Nonnull self, uint64_t vector,
                              uint64_t *_Nonnull out_count, uint64_t *_Nonnull out_bytes) {
    for (uint64_t i = 0; vector != 0; i++) {
        uint64_t text = 0;
        int64_t error = USER_READ(text, vector + i * sizeof text);
        if (error != 0 || text == 0) {
            return error;
        }
        int64_t bytes = text_bytes(self, text);
        if (bytes < 0) {
            return bytes;
        }
        *out_count += 1;
        *out_bytes += (uint64_t)bytes;
        if (*out_bytes > STACK_STRINGS_LIMIT) {
            return -E2BIG;
        }
    }
    return 0;
}

/* `count` texts in a row, which the runtime itself made. */
static int64_t measure_own(struct posix_thread *_Nonnull self, uint64_t texts, uint64_t count,
                           uint64_t *_Nonnull out_count, uint64_t *_Nonnull out_bytes) {
    for (uint64_t i = 0; i < count; i++) {
        int64_t bytes = text_bytes(self, texts + *out_bytes);
        if (bytes < 0) {
            return bytes;
        }
        *out_bytes += (uint64_t)bytes;
    }
    *out_count += count;
    return 0;
}

int64_t exec_measure(struct posix_thread *_Nonnull self, struct exec_work *_Nonnull work,
                     const struct exec_vectors *_Nonnull vectors) {
    struct stack_texts *sizes = &work->sizes;
    int64_t error = 0;
    *sizes = (struct stack_texts){};
    if (vectors->own) {
        error = measure_own(self, vectors->arguments, vectors->own_argument_count,
                            &sizes->argument_count, &sizes->argument_bytes);
        return error != 0 ? error
                          : measure_own(self, vectors->environment, vectors->own_environment_count,
                                        &sizes->environment_count, &sizes->environment_bytes);
    }
    error =
        measure_vector(self, vectors->arguments, &sizes->argument_count, &sizes->argument_bytes);
    return error != 0 ? error
                      : measure_vector(self, vectors->environment, &sizes->environment_count,
                                       &sizes->environment_bytes);
}

/* ---- Memories ---- */

static int64_t memory_make(uint64_t size, handle_t *_Nonnull out) {
    struct native_result made = NATIVE(SYS_OBJECT_CREATE, OBJECT_MEMORY, 0, size, 0, 0, 0);
    *out = made.status == STATUS_OK ? (handle_t)made.value : HANDLE_NONE;
    return error_of(made.status);
}

static int64_t memory_put(handle_t memory, uint64_t offset, uint64_t address, uint64_t size) {
    if (size == 0) {
        return 0;
    }
    return error_of(
        NATIVE(SYS_MEMORY_COPY, memory, offset, address, size, MEMORY_FROM_CALLER).status);
}

/* Maps a Memory of our making, privately, and lets it go. */
static int64_t memory_give(const struct exec_work *_Nonnull work, handle_t memory, uint64_t at,
                           uint64_t size, uint32_t protection) {
    status_t status =
        space_map(work->space, &at, size, memory, 0, protection | MAP_PRIVATE | MAP_FIXED);
    handle_close(memory);
    return status == STATUS_OK ? 0 : -ENOMEM;
}

/* ---- images ---- */

/* The page where the file's part of a segment ends, and the zeroes behind it. */
static int64_t map_tail(struct posix_thread *_Nonnull self, const struct exec_work *_Nonnull work,
                        handle_t file, const struct elf_map *_Nonnull map, uint64_t bias) {
    handle_t memory = HANDLE_NONE;
    uint64_t size = PAGE_SIZE + map->zero_length;
    struct native_result got = NATIVE(SYS_STREAM_READ, file, (uintptr_t)&self->scratch[0],
                                      map->tail_length, map->tail_offset, 0);
    if (got.status != STATUS_OK) {
        return error_of(got.status);
    }
    int64_t error = memory_make(size, &memory);
    error = error != 0 ? error : memory_put(memory, 0, (uintptr_t)&self->scratch[0], got.value);
    if (error != 0) {
        handle_close(memory);
        return error;
    }
    return memory_give(work, memory, map->tail_address + bias, size, map->protection);
}

static int64_t map_segment(struct posix_thread *_Nonnull self,
                           const struct exec_work *_Nonnull work, handle_t file, handle_t memory,
                           const struct elf_map *_Nonnull map, uint64_t bias) {
    status_t status = STATUS_OK;
    if (map->length > 0) {
        uint64_t at = map->address + bias;
        status = space_map(work->space, &at, map->length, memory, map->offset,
                           map->protection | MAP_PRIVATE | MAP_FIXED);
    }
    if (status == STATUS_OK && map->tail_length > 0) {
        return map_tail(self, work, file, map, bias);
    }
    if (status == STATUS_OK && map->zero_length > 0) {
        uint64_t at = map->zero_address + bias;
        status = space_map(work->space, &at, map->zero_length, 0, 0,
                           map->protection | MAP_PRIVATE | MAP_FIXED);
    }
    return status == STATUS_OK ? 0 : error_of(status);
}

static int64_t map_image(struct posix_thread *_Nonnull self, struct exec_work *_Nonnull work,
                         handle_t file, const struct elf_plan *_Nonnull plan, uint64_t bias) {
    handle_close(work->memory);
    work->memory = HANDLE_NONE;
    status_t status = filesystem_memory(file, false, true, &work->memory);
    int64_t error = error_of_filesystem(status);
    for (uint32_t i = 0; i < plan->map_count && error == 0; i++) {
        error = map_segment(self, work, file, work->memory, &plan->maps[i], bias);
    }
    return error;
}

static uint64_t random_pages(const struct exec_work *_Nonnull work, unsigned which,
                             uint64_t below) {
    uint64_t value = 0;
    bytes_copy(&value, &work->random[16 + 4 * (which & 3)], 4);
    return (value % below) * PAGE_SIZE;
}

/* Where the image, its interpreter, the heap and mappings go. */
static void choose_places(struct exec_work *_Nonnull work) {
    const struct elf_plan *image = &work->image;
    if (!image->fixed) {
        uint64_t base = IMAGE_BASE + random_pages(work, 0, RANDOM_PAGES);
        work->image_bias = (base & ~(image->alignment - 1)) - (image->first & PAGE_MASK);
    }
    work->image_top = image->end + work->image_bias;
    uint64_t hint = MAPPINGS_BASE + random_pages(work, 1, RANDOM_PAGES);
    if (image->interpreter_size != 0) {
        const struct elf_plan *loader = &work->interpreter;
        hint = (hint + loader->alignment - 1) & ~(loader->alignment - 1);
        work->interpreter_bias = loader->fixed ? 0 : hint - (loader->first & PAGE_MASK);
        hint = loader->fixed ? hint : work->interpreter_bias + loader->end;
    }
    work->record.map_hint = (hint + PAGE_SIZE - 1) & PAGE_MASK;
    work->record.heap =
        ((work->image_top + PAGE_SIZE - 1) & PAGE_MASK) + random_pages(work, 2, RANDOM_HEAP_PAGES);
    work->record.entry = image->interpreter_size != 0
                             ? work->interpreter.entry + work->interpreter_bias
                             : image->entry + work->image_bias;
}

/* ---- the stack ---- */

/* Writes pointers and texts of one vector; the Memory begins at `base` of the new space. */
struct stack_writer {
    handle_t memory;
    uint64_t base;
    uint64_t vector, text; /* where the next pointer and text go */
    uint32_t gathered;
};

static int64_t flush_pointers(struct exec_work *_Nonnull work,
                              struct stack_writer *_Nonnull writer) {
    uint64_t size = writer->gathered * sizeof work->pointers[0];
    int64_t error = memory_put(writer->memory, writer->vector - writer->base,
                               (uintptr_t)&work->pointers[0], size);
    writer->vector += size;
    writer->gathered = 0;
    return error;
}

static int64_t put_pointer(struct exec_work *_Nonnull work, struct stack_writer *_Nonnull writer,
                           uint64_t pointer) {
    work->pointers[writer->gathered++] = pointer;
    return writer->gathered == ARRAY_LENGTH(work->pointers) ? flush_pointers(work, writer) : 0;
}

static int64_t put_text(struct exec_work *_Nonnull work, struct stack_writer *_Nonnull writer,
                        uint64_t address, uint64_t bytes) {
    int64_t error = memory_put(writer->memory, writer->text - writer->base, address, bytes);
    error = error != 0 ? error : put_pointer(work, writer, writer->text);
    writer->text += bytes;
    return error;
}

static int64_t put_vector(struct posix_thread *_Nonnull self, struct exec_work *_Nonnull work,
                          struct stack_writer *_Nonnull writer, uint64_t vector, uint64_t first,
                          uint64_t count) {
    for (uint64_t i = first; i < count; i++) {
        uint64_t text = 0;
        int64_t error = USER_READ(text, vector + i * sizeof text);
        int64_t bytes = error != 0 ? error : text_bytes(self, text);
        if (bytes < 0) {
            return bytes;
        }
        error = put_text(work, writer, text, (uint64_t)bytes);
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

static int64_t put_own(struct posix_thread *_Nonnull self, struct exec_work *_Nonnull work,
                       struct stack_writer *_Nonnull writer, uint64_t texts, uint64_t count,
                       bool skip_first) {
    for (uint64_t i = 0; i < count; i++) {
        int64_t bytes = text_bytes(self, texts);
        if (bytes < 0) {
            return bytes;
        }
        if (i > 0 || !skip_first) {
            int64_t error = put_text(work, writer, texts, (uint64_t)bytes);
            if (error != 0) {
                return error;
            }
        }
        texts += (uint64_t)bytes;
    }
    return 0;
}

/* With a script, its texts stand for the first argument; without any argument there is an empty
 * one. */
static void adjust_sizes(struct posix_thread *_Nonnull self, struct exec_work *_Nonnull work,
                         const struct exec_vectors *_Nonnull vectors, size_t name_length) {
    struct stack_texts *sizes = &work->sizes;
    sizes->name_bytes = name_length + 1;
    if (sizes->argument_count == 0 && work->prefix_count == 0) {
        work->prefix[work->prefix_count++] = (struct exec_text){(uint16_t)work->texts_used, 0};
        work->texts[work->texts_used++] = '\0';
    } else if (sizes->argument_count > 0 && work->prefix_count > 0) {
        uint64_t first = vectors->arguments;
        if (!vectors->own && USER_READ(first, vectors->arguments) != 0) {
            first = 0;
        }
        int64_t bytes = text_bytes(self, first);
        sizes->argument_count--;
        sizes->argument_bytes -= bytes > 0 ? MIN((uint64_t)bytes, sizes->argument_bytes) : 0;
    }
    for (uint32_t i = 0; i < work->prefix_count; i++) {
        sizes->argument_count++;
        sizes->argument_bytes += work->prefix[i].size + 1u;
    }
}

static int64_t put_arguments(struct posix_thread *_Nonnull self, struct exec_work *_Nonnull work,
                             struct stack_writer *_Nonnull writer,
                             const struct exec_vectors *_Nonnull vectors) {
    int64_t error = 0;
    uint64_t total = work->sizes.argument_count - work->prefix_count;
    bool skip = work->prefix_count > 0;
    for (uint32_t i = work->prefix_count; i > 0 && error == 0; i--) {
        struct exec_text text = work->prefix[i - 1];
        error = put_text(work, writer, (uintptr_t)&work->texts[text.offset], text.size + 1u);
    }
    if (error != 0) {
        return error;
    }
    uint64_t first = skip ? 1 : 0;
    if (vectors->own) {
        return put_own(self, work, writer, vectors->arguments, vectors->own_argument_count, skip);
    }
    return put_vector(self, work, writer, vectors->arguments, first, total + first);
}

static uint32_t processor_capabilities(void) {
#ifdef __x86_64__
    uint32_t a = 1;
    uint32_t b = 0;
    uint32_t c = 0;
    uint32_t d = 0;
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return d;
#else
    return 0;
#endif
}

/* The auxiliary vector; its words go to the record, too, for /proc/self/auxv. */
static uint32_t make_auxiliary(struct posix_thread *_Nonnull self,
                               struct exec_work *_Nonnull work) {
    const struct runtime_header *header = address_pointer(RUNTIME_BASE);
    struct process_principal_entry who = facts_credentials(self);
    const struct elf_plan *image = &work->image;
    bool interpreted = image->interpreter_size != 0;
    const struct auxiliary all[] = {
        {AUX_VDSO, header->vdso},
        {AUX_MINIMUM_SIGNAL_STACK, 2048},
        {AUX_HWCAP, processor_capabilities()},
        {AUX_PAGE_SIZE, PAGE_SIZE},
        {AUX_TICKS, 100},
        {AUX_SEGMENTS, image->headers == 0 ? 0 : image->headers + work->image_bias},
        {AUX_SEGMENT_SIZE, sizeof(struct elf_segment)},
        {AUX_SEGMENT_COUNT, image->segment_count},
        {AUX_BASE,
         interpreted ? work->interpreter_bias + (work->interpreter.first & PAGE_MASK) : 0},
        {AUX_FLAGS, 0},
        {AUX_ENTRY, image->entry + work->image_bias},
        {AUX_UID, who.uid},
        {AUX_EUID, work->effective_uid},
        {AUX_GID, who.gid},
        {AUX_EGID, work->effective_gid},
        {AUX_SECURE, work->secure},
        {AUX_RANDOM, work->stack.random},
        {AUX_HWCAP2, 0},
        {AUX_FILE_NAME, work->stack.name},
        {AUX_PLATFORM, work->stack.platform},
        {AUX_END, 0},
    };
    static_assert(ARRAY_LENGTH(all) <= STACK_AUXILIARY_LIMIT);
    for (uint32_t i = 0; i < ARRAY_LENGTH(all); i++) {
        work->record.auxiliary[2 * i] = all[i].type;
        work->record.auxiliary[2 * i + 1] = all[i].value;
    }
    return ARRAY_LENGTH(all);
}

/* The vectors and texts of the new stack. */
static int64_t fill_stack(struct posix_thread *_Nonnull self, struct exec_work *_Nonnull work,
                          struct stack_writer *_Nonnull writer, uint32_t auxiliary_count,
                          const struct exec_vectors *_Nonnull vectors) {
    const struct stack_plan *plan = &work->stack;
    writer->vector = plan->pointer;
    writer->text = plan->argument_texts;
    int64_t error = put_pointer(work, writer, work->sizes.argument_count);
    error = error != 0 ? error : put_arguments(self, work, writer, vectors);
    error = error != 0 ? error : put_pointer(work, writer, 0);
    writer->text = plan->environment_texts;
    if (error == 0 && vectors->own) {
        error = put_own(self, work, writer, vectors->environment, vectors->own_environment_count,
                        false);
    } else if (error == 0) {
        error =
            put_vector(self, work, writer, vectors->environment, 0, work->sizes.environment_count);
    }
    error = error != 0 ? error : put_pointer(work, writer, 0);
    error = error != 0 ? error : flush_pointers(work, writer);
    if (error != 0) {
        return error;
    }
    static const char platform[8] = "x86_64";
    error = memory_put(writer->memory, plan->auxiliary - writer->base,
                       (uintptr_t)&work->record.auxiliary[0],
                       auxiliary_count * sizeof(struct auxiliary));
    error = error != 0 ? error
                       : memory_put(writer->memory, plan->random - writer->base,
                                    (uintptr_t)&work->random[0], 16);
    error = error != 0 ? error
                       : memory_put(writer->memory, plan->platform - writer->base,
                                    (uintptr_t)&platform[0], sizeof platform);
    return error != 0 ? error
                      : memory_put(writer->memory, plan->name - writer->base,
                                   (uintptr_t)&self->path[0], work->sizes.name_bytes);
}

static int64_t build_stack(struct posix_thread *_Nonnull self, struct exec_work *_Nonnull work,
                           size_t name_length, const struct exec_vectors *_Nonnull vectors) {
    uint64_t top = PROGRAM_STACK_TOP - random_pages(work, 3, RANDOM_STACK_PAGES);
    handle_t memory = HANDLE_NONE;
    adjust_sizes(self, work, vectors, name_length);
    if (!stack_plan_make(top, &work->sizes, STACK_AUXILIARY_LIMIT, &work->stack)) {
        return -E2BIG;
    }
    uint32_t auxiliary_count = make_auxiliary(self, work);
    int64_t error = memory_make(PROGRAM_STACK_SIZE, &memory);
    struct stack_writer writer = {.memory = memory, .base = top - PROGRAM_STACK_SIZE};
    error = error != 0 ? error : fill_stack(self, work, &writer, auxiliary_count, vectors);
    if (error != 0) {
        handle_close(memory);
        return error;
    }
    work->record.stack = work->stack.pointer;
    work->record.argument_texts = work->stack.argument_texts;
    work->record.environment_texts = work->stack.environment_texts;
    work->record.texts_end = work->stack.environment_texts + work->sizes.environment_bytes;
    return memory_give(work, memory, writer.base, PROGRAM_STACK_SIZE,
                       PROTECT_READ | PROTECT_WRITE |
                           (work->image.executable_stack ? PROTECT_EXECUTE : 0u));
}

/* ---- the runtime ---- */

/* A copy of `size` bytes at `from` as the beginning of a private mapping of `length` bytes. */
static int64_t give_copy(const struct exec_work *_Nonnull work, uint64_t at, uint64_t length,
                         uint64_t from, uint64_t size, handle_t *_Nullable keep) {
    handle_t memory = HANDLE_NONE;
    int64_t error = memory_make(length, &memory);
    error = error != 0 ? error : memory_put(memory, 0, from, size);
    if (error != 0) {
        handle_close(memory);
        return error;
    }
    if (keep != nullptr) {
        *keep = memory;
        return 0;
    }
    return memory_give(work, memory, at, length, PROTECT_READ | PROTECT_WRITE);
}

static int64_t map_runtime_image(const struct posix_thread *_Nonnull self,
                                 const struct exec_work *_Nonnull work) {
    const struct posix_process *process = self->process;
    const struct runtime_header *header = address_pointer(RUNTIME_BASE);
    uint64_t code = process->code_size;
    uint64_t all = (header->image_size + PAGE_SIZE - 1) & PAGE_MASK;
    uint64_t at = RUNTIME_BASE;
    status_t status = space_map(work->space, &at, code, process->runtime_image, 0,
                                PROTECT_READ | PROTECT_EXECUTE | MAP_FIXED | MAP_GUARD);
    at = RUNTIME_BASE + code;
    if (status == STATUS_OK && all > code) {
        status = space_map(work->space, &at, all - code, process->runtime_image, code,
                           PROTECT_READ | PROTECT_EXECUTE | MAP_FIXED | MAP_GUARD);
    }
    at = RUNTIME_CLOCK;
    if (status == STATUS_OK) {
        status = space_map(work->space, &at, PAGE_SIZE, process->clock, 0,
                           PROTECT_READ | MAP_FIXED | MAP_GUARD);
    }
    return error_of(status);
}

static int64_t build_runtime(struct posix_thread *_Nonnull self, struct exec_work *_Nonnull work) {
    struct posix_process *process = self->process;
    limits_keep(process);
    const struct fd_table *table = process->table;
    handle_t area = HANDLE_NONE;
    uint64_t entries = MIN(table->high, (uint32_t)FD_LIMIT) * sizeof(struct fd_entry);
    int64_t error = map_runtime_image(self, work);
    work->record.magic = STATE_MAGIC;
    work->record.image = work->file;
    error = error != 0 ? error
                       : give_copy(work, RUNTIME_STATE, VFORK_DESCRIPTORS - VFORK_STATE,
                                   (uintptr_t)process, sizeof *process, nullptr);
    error = error != 0 ? error
                       : give_copy(work, RUNTIME_DESCRIPTORS, VFORK_SIZE - VFORK_DESCRIPTORS,
                                   (uintptr_t)table, offsetof(struct fd_table, entries) + entries,
                                   nullptr);
    error = error != 0 ? error
                       : give_copy(work, RUNTIME_AREAS, AREA_SIZE, (uintptr_t)self,
                                   offsetof(struct posix_thread, path), &area);
    if (error != 0) {
        return error;
    }
    error = memory_put(area, EXEC_RECORD_OFFSET, (uintptr_t)&work->record, sizeof work->record);
    if (error != 0) {
        handle_close(area);
        return error;
    }
    return memory_give(work, area, RUNTIME_AREAS, AREA_SIZE, PROTECT_READ | PROTECT_WRITE);
}

int64_t exec_build(struct posix_thread *_Nonnull self, struct exec_work *_Nonnull work,
                   size_t name_length, const struct exec_vectors *_Nonnull vectors) {
    (void)NATIVE(SYS_SYSTEM, SYSTEM_RANDOM, (uintptr_t)&work->random[0], sizeof work->random);
    choose_places(work);
    struct native_result made = NATIVE(SYS_OBJECT_CREATE, OBJECT_SPACE, 0, 0, 0, 0, 0);
    if (made.status != STATUS_OK) {
        return -ENOMEM;
    }
    work->space = (handle_t)made.value;
    int64_t error = map_image(self, work, work->file, &work->image, work->image_bias);
    if (error == 0 && work->image.interpreter_size != 0) {
        error = map_image(self, work, work->interpreter_file, &work->interpreter,
                          work->interpreter_bias);
    }
    error = error != 0 ? error : build_stack(self, work, name_length, vectors);
    return error != 0 ? error : build_runtime(self, work);
}
