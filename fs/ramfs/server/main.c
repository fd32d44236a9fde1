/* ramfs: the root file system. Its tables are in the vault (format.h), its files' bytes are Memory
 * objects in the keep; clients read and write those through their sessions without a call.
 *
 * After a restart the index is built again from the vault (store.h), sessions that no object stands
 * for are freed, and calls come again, parked ones too. */
#include "abi/boot.h"
#include "fs/ramfs/server/handlers.h"

void server_main(uint64_t mode, uint64_t thread_page);

void server_main(uint64_t mode, uint64_t thread_page) {
    struct rt_server server;
    rt_server_begin(&server, mode, thread_page);
    struct ramfs *fs = ramfs_start(&server);
    archive_unpack(fs);
    if (mode != START_FRESH) {
        sessions_reconcile(fs);
    }
    rt_server_run(&server, &(struct rt_service){ramfs_call, ramfs_packet});
}
