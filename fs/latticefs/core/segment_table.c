/* The pages of the segment table, and where they are. They are read when somebody needs an entry:
 * see invariant 4 in segments.c. */
#include "segment_table.h"
#include "checksum.h"
#include "pool.h"

#pragma clang assume_nonnull begin

static lattice_status_t page_read(struct lattice *fs, uint64_t first_block,
                                  const struct page_reference *reference, struct bytes to) {
    lattice_status_t worst = LATTICE_IO;
    for (uint32_t disk = 0; disk < fs->super.disk_count; disk++) {
        lattice_status_t status = disk_read(fs, disk, first_block + reference->slot, 1, to);
        if (status == LATTICE_OK &&
            (fs->ignore_checksums || checksum_xxh64(bytes_view(to)) == reference->checksum)) {
            return LATTICE_OK;
        }
        worst = status == LATTICE_OK ? LATTICE_CORRUPT : worst;
    }
    return worst;
}

uint64_t segments_index_block(uint32_t page) {
    return TABLE_START + (uint64_t)SLOTS * page;
}

uint64_t segments_table_block(const struct lattice *fs, uint32_t page) {
    return segments_index_block(fs->super.index_pages) + (uint64_t)SLOTS * page;
}

lattice_status_t segments_allocate_table(struct lattice *fs, uint32_t count) {
    struct segments *segments = &fs->segments;
    uint32_t tables = fs->super.table_pages;
    struct segment *_Nullable data = memory_take(fs, count * sizeof(struct segment));
    struct page_reference *_Nullable references =
        memory_take(fs, tables * sizeof(struct page_reference));
    if (data == nullptr || references == nullptr) {
        memory_give(fs, data, count * sizeof(struct segment));
        memory_give(fs, references, tables * sizeof(struct page_reference));
        return LATTICE_NO_MEMORY;
    }
    segments->count = count;
    segments->data = data;
    segments->tables.count = tables;
    segments->tables.data = references;
    segments->missing = 0;
    return LATTICE_OK;
}

void segments_release(struct lattice *fs) {
    struct segments *segments = &fs->segments;
    for (uint32_t i = 0; i < segments->count; i++) {
        memory_give(fs, segments->data[i].maps, sizeof(struct segment_maps));
    }
    memory_give(fs, segments->data, segments->count * sizeof(struct segment));
    memory_give(fs, segments->tables.data, segments->tables.count * sizeof(struct page_reference));
    for (uint32_t i = 0; i < FREE_LISTS; i++) {
        struct free_list *list = &segments->freed[i];
        memory_give(fs, list->data, list->capacity * sizeof(uint64_t));
    }
    *segments = (struct segments){};
}

static lattice_status_t tables_load_index(struct lattice *fs, uint32_t number) {
    const struct page_reference *reference = &fs->super.index[number];
    if (reference_is_null(reference)) {
        return LATTICE_OK;
    }
    struct index_page *page = &fs->table_buffer->index;
    TRY(page_read(fs, segments_index_block(number), reference, BYTES_OF(*page)));
    if (page->magic != INDEX_MAGIC || page->number != number) {
        return LATTICE_CORRUPT;
    }
    for (uint32_t i = 0; i < REFERENCES_PER_PAGE; i++) {
        uint32_t table = number * REFERENCES_PER_PAGE + i;
        if (table < fs->segments.tables.count) {
            if (page->entries[i].slot >= SLOTS) {
                return LATTICE_CORRUPT;
            }
            fs->segments.tables.data[table] = (struct page_reference){
                .checksum = page->entries[i].checksum, .slot = page->entries[i].slot};
        }
    }
    return LATTICE_OK;
}

static uint32_t table_count(const struct lattice *fs) {
    return (fs->segments.count + SEGMENTS_PER_PAGE - 1) / SEGMENTS_PER_PAGE;
}

static lattice_status_t tables_load_page(struct lattice *fs, uint32_t number) {
    struct table_page *page = &fs->table_buffer->table;
    TRY(page_read(fs, segments_table_block(fs, number), &fs->segments.tables.data[number],
                  BYTES_OF(*page)));
    if (page->magic != TABLE_MAGIC || page->number != number) {
        return LATTICE_CORRUPT;
    }
    for (uint32_t i = 0; i < SEGMENTS_PER_PAGE; i++) {
        uint32_t index = number * SEGMENTS_PER_PAGE + i;
        if (index >= fs->segments.count) {
            break;
        }
        TRY(segment_entry_validate(&fs->super, &page->entries[i]));
    }
    for (uint32_t i = 0; i < SEGMENTS_PER_PAGE; i++) {
        uint32_t index = number * SEGMENTS_PER_PAGE + i;
        if (index >= fs->segments.count) {
            break;
        }
        struct segment *segment = segment_at(fs, index);
        segment->entry = page->entries[i];
        segment->free_blocks = segment->entry.free_blocks;
        segment->free_quads = segment->entry.free_quads;
        segment->run_limit = UINT32_MAX;
    }
    return LATTICE_OK;
}

/* A page of entries that cannot be read: their segments are nowhere, for a rescue. */
static lattice_status_t page_lost(struct lattice *fs, lattice_status_t status, uint32_t first,
                                  uint32_t count) {
    bool damage = status == LATTICE_CORRUPT || status == LATTICE_IO;
    if (status == LATTICE_OK || !fs->rescue || !damage) {
        return status;
    }
    for (uint32_t i = first; i < fs->segments.count && i - first < count; i++) {
        struct segment *segment = segment_at(fs, i);
        *segment = (struct segment){.bad = true};
        for (uint32_t copy = 0; copy < COPIES_MAX; copy++) {
            segment->entry.place[copy] = PLACE_NONE;
        }
    }
    return LATTICE_OK;
}

static uint8_t *table_missing(struct lattice *fs, uint32_t number) {
    CHECK(number < fs->segments.tables.count);
    return &fs->segments.tables.data[number].missing;
}

static lattice_status_t table_need(struct lattice *fs, uint32_t number) {
    if (*table_missing(fs, number) == 0) {
        return LATTICE_OK;
    }
    lattice_status_t status =
        page_lost(fs, tables_load_page(fs, number), number * SEGMENTS_PER_PAGE, SEGMENTS_PER_PAGE);
    if (status != LATTICE_OK) {
        if (!fs->read_only) {
            lattice_abort(fs, status);
        }
        return status;
    }
    *table_missing(fs, number) = 0;
    fs->segments.missing--;
    return LATTICE_OK;
}

lattice_status_t segment_need(struct lattice *fs, uint64_t index) {
    if (index >= fs->segments.count) {
        return LATTICE_CORRUPT;
    }
    return fs->segments.missing == 0 ? LATTICE_OK
                                     : table_need(fs, (uint32_t)(index / SEGMENTS_PER_PAGE));
}

lattice_status_t segments_need_all(struct lattice *fs) {
    for (uint32_t i = 0; fs->segments.missing != 0 && i < table_count(fs); i++) {
        TRY(table_need(fs, i));
    }
    return LATTICE_OK;
}

bool segments_more(struct lattice *fs) {
    for (uint32_t i = 0; fs->segments.missing != 0 && i < table_count(fs); i++) {
        if (*table_missing(fs, i) != 0) {
            return table_need(fs, i) == LATTICE_OK;
        }
    }
    return false;
}

/* What is free in all segments: as the superblock has it, or counted, where it says nothing or not
 * all of the table can be read. */
static lattice_status_t totals_load(struct lattice *fs) {
    struct segments *segments = &fs->segments;
    uint64_t all = (uint64_t)segments->count * segment_size(fs);
    segments->total_blocks = (uint64_t)segments->count * (segment_size(fs) - SEGMENT_HEAD_BLOCKS);
    if (fs->super.free_quads != 0 && !fs->rescue) {
        TRY(fs->super.used_blocks <= all ? LATTICE_OK : LATTICE_CORRUPT);
        segments->free_blocks = all - fs->super.used_blocks;
        segments->free_quads = fs->super.free_quads;
        return segments->free_quads <= segments->free_blocks / NODE_BLOCKS ? LATTICE_OK
                                                                           : LATTICE_CORRUPT;
    }
    TRY(segments_need_all(fs));
    for (uint32_t i = 0; i < segments->count; i++) {
        segments->free_blocks += segment_at(fs, i)->free_blocks;
        segments->free_quads += segment_at(fs, i)->free_quads;
    }
    return LATTICE_OK;
}

lattice_status_t segments_load(struct lattice *fs) {
    fs->scant_blocks = segment_size(fs) / 4;
    TRY(segments_allocate_table(fs, fs->super.segment_count));
    for (uint32_t i = 0; i < fs->super.index_pages; i++) {
        lattice_status_t status = tables_load_index(fs, i);
        TRY(page_lost(fs, status, i * REFERENCES_PER_PAGE * SEGMENTS_PER_PAGE,
                      REFERENCES_PER_PAGE * SEGMENTS_PER_PAGE));
    }
    for (uint32_t i = 0; i < table_count(fs); i++) {
        *table_missing(fs, i) = 1;
        fs->segments.missing++;
    }
    return totals_load(fs);
}

#pragma clang assume_nonnull end
