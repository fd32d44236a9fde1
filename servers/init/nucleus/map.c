/* Mapping the runtime into the first program, at the addresses it was linked for. */
#include "servers/init/init.h"

void init_runtime_map(struct rt_server *_Nonnull server, handle_t process,
                      const struct runtime *_Nonnull runtime) {
    uint64_t at = 0;
    uint64_t code = runtime->code_size;
    init_must(server,
              rt_map(process, RUNTIME_BASE, code, runtime->memory, 0,
                     PROTECT_READ | PROTECT_EXECUTE | MAP_FIXED, &at),
              "runtime code");
    init_must(server,
              rt_map(process, RUNTIME_BASE + code, runtime->header.image_size - code,
                     runtime->memory, code, PROTECT_READ | PROTECT_EXECUTE | MAP_FIXED, &at),
              "runtime constants");
    init_must(server, rt_object_set(process, SET_UPCALL, runtime->header.upcall, 0), "upcall");
    init_must(server,
              rt_object_set(process, SET_RUNTIME, runtime->header.runtime_first,
                            runtime->header.runtime_length),
              "runtime range");
    init_must(server,
              rt_object_set(process, SET_SEQUENCE, runtime->header.sequence_first,
                            runtime->header.sequence_length),
              "sequence");
}

uint64_t init_thread_page(void) {
    return RUNTIME_PAGES;
}
