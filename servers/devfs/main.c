/* devfs: /dev. See devfs.h. */
#include "servers/devfs/devfs.h"

static void on_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    if (packet->kind == PACKET_CLOSE) {
        view_close(SOME(server->state), packet->key);
    }
}

void server_main(uint64_t mode, uint64_t thread_page) {
    struct rt_server server;
    rt_server_begin(&server, mode, thread_page);
    struct devfs *devfs = rt_server_state(&server, sizeof *devfs, sizeof(struct view_vault));
    view_begin(&devfs->view, &server, &devfs_tree);
    rt_server_run(&server, &(struct rt_service){devfs_call, on_packet});
}
