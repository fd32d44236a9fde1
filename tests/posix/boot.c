/* A POSIX process on the nucleus, with nobody else: this program takes the supervisor's place and
 * answers as `process` and as a file system of one program, from the boot image, with a terminal
 * that is the log. So the runtime is seen to begin, to run another image, to fork, to signal and to
 * end, before there are servers. It knows one process and its children, and no identity but root.
 */
#include "idl/filesystem.h"
#include "idl/process.h"
#include "idl/stream.h"
#include "lib/rt/server.h"
#include "posix/layout.h"
#include "posix/linux.h"
#include "posix/start.h"
#include "tests/native/native.h"

enum {
    COOKIE_PROCESS = 1,
    COOKIE_ROOT,
    COOKIE_OUTPUT,
    COOKIE_FILE,
    CHILD_LIMIT = 256,
    FIRST_PID = 1,
    FIRST_THREAD = 10000,
    ALLOWED = S_IFREG | 0755,
};

struct child {
    handle_t process;
    uint64_t serial;
    uint32_t pid, parent;
    bool ended, waited;
    uint32_t code, cause;
    uint64_t wait_token;  /* this process waits for a child */
    uint64_t vfork_token; /* its parent waits until it runs another image */
};

struct host {
    handle_t endpoint, waitset, program, tables[3];
    struct process_table_slot *_Nonnull table;
    uint32_t count, threads;
    struct child children[CHILD_LIMIT];
    struct thread_page *_Nonnull page;
    bool no_reply;
    unsigned failed;
};

static handle_t copy_of(handle_t handle) {
    handle_t copy = HANDLE_NONE;
    must(rt_handle_duplicate(handle, RIGHT_ALL, &copy), "duplicate");
    return copy;
}

static handle_t session(const struct host *_Nonnull host, uint64_t cookie, handle_t memory) {
    handle_t made = HANDLE_NONE;
    must(rt_object_create(OBJECT_SESSION, host->endpoint, cookie, 0, 0, memory, &made), "session");
    return made;
}

static struct child *_Nonnull child_of(struct host *_Nonnull host, uint64_t serial) {
    for (uint32_t i = 0; i < host->count; i++) {
        if (host->children[i].serial == serial) {
            return &host->children[i];
        }
    }
    rt_exit(77);
}

/* Answers a call that was parked. */
static void answer(struct host *_Nonnull host, struct rt_reply *_Nonnull reply) {
    struct rt_exchange e = {.number = SYS_REPLY_RECEIVE};
    uint64_t ignored[CALL_WORDS];
    uint32_t flags = RECEIVE_ONLY_REPLY | rt_reply_load(host->page, reply, &e);
    e.a = (uint64_t)flags << 32 | host->waitset;
    rt_exchange(&e, &reply->words, &ignored);
}

static struct rt_reply reply_for(struct host *_Nonnull host, uint64_t token) {
    return (struct rt_reply){.output = &host->page->reply_output[0], .token = token};
}

static void answer_fork(struct host *_Nonnull host, uint64_t token, uint32_t pid) {
    struct rt_reply reply = reply_for(host, token);
    process_fork_reply(&reply, &(struct process_fork_out){.pid = pid});
    answer(host, &reply);
}

/* ---- process ---- */

static void publish(struct host *_Nonnull host, const struct child *_Nonnull child) {
    uint32_t slot = child->pid - FIRST_PID;
    if (slot < PAGE_SIZE / sizeof *host->table) {
        host->table[slot] = (struct process_table_slot){.copy0 = {.serial = child->serial,
                                                                  .pid = child->pid,
                                                                  .parent = child->parent,
                                                                  .group = FIRST_PID,
                                                                  .session = FIRST_PID,
                                                                  .principal = 1}};
    }
}

static status_t on_tables(void *_Nonnull server, struct rt_request *_Nonnull request,
                          struct process_tables_out *_Nonnull out) {
    struct host *host = server;
    const struct child *child = child_of(host, request->page->received.process_serial);
    handle_t signals = HANDLE_NONE;
    must(rt_object_create(OBJECT_MEMORY, 0, PAGE_SIZE, 0, 0, 0, &signals), "signal page");
    struct process_signal_page page = {};
    for (uint32_t i = 0; i < ARRAY_LENGTH(page.limits); i++) {
        page.limits[i] = UINT64_MAX;
    }
    must(rt_memory_copy(signals, 0, rt_address(&page), sizeof page, MEMORY_FROM_CALLER), "limits");
    *out = (struct process_tables_out){.processes = copy_of(host->tables[0]),
                                       .principals = copy_of(host->tables[1]),
                                       .signals = signals,
                                       .pid = child->pid,
                                       .slot = child->pid - FIRST_PID,
                                       .principal = 1,
                                       .first_thread = child->pid};
    return STATUS_OK;
}

static status_t on_exec(void *_Nonnull server, struct rt_request *_Nonnull request,
                        const struct process_exec_in *_Nonnull in) {
    struct host *host = server;
    struct child *child = child_of(host, request->page->received.process_serial);
    struct syscall_registers r = {.number = SYS_PROCESS_REPLACE,
                                  .a = child->process,
                                  .b = in->space,
                                  .words = {in->entry, in->stack, in->argument, request->token}};
    rt_invoke(&r);
    status_t status = (status_t)(int32_t)(uint32_t)r.number;
    if (status == STATUS_OK) {
        host->no_reply = true; /* it was answered by being replaced */
        if (child->vfork_token != 0) {
            answer_fork(host, child->vfork_token, child->pid);
            child->vfork_token = 0;
        }
    }
    return status;
}

static status_t on_fork(void *_Nonnull server, struct rt_request *_Nonnull request,
                        const struct process_fork_in *_Nonnull in,
                        struct process_fork_out *_Nonnull out) {
    struct host *host = server;
    const struct child *parent = child_of(host, request->page->received.process_serial);
    if (host->count == CHILD_LIMIT) {
        return PROCESS_STATUS_TOO_MANY;
    }
    struct child *child = &host->children[host->count];
    bool share = (in->how & PROCESS_FORK_FLAGS_SHARE) != 0;
    struct syscall_registers r = {.number = SYS_PROCESS_CLONE,
                                  .a = parent->process,
                                  .b = request->token,
                                  .words = {host->count + 1, share ? CLONE_SHARE_SPACE : 0}};
    rt_invoke(&r);
    if (r.number != STATUS_OK) {
        return (status_t)(int32_t)(uint32_t)r.number;
    }
    struct process_info info = {};
    handle_t made = (handle_t)r.words[0];
    must(rt_object_info(made, INFO_PROCESS, &info, sizeof info), "child");
    *child = (struct child){.process = made,
                            .serial = info.serial,
                            .pid = FIRST_PID + host->count,
                            .parent = parent->pid};
    host->count++;
    publish(host, child);
    must(rt_bind(host->waitset, made, UINT32_MAX, child->pid, 0), "bind child");
    *out = (struct process_fork_out){.pid = child->pid};
    if ((in->how & PROCESS_FORK_FLAGS_WAIT) != 0) {
        child->vfork_token = request->token;
        return RT_STATUS_PARKED;
    }
    return STATUS_OK;
}

/* An ended child of `pid`, or null; *any: it has children at all. */
static struct child *_Nullable ended_child(struct host *_Nonnull host, uint32_t pid,
                                           bool *_Nonnull any) {
    for (uint32_t i = 0; i < host->count; i++) {
        struct child *child = &host->children[i];
        if (child->parent == pid && !child->waited) {
            *any = true;
            if (child->ended) {
                return child;
            }
        }
    }
    return nullptr;
}

static status_t on_wait(void *_Nonnull server, struct rt_request *_Nonnull request,
                        const struct process_wait_in *_Nonnull in,
                        struct process_wait_out *_Nonnull out) {
    struct host *host = server;
    struct child *self = child_of(host, request->page->received.process_serial);
    bool any = false;
    struct child *child = ended_child(host, self->pid, &any);
    *out = (struct process_wait_out){};
    if (!any) {
        return PROCESS_STATUS_NO_CHILD;
    }
    if (child == nullptr && (in->how & PROCESS_WAIT_FLAGS_NO_HANG) != 0) {
        return STATUS_OK;
    }
    if (child == nullptr) {
        self->wait_token = request->token;
        return RT_STATUS_PARKED;
    }
    child->waited = true;
    out->pid = child->pid;
    out->ended = child->cause == EXIT_SIGNAL ? PROCESS_END_KIND_KILLED : PROCESS_END_KIND_EXITED;
    out->code = child->code;
    return STATUS_OK;
}

static void on_exit(struct host *_Nonnull host, uint32_t pid, uint64_t code, uint64_t cause) {
    struct child *child = &host->children[pid - FIRST_PID];
    if (child->ended) {
        return;
    }
    child->ended = true;
    child->code = (uint32_t)code;
    child->cause = (uint32_t)cause;
    if (child->vfork_token != 0) {
        answer_fork(host, child->vfork_token, child->pid);
        child->vfork_token = 0;
    }
    if (pid == FIRST_PID) {
        char line[80];
        size_t size = format_text(line, sizeof line, "first process: code %u cause %u\n",
                                  child->code, child->cause);
        rt_log_bytes(line, size);
        rt_exit(child->code);
    }
    struct child *parent = &host->children[child->parent - FIRST_PID];
    if (parent->wait_token != 0) {
        struct rt_reply reply = reply_for(host, parent->wait_token);
        bool killed = child->cause == EXIT_SIGNAL;
        child->waited = true;
        process_wait_reply(&reply,
                           &(struct process_wait_out){.pid = child->pid,
                                                      .ended = killed ? PROCESS_END_KIND_KILLED
                                                                      : PROCESS_END_KIND_EXITED,
                                                      .code = child->code});
        answer(host, &reply);
        parent->wait_token = 0;
    }
}

/* ---- one program, one terminal ---- */

static status_t on_open(void *_Nonnull server, struct rt_request *_Nonnull request,
                        const struct filesystem_open_in *_Nonnull in,
                        struct filesystem_open_out *_Nonnull out) {
    struct host *host = server;
    uint8_t first[1] = {};
    *out = (struct filesystem_open_out){};
    if (in->path.size > 0) {
        status_t status = rt_input_read(request, &in->path, 0, RT_BUFFER_OF(first));
        if (status != STATUS_OK) {
            return status;
        }
    }
    if (first[0] != 'p') { /* "program" */
        return STATUS_NOT_FOUND;
    }
    struct memory_info info = {};
    must(rt_object_info(host->program, INFO_MEMORY, &info, sizeof info), "program");
    out->file = session(host, COOKIE_FILE, host->program);
    out->facts = STREAM_FACTS_FLAGS_CACHED | STREAM_FACTS_FLAGS_SEEKABLE;
    out->info = (struct stream_stat){.mode = ALLOWED, .size = info.content_size, .links = 1};
    return STATUS_OK;
}

static status_t on_memory(void *_Nonnull server, struct rt_request *_Nonnull request,
                          const struct filesystem_memory_in *_Nonnull in,
                          struct filesystem_memory_out *_Nonnull out) {
    const struct host *host = server;
    (void)request;
    (void)in;
    out->memory = copy_of(host->program);
    return STATUS_OK;
}

static status_t on_stat(void *_Nonnull server, struct rt_request *_Nonnull request,
                        struct stream_stat_out *_Nonnull out) {
    (void)server;
    (void)request;
    out->info = (struct stream_stat){.mode = S_IFCHR | 0620, .links = 1};
    return STATUS_OK;
}

static status_t on_facts(void *_Nonnull server, struct rt_request *_Nonnull request,
                         struct stream_facts_out *_Nonnull out) {
    (void)server;
    (void)request;
    *out =
        (struct stream_facts_out){.kind = STREAM_KIND_CHARACTER,
                                  .facts = STREAM_FACTS_FLAGS_READABLE |
                                           STREAM_FACTS_FLAGS_WRITABLE | STREAM_FACTS_FLAGS_WAITS};
    return STATUS_OK;
}

static status_t on_write(void *_Nonnull server, struct rt_request *_Nonnull request,
                         const struct stream_write_in *_Nonnull in,
                         struct stream_write_out *_Nonnull out) {
    uint8_t text[256] = {};
    (void)server;
    uint64_t size = MIN(in->data.size, sizeof text);
    status_t status = rt_input_read(request, &in->data, 0,
                                    (struct rt_buffer){.size = (size_t)size, .data = text});
    if (status == STATUS_OK) {
        rt_log_bytes(text, (size_t)size);
        out->written = size;
    }
    return status;
}

static status_t on_add_thread(void *_Nonnull server, struct rt_request *_Nonnull request,
                              const struct process_add_thread_in *_Nonnull in,
                              struct process_add_thread_out *_Nonnull out) {
    struct host *host = server;
    (void)request;
    (void)in;
    out->id = FIRST_THREAD + host->threads++;
    return STATUS_OK;
}

static const struct process_handlers process_handlers = {.tables = on_tables,
                                                         .exec = on_exec,
                                                         .fork = on_fork,
                                                         .wait = on_wait,
                                                         .add_thread = on_add_thread};
static const struct filesystem_handlers filesystem_handlers = {.open = on_open,
                                                               .memory = on_memory};
static const struct stream_handlers stream_handlers = {
    .stat = on_stat, .facts = on_facts, .write = on_write};

static void dispatch(struct host *_Nonnull host, struct rt_request *_Nonnull request) {
    switch (RT_LABEL_PROTOCOL(request->label)) {
    case RT_LABEL_PROTOCOL(PROCESS_METHOD_FORK):
        process_dispatch(&process_handlers, host, request);
        return;
    case RT_LABEL_PROTOCOL(FILESYSTEM_METHOD_OPEN):
        filesystem_dispatch(&filesystem_handlers, host, request);
        return;
    default:
        stream_dispatch(&stream_handlers, host, request);
    }
}

[[noreturn]] static void serve(struct host *_Nonnull host) {
    struct rt_reply reply = reply_for(host, 0);
    struct rt_request request = {.page = host->page, .reply = &reply};
    uint32_t flags = 0;
    for (;;) {
        struct rt_exchange e = {.number = SYS_REPLY_RECEIVE};
        if (flags != 0) {
            flags |= rt_reply_load(host->page, &reply, &e);
        }
        e.a = (uint64_t)flags << 32 | host->waitset;
        rt_exchange(&e, &reply.words, &request.words);
        must((status_t)(int32_t)(uint32_t)e.number, "receive");
        uint64_t kind = e.b >> 56;
        reply = reply_for(host, e.token);
        flags = 0;
        if (kind == PACKET_CALL) {
            rt_request_take(&request, &e);
            host->no_reply = false;
            dispatch(host, &request);
            flags = host->no_reply ? 0 : RECEIVE_REPLY;
        } else if (kind == PACKET_CLOSE) {
            flags = RECEIVE_REPLY;
        } else if (kind == PACKET_EXIT) {
            on_exit(host, (uint32_t)e.a, request.words[0], request.words[1]);
        }
    }
}

/* ---- beginning ---- */

/* The n-th file of the boot image, as a Memory of its own. */
static handle_t boot_file(uint32_t index, uint64_t *_Nonnull out_size) {
    uint64_t base = 0;
    handle_t memory = HANDLE_NONE;
    must(rt_map(0, 0, 2 * PAGE_SIZE, BOOT_HANDLE_IMAGE, 0, PROTECT_READ, &base), "boot image");
    const struct boot_entry *entry =
        (const struct boot_entry *)(uintptr_t)(base + sizeof(struct boot_header) +
                                               index * sizeof(struct boot_entry));
    uint64_t pages = (entry->size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    uint64_t at = 0;
    must(rt_map(0, 0, pages, BOOT_HANDLE_IMAGE, entry->offset, PROTECT_READ, &at), "boot file");
    must(rt_object_create(OBJECT_MEMORY, 0, entry->size, MEMORY_FILE, 0, 0, &memory),
         "file memory");
    uint64_t old = 0;
    (void)rt_memory_resize(memory, entry->size, &old);
    must(rt_memory_copy(memory, 0, at, entry->size, MEMORY_FROM_CALLER), "file copy");
    *out_size = entry->size;
    return memory;
}

/* The runtime's segments where they belong, in one Memory; the pages of code in *out_code. */
static handle_t runtime_image(handle_t file, uint64_t size, uint64_t *_Nonnull out_code,
                              struct runtime_header *_Nonnull out_header) {
    uint64_t at = 0;
    handle_t memory = HANDLE_NONE;
    uint64_t pages = (size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    must(rt_map(0, 0, pages, file, 0, PROTECT_READ, &at), "runtime file");
    const uint64_t *offset = (const uint64_t *)(uintptr_t)(at + 32);
    const uint16_t *count = (const uint16_t *)(uintptr_t)(at + 56);
    must(rt_object_create(OBJECT_MEMORY, 0, RUNTIME_IMAGE_LIMIT, 0, 0, 0, &memory), "runtime");
    for (uint16_t i = 0; i < *count; i++) {
        const struct elf_segment *segment =
            (const struct elf_segment *)(uintptr_t)(at + *offset + i * sizeof *segment);
        must(rt_memory_copy(memory, segment->address - RUNTIME_BASE, at + segment->offset,
                            segment->file_size, MEMORY_FROM_CALLER),
             "runtime segment");
        if (i == 0) {
            *out_code = (segment->memory_size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
            *out_header = *(const struct runtime_header *)(uintptr_t)(at + segment->offset);
        }
    }
    return memory;
}

static void make_tables(struct host *_Nonnull host) {
    uint64_t at = 0;
    for (int i = 0; i < 2; i++) {
        must(rt_object_create(OBJECT_MEMORY, 0, PAGE_SIZE, 0, 0, 0, &host->tables[i]), "table");
    }
    must(rt_map(0, 0, PAGE_SIZE, host->tables[1], 0, PROTECT_READ | PROTECT_WRITE, &at), "map");
    ((struct process_principal_entry *)(uintptr_t)at)[1].principal = 1;
    must(rt_map(0, 0, PAGE_SIZE, host->tables[0], 0, PROTECT_READ | PROTECT_WRITE, &at), "map");
    host->table = (struct process_table_slot *)(uintptr_t)at;
}

static handle_t clock_memory(void) {
    struct syscall_registers r = {.number = SYS_SYSTEM, .a = SYSTEM_CLOCK_PAGE};
    rt_invoke(&r);
    must((status_t)(int32_t)(uint32_t)r.number, "clock page");
    return (handle_t)r.words[0];
}

static void start_first(struct host *_Nonnull host, handle_t runtime, uint64_t code,
                        const struct runtime_header *_Nonnull header) {
    handle_t process = HANDLE_NONE;
    uint64_t at = 0;
    must(rt_object_create(OBJECT_PROCESS, 0, 0, 0, 1000, 0, &process), "process");
    must(rt_map(process, RUNTIME_BASE, code, runtime, 0, PROTECT_READ | PROTECT_EXECUTE | MAP_FIXED,
                &at),
         "runtime code");
    must(rt_map(process, RUNTIME_BASE + code, header->image_size - code, runtime, code,
                PROTECT_READ | PROTECT_EXECUTE | MAP_FIXED, &at),
         "runtime constants");
    must(rt_object_set(process, SET_UPCALL, header->upcall, 0), "upcall");
    must(rt_object_set(process, SET_RUNTIME, header->runtime_first, header->runtime_length),
         "range");
    must(rt_object_set(process, SET_SEQUENCE, header->sequence_first, header->sequence_length),
         "sequence");
    handle_t memory = HANDLE_NONE;
    must(rt_object_create(OBJECT_MEMORY, 0, PAGE_SIZE, 0, 0, 0, &memory), "block");
    must(rt_map(0, 0, PAGE_SIZE, memory, 0, PROTECT_READ | PROTECT_WRITE, &at), "block");
    struct start_block *block = (struct start_block *)(uintptr_t)at;
    static const char text[] = "/program\0program\0first\0MODE=test";
    block->magic = RUNTIME_MAGIC;
    block->version = START_VERSION;
    block->argument_count = 2;
    block->environment_count = 1;
    block->image_code_size = (uint32_t)code;
    bytes_copy(block->text, text, sizeof text);
    block->handles[START_PROCESS] = give(process, session(host, COOKIE_PROCESS, 0));
    block->handles[START_ROOT] = give(process, session(host, COOKIE_ROOT, 0));
    block->handles[START_WORKING] = give(process, session(host, COOKIE_ROOT, 0));
    block->handles[START_RUNTIME_IMAGE] = give(process, runtime);
    block->handles[START_CLOCK] = give(process, clock_memory());
    for (uint32_t i = START_INPUT; i <= START_ERROR; i++) {
        block->handles[i] = give(process, session(host, COOKIE_OUTPUT, 0));
    }
    uint64_t there = 0;
    must(rt_map(process, 0, PAGE_SIZE, memory, 0, PROTECT_READ, &there), "block there");
    uint64_t stack = new_memory(process, STACK_SIZE) + STACK_SIZE;
    struct process_info info = {};
    must(rt_object_info(process, INFO_PROCESS, &info, sizeof info), "first");
    host->children[0] = (struct child){.process = process, .serial = info.serial, .pid = FIRST_PID};
    host->count = 1;
    publish(host, &host->children[0]);
    must(rt_bind(host->waitset, process, UINT32_MAX, FIRST_PID, 0), "bind first");
    handle_t thread = HANDLE_NONE;
    must(rt_object_create(OBJECT_THREAD, process, PRIORITY_FAIR, 0, 0, 0, &thread), "thread");
    must(rt_thread_start(thread, header->start, stack, there, RUNTIME_PAGES, 0), "start");
}

void server_main(uint64_t mode, uint64_t thread_page) {
    (void)mode;
    struct host *host = (struct host *)(uintptr_t)new_memory(
        0, (sizeof(struct host) + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1));
    struct runtime_header header = {};
    uint64_t size = 0;
    uint64_t code = 0;
    host->page = (struct thread_page *)(uintptr_t)thread_page;
    host->program = boot_file(2, &size);
    handle_t file = boot_file(1, &size);
    handle_t runtime = runtime_image(file, size, &code, &header);
    must(rt_object_create(OBJECT_ENDPOINT, 0, 0, 0, 0, 0, &host->endpoint), "endpoint");
    must(rt_object_create(OBJECT_WAITSET, 0, 0, 0, 0, 0, &host->waitset), "waitset");
    must(rt_bind(host->waitset, host->endpoint, UINT32_MAX, 0, 0), "bind");
    make_tables(host);
    start_first(host, runtime, code, &header);
    serve(host);
}
