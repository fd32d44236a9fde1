/* See exec.h: finding out what is to be run, and committing. Until the one call to `process`
 * nothing has changed, and any failure is an errno; what Linux finds out only when it is too late
 * kills by SIGSEGV here too. */
#include "posix/exec.h"
#include "lib/base/bytes.h"
#include "posix/errors.h"
#include "posix/file_open.h"
#include "posix/identity.h"
#include "posix/native.h"
#include "posix/nucleus/entry.h"
#include "posix/signals.h"
#include "posix/syscalls.h"
#include "posix/user.h"

static int64_t read_file(handle_t file, void *_Nonnull to, size_t size, uint64_t offset) {
    struct native_result got = NATIVE(SYS_STREAM_READ, file, (uintptr_t)to, size, offset, 0);
    return got.status == STATUS_OK ? (int64_t)got.value : error_of(got.status);
}

/* Opens a file to be run. */
static int64_t open_image(struct posix_thread *_Nonnull self, struct place *_Nonnull place,
                          uint32_t walk_flags, handle_t *_Nonnull out,
                          struct stream_stat *_Nonnull info) {
    uint32_t facts = 0;
    int64_t error =
        file_open(self, place, FILESYSTEM_OPEN_FLAGS_READ | FILESYSTEM_OPEN_FLAGS_EXECUTE,
                  walk_flags, 0, out, &facts, info);
    if (error == -EISDIR) {
        return -EACCES;
    }
    if (error == 0 &&
        ((info->mode & S_IFMT) != S_IFREG || (facts & STREAM_FACTS_FLAGS_CACHED) == 0)) {
        error = -EACCES;
    }
    return error;
}

/* Keeps a text; -ENAMETOOLONG where there is no room. */
static int64_t push(struct exec_work *_Nonnull work, const void *_Nonnull text, size_t size) {
    if (work->prefix_count == ARRAY_LENGTH(work->prefix) ||
        size >= sizeof work->texts - work->texts_used) {
        return -ENAMETOOLONG;
    }
    bytes_copy(&work->texts[work->texts_used], text, size);
    work->texts[work->texts_used + size] = '\0';
    work->prefix[work->prefix_count++] =
        (struct exec_text){(uint16_t)work->texts_used, (uint16_t)size};
    work->texts_used += (uint32_t)size + 1;
    return 0;
}

/* A script: its interpreter is opened instead. */
static int64_t follow_script(struct posix_thread *_Nonnull self, struct exec_work *_Nonnull work,
                             size_t size, size_t name_length) {
    struct script_line line = {};
    struct place place = {};
    if (!script_parse(&work->first, size, &line)) {
        return -ENOEXEC;
    }
    int64_t error = 0;
    if (work->prefix_count == 0) {
        error = push(work, self->path, name_length);
    }
    if (error == 0 && line.argument_size > 0) {
        error = push(work, &work->first[line.argument], line.argument_size);
    }
    error = error != 0 ? error : push(work, &work->first[line.interpreter], line.interpreter_size);
    if (error != 0) {
        return error;
    }
    struct exec_text text = work->prefix[work->prefix_count - 1];
    path_begin_text(
        self,
        (struct rt_bytes){.size = text.size, .data = (const uint8_t *)&work->texts[text.offset]},
        &place);
    handle_close(work->file);
    work->file = HANDLE_NONE;
    return open_image(self, &place, 0, &work->file, &work->info);
}

/* Reads and checks header and segments of an image. */
static int64_t read_plan(struct exec_work *_Nonnull work, handle_t file,
                         struct elf_plan *_Nonnull out) {
    int64_t got = read_file(file, &work->header, sizeof work->header, 0);
    if (got < 0) {
        return got;
    }
    int64_t error = elf_check(&work->header, (uint64_t)got);
    if (error != 0) {
        return error;
    }
    size_t size = work->header.segment_count * sizeof(struct elf_segment);
    got = read_file(file, work->segments, size, work->header.segments);
    if (got < 0 || (size_t)got != size) {
        return got < 0 ? got : -ENOEXEC;
    }
    return elf_plan_make(&work->header, &work->segments, out);
}

/* The interpreter that the image names (the dynamic linker). `fatal`: Linux would find out too
 * late. */
static int64_t find_interpreter(struct posix_thread *_Nonnull self, struct exec_work *_Nonnull work,
                                bool *_Nonnull fatal) {
    size_t size = (size_t)work->image.interpreter_size;
    struct place place = {};
    int64_t got = read_file(work->file, self->path2, MIN(size, sizeof self->path2),
                            work->image.interpreter_offset);
    if (got < 0 || (size_t)got != size || self->path2[size - 1] != '\0') {
        return got < 0 ? got : -ENOEXEC;
    }
    size_t length = text_length(self->path2, size);
    if (length == 0) {
        return -ENOEXEC;
    }
    path_begin_text(
        self, (struct rt_bytes){.size = length, .data = (const uint8_t *)&self->path2[0]}, &place);
    struct stream_stat info = {};
    int64_t error = open_image(self, &place, 0, &work->interpreter_file, &info);
    if (error != 0) {
        return error;
    }
    error = read_plan(work, work->interpreter_file, &work->interpreter);
    if (error == -EFAULT) {
        *fatal = true;
    }
    return error == -ENOEXEC ? -ELIBBAD : error;
}

/* Follows scripts to an image, and reads its plan and its interpreter's. */
static int64_t find_image(struct posix_thread *_Nonnull self, struct exec_work *_Nonnull work,
                          size_t name_length, bool *_Nonnull fatal) {
    for (uint32_t depth = 0; depth <= SCRIPT_DEPTH; depth++) {
        int64_t got = read_file(work->file, work->first, sizeof work->first, 0);
        if (got < 0) {
            return got;
        }
        if (got < 2 || work->first[0] != '#' || work->first[1] != '!') {
            int64_t error = read_plan(work, work->file, &work->image);
            if (error == -EFAULT) {
                *fatal = true;
            }
            if (error == 0 && work->image.interpreter_size != 0) {
                error = find_interpreter(self, work, fatal);
            }
            return error;
        }
        if (depth == SCRIPT_DEPTH) {
            return -ELOOP;
        }
        int64_t error = follow_script(self, work, (size_t)got, name_length);
        if (error != 0) {
            return error;
        }
    }
    return -ELOOP;
}

static void take_name(struct exec_work *_Nonnull work, const char (*_Nonnull path)[PATH_MAX],
                      size_t length) {
    size_t start = 0;
    for (size_t i = 0; i < length; i++) {
        start = (*path)[i] == '/' ? i + 1 : start;
    }
    bytes_zero(work->record.name, sizeof work->record.name);
    bytes_copy(work->record.name, &(*path)[start],
               MIN(length - start, sizeof work->record.name - 1));
}

static int64_t commit(struct posix_thread *_Nonnull self, struct exec_work *_Nonnull work) {
    struct rt_bytes name = {.size = text_length(work->record.name, sizeof work->record.name),
                            .data = (const uint8_t *)&work->record.name[0]};
    handle_t space = work->space;
    work->space = HANDLE_NONE; /* it moves with the call */
    status_t status =
        process_exec(self->process->process, work->ticket != 0 ? PROCESS_EXEC_FLAGS_SET_ID : 0,
                     work->ticket, (uintptr_t)exec_entry, RUNTIME_AREAS + AREA_SIZE,
                     RUNTIME_AREAS + EXEC_RECORD_OFFSET, space, work->file, name);
    return error_of_process(status);
}

/* The ids that the program will have: a set-id file gives its owner's, where its file system says
 * so by a ticket. */
static void take_ids(struct posix_thread *_Nonnull self, struct exec_work *_Nonnull work) {
    struct process_principal_entry who = facts_credentials(self);
    bool set_uid = (work->info.mode & S_ISUID) != 0;
    bool set_gid = (work->info.mode & (S_ISGID | 0010)) == (S_ISGID | 0010);
    work->effective_uid = who.effective_uid;
    work->effective_gid = who.effective_gid;
    if ((set_uid || set_gid) && self->process->no_new_privileges == 0 &&
        filesystem_exec_ticket(work->file, &work->ticket) == STATUS_OK) {
        work->effective_uid = set_uid ? work->info.uid : work->effective_uid;
        work->effective_gid = set_gid ? work->info.gid : work->effective_gid;
    }
    bool gained = work->effective_uid != who.uid || work->effective_gid != who.gid;
    work->secure = work->ticket != 0 && gained ? 1 : 0;
}

int64_t exec_run(struct posix_thread *_Nonnull self, struct place *_Nonnull place, size_t length,
                 uint32_t walk_flags, const struct exec_vectors *_Nonnull vectors) {
    struct exec_work *work = address_pointer((uintptr_t)self + EXEC_WORK_OFFSET);
    bool fatal = false;
    bytes_zero(work, sizeof *work);
    int64_t error = open_image(self, place, walk_flags, &work->file, &work->info);
    error = error != 0 ? error : find_image(self, work, length, &fatal);
    if (error == 0 || fatal) {
        int64_t measured = exec_measure(self, work, vectors);
        error = measured != 0 ? measured : error;
        fatal = fatal && measured == 0;
    }
    if (error == 0) {
        take_name(work, &self->path, length);
        take_ids(self, work);
        error = exec_build(self, work, length, vectors);
    }
    if (error == 0) {
        error = commit(self, work);
    }
    handle_close(work->file);
    handle_close(work->interpreter_file);
    handle_close(work->memory);
    handle_close(work->space);
    if (fatal) {
        signal_end(self, SIGSEGV);
    }
    return error;
}

/* The image's name in self->path, of the path in self->path2: as Linux has it, /dev/fd/N or
 * /dev/fd/N/PATH where it begins at a descriptor. */
static size_t name_image(struct posix_thread *_Nonnull self, int32_t directory) {
    size_t length = text_length(self->path2, sizeof self->path2);
    if (directory == AT_FDCWD || self->path2[0] == '/') {
        bytes_copy(self->path, self->path2, length + 1);
        return length;
    }
    uint32_t fd = (uint32_t)directory;
    char digits[10];
    uint32_t count = 0;
    do {
        digits[count++] = (char)('0' + fd % 10);
        fd /= 10;
    } while (fd != 0);
    static const char folder[] = "/dev/fd/";
    size_t used = sizeof folder - 1;
    bytes_copy(self->path, folder, used);
    while (count > 0) {
        self->path[used++] = digits[--count];
    }
    if (length > 0) {
        self->path[used++] = '/';
    }
    size_t rest = MIN(length, sizeof self->path - used - 1);
    bytes_copy(&self->path[used], self->path2, rest);
    self->path[used + rest] = '\0';
    return used + rest;
}

LINUX(execve) {
    struct place place = {};
    struct exec_vectors vectors = {.arguments = frame->rsi, .environment = frame->rdx};
    int64_t error = path_begin(self, AT_FDCWD, frame->rdi, self->path, false, &place);
    if (error != 0) {
        return error;
    }
    return exec_run(self, &place, text_length(self->path, sizeof self->path), 0, &vectors);
}

LINUX(execveat) {
    struct place place = {};
    struct exec_vectors vectors = {.arguments = frame->rdx, .environment = frame->r10};
    uint64_t flags = (uint32_t)frame->r8;
    if ((flags & ~(uint64_t)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) != 0) {
        return -EINVAL;
    }
    int64_t error = path_begin(self, (int32_t)frame->rdi, frame->rsi, self->path2,
                               (flags & AT_EMPTY_PATH) != 0, &place);
    if (error != 0) {
        return error;
    }
    uint32_t walk =
        (flags & AT_SYMLINK_NOFOLLOW) != 0 ? (uint32_t)FILESYSTEM_WALK_FLAGS_NO_FOLLOW : 0;
    size_t length = name_image(self, (int32_t)frame->rdi);
    return exec_run(self, &place, length, walk, &vectors);
}
