/* Validation of everything that is read from a disk. Invariant: no function here trusts a field
 * that it has not checked, and none reads outside the structure that it was given. */
#include "format.h"
#include "checksum.h"

#pragma clang assume_nonnull begin

struct key key_next(struct key key) {
    if (++key.offset == 0 && ++key.kind == 0 && ++key.object == 0) {
        return KEY_MAX;
    }
    return key;
}

struct pointer pointer_make(enum pointer_type type, uint8_t level, uint64_t address0,
                            uint64_t address1, uint64_t birth) {
    struct pointer pointer = {.type = type, .level = level, .birth = birth};
    CHECK(address0 <= ADDRESS_MASK && address1 <= ADDRESS_MASK);
    pointer.place0 = address0;
    pointer.place1 = address1;
    return pointer;
}

void pointer_set_sizes(struct pointer *pointer, uint32_t stored, uint32_t logical,
                       enum compression compression) {
    CHECK(stored >= 1 && stored <= logical && logical <= RECORD_BLOCKS_MAX);
    pointer->place0 =
        (pointer->place0 & ADDRESS_MASK) | (uint64_t)stored << 48 | (uint64_t)logical << 56;
    pointer->place1 = (pointer->place1 & ~(UINT64_C(0xff) << 48)) | (uint64_t)compression << 48;
}

void pointer_set_kind(struct pointer *pointer, enum checksum_kind kind) {
    pointer->place1 = (pointer->place1 & ~(UINT64_C(0xff) << 56)) | (uint64_t)kind << 56;
}

static uint64_t table_area_end(const struct superblock *superblock) {
    uint64_t pages = (uint64_t)superblock->index_pages + superblock->table_pages;
    return TABLE_START + SLOTS * pages;
}

uint64_t layout_segment_start(const struct superblock *superblock, uint64_t segment) {
    uint64_t first = (table_area_end(superblock) + 255) & ~UINT64_C(255);
    return first + (segment << superblock->segment_shift);
}

uint64_t layout_segments(const struct superblock *superblock, uint64_t disk_blocks) {
    uint64_t overhead = layout_segment_start(superblock, 0) + RING_SLOTS;
    return disk_blocks < overhead ? 0 : (disk_blocks - overhead) >> superblock->segment_shift;
}

static lattice_status_t superblock_validate_disks(const struct superblock *superblock) {
    for (uint32_t i = 0; i < superblock->disk_count; i++) {
        const struct disk_record *disk = &superblock->disks[i];
        if (disk->state > DISK_RESILVERING || disk->blocks > ADDRESS_MASK ||
            disk->segments > layout_segments(superblock, disk->blocks)) {
            return LATTICE_CORRUPT;
        }
    }
    return LATTICE_OK;
}

lattice_status_t superblock_validate(const struct superblock *superblock, uint64_t disk_blocks) {
    if (superblock->magic != SUPERBLOCK_MAGIC ||
        superblock->checksum !=
            checksum_xxh64(view_sub(VIEW_OF(*superblock), 16, BLOCK_SIZE - 16))) {
        return LATTICE_CORRUPT;
    }
    if (superblock->version != LATTICE_VERSION || superblock->feature_incompatible != 0) {
        return LATTICE_UNSUPPORTED;
    }
    if (superblock->segment_shift < SEGMENT_SHIFT_MIN ||
        superblock->segment_shift > SEGMENT_SHIFT_MAX || superblock->copies < 1 ||
        superblock->copies > COPIES_MAX || superblock->node_copies < 1 ||
        superblock->node_copies > 2 || superblock->disk_count < 1 ||
        superblock->disk_count > DISKS_MAX || superblock->disk >= superblock->disk_count ||
        superblock->index_pages < 1 || superblock->index_pages > INDEX_PAGES_MAX ||
        superblock->table_pages < 1 ||
        superblock->table_pages > superblock->index_pages * REFERENCES_PER_PAGE ||
        superblock->segment_count < 1 ||
        superblock->segment_count > superblock->table_pages * SEGMENTS_PER_PAGE ||
        superblock->transaction == 0 || superblock->transaction > UINT64_MAX / 2) {
        return LATTICE_CORRUPT;
    }
    const struct disk_record *disk = &superblock->disks[superblock->disk];
    if (disk->blocks > disk_blocks || disk->state == DISK_NONE) {
        return LATTICE_CORRUPT;
    }
    TRY(superblock_validate_disks(superblock));
    struct geometry geometry = {superblock->segment_shift, superblock->segment_count,
                                superblock->transaction};
    if (superblock->log_blocks < 4 || superblock->log_position >= superblock->log_blocks) {
        return LATTICE_CORRUPT;
    }
    for (unsigned i = 0; i < INDEX_PAGES_MAX; i++) {
        if (superblock->index[i].slot >= SLOTS) {
            return LATTICE_CORRUPT;
        }
    }
    TRY(run_validate(&geometry, superblock->log_address, superblock->log_blocks));
    return pointer_validate(&geometry, &superblock->pool_root, POINTER_NODE,
                            superblock->pool_root.level);
}

lattice_status_t run_validate(const struct geometry *geometry, uint64_t address, uint32_t blocks) {
    uint64_t segment = address >> geometry->segment_shift;
    uint64_t size = UINT64_C(1) << geometry->segment_shift;
    uint64_t offset = address & (size - 1);
    if (segment >= geometry->segment_count || offset < SEGMENT_HEAD_BLOCKS || blocks == 0 ||
        blocks > size - offset) {
        return LATTICE_CORRUPT;
    }
    return LATTICE_OK;
}

static lattice_status_t pointer_validate_node(const struct pointer *pointer) {
    bool aligned = pointer_address(pointer, 0) % NODE_BLOCKS == 0 &&
                   pointer_address(pointer, 1) % NODE_BLOCKS == 0;
    if (!aligned || pointer_stored(pointer) != NODE_BLOCKS ||
        pointer_logical(pointer) != NODE_BLOCKS || pointer_compression(pointer) != 0 ||
        pointer->level > LEVEL_MAX) {
        return LATTICE_CORRUPT;
    }
    return LATTICE_OK;
}

lattice_status_t pointer_validate(const struct geometry *geometry, const struct pointer *pointer,
                                  enum pointer_type type, uint8_t level) {
    uint32_t stored = pointer_stored(pointer);
    if (pointer->type != type || pointer->level != level || pointer->birth == 0 ||
        pointer->birth > geometry->transaction || stored == 0 ||
        stored > pointer_logical(pointer) || pointer_logical(pointer) > RECORD_BLOCKS_MAX) {
        return LATTICE_CORRUPT;
    }
    uint8_t kind = pointer_checksum_kind(pointer);
    if ((kind != CHECKSUM_XXH64 && kind != CHECKSUM_BLAKE2B) ||
        pointer_compression(pointer) > COMPRESSION_ZSTD || pointer->cipher > CIPHER_AES_GCM) {
        return LATTICE_CORRUPT;
    }
    TRY(run_validate(geometry, pointer_address(pointer, 0), stored));
    if (pointer_address(pointer, 1) != 0) {
        if (type != POINTER_NODE || pointer_address(pointer, 1) == pointer_address(pointer, 0)) {
            return LATTICE_CORRUPT;
        }
        TRY(run_validate(geometry, pointer_address(pointer, 1), stored));
    }
    return type == POINTER_NODE ? pointer_validate_node(pointer) : LATTICE_OK;
}

static bool key_in_range(struct key key, struct key low, struct key high, bool high_bounded) {
    return !key_less(key, low) && (!high_bounded || key_less(key, high));
}

static lattice_status_t leaf_validate(const struct node *node, struct key low, struct key high,
                                      bool high_bounded) {
    if (node->count > LEAF_SLOTS_MAX) {
        return LATTICE_CORRUPT;
    }
    uint32_t end = NODE_SIZE;
    uint32_t floor = NODE_HEADER_SIZE + (uint32_t)sizeof(struct leaf_slot) * node->count;
    for (uint32_t i = 0; i < node->count; i++) {
        const struct leaf_slot *slot = &node->slots[i];
        if (slot->length > VALUE_MAX || slot->length > end - floor ||
            slot->offset != end - slot->length ||
            !key_in_range(slot->key, low, high, high_bounded) ||
            (i > 0 && !key_less(node->slots[i - 1].key, slot->key))) {
            return LATTICE_CORRUPT;
        }
        end -= slot->length;
    }
    return NODE_SIZE - end == node->heap ? LATTICE_OK : LATTICE_CORRUPT;
}

lattice_status_t node_validate(const struct geometry *geometry, const struct node *node,
                               const struct pointer *pointer, struct key low, struct key high,
                               bool high_bounded) {
    if (node->magic != NODE_MAGIC || node->level != pointer->level ||
        node->birth != pointer->birth || node->address != pointer_address(pointer, 0)) {
        return LATTICE_CORRUPT;
    }
    if (node->level == 0) {
        return leaf_validate(node, low, high, high_bounded);
    }
    if (node->count == 0 || node->count > CHILDREN_MAX || node->heap != 0 ||
        !key_equal(node->children[0].key, low)) {
        return LATTICE_CORRUPT;
    }
    for (uint32_t i = 0; i < node->count; i++) {
        const struct child *child = &node->children[i];
        if (!key_in_range(child->key, low, high, high_bounded) ||
            (i > 0 && !key_less(node->children[i - 1].key, child->key)) ||
            child->pointer.birth > node->birth) {
            return LATTICE_CORRUPT;
        }
        TRY(pointer_validate(geometry, &child->pointer, POINTER_NODE, (uint8_t)(node->level - 1)));
    }
    return LATTICE_OK;
}

lattice_status_t dataset_record_validate(const struct geometry *geometry,
                                         const struct dataset_record *record) {
    if ((record->kind != DATASET_HEAD && record->kind != DATASET_SNAPSHOT) ||
        record->state > DATASET_RECEIVING || record->record_shift < RECORD_SHIFT_MIN ||
        record->record_shift > RECORD_SHIFT_MAX || record->compression > COMPRESSION_ZSTD ||
        (record->checksum_kind != CHECKSUM_XXH64 && record->checksum_kind != CHECKSUM_BLAKE2B) ||
        record->cipher > CIPHER_AES_GCM || record->name_length > NAME_MAX_BYTES ||
        record->name_length == 0 || record->next_object < 2 ||
        record->previous_birth > record->root.birth + geometry->transaction) {
        return LATTICE_CORRUPT;
    }
    return pointer_validate(geometry, &record->root, POINTER_NODE, record->root.level);
}

lattice_status_t inode_validate(const struct inode *inode) {
    uint32_t type = inode->mode >> 12;
    bool known =
        type == 1 || type == 2 || type == 4 || type == 6 || type == 8 || type == 10 || type == 12;
    if (!known || inode->size > FILE_SIZE_MAX || inode->record_shift < RECORD_SHIFT_MIN ||
        inode->record_shift > RECORD_SHIFT_MAX) {
        return LATTICE_CORRUPT;
    }
    return LATTICE_OK;
}

lattice_status_t segment_entry_validate(const struct superblock *superblock,
                                        const struct segment_entry *entry) {
    uint32_t size = UINT32_C(1) << superblock->segment_shift;
    if (entry->state > SEGMENT_WRITTEN || entry->class > CLASS_DATA || entry->slot >= SLOTS ||
        entry->copies < 1 || entry->copies > COPIES_MAX || entry->state == SEGMENT_ABSENT ||
        entry->free_blocks > size - SEGMENT_HEAD_BLOCKS ||
        entry->free_quads > entry->free_blocks / 4) {
        return LATTICE_CORRUPT;
    }
    for (unsigned i = 0; i < entry->copies; i++) {
        uint64_t disk = entry->place[i] >> 48;
        uint64_t segment = entry->place[i] & ADDRESS_MASK;
        if (disk >= superblock->disk_count || segment >= superblock->disks[disk].segments) {
            return LATTICE_CORRUPT;
        }
    }
    return LATTICE_OK;
}

#pragma clang assume_nonnull end
