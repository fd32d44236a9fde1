/* vfs: the mount table. */
#include "servers/vfs/vfs.h"

static void read_principals(struct vfs *_Nonnull vfs) {
    handle_t process = rt_start_handle(vfs->server, "process");
    status_t status = access_attach(process, &vfs->principals);
    if (status != STATUS_OK && process != HANDLE_NONE) {
        rt_log(vfs->server, "no principals: status %d", (int)status);
    }
}

static bool sound(const struct rt_record_header *_Nonnull header, size_t size) {
    return header->kind == 0 ||
           (header->size == size && rt_record_checksum(header) == header->checksum);
}

struct vfs *_Nonnull vfs_start(struct rt_server *_Nonnull server) {
    struct vfs *vfs = rt_server_state(server, sizeof *vfs, sizeof(struct vfs_vault));
    vfs->server = server;
    vfs->vault = (const struct vfs_vault *)SOME(server->vault_data);
    bool whole = sound(&vfs->vault->super.header, sizeof vfs->vault->super);
    for (uint32_t i = 0; i < MOUNT_COUNT; i++) {
        whole = whole && sound(&vfs->vault->mounts[i].header, sizeof vfs->vault->mounts[i]);
    }
    if (!whole) {
        rt_vault_corrupt(server, "mount");
    }
    read_principals(vfs);
    return vfs;
}

static status_t shared_memory(struct vfs *_Nonnull vfs, handle_t *_Nonnull out) {
    if (rt_keep_get(vfs->server, KEEP_SHARED, out) == STATUS_OK) {
        return STATUS_OK;
    }
    uint64_t size = (sizeof(struct vfs_shared_mounts) + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    TRY(rt_object_create(OBJECT_MEMORY, 0, size, 0, 0, 0, out));
    TRY(rt_stage_keep(vfs->server, KEEP_SHARED, *out));
    TRY(rt_commit(vfs->server));
    return rt_keep_get(vfs->server, KEEP_SHARED, out);
}

void vfs_share(struct vfs *_Nonnull vfs) {
    handle_t shows = rt_start_handle(vfs->server, "procfs");
    handle_t memory = HANDLE_NONE;
    handle_t readable = HANDLE_NONE;
    uint64_t address = 0;
    if (shows == HANDLE_NONE) {
        return;
    }
    uint64_t size = (sizeof(struct vfs_shared_mounts) + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
    status_t status = shared_memory(vfs, &memory);
    status = status == STATUS_OK
                 ? rt_map(0, 0, size, memory, 0, PROTECT_READ | PROTECT_WRITE, &address)
                 : status;
    status =
        status == STATUS_OK
            ? rt_handle_duplicate(
                  memory, RIGHT_READ | RIGHT_INSPECT | RIGHT_TRANSFER | RIGHT_DUPLICATE, &readable)
            : status;
    if (status == STATUS_OK) {
        vfs->shared = rt_pointer(address);
        vfs_publish(vfs, MOUNT_COUNT);
        status = filesystem_take_mounts(shows, readable);
    }
    rt_handle_close(memory);
    if (status != STATUS_OK) {
        rt_log(vfs->server, "nobody shows the mounts: status %d", (int)status);
    }
}

void server_main(uint64_t mode, uint64_t thread_page) {
    struct rt_server server;
    rt_server_begin(&server, mode, thread_page);
    struct vfs *vfs = vfs_start(&server);
    vfs_first_mounts(vfs);
    vfs_share(vfs);
    rt_server_run(&server, &(struct rt_service){vfs_call, vfs_packet});
}
