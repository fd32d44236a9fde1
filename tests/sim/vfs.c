/* Mounting under kills of vfs and of the file system that it works on: clients mount, cross, look
 * and unmount; each mount is there exactly once, and what is behind it is what was put there. */
#include "idl/vfs.h"
#include "fs/ramfs/server/format.h"
#include "idl/filesystem.h"
#include "servers/vfs/vfs.h"
#include "tests/sim/servers.h"
#include <string.h>

void ramfs_main(uint64_t mode, uint64_t page);
void vfs_main(uint64_t mode, uint64_t page);

enum { ROUNDS = 40 };

static void fail(const char *_Nonnull what, int64_t value) {
    (void)fprintf(stderr, "client: %s: %ld\n", what, value);
    rt_exit(1);
}

static handle_t open_place(handle_t from, struct rt_bytes path,
                           struct filesystem_walk *_Nonnull walk) {
    handle_t place = HANDLE_NONE;
    struct stream_stat info = {};
    uint8_t text[512];
    uint64_t size = 0;
    status_t status = filesystem_open(from, 0, 0, FILESYSTEM_OPEN_FLAGS_PATH, 0, path, &place,
                                      &(uint32_t){0}, walk, &info, RT_BUFFER_OF(text), &size);
    if (status != STATUS_OK) {
        fail("open", status);
    }
    return place;
}

static unsigned count_mounts(handle_t vfs) {
    uint8_t bytes[8192];
    uint64_t size = 0;
    unsigned count = 0;
    if (vfs_list(vfs, 0, RT_BUFFER_OF(bytes), &size) != STATUS_OK) {
        fail("list", 0);
    }
    for (uint64_t at = 0; at < size; count++) {
        struct vfs_mount mount;
        memcpy(&mount, &bytes[at], sizeof mount);
        at += (sizeof mount + mount.kind_size + mount.source_size + mount.place_size + 7) & ~7u;
    }
    return count;
}

/* Walks to a mark, crosses it, and finds the file that is behind. */
static void cross(handle_t root, struct rt_bytes path, uint64_t mount) {
    struct filesystem_walk walk = {};
    struct stream_stat info = {};
    handle_t place = open_place(root, path, &walk);
    handle_t gate = HANDLE_NONE;
    handle_t inside = HANDLE_NONE;
    uint8_t text[512];
    uint64_t size = 0;
    if (place != HANDLE_NONE || walk.outcome != FILESYSTEM_OUTCOME_MOUNT || walk.object != mount) {
        fail("no mark where it was mounted", walk.outcome);
    }
    status_t status =
        filesystem_cross(root, 0, 0, path, &place, &gate, &walk, RT_BUFFER_OF(text), &size);
    status = status == STATUS_OK ? filesystem_enter(gate, place, &inside, &info) : status;
    if (status != STATUS_OK || info.mount != mount) {
        fail("cross", status);
    }
    status =
        filesystem_stat(inside, 0, 0, RT_STRING("file"), &walk, &info, RT_BUFFER_OF(text), &size);
    if (status != STATUS_OK || walk.outcome != FILESYSTEM_OUTCOME_DONE || info.mount != mount) {
        fail("what is behind the mount", status);
    }
    status =
        filesystem_stat(inside, 0, 0, RT_STRING(".."), &walk, &info, RT_BUFFER_OF(text), &size);
    if (status != STATUS_OK || walk.outcome != FILESYSTEM_OUTCOME_PARENT) {
        fail(".. of a mounted root", walk.outcome);
    }
    rt_handle_close(inside);
    rt_handle_close(gate);
}

static void client_main(uint64_t mode, uint64_t page) {
    (void)page;
    (void)mode;
    handle_t vfs = RT_START_HANDLE;
    handle_t root = HANDLE_NONE;
    struct filesystem_walk walk = {};
    struct stream_stat info = {};
    uint8_t text[512];
    uint64_t size = 0;
    status_t status = vfs_root(vfs, &root);
    if (status != STATUS_OK) {
        fail("root", status);
    }
    const struct rt_bytes folders[] = {RT_STRING("source"), RT_STRING("place")};
    for (size_t i = 0; i < 2; i++) {
        status =
            filesystem_make_directory(root, 0, 0755, folders[i], &walk, RT_BUFFER_OF(text), &size);
        if (status != STATUS_OK) {
            fail("mkdir", status);
        }
    }
    handle_t file = HANDLE_NONE;
    status = filesystem_open(root, 0, 0, FILESYSTEM_OPEN_FLAGS_CREATE | FILESYSTEM_OPEN_FLAGS_WRITE,
                             0644, RT_STRING("source/file"), &file, &(uint32_t){0}, &walk, &info,
                             RT_BUFFER_OF(text), &size);
    if (status != STATUS_OK) {
        fail("create", status);
    }
    handle_t source = open_place(root, RT_STRING("source"), &walk);
    handle_t place = open_place(root, RT_STRING("place"), &walk);
    uint64_t last = 0;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        uint64_t mount = 0;
        status = vfs_mount(vfs, 0, 1, 4, 7, place, source, RT_STRING("bind/source/place"), &mount);
        if (status != STATUS_OK || mount <= last) {
            fail("mount", status);
        }
        last = mount;
        if (count_mounts(vfs) != 3) {
            fail("mounts in the table", count_mounts(vfs));
        }
        cross(root, RT_STRING("place"), mount);
        uint64_t second = 0;
        status = vfs_mount(vfs, 0, 1, 4, 7, place, source, RT_STRING("bind/source/place"), &second);
        if (status != STATUS_BUSY) {
            fail("a second mount at one place", status);
        }
        status = vfs_unmount(vfs, mount, false);
        if (status != STATUS_OK || count_mounts(vfs) != 2) {
            fail("unmount", status);
        }
        rt_handle_close(open_place(root, RT_STRING("place"), &walk));
        if (walk.outcome != FILESYSTEM_OUTCOME_DONE) {
            fail("the mark is still there", walk.outcome);
        }
    }
    rt_exit(0);
}

static void supervisor_main(uint64_t mode, uint64_t page) {
    (void)page;
    CHECK(mode == START_FRESH);
    struct service services[2] = {
        {.name = "ramfs",
         .main = ramfs_main,
         .vault_pages = (sizeof(struct ramfs_vault) + PAGE_SIZE - 1) / PAGE_SIZE,
         .keep_slots = KEEP_SLOTS},
        {.name = "vfs",
         .main = vfs_main,
         .vault_pages = (sizeof(struct vfs_vault) + PAGE_SIZE - 1) / PAGE_SIZE,
         .keep_slots = VFS_KEEP_SLOTS,
         .given_count = 1,
         .arguments = "ramfs=/mnt",
         .given_names = {"ramfs"}}};
    service_make(&services[0]);
    services[1].given[0] = service_session(&services[0], RT_COOKIE_SERVICE | 1);
    service_make(&services[1]);
    service_start(&services[0], START_FRESH);
    /* vfs marks /mnt at its start: make it first. */
    struct filesystem_walk walk = {};
    uint8_t text[64];
    uint64_t size = 0;
    uint64_t wanted = kills_wanted;
    kills_wanted = 0;
    expect(filesystem_make_directory(services[1].given[0], 0, 0755, RT_STRING("mnt"), &walk,
                                     RT_BUFFER_OF(text), &size),
           "mnt");
    kills_wanted = wanted;
    service_start(&services[1], START_FRESH);
    handle_t session = service_session(&services[1], 5);
    handle_t client = start_process("client", client_main, 0, PRIORITY_FAIR, &session, 1);
    rt_handle_close(session);
    rt_handle_close(client);
    supervise((struct services){.count = 2, .at = &services[0]}, 1);
    rt_exit(0);
}

int main(int argc, char **argv) {
    UNSAFE_BEGIN
    uint64_t seed = argc > 1 ? strtoull(argv[1], nullptr, 10) : 1;
    kills_wanted = argc > 2 ? strtoull(argv[2], nullptr, 10) : 60;
    UNSAFE_END
    kill_names[0] = "ramfs";
    kill_names[1] = "vfs";
    kill_name_count = 2;
    kill_odds = 60;
    int code = run(supervisor_main, seed, 16384);
    return code == 0 && kills_done == kills_wanted ? 0 : 1;
}
