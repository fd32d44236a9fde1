/* The mounts, from the table that vfs shares: struct vfs_mount and its three texts, one after the
 * other at multiples of 8. Whatever lies there is checked before it is used. */
#include "lib/base/bytes.h"
#include "servers/procfs/procfs.h"

static status_t map_table(struct procfs *_Nonnull fs, handle_t table) {
    struct memory_info info = {};
    uint64_t address = 0;
    uint64_t needed = sizeof(struct vfs_mount_table) + 2 * (uint64_t)VFS_MOUNT_TABLE_TEXT;
    TRY(rt_object_info(table, INFO_MEMORY, &info, sizeof info));
    uint64_t size = info.content_size & ~(uint64_t)(PAGE_SIZE - 1);
    REFUSE(size < needed, STATUS_BAD_ARGUMENT);
    TRY(rt_map(0, 0, size, table, 0, PROTECT_READ, &address));
    if (fs->mounts_size > 0) {
        TRY(rt_unmap(0, rt_address(fs->mounts), fs->mounts_size));
    }
    fs->mounts_size = (size_t)size;
    fs->mounts = rt_pointer(address);
    return STATUS_OK;
}

status_t mounts_take(void *_Nonnull server, struct rt_request *_Nonnull request,
                     const struct filesystem_take_mounts_in *_Nonnull in) {
    struct procfs *fs = server;
    REFUSE(!view_is_control(request->cookie), STATUS_NOT_ALLOWED);
    TRY(map_table(fs, in->table));
    return rt_stage_keep(fs->view.server, PROCFS_KEEP_MOUNTS, in->table);
}

void mounts_begin(struct procfs *_Nonnull fs) {
    handle_t table = HANDLE_NONE;
    if (rt_keep_get(fs->view.server, PROCFS_KEEP_MOUNTS, &table) != STATUS_OK) {
        return; /* vfs has not come yet */
    }
    status_t status = map_table(fs, table);
    rt_handle_close(table);
    if (status != STATUS_OK) {
        rt_log(fs->view.server, "no mounts: status %d", (int)status);
    }
}

/* One mount of the table. */
struct mount_line {
    struct vfs_mount about;
    struct rt_bytes kind, source, place;
};

/* Where reading the table stands. */
struct mount_reader {
    const struct procfs *_Nonnull fs;
    size_t at, end;
};

static struct mount_reader read_mounts(const struct procfs *_Nonnull fs) {
    struct vfs_mount_table table = {};
    struct mount_reader reader = {.fs = fs};
    if (fs->mounts_size < sizeof table) {
        return reader;
    }
    bytes_copy(&table, &fs->mounts[0], sizeof table);
    uint32_t index = table.index & 1;
    reader.at = sizeof table + (size_t)index * VFS_MOUNT_TABLE_TEXT;
    reader.end = reader.at + (size_t)MIN(table.sizes[index], (uint64_t)VFS_MOUNT_TABLE_TEXT);
    return reader;
}

static bool next_mount(struct mount_reader *_Nonnull reader, struct mount_line *_Nonnull out) {
    const struct procfs *fs = reader->fs;
    size_t left = reader->end - reader->at;
    if (left < sizeof out->about) {
        return false;
    }
    bytes_copy(&out->about, &fs->mounts[reader->at], sizeof out->about);
    size_t at = reader->at + sizeof out->about;
    uint64_t texts =
        (uint64_t)out->about.kind_size + out->about.source_size + out->about.place_size;
    if (texts > left - sizeof out->about) {
        return false;
    }
    size_t kind = out->about.kind_size;
    size_t source = out->about.source_size;
    out->kind = (struct rt_bytes){.size = kind, .data = &fs->mounts[at]};
    out->source = (struct rt_bytes){.size = source, .data = &fs->mounts[at + kind]};
    out->place =
        (struct rt_bytes){.size = out->about.place_size, .data = &fs->mounts[at + kind + source]};
    reader->at = MIN((at + (size_t)texts + 7) & ~(size_t)7, reader->end);
    return true;
}

/* Spaces and the like as Linux writes them there. */
static void print_escaped(struct procfs *_Nonnull fs, struct rt_bytes text) {
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        if (c == ' ' || c == '\t' || c == '\n' || c == '\\') {
            print(fs, "\\0%u%u", (unsigned)(c >> 3 & 7), (unsigned)(c & 7));
        } else {
            print(fs, "%c", c);
        }
    }
}

/* The name by which programs know a kind of file system. */
static void print_kind(struct procfs *_Nonnull fs, struct rt_bytes kind) {
    bool proc = kind.size == 6 && bytes_equal(SOME(kind.data), "procfs", 6);
    bool devices = kind.size == 5 && bytes_equal(SOME(kind.data), "devfs", 5);
    if (proc || devices) {
        print(fs, "%s", proc ? "proc" : "devtmpfs");
    } else {
        print_escaped(fs, kind);
    }
}

static void print_options(struct procfs *_Nonnull fs, uint32_t how) {
    static const struct {
        uint32_t flag;
        const char *_Nonnull name;
    } names[] = {{FILESYSTEM_MOUNT_FLAGS_NO_SET_ID, ",nosuid"},
                 {FILESYSTEM_MOUNT_FLAGS_NO_DEVICES, ",nodev"},
                 {FILESYSTEM_MOUNT_FLAGS_NO_EXECUTE, ",noexec"},
                 {FILESYSTEM_MOUNT_FLAGS_NO_ACCESS_TIME, ",noatime"},
                 {FILESYSTEM_MOUNT_FLAGS_NO_DIRECTORY_ACCESS_TIME, ",nodiratime"},
                 {FILESYSTEM_MOUNT_FLAGS_RELATIVE_ACCESS_TIME, ",relatime"}};
    print(fs, "%s", (how & FILESYSTEM_MOUNT_FLAGS_READ_ONLY) != 0 ? "ro" : "rw");
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++) {
        print(fs, "%s", (how & names[i].flag) != 0 ? names[i].name : "");
    }
}

/* A mount of a kind has that kind's name as its source where none was given. */
static void print_source(struct procfs *_Nonnull fs, const struct mount_line *_Nonnull line) {
    bool same = line->source.size == line->kind.size &&
                (line->kind.size == 0 ||
                 bytes_equal(SOME(line->source.data), SOME(line->kind.data), line->kind.size));
    if (same) {
        print_kind(fs, line->kind);
    } else {
        print_escaped(fs, line->source);
    }
}

GENERATOR(file_mounts) {
    struct mount_reader reader = read_mounts(fs);
    struct mount_line line = {};
    (void)request;
    (void)subject;
    while (next_mount(&reader, &line)) {
        print_source(fs, &line);
        print(fs, " ");
        print_escaped(fs, line.place);
        print(fs, " ");
        print_kind(fs, line.kind);
        print(fs, " ");
        print_options(fs, line.about.how);
        print(fs, " 0 0\n");
    }
    return STATUS_OK;
}

GENERATOR(file_mountinfo) {
    struct mount_reader reader = read_mounts(fs);
    struct mount_line line = {};
    (void)request;
    (void)subject;
    while (next_mount(&reader, &line)) {
        print(fs, "%lu %lu 0:%lu / ", line.about.id, line.about.parent, line.about.device);
        print_escaped(fs, line.place);
        print(fs, " ");
        print_options(fs, line.about.how);
        print(fs, " - ");
        print_kind(fs, line.kind);
        print(fs, " ");
        print_source(fs, &line);
        print(fs, " rw\n");
    }
    return STATUS_OK;
}
