/* The first code of a new image: after exec, and of the first process (start.h). */
#include "posix/start.h"
#include "lib/base/bytes.h"
#include "posix/descriptors.h"
#include "posix/exec.h"
#include "posix/file_open.h"
#include "posix/fork.h"
#include "posix/identity.h"
#include "posix/native.h"
#include "posix/nucleus/entry.h"
#include "posix/signals.h"

/* Registers as Linux leaves them: all 0 but stack and program counter. */
[[noreturn]] static void begin_program(struct posix_thread *_Nonnull self, uint64_t entry,
                                       uint64_t stack) {
    struct thread_page *page = self->page;
    page->frame[0] = (struct program_frame){
        .rip = entry, .rsp = stack, .flags = 0x202, .original_rax = UINT64_MAX};
    child_resume(page);
}

/* Close-on-exec, caught signals, and whatever named the old space. */
void exec_begin(const struct exec_record *_Nonnull record, struct thread_page *_Nonnull page) {
    struct posix_thread *self = thread_self();
    struct posix_process *process = address_pointer(RUNTIME_STATE);
    handle_t old_image = process->image;
    uint32_t pid = process->pid;
    bool caught = process->watched != 0;
    for (uint32_t i = 0; i < SIGNAL_COUNT; i++) {
        caught = caught || process->actions[i].handler > SIG_IGN;
    }
    uint64_t pending = self->pending;
    self->process = process;
    self->slot = 0;
    process->table = address_pointer(RUNTIME_DESCRIPTORS);
    process->vfork_area = 0;
    process->processes = nullptr;
    process->processes_length = 0;
    process->principals = nullptr;
    process->principals_length = 0;
    process->signals = nullptr;
    struct lock_owner owners[LOCK_OWNERS]; /* these are kept */
    bytes_copy(owners, process->owners, sizeof owners);
    bytes_zero(process->owners, sizeof owners);
    process_begin_child(self, page, 0);
    bytes_copy(process->owners, owners, sizeof owners);
    process->pid = pid;
    self->tid = pid;
    process->threads[0].tid = pid;
    self->pending = pending;
    self->alternate = (struct linux_stack){.flags = SS_DISABLE};
    self->mask_saved = 0;
    process->image = record->image;
    process->heap_first = record->heap;
    process->heap_end = record->heap;
    process->heap_mapped = record->heap;
    process->map_hint = record->map_hint;
    process->dumpable = 1;
    process->stack = record->stack;
    process->argument_texts = record->argument_texts;
    process->environment_texts = record->environment_texts;
    process->texts_end = record->texts_end;
    bytes_copy(process->name, record->name, sizeof process->name);
    bytes_copy(process->auxiliary, record->auxiliary, sizeof record->auxiliary);
    handle_close(old_image);
    fd_close_on_exec(self);
    signals_reset_caught(process);
    if (caught || pending != 0) {
        signals_publish(self);
        signals_look(self);
    }
    base_set(false, 0);
    base_set(true, 0);
    begin_program(self, record->entry, record->stack);
}

/* ---- the first process ---- */

static void give_standard(struct posix_thread *_Nonnull self, uint64_t fd, handle_t session,
                          uint32_t access) {
    struct stream_stat info = {};
    struct fd_entry old = {};
    if (session == HANDLE_NONE || stream_stat(session, &info) != STATUS_OK) {
        return;
    }
    struct fd_entry entry = file_entry(session, 0, &info, access);
    (void)fd_replace(self, fd, &entry, &old);
}

/* On the thread's own area. */
static void start_run(const void *_Nonnull argument) {
    const struct start_block *block = argument;
    struct posix_thread *self = thread_self();
    struct place place = {};
    size_t length = text_length(block->text, MIN(sizeof block->text, (size_t)PATH_MAX));
    give_standard(self, 0, block->handles[START_INPUT], O_RDWR);
    give_standard(self, 1, block->handles[START_OUTPUT], O_RDWR);
    give_standard(self, 2, block->handles[START_ERROR], O_RDWR);
    self->process->table->first_free = 3;
    bytes_copy(self->path, block->text, length);
    self->path[length] = '\0';
    path_begin_text(
        self, (struct rt_bytes){.size = length, .data = (const uint8_t *)&self->path[0]}, &place);
    uint64_t arguments = (uintptr_t)&block->text[0] + length + 1;
    uint64_t environment = arguments;
    for (uint32_t i = 0; i < block->argument_count; i++) {
        size_t at = (size_t)(environment - (uintptr_t)&block->text[0]);
        if (at >= sizeof block->text) {
            native_end(126, false);
        }
        environment += text_length(&block->text[at], sizeof block->text - at) + 1;
    }
    struct exec_vectors vectors = {.arguments = arguments,
                                   .environment = environment,
                                   .own = true,
                                   .own_argument_count = block->argument_count,
                                   .own_environment_count = block->environment_count};
    (void)exec_run(self, &place, length, 0, &vectors);
    native_end(127, false);
}

static bool map_own(uint64_t at, uint64_t length, handle_t memory, uint32_t flags) {
    return space_map(0, &at, length, memory, 0, flags | MAP_FIXED) == STATUS_OK;
}

void start_begin(const struct start_block *_Nonnull block, struct thread_page *_Nonnull page) {
    uint32_t private_flags = PROTECT_READ | PROTECT_WRITE | MAP_PRIVATE;
    if (block->magic != RUNTIME_MAGIC || block->version != START_VERSION ||
        !map_own(RUNTIME_STATE, VFORK_DESCRIPTORS - VFORK_STATE, 0, private_flags) ||
        !map_own(RUNTIME_DESCRIPTORS, VFORK_SIZE - VFORK_DESCRIPTORS, 0, private_flags) ||
        !map_own(RUNTIME_AREAS, AREA_SIZE, 0, private_flags) ||
        !map_own(RUNTIME_CLOCK, PAGE_SIZE, block->handles[START_CLOCK], PROTECT_READ)) {
        native_end(125, false);
    }
    struct posix_process *process = address_pointer(RUNTIME_STATE);
    struct posix_thread *self = address_pointer(RUNTIME_AREAS);
    struct fd_table *table = address_pointer(RUNTIME_DESCRIPTORS);
    process->magic = STATE_MAGIC;
    process->table = table;
    process->process = block->handles[START_PROCESS];
    process->vfs = block->handles[START_VFS];
    process->root = block->handles[START_ROOT];
    process->working = block->handles[START_WORKING];
    process->local = block->handles[START_LOCAL];
    process->tty = block->handles[START_TTY];
    process->time = block->handles[START_TIME];
    process->runtime_image = block->handles[START_RUNTIME_IMAGE];
    process->clock = block->handles[START_CLOCK];
    process->code_size = block->image_code_size;
    process->umask = 022;
    for (uint32_t i = 0; i < LIMIT_COUNT; i++) {
        process->limits[i] = UINT64_MAX;
    }
    process->limits[LIMIT_DESCRIPTORS] = FD_DEFAULT;
    process->map_hint = 0x700000000000;
    self->process = process;
    self->alternate.flags = SS_DISABLE;
    process_begin_child(self, page, 0);
    stack_switch(area_top(self), start_run, block);
}
