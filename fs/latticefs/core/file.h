#pragma once
/* The data of files, granule by granule. Nothing is cached here: a front end keeps dirty granules
 * (granule.c, or the page cache of a server), reserves space when one turns dirty, and stores them
 * when it collects.
 *
 * A record, and the functions of the edges (its blocks: segments.h; what is cached: granule.h):
 *
 *   content ──granule_store: piece_write──▶ written ──dataset_put──▶ in the tree
 *   in the tree ──log_begin or commit_begin, then a flush──▶ on disk
 *   on disk ──granule_store again, file_resize, object_delete: dataset_kill──▶ dropped
 *   dropped, born after the newest snapshot ──segments_free──▶ freed
 *   dropped, older ──dead_add──▶ dead: in the head's deadlist, the next snapshot's from then on
 *   dead ──reclaim_step, when the last snapshot that holds it is destroyed──▶ freed
 *
 * A failure before dataset_put gives the blocks back; one after it aborts the mount. */
#include "compress.h"
#include "inode.h"
#include "space.h"

#pragma clang assume_nonnull begin

static inline uint32_t granule_size(const struct inode *inode) {
    return UINT32_C(1) << inode->record_shift;
}

/* Blocks that a granule may take; the promise that a store makes good. */
uint32_t granule_blocks(const struct inode *inode);
/* Reads a granule; `to` has granule_size bytes. What was never written is zero, and so is all
 * beyond the size. */
lattice_status_t granule_read(struct lattice *fs, struct dataset *dataset, uint64_t object,
                              const struct inode *inode, uint64_t granule, struct bytes to);
/* Stores a granule's content in one operation; `size` is the file's size from now on, not below the
 * present one. The content may end with the block in which the file ends. `content` must not lie in
 * the file system's own buffers. A granule that is all zero becomes a hole. Errors:
 * LATTICE_NO_SPACE cannot happen within a promise. */
lattice_status_t granule_store(struct lattice *fs, struct dataset *dataset, uint64_t object,
                               uint64_t granule, struct view content, uint64_t size,
                               int64_t write_time);
/* The same with content that was compressed ahead; where that does not fit what is stored (another
 * algorithm by now, a shorter file), it is compressed here. */
lattice_status_t granule_store_packed(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                      uint64_t granule, struct view content,
                                      const struct packed *_Nullable packed, uint64_t size,
                                      int64_t write_time);
/* For receive, in one operation: makes a granule, whose size must be `size`, hold this content, of
 * whole blocks, at its start and nothing behind it; the file's size stays. Errors: LATTICE_CORRUPT:
 * there is no such granule. */
lattice_status_t granule_receive(struct lattice *fs, struct dataset *dataset, uint64_t object,
                                 uint64_t offset, uint32_t size, struct view content);
/* Sets the size; what lay beyond it goes, in steps that a crash may interrupt and a mount
 * completes. The granule that the new size cuts is stored anew at once, so that no stale byte lies
 * beyond the size. Errors: LATTICE_TOO_LARGE. */
lattice_status_t file_resize(struct lattice *fs, struct dataset *dataset, uint64_t object,
                             uint64_t size);
/* Removes extents that an interrupted shrink left beyond the size. */
lattice_status_t file_finish_cut(struct lattice *fs, struct dataset *dataset, uint64_t object);
/* The first byte at or after `offset` that an extent covers (`data`), or that none does.
 * Errors: LATTICE_NOT_FOUND if there is no data any more. */
lattice_status_t file_seek(struct lattice *fs, struct dataset *dataset, uint64_t object,
                           uint64_t offset, bool data, uint64_t *out_offset);

#pragma clang assume_nonnull end
