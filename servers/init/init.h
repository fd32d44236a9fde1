#pragma once
/* init: begins the first program. main.c is the server, command.c says what it runs, runtime.c lays
 * out the POSIX runtime, program.c makes the process, log_stream.c serves the standard streams
 * where there is no terminal. */
#include "idl/stream.h"
#include "lib/rt/server.h"
#include "posix/layout.h"
#include "posix/start.h"

struct runtime {
    handle_t memory;
    uint64_t code_size;
    struct runtime_header header;
};

/* Ends init, with a line that says why, unless `status` is OK. */
void init_must(struct rt_server *_Nonnull server, status_t status, const char *_Nonnull what);

/* Finds the runtime in the boot image and lays it out by pages in a new Memory. */
void init_runtime_load(struct rt_server *_Nonnull server, struct runtime *_Nonnull out);
/* nucleus/map.c, sim/map.c: maps it into `process`, and tells the kernel its entries; where the
 * first thread's page lies. */
uint64_t init_thread_page(void);
void init_runtime_map(struct rt_server *_Nonnull server, handle_t process,
                      const struct runtime *_Nonnull runtime);

/* Writes path, arguments and environment of the first program into `block`. The manifest's argument
 * is the command; the words NAME=VALUE of the kernel's command line are its environment, as Linux
 * has it, behind PATH and HOME. */
void init_command(struct rt_server *_Nonnull server, struct start_block *_Nonnull block);

/* The first program's process, empty; asked again, the same one. */
handle_t init_program_begin(struct rt_server *_Nonnull server);
/* Fills and starts it, where nobody has yet. What an instance that died in between left in it stays
 * there, unused. */
void init_program_start(struct rt_server *_Nonnull server, handle_t process);

/* A new session of the stream that goes to the log. */
handle_t init_log_stream(struct rt_server *_Nonnull server);
/* Answers a call on it. */
void init_log_stream_call(struct rt_server *_Nonnull server, struct rt_request *_Nonnull request);
