/* Scrub of what no pointer leads to: bitmaps, table pages, index pages. */
#include "checksum.h"
#include "pool.h"
#include "segments.h"

#pragma clang assume_nonnull begin

static struct bytes page_bytes(struct lattice *fs) {
    return bytes_sub(BYTES_OF(*fs->record_buffer), 0, BLOCK_SIZE);
}

static bool bitmap_copy_good(struct lattice *fs, uint64_t address, uint32_t copy,
                             uint64_t checksum) {
    struct bytes to = page_bytes(fs);
    return pool_read_copy(fs, address, copy, to) == LATTICE_OK &&
           checksum_xxh64(bytes_view(to)) == checksum;
}

/* Rewrites the copies of a bitmap that are not what the table says, from one that is. */
static void bitmap_scrub(struct lattice *fs, uint32_t index, uint64_t *bad, uint64_t *lost) {
    const struct segment_entry *entry = &fs->segments.data[index].entry;
    uint64_t address = ((uint64_t)index << fs->super.segment_shift) + entry->slot;
    uint32_t wrong = 0;
    uint32_t good = COPIES_MAX;
    for (uint32_t copy = 0; copy < entry->copies; copy++) {
        uint32_t disk = (uint32_t)(entry->place[copy] >> 48);
        if (!disk_present(fs, disk)) {
            continue;
        }
        if (bitmap_copy_good(fs, address, copy, entry->checksum)) {
            good = copy;
        } else {
            wrong |= UINT32_C(1) << copy;
        }
    }
    if (good == COPIES_MAX) {
        *lost += 1;
    } else if (wrong != 0 && bitmap_copy_good(fs, address, good, entry->checksum)) {
        *bad += (uint64_t)__builtin_popcount(wrong);
        pool_heal_copies(fs, address, wrong, bytes_view(page_bytes(fs)));
    }
}

/* The same for a page that every disk has. */
static void page_scrub(struct lattice *fs, uint64_t block, uint64_t checksum, uint64_t *bad,
                       uint64_t *lost) {
    struct bytes to = page_bytes(fs);
    uint32_t wrong = 0;
    uint32_t good = DISKS_MAX;
    for (uint32_t disk = 0; disk < fs->super.disk_count; disk++) {
        if (!disk_present(fs, disk)) {
            continue;
        }
        bool right = disk_read(fs, disk, block, 1, to) == LATTICE_OK &&
                     checksum_xxh64(bytes_view(to)) == checksum;
        good = right ? disk : good;
        wrong |= right ? 0 : UINT32_C(1) << disk;
    }
    if (good == DISKS_MAX) {
        *lost += 1;
        return;
    }
    if (wrong == 0 || disk_read(fs, good, block, 1, to) != LATTICE_OK) {
        return;
    }
    *bad += (uint64_t)__builtin_popcount(wrong);
    for (uint32_t disk = 0; disk < fs->super.disk_count && !fs->read_only; disk++) {
        if ((wrong >> disk & 1) != 0) {
            fs->disks[disk].healed += disk_write(fs, disk, block, bytes_view(to)) == LATTICE_OK;
        }
    }
}

void segments_scrub(struct lattice *fs, uint64_t *bad, uint64_t *lost) {
    for (uint32_t i = 0; i < fs->segments.count; i++) {
        if (fs->segments.data[i].entry.state == SEGMENT_WRITTEN) {
            bitmap_scrub(fs, i, bad, lost);
        }
    }
    for (uint32_t i = 0; i < fs->super.index_pages; i++) {
        const struct page_reference *reference = &fs->super.index[i];
        if (reference->checksum != 0) {
            page_scrub(fs, segments_index_block(i) + reference->slot, reference->checksum, bad,
                       lost);
        }
    }
    for (uint32_t i = 0; i < fs->segments.tables.count; i++) {
        const struct page_reference *reference = &fs->segments.tables.data[i];
        if (reference->checksum != 0) {
            page_scrub(fs, segments_table_block(fs, i) + reference->slot, reference->checksum, bad,
                       lost);
        }
    }
}

#pragma clang assume_nonnull end
