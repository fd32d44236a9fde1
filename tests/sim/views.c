/* /dev and /proc under kills of their servers and of `process`: a client enters each mount again
 * and again, opens, reads, lists, climbs out of it and closes, more often than there is room for
 * mounts entered: what a close does not give back, or a restart forgets, shows as no room or as a
 * way up that is gone. Processes begin, change their name and end, and /proc tells each of it. */
#include "idl/filesystem.h"
#include "idl/process.h"
#include "idl/stream.h"
#include "idl/vfs.h"
#include "lib/view/view.h"
#include "posix/state.h"
#include "servers/process/format.h"
#include "tests/sim/servers.h"
#include <string.h>
#include <sys/mman.h>

void devfs_main(uint64_t mode, uint64_t page);
void procfs_main(uint64_t mode, uint64_t page);
void process_main(uint64_t mode, uint64_t page);

enum {
    ROUNDS = VIEW_CONTEXTS + 200,
    KEEP_SLOTS_OF_BOTH = VIEW_KEEP_SLOTS + 1,
    VAULT_PAGES = 5,
    DEVICE_ENTRIES = 12, /* of /dev at least, with `.` and `..` */
    PATIENCE = 20000
};

static const handle_t devfs = RT_START_HANDLE;
static const handle_t procfs = RT_START_HANDLE + 1;
static const handle_t process = RT_START_HANDLE + 2;
static unsigned rounds_done, entries_seen;
static struct vfs_mount_table *_Nonnull mounts;

static void fail(const char *_Nonnull what, int64_t value) {
    (void)fprintf(stderr, "client: %s: %ld\n", what, value);
    rt_exit(1);
}

static void must(status_t status, const char *_Nonnull what) {
    if (status != STATUS_OK) {
        fail(what, status);
    }
}

static struct rt_bytes text_of(const char *_Nonnull text) {
    return (struct rt_bytes){.size = strlen(text), .data = (const uint8_t *)text};
}

static handle_t enter(handle_t gate, uint64_t mount) {
    handle_t up = HANDLE_NONE;
    handle_t root = HANDLE_NONE;
    struct stream_stat info = {};
    must(rt_handle_duplicate(process, RIGHT_ALL, &up), "up");
    must(filesystem_enter(gate, up, &root, &info), "enter");
    if (info.mount != mount || (info.mode & VIEW_KIND) != VIEW_DIRECTORY) {
        fail("root of a mount", (int64_t)info.mount);
    }
    return root;
}

static status_t open_at(handle_t root, const char *_Nonnull path, uint32_t how,
                        handle_t *_Nonnull out) {
    struct filesystem_walk walk = {};
    struct stream_stat info = {};
    uint8_t text[256];
    uint64_t size = 0;
    status_t status = filesystem_open(root, 0, 0, how, 0, text_of(path), out, &(uint32_t){0}, &walk,
                                      &info, RT_BUFFER_OF(text), &size);
    return status == STATUS_OK && walk.outcome != FILESYSTEM_OUTCOME_DONE ? STATUS_BUSY : status;
}

/* The whole of a file, ended by NUL. */
static status_t read_at(handle_t root, const char *_Nonnull path, char *_Nonnull to, size_t size) {
    handle_t file = HANDLE_NONE;
    uint64_t got = 0;
    status_t status = open_at(root, path, FILESYSTEM_OPEN_FLAGS_READ, &file);
    if (status == STATUS_OK) {
        struct rt_buffer buffer = {.size = size - 1, .data = (uint8_t *)to};
        status = stream_read(file, 0, 0, buffer, &got);
        rt_handle_close(file);
    }
    UNSAFE_BEGIN
    to[got] = '\0';
    UNSAFE_END
    return status;
}

/* Up from the root is where the mount was entered from. */
static void climb_out(handle_t root) {
    struct filesystem_walk walk = {};
    handle_t place = HANDLE_NONE;
    handle_t gate = HANDLE_NONE;
    struct session_info info = {};
    uint8_t text[64];
    uint64_t size = 0;
    must(filesystem_cross(root, 0, 0, RT_STRING(".."), &place, &gate, &walk, RT_BUFFER_OF(text),
                          &size),
         "climb out");
    must(rt_object_info(place, INFO_SESSION, &info, sizeof info), "place");
    if (walk.outcome != FILESYSTEM_OUTCOME_PARENT || info.cookie != 0) {
        fail("what is above", walk.outcome);
    }
    rt_handle_close(place);
}

/* With a floor there is no way out. */
static void stay_in(handle_t root) {
    struct filesystem_walk walk = {};
    handle_t floored = HANDLE_NONE;
    struct stream_stat info = {};
    uint8_t text[64];
    uint64_t size = 0;
    must(filesystem_lessen(root, true, 0, &floored), "lessen");
    must(
        filesystem_stat(floored, 0, 0, RT_STRING("../.."), &walk, &info, RT_BUFFER_OF(text), &size),
        "above the floor");
    if (walk.outcome != FILESYSTEM_OUTCOME_DONE || info.inode != VIEW_ROOT) {
        fail("a floor was left", walk.outcome);
    }
    rt_handle_close(floored);
}

static unsigned count_entries(handle_t root) {
    static uint8_t bytes[8192];
    unsigned count = 0;
    uint64_t cookie = 0;
    uint64_t size = 1;
    while (size > 0) {
        must(filesystem_read_directory(root, cookie, RT_BUFFER_OF(bytes), &size), "list");
        for (uint64_t at = 0; at < size; count++) {
            struct filesystem_entry entry;
            memcpy(&entry, &bytes[at], sizeof entry);
            at += (sizeof entry + entry.name_size + 7) & ~7u;
            cookie = entry.cookie;
        }
    }
    return count;
}

static void use_devices(handle_t gate, uint32_t round) {
    static uint8_t bytes[5000];
    handle_t root = enter(gate, 7);
    handle_t file = HANDLE_NONE;
    uint64_t done = 0;
    must(open_at(root, "zero", FILESYSTEM_OPEN_FLAGS_READ, &file), "zero");
    memset(bytes, 1, sizeof bytes);
    must(stream_read(file, 0, 0, RT_BUFFER_OF(bytes), &done), "read zero");
    for (size_t i = 0; i < sizeof bytes; i++) {
        done += bytes[i];
    }
    if (done != sizeof bytes || stream_write(file, 0, 0, RT_STRING("x"), &done) == STATUS_OK) {
        fail("zero", (int64_t)done);
    }
    rt_handle_close(file);
    must(open_at(root, "full", FILESYSTEM_OPEN_FLAGS_WRITE, &file), "full");
    if (stream_write(file, 0, 0, RT_STRING("x"), &done) != STREAM_STATUS_FULL) {
        fail("full took something", (int64_t)done);
    }
    rt_handle_close(file);
    climb_out(root);
    if (round % 8 == 0) {
        stay_in(root);
    }
    if (round % 16 == 0) {
        unsigned count = count_entries(root);
        if (count < DEVICE_ENTRIES || (entries_seen != 0 && count != entries_seen)) {
            fail("entries of /dev", count);
        }
        entries_seen = count;
    }
    rt_handle_close(root);
}

/* What the runtime of all programs of this test keeps in memory. */
UNSAFE_BEGIN
static struct posix_process *_Nonnull runtime(void) {
    return (struct posix_process *)RUNTIME_STATE;
}
UNSAFE_END

/* What vfs shares with procfs: two texts of one mount each, of which `index` holds. */
static struct vfs_mount_table *_Nonnull share_mounts(void) {
    static const char *const places[2] = {"/first", "/second"};
    uint64_t size = (sizeof(struct vfs_mount_table) + 2 * VFS_MOUNT_TABLE_TEXT + PAGE_SIZE - 1) &
                    ~(uint64_t)(PAGE_SIZE - 1);
    handle_t memory = HANDLE_NONE;
    handle_t shown = HANDLE_NONE;
    uint64_t at = 0;
    must(rt_object_create(OBJECT_MEMORY, 0, size, 0, 0, 0, &memory), "table of mounts");
    must(rt_map(0, 0, size, memory, 0, PROTECT_READ | PROTECT_WRITE, &at), "table of mounts");
    struct vfs_mount_table *table = rt_pointer(at);
    for (size_t i = 0; i < 2; i++) {
        struct vfs_mount mount = {.id = 1, .kind_size = 4, .source_size = 4};
        mount.place_size = (uint32_t)strlen(SOME(places[i]));
        size_t start = sizeof *table + i * VFS_MOUNT_TABLE_TEXT;
        memcpy(bytes_at(table, start), &mount, sizeof mount);
        memcpy(bytes_at(table, start + sizeof mount), "kindfrom", 8);
        memcpy(bytes_at(table, start + sizeof mount + 8), SOME(places[i]), mount.place_size);
        table->sizes[i] = (sizeof mount + 8 + mount.place_size + 7) & ~7u;
    }
    must(rt_handle_duplicate(memory, RIGHT_READ | RIGHT_TRANSFER | RIGHT_DUPLICATE | RIGHT_INSPECT,
                             &shown),
         "table of mounts");
    must(filesystem_take_mounts(procfs, shown), "take the table of mounts");
    return table;
}

/* The mounts are those of the text that holds now, whichever instance was given the table. */
static void use_mounts(handle_t root, uint32_t pid, uint32_t round) {
    char path[32];
    char text[512];
    mounts->index = round & 1;
    (void)snprintf(path, sizeof path, "%u/mounts", pid);
    must(read_at(root, path, text, sizeof text), "mounts");
    const char *expected = round % 2 == 0 ? "from /first kind " : "from /second kind ";
    if (strncmp(text, expected, strlen(expected)) != 0) {
        (void)fprintf(stderr, "%s", text);
        fail("the mounts", round);
    }
}

/* A process whose memory is no runtime's has the name that the kernel knows. */
static void use_stranger(handle_t root, uint32_t pid) {
    char path[32];
    char text[64];
    (void)snprintf(path, sizeof path, "%u/comm", pid);
    runtime()->magic = 0;
    must(read_at(root, path, text, sizeof text), "comm");
    runtime()->magic = STATE_MAGIC;
    if (strncmp(text, "name ", 5) == 0) {
        fail("a name out of a stranger's memory", pid);
    }
}

static void use_processes(handle_t gate, uint32_t round) {
    handle_t root = enter(gate, 8);
    handle_t file = HANDLE_NONE;
    uint8_t byte[1];
    uint64_t got = 0;
    handle_t begun = HANDLE_NONE;
    handle_t own = HANDLE_NONE;
    uint32_t pid = 0;
    char path[32];
    char text[512];
    char expected[64];
    must(process_begin(process, 0, 0, &pid, &begun, &own), "begin");
    for (unsigned name = 0; name < 2; name++) {
        (void)snprintf(runtime()->name, sizeof runtime()->name, "name %u", pid + name);
        (void)snprintf(path, sizeof path, "%u/stat", pid);
        must(read_at(root, path, text, sizeof text), "stat");
        (void)snprintf(expected, sizeof expected, "%u (name %u) S 0 %u %u 0 ", pid, pid + name, pid,
                       pid);
        if (strncmp(text, expected, strlen(expected)) != 0) {
            (void)fprintf(stderr, "%s%s\n", text, expected);
            fail("what stat tells", pid);
        }
    }
    use_mounts(root, pid, round / 4);
    use_stranger(root, pid);
    climb_out(root);
    must(open_at(root, path, FILESYSTEM_OPEN_FLAGS_READ, &file), "open");
    must(rt_kill(begun, 9, EXIT_SIGNAL), "kill");
    rt_handle_close(begun);
    rt_handle_close(own);
    (void)snprintf(path, sizeof path, "%u/comm", pid);
    unsigned tries = 0;
    while (read_at(root, path, text, sizeof text) != STATUS_NOT_FOUND && tries < PATIENCE) {
        tries++;
    }
    if (tries == PATIENCE) {
        fail("an ended process is still there", pid);
    }
    status_t status = stream_read(file, 0, 0, RT_BUFFER_OF(byte), &got);
    if (status != STREAM_STATUS_GONE) {
        fail("a file of an ended process", status);
    }
    rt_handle_close(file);
    rt_handle_close(root);
}

static void client_main(uint64_t mode, uint64_t page) {
    handle_t devices = HANDLE_NONE;
    handle_t processes = HANDLE_NONE;
    (void)mode;
    (void)page;
    must(filesystem_gate(devfs, 7, 0, HANDLE_NONE, &devices), "gate of devfs");
    must(filesystem_gate(procfs, 8, 0, HANDLE_NONE, &processes), "gate of procfs");
    mounts = share_mounts();
    for (uint32_t round = 0; round < ROUNDS; round++) {
        use_devices(devices, round);
        if (round % 4 == 0) {
            use_processes(processes, round);
        }
        rounds_done = round + 1;
    }
    rt_exit(0);
}

static void supervisor_main(uint64_t mode, uint64_t page) {
    (void)page;
    CHECK(mode == START_FRESH);
    struct service services[3] = {
        {.name = "process",
         .main = process_main,
         .vault_pages = (sizeof(struct process_vault) + PAGE_SIZE - 1) / PAGE_SIZE,
         .keep_slots = PROCESS_KEEP_SLOTS,
         .given_count = 1,
         .given_names = {"programs"}},
        {.name = "devfs",
         .main = devfs_main,
         .vault_pages = VAULT_PAGES,
         .keep_slots = KEEP_SLOTS_OF_BOTH,
         .given_count = 1,
         .given_names = {"process"}},
        {.name = "procfs",
         .main = procfs_main,
         .vault_pages = VAULT_PAGES,
         .keep_slots = KEEP_SLOTS_OF_BOTH,
         .given_count = 1,
         .given_names = {"process"}}};
    struct domain_quota quota = {
        .pages = 8000, .kernel_pages = 4000, .handles = 20000, .threads = 500};
    expect(rt_object_create(OBJECT_DOMAIN, BOOT_HANDLE_ROOT_DOMAIN, rt_address(&quota), 0, 0, 0,
                            &services[0].given[0]),
           "domain");
    service_make(&services[0]);
    for (size_t i = 1; i < 3; i++) {
        services[i].given[0] = service_session(&services[0], RT_COOKIE_SERVICE | i);
        service_make(&services[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        service_start(&services[i], START_FRESH);
    }
    handle_t given[3] = {service_session(&services[1], RT_COOKIE_SERVICE | 9),
                         service_session(&services[2], RT_COOKIE_SERVICE | 9),
                         service_session(&services[0], 0)};
    handle_t client = start_process("client", client_main, 0, PRIORITY_FAIR, &given[0], 3);
    rt_handle_close(client);
    supervise((struct services){.count = 3, .at = &services[0]}, 1);
    rt_exit(0);
}

int main(int argc, char **argv) {
    UNSAFE_BEGIN
    uint64_t seed = argc > 1 ? strtoull(argv[1], nullptr, 10) : 1;
    kills_wanted = argc > 2 ? strtoull(argv[2], nullptr, 10) : 250;
    /* Programs' memory is the simulator's own: one runtime for all. */
    void *memory = mmap((void *)RUNTIME_BASE, RUNTIME_END - RUNTIME_BASE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    UNSAFE_END
    if (memory == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    runtime()->magic = STATE_MAGIC;
    kill_names[0] = "devfs";
    kill_names[1] = "procfs";
    kill_names[2] = "process";
    kill_name_count = 3;
    kill_odds = 60;
    int code = run(supervisor_main, seed, 16384);
    if (rounds_done != ROUNDS) {
        (void)fprintf(stderr, "%u rounds\n", rounds_done);
    }
    return code == 0 && rounds_done == ROUNDS && kills_done == kills_wanted ? 0 : 1;
}
