/* devfs: /dev. See devfs.h. */
#include "servers/devfs/devfs.h"

static void on_packet(struct rt_server *_Nonnull server, const struct rt_packet *_Nonnull packet) {
    if (packet->kind == PACKET_CLOSE) {
        view_close(SOME(server->state), packet->key);
    }
}

void server_main(uint64_t mode, uint64_t thread_page) {
    struct rt_server server;
    handle_t memory = HANDLE_NONE;
    uint64_t address = 0;
    uint64_t size = (sizeof(struct devfs) + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    rt_server_begin(&server, mode, thread_page);
    status_t status = rt_object_create(OBJECT_MEMORY, 0, size, 0, 0, 0, &memory);
    status = status == STATUS_OK
                 ? rt_map(0, 0, size, memory, 0, PROTECT_READ | PROTECT_WRITE, &address)
                 : status;
    if (status != STATUS_OK || server.vault_size < sizeof(struct view_vault)) {
        rt_log(&server, "no state: status %d", (int)status);
        rt_exit(RT_EXIT_START);
    }
    struct devfs *devfs = rt_pointer(address);
    view_begin(&devfs->view, &server, &devfs_tree);
    server.state = devfs;
    rt_server_run(&server, &(struct rt_service){devfs_call, on_packet});
}
