/* The allocator. Invariants:
 * 1. A block that is clear in `busy` is reached by neither of the last two superblocks.
 * 2. used ⊆ busy; the blocks in busy but not in used are those of the free lists.
 * 3. free_blocks and free_quads, per segment and in all, count what is clear in `busy`.
 * 4. Entries of a table page that is not in memory are all zero; nobody looks at them but through
 * segment_need. */
#include "checksum.h"
#include "pool.h"
#include "segment_table.h"

#pragma clang assume_nonnull begin

#define NIBBLES UINT64_C(0x1111111111111111)

/* One bit at the bottom of each wholly free quad of a word. */
static uint64_t word_quads(uint64_t word) {
    return ~(word | word >> 1 | word >> 2 | word >> 3) & NIBBLES;
}

static void bitmap_count(const struct bitmap *bitmap, uint32_t *out_free, uint32_t *out_quads) {
    uint32_t set = 0;
    uint32_t quads = 0;
    for (uint32_t i = 0; i < ARRAY_LENGTH(bitmap->words); i++) {
        set += (uint32_t)__builtin_popcountll(bitmap->words[i]);
        quads += (uint32_t)__builtin_popcountll(word_quads(bitmap->words[i]));
    }
    *out_free = BLOCK_SIZE * 8 - set;
    *out_quads = quads;
}

static void bitmap_initial(const struct lattice *fs, struct bitmap *bitmap) {
    uint32_t size = segment_size(fs);
    for (uint32_t i = 0; i < ARRAY_LENGTH(bitmap->words); i++) {
        bitmap->words[i] = i * 64 < size ? 0 : UINT64_MAX;
    }
    bitmap->words[0] |= 0xf;
}

static bool bit_get(const struct bitmap *bitmap, uint32_t bit) {
    return (bitmap->words[bit / 64] >> (bit % 64) & 1) != 0;
}

static void bit_set(struct bitmap *bitmap, uint32_t bit, bool value) {
    uint64_t mask = UINT64_C(1) << (bit % 64);
    if (value) {
        bitmap->words[bit / 64] |= mask;
    } else {
        bitmap->words[bit / 64] &= ~mask;
    }
}

/* Sets or clears a run in `busy`, and keeps the counts of invariant 3. */
static void busy_change(struct lattice *fs, struct segment *segment, uint32_t first, uint32_t count,
                        bool value) {
    struct bitmap *busy = &SOME(segment->maps)->busy;
    for (uint32_t bit = first; bit < first + count; bit++) {
        bool was_quad = (word_quads(busy->words[bit / 64]) >> (bit % 64 & ~3u) & 1) != 0;
        CHECK(bit_get(busy, bit) != value);
        bit_set(busy, bit, value);
        bool is_quad = (word_quads(busy->words[bit / 64]) >> (bit % 64 & ~3u) & 1) != 0;
        segment->free_quads = segment->free_quads + is_quad - was_quad;
        fs->segments.free_quads = fs->segments.free_quads + is_quad - was_quad;
    }
    segment->free_blocks += value ? 0 - count : count;
    fs->segments.free_blocks += value ? UINT64_C(0) - count : count;
    if (!value) {
        segment->run_limit = UINT32_MAX;
    }
}

/* ---- bitmaps ---- */

static lattice_status_t bitmap_read(struct lattice *fs, uint32_t index, struct bitmap *to) {
    const struct segment_entry *entry = &segment_at(fs, index)->entry;
    if (entry->state == SEGMENT_UNWRITTEN) {
        bitmap_initial(fs, to);
        return LATTICE_OK;
    }
    lattice_status_t worst = LATTICE_IO;
    uint64_t address = ((uint64_t)index << fs->super.segment_shift) + entry->slot;
    for (uint32_t copy = 0; copy < entry->copies; copy++) {
        lattice_status_t status = pool_read_copy(fs, address, copy, BYTES_OF(*to));
        if (status == LATTICE_OK &&
            (fs->ignore_checksums || checksum_xxh64(VIEW_OF(*to)) == entry->checksum)) {
            uint32_t free_blocks = 0;
            uint32_t free_quads = 0;
            bitmap_count(to, &free_blocks, &free_quads);
            bool sound = free_blocks == entry->free_blocks && free_quads == entry->free_quads &&
                         (to->words[0] & 0xf) == 0xf;
            return sound ? LATTICE_OK : LATTICE_CORRUPT;
        }
        worst = status == LATTICE_OK ? LATTICE_CORRUPT : worst;
    }
    return worst;
}

lattice_status_t segments_maps(struct lattice *fs, uint32_t index,
                               struct segment_maps *_Nullable *_Nonnull out) {
    TRY(segment_need(fs, index));
    struct segment *segment = segment_at(fs, index);
    if (segment->maps != nullptr) {
        *out = SOME(segment->maps);
        return LATTICE_OK;
    }
    if (segment->bad) {
        return LATTICE_CORRUPT;
    }
    struct segment_maps *_Nullable taken = memory_take(fs, sizeof(struct segment_maps));
    if (taken == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    struct segment_maps *maps = SOME(taken);
    lattice_status_t status = bitmap_read(fs, index, &maps->used);
    if (status != LATTICE_OK) {
        memory_give(fs, maps, sizeof *maps);
        if (status == LATTICE_CORRUPT) {
            segment->bad = true;
            fs->segments.free_blocks -= segment->free_blocks;
            fs->segments.free_quads -= segment->free_quads;
            segment->free_blocks = 0;
            segment->free_quads = 0;
        }
        return status;
    }
    maps->busy = maps->used;
    segment->maps = maps;
    *out = maps;
    return LATTICE_OK;
}

lattice_status_t segments_rebuild(struct lattice *fs, uint32_t index, const struct bitmap *used) {
    struct segment *segment = segment_at(fs, index);
    if (segment->maps == nullptr) {
        struct segment_maps *_Nullable taken = memory_take(fs, sizeof(struct segment_maps));
        if (taken == nullptr) {
            return LATTICE_NO_MEMORY;
        }
        segment->maps = taken;
    }
    struct segment_maps *maps = SOME(segment->maps);
    bitmap_initial(fs, &maps->used);
    /* What was busy stays busy until the next mount: it may be freed, but not yet forgotten. */
    for (uint32_t i = 0; i < ARRAY_LENGTH(used->words); i++) {
        maps->used.words[i] |= used->words[i];
        maps->busy.words[i] |= maps->used.words[i];
    }
    fs->segments.free_blocks -= segment->free_blocks;
    fs->segments.free_quads -= segment->free_quads;
    bitmap_count(&maps->busy, &segment->free_blocks, &segment->free_quads);
    fs->segments.free_blocks += segment->free_blocks;
    fs->segments.free_quads += segment->free_quads;
    segment->bad = false;
    segment->dirty = true;
    return LATTICE_OK;
}

/* ---- taking ---- */

uint64_t segments_reserve_blocks(const struct lattice *fs, unsigned divisor) {
    return fs->segments.total_blocks / divisor;
}

static void segments_take(struct lattice *fs, uint32_t index, uint32_t first, uint32_t count,
                          enum segment_class class) {
    struct segment *segment = segment_at(fs, index);
    busy_change(fs, segment, first, count, true);
    for (uint32_t bit = first; bit < first + count; bit++) {
        bit_set(&SOME(segment->maps)->used, bit, true);
    }
    segment->dirty = true;
    if (segment->entry.class == CLASS_FREE) {
        segment->entry.class = (uint8_t)class;
    }
}

/* How gladly a node goes into a segment; 0 = not at all. */
static uint32_t quad_rank(const struct lattice *fs, const struct segment *segment) {
    if (segment->bad || segment->free_quads == 0) {
        return 0;
    }
    switch (segment->entry.class) {
    case CLASS_METADATA:
        return segment->free_quads >= segment_size(fs) / 16 ? 4 : 2;
    case CLASS_FREE:
        return 3;
    default:
        return 1;
    }
}

/* Whether another page of the table should be read before this segment is taken: it is nearly full.
 */
static bool is_scant(const struct lattice *fs, uint64_t free_blocks) {
    return fs->segments.missing != 0 && free_blocks < fs->scant_blocks;
}

static bool quad_choose_known(struct lattice *fs, uint32_t *out_index) {
    uint64_t best = 0;
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        const struct segment *segment = segment_at(fs, i);
        uint64_t rank = (uint64_t)quad_rank(fs, segment) << 32 | segment->free_quads;
        if (rank > best && rank >> 32 != 0) {
            best = rank;
            *out_index = i;
        }
    }
    return best != 0;
}

static bool quad_choose(struct lattice *fs, uint32_t *out_index) {
    bool found = quad_choose_known(fs, out_index);
    while ((!found || is_scant(fs, segment_at(fs, *out_index)->free_blocks)) && segments_more(fs)) {
        found = quad_choose_known(fs, out_index);
    }
    return found && fs->aborted == LATTICE_OK;
}

static bool quad_find(struct lattice *fs, const struct bitmap *busy, uint32_t start,
                      uint32_t *out_bit) {
    uint32_t words = segment_size(fs) / 64;
    for (uint32_t i = 0; i < words; i++) {
        uint32_t word = (start + i) % words;
        uint64_t quads = word_quads(busy->words[word]);
        if (quads != 0) {
            *out_bit = word * 64 + (uint32_t)__builtin_ctzll(quads);
            return true;
        }
    }
    return false;
}

lattice_status_t segments_take_quad(struct lattice *fs, uint64_t *out_address) {
    for (uint32_t attempt = 0; attempt <= fs->segments.count; attempt++) {
        uint32_t index = fs->segments.metadata;
        if (attempt > 0 || index >= fs->segments.count ||
            segment_at(fs, index)->entry.class != CLASS_METADATA ||
            segment_at(fs, index)->free_quads == 0) {
            if (!quad_choose(fs, &index)) {
                return LATTICE_NO_SPACE;
            }
            fs->segments.metadata_word = 0;
        }
        struct segment_maps *maps = nullptr;
        lattice_status_t status = segments_maps(fs, index, &maps);
        if (status == LATTICE_CORRUPT) {
            continue; /* the segment is out of use now */
        }
        TRY(status);
        uint32_t bit = 0;
        bool found = quad_find(fs, &SOME(maps)->busy, fs->segments.metadata_word, &bit);
        CHECK(found);
        segments_take(fs, index, bit, NODE_BLOCKS, CLASS_METADATA);
        fs->segments.metadata = index;
        fs->segments.metadata_word = bit / 64;
        *out_address = ((uint64_t)index << fs->super.segment_shift) + bit;
        return LATTICE_OK;
    }
    return LATTICE_NO_SPACE;
}

/* Free bits of a word, one each; in frugal mode only those outside wholly free quads. */
static uint64_t word_free(uint64_t word, bool frugal) {
    uint64_t free_bits = ~word;
    return frugal ? free_bits & ~(word_quads(word) * 0xf) : free_bits;
}

/* Finds the first run of at least `want` free blocks, from the word `start` on, without a wrap
 * inside. */
static bool run_find(struct lattice *fs, const struct bitmap *busy, uint32_t start, uint32_t want,
                     bool frugal, uint32_t *out_bit) {
    uint32_t words = segment_size(fs) / 64;
    uint32_t length = 0;
    uint32_t first = 0;
    for (uint32_t i = 0; i < words; i++) {
        uint32_t index = (start + i) % words;
        uint64_t bits = word_free(busy->words[index], frugal);
        if (index == 0) {
            length = 0;
        }
        if (bits == UINT64_MAX || bits == 0) {
            first = length == 0 ? index * 64 : first;
            length = bits == 0 ? 0 : length + 64;
        } else {
            for (uint32_t bit = 0; bit < 64 && length < want; bit++) {
                first = length == 0 ? index * 64 + bit : first;
                length = (bits >> bit & 1) != 0 ? length + 1 : 0;
            }
        }
        if (length >= want) {
            *out_bit = first;
            return true;
        }
    }
    return false;
}

static uint32_t run_rank(const struct segment *segment, uint32_t want, bool frugal) {
    if (segment->bad || segment->free_blocks < want || segment->run_limit < want ||
        (frugal && segment->free_blocks <= segment->free_quads * NODE_BLOCKS)) {
        return 0;
    }
    switch (segment->entry.class) {
    case CLASS_DATA:
        return 3;
    case CLASS_FREE:
        return 2;
    default:
        return 1;
    }
}

static bool run_choose_known(struct lattice *fs, uint32_t want, bool frugal, uint32_t *out_index) {
    uint64_t best = 0;
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        const struct segment *segment = segment_at(fs, i);
        uint64_t rank = (uint64_t)run_rank(segment, want, frugal) << 32 | segment->free_blocks;
        if (rank > best && rank >> 32 != 0) {
            best = rank;
            *out_index = i;
        }
    }
    return best != 0;
}

static bool run_choose(struct lattice *fs, uint32_t want, bool frugal, uint32_t *out_index) {
    bool found = run_choose_known(fs, want, frugal, out_index);
    while ((!found || is_scant(fs, segment_at(fs, *out_index)->free_blocks)) && segments_more(fs)) {
        found = run_choose_known(fs, want, frugal, out_index);
    }
    return found && fs->aborted == LATTICE_OK;
}

/* Tries all segments for one length, the best first. A failed search lowers the segment's limit. */
static lattice_status_t run_take(struct lattice *fs, uint32_t want, bool frugal,
                                 uint64_t *out_address) {
    uint32_t index = fs->segments.data_cursor;
    bool current = index < fs->segments.count && segment_at(fs, index)->entry.class == CLASS_DATA &&
                   run_rank(segment_at(fs, index), want, frugal) != 0;
    for (uint32_t attempt = 0; attempt <= fs->segments.count; attempt++) {
        if (!current && !run_choose(fs, want, frugal, &index)) {
            return fs->aborted == LATTICE_OK ? LATTICE_NO_SPACE : LATTICE_ABORTED;
        }
        struct segment_maps *maps = nullptr;
        lattice_status_t status = segments_maps(fs, index, &maps);
        uint32_t start = current ? fs->segments.data_word : 0;
        uint32_t bit = 0;
        current = false;
        if (status == LATTICE_CORRUPT) {
            continue;
        }
        TRY(status);
        if (!run_find(fs, &SOME(maps)->busy, start, want, frugal, &bit)) {
            if (frugal) {
                return LATTICE_NO_SPACE; /* try a shorter run */
            }
            segment_at(fs, index)->run_limit = want - 1;
            continue;
        }
        segments_take(fs, index, bit, want, CLASS_DATA);
        fs->segments.data_cursor = index;
        fs->segments.data_word = bit / 64;
        *out_address = ((uint64_t)index << fs->super.segment_shift) + bit;
        return LATTICE_OK;
    }
    return LATTICE_NO_SPACE;
}

lattice_status_t segments_take_run(struct lattice *fs, uint32_t want, uint64_t *out_address,
                                   uint32_t *out_blocks) {
    CHECK(want > 0);
    /* Half of what the class leaves for nodes. */
    uint64_t reserve = segments_reserve_blocks(fs, fs->space == SPACE_ORDINARY ? 64 : 128);
    for (uint32_t blocks = want; blocks > 0; blocks /= 2) {
        bool frugal = fs->segments.free_quads * NODE_BLOCKS < reserve + blocks + NODE_BLOCKS;
        lattice_status_t status = run_take(fs, blocks, frugal, out_address);
        if (status == LATTICE_OK) {
            *out_blocks = blocks;
        }
        if (status != LATTICE_NO_SPACE) {
            return status;
        }
    }
    return LATTICE_NO_SPACE;
}

/* ---- giving back ---- */

static struct free_list *free_list_of(struct lattice *fs, uint64_t transaction) {
    return &fs->segments.freed[transaction % FREE_LISTS];
}

lattice_status_t segments_reserve_frees(struct lattice *fs, uint32_t count) {
    struct free_list *list = free_list_of(fs, fs->transaction);
    if (list->capacity - list->count >= count) {
        return LATTICE_OK;
    }
    uint32_t capacity = MAX(list->capacity * 2, list->count + count + 64);
    uint64_t *_Nullable data = memory_take(fs, capacity * sizeof(uint64_t));
    if (data == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    bytes_copy(bytes_of(data, capacity * sizeof(uint64_t)),
               view_of(list->data, list->count * sizeof(uint64_t)));
    memory_give(fs, list->data, list->capacity * sizeof(uint64_t));
    list->capacity = capacity;
    list->data = data;
    return LATTICE_OK;
}

void segments_free(struct lattice *fs, uint64_t address, uint32_t blocks) {
    if (segments_reserve_frees(fs, 1) != LATTICE_OK) {
        lattice_abort(fs, LATTICE_NO_MEMORY);
        return;
    }
    struct free_list *list = free_list_of(fs, fs->transaction);
    list->data[list->count] = address | (uint64_t)blocks << 48;
    list->count++;
}

static lattice_status_t segments_apply_frees(struct lattice *fs) {
    struct free_list *list = free_list_of(fs, fs->transaction);
    for (; list->applied < list->count; list->applied++) {
        uint64_t address = list->data[list->applied] & ADDRESS_MASK;
        uint32_t blocks = (uint32_t)(list->data[list->applied] >> 48);
        uint32_t index = (uint32_t)(address >> fs->super.segment_shift);
        struct segment_maps *maps = nullptr;
        lattice_status_t status = segments_maps(fs, index, &maps);
        if (status == LATTICE_CORRUPT) {
            continue; /* leaked until a repair rebuilds the bitmap */
        }
        TRY(status);
        uint32_t first = address & (segment_size(fs) - 1);
        for (uint32_t bit = first; bit < first + blocks; bit++) {
            if (!bit_get(&SOME(maps)->used, bit)) {
                return LATTICE_CORRUPT; /* freed twice: the trees contradict the bitmap */
            }
            bit_set(&SOME(maps)->used, bit, false);
        }
        segment_at(fs, index)->dirty = true;
    }
    return LATTICE_OK;
}

lattice_status_t segments_pin(struct lattice *fs, uint64_t address, uint32_t blocks) {
    struct geometry geometry = geometry_of(fs);
    TRY(run_validate(&geometry, address, blocks));
    uint32_t index = (uint32_t)(address >> fs->super.segment_shift);
    struct segment_maps *maps = nullptr;
    TRY(segments_maps(fs, index, &maps));
    uint32_t first = address & (segment_size(fs) - 1);
    for (uint32_t bit = first; bit < first + blocks; bit++) {
        if (bit_get(&SOME(maps)->busy, bit)) {
            return LATTICE_CORRUPT;
        }
    }
    segments_take(fs, index, first, blocks, CLASS_DATA);
    return LATTICE_OK;
}

void segments_unpin(struct lattice *fs, uint64_t address, uint32_t blocks) {
    uint32_t index = (uint32_t)(address >> fs->super.segment_shift);
    struct segment *segment = segment_at(fs, index);
    uint32_t first = address & (segment_size(fs) - 1);
    for (uint32_t bit = first; bit < first + blocks; bit++) {
        bit_set(&SOME(segment->maps)->used, bit, false);
    }
    busy_change(fs, segment, first, blocks, false);
}

bool segments_is_used(struct lattice *fs, uint64_t address) {
    struct segment_maps *maps = nullptr;
    uint32_t index = (uint32_t)(address >> fs->super.segment_shift);
    if (index >= fs->segments.count || segments_maps(fs, index, &maps) != LATTICE_OK) {
        return false;
    }
    return bit_get(&SOME(maps)->used, address & (segment_size(fs) - 1));
}

/* ---- commit ---- */

static lattice_status_t segment_write(struct lattice *fs, uint32_t index) {
    struct segment *segment = segment_at(fs, index);
    struct segment_maps *maps = SOME(segment->maps);
    struct segment_entry *entry = &segment->entry;
    /* A second attempt at the same commit goes to the same slot: version tells. */
    if (entry->version != fs->transaction) {
        entry->slot = entry->state == SEGMENT_UNWRITTEN ? 0 : (uint8_t)((entry->slot + 1) % SLOTS);
        entry->version = fs->transaction;
    }
    entry->state = SEGMENT_WRITTEN;
    entry->checksum = checksum_xxh64(VIEW_OF(maps->used));
    fs->super.used_blocks += entry->free_blocks;
    fs->super.free_quads -= entry->free_quads;
    bitmap_count(&maps->used, &entry->free_blocks, &entry->free_quads);
    fs->super.used_blocks -= entry->free_blocks;
    fs->super.free_quads += entry->free_quads;
    if (entry->free_blocks == segment_size(fs) - SEGMENT_HEAD_BLOCKS) {
        entry->class = CLASS_FREE;
    }
    uint64_t address = ((uint64_t)index << fs->super.segment_shift) + entry->slot;
    return pool_write(fs, address, VIEW_OF(maps->used));
}

static lattice_status_t page_write(struct lattice *fs, uint64_t first_block,
                                   struct page_reference *reference, uint64_t written,
                                   struct view page) {
    bool again = written == fs->transaction;
    if (!again && !reference_is_null(reference)) {
        reference->slot = (uint8_t)((reference->slot + 1) % SLOTS);
    }
    reference->checksum = checksum_xxh64(page);
    for (uint32_t disk = 0; disk < fs->super.disk_count; disk++) {
        TRY(disk_write(fs, disk, first_block + reference->slot, page));
    }
    return LATTICE_OK;
}

static lattice_status_t table_write(struct lattice *fs, uint32_t number) {
    struct table_page *page = (struct table_page *)fs->scratch_node;
    bytes_zero(BYTES_OF(*page));
    page->magic = TABLE_MAGIC;
    page->number = number;
    page->transaction = fs->transaction;
    for (uint32_t i = 0; i < SEGMENTS_PER_PAGE; i++) {
        uint32_t index = number * SEGMENTS_PER_PAGE + i;
        if (index < fs->segments.count) {
            page->entries[i] = segment_at(fs, index)->entry;
        }
    }
    struct page_reference *reference = &fs->segments.tables.data[number];
    uint64_t written = reference->written != 0 ? fs->transaction : 0;
    reference->written = 1;
    return page_write(fs, segments_table_block(fs, number), reference, written, VIEW_OF(*page));
}

static lattice_status_t index_write(struct lattice *fs, uint32_t number) {
    struct index_page *page = (struct index_page *)fs->scratch_node;
    bytes_zero(BYTES_OF(*page));
    page->magic = INDEX_MAGIC;
    page->number = number;
    page->transaction = fs->transaction;
    for (uint32_t i = 0; i < REFERENCES_PER_PAGE; i++) {
        uint32_t table = number * REFERENCES_PER_PAGE + i;
        if (table < fs->segments.tables.count) {
            page->entries[i] = fs->segments.tables.data[table];
            page->entries[i].written = 0;
            page->entries[i].missing = 0;
        }
    }
    struct page_reference *reference = &fs->super.index[number];
    uint64_t written = reference->written != 0 ? fs->transaction : 0;
    reference->written = 1;
    return page_write(fs, segments_index_block(number), reference, written, VIEW_OF(*page));
}

static bool table_is_dirty(struct lattice *fs, uint32_t number) {
    for (uint32_t i = 0; i < SEGMENTS_PER_PAGE; i++) {
        uint32_t index = number * SEGMENTS_PER_PAGE + i;
        if (index < fs->segments.count && segment_at(fs, index)->dirty) {
            return true;
        }
    }
    return false;
}

/* Counts anew where all entries are in memory; else segment_write has kept up with what changed. */
static void totals_count(struct lattice *fs) {
    if (fs->segments.missing != 0) {
        return;
    }
    fs->super.used_blocks = 0;
    fs->super.free_quads = 0;
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        const struct segment_entry *entry = &segment_at(fs, i)->entry;
        fs->super.used_blocks += segment_size(fs) - entry->free_blocks;
        fs->super.free_quads += entry->free_quads;
    }
}

lattice_status_t segments_commit(struct lattice *fs) {
    TRY(segments_apply_frees(fs));
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        struct segment *segment = segment_at(fs, i);
        if (segment->dirty && segment->maps != nullptr) {
            TRY(segment_write(fs, i));
        }
    }
    totals_count(fs);
    for (uint32_t i = 0; i < fs->super.index_pages; i++) {
        bool dirty = false;
        for (uint32_t j = 0; j < REFERENCES_PER_PAGE; j++) {
            uint32_t table = i * REFERENCES_PER_PAGE + j;
            if (table < fs->segments.tables.count && table_is_dirty(fs, table)) {
                TRY(table_write(fs, table));
                dirty = true;
            }
        }
        if (dirty) {
            TRY(index_write(fs, i));
        }
    }
    return LATTICE_OK;
}

void segments_committed(struct lattice *fs) {
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        segment_at(fs, i)->dirty = false;
    }
    for (uint32_t i = 0; i < fs->segments.tables.count; i++) {
        fs->segments.tables.data[i].written = 0;
    }
    for (uint32_t i = 0; i < INDEX_PAGES_MAX; i++) {
        fs->super.index[i].written = 0;
    }
    /* fs->transaction is the new running one; freed three before it = list (transaction + 1) mod 4.
     */
    struct free_list *list = free_list_of(fs, fs->transaction + 1);
    for (uint32_t i = 0; i < list->count; i++) {
        uint64_t address = list->data[i] & ADDRESS_MASK;
        uint32_t blocks = (uint32_t)(list->data[i] >> 48);
        struct segment *segment = segment_at(fs, address >> fs->super.segment_shift);
        if (segment->maps != nullptr) {
            busy_change(fs, segment, address & (segment_size(fs) - 1), blocks, false);
            pool_trim(fs, address, blocks);
        }
    }
    list->count = 0;
    list->applied = 0;
}

#pragma clang assume_nonnull end
