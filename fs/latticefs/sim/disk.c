/* The simulated disk. */
#include "disk.h"
#include <stdlib.h>
#include <string.h>

#pragma clang assume_nonnull begin

static void *_Nonnull must(void *_Nullable memory) {
    if (memory == nullptr) {
        abort();
    }
    return SOME(memory);
}

static void block_drop(struct sim_block *_Nullable block) {
    if (block != nullptr && --SOME(block)->references == 0) {
        free(block);
    }
}

static struct sim_block *_Nullable block_share(struct sim_block *_Nullable block) {
    if (block != nullptr) {
        SOME(block)->references++;
    }
    return block;
}

struct sim_block *_Nullable block_at(const struct block_table *table, uint64_t index) {
    CHECK(index < table->count);
    return table->chunks[index / CHUNK_BLOCKS]->blocks[index % CHUNK_BLOCKS];
}

static void chunk_drop(struct block_chunk *chunk) {
    if (--chunk->references != 0) {
        return;
    }
    for (uint32_t i = 0; i < CHUNK_BLOCKS; i++) {
        block_drop(chunk->blocks[i]);
    }
    free(chunk);
}

/* A chunk of this table's own. */
static struct block_chunk *chunk_own(struct block_table *table, uint32_t number) {
    struct block_chunk *chunk = table->chunks[number];
    if (chunk->references == 1) {
        return chunk;
    }
    struct block_chunk *own = must(malloc(sizeof(struct block_chunk)));
    own->references = 1;
    for (uint32_t i = 0; i < CHUNK_BLOCKS; i++) {
        own->blocks[i] = block_share(chunk->blocks[i]);
    }
    chunk->references--;
    table->chunks[number] = own;
    return own;
}

static void table_set(struct block_table *table, uint32_t index,
                      struct sim_block *_Nullable block) {
    struct sim_block *_Nullable old = block_at(table, index);
    if (old == block) {
        return;
    }
    struct block_chunk *chunk = chunk_own(table, index / CHUNK_BLOCKS);
    chunk->blocks[index % CHUNK_BLOCKS] = block_share(block);
    block_drop(old);
}

static uint32_t chunks_of(uint32_t blocks) {
    return (blocks + CHUNK_BLOCKS - 1) / CHUNK_BLOCKS;
}

static struct block_table table_create(uint32_t count) {
    uint32_t chunks = chunks_of(count);
    struct block_chunk **data = must(calloc(chunks, sizeof(struct block_chunk *)));
    struct block_table table = {.count = count, .chunk_count = chunks, .chunks = data};
    for (uint32_t i = 0; i < chunks; i++) {
        struct block_chunk *chunk = must(calloc(1, sizeof(struct block_chunk)));
        chunk->references = 1;
        table.chunks[i] = chunk;
    }
    return table;
}

static struct block_table table_copy(const struct block_table *from) {
    struct block_chunk **data = must(malloc(from->chunk_count * sizeof(struct block_chunk *)));
    struct block_table table = {
        .count = from->count, .chunk_count = from->chunk_count, .chunks = data};
    for (uint32_t i = 0; i < from->chunk_count; i++) {
        table.chunks[i] = from->chunks[i];
        table.chunks[i]->references++;
    }
    return table;
}

static void table_destroy(struct block_table *table) {
    for (uint32_t i = 0; i < table->chunk_count; i++) {
        chunk_drop(table->chunks[i]);
    }
    free(table->chunks);
    *table = (struct block_table){};
}

static void pending_add(struct pending_list *list, uint32_t block,
                        struct sim_block *_Nullable content) {
    if (list->count == list->capacity) {
        uint32_t capacity = list->capacity * 2 + 64;
        struct pending_write *grown = must(calloc(capacity, sizeof(struct pending_write)));
        if (list->count != 0) {
            memcpy(grown, SOME(list->data), list->count * sizeof(struct pending_write));
        }
        free(list->data);
        list->capacity = capacity;
        list->data = grown;
    }
    list->data[list->count] = (struct pending_write){block, block_share(content)};
    list->count++;
}

static void pending_clear(struct pending_list *list) {
    for (uint32_t i = 0; i < list->count; i++) {
        block_drop(list->data[i].content);
    }
    list->count = 0;
}

static bool is_off(const struct sim_disk *disk) {
    return disk->dead || (disk->power != nullptr && !*SOME(disk->power));
}

UNSAFE_BEGIN

static lattice_status_t disk_read(void *context, uint64_t block, uint32_t count, void *buffer) {
    struct sim_disk *disk = context;
    if (is_off(disk)) {
        return LATTICE_IO;
    }
    if (disk->read_error_one_in != 0 && dice_once_in(disk->dice, disk->read_error_one_in)) {
        disk->faults++;
        return LATTICE_IO;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct sim_block *_Nullable from = block_at(&disk->current, block + i);
        uint8_t *to = (uint8_t *)buffer + (size_t)i * SIM_BLOCK;
        if (from == nullptr) {
            memset(to, 0, SIM_BLOCK);
        } else {
            memcpy(to, SOME(from)->data, SIM_BLOCK);
        }
    }
    return LATTICE_OK;
}

static void write_block(struct sim_disk *disk, uint32_t block, const uint8_t *from) {
    if (disk->lose_one_in != 0 && dice_once_in(disk->dice, disk->lose_one_in)) {
        disk->faults++;
        return;
    }
    if (disk->misdirect_one_in != 0 && dice_once_in(disk->dice, disk->misdirect_one_in)) {
        disk->faults++;
        block = dice_below(disk->dice, disk->current.count);
    }
    struct sim_block *content = must(malloc(sizeof(struct sim_block)));
    content->references = 0;
    memcpy(content->data, from, SIM_BLOCK);
    table_set(&disk->current, block, content);
    pending_add(&disk->pending, block, content);
}

static lattice_status_t disk_write(void *context, uint64_t block, uint32_t count,
                                   const void *buffer) {
    struct sim_disk *disk = context;
    for (uint32_t i = 0; i < count; i++) {
        disk->writes++;
        if (disk->dies_at != 0 && disk->writes >= disk->dies_at && disk->power != nullptr) {
            *SOME(disk->power) = false;
        }
        if (is_off(disk)) {
            return LATTICE_IO;
        }
        write_block(disk, (uint32_t)block + i, (const uint8_t *)buffer + (size_t)i * SIM_BLOCK);
    }
    if (disk->written != nullptr) {
        disk->written(disk->observer, disk);
    }
    return LATTICE_OK;
}

UNSAFE_END

static lattice_status_t disk_flush(void *context) {
    struct sim_disk *disk = context;
    if (is_off(disk)) {
        return LATTICE_IO;
    }
    disk->flushes++;
    for (uint32_t i = 0; i < disk->pending.count; i++) {
        table_set(&disk->durable, disk->pending.data[i].block, disk->pending.data[i].content);
    }
    pending_clear(&disk->pending);
    return LATTICE_OK;
}

static void disk_trim(void *context, uint64_t block, uint64_t count) {
    struct sim_disk *disk = context;
    disk->trims += count;
    for (uint64_t i = 0; !is_off(disk) && i < count; i++) {
        table_set(&disk->current, (uint32_t)(block + i), nullptr);
        pending_add(&disk->pending, (uint32_t)(block + i), nullptr);
    }
}

static void sim_disk_start(struct sim_disk *disk, uint32_t blocks, struct dice *dice) {
    *disk = (struct sim_disk){.device = {.context = disk,
                                         .block_count = blocks,
                                         .read = disk_read,
                                         .write = disk_write,
                                         .flush = disk_flush,
                                         .trim = disk_trim},
                              .dice = dice};
}

void sim_disk_create(struct sim_disk *disk, uint32_t blocks, struct dice *dice) {
    sim_disk_start(disk, blocks, dice);
    disk->current = table_create(blocks);
    disk->durable = table_create(blocks);
}

void sim_disk_destroy(struct sim_disk *disk) {
    pending_clear(&disk->pending);
    free(disk->pending.data);
    table_destroy(&disk->current);
    table_destroy(&disk->durable);
}

void sim_disk_copy(struct sim_disk *to, const struct sim_disk *from, struct dice *dice) {
    sim_disk_start(to, from->current.count, dice);
    to->current = table_copy(&from->current);
    to->durable = table_copy(&from->durable);
    for (uint32_t i = 0; i < from->pending.count; i++) {
        pending_add(&to->pending, from->pending.data[i].block, from->pending.data[i].content);
    }
    to->dead = from->dead;
}

static void table_grow(struct block_table *table, uint32_t count) {
    struct block_table grown = table_create(count);
    for (uint32_t i = 0; i < table->count; i++) {
        table_set(&grown, i, block_at(table, i));
    }
    table_destroy(table);
    *table = grown;
}

void sim_disk_grow(struct sim_disk *disk, uint32_t blocks) {
    uint32_t count = disk->current.count + blocks;
    table_grow(&disk->current, count);
    table_grow(&disk->durable, count);
    disk->device.block_count = count;
}

/* What is on the medium if the power goes while `fresh` is written over `old`. */
static struct sim_block *_Nullable block_torn(struct dice *dice,
                                              const struct sim_block *_Nullable old,
                                              struct sim_block *_Nullable fresh) {
    if (fresh == nullptr) {
        return nullptr;
    }
    struct sim_block *torn = must(calloc(1, sizeof(struct sim_block)));
    for (uint32_t sector = 0; sector < SIM_BLOCK / SIM_SECTOR; sector++) {
        const struct sim_block *_Nullable from = dice_once_in(dice, 2) ? fresh : old;
        for (uint32_t i = sector * SIM_SECTOR; from != nullptr && i < (sector + 1) * SIM_SECTOR;
             i++) {
            torn->data[i] = SOME(from)->data[i];
        }
    }
    return torn;
}

void sim_disk_crash(struct sim_disk *disk) {
    uint32_t keep = dice_below(disk->dice, 5); /* 0: none, 4: all, else a part */
    struct pending_list *list = &disk->pending;
    for (uint32_t i = list->count; i > 1; i--) { /* any order */
        uint32_t other = dice_below(disk->dice, i);
        struct pending_write swap = list->data[i - 1];
        list->data[i - 1] = list->data[other];
        list->data[other] = swap;
    }
    for (uint32_t i = 0; i < list->count; i++) {
        struct pending_write write = list->data[i];
        if (keep == 0 || (keep < 4 && dice_below(disk->dice, 4) >= keep)) {
            continue;
        }
        if (keep < 4 && dice_once_in(disk->dice, 4)) {
            struct sim_block *_Nullable torn =
                block_torn(disk->dice, block_at(&disk->durable, write.block), write.content);
            table_set(&disk->durable, write.block, torn);
            if (torn == nullptr) {
                continue;
            }
        } else {
            table_set(&disk->durable, write.block, write.content);
        }
    }
    pending_clear(list);
    for (uint32_t i = 0; i < disk->current.chunk_count; i++) {
        struct block_chunk *durable = disk->durable.chunks[i];
        if (disk->current.chunks[i] != durable) {
            chunk_drop(disk->current.chunks[i]);
            durable->references++;
            disk->current.chunks[i] = durable;
        }
    }
    disk->dies_at = 0;
}

void sim_disk_set(struct sim_disk *disk, uint32_t index, struct view content) {
    struct sim_block *block = must(calloc(1, sizeof(struct sim_block)));
    bytes_copy(BYTES_OF(block->data), content);
    table_set(&disk->current, index, block);
    table_set(&disk->durable, index, block);
    disk->faults++;
}

bool sim_disk_rot_block(struct sim_disk *disk, uint32_t index) {
    const struct sim_block *_Nullable old = block_at(&disk->current, index);
    if (old == nullptr) {
        return false;
    }
    struct sim_block *content = must(calloc(1, sizeof(struct sim_block)));
    *content = *SOME(old);
    content->references = 0;
    content->data[dice_below(disk->dice, SIM_BLOCK)] ^= (uint8_t)(1u << dice_below(disk->dice, 8));
    table_set(&disk->current, index, content);
    table_set(&disk->durable, index, content);
    disk->faults++;
    return true;
}

bool sim_disk_rot(struct sim_disk *disk) {
    for (uint32_t attempt = 0; attempt < 2000; attempt++) {
        if (sim_disk_rot_block(disk, dice_below(disk->dice, disk->current.count))) {
            return true;
        }
    }
    return false;
}

#pragma clang assume_nonnull end
