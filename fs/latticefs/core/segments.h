#pragma once
/* The segment table and the allocator of blocks.
 *
 * Each segment has two bitmaps in memory once it is touched: `used` is what the next commit writes,
 * `busy` what may not be written to: used, or freed less than three transactions ago. A *quad* is
 * an aligned group of four blocks, the unit of nodes; data leaves a reserve of free quads alone, so
 * that deleting always finds room.
 *
 * A block (`used`, `busy`), and the functions of the edges:
 *
 *   free (0, 0) ──segments_take_quad, segments_take_run──▶ taken (1, 1)
 *   taken ──segments_free in transaction N──▶ freed: in the list of N, still (1, 1)
 *   freed ──segments_commit of N──▶ waiting (0, 1): free on the disk
 *   waiting ──segments_committed of N + 2: trimmed──▶ free
 *   free ──segments_pin: the log names it──▶ taken ──segments_unpin: that part is dropped──▶ free
 *
 * So what the last two superblocks reach is never written to. */
#include "format.h"

#pragma clang assume_nonnull begin

struct lattice;

struct segment_maps {
    struct bitmap used;
    struct bitmap busy;
};

struct segment {
    struct segment_entry entry; /* place and class are live; the rest as of the last commit */
    struct segment_maps *_Nullable maps;
    uint32_t free_blocks; /* by `busy` */
    uint32_t free_quads;
    uint32_t run_limit; /* no longer run of free blocks is known to exist */
    bool dirty;
    bool bad; /* its bitmap is lost: nothing is allocated or freed here until it is rebuilt */
};

struct free_list {
    uint32_t capacity;
    uint32_t count;
    uint32_t applied;                              /* of them are cleared in `used` already */
    uint64_t *_Nullable data COUNTED_BY(capacity); /* address 48, blocks 16 */
};

enum { FREE_LISTS = 4 };

struct reference_list {
    uint32_t count;
    struct page_reference *_Nullable data COUNTED_BY(count);
};

struct segments {
    uint32_t count;
    struct segment *_Nullable data COUNTED_BY(count);
    struct reference_list tables; /* where the table pages are, as of the last commit */
    uint32_t missing;             /* of them are not in memory yet */
    uint64_t free_blocks;
    uint64_t free_quads;
    uint64_t total_blocks;
    uint32_t metadata; /* where to look first */
    uint32_t data_cursor;
    uint32_t metadata_word;
    uint32_t data_word;
    struct free_list freed[FREE_LISTS]; /* by transaction mod 4 */
};

/* Reads where the table's pages are; the pages themselves are read when they are needed, so that
 * opening a pool does not take longer the larger it is. Owns: the table until segments_release. */
lattice_status_t segments_load(struct lattice *fs);
/* Makes sure that the entry of a segment is in memory. Errors: LATTICE_IO, LATTICE_CORRUPT; a
 * transaction for writing is then aborted, as nobody knows what is free. */
lattice_status_t segment_need(struct lattice *fs, uint64_t index);
/* The same for all, for whoever looks at fs->segments.data himself. */
lattice_status_t segments_need_all(struct lattice *fs);
void segments_release(struct lattice *fs);
lattice_status_t segments_allocate_table(struct lattice *fs, uint32_t count);

/* Takes four aligned blocks for a node. Errors: LATTICE_NO_SPACE, LATTICE_NO_MEMORY. */
lattice_status_t segments_take_quad(struct lattice *fs, uint64_t *out_address);
/* Takes a run of at most `want` blocks for data, as long as can be found. Errors: as above. */
lattice_status_t segments_take_run(struct lattice *fs, uint32_t want, uint64_t *out_address,
                                   uint32_t *out_blocks);
/* Gives blocks back at the end of the transaction. Needs room made by segments_reserve_frees. */
void segments_free(struct lattice *fs, uint64_t address, uint32_t blocks);
lattice_status_t segments_reserve_frees(struct lattice *fs, uint32_t count);
/* Marks blocks used that the log names. Errors: LATTICE_CORRUPT if they are not free. */
lattice_status_t segments_pin(struct lattice *fs, uint64_t address, uint32_t blocks);
/* Clears blocks that were pinned, and are not used after all. */
void segments_unpin(struct lattice *fs, uint64_t address, uint32_t blocks);
bool segments_is_used(struct lattice *fs, uint64_t address);

/* Writes changed bitmaps and table pages into their next slots, and refers to them in the
 * superblock. */
lattice_status_t segments_commit(struct lattice *fs);
/* After the commit of a transaction: forgets what was changed, lets blocks of three transactions
 * ago go. */
void segments_committed(struct lattice *fs);

/* Reads a segment's bitmap if it is not in memory. */
lattice_status_t segments_maps(struct lattice *fs, uint32_t index,
                               struct segment_maps *_Nullable *_Nonnull out);
/* First of the three slots of an index page, a table page, on each disk. */
uint64_t segments_index_block(uint32_t page);
uint64_t segments_table_block(const struct lattice *fs, uint32_t page);
/* Reads all copies of bitmaps and pages, and rewrites bad ones; adds to both counts. */
void segments_scrub(struct lattice *fs, uint64_t *bad, uint64_t *lost);
/* Replaces a segment's bitmap, lost or wrong, by what the trees say is used. Takes effect with the
 * next commit. */
lattice_status_t segments_rebuild(struct lattice *fs, uint32_t index, const struct bitmap *used);
/* Free blocks that data may take, and the reserves of space classes, in blocks. */
uint64_t segments_reserve_blocks(const struct lattice *fs, unsigned divisor);

#pragma clang assume_nonnull end
