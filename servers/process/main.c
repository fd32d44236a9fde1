/* process: who the programs are. The kernel knows processes; this server knows pids, parents,
 * groups, sessions, users and signals, in a table in its vault that is checked against the kernel's
 * domain of programs at each start. */
#include "servers/process/family.h"

void server_main(uint64_t mode, uint64_t thread_page) {
    struct rt_server server;
    (void)mode;
    rt_server_begin(&server, mode, thread_page);
    struct processes *ps = process_start(&server);
    (void)ps;
    rt_server_run(&server, &(struct rt_service){process_call, process_packet});
}
