/* What an inode is: stat, access, readlink, chmod and its like, statfs. */
#include "fs/ramfs/server/handlers.h"
#include "lib/base/bytes.h"

enum { BLOCK_SIZE = 4096, RAMFS_MAGIC = 0x858458f6 };

/* The younger of an explicit time and the Memory's own stamp, which counts only after the explicit
 * one was set (memory.md, 13). */
static int64_t time_of(int64_t explicit_ns, int64_t set_ns, uint64_t stamp_ns) {
    return (int64_t)stamp_ns > set_ns && (int64_t)stamp_ns > explicit_ns ? (int64_t)stamp_ns
                                                                         : explicit_ns;
}

/* The set-id bits that a write took away: some plain writer has the file open, and it was written
 * since its times, and so these bits, were set. Bits without the right to run for the group are no
 * set-group-id (mandatory locks, once). */
static uint32_t lost_bits(const struct ramfs *_Nonnull fs, uint32_t number, uint64_t write_ns) {
    const struct inode_record *inode = inode_at(fs, number);
    bool written = (int64_t)write_ns > inode->modify_set_ns;
    uint32_t bits = MODE_SET_UID | ((inode->mode & 0010) != 0 ? MODE_SET_GID : 0);
    return written && fs->index.inodes[number].plain_writers > 0 ? inode->mode & bits : 0;
}

status_t inode_settle(struct ramfs *_Nonnull fs, uint32_t number) {
    const struct inode_record *inode = inode_at(fs, number);
    struct memory_facts facts = {};
    if (kind_of(inode) != MODE_REGULAR || (inode->mode & (MODE_SET_UID | MODE_SET_GID)) == 0) {
        return STATUS_OK;
    }
    status_t status = inode_facts(fs, number, &facts);
    uint32_t lost = status == STATUS_OK ? lost_bits(fs, number, facts.write_ns) : 0;
    if (lost != 0) {
        inode_edit(fs, number)->mode &= ~lost;
    }
    return status;
}

void inode_stat_record(const struct ramfs *_Nonnull fs, uint32_t number, uint32_t context,
                       struct stream_stat *_Nonnull out) {
    const struct inode_record *inode = inode_at(fs, number);
    const struct context_record *entered = &fs->vault->contexts[context];
    *out = (struct stream_stat){
        .device = RAMFS_DEVICE,
        .inode = number,
        .mode = inode->mode,
        .links = inode->links,
        .uid = inode->uid,
        .gid = inode->gid,
        .node = inode->node,
        .access_ns = inode->access_ns,
        .modify_ns = inode->modify_ns,
        .change_ns = inode->change_ns,
        .birth_ns = inode->birth_ns,
        .mount = context == 0 ? 1 : entered->mount,
        .block_size = BLOCK_SIZE,
    };
    out->size = is_directory(inode) ? BLOCK_SIZE : inode->target_length;
}

status_t inode_stat(struct ramfs *_Nonnull fs, uint32_t number, uint32_t context,
                    struct stream_stat *_Nonnull out) {
    const struct inode_record *inode = inode_at(fs, number);
    inode_stat_record(fs, number, context, out);
    if (kind_of(inode) == MODE_REGULAR && fs->vault->inodes[number].mode != 0 &&
        fs->vault->inodes[number].generation == inode->generation) {
        struct memory_facts facts = {};
        status_t status = inode_facts(fs, number, &facts);
        if (status != STATUS_OK) {
            return status;
        }
        out->mode &= ~lost_bits(fs, number, facts.write_ns);
        out->size = facts.size;
        out->blocks = facts.pages * (BLOCK_SIZE / 512);
        out->access_ns = time_of(inode->access_ns, inode->access_set_ns, facts.read_ns);
        out->modify_ns = time_of(inode->modify_ns, inode->modify_set_ns, facts.write_ns);
        out->change_ns = MAX(out->change_ns, out->modify_ns != inode->modify_ns ? out->modify_ns
                                                                                : inode->change_ns);
    }
    return STATUS_OK;
}

HANDLER(stat) {
    struct ramfs *fs = server;
    bool stays = (in->walk & FILESYSTEM_WALK_FLAGS_NO_FOLLOW) != 0;
    struct walk walk = {
        .flags = in->walk, .links = in->links, .goal = stays ? WALK_STAY : WALK_FOLLOW};
    status_t status = walk_begin(fs, request, &in->path, 0, in->path.size, &walk);
    if (status == STATUS_OK && walk.outcome == FILESYSTEM_OUTCOME_DONE) {
        status = walk.inode == 0 ? STATUS_NOT_FOUND
                                 : inode_stat(fs, walk.inode, walk.context, &out->info);
    }
    return status != STATUS_OK
               ? status
               : walk_tell(fs, request, &walk, &in->text, &out->ended, &out->text_size);
}

status_t ramfs_stream_stat(void *_Nonnull server, struct rt_request *_Nonnull request,
                           struct stream_stat_out *_Nonnull out) {
    struct ramfs *fs = server;
    struct walk walk = {};
    status_t status = walk_from(fs, request->cookie, &walk);
    return status != STATUS_OK ? status : inode_stat(fs, walk.start, walk.context, &out->info);
}

HANDLER(access) {
    struct ramfs *fs = server;
    bool stays = (in->walk & FILESYSTEM_WALK_FLAGS_NO_FOLLOW) != 0;
    struct walk walk = {
        .flags = in->walk, .links = in->links, .goal = stays ? WALK_STAY : WALK_FOLLOW};
    if ((in->wanted & ~7u) != 0) {
        return STATUS_BAD_ARGUMENT;
    }
    status_t status = walk_begin(fs, request, &in->path, 0, in->path.size, &walk);
    if (status == STATUS_OK && walk.outcome == FILESYSTEM_OUTCOME_DONE) {
        if (walk.inode == 0) {
            return STATUS_NOT_FOUND;
        }
        const struct inode_record *inode = inode_at(fs, walk.inode);
        bool stored = kind_of(inode) == MODE_REGULAR || is_directory(inode);
        status = access_check(&walk.caller, inode, in->wanted);
        if (status == STATUS_OK && (in->wanted & MAY_WRITE) != 0 && stored &&
            (walk.how & FILESYSTEM_MOUNT_FLAGS_READ_ONLY) != 0) {
            status = FILESYSTEM_STATUS_READ_ONLY;
        }
    }
    return status != STATUS_OK
               ? status
               : walk_tell(fs, request, &walk, &in->text, &out->ended, &out->text_size);
}

HANDLER(read_link) {
    struct ramfs *fs = server;
    struct walk walk = {.links = in->links, .goal = WALK_STAY};
    status_t status = walk_begin(fs, request, &in->path, 0, in->path.size, &walk);
    if (status != STATUS_OK || walk.outcome != FILESYSTEM_OUTCOME_DONE) {
        return status != STATUS_OK
                   ? status
                   : walk_tell(fs, request, &walk, &in->text, &out->ended, &out->text_size);
    }
    if (walk.inode == 0) {
        return STATUS_NOT_FOUND;
    }
    const struct inode_record *inode = inode_at(fs, walk.inode);
    if (kind_of(inode) != MODE_LINK) {
        return STATUS_BAD_ARGUMENT;
    }
    const uint32_t length = inode->target_length;
    if (length <= INLINE_TARGET) {
        bytes_copy(&fs->spare[0], inode->target, length);
    } else {
        handle_t memory = HANDLE_NONE;
        status = inode_handle(fs, walk.inode, &memory);
        if (status == STATUS_OK) {
            status = rt_memory_copy(memory, 0, rt_address(&fs->spare[0]), length, MEMORY_TO_CALLER);
        }
    }
    out->ended = (struct filesystem_walk){.outcome = FILESYSTEM_OUTCOME_DONE, .links = walk.links};
    out->text_size = MIN((uint64_t)length, in->text.size);
    struct rt_bytes text = {.size = (size_t)out->text_size, .data = &fs->spare[0]};
    return status != STATUS_OK ? status : rt_output_write(request, &in->text, 0, text);
}

/* ---- set_attributes ---- */

static status_t set_mode(struct ramfs *_Nonnull fs, struct walk *_Nonnull walk,
                         struct inode_record *_Nonnull inode, uint32_t mode) {
    if (!caller_owns(&walk->caller, inode)) {
        return STATUS_NOT_ALLOWED;
    }
    mode &= 07777;
    if (!is_directory(inode) && !caller_in_group(&walk->caller, inode->gid) &&
        !caller_can(&walk->caller, CAPABILITY_FSETID)) {
        mode &= ~(uint32_t)MODE_SET_GID;
    }
    if (kind_of(inode) == MODE_REGULAR && (mode & (MODE_SET_UID | MODE_SET_GID)) != 0) {
        /* What was written before does not count against these bits (lost_bits). */
        struct stream_stat info = {};
        status_t status = inode_stat(fs, walk->inode, walk->context, &info);
        if (status != STATUS_OK) {
            return status;
        }
        inode->modify_ns = info.modify_ns;
        inode->modify_set_ns = now_of(fs);
    }
    inode->mode = (inode->mode & MODE_KIND) | mode;
    return STATUS_OK;
}

static status_t set_owner(struct walk *_Nonnull walk, struct inode_record *_Nonnull inode,
                          uint32_t which, const struct filesystem_attributes *_Nonnull values) {
    bool user = (which & FILESYSTEM_ATTRIBUTE_MASK_UID) != 0;
    bool group = (which & FILESYSTEM_ATTRIBUTE_MASK_GID) != 0;
    bool mine = walk->caller.uid == inode->uid;
    bool allowed =
        caller_can(&walk->caller, CAPABILITY_CHOWN) ||
        (mine && (!user || values->uid == inode->uid) &&
         (!group || values->gid == inode->gid || caller_in_group(&walk->caller, values->gid)));
    if (!allowed) {
        return STATUS_NOT_ALLOWED;
    }
    inode->uid = user ? values->uid : inode->uid;
    inode->gid = group ? values->gid : inode->gid;
    if (!is_directory(inode)) {
        inode->mode &= ~(uint32_t)MODE_SET_UID;
        inode->mode &= (inode->mode & 0010) != 0 ? ~(uint32_t)MODE_SET_GID : UINT32_MAX;
    }
    return STATUS_OK;
}

static status_t set_times(struct ramfs *_Nonnull fs, struct walk *_Nonnull walk,
                          struct inode_record *_Nonnull inode, uint32_t which,
                          const struct filesystem_attributes *_Nonnull values) {
    uint32_t given = FILESYSTEM_ATTRIBUTE_MASK_ACCESS_TIME | FILESYSTEM_ATTRIBUTE_MASK_MODIFY_TIME;
    if (!caller_owns(&walk->caller, inode)) {
        if ((which & given) != 0) {
            return STATUS_NOT_ALLOWED;
        }
        status_t status = access_check(&walk->caller, inode, MAY_WRITE);
        if (status != STATUS_OK) {
            return status;
        }
    }
    int64_t now = now_of(fs);
    if ((which & (FILESYSTEM_ATTRIBUTE_MASK_ACCESS_TIME | FILESYSTEM_ATTRIBUTE_MASK_ACCESS_NOW)) !=
        0) {
        bool is_now = (which & FILESYSTEM_ATTRIBUTE_MASK_ACCESS_NOW) != 0;
        inode->access_ns = is_now ? now : values->access_ns;
        inode->access_set_ns = now;
    }
    if ((which & (FILESYSTEM_ATTRIBUTE_MASK_MODIFY_TIME | FILESYSTEM_ATTRIBUTE_MASK_MODIFY_NOW)) !=
        0) {
        bool is_now = (which & FILESYSTEM_ATTRIBUTE_MASK_MODIFY_NOW) != 0;
        inode->modify_ns = is_now ? now : values->modify_ns;
        inode->modify_set_ns = now;
    }
    return STATUS_OK;
}

/* Truncation: by an open session with the right to write, or by a path that may be written. */
static status_t check_size(const struct ramfs *_Nonnull fs, const struct walk *_Nonnull walk,
                           uint64_t size) {
    const struct inode_record *inode = inode_at(fs, walk->inode);
    bool by_session = walk->directory == 0 && !walk->dot && walk->session != 0;
    if (is_directory(inode)) {
        return FILESYSTEM_STATUS_IS_DIRECTORY;
    }
    if (kind_of(inode) != MODE_REGULAR) {
        return STATUS_BAD_ARGUMENT;
    }
    if (size > INT64_MAX) {
        return FILESYSTEM_STATUS_TOO_LARGE;
    }
    if (fs->index.inodes[walk->inode].runners > 0) {
        return FILESYSTEM_STATUS_TEXT_BUSY;
    }
    if (by_session) {
        const struct session_record *session = session_at(fs, walk->session);
        return session->kind == SESSION_FILE && (session->open & FILESYSTEM_OPEN_FLAGS_WRITE) != 0
                   ? STATUS_OK
                   : STATUS_BAD_ARGUMENT;
    }
    return access_check(&walk->caller, inode, MAY_WRITE);
}

static status_t set_size(struct ramfs *_Nonnull fs, struct walk *_Nonnull walk,
                         struct inode_record *_Nonnull inode, uint64_t size) {
    handle_t memory = HANDLE_NONE;
    uint64_t old = 0;
    status_t status = inode_handle(fs, walk->inode, &memory);
    if (status == STATUS_OK) {
        /* Before the commit: a repetition does it again, to the same effect. */
        status = rt_memory_resize(memory, size, &old);
    }
    if (status == STATUS_OK) {
        inode->modify_ns = inode->modify_set_ns = now_of(fs);
        inode->mode &= ~(uint32_t)MODE_SET_UID;
    }
    return status == STATUS_BAD_ARGUMENT ? FILESYSTEM_STATUS_TOO_LARGE : status;
}

static status_t set_all(struct ramfs *_Nonnull fs, struct walk *_Nonnull walk, uint32_t which,
                        const struct filesystem_attributes *_Nonnull values) {
    bool sizes = (which & FILESYSTEM_ATTRIBUTE_MASK_SIZE) != 0;
    uint32_t owners = FILESYSTEM_ATTRIBUTE_MASK_UID | FILESYSTEM_ATTRIBUTE_MASK_GID;
    uint32_t times = FILESYSTEM_ATTRIBUTE_MASK_ACCESS_TIME | FILESYSTEM_ATTRIBUTE_MASK_MODIFY_TIME |
                     FILESYSTEM_ATTRIBUTE_MASK_ACCESS_NOW | FILESYSTEM_ATTRIBUTE_MASK_MODIFY_NOW;
    status_t status = sizes ? check_size(fs, walk, values->size) : STATUS_OK;
    if (status == STATUS_OK && (walk->how & FILESYSTEM_MOUNT_FLAGS_READ_ONLY) != 0) {
        status = FILESYSTEM_STATUS_READ_ONLY;
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct inode_record *inode = inode_edit(fs, walk->inode);
    status = inode_settle(fs, walk->inode);
    if (status == STATUS_OK && (which & owners) != 0) {
        status = set_owner(walk, inode, which, values);
    }
    if (status == STATUS_OK && (which & FILESYSTEM_ATTRIBUTE_MASK_MODE) != 0) {
        status = set_mode(fs, walk, inode, values->mode);
    }
    if (status == STATUS_OK && (which & times) != 0) {
        status = set_times(fs, walk, inode, which, values);
    }
    if (status == STATUS_OK && sizes) {
        status = set_size(fs, walk, inode, values->size);
    }
    inode->change_ns = now_of(fs);
    return status;
}

HANDLER(set_attributes) {
    struct ramfs *fs = server;
    bool stays = (in->walk & FILESYSTEM_WALK_FLAGS_NO_FOLLOW) != 0;
    struct walk walk = {
        .flags = in->walk, .links = in->links, .goal = stays ? WALK_STAY : WALK_FOLLOW};
    status_t status = walk_begin(fs, request, &in->path, 0, in->path.size, &walk);
    if (status == STATUS_OK && walk.outcome == FILESYSTEM_OUTCOME_DONE) {
        status = walk.inode == 0 ? STATUS_NOT_FOUND : set_all(fs, &walk, in->which, &in->values);
        status = status == STATUS_OK ? store_finish(fs) : status;
    }
    return status != STATUS_OK
               ? status
               : walk_tell(fs, request, &walk, &in->text, &out->ended, &out->text_size);
}

HANDLER(space) {
    struct ramfs *fs = server;
    struct walk walk = {.flags = in->walk, .links = in->links, .goal = WALK_FOLLOW};
    struct domain_info domain = {};
    status_t status = walk_begin(fs, request, &in->path, 0, in->path.size, &walk);
    if (status == STATUS_OK && walk.outcome == FILESYSTEM_OUTCOME_DONE) {
        if (walk.inode == 0) {
            return STATUS_NOT_FOUND;
        }
        handle_t own = rt_start_handle(fs->server, "domain");
        if (own != HANDLE_NONE) {
            status = rt_object_info(own, INFO_DOMAIN, &domain, sizeof domain);
        }
        uint64_t used = MIN(domain.used.pages, domain.quota.pages);
        out->info = (struct filesystem_space){
            .type = RAMFS_MAGIC,
            .block_size = BLOCK_SIZE,
            .blocks = domain.quota.pages,
            .blocks_free = domain.quota.pages - used,
            .blocks_available = domain.quota.pages - used,
            .files = INODE_COUNT - 1,
            .files_free = INODE_COUNT - 1 - fs->index.used_inodes,
            .id = RAMFS_DEVICE,
            .name_max = NAME_LIMIT,
            .mount_flags = walk.how,
        };
    }
    return status != STATUS_OK
               ? status
               : walk_tell(fs, request, &walk, &in->text, &out->ended, &out->text_size);
}
