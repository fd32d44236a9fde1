/* Encryption: datasets with a key, locked and unlocked again; what must never be on a disk. */
#include "fs/latticefs/core/change.h"
#include "fs/latticefs/core/check.h"
#include "fs/latticefs/core/file.h"
#include "fs/latticefs/core/keys.h"
#include "fs/latticefs/core/node.h"
#include "fs/latticefs/core/pool.h"
#include "fs/latticefs/core/scrub.h"
#include "fs/latticefs/core/seal.h"
#include "fs/latticefs/core/walk.h"
#include "operations.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#pragma clang assume_nonnull begin

/* Secret n; the last one is never used. */
struct secret_text {
    char text[33];
};

static struct secret_text secret_number(uint32_t number) {
    struct secret_text secret = {};
    (void)snprintf(secret.text, sizeof secret.text, "the secret of the simulator %04u", number);
    return secret;
}

struct key_secret world_secret(const struct world *world, struct bytes text) {
    struct secret_text secret = secret_number(world->secrets);
    struct view bytes = view_of(secret.text, CRYPTO_KEY);
    bytes_copy(text, bytes);
    return (struct key_secret){.secret = view_sub(bytes_view(text), 0, CRYPTO_KEY),
                               .operations = world->kdf_operations,
                               .memory_bytes = 8192};
}

lattice_status_t world_unlock(struct world *world, struct lattice *fs) {
    struct dataset_record record = {};
    uint64_t id = 0;
    for (;;) {
        lattice_status_t status = record_next(fs, &id, &record);
        if (status != LATTICE_OK) {
            return status == LATTICE_NOT_FOUND ? LATTICE_OK : status;
        }
        status = dataset_unlocked(fs, &record) ? LATTICE_OK : LATTICE_MISMATCH;
        for (uint32_t i = world->secrets + 1; status == LATTICE_MISMATCH && i > 0; i--) {
            struct secret_text secret = secret_number(i - 1);
            status = dataset_key_load(fs, id, view_of(secret.text, CRYPTO_KEY));
        }
        TRY(status);
    }
}

void do_create_head(struct world *world) {
    struct head *_Nullable fresh = world_head(world, 0);
    struct secret_text text = {};
    struct key_secret secret = world_secret(world, BYTES_OF(text.text));
    struct dataset_options options = {.record_shift = world->make.record_shift,
                                      .compression = (uint8_t)dice_below(&world->dice, 3),
                                      .checksum_kind = (uint8_t)(1 + dice_below(&world->dice, 2)),
                                      .cipher = world_cipher(world),
                                      .secret = &secret};
    if (fresh == nullptr || !settle_granules(world)) {
        return;
    }
    struct head *head = SOME(fresh);
    if (head->id != 0) {
        return; /* a crash made other heads */
    }
    head->id = SOME(world->fs)->super.next_dataset;
    world_root(&head->model);
    world->plain |= options.cipher == CIPHER_NONE;
    world_state_add(world);
    uint64_t id = 0;
    struct label label = {};
    lattice_status_t status =
        dataset_create(SOME(world->fs), label_next(world, &label), &options, &id);
    if (status == LATTICE_OK) {
        status = world_dataset_open(world, id, &head->dataset);
    }
    if (!settle_change(world, status)) {
        head_release(head);
        unsettle(world);
    }
    crash_if_fatal(world);
}

void do_change_key(struct world *world) {
    struct head *head = world->head;
    struct secret_text text = {};
    if (!settle_granules(world) || SOME(world->head->dataset)->record.cipher == CIPHER_NONE ||
        world->secrets == WORLD_SECRETS) {
        return;
    }
    world->secrets++; /* from now on both may be the right one */
    struct key_secret secret = world_secret(world, BYTES_OF(text.text));
    (void)settle_change(world, dataset_key_change(SOME(world->fs), head->id, &secret));
    crash_if_fatal(world);
}

/* ---- locked ---- */

static bool is_encrypted(const struct head *head) {
    return head->id != 0 && head->dataset != nullptr &&
           SOME(head->dataset)->record.cipher != CIPHER_NONE;
}

static void expect(const struct world *world, lattice_status_t status, lattice_status_t expected,
                   const char *what) {
    if (status != expected && world->power) {
        world_fail(world, what, (uint64_t)status, (uint64_t)expected);
    }
}

/* What can and what cannot be done without the key. */
static void locked_head(struct world *world, uint64_t id) {
    struct lattice *fs = SOME(world->fs);
    struct dataset *_Nullable dataset = nullptr;
    struct inode inode = {};
    uint64_t object = 0;
    expect(world, dataset_open(fs, id, &dataset), LATTICE_OK, "open of a locked dataset");
    if (dataset == nullptr) {
        return;
    }
    expect(world, inode_get(fs, SOME(dataset), ROOT_OBJECT, &inode), LATTICE_KEY_NEEDED,
           "inode of a locked dataset");
    expect(world, name_lookup(fs, SOME(dataset), ROOT_OBJECT, model_name(1), &object),
           LATTICE_KEY_NEEDED, "name in a locked dataset");
    expect(world, name_remove(fs, SOME(dataset), ROOT_OBJECT, model_name(1), false, &object),
           LATTICE_READ_ONLY, "change of a locked dataset");
    dataset_close(fs, SOME(dataset));
    struct secret_text wrong = secret_number(WORLD_SECRETS + 1);
    expect(world, dataset_key_load(fs, id, view_of(wrong.text, CRYPTO_KEY)), LATTICE_MISMATCH,
           "a wrong secret");
}

static void locked_pool(struct world *world) {
    struct lattice *fs = SOME(world->fs);
    for (uint32_t i = 0; i < WORLD_HEADS; i++) {
        struct head *head = &world->heads[i];
        if (head->id != 0 && head->dataset == nullptr) {
            expect(world, dataset_key_unload(fs, head->id), LATTICE_OK, "dataset_key_unload");
        }
    }
    for (uint32_t i = 0; i < WORLD_HEADS; i++) {
        struct head *head = &world->heads[i];
        if (head->id != 0 && head->dataset == nullptr) {
            locked_head(world, head->id);
        }
    }
    struct check_report report = {};
    expect(world, pool_check(fs, CHECK_DATA, &report), LATTICE_OK, "check of a locked pool");
    if (report.problems != 0 && world->power) {
        world_fail(world, "check of a locked pool found problems", report.problems, report.leaked);
    }
}

static void reopen_heads(struct world *world) {
    for (uint32_t i = 0; i < WORLD_HEADS; i++) {
        struct head *head = &world->heads[i];
        if (head->id == 0 || head->dataset != nullptr) {
            continue;
        }
        expect(world, dataset_open(SOME(world->fs), head->id, &head->dataset), LATTICE_OK,
               "open after unlocking");
        for (uint32_t j = 0; j < MODEL_OBJECTS; j++) { /* orphans went when the key came */
            if (head->model.objects[j].live && head->model.objects[j].links == 0) {
                model_delete(&head->model.objects[j]);
            }
        }
    }
}

void do_lock(struct world *world) {
    uint32_t fail = world->fail_one_in;
    bool any = false;
    world->fail_one_in = 0;
    struct outcome outcome = judge(world, granules_commit(SOME(world->granules)));
    if (outcome.status == LATTICE_OK) {
        world_acknowledge(world);
        for (uint32_t i = 0; i < WORLD_HEADS; i++) {
            struct head *head = &world->heads[i];
            if (is_encrypted(head)) {
                granules_forget_dataset(SOME(world->granules), SOME(head->dataset));
                dataset_close(SOME(world->fs), SOME(head->dataset));
                head->dataset = nullptr;
                any = true;
            }
        }
    }
    if (any) {
        locked_pool(world);
        expect(world, world_unlock(world, SOME(world->fs)), LATTICE_OK, "unlock");
        reopen_heads(world);
    }
    world->fail_one_in = fail;
    crash_if_fatal(world);
}

/* ---- what must never be ---- */

static void no_text(const struct world *world, const struct sim_block *block, struct view text,
                    uint64_t address) {
    if (memmem(block->data, SIM_BLOCK, SOME(text.data), text.size) != nullptr) {
        world_fail(world, "plain text on the disk of an encrypted world", address, text.size);
    }
}

/* A block that some commit wrote has none of what users wrote. */
static void verify_no_plain_text(const struct world *world) {
    for (uint32_t i = 0; i < world->disk_count; i++) {
        const struct block_table *blocks = &world->disks[i].current;
        for (uint32_t j = 0; j < blocks->count; j++) {
            const struct sim_block *_Nullable block = block_at(blocks, j);
            if (block != nullptr) {
                no_text(world, SOME(block), view_text(WORLD_MARKER), j);
                no_text(world, SOME(block), view_sub(model_name(10), 0, 40), j);
            }
        }
    }
}

enum { NONCES = 1 << 15 };

struct nonce_use {
    uint64_t salt;
    uint64_t counter; /* 0 = free */
    uint64_t address;
};

struct nonce_table {
    uint32_t count;
    struct nonce_use data[NONCES];
};

static void nonce_note(const struct world *world, struct nonce_table *table,
                       const struct pointer *pointer) {
    if (pointer->cipher == CIPHER_NONE || table->count > NONCES / 2) {
        return;
    }
    uint64_t hash = (pointer->nonce_salt + pointer->nonce_counter) * UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t i = 0;; i++) {
        struct nonce_use *use = &table->data[((hash >> 40) + i) % NONCES];
        if (use->counter == 0) {
            *use = (struct nonce_use){pointer->nonce_salt, pointer->nonce_counter,
                                      pointer_address(pointer, 0)};
            table->count++;
            return;
        }
        if (use->salt == pointer->nonce_salt && use->counter == pointer->nonce_counter) {
            if (use->address != pointer_address(pointer, 0)) {
                world_fail(world, "a nonce was used twice", use->address,
                           pointer_address(pointer, 0));
            }
            return;
        }
    }
}

/* A record is what was sealed at its place, and at no other. */
static void binding_verify(struct world *world, uint64_t id, struct key place,
                           const struct pointer *pointer) {
    struct dataset_record record = {};
    struct bytes to =
        bytes_sub(BYTES_OF(world->io.data), 0, pointer_stored(pointer) * (size_t)SIM_BLOCK);
    if (pointer->cipher == CIPHER_NONE || to.size > 2 * SIM_BLOCK ||
        dataset_record_get(SOME(world->fs), id, &record) != LATTICE_OK) {
        return;
    }
    const struct key_entry *_Nullable key = key_find(SOME(world->fs), &record);
    for (uint32_t i = 0; i < 3 && key != nullptr; i++) {
        if (pool_read(SOME(world->fs), pointer, to) != LATTICE_OK) {
            return;
        }
        lattice_status_t status = record_unseal(SOME(key), place.object + (i == 1),
                                                place.offset + (i == 2 ? 1 : 0), pointer, to);
        if ((status == LATTICE_OK) != (i == 0)) {
            world_fail(world, "a record is not bound to its place", place.object, i);
        }
    }
}

static void nonces_of_tree(struct world *world, struct nonce_table *table, struct tree *tree) {
    struct walk walk = {};
    struct pointer pointer = {};
    const struct node *_Nullable node = nullptr;
    walk_begin(&walk, tree, 0);
    while (walk_next(SOME(world->fs), &walk, &pointer, &node) == LATTICE_OK) {
        nonce_note(world, table, &pointer);
        for (uint32_t i = 0; SOME(node)->level == 0 && i < SOME(node)->count; i++) {
            struct view value = leaf_value(SOME(node), i);
            if (key_type(SOME(node)->slots[i].key) == KEY_EXTENT && value.size == sizeof pointer) {
                bytes_copy(BYTES_OF(pointer), value);
                nonce_note(world, table, &pointer);
                binding_verify(world, tree->owner, SOME(node)->slots[i].key, &pointer);
            }
        }
    }
}

void verify_secrecy(struct world *world) {
    if (world->make.cipher == CIPHER_NONE || world->plain) {
        return;
    }
    verify_no_plain_text(world);
    struct nonce_table *_Nullable taken = calloc(1, sizeof(struct nonce_table));
    struct nonce_table *table = SOME(taken);
    struct dataset_record record = {};
    uint64_t id = 0;
    while (record_next(SOME(world->fs), &id, &record) == LATTICE_OK) {
        struct tree tree = {.root = record.root, .owner = id};
        if (record.state != DATASET_DESTROYING) {
            nonces_of_tree(world, table, &tree);
        }
    }
    free(table);
}

#pragma clang assume_nonnull end
