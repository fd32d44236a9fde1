/* See store.h. */
#include "fs/ramfs/server/store.h"
#include "fs/ramfs/server/index.h"
#include "lib/base/bytes.h"

/* ---- edits ---- */

struct place {
    const void *_Nonnull record;
    size_t size;
};

static struct place place_of(const struct ramfs *_Nonnull fs, enum store_table table,
                             uint32_t slot) {
    const struct ramfs_vault *vault = fs->vault;
    switch (table) {
    case TABLE_INODE:
        return (struct place){&vault->inodes[slot], sizeof vault->inodes[slot]};
    case TABLE_ENTRY:
        return (struct place){&vault->entries[slot], sizeof vault->entries[slot]};
    case TABLE_TEXT:
        return (struct place){&vault->texts[slot], sizeof vault->texts[slot]};
    case TABLE_SESSION:
        return (struct place){&vault->sessions[slot], sizeof vault->sessions[slot]};
    case TABLE_CONTEXT:
        return (struct place){&vault->contexts[slot], sizeof vault->contexts[slot]};
    case TABLE_MARK:
        return (struct place){&vault->marks[slot], sizeof vault->marks[slot]};
    case TABLE_LOCK:
        return (struct place){&vault->locks[slot], sizeof vault->locks[slot]};
    case TABLE_NONE:
    default:
        __builtin_trap();
    }
}

const struct store_edit *_Nullable store_edited(const struct ramfs *_Nonnull fs,
                                                enum store_table table, uint32_t slot) {
    for (uint32_t i = 0; i < fs->edit_count; i++) {
        if (fs->edits[i].table == table && fs->edits[i].slot == slot) {
            return &fs->edits[i];
        }
    }
    return nullptr;
}

static struct store_edit *_Nonnull edit(struct ramfs *_Nonnull fs, enum store_table table,
                                        uint32_t slot) {
    for (uint32_t i = 0; i < fs->edit_count; i++) {
        if (fs->edits[i].table == table && fs->edits[i].slot == slot) {
            return &fs->edits[i];
        }
    }
    CHECK(fs->edit_count < STORE_EDITS);
    struct store_edit *fresh = &fs->edits[fs->edit_count++];
    *fresh = (struct store_edit){.table = table, .slot = slot};
    struct place place = place_of(fs, table, slot);
    bytes_copy(&fresh->checksum, place.record, place.size);
    return fresh;
}

struct inode_record *_Nonnull inode_edit(struct ramfs *_Nonnull fs, uint32_t number) {
    return &edit(fs, TABLE_INODE, number)->inode;
}

struct entry_record *_Nonnull entry_edit(struct ramfs *_Nonnull fs, uint32_t slot) {
    return &edit(fs, TABLE_ENTRY, slot)->entry;
}

struct text_record *_Nonnull text_edit(struct ramfs *_Nonnull fs, uint32_t slot) {
    return &edit(fs, TABLE_TEXT, slot)->text;
}

struct session_record *_Nonnull session_edit(struct ramfs *_Nonnull fs, uint32_t slot) {
    return &edit(fs, TABLE_SESSION, slot)->session;
}

struct context_record *_Nonnull context_edit(struct ramfs *_Nonnull fs, uint32_t slot) {
    return &edit(fs, TABLE_CONTEXT, slot)->context;
}

struct mark_record *_Nonnull mark_edit(struct ramfs *_Nonnull fs, uint32_t slot) {
    return &edit(fs, TABLE_MARK, slot)->mark;
}

struct lock_record *_Nonnull lock_edit(struct ramfs *_Nonnull fs, uint32_t slot) {
    return &edit(fs, TABLE_LOCK, slot)->lock;
}

void store_begin(struct ramfs *_Nonnull fs) {
    for (uint32_t i = 0; i < fs->edit_count; i++) {
        index_slot(fs, fs->edits[i].table, fs->edits[i].slot);
        bool names = fs->edits[i].table != TABLE_SESSION && fs->edits[i].table != TABLE_LOCK;
        fs->changes += names ? 1 : 0;
    }
    fs->edit_count = 0;
    fs->now_ns = 0;
}

status_t store_finish(struct ramfs *_Nonnull fs) {
    for (uint32_t i = 0; i < fs->edit_count; i++) {
        struct store_edit *one = &fs->edits[i];
        struct place place = place_of(fs, one->table, one->slot);
        one->checksum = store_sum(&one->checksum, place.size);
        status_t status = rt_stage(fs->server, place.record, &one->checksum, place.size);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}

void store_abandon(struct ramfs *_Nonnull fs) {
    rt_stage_drop(fs->server);
    int64_t now = fs->now_ns;
    store_begin(fs);
    fs->now_ns = now;
}

status_t store_commit(struct ramfs *_Nonnull fs) {
    status_t status = store_finish(fs);
    if (status == STATUS_OK) {
        status = rt_commit(fs->server);
    }
    rt_stage_drop(fs->server);
    store_begin(fs);
    return status;
}

int64_t now_of(struct ramfs *_Nonnull fs) {
    if (fs->now_ns == 0) {
        fs->now_ns = (int64_t)rt_realtime_ns();
    }
    return fs->now_ns;
}

/* ---- inodes ---- */

status_t inode_make(struct ramfs *_Nonnull fs, uint32_t mode, uint32_t uid, uint32_t gid,
                    uint32_t *_Nonnull out) {
    uint32_t number = index_take(fs, TABLE_INODE);
    if (number == UINT32_MAX) {
        return FILESYSTEM_STATUS_NO_SPACE;
    }
    struct inode_record *inode = inode_edit(fs, number);
    int64_t now = now_of(fs);
    *inode = (struct inode_record){
        .generation = inode->generation + 1,
        .mode = mode,
        .uid = uid,
        .gid = gid,
        .access_ns = now,
        .modify_ns = now,
        .change_ns = now,
        .birth_ns = now,
    };
    *out = number;
    return STATUS_OK;
}

status_t inode_release(struct ramfs *_Nonnull fs, uint32_t number, uint32_t leaving) {
    const struct inode_record *inode = inode_at(fs, number);
    if (inode->links > 0 || fs->index.inodes[number].sessions > leaving) {
        return STATUS_OK;
    }
    uint32_t generation = inode->generation;
    bool kept = kind_of(inode) == MODE_REGULAR || inode->offered != 0 ||
                inode->target_length > INLINE_TARGET;
    *inode_edit(fs, number) = (struct inode_record){.generation = generation};
    return kept ? rt_stage_keep(fs->server, KEEP_INODE + number, HANDLE_NONE) : STATUS_OK;
}

static status_t handle_of(struct ramfs *_Nonnull fs, uint32_t number, handle_t *_Nonnull out) {
    struct inode_index *index = &fs->index.inodes[number];
    uint32_t generation = inode_at(fs, number)->generation;
    if (index->handle != HANDLE_NONE && index->handle_generation != generation) {
        rt_handle_close(index->handle);
        index->handle = HANDLE_NONE;
    }
    if (index->handle == HANDLE_NONE) {
        status_t status = rt_keep_get(fs->server, KEEP_INODE + number, &index->handle);
        if (status != STATUS_OK) {
            index->handle = HANDLE_NONE;
            return status;
        }
        index->handle_generation = generation;
    }
    *out = index->handle;
    return STATUS_OK;
}

status_t inode_handle(struct ramfs *_Nonnull fs, uint32_t number, handle_t *_Nonnull out) {
    struct memory_facts *known = &fs->facts[number % FACTS_COUNT];
    if (known->inode == number) {
        known->inode = 0;
    }
    return handle_of(fs, number, out);
}

status_t inode_facts(struct ramfs *_Nonnull fs, uint32_t number,
                     struct memory_facts *_Nonnull out) {
    struct memory_facts *known = &fs->facts[number % FACTS_COUNT];
    uint32_t generation = inode_at(fs, number)->generation;
    if (known->inode == number && known->generation == generation) {
        *out = *known;
        return STATUS_OK;
    }
    handle_t memory = HANDLE_NONE;
    struct memory_info info = {};
    status_t status = handle_of(fs, number, &memory);
    if (status == STATUS_OK) {
        status = rt_object_info(memory, INFO_MEMORY, &info, sizeof info);
    }
    if (status != STATUS_OK) {
        return status;
    }
    *out = (struct memory_facts){.inode = number,
                                 .generation = generation,
                                 .size = info.content_size,
                                 .pages = info.resident_pages,
                                 .read_ns = info.read_time_ns,
                                 .write_ns = info.write_time_ns};
    if (info.sessions == 0 && info.mappings == 0 && !fs->index.inodes[number].given) {
        *known = *out;
    }
    return STATUS_OK;
}

/* ---- entries ---- */

size_t entry_name(const struct ramfs *_Nonnull fs, uint32_t slot,
                  uint8_t (*_Nonnull out)[NAME_LIMIT + 1]) {
    const struct entry_record *entry = entry_at(fs, slot);
    size_t length = MIN(entry->name_length, (uint32_t)NAME_LIMIT);
    size_t here = MIN(length, (size_t)ENTRY_NAME);
    bytes_copy(&(*out)[0], entry->name, here);
    if (length > here && entry->text != 0) {
        const struct store_edit *there = store_edited(fs, TABLE_TEXT, entry->text - 1);
        const struct text_record *text =
            there != nullptr ? &there->text : &fs->vault->texts[entry->text - 1];
        bytes_copy(&(*out)[here], text->bytes, MIN(length - here, (size_t)TEXT_BYTES));
    }
    return length;
}

status_t entry_make(struct ramfs *_Nonnull fs, uint32_t directory, struct rt_bytes name,
                    uint32_t inode) {
    uint32_t slot = index_take(fs, TABLE_ENTRY);
    if (slot == UINT32_MAX) {
        return FILESYSTEM_STATUS_NO_SPACE;
    }
    struct entry_record *entry = entry_edit(fs, slot);
    *entry = (struct entry_record){
        .cookie = fs->index.next_cookie++,
        .parent = directory,
        .inode = inode,
        .name_length = (uint32_t)name.size,
    };
    size_t here = MIN(name.size, (size_t)ENTRY_NAME);
    bytes_copy(entry->name, SOME(name.data), here);
    if (name.size > here) {
        uint32_t text = index_take(fs, TABLE_TEXT);
        if (text == UINT32_MAX) {
            return FILESYSTEM_STATUS_NO_SPACE;
        }
        entry->text = text + 1;
        struct text_record *rest = text_edit(fs, text);
        *rest = (struct text_record){.entry = slot + 1};
        bytes_copy(rest->bytes, &name.data[here], MIN(name.size - here, (size_t)TEXT_BYTES));
    }
    struct inode_record *parent = inode_edit(fs, directory);
    parent->modify_ns = parent->change_ns = now_of(fs);
    return STATUS_OK;
}

void entry_free(struct ramfs *_Nonnull fs, uint32_t slot) {
    struct entry_record *entry = entry_edit(fs, slot);
    if (entry->text != 0) {
        *text_edit(fs, entry->text - 1) = (struct text_record){};
    }
    struct inode_record *parent = inode_edit(fs, entry->parent);
    parent->modify_ns = parent->change_ns = now_of(fs);
    *entry = (struct entry_record){};
}

/* ---- sessions ---- */

status_t session_make(struct ramfs *_Nonnull fs, enum session_kind kind, uint32_t inode,
                      uint32_t *_Nonnull out) {
    uint32_t slot = index_take(fs, TABLE_SESSION);
    if (slot == UINT32_MAX) {
        return STATUS_OUT_OF_QUOTA;
    }
    struct session_record *session = session_edit(fs, slot);
    *session = (struct session_record){
        .generation = session->generation + 1, .kind = kind, .inode = inode};
    *out = slot;
    return STATUS_OK;
}

status_t session_find(const struct ramfs *_Nonnull fs, uint64_t cookie, uint32_t *_Nonnull out) {
    uint32_t slot = (uint32_t)cookie;
    if (slot >= SESSION_COUNT) {
        return STATUS_NOT_FOUND;
    }
    const struct session_record *session = session_at(fs, slot);
    if (session->kind == SESSION_FREE || session->generation != (uint32_t)(cookie >> 32)) {
        return STATUS_NOT_FOUND;
    }
    *out = slot;
    return STATUS_OK;
}
