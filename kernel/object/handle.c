#include "kernel/object/handle.h"
#include "kernel/object/domain.h"

void handle_table_init(struct handle_table *_Nonnull table, struct domain *_Nonnull domain) {
    *table = (struct handle_table){.domain = domain};
}

handle_t handle_of_slot(const struct handle_table *_Nonnull table, uint32_t index) {
    struct handle_entry_slot *slot = handle_slot(table, index);
    if (slot == nullptr || slot->object == nullptr) {
        return HANDLE_NONE;
    }
    return (uint32_t)slot->generation << 16 | index;
}

static uint32_t capacity(const struct handle_table *_Nonnull table) {
    /* slot 0 is never used */
    return table->chunk_count == 0 ? 0 : table->chunk_count * HANDLES_PER_CHUNK - 1;
}

/* Puts an entry at the head of the free list. */
static void free_push(struct handle_table *_Nonnull table, struct handle_entry_slot *_Nonnull slot,
                      uint32_t index) LOCKED {
    slot->next_free = table->free_head;
    slot->previous_free = 0;
    if (table->free_head != 0) {
        SOME(handle_slot(table, table->free_head))->previous_free = (uint16_t)index;
    }
    table->free_head = (uint16_t)index;
}

/* Takes one out, wherever it stands: a keep is filled by index. */
static void free_take(struct handle_table *_Nonnull table,
                      struct handle_entry_slot *_Nonnull slot) LOCKED {
    if (slot->previous_free != 0) {
        SOME(handle_slot(table, slot->previous_free))->next_free = slot->next_free;
    } else {
        table->free_head = slot->next_free;
    }
    if (slot->next_free != 0) {
        SOME(handle_slot(table, slot->next_free))->previous_free = slot->previous_free;
    }
    slot->next_free = 0;
}

static status_t add_chunk(struct handle_table *_Nonnull table) LOCKED {
    uint32_t number = table->chunk_count;
    REFUSE(number >= DIRECTORY_COUNT * CHUNKS_PER_DIRECTORY, STATUS_OUT_OF_HANDLES);
    void *memory = nullptr;
    if (table->directories[number / CHUNKS_PER_DIRECTORY] == nullptr) {
        TRY(slab_allocate(SLAB_NODE, table->domain, &memory));
        table->directories[number / CHUNKS_PER_DIRECTORY] = memory;
    }
    TRY(slab_allocate(SLAB_CHUNK, table->domain, &memory));
    struct handle_chunk *chunk = SOME(memory);
    SOME(table->directories[number / CHUNKS_PER_DIRECTORY])->chunks[number % CHUNKS_PER_DIRECTORY] =
        chunk;
    table->chunk_count++;
    uint32_t first = number * HANDLES_PER_CHUNK;
    uint32_t last = first + HANDLES_PER_CHUNK - 1;
    for (uint32_t i = 0; i < HANDLES_PER_CHUNK; i++) {
        chunk->entries[i] = (struct handle_entry_slot){
            .generation = 1,
            .next_free = (uint16_t)(first + i == last ? table->free_head : first + i + 1),
            .previous_free = (uint16_t)(i == 0 ? 0 : first + i - 1)};
    }
    if (table->free_head != 0) {
        SOME(handle_slot(table, table->free_head))->previous_free = (uint16_t)last;
    }
    table->free_head = (uint16_t)(number == 0 ? 1 : first);
    return STATUS_OK;
}

status_t handle_reserve(struct handle_table *_Nonnull table, uint32_t count) {
    while (capacity(table) - table->used < table->reserved + count) {
        TRY(add_chunk(table));
    }
    TRY(domain_charge(table->domain, RESOURCE_HANDLES, count));
    table->reserved += count;
    return STATUS_OK;
}

void handle_unreserve(struct handle_table *_Nonnull table, uint32_t count) {
    CHECK(table->reserved >= count);
    table->reserved -= count;
    domain_uncharge(table->domain, RESOURCE_HANDLES, count);
}

status_t handle_find(const struct handle_table *_Nonnull table, uint64_t handle,
                     enum object_type type, uint32_t rights,
                     struct object *_Nullable *_Nonnull out) {
    return handle_look(table, handle, type, rights, out);
}

uint32_t handle_rights(const struct handle_table *_Nonnull table, handle_t handle) {
    const struct handle_entry_slot *slot = handle_entry(table, handle);
    return slot != nullptr ? slot->rights : 0;
}

static handle_t fill(struct handle_table *_Nonnull table, uint32_t index,
                     struct object *_Nonnull object, uint32_t rights) LOCKED {
    struct handle_entry_slot *slot = SOME(handle_slot(table, index));
    CHECK(slot->object == nullptr);
    free_take(table, slot);
    slot->object = object;
    slot->rights = (uint16_t)(rights & RIGHT_ALL);
    table->used++;
    object->kept += object->type == OBJECT_SESSION && (rights & RIGHT_RECEIVE) != 0;
    object_add_handle(object);
    return (uint32_t)slot->generation << 16 | index;
}

handle_t handle_insert_reserved(struct handle_table *_Nonnull table, struct object *_Nonnull object,
                                uint32_t rights) {
    CHECK(table->reserved > 0 && table->free_head != 0);
    table->reserved--;
    return fill(table, table->free_head, object, rights);
}

void handle_fill_reserved(struct handle_table *_Nonnull table, uint32_t index,
                          struct object *_Nonnull object, uint32_t rights) {
    CHECK(table->reserved > 0);
    table->reserved--;
    (void)fill(table, index, object, rights);
}

status_t handle_insert(struct handle_table *_Nonnull table, struct object *_Nonnull object,
                       uint32_t rights, handle_t *_Nonnull out) {
    TRY(handle_reserve(table, 1));
    *out = handle_insert_reserved(table, object, rights);
    return STATUS_OK;
}

static void empty_slot(struct handle_table *_Nonnull table, uint32_t index) LOCKED {
    struct handle_entry_slot *slot = SOME(handle_slot(table, index));
    struct object *object = SOME(slot->object);
    object->kept -= object->type == OBJECT_SESSION && (slot->rights & RIGHT_RECEIVE) != 0;
    slot->object = nullptr;
    slot->rights = 0;
    slot->generation = slot->generation == UINT16_MAX ? 1 : (uint16_t)(slot->generation + 1);
    free_push(table, slot, index);
    table->used--;
    domain_uncharge(table->domain, RESOURCE_HANDLES, 1);
}

status_t handle_insert_at(struct handle_table *_Nonnull table, uint32_t index,
                          struct object *_Nonnull object, uint32_t rights, handle_t *_Nonnull out) {
    REFUSE(index == 0 || index >= DIRECTORY_COUNT * CHUNKS_PER_DIRECTORY * HANDLES_PER_CHUNK,
           STATUS_OUT_OF_RANGE);
    while (index / HANDLES_PER_CHUNK >= table->chunk_count) {
        TRY(add_chunk(table));
    }
    if (SOME(handle_slot(table, index))->object != nullptr) {
        status_t status = handle_close(table, handle_of_slot(table, index));
        CHECK(status == STATUS_OK);
    }
    TRY(handle_reserve(table, 1));
    handle_fill_reserved(table, index, object, rights);
    *out = handle_of_slot(table, index);
    return STATUS_OK;
}

status_t handle_take(struct handle_table *_Nonnull table, uint64_t handle, uint32_t rights,
                     struct object *_Nullable *_Nonnull out_object, uint32_t *_Nonnull out_rights) {
    TRY(handle_find(table, handle, OBJECT_NONE, rights, out_object));
    *out_rights = handle_rights(table, (handle_t)handle);
    empty_slot(table, (uint32_t)handle & 0xffffu);
    return STATUS_OK;
}

status_t handle_close(struct handle_table *_Nonnull table, uint64_t handle) {
    struct object *object = nullptr;
    uint32_t rights = 0;
    TRY(handle_take(table, handle, 0, &object, &rights));
    object_drop_handle(SOME(object));
    return STATUS_OK;
}

bool handle_table_clear_step(struct handle_table *_Nonnull table, unsigned budget) {
    while (table->chunk_count > 0) {
        uint32_t number = table->chunk_count - 1;
        for (uint32_t i = HANDLES_PER_CHUNK; i > 0; i--) {
            struct object *object = chunk_at(table, number)->entries[i - 1].object;
            if (object == nullptr) {
                continue;
            }
            if (budget == 0) {
                return false;
            }
            budget--;
            empty_slot(table, number * HANDLES_PER_CHUNK + i - 1);
            object_drop_handle(SOME(object));
        }
        struct handle_directory *directory =
            SOME(table->directories[number / CHUNKS_PER_DIRECTORY]);
        slab_free(SLAB_CHUNK, table->domain,
                  SOME(directory->chunks[number % CHUNKS_PER_DIRECTORY]));
        directory->chunks[number % CHUNKS_PER_DIRECTORY] = nullptr;
        table->chunk_count--;
        table->free_head = 0; /* it may lie in what is freed, and nobody inserts any more */
        if (number % CHUNKS_PER_DIRECTORY == 0) {
            slab_free(SLAB_NODE, table->domain, directory);
            table->directories[number / CHUNKS_PER_DIRECTORY] = nullptr;
        }
    }
    domain_uncharge(table->domain, RESOURCE_HANDLES, table->reserved);
    table->reserved = 0;
    CHECK(table->used == 0);
    return true;
}

/* A child gets what its parent can name, except what belongs to the parent's own running. */
static bool fork_inherits(enum object_type type) {
    return type != OBJECT_THREAD && type != OBJECT_PROCESS && type != OBJECT_SPACE;
}

status_t handle_table_clone(struct handle_table *_Nonnull to,
                            const struct handle_table *_Nonnull from) {
    while (to->chunk_count < from->chunk_count) {
        TRY(add_chunk(to));
    }
    for (uint32_t number = 0; number < from->chunk_count; number++) {
        const struct handle_chunk *source = chunk_at(from, number);
        struct handle_chunk *chunk = chunk_at(to, number);
        for (uint32_t i = 0; i < HANDLES_PER_CHUNK; i++) {
            const struct handle_entry_slot *slot = &source->entries[i];
            chunk->entries[i].generation = slot->generation;
            if (slot->object != nullptr && fork_inherits(slot->object->type)) {
                TRY(domain_charge(to->domain, RESOURCE_HANDLES, 1));
                (void)fill(to, number * HANDLES_PER_CHUNK + i, SOME(slot->object), slot->rights);
            }
        }
    }
    return STATUS_OK;
}
