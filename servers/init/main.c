/* See README.md. The manifest's argument is the command: its words, the first being the path. */
#include "abi/boot.h"
#include "idl/process.h"
#include "idl/service.h"
#include "idl/stream.h"
#include "lib/base/bytes.h"
#include "lib/rt/server.h"
#include "posix/layout.h"
#include "posix/start.h"

/* Linux's numbers: S_IFCHR, and the device 5:1. */
enum { MODE_CHARACTER = 0020000, DEVICE_CONSOLE = 0x501 };
enum { SLOT_PROGRAM = 1 }; /* of the keep: the first program's process */
enum { STACK_SIZE = 65536, RECORD_INIT = 0x494e, COOKIE_OUTPUT = 1, TEXT_CHUNK = 256 };

/* What init records: that the program was begun, so that a restart does not begin another. */
struct init_record {
    struct rt_record_header header;
    uint64_t begun;
};

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, address, physical, file_size, memory_size, align;
};

static void must(struct rt_server *_Nonnull server, status_t status, const char *_Nonnull what) {
    if (status != STATUS_OK) {
        rt_log(server, "%s: status %d", what, (int)status);
        rt_exit(RT_EXIT_START);
    }
}

/* ---- the standard streams ---- */

static status_t stream_to_log(void *_Nonnull state, struct rt_request *_Nonnull request,
                              const struct stream_write_in *_Nonnull in,
                              struct stream_write_out *_Nonnull out) {
    (void)state;
    uint8_t text[TEXT_CHUNK];
    struct rt_buffer buffer = {.size = (size_t)MIN(in->data.size, (uint64_t)sizeof text),
                               .data = &text[0]};
    status_t status = rt_input_read(request, &in->data, 0, buffer);
    if (status == STATUS_OK) {
        rt_log_bytes(text, buffer.size);
        out->written = buffer.size;
    }
    return status;
}

static status_t stream_at_end(void *_Nonnull state, struct rt_request *_Nonnull request,
                              const struct stream_read_in *_Nonnull in,
                              struct stream_read_out *_Nonnull out) {
    (void)state;
    (void)request;
    (void)in;
    (void)out;
    return STATUS_OK;
}

static status_t stream_stat_of(void *_Nonnull state, struct rt_request *_Nonnull request,
                               struct stream_stat_out *_Nonnull out) {
    (void)state;
    (void)request;
    out->info = (struct stream_stat){
        .mode = MODE_CHARACTER | 0620, .links = 1, .node = DEVICE_CONSOLE, .block_size = 4096};
    return STATUS_OK;
}

static status_t stream_facts_of(void *_Nonnull state, struct rt_request *_Nonnull request,
                                struct stream_facts_out *_Nonnull out) {
    (void)state;
    (void)request;
    out->kind = STREAM_KIND_CHARACTER;
    out->facts = STREAM_FACTS_FLAGS_READABLE | STREAM_FACTS_FLAGS_WRITABLE;
    return STATUS_OK;
}

static void on_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request) {
    static const struct stream_handlers handlers = {.write = stream_to_log,
                                                    .read = stream_at_end,
                                                    .stat = stream_stat_of,
                                                    .facts = stream_facts_of};
    stream_dispatch(&handlers, server, request);
}

/* The machine ends with its first program. */
static void on_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    if (packet->kind != PACKET_EXIT) {
        return;
    }
    rt_log(server, "the first program ended: %ld", (long)packet->words[0]);
    status_t status = service_power(rt_start_handle(server, "supervisor"), SERVICE_POWER_OFF,
                                    (uint32_t)packet->words[0]);
    rt_log(server, "power off: status %d", (int)status);
}

/* ---- the runtime's image, laid out by pages ---- */

struct runtime {
    handle_t memory;
    uint64_t code_size;
    struct runtime_header header;
};

static void copy_image(struct rt_server *_Nonnull server, handle_t image,
                       const struct boot_entry *_Nonnull entry, struct runtime *_Nonnull out) {
    uint8_t header[64];
    uint64_t mapped = 0;
    uint64_t offset = 0;
    uint16_t count = 0;
    uint64_t size = (entry->size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    must(server, rt_map(0, 0, size, image, entry->offset, PROTECT_READ, &mapped), "runtime");
    const void *file = rt_pointer(mapped);
    bytes_copy(header, file, sizeof header);
    bytes_copy(&offset, &header[32], sizeof offset);
    bytes_copy(&count, &header[56], sizeof count);
    must(server, rt_object_create(OBJECT_MEMORY, 0, RUNTIME_IMAGE_LIMIT, 0, 0, 0, &out->memory),
         "runtime memory");
    for (uint16_t i = 0; i < count; i++) {
        struct elf_segment segment;
        uint64_t at = offset + i * sizeof segment;
        must(server, at + sizeof segment <= entry->size ? STATUS_OK : STATUS_CORRUPT, "runtime");
        bytes_copy(&segment, bytes_at_const(file, (size_t)at), sizeof segment);
        uint64_t end = 0;
        bool fits = !ckd_add(&end, segment.offset, segment.file_size) && end <= entry->size;
        must(server, fits ? STATUS_OK : STATUS_CORRUPT, "runtime segment");
        must(server,
             rt_memory_copy(out->memory, segment.address - RUNTIME_BASE, mapped + segment.offset,
                            segment.file_size, MEMORY_FROM_CALLER),
             "runtime segment");
        if (i == 0) {
            out->code_size = (segment.memory_size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
            bytes_copy(&out->header, bytes_at_const(file, (size_t)segment.offset),
                       sizeof out->header);
        }
    }
    must(server, rt_unmap(0, mapped, size), "unmap");
}

static void find_runtime(struct rt_server *_Nonnull server, struct runtime *_Nonnull out) {
    handle_t image = rt_start_handle(server, "image");
    struct boot_header header = {};
    must(server, rt_memory_copy(image, 0, rt_address(&header), sizeof header, MEMORY_TO_CALLER),
         "boot image");
    for (uint32_t i = 0; i < header.entry_count; i++) {
        struct boot_entry entry = {};
        must(server,
             rt_memory_copy(image, sizeof header + i * sizeof entry, rt_address(&entry),
                            sizeof entry, MEMORY_TO_CALLER),
             "boot image");
        if (entry.kind == BOOT_RUNTIME) {
            copy_image(server, image, &entry, out);
            must(server, out->header.magic == RUNTIME_MAGIC ? STATUS_OK : STATUS_CORRUPT,
                 "runtime header");
            return;
        }
    }
    must(server, STATUS_NOT_FOUND, "no runtime in the boot image");
}

/* ---- the first program ---- */

static handle_t give(struct rt_server *_Nonnull server, handle_t process, handle_t handle) {
    uint32_t placed = 0;
    must(server, rt_handle_move(0, handle, process, HANDLE_MOVE_ANY, RIGHT_ALL, 0, &placed),
         "handle");
    return placed;
}

static handle_t copy_of(struct rt_server *_Nonnull server, handle_t handle) {
    handle_t copy = HANDLE_NONE;
    must(server, rt_handle_duplicate(handle, RIGHT_ALL, &copy), "duplicate");
    return copy;
}

/* The command's words, one after the other, each ended by NUL: path, arguments, environment. */
static void write_text(const struct rt_server *_Nonnull server,
                       struct start_block *_Nonnull block) {
    static const char environment[] =
        "PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\0HOME=/root";
    const char *words = server->start->arguments;
    size_t length = text_length(words, sizeof server->start->arguments);
    struct rt_bytes command = {.size = length, .data = (const uint8_t *)words};
    size_t at = 0;
    for (size_t i = 0; i < length && command.data[i] != ' '; i++) {
        block->text[at++] = (char)command.data[i]; /* the path */
    }
    block->text[at++] = '\0';
    block->argument_count = 1;
    for (size_t i = 0; i < length; i++) {
        bool ends = command.data[i] == ' ';
        block->argument_count += ends ? 1 : 0;
        block->text[at++] = ends ? '\0' : (char)command.data[i];
    }
    block->text[at++] = '\0';
    bytes_copy(&block->text[at], environment, sizeof environment);
    block->environment_count = 2;
    block->text_size = (uint32_t)(at + sizeof environment);
}

static handle_t clock_memory(struct rt_server *_Nonnull server) {
    struct syscall_registers r = {.number = SYS_SYSTEM, .a = SYSTEM_CLOCK_PAGE};
    rt_invoke(&r);
    must(server, (status_t)(int32_t)(uint32_t)r.number, "clock page");
    return (handle_t)r.words[0];
}

static void map_runtime(struct rt_server *_Nonnull server, handle_t process,
                        const struct runtime *_Nonnull runtime) {
    uint64_t at = 0;
    uint64_t code = runtime->code_size;
    must(server,
         rt_map(process, RUNTIME_BASE, code, runtime->memory, 0,
                PROTECT_READ | PROTECT_EXECUTE | MAP_FIXED, &at),
         "runtime code");
    must(server,
         rt_map(process, RUNTIME_BASE + code, runtime->header.image_size - code, runtime->memory,
                code, PROTECT_READ | PROTECT_EXECUTE | MAP_FIXED, &at),
         "runtime constants");
    must(server, rt_object_set(process, SET_UPCALL, runtime->header.upcall, 0), "upcall");
    must(server,
         rt_object_set(process, SET_RUNTIME, runtime->header.runtime_first,
                       runtime->header.runtime_length),
         "runtime range");
    must(server,
         rt_object_set(process, SET_SEQUENCE, runtime->header.sequence_first,
                       runtime->header.sequence_length),
         "sequence");
}

static void begin_program(struct rt_server *_Nonnull server) {
    struct runtime runtime = {};
    handle_t process = HANDLE_NONE;
    handle_t own = HANDLE_NONE;
    handle_t memory = HANDLE_NONE;
    handle_t thread = HANDLE_NONE;
    uint32_t pid = 0;
    uint64_t at = 0;
    find_runtime(server, &runtime);
    must(server, process_begin(rt_start_handle(server, "process"), 0, 0, &pid, &process, &own),
         "process.begin");
    map_runtime(server, process, &runtime);
    must(server, rt_object_create(OBJECT_MEMORY, 0, PAGE_SIZE, 0, 0, 0, &memory), "block");
    must(server, rt_map(0, 0, PAGE_SIZE, memory, 0, PROTECT_READ | PROTECT_WRITE, &at), "block");
    struct start_block *block = rt_pointer(at);
    block->magic = RUNTIME_MAGIC;
    block->version = START_VERSION;
    block->image_code_size = (uint32_t)runtime.code_size;
    write_text(server, block);
    block->handles[START_PROCESS] = give(server, process, own);
    block->handles[START_ROOT] =
        give(server, process, copy_of(server, rt_start_handle(server, "root")));
    block->handles[START_WORKING] =
        give(server, process, copy_of(server, rt_start_handle(server, "root")));
    block->handles[START_LOCAL] =
        give(server, process, copy_of(server, rt_start_handle(server, "local")));
    block->handles[START_RUNTIME_IMAGE] = give(server, process, runtime.memory);
    block->handles[START_CLOCK] = give(server, process, clock_memory(server));
    for (uint32_t i = START_INPUT; i <= START_ERROR; i++) {
        handle_t stream = HANDLE_NONE;
        must(server,
             rt_object_create(OBJECT_SESSION, server->endpoint, COOKIE_OUTPUT, 0, 0, 0, &stream),
             "stream");
        block->handles[i] = give(server, process, stream);
    }
    uint64_t there = 0;
    uint64_t stack = 0;
    must(server, rt_map(process, 0, PAGE_SIZE, memory, 0, PROTECT_READ, &there), "block");
    must(server,
         rt_map(process, 0, STACK_SIZE, 0, 0, PROTECT_READ | PROTECT_WRITE | MAP_PRIVATE, &stack),
         "stack");
    must(server, rt_object_create(OBJECT_THREAD, process, PRIORITY_FAIR, 0, 0, 0, &thread),
         "thread");
    must(server,
         rt_thread_start(thread, runtime.header.start, stack + STACK_SIZE, there, RUNTIME_PAGES, 0),
         "start");
    must(server, rt_stage_keep(server, SLOT_PROGRAM, process), "keep");
    rt_log(server, "program %u begun: %s", pid, server->start->arguments);
}

void server_main(uint64_t mode, uint64_t thread_page) {
    struct rt_server server;
    rt_server_begin(&server, mode, thread_page);
    const struct init_record *kept = SOME(server.vault_data);
    if (kept->header.kind == RECORD_INIT &&
        rt_record_checksum(&kept->header) != kept->header.checksum) {
        rt_vault_corrupt(&server, "what was begun");
    }
    if (kept->begun == 0) {
        struct init_record record = {
            .header = {.kind = RECORD_INIT, .version = 1, .size = sizeof record}, .begun = 1};
        begin_program(&server);
        must(&server, rt_stage_record(&server, kept, &record.header), "record");
        must(&server, rt_commit(&server), "record");
    }
    handle_t program = HANDLE_NONE;
    must(&server, rt_keep_get(&server, SLOT_PROGRAM, &program), "keep");
    must(&server, rt_bind(server.waitset, program, UINT32_MAX, 0, 0), "bind");
    rt_server_run(&server, &(struct rt_service){on_call, on_packet});
}
