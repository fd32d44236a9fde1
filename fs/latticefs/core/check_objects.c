/* Checks the meaning of a dataset tree's items, in key order: all items of an object come together,
 * its inode first. */
#include "check_objects.h"
#include "file.h"

#pragma clang assume_nonnull begin

void check_problem(struct check_report *report, const char *what, uint64_t first, uint64_t second) {
    report->problems++;
    if (report->problem != nullptr) {
        report->problem(report->context, what, first, second);
    }
}

enum { FACTS_MAX = 1 << 18, FACTS_LEAST = 2 }; /* 3 numbers cannot be alike in all but a bit */

/* Different for different objects. */
static uint64_t hash_of(uint64_t object) {
    return object * UINT64_C(0x9e3779b97f4a7c15);
}

static struct object_fact *slot_of(struct object_table *table, uint64_t object) {
    uint32_t at = (uint32_t)(hash_of(object) >> 32) & (table->capacity - 1);
    while (table->data[at].object != 0 && table->data[at].object != object) {
        at = (at + 1) & (table->capacity - 1);
    }
    return &table->data[at];
}

static bool in_slice(const struct object_slice *slice, uint64_t object) {
    return (hash_of(object) & ((UINT64_C(1) << slice->bits) - 1)) == slice->value;
}

/* Makes the table anew with what is in the slice. */
static lattice_status_t table_remake(struct lattice *fs, struct object_table *table,
                                     uint32_t capacity, const struct object_slice *slice) {
    struct object_table old = *table;
    struct object_fact *_Nullable data = memory_take(fs, capacity * sizeof(struct object_fact));
    if (data == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    table->capacity = capacity;
    table->data = data;
    table->count = 0;
    for (uint32_t i = 0; i < old.capacity; i++) {
        if (old.data[i].object != 0 && in_slice(slice, old.data[i].object)) {
            *slot_of(table, old.data[i].object) = old.data[i];
            table->count++;
        }
    }
    memory_give(fs, old.data, old.capacity * sizeof(struct object_fact));
    return LATTICE_OK;
}

/* Halves the slice until there is room for another fact. */
static lattice_status_t slice_narrow(struct object_check *check, uint32_t most) {
    struct object_table *table = &check->table;
    while (table->count >= most) {
        check->slice.bits++;
        TRY(table_remake(check->fs, table, table->capacity, &check->slice));
    }
    return LATTICE_OK;
}

/* The other half of what the slice was cut from last, or of what that was cut from. */
static bool slice_next(struct object_slice *slice) {
    while (slice->bits > 0 && (slice->value >> (slice->bits - 1) & 1) != 0) {
        slice->bits--;
        slice->value &= ~(UINT64_C(1) << slice->bits);
    }
    if (slice->bits > 0) {
        slice->value |= UINT64_C(1) << (slice->bits - 1);
    }
    return slice->bits > 0;
}

/* The fact about an object, or null if it is none, or not in the slice. */
static lattice_status_t fact_of(struct object_check *check, uint64_t object,
                                struct object_fact *_Nullable *_Nonnull out) {
    struct object_table *table = &check->table;
    uint32_t most = check->report->facts_max == 0
                        ? (uint32_t)FACTS_MAX
                        : MAX(check->report->facts_max, (uint32_t)FACTS_LEAST);
    *out = nullptr;
    if (object == 0 || !in_slice(&check->slice, object)) {
        return LATTICE_OK;
    }
    if (table->count + 1 > table->capacity / 2) {
        uint32_t capacity = table->capacity == 0 ? 256 : table->capacity * 2;
        TRY(table_remake(check->fs, table, capacity, &check->slice));
    }
    struct object_fact *fact = slot_of(table, object);
    if (fact->object == 0 && table->count >= most) {
        TRY(slice_narrow(check, most));
        if (!in_slice(&check->slice, object)) {
            return LATTICE_OK;
        }
        fact = slot_of(table, object);
    }
    if (fact->object == 0) {
        fact->object = object;
        table->count++;
    }
    *out = fact;
    return LATTICE_OK;
}

/* The object's items are all seen: do they add up to its inode? */
static void sum_close(struct object_check *check) {
    struct object_sum *sum = &check->sum;
    struct check_report *report = check->report;
    if (sum->object == 0) {
        return;
    }
    if (!sum->has_inode) {
        check_problem(report, "items of an object without inode", sum->object, 0);
        return;
    }
    uint32_t type = inode_type(&sum->inode);
    if (type == MODE_DIRECTORY) {
        if (sum->inode.size != sum->entries) {
            check_problem(report, "directory size is not its entries", sum->object, sum->entries);
        }
        if (sum->inode.links != 0 && sum->inode.links != 2 + sum->subdirectories) {
            check_problem(report, "directory links are not 2 + subdirectories", sum->object,
                          sum->subdirectories);
        }
    } else if (sum->entries != 0) {
        check_problem(report, "entries in an object that is no directory", sum->object, 0);
    }
    bool cut = (sum->inode.flags & 1) != 0;
    bool orphan = sum->inode.links == 0;
    if (type == MODE_FILE && !orphan) {
        if (sum->has_inline && sum->has_extent) {
            check_problem(report, "both inline and extents", sum->object, 0);
        }
        if (sum->extent_end > ((sum->inode.size + BLOCK_SIZE - 1) & ~(uint64_t)(BLOCK_SIZE - 1)) &&
            !cut) {
            check_problem(report, "extent beyond the size", sum->object, sum->extent_end);
        }
    } else if (sum->has_extent && type != MODE_FILE) {
        check_problem(report, "extents of an object that is no file", sum->object, 0);
    }
    if (!orphan && sum->inode.blocks != sum->blocks) {
        check_problem(report, "inode's blocks are not its extents'", sum->object, sum->blocks);
    }
    if (!orphan && sum->inode.xattr_count != sum->xattrs) {
        check_problem(report, "inode's xattr count is wrong", sum->object, sum->xattrs);
    }
}

static lattice_status_t inode_note(struct object_check *check, uint64_t object,
                                   const struct inode *inode) {
    struct object_fact *_Nullable fact = nullptr;
    TRY(fact_of(check, object, &fact));
    if (fact != nullptr) {
        SOME(fact)->inode = true;
        SOME(fact)->links = inode->links;
        SOME(fact)->inode_type = (uint8_t)inode_type(inode);
        SOME(fact)->inode_parent = inode->parent;
        SOME(fact)->cut = (inode->flags & 1) != 0;
    }
    return LATTICE_OK;
}

static lattice_status_t check_inode(struct object_check *check, struct key key, struct view value) {
    struct object_sum *sum = &check->sum;
    if (value.size != sizeof sum->inode) {
        check_problem(check->report, "inode of a wrong size", key.object, value.size);
        return LATTICE_OK;
    }
    bytes_copy(BYTES_OF(sum->inode), value);
    if (inode_validate(&sum->inode) != LATTICE_OK || key.offset != 0 || key_sub(key) != 0) {
        check_problem(check->report, "invalid inode", key.object, 0);
    }
    if (key.object >= check->next_object) {
        check_problem(check->report, "object number not below the next", key.object,
                      check->next_object);
    }
    sum->has_inode = true;
    check->objects++;
    return inode_note(check, key.object, &sum->inode);
}

/* The object and type of an entry that is valid; false of one that is not. */
static bool entry_parse(struct key key, struct view value, uint64_t *out_object,
                        uint8_t *out_type) {
    if (value.size < DIRENT_HEAD_SIZE + 1 || value.data[9] != value.size - DIRENT_HEAD_SIZE ||
        key.offset < 32 || key.offset >> 63 != 0) {
        return false;
    }
    bytes_copy(bytes_of(out_object, sizeof *out_object), view_sub(value, 0, 8));
    *out_type = value.data[8];
    return true;
}

static lattice_status_t entry_note(struct object_check *check, uint64_t directory, uint64_t object,
                                   uint8_t type) {
    struct object_fact *_Nullable fact = nullptr;
    TRY(fact_of(check, object, &fact));
    if (fact != nullptr) {
        SOME(fact)->names++;
        SOME(fact)->entry_parent = directory;
        SOME(fact)->entry_type = type;
    }
    return LATTICE_OK;
}

static lattice_status_t orphan_note(struct object_check *check, uint64_t object) {
    struct object_fact *_Nullable fact = nullptr;
    TRY(fact_of(check, object, &fact));
    if (fact != nullptr) {
        SOME(fact)->orphan = true;
    }
    return LATTICE_OK;
}

static lattice_status_t check_dirent(struct object_check *check, struct key key,
                                     struct view value) {
    uint64_t object = 0;
    uint8_t type = 0;
    if (!entry_parse(key, value, &object, &type)) {
        check_problem(check->report, "invalid directory entry", key.object, key.offset);
        return LATTICE_OK;
    }
    if (object == 0) {
        check_problem(check->report, "directory entry names nothing", key.object, key.offset);
        return LATTICE_OK;
    }
    check->sum.entries++;
    check->sum.subdirectories += type == MODE_DIRECTORY;
    return entry_note(check, key.object, object, type);
}

static void check_extent(struct object_check *check, struct key key, struct view value) {
    struct object_sum *sum = &check->sum;
    struct pointer pointer = {};
    struct geometry geometry = geometry_of(check->fs);
    if (value.size != sizeof pointer) {
        check_problem(check->report, "extent of a wrong size", key.object, key.offset);
        return;
    }
    bytes_copy(BYTES_OF(pointer), value);
    if (pointer_validate(&geometry, &pointer, POINTER_RECORD, 0) != LATTICE_OK) {
        check_problem(check->report, "invalid extent", key.object, key.offset);
        return;
    }
    /* An invalid inode is named already; its record size may be any number. */
    bool sized = sum->has_inode && inode_validate(&sum->inode) == LATTICE_OK;
    uint64_t granule = sized ? granule_size(&sum->inode) : BLOCK_SIZE;
    uint64_t end = key.offset + (uint64_t)pointer_logical(&pointer) * BLOCK_SIZE;
    if (key.offset % BLOCK_SIZE != 0 || key.offset < sum->extent_end ||
        (key.offset & ~(granule - 1)) != ((end - 1) & ~(granule - 1))) {
        check_problem(check->report, "extent overlaps or leaves its granule", key.object,
                      key.offset);
    }
    sum->has_extent = true;
    sum->extent_end = end;
    sum->blocks += pointer_stored(&pointer);
}

/* A later walk. */
static lattice_status_t item_note(struct object_check *check, struct key key, struct view value) {
    uint8_t type = 0;
    uint64_t object = 0;
    struct inode inode = {};
    if (key_type(key) == KEY_INODE && value.size == sizeof inode) {
        bytes_copy(BYTES_OF(inode), value);
        return inode_note(check, key.object, &inode);
    }
    if (key_type(key) == KEY_DIRENT && entry_parse(key, value, &object, &type) && object != 0) {
        return entry_note(check, key.object, object, type);
    }
    return key_type(key) == KEY_ORPHAN ? orphan_note(check, key.offset) : LATTICE_OK;
}

lattice_status_t object_check_item(struct object_check *check, struct key key, struct view value) {
    if (check->again) {
        return item_note(check, key, value);
    }
    if (key.object != check->sum.object) {
        sum_close(check);
        check->sum = (struct object_sum){.object = key.object};
    }
    switch (key_type(key)) {
    case KEY_INODE:
        return check_inode(check, key, value);
    case KEY_DIRENT:
        return check_dirent(check, key, value);
    case KEY_XATTR:
        check->sum.xattrs++;
        return LATTICE_OK;
    case KEY_XATTR_DATA:
        return LATTICE_OK;
    case KEY_INLINE:
        check->sum.has_inline = true;
        return LATTICE_OK;
    case KEY_EXTENT:
        check_extent(check, key, value);
        return LATTICE_OK;
    case KEY_ORPHAN:
        return orphan_note(check, key.offset);
    default:
        check_problem(check->report, "item of an unknown type", key.object, key_type(key));
        return LATTICE_OK;
    }
}

static void fact_close(struct object_check *check, const struct object_fact *fact) {
    struct check_report *report = check->report;
    if (!fact->inode) {
        check_problem(report, "a name or orphan item of no object", fact->object,
                      fact->entry_parent);
        return;
    }
    bool root = fact->object == ROOT_OBJECT;
    bool directory = fact->inode_type == MODE_DIRECTORY;
    uint32_t names = directory ? (root || fact->links == 0 ? 0 : 1) : fact->links;
    if (fact->names != names) {
        check_problem(report, "links are not the names", fact->object, fact->names);
    }
    if (fact->names != 0 && fact->entry_type != fact->inode_type) {
        check_problem(report, "entry of a wrong type", fact->object, fact->entry_type);
    }
    if (directory && fact->names != 0 && fact->entry_parent != fact->inode_parent) {
        check_problem(report, "directory's parent is another", fact->object, fact->inode_parent);
    }
    if (fact->orphan != (fact->links == 0 || fact->cut)) {
        check_problem(report, "orphan item does not fit the links", fact->object, fact->links);
    }
}

void object_check_finish(struct object_check *check, bool *out_more) {
    sum_close(check);
    check->sum = (struct object_sum){};
    for (uint32_t i = 0; i < check->table.capacity; i++) {
        if (check->table.data[i].object != 0) {
            fact_close(check, &check->table.data[i]);
            check->report->facts++;
            check->table.data[i] = (struct object_fact){};
        }
    }
    check->table.count = 0;
    check->again = true;
    *out_more = slice_next(&check->slice);
}

void object_check_release(struct object_check *check) {
    memory_give(check->fs, check->table.data, check->table.capacity * sizeof(struct object_fact));
    check->table = (struct object_table){};
}

#pragma clang assume_nonnull end
