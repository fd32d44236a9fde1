/* See index.h and store.h. */
#include "fs/ramfs/server/index.h"
#include "abi/boot.h"
#include "lib/base/bytes.h"
#include "lib/words/words.h"

uint64_t store_sum(const uint64_t *_Nonnull record, size_t size) {
    struct words {
        size_t count;
        const uint64_t *_Nonnull COUNTED_BY(count) at;
    } words = {.count = size / sizeof(uint64_t), .at = record};
    uint64_t sum = UINT64_C(0x9e3779b97f4a7c15) ^ size;
    for (size_t i = 1; i < words.count; i++) {
        (void)__builtin_mul_overflow(sum ^ words.at[i], UINT64_C(0xff51afd7ed558ccd), &sum);
        sum = (sum << 29) | (sum >> 35);
    }
    return sum | 1;
}

static uint32_t hash(uint32_t directory, struct rt_bytes name) {
    return (uint32_t)(words_hash(SOME(name.data), name.size, directory) % BUCKET_COUNT);
}

/* ---- entries ---- */

static void entry_unlink(struct ramfs_index *_Nonnull index, uint32_t slot) {
    struct entry_index *entry = &index->entries[slot];
    if (entry->bucket_previous != 0) {
        index->entries[entry->bucket_previous - 1].bucket_next = entry->bucket_next;
    } else {
        index->buckets[entry->bucket] = entry->bucket_next;
    }
    if (entry->bucket_next != 0) {
        index->entries[entry->bucket_next - 1].bucket_previous = entry->bucket_previous;
    }
    struct inode_index *directory = &index->inodes[entry->directory];
    if (entry->list_previous != 0) {
        index->entries[entry->list_previous - 1].list_next = entry->list_next;
    } else {
        directory->first = entry->list_next;
    }
    if (entry->list_next != 0) {
        index->entries[entry->list_next - 1].list_previous = entry->list_previous;
    } else {
        directory->last = entry->list_previous;
    }
    directory->entries--;
    *entry = (struct entry_index){};
}

static void entry_link(struct ramfs *_Nonnull fs, uint32_t slot) {
    struct ramfs_index *index = &fs->index;
    const struct entry_record *record = &fs->vault->entries[slot];
    uint8_t name[NAME_LIMIT + 1];
    /* The name is read from the vault: this is called when no edit is open. */
    size_t length = entry_name(fs, slot, &name);
    struct entry_index *entry = &index->entries[slot];
    uint32_t bucket = hash(record->parent, (struct rt_bytes){.size = length, .data = &name[0]});
    *entry = (struct entry_index){.place = SLOT_USED,
                                  .bucket = bucket,
                                  .directory = record->parent,
                                  .bucket_next = index->buckets[bucket]};
    if (entry->bucket_next != 0) {
        index->entries[entry->bucket_next - 1].bucket_previous = slot + 1;
    }
    index->buckets[bucket] = slot + 1;
    /* By cookie; nearly always the last. */
    struct inode_index *directory = &index->inodes[record->parent];
    uint32_t before = directory->last;
    while (before != 0 && fs->vault->entries[before - 1].cookie > record->cookie) {
        before = index->entries[before - 1].list_previous;
    }
    entry->list_previous = before;
    entry->list_next = before != 0 ? index->entries[before - 1].list_next : directory->first;
    if (before != 0) {
        index->entries[before - 1].list_next = slot + 1;
    } else {
        directory->first = slot + 1;
    }
    if (entry->list_next != 0) {
        index->entries[entry->list_next - 1].list_previous = slot + 1;
    } else {
        directory->last = slot + 1;
    }
    directory->entries++;
    index->next_cookie = MAX(index->next_cookie, record->cookie + 1);
}

static void index_entry(struct ramfs *_Nonnull fs, uint32_t slot) {
    struct entry_index *entry = &fs->index.entries[slot];
    if (entry->place == SLOT_USED) {
        entry_unlink(&fs->index, slot);
    }
    if (fs->vault->entries[slot].inode != 0) {
        entry_link(fs, slot);
    } else if (entry->place != SLOT_FREE) {
        entry->place = SLOT_FREE;
        entry->free_next = fs->index.free_entries;
        fs->index.free_entries = slot + 1;
    }
}

static bool is_long_name(const struct ramfs *_Nonnull fs, uint32_t slot, struct rt_bytes name) {
    uint8_t there[NAME_LIMIT + 1];
    size_t length = entry_name(fs, slot, &there);
    return length == name.size && words_equal(&there[0], SOME(name.data), length);
}

uint32_t entry_find(const struct ramfs *_Nonnull fs, uint32_t directory, struct rt_bytes name) {
    uint32_t next = fs->index.buckets[hash(directory, name)];
    while (next != 0) {
        uint32_t slot = next - 1;
        const struct entry_record *entry = &fs->vault->entries[slot];
        if (entry->parent == directory && entry->name_length == name.size) {
            if (name.size <= ENTRY_NAME
                    ? words_equal(entry_at(fs, slot)->name, SOME(name.data), name.size)
                    : is_long_name(fs, slot, name)) {
                return slot;
            }
        }
        next = fs->index.entries[slot].bucket_next;
    }
    return UINT32_MAX;
}

uint32_t index_behind(const struct ramfs *_Nonnull fs, uint32_t directory, uint64_t cookie) {
    /* From the end that is nearer: readers mostly begin, or go on where they stopped. */
    uint32_t next = fs->index.inodes[directory].first;
    while (next != 0 && fs->vault->entries[next - 1].cookie <= cookie) {
        next = fs->index.entries[next - 1].list_next;
    }
    return next == 0 ? UINT32_MAX : next - 1;
}

uint32_t index_following(const struct ramfs *_Nonnull fs, uint32_t entry) {
    uint32_t next = fs->index.entries[entry].list_next;
    return next == 0 ? UINT32_MAX : next - 1;
}

/* ---- the other tables ---- */

static void index_inode(struct ramfs *_Nonnull fs, uint32_t number) {
    struct inode_index *inode = &fs->index.inodes[number];
    bool used = fs->vault->inodes[number].mode != 0;
    if (inode->place == SLOT_USED) {
        fs->index.used_inodes--;
    }
    if (used) {
        inode->place = SLOT_USED;
        fs->index.used_inodes++;
        return;
    }
    if (inode->handle != HANDLE_NONE) {
        rt_handle_close(inode->handle);
        inode->handle = HANDLE_NONE;
    }
    inode->given = false;
    if (inode->place != SLOT_FREE && number != 0) {
        inode->place = SLOT_FREE;
        inode->free_next = fs->index.free_inodes;
        fs->index.free_inodes = number + 1;
    }
}

static void index_session(struct ramfs *_Nonnull fs, uint32_t slot) {
    struct session_index *session = &fs->index.sessions[slot];
    const struct session_record *record = &fs->vault->sessions[slot];
    if (session->inode != 0) {
        struct inode_index *inode = &fs->index.inodes[session->inode];
        inode->sessions--;
        inode->writers -= session->writes ? 1 : 0;
        inode->plain_writers -= session->plain ? 1 : 0;
        inode->runners -= session->runs ? 1 : 0;
        fs->index.context_sessions[session->context]--;
        session->inode = 0;
    }
    if (record->kind == SESSION_FREE) {
        if (session->place != SLOT_FREE && slot != 0) {
            session->place = SLOT_FREE;
            session->free_next = fs->index.free_sessions;
            fs->index.free_sessions = slot + 1;
        }
        return;
    }
    session->place = SLOT_USED;
    if (record->inode != 0) {
        struct inode_index *inode = &fs->index.inodes[record->inode];
        session->inode = record->inode;
        session->context = record->context;
        session->writes =
            record->kind == SESSION_FILE && (record->open & FILESYSTEM_OPEN_FLAGS_WRITE) != 0;
        session->plain = session->writes && (record->open & SESSION_PLAIN) != 0;
        session->runs =
            record->kind == SESSION_FILE && (record->open & FILESYSTEM_OPEN_FLAGS_EXECUTE) != 0;
        inode->sessions++;
        inode->writers += session->writes ? 1 : 0;
        inode->plain_writers += session->plain ? 1 : 0;
        inode->runners += session->runs ? 1 : 0;
        fs->index.context_sessions[session->context]++;
    }
}

static void index_text(struct ramfs *_Nonnull fs, uint32_t slot) {
    struct text_index *text = &fs->index.texts[slot];
    if (fs->vault->texts[slot].entry != 0) {
        text->place = SLOT_USED;
    } else if (text->place != SLOT_FREE) {
        text->place = SLOT_FREE;
        text->free_next = fs->index.free_texts;
        fs->index.free_texts = slot + 1;
    }
}

/* Small tables are searched where they lie, but only when there is something to be found. */
static void index_mark(struct ramfs *_Nonnull fs, uint32_t slot) {
    const struct mark_record *record = &fs->vault->marks[slot];
    uint32_t *counted = &fs->index.marks[slot];
    fs->index.inodes[*counted].marks -= *counted != 0 ? 1 : 0;
    *counted = record->mount != 0 ? record->inode : 0;
    fs->index.inodes[*counted].marks += *counted != 0 ? 1 : 0;
}

static void index_lock(struct ramfs *_Nonnull fs, uint32_t slot) {
    const struct lock_record *record = &fs->vault->locks[slot];
    uint32_t *counted = &fs->index.locks[slot];
    fs->index.sessions[*counted].locks -= *counted != 0 ? 1 : 0;
    *counted = record->inode != 0 ? record->owner : 0;
    fs->index.sessions[*counted].locks += *counted != 0 ? 1 : 0;
}

void index_slot(struct ramfs *_Nonnull fs, enum store_table table, uint32_t slot) {
    switch (table) {
    case TABLE_INODE:
        index_inode(fs, slot);
        break;
    case TABLE_ENTRY:
        index_entry(fs, slot);
        break;
    case TABLE_TEXT:
        index_text(fs, slot);
        break;
    case TABLE_SESSION:
        index_session(fs, slot);
        break;
    case TABLE_MARK:
        index_mark(fs, slot);
        break;
    case TABLE_LOCK:
        index_lock(fs, slot);
        break;
    case TABLE_CONTEXT: /* a small table is searched where it lies */
    case TABLE_NONE:
        break;
    }
}

uint32_t index_take(struct ramfs *_Nonnull fs, enum store_table table) {
    struct ramfs_index *index = &fs->index;
    uint32_t slot = UINT32_MAX;
    if (table == TABLE_ENTRY && index->free_entries != 0) {
        slot = index->free_entries - 1;
        index->free_entries = index->entries[slot].free_next;
        index->entries[slot].place = SLOT_TAKEN;
    } else if (table == TABLE_INODE && index->free_inodes != 0) {
        slot = index->free_inodes - 1;
        index->free_inodes = index->inodes[slot].free_next;
        index->inodes[slot].place = SLOT_TAKEN;
    } else if (table == TABLE_SESSION && index->free_sessions != 0) {
        slot = index->free_sessions - 1;
        index->free_sessions = index->sessions[slot].free_next;
        index->sessions[slot].place = SLOT_TAKEN;
    } else if (table == TABLE_TEXT && index->free_texts != 0) {
        slot = index->free_texts - 1;
        index->free_texts = index->texts[slot].free_next;
        index->texts[slot].place = SLOT_TAKEN;
    }
    return slot;
}

/* ---- all of it ---- */

static bool sound(const uint64_t *_Nonnull record, size_t size) {
    struct words {
        size_t count;
        const uint64_t *_Nonnull COUNTED_BY(count) at;
    } words = {.count = size / sizeof(uint64_t), .at = record};
    if (words.at[0] != 0) {
        return words.at[0] == store_sum(record, size);
    }
    for (size_t i = 0; i < words.count; i++) {
        if (words.at[i] != 0) {
            return false; /* F1: a record without checksum is all zeros */
        }
    }
    return true;
}

static const char *_Nullable first_damage(const struct ramfs_vault *_Nonnull vault) {
    const char *damage = nullptr;
    for (uint32_t i = 0; i < INODE_COUNT; i++) {
        const struct inode_record *inode = &vault->inodes[i];
        bool good = sound(&inode->checksum, sizeof *inode) && inode->parent < INODE_COUNT;
        damage = good ? damage : "inode";
    }
    for (uint32_t i = 0; i < ENTRY_COUNT; i++) {
        const struct entry_record *entry = &vault->entries[i];
        bool good = sound(&entry->checksum, sizeof *entry) && entry->inode < INODE_COUNT &&
                    entry->parent < INODE_COUNT && entry->text <= TEXT_COUNT &&
                    entry->name_length <= NAME_LIMIT &&
                    (entry->inode == 0 || vault->inodes[entry->inode].mode != 0);
        damage = good ? damage : "entry";
    }
    for (uint32_t i = 0; i < TEXT_COUNT; i++) {
        damage = sound(&vault->texts[i].checksum, sizeof vault->texts[i]) ? damage : "text";
    }
    for (uint32_t i = 0; i < SESSION_COUNT; i++) {
        const struct session_record *session = &vault->sessions[i];
        bool good = sound(&session->checksum, sizeof *session) && session->inode < INODE_COUNT &&
                    session->context < CONTEXT_COUNT && session->floor < INODE_COUNT &&
                    (session->inode == 0 || vault->inodes[session->inode].mode != 0);
        damage = good ? damage : "session";
    }
    for (uint32_t i = 0; i < CONTEXT_COUNT; i++) {
        const struct context_record *context = &vault->contexts[i];
        bool good = sound(&context->checksum, sizeof *context) && context->root < INODE_COUNT;
        damage = good ? damage : "context";
    }
    for (uint32_t i = 0; i < MARK_COUNT; i++) {
        const struct mark_record *mark = &vault->marks[i];
        bool good = sound(&mark->checksum, sizeof *mark) && mark->inode < INODE_COUNT;
        damage = good ? damage : "mark";
    }
    for (uint32_t i = 0; i < LOCK_COUNT; i++) {
        const struct lock_record *lock = &vault->locks[i];
        bool good = sound(&lock->checksum, sizeof *lock) && lock->inode < INODE_COUNT &&
                    lock->owner < SESSION_COUNT;
        damage = good ? damage : "lock";
    }
    return damage;
}

void store_rebuild(struct ramfs *_Nonnull fs) {
    const char *damage = first_damage(fs->vault);
    if (damage != nullptr) {
        rt_vault_corrupt(fs->server, SOME(damage));
    }
    fs->index.next_cookie = 3; /* 1 and 2 are . and .. */
    for (uint32_t i = INODE_COUNT; i-- > 0;) {
        index_inode(fs, i);
    }
    for (uint32_t i = 0; i < ENTRY_COUNT; i++) { /* in rising order: cookies mostly rise with it */
        if (fs->vault->entries[i].inode != 0) {
            index_entry(fs, i);
        }
    }
    for (uint32_t i = ENTRY_COUNT; i-- > 0;) {
        if (fs->vault->entries[i].inode == 0) {
            index_entry(fs, i);
        }
    }
    for (uint32_t i = TEXT_COUNT; i-- > 0;) {
        index_text(fs, i);
    }
    for (uint32_t i = SESSION_COUNT; i-- > 0;) {
        index_session(fs, i);
    }
    for (uint32_t i = 0; i < MARK_COUNT; i++) {
        index_mark(fs, i);
    }
    for (uint32_t i = 0; i < LOCK_COUNT; i++) {
        index_lock(fs, i);
    }
    for (uint32_t i = 0; i < INODE_COUNT && fs->server->mode != START_FRESH; i++) {
        fs->index.inodes[i].given = true; /* whom an earlier instance gave what is not known */
    }
}
