/* The root file system under kills: clients make, write, rename, link and remove files, each in a
 * folder of its own and beside it in memory; after every step what the server tells must be what
 * the client knows. The server is killed at any system call. A call that was done twice or not at
 * all shows as a name, a count of links or bytes that should not be there. */
#include "fs/ramfs/server/format.h"
#include "idl/filesystem.h"
#include "tests/sim/servers.h"
#include <string.h>

void ramfs_main(uint64_t mode, uint64_t page);

enum {
    CLIENTS = 3,
    NAMES = 12,
    STEPS = 700,
    OPEN_NEW =
        FILESYSTEM_OPEN_FLAGS_CREATE | FILESYSTEM_OPEN_FLAGS_READ | FILESYSTEM_OPEN_FLAGS_WRITE
};

/* What a name of the client's folder is. */
struct known {
    char kind; /* 0: nothing, f, d, l */
    uint32_t file;
};
struct known_file {
    uint32_t links;
    uint32_t size;
    unsigned char first; /* every byte of it */
};
struct model {
    uint64_t random;
    handle_t folder;
    uint64_t who;
    struct known names[NAMES];
    struct known_file files[STEPS + NAMES];
    uint32_t file_count;
};

static uint64_t total_counted; /* the last count that a client saw */

static void fail(const struct model *_Nonnull model, const char *_Nonnull what, int64_t value) {
    (void)fprintf(stderr, "client %lu: %s: %ld\n", model->who, what, value);
    rt_exit(1);
}

static uint64_t draw(struct model *_Nonnull model, uint64_t below) {
    model->random = model->random * 6364136223846793005u + 1442695040888963407u;
    return (model->random >> 33) % below;
}

struct name {
    struct rt_bytes bytes;
    uint8_t text[300];
};
/* Every third name is long, so that it needs a text record. */
static void name_of(uint32_t index, struct name *_Nonnull out) {
    int length = snprintf((char *)out->text, sizeof out->text, "name%u", index);
    size_t whole = index % 3 == 0 ? 200 : (size_t)length;
    memset(&out->text[length], 'x', whole - (size_t)length);
    out->bytes = (struct rt_bytes){.size = whole, .data = out->text};
}

static void must_done(const struct model *_Nonnull model, status_t status,
                      const struct filesystem_walk *_Nonnull walk, const char *_Nonnull what) {
    if (status != STATUS_OK || walk->outcome != FILESYSTEM_OUTCOME_DONE) {
        fail(model, what, status != STATUS_OK ? (int64_t)status : (int64_t)walk->outcome);
    }
}

static status_t open_name(struct model *_Nonnull model, uint32_t index, uint32_t how,
                          handle_t *_Nonnull file, struct stream_stat *_Nonnull info) {
    struct filesystem_walk walk = {};
    struct name name;
    uint64_t size = 0;
    uint8_t text[512];
    name_of(index, &name);
    return filesystem_open(model->folder, FILESYSTEM_WALK_FLAGS_NO_FOLLOW, 0, how, 0644, name.bytes,
                           file, &(uint32_t){0}, &walk, info, RT_BUFFER_OF(text), &size);
}

static uint64_t stream(uint32_t number, handle_t file, void *_Nonnull bytes, uint64_t length) {
    struct syscall_registers r = {
        .number = number, .a = file, .b = rt_address(bytes), .words = {length, STREAM_POSITION}};
    rt_invoke(&r);
    return (int32_t)r.number == 0 ? r.words[0] : UINT64_MAX;
}

/* What stat says of the name: ramfs may answer from what it knows of a file that nobody has. */
static void check_size(struct model *_Nonnull model, uint32_t index, uint64_t size) {
    struct filesystem_walk walk = {};
    struct stream_stat info = {};
    struct name name;
    uint64_t text_size = 0;
    uint8_t text[512];
    name_of(index, &name);
    status_t status = filesystem_stat(model->folder, FILESYSTEM_WALK_FLAGS_NO_FOLLOW, 0, name.bytes,
                                      &walk, &info, RT_BUFFER_OF(text), &text_size);
    if (status != STATUS_OK || info.size != size) {
        fail(model, "stat of a name: status or size",
             status != STATUS_OK ? (int64_t)status : (int64_t)info.size);
    }
}

/* Grows the file: what is known of it must follow. */
static void grow_file(struct model *_Nonnull model, uint32_t index) {
    struct known_file *known = &model->files[model->names[index].file];
    struct stream_stat info = {};
    handle_t file = HANDLE_NONE;
    unsigned char byte = known->first;
    check_size(model, index, known->size);
    status_t status = open_name(model, index, FILESYSTEM_OPEN_FLAGS_WRITE, &file, &info);
    check_size(model, index, known->size);
    struct syscall_registers r = {
        .number = SYS_STREAM_WRITE, .a = file, .b = rt_address(&byte), .words = {1, known->size}};
    rt_invoke(&r);
    if (status != STATUS_OK || (int32_t)r.number != 0 || r.words[0] != 1) {
        fail(model, "growing", status);
    }
    known->size++;
    check_size(model, index, known->size);
    rt_handle_close(file);
    check_size(model, index, known->size);
}

static void check_file(struct model *_Nonnull model, uint32_t index) {
    const struct known_file *known = &model->files[model->names[index].file];
    if (known->size < 8999 && draw(model, 4) == 0) {
        grow_file(model, index);
    }
    struct stream_stat info = {};
    handle_t file = HANDLE_NONE;
    unsigned char bytes[9000];
    status_t status = open_name(model, index, FILESYSTEM_OPEN_FLAGS_READ, &file, &info);
    status = status == STATUS_OK ? stream_stat(file, &info) : status;
    if (status != STATUS_OK || info.size != known->size || info.links != known->links) {
        fail(model, "file is not as it was left: status, size or links",
             status != STATUS_OK ? (int64_t)status : (int64_t)info.size << 16 | info.links);
    }
    uint64_t got = stream(SYS_STREAM_READ, file, bytes, sizeof bytes);
    for (uint64_t i = 0; i < got; i++) {
        if (bytes[i] != known->first) {
            fail(model, "wrong byte", (int64_t)i);
        }
    }
    if (got != known->size) {
        fail(model, "bytes read", (int64_t)got);
    }
    rt_handle_close(file);
    check_size(model, index, known->size);
}

static void make_file(struct model *_Nonnull model, uint32_t index) {
    struct known *name = &model->names[index];
    struct stream_stat info = {};
    handle_t file = HANDLE_NONE;
    unsigned char bytes[9000];
    uint32_t exclusive = FILESYSTEM_OPEN_FLAGS_EXCLUSIVE;
    status_t status = open_name(model, index, OPEN_NEW | exclusive, &file, &info);
    if (name->kind != 0) {
        if (status != STATUS_EXISTS) {
            fail(model, "exclusive creation over a name", status);
        }
        return;
    }
    if (status != STATUS_OK) {
        fail(model, "create", status);
    }
    uint32_t number = model->file_count++;
    model->files[number] = (struct known_file){.links = 1,
                                               .size = (uint32_t)draw(model, sizeof bytes),
                                               .first = (unsigned char)draw(model, 256)};
    memset(bytes, model->files[number].first, sizeof bytes);
    if (stream(SYS_STREAM_WRITE, file, bytes, model->files[number].size) !=
        model->files[number].size) {
        fail(model, "write", 0);
    }
    *name = (struct known){.kind = 'f', .file = number};
    rt_handle_close(file);
    check_file(model, index);
}

static void make_directory(struct model *_Nonnull model, uint32_t index) {
    struct filesystem_walk walk = {};
    struct name name;
    uint64_t size = 0;
    uint8_t text[512];
    name_of(index, &name);
    status_t status = filesystem_make_directory(model->folder, 0, 0755, name.bytes, &walk,
                                                RT_BUFFER_OF(text), &size);
    status_t wanted = model->names[index].kind != 0 ? STATUS_EXISTS : STATUS_OK;
    if (status != wanted) {
        fail(model, "mkdir", status);
    }
    if (status == STATUS_OK) {
        model->names[index].kind = 'd';
    }
}

static void remove_name(struct model *_Nonnull model, uint32_t index) {
    struct known *known = &model->names[index];
    struct filesystem_walk walk = {};
    struct name name;
    uint64_t size = 0;
    uint8_t text[512];
    name_of(index, &name);
    status_t status = filesystem_remove(model->folder, 0, known->kind == 'd', name.bytes, &walk,
                                        RT_BUFFER_OF(text), &size);
    if (status != (known->kind == 0 ? STATUS_NOT_FOUND : STATUS_OK)) {
        fail(model, "remove", status);
    }
    if (known->kind == 'f') {
        model->files[known->file].links--;
    }
    *known = (struct known){};
}

static void rename_or_link(struct model *_Nonnull model, uint32_t from, uint32_t to, bool link) {
    struct known *old = &model->names[from];
    struct known *new = &model->names[to];
    struct filesystem_walk walk = {};
    struct name first;
    struct name second;
    uint8_t both[600];
    uint8_t text[512];
    uint64_t size = 0;
    bool of_second = false;
    name_of(from, &first);
    name_of(to, &second);
    memcpy(both, first.text, first.bytes.size);
    memcpy(&both[first.bytes.size], second.text, second.bytes.size);
    struct rt_bytes paths = {.size = first.bytes.size + second.bytes.size, .data = both};
    uint32_t length = (uint32_t)first.bytes.size;
    status_t status =
        link ? filesystem_link(model->folder, FILESYSTEM_WALK_FLAGS_NO_FOLLOW, 0, length,
                               model->folder, paths, &of_second, &walk, RT_BUFFER_OF(text), &size)
             : filesystem_rename(model->folder, 0, 0, length, model->folder, paths, &of_second,
                                 &walk, RT_BUFFER_OF(text), &size);
    bool same = !link && old->kind == 'f' && new->kind == 'f' && old->file == new->file;
    bool fits = link ? old->kind == 'f' && new->kind == 0
                     : old->kind != 0 && (new->kind == 0 || (old->kind == new->kind) ||
                                          (old->kind != 'd' && new->kind != 'd'));
    fits = fits && (link || from != to || true);
    if ((status == STATUS_OK) != (fits || (from == to && !link && old->kind != 0))) {
        fail(model, link ? "link" : "rename", status);
    }
    if (status != STATUS_OK || same || from == to) {
        return;
    }
    if (link) {
        model->files[old->file].links++;
        *new = *old;
        return;
    }
    if (new->kind == 'f') {
        model->files[new->file].links--;
    }
    *new = *old;
    *old = (struct known){};
}

/* The folder holds exactly the names that the model has. */
static void check_folder(struct model *_Nonnull model) {
    unsigned char bytes[700];
    uint64_t cookie = 0;
    unsigned found = 0;
    unsigned expected = 2;
    for (uint32_t i = 0; i < NAMES; i++) {
        expected += model->names[i].kind != 0 ? 1 : 0;
    }
    for (;;) {
        uint64_t size = 0;
        status_t status =
            filesystem_read_directory(model->folder, cookie, RT_BUFFER_OF(bytes), &size);
        if (status != STATUS_OK) {
            fail(model, "read_directory", status);
        }
        if (size == 0) {
            break;
        }
        for (uint64_t at = 0; at < size;) {
            struct filesystem_entry entry;
            memcpy(&entry, &bytes[at], sizeof entry);
            cookie = entry.cookie;
            at += (sizeof entry + entry.name_size + 7) & ~7u;
            found++;
        }
    }
    if (found != expected) {
        fail(model, "names in the folder", found);
    }
    for (uint32_t i = 0; i < NAMES; i++) {
        if (model->names[i].kind == 'f') {
            check_file(model, i);
        }
    }
}

static void check_archive(struct model *_Nonnull model, handle_t root) {
    struct filesystem_walk walk = {};
    struct stream_stat info = {};
    handle_t file = HANDLE_NONE;
    uint64_t size = 0;
    uint8_t text[512];
    char bytes[64] = {};
    status_t status =
        filesystem_open(root, 0, 0, FILESYSTEM_OPEN_FLAGS_READ, 0, RT_STRING("etc/../etc/name"),
                        &file, &(uint32_t){0}, &walk, &info, RT_BUFFER_OF(text), &size);
    must_done(model, status, &walk, "open of what the archive brought");
    if (stream(SYS_STREAM_READ, file, bytes, sizeof bytes) != 7 || strcmp(bytes, "isotope") != 0) {
        fail(model, "the archive's bytes", bytes[0]);
    }
    rt_handle_close(file);
    status = filesystem_stat(root, 0, 0, RT_STRING("bin/sh/more"), &walk, &info, RT_BUFFER_OF(text),
                             &size);
    if (status != STATUS_OK || walk.outcome != FILESYSTEM_OUTCOME_ROOT || size != 17 ||
        memcmp(text, "/bin/busybox/more", 17) != 0) {
        fail(model, "absolute link", (int64_t)size);
    }
}

/* An absolute link comes back without a file; a directory's description has a position. */
static void check_redirect_and_seek(struct model *_Nonnull model, handle_t root) {
    struct filesystem_walk walk = {};
    struct stream_stat info = {};
    handle_t file = HANDLE_NONE;
    uint64_t size = 0;
    uint8_t text[512];
    status_t status =
        filesystem_open(root, 0, 0, FILESYSTEM_OPEN_FLAGS_READ, 0, RT_STRING("bin/sh"), &file,
                        &(uint32_t){0}, &walk, &info, RT_BUFFER_OF(text), &size);
    if (status != STATUS_OK || walk.outcome != FILESYSTEM_OUTCOME_ROOT || file != HANDLE_NONE) {
        fail(model, "open of an absolute link", status);
    }
    struct syscall_registers r = {
        .number = SYS_STREAM_SEEK, .a = model->folder, .b = 42, .words = {0}};
    rt_invoke(&r);
    r = (struct syscall_registers){.number = SYS_STREAM_SEEK, .a = model->folder, .words = {1}};
    rt_invoke(&r);
    if ((int32_t)r.number != 0 || r.words[0] != 42) {
        fail(model, "position of a directory", (int64_t)r.words[0]);
    }
}

/* Adds one to a number in a file that all clients share, under its lock. The number was first
 * written by nobody: an empty file reads as 0. */
static void count_locked(struct model *_Nonnull model, handle_t shared, uint64_t *_Nonnull out) {
    uint64_t number = 0;
    status_t status = filesystem_lock(shared, FILESYSTEM_LOCK_KIND_EXCLUSIVE, true);
    if (status != STATUS_OK) {
        fail(model, "lock", status);
    }
    struct syscall_registers r = {.number = SYS_STREAM_READ,
                                  .a = shared,
                                  .b = rt_address(&number),
                                  .words = {sizeof number, 0}};
    rt_invoke(&r);
    number++;
    r = (struct syscall_registers){.number = SYS_STREAM_WRITE,
                                   .a = shared,
                                   .b = rt_address(&number),
                                   .words = {sizeof number, 0}};
    rt_invoke(&r);
    status = filesystem_lock(shared, FILESYSTEM_LOCK_KIND_UNLOCK, false);
    if ((int32_t)r.number != 0 || status != STATUS_OK) {
        fail(model, "unlock", status);
    }
    *out = number;
}

static void client_main(uint64_t mode, uint64_t page) {
    (void)page;
    struct model whole = {};
    struct model *model = &whole;
    struct filesystem_walk walk = {};
    struct stream_stat info = {};
    uint64_t size = 0;
    uint8_t text[512];
    uint8_t folder[] = {'c', (uint8_t)('0' + mode)};
    handle_t root = RT_START_HANDLE;
    model->who = mode;
    model->random = mode * 77 + 5;
    check_archive(model, root);
    must_done(model,
              filesystem_make_directory(root, 0, 0755, RT_BYTES_OF(folder), &walk,
                                        RT_BUFFER_OF(text), &size),
              &walk, "folder");
    must_done(model,
              filesystem_open(root, 0, 0, FILESYSTEM_OPEN_FLAGS_READ, 0, RT_BYTES_OF(folder),
                              &model->folder, &(uint32_t){0}, &walk, &info, RT_BUFFER_OF(text),
                              &size),
              &walk, "folder");
    check_redirect_and_seek(model, root);
    handle_t shared = HANDLE_NONE;
    must_done(model,
              filesystem_open(root, 0, 0, OPEN_NEW, 0666, RT_STRING("shared"), &shared,
                              &(uint32_t){0}, &walk, &info, RT_BUFFER_OF(text), &size),
              &walk, "shared file");
    uint64_t counted = 0;
    for (uint32_t step = 0; step < STEPS; step++) {
        if (step % 10 == 0) {
            uint64_t before = counted;
            count_locked(model, shared, &counted);
            if (counted <= before) {
                fail(model, "count under a lock", (int64_t)counted);
            }
        }
        uint32_t index = (uint32_t)draw(model, NAMES);
        switch (draw(model, 6)) {
        case 0:
            make_directory(model, index);
            break;
        case 1:
        case 2:
            make_file(model, index);
            break;
        case 3:
            remove_name(model, index);
            break;
        case 4:
            rename_or_link(model, index, (uint32_t)draw(model, NAMES), false);
            break;
        default:
            rename_or_link(model, index, (uint32_t)draw(model, NAMES), true);
            break;
        }
        if (step % 50 == 49) {
            check_folder(model);
        }
    }
    for (uint32_t i = 0; i < NAMES; i++) {
        remove_name(model, i);
    }
    check_folder(model);
    total_counted = counted > total_counted ? counted : total_counted;
    rt_exit(0);
}

/* ---- the archive and the world ---- */

static void member(char *_Nonnull at, const char *_Nonnull name, char type,
                   const char *_Nonnull content) {
    UNSAFE_BEGIN(void)
    snprintf(at, 100, "%s", name);
    (void)snprintf(at + 100, 8, "%07o", type == '5' ? 0755 : 0644);
    (void)snprintf(at + 108, 8, "%07o", 0);
    (void)snprintf(at + 116, 8, "%07o", 0);
    (void)snprintf(at + 124, 12, "%011o", type == '0' ? (unsigned)strlen(content) : 0);
    (void)snprintf(at + 136, 12, "%011o", 1000);
    at[156] = type;
    memcpy(at + 257, "ustar", 6);
    memcpy(type == '0' ? at + 512 : at + 157, content, strlen(content));
    UNSAFE_END
}

static handle_t make_archive(void) {
    static char bytes[8192];
    handle_t memory = HANDLE_NONE;
    member(&bytes[0], "etc/", '5', "");
    member(&bytes[512], "etc/name", '0', "isotope");
    member(&bytes[1536], "bin", '5', "");
    member(&bytes[2048], "bin/busybox", '0', "ELF");
    member(&bytes[3072], "bin/sh", '2', "/bin/busybox");
    expect(rt_object_create(OBJECT_MEMORY, 0, sizeof bytes, 0, 0, 0, &memory), "archive");
    expect(rt_memory_copy(memory, 0, rt_address(bytes), sizeof bytes, MEMORY_FROM_CALLER),
           "archive");
    return memory;
}

static void supervisor_main(uint64_t mode, uint64_t page) {
    (void)page;
    CHECK(mode == START_FRESH);
    struct service ramfs = {.name = "ramfs",
                            .main = ramfs_main,
                            .vault_pages = (sizeof(struct ramfs_vault) + PAGE_SIZE - 1) / PAGE_SIZE,
                            .keep_slots = KEEP_SLOTS,
                            .given_count = 1,
                            .given_names = {"image"}};
    ramfs.given[0] = make_archive();
    service_make(&ramfs);
    service_start(&ramfs, START_FRESH);
    for (uint64_t i = 0; i < CLIENTS; i++) {
        handle_t session = service_session(&ramfs, 0);
        handle_t client = start_process("client", client_main, i, PRIORITY_FAIR, &session, 1);
        rt_handle_close(session);
        rt_handle_close(client);
    }
    supervise((struct services){.count = 1, .at = &ramfs}, CLIENTS);
    rt_exit(0);
}

int main(int argc, char **argv) {
    UNSAFE_BEGIN
    uint64_t seed = argc > 1 ? strtoull(argv[1], nullptr, 10) : 1;
    kills_wanted = argc > 2 ? strtoull(argv[2], nullptr, 10) : 250;
    UNSAFE_END
    kill_names[0] = "ramfs";
    kill_name_count = 1;
    kill_odds = 45;
    int code = run(supervisor_main, seed, 16384);
    bool whole = total_counted == CLIENTS * STEPS / 10;
    if (!whole) {
        (void)fprintf(stderr, "counted to %lu\n", total_counted);
    }
    return code == 0 && whole && kills_done == kills_wanted ? 0 : 1;
}
