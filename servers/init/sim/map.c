/* In the simulator the runtime is a function of the host process: nothing is mapped. */
#include "servers/init/init.h"

void init_runtime_map(struct rt_server *_Nonnull server, handle_t process,
                      const struct runtime *_Nonnull runtime) {
    (void)server;
    (void)process;
    (void)runtime;
}

uint64_t init_thread_page(void) {
    return 0;
}
