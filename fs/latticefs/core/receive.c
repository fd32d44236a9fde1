/* Receiving a snapshot. Every frame may be applied twice: a crash goes back to the last commit, and
 * the stream goes on from the cursor that was committed, or before it.
 *
 * Invariants: 1. A dataset is RECEIVING exactly while it has a RECEIVE item; it is read-only then.
 * 2. All frames below the item's cursor are in the tree. */
#include "change.h"
#include "checksum.h"
#include "file.h"
#include "registry.h"
#include "send.h"
#include "stream.h"

#pragma clang assume_nonnull begin

enum { CHANGES = 16, DELETE_STEP = 24, CHECKPOINT_BYTES = 4 << 20, CHECKPOINT_FRAMES = 256 };

struct receiving {
    struct lattice *fs;
    const struct receive_options *options;
    const struct stream_source *source;
    struct send_report *report;
    uint64_t id;
    struct dataset *_Nullable dataset;
    struct receive_record state;
    uint64_t number;
    uint64_t previous;
    uint64_t pending_bytes; /* since the last checkpoint */
    uint32_t pending_frames;
    struct stream_begin begin;
    struct stream_frame frame;
    struct work_buffer content;
};

static struct key receive_key(uint64_t dataset) {
    return key_make(dataset, KEY_RECEIVE, 0, 0);
}

/* ---- frames ---- */

static lattice_status_t frame_read(struct receiving *receiving) {
    struct stream_header *header = &receiving->frame.header;
    TRY(receiving->source->read(receiving->source->context, BYTES_OF(*header)));
    if (header->magic != STREAM_MAGIC || header->number != receiving->number ||
        header->bytes > STREAM_PAYLOAD_MAX) {
        return LATTICE_CORRUPT;
    }
    if (header->bytes != 0) {
        TRY(receiving->source->read(
            receiving->source->context,
            bytes_sub(BYTES_OF(receiving->frame.payload), 0, header->bytes)));
    }
    uint64_t checksum = header->checksum;
    header->checksum = receiving->previous;
    size_t size = sizeof *header + header->bytes;
    if (checksum_xxh64(view_sub(VIEW_OF(receiving->frame), 0, size)) != checksum) {
        return LATTICE_CORRUPT;
    }
    receiving->previous = checksum;
    receiving->number++;
    receiving->report->bytes += size;
    receiving->report->items++;
    receiving->pending_bytes += size;
    receiving->pending_frames++;
    return LATTICE_OK;
}

/* ---- beginning ---- */

static lattice_status_t begin_read(struct receiving *receiving) {
    TRY(frame_read(receiving));
    const struct stream_begin *begin = &receiving->frame.begin;
    if (receiving->frame.header.kind != STREAM_BEGIN ||
        receiving->frame.header.bytes != sizeof *begin) {
        return LATTICE_CORRUPT;
    }
    if (begin->version != STREAM_VERSION || begin->flags != 0) {
        return LATTICE_UNSUPPORTED;
    }
    bool sound = begin->guid != 0 && begin->record_shift >= RECORD_SHIFT_MIN &&
                 begin->record_shift <= RECORD_SHIFT_MAX && begin->name_length >= 1 &&
                 begin->name_length <= NAME_MAX_BYTES && begin->next_object >= 2;
    receiving->begin = *begin;
    return sound ? LATTICE_OK : LATTICE_CORRUPT;
}

static lattice_status_t state_get(struct lattice *fs, uint64_t id, struct receive_record *out) {
    struct view value = {};
    TRY(tree_get(fs, &fs->pool_tree, receive_key(id), &value));
    if (value.size != sizeof *out) {
        return LATTICE_CORRUPT;
    }
    bytes_copy(bytes_of(out, sizeof *out), value);
    return LATTICE_OK;
}

static lattice_status_t state_put(struct lattice *fs, uint64_t id,
                                  const struct receive_record *state) {
    fs->modified = true;
    return tree_put(fs, &fs->pool_tree, receive_key(id), VIEW_OF(*state));
}

static lattice_status_t fresh_in_change(struct receiving *receiving) {
    struct lattice *fs = receiving->fs;
    const struct stream_begin *begin = &receiving->begin;
    struct dataset_options options = *receiving->options->dataset;
    options.record_shift = begin->record_shift;
    options.compression = options.compression == 0 && begin->compression <= COMPRESSION_ZSTD
                              ? begin->compression
                              : options.compression;
    TRY(dataset_create_received(fs, receiving->options->name, &options, &begin->name_key,
                                &receiving->id));
    return state_put(fs, receiving->id, &receiving->state);
}

/* The first frames of an incremental stream: the head must be what the older snapshot is. */
static lattice_status_t follow_in_change(struct receiving *receiving) {
    struct lattice *fs = receiving->fs;
    struct dataset_record *record = &fs->stored_buffer->dataset;
    TRY(record_load(fs, receiving->id, record));
    record->state = DATASET_RECEIVING;
    record->flags |= DATASET_READ_ONLY;
    TRY(record_store(fs, receiving->id, record));
    return state_put(fs, receiving->id, &receiving->state);
}

/* Whether the head is its newest snapshot, and that is where the stream starts. */
static lattice_status_t follows(struct receiving *receiving) {
    struct lattice *fs = receiving->fs;
    struct dataset_record *record = &fs->stored_buffer->dataset;
    TRY(record_load(fs, receiving->id, record));
    struct dataset *_Nullable open = dataset_if_open(fs, receiving->id);
    if (open != nullptr && SOME(open)->open_count != 0) {
        return LATTICE_BUSY;
    }
    if (record->kind != DATASET_HEAD || record->previous == 0) {
        return LATTICE_MISMATCH;
    }
    bool changed = record->root.birth > record->previous_birth;
    TRY(dataset_record_get(fs, record->previous, record));
    if (record->guid != receiving->begin.from_guid || record->state != DATASET_WHOLE) {
        return LATTICE_MISMATCH;
    }
    if (!changed) {
        return LATTICE_OK;
    }
    if (!receiving->options->discard_changes) {
        return LATTICE_MISMATCH;
    }
    struct dataset *_Nullable head = nullptr;
    TRY(dataset_open(fs, receiving->id, &head));
    SOME(head)->writable = true;
    lattice_status_t status = dataset_rollback(fs, SOME(head));
    dataset_close(fs, SOME(head));
    return status;
}

/* Finds or makes what the stream goes to. */
static lattice_status_t target_prepare(struct receiving *receiving) {
    struct lattice *fs = receiving->fs;
    const struct stream_begin *begin = &receiving->begin;
    lattice_status_t status = dataset_find(fs, receiving->options->name, &receiving->id);
    if (status != LATTICE_OK && status != LATTICE_NOT_FOUND) {
        return status;
    }
    bool exists = status == LATTICE_OK;
    status = exists ? state_get(fs, receiving->id, &receiving->state) : LATTICE_NOT_FOUND;
    if (status == LATTICE_OK) { /* a continuation */
        bool same = receiving->state.guid == begin->guid &&
                    receiving->state.from_guid == begin->from_guid &&
                    !key_less(receiving->state.cursor, begin->cursor);
        return same ? LATTICE_OK : LATTICE_MISMATCH;
    }
    if (status != LATTICE_NOT_FOUND) {
        return status;
    }
    receiving->state = (struct receive_record){.guid = begin->guid, .from_guid = begin->from_guid};
    if (!key_equal(begin->cursor, KEY_MIN) || (!exists && begin->from_guid != 0)) {
        return LATTICE_MISMATCH;
    }
    if (exists && begin->from_guid == 0) {
        return LATTICE_EXISTS;
    }
    if (exists) {
        TRY(follows(receiving));
    }
    TRY(change_begin(fs, SPACE_ORDINARY, CHANGES));
    return change_end(fs, exists ? follow_in_change(receiving) : fresh_in_change(receiving));
}

/* ---- applying ---- */

static lattice_status_t inode_receive(struct receiving *receiving, struct key key,
                                      struct view value) {
    struct lattice *fs = receiving->fs;
    struct dataset *dataset = SOME(receiving->dataset);
    struct inode inode = {};
    struct inode here = {};
    if (value.size != sizeof inode || key.offset != 0 || key_sub(key) != 0 || key.object == 0) {
        return LATTICE_CORRUPT;
    }
    bytes_copy(BYTES_OF(inode), value);
    TRY(inode_validate(&inode));
    lattice_status_t status = inode_get(fs, dataset, key.object, &here);
    if (status != LATTICE_OK && status != LATTICE_NOT_FOUND) {
        return status;
    }
    inode.blocks = here.blocks; /* of the records as they are here */
    TRY(inode_put(fs, dataset, key.object, &inode));
    dataset->record.object_count += status == LATTICE_NOT_FOUND;
    dataset->record.next_object = MAX(dataset->record.next_object, key.object + 1);
    return LATTICE_OK;
}

static lattice_status_t item_receive(struct receiving *receiving) {
    struct key key = receiving->frame.key;
    size_t bytes = receiving->frame.header.bytes;
    if (bytes < sizeof key || bytes - sizeof key > VALUE_MAX) {
        return LATTICE_CORRUPT;
    }
    struct view value = view_sub(VIEW_OF(receiving->frame.payload), sizeof key, bytes - sizeof key);
    uint8_t type = key_type(key);
    receiving->state.cursor = key_next(key);
    if (type == KEY_INODE) {
        return inode_receive(receiving, key, value);
    }
    if (type <= KEY_INODE || type == KEY_EXTENT || type > KEY_ORPHAN ||
        (key.object == 0) != (type == KEY_ORPHAN)) {
        return LATTICE_CORRUPT;
    }
    return dataset_put(receiving->fs, SOME(receiving->dataset), key, value);
}

static lattice_status_t delete_receive(struct receiving *receiving) {
    struct key key = receiving->frame.key;
    uint8_t type = key_type(key);
    if (receiving->frame.header.bytes != sizeof key || type <= KEY_INODE || type == KEY_EXTENT ||
        type > KEY_ORPHAN) {
        return LATTICE_CORRUPT;
    }
    receiving->state.cursor = key_next(key);
    lattice_status_t status = dataset_delete(receiving->fs, SOME(receiving->dataset), key);
    return status == LATTICE_NOT_FOUND ? LATTICE_OK : status;
}

/* Deletes up to a step's worth of an object's items, its inode last. */
static lattice_status_t object_delete_step(struct receiving *receiving, uint64_t object,
                                           bool *out_done) {
    struct lattice *fs = receiving->fs;
    struct dataset *dataset = SOME(receiving->dataset);
    struct key inode = key_make(object, KEY_INODE, 0, 0);
    struct key end = {object, UINT64_MAX, UINT64_MAX};
    TRY(dataset_reserve_kills(fs, dataset, DELETE_STEP * 8));
    for (uint32_t i = 0; i < DELETE_STEP; i++) {
        struct item item = {};
        lattice_status_t status = tree_seek(fs, &dataset->tree, key_next(inode), end, &item);
        if (status == LATTICE_NOT_FOUND) {
            status = dataset_delete(fs, dataset, inode);
            dataset->record.object_count -= status == LATTICE_OK;
            *out_done = true;
            return status == LATTICE_NOT_FOUND ? LATTICE_OK : status;
        }
        TRY(status);
        TRY(dataset_delete(fs, dataset, item.key));
    }
    return LATTICE_OK;
}

static lattice_status_t object_receive(struct receiving *receiving) {
    uint64_t object = receiving->frame.object;
    bool done = false;
    if (receiving->frame.header.bytes != sizeof object || object <= ROOT_OBJECT) {
        return LATTICE_CORRUPT;
    }
    while (!done) {
        TRY(operation_begin(receiving->fs, receiving->dataset, SPACE_DELETE, CHANGES, 0));
        TRY(operation_end(receiving->fs, object_delete_step(receiving, object, &done)));
    }
    receiving->state.cursor = key_make(object, KEY_INODE, 0, 1);
    return LATTICE_OK;
}

static lattice_status_t granule_frame(struct receiving *receiving) {
    const struct stream_granule *granule = &receiving->frame.granule;
    size_t bytes = receiving->frame.header.bytes;
    if (bytes < sizeof *granule || (bytes - sizeof *granule) % BLOCK_SIZE != 0) {
        return LATTICE_CORRUPT;
    }
    struct view content =
        view_sub(VIEW_OF(receiving->frame.payload), sizeof *granule, bytes - sizeof *granule);
    struct bytes aligned = bytes_sub(BYTES_OF(receiving->content), 0, content.size);
    bytes_copy(aligned, content);
    TRY(granule_receive(receiving->fs, SOME(receiving->dataset), granule->object, granule->offset,
                        granule->size, bytes_view(aligned)));
    receiving->state.cursor =
        key_make(granule->object, KEY_EXTENT, 0, granule->offset + granule->size);
    return LATTICE_OK;
}

static lattice_status_t frame_in_operation(struct receiving *receiving) {
    uint8_t kind = receiving->frame.header.kind;
    if (kind == STREAM_ITEM) {
        return item_receive(receiving);
    }
    return kind == STREAM_DELETE ? delete_receive(receiving) : LATTICE_CORRUPT;
}

static lattice_status_t frame_apply(struct receiving *receiving) {
    switch (receiving->frame.header.kind) {
    case STREAM_DELETE_OBJECT:
        return object_receive(receiving);
    case STREAM_GRANULE:
        return granule_frame(receiving);
    default:
        TRY(operation_begin(receiving->fs, receiving->dataset, SPACE_ORDINARY, CHANGES, 0));
        return operation_end(receiving->fs, frame_in_operation(receiving));
    }
}

/* Commits what was applied, with the cursor behind it. */
static lattice_status_t checkpoint(struct receiving *receiving) {
    struct lattice *fs = receiving->fs;
    TRY(operation_begin(fs, nullptr, SPACE_DELETE, 2, 0));
    TRY(operation_end(fs, state_put(fs, receiving->id, &receiving->state)));
    receiving->pending_bytes = 0;
    receiving->pending_frames = 0;
    return commit(fs);
}

static lattice_status_t frames_apply(struct receiving *receiving) {
    for (;;) {
        TRY(frame_read(receiving));
        if (receiving->frame.header.kind == STREAM_END) {
            bool sound = receiving->frame.header.bytes == sizeof(uint64_t) &&
                         receiving->frame.object == receiving->number - 1;
            return sound ? LATTICE_OK : LATTICE_CORRUPT;
        }
        TRY(frame_apply(receiving));
        if (receiving->pending_bytes >= CHECKPOINT_BYTES ||
            receiving->pending_frames >= CHECKPOINT_FRAMES) {
            TRY(checkpoint(receiving));
            if (receiving->report->progress != nullptr) {
                receiving->report->progress(receiving->report->context, receiving->report);
            }
        }
    }
}

static lattice_status_t finish_in_change(struct receiving *receiving, uint64_t *out_snapshot) {
    struct lattice *fs = receiving->fs;
    struct dataset *dataset = SOME(receiving->dataset);
    const struct stream_begin *begin = &receiving->begin;
    fs->modified = true;
    dataset->record.state = DATASET_WHOLE;
    dataset->record.next_object = MAX(dataset->record.next_object, begin->next_object);
    dataset->dirty = true;
    TRY(tree_delete(fs, &fs->pool_tree, receive_key(receiving->id)));
    return snapshot_create_received(fs, dataset,
                                    view_sub(VIEW_OF(begin->name), 0, begin->name_length),
                                    begin->guid, begin->time, out_snapshot);
}

static lattice_status_t receive_into(struct receiving *receiving, uint64_t *out_snapshot) {
    struct lattice *fs = receiving->fs;
    struct dataset *dataset = SOME(receiving->dataset);
    if (!dataset_unlocked(fs, &dataset->record)) {
        return LATTICE_KEY_NEEDED;
    }
    if (dataset->open_count != 1) {
        return LATTICE_BUSY;
    }
    dataset->writable = true;
    dataset->unlogged = true;
    lattice_status_t status = frames_apply(receiving);
    if (status != LATTICE_OK) {
        /* What came is kept; the reason why no more came is what counts. */
        if (fs->aborted == LATTICE_OK) {
            (void)!checkpoint(receiving);
        }
        return status;
    }
    TRY(change_begin(fs, SPACE_ORDINARY, CHANGES));
    return change_end(fs, finish_in_change(receiving, out_snapshot));
}

lattice_status_t snapshot_receive(struct lattice *fs, const struct receive_options *options,
                                  const struct stream_source *source, struct send_report *report,
                                  uint64_t *out_snapshot) {
    struct receiving *_Nullable taken = memory_take(fs, sizeof(struct receiving));
    if (taken == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    struct receiving *receiving = SOME(taken);
    receiving->fs = fs;
    receiving->options = options;
    receiving->source = source;
    receiving->report = report;
    lattice_status_t status = fs->read_only ? LATTICE_READ_ONLY : begin_read(receiving);
    status = status == LATTICE_OK ? target_prepare(receiving) : status;
    status = status == LATTICE_OK ? dataset_open(fs, receiving->id, &receiving->dataset) : status;
    if (status == LATTICE_OK) {
        status = receive_into(receiving, out_snapshot);
        SOME(receiving->dataset)->unlogged = false;
        dataset_unlock(fs, SOME(receiving->dataset));
        dataset_close(fs, SOME(receiving->dataset));
    }
    memory_give(fs, receiving, sizeof *receiving);
    return status;
}

/* ---- unfinished ---- */

lattice_status_t receive_token(struct lattice *fs, struct view name, struct send_token *out) {
    struct receive_record state = {};
    uint64_t id = 0;
    TRY(dataset_find(fs, name, &id));
    TRY(state_get(fs, id, &state));
    *out = (struct send_token){state.guid, state.from_guid, state.cursor};
    return LATTICE_OK;
}

lattice_status_t receive_abandon(struct lattice *fs, struct view name) {
    struct receive_record state = {};
    struct dataset *_Nullable head = nullptr;
    uint64_t id = 0;
    TRY(dataset_find(fs, name, &id));
    TRY(state_get(fs, id, &state));
    if (state.from_guid == 0) {
        return dataset_destroy(fs, id);
    }
    TRY(dataset_open(fs, id, &head));
    SOME(head)->writable = true;
    lattice_status_t status = dataset_rollback(fs, SOME(head));
    dataset_unlock(fs, SOME(head));
    dataset_close(fs, SOME(head));
    return status;
}

#pragma clang assume_nonnull end
