/* Sending a snapshot. Only leaves born since the older snapshot are looked at; in the range of keys
 * of each, the items of both snapshots are compared in order. */
#include "send.h"
#include "change.h"
#include "checksum.h"
#include "file.h"
#include "node.h"
#include "stream.h"
#include "walk.h"

#pragma clang assume_nonnull begin

struct sending {
    struct lattice *fs;
    const struct stream_sink *sink;
    struct send_report *report;
    struct dataset *_Nullable fresh;
    struct dataset *_Nullable old;
    struct key cursor; /* keys below were received already */
    uint64_t number;
    uint64_t previous; /* checksum */
    uint64_t last_object;
    uint64_t last_granule; /* start of the granule that was sent last, of last_object */
    struct walk walk;
    struct node leaf; /* a copy: looking at other nodes may drop the cached one */
    struct stream_frame frame;
};

/* ---- frames ---- */

static lattice_status_t frame_send(struct sending *sending, enum stream_kind kind, size_t bytes) {
    struct stream_header *header = &sending->frame.header;
    *header = (struct stream_header){.magic = STREAM_MAGIC,
                                     .kind = kind,
                                     .bytes = (uint32_t)bytes,
                                     .number = sending->number,
                                     .checksum = sending->previous};
    struct view frame = view_sub(VIEW_OF(sending->frame), 0, sizeof *header + bytes);
    header->checksum = checksum_xxh64(frame);
    TRY(sending->sink->write(sending->sink->context, frame));
    sending->previous = header->checksum;
    sending->number++;
    sending->report->bytes += frame.size;
    sending->report->items++;
    if (sending->report->progress != nullptr && sending->number % 256 == 0) {
        sending->report->progress(sending->report->context, sending->report);
    }
    return LATTICE_OK;
}

static lattice_status_t begin_send(struct sending *sending, const struct send_token *token) {
    const struct dataset_record *record = &SOME(sending->fresh)->record;
    struct stream_begin *begin = &sending->frame.begin;
    *begin = (struct stream_begin){.version = STREAM_VERSION,
                                   .guid = token->guid,
                                   .from_guid = token->from_guid,
                                   .cursor = token->cursor,
                                   .time = record->time,
                                   .next_object = record->next_object,
                                   .record_shift = record->record_shift,
                                   .compression = record->compression,
                                   .checksum_kind = record->checksum_kind,
                                   .name_length = record->name_length};
    bytes_copy(BYTES_OF(begin->name_key), VIEW_OF(SOME(sending->fresh)->name_key));
    bytes_copy(BYTES_OF(begin->name), VIEW_OF(record->name));
    return frame_send(sending, STREAM_BEGIN, sizeof *begin);
}

static lattice_status_t item_send(struct sending *sending, struct key key, struct view value) {
    struct bytes payload = BYTES_OF(sending->frame.payload);
    bytes_copy(payload, VIEW_OF(key));
    bytes_copy(bytes_sub(payload, sizeof key, value.size), value);
    return frame_send(sending, STREAM_ITEM, sizeof key + value.size);
}

/* Sends the granule that has an offset: its content, or that it is a hole now. */
static lattice_status_t granule_send(struct sending *sending, uint64_t object, uint64_t offset) {
    struct lattice *fs = sending->fs;
    struct dataset *fresh = SOME(sending->fresh);
    struct inode inode = {};
    struct item item = {};
    TRY(inode_get(fs, fresh, object, &inode));
    uint64_t size = granule_size(&inode);
    uint64_t start = offset & ~(size - 1);
    if (sending->last_object == object && sending->last_granule == start) {
        return LATTICE_OK;
    }
    sending->last_object = object;
    sending->last_granule = start;
    lattice_status_t status = tree_seek(fs, &fresh->tree, key_make(object, KEY_EXTENT, 0, start),
                                        key_make(object, KEY_EXTENT, 0, start + size), &item);
    if (status != LATTICE_OK && status != LATTICE_NOT_FOUND) {
        return status;
    }
    uint64_t used = 0;
    struct bytes payload = BYTES_OF(sending->frame.payload);
    if (status == LATTICE_OK && start < inode.size) {
        used = MIN(inode.size - start, size);
        TRY(granule_read(fs, fresh, object, &inode, start >> inode.record_shift,
                         bytes_sub(payload, sizeof(struct stream_granule), size)));
    }
    sending->frame.granule =
        (struct stream_granule){.object = object, .offset = start, .size = (uint32_t)size};
    used = (used + BLOCK_SIZE - 1) & ~(uint64_t)(BLOCK_SIZE - 1);
    return frame_send(sending, STREAM_GRANULE, sizeof(struct stream_granule) + used);
}

/* ---- differences ---- */

static lattice_status_t changed_send(struct sending *sending, struct key key, struct view value) {
    return key_type(key) == KEY_EXTENT ? granule_send(sending, key.object, key.offset)
                                       : item_send(sending, key, value);
}

/* An item that only the old snapshot has. With its inode, all of an object goes at once. */
static lattice_status_t gone_send(struct sending *sending, struct key key) {
    struct view value = {};
    if (key_type(key) == KEY_INODE) {
        sending->frame.object = key.object;
        return frame_send(sending, STREAM_DELETE_OBJECT, sizeof key.object);
    }
    lattice_status_t status = key.object == 0
                                  ? LATTICE_OK
                                  : tree_get(sending->fs, &SOME(sending->fresh)->tree,
                                             key_make(key.object, KEY_INODE, 0, 0), &value);
    if (status != LATTICE_OK) {
        return status == LATTICE_NOT_FOUND ? LATTICE_OK : status;
    }
    if (key_type(key) == KEY_EXTENT) {
        return granule_send(sending, key.object, key.offset);
    }
    sending->frame.key = key;
    return frame_send(sending, STREAM_DELETE, sizeof key);
}

/* The old snapshot's items from `from` up to below `to` that the new one lacks. Stops at `to` with
 * *out_same telling whether the old one has it, with the same value. */
static lattice_status_t old_until(struct sending *sending, struct key *from, struct key to,
                                  bool bounded, struct view value, bool *out_same) {
    *out_same = false;
    if (sending->old == nullptr) {
        return LATTICE_OK;
    }
    for (;;) {
        struct item item = {};
        struct key end = bounded ? key_next(to) : KEY_MAX;
        lattice_status_t status =
            tree_seek(sending->fs, &SOME(sending->old)->tree, *from, end, &item);
        if (status != LATTICE_OK) {
            return status == LATTICE_NOT_FOUND ? LATTICE_OK : status;
        }
        if (bounded && key_equal(item.key, to)) {
            *out_same = view_equal(item.value, value);
            return LATTICE_OK;
        }
        *from = key_next(item.key);
        TRY(gone_send(sending, item.key));
    }
}

static lattice_status_t leaf_send(struct sending *sending, struct key low, struct key high,
                                  bool high_bounded) {
    const struct node *leaf = &sending->leaf;
    struct key from = key_less(low, sending->cursor) ? sending->cursor : low;
    bool same = false;
    for (uint32_t i = 0; i < leaf->count; i++) {
        struct key key = leaf->slots[i].key;
        if (key_less(key, from)) {
            continue;
        }
        TRY(old_until(sending, &from, key, true, leaf_value(leaf, i), &same));
        if (!same) {
            TRY(changed_send(sending, key, leaf_value(leaf, i)));
        }
        from = key_next(key);
    }
    if (!high_bounded) {
        return old_until(sending, &from, KEY_MAX, false, (struct view){}, &same);
    }
    /* The old item at the bound itself, if any, belongs to the next leaf. */
    return key_less(from, high) ? old_until(sending, &from, high, true, (struct view){}, &same)
                                : LATTICE_OK;
}

static lattice_status_t tree_send(struct sending *sending) {
    uint64_t floor = sending->old == nullptr ? 0 : SOME(sending->old)->record.birth;
    walk_begin(&sending->walk, &SOME(sending->fresh)->tree, floor);
    sending->walk.from = sending->cursor;
    for (;;) {
        struct pointer pointer = {};
        const struct node *_Nullable node = nullptr;
        lattice_status_t status = walk_next(sending->fs, &sending->walk, &pointer, &node);
        if (status != LATTICE_OK) {
            return status == LATTICE_NOT_FOUND ? LATTICE_OK : status;
        }
        if (SOME(node)->level == 0) {
            struct walk_step step = sending->walk.steps[sending->walk.depth - 1];
            sending->leaf = *SOME(node);
            TRY(leaf_send(sending, step.low, step.high, step.high_bounded));
        }
    }
}

/* ---- sending ---- */

/* Whether `from` came before the snapshot: in its chain, or in that of what it was cloned from. */
static lattice_status_t related(struct lattice *fs, uint64_t snapshot, uint64_t from) {
    struct dataset_record *record = &fs->stored_buffer->dataset;
    uint64_t id = snapshot;
    uint64_t bound = UINT64_MAX;
    while (id != 0 && id != from) {
        TRY(dataset_record_get(fs, id, record));
        if (record->birth >= bound) {
            return LATTICE_CORRUPT;
        }
        bound = record->birth;
        id = record->previous != 0 ? record->previous : record->origin;
    }
    return id == from && snapshot != from ? LATTICE_OK : LATTICE_INVALID;
}

static lattice_status_t snapshot_open(struct lattice *fs, uint64_t id,
                                      struct dataset *_Nullable *_Nonnull out) {
    TRY(dataset_open(fs, id, out));
    const struct dataset_record *record = &SOME(*out)->record;
    if (record->kind != DATASET_SNAPSHOT || record->state != DATASET_WHOLE) {
        return LATTICE_INVALID;
    }
    return dataset_unlocked(fs, record) ? LATTICE_OK : LATTICE_KEY_NEEDED;
}

static lattice_status_t send_all(struct sending *sending, uint64_t snapshot, uint64_t from,
                                 const struct send_token *_Nullable token) {
    TRY(snapshot_open(sending->fs, snapshot, &sending->fresh));
    struct send_token own = {.guid = SOME(sending->fresh)->record.guid};
    if (from != 0) {
        TRY(related(sending->fs, snapshot, from));
        TRY(snapshot_open(sending->fs, from, &sending->old));
        own.from_guid = SOME(sending->old)->record.guid;
    }
    if (token != nullptr) {
        if (SOME(token)->guid != own.guid || SOME(token)->from_guid != own.from_guid) {
            return LATTICE_MISMATCH;
        }
        own.cursor = SOME(token)->cursor;
        sending->cursor = own.cursor;
    }
    TRY(begin_send(sending, &own));
    TRY(tree_send(sending));
    sending->frame.object = sending->number;
    return frame_send(sending, STREAM_END, sizeof sending->frame.object);
}

lattice_status_t snapshot_send(struct lattice *fs, uint64_t snapshot, uint64_t from,
                               const struct send_token *_Nullable token,
                               const struct stream_sink *sink, struct send_report *report) {
    struct sending *_Nullable taken = memory_take(fs, sizeof(struct sending));
    if (taken == nullptr) {
        return LATTICE_NO_MEMORY;
    }
    struct sending *sending = SOME(taken);
    sending->fs = fs;
    sending->sink = sink;
    sending->report = report;
    lattice_status_t status = send_all(sending, snapshot, from, token);
    if (sending->fresh != nullptr) {
        dataset_close(fs, SOME(sending->fresh));
    }
    if (sending->old != nullptr) {
        dataset_close(fs, SOME(sending->old));
    }
    memory_give(fs, sending, sizeof *sending);
    return status;
}

#pragma clang assume_nonnull end
