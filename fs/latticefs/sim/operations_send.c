/* Streams: a snapshot of one head is received as another head, in full or as what changed; cut,
 * damaged, continued, given up. While a stream is being received its head counts for nothing: what
 * it holds is told only by check. */
#include "fs/latticefs/core/change.h"
#include "fs/latticefs/core/registry.h"
#include "fs/latticefs/core/send.h"
#include "operations.h"
#include <stdlib.h>
#include <string.h>

#pragma clang assume_nonnull begin

struct tape {
    uint32_t capacity;
    uint32_t count;
    uint32_t at;
    uint32_t end; /* the source fails there */
    uint8_t *_Nullable data COUNTED_BY(capacity);
};

static lattice_status_t tape_write(void *context, struct view bytes) {
    struct tape *tape = context;
    if (tape->capacity - tape->count < bytes.size) {
        uint32_t capacity = tape->capacity * 2 + (uint32_t)bytes.size;
        uint8_t *_Nullable data = malloc(capacity);
        bytes_copy(bytes_of(data, capacity), view_of(tape->data, tape->count));
        free(tape->data);
        tape->capacity = capacity;
        tape->data = data;
    }
    bytes_copy(bytes_sub(bytes_of(tape->data, tape->capacity), tape->count, bytes.size), bytes);
    tape->count += (uint32_t)bytes.size;
    return LATTICE_OK;
}

static lattice_status_t tape_read(void *context, struct bytes to) {
    struct tape *tape = context;
    if (to.size > tape->end - tape->at) {
        return LATTICE_IO;
    }
    bytes_copy(to, view_sub(view_of(tape->data, tape->count), tape->at, to.size));
    tape->at += (uint32_t)to.size;
    return LATTICE_OK;
}

static lattice_status_t send_to(struct world *world, uint64_t snapshot, uint64_t from,
                                const struct send_token *_Nullable token, struct tape *tape) {
    struct stream_sink sink = {.context = tape, .write = tape_write};
    struct send_report report = {};
    tape->count = 0;
    tape->at = 0;
    lattice_status_t status = snapshot_send(SOME(world->fs), snapshot, from, token, &sink, &report);
    tape->end = tape->count;
    return status;
}

/* What goes where. */
struct transfer {
    struct head *source;
    uint32_t newer; /* of the source's snapshots */
    uint64_t from;  /* number of the older one, or 0 */
    struct head *target;
    struct label label;
    struct view name;
};

static lattice_status_t receive_from(struct world *world, const struct transfer *transfer,
                                     struct tape *tape, uint64_t *out_id) {
    struct key_secret secret = world_secret(world, BYTES_OF(world->io2.data));
    struct dataset_options options = {.compression = (uint8_t)(transfer->newer % 3),
                                      .cipher = world->make.cipher,
                                      .secret = &secret};
    struct receive_options receive = {.name = transfer->name, .dataset = &options};
    struct stream_source source = {.context = tape, .read = tape_read};
    struct send_report report = {};
    return snapshot_receive(SOME(world->fs), &receive, &source, &report, out_id);
}

/* A damaged stream is noticed, a cut one goes on where it was. */
static lattice_status_t receive_with_faults(struct world *world, const struct transfer *transfer,
                                            struct tape *tape, uint64_t *out_id) {
    uint32_t sort = dice_below(&world->dice, 3);
    uint32_t place = dice_below(&world->dice, tape->count);
    uint64_t snapshot = transfer->source->kept[transfer->newer].id;
    lattice_status_t status = LATTICE_OK;
    if (dice_once_in(&world->dice, 3)) {
        world->disks[0].dies_at = world->disks[0].writes + 1 + dice_below(&world->disk_dice, 150);
    }
    if (sort == 0) {
        return receive_from(world, transfer, tape, out_id);
    }
    if (sort == 1) {
        tape->data[place] ^= (uint8_t)(1u << dice_below(&world->dice, 8));
    } else {
        tape->end = place;
    }
    status = receive_from(world, transfer, tape, out_id);
    if (status == LATTICE_OK) {
        world_fail(world, "a damaged stream was received", place, tape->count);
    }
    struct send_token token = {};
    bool stopped = !world->power || SOME(world->fs)->aborted != LATTICE_OK;
    bool refused = status == LATTICE_NO_SPACE || status == LATTICE_NO_MEMORY ||
                   status == LATTICE_QUOTA || status == LATTICE_BUSY;
    if (stopped || refused) {
        return status;
    }
    bool begun = receive_token(SOME(world->fs), transfer->name, &token) == LATTICE_OK;
    TRY(send_to(world, snapshot, transfer->from, begun ? &token : nullptr, tape));
    return receive_from(world, transfer, tape, out_id);
}

/* The received head is the snapshot that was sent. */
static void verify_received(struct world *world, const struct transfer *transfer,
                            uint64_t snapshot) {
    struct dataset *_Nullable dataset = nullptr;
    uint64_t objects = 0;
    uint32_t fail = world->fail_one_in;
    world->fail_one_in = 0;
    if (dataset_open(SOME(world->fs), snapshot, &dataset) != LATTICE_OK) {
        world_fail(world, "a received snapshot cannot be opened", snapshot, 0);
    }
    uint64_t hash = verify_hash(world, SOME(world->fs), SOME(dataset), nullptr, &objects);
    if (hash != transfer->source->kept[transfer->newer].hash) {
        world_fail(world, "a received snapshot differs", snapshot, objects);
    }
    dataset_close(SOME(world->fs), SOME(dataset));
    world->fail_one_in = fail;
    world->received++;
}

/* The model: the target becomes what the snapshot is, and keeps it. */
static void model_receive(struct transfer *transfer, uint64_t head, uint64_t snapshot) {
    struct head *target = transfer->target;
    const struct kept *from = &transfer->source->kept[transfer->newer];
    struct kept *kept = &target->kept[target->kept_count];
    target->id = head;
    model_release(&target->model);
    model_copy(&target->model, &from->model);
    *kept = (struct kept){.id = snapshot, .hash = from->hash};
    model_copy(&kept->model, &from->model);
    target->kept_count++;
}

static void give_up(struct world *world, const struct transfer *transfer) {
    uint32_t fail = world->fail_one_in;
    world->fail_one_in = 0;
    lattice_status_t status = receive_abandon(SOME(world->fs), transfer->name);
    world->fail_one_in = fail;
    bool fatal = !world->power || SOME(world->fs)->aborted != LATTICE_OK;
    if (status != LATTICE_OK && status != LATTICE_NOT_FOUND && !fatal &&
        status != LATTICE_NO_SPACE) {
        world_fail(world, "receive_abandon", (uint64_t)status, 0);
    }
}

/* Receives into a head that does not exist. Its number is known only afterwards, so the state that
 * has it is named as soon as it can be there: crashes are not tried in between. */
static void receive_full(struct world *world, struct transfer *transfer, struct tape *tape) {
    uint64_t snapshot = 0;
    uint64_t id = 0;
    world->no_probe = true;
    lattice_status_t status = receive_with_faults(world, transfer, tape, &snapshot);
    world->no_probe = false;
    bool fatal = !world->power || SOME(world->fs)->aborted != LATTICE_OK;
    if (fatal) {
        world->adopt = true; /* whether it came in full is told by the recovery */
        world_crash(world);
        world->adopt = false;
        return;
    }
    if (status != LATTICE_OK) {
        bool excused = status == LATTICE_NO_SPACE || status == LATTICE_QUOTA ||
                       (status == LATTICE_NO_MEMORY && world->fail_one_in != 0);
        if (!excused) {
            world_fail(world, "snapshot_receive", (uint64_t)status, 0);
        }
        give_up(world, transfer);
        unsettle(world);
        crash_if_fatal(world);
        return;
    }
    verify_received(world, transfer, snapshot);
    while (status == LATTICE_OK || status == LATTICE_NO_MEMORY) {
        status = dataset_find(SOME(world->fs), transfer->name, &id);
        if (status == LATTICE_OK) {
            break;
        }
    }
    model_receive(transfer, id, snapshot);
    world_state_add(world);
    (void)settle_change(world, world_dataset_open(world, id, &transfer->target->dataset));
}

void do_send(struct world *world) {
    struct head *_Nullable fresh = world_head(world, 0);
    struct tape tape = {};
    struct transfer transfer = {.source = world->head};
    if (!settle_granules(world) || fresh == nullptr || world->head->kept_count == 0) {
        return;
    }
    transfer.source = world->head;
    transfer.target = SOME(world_head(world, 0));
    transfer.newer = dice_below(&world->dice, transfer.source->kept_count);
    transfer.name = label_next(world, &transfer.label);
    uint32_t fail = world->fail_one_in;
    world->fail_one_in = 0;
    struct outcome outcome =
        judge(world, send_to(world, transfer.source->kept[transfer.newer].id, 0, nullptr, &tape));
    world->fail_one_in = fail;
    if (outcome.status == LATTICE_OK) {
        receive_full(world, &transfer, &tape);
    } else if (!outcome.fatal) {
        world_fail(world, "snapshot_send", (uint64_t)outcome.status, 0);
    }
    free(tape.data);
    crash_if_fatal(world);
}

/* ---- what changed ---- */

static bool guid_of(struct world *world, uint64_t id, uint64_t *out) {
    struct dataset_record record = {};
    lattice_status_t status = LATTICE_NO_MEMORY;
    while (status == LATTICE_NO_MEMORY) {
        status = dataset_record_get(SOME(world->fs), id, &record);
    }
    *out = record.guid;
    return status == LATTICE_OK;
}

/* A pair of heads of which one has, as its newest snapshot, one that the other has gone on from. */
static bool transfer_find(struct world *world, struct transfer *transfer) {
    uint32_t start = dice_below(&world->dice, WORLD_HEADS);
    for (uint32_t i = 0; i < WORLD_HEADS * WORLD_HEADS; i++) {
        struct head *source = &world->heads[(start + i) % WORLD_HEADS];
        struct head *target = &world->heads[(start + i / WORLD_HEADS) % WORLD_HEADS];
        uint64_t have = 0;
        uint64_t guid = 0;
        if (source == target || source->kept_count < 2 || target->kept_count == 0 ||
            target->kept_count == WORLD_KEPT || source->id == 0 || target->id == 0 ||
            !guid_of(world, target->kept[target->kept_count - 1].id, &have)) {
            continue;
        }
        for (uint32_t j = 0; j + 1 < source->kept_count; j++) {
            if (guid_of(world, source->kept[j].id, &guid) && guid == have) {
                transfer->source = source;
                transfer->target = target;
                transfer->from = source->kept[j].id;
                transfer->newer = j + 1 + dice_below(&world->dice, source->kept_count - j - 1);
                return true;
            }
        }
    }
    return false;
}

/* The target is rolled back and receives; a crash in between gives it up. */
static void receive_changes(struct world *world, struct transfer *transfer, struct tape *tape) {
    struct head *target = transfer->target;
    uint64_t id = target->id;
    uint64_t snapshot = 0;
    granules_forget_dataset(SOME(world->granules), SOME(target->dataset));
    lattice_status_t status = dataset_rollback(SOME(world->fs), SOME(target->dataset));
    bool fatal = !world->power || SOME(world->fs)->aborted != LATTICE_OK;
    world->adopt = true;
    if (status != LATTICE_OK || fatal) {
        crash_if_fatal(world);
        world->adopt = false;
        return;
    }
    dataset_close(SOME(world->fs), SOME(target->dataset));
    target->dataset = nullptr;
    status = receive_with_faults(world, transfer, tape, &snapshot);
    fatal = !world->power || SOME(world->fs)->aborted != LATTICE_OK;
    bool excused = status == LATTICE_NO_SPACE || status == LATTICE_QUOTA || fatal ||
                   (status == LATTICE_NO_MEMORY && world->fail_one_in != 0);
    if (status != LATTICE_OK && !excused) {
        world_fail(world, "snapshot_receive of changes", (uint64_t)status, 0);
    }
    if (status == LATTICE_OK) {
        verify_received(world, transfer, snapshot);
    } else if (!fatal) {
        give_up(world, transfer);
    }
    world_crash(world); /* reads what is there into the model */
    world->adopt = false;
    struct head *_Nullable now = world_head(world, id);
    bool kept = now != nullptr && SOME(now)->kept_count != 0 &&
                SOME(now)->kept[SOME(now)->kept_count - 1].id == snapshot;
    if (status == LATTICE_OK && !kept) {
        world_fail(world, "a received snapshot is lost", id, snapshot);
    }
}

void do_send_changes(struct world *world) {
    struct tape tape = {};
    struct transfer transfer = {};
    struct dataset_record record = {};
    if (!settle_granules(world)) {
        return;
    }
    uint32_t fail = world->fail_one_in;
    world->fail_one_in = 0;
    struct outcome outcome = judge(world, granules_commit(SOME(world->granules)));
    bool found = outcome.status == LATTICE_OK && transfer_find(world, &transfer);
    if (outcome.status == LATTICE_OK) {
        world_acknowledge(world);
    }
    if (found && has_open_objects(&transfer.target->model)) {
        found = false; /* open files would be pulled away */
    }
    if (found) {
        record = SOME(transfer.target->dataset)->record;
        transfer.name = view_sub(VIEW_OF(record.name), 0, record.name_length);
        outcome = judge(world, send_to(world, transfer.source->kept[transfer.newer].id,
                                       transfer.from, nullptr, &tape));
    }
    world->fail_one_in = fail;
    if (found && outcome.status == LATTICE_OK) {
        world->no_probe = true;
        receive_changes(world, &transfer, &tape);
        world->no_probe = false;
    } else if (outcome.status != LATTICE_OK && !outcome.fatal && !outcome.resource) {
        world_fail(world, "snapshot_send of changes", (uint64_t)outcome.status, 0);
    }
    free(tape.data);
    crash_if_fatal(world);
}

/* After a crash: what was being received goes on, or is given up. */
void receive_leftovers(struct world *world) {
    struct lattice *fs = SOME(world->fs);
    for (uint32_t round = 0; round < 2 * WORLD_HEADS; round++) {
        struct registry_entry entry = {};
        uint64_t cookie = 0;
        bool found = false;
        struct transfer transfer = {};
        struct send_token token = {};
        while (!found && registry_next(fs, 0, cookie, &entry) == LATTICE_OK) {
            cookie = entry.cookie;
            struct bytes name = bytes_sub(BYTES_OF(transfer.label.text), 0, entry.name.size);
            bytes_copy(name, entry.name);
            transfer.name = bytes_view(name);
            found = receive_token(fs, transfer.name, &token) == LATTICE_OK;
        }
        if (!found) {
            return;
        }
        give_up(world, &transfer);
    }
}

#pragma clang assume_nonnull end
