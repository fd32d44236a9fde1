/* Fills the empty file system from the boot archive, a ustar file in the boot image.
 *
 * Each member is one commit, and what is there already is passed over, so an instance that was
 * killed in the middle is simply followed by one that goes on. The archive is ours, but it is read
 * like any input: sizes and names are checked, and a bad header ends the filling with a log line.
 */
#include "abi/boot.h"
#include "fs/ramfs/server/handlers.h"
#include "fs/ramfs/server/index.h"
#include "lib/base/bytes.h"

enum { TAR_BLOCK = 512 };
struct tar_header {
    char name[100];
    char mode[8], uid[8], gid[8];
    char size[12], time[12];
    char sum[8];
    char type;
    char target[100];
    char magic[6], version[2];
    char user[32], group[32];
    char major[8], minor[8];
    char prefix[155];
    char pad[12];
};
static_assert(sizeof(struct tar_header) == TAR_BLOCK);

struct archive {
    struct ramfs *_Nonnull fs;
    const void *_Nonnull bytes;
    uint64_t size;
};
struct member {
    struct tar_header header;
    uint64_t mode, uid, gid, size, time;
    uint64_t data; /* offset of its bytes */
    uint32_t path_length;
};

struct octal {
    size_t size;
    const char *_Nonnull COUNTED_BY(size) digits;
};
static uint64_t octal(struct octal field) {
    uint64_t value = 0;
    for (size_t i = 0; i < field.size; i++) {
        char c = field.digits[i];
        if (c < '0' || c > '7' || value >> 60 != 0) {
            break;
        }
        value = value << 3 | (uint64_t)(c - '0');
    }
    return value;
}
#define OCTAL(field) octal((struct octal){.size = sizeof(field), .digits = (field)})

/* The member's path into fs->path, without slashes at its end. */
static void read_path(struct ramfs *_Nonnull fs, struct member *_Nonnull member) {
    size_t prefix = text_length(member->header.prefix, sizeof member->header.prefix);
    size_t name = text_length(member->header.name, sizeof member->header.name);
    bytes_copy(&fs->path[0], member->header.prefix, prefix);
    size_t length = prefix;
    if (prefix > 0) {
        fs->path[length++] = '/';
    }
    bytes_copy(&fs->path[length], member->header.name, name);
    length += name;
    while (length > 0 && fs->path[length - 1] == '/') {
        length--;
    }
    member->path_length = (uint32_t)length;
}

static status_t fill_memory(const struct archive *_Nonnull archive,
                            const struct member *_Nonnull member, handle_t memory) {
    uint64_t old = 0;
    status_t status = rt_memory_resize(memory, member->size, &old);
    const void *from = bytes_at_const(archive->bytes, (size_t)member->data);
    return status != STATUS_OK || member->size == 0
               ? status
               : rt_memory_copy(memory, 0, rt_address(from), member->size, MEMORY_FROM_CALLER);
}

static void set_times(struct inode_record *_Nonnull inode, uint64_t seconds, int64_t now) {
    int64_t time = (int64_t)MIN(seconds, UINT64_C(0x1ffffffff)) * 1000000000;
    inode->access_ns = inode->modify_ns = time;
    inode->change_ns = inode->birth_ns = time;
    inode->access_set_ns = inode->modify_set_ns = now;
}

static status_t make_member(const struct archive *_Nonnull archive,
                            const struct member *_Nonnull member,
                            const struct walk *_Nonnull walk) {
    struct ramfs *fs = archive->fs;
    uint32_t made = 0;
    handle_t memory = HANDLE_NONE;
    uint32_t mode = (uint32_t)member->mode & 07777;
    char type = member->header.type;
    mode |= type == '5'   ? MODE_DIRECTORY
            : type == '2' ? MODE_LINK
            : type == '3' ? MODE_CHARACTER
            : type == '6' ? MODE_FIFO
                          : MODE_REGULAR;
    status_t status = inode_create(fs, walk, mode, &made);
    if (status != STATUS_OK) {
        return status;
    }
    struct inode_record *inode = inode_edit(fs, made);
    inode->uid = (uint32_t)member->uid;
    inode->gid = (uint32_t)member->gid;
    if (type == '3') {
        inode->node = OCTAL(member->header.major) << 8 | OCTAL(member->header.minor);
    }
    size_t target = text_length(member->header.target, sizeof member->header.target);
    if (type == '2' && target <= INLINE_TARGET) {
        bytes_copy(inode->target, member->header.target, target);
    }
    if (type == '2') {
        inode->target_length = (uint32_t)target;
    }
    if (mode >> 12 == MODE_REGULAR >> 12 || (type == '2' && target > INLINE_TARGET)) {
        status = inode_memory_make(fs, made, &memory);
    }
    if (status == STATUS_OK && type == '2' && target > INLINE_TARGET) {
        uint64_t old = 0;
        status = rt_memory_resize(memory, target, &old);
        status = status == STATUS_OK ? rt_memory_copy(memory, 0, rt_address(member->header.target),
                                                      target, MEMORY_FROM_CALLER)
                                     : status;
    } else if (status == STATUS_OK && memory != HANDLE_NONE) {
        status = fill_memory(archive, member, memory);
    }
    set_times(inode, member->time, (int64_t)rt_realtime_ns());
    status = status == STATUS_OK ? store_commit(fs) : status;
    if (status != STATUS_OK) {
        rt_handle_close(memory);
    }
    return status;
}

/* Walks to where the member belongs; makes it unless it is there. */
static status_t add_member(const struct archive *_Nonnull archive, struct member *_Nonnull member) {
    struct ramfs *fs = archive->fs;
    read_path(fs, member);
    struct walk walk = {
        .start = ROOT_INODE, .goal = WALK_PARENT, .caller = {.capabilities = UINT64_MAX}};
    status_t status = walk_path(fs, &walk, member->path_length);
    if (status != STATUS_OK || walk.directory == 0 || walk.inode != 0) {
        return status; /* the root itself, or there already */
    }
    return make_member(archive, member, &walk);
}

/* Reads the header at `at`. False: the archive ends here. */
static bool read_member(const struct archive *_Nonnull archive, uint64_t at,
                        struct member *_Nonnull member) {
    if (at > archive->size || archive->size - at < TAR_BLOCK) {
        return false;
    }
    bytes_copy(&member->header, bytes_at_const(archive->bytes, (size_t)at), TAR_BLOCK);
    if (!bytes_equal(member->header.magic, "ustar", 5)) {
        return false;
    }
    member->mode = OCTAL(member->header.mode);
    member->uid = OCTAL(member->header.uid);
    member->gid = OCTAL(member->header.gid);
    member->time = OCTAL(member->header.time);
    bool holds = member->header.type == '0' || member->header.type == 0;
    member->size = OCTAL(member->header.size);
    member->data = at + TAR_BLOCK;
    uint64_t left = archive->size - member->data;
    if (member->size > left) {
        return false;
    }
    member->size = holds ? member->size : 0;
    return true;
}

static void unpack(const struct archive *_Nonnull archive) {
    struct ramfs *fs = archive->fs;
    uint64_t at = 0;
    uint32_t count = 0;
    struct member member = {};
    while (read_member(archive, at, &member)) {
        bool known = member.header.type == 'x' || member.header.type == 'g';
        status_t status = known ? STATUS_OK : add_member(archive, &member);
        if (status != STATUS_OK) {
            rt_log(fs->server, "archive: member at %lu: status %d", at, (int)status);
            store_abandon(fs);
        }
        count++;
        uint64_t stored = OCTAL(member.header.size);
        at += TAR_BLOCK + ((stored + TAR_BLOCK - 1) & ~(uint64_t)(TAR_BLOCK - 1));
    }
    rt_log(fs->server, "%u members unpacked", count);
}

/* The root archive within a boot image, or the whole of what is given where it is none. */
static struct archive find_archive(struct ramfs *_Nonnull fs, const void *_Nonnull bytes,
                                   uint64_t size) {
    struct archive archive = {.fs = fs, .bytes = bytes, .size = size};
    struct boot_header header = {};
    if (size < sizeof header) {
        return archive;
    }
    bytes_copy(&header, bytes, sizeof header);
    if (!bytes_equal(header.magic, "ISOBOOT1", sizeof header.magic)) {
        return archive;
    }
    uint64_t room = (size - sizeof header) / sizeof(struct boot_entry);
    for (uint32_t i = 0; i < MIN((uint64_t)header.entry_count, room); i++) {
        struct boot_entry entry = {};
        size_t at = sizeof header + i * sizeof entry;
        bytes_copy(&entry, bytes_at_const(bytes, at), sizeof entry);
        if (entry.kind == BOOT_ROOT && entry.offset <= size && entry.size <= size - entry.offset) {
            archive.bytes = bytes_at_const(bytes, (size_t)entry.offset);
            archive.size = entry.size;
            return archive;
        }
    }
    rt_log(fs->server, "the boot image has no root archive");
    archive.size = 0;
    return archive;
}

static void make_root(struct ramfs *_Nonnull fs) {
    if (fs->vault->inodes[ROOT_INODE].mode != 0) {
        return;
    }
    int64_t now = now_of(fs);
    uint32_t taken = index_take(fs, TABLE_INODE);
    CHECK(taken == ROOT_INODE);
    *inode_edit(fs, ROOT_INODE) = (struct inode_record){.generation = 1,
                                                        .mode = MODE_DIRECTORY | 0755,
                                                        .links = 2,
                                                        .parent = ROOT_INODE,
                                                        .access_ns = now,
                                                        .modify_ns = now,
                                                        .change_ns = now,
                                                        .birth_ns = now};
    status_t status = store_commit(fs);
    CHECK(status == STATUS_OK);
}

void archive_unpack(struct ramfs *_Nonnull fs) {
    const struct super_record *super = &fs->vault->super;
    if (super->header.kind != 0 && rt_record_checksum(&super->header) != super->header.checksum) {
        rt_vault_corrupt(fs->server, "super");
    }
    if (super->filled != 0) {
        return;
    }
    make_root(fs);
    handle_t image = rt_start_handle(fs->server, "image");
    struct memory_info info = {};
    uint64_t address = 0;
    if (image != HANDLE_NONE) {
        status_t status = rt_object_info(image, INFO_MEMORY, &info, sizeof info);
        uint64_t length = (info.content_size + PAGE_SIZE - 1) & ~(uint64_t)(PAGE_SIZE - 1);
        status =
            status == STATUS_OK ? rt_map(0, 0, length, image, 0, PROTECT_READ, &address) : status;
        if (status == STATUS_OK) {
            struct archive archive =
                find_archive(fs, (const void *)(uintptr_t)address, info.content_size);
            unpack(&archive);
            status = rt_unmap(0, address, length);
        }
        if (status != STATUS_OK) {
            rt_log(fs->server, "archive: status %d", (int)status);
        }
    }
    struct super_record filled = {
        .header = {.kind = 0x52414d46, .version = RAMFS_VERSION, .size = sizeof filled},
        .filled = 1,
        .device = 2};
    status_t status = rt_stage_record(fs->server, super, &filled.header);
    status = status == STATUS_OK ? rt_commit(fs->server) : status;
    CHECK(status == STATUS_OK);
}
